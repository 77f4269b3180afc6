/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bucket is one cache line of words (word.h). Words that do not fit are in a chain of further
 * buckets. The fingerprints of a bucket are in the line behind it; ranges of physical memory have
 * none. A shard's table doubles when it is full. Without memory for that its chains grow, and
 * without memory for a chain the range is refused. What may overflow: nothing, callers ensure that
 * start + size <= 2^64.
 */
#include "base/alloc.h"
#include "base/fork.h"
#include "check/word.h"

#include <errno.h>
#include <string.h>

#define SHARDS 256 /* for physical memory, and the same number for device addresses */
#define FIRST  4   /* buckets */
#define SLOTS  7
#define LOAD   4 /* average words of a bucket at which the table grows */
struct store_bucket {
	u64 slot[SLOTS];	   /* 0: free */
	struct store_bucket *more; /* NULL: the end of the chain */
} cacheline;

struct store_fingerprints {
	struct store_fingerprint of[SLOTS + 1];
} cacheline;

static struct store_shard {
	struct lock lock cacheline;
	u64 n;
	u64 mask;		     /* atomic, for prefetches without the lock */
	struct store_bucket *bucket; /* atomic; NULL: there is no table yet */
	struct store_bucket *spare;  /* empty buckets for chains */
} shards[2 * SHARDS];

static u32 levels_used; /* atomic; bits are only set */

static struct store_shard *store_shard_of(u64 space, u64 h)
{
	return &shards[h >> 56 | (space == SPACE_PHYS ? 0 : SHARDS)];
}

static bool store_has_fingerprints(const struct store_shard *s)
{
	return s >= shards + SHARDS;
}

/* A bucket's fingerprints are behind it: the processor fetches two neighbouring lines together. */
static u64 store_bucket_stride(const struct store_shard *s)
{
	return store_has_fingerprints(s) ? 2 : 1;
}

static struct store_bucket *store_bucket_at(const struct store_shard *s, u64 index)
{
	return s->bucket + index * store_bucket_stride(s);
}

static struct store_fingerprints *store_fingerprints_of(struct store_bucket *b)
{
	return (struct store_fingerprints *)(b + 1);
}

static struct store_bucket *store_spare_take(struct store_shard *s)
{
	struct store_bucket *b = s->spare;

	if (!b)
		return alloc_aligned(64 * store_bucket_stride(s),
				     store_bucket_stride(s) * sizeof(*b));
	s->spare = b->more;
	b->more = NULL;
	return b;
}

/* The bucket is empty. */
static void store_spare_give(struct store_shard *s, struct store_bucket *b)
{
	b->more = s->spare;
	s->spare = b;
}

static int store_put(struct store_shard *s, struct store_bucket *b, u64 word)
{
	for (;; b = b->more) {
		for (int i = 0; i < SLOTS; i++)
			if (!b->slot[i]) {
				b->slot[i] = word;
				return 0;
			}
		if (!b->more)
			b->more = store_spare_take(s);
		if (!b->more)
			return -1;
	}
}

/* Moves a word to the new table, without its fingerprint, which makes only one call slower. */
static void store_put_again(struct store_shard *s, u64 word)
{
	struct store_range *r = word_range(word);
	u64 h = word_hash(r->space, r->level, word_granule_of(r, word & 1));

	store_put(s, store_bucket_at(s, word_index(h, s->mask)), word & ~WORD_HAS_FINGERPRINT);
}

/*
 * Moves the words of an old bucket and its chain to two new ones. These need no longer chains than
 * the words that were read so far had, so there are spare buckets for them.
 */
static void store_split_bucket(struct store_shard *s, struct store_bucket *b)
{
	struct store_bucket *next;
	u64 word[SLOTS];

	for (bool first = true; b; b = next, first = false) {
		next = b->more;
		memcpy(word, b->slot, sizeof(word));
		if (!first) {
			memset(b->slot, 0, sizeof(b->slot));
			store_spare_give(s, b);
		}
		for (int i = 0; i < SLOTS; i++)
			if (word[i])
				store_put_again(s, word[i]);
	}
}

/* Under the shard's lock. */
static int store_grow_shard(struct store_shard *s)
{
	u64 n = s->bucket ? 2 * (s->mask + 1) : FIRST, old_n = s->bucket ? s->mask + 1 : 0;
	struct store_bucket *old = s->bucket, *bucket;
	int saved = errno;

	bucket = alloc_aligned(64 * store_bucket_stride(s),
			       n * store_bucket_stride(s) * sizeof(*bucket));

	errno = saved;
	if (!bucket)
		return old ? 0 : -1;
	write_once(&s->bucket, bucket);
	write_once(&s->mask, n - 1);
	for (u64 i = 0; i < old_n; i++)
		store_split_bucket(s, old + i * store_bucket_stride(s));
	alloc_free(old);
	return 0;
}

static int store_add_one(struct store_range *r, unsigned int which)
{
	u64 h = word_hash(r->space, r->level, word_granule_of(r, which));
	struct store_shard *s = store_shard_of(r->space, h);
	int err = 0;

	lock_acquire(&s->lock);
	if (unlikely(!s->bucket || s->n > LOAD * s->mask + LOAD))
		err = store_grow_shard(s);
	if (likely(!err))
		err = store_put(s, store_bucket_at(s, word_index(h, s->mask)),
				word_of(r, which, h));
	s->n += !err;
	lock_release(&s->lock);
	return err;
}

static bool store_bucket_is_empty(const struct store_bucket *b)
{
	for (int i = 0; i < SLOTS; i++)
		if (b->slot[i])
			return false;
	return true;
}

/* A slot was emptied. `link` points to its bucket in a chain; NULL: it is the first bucket. */
static void store_slot_emptied(struct store_shard *s, struct store_bucket **link)
{
	struct store_bucket *b = link ? *link : NULL;

	s->n--;
	if (unlikely(b) && store_bucket_is_empty(b)) {
		*link = b->more;
		store_spare_give(s, b);
	}
}

/* Removes the word that equals `word` in these bits. */
static bool store_take_word(struct store_shard *s, struct store_bucket *b, u64 word, u64 bits)
{
	for (struct store_bucket **link = NULL; b; link = &b->more, b = b->more)
		for (int i = 0; i < SLOTS; i++)
			if ((b->slot[i] & bits) == word) {
				b->slot[i] = 0;
				store_slot_emptied(s, link);
				return true;
			}
	return false;
}

static void store_remove_one(struct store_range *r, unsigned int which)
{
	u64 h = word_hash(r->space, r->level, word_granule_of(r, which));
	struct store_shard *s = store_shard_of(r->space, h);

	lock_acquire(&s->lock);
	store_take_word(s, store_bucket_at(s, word_index(h, s->mask)), word_of(r, which, h),
			~WORD_HAS_FINGERPRINT);
	lock_release(&s->lock);
}

int store_add(struct store_range *r)
{
	r->level = (u8)word_level_of(r->size);
	if (r->level >= LEVELS)
		return -1;
	if (unlikely(!(read_once(&levels_used) >> r->level & 1)))
		__atomic_fetch_or(&levels_used, 1u << r->level, __ATOMIC_RELAXED);
	if (store_add_one(r, 0))
		return -1;
	if (word_spans_two(r) && store_add_one(r, 1)) {
		store_remove_one(r, 0);
		return -1;
	}
	r->added = true;
	return 0;
}

void store_remove(struct store_range *r)
{
	if (!r->added)
		return;
	r->added = false;
	store_remove_one(r, 0);
	if (word_spans_two(r))
		store_remove_one(r, 1);
}

struct store_search {
	u64 space, start, size;
	bool (*fn)(struct store_range *, void *);
	void *arg;
	u64 tag_mask; /* HASH_MASK; with PLACE_MASK for ranges that begin at `start` */
	bool unseal;
};

/* A shadow has three cache lines, which are fetched at the same time. */
static void store_prefetch_lines(const struct store_range *r)
{
	for (int i = 0; i < 3; i++)
		__builtin_prefetch((const char *)r + 64 * i, 1);
}

/* If another thread replaces the table meanwhile, an unrelated line may be fetched. */
static void store_prefetch_bucket(u64 space, u64 h)
{
	struct store_shard *s = store_shard_of(space, h);
	uintptr_t bucket = (uintptr_t)read_once(&s->bucket);
	u64 at = word_index(h, read_once(&s->mask)) * store_bucket_stride(s);

	__builtin_prefetch((const void *)(bucket + at * sizeof(struct store_bucket)), 1);
	if (space != SPACE_PHYS)
		__builtin_prefetch((const void *)(bucket + (at + 1) * sizeof(struct store_bucket)),
				   1);
}

static bool store_range_overlaps(const struct store_search *q, const struct store_range *r)
{
	return r->space == q->space && (r->start <= q->start ? q->start - r->start < r->size
							     : r->start - q->start < q->size);
}

/* Calls fn() for the range of the word if it overlaps. */
static bool store_look_at_word(const struct store_search *q, u64 word, unsigned int level,
			       u64 granule)
{
	struct store_range *r = word_range(word);

	store_prefetch_lines(r);
	if (r->level != level || word_granule_of(r, word & 1) != granule ||
	    !store_range_overlaps(q, r))
		return true;
	return q->fn(r, q->arg);
}

/* The 64th parts of a granule that are searched. */
struct store_places {
	u64 first, last;
};

static struct store_places store_places_of(const struct store_search *q, unsigned int level,
					   u64 granule)
{
	u64 base = granule << word_level_bits(level), end = q->start + q->size - 1;

	return (struct store_places){q->start > base ? (q->start - base) >> word_place_bits(level)
						     : 0,
				     (end - base) >> word_place_bits(level)};
}

/* By its tag alone. For a range that began in the granule before, the tag does not say where. */
static bool store_may_overlap(u64 word, const struct store_places *p)
{
	u64 place = (word & PLACE_MASK) >> PLACE_SHIFT;

	return (word & 1) ||
	       (place <= p->last && place + (1ull << (word >> REACH_SHIFT)) > p->first);
}

static bool store_search_granule(const struct store_search *q, unsigned int level, u64 granule)
{
	u64 h = word_hash(q->space, level, granule), tag = word_tag(h, q->start, level);
	struct store_places places = store_places_of(q, level, granule);
	struct store_shard *s = store_shard_of(q->space, h);
	bool go_on = true;

	lock_acquire(&s->lock);
	for (struct store_bucket *b = s->bucket ? store_bucket_at(s, word_index(h, s->mask)) : NULL;
	     b && go_on; b = b->more)
		for (int i = 0; i < SLOTS && go_on; i++) {
			u64 word = b->slot[i];

			if (!word || ((word ^ tag) & q->tag_mask) ||
			    !store_may_overlap(word, &places))
				continue;
			if (q->unseal)
				b->slot[i] &= ~WORD_HAS_FINGERPRINT;
			go_on = store_look_at_word(q, word, level, granule);
		}
	lock_release(&s->lock);
	return go_on;
}

/* A search of more granules than this walks the table instead. */
#define LOOKUPS_MOST 8192

static bool store_filter(struct store_range *r, void *arg)
{
	const struct store_search *q = arg;

	return store_range_overlaps(q, r) ? q->fn(r, q->arg) : true;
}

static bool store_search_levels(const struct store_search *q)
{
	for (u32 used = read_once(&levels_used); used; used &= used - 1) {
		unsigned int level = (unsigned int)__builtin_ctz(used),
			     bits = word_level_bits(level);

		for (u64 g = q->start >> bits; g <= (q->start + q->size - 1) >> bits; g++)
			if (!store_search_granule(q, level, g))
				return false;
	}
	return true;
}

bool store_search(u64 space, u64 start, u64 size, bool (*fn)(struct store_range *, void *),
		  void *arg)
{
	struct store_search q = {.space = space,
				 .start = start,
				 .size = size,
				 .fn = fn,
				 .arg = arg,
				 .tag_mask = HASH_MASK};

	if (unlikely(size >> LEVEL_FIRST > LOOKUPS_MOST))
		return store_walk(store_filter, &q);
	return store_search_levels(&q);
}

bool store_search_start(u64 space, u64 start, bool (*fn)(struct store_range *, void *), void *arg)
{
	const struct store_search q = {.space = space,
				       .start = start,
				       .size = 1,
				       .fn = fn,
				       .arg = arg,
				       .tag_mask = HASH_MASK | PLACE_MASK,
				       .unseal = true};

	return store_search_levels(&q);
}

void store_expect(u64 space, u64 start, u64 size)
{
	unsigned int level = word_level_of(size);

	if (level < LEVELS)
		store_prefetch_bucket(space,
				      word_hash(space, level, start >> word_level_bits(level)));
}

/*
 * The part of a hash that store_place() returns: the shard, and the bucket in tables of up to so
 * many buckets.
 */
#define PLACE_BUCKETS (1ull << 24)

u32 store_place(const struct store_range *r)
{
	u64 h = word_hash(r->space, r->level, word_granule_of(r, 0));

	if (!r->added || word_spans_two(r))
		return 0;
	return (u32)(h >> 56 << 24 | (h >> 20 & (PLACE_BUCKETS - 1)));
}

static u64 store_hash_of_place(u32 place)
{
	return (u64)place >> 24 << 56 | (u64)(place & (PLACE_BUCKETS - 1)) << 20;
}

void store_remove_at(struct store_range *r, u32 place)
{
	u64 h = store_hash_of_place(place);
	struct store_shard *s = store_shard_of(SPACE_PHYS, h);
	bool done = false;

	lock_acquire(&s->lock);
	if (likely(s->mask < PLACE_BUCKETS))
		done = store_take_word(s, store_bucket_at(s, word_index(h, s->mask)), (uintptr_t)r,
				       ~(TAG_MASK | WORD_HAS_FINGERPRINT));
	lock_release(&s->lock);
	if (unlikely(!done))
		store_remove(r);
}

static struct store_fingerprint
store_fingerprint_word(const struct store_search *q, u64 word, unsigned int level, u64 tag,
		       struct store_fingerprint (*fn)(struct store_range *, void *))
{
	struct store_range *r = word_range(word);
	struct store_fingerprint fingerprint;

	if (!word || ((word ^ tag) & q->tag_mask) || (word & (1 | WORD_HAS_FINGERPRINT)) ||
	    r->level != level || r->start != q->start || r->space != q->space)
		return (struct store_fingerprint){0};
	fingerprint = fn(r, q->arg);
	return word_spans_two(r) ? (struct store_fingerprint){0} : fingerprint;
}

static void store_fingerprint_granule(const struct store_search *q, unsigned int level,
				      struct store_fingerprint (*fn)(struct store_range *, void *))
{
	u64 h = word_hash(q->space, level, q->start >> word_level_bits(level)),
	    tag = word_tag(h, q->start, level);
	struct store_shard *s = store_shard_of(q->space, h);
	struct store_bucket *b;

	lock_acquire(&s->lock);
	for (b = s->bucket ? store_bucket_at(s, word_index(h, s->mask)) : NULL; b; b = b->more)
		for (int k = 0; k < SLOTS; k++) {
			struct store_fingerprint fingerprint =
				store_fingerprint_word(q, b->slot[k], level, tag, fn);

			if (fingerprint.fingerprint) {
				store_fingerprints_of(b)->of[k] = fingerprint;
				b->slot[k] |= WORD_HAS_FINGERPRINT;
			}
		}
	lock_release(&s->lock);
}

void store_set_fingerprint(u64 space, u64 start,
			   struct store_fingerprint (*fn)(struct store_range *, void *), void *arg)
{
	const struct store_search q = {
		.space = space, .start = start, .arg = arg, .tag_mask = HASH_MASK | PLACE_MASK};

	for (u32 used = read_once(&levels_used); used; used &= used - 1)
		store_fingerprint_granule(&q, (unsigned int)__builtin_ctz(used), fn);
}

/* Under the shard's lock. */
static struct store_range *store_take_matching(struct store_shard *s, u64 h, u64 tag,
					       u32 fingerprint, u32 *place)
{
	struct store_bucket *b = store_bucket_at(s, word_index(h, s->mask)), **link = NULL;

	for (; b; link = &b->more, b = b->more)
		for (int k = 0; k < SLOTS; k++) {
			struct store_range *r = word_range(b->slot[k]);

			if (((b->slot[k] ^ tag) & (HASH_MASK | PLACE_MASK)) ||
			    !(b->slot[k] & WORD_HAS_FINGERPRINT) ||
			    store_fingerprints_of(b)->of[k].fingerprint != fingerprint)
				continue;
			store_prefetch_lines(r);
			*place = store_fingerprints_of(b)->of[k].place;
			store_prefetch_bucket(SPACE_PHYS, store_hash_of_place(*place));
			b->slot[k] = 0;
			store_slot_emptied(s, link);
			return r;
		}
	return NULL;
}

struct store_range *store_take_fingerprint(u64 space, u64 start, u64 size, u32 fingerprint,
					   u32 *place)
{
	unsigned int level = word_level_of(size);
	struct store_range *r = NULL;
	struct store_shard *s;
	u64 h;

	if (level >= LEVELS)
		return NULL;
	h = word_hash(space, level, start >> word_level_bits(level));
	s = store_shard_of(space, h);
	lock_acquire(&s->lock);
	if (likely(s->bucket))
		r = store_take_matching(s, h, word_tag(h, start, level), fingerprint, place);
	lock_release(&s->lock);
	return r;
}

static bool store_walk_bucket(const struct store_bucket *b,
			      bool (*fn)(struct store_range *, void *), void *arg)
{
	bool go_on = true;

	for (; b && go_on; b = b->more)
		for (int i = 0; i < SLOTS && go_on; i++)
			if (b->slot[i] && !(b->slot[i] & 1))
				go_on = fn(word_range(b->slot[i]), arg);
	return go_on;
}

bool store_walk(bool (*fn)(struct store_range *, void *), void *arg)
{
	bool go_on = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(shards) && go_on; i++) {
		struct store_shard *s = &shards[i];

		lock_acquire(&s->lock);
		for (u64 b = 0; s->bucket && b <= s->mask && go_on; b++)
			go_on = store_walk_bucket(store_bucket_at(s, b), fn, arg);
		lock_release(&s->lock);
	}
	return go_on;
}

static void store_free_chain(struct store_bucket *b)
{
	for (struct store_bucket *next; b; b = next) {
		next = b->more;
		alloc_free(b);
	}
}

void store_reset(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(shards); i++) {
		struct store_shard *s = &shards[i];

		lock_acquire(&s->lock);
		for (u64 b = 0; s->bucket && b <= s->mask; b++)
			store_free_chain(store_bucket_at(s, b)->more);
		store_free_chain(s->spare);
		alloc_free(s->bucket);
		s->n = 0;
		write_once(&s->mask, 0);
		write_once(&s->bucket, NULL);
		s->spare = NULL;
		lock_release(&s->lock);
	}
	write_once(&levels_used, 0);
}

void store_forget(void)
{
	fork_forget(shards, sizeof(shards));
	write_once(&levels_used, 0);
}
