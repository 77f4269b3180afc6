/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of a DMA pool: chunks, the offsets of their blocks, and the hash that finds the chunk
 * of a block. dmapool.c describes the invariants.
 */
#include "dmapool/pool.h"

static void chunk_hash_put(struct chunk_hash *h, struct pool_chunk *c)
{
	u64 i = hash_place(h, (uintptr_t)c->cpu >> PAGE_BITS);

	while (h->slot[i])
		i = (i + 1) & h->mask;
	write_release(&h->slot[i], c);
}

struct chunk_hash *hash_new(u64 places)
{
	struct chunk_hash *h = alloc_zeroed(sizeof(*h) + places * sizeof(h->slot[0]));

	if (h)
		h->mask = places - 1;
	return h;
}

/* Makes space in the hash for one more chunk. Called with the pool's lock held. */
static int chunk_hash_reserve(struct dma_pool *pool)
{
	struct chunk_hash *h = pool->hash, *bigger;

	if (pool->n_chunks < (h->mask + 1) / 2)
		return 0;
	bigger = hash_new((h->mask + 1) * 2);
	if (!bigger)
		return -ENOMEM;
	for (struct pool_chunk *c = pool->chunks; c; c = c->next)
		chunk_hash_put(bigger, c);
	bigger->older = h;
	write_release(&pool->hash, bigger);
	return 0;
}

/* Makes space in the depot for the blocks of one more chunk. Called with the pool's lock held. */
static int chunk_depot_reserve(struct dma_pool *pool)
{
	u64 need = (pool->n_chunks + 1) * pool->chunk_blocks, capacity = pool->depot_size;
	entry_t *p;

	if (need <= capacity)
		return 0;
	need = max_u64(need, 2 * capacity);
	p = alloc_grow(pool->depot, capacity * sizeof(*p), need * sizeof(*p));
	if (!p)
		return -ENOMEM;
	pool->depot = p;
	pool->depot_size = need;
	return 0;
}

/* Returns the offset of the block after the one at `off`; of the first one for off == -stride. */
size_t block_after(const struct dma_pool *pool, size_t off)
{
	size_t next = off + pool->stride, left;

	if (!pool->boundary)
		return next;
	left = pool->boundary - (next & (pool->boundary - 1));
	return left < pool->size ? next + left : next;
}

bool block_fits(const struct dma_pool *pool, size_t off)
{
	return range_within(off, pool->stride, pool->chunk_bytes);
}

void chunk_free(struct dma_pool *pool, struct pool_chunk *c)
{
	dma_free_coherent(pool->dev, pool->chunk_bytes, c->cpu, c->dma);
	alloc_free(c);
}

/*
 * Allocates coherent memory and its states, not yet part of the pool. Both addresses of the memory
 * are aligned to its size rounded up to a power of two.
 */
struct pool_chunk *chunk_new(struct dma_pool *pool, gfp_t gfp)
{
	struct pool_chunk *c;

	c = alloc_aligned(max_u64(CHUNK_ALIGN, pool->entry_mask + 1ull),
			  sizeof(*c) + pool->entry_mask + 1 + pool_provenance_bytes(pool));
	if (!c)
		return NULL;
	c->cpu = dma_alloc_coherent(pool->dev, pool->chunk_bytes, &c->dma, gfp & ~__GFP_ZERO);
	if (!c->cpu) {
		error_prefix("dma pool '%s' cannot grow", pool->name);
		goto free;
	}
	for (size_t off = 0; block_fits(pool, off); off = block_after(pool, off))
		c->state[off >> pool->granule_bits] = BLOCK_FREE;
	if (pool->checked)
		pool_check_chunk(pool, c);
	return c;

free:
	alloc_free(c);
	return NULL;
}

/*
 * Adds the chunk to the pool and its blocks to the depot, with the lowest block on top. Called with
 * the pool's lock held.
 */
int chunk_add(struct dma_pool *pool, struct pool_chunk *c)
{
	if (chunk_hash_reserve(pool) || chunk_depot_reserve(pool))
		return -ENOMEM;
	c->next = pool->chunks;
	pool->chunks = c;
	pool->n_chunks++;
	chunk_hash_put(pool->hash, c);
	for (size_t g = pool->entry_mask + 1ull; g-- > 0;)
		if (c->state[g] == BLOCK_FREE && pool->depot_n < pool->depot_size)
			pool->depot[pool->depot_n++] = (entry_t)c + g;
	return 0;
}
