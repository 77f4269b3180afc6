/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chains are words: the address of a struct range, and in bit 0 which of its two granules the place
 * stands for. A shard's table doubles when it is full; when there is no memory for that its chains
 * get longer. What may overflow: nothing, start + size <= 2^64 is the callers' promise.
 */
#include "check/store.h"
#include "base/alloc.h"
#include "base/math.h"

#define SHARDS	    256
#define FIRST	    16
#define LEVEL_FIRST 12
#define LEVEL_STEP  3
#define LEVELS	    15 /* the last has granules of 2^54 */

static struct shard {
	struct lock lock cacheline;
	u64 mask, n;
	uintptr_t *bucket; /* NULL: none yet */
} shards[SHARDS];

static u32 levels_used; /* atomic bits, only ever set */

static unsigned int level_bits(unsigned int level)
{
	return LEVEL_FIRST + level * LEVEL_STEP;
}

static u64 hash(u64 space, unsigned int level, u64 granule)
{
	u64 h = (granule * LEVELS + level + (space >> 6)) * 0x9e3779b97f4a7c15ull;

	return (h ^ h >> 29) * 0xbf58476d1ce4e5b9ull;
}

static struct shard *shard_of(u64 h)
{
	return &shards[h >> 56];
}

/* Bits that chose the shard are not used again. */
static uintptr_t *bucket_of(struct shard *s, u64 h)
{
	return &s->bucket[h >> 20 & s->mask];
}

static struct range *range_of(uintptr_t link)
{
	return (struct range *)(link & ~(uintptr_t)1);
}

static u64 granule_of(const struct range *r, unsigned int which)
{
	return (r->start >> level_bits(r->level)) + which;
}

static void put(struct shard *s, struct range *r, unsigned int which)
{
	uintptr_t *b = bucket_of(s, hash(r->space, r->level, granule_of(r, which)));

	r->next[which] = *b;
	*b = (uintptr_t)r | which;
}

/* Under the shard's lock. */
static int shard_grow(struct shard *s)
{
	u64 n = s->bucket ? 2 * (s->mask + 1) : FIRST, old_n = s->bucket ? s->mask + 1 : 0;
	uintptr_t *old = s->bucket, *bucket = alloc_array(n, sizeof(*bucket));

	if (!bucket)
		return old ? 0 : -1;
	s->bucket = bucket;
	s->mask = n - 1;
	for (u64 i = 0; i < old_n; i++)
		for (uintptr_t link = old[i], next; link; link = next) {
			next = range_of(link)->next[link & 1];
			put(s, range_of(link), link & 1);
		}
	alloc_free(old);
	return 0;
}

static int add_one(struct range *r, unsigned int which)
{
	struct shard *s = shard_of(hash(r->space, r->level, granule_of(r, which)));
	int err = 0;

	lock_take(&s->lock);
	if (unlikely(!s->bucket || s->n > s->mask))
		err = shard_grow(s);
	if (likely(!err)) {
		put(s, r, which);
		s->n++;
	}
	lock_give(&s->lock);
	return err;
}

static void remove_one(struct range *r, unsigned int which)
{
	u64 h = hash(r->space, r->level, granule_of(r, which));
	struct shard *s = shard_of(h);
	uintptr_t *p;

	lock_take(&s->lock);
	for (p = bucket_of(s, h); *p && *p != ((uintptr_t)r | which);
	     p = &range_of(*p)->next[*p & 1])
		;
	if (*p) {
		*p = r->next[which];
		s->n--;
	}
	lock_give(&s->lock);
}

static bool spans_two(const struct range *r)
{
	unsigned int bits = level_bits(r->level);

	return r->start >> bits != (r->start + r->size - 1) >> bits;
}

int store_add(struct range *r)
{
	unsigned int bits = log2_ceil(r->size);

	r->level = (u8)(bits <= LEVEL_FIRST ? 0 : (bits - LEVEL_FIRST + LEVEL_STEP - 1) / LEVEL_STEP);
	if (r->level >= LEVELS)
		return -1;
	if (unlikely(!(read_once(&levels_used) >> r->level & 1)))
		__atomic_fetch_or(&levels_used, 1u << r->level, __ATOMIC_RELAXED);
	if (add_one(r, 0))
		return -1;
	if (spans_two(r) && add_one(r, 1)) {
		remove_one(r, 0);
		return -1;
	}
	r->added = true;
	return 0;
}

void store_remove(struct range *r)
{
	if (!r->added)
		return;
	r->added = false;
	remove_one(r, 0);
	if (spans_two(r))
		remove_one(r, 1);
}

struct search {
	u64 space, start, size;
	bool (*fn)(struct range *, void *);
	void *arg;
};

static bool search_granule(const struct search *q, unsigned int level, u64 granule)
{
	u64 h = hash(q->space, level, granule);
	struct shard *s = shard_of(h);
	bool go_on = true;

	lock_take(&s->lock);
	for (uintptr_t link = s->bucket ? *bucket_of(s, h) : 0; link && go_on;
	     link = range_of(link)->next[link & 1]) {
		struct range *r = range_of(link);

		if (r->space == q->space && r->level == level &&
		    granule_of(r, link & 1) == granule &&
		    (r->start <= q->start ? q->start - r->start < r->size
					  : r->start - q->start < q->size))
			go_on = q->fn(r, q->arg);
	}
	lock_give(&s->lock);
	return go_on;
}

/* More places to look in than there are likely ranges: look at all of them. */
#define LOOKUPS_MOST 8192

static bool filter(struct range *r, void *arg)
{
	const struct search *q = arg;

	if (r->space != q->space || (r->start <= q->start ? q->start - r->start >= r->size
							  : r->start - q->start >= q->size))
		return true;
	return q->fn(r, q->arg);
}

bool store_search(u64 space, u64 start, u64 size, bool (*fn)(struct range *, void *), void *arg)
{
	struct search q = {.space = space, .start = start, .size = size, .fn = fn, .arg = arg};
	u32 used = read_once(&levels_used);

	if (unlikely(size >> LEVEL_FIRST > LOOKUPS_MOST))
		return store_walk(filter, &q);
	for (unsigned int level = 0; level < LEVELS; level++) {
		unsigned int bits = level_bits(level);

		if (!(used >> level & 1))
			continue;
		for (u64 g = start >> bits; g <= (start + size - 1) >> bits; g++)
			if (!search_granule(&q, level, g))
				return false;
	}
	return true;
}

bool store_walk(bool (*fn)(struct range *, void *), void *arg)
{
	bool go_on = true;

	for (unsigned int i = 0; i < SHARDS && go_on; i++) {
		struct shard *s = &shards[i];

		lock_take(&s->lock);
		for (u64 b = 0; s->bucket && b <= s->mask && go_on; b++)
			for (uintptr_t link = s->bucket[b]; link && go_on;
			     link = range_of(link)->next[link & 1])
				if (!(link & 1))
					go_on = fn(range_of(link), arg);
		lock_give(&s->lock);
	}
	return go_on;
}

void store_reset(void)
{
	for (unsigned int i = 0; i < SHARDS; i++) {
		alloc_free(shards[i].bucket);
		shards[i] = (struct shard){0};
	}
	write_once(&levels_used, 0);
}
