/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of coherent blocks. The memory of a pool consists of chunks of coherent memory: a page with
 * as many blocks as fit, or one block if blocks are larger than a page. A granule is the greatest
 * power of two that divides the offset of every block. Every granule of a chunk's first page has
 * one state byte: no block begins here, free, or live. One lookup and one load therefore determine
 * whether a pointer is a live block. No bookkeeping is stored in the blocks, because the device can
 * write there.
 *
 * Free blocks are in the cache of a thread or in the depot, which all threads share. An entry of
 * either is one word, chunk + granule; the alignment of a chunk leaves enough low bits for the
 * granule. Threads push to and pop from their own cache without atomic instructions. They exchange
 * half of it with the depot when it is empty or full. When a thread ends, the blocks in its cache
 * are moved to the depot.
 *
 * Invariants:
 *  - the depot has space for every block of the pool. The space is allocated when a chunk is added,
 *    so that a free allocates nothing and cannot fail;
 *  - a chunk and its slot in the hash stay until the pool is destroyed, so lookups need no lock. A
 *    hash that was replaced by a larger one also stays, because threads may still read it (all of
 *    them together are smaller than the current one);
 *  - a state byte is written by the thread that owns the block, by relaxed stores. Two threads that
 *    free one block concurrently may both read it as live; the block then has two entries. If the
 *    second entry is taken while the block is live, it is dropped; entries for which the depot has
 *    no space are dropped too.
 *
 * May overflow: sizes, which pool_layout() checks. Counts are bounded by memory.
 */
#include "dmapool/pool.h"

/* ---- depot ---- */

static u32 pool_depot_take(struct dma_pool *pool, entry_t *out, u32 max)
{
	u32 n = (u32)min_u64(max, pool->depot_n);

	if (!n)
		return 0;
	pool->depot_n -= n;
	memcpy(out, pool->depot + pool->depot_n, n * sizeof(*out));
	return n;
}

static void dmapool_depot_give(struct dma_pool *pool, const entry_t *in, u32 n)
{
	if (!n)
		return;
	lock_acquire(&pool->lock);
	/* If there is less space than that, a block has two entries (see above); one is dropped. */
	n = (u32)min_u64(n, pool->depot_size - pool->depot_n);
	memcpy(pool->depot + pool->depot_n, in, n * sizeof(*in));
	pool->depot_n += n;
	lock_release(&pool->lock);
}

/* Takes up to `max` free blocks from the depot; adds a chunk if it is empty. 0: ENOMEM. */
static slow_path u32 pool_refill(struct dma_pool *pool, entry_t *out, u32 max, gfp_t gfp)
{
	struct pool_chunk *c;
	u32 n;

	lock_acquire(&pool->lock);
	n = pool_depot_take(pool, out, max);
	lock_release(&pool->lock);
	if (n)
		return n;
	c = chunk_new(pool, gfp);
	if (!c)
		return 0;
	lock_acquire(&pool->lock);
	/* The lock stays held while blocks are taken, so other threads cannot take all of them. */
	if (!chunk_add(pool, c))
		n = pool_depot_take(pool, out, max);
	lock_release(&pool->lock);
	if (!n)
		chunk_free(pool, c);
	return n;
}

/* Moves a cache to the depot when its thread ends or the pool is destroyed. */
static void dmapool_cache_retire(struct tslot_key *key, struct tslot *slot)
{
	struct dma_pool *pool = container_of(key, struct dma_pool, key);
	struct pool_cache *cache = container_of(slot, struct pool_cache, slot);

	dmapool_depot_give(pool, cache->entry, cache->n);
	cache->n = 0;
}

/* ---- create and destroy ---- */

/* Checks the parameters and computes the layout. Returns 0, or -EINVAL with an error message. */
static int pool_layout(struct dma_pool *pool, size_t size, size_t align, size_t boundary)
{
	u64 granule;

	if (!size || size > INT_MAX)
		return error_set(EINVAL,
				 "dma pool '%s' of %s: blocks of %zu bytes: "
				 "the size must be 1 to %d",
				 pool->name, pool->dev_name, size, INT_MAX);
	if ((align && !is_pow2(align)) || align > INT_MAX)
		return error_set(EINVAL,
				 "dma pool '%s' of %s: alignment %zu is not 0 or a power of "
				 "two below 2^31",
				 pool->name, pool->dev_name, align);
	if (boundary && (!is_pow2(boundary) || boundary < size))
		return error_set(EINVAL,
				 "dma pool '%s' of %s: boundary %zu is not 0 or a power of two "
				 "of at least the block size %zu",
				 pool->name, pool->dev_name, boundary, size);
	pool->size = size;
	pool->stride = align_up(size, max_u64(align, MIN_ALIGN));
	pool->chunk_bytes = align_up(pool->stride, PAGE_BYTES);
	/* An aligned chunk crosses no boundary of at least its own size. */
	pool->boundary = boundary < pool->chunk_bytes ? boundary : 0;
	for (size_t off = 0; block_fits(pool, off); off = block_after(pool, off))
		pool->chunk_blocks++;
	granule = pool->chunk_blocks == 1 ? PAGE_BYTES : pool->stride & -pool->stride;
	pool->granule_bits = log2_floor(granule);
	pool->granule_mask = (u32)granule - 1;
	pool->entry_mask = (u32)(PAGE_BYTES >> pool->granule_bits) - 1;
	pool->batch = (u32)min_u64(max_u64(CACHE_BYTES / pool->stride, BATCH_MIN), CACHE_BATCH);
	pool->cache_max = 2 * pool->batch;
	return 0;
}

struct dma_pool *dma_pool_create_node(const char *name, struct device *dev, size_t size,
				      size_t align, size_t boundary, int node)
{
	struct dma_pool *pool;

	if (!dev)
		return error_null(EINVAL, "dma pool '%s': no device (NULL)", name ? name : "");
	pool = alloc_aligned(64, sizeof(*pool));
	if (!pool)
		return NULL;
	pool->dev = dev;
	pool->fork_depth = fork_depth;
	pool->dev_name = dev_name(dev);
	pool->name = alloc_string(name ? name : "");
	if (!pool->name)
		goto free;
	if (pool_layout(pool, size, align, boundary))
		goto free_name;
	pool->hash = hash_new(HASH_FIRST);
	if (!pool->hash)
		goto free_name;
	if (tslot_key_init(&pool->key, sizeof(struct pool_cache), NULL, dmapool_cache_retire))
		goto free_hash;
	if (dev->check)
		pool_check(pool, __builtin_return_address(0));
	return pool;

free_hash:
	alloc_free(pool->hash);
free_name:
	alloc_free(pool->name);
free:
	alloc_free(pool);
	return NULL;
}

struct dma_pool *dma_pool_create(const char *name, struct device *dev, size_t size, size_t align,
				 size_t boundary)
{
	return dma_pool_create_node(name, dev, size, align, boundary, NUMA_NO_NODE);
}

static u64 pool_chunk_live(const struct dma_pool *pool, const struct pool_chunk *c)
{
	u64 n = 0;

	for (u32 g = 0; g <= pool->entry_mask; g++)
		n += c->state[g] >= BLOCK_LIVE;
	return n;
}

/* Frees the chunks except the pages of live blocks, which the device may still be using. */
static void pool_free_chunks(struct dma_pool *pool, const void *caller)
{
	struct check_history history = {0};
	struct pool_chunk *c, *next;
	u64 live = 0, n;
	dma_addr_t first = 0;
	size_t off;

	for (c = pool->chunks; c; c = next) {
		next = c->next;
		n = pool_chunk_live(pool, c);
		if (n && !live) {
			for (off = 0; c->state[off >> pool->granule_bits] < BLOCK_LIVE;)
				off += 1ull << pool->granule_bits;
			pool_history(pool, c, off, &history);
			first = c->dma + off;
		}
		live += n;
		if (n)
			alloc_free(c);
		else
			chunk_free(pool, c);
	}
	if (!live)
		return;
	check_enter(caller);
	check_report_history(pool->dev, pool->dev->check, DMAMAP_CHECK_POOL_BUSY, first, pool->size,
			     DMA_NONE, &history,
			     "dma pool '%s' of %s destroyed with %llu blocks of %zu bytes in "
			     "use: their pages are kept; free every block first",
			     pool->name, pool->dev_name, (unsigned long long)live, pool->size);
}

static void pool_destroy(struct dma_pool *pool, const void *caller)
{
	struct chunk_hash *h, *older;

	if (pool->checked)
		pool_uncheck(pool);
	tslot_key_destroy(&pool->key);
	pool_free_chunks(pool, caller);
	for (h = pool->hash; h; h = older) {
		older = h->older;
		alloc_free(h);
	}
	alloc_free(pool->depot);
	alloc_free(pool->name);
	alloc_free(pool);
}

void dma_pool_destroy(struct dma_pool *pool)
{
	if (!pool || pool->fork_depth != fork_depth) /* a parent's, in a child of fork */
		return;
	/* dmamap_close() must not find the pool again. */
	if (pool->managed)
		device_drop_managed(pool->dev, pool);
	pool_destroy(pool, __builtin_return_address(0));
}

static void pool_managed_release(void *data)
{
	pool_destroy(data, NULL);
}

struct dma_pool *dmam_pool_create(const char *name, struct device *dev, size_t size, size_t align,
				  size_t boundary)
{
	struct dma_pool *pool = dma_pool_create(name, dev, size, align, boundary);

	if (!pool)
		return NULL;
	if (device_add_managed(dev, pool_managed_release, pool)) {
		pool_destroy(pool, NULL);
		return NULL;
	}
	pool->managed = true;
	return pool;
}

void dmam_pool_destroy(struct dma_pool *pool)
{
	dma_pool_destroy(pool);
}

/* ---- alloc and free ---- */

/*
 * The fast paths call no function except by a tail call to the slow path, so they need no stack
 * frame. The slow path starts the operation again from the beginning.
 */

/* Returns an entry when the thread's cache is empty; 0: ENOMEM. */
static entry_t pool_entry_get(struct dma_pool *pool, gfp_t gfp)
{
	struct pool_cache *cache = (struct pool_cache *)tslot_get(&pool->key);
	entry_t e;

	if (!cache) /* there is no memory for a cache: take one entry from the depot */
		return pool_refill(pool, &e, 1, gfp) ? e : 0;
	if (!cache->n)
		cache->n = pool_refill(pool, cache->entry, pool->batch, gfp);
	return cache->n ? cache->entry[--cache->n] : 0;
}

/* Marks the entry's block as live. Returns its address and stores the device address in *handle. */
hot_inline void *pool_block_take(struct dma_pool *pool, entry_t e, dma_addr_t *handle)
{
	u64 mask = pool->entry_mask, off = (e & mask) << pool->granule_bits;
	struct pool_chunk *c = (struct pool_chunk *)(e & ~mask);
	u8 *cpu = c->cpu + off;
	dma_addr_t dma = c->dma + off;

	write_once(entry_state(e), BLOCK_LIVE);
	*handle = dma;
	return cpu;
}

static slow_path void *pool_alloc_slow(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle,
				       const void *caller)
{
	entry_t e;
	void *cpu;

	if (!pool)
		return error_null(EINVAL, "dma_pool_alloc: no pool (NULL)");
	if (!handle)
		return error_null(EINVAL,
				  "dma_pool_alloc from '%s' of %s: no place to store the DMA "
				  "address (NULL)",
				  pool->name, pool->dev_name);
	if (fail_here(FAIL_POOL, pool->dev_name))
		return error_null(ENOMEM,
				  "dma_pool_alloc from '%s' of %s: failed on purpose (site "
				  "pool)",
				  pool->name, pool->dev_name);
	do {
		e = pool_entry_get(pool, gfp);
		if (!e)
			return NULL;
	} while (read_once(entry_state(e)) != BLOCK_FREE); /* a second entry of a live block */
	if (pool->checked)
		pool_check_block(pool, e, caller);
	cpu = pool_block_take(pool, e, handle);
	if (pool->checked) {
		write_once(entry_state(e), BLOCK_LIVE_CHECKED);
		pool_took(pool, e, caller);
	}
	return gfp & __GFP_ZERO ? memset(cpu, 0, pool->size) : cpu;
}

void *dma_pool_alloc(struct dma_pool *pool, gfp_t mem_flags, dma_addr_t *handle)
{
	struct pool_cache *cache;
	entry_t e;

	if (unlikely(!pool || !handle || read_once(&fail_armed)))
		return pool_alloc_slow(pool, mem_flags, handle, __builtin_return_address(0));
	cache = (struct pool_cache *)tslot_peek(&pool->key);
	if (unlikely(!cache || !cache->n))
		return pool_alloc_slow(pool, mem_flags, handle, __builtin_return_address(0));
	e = cache->entry[cache->n - 1];
	if (unlikely(((mem_flags | pool->slow_gfp) & __GFP_ZERO) ||
		     read_once(entry_state(e)) != BLOCK_FREE))
		return pool_alloc_slow(pool, mem_flags, handle, __builtin_return_address(0));
	cache->n--;
	return pool_block_take(pool, e, handle);
}

static slow_path void pool_free_slow(struct dma_pool *pool, entry_t e)
{
	struct pool_cache *cache = (struct pool_cache *)tslot_get(&pool->key);

	if (!cache) {
		dmapool_depot_give(pool, &e, 1);
		return;
	}
	if (cache->n == pool->cache_max) {
		/* Move the older half; the newer one is in this processor's cache. */
		cache->n -= pool->batch;
		dmapool_depot_give(pool, cache->entry, pool->batch);
		memmove(cache->entry, cache->entry + pool->batch, cache->n * sizeof(e));
	}
	cache->entry[cache->n++] = e;
}

/* The slow path of dma_pool_free(): misuse, a full cache, or a pool with the checker on. */
static slow_path void pool_free_otherwise(struct dma_pool *pool, void *vaddr, dma_addr_t addr,
					  const void *caller)
{
	size_t off = (uintptr_t)vaddr & (PAGE_BYTES - 1);
	enum dmamap_check_kind kind = DMAMAP_CHECK_POOL_WRONG;
	const char *why = "it is not a block of this pool";
	struct check_history history = {0};
	struct pool_chunk *c;
	u8 state = NO_BLOCK;

	if (!pool) {
		error_set(EINVAL, "dma_pool_free: no pool (NULL)");
		return;
	}
	check_enter(caller);
	c = chunk_find(pool, vaddr);
	if (c && !(off & pool->granule_mask))
		state = read_once(&c->state[off >> pool->granule_bits]);
	if (c && state == NO_BLOCK) {
		kind = DMAMAP_CHECK_POOL_INSIDE;
		why = "no block begins there";
	}
	if (!c && pool_of_other(pool, vaddr, &history)) {
		kind = DMAMAP_CHECK_POOL_OTHER;
		why = "it is not a block of this pool, but of another";
	}
	if (state == BLOCK_LIVE_CHECKED && addr == c->dma + off) {
		memset(vaddr, FREE_BYTE, pool->size);
		pool_freed(pool, c, off, caller);
		write_once(&c->state[off >> pool->granule_bits], BLOCK_FREE);
		pool_free_slow(pool, (entry_t)c + (off >> pool->granule_bits));
		return;
	}
	if (state >= BLOCK_LIVE)
		why = "its DMA address is different";
	if (state == BLOCK_FREE) {
		kind = DMAMAP_CHECK_POOL_DOUBLE_FREE;
		why = "it is free already";
	}
	if (c)
		pool_history(pool, c, off, &history);
	check_report_history(
		pool->dev, pool->dev->check, kind, addr, pool->size, DMA_NONE, &history,
		"dma_pool_free of %p (DMA %#llx) to '%s' of %s: %s; free what dma_pool_alloc "
		"gave, once",
		vaddr, (unsigned long long)addr, pool->name, pool->dev_name, why);
}

void dma_pool_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr)
{
	size_t off = (uintptr_t)vaddr & (PAGE_BYTES - 1);
	struct pool_cache *cache;
	struct pool_chunk *c;
	entry_t e;

	if (unlikely(!pool))
		goto otherwise;
	c = chunk_find(pool, vaddr);
	if (unlikely(!c || (off & pool->granule_mask) || addr != c->dma + off))
		goto otherwise;
	e = (entry_t)c + (off >> pool->granule_bits);
	if (unlikely(read_once(entry_state(e)) != BLOCK_LIVE))
		goto otherwise;
	write_once(entry_state(e), BLOCK_FREE);
	cache = (struct pool_cache *)tslot_peek(&pool->key);
	if (unlikely(!cache || cache->n == pool->cache_max)) {
		pool_free_slow(pool, e);
		return;
	}
	cache->entry[cache->n++] = e;
	return;

otherwise:
	pool_free_otherwise(pool, vaddr, addr, __builtin_return_address(0));
}
