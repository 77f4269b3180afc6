/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim:dmaengine: a card with 1 MiB of memory and two DMA channels, one that reads the machine's
 * memory and one that writes it. Each channel has a ring of descriptors (docs/dmaengine.md). The
 * card resembles a small FPGA design and serves as a device for drivers of character devices.
 *
 * The driver's threads read and write registers under `lock`. dmaengine_step(), the engine, copies
 * what it needs of a channel, works without the lock, and stores the result under it. `working` is
 * the channel that the engine is processing. A channel that is switched off stays RUNNING until the
 * engine has finished its descriptor, as on hardware; a driver must wait for that before it frees
 * memory.
 *
 * A descriptor is copied once and then checked. Sizes are bounded by the card's memory and indexes
 * by the ring. The driver may access the card's memory while the engine copies; both access it by
 * words, and a driver that reads before completion may read a mixture of old and new words.
 */
#include "dmaengine_regs.h"
#include "util.h"

#include <endian.h>
#include <string.h>

#define DMAENG_VECTORS DMAENG_CHANNELS
#define DMAENG_NOBODY  DMAENG_CHANNELS /* the engine is processing no channel */

struct dmaeng_channel {
	bool run;
	u32 causes, enabled, size, head, tail, done, error, vector;
	u64 ring, bytes;
};

struct dmaengine {
	struct device *dev;
	struct dmamap_model_lock lock;
	/* under lock */
	bool irq;
	bool resetting;		    /* the engine is to reset the card */
	u32 scratch, working, last; /* `last`: the channel that was processed last */
	struct dmaeng_channel channel[DMAENG_CHANNELS];
	/* the card's memory; the driver's threads access it by words */
	u8 *memory;
};

/* Under lock. */
static bool dmaengine_asserted(const struct dmaengine *e)
{
	for (u32 c = 0; e->irq && c < DMAENG_CHANNELS; c++)
		if (e->channel[c].causes & e->channel[c].enabled)
			return true;
	return false;
}

static bool dmaengine_line(void *model)
{
	struct dmaengine *e = model;
	bool asserted;

	dmamap_model_lock(&e->lock);
	asserted = dmaengine_asserted(e);
	dmamap_model_unlock(&e->lock);
	return asserted;
}

/* Under lock, since the write to an eventfd does not block. */
static void dmaengine_signal(struct dmaengine *e, u32 c, u32 causes)
{
	const struct dmaeng_channel *ch = &e->channel[c];

	if (e->irq && causes & ch->enabled)
		dmamap_model_interrupt(e->dev, ch->vector);
}

static void dmaengine_raise(struct dmaengine *e, u32 c, u32 causes)
{
	e->channel[c].causes |= causes;
	dmaengine_signal(e, c, causes);
}

/* One descriptor that the engine processes, and its result. */
struct dmaeng_job {
	u32 c;
	u64 at; /* the descriptor's address */
	u32 index;
	u32 causes; /* 0: success, and no interrupt was requested */
	bool failed;
	u32 moved;
};

static bool dmaengine_desc_ok(const struct dmaeng_desc *d)
{
	return !le32toh(d->reserved) && !(le32toh(d->flags) & ~DMAENG_DESC_IRQ) &&
	       le32toh(d->length) &&
	       util_within(le32toh(d->offset), le32toh(d->length), DMAENG_MEMORY_BYTES);
}

/* Returns 0 or the cause of the failure. Called without the lock. */
static u32 dmaengine_move(struct dmaengine *e, const struct dmaeng_job *j,
			  const struct dmaeng_desc *d)
{
	u8 *place = e->memory + le32toh(d->offset);
	u64 address = le64toh(d->address);
	u32 len = le32toh(d->length);
	int err;

	if (j->c == 0)
		err = dmamap_bus_read(e->dev, address, place, len);
	else
		err = dmamap_bus_write(e->dev, address, place, len);
	return err ? DMAENG_ST_DATA : 0;
}

static void dmaengine_work(struct dmaengine *e, struct dmaeng_job *j)
{
	struct dmaeng_desc d;
	u32 cause = DMAENG_ST_FETCH, report[2];

	j->failed = true;
	if (dmamap_bus_read(e->dev, j->at, &d, sizeof(d))) {
		j->causes = cause;
		return;
	}
	cause = dmaengine_desc_ok(&d) ? dmaengine_move(e, j, &d) : DMAENG_ST_BAD;
	j->moved = cause ? 0 : le32toh(d.length);
	report[0] = htole32(DMAENG_DESC_DONE | cause);
	report[1] = htole32(j->moved);
	if (dmamap_bus_write(e->dev, j->at + offsetof(struct dmaeng_desc, status), report,
			     sizeof(report)))
		cause |= DMAENG_ST_REPORT;
	j->failed = cause != 0;
	j->causes = cause | (!cause && le32toh(d.flags) & DMAENG_DESC_IRQ ? DMAENG_ST_DONE : 0);
}

/* Returns the next channel with work, round robin, or DMAENG_NOBODY. Under lock. */
static u32 dmaengine_next(struct dmaengine *e, u32 last)
{
	for (u32 i = 1; i <= DMAENG_CHANNELS; i++) {
		u32 c = (last + i) % DMAENG_CHANNELS;
		struct dmaeng_channel *ch = &e->channel[c];

		if (ch->run && ch->tail >= ch->size) {
			ch->run = false;
			ch->error = ch->head;
			dmaengine_raise(e, c, DMAENG_ST_BAD);
		} else if (ch->run && ch->head != ch->tail) {
			return c;
		}
	}
	return DMAENG_NOBODY;
}

/* Called under lock; releases it while the descriptor is processed. */
static void dmaengine_run(struct dmaengine *e, u32 c)
{
	struct dmaeng_channel *ch = &e->channel[c];
	struct dmaeng_job j = {
		.c = c, .index = ch->head, .at = ch->ring + ch->head * sizeof(struct dmaeng_desc)};

	e->working = c;
	dmamap_model_unlock(&e->lock);
	dmaengine_work(e, &j);
	dmamap_model_lock(&e->lock);
	e->working = DMAENG_NOBODY;
	ch->bytes += j.moved;
	if (j.failed) {
		ch->run = false;
		ch->error = j.index;
	} else {
		ch->done++;
		ch->head = (ch->head + 1) % ch->size;
	}
	dmaengine_raise(e, c, j.causes);
}

/* Under lock, while the engine processes no channel. */
static void dmaengine_clear(struct dmaengine *e)
{
	memset(e->channel, 0, sizeof(e->channel));
	e->irq = e->resetting = false;
	e->scratch = 0;
}

/* Processes one descriptor. */
static bool dmaengine_step(void *model)
{
	struct dmaengine *e = model;
	u32 c;

	dmamap_model_lock(&e->lock);
	if (e->resetting)
		dmaengine_clear(e);
	c = dmaengine_next(e, e->last);
	if (c != DMAENG_NOBODY) {
		e->last = c;
		dmaengine_run(e, c);
	}
	dmamap_model_unlock(&e->lock);
	return c != DMAENG_NOBODY;
}

/* The card's memory keeps its content. */
static void dmaengine_reset(void *model, enum dmamap_reset_kind kind)
{
	struct dmaengine *e = model;

	dmamap_model_lock(&e->lock);
	dmaengine_clear(e);
	dmamap_model_unlock(&e->lock);
}

static u32 dmaengine_channel_read(const struct dmaengine *e, u32 c, u64 offset)
{
	const struct dmaeng_channel *ch = &e->channel[c];

	switch (offset) {
	case DMAENG_CH_CTRL:
		return ch->run ? DMAENG_CTRL_RUN : 0;
	case DMAENG_CH_STATUS:
		return ch->causes | (ch->run || e->working == c ? DMAENG_ST_RUNNING : 0) |
		       (ch->head == ch->tail ? DMAENG_ST_IDLE : 0);
	case DMAENG_CH_INT_ENABLE:
		return ch->enabled;
	case DMAENG_CH_RING_SIZE:
		return ch->size;
	case DMAENG_CH_RING_LO:
		return (u32)ch->ring;
	case DMAENG_CH_RING_HI:
		return (u32)(ch->ring >> 32);
	case DMAENG_CH_HEAD:
		return ch->head;
	case DMAENG_CH_TAIL:
		return ch->tail;
	case DMAENG_CH_BYTES_LO:
		return (u32)ch->bytes;
	case DMAENG_CH_BYTES_HI:
		return (u32)(ch->bytes >> 32);
	case DMAENG_CH_DONE:
		return ch->done;
	case DMAENG_CH_ERROR:
		return ch->error;
	case DMAENG_CH_VECTOR:
		return ch->vector;
	}
	return 0;
}

static u32 dmaengine_int_status(const struct dmaengine *e)
{
	u32 bits = 0;

	for (u32 c = 0; c < DMAENG_CHANNELS; c++)
		bits |= e->channel[c].causes & e->channel[c].enabled ? 1u << c : 0;
	return bits;
}

/* Under lock. Registers that do not exist read as 0. */
static u32 dmaengine_reg_read(const struct dmaengine *e, u64 offset)
{
	if (offset >= DMAENG_CHANNEL(0) && offset < DMAENG_CHANNEL(DMAENG_CHANNELS))
		return dmaengine_channel_read(e, (u32)(offset >> 8) - 1, offset & 0xff);
	switch (offset) {
	case DMAENG_ID:
		return DMAENG_ID_VALUE;
	case DMAENG_CAPS:
		return util_log2(DMAENG_RING_MAX) | DMAENG_CHANNELS << 8;
	case DMAENG_CONTROL:
		return (e->resetting ? DMAENG_CONTROL_RESET : 0) |
		       (e->irq ? DMAENG_CONTROL_IRQ : 0);
	case DMAENG_INT_STATUS:
		return dmaengine_int_status(e);
	case DMAENG_MEMORY_SIZE:
		return DMAENG_MEMORY_BYTES;
	case DMAENG_SCRATCH:
		return e->scratch;
	}
	return 0;
}

/* A channel can only be started while it is stopped; it begins at descriptor 0. */
static void dmaengine_ctrl(struct dmaengine *e, u32 c, u32 value)
{
	struct dmaeng_channel *ch = &e->channel[c];
	bool run = value & DMAENG_CTRL_RUN;

	if (run && (ch->run || e->working == c))
		return;
	if (run && (ch->size < DMAENG_RING_MIN || ch->ring & 63)) {
		ch->error = 0;
		dmaengine_raise(e, c, DMAENG_ST_BAD);
		return;
	}
	if (run)
		ch->head = ch->tail = 0;
	ch->run = run;
}

/* Returns a valid ring size, or 0 for an invalid one; a channel of size 0 does not start. */
static u32 dmaengine_ring_size(u32 value)
{
	return util_is_pow2(value) && value >= DMAENG_RING_MIN && value <= DMAENG_RING_MAX ? value
											   : 0;
}

static void dmaengine_channel_write(struct dmaengine *e, u32 c, u64 offset, u32 value)
{
	struct dmaeng_channel *ch = &e->channel[c];
	bool set_up = !ch->run && e->working != c;

	switch (offset) {
	case DMAENG_CH_CTRL:
		dmaengine_ctrl(e, c, value);
		break;
	case DMAENG_CH_STATUS:
		ch->causes &= ~value;
		break;
	case DMAENG_CH_INT_ENABLE:
		ch->enabled = value & DMAENG_ST_CAUSES;
		dmaengine_signal(e, c, ch->causes);
		break;
	case DMAENG_CH_RING_SIZE:
		ch->size = set_up ? dmaengine_ring_size(value) : ch->size;
		break;
	case DMAENG_CH_RING_LO:
		ch->ring = set_up ? (ch->ring >> 32 << 32) | value : ch->ring;
		break;
	case DMAENG_CH_RING_HI:
		ch->ring = set_up ? (ch->ring & UINT32_MAX) | (u64)value << 32 : ch->ring;
		break;
	case DMAENG_CH_TAIL:
		ch->tail = ch->run ? value : ch->tail;
		break;
	case DMAENG_CH_VECTOR:
		ch->vector = value < DMAENG_VECTORS ? value : ch->vector;
		break;
	}
	dmamap_model_wake(e->dev);
}

static void dmaengine_control(struct dmaengine *e, u32 value)
{
	bool was = e->irq;

	if (value & DMAENG_CONTROL_RESET) {
		for (u32 c = 0; c < DMAENG_CHANNELS; c++)
			e->channel[c].run = false;
		e->resetting = true;
		dmamap_model_wake(e->dev);
		return;
	}
	e->irq = value & DMAENG_CONTROL_IRQ;
	for (u32 c = 0; !was && c < DMAENG_CHANNELS; c++)
		dmaengine_signal(e, c, e->channel[c].causes);
}

/* Under lock. Writes during a reset are ignored. */
static void dmaengine_reg_write(struct dmaengine *e, u64 offset, u32 value)
{
	if (e->resetting)
		return;
	if (offset >= DMAENG_CHANNEL(0) && offset < DMAENG_CHANNEL(DMAENG_CHANNELS))
		dmaengine_channel_write(e, (u32)(offset >> 8) - 1, offset & 0xff, value);
	else if (offset == DMAENG_CONTROL)
		dmaengine_control(e, value);
	else if (offset == DMAENG_SCRATCH)
		e->scratch = value;
}

static u64 dmaengine_memory_read(const struct dmaengine *e, u64 offset, unsigned int size)
{
	if (!util_within(offset, size, DMAENG_MEMORY_BYTES))
		return ~0ull;
	if (size == 4)
		return le32toh(read_once((const u32 *)(const void *)(e->memory + offset)));
	return le64toh(read_once((const u64 *)(const void *)(e->memory + offset)));
}

static void dmaengine_memory_write(struct dmaengine *e, u64 offset, unsigned int size, u64 value)
{
	if (!util_within(offset, size, DMAENG_MEMORY_BYTES))
		return;
	if (size == 4)
		write_once((u32 *)(void *)(e->memory + offset), htole32((u32)value));
	else
		write_once((u64 *)(void *)(e->memory + offset), htole64(value));
}

static u64 dmaengine_read(void *model, int bar, u64 offset, unsigned int size)
{
	struct dmaengine *e = model;
	u64 value;

	if (bar == 2)
		return dmaengine_memory_read(e, offset, size);
	if (bar != 0 || offset >= DMAENG_REGS_BYTES)
		return ~0ull;
	dmamap_model_lock(&e->lock);
	value = dmaengine_reg_read(e, offset);
	if (size == 8)
		value |= (u64)dmaengine_reg_read(e, offset + 4) << 32;
	dmamap_model_unlock(&e->lock);
	return value;
}

static void dmaengine_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	struct dmaengine *e = model;

	if (bar == 2) {
		dmaengine_memory_write(e, offset, size, value);
		return;
	}
	if (bar != 0 || offset >= DMAENG_REGS_BYTES)
		return;
	dmamap_model_lock(&e->lock);
	dmaengine_reg_write(e, offset, (u32)value);
	if (size == 8)
		dmaengine_reg_write(e, offset + 4, (u32)(value >> 32));
	dmamap_model_unlock(&e->lock);
}

static int dmaengine_create(struct device *dev, const struct dmamap_model_value *values,
			    void **model)
{
	struct dmaengine *e = dmamap_model_alloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->dev = dev;
	e->working = DMAENG_NOBODY;
	e->memory = dmamap_model_alloc(DMAENG_MEMORY_BYTES);
	if (!e->memory) {
		dmamap_model_free(e);
		return -ENOMEM;
	}
	*model = e;
	return 0;
}

static void dmaengine_destroy(void *model)
{
	struct dmaengine *e = model;

	dmamap_model_free(e->memory);
	dmamap_model_free(e);
}

const struct dmamap_model_ops model_dmaengine = {
	DMAMAP_MODEL_HEAD,
	.name = "dmaengine",
	.help = "a card with 1 MiB of memory and two DMA channels (PCI 1234:0d3a)",
	.pci = {.vendor = 0x1234,
		.device = 0x0d3a,
		.subsystem_vendor = 0x1234,
		.subsystem = 0x0001,
		.class_code = 0x120000, /* processing accelerator */
		.revision = 1,
		.msi = 1,
		.msix = DMAENG_VECTORS,
		.table_bar = 4,
		.pba_bar = 4,
		.pba_offset = 0x800,
		.express = true,
		.intx = true},
	.region = {[0] = {.size = DMAENG_REGS_BYTES, .access = 4 | 8},
		   [2] = {.size = DMAENG_MEMORY_BYTES,
			  .flags = DMAMAP_BAR_64BIT | DMAMAP_BAR_PREFETCH,
			  .access = 4 | 8},
		   [4] = {.size = 4096, .access = 4 | 8}},
	.create = dmaengine_create,
	.destroy = dmaengine_destroy,
	.read = dmaengine_read,
	.write = dmaengine_write,
	.line = dmaengine_line,
	.reset = dmaengine_reset,
	.step = dmaengine_step,
};
