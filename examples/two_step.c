/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A two-step mapping. Device addresses are allocated once. For every transfer, memory is linked at
 * these addresses piece by piece and unlinked again. A driver that also supports devices without an
 * IOMMU uses dma_map_phys() if dma_iova_try_alloc() fails.
 */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <stdio.h>
#include <string.h>

#define PAGES	  8
#define TRANSFERS 3

/* The device's side: the range is contiguous for it, wherever the pages are. */
static int device_sends(struct device *dev, dma_addr_t addr, char first)
{
	char bytes[PAGES * 4096];

	if (dmamap_bus_read(dev, addr, bytes, sizeof(bytes)))
		return -EFAULT;
	for (int i = 0; i < PAGES; i++)
		if (bytes[i * 4096] != first + i)
			return -EIO;
	return 0;
}

static int transfer(struct device *dev, struct dma_iova_state *range, struct page **pages,
		    char first)
{
	size_t done;
	int err = 0;

	for (done = 0; done < PAGES && !err; done++) {
		memset(page_address(pages[done]), first + (char)done, PAGE_SIZE);
		err = dma_iova_link(dev, range, page_to_phys(pages[done]), done * PAGE_SIZE,
				    PAGE_SIZE, DMA_TO_DEVICE, 0);
		if (err)
			break;
	}
	if (!err)
		err = dma_iova_sync(dev, range, 0, PAGES * PAGE_SIZE);
	if (!err)
		err = device_sends(dev, range->addr, first);
	if (done)
		dma_iova_unlink(dev, range, 0, done * PAGE_SIZE, DMA_TO_DEVICE, 0);
	return err;
}

static int run(struct device *dev, struct page **pages)
{
	struct dma_iova_state range;
	int err = 0;

	if (!dma_iova_try_alloc(dev, &range, 0, PAGES * PAGE_SIZE))
		return -ENOMEM;
	for (int i = 0; i < TRANSFERS && !err; i++)
		err = transfer(dev, &range, pages, (char)('a' + i));
	if (!err)
		printf("%d transfers of %d pages through one range at %#llx\n", TRANSFERS, PAGES,
		       (unsigned long long)range.addr);
	dma_iova_free(dev, &range);
	return err;
}

int main(void)
{
	struct device *dev = dmamap_open("sim");
	struct page *pages[PAGES] = {NULL};
	int n = 0, err = -ENODEV;

	if (dev && dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)) == 0) {
		while (n < PAGES && (pages[n] = alloc_pages(GFP_KERNEL, 0)))
			n++;
		err = n == PAGES ? run(dev, pages) : -ENOMEM;
	}
	if (err)
		fprintf(stderr, "two_step: error %d: %s\n", -err, dmamap_strerror());
	while (n--)
		__free_pages(pages[n], 0);
	dmamap_close(dev);
	return err ? 1 : 0;
}
