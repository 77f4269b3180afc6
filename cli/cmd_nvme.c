/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap nvme`: options, set-up of the controller, report. */
#include "nvme.h"

#include "base/clock.h"

#include <dmamap/stats.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct argp_option options[] = {
	{"offset", 'o', "N", 0, "Offset on the disk, in bytes (default 0)", 0},
	{"length", 'n', "N", 0, "Number of bytes (default: to the end of the disk or file)", 0},
	{"file", 'f', "F", 0, "The file, instead of standard output or input", 0},
	{"bs", 'b', "N", 0, "Bytes of one request (default 128K, bench 4K)", 0},
	{"qd", 'q', "N", 0, "Requests in flight (default 8, bench 32)", 0},
	{"mask", 'm', "BITS", 0, "Address bits that the driver claims for the device (default 64)",
	 0},
	{"data", 'D', "MODE", 0,
	 "Mode of mapping data: twostep (dma_iova_link), sg (dma_map_sg), or auto (default): "
	 "twostep if the device has an IOMMU and RAM is not identity-mapped",
	 0},
	{"threads", 't', "N", 0, "bench: threads, each with a queue of its own (default 1)", 0},
	{"seconds", 's', "S", 0, "bench: duration (default 2)", 0},
	{0},
};

static const char doc[] =
	"Reads and writes a disk by DMA.\videntify  prints properties of the controller and its "
	"namespace\nread      copies from the disk to --file or standard output\nwrite     copies "
	"--file or standard input to the disk\nverify    compares the disk with --file\nbench     "
	"reads at random offsets\n\n--offset must be a multiple of the disk's block size. The "
	"length may be any number of bytes: if necessary the last block is read, changed and "
	"written back. With --json: bytes, seconds, mib_per_s, device, policy and, under dma, "
	"maps, unmaps, segments, bounced_bytes, iotlb_hits, iotlb_misses, faults, leaks, and "
	"linked: requests whose data was linked instead of mapped.";

static const char *const actions[] = {"identify", "read", "write", "verify", "bench"};

static enum nvme_data cmd_nvme_data_option(struct argp_state *state, const char *arg)
{
	static const char *const modes[] = {
		[NVME_DATA_AUTO] = "auto", [NVME_DATA_SG] = "sg", [NVME_DATA_TWOSTEP] = "twostep"};

	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(modes[i], arg))
			return (enum nvme_data)i;
	}
	argp_error(state, "--data %s: use auto, sg or twostep", arg);
	return NVME_DATA_AUTO;
}

static error_t cmd_nvme_parse(int key, char *arg, struct argp_state *state)
{
	struct nvme_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case 'o':
		a->offset = size_option(state, "--offset", arg);
		a->has_offset = true;
		return 0;
	case 'n':
		a->length = size_option(state, "--length", arg);
		a->has_length = true;
		return 0;
	case 'f':
		a->file = arg;
		return 0;
	case 'b':
		a->bs = size_option(state, "--bs", arg);
		if (!a->bs || a->bs % 512 || a->bs > 4 << 20)
			argp_error(state, "--bs %s: use a multiple of 512, at most 4M", arg);
		return 0;
	case 'q':
		a->qd = number_option(state, "--qd", arg, 1, 1024);
		return 0;
	case 'm':
		a->mask = number_option(state, "--mask", arg, 12, 64);
		return 0;
	case 'D':
		a->data = cmd_nvme_data_option(state, arg);
		return 0;
	case 't':
		a->threads = number_option(state, "--threads", arg, 1, 64);
		return 0;
	case 's':
		a->seconds = seconds_option(state, "--seconds", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (a->action)
			argp_error(state, "one action at a time: '%s' is one too many", arg);
		a->action = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	options, cmd_nvme_parse, "identify|read|write|verify|bench", doc, children, NULL, NULL};

static int cmd_nvme_usage(const char *text)
{
	fprintf(stderr, "dmamap nvme: %s\n", text);
	return CLI_USAGE;
}

/* Checks what can be checked before a device is opened. */
static int cmd_nvme_args_check(const struct nvme_args *a)
{
	size_t i;

	if (!a->action)
		return cmd_nvme_usage("give an action: identify, read, write, verify or bench");
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!strcmp(actions[i], a->action))
			break;
	}
	if (i == sizeof(actions) / sizeof(actions[0]))
		return cmd_nvme_usage("the actions are identify, read, write, verify and bench");
	if (!a->common.device)
		return cmd_nvme_usage("give --device SPEC, such as sim:nvme,image=disk.img");
	if (a->has_length && !a->length)
		return cmd_nvme_usage("--length 0: nothing to do");
	if (a->offset % 512)
		return cmd_nvme_usage("--offset must be a multiple of 512, the size of a block");
	if (!strcmp(a->action, "verify") && !a->file)
		return cmd_nvme_usage("verify needs --file F to compare with");
	if (strcmp(a->action, "read") || a->file)
		return CLI_DONE;
	if (a->common.json)
		return cmd_nvme_usage(
			"read --json needs --file F: standard output is for the document");
	if (isatty(STDOUT_FILENO))
		return cmd_nvme_usage("read needs --file F: standard output is a terminal");
	return CLI_DONE;
}

static double cmd_nvme_mib_per_s(const struct nvme_session *s)
{
	return s->seconds > 0 ? (double)s->bytes / (1 << 20) / s->seconds : 0;
}

static struct json_object *cmd_nvme_dma_json(const struct dmamap_stats *st, u64 linked)
{
	struct json_object *dma = json_object_new_object();

	json_put_u64(dma, "maps", st->maps);
	json_put_u64(dma, "unmaps", st->unmaps);
	json_put_u64(dma, "segments", st->segments);
	json_put_u64(dma, "bounced_bytes", st->bounced_bytes);
	json_put_u64(dma, "iotlb_hits", st->iotlb_hits);
	json_put_u64(dma, "iotlb_misses", st->iotlb_misses);
	json_put_u64(dma, "faults", st->faults);
	json_put_u64(dma, "leaks", st->maps - st->unmaps);
	json_put_u64(dma, "linked", linked);
	return dma;
}

static void cmd_nvme_identify_json(struct json_object *o, const struct nvme_info *info)
{
	json_put_text(o, "model", info->model);
	json_put_text(o, "serial", info->serial);
	json_put_text(o, "firmware", info->firmware);
	json_put_u64(o, "vendor", info->vendor);
	json_put_u64(o, "version_major", info->version >> 16);
	json_put_u64(o, "version_minor", info->version >> 8 & 0xff);
	json_put_u64(o, "block_size", info->block_size);
	json_put_u64(o, "blocks", info->blocks);
	json_put_u64(o, "capacity", info->blocks * info->block_size);
	json_put_u64(o, "max_bytes", info->max_bytes);
	json_put_u64(o, "queues", info->queues);
	json_put_u64(o, "in_flight", info->in_flight);
	json_put_u64(o, "interrupts", info->interrupts);
	json_put_bool(o, "can_discard", info->can_discard);
	json_put_bool(o, "can_write_zeroes", info->can_write_zeroes);
}

static void bench_json(struct json_object *o, const struct nvme_session *s)
{
	struct json_object *l = json_object_new_object();

	json_put_u64(o, "ops", s->ops);
	json_put_number(o, "iops", s->seconds > 0 ? (double)s->ops / s->seconds : 0, 1);
	json_put_number(l, "mean_ns", s->latency.mean_ns, 0);
	json_put_number(l, "p50_ns", s->latency.p50_ns, 0);
	json_put_number(l, "p99_ns", s->latency.p99_ns, 0);
	json_put_number(l, "p999_ns", s->latency.p999_ns, 0);
	json_put_number(l, "max_ns", s->latency.max_ns, 0);
	json_object_object_add(o, "latency", l);
}

static int cmd_nvme_report_json(const struct nvme_session *s, const struct nvme_info *info,
				const struct dmamap_stats *st)
{
	struct json_object *o = json_object_new_object();
	const struct nvme_args *a = s->args;

	json_put_text(o, "action", a->action);
	json_put_text(o, "device", a->common.device);
	json_put_text(o, "policy", device_policy(s->dev));
	json_put_u64(o, "bytes", s->bytes);
	json_put_number(o, "seconds", s->seconds, 6);
	json_put_number(o, "mib_per_s", cmd_nvme_mib_per_s(s), 2);
	if (!strcmp(a->action, "identify"))
		cmd_nvme_identify_json(o, info);
	if (!strcmp(a->action, "bench"))
		bench_json(o, s);
	json_object_object_add(o, "dma", cmd_nvme_dma_json(st, s->linked));
	if (s->error[0])
		json_put_text(o, "error", s->error);
	return json_finish(o);
}

static void cmd_nvme_identify_text(const struct nvme_info *info)
{
	printf("model       %s\nserial      %s\nfirmware    %s\n", info->model, info->serial,
	       info->firmware);
	printf("version     NVMe %u.%u, vendor 0x%04x\n", info->version >> 16,
	       info->version >> 8 & 0xff, info->vendor);
	printf("namespace 1 %llu blocks of %u bytes, %llu bytes\n",
	       (unsigned long long)info->blocks, info->block_size,
	       (unsigned long long)(info->blocks * info->block_size));
	printf("requests    at most %u bytes; %u queue(s) with %u in flight each, %u with an "
	       "interrupt\n",
	       info->max_bytes, info->queues, info->in_flight, info->interrupts);
	printf("commands    flush%s%s\n", info->can_write_zeroes ? ", write zeroes" : "",
	       info->can_discard ? ", discard" : "");
}

static void cmd_nvme_report_text(const struct nvme_session *s, const struct nvme_info *info,
				 const struct dmamap_stats *st)
{
	const char *action = s->args->action;
	/* Standard output has the data that was read, so the report goes to standard error. */
	FILE *to = !strcmp(action, "read") && !s->args->file ? stderr : stdout;

	if (s->error[0])
		return;
	if (!strcmp(action, "identify")) {
		cmd_nvme_identify_text(info);
		return;
	}
	fprintf(to,
		"%-6s %llu bytes in %.3f s, %.1f MiB/s, policy %s: %llu maps, %llu linked, %llu "
		"bytes bounced, "
		"IOTLB %llu hits %llu misses, %llu faults, %llu leaks\n",
		action, (unsigned long long)s->bytes, s->seconds, cmd_nvme_mib_per_s(s),
		device_policy(s->dev), (unsigned long long)st->maps, (unsigned long long)s->linked,
		(unsigned long long)st->bounced_bytes, (unsigned long long)st->iotlb_hits,
		(unsigned long long)st->iotlb_misses, (unsigned long long)st->faults,
		(unsigned long long)(st->maps - st->unmaps));
	if (!strcmp(action, "bench"))
		fprintf(to,
			"       %llu reads, %.0f a second, latency in us: mean %.1f, p50 %.1f, p99 "
			"%.1f, "
			"p99.9 %.1f, max %.1f\n",
			(unsigned long long)s->ops,
			s->seconds > 0 ? (double)s->ops / s->seconds : 0, s->latency.mean_ns / 1e3,
			s->latency.p50_ns / 1e3, s->latency.p99_ns / 1e3, s->latency.p999_ns / 1e3,
			s->latency.max_ns / 1e3);
}

/* Prints the report, after everything is unmapped and the controller is stopped. */
static int cmd_nvme_report(struct nvme_session *s, const struct nvme_info *info)
{
	struct dmamap_stats st = {.size = sizeof(st)};
	int status = CLI_DONE;

	dmamap_stats(s->dev, &st);
	if (s->args->common.json)
		status = cmd_nvme_report_json(s, info, &st);
	else
		cmd_nvme_report_text(s, info, &st);
	if (s->error[0])
		return cli_fail("%s", s->error);
	return status;
}

static void cmd_nvme_act(struct nvme_session *s)
{
	const char *action = s->args->action;
	u64 size = s->info->blocks * s->info->block_size;
	const struct nvme_args *a = s->args;

	if (a->offset % s->info->block_size) {
		session_fail(s, "%s: --offset %llu is not a multiple of the disk's block size, %u",
			     dev_name(s->dev), (unsigned long long)a->offset, s->info->block_size);
		return;
	}
	if (a->offset >= size || (a->has_length && a->length > size - a->offset)) {
		session_fail(
			s,
			"%s: --offset %llu --length %llu goes past the end of the disk, which has "
			"%llu bytes",
			dev_name(s->dev), (unsigned long long)a->offset,
			(unsigned long long)a->length, (unsigned long long)size);
		return;
	}
	if (!strcmp(action, "read"))
		nvme_copy_read(s);
	else if (!strcmp(action, "write"))
		nvme_copy_write(s);
	else if (!strcmp(action, "verify"))
		nvme_copy_verify(s);
	else if (!strcmp(action, "bench"))
		nvme_bench(s);
	if (s->error[0] && !s->stopped) {
		size_t n = strlen(s->error);

		device_explain(s->dev, true, s->error + n, sizeof(s->error) - n);
	}
	if (s->stopped)
		session_fail(
			s,
			"%s: interrupted after %llu bytes; the device is stopped and everything "
			"unmapped",
			dev_name(s->dev), (unsigned long long)s->bytes);
}

int cmd_nvme(int argc, char **argv)
{
	struct nvme_args args = {0};
	struct nvme_session s = {.args = &args};
	struct nvme_options opt = {0};
	struct nvme_info info;
	char why[256];
	bool bench;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	status = cmd_nvme_args_check(&args);
	if (status)
		return status;
	bench = !strcmp(args.action, "bench");
	args.qd = args.qd ? args.qd : bench ? 32 : 8;
	args.threads = args.threads ? args.threads : 1;
	args.seconds = args.seconds > 0 ? args.seconds : 2;
	s.dev = device_open(args.common.device);
	if (!s.dev)
		return CLI_FAILED;
	opt.queues = bench ? args.threads : 1;
	opt.depth = args.qd + 1;
	opt.mask_bits = args.mask;
	opt.data = args.data;
	opt.interrupted = cli_interrupted;
	s.nvme = nvme_probe(s.dev, &opt);
	if (!s.nvme) {
		device_explain(s.dev, true, why, sizeof(why));
		status = cli_fail("%s%s", driver_strerror(), why);
		goto close;
	}
	s.info = nvme_info(s.nvme);
	cmd_nvme_act(&s);
	info = *s.info;
	s.linked = nvme_linked(s.nvme);
	nvme_remove(s.nvme);
	status = cmd_nvme_report(&s, &info);
close:
	dmamap_close(s.dev);
	return status;
}
