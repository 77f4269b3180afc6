/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver of the example's DMA engine. It copies a buffer in three pieces as one transfer, waits
 * for the interrupt, and then lets the engine access memory that is not mapped.
 */
#include "ringdma.h"

#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES 8u
#define PIECES	3u
#define PIECE	5000u

struct driver {
	struct device *dev;
	struct ring_desc *ring;
	dma_addr_t ring_at;
	u32 tail;
};

/* Waits for the interrupt of a vector, for at most ten seconds. */
static int driver_wait(struct driver *d, unsigned int vector)
{
	struct pollfd p = {.fd = dmamap_irq_fd(d->dev, vector), .events = POLLIN};
	u64 count;

	if (poll(&p, 1, 10000) != 1 || read(p.fd, &count, sizeof(count)) != sizeof(count))
		return -ETIMEDOUT;
	return 0;
}

static u32 driver_queue(struct driver *d, dma_addr_t from, dma_addr_t to, u32 length, u32 flags)
{
	const u32 at = d->tail;

	d->ring[at] = (struct ring_desc){.from = from, .to = to, .length = length, .flags = flags};
	d->tail = (d->tail + 1) % ENTRIES;
	return at;
}

static int driver_copy(struct driver *d, dma_addr_t from, dma_addr_t to)
{
	u32 last = 0;
	int err;

	for (u32 i = 0; i < PIECES; i++)
		last = driver_queue(d, from + i * PIECE, to + i * PIECE, PIECE,
				    i + 1 < PIECES ? RING_MORE : 0);
	dmamap_writel(d->dev, 0, RING_TAIL, d->tail);
	err = driver_wait(d, RING_VECTOR_DONE);
	return err ? err : d->ring[last].result == RING_DONE ? 0 : -EIO;
}

/* Copies from a buffer that is no longer mapped: the engine reports an error, the bus a fault. */
static int driver_provoke(struct driver *d, dma_addr_t gone)
{
	struct dmamap_fault fault;
	u32 at = driver_queue(d, gone, gone, 64, 0);
	int err;

	dmamap_writel(d->dev, 0, RING_TAIL, d->tail);
	err = driver_wait(d, RING_VECTOR_ERROR);
	if (err)
		return err;
	if (d->ring[at].result != RING_REFUSED || dmamap_bus_fault_next(d->dev, &fault) != 1 ||
	    fault.addr != gone || dmamap_readl(d->dev, 0, RING_HEAD) != at)
		return -EPROTO;
	dmamap_writel(d->dev, 0, RING_STATUS, RING_ERROR);
	return dmamap_readl(d->dev, 0, RING_STATUS) ? -EPROTO : 0;
}

static int driver_run(struct driver *d, u8 *from, u8 *to)
{
	dma_addr_t from_at = dma_map_single(d->dev, from, PIECES * PIECE, DMA_TO_DEVICE), to_at;
	int err = -EIO;

	if (dma_mapping_error(d->dev, from_at))
		return -ENOMEM;
	to_at = dma_map_single(d->dev, to, PIECES * PIECE, DMA_FROM_DEVICE);
	if (!dma_mapping_error(d->dev, to_at)) {
		err = driver_copy(d, from_at, to_at);
		dma_unmap_single(d->dev, to_at, PIECES * PIECE, DMA_FROM_DEVICE);
	}
	dma_unmap_single(d->dev, from_at, PIECES * PIECE, DMA_TO_DEVICE);
	if (!err && memcmp(from, to, PIECES * PIECE) != 0)
		err = -EBADMSG;
	return err ? err : driver_provoke(d, from_at);
}

static int driver_probe(struct driver *d)
{
	if (dmamap_readl(d->dev, 0, RING_ID) != RING_ID_VALUE)
		return -ENODEV;
	if (dma_set_mask_and_coherent(d->dev, DMA_BIT_MASK(64)))
		return -EIO;
	d->ring = dma_alloc_coherent(d->dev, ENTRIES * sizeof(*d->ring), &d->ring_at, GFP_KERNEL);
	if (!d->ring)
		return -ENOMEM;
	dmamap_writeq(d->dev, 0, RING_BASE, d->ring_at);
	dmamap_writel(d->dev, 0, RING_SIZE, ENTRIES);
	return 0;
}

int main(int argc, char **argv)
{
	struct driver d = {.dev = NULL};
	u8 *from, *to;
	char spec[4096];
	int err;

	snprintf(spec, sizeof(spec), "sim:%s", argc > 1 ? argv[1] : "./ringdma.so");
	d.dev = dmamap_open(spec);
	if (!d.dev) {
		fprintf(stderr, "driver: %s\n", dmamap_strerror());
		return 1;
	}
	from = kmalloc(PIECES * PIECE, GFP_KERNEL);
	to = kzalloc(PIECES * PIECE, GFP_KERNEL);
	err = from && to ? driver_probe(&d) : -ENOMEM;
	if (!err) {
		for (u32 i = 0; i < PIECES * PIECE; i++)
			from[i] = (u8)(i * 7 + (i >> 8));
		err = driver_run(&d, from, to);
	}
	dmamap_reset(d.dev, DMAMAP_RESET_FUNCTION); /* the engine accesses no memory after this */
	if (d.ring)
		dma_free_coherent(d.dev, ENTRIES * sizeof(*d.ring), d.ring, d.ring_at);
	kfree(from);
	kfree(to);
	dmamap_close(d.dev);
	if (err)
		fprintf(stderr, "driver: %s; last message: %s\n", strerror(-err),
			dmamap_strerror());
	else
		printf("%u bytes copied, and a wrong address was refused\n", PIECES * PIECE);
	return err ? 1 : 0;
}
