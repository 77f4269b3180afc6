/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects of one size, cut from blocks of pages. */
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
	u64 live;	      /* objects given out; under lock */
	u32 size;	      /* of an object: a multiple of SLAB_ALIGN; 0: the set is nobody's */
	u16 objects;	      /* in a slab, at most SLAB_OBJECTS_MAX */
	u16 order;	      /* of a slab's block */
	gfp_t zone;
	void (*ctor)(void *object);
} cacheline;

#define SLAB_SETS	  512
#define SLAB_SETS_KMALLOC 64 /* the first ones */
#define SLAB_SIZE_MAX	  (256 * KIB)
#define SLAB_RED_ZONE	  16 /* poisoned bytes behind an object, at least */

extern struct slab_set slab_sets[SLAB_SETS] __attribute__((visibility("hidden")));

/* Makes a set for objects of `size` bytes, at most SLAB_SIZE_MAX; nobody else uses it yet. */
void slab_set_init(struct slab_set *set, u32 size, gfp_t zone, void (*ctor)(void *));

/* A set for a cache: NULL and a sentence when all are taken. */
struct slab_set *slab_set_claim(u32 size, gfp_t zone, void (*ctor)(void *));

/* Gives it back. 0; -EBUSY: objects are live. */
int slab_set_release(struct slab_set *set);

/* Fault injection fails the allocation of an object. */
hot_inline bool slab_must_fail(void)
{
	return fail_here(FAIL_PAGE, NULL) || fail_here(FAIL_KMALLOC, NULL);
}

/*
 * NULL and an error message. The caller uses the first `size` bytes; what is behind them is
 * poisoned where the program has AddressSanitizer. __GFP_ZERO zeroes them, without it the whole
 * object.
 */
void *slab_take(struct slab_set *set, size_t size, gfp_t gfp);

/*
 * Gives an object back to the set that it is of, which must be `only` unless that is NULL. 0;
 * -EINVAL and a sentence: not a live object of it, nothing changed. `head` begins the block.
 */
int slab_give(struct page *head, void *object, const struct slab_set *only);

/* The size of the object at a pointer; 0: none is live there. */
u32 slab_object_size(struct page *head, const void *object);

#endif
