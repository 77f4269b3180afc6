/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of DMA pools: dmapool.c describes the design, chunk.c allocates the memory.
 */
#ifndef DMAPOOL_POOL_H
#define DMAPOOL_POOL_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/lock.h"
#include "base/math.h"
#include "base/tslot.h"
#include "check/check.h"
#include "domain/device.h"
#include "map/managed.h"

#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <limits.h>
#include <string.h>

#define MIN_ALIGN   8
#define CACHE_BATCH 64	       /* most entries that are moved between a cache and the depot */
#define CACHE_BYTES (64 * KIB) /* most memory of such a batch, unless one block is larger */
#define BATCH_MIN   8
#define HASH_FIRST  16
#define CHUNK_ALIGN 64

enum block_state { NO_BLOCK = 0, BLOCK_FREE, BLOCK_LIVE, BLOCK_LIVE_CHECKED /* see check.c */ };

typedef uintptr_t entry_t; /* address of the chunk + granule of the block */

struct pool_chunk { /* only state[] changes after the chunk is in the hash */
	u8 *cpu;    /* page-aligned */
	dma_addr_t dma;
	struct pool_chunk *next; /* in the pool's list; guarded by its lock */
	/*
	 * enum block_state of every granule; relaxed accesses. In other cache lines than the fields
	 * that all threads read, so that a batch of adjacent small blocks has a line of its own.
	 */
	u8 state[] cacheline;
	/* With the checker on, a struct block_provenance for every granule follows; see check.c. */
};

/* The stacks of the last allocation of a block and of the free after it. */
struct block_provenance {
	const struct stack *taken, *freed; /* NULL: none yet, or not known */
};

struct chunk_hash { /* by page number of chunk->cpu; open addressing, at most half full */
	struct chunk_hash *older;
	u64 mask;
	struct pool_chunk *slot[]; /* mask + 1, set once by a release store under the pool's lock */
};

struct pool_cache { /* of one thread; no other thread accesses it */
	struct tslot slot;
	u32 n;
	entry_t entry[2 * CACHE_BATCH];
};

struct dma_pool {
	/* Does not change after creation; the fields of the fast paths are first. */
	struct tslot_key key;	 /* struct pool_cache */
	u32 fork_depth;		 /* of the process that made it */
	struct chunk_hash *hash; /* but this is replaced, by a release store under lock */
	u32 granule_bits;
	u32 granule_mask; /* granule - 1, below a page */
	u32 entry_mask;	  /* the granule in an entry_t */
	u32 cache_max;	  /* entries in a cache */
	u32 batch;	  /* cache_max / 2 */
	u32 chunk_blocks;
	gfp_t slow_gfp; /* 0; __GFP_ZERO with the checker on, so that all allocations are slow */
	size_t size, stride, boundary, chunk_bytes;
	struct device *dev;
	const char *dev_name;
	char *name;
	const struct stack *made; /* NULL: not known */
	bool managed;
	bool checked;		       /* the checker is on, see check.c */
	struct dma_pool *next_checked; /* guarded by the lock of check.c */

	struct lock lock cacheline;
	struct pool_chunk *chunks; /* this and the fields below are guarded by `lock` */
	u64 n_chunks;
	entry_t *depot;
	u64 depot_n, depot_size;
};

/* Returns the state byte. An entry is chunk + granule, so the byte is at a fixed offset from it. */
hot_inline u8 *entry_state(entry_t e)
{
	return (u8 *)e + offsetof(struct pool_chunk, state);
}

hot_inline u64 hash_place(const struct chunk_hash *h, u64 page)
{
	return (page * 0x9e3779b97f4a7c15ull >> 32) & h->mask;
}

/* Returns the chunk whose first page contains p, or NULL. */
hot_inline struct pool_chunk *chunk_find(struct dma_pool *pool, const void *p)
{
	struct chunk_hash *h = read_acquire(&pool->hash);
	u64 page = (uintptr_t)p >> PAGE_BITS;
	struct pool_chunk *c;

	/* The loop ends at an empty slot; at least half of the slots are empty. */
	for (u64 i = hash_place(h, page);; i = (i + 1) & h->mask) {
		c = read_acquire(&h->slot[i]);
		if (!c || (uintptr_t)c->cpu >> PAGE_BITS == page)
			return c;
	}
}

#define FREE_BYTE 0xa7

/* check.c: checks for a pool, a new chunk, and the free block of an entry to be allocated. */
void pool_check(struct dma_pool *pool, const void *caller);
void pool_uncheck(struct dma_pool *pool);
void pool_check_chunk(struct dma_pool *pool, struct pool_chunk *c);
void pool_check_block(struct dma_pool *pool, entry_t e, const void *caller) __attribute__((cold));
/* Returns the bytes that a pool with the checker on adds to a chunk. */
size_t pool_provenance_bytes(const struct dma_pool *pool);
void pool_took(struct dma_pool *pool, entry_t e, const void *caller) __attribute__((cold));
void pool_freed(struct dma_pool *pool, struct pool_chunk *c, size_t off, const void *caller)
	__attribute__((cold));
/* Returns the recorded stacks of the block that contains `off`; NULL where nothing is recorded. */
void pool_history(const struct dma_pool *pool, const struct pool_chunk *c, size_t off,
		  struct check_history *history) __attribute__((cold));
/* Whether vaddr is in a chunk of another checked pool; stores the history of its block. */
bool pool_of_other(const struct dma_pool *pool, const void *vaddr, struct check_history *history);

struct chunk_hash *hash_new(u64 places); /* chunk.c: a power of two; NULL: no memory */

/*
 * chunk.c: allocates a chunk that is not yet in the pool. Returns NULL with an error message on
 * failure.
 */
struct pool_chunk *chunk_new(struct dma_pool *pool, gfp_t gfp);
void chunk_free(struct dma_pool *pool, struct pool_chunk *c);

/*
 * Adds a chunk to the hash and its blocks to the depot, which grows if necessary. Called with the
 * pool's lock held. 0, -ENOMEM.
 */
int chunk_add(struct dma_pool *pool, struct pool_chunk *c);

/* The offset of the block after the one at `off`; whether a block at `off` fits in the chunk. */
size_t block_after(const struct dma_pool *pool, size_t off);
bool block_fits(const struct dma_pool *pool, size_t off);

#endif
