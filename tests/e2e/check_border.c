/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver with mistakes of several kinds. check_border.sh examines their reports. */
#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <stdio.h>

int main(void)
{
	struct device *dev = dmamap_open("sim,check=1,iommu=0");
	struct sg_table *table;
	char *p, bytes[64] = "";
	dma_addr_t addr;

	if (!dev || dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
		return 2;
	p = kmalloc(4096, GFP_KERNEL);
	addr = dma_map_single(dev, p, 64, DMA_TO_DEVICE);
	dmamap_bus_write(dev, addr, bytes, 64);
	dma_unmap_single(dev, addr, 128, DMA_BIDIRECTIONAL);
	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	dma_sync_single_for_cpu(dev, addr, 64, DMA_TO_DEVICE);
	kfree_sensitive(p + 64);
	table = dma_alloc_noncontiguous(dev, 4096, DMA_TO_DEVICE, GFP_KERNEL, 0);
	dma_free_noncontiguous(dev, 8192, table, DMA_TO_DEVICE);
	addr = dma_map_page(dev, sg_page(table->sgl), 0, 64, DMA_FROM_DEVICE);
	dma_free_noncontiguous(dev, 4096, table, DMA_TO_DEVICE);
	kfree(p);
	dmamap_close(dev);
	printf("%llu\n", (unsigned long long)dmamap_check_count(0));
	return 0;
}
