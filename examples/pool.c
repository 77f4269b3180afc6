/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A dma_pool: many small blocks that a device reads, such as descriptors that are linked by
 * address.
 */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <stdio.h>

#define BLOCKS 100

struct descriptor {
	u64 next; /* DMA address of the next descriptor; 0: none */
	u64 value;
};

struct block {
	struct descriptor *cpu;
	dma_addr_t addr;
};

/* The device's side: follows the chain. A device must bound every loop that depends on memory. */
static int sum_chain(struct device *dev, dma_addr_t addr, u64 *sum)
{
	struct descriptor d;

	*sum = 0;
	for (int n = 0; addr && n < BLOCKS; n++, addr = d.next) {
		if (dmamap_bus_read(dev, addr, &d, sizeof(d)))
			return -EFAULT;
		*sum += d.value;
	}
	return addr ? -ELOOP : 0;
}

static int run(struct device *dev, struct dma_pool *pool)
{
	struct block block[BLOCKS];
	int n, err = 0;
	u64 sum = 0;

	for (n = 0; n < BLOCKS; n++) {
		block[n].cpu = dma_pool_zalloc(pool, GFP_KERNEL, &block[n].addr);
		if (!block[n].cpu) {
			err = -ENOMEM;
			break;
		}
		block[n].cpu->value = (u64)n + 1;
		if (n)
			block[n - 1].cpu->next = block[n].addr;
	}
	if (!err)
		err = sum_chain(dev, block[0].addr, &sum);
	if (!err && sum != BLOCKS * (BLOCKS + 1) / 2)
		err = -EIO;
	while (n--)
		dma_pool_free(pool, block[n].cpu, block[n].addr);
	return err;
}

int main(void)
{
	struct device *dev = dmamap_open("sim");
	struct dma_pool *pool = NULL;
	int err = -ENODEV;

	if (dev && !dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
		pool = dma_pool_create("descriptors", dev, sizeof(struct descriptor), 16, 4096);
	if (pool)
		err = run(dev, pool);
	if (err)
		fprintf(stderr, "pool: error %d: %s\n", -err, dmamap_strerror());
	else
		printf("the device followed %d descriptors\n", BLOCKS);
	dma_pool_destroy(pool);
	dmamap_close(dev);
	return err ? 1 : 0;
}
