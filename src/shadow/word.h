/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slot of the store's hash is one word: the address of a struct store_range; in bit 0, which of
 * the range's two granules the slot is for; in bit 1, whether the fingerprint beside the slot is
 * set; and above the address a tag. The tag avoids reads of ranges that do not match, because cache
 * misses dominate the cost of a search. Addresses of the process have 48 bits, so nothing can
 * overflow.
 */
#ifndef SHADOW_WORD_H
#define SHADOW_WORD_H

#include "base/math.h"
#include "shadow/store.h"

#define LEVEL_FIRST 12
#define LEVEL_STEP  3
#define LEVELS	    15 /* the last one has granules of 2^54 bytes */

/*
 * The fields of the tag: bits of the hash; the 64th part of a granule in which the range begins;
 * and the logarithm of the number of such parts that it overlaps, rounded up.
 */
#define TAG_SHIFT   48
#define PLACE_SHIFT 55
#define REACH_SHIFT 61
#define HASH_MASK   (127ull << TAG_SHIFT)
#define PLACE_MASK  (63ull << PLACE_SHIFT)
#define TAG_MASK    (0xffffull << TAG_SHIFT)

#define WORD_HAS_FINGERPRINT 2ull

hot_inline unsigned int word_level_bits(unsigned int level)
{
	return LEVEL_FIRST + level * LEVEL_STEP;
}

/* A result of LEVELS or more means that the range is too long for the table. */
hot_inline unsigned int word_level_of(u64 size)
{
	unsigned int bits = log2_ceil(size);

	return bits <= LEVEL_FIRST ? 0 : (bits - LEVEL_FIRST + LEVEL_STEP - 1) / LEVEL_STEP;
}

hot_inline u64 word_hash(u64 space, unsigned int level, u64 granule)
{
	u64 h = (granule * LEVELS + level + (space >> 6)) * 0x9e3779b97f4a7c15ull;

	return (h ^ h >> 29) * 0xbf58476d1ce4e5b9ull;
}

/* Does not use the bits that select the shard. */
hot_inline u64 word_index(u64 h, u64 mask)
{
	return h >> 20 & mask;
}

hot_inline unsigned int word_place_bits(unsigned int level)
{
	return word_level_bits(level) - 6;
}

hot_inline u64 word_tag(u64 h, u64 start, unsigned int level)
{
	return (h << TAG_SHIFT & HASH_MASK) |
	       (start >> word_place_bits(level) << PLACE_SHIFT & PLACE_MASK);
}

hot_inline struct store_range *word_range(u64 word)
{
	return (struct store_range *)(uintptr_t)(word & ~(TAG_MASK | WORD_HAS_FINGERPRINT | 1));
}

hot_inline u64 word_granule_of(const struct store_range *r, unsigned int which)
{
	return (r->start >> word_level_bits(r->level)) + which;
}

hot_inline u64 word_of(const struct store_range *r, unsigned int which, u64 h)
{
	unsigned int bits = word_place_bits(r->level);
	u64 places = ((r->start + r->size - 1) >> bits) - (r->start >> bits) + 1;

	return (uintptr_t)r | which | word_tag(h, r->start, r->level) |
	       (u64)log2_ceil(places) << REACH_SHIFT;
}

hot_inline bool word_spans_two(const struct store_range *r)
{
	unsigned int bits = word_level_bits(r->level);

	return r->start >> bits != (r->start + r->size - 1) >> bits;
}

#endif
