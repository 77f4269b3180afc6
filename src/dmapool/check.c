/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of devices whose checker is on: who made them, for a report when the device is closed; and
 * the contents of their free blocks, which all hold FREE_BYTE, so that a write is found when the
 * block is given out again.
 */
#include "dmapool/dmapool.h"
#include "dmapool/pool.h"

static struct lock lock;
static struct dma_pool *pools; /* by next_checked; both under lock */

void pool_check(struct dma_pool *pool, const void *caller)
{
	pool->checked = true;
	pool->slow_gfp = __GFP_ZERO;
	pool->made = check_stack(caller);
	lock_take(&lock);
	pool->next_checked = pools;
	pools = pool;
	lock_give(&lock);
}

void pool_uncheck(struct dma_pool *pool)
{
	struct dma_pool **p;

	lock_take(&lock);
	for (p = &pools; *p && *p != pool; p = &(*p)->next_checked)
		;
	if (*p)
		*p = pool->next_checked;
	lock_give(&lock);
}

bool pool_of_other(const struct dma_pool *pool, const void *vaddr)
{
	struct dma_pool *p;

	lock_take(&lock);
	for (p = pools; p && (p == pool || !chunk_find(p, vaddr)); p = p->next_checked)
		;
	lock_give(&lock);
	return p != NULL;
}

u64 dma_pool_report_leaks(const struct device *dev)
{
	struct dma_pool *pool, **p, *left = NULL;
	u64 n = 0;

	lock_take(&lock);
	for (p = &pools; (pool = *p);)
		if (pool->dev == dev) {
			*p = pool->next_checked;
			pool->next_checked = left;
			left = pool;
		} else {
			p = &pool->next_checked;
		}
	lock_give(&lock);
	for (pool = left; pool; pool = pool->next_checked, n++)
		check_pool_leak(&pool->dev->shadow, pool->name, pool->size, pool->n_chunks, pool->made);
	return n;
}

void pool_check_chunk(struct dma_pool *pool, struct chunk *c)
{
	memset(c->cpu, FREE_BYTE, pool->chunk_bytes);
	check_pool_chunk(&pool->dev->shadow, c->dma, pool->chunk_bytes);
}

void pool_check_block(struct dma_pool *pool, entry_t e)
{
	u64 off = (e & pool->entry_mask) << pool->granule_bits;
	const struct chunk *c = (const struct chunk *)(e & ~(u64)pool->entry_mask);
	const u8 *p = c->cpu + off;

	check_enter(NULL);
	for (size_t i = 0; i < pool->size; i++)
		if (p[i] != FREE_BYTE) {
			check_report(pool->dev, true, DMAMAP_CHECK_POOL_WRITTEN, c->dma + off, pool->size,
				     DMA_NONE, "the block at %p of dma pool '%s' was written at byte %zu "
				     "after it was freed, by the CPU or the device", (const void *)p,
				     pool->name, i);
			return;
		}
}
