/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm-bench SPEC…: what mappings cost on each, as one JSON line for each: nanoseconds of a dma_map_single of
 * 4 KiB of RAM and its unmap (the least of five rounds), the kernel's calls for each of them, and for a
 * dma_map_sg of 64 pages, none beside another in memory; and how many of the kernel's entries a million live
 * mappings of 4 KiB take under policy=pool.
 */
#include "base/clock.h"

#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES	 256
#define SG_PAGES 64
#define ROUNDS	 5
#define MANY	 1000000

static struct dmamap_stats stats(struct device *dev)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	dmamap_stats(dev, &s);
	return s;
}

/* One round: `n` mappings, each unmapped at once. 0: it cannot map. */
static double round_ns(struct device *dev, char *memory, unsigned int n)
{
	u64 start = clock_ns();

	for (unsigned int i = 0; i < n; i++) {
		dma_addr_t addr = dma_map_single(dev, memory + i % PAGES * PAGE_SIZE, PAGE_SIZE,
						 DMA_BIDIRECTIONAL);

		if (dma_mapping_error(dev, addr))
			return 0;
		dma_unmap_single(dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	return (double)(clock_ns() - start) / n;
}

static double single(struct device *dev, char *memory, double *maps, double *unmaps)
{
	/* as many as take some 50 ms */
	double once = round_ns(dev, memory, 1000), least = once;
	unsigned int n = once > 5000 ? 5000 : 500000;
	struct dmamap_stats before = stats(dev), after;

	for (int i = 0; once && i < ROUNDS; i++) {
		double ns = round_ns(dev, memory, n);

		least = ns < least ? ns : least;
	}
	after = stats(dev);
	*maps = (double)(after.kernel_maps - before.kernel_maps) / ROUNDS / n;
	*unmaps = (double)(after.kernel_unmaps - before.kernel_unmaps) / ROUNDS / n;
	return least;
}

static bool list(struct device *dev, struct page *pages, unsigned int run, double *maps, double *unmaps)
{
	struct dmamap_stats before = stats(dev), after;
	struct scatterlist sg[SG_PAGES];

	/* runs of `run` pages beside each other, and a page that is not in the list between them */
	sg_init_table(sg, SG_PAGES);
	for (unsigned int i = 0; i < SG_PAGES; i++)
		sg_set_page(&sg[i], pages + i + i / run, PAGE_SIZE, 0);
	if (dma_map_sg(dev, sg, SG_PAGES, DMA_TO_DEVICE) <= 0)
		return false;
	after = stats(dev);
	*maps = (double)(after.kernel_maps - before.kernel_maps);
	dma_unmap_sg(dev, sg, SG_PAGES, DMA_TO_DEVICE);
	*unmaps = (double)(stats(dev).kernel_unmaps - after.kernel_unmaps);
	return true;
}

/* Entries that a million live mappings take; -1: it cannot map so many. */
static long many(struct device *dev, char *memory)
{
	dma_addr_t *addr = malloc(MANY * sizeof(*addr));
	struct dmamap_stats before = stats(dev);
	unsigned int n = 0;
	long entries = -1;

	for (; addr && n < MANY; n++) {
		addr[n] = dma_map_single(dev, memory + n % PAGES * PAGE_SIZE, PAGE_SIZE, DMA_BIDIRECTIONAL);
		if (dma_mapping_error(dev, addr[n]))
			break;
	}
	if (n == MANY)
		entries = (long)(stats(dev).kernel_maps - stats(dev).kernel_unmaps);
	(void)before;
	while (addr && n--)
		dma_unmap_single(dev, addr[n], PAGE_SIZE, DMA_BIDIRECTIONAL);
	free(addr);
	return entries;
}

static bool measure(const char *spec)
{
	struct device *dev = dmamap_open(spec);
	struct page *pages = dev ? alloc_pages(GFP_KERNEL, 8) : NULL;
	double ns, maps, unmaps, sg[4] = {0};
	bool ok = pages && !dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));

	if (ok) {
		ns = single(dev, page_address(pages), &maps, &unmaps);
		ok = ns && list(dev, pages, 1, &sg[0], &sg[1]) && list(dev, pages, 16, &sg[2], &sg[3]);
	}
	if (ok) {
		printf("\"%s\": {\"map_unmap_ns\": %.1f, \"map_calls\": %.4f, \"unmap_calls\": %.4f, "
		       "\"sg_64_runs_map_calls\": %.0f, \"sg_64_runs_unmap_calls\": %.0f, "
		       "\"sg_4_runs_map_calls\": %.0f, \"sg_4_runs_unmap_calls\": %.0f",
		       spec, ns, maps, unmaps, sg[0], sg[1], sg[2], sg[3]);
		if (strstr(spec, "policy=pool"))
			printf(", \"million_live_entries\": %ld", many(dev, page_address(pages)));
		printf("}\n");
	} else {
		fprintf(stderr, "%s: %s\n", spec, dmamap_strerror());
	}
	if (pages)
		__free_pages(pages, 8);
	dmamap_close(dev);
	return ok;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!measure(argv[i]))
			return 1;
	return argc < 2 ? 2 : 0;
}
