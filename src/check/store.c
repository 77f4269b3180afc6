/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place in the hash is a word: the address of a struct range, in bit 0 which of its two granules
 * the place stands for, and above the address a tag, so that no range is touched in vain: memory far
 * from the processor is what a search costs. A bucket is one cache line; what finds it full is
 * chained. Bit 1 says that the slot's seal is set; seals stand behind each bucket, and ranges of
 * physical memory have none. A shard's table doubles when it is full; when there is no memory for that its chains get
 * longer. What may overflow: nothing, start + size <= 2^64 is the callers' promise, and addresses of
 * the process have 48 bits.
 */
#include "check/store.h"
#include "base/alloc.h"
#include "base/math.h"

#define SHARDS	    256 /* for physical memory, and as many for devices' addresses */
#define SEALED	    2ull
#define FIRST	    4 /* buckets */
#define SLOTS	    7
#define LOAD	    4 /* words in a bucket, on average, before the table grows */
#define LEVEL_FIRST 12
#define LEVEL_STEP  3
#define LEVELS	    15 /* the last has granules of 2^54 */

/* The tag: of the hash, and where in a granule the range begins. */
#define TAG_SHIFT  48
#define TAG_HASH   10
#define TAG_PLACE  6
#define HASH_MASK  (((1ull << TAG_HASH) - 1) << TAG_SHIFT)
#define PLACE_MASK (((1ull << TAG_PLACE) - 1) << (TAG_SHIFT + TAG_HASH))

struct bucket {
	u64 slot[SLOTS]; /* 0: free */
	u64 more;	 /* chain of words; 0: its end */
} cacheline;

struct seals {
	struct seal of[SLOTS + 1];
} cacheline;

static struct shard {
	struct lock lock cacheline;
	u64 n;
	u64 mask;	       /* atomic, for who only prefetches */
	struct bucket *bucket; /* the same; NULL: none yet */
} shards[2 * SHARDS];

static u32 levels_used; /* atomic bits, only ever set */

static unsigned int level_bits(unsigned int level)
{
	return LEVEL_FIRST + level * LEVEL_STEP;
}

/* LEVELS or more: too long. */
static unsigned int level_of(u64 size)
{
	unsigned int bits = log2_ceil(size);

	return bits <= LEVEL_FIRST ? 0 : (bits - LEVEL_FIRST + LEVEL_STEP - 1) / LEVEL_STEP;
}

static u64 hash(u64 space, unsigned int level, u64 granule)
{
	u64 h = (granule * LEVELS + level + (space >> 6)) * 0x9e3779b97f4a7c15ull;

	return (h ^ h >> 29) * 0xbf58476d1ce4e5b9ull;
}

static struct shard *shard_of(u64 space, u64 h)
{
	return &shards[h >> 56 | (space == SPACE_PHYS ? 0 : SHARDS)];
}

static bool has_seals(const struct shard *s)
{
	return s >= shards + SHARDS;
}

/* Each bucket's seals stand behind it: two lines of one page come together. */
static u64 stride(const struct shard *s)
{
	return has_seals(s) ? 2 : 1;
}

static struct bucket *bucket_at(const struct shard *s, u64 index)
{
	return s->bucket + index * stride(s);
}

static struct seals *seals_of(struct bucket *b)
{
	return (struct seals *)(b + 1);
}

/* Bits that chose the shard are not used again. */
static u64 index_of(u64 h, u64 mask)
{
	return h >> 20 & mask;
}

static u64 tag_of(u64 h, u64 start, unsigned int level)
{
	return (h << TAG_SHIFT & HASH_MASK) |
	       (start >> (level_bits(level) - TAG_PLACE) << (TAG_SHIFT + TAG_HASH) & PLACE_MASK);
}

static struct range *range_of(u64 word)
{
	return (struct range *)(uintptr_t)(word & ~(HASH_MASK | PLACE_MASK | SEALED | 1));
}

/* Of the chain: the next word behind this one. */
static u64 *after(u64 word)
{
	return &range_of(word)->next[word & 1];
}

static u64 granule_of(const struct range *r, unsigned int which)
{
	return (r->start >> level_bits(r->level)) + which;
}

static u64 word_of(const struct range *r, unsigned int which, u64 h)
{
	return (uintptr_t)r | which | tag_of(h, r->start, r->level);
}

static void put(struct shard *s, struct range *r, unsigned int which, u64 h)
{
	struct bucket *b = bucket_at(s, index_of(h, s->mask));

	for (int i = 0; i < SLOTS; i++)
		if (!b->slot[i]) {
			b->slot[i] = word_of(r, which, h);
			return;
		}
	r->next[which] = b->more;
	b->more = word_of(r, which, h);
}

/* Without its seal: that only makes one call slower. */
static void put_again(struct shard *s, u64 word)
{
	struct range *r = range_of(word);

	put(s, r, word & 1, hash(r->space, r->level, granule_of(r, word & 1)));
}

/* Under the shard's lock. */
static int shard_grow(struct shard *s)
{
	u64 n = s->bucket ? 2 * (s->mask + 1) : FIRST, old_n = s->bucket ? s->mask + 1 : 0;
	struct bucket *old = s->bucket, *bucket;

	bucket = alloc_aligned(64 * stride(s), n * stride(s) * sizeof(*bucket));

	if (!bucket)
		return old ? 0 : -1;
	write_once(&s->bucket, bucket);
	write_once(&s->mask, n - 1);
	for (u64 i = 0; i < old_n; i++) {
		const struct bucket *b = old + i * stride(s);

		for (int k = 0; k < SLOTS; k++)
			if (b->slot[k])
				put_again(s, b->slot[k]);
		for (u64 word = b->more, next; word; word = next) {
			next = *after(word);
			put_again(s, word);
		}
	}
	alloc_free(old);
	return 0;
}

static int add_one(struct range *r, unsigned int which)
{
	u64 h = hash(r->space, r->level, granule_of(r, which));
	struct shard *s = shard_of(r->space, h);
	int err = 0;

	lock_take(&s->lock);
	if (unlikely(!s->bucket || s->n > LOAD * s->mask + LOAD))
		err = shard_grow(s);
	if (likely(!err)) {
		put(s, r, which, h);
		s->n++;
	}
	lock_give(&s->lock);
	return err;
}

/* A word leaves its slot, to which the chain's first one moves. */
static void refill_slot(struct bucket *b, int i)
{
	b->slot[i] = b->more;
	if (unlikely(b->more))
		b->more = *after(b->more);
}

/* The word that is `word` in these bits. */
static bool take(struct bucket *b, u64 word, u64 bits)
{
	u64 *p;

	for (int i = 0; i < SLOTS; i++)
		if ((b->slot[i] & bits) == word) {
			refill_slot(b, i);
			return true;
		}
	for (p = &b->more; *p && (*p & bits) != word; p = after(*p))
		;
	if (!*p)
		return false;
	*p = *after(*p);
	return true;
}

static void remove_one(struct range *r, unsigned int which)
{
	u64 h = hash(r->space, r->level, granule_of(r, which));
	struct shard *s = shard_of(r->space, h);

	lock_take(&s->lock);
	if (likely(take(bucket_at(s, index_of(h, s->mask)), word_of(r, which, h), ~SEALED)))
		s->n--;
	lock_give(&s->lock);
}

static bool spans_two(const struct range *r)
{
	unsigned int bits = level_bits(r->level);

	return r->start >> bits != (r->start + r->size - 1) >> bits;
}

int store_add(struct range *r)
{
	r->level = (u8)level_of(r->size);
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
	u64 tag_mask; /* HASH_MASK; PLACE_MASK too where only ranges that begin at `start` are wanted */
	bool unseal;
};

/* A shadow and its ranges are three lines that are used, which come together. */
static void prefetch_lines(const struct range *r)
{
	for (int i = 0; i < 3; i++)
		__builtin_prefetch((const char *)r + 64 * i, 1);
}

/* Not both of one time, perhaps: then it is some other place, which does no harm. */
static void prefetch_bucket(u64 space, u64 h)
{
	struct shard *s = shard_of(space, h);
	uintptr_t bucket = (uintptr_t)read_once(&s->bucket);
	u64 at = index_of(h, read_once(&s->mask)) * stride(s);

	__builtin_prefetch((const void *)(bucket + at * sizeof(struct bucket)), 1);
	if (space != SPACE_PHYS)
		__builtin_prefetch((const void *)(bucket + (at + 1) * sizeof(struct bucket)), 1);
}

static bool overlaps(const struct search *q, const struct range *r)
{
	return r->space == q->space && (r->start <= q->start ? q->start - r->start < r->size
							     : r->start - q->start < q->size);
}

/* The range that the word stands for, if it is one to look at. */
static bool look_at_word(const struct search *q, u64 word, unsigned int level, u64 granule)
{
	struct range *r = range_of(word);

	prefetch_lines(r);
	if (r->level != level || granule_of(r, word & 1) != granule || !overlaps(q, r))
		return true;
	return q->fn(r, q->arg);
}

static bool search_granule(const struct search *q, unsigned int level, u64 granule)
{
	u64 h = hash(q->space, level, granule), tag = tag_of(h, q->start, level);
	struct shard *s = shard_of(q->space, h);
	struct bucket *b;
	bool go_on = true;

	lock_take(&s->lock);
	if (unlikely(!s->bucket))
		goto out;
	b = bucket_at(s, index_of(h, s->mask));
	for (int i = 0; i < SLOTS && go_on; i++)
		if (b->slot[i] && !((b->slot[i] ^ tag) & q->tag_mask)) {
			if (q->unseal)
				b->slot[i] &= ~SEALED;
			go_on = look_at_word(q, b->slot[i], level, granule);
		}
	for (u64 word = b->more; word && go_on; word = *after(word))
		if (!((word ^ tag) & q->tag_mask))
			go_on = look_at_word(q, word, level, granule);
out:
	lock_give(&s->lock);
	return go_on;
}

/* More places to look in than there are likely ranges: look at all of them. */
#define LOOKUPS_MOST 8192

static bool filter(struct range *r, void *arg)
{
	const struct search *q = arg;

	return overlaps(q, r) ? q->fn(r, q->arg) : true;
}

bool store_search(u64 space, u64 start, u64 size, bool (*fn)(struct range *, void *), void *arg)
{
	struct search q = {.space = space, .start = start, .size = size, .fn = fn, .arg = arg,
			   .tag_mask = HASH_MASK};
	u32 used = read_once(&levels_used);

	if (unlikely(size >> LEVEL_FIRST > LOOKUPS_MOST))
		return store_walk(filter, &q);
	for (; used; used &= used - 1) {
		unsigned int level = (unsigned int)__builtin_ctz(used), bits = level_bits(level);

		for (u64 g = start >> bits; g <= (start + size - 1) >> bits; g++)
			if (!search_granule(&q, level, g))
				return false;
	}
	return true;
}

bool store_search_start(u64 space, u64 start, bool (*fn)(struct range *, void *), void *arg)
{
	struct search q = {.space = space, .start = start, .size = 1, .fn = fn, .arg = arg,
			   .tag_mask = HASH_MASK | PLACE_MASK, .unseal = true};
	u32 used = read_once(&levels_used);

	for (; used; used &= used - 1) {
		unsigned int level = (unsigned int)__builtin_ctz(used);

		if (!search_granule(&q, level, start >> level_bits(level)))
			return false;
	}
	return true;
}

void store_expect(u64 space, u64 start, u64 size)
{
	unsigned int level = level_of(size);

	if (level < LEVELS)
		prefetch_bucket(space, hash(space, level, start >> level_bits(level)));
}

/* What a hash must be, as far as it says where: the shard, and the bucket if it has not more of them. */
#define PLACE_BUCKETS (1ull << 24)

u32 store_place(const struct range *r)
{
	u64 h = hash(r->space, r->level, granule_of(r, 0));

	if (!r->added || spans_two(r))
		return 0;
	return (u32)(h >> 56 << 24 | (h >> 20 & (PLACE_BUCKETS - 1)));
}

static u64 hash_of_place(u32 place)
{
	return (u64)place >> 24 << 56 | (u64)(place & (PLACE_BUCKETS - 1)) << 20;
}

void store_remove_at(struct range *r, u32 place)
{
	u64 h = hash_of_place(place);
	struct shard *s = shard_of(SPACE_PHYS, h);
	bool done = false;

	lock_take(&s->lock);
	if (likely(s->mask < PLACE_BUCKETS))
		done = take(bucket_at(s, index_of(h, s->mask)), (uintptr_t)r,
			    ~(HASH_MASK | PLACE_MASK | SEALED));
	s->n -= done;
	lock_give(&s->lock);
	if (unlikely(!done))
		store_remove(r);
}

static struct seal seal_word(const struct search *q, u64 word, unsigned int level, u64 tag,
			     struct seal (*fn)(struct range *, void *))
{
	struct range *r = range_of(word);
	struct seal seal;

	if (!word || ((word ^ tag) & q->tag_mask) || (word & (1 | SEALED)) || r->level != level ||
	    r->start != q->start || r->space != q->space)
		return (struct seal){0};
	seal = fn(r, q->arg);
	return spans_two(r) ? (struct seal){0} : seal;
}

static void seal_granule(const struct search *q, unsigned int level,
			 struct seal (*fn)(struct range *, void *))
{
	u64 h = hash(q->space, level, q->start >> level_bits(level)), tag = tag_of(h, q->start, level);
	struct shard *s = shard_of(q->space, h);
	struct bucket *b;

	lock_take(&s->lock);
	b = s->bucket ? bucket_at(s, index_of(h, s->mask)) : NULL;
	for (int k = 0; b && k < SLOTS; k++) {
		struct seal seal = seal_word(q, b->slot[k], level, tag, fn);

		if (seal.seal) {
			seals_of(b)->of[k] = seal;
			b->slot[k] |= SEALED;
		}
	}
	for (u64 word = b ? b->more : 0; word; word = *after(word))
		seal_word(q, word, level, tag, fn);
	lock_give(&s->lock);
}

void store_seal(u64 space, u64 start, struct seal (*fn)(struct range *, void *), void *arg)
{
	const struct search q = {.space = space, .start = start, .arg = arg,
				 .tag_mask = HASH_MASK | PLACE_MASK};

	for (u32 used = read_once(&levels_used); used; used &= used - 1)
		seal_granule(&q, (unsigned int)__builtin_ctz(used), fn);
}

/* Under the shard's lock. */
static struct range *take_sealed(struct shard *s, u64 h, u64 tag, u32 seal, u32 *place)
{
	struct bucket *b = bucket_at(s, index_of(h, s->mask));
	const struct seals *seals = seals_of(b);
	struct range *r;

	for (int k = 0; k < SLOTS; k++) {
		if (((b->slot[k] ^ tag) & (HASH_MASK | PLACE_MASK)) || !(b->slot[k] & SEALED) ||
		    seals->of[k].seal != seal)
			continue;
		r = range_of(b->slot[k]);
		prefetch_lines(r);
		*place = seals->of[k].place;
		prefetch_bucket(SPACE_PHYS, hash_of_place(*place));
		refill_slot(b, k);
		s->n--;
		return r;
	}
	return NULL;
}

struct range *store_take_sealed(u64 space, u64 start, u64 size, u32 seal, u32 *place)
{
	unsigned int level = level_of(size);
	struct range *r = NULL;
	struct shard *s;
	u64 h;

	if (level >= LEVELS)
		return NULL;
	h = hash(space, level, start >> level_bits(level));
	s = shard_of(space, h);
	lock_take(&s->lock);
	if (likely(s->bucket))
		r = take_sealed(s, h, tag_of(h, start, level), seal, place);
	lock_give(&s->lock);
	return r;
}

static bool walk_bucket(const struct bucket *b, bool (*fn)(struct range *, void *), void *arg)
{
	bool go_on = true;

	for (int i = 0; i < SLOTS && go_on; i++)
		if (b->slot[i] && !(b->slot[i] & 1))
			go_on = fn(range_of(b->slot[i]), arg);
	for (u64 word = b->more; word && go_on; word = *after(word))
		if (!(word & 1))
			go_on = fn(range_of(word), arg);
	return go_on;
}

bool store_walk(bool (*fn)(struct range *, void *), void *arg)
{
	bool go_on = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(shards) && go_on; i++) {
		struct shard *s = &shards[i];

		lock_take(&s->lock);
		for (u64 b = 0; s->bucket && b <= s->mask && go_on; b++)
			go_on = walk_bucket(bucket_at(s, b), fn, arg);
		lock_give(&s->lock);
	}
	return go_on;
}

void store_reset(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(shards); i++) {
		alloc_free(shards[i].bucket);
		shards[i] = (struct shard){0};
	}
	write_once(&levels_used, 0);
}
