/* SPDX-License-Identifier: BSD-2-Clause */
/* Coherent memory: a ring that driver and device both write without a sync call in between. */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <stdio.h>

#define ENTRIES 8

struct entry {
	u32 question;
	u32 answer;
};

/* The device's side: processes one entry. */
static int answer(struct device *dev, dma_addr_t addr)
{
	u32 question, result;
	int err = dmamap_bus_read(dev, addr + offsetof(struct entry, question), &question,
				  sizeof(question));

	if (err)
		return err;
	result = question * question;
	return dmamap_bus_write(dev, addr + offsetof(struct entry, answer), &result,
				sizeof(result));
}

static int run(struct device *dev)
{
	const size_t size = ENTRIES * sizeof(struct entry);
	dma_addr_t addr;
	struct entry *ring = dma_alloc_coherent(dev, size, &addr, GFP_KERNEL);
	int err = ring ? 0 : -ENOMEM;

	for (u32 i = 0; i < ENTRIES && !err; i++) {
		ring[i].question = i;
		dma_wmb(); /* the entry must be written before the device reads it */
		err = answer(dev, addr + i * sizeof(struct entry));
		if (!err && ring[i].answer != i * i)
			err = -EIO;
	}
	if (ring)
		dma_free_coherent(dev, size, ring, addr);
	return err;
}

int main(void)
{
	struct device *dev = dmamap_open("sim");
	int err = dev ? dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)) : -ENODEV;

	if (!err)
		err = run(dev);
	if (err)
		fprintf(stderr, "coherent: error %d: %s\n", -err, dmamap_strerror());
	else
		printf("the device answered %d questions\n", ENTRIES);
	dmamap_close(dev);
	return err ? 1 : 0;
}
