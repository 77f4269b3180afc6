/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bouncing: a device with 32 address lines and no IOMMU maps memory above 4 GiB to send it, so each
 * mapping copies once. The same copy from the same buffers is measured beside it. 64 mappings of 2
 * KiB are live at a time, or 8 of 64 KiB.
 */
#include "bench.h"

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <string.h>

#define ORDER	  11 /* 8 MiB of buffers for each thread */
#define BYTES	  ((u64)PAGE_SIZE << ORDER)
#define BATCH_MAX 64

static bool bench_swiotlb_bounce_setup(struct bench_case *c)
{
	return !dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(32));
}

static void bench_swiotlb_bounce(struct bench_thread *t)
{
	u64 size = t->c->a, batch = t->c->b, at = 0;
	struct page *page = alloc_pages(GFP_KERNEL, ORDER);
	struct device *dev = t->c->dev;
	dma_addr_t addr[BATCH_MAX];
	char *base;

	if (!page) {
		bench_fail(t, "no RAM");
		return;
	}
	base = page_address(page);
	memset(base, 1, BYTES);
	bench_begin(t);
	while (bench_more(t, batch)) {
		for (u64 i = 0; i < batch; i++, at = (at + size) % BYTES)
			addr[i] = dma_map_single(dev, base + at, size, DMA_TO_DEVICE);
		for (u64 i = 0; i < batch; i++) {
			if (dma_mapping_error(dev, addr[i]))
				bench_fail(t, "cannot map");
			else
				dma_unmap_single(dev, addr[i], size, DMA_TO_DEVICE);
		}
	}
	__free_pages(page, ORDER);
}

static void bench_swiotlb_copy(struct bench_thread *t)
{
	u64 size = t->c->a, batch = t->c->b, at = 0;
	struct page *from = alloc_pages(GFP_KERNEL, ORDER), *to = alloc_pages(GFP_KERNEL, ORDER);
	char *source, *target;

	if (!from || !to) {
		bench_fail(t, "no RAM");
		goto out;
	}
	source = page_address(from);
	target = page_address(to);
	memset(source, 1, BYTES);
	memset(target, 1, BYTES);
	bench_begin(t);
	while (bench_more(t, batch)) {
		for (u64 i = 0; i < batch; i++, at = (at + size) % BYTES) {
			memcpy(target + i * size, source + at, size);
			bench_keep(target);
		}
	}
out:
	if (from)
		__free_pages(from, ORDER);
	if (to)
		__free_pages(to, ORDER);
}

bool bench_swiotlb(struct bench *b)
{
	static const char spec[] = "sim,iommu=0";
	struct bench_case cases[] = {
		{"bounce map+unmap 2 KiB", bench_swiotlb_bounce, bench_swiotlb_bounce_setup,
		 .spec = spec, .a = 2048, .b = 64},
		{"copy of 2 KiB", bench_swiotlb_copy, .spec = spec, .a = 2048, .b = 64},
		{"bounce map+unmap 64 KiB", bench_swiotlb_bounce, bench_swiotlb_bounce_setup,
		 .spec = spec, .a = 65536, .b = 8},
		{"copy of 64 KiB", bench_swiotlb_copy, .spec = spec, .a = 65536, .b = 8},
	};

	return bench_cases(b, cases, sizeof(cases) / sizeof(cases[0]));
}
