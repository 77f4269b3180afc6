/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What iova.c (the tree and its lock), cache.c (magazines and depots) and drain.c (giving back what
 * caches hold) know of each other.
 *
 *  operation                          | takes
 *  iova_alloc, iova_free, fast path   | nothing
 *  the same, slow path                | the thread's cache lock, and under it:
 *    exchange of a magazine           | a depot's lock, another's, the tree lock, in turn
 *    refill, give back                | the tree lock
 *  drain of any thread's cache        | that cache's lock, and under it the tree lock
 *  reserve                            | the tree lock
 * No two cache locks are ever held together, nor two of the others.
 */
#ifndef IOVA_SPACE_H
#define IOVA_SPACE_H

#include "base/lock.h"
#include "iova/gaps.h"
#include "iova/iova.h"

struct iova_magazine {
	struct iova_magazine *next; /* in the depot */
	u32 n;			    /* while it is not a loaded one */
	u32 capacity;
	u64 none; /* is page[-1]: 0, so an empty one's top equals no page */
	u64 page[];
};

struct iova_depot {
	struct lock lock;	       /* guards all below */
	u32 n_stocked;		       /* atomic: looked at without the lock, too */
	struct iova_magazine *stocked; /* hold at least one range */
	struct iova_magazine *empty;
	struct iova_magazine *collector; /* what iova_free_shared() gives; NULL: none yet */
	u64 pages;			 /* in `stocked` and `collector` */
	bool closed;			 /* the space ends: takes no more */
} cacheline;

/*
 * A thread's slot. Others may take from its depot, and from its bins as drain.c does.
 *
 * The lock is held by the thread on its slow paths and by whoever takes from its bins. It guards
 * the spare magazines, `taken`, and which magazine is loaded.
 */
struct iova_full_cache {
	struct iova_cache hot;
	struct lock lock;
	struct iova_depot depot[IOVA_CLASSES];
};

struct iova_reserved {
	u64 first, end;
};

struct iova_full_space {
	struct iova_space hot;
	u64 first, end;
	unsigned int flags;
	unsigned int run_order; /* a refill and a full magazine hold 2^run_order pages */
	u32 depot_max;		/* stocked magazines in the depots of the smallest class */
	struct iova_depot depot[IOVA_CLASSES]; /* where iova_free_shared() gives */

	struct lock lock cacheline; /* guards all below */
	struct gaps gaps;
	u64 units;     /* ranges that may be given back one by one */
	u64 low_pages; /* this size was not found below 4 GiB; ~0: none */
	bool low_aligned;
	u32 direct_left;		/* gives until caches may hold all pages again */
	struct iova_reserved *reserved; /* by address; they do not touch */
	u32 n_reserved, max_reserved;
};

hot_inline struct iova_full_space *full_space(struct iova_space *s)
{
	return container_of(s, struct iova_full_space, hot);
}

/* iova.c: the tree; these take its lock. */
u64 space_take(struct iova_full_space *s, u64 pages, u64 last, bool aligned, u64 units);
bool space_give(struct iova_full_space *s, u64 page, u64 pages, u64 units);

/* Room for what `units` and `reserved` more may leave behind. Under the lock; 0, -ENOMEM. */
int space_expect(struct iova_full_space *s, u64 units, u32 reserved);

/* space.c: a page of [first, end) is reserved. Under the lock. */
bool space_reserved(const struct iova_full_space *s, u64 first, u64 end);

/* cache.c */
u64 cache_take(struct iova_full_space *s, unsigned int class, u64 pages, u64 last);
/* 1: taken; 0: no place for it, give it to the tree; -1: refused, it was given already. */
int cache_give(struct iova_full_space *s, unsigned int class, u64 page);
int iova_depot_put(struct iova_full_space *s, unsigned int class, u64 page);
u64 cache_pages(struct iova_full_space *s);
void iova_cache_retire(struct tslot_key *key, struct tslot *slot);
void depots_fini(struct iova_full_space *s); /* threads may still end, none allocates */

/* A magazine with ranges, or NULL; `used` (may be NULL) is left in its place. */
struct iova_magazine *depot_exchange(struct iova_depot *d, unsigned int class,
				     struct iova_magazine *used);
/* Gives the n ranges of a class to the tree; neighbours in the array go as one. */
void iova_pages_flush(struct iova_full_space *s, unsigned int class, const u64 *page, u32 n);
void magazine_end(struct iova_full_space *s, unsigned int class, struct iova_magazine *m);
/* Takes both magazines out of a bin of this thread, either may be NULL. Under the cache's lock. */
void bin_unload(struct iova_bin *bin, struct iova_magazine *out[2]);
void bin_set_spare(struct iova_bin *bin, struct iova_magazine *m);

hot_inline struct iova_full_cache *full_cache(struct tslot *slot)
{
	return (struct iova_full_cache *)slot;
}

/*
 * drain.c: empties this thread's bins and the depots, large classes first, then other threads'
 * bins, until there is a place; pages 0: all.
 */
u64 cache_drain(struct iova_full_space *s, u64 pages, u64 last, bool aligned);

#endif
