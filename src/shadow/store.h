/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of ranges in address spaces, which finds a range by any address in it in O(1). A range of
 * up to 2^b bytes is in at most two granules of 2^b bytes and is hashed under each of them. There
 * are LEVELS values of b, so a search looks up one granule for each level that was ever used.
 *
 * The hash is split into shards with one lock each. A range is read only under the lock of a shard
 * that has it, and is removed from all shards before its memory is reused. A thread never holds the
 * locks of two shards, and holds none while it reports.
 */
#ifndef SHADOW_STORE_H
#define SHADOW_STORE_H

#include "base/compiler.h"
#include "base/lock.h"

#define SPACE_PHYS   0ull /* physical memory; other spaces are addresses of domains */
#define SPACE_RANGES 1ull /* added to a domain's space: two-step ranges */

struct shadow;

struct store_range {
	u64 space, start, size; /* constant while it is in the store */
	struct shadow *of;
	struct store_range *more; /* next range of a shadow with several */
	u8 level;
	bool added;
};

/* Returns 0, or -1 if there is no memory or the range is too long. */
int store_add(struct store_range *r);
void store_remove(struct store_range *r);

/*
 * Calls fn() for every range that overlaps [start, start + size), for some of them twice, under the
 * lock of a shard: fn() must not report or search. It ends the search by returning false. Returns
 * false if the search was ended.
 */
bool store_search(u64 space, u64 start, u64 size, bool (*fn)(struct store_range *, void *),
		  void *arg);

/*
 * store_search() for the ranges that begin at `start`. Most other ranges are not read, but fn() may
 * be called for a few of them. The fingerprints of the ranges found are removed.
 */
bool store_search_start(u64 space, u64 start, bool (*fn)(struct store_range *, void *), void *arg);

/*
 * The fingerprint of a range is in the table beside its slot and covers all properties of the
 * mapping that an unmap is compared with. store_take_fingerprint() with the same fingerprint
 * removes the range without reading it. store_set_fingerprint() sets the fingerprint of every range
 * that begins at `start` to the result of fn(); 0: none. `place` is store_place() of the mapping's
 * memory; store_remove_at() then removes that range without reading it.
 */
struct store_fingerprint {
	u32 fingerprint, place;
};
void store_set_fingerprint(u64 space, u64 start,
			   struct store_fingerprint (*fn)(struct store_range *, void *), void *arg);
struct store_range *store_take_fingerprint(u64 space, u64 start, u64 size, u32 fingerprint,
					   u32 *place); /* NULL: none */
/* For a range of physical memory. Returns 0 if it is in two granules, or in none. */
u32 store_place(const struct store_range *r);
void store_remove_at(struct store_range *r, u32 place); /* does not write r->added */

/* Prefetches the slot of a range that will be added or removed soon. */
void store_expect(u64 space, u64 start, u64 size);

/* store_search() for all ranges. */
bool store_walk(bool (*fn)(struct store_range *, void *), void *arg);

/* Frees everything. A search by another thread meanwhile finds nothing. */
void store_reset(void);
void store_forget(void); /* in a child of fork */

#endif
