/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap check list`: every kind of misuse that the checker knows. */
#include "cli.h"

#include <dmamap/check.h>
#include <stdio.h>
#include <string.h>

struct args {
	struct common common;
	const char *action;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case ARGP_KEY_ARG:
		if (a->action || strcmp(arg, "list"))
			argp_error(state, "'%s': the action is list", arg);
		a->action = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give an action: list");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	NULL,
	parse,
	"list",
	"What the checker knows.\v"
	"The checker is on for a device opened with the key check=1, and for all "
	"with DMAMAP_CHECK=1 in the environment.",
	children,
	NULL,
	NULL};

int cmd_check(int argc, char **argv)
{
	struct json_object *o, *kinds;
	struct args args = {0};
	const char *name;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (!args.common.json) {
		for (int kind = 1; (name = dmamap_check_name(kind)); kind++)
			printf("%2d %s\n", kind, name);
		return CLI_DONE;
	}
	o = json_object_new_object();
	kinds = json_object_new_array();
	for (int kind = 1; (name = dmamap_check_name(kind)); kind++)
		json_object_array_add(kinds, json_object_new_string(name));
	json_object_object_add(o, "kinds", kinds);
	return json_finish(o);
}
