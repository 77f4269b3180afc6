/* SPDX-License-Identifier: BSD-2-Clause */
/* What store.c, which adds and removes ranges, and store_search.c share. */
#ifndef SHADOW_STORE_PRIVATE_H
#define SHADOW_STORE_PRIVATE_H

#include "shadow/word.h"

#define STORE_SHARDS 256 /* for physical memory, and the same number for device addresses */
#define FIRST	     4	 /* buckets */
#define SLOTS	     7
#define LOAD	     4 /* average words of a bucket at which the table grows */
struct store_bucket {
	u64 slot[SLOTS];	   /* 0: free */
	struct store_bucket *more; /* NULL: the end of the chain */
} cacheline;

struct store_fingerprints {
	struct store_fingerprint of[SLOTS + 1];
} cacheline;

struct store_shard {
	struct lock lock cacheline;
	u64 n;
	u64 mask;		     /* atomic, for prefetches without the lock */
	struct store_bucket *bucket; /* atomic; NULL: there is no table yet */
	struct store_bucket *spare;  /* empty buckets for chains */
};

/* The first half: physical memory; the second: device addresses. */
extern struct store_shard store_shards[2 * STORE_SHARDS] __attribute__((visibility("hidden")));
extern u32 store_levels_used __attribute__((visibility("hidden"))); /* atomic; bits are only set */

hot_inline struct store_shard *store_shard_of(u64 space, u64 h)
{
	return &store_shards[h >> 56 | (space == SPACE_PHYS ? 0 : STORE_SHARDS)];
}

hot_inline bool store_has_fingerprints(const struct store_shard *s)
{
	return s >= store_shards + STORE_SHARDS;
}

/*
 * A bucket's fingerprints are after it, because the processor fetches two adjacent lines together.
 */
hot_inline u64 store_bucket_stride(const struct store_shard *s)
{
	return store_has_fingerprints(s) ? 2 : 1;
}

hot_inline struct store_bucket *store_bucket_at(const struct store_shard *s, u64 index)
{
	return s->bucket + index * store_bucket_stride(s);
}

hot_inline struct store_fingerprints *store_fingerprints_of(struct store_bucket *b)
{
	return (struct store_fingerprints *)(b + 1);
}

struct store_search {
	u64 space, start, size;
	bool (*fn)(struct store_range *, void *);
	void *arg;
	u64 tag_mask; /* HASH_MASK; with PLACE_MASK for ranges that begin at `start` */
	bool remove_fingerprints;
};

/* Prefetches the three cache lines of a shadow together. */
hot_inline void store_prefetch_lines(const struct store_range *r)
{
	for (int i = 0; i < 3; i++)
		__builtin_prefetch((const char *)r + 64 * i, 1);
}

/* If another thread replaces the table meanwhile, an unrelated line may be fetched. */
hot_inline void store_prefetch_bucket(u64 space, u64 h)
{
	struct store_shard *s = store_shard_of(space, h);
	uintptr_t bucket = (uintptr_t)read_once(&s->bucket);
	u64 at = word_index(h, read_once(&s->mask)) * store_bucket_stride(s);

	__builtin_prefetch((const void *)(bucket + at * sizeof(struct store_bucket)), 1);
	if (space != SPACE_PHYS)
		__builtin_prefetch((const void *)(bucket + (at + 1) * sizeof(struct store_bucket)),
				   1);
}

#endif
