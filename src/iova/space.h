/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations shared by iova.c (the tree and its lock), cache.c (magazines and depots), drain.c
 * (draining caches) and space.c (creation and reserved ranges).
 *
 *  operation                          | locks
 *  iova_alloc, iova_free, fast path   | none
 *  the same, slow path                | the thread's cache lock, and while it is held:
 *    exchange of a magazine           | the locks of depots and of the tree, one after the other
 *    refill, return to the tree       | the tree lock
 *  drain of any thread's cache        | that cache's lock, and while it is held the tree lock
 *  reserve                            | the tree lock
 * Two cache locks are never held at once. Of the depots' locks and the tree lock, at most one is
 * held at a time.
 */
#ifndef IOVA_SPACE_H
#define IOVA_SPACE_H

#include "base/lock.h"
#include "iova/gaps.h"
#include "iova/iova.h"

struct iova_magazine {
	struct iova_magazine *next; /* in the depot */
	u32 n;			    /* valid while the magazine is not loaded */
	u32 capacity;
	u64 none; /* page[-1], always 0: the top of an empty magazine equals no page number */
	u64 page[];
};

struct iova_depot {
	struct lock lock;	       /* guards the fields below */
	u32 n_stocked;		       /* atomic: also read without the lock */
	struct iova_magazine *stocked; /* magazines with at least one range */
	struct iova_magazine *empty;
	struct iova_magazine *collector; /* filled by iova_free_shared(); NULL: none yet */
	u64 pages;			 /* in `stocked` and `collector` */
	bool closed;			 /* the space is being destroyed; nothing may be added */
} cacheline;

/*
 * A thread's slot. Other threads may take from its depots, and from its bins as drain.c does.
 *
 * The lock is held by the thread on its slow paths and by any other thread that drains its bins. It
 * guards the spare magazines, `taken`, and the choice of the loaded magazine.
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
	struct iova_depot depot[IOVA_CLASSES]; /* filled by iova_free_shared() */

	struct lock lock cacheline; /* guards the fields below */
	struct gaps gaps;
	u64 units;     /* ranges that are returned to the tree one by one */
	u64 low_pages; /* the size that was last not found below 4 GiB; ~0: none */
	bool low_aligned;
	u32 direct_left;		/* frees until all pages may be cached again */
	struct iova_reserved *reserved; /* sorted by address, not adjacent */
	u32 n_reserved, max_reserved;
};

hot_inline struct iova_full_space *full_space(struct iova_space *s)
{
	return container_of(s, struct iova_full_space, hot);
}

/* iova.c: access to the tree; these two acquire its lock. */
u64 space_take(struct iova_full_space *s, u64 pages, u64 last, bool aligned, u64 units);
bool space_give(struct iova_full_space *s, u64 page, u64 pages, u64 units);

/*
 * Allocates the nodes for the gaps that frees of `units` more units and `reserved` more reserved
 * ranges may cause. Called with the tree lock held. Returns 0 or -ENOMEM.
 */
int space_expect(struct iova_full_space *s, u64 units, u32 reserved);

/* space.c: whether a page of [first, end) is reserved. Called with the tree lock held. */
bool space_reserved(const struct iova_full_space *s, u64 first, u64 end);

/* cache.c */
u64 cache_take(struct iova_full_space *s, unsigned int class, u64 pages, u64 last);
/*
 * Both return 1 if the range was cached, 0 if it cannot be cached and the caller must return it to
 * the tree, and -1 if the range was freed already.
 */
int cache_give(struct iova_full_space *s, unsigned int class, u64 page);
int iova_depot_put(struct iova_full_space *s, unsigned int class, u64 page);
u64 cache_pages(struct iova_full_space *s);
void iova_cache_retire(struct tslot_key *key, struct tslot *slot);
void depots_fini(struct iova_full_space *s); /* no thread allocates; threads may still end */

/*
 * Takes a magazine with ranges from the depot and puts the empty magazine `used`, if not NULL, in
 * its place. Returns NULL if there is none.
 */
struct iova_magazine *depot_exchange(struct iova_depot *d, unsigned int class,
				     struct iova_magazine *used);
/* Returns n ranges of a class to the tree; runs of adjacent ranges are returned in one step. */
void iova_pages_flush(struct iova_full_space *s, unsigned int class, const u64 *page, u32 n);
void magazine_end(struct iova_full_space *s, unsigned int class, struct iova_magazine *m);
/*
 * Removes both magazines from a bin of the calling thread; either may be NULL. Called with the
 * cache's lock held.
 */
void bin_unload(struct iova_bin *bin, struct iova_magazine *out[2]);
void bin_set_spare(struct iova_bin *bin, struct iova_magazine *m);

hot_inline struct iova_full_cache *full_cache(struct tslot *slot)
{
	return (struct iova_full_cache *)slot;
}

/*
 * drain.c: drains the calling thread's bins and the depots, large classes first, then the bins of
 * other threads, until an allocation of `pages` succeeds; pages 0: drains all. Returns the first
 * page of the allocation, or 0.
 */
u64 cache_drain(struct iova_full_space *s, u64 pages, u64 last, bool aligned);

#endif
