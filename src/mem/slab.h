/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects of one size, allocated from blocks of pages. */
#ifndef MEM_SLAB_H
#define MEM_SLAB_H

#include "base/fail.h"
#include "base/lock.h"
#include "mem/mem.h"

#define SLAB_OBJECTS_MAX 64 /* one word of bits */
#define SLAB_ALIGN	 MEM_CACHE_LINE

struct slab;

struct slab_set {
	struct lock lock;
	struct slab *partial; /* slabs with a free object; under lock */
	u64 live;	      /* allocated objects; under lock */
	/* of an object: a multiple of SLAB_ALIGN; 0: the set is not in use */
	u32 size;
	u16 objects; /* in a slab, at most SLAB_OBJECTS_MAX */
	u16 order;   /* order of a slab's block */
	gfp_t zone;
	void (*ctor)(void *object);
} cacheline;

#define SLAB_SETS	  512
#define SLAB_SETS_KMALLOC 64 /* the first ones */
#define SLAB_SIZE_MAX	  (256 * KIB)
#define SLAB_RED_ZONE	  16 /* poisoned bytes behind an object, at least */

extern struct slab_set slab_sets[SLAB_SETS] __attribute__((visibility("hidden")));

/* Initialises an unused set for objects of `size` bytes, at most SLAB_SIZE_MAX. */
void slab_set_init(struct slab_set *set, u32 size, gfp_t zone, void (*ctor)(void *));

/* Claims a set for a cache. Returns NULL with an error message if all are in use. */
struct slab_set *slab_set_claim(u32 size, gfp_t zone, void (*ctor)(void *));

/* Releases a set. Returns 0, or -EBUSY if it has live objects. */
int slab_set_release(struct slab_set *set);

/* Whether fault injection fails the allocation of an object. */
hot_inline bool slab_must_fail(void)
{
	return fail_here(FAIL_PAGE, NULL) || fail_here(FAIL_KMALLOC, NULL);
}

/*
 * Allocates an object. Returns NULL with an error message on failure. The caller uses the first
 * `size` bytes. In a program with AddressSanitizer the bytes behind them are poisoned, and
 * __GFP_ZERO zeroes only the bytes in use; otherwise it zeroes the whole object.
 */
void *slab_take(struct slab_set *set, size_t size, gfp_t gfp);

/*
 * Frees an object of `only`, or of any set if that is NULL. `head` is the first page of its block.
 * Returns 0, or -EINVAL with an error message, without a change, if it is not a live object.
 */
int slab_give(struct page *head, void *object, const struct slab_set *only);

/* Returns the size of the live object at a pointer, or 0. */
u32 slab_object_size(struct page *head, const void *object);

#endif
