/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `dmamap check list`: every kind of misuse that the checker knows. `dmamap check demo KIND`: the
 * smallest program that raises it, whose report is what the checker prints of it; with --legal its
 * nearest legal twin, of which nothing is printed.
 */
#include "check_demo.h"
#include "cli.h"

#include <stdio.h>

struct args {
	struct common common;
	const char *action, *kind;
	bool legal;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

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
	{"legal", 'l', NULL, 0, "demo: run the nearest legal program instead, which raises nothing",
	 0},
	{0}};
static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	options,
	parse,
	"list\ndemo KIND",
	"What the checker knows, and what each report looks like.\v"
	"The checker is on for a device opened with the key check=1, and for all "
	"with DMAMAP_CHECK=1 in the environment. A demo ends with status 0 when it raised exactly "
	"its "
	"report.",
	children,
	NULL,
	NULL};

static int find_kind(const char *text)
{
	const char *name;

	for (int kind = 1; (name = dmamap_check_name(kind)); kind++)
		if (!strcmp(name, text))
			return kind;
	return 0;
}

static int demo(const struct args *args)
{
	int kind = find_kind(args->kind), n;
	const struct demo *d = kind ? demo_find(kind) : NULL;
	unsigned int others;

	if (!d) {
		fprintf(stderr, "dmamap: check: unknown kind '%s': see dmamap check list\n",
			args->kind);
		return CLI_USAGE;
	}
	n = demo_run(d, !args->legal, &others);
	if (n < 0) {
		fprintf(stderr, "dmamap: check: %s\n", dmamap_strerror());
		return CLI_FAILED;
	}
	if (n == !args->legal && !others)
		return CLI_DONE;
	if (d->needs_asan && !n && !others)
		fprintf(stderr,
			"dmamap: check: only a program built with -fsanitize=address can tell "
			"this one\n");
	return CLI_FAILED;
}

static struct json_object *kind_json(int kind)
{
	struct json_object *o = json_object_new_object();

	json_put_text(o, "name", dmamap_check_name(kind));
	json_put_text(o, "meaning", dmamap_check_meaning(kind));
	return o;
}

int cmd_check(int argc, char **argv)
{
	struct json_object *o, *kinds;
	struct args args = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.kind)
		return demo(&args);
	if (!args.common.json) {
		for (int kind = 1; dmamap_check_name(kind); kind++)
			printf("%2d %-20s %s\n", kind, dmamap_check_name(kind),
			       dmamap_check_meaning(kind));
		return CLI_DONE;
	}
	o = json_object_new_object();
	kinds = json_object_new_array();
	for (int kind = 1; dmamap_check_name(kind); kind++)
		json_object_array_add(kinds, kind_json(kind));
	json_object_object_add(o, "kinds", kinds);
	return json_finish(o);
}
