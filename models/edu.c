/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The "edu" teaching device (PCI 1234:11e8), after its published register description. It computes
 * a factorial, raises interrupts on request, and copies up to 4 KiB between memory and its own
 * buffer. The buffer is at 0x40000 of its internal address space and is accessible only by DMA.
 *
 * Register accesses run in the driver's thread under `lock`. The factorial and the copy run in the
 * model's own thread, which copies its parameters and works without the lock. Writes to the
 * registers of a running job are ignored, as the description requires.
 *
 * Addresses are truncated to dma_mask without an error, as on hardware. A copy that exceeds the
 * buffer, or that the bus refuses, moves nothing and completes like any other.
 */
#include "base/alloc.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/math.h"
#include "device/model.h"
#include "thread.h"

#include <pthread.h>
#include <stdlib.h>

#define EDU_ID_VALUE 0x010000edu
#define EDU_DMA_MASK 0x0fffffffull /* 28 bits unless the spec says otherwise */
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
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work; /* signalled when a job arrives or stop is set */
	/* under lock */
	bool stop;
	u32 live;
	u32 factorial;
	u32 status;
	u32 irq_status;
	struct edu_dma dma;
	/* used only by the model's thread */
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
	if (at < EDU_BUF_AT || !range_within(at - EDU_BUF_AT, count, EDU_BUF_SIZE))
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

	pthread_mutex_lock(&e->lock);
	asserted = e->irq_status != 0;
	pthread_mutex_unlock(&e->lock);
	return asserted;
}

static void edusim_raise_irq(struct edusim *e, u32 bits)
{
	bool fire;

	pthread_mutex_lock(&e->lock);
	e->irq_status |= bits;
	fire = e->irq_status != 0;
	pthread_mutex_unlock(&e->lock);
	if (fire)
		model_interrupt(e->dev, 0);
}

/* Called with the lock held; releases it while it computes. */
static void edusim_run_factorial(struct edusim *e)
{
	u32 n = e->factorial, result;
	bool irq;

	pthread_mutex_unlock(&e->lock);
	result = edusim_factorial(n);
	pthread_mutex_lock(&e->lock);
	e->factorial = result;
	e->status &= ~STATUS_COMPUTING;
	irq = e->status & STATUS_IRQ;
	pthread_mutex_unlock(&e->lock);
	if (irq)
		edusim_raise_irq(e, IRQ_FACTORIAL);
	pthread_mutex_lock(&e->lock);
}

/* Called with the lock held; releases it while it copies. */
static void edusim_run_dma(struct edusim *e)
{
	struct edu_dma d = e->dma;

	pthread_mutex_unlock(&e->lock);
	edusim_dma_copy(e, &d);
	pthread_mutex_lock(&e->lock);
	e->dma.cmd &= ~(u64)CMD_RUN;
	pthread_mutex_unlock(&e->lock);
	if (d.cmd & CMD_IRQ)
		edusim_raise_irq(e, IRQ_DMA);
	pthread_mutex_lock(&e->lock);
}

static void *edusim_thread(void *arg)
{
	struct edusim *e = arg;

	pthread_mutex_lock(&e->lock);
	while (!e->stop) {
		if (e->status & STATUS_COMPUTING)
			edusim_run_factorial(e);
		else if (e->dma.cmd & CMD_RUN)
			edusim_run_dma(e);
		else
			pthread_cond_wait(&e->work, &e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
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
	pthread_mutex_lock(&e->lock);
	value = edusim_read_locked(e, offset);
	pthread_mutex_unlock(&e->lock);
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
	pthread_cond_signal(&e->work);
}

static void edusim_factorial_write(struct edusim *e, u32 value)
{
	if (e->status & STATUS_COMPUTING)
		return;
	e->factorial = value;
	e->status |= STATUS_COMPUTING;
	pthread_cond_signal(&e->work);
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
	pthread_mutex_lock(&e->lock);
	edusim_write_locked(e, offset, value);
	pthread_mutex_unlock(&e->lock);
}

static int edusim_parse_mask(const char *text, u64 *mask)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 0);
	if (text[0] < '0' || text[0] > '9' || *end || errno || !v)
		return error_set(EINVAL,
				 "sim:edu cannot use dma_mask=%s: it must be the greatest "
				 "address that the device can put on the bus, as in "
				 "dma_mask=0xffffffff",
				 text);
	*mask = v;
	return 0;
}

static int edusim_create(struct device *dev, const struct model_arg *args, int n_args, void **model)
{
	struct edusim *e = alloc_zeroed(sizeof(*e));
	int i, err;

	if (!e)
		return -ENOMEM;
	e->dev = dev;
	e->dma_mask = EDU_DMA_MASK;
	for (i = 0; i < n_args; i++) {
		err = edusim_parse_mask(args[i].value, &e->dma_mask);
		if (err)
			goto free_edu;
	}
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->work, NULL);
	err = model_thread_start(&e->thread, edusim_thread, e, "sim:edu");
	if (err)
		goto destroy_lock;
	*model = e;
	return 0;

destroy_lock:
	pthread_cond_destroy(&e->work);
	pthread_mutex_destroy(&e->lock);
free_edu:
	alloc_free(e);
	return err;
}

static void edusim_destroy(void *model)
{
	struct edusim *e = model;

	pthread_mutex_lock(&e->lock);
	e->stop = true;
	pthread_cond_signal(&e->work);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->thread, NULL);
	pthread_cond_destroy(&e->work);
	pthread_mutex_destroy(&e->lock);
	alloc_free(e);
}

static const char *const edu_keys[] = {"dma_mask", NULL};

static const struct model_pci edu_pci = {
	.vendor = 0x1234,
	.device = 0x11e8,
	.subsystem_vendor = 0x1af4,
	.subsystem = 0x1100,
	.class_code = 0x00ff00,
	.revision = 0x10,
	.msi = 1,
	.line = true,
	.bar = {{.size = 1 << 20}},
};

const struct model_ops model_edu = {
	.name = "edu",
	.keys = edu_keys,
	.pci = &edu_pci,
	.vectors = 1,
	.create = edusim_create,
	.destroy = edusim_destroy,
	.read = edusim_read,
	.write = edusim_write,
	.line = edusim_line,
};
