/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap serve`: simulated devices for drivers of other processes, by the vfio-user protocol. */
#include "cli.h"

#include "serve/serve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SERVE_DEVICES 64

struct serve_args {
	struct cli_common common;
	bool check;
	int n; /* specs */
	int n_paths;
	const char *spec[SERVE_DEVICES], *path[SERVE_DEVICES];
	struct served *served[SERVE_DEVICES];
};

enum { OPT_SOCKET = 's', OPT_CHECK = 'c' };

static const struct argp_option options[] = {
	{"socket", OPT_SOCKET, "PATH", 0, "the socket of the device before it", 0},
	{"check", OPT_CHECK, NULL, 0, "report what the driver does wrong", 0},
	{"json", 'j', NULL, 0, "print the counters as JSON at the end", 0},
	{0}};

static void cmd_serve_add_spec(struct serve_args *a, const char *spec, struct argp_state *state)
{
	if (a->n > a->n_paths)
		argp_error(state, "%s: give --socket PATH after it", a->spec[a->n - 1]);
	if (a->n == SERVE_DEVICES)
		argp_error(state, "one process serves at most %d devices", SERVE_DEVICES);
	a->spec[a->n++] = spec;
}

static error_t cmd_serve_parse(int key, char *arg, struct argp_state *state)
{
	struct serve_args *a = state->input;

	switch (key) {
	case OPT_SOCKET:
		if (a->n_paths == a->n)
			argp_error(state, "--socket %s: give the device's SPEC before it", arg);
		a->path[a->n_paths++] = arg;
		return 0;
	case OPT_CHECK:
		a->check = true;
		return 0;
	case 'j':
		a->common.json = true;
		return 0;
	case ARGP_KEY_ARG:
		cmd_serve_add_spec(a, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (!a->n)
			argp_error(state, "give a device, such as sim:edu --socket PATH");
		if (a->n_paths < a->n)
			argp_error(state, "%s: give --socket PATH after it", a->spec[a->n - 1]);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {options,
				 cmd_serve_parse,
				 "SPEC --socket PATH [SPEC --socket PATH...]",
				 "Serves simulated devices by the vfio-user protocol.\vThe client "
				 "is a virtual machine, such as "
				 "QEMU with -device vfio-user-pci, or a device vfio-user:PATH of "
				 "another program. The command "
				 "ends at SIGINT or SIGTERM.",
				 NULL,
				 NULL,
				 NULL};

static const char *const event_names[] = {
	[SERVE_CONNECTED] = "connected", [SERVE_DISCONNECTED] = "disconnected",
	[SERVE_REFUSED] = "refused",	 [SERVE_MISUSE] = "misuse",
	[SERVE_BROKEN] = "error",
};

static void cmd_serve_event(void *arg, enum serve_event event, const char *device, const char *text)
{
	fprintf(stderr, "dmamap serve: %s: %s: %s\n", device ? device : "?", event_names[event],
		text);
}

/* Returns how many devices were started; all of them on success. */
static int cmd_serve_start(struct serve_args *a)
{
	for (int i = 0; i < a->n; i++) {
		struct serve_config config = {.spec = a->spec[i],
					      .path = a->path[i],
					      .check = a->check,
					      .event = cmd_serve_event};

		a->served[i] = serve_start(&config);
		if (!a->served[i]) {
			cli_fail("%s", dmamap_strerror());
			return i;
		}
		if (!a->common.json)
			printf("%s serves %s at %s\n", serve_name(a->served[i]), a->spec[i],
			       a->path[i]);
	}
	fflush(stdout);
	return a->n;
}

static struct json_object *cmd_serve_document(const struct serve_args *a)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (int i = 0; i < a->n; i++) {
		struct json_object *d = json_object_new_object();
		struct serve_stats st;

		serve_stats(a->served[i], &st);
		json_put_text(d, "device", a->spec[i]);
		json_put_text(d, "socket", a->path[i]);
		json_put_u64(d, "clients", st.clients);
		json_put_u64(d, "requests", st.requests);
		json_put_u64(d, "failed", st.failed);
		json_put_u64(d, "messages", st.messages);
		json_put_u64(d, "faults", st.faults);
		json_put_u64(d, "misuses", st.misuses);
		json_put_u64(d, "resets", st.resets);
		json_object_array_add(list, d);
	}
	json_object_object_add(o, "devices", list);
	return o;
}

/* The signals are blocked between the check of the flag and the wait, so that none is missed. */
static void cmd_serve_wait(void)
{
	sigset_t none;

	sigemptyset(&none);
	while (!cli_interrupted())
		ppoll(NULL, 0, NULL, &none);
}

int cmd_serve(int argc, char **argv)
{
	static struct serve_args args;
	int started, status = CLI_FAILED;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &args);
	signals_init();
	started = cmd_serve_start(&args);
	if (started == args.n) {
		cmd_serve_wait();
		status = args.common.json ? json_finish(cmd_serve_document(&args)) : CLI_DONE;
	}
	while (started)
		serve_stop(args.served[--started]);
	return status;
}
