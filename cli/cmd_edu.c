/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap edu selftest`: uses every function of the teaching device once. */
#include "cli.h"

#include "drivers/edu.h"
#include "drivers/message.h"

#include <dmamap/stats.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <stdio.h>
#include <string.h>

struct edu_args {
	struct cli_common common;
	const char *action;
};

static error_t cmd_edu_parse(int key, char *arg, struct argp_state *state)
{
	struct edu_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case ARGP_KEY_ARG:
		if (a->action || strcmp(arg, "selftest"))
			argp_error(state, "'%s': the action is selftest", arg);
		a->action = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give an action: selftest");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	NULL,
	cmd_edu_parse,
	"selftest",
	"Tests the teaching device.\vselftest: identification, liveness, factorials by polling and "
	"by interrupt, DMA in both directions with coherent memory and with a mapped buffer.",
	children,
	NULL,
	NULL};

/* QEMU up to 8 terminates on a transfer that includes the last byte. */
#define SIZE (EDU_BUFFER_SIZE - 1)

static void cmd_edu_pattern(u8 *p, u32 seed)
{
	for (u32 i = 0; i < SIZE; i++)
		p[i] = (u8)((i + seed) * 2654435761u >> 24);
}

static int cmd_edu_is_pattern(const struct device *dev, const u8 *p, u32 seed)
{
	u8 want[SIZE];

	cmd_edu_pattern(want, seed);
	for (u32 i = 0; i < SIZE; i++) {
		if (p[i] != want[i])
			return driver_fail(EIO, "%s: byte %u was read back as 0x%02x, not 0x%02x",
					   dev_name(dev), i, p[i], want[i]);
	}
	return 0;
}

static int cmd_edu_test_alive(struct device *dev, struct edu *edu)
{
	static const u32 values[] = {0, 1, 0x12345678, 0xffffffff};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int err = edu_check_alive(edu, values[i]);

		if (err)
			return err;
	}
	return 0;
}

static int cmd_edu_factorials(struct device *dev, struct edu *edu, bool by_interrupt)
{
	u32 want = 1, got = 0;

	for (u32 n = 1; n <= 12; n++) {
		int err = edu_factorial(edu, n, by_interrupt, &got);

		want *= n;
		if (err)
			return err;
		if (got != want)
			return driver_fail(EIO, "%s: %u! is %u, not %u", dev_name(dev), n, want,
					   got);
	}
	return 0;
}

static int cmd_edu_test_factorial_poll(struct device *dev, struct edu *edu)
{
	return cmd_edu_factorials(dev, edu, false);
}

static int cmd_edu_test_factorial_irq(struct device *dev, struct edu *edu)
{
	return cmd_edu_factorials(dev, edu, true);
}

static int cmd_edu_test_coherent(struct device *dev, struct edu *edu)
{
	dma_addr_t addr;
	u8 *p = dma_alloc_coherent(dev, SIZE, &addr, GFP_KERNEL);
	int err;

	if (!p)
		return driver_fail_why(ENOMEM, "%s: no coherent memory", dev_name(dev));
	cmd_edu_pattern(p, 1);
	err = edu_dma_to_device(edu, addr, 0, SIZE);
	memset(p, 0, SIZE);
	if (!err)
		err = edu_dma_from_device(edu, addr, 0, SIZE);
	if (!err)
		err = cmd_edu_is_pattern(dev, p, 1);
	dma_free_coherent(dev, SIZE, p, addr);
	return err;
}

static int cmd_edu_test_streaming(struct device *dev, struct edu *edu)
{
	u8 *p = kmalloc(SIZE, GFP_KERNEL);
	int err;

	if (!p)
		return driver_fail_why(ENOMEM, "%s: no memory", dev_name(dev));
	cmd_edu_pattern(p, 2);
	err = edu_write(edu, p, 0, SIZE);
	memset(p, 0, SIZE);
	if (!err)
		err = edu_read(edu, p, 0, SIZE);
	if (!err)
		err = cmd_edu_is_pattern(dev, p, 2);
	kfree(p);
	return err;
}

static const struct {
	const char *name;
	int (*run)(struct device *dev, struct edu *edu);
} tests[] = {
	{"liveness", cmd_edu_test_alive},
	{"factorial by polling", cmd_edu_test_factorial_poll},
	{"factorial by interrupt", cmd_edu_test_factorial_irq},
	{"DMA of coherent memory, both directions, by interrupt", cmd_edu_test_coherent},
	{"DMA of a mapped buffer, both directions, by interrupt", cmd_edu_test_streaming},
};

/* Runs all tests until one fails. Fills `list` for the document. */
static int cmd_edu_tests_run(struct device *dev, struct edu *edu, const struct edu_args *a,
			     struct json_object *list)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		int err = cli_interrupted() ? driver_fail(EINTR, "%s: interrupted before '%s'",
							  dev_name(dev), tests[i].name)
					    : tests[i].run(dev, edu);
		struct json_object *o = json_object_new_object();

		json_put_text(o, "name", tests[i].name);
		json_put_bool(o, "ok", !err);
		json_object_array_add(list, o);
		if (!a->common.json)
			printf("%s  %s\n", err ? "failed" : "ok    ", tests[i].name);
		if (err)
			return err;
	}
	return 0;
}

static int cmd_edu_finish(struct device *dev, const struct edu_args *a, u32 id,
			  struct json_object *list, int err)
{
	struct dmamap_stats st = {.size = sizeof(st)};
	struct json_object *o;
	int status = CLI_DONE;
	char why[256];

	dmamap_stats(dev, &st);
	if (a->common.json) {
		o = json_object_new_object();
		json_put_text(o, "device", a->common.device);
		json_put_text(o, "policy", device_policy(dev));
		json_put_u64(o, "identification", id);
		json_put_bool(o, "ok", !err);
		json_object_object_add(o, "tests", list);
		json_put_u64(o, "leaks", st.maps - st.unmaps);
		json_put_u64(o, "faults", st.faults);
		status = json_finish(o);
	} else {
		json_object_put(list);
	}
	if (!err)
		return status;
	device_explain(dev, false, why, sizeof(why));
	return cli_fail("%s%s", driver_strerror(), why);
}

int cmd_edu(int argc, char **argv)
{
	struct edu_args args = {0};
	int status, err;
	struct device *dev;
	struct json_object *list;
	struct edu *edu;
	u32 id;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (!args.common.device) {
		fprintf(stderr, "dmamap edu: give --device SPEC, such as sim:edu\n");
		return CLI_USAGE;
	}
	dev = device_open(args.common.device);
	if (!dev)
		return CLI_FAILED;
	edu = edu_probe(dev);
	if (!edu) {
		status = cli_fail("%s", driver_strerror());
		goto close;
	}
	id = edu_identification(edu);
	if (!args.common.json)
		printf("ok      identification 0x%08x: edu %u.%u\n", id, id >> 24, id >> 16 & 0xff);
	list = json_object_new_array();
	err = cmd_edu_tests_run(dev, edu, &args, list);
	edu_remove(edu);
	status = cmd_edu_finish(dev, &args, id, list, err);
close:
	dmamap_close(dev);
	return status;
}
