/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two files of DMA pools share: dmapool.c says how it works, chunk.c makes the memory. */
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
#include "map/device.h"

#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <limits.h>
#include <string.h>

#define MIN_ALIGN   8
#define CACHE_BATCH 64	       /* entries moved between a cache and the depot, at most */
#define CACHE_BYTES (64 * KIB) /* memory that such a batch holds, unless it has to be more */
#define BATCH_MIN   8
#define HASH_FIRST  16
#define CHUNK_ALIGN 64

enum block_state { NO_BLOCK = 0, BLOCK_FREE, BLOCK_LIVE, BLOCK_LIVE_CHECKED /* see check.c */ };

typedef uintptr_t entry_t; /* address of the chunk + granule of the block */

struct chunk {	 /* all but state[] is fixed once it can be found */
	u8 *cpu; /* page-aligned */
	dma_addr_t dma;
	struct chunk *next; /* of the pool's, under its lock */
	/*
	 * enum block_state of each granule, relaxed. Apart from what everybody reads, and such
	 * that a batch of small blocks in a row has a cache line of its own.
	 */
	u8 state[] cacheline;
	/* of a checked pool: a struct block_provenance for each granule, see check.c */
};

/* Of one block: who allocated it last, and who freed it then. */
struct block_provenance {
	const struct stack *taken, *freed; /* NULL: nobody yet, or not known */
};

struct chunk_hash { /* by page number of chunk->cpu; open addressing, at most half full */
	struct chunk_hash *older;
	u64 mask;
	struct chunk *slot[]; /* mask + 1, set once by a release store under the pool's lock */
};

struct pool_cache { /* of one thread, which alone touches it */
	struct tslot slot;
	u32 n;
	entry_t entry[2 * CACHE_BATCH];
};

struct dma_pool {
	/* fixed at creation; what the hot functions read comes first */
	struct tslot_key key;	 /* struct pool_cache */
	u32 fork_depth;		 /* of the process that made it */
	struct chunk_hash *hash; /* but this is replaced, by a release store under lock */
	u32 granule_bits;
	u32 granule_mask; /* granule - 1, below a page */
	u32 entry_mask;	  /* the granule in an entry_t */
	u32 cache_max;	  /* entries in a cache */
	u32 batch;	  /* half of that */
	u32 chunk_blocks;
	gfp_t slow_gfp; /* what no allocation takes the short way with; of a checked pool all:
			   __GFP_ZERO */
	size_t size, stride, boundary, chunk_bytes;
	struct device *dev;
	const char *dev_name;
	char *name;
	const struct stack *made; /* NULL: not known */
	bool managed;
	bool checked;		       /* see check.c */
	struct dma_pool *next_checked; /* under check.c's lock */

	struct lock lock cacheline;
	struct chunk *chunks; /* under lock, as the rest */
	u64 n_chunks;
	entry_t *depot;
	u64 depot_n, depot_room;
};

/* The state byte: as chunk + granule is the entry, it lies at a fixed place behind it. */
hot_inline u8 *entry_state(entry_t e)
{
	return (u8 *)e + offsetof(struct chunk, state);
}

hot_inline u64 hash_place(const struct chunk_hash *h, u64 page)
{
	return (page * 0x9e3779b97f4a7c15ull >> 32) & h->mask;
}

/* The chunk whose first page holds p, or NULL. */
hot_inline struct chunk *chunk_find(struct dma_pool *pool, const void *p)
{
	struct chunk_hash *h = read_acquire(&pool->hash);
	u64 page = (uintptr_t)p >> PAGE_BITS;
	struct chunk *c;

	/* ends at an empty place: half of them are */
	for (u64 i = hash_place(h, page);; i = (i + 1) & h->mask) {
		c = read_acquire(&h->slot[i]);
		if (!c || (uintptr_t)c->cpu >> PAGE_BITS == page)
			return c;
	}
}

#define FREE_BYTE 0xa7

/* check.c: the pool, a new chunk, the free block of an entry that is about to be given out. */
void pool_check(struct dma_pool *pool, const void *caller);
void pool_uncheck(struct dma_pool *pool);
void pool_check_chunk(struct dma_pool *pool, struct chunk *c);
void pool_check_block(struct dma_pool *pool, entry_t e, const void *caller) __attribute__((cold));
/* What a checked pool adds to a chunk's bytes. */
size_t pool_provenance_bytes(const struct dma_pool *pool);
void pool_took(struct dma_pool *pool, entry_t e, const void *caller) __attribute__((cold));
void pool_freed(struct dma_pool *pool, struct chunk *c, size_t off, const void *caller)
	__attribute__((cold));
/* What is known of the block that the offset is in; past->at are NULL where nothing is. */
void pool_history(const struct dma_pool *pool, const struct chunk *c, size_t off,
		  struct check_history *history) __attribute__((cold));
/* It lies in a chunk of another checked pool, whose block's past is given. */
bool pool_of_other(const struct dma_pool *pool, const void *vaddr, struct check_history *history);

struct chunk_hash *hash_new(u64 places); /* a power of two; NULL: no memory */

/* A new chunk, not yet in the pool; NULL and a sentence. */
struct chunk *chunk_new(struct dma_pool *pool, gfp_t gfp);
void chunk_free(struct dma_pool *pool, struct chunk *c);

/* Puts a chunk in the hash and makes the depot's room for its blocks. Under the pool's lock; 0,
 * -ENOMEM. */
int chunk_add(struct dma_pool *pool, struct chunk *c);

/* The offset of the block behind the one at `off`; whether a block at `off` fits. */
size_t block_after(const struct dma_pool *pool, size_t off);
bool block_fits(const struct dma_pool *pool, size_t off);

#endif
