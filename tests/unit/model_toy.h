/* SPDX-License-Identifier: BSD-2-Clause */
/* A model of the test program, with a region of each kind. */
#ifndef TESTS_MODEL_TOY_H
#define TESTS_MODEL_TOY_H

#include "core_rig.h"

#include "device/model.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

/* A device whose registers 0, 8, 16 … store what was written; 0x100 starts `todo` units of work. */
struct toy {
	struct device *dev;
	struct dmamap_model_lock lock;
	u64 word[32];
	u32 todo, done, resets, config;
	bool line;
	u64 number;
	char text[16];
};

static struct toy *toy;		/* the device that was created last */
static int toy_result;		/* of toy_create() */
static u32 toy_calls, toy_most; /* calls of the model in progress; the most that were seen */
static u32 toy_attempts;    /* atomic: writes that another thread has begun or is about to begin */
static bool toy_slow;	    /* atomic: a step waits for one */
static bool toy_hold_reset; /* atomic: reset waits until it is false */
static bool toy_in_reset;   /* atomic */

static void toy_enter(void)
{
	u32 n = __atomic_add_fetch(&toy_calls, 1, __ATOMIC_SEQ_CST);

	if (n > read_once(&toy_most))
		write_once(&toy_most, n);
}

static void toy_leave(void)
{
	__atomic_sub_fetch(&toy_calls, 1, __ATOMIC_SEQ_CST);
}

static int toy_create(struct device *dev, const struct dmamap_model_value *values, void **model)
{
	struct toy *t = toy_result ? NULL : dmamap_model_alloc(sizeof(*t));

	if (toy_result)
		return toy_result;
	if (!t)
		return -ENOMEM;
	t->dev = dev;
	if (values) {
		t->number = values[0].number;
		snprintf(t->text, sizeof(t->text), "%s", values[1].text ? values[1].text : "none");
	}
	toy = t;
	*model = t;
	return 0;
}

static void toy_destroy(void *model)
{
	dmamap_model_free(model);
}

static u64 toy_read(void *model, int bar, u64 offset, unsigned int size)
{
	struct toy *t = model;
	u64 value = ~0ull;

	toy_enter();
	dmamap_model_lock(&t->lock);
	if (offset < sizeof(t->word))
		value = t->word[offset / 8] >> offset % 8 * 8;
	else if (offset == 0x104)
		value = t->done;
	dmamap_model_unlock(&t->lock);
	toy_leave();
	return value;
}

static void toy_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	struct toy *t = model;

	toy_enter();
	dmamap_model_lock(&t->lock);
	if (offset < sizeof(t->word))
		t->word[offset / 8] = value;
	else if (offset == 0x100)
		t->todo += (u32)value;
	dmamap_model_unlock(&t->lock);
	if (offset == 0x100)
		dmamap_model_wake(t->dev);
	toy_leave();
}

static bool toy_line(void *model)
{
	return read_once(&((struct toy *)model)->line);
}

static bool toy_step(void *model)
{
	struct toy *t = model;
	u32 seen = read_acquire(&toy_attempts);
	bool more;

	toy_enter();
	/* time for a write that is about to begin */
	for (int i = 0; read_once(&toy_slow) && i < 50; i++) {
		if (read_acquire(&toy_attempts) != seen && i < 40)
			i = 40;
		sched_yield();
	}
	dmamap_model_lock(&t->lock);
	if (t->todo) {
		t->todo--;
		t->done++;
	}
	more = t->todo;
	dmamap_model_unlock(&t->lock);
	toy_leave();
	return more;
}

static void toy_reset(void *model, enum dmamap_reset_kind kind)
{
	struct toy *t = model;

	dmamap_model_lock(&t->lock);
	memset(t->word, 0, sizeof(t->word));
	t->todo = t->done = 0;
	t->resets += (u32)kind;
	dmamap_model_unlock(&t->lock);
	write_release(&toy_in_reset, true);
	while (read_acquire(&toy_hold_reset))
		sched_yield();
	write_release(&toy_in_reset, false);
}

static void toy_config(void *model, unsigned int offset, unsigned int size, u64 value)
{
	((struct toy *)model)->config = offset << 16 | size << 8 | (u8)value;
}

static const char *const toy_choices[] = {"slow", "fast", NULL};
static const u8 toy_vendor_data[] = {0xaa, 0xbb};
static const struct dmamap_model_capability toy_capabilities[] = {{toy_vendor_data, 2},
								  {toy_vendor_data, 1}};

static const struct dmamap_model_key toy_keys[] = {
	{.name = "number", .type = DMAMAP_MODEL_U64, .default_value = "7", .most = 100},
	{.name = "text", .type = DMAMAP_MODEL_STRING, .least = 2, .most = 8},
	{.name = "size", .type = DMAMAP_MODEL_SIZE},
	{.name = "speed",
	 .type = DMAMAP_MODEL_ENUM,
	 .choices = toy_choices,
	 .default_value = "slow"},
	{.name = "flag", .type = DMAMAP_MODEL_BOOL},
	{.name = "path", .type = DMAMAP_MODEL_FILE},
};

static const struct dmamap_model_ops toy_model = {
	DMAMAP_MODEL_HEAD,
	.name = "toy",
	.help = "a toy",
	.keys = toy_keys,
	.n_keys = ARRAY_SIZE(toy_keys),
	.pci = {.vendor = 0x1234,
		.device = 0x4321,
		.express = true,
		.intx = true,
		.msi = 2,
		.msix = 70,
		.table_bar = 2,
		.pba_bar = 2,
		.pba_offset = 0x800,
		.n_capabilities = 2,
		.capabilities = toy_capabilities},
	.region = {{.size = 4096, .access = 1 | 2 | 4 | 8},
		   {.size = 8192, .flags = DMAMAP_BAR_MAPPABLE},
		   {.size = 4096, .access = 4},
		   {.size = 1 << 30, .flags = DMAMAP_BAR_64BIT | DMAMAP_BAR_PREFETCH, .access = 8},
		   {0},
		   {.size = 16, .flags = DMAMAP_BAR_IO, .access = 1}},
	.create = toy_create,
	.destroy = toy_destroy,
	.read = toy_read,
	.write = toy_write,
	.line = toy_line,
	.reset = toy_reset,
	.step = toy_step,
	.config_written = toy_config,
};

static int toy_setup(void **state)
{
	toy_result = 0;
	toy_calls = toy_most = 0;
	return dmamap_model_register(&toy_model);
}

static int toy_teardown(void **state)
{
	return dmamap_model_unregister(&toy_model);
}

static inline struct device *toy_open(const char *spec)
{
	struct device *dev = dmamap_open(spec);

	if (!dev)
		fail_msg("%s: %s", spec, dmamap_strerror());
	return dev;
}

static inline void says(const char *word)
{
	if (!strstr(dmamap_strerror(), word))
		fail_msg("\"%s\" does not say \"%s\"", dmamap_strerror(), word);
}

#define with_toy(f) cmocka_unit_test_setup_teardown(f, toy_setup, toy_teardown)

#endif
