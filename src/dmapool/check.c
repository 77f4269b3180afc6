/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of devices with the checker on. This file stores the stack that created a pool, for a
 * report when the device is closed. It also stores the stacks that allocated and freed every block,
 * behind the states in the block's chunk. All bytes of free blocks are FREE_BYTE, so that a write
 * to a free block is detected when the block is allocated again.
 */
#include "dmapool/dmapool.h"
#include "base/fork.h"
#include "dmapool/pool.h"

static struct lock lock;
static struct dma_pool *pools; /* linked by next_checked; both guarded by `lock` */

void pool_check(struct dma_pool *pool, const void *caller)
{
	pool->checked = true;
	pool->slow_gfp = __GFP_ZERO;
	pool->made = check_stack(caller);
	lock_acquire(&lock);
	pool->next_checked = pools;
	pools = pool;
	lock_release(&lock);
}

void pool_uncheck(struct dma_pool *pool)
{
	struct dma_pool **p;

	lock_acquire(&lock);
	for (p = &pools; *p && *p != pool; p = &(*p)->next_checked)
		;
	if (*p)
		*p = pool->next_checked;
	lock_release(&lock);
}

static size_t pool_provenance_offset(const struct dma_pool *pool)
{
	return align_up(sizeof(struct pool_chunk) + pool->entry_mask + 1, sizeof(void *));
}

static struct block_provenance *dmapool_provenance(const struct dma_pool *pool,
						   const struct pool_chunk *c, size_t granule)
{
	return (struct block_provenance *)((uintptr_t)c + pool_provenance_offset(pool)) + granule;
}

size_t pool_provenance_bytes(const struct dma_pool *pool)
{
	if (!pool->checked)
		return 0;
	return pool_provenance_offset(pool) - (sizeof(struct pool_chunk) + pool->entry_mask + 1) +
	       (pool->entry_mask + 1) * sizeof(struct block_provenance);
}

void pool_took(struct dma_pool *pool, entry_t e, const void *caller)
{
	const struct pool_chunk *c = (const struct pool_chunk *)(e & ~(u64)pool->entry_mask);
	struct block_provenance *s = dmapool_provenance(pool, c, e & pool->entry_mask);

	write_once(&s->taken, check_stack(caller));
	write_once(&s->freed, NULL);
}

void pool_freed(struct dma_pool *pool, struct pool_chunk *c, size_t off, const void *caller)
{
	write_once(&dmapool_provenance(pool, c, off >> pool->granule_bits)->freed,
		   check_stack(caller));
}

void pool_history(const struct dma_pool *pool, const struct pool_chunk *c, size_t off,
		  struct check_history *history)
{
	size_t granule = off >> pool->granule_bits;
	const struct block_provenance *s;

	*history = (struct check_history){.what = {"allocated", "freed"}};
	if (!pool->checked || off >= pool->chunk_bytes)
		return;
	while (granule && c->state[granule] == NO_BLOCK)
		granule--;
	s = dmapool_provenance(pool, c, granule);
	history->at[0] = read_once(&s->taken);
	history->at[1] = read_once(&s->freed);
}

bool pool_of_other(const struct dma_pool *pool, const void *vaddr, struct check_history *history)
{
	const struct pool_chunk *c = NULL;
	struct dma_pool *p;

	lock_acquire(&lock);
	for (p = pools; p && (p == pool || !(c = chunk_find(p, vaddr))); p = p->next_checked)
		;
	if (p)
		pool_history(p, c, (uintptr_t)vaddr & (PAGE_BYTES - 1), history);
	lock_release(&lock);
	return p != NULL;
}

u64 dma_pool_report_leaks(const struct device *dev)
{
	struct dma_pool *pool, **p, *left = NULL;
	u64 n = 0;

	lock_acquire(&lock);
	for (p = &pools; (pool = *p);)
		if (pool->dev == dev) {
			*p = pool->next_checked;
			pool->next_checked = left;
			left = pool;
		} else {
			p = &pool->next_checked;
		}
	lock_release(&lock);
	for (pool = left; pool; pool = pool->next_checked, n++)
		check_pool_leak(&pool->dev->shadow, pool->name, pool->size, pool->n_chunks,
				pool->made);
	return n;
}

void pool_check_chunk(struct dma_pool *pool, struct pool_chunk *c)
{
	memset(c->cpu, FREE_BYTE, pool->chunk_bytes);
	check_pool_chunk(&pool->dev->shadow, c->dma, pool->chunk_bytes);
}

void pool_check_block(struct dma_pool *pool, entry_t e, const void *caller)
{
	u64 off = (e & pool->entry_mask) << pool->granule_bits;
	const struct pool_chunk *c = (const struct pool_chunk *)(e & ~(u64)pool->entry_mask);
	const u8 *p = c->cpu + off;
	struct check_history history;

	check_enter(caller);
	for (size_t i = 0; i < pool->size; i++)
		if (p[i] != FREE_BYTE) {
			pool_history(pool, c, off, &history);
			check_report_history(
				pool->dev, true, DMAMAP_CHECK_POOL_WRITTEN, c->dma + off,
				pool->size, DMA_NONE, &history,
				"the block at %p of dma pool '%s' was written "
				"at byte %zu after it was freed, by the CPU or the device",
				(const void *)p, pool->name, i);
			return;
		}
}

static void pool_check_fork_child(void)
{
	lock = (struct lock)LOCK_INIT;
	fork_forget(&pools, sizeof(pools));
}

FORK_HOOK(pool_check_hook, NULL, NULL, pool_check_fork_child);
