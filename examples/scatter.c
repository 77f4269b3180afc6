/* SPDX-License-Identifier: BSD-2-Clause */
/* A scatterlist: scattered pages, which the IOMMU makes contiguous for the device. */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <stdio.h>
#include <string.h>

#define PAGES 16

/* The device's side: fills every segment with its number. */
static int fill(struct device *dev, struct sg_table *sgt)
{
	static u8 bytes[PAGES * PAGE_SIZE];
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg (sgt, sg, i) {
		memset(bytes, (int)i + 1, sizeof(bytes));
		if (dmamap_bus_write(dev, sg_dma_address(sg), bytes, sg_dma_len(sg)))
			return -EFAULT;
	}
	return 0;
}

static int run(struct device *dev, struct page **pages)
{
	struct sg_table sgt;
	unsigned int segments;
	int err = sg_alloc_table_from_pages(&sgt, pages, PAGES, 0, PAGES * PAGE_SIZE, GFP_KERNEL);

	if (err)
		return err;
	err = dma_map_sgtable(dev, &sgt, DMA_FROM_DEVICE, 0);
	if (err)
		goto free_table;
	segments = sgt.nents;
	err = fill(dev, &sgt);
	dma_unmap_sgtable(dev, &sgt, DMA_FROM_DEVICE, 0);
	for (int i = 0; i < PAGES && !err; i++)
		if (*(u8 *)page_address(pages[i]) == 0)
			err = -EIO;
	if (!err)
		printf("%d pages were %u segment%s for the device\n", PAGES, segments,
		       segments == 1 ? "" : "s");
free_table:
	sg_free_table(&sgt);
	return err;
}

int main(void)
{
	struct device *dev = dmamap_open("sim");
	struct page *pages[PAGES] = {NULL};
	int n = 0, err = -ENODEV;

	if (dev && dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)) == 0) {
		dma_set_max_seg_size(dev, PAGES * PAGE_SIZE);
		while (n < PAGES && (pages[n] = alloc_pages(GFP_KERNEL | __GFP_ZERO, 0)))
			n++;
		err = n == PAGES ? run(dev, pages) : -ENOMEM;
	}
	if (err)
		fprintf(stderr, "scatter: error %d: %s\n", -err, dmamap_strerror());
	while (n--)
		__free_pages(pages[n], 0);
	dmamap_close(dev);
	return err ? 1 : 0;
}
