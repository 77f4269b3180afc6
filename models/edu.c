/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The "edu" teaching device (PCI 1234:11e8), after its published register description. It computes
 * a factorial, raises interrupts on request, and copies up to 4 KiB between memory and its own
 * buffer. The buffer is at 0x40000 of its internal address space and is accessible only by DMA.
 *
 * Register accesses run in the driver's thread under `lock`. The factorial and the copy run in
 * edusim_step(), which copies its parameters and works without the lock. Writes to the registers of
 * a running job are ignored, as the description requires.
 *
 * Addresses are truncated to dma_mask without an error, as on hardware. A copy that exceeds the
 * buffer, or that the bus refuses, moves nothing and completes like any other.
 */
#include "util.h"

#define EDU_ID_VALUE 0x010000edu
#define EDU_BUF_AT   0x40000ull
#define EDU_BUF_SIZE 4096

enum {
	EDU_ID = 0x00,
	EDU_LIVE = 0x04,
	EDU_FACTORIAL = 0x08,
	EDU_STATUS = 0x20,
	EDU_IRQ_STATUS = 0x24,
	EDU_IRQ_RAISE = 0x60,
	EDU_IRQ_ACK = 0x64,
	EDU_WIDE = 0x80, /* from here on, 8-byte accesses are allowed, too */
	EDU_DMA_SRC = 0x80,
	EDU_DMA_DST = 0x88,
	EDU_DMA_COUNT = 0x90,
	EDU_DMA_CMD = 0x98,
};

#define STATUS_COMPUTING 0x01u
#define STATUS_IRQ	 0x80u
#define CMD_RUN		 0x01u
#define CMD_TO_RAM	 0x02u
#define CMD_IRQ		 0x04u
#define IRQ_FACTORIAL	 0x001u
#define IRQ_DMA		 0x100u

struct edu_dma {
	u64 src, dst, count, cmd;
};

struct edusim {
	struct device *dev;
	u64 dma_mask;
	struct dmamap_model_lock lock;
	/* under lock */
	u32 live;
	u32 factorial;
	u32 status;
	u32 irq_status;
	struct edu_dma dma;
	/* used only by edusim_step() */
	u8 buf[EDU_BUF_SIZE];
};

/* From 34! on the product is 0 modulo 2^32, so the loop is short for any n. */
static u32 edusim_factorial(u32 n)
{
	u32 product = 1;

	while (n > 1 && product)
		product *= n--;
	return product;
}

/* Returns the buffer's memory for [at, at + count), or NULL if the range exceeds the buffer. */
static u8 *edusim_buffer_place(struct edusim *e, u64 at, u64 count)
{
	if (at < EDU_BUF_AT || !util_within(at - EDU_BUF_AT, count, EDU_BUF_SIZE))
		return NULL;
	return e->buf + (at - EDU_BUF_AT);
}

static void edusim_dma_copy(struct edusim *e, const struct edu_dma *d)
{
	bool to_ram = d->cmd & CMD_TO_RAM;
	u8 *place = edusim_buffer_place(e, to_ram ? d->src : d->dst, d->count);

	if (!place)
		return;
	/* a refused access is in the device's fault record; the device has no register for it */
	if (to_ram)
		(void)dmamap_bus_write(e->dev, d->dst & e->dma_mask, place, d->count);
	else
		(void)dmamap_bus_read(e->dev, d->src & e->dma_mask, place, d->count);
}

static bool edusim_line(void *model)
{
	struct edusim *e = model;
	bool asserted;

	dmamap_model_lock(&e->lock);
	asserted = e->irq_status != 0;
	dmamap_model_unlock(&e->lock);
	return asserted;
}

static void edusim_raise_irq(struct edusim *e, u32 bits)
{
	bool fire;

	dmamap_model_lock(&e->lock);
	e->irq_status |= bits;
	fire = e->irq_status != 0;
	dmamap_model_unlock(&e->lock);
	if (fire)
		dmamap_model_interrupt(e->dev, 0);
}

/* Called with the lock held; releases it while it computes. */
static void edusim_run_factorial(struct edusim *e)
{
	u32 n = e->factorial, result;
	bool irq;

	dmamap_model_unlock(&e->lock);
	result = edusim_factorial(n);
	dmamap_model_lock(&e->lock);
	e->factorial = result;
	e->status &= ~STATUS_COMPUTING;
	irq = e->status & STATUS_IRQ;
	dmamap_model_unlock(&e->lock);
	if (irq)
		edusim_raise_irq(e, IRQ_FACTORIAL);
	dmamap_model_lock(&e->lock);
}

/* Called with the lock held; releases it while it copies. */
static void edusim_run_dma(struct edusim *e)
{
	struct edu_dma d = e->dma;

	dmamap_model_unlock(&e->lock);
	edusim_dma_copy(e, &d);
	dmamap_model_lock(&e->lock);
	e->dma.cmd &= ~(u64)CMD_RUN;
	dmamap_model_unlock(&e->lock);
	if (d.cmd & CMD_IRQ)
		edusim_raise_irq(e, IRQ_DMA);
	dmamap_model_lock(&e->lock);
}

static bool edusim_step(void *model)
{
	struct edusim *e = model;
	bool busy = true;

	dmamap_model_lock(&e->lock);
	if (e->status & STATUS_COMPUTING)
		edusim_run_factorial(e);
	else if (e->dma.cmd & CMD_RUN)
		edusim_run_dma(e);
	else
		busy = false;
	dmamap_model_unlock(&e->lock);
	return busy;
}

/* The content of the buffer stays, as the description says nothing else. */
static void edusim_reset(void *model, enum dmamap_reset_kind kind)
{
	struct edusim *e = model;

	dmamap_model_lock(&e->lock);
	e->live = e->factorial = e->status = e->irq_status = 0;
	e->dma = (struct edu_dma){0};
	dmamap_model_unlock(&e->lock);
}

static u64 edusim_read_locked(struct edusim *e, u64 offset)
{
	switch (offset) {
	case EDU_ID:
		return EDU_ID_VALUE;
	case EDU_LIVE:
		return e->live;
	case EDU_FACTORIAL:
		return e->factorial;
	case EDU_STATUS:
		return e->status;
	case EDU_IRQ_STATUS:
		return e->irq_status;
	case EDU_DMA_SRC:
		return e->dma.src;
	case EDU_DMA_DST:
		return e->dma.dst;
	case EDU_DMA_COUNT:
		return e->dma.count;
	case EDU_DMA_CMD:
		return e->dma.cmd;
	default:
		return ~0ull;
	}
}

static bool edusim_access_ok(int bar, u64 offset, unsigned int size)
{
	return bar == 0 && (size == 4 || (size == 8 && offset >= EDU_WIDE));
}

static u64 edusim_read(void *model, int bar, u64 offset, unsigned int size)
{
	struct edusim *e = model;
	u64 value;

	if (!edusim_access_ok(bar, offset, size))
		return size == 4 ? UINT32_MAX : UINT64_MAX;
	dmamap_model_lock(&e->lock);
	value = edusim_read_locked(e, offset);
	dmamap_model_unlock(&e->lock);
	return size == 4 ? (u32)value : value;
}

static void edusim_dma_write(struct edusim *e, u64 *reg, u64 value)
{
	if (!(e->dma.cmd & CMD_RUN))
		*reg = value;
}

static void edusim_command_write(struct edusim *e, u64 value)
{
	if (!(value & CMD_RUN) || (e->dma.cmd & CMD_RUN))
		return;
	e->dma.cmd = value & (CMD_RUN | CMD_TO_RAM | CMD_IRQ);
	dmamap_model_wake(e->dev);
}

static void edusim_factorial_write(struct edusim *e, u32 value)
{
	if (e->status & STATUS_COMPUTING)
		return;
	e->factorial = value;
	e->status |= STATUS_COMPUTING;
	dmamap_model_wake(e->dev);
}

static void edusim_write_locked(struct edusim *e, u64 offset, u64 value)
{
	switch (offset) {
	case EDU_LIVE:
		e->live = ~(u32)value;
		break;
	case EDU_FACTORIAL:
		edusim_factorial_write(e, (u32)value);
		break;
	case EDU_STATUS:
		e->status = (e->status & ~STATUS_IRQ) | ((u32)value & STATUS_IRQ);
		break;
	case EDU_IRQ_ACK:
		e->irq_status &= ~(u32)value;
		break;
	case EDU_DMA_SRC:
		edusim_dma_write(e, &e->dma.src, value);
		break;
	case EDU_DMA_DST:
		edusim_dma_write(e, &e->dma.dst, value);
		break;
	case EDU_DMA_COUNT:
		edusim_dma_write(e, &e->dma.count, value);
		break;
	case EDU_DMA_CMD:
		edusim_command_write(e, value);
		break;
	}
}

static void edusim_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	struct edusim *e = model;

	if (!edusim_access_ok(bar, offset, size))
		return;
	if (size == 4)
		value = (u32)value;
	if (offset == EDU_IRQ_RAISE) {
		edusim_raise_irq(e, (u32)value);
		return;
	}
	dmamap_model_lock(&e->lock);
	edusim_write_locked(e, offset, value);
	dmamap_model_unlock(&e->lock);
}

static int edusim_create(struct device *dev, const struct dmamap_model_value *values, void **model)
{
	struct edusim *e = dmamap_model_alloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->dev = dev;
	e->dma_mask = values[0].number;
	*model = e;
	return 0;
}

static void edusim_destroy(void *model)
{
	dmamap_model_free(model);
}

static const struct dmamap_model_key edu_keys[] = {
	{.name = "dma_mask",
	 .type = DMAMAP_MODEL_U64,
	 .help = "the greatest address that the device can put on the bus",
	 .default_value = "0x0fffffff", /* 28 bits */
	 .least = 1},
};

const struct dmamap_model_ops model_edu = {
	DMAMAP_MODEL_HEAD,
	.name = "edu",
	.help = "the teaching device of QEMU (PCI 1234:11e8): factorials, interrupts, copies",
	.keys = edu_keys,
	.n_keys = ARRAY_SIZE(edu_keys),
	.pci = {.vendor = 0x1234,
		.device = 0x11e8,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0x00ff00,
		.revision = 0x10,
		.msi = 1,
		.intx = true},
	.region = {{.size = 1 << 20, .access = 4 | 8}},
	.create = edusim_create,
	.destroy = edusim_destroy,
	.read = edusim_read,
	.write = edusim_write,
	.line = edusim_line,
	.reset = edusim_reset,
	.step = edusim_step,
};
