/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the tests of DMA pools share: a device whose reports are recorded, a pool, a
 * block.
 */
#ifndef TESTS_POOL_RIG_H
#define TESTS_POOL_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dmapool.h>

#include "base/compiler.h"
#include "base/fail.h"
#include "base/math.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct block {
	u8 *cpu;
	dma_addr_t dma;
};

static struct device *dev;
static int last_kind maybe_unused;
static u64 seed maybe_unused = 4711;

static inline u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % below);
}

static void on_report(const struct dmamap_report *r, void *arg)
{
	last_kind = r->kind;
}

static inline u64 coherent_bytes(void)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(dev, &s), 0);
	return s.coherent_bytes;
}

static int setup(void **state)
{
	dmamap_check_on_report(on_report, NULL);
	dev = dmamap_open("sim,check=1,ram=256M,swiotlb=1M");
	return dev ? 0 : -1;
}

static int teardown(void **state)
{
	for (int site = 0; site < FAIL_SITES; site++)
		fail_set((enum fail_site)site, NULL);
	dmamap_close(dev);
	dmamap_check_on_report(NULL, NULL);
	return 0;
}

static struct dma_pool *pool_of(size_t size, size_t align, size_t boundary)
{
	struct dma_pool *pool = dma_pool_create("test", dev, size, align, boundary);

	assert_non_null(pool);
	return pool;
}

static inline struct block take(struct dma_pool *pool)
{
	struct block b;

	b.cpu = dma_pool_alloc(pool, GFP_KERNEL, &b.dma);
	assert_non_null(b.cpu);
	return b;
}

static inline bool apart(u64 a, u64 b, u64 size)
{
	return a >= b ? a - b >= size : b - a >= size;
}

/* The oracle: checks a new block against the pool's promises and every live block. */
static inline void check_block(const struct block *live, int n, struct block b, size_t size,
			       size_t align, size_t boundary)
{
	if (align && (((uintptr_t)b.cpu | b.dma) & (align - 1)))
		fail_msg("block %p, DMA %#llx, is not aligned to %zu", b.cpu,
			 (unsigned long long)b.dma, align);
	if (boundary &&
	    (b.dma & ~(u64)(boundary - 1)) != ((b.dma + size - 1) & ~(u64)(boundary - 1)))
		fail_msg("block at DMA %#llx of %zu crosses %#zx", (unsigned long long)b.dma, size,
			 boundary);
	for (int i = 0; i < n; i++)
		if (!apart((uintptr_t)b.cpu, (uintptr_t)live[i].cpu, size) ||
		    !apart(b.dma, live[i].dma, size))
			fail_msg("block %p overlaps %p", b.cpu, live[i].cpu);
}

#endif
