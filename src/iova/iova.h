/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator of a device's address space, in pages (page number = IOVA >> PAGE_BITS).
 * Page 0 is never given out, so 0 says "none".
 *
 * Sizes up to IOVA_CACHED_PAGES are rounded up to a power of two and naturally aligned, whatever is
 * asked; each such size is a class, of which each thread keeps some ranges in two magazines (the
 * loaded one and a spare), taken and put without a lock or an atomic instruction. Behind them are
 * depots of magazines (cache.c) and the tree of gaps (gaps.h). What caches hold is no loss to other
 * threads: when the space is full, all of it goes back to the tree (drain.c).
 */
#ifndef IOVA_IOVA_H
#define IOVA_IOVA_H

#include "base/fail.h"
#include "base/fence.h"
#include "base/math.h"
#include "base/tslot.h"

#define IOVA_CLASSES	  9
#define IOVA_CACHED_PAGES (1ull << (IOVA_CLASSES - 1))

struct iova_magazine;

/*
 * One thread's ranges of one class: those at page[taken] to page[n - 1] of the loaded magazine, and
 * the spare one. The thread alone pushes and pops at n. What lies below `taken` went to another
 * thread that found the space full, see drain.c.
 */
struct iova_bin {
	u64 *page;		     /* of the loaded magazine; page[-1] is 0. NULL: none yet */
	u32 n, capacity;	     /* of it; n: atomic, written by the thread */
	struct iova_magazine *spare; /* NULL: none yet; under the cache's lock */
	u32 spare_n;
	u32 taken; /* atomic; written under the cache's lock */
};

struct iova_cache {
	struct tslot slot;
	struct iova_bin bin[IOVA_CLASSES];
};

/* What the fast paths need; the rest is in space.h. */
struct iova_space {
	struct tslot_key key;
	u64 cache_from, cache_end; /* only pages in between go to caches; cache_from: atomic */
};

#define IOVA_32BIT_FIRST 1u /* as Linux for PCI: try below 4 GiB before higher addresses */

/* A space of pages [first, end), 1 <= first < end <= 2^52; NULL and a sentence. */
struct iova_space *iova_create(u64 first, u64 end, unsigned int flags);

/* Nobody may be using it. Live ranges go with it. */
void iova_destroy(struct iova_space *s);

/*
 * Takes [first, first + pages) out for good, what lies inside the space and is not out already;
 * 0, -EBUSY (part is in use), -ENOMEM, -EINVAL (no range); on failure nothing is changed.
 */
int iova_reserve(struct iova_space *s, u64 first, u64 pages);

u64 iova_alloc_slow(struct iova_space *s, u64 pages, u64 last, bool aligned);
bool iova_free_slow(struct iova_space *s, u64 page, u64 pages);

hot_inline unsigned int iova_class(u64 pages)
{
	return pages <= 1 ? 0 : 64 - (unsigned int)__builtin_clzll(pages - 1);
}

/*
 * `pages` pages, none above page `last`, the highest that fit; with `aligned`, starting at a
 * multiple of `pages` rounded up to a power of two. Small sizes come from the thread's cache, which
 * knows no order. Small sizes are rounded up (see above) before a place is looked for; the caches
 * of all threads and the depots are emptied before it fails. Where membarrier(2) is missing, what
 * other threads have in their loaded magazines stays with them; then, for a while, gives below
 * `last` go past the caches, and a later try finds it.
 * 0 and a sentence: there is no such range (or no memory for the bookkeeping). Any thread, at any
 * time.
 */
hot_inline u64 iova_alloc(struct iova_space *s, u64 pages, u64 last, bool aligned)
{
	if (likely(pages - 1 < IOVA_CACHED_PAGES && !read_once(&fail_armed))) {
		struct iova_cache *cache = (struct iova_cache *)tslot_get(&s->key);
		struct iova_bin *bin = likely(cache) ? &cache->bin[iova_class(pages)] : NULL;

		if (likely(bin && bin->n)) {
			u32 n = bin->n;
			u64 page = bin->page[n - 1];

			if (likely(page + (pages - 1) <= last)) { /* both far below 2^63 */
				write_release(&bin->n, n - 1);
				compiler_fence(); /* pairs with fence_everywhere() in drain.c */
				if (likely(read_once(&bin->taken) < n)) {
					assume(page != 0);
					return page;
				}
				write_release(&bin->n, n); /* another thread has taken it */
			}
		}
	}
	return iova_alloc_slow(s, pages, last, aligned);
}

/*
 * Gives back a range of iova_alloc: the same start and pages. Cannot fail. A range that is not
 * live is refused (false) where that can be seen without searching the caches.
 */
hot_inline bool iova_free(struct iova_space *s, u64 page, u64 pages)
{
	if (likely(pages - 1 < IOVA_CACHED_PAGES && page < s->cache_end &&
		   page >= read_once(&s->cache_from))) {
		struct iova_cache *cache = (struct iova_cache *)tslot_get(&s->key);
		unsigned int class = iova_class(pages);
		struct iova_bin *bin = likely(cache) ? &cache->bin[class] : NULL;

		if (likely(bin && bin->n < bin->capacity && !(page & ((1ull << class) - 1)))) {
			u64 *top = bin->page + bin->n;

			if (likely(top[-1] != page)) {
				*top = page;
				write_release(&bin->n, bin->n + 1);
				return true;
			}
		}
	}
	return iova_free_slow(s, page, pages);
}

/* As iova_free, but never into the calling thread's cache (flushes by another thread). */
bool iova_free_shared(struct iova_space *s, u64 page, u64 pages);

/* Empties the depots and the threads' caches into the tree, as far as iova_alloc() does. */
void iova_drain(struct iova_space *s);

/*
 * The most pages that one aligned range at or below page `last` can have while nothing is given
 * out: between what is reserved.
 */
u64 iova_longest(struct iova_space *s, u64 last);

struct iova_stats {
	u64 pages;  /* given out, with what caches hold */
	u64 cached; /* of them held in caches */
	u64 ranges; /* nodes of the tree: free gaps */
};
/* Any time; while others allocate, a moment's view. */
void iova_stats(struct iova_space *s, struct iova_stats *out);

#endif
