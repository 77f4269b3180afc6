/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator of a device's address space, in pages (page number = IOVA >> PAGE_BITS).
 * Page 0 is never allocated, so 0 means "none".
 *
 * Sizes up to IOVA_CACHED_PAGES are always rounded up to a power of two and naturally aligned. Each
 * such size is a class. A thread caches ranges of a class in two magazines, the loaded one and a
 * spare; it allocates from them and frees to them without a lock or an atomic instruction. The next
 * levels are depots of magazines (cache.c) and the tree of gaps (gaps.h). When the space is full,
 * the ranges in all caches are returned to the tree (drain.c), so that other threads can allocate
 * them.
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
 * One thread's ranges of one class: page[taken] to page[n - 1] of the loaded magazine, and the
 * spare magazine. Only the thread itself pushes and pops at n. The entries below `taken` were
 * drained by another thread because the space was full (drain.c).
 */
struct iova_bin {
	u64 *page;		     /* of the loaded magazine; page[-1] is 0. NULL: none yet */
	u32 n, capacity;	     /* of the loaded one; n is atomic, written by the thread */
	struct iova_magazine *spare; /* NULL: none yet; guarded by the cache's lock */
	u32 spare_n;
	u32 taken; /* atomic; written under the cache's lock */
};

struct iova_cache {
	struct tslot slot;
	struct iova_bin bin[IOVA_CLASSES];
};

/* The fields that the fast paths use; the others are in struct iova_full_space. */
struct iova_space {
	struct tslot_key key;
	u64 cache_from, cache_end; /* only pages in between are cached; cache_from is atomic */
};

#define IOVA_32BIT_FIRST 1u /* as Linux for PCI: try below 4 GiB before higher addresses */

/*
 * Creates a space of the pages [first, end) with 1 <= first < end <= 2^52. Returns NULL with an
 * error message on failure.
 */
struct iova_space *iova_create(u64 first, u64 end, unsigned int flags);

/* Frees the space with all ranges that are still allocated. No thread may be using it. */
void iova_destroy(struct iova_space *s);

/*
 * Excludes [first, first + pages) from allocation permanently. Parts outside the space or reserved
 * already are ignored. Returns 0, -EBUSY (a part is allocated), -ENOMEM or -EINVAL (not a range);
 * nothing is changed on failure.
 */
int iova_reserve(struct iova_space *s, u64 first, u64 pages);

u64 iova_alloc_slow(struct iova_space *s, u64 pages, u64 last, bool aligned);
bool iova_free_slow(struct iova_space *s, u64 page, u64 pages);

hot_inline unsigned int iova_class(u64 pages)
{
	return pages <= 1 ? 0 : 64 - (unsigned int)__builtin_clzll(pages - 1);
}

/*
 * Allocates the highest `pages` free pages that end at or below page `last`; with `aligned`, the
 * range starts at a multiple of `pages` rounded up to a power of two. Sizes up to IOVA_CACHED_PAGES
 * are rounded up (see above) and allocated from the thread's cache, which has no order, so the
 * range need not be the highest. The caches of all threads and the depots are drained before the
 * allocation fails. Without membarrier(2), the loaded magazines of other threads cannot be drained;
 * after such a failure, a number of frees at or below `last` bypass the caches so that a later
 * attempt succeeds.
 * Returns 0 with an error message if no range fits or there is no memory for the tree. Any thread,
 * at any time.
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
 * Frees a range of iova_alloc(); `page` and `pages` are the same as there. Cannot fail for such a
 * range. A range that is not allocated is rejected (false) where this can be detected without a
 * search of the caches.
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

/* As iova_free(), but never to the calling thread's cache; for flushes on behalf of other threads.
 */
bool iova_free_shared(struct iova_space *s, u64 page, u64 pages);

/* Drains the depots and the caches of all threads to the tree, as iova_alloc() does. */
void iova_drain(struct iova_space *s);

/*
 * Returns the most pages that one aligned range at or below page `last` could have if nothing were
 * allocated. Only reserved ranges limit it.
 */
u64 iova_longest(struct iova_space *s, u64 last);

struct iova_stats {
	u64 pages;  /* taken from the tree: allocated or in caches */
	u64 cached; /* those of them in caches */
	u64 ranges; /* nodes of the tree: free gaps */
};
/* At any time. The numbers are approximate while other threads allocate. */
void iova_stats(struct iova_space *s, struct iova_stats *out);

#endif
