/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bucket is one cache line of words (word.h). Words that do not fit are in a chain of further
 * buckets. The fingerprints of a bucket are in the line after it; ranges of physical memory have
 * none. A shard's table doubles when it is full. Without memory for that, its chains grow; without
 * memory for a chain, the range is refused. Callers ensure that start + size <= 2^64, so nothing
 * can overflow.
 */
#include "base/alloc.h"
#include "base/fork.h"
#include "shadow/store_private.h"

#include <errno.h>
#include <string.h>

struct store_shard store_shards[2 * STORE_SHARDS];
u32 store_levels_used;

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

/* Moves a word to the new table without its fingerprint; this only makes one call slower. */
static void store_put_again(struct store_shard *s, u64 word)
{
	struct store_range *r = word_range(word);
	u64 h = word_hash(r->space, r->level, word_granule_of(r, word & 1));

	store_put(s, store_bucket_at(s, word_index(h, s->mask)), word & ~WORD_HAS_FINGERPRINT);
}

/*
 * Moves the words of an old bucket and its chain to two new ones. Their chains cannot be longer
 * than the old one, so there are enough spare buckets.
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

/*
 * Called after a slot was emptied. `link` points to its bucket in a chain; NULL: it is the first
 * bucket.
 */
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
	if (unlikely(!(read_once(&store_levels_used) >> r->level & 1)))
		__atomic_fetch_or(&store_levels_used, 1u << r->level, __ATOMIC_RELAXED);
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

void store_expect(u64 space, u64 start, u64 size)
{
	unsigned int level = word_level_of(size);

	if (level < LEVELS)
		store_prefetch_bucket(space,
				      word_hash(space, level, start >> word_level_bits(level)));
}

/*
 * The part of a hash that store_place() returns: the shard, and the bucket in tables of up to this
 * number of buckets.
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

	for (u32 used = read_once(&store_levels_used); used; used &= used - 1)
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

	for (unsigned int i = 0; i < ARRAY_SIZE(store_shards) && go_on; i++) {
		struct store_shard *s = &store_shards[i];

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
	for (unsigned int i = 0; i < ARRAY_SIZE(store_shards); i++) {
		struct store_shard *s = &store_shards[i];

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
	write_once(&store_levels_used, 0);
}

void store_forget(void)
{
	fork_forget(store_shards, sizeof(store_shards));
	write_once(&store_levels_used, 0);
}
