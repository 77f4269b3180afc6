/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm-bench BASE SPEC…: measures what mappings cost on each SPEC and prints one JSON line for each:
 * the nanoseconds of a dma_map_single of 4 KiB of RAM and its unmap, there and on BASE; the number
 * of the kernel's calls for each of them, and for a dma_map_sg of 64 pages that are not adjacent in
 * memory; and how many of the kernel's entries a million live mappings of 4 KiB need under
 * policy=identity.
 *
 * Times are medians of many short rounds. A round on BASE is run next to each round on SPEC, so
 * that other load of the machine affects both.
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
#define ROUNDS	 301
#define ROUND_NS 300000.0
#define MANY	 1000000

static struct dmamap_stats stats(struct device *dev)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	dmamap_stats(dev, &s);
	return s;
}

/* One round: `n` mappings, each unmapped at once. 0: a mapping failed. */
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

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct single {
	double ns, base_ns, least_ns, base_least_ns, maps, unmaps;
};

static bool single(struct device *dev, struct device *base, char *memory, struct single *out)
{
	static double ns[ROUNDS], base_ns[ROUNDS];
	double once = round_ns(dev, memory, 1000), base_once = round_ns(base, memory, 1000);
	unsigned int n = (unsigned int)(ROUND_NS / (once + 1)) + 10;
	unsigned int base_n = (unsigned int)(ROUND_NS / (base_once + 1)) + 10;
	struct dmamap_stats before = stats(dev), after;

	if (!once || !base_once)
		return false;
	for (int i = 0; i < ROUNDS; i++) {
		ns[i] = round_ns(dev, memory, n);
		base_ns[i] = round_ns(base, memory, base_n);
	}
	after = stats(dev);
	qsort(ns, ROUNDS, sizeof(ns[0]), by_size);
	qsort(base_ns, ROUNDS, sizeof(ns[0]), by_size);
	*out = (struct single){
		.ns = ns[ROUNDS / 2],
		.base_ns = base_ns[ROUNDS / 2],
		.least_ns = ns[0],
		.base_least_ns = base_ns[0],
		.maps = (double)(after.kernel_maps - before.kernel_maps) / ROUNDS / n,
		.unmaps = (double)(after.kernel_unmaps - before.kernel_unmaps) / ROUNDS / n};
	return ns[0] && base_ns[0];
}

static bool list(struct device *dev, struct page *pages, unsigned int run, double *maps,
		 double *unmaps)
{
	struct dmamap_stats before = stats(dev), after;
	struct scatterlist sg[SG_PAGES];

	/* runs of `run` adjacent pages, separated by a page that is not in the list */
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

/* Returns the entries that a million live mappings need; -1: a mapping failed. */
static long many(struct device *dev, char *memory)
{
	dma_addr_t *addr = malloc(MANY * sizeof(*addr));
	struct dmamap_stats before = stats(dev);
	unsigned int n = 0;
	long entries = -1;

	for (; addr && n < MANY; n++) {
		addr[n] = dma_map_single(dev, memory + n % PAGES * PAGE_SIZE, PAGE_SIZE,
					 DMA_BIDIRECTIONAL);
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

static void print_result(const char *spec, const struct single *one, const double sg[4])
{
	printf("\"%s\": {\"map_unmap_ns\": %.1f, \"base_ns\": %.1f, \"ratio\": %.2f, "
	       "\"ratio_of_the_least\": %.2f, "
	       "\"map_calls\": %.4f, \"unmap_calls\": %.4f, "
	       "\"sg_64_runs_map_calls\": %.0f, \"sg_64_runs_unmap_calls\": %.0f, "
	       "\"sg_4_runs_map_calls\": %.0f, \"sg_4_runs_unmap_calls\": %.0f",
	       spec, one->ns, one->base_ns, one->ns / one->base_ns,
	       one->least_ns / one->base_least_ns, one->maps, one->unmaps, sg[0], sg[1], sg[2],
	       sg[3]);
}

static bool measure(const char *spec, const char *base_spec)
{
	/*
	 * the first device determines how RAM is allocated: pinned, for a device behind the
	 * kernel's IOMMU
	 */
	struct device *dev = dmamap_open(spec), *base = dev ? dmamap_open(base_spec) : NULL;
	struct page *pages = base ? alloc_pages(GFP_KERNEL, 8) : NULL;
	struct single one;
	double sg[4] = {0};
	bool ok = pages && !dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)) &&
		  !dma_set_mask_and_coherent(base, DMA_BIT_MASK(64));

	if (ok)
		ok = single(dev, base, page_address(pages), &one) &&
		     list(dev, pages, 1, &sg[0], &sg[1]) && list(dev, pages, 16, &sg[2], &sg[3]);
	if (ok) {
		print_result(spec, &one, sg);
		if (strstr(spec, "policy=identity"))
			printf(", \"million_live_entries\": %ld", many(dev, page_address(pages)));
		printf("}\n");
	} else {
		fprintf(stderr, "%s: %s\n", spec, dmamap_strerror());
	}
	if (pages)
		__free_pages(pages, 8);
	dmamap_close(base);
	dmamap_close(dev);
	return ok;
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (!measure(argv[i], argv[1]))
			return 1;
	return argc < 3 ? 2 : 0;
}
