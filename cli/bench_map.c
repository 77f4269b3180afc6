/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of mappings for a driver. Single: `a` live mappings of a page each; a random one is
 * unmapped and mapped again. The pages are not accessed, so a large table needs no RAM.
 * Scatterlist: 64 pages far from each other are mapped and unmapped; one page is one operation.
 * Page table alone: a random page of 64k is mapped and unmapped.
 */
#include "bench.h"

#include "mem/mem.h"
#include "pt/pt.h"

#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH	    256
#define SG_PAGES    64
#define TABLE_PAGES 65536

/* RAM for the mappings of one thread: 2^order pages. */
struct bench_buffer {
	struct page *page;
	unsigned int order;
};

static unsigned int bench_map_order_of(u64 pages)
{
	return pages > 1 ? 64 - (unsigned int)__builtin_clzll(pages - 1) : 0;
}

static bool bench_map_buffer_get(struct bench_thread *t, struct bench_buffer *b, u64 pages)
{
	b->order = bench_map_order_of(pages);
	b->page = alloc_pages(GFP_KERNEL, b->order);
	if (!b->page)
		bench_fail(t, "no RAM");
	return b->page;
}

/* The name of the row contains the policy of the device, also if --device chose the device. */
static void bench_map_name_policy(struct bench_case *c)
{
	char *at = strchr(c->name, '@'), rest[sizeof(c->name)];

	if (!at)
		return;
	snprintf(rest, sizeof(rest), "%s", at + 1);
	snprintf(at, sizeof(c->name) - (size_t)(at - c->name), "%s%s", device_policy(c->dev), rest);
}

/*
 * Checks the memory for a table of mappings, and the kernel's limit if each mapping needs an entry
 * of the kernel.
 */
static void bench_map_check_room(struct bench_case *c)
{
	unsigned int order = bench_map_order_of(c->a);
	struct page *page = c->a > 1 ? alloc_pages(GFP_KERNEL, order) : NULL;
	struct dmamap_stats st = {.size = sizeof(st)};
	const char *policy = device_policy(c->dev);

	c->skip[0] = 0;
	dmamap_stats(c->dev, &st);
	if (c->a > 1 && !page)
		snprintf(c->skip, sizeof(c->skip),
			 "RAM has no %llu contiguous pages: add ram=%lluM",
			 (unsigned long long)c->a,
			 (unsigned long long)(PAGE_SIZE << order) * 4 >> 20);
	else if (st.kernel_maps_left && c->a > st.kernel_maps_left &&
		 strcmp(policy, "identity") != 0 && strcmp(policy, "persistent") != 0)
		snprintf(c->skip, sizeof(c->skip),
			 "the kernel allows %llu mappings, and the row needs %llu",
			 (unsigned long long)st.kernel_maps_left, (unsigned long long)c->a);
	if (page)
		__free_pages(page, order);
}

static bool bench_map_device_setup(struct bench_case *c)
{
	bench_map_name_policy(c);
	bench_map_check_room(c);
	return !dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64));
}

static void bench_map_single(struct bench_thread *t)
{
	/*
	 * the checker requires a check of each address; without it only some are checked, so that
	 * the check is not measured
	 */
	bool checked = getenv("DMAMAP_CHECK") != NULL;
	struct device *dev = t->c->dev;
	u64 live = t->c->a, made = 0;
	dma_addr_t *addr = calloc(live, sizeof(*addr));
	struct bench_buffer b = {0};
	char *base;

	if (!addr || !bench_map_buffer_get(t, &b, live))
		goto out;
	base = page_address(b.page);
	for (; made < live; made++) {
		addr[made] =
			dma_map_single(dev, base + made * PAGE_SIZE, PAGE_SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(dev, addr[made])) {
			bench_fail(t, "cannot map");
			goto out;
		}
	}
	bench_begin(t);
	while (bench_more(t, BATCH)) {
		for (int i = 0; i < BATCH; i++) {
			u64 k = live > 1 ? bench_random(t) % live : 0;

			dma_unmap_single(dev, addr[k], PAGE_SIZE, DMA_FROM_DEVICE);
			addr[k] = dma_map_single(dev, base + k * PAGE_SIZE, PAGE_SIZE,
						 DMA_FROM_DEVICE);
			if (checked && dma_mapping_error(dev, addr[k]))
				bench_fail(t, "cannot map");
		}
		for (u64 k = 0; k < live && k < 4; k++) {
			if (dma_mapping_error(dev, addr[k]))
				bench_fail(t, "cannot map");
		}
	}
out:
	while (made) {
		made--;
		if (!dma_mapping_error(dev, addr[made]))
			dma_unmap_single(dev, addr[made], PAGE_SIZE, DMA_FROM_DEVICE);
	}
	if (b.page)
		__free_pages(b.page, b.order);
	free(addr);
}

static void bench_map_sg(struct bench_thread *t)
{
	struct device *dev = t->c->dev;
	struct scatterlist sg[SG_PAGES];
	struct bench_buffer b;
	int n;

	if (!bench_map_buffer_get(t, &b, 2 * SG_PAGES))
		return;
	/* Every second page, so that no two pages are contiguous in memory. */
	sg_init_table(sg, SG_PAGES);
	for (unsigned int i = 0; i < SG_PAGES; i++)
		sg_set_page(&sg[i], b.page + 2 * i, PAGE_SIZE, 0);
	while (bench_more(t, 16 * SG_PAGES)) {
		for (int i = 0; i < 16; i++) {
			n = dma_map_sg(dev, sg, SG_PAGES, DMA_TO_DEVICE);
			if (n <= 0)
				bench_fail(t, "cannot map");
			else
				dma_unmap_sg(dev, sg, SG_PAGES, DMA_TO_DEVICE);
		}
	}
	__free_pages(b.page, b.order);
}

static void *bench_map_table_alloc(void *ctx)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 0);

	return page ? page_address(page) : NULL;
}

static void bench_map_table_free(void *ctx, void *page)
{
	free_pages((unsigned long)page, 0);
}

static bool bench_map_table_setup(struct bench_case *c)
{
	struct pt_memory memory = {
		.base = mem.base, .alloc = bench_map_table_alloc, .free = bench_map_table_free};
	struct pt *pt = malloc(sizeof(*pt));

	if (!pt || pt_init(pt, &memory)) {
		free(pt);
		return false;
	}
	c->state = pt;
	return true;
}

static void bench_map_table_teardown(struct bench_case *c)
{
	if (!c->state)
		return;
	pt_fini(c->state);
	free(c->state);
}

/* All threads use one table, each in a range of its own. */
static void bench_map_table(struct bench_thread *t)
{
	struct pt *pt = t->c->state;
	u64 base = (u64)(t->index + 1) << 32;

	/*
	 * Upper levels exist in a running system, because neighbouring mappings use them; create
	 * them here.
	 */
	for (u64 i = 0; i < TABLE_PAGES; i += 512)
		pt_map(pt, IOVA(base + (i << PAGE_BITS)), PHYS(0x10000000), PAGE_BYTES, PT_READ, 0);
	bench_begin(t);
	while (bench_more(t, BATCH)) {
		for (int i = 0; i < BATCH; i++) {
			u64 k = bench_random(t) % TABLE_PAGES | 1;
			iova_t at = IOVA(base + (k << PAGE_BITS));

			if (pt_map(pt, at, PHYS(k << PAGE_BITS), PAGE_BYTES,
				   PT_READ | PT_WRITE | PT_FIRST | PT_LAST, 0))
				bench_fail(t, "cannot map");
			bench_keep(pt_unmap(pt, at, PAGE_BYTES));
		}
	}
	pt_unmap(pt, IOVA(base), (u64)TABLE_PAGES << PAGE_BITS);
}

bool bench_map(struct bench *b)
{
	static const char strict[] = "sim,policy=strict", lazy[] = "sim,policy=lazy",
			  pool[] = "sim,policy=identity", direct[] = "sim,iommu=0";
	struct bench_case cases[] = {
		{"dma_map_single+unmap 4K @, 1 live", bench_map_single, bench_map_device_setup,
		 .spec = strict, .a = 1},
		{"dma_map_single+unmap 4K @, 1000 live", bench_map_single, bench_map_device_setup,
		 .spec = strict, .alone = true, .a = 1000},
		{"dma_map_single+unmap 4K @, 10000 live", bench_map_single, bench_map_device_setup,
		 .spec = strict, .alone = true, .a = 10000},
		{"dma_map_single+unmap 4K @, 100000 live", bench_map_single, bench_map_device_setup,
		 .spec = strict, .alone = true, .a = 100000},
		{"dma_map_single+unmap 4K @, 1 live", bench_map_single, bench_map_device_setup,
		 .spec = lazy, .a = 1},
		{"dma_map_single+unmap 4K @, 100000 live", bench_map_single, bench_map_device_setup,
		 .spec = lazy, .alone = true, .a = 100000},
		{"dma_map_single+unmap 4K @, 1 live", bench_map_single, bench_map_device_setup,
		 .spec = pool, .a = 1},
		{"dma_map_single+unmap 4K @, 1 live", bench_map_single, bench_map_device_setup,
		 .spec = direct, .a = 1},
		{"dma_map_single+unmap 4K @, 100000 live", bench_map_single, bench_map_device_setup,
		 .spec = direct, .alone = true, .a = 100000},
		{"dma_map_sg+unmap 64 pages @, per page", bench_map_sg, bench_map_device_setup,
		 .spec = strict, .alone = true},
		{"dma_map_sg+unmap 64 pages @, per page", bench_map_sg, bench_map_device_setup,
		 .spec = direct, .alone = true},
		{"page table map+unmap 4K, random in 64k pages", bench_map_table,
		 bench_map_table_setup, bench_map_table_teardown, .spec = strict},
	};

	unsigned int n = 0;

	/* one given device is measured once, and not under the names of four devices */
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!b->common.device || cases[i].spec == strict)
			cases[n++] = cases[i];
	return bench_cases(b, cases, n);
}
