/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of the checker: a driver's pair of calls (unmap and map again, and the check of the
 * address, which the checker requires) on a device without an IOMMU, where the pair itself costs
 * least. Each operation replaces one of the live mappings at random; their memory is not accessed.
 *
 * The rows without the checker are measured in the same run. They call the same library, which then
 * tests one flag in each call. There is no library without that test to compare with; tests/pins
 * limits its instructions.
 */
#include "bench.h"

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64

static const char *device_spec;

/* Values of DMAMAP_CHECK, which is read when a device is opened. */
static const char *const modes[] = {NULL, "stacks=0", "1"};

static void bench_check_set_mode(const char *mode)
{
	if (mode)
		setenv("DMAMAP_CHECK", mode, 1);
	else
		unsetenv("DMAMAP_CHECK");
}

static bool bench_check_open_in_mode(struct bench_case *c)
{
	bench_check_set_mode(modes[c->b]);
	c->dev = device_open(device_spec);
	return c->dev && !dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64));
}

static void bench_check_pairs(struct bench_thread *t)
{
	struct device *dev = t->c->dev;
	u64 live = t->c->a, made = 0;
	unsigned int order = get_order(live * PAGE_SIZE);
	struct page *page = alloc_pages(GFP_KERNEL, order);
	dma_addr_t *addr = calloc(live, sizeof(*addr));
	char *base = page ? page_address(page) : NULL;

	for (; base && addr && made < live; made++) {
		addr[made] =
			dma_map_single(dev, base + made * PAGE_SIZE, PAGE_SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(dev, addr[made]))
			break;
	}
	if (made < live)
		bench_fail(t, "cannot map");
	bench_begin(t);
	while (!t->failed && bench_more(t, BATCH))
		for (int i = 0; i < BATCH; i++) {
			u64 k = live > 1 ? bench_random(t) % live : 0;

			dma_unmap_single(dev, addr[k], PAGE_SIZE, DMA_FROM_DEVICE);
			addr[k] = dma_map_single(dev, base + k * PAGE_SIZE, PAGE_SIZE,
						 DMA_FROM_DEVICE);
			if (dma_mapping_error(dev, addr[k]))
				bench_fail(t, "cannot map");
		}
	while (made--)
		if (!dma_mapping_error(dev, addr[made]))
			dma_unmap_single(dev, addr[made], PAGE_SIZE, DMA_FROM_DEVICE);
	free(addr);
	if (page)
		__free_pages(page, order);
}

bool bench_check(struct bench *b)
{
	struct bench_case cases[] = {
		{"map+unmap, checker off, 1 live", .a = 1, .b = 0},
		{"map+unmap, checker off, 10000 live", .a = 10000, .b = 0},
		{"map+unmap, checker off, 100000 live", .a = 100000, .b = 0},
		{"map+unmap, checker on, stacks=0, 1 live", .a = 1, .b = 1},
		{"map+unmap, checker on, stacks=0, 10000 live", .a = 10000, .b = 1},
		{"map+unmap, checker on, stacks=0, 100000 live", .a = 100000, .b = 1},
		{"map+unmap, checker on, with stacks, 1 live", .a = 1, .b = 2},
		{"map+unmap, checker on, with stacks, 10000 live", .a = 10000, .b = 2},
		{"map+unmap, checker on, with stacks, 100000 live", .a = 100000, .b = 2},
	};
	const char *env = getenv("DMAMAP_CHECK");
	char *was = env ? strdup(env) : NULL;
	bool done;

	device_spec = b->common.device ? b->common.device : "sim,iommu=0";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i].run = bench_check_pairs;
		cases[i].setup = bench_check_open_in_mode;
		cases[i].alone = true;
	}
	done = bench_cases(b, cases, sizeof(cases) / sizeof(cases[0]));
	bench_check_set_mode(was);
	free(was);
	return done;
}
