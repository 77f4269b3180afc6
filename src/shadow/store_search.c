/* SPDX-License-Identifier: BSD-2-Clause */
/* Searches of the store; see store.h. */
#include "shadow/store_private.h"

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

/* Tests the tag alone. For a range that began in the previous granule the tag has no position. */
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
			if (q->remove_fingerprints)
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
	for (u32 used = read_once(&store_levels_used); used; used &= used - 1) {
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
				       .remove_fingerprints = true};

	return store_search_levels(&q);
}
