/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of mappings for a transfer, in each mode that a driver can use. A transfer is `a` pages
 * of which no two are contiguous. One operation is one transfer, from the mapping until the device
 * cannot access the memory any more. Nothing is copied and no device reads: on a coherent machine
 * only the mappings cost time.
 *
 *   map_page in a loop      a mapping for each page
 *   map_sg                  one mapping of the list
 *   two-step, range anew    try_alloc, link each page, sync, destroy
 *   two-step, range kept    link each page, sync, unlink
 *   dma_sync, mapping kept  the list stays mapped and is synced in both directions
 *
 * Rows "per page" use a range that stays allocated: linking alone, and the whole sequence after a
 * second thread has linked once, so that links acquire the lock.
 */
#include "bench.h"

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PAGES_MAX 256u
#define BATCH	  64u /* transfers of one page; fewer if they are longer */

struct bench_pages {
	struct page *block, *page[PAGES_MAX];
	phys_addr_t phys[PAGES_MAX];
	struct scatterlist sg[PAGES_MAX];
	dma_addr_t addr[PAGES_MAX];
	struct dma_iova_state range;
};

static bool bench_twostep_setup(struct bench_case *c)
{
	return !dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64)) &&
	       !dma_set_max_seg_size(c->dev, UINT32_MAX);
}

/* Selects every second page of a block, in an order in which successive pages are far apart. */
static bool bench_twostep_pages_get(struct bench_thread *t, struct bench_pages *p, unsigned int n)
{
	memset(p, 0, sizeof(*p));
	p->block = alloc_pages(GFP_KERNEL, 9);
	if (!p->block) {
		bench_fail(t, "no RAM");
		return false;
	}
	sg_init_table(p->sg, n);
	for (unsigned int i = 0; i < n; i++) {
		p->page[i] = p->block + 2 * (i * 37 % PAGES_MAX);
		p->phys[i] = page_to_phys(p->page[i]);
		sg_set_page(&p->sg[i], p->page[i], PAGE_SIZE, 0);
	}
	bench_begin(t);
	return true;
}

static void bench_twostep_pages_put(struct bench_pages *p)
{
	__free_pages(p->block, 9);
}

static unsigned int bench_twostep_batch_of(unsigned int n)
{
	return BATCH / n ? BATCH / n : 1;
}

static bool bench_twostep_take_range(struct bench_thread *t, struct bench_pages *p, unsigned int n)
{
	if (dma_iova_try_alloc(t->c->dev, &p->range, 0, n * PAGE_SIZE))
		return true;
	bench_fail(t, "no range");
	return false;
}

static bool bench_twostep_link_pages(struct bench_thread *t, struct bench_pages *p, unsigned int n)
{
	struct device *dev = t->c->dev;
	int err = 0;

	for (unsigned int i = 0; i < n; i++)
		err |= dma_iova_link(dev, &p->range, p->phys[i], i * PAGE_SIZE, PAGE_SIZE,
				     DMA_TO_DEVICE, 0);
	err |= dma_iova_sync(dev, &p->range, 0, n * PAGE_SIZE);
	if (err)
		bench_fail(t, "cannot link");
	return !err;
}

static void bench_twostep_by_map_page(struct bench_thread *t)
{
	unsigned int n = (unsigned int)t->c->a, batch = bench_twostep_batch_of(n);
	struct device *dev = t->c->dev;
	struct bench_pages p;

	if (!bench_twostep_pages_get(t, &p, n))
		return;
	while (bench_more(t, batch)) {
		for (unsigned int k = 0; k < batch; k++) {
			for (unsigned int i = 0; i < n; i++) {
				p.addr[i] =
					dma_map_page(dev, p.page[i], 0, PAGE_SIZE, DMA_TO_DEVICE);
				if (dma_mapping_error(dev, p.addr[i]))
					bench_fail(t, "cannot map");
			}
			for (unsigned int i = 0; i < n; i++)
				dma_unmap_page(dev, p.addr[i], PAGE_SIZE, DMA_TO_DEVICE);
		}
	}
	bench_twostep_pages_put(&p);
}

static void bench_twostep_by_map_sg(struct bench_thread *t)
{
	unsigned int n = (unsigned int)t->c->a, batch = bench_twostep_batch_of(n);
	struct device *dev = t->c->dev;
	struct bench_pages p;

	if (!bench_twostep_pages_get(t, &p, n))
		return;
	while (bench_more(t, batch)) {
		for (unsigned int k = 0; k < batch; k++) {
			if (!dma_map_sg(dev, p.sg, (int)n, DMA_TO_DEVICE)) {
				bench_fail(t, "cannot map");
				break;
			}
			dma_unmap_sg(dev, p.sg, (int)n, DMA_TO_DEVICE);
		}
	}
	bench_twostep_pages_put(&p);
}

static void bench_twostep_by_new_range(struct bench_thread *t)
{
	unsigned int n = (unsigned int)t->c->a, batch = bench_twostep_batch_of(n);
	struct bench_pages p;

	if (!bench_twostep_pages_get(t, &p, n))
		return;
	while (bench_more(t, batch)) {
		for (unsigned int k = 0; k < batch && bench_twostep_take_range(t, &p, n); k++) {
			bench_twostep_link_pages(t, &p, n);
			dma_iova_destroy(t->c->dev, &p.range, n * PAGE_SIZE, DMA_TO_DEVICE, 0);
		}
	}
	bench_twostep_pages_put(&p);
}

static void bench_twostep_use_kept_range(struct bench_thread *t, struct bench_pages *p,
					 unsigned int n)
{
	unsigned int batch = bench_twostep_batch_of(n), ops = t->c->b ? batch * n : batch;

	while (bench_more(t, ops)) {
		for (unsigned int k = 0; k < batch && bench_twostep_link_pages(t, p, n); k++)
			dma_iova_unlink(t->c->dev, &p->range, 0, n * PAGE_SIZE, DMA_TO_DEVICE, 0);
	}
}

static void bench_twostep_by_kept_range(struct bench_thread *t)
{
	unsigned int n = (unsigned int)t->c->a;
	struct bench_pages p;

	if (!bench_twostep_pages_get(t, &p, n))
		return;
	if (bench_twostep_take_range(t, &p, n)) {
		bench_twostep_use_kept_range(t, &p, n);
		dma_iova_free(t->c->dev, &p.range);
	}
	bench_twostep_pages_put(&p);
}

struct bench_other {
	struct bench_thread *t;
	struct bench_pages *p;
};

static void *bench_twostep_link_once(void *arg)
{
	struct bench_other *o = arg;

	if (bench_twostep_link_pages(o->t, o->p, 1))
		dma_iova_unlink(o->t->c->dev, &o->p->range, 0, PAGE_SIZE, DMA_TO_DEVICE, 0);
	return NULL;
}

static void bench_twostep_by_shared_range(struct bench_thread *t)
{
	unsigned int n = (unsigned int)t->c->a;
	struct bench_pages p;
	struct bench_other other = {t, &p};
	pthread_t id;

	if (!bench_twostep_pages_get(t, &p, n))
		return;
	if (bench_twostep_take_range(t, &p, n)) {
		bench_twostep_link_once(&other);
		if (pthread_create(&id, NULL, bench_twostep_link_once, &other))
			bench_fail(t, "cannot start a second thread");
		else
			pthread_join(id, NULL);
		bench_twostep_use_kept_range(t, &p, n);
		dma_iova_free(t->c->dev, &p.range);
	}
	bench_twostep_pages_put(&p);
}

/* Links without the unlinks. */
static void bench_twostep_links_alone(struct bench_thread *t)
{
	unsigned int n = (unsigned int)t->c->a;
	struct bench_pages p;

	if (!bench_twostep_pages_get(t, &p, n))
		return;
	if (bench_twostep_take_range(t, &p, n)) {
		while (!t->failed && bench_again(t)) {
			u64 start = clock_ns();

			bench_twostep_link_pages(t, &p, n);
			bench_sample(t, clock_ns() - start, n);
			dma_iova_unlink(t->c->dev, &p.range, 0, n * PAGE_SIZE, DMA_TO_DEVICE, 0);
		}
		dma_iova_free(t->c->dev, &p.range);
	}
	bench_twostep_pages_put(&p);
}

static void bench_twostep_by_sync(struct bench_thread *t)
{
	unsigned int n = (unsigned int)t->c->a, batch = bench_twostep_batch_of(n);
	struct device *dev = t->c->dev;
	struct bench_pages p;

	if (!bench_twostep_pages_get(t, &p, n))
		return;
	if (!dma_map_sg(dev, p.sg, (int)n, DMA_TO_DEVICE)) {
		bench_fail(t, "cannot map");
		bench_twostep_pages_put(&p);
		return;
	}
	while (bench_more(t, batch)) {
		for (unsigned int k = 0; k < batch; k++) {
			dma_sync_sg_for_cpu(dev, p.sg, (int)n, DMA_TO_DEVICE);
			dma_sync_sg_for_device(dev, p.sg, (int)n, DMA_TO_DEVICE);
		}
	}
	dma_unmap_sg(dev, p.sg, (int)n, DMA_TO_DEVICE);
	bench_twostep_pages_put(&p);
}

/*
 * Bytes that a driver stores for a transfer of 1 MiB; the page table entries are the same in all
 * modes.
 */
static void bench_twostep_tell_memory(struct bench *b)
{
	u64 sg = PAGES_MAX * sizeof(struct scatterlist), pages = PAGES_MAX * sizeof(dma_addr_t);
	struct json_object *o;

	if (!b->common.json) {
		printf("\nmemory that a driver needs to map 1 MiB in pages of 4 KiB: map_page %llu "
		       "bytes (an address for each page), map_sg %llu (an entry of %zu bytes for "
		       "each page), two-step %zu (one state, of which %zu bytes are private)\n",
		       (unsigned long long)pages, (unsigned long long)sg,
		       sizeof(struct scatterlist), sizeof(struct dma_iova_state),
		       sizeof(struct dma_iova_state) - 2 * sizeof(u64));
		return;
	}
	o = json_object_new_object();
	json_put_u64(o, "map_page", pages);
	json_put_u64(o, "map_sg", sg);
	json_put_u64(o, "twostep", sizeof(struct dma_iova_state));
	json_put_u64(o, "scatterlist_entry", sizeof(struct scatterlist));
	b->memory = o;
}

bool bench_twostep(struct bench *b)
{
	static const struct {
		const char *name;
		void (*run)(struct bench_thread *t);
	} ways[] = {
		{"map_page in a loop", bench_twostep_by_map_page},
		{"map_sg", bench_twostep_by_map_sg},
		{"two-step, range anew", bench_twostep_by_new_range},
		{"two-step, range kept", bench_twostep_by_kept_range},
		{"dma_sync, mapping kept", bench_twostep_by_sync},
	};
	static const struct {
		const char *name;
		unsigned int pages;
	} sizes[] = {{"4K", 1}, {"16K", 4}, {"64K", 16}, {"256K", 64}, {"1M", 256}};
	struct bench_case cases[32], *c = cases;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++, c++) {
			*c = (struct bench_case){.run = ways[w].run,
						 .setup = bench_twostep_setup,
						 .alone = true,
						 .spec = "sim,policy=strict",
						 .a = sizes[s].pages};
			snprintf(c->name, sizeof(c->name), "%s %s", ways[w].name, sizes[s].name);
		}
	}
	*c++ = (struct bench_case){"two-step, link and sync alone, per page of 64",
				   bench_twostep_links_alone,
				   bench_twostep_setup,
				   .alone = true,
				   .spec = "sim,policy=strict",
				   .a = 64};
	*c++ = (struct bench_case){"two-step, link and sync alone, per page of 256",
				   bench_twostep_links_alone,
				   bench_twostep_setup,
				   .alone = true,
				   .spec = "sim,policy=strict",
				   .a = 256};
	*c++ = (struct bench_case){"two-step, range kept, per page of 256",
				   bench_twostep_by_kept_range,
				   bench_twostep_setup,
				   .alone = true,
				   .spec = "sim,policy=strict",
				   .a = 256,
				   .b = 1};
	*c++ = (struct bench_case){"two-step, range of two threads, per page of 256",
				   bench_twostep_by_shared_range,
				   bench_twostep_setup,
				   .alone = true,
				   .spec = "sim,policy=strict",
				   .a = 256,
				   .b = 1};
	if (!bench_cases(b, cases, (unsigned int)(c - cases)))
		return false;
	bench_twostep_tell_memory(b);
	return true;
}
