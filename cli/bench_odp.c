/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On-demand paging: queries of the interval tree, hits of the registration cache of
 * policy=persistent, faults and invalidations. Faults and invalidations are timed one by one.
 */
#include "bench.h"

#include "odp/itree.h"

#include <dmamap/bus.h>
#include <linux/dma-mapping.h>
#include <rdma/ib_umem_odp.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BATCH	     256
#define RUN	     (2ull << 20)
#define SPARSE_BYTES (64ull << 30)

struct bench_trees {
	struct itree tree;
	struct itree_node *node;
};

/* Intervals of 64 KiB on average with gaps between them, like registrations; some overlap. */
static bool bench_odp_tree_setup(struct bench_case *c)
{
	struct bench_trees *t = calloc(1, sizeof(*t));
	u64 seed = 88172645463325252ull;

	c->state = t;
	if (!t || posix_memalign((void **)&t->node, 64, c->a * sizeof(*t->node)))
		return false;
	for (u64 i = 0; i < c->a; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		t->node[i].first = (seed >> 20) % (c->a << 17);
		t->node[i].last = t->node[i].first + (seed >> 13) % (1 << 17);
		if (itree_insert(&t->tree, &t->node[i]))
			return false;
	}
	return true;
}

static void bench_odp_tree_teardown(struct bench_case *c)
{
	struct bench_trees *t = c->state;

	if (t) {
		itree_clear(&t->tree);
		free(t->node);
	}
	free(t);
}

static void bench_odp_tree_stab(struct bench_thread *t)
{
	struct bench_trees *trees = t->c->state;
	u64 space = t->c->a << 17;

	while (bench_more(t, BATCH))
		for (int i = 0; i < BATCH; i++) {
			u64 at = bench_random(t) % space;

			bench_keep(itree_find(&trees->tree, at, at));
		}
}

static void bench_odp_tree_change(struct bench_thread *t)
{
	struct bench_trees *trees = t->c->state;

	while (bench_more(t, BATCH))
		for (int i = 0; i < BATCH; i++) {
			struct itree_node *n = &trees->node[bench_random(t) % t->c->a];

			itree_remove(&trees->tree, n);
			bench_keep(itree_insert(&trees->tree, n));
		}
}

/* `a` buffers of a page each, at a distance of two pages. */
static bool bench_odp_keep_setup(struct bench_case *c)
{
	u64 bytes = c->a * 8192;
	u8 *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	c->state = p == MAP_FAILED ? NULL : p;
	if (!c->state || dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64)))
		return false;
	for (u64 i = 0; i < c->a; i++) {
		dma_addr_t at = dma_map_single(c->dev, p + i * 8192, 4096, DMA_TO_DEVICE);

		if (dma_mapping_error(c->dev, at))
			return false;
		dma_unmap_single(c->dev, at, 4096, DMA_TO_DEVICE);
	}
	return true;
}

static void bench_odp_keep_teardown(struct bench_case *c)
{
	if (c->state)
		munmap(c->state, c->a * 8192);
}

static void bench_odp_keep_pair(struct bench_thread *t)
{
	u8 *p = t->c->state;
	u64 next = 0;

	while (bench_more(t, BATCH))
		for (int i = 0; i < BATCH; i++) {
			dma_addr_t at;

			next = (next + 7919) % t->c->a;
			at = dma_map_single(t->c->dev, p + next * 8192, 4096, DMA_TO_DEVICE);
			if (!dma_mapping_error(t->c->dev, at))
				dma_unmap_single(t->c->dev, at, 4096, DMA_TO_DEVICE);
		}
}

/* Times only the maps. */
static void bench_odp_keep_hit(struct bench_thread *t)
{
	dma_addr_t at[BATCH];
	u8 *p = t->c->state;
	u64 next = 0, start;

	bench_begin(t);
	while (bench_again(t)) {
		start = clock_ns();
		for (int i = 0; i < BATCH; i++) {
			next = (next + 7919) % t->c->a;
			at[i] = dma_map_single(t->c->dev, p + next * 8192, 4096, DMA_TO_DEVICE);
		}
		bench_sample(t, clock_ns() - start, BATCH);
		for (int i = 0; i < BATCH; i++)
			if (!dma_mapping_error(t->c->dev, at[i]))
				dma_unmap_single(t->c->dev, at[i], 4096, DMA_TO_DEVICE);
	}
}

struct bench_region {
	struct ib_ucontext *ctx;
	struct ib_umem *umem;
	u8 *p;
	u64 bytes;
	dma_addr_t base;
};

static bool bench_odp_region_setup(struct bench_case *c)
{
	struct bench_region *r = calloc(1, sizeof(*r));

	c->state = r;
	if (!r || dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64)))
		return false;
	r->bytes = c->a;
	r->p = mmap(NULL, r->bytes + RUN, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->p == MAP_FAILED)
		return false;
	r->ctx = ib_alloc_ucontext(c->dev, NULL);
	if (IS_ERR(r->ctx))
		return false;
	if (c->b)
		madvise(r->p, r->bytes + RUN, MADV_HUGEPAGE);
	r->umem = ib_umem_get(r->ctx, ((u64)r->p + RUN - 1) & ~(RUN - 1), r->bytes,
			      IB_ACCESS_ON_DEMAND | IB_ACCESS_LOCAL_WRITE);
	if (IS_ERR(r->umem))
		return false;
	r->base = ib_umem_start_dma_addr(r->umem);
	return true;
}

static void bench_odp_region_teardown(struct bench_case *c)
{
	struct bench_region *r = c->state;

	if (r && r->umem && !IS_ERR(r->umem))
		ib_umem_release(r->umem);
	if (r && r->ctx)
		ib_dealloc_ucontext(r->ctx);
	if (r && r->p)
		munmap(r->p, r->bytes + RUN);
	free(r);
}

/* The device reads 8 bytes at an address that is not mapped; the memory is populated. */
static void bench_odp_fault_page(struct bench_thread *t)
{
	struct bench_region *r = t->c->state;
	u64 word, start, i = 0;

	dmamap_bus_read(t->c->dev, r->base, &word, 8);
	bench_begin(t);
	while (bench_again(t)) {
		u64 at = i++ % (r->bytes / 4096) * 4096;

		ib_umem_odp_unmap_dma_pages(r->umem, r->umem->address + at,
					    r->umem->address + at + 4096);
		*(volatile u8 *)(r->umem->address + at) = 1;
		start = clock_ns();
		if (dmamap_bus_read(t->c->dev, r->base + at, &word, 8))
			bench_fail(t, "the read was refused");
		bench_sample(t, clock_ns() - start, 1);
	}
}

/* One call populates and links the whole range. */
static void bench_odp_fault_run(struct bench_thread *t)
{
	struct bench_region *r = t->c->state;
	u64 start, va = r->umem->address;

	for (u64 i = 0; i < RUN; i += 4096)
		*(volatile u8 *)(va + i) = 1;
	bench_begin(t);
	while (bench_again(t)) {
		ib_umem_odp_unmap_dma_pages(r->umem, va, va + RUN);
		start = clock_ns();
		if (ib_umem_odp_map_dma_pages(r->umem, va, RUN, ODP_READ_ALLOWED_BIT,
					      ib_umem_notifiers_seq(r->umem)) != RUN / 4096)
			bench_fail(t, "not all pages were mapped");
		bench_sample(t, clock_ns() - start, 1);
	}
}

/* madvise() of one page: from the call until the device's translation is removed. */
static void bench_odp_invalidate_page(struct bench_thread *t)
{
	struct bench_region *r = t->c->state;
	u64 start, va = r->umem->address, word;

	if (!ib_umem_events_enabled(r->ctx)) {
		bench_fail(t, "this system has no userfaultfd");
		return;
	}
	bench_begin(t);
	while (bench_again(t)) {
		*(volatile u8 *)va = 1;
		if (dmamap_bus_read(t->c->dev, r->base, &word, 8))
			bench_fail(t, "the read was refused");
		start = clock_ns();
		madvise((void *)va, 4096, MADV_DONTNEED);
		while (ib_umem_dma_address(r->umem, va) != DMA_MAPPING_ERROR)
			;
		bench_sample(t, clock_ns() - start, 1);
	}
}

/* Times an invalidation by the program. */
static void bench_odp_invalidate_call(struct bench_thread *t)
{
	struct bench_region *r = t->c->state;
	u64 start, va = r->umem->address, word;

	bench_begin(t);
	while (bench_again(t)) {
		if (dmamap_bus_read(t->c->dev, r->base, &word, 8))
			bench_fail(t, "the read was refused");
		start = clock_ns();
		ib_umem_invalidate_range(r->ctx, va, va + 4096);
		bench_sample(t, clock_ns() - start, 1);
	}
}

static void bench_odp_register_sparse(struct bench_thread *t)
{
	struct bench_region *r = t->c->state;
	u8 *p = mmap(NULL, SPARSE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct ib_umem *umem;
	u64 start;

	bench_begin(t);
	while (p != MAP_FAILED && bench_again(t)) {
		start = clock_ns();
		umem = ib_umem_get(r->ctx, (u64)p, SPARSE_BYTES, IB_ACCESS_ON_DEMAND);
		bench_sample(t, clock_ns() - start, 1);
		if (IS_ERR(umem))
			bench_fail(t, "no region");
		else
			ib_umem_release(umem);
	}
	if (p != MAP_FAILED)
		munmap(p, SPARSE_BYTES);
}

bool bench_odp(struct bench *b)
{
#define TREE(text, fn, n)                                                                          \
	{                                                                                          \
		text, fn, bench_odp_tree_setup, bench_odp_tree_teardown, .alone = true, .a = n     \
	}
#define KEEP(text, fn, n)                                                                          \
	{                                                                                          \
		text, fn, bench_odp_keep_setup, bench_odp_keep_teardown,                           \
			.spec = "sim,policy=persistent", .a = n                                    \
	}
#define REGION(text, fn, bytes, huge)                                                              \
	{                                                                                          \
		text, fn, bench_odp_region_setup, bench_odp_region_teardown,                       \
			.alone = true, .spec = "sim", .a = bytes, .b = huge                        \
	}
	struct bench_case cases[] = {
		TREE("stab query, 1000 regions", bench_odp_tree_stab, 1000),
		TREE("stab query, 100000 regions", bench_odp_tree_stab, 100000),
		TREE("remove + insert, 1000 regions", bench_odp_tree_change, 1000),
		TREE("remove + insert, 100000 regions", bench_odp_tree_change, 100000),
		KEEP("cached registration, hit, 1 region", bench_odp_keep_hit, 1),
		KEEP("cached registration, hit, 1024 regions", bench_odp_keep_hit, 1024),
		KEEP("cached registration, hit, 16384 regions", bench_odp_keep_hit, 16384),
		KEEP("cached registration, hit and unmap, 1 region", bench_odp_keep_pair, 1),
		KEEP("cached registration, hit and unmap, 16384 regions", bench_odp_keep_pair,
		     16384),
		REGION("fault of a page, device to data", bench_odp_fault_page, 4 << 20, 0),
		REGION("fault of 2 MiB, small pages", bench_odp_fault_run, 2 << 20, 0),
		REGION("fault of 2 MiB, a huge page", bench_odp_fault_run, 2 << 20, 1),
		REGION("invalidation of a page by madvise", bench_odp_invalidate_page, 4096, 0),
		REGION("invalidation of a page by the program", bench_odp_invalidate_call, 4096, 0),
		REGION("registering 64 GiB", bench_odp_register_sparse, 4096, 0),
	};

	return bench_cases(b, cases, sizeof(cases) / sizeof(cases[0]));
}
