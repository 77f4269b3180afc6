/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side. 64k pages of address space are mapped, each by a mapping of its own, to 512
 * pages of RAM, so that the translation is measured and not RAM. The translation alone is measured
 * within one access, as for an access to many pages; a bus read is one access.
 */
#include "bench.h"

#include "bus/bus.h"

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <stdlib.h>
#include <string.h>

#define PAGES	  65536u
#define RAM_ORDER 9
#define BATCH	  1024

struct bench_window {
	struct page *ram;
	dma_addr_t addr[PAGES];
	u32 made;
};

static void bench_translate_window_teardown(struct bench_case *c)
{
	struct bench_window *w = c->state;

	if (!w)
		return;
	while (w->made)
		dma_unmap_page(c->dev, w->addr[--w->made], PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (w->ram)
		__free_pages(w->ram, RAM_ORDER);
	free(w);
}

static bool bench_translate_window_setup(struct bench_case *c)
{
	struct bench_window *w = calloc(1, sizeof(*w));

	c->state = w;
	if (!w || dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64)))
		return false;
	w->ram = alloc_pages(GFP_KERNEL, RAM_ORDER);
	if (!w->ram)
		return false;
	memset(page_address(w->ram), 1, PAGE_SIZE << RAM_ORDER);
	for (; w->made < PAGES; w->made++) {
		/* each page is mapped many times on purpose */
		w->addr[w->made] = dma_map_page_attrs(c->dev, w->ram + w->made % (1u << RAM_ORDER),
						      0, PAGE_SIZE, DMA_BIDIRECTIONAL,
						      DMA_ATTR_DEBUGGING_IGNORE_CACHELINES);
		if (dma_mapping_error(c->dev, w->addr[w->made]))
			return false;
	}
	return true;
}

/* c->a: number of pages from which a random one is chosen. */
static void bench_translate_translate(struct bench_thread *t)
{
	struct bench_window *w = t->c->state;
	struct device *dev = t->c->dev;
	struct port *port = bus_port(dev);
	u32 gen, mask = (u32)t->c->a - 1;

	if (!port) {
		bench_fail(t, "no port");
		return;
	}
	while (bench_more(t, BATCH)) {
		gen = (u32)port_enter(port);
		for (int i = 0; i < BATCH; i++) {
			u64 page = w->addr[mask ? bench_random(t) & mask : 0] >> PAGE_SHIFT;

			bench_keep(bus_translate(dev, port, page, gen));
		}
		port_exit(port);
	}
}

static void bench_translate_walk(struct bench_thread *t)
{
	const struct pt *pt = &t->c->dev->domain->pt;
	struct bench_window *w = t->c->state;
	u32 mask = (u32)t->c->a - 1;

	while (bench_more(t, BATCH)) {
		for (int i = 0; i < BATCH; i++)
			bench_keep(pt_walk(pt, IOVA(w->addr[mask ? bench_random(t) & mask : 0])));
	}
}

static void bench_translate_bus_read(struct bench_thread *t)
{
	struct bench_window *w = t->c->state;
	u32 mask = (u32)t->c->a - 1;
	int err = 0;
	u64 value;

	while (bench_more(t, BATCH)) {
		for (int i = 0; i < BATCH; i++) {
			err |= dmamap_bus_read(t->c->dev,
					       w->addr[mask ? bench_random(t) & mask : 0] + 8,
					       &value, 8);
			bench_keep(value);
		}
		if (err)
			bench_fail(t, "the access was refused");
	}
}

bool bench_translate(struct bench *b)
{
	struct bench_case cases[] = {
		{"translate, same page", bench_translate_translate, bench_translate_window_setup,
		 bench_translate_window_teardown, .spec = "sim", .a = 1},
		{"translate, random in 64k pages", bench_translate_translate,
		 bench_translate_window_setup, bench_translate_window_teardown, .spec = "sim",
		 .a = PAGES},
		{"page table walk, same page", bench_translate_walk, bench_translate_window_setup,
		 bench_translate_window_teardown, .spec = "sim", .alone = true, .a = 1},
		{"page table walk, random in 64k pages", bench_translate_walk,
		 bench_translate_window_setup, bench_translate_window_teardown, .spec = "sim",
		 .alone = true, .a = PAGES},
		{"bus read of 8 bytes, same page", bench_translate_bus_read,
		 bench_translate_window_setup, bench_translate_window_teardown, .spec = "sim",
		 .a = 1},
		{"bus read of 8 bytes, random in 64k pages", bench_translate_bus_read,
		 bench_translate_window_setup, bench_translate_window_teardown, .spec = "sim",
		 .a = PAGES},
		{"bus read of 8 bytes, no IOMMU", bench_translate_bus_read,
		 bench_translate_window_setup, bench_translate_window_teardown,
		 .spec = "sim,iommu=0", .alone = true, .a = 1},
	};

	return bench_cases(b, cases, sizeof(cases) / sizeof(cases[0]));
}
