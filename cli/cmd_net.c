/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap net`: options, set-up of ports and files. */
#include "net.h"

#include "base/math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES_DEFAULT 2048
#define CHUNK_DEFAULT  2048
#define RING_DEFAULT   1024

enum { KEY_COPY = 0x100, KEY_ZEROCOPY, KEY_JUMBO, KEY_CHUNK, KEY_FRAMES, KEY_RING, KEY_MASK };

static const struct argp_option options[] = {
	{"peer", 'p', "SPEC", 0,
	 "forward: the other card; packets are forwarded in both directions", 0},
	{"in", 'i', "FILE", 0, "tx: the capture file whose packets are sent", 0},
	{"out", 'o', "FILE", 0, "rx: the capture file that packets are written to", 0},
	{"packets", 'n', "N", 0, "Number of packets", 0},
	{"seconds", 's', "S", 0, "Duration", 0},
	{"size", 'l', "N", 0, "tx: bytes of a generated packet, without FCS (default 60)", 0},
	{"copy", KEY_COPY, NULL, 0, "Use a socket in copy mode", 0},
	{"zero-copy", KEY_ZEROCOPY, NULL, 0,
	 "Use a zero-copy socket or fail (default: copy mode if zero-copy is not possible)", 0},
	{"busy", 'b', NULL, 0, "Never sleep", 0},
	{"jumbo", KEY_JUMBO, NULL, 0, "Also packets longer than 1518 bytes, in several buffers", 0},
	{"chunk", KEY_CHUNK, "N", 0, "Bytes of a packet buffer: 2048 (default) or 4096", 0},
	{"frames", KEY_FRAMES, "N", 0, "Packet buffers of each card (default 2048)", 0},
	{"ring", KEY_RING, "N", 0, "Descriptors of the card's rings (default 1024)", 0},
	{"mask", KEY_MASK, "BITS", 0,
	 "Address bits that the driver claims for the device (default 64)", 0},
	{0},
};

static const char doc[] =
	"Sends and receives packets through an XSK socket.\vrx        receives packets, and writes "
	"them to --out\ntx        sends the packets of --in, or generated ones\nforward   forwards "
	"received packets to the same card, or to --peer\necho      sends received packets back "
	"with exchanged addresses\n\nWithout --packets and --seconds it ends at the end of the "
	"files (pcap-in= of the card, --in), or when it is interrupted. With --json: packets, "
	"bytes, seconds, mpps, cycles_per_packet (null if the machine cannot count them), drops by "
	"cause, and dma.";

static const char *const actions[] = {"rx", "tx", "forward", "echo"};

/* The options that size the socket and its UMEM. */
static error_t cmd_net_parse_sizes(int key, char *arg, struct argp_state *state)
{
	struct net_args *a = state->input;

	switch (key) {
	case KEY_CHUNK:
		a->chunk = number_option(state, "--chunk", arg, 2048, 4096);
		if (a->chunk & (a->chunk - 1))
			argp_error(state, "--chunk %s: 2048 or 4096", arg);
		return 0;
	case KEY_FRAMES:
		a->frames = number_option(state, "--frames", arg, 64, 1 << 20);
		return 0;
	case KEY_RING:
		a->ring = number_option(state, "--ring", arg, 8, 4096);
		if (a->ring % 8)
			argp_error(state, "--ring %s: a multiple of 8", arg);
		return 0;
	case KEY_MASK:
		a->mask = number_option(state, "--mask", arg, 12, 64);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t cmd_net_parse(int key, char *arg, struct argp_state *state)
{
	struct net_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case 'p':
		a->peer = arg;
		return 0;
	case 'i':
		a->in = arg;
		return 0;
	case 'o':
		a->out = arg;
		return 0;
	case 'n':
		a->packets = number_option(state, "--packets", arg, 1, UINT32_MAX);
		return 0;
	case 's':
		a->seconds = seconds_option(state, "--seconds", arg);
		return 0;
	case 'l':
		a->size = number_option(state, "--size", arg, 22, E1000E_FRAME_LONG);
		return 0;
	case KEY_COPY:
	case KEY_ZEROCOPY:
		if (a->mode)
			argp_error(state, "--copy and --zero-copy contradict each other");
		a->mode = key == KEY_COPY ? NET_COPY : NET_ZEROCOPY;
		return 0;
	case 'b':
		a->busy = true;
		return 0;
	case KEY_JUMBO:
		a->jumbo = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->action)
			argp_error(state, "one action at a time: '%s' is one too many", arg);
		a->action = arg;
		return 0;
	default:
		return cmd_net_parse_sizes(key, arg, state);
	}
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {options, cmd_net_parse, "rx|tx|forward|echo", doc, children,
				 NULL,	  NULL};

static int cmd_net_usage(const char *text)
{
	fprintf(stderr, "dmamap net: %s\n", text);
	return CLI_USAGE;
}

static int cmd_net_args_check(struct net_args *a)
{
	size_t i;

	if (!a->action)
		return cmd_net_usage("give an action: rx, tx, forward or echo");
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!strcmp(actions[i], a->action))
			break;
	}
	if (i == sizeof(actions) / sizeof(actions[0]))
		return cmd_net_usage("the actions are rx, tx, forward and echo");
	a->what = (enum net_action)i;
	if (!a->common.device)
		return cmd_net_usage("give --device SPEC, such as sim:e1000e,pcap-in=FILE");
	if (a->peer && a->what != NET_FORWARD)
		return cmd_net_usage("--peer is for forward");
	if (a->in && a->what != NET_TX)
		return cmd_net_usage("--in is for tx; the key pcap-in= of a card names the packets "
				     "that it receives");
	if (a->out && a->what != NET_RX)
		return cmd_net_usage("--out is for rx; the key pcap-out= of a card names the file "
				     "for the packets that it sends");
	a->size = a->size ? a->size : 60;
	a->chunk = a->chunk ? a->chunk : CHUNK_DEFAULT;
	a->frames = a->frames ? a->frames : FRAMES_DEFAULT;
	a->ring = a->ring ? a->ring : RING_DEFAULT;
	if (a->size > a->chunk && !a->jumbo)
		return cmd_net_usage("a --size larger than a buffer needs --jumbo");
	return CLI_DONE;
}

/*
 * Counts the packets that the file of a card will play. False: it cannot be counted. *forever: it
 * does not end.
 */
static bool cmd_net_count_file(struct net_run *r, const char *spec, bool *forever)
{
	char path[4096], loop[32];
	u64 n, times = 1;

	if (!spec || !spec_value(spec, "pcap-in", path, sizeof(path)))
		return true;
	if (spec_value(spec, "loop", loop, sizeof(loop)))
		times = strtoull(loop, NULL, 10);
	if (!times) {
		*forever = true;
		return true;
	}
	if (!net_pcap_count(r, path, &n))
		return false;
	if (__builtin_mul_overflow(n, times, &n) ||
	    __builtin_add_overflow(r->expected, n, &r->expected))
		*forever = true;
	r->has_expected = true;
	return true;
}

/* Determines what ends the run if no option does. */
static bool cmd_net_find_end(struct net_run *r)
{
	const struct net_args *a = r->args;
	bool forever = false;

	if (a->packets || a->seconds > 0 || a->what == NET_TX)
		return true;
	if (!cmd_net_count_file(r, a->common.device, &forever) ||
	    !cmd_net_count_file(r, a->peer, &forever))
		return false;
	r->has_expected &= !forever;
	return true;
}

static bool cmd_net_set_up(struct net_run *r)
{
	const struct net_args *a = r->args;

	if (!net_files_check(r))
		return false;
	if (a->in)
		r->in = net_in_open(r, a->in);
	if (r->error[0] || !net_memory_init(r))
		return false;
	signals_init();
	if (net_port_open(r, &r->port[0], a->common.device, 0) && a->peer)
		net_port_open(r, &r->port[1], a->peer, a->frames);
	signals_unblock();
	/* last, because it truncates the file */
	if (!r->error[0] && a->out)
		r->out = net_out_open(r, a->out);
	/* last, because the card has checked its file by now and reported an error */
	return !r->error[0] && cmd_net_find_end(r);
}

int cmd_net(int argc, char **argv)
{
	static struct net_run run;
	struct net_args args = {0};
	struct net_run *r = &run;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	status = cmd_net_args_check(&args);
	if (status)
		return status;
	r->args = &args;
	r->ports = args.peer ? 2 : 1;
	r->cycles = -1;
	r->live = !args.common.json && isatty(STDERR_FILENO);
	r->ran = cmd_net_set_up(r);
	if (r->ran)
		net_run(r);
	net_in_close(r->in);
	net_out_close(r, r->out);
	status = net_report(r);
	net_memory_fini(&r->memory);
	return status;
}
