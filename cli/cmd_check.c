/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `dmamap check list` prints every kind of misuse that the checker reports. `dmamap check demo
 * KIND` runs the smallest program that causes the report. With --legal it runs the most similar
 * legal program, which causes none.
 */
#include "check_demo.h"
#include "cli.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct check_args {
	struct cli_common common;
	const char *action, *kind;
	bool legal;
};

static error_t cmd_check_parse(int key, char *arg, struct argp_state *state)
{
	struct check_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case 'l':
		a->legal = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->action && (!strcmp(arg, "list") || !strcmp(arg, "demo")))
			a->action = arg;
		else if (a->action && !strcmp(a->action, "demo") && !a->kind)
			a->kind = arg;
		else
			argp_error(state, "'%s': the action is list or demo KIND", arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give an action: list or demo KIND");
		return 0;
	case ARGP_KEY_END:
		if (a->action && !strcmp(a->action, "demo") && !a->kind)
			argp_error(state, "demo needs a kind: see dmamap check list");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"legal", 'l', NULL, 0,
	 "demo: run the most similar legal program instead, which causes no report", 0},
	{0}};
static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	options,
	cmd_check_parse,
	"list\ndemo KIND",
	"The kinds of misuse that the checker reports, and an example of each report.\vThe checker "
	"is on for a device opened with the key check=1, and for all devices with DMAMAP_CHECK=1 "
	"in the environment. A demo ends with status 0 if it caused exactly its report.",
	children,
	NULL,
	NULL};

static int cmd_check_find_kind(const char *text)
{
	const char *name;

	for (int kind = 1; (name = dmamap_check_name(kind)); kind++)
		if (!strcmp(name, text))
			return kind;
	return 0;
}

/* Reports of a demo. A thread of the device may cause them, so a lock guards the list. */
static pthread_mutex_t reports_lock = PTHREAD_MUTEX_INITIALIZER;

static void cmd_check_keep_report(const struct dmamap_report *r, void *arg)
{
	struct json_object *list = arg, *o = json_object_new_object();

	json_put_text(o, "kind", r->name);
	json_put_text(o, "device", dev_name(r->dev));
	json_put_u64(o, "address", r->addr);
	json_put_u64(o, "size", r->size);
	json_put_text(o, "text", r->text);
	pthread_mutex_lock(&reports_lock);
	json_object_array_add(list, o);
	pthread_mutex_unlock(&reports_lock);
}

/* Runs the demo. Its reports go into `list`, or to standard error if that is NULL. */
static int demo_reported(const struct check_demo *d, bool wrong, unsigned int *others,
			 struct json_object *list)
{
	int n;

	if (list)
		dmamap_check_on_report(cmd_check_keep_report, list);
	n = demo_run(d, wrong, others);
	if (list)
		dmamap_check_on_report(NULL, NULL);
	return n;
}

static int demo_json(const struct check_args *args, unsigned int raised, unsigned int others,
		     struct json_object *reports, bool done, const char *error)
{
	struct json_object *o = json_object_new_object();

	json_put_text(o, "kind", args->kind);
	json_put_bool(o, "legal", args->legal);
	json_put_bool(o, "ok", done);
	json_put_u64(o, "raised", raised);
	json_put_u64(o, "others", others);
	json_object_object_add(o, "reports", reports);
	if (error)
		json_put_text(o, "error", error);
	return json_finish(o);
}

static int cmd_check_demo(const struct check_args *args)
{
	int kind = cmd_check_find_kind(args->kind), n, status = CLI_DONE;
	struct json_object *reports = args->common.json ? json_object_new_array() : NULL;
	const struct check_demo *d = kind ? demo_find(kind) : NULL;
	const char *error = NULL;
	unsigned int others = 0;
	bool done;

	if (!d) {
		json_object_put(reports);
		fprintf(stderr, "dmamap check: unknown kind '%s': see dmamap check list\n",
			args->kind);
		return CLI_USAGE;
	}
	n = demo_reported(d, !args->legal, &others, reports);
	done = n == !args->legal && !others;
	if (n < 0)
		error = dmamap_strerror();
	else if (!done && d->needs_asan && !n && !others)
		error = "only a program built with -fsanitize=address can detect this kind";
	else if (!done)
		error = "the demo did not cause exactly its report";
	if (reports)
		status = demo_json(args, n < 0 ? 0 : (unsigned int)n, others, reports, done, error);
	return error ? cli_fail("check: %s", error) : status;
}

static struct json_object *cmd_check_kind_json(int kind)
{
	struct json_object *o = json_object_new_object();

	json_put_text(o, "name", dmamap_check_name(kind));
	json_put_text(o, "meaning", dmamap_check_meaning(kind));
	return o;
}

int cmd_check(int argc, char **argv)
{
	struct json_object *o, *kinds;
	struct check_args args = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.kind)
		return cmd_check_demo(&args);
	if (!args.common.json) {
		for (int kind = 1; dmamap_check_name(kind); kind++)
			printf("%2d %-20s %s\n", kind, dmamap_check_name(kind),
			       dmamap_check_meaning(kind));
		return CLI_DONE;
	}
	o = json_object_new_object();
	kinds = json_object_new_array();
	for (int kind = 1; dmamap_check_name(kind); kind++)
		json_object_array_add(kinds, cmd_check_kind_json(kind));
	json_object_object_add(o, "kinds", kinds);
	return json_finish(o);
}
