/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A DMA engine as a model in a shared object (docs/write-a-model.md): each descriptor of a ring
 * copies memory to memory. The driver's threads write registers under `lock`. ring_step() copies
 * what it needs, works without the lock, and stores the result under it.
 */
#include "ringdma.h"

#include <dmamap/model.h>
#include <errno.h>
#include <string.h>

struct ring {
	struct device *dev;
	struct dmamap_model_lock lock;
	u64 base; /* this field and those of the next line are guarded by lock */
	u32 size, head, tail, status;
	u8 buffer[4096]; /* of ring_step() */
};

/* Copies in parts. A part that the bus refuses ends the transfer; the bus has recorded the fault.
 */
static u32 ring_copy(struct ring *r, const struct ring_desc *d)
{
	u32 part;

	if (!d->length || d->length > RING_LENGTH_MAX || d->flags & ~RING_MORE)
		return RING_BAD;
	for (u32 at = 0; at < d->length; at += part) {
		part = d->length - at < sizeof(r->buffer) ? d->length - at : sizeof(r->buffer);
		if (dmamap_bus_read(r->dev, d->from + at, r->buffer, part) ||
		    dmamap_bus_write(r->dev, d->to + at, r->buffer, part))
			return RING_REFUSED;
	}
	return RING_DONE;
}

/* Processes one descriptor. Returns whether there is another one. */
static bool ring_step(void *model)
{
	struct ring *r = model;
	struct ring_desc d;
	u32 result, head;
	bool more;
	u64 at;

	dmamap_model_lock(&r->lock);
	head = r->head;
	at = r->base + head * sizeof(d);
	more = r->head != r->tail && !r->status;
	dmamap_model_unlock(&r->lock);
	if (!more)
		return false;
	result = dmamap_bus_read(r->dev, at, &d, sizeof(d)) ? RING_REFUSED : ring_copy(r, &d);
	if (dmamap_bus_write(r->dev, at + offsetof(struct ring_desc, result), &result,
			     sizeof(result)))
		result = RING_REFUSED;
	dmamap_model_lock(&r->lock);
	if (result == RING_DONE && r->size)
		r->head = (head + 1) % r->size;
	else if (r->size)
		r->status = RING_ERROR; /* HEAD stays at the descriptor that failed */
	more = r->head != r->tail && !r->status;
	dmamap_model_unlock(&r->lock);
	if (result != RING_DONE)
		dmamap_model_interrupt(r->dev, RING_VECTOR_ERROR);
	else if (!(d.flags & RING_MORE))
		dmamap_model_interrupt(r->dev, RING_VECTOR_DONE);
	return more;
}

static u64 ring_read(void *model, int bar, u64 offset, unsigned int size)
{
	struct ring *r = model;
	u32 head, status;

	dmamap_model_lock(&r->lock);
	head = r->head;
	status = r->status;
	dmamap_model_unlock(&r->lock);
	if (bar == 0 && offset == RING_ID)
		return RING_ID_VALUE;
	if (bar == 0 && offset == RING_HEAD)
		return head;
	return bar == 0 && offset == RING_STATUS ? status : ~0ull;
}

static void ring_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	struct ring *r = model;

	dmamap_model_lock(&r->lock);
	if (bar == 0 && offset == RING_BASE && size == 8)
		r->base = value;
	else if (bar == 0 && offset == RING_SIZE && value <= RING_SIZE_MAX)
		r->size = (u32)value, r->head = r->tail = r->status = 0;
	else if (bar == 0 && offset == RING_TAIL && value < r->size) /* else: ignored */
		r->tail = (u32)value;
	else if (bar == 0 && offset == RING_STATUS && value & r->status)
		r->status = 0, r->head = (r->head + 1) % r->size; /* skips the bad descriptor */
	dmamap_model_unlock(&r->lock);
	dmamap_model_wake(r->dev);
}

static void ring_reset(void *model, enum dmamap_reset_kind kind)
{
	struct ring *r = model;

	dmamap_model_lock(&r->lock);
	r->base = r->size = r->head = r->tail = r->status = 0;
	dmamap_model_unlock(&r->lock);
}

static int ring_create(struct device *dev, const struct dmamap_model_value *values, void **model)
{
	struct ring *r = dmamap_model_alloc(sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->dev = dev;
	*model = r;
	return 0;
}

static const struct dmamap_model_ops ring_model = {
	DMAMAP_MODEL_HEAD,
	.name = "ringdma",
	.help = "copies memory to memory by a ring of descriptors",
	.pci = {.vendor = 0x1234,
		.device = 0x0001,
		.class_code = 0x088000,
		.express = true,
		.msix = 2,
		.table_bar = 2,
		.pba_bar = 2,
		.pba_offset = 0x800},
	.region = {[0] = {.size = 4096, .access = 4 | 8}, [2] = {.size = 4096, .access = 4 | 8}},
	.create = ring_create,
	.destroy = dmamap_model_free,
	.read = ring_read,
	.write = ring_write,
	.reset = ring_reset,
	.step = ring_step,
};

const struct dmamap_model_ops *dmamap_model_entry(u32 version)
{
	return version == DMAMAP_MODEL_VERSION ? &ring_model : NULL;
}
