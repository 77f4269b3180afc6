/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intervals of address spaces, found by any address in them in O(1): what the checker remembers of
 * each live mapping. A range of up to 2^b bytes lies in at most two granules of 2^b and is in the
 * hash under each; b goes in steps, so a search looks in one place for each size that was ever
 * used.
 *
 * The hash is split in shards with a lock each. A range is only looked at under the lock of a shard
 * that has it, and is out of all of them before its memory is used again. No two shards' locks are
 * ever held at once, and none while a report is made.
 */
#ifndef CHECK_STORE_H
#define CHECK_STORE_H

#include "base/compiler.h"
#include "base/lock.h"

#define SPACE_PHYS   0ull /* physical memory; other spaces are addresses of domains */
#define SPACE_RANGES 1ull /* added to a domain's: two-step ranges, which translate nothing */

struct shadow;

struct range {
	u64 space, start, size; /* fixed while it is in the store */
	struct shadow *of;
	struct range *more; /* of the same shadow: a scatterlist's */
	u8 level;
	bool added;
};

/* 0, -ENOMEM. */
int store_add(struct range *r);
void store_remove(struct range *r);

/*
 * fn() for each range that overlaps [start, start + size), some twice, under a lock: it may not
 * report nor search. It ends the search by returning false. False: it was ended.
 */
bool store_search(u64 space, u64 start, u64 size, bool (*fn)(struct range *, void *), void *arg);

/*
 * The same for those that begin at `start`, found without a look at the others, and perhaps some
 * more; their seals are broken.
 */
bool store_search_start(u64 space, u64 start, bool (*fn)(struct range *, void *), void *arg);

/*
 * A seal stands in the table and says all of a range that must be known to take it out: who gives
 * the same seal takes it without having looked at it. fn() tells the seal of a range that begins at
 * `start`, 0: none. `place`: store_place() of its memory, which store_remove_at() takes out without
 * a look at that.
 */
struct fingerprint {
	u32 fingerprint, place;
};
void store_set_fingerprint(u64 space, u64 start, struct fingerprint (*fn)(struct range *, void *),
			   void *arg);
struct range *store_take_fingerprint(u64 space, u64 start, u64 size, u32 fingerprint,
				     u32 *place); /* NULL: none */
u32 store_place(const struct range *r);		  /* of physical memory; 0: it has two, or none */
void store_remove_at(struct range *r, u32 place); /* leaves r->added as it is */

/* A range will be added or removed soon: its place comes from memory meanwhile. */
void store_expect(u64 space, u64 start, u64 size);

/* fn() for every range; as above. */
bool store_walk(bool (*fn)(struct range *, void *), void *arg);

/* Everything is forgotten and freed; nobody uses it. */
void store_reset(void);
void store_forget(void); /* in a child of fork */

#endif
