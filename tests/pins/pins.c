/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Repeats one fast path COUNT times, so that pins.sh can count its instructions: pins PATH COUNT.
 * The difference between two runs with different COUNT is the cost of the path. `pins --list`
 * prints the paths and the greatest permitted number of instructions of each.
 */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 64

static struct device *dev;
static struct page *page[PAGES];

static void map_unmap(long n)
{
	while (n--) {
		dma_addr_t addr = dma_map_page(dev, page[0], 0, PAGE_SIZE, DMA_TO_DEVICE);

		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	}
}

/* Pages that are not adjacent, so that nothing merges. */
static void map_sg(long n)
{
	struct scatterlist list[PAGES];

	sg_init_table(list, PAGES);
	for (int i = 0; i < PAGES; i++)
		sg_set_page(&list[i], page[i * 37 % PAGES], PAGE_SIZE, 0);
	while (n--) {
		dma_map_sg(dev, list, PAGES, DMA_TO_DEVICE);
		dma_unmap_sg(dev, list, PAGES, DMA_TO_DEVICE);
	}
}

static void sync(long n)
{
	dma_addr_t addr = dma_map_page(dev, page[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);

	while (n--)
		dma_sync_single_for_cpu(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
}

static void link_range(long n)
{
	struct dma_iova_state state;

	if (!dma_iova_try_alloc(dev, &state, 0, PAGES * PAGE_SIZE))
		exit(2);
	while (n--) {
		for (size_t i = 0; i < PAGES; i++)
			dma_iova_link(dev, &state, page_to_phys(page[i]), i * PAGE_SIZE, PAGE_SIZE,
				      DMA_TO_DEVICE, 0);
		dma_iova_sync(dev, &state, 0, PAGES * PAGE_SIZE);
		dma_iova_unlink(dev, &state, 0, PAGES * PAGE_SIZE, DMA_TO_DEVICE, 0);
	}
	dma_iova_free(dev, &state);
}

static void bus_read(long n)
{
	dma_addr_t addr = dma_map_page(dev, page[0], 0, PAGE_SIZE, DMA_TO_DEVICE);
	u64 word;

	while (n--)
		dmamap_bus_read(dev, addr + 8, &word, sizeof(word));
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
}

static void pool(long n)
{
	struct dma_pool *p = dma_pool_create("pins", dev, 64, 0, 0);

	while (n--) {
		dma_addr_t addr;

		void *block = dma_pool_alloc(p, GFP_KERNEL, &addr);

		dma_pool_free(p, block, addr);
	}
	dma_pool_destroy(p);
}

/* `most` is the count of gcc 12 in a release build plus a tenth: increase it only with a reason. */
static const struct path {
	const char *name, *spec;
	void (*run)(long n);
	int most;
} paths[] = {
	{"map-strict", "sim", map_unmap, 500},
	{"map-lazy", "sim,policy=lazy", map_unmap, 560},
	{"map-pool", "sim,policy=identity", map_unmap, 145},
	{"map-direct", "sim,iommu=0", map_unmap, 145},
	{"sg-strict", "sim", map_sg, 8400},
	{"sg-direct", "sim,iommu=0", map_sg, 8700},
	{"sync", "sim", sync, 20},
	{"two-step", "sim", link_range, 6300},
	{"bus-read", "sim", bus_read, 119},
	{"dma-pool", "sim", pool, 114},
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (i = 0; i < sizeof(paths) / sizeof(*paths); i++)
			printf("%s %d\n", paths[i].name, paths[i].most);
		return 0;
	}
	for (i = 0; argc == 3 && i < sizeof(paths) / sizeof(*paths); i++) {
		if (strcmp(argv[1], paths[i].name) != 0)
			continue;
		dev = dmamap_open(paths[i].spec);
		if (!dev || dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
			return 2;
		for (int k = 0; k < PAGES; k++)
			page[k] = alloc_pages(GFP_KERNEL, 0);
		paths[i].run(atol(argv[2]));
		for (int k = 0; k < PAGES; k++)
			__free_pages(page[k], 0);
		dmamap_close(dev);
		return 0;
	}
	fprintf(stderr, "pins: PATH COUNT, or --list\n");
	return 2;
}
