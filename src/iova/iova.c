/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to the tree of gaps with its lock held, and the slow paths of iova.h.
 *
 * Invariants while the lock is held:
 *  - every page of the space is in a gap, in a reserved range or in a unit. A unit is a range that
 *    was taken from the tree and is returned to it as a whole; it is allocated or in a cache;
 *  - the arena has nodes for (gaps + units + reserved + 2) / 2 gaps, so a free needs no memory. A
 *    free adds at most one gap and removes a unit, so it does not increase the sum; and G gaps have
 *    at least G - 1 units and reserved ranges between them, so G is at most half of the sum.
 * Nothing can overflow: page numbers are below 2^52, and the parameters of callers are checked
 * before they are added.
 */
#include "iova/space.h"
#include "base/error.h"

#define LOW_LAST   ((1ull << (32 - PAGE_BITS)) - 1) /* the last page below 4 GiB */
#define DIRECT_FOR 4096				    /* frees */

int space_expect(struct iova_full_space *s, u64 units, u32 reserved)
{
	u64 sum = s->gaps.n + 1 + s->units + units + s->n_reserved + reserved;

	return gaps_expect(&s->gaps, max_u64(s->gaps.n + 1, (sum + 2) / 2));
}

/*
 * Searches below 4 GiB first. A size that was not found there is searched there again only after a
 * range below 4 GiB was freed.
 */
static u64 take_low_first(struct iova_full_space *s, u64 pages, u64 last, bool aligned)
{
	u64 page;

	if (s->flags & IOVA_32BIT_FIRST && last > LOW_LAST &&
	    !(pages >= s->low_pages && aligned >= s->low_aligned)) {
		page = gaps_take(&s->gaps, pages, LOW_LAST, aligned);
		if (page)
			return page;
		s->low_pages = pages;
		s->low_aligned = aligned;
	}
	return gaps_take(&s->gaps, pages, last, aligned);
}

/*
 * Takes a range that is returned in `units` parts. On failure it returns 0 and sets errno to
 * ENOSPC, or to ENOMEM with an error message.
 */
u64 space_take(struct iova_full_space *s, u64 pages, u64 last, bool aligned, u64 units)
{
	bool memory = true;
	u64 page = 0;

	lock_acquire(&s->lock);
	if (!space_expect(s, units, 0))
		page = take_low_first(s, pages, last, aligned);
	else
		memory = false;
	if (page)
		s->units += units;
	lock_release(&s->lock);
	if (!page && memory)
		errno = ENOSPC;
	return page;
}

bool space_give(struct iova_full_space *s, u64 page, u64 pages, u64 units)
{
	bool ok = false;

	lock_acquire(&s->lock);
	/* There are more frees than allocations only if a range was freed that was not allocated.
	 */
	if (units <= s->units && !space_reserved(s, page, page + pages))
		ok = gaps_give(&s->gaps, page, pages);
	if (ok) {
		s->units -= units;
		if (page <= LOW_LAST)
			s->low_pages = ~0ull;
		if (s->direct_left && !--s->direct_left)
			write_once(&s->hot.cache_from, s->first);
	}
	lock_release(&s->lock);
	return ok;
}

static u64 iova_no_space(u64 pages, u64 last)
{
	error_set(ENOSPC,
		  "cannot find %llu contiguous free pages in the device's address space at or "
		  "below %#llx: unmap other memory, or raise the device's mask",
		  (unsigned long long)pages,
		  (unsigned long long)last << PAGE_BITS | (PAGE_BYTES - 1));
	return 0;
}

/*
 * Called when nothing fits up to `last` and the caches of other threads cannot be drained. The next
 * DIRECT_FOR frees of ranges at or below `last` return the range to the tree directly, so that a
 * later attempt finds it there.
 */
static u64 iova_held_by_others(struct iova_full_space *s, u64 pages, u64 last, u64 cached)
{
	lock_acquire(&s->lock);
	if (read_once(&s->hot.cache_from) <= last)
		write_once(&s->hot.cache_from, last + 1);
	s->direct_left = DIRECT_FOR;
	lock_release(&s->lock);
	error_set(ENOSPC,
		  "cannot find %llu free pages in the device's address space at or below %#llx: "
		  "%llu pages are in the caches of other threads, which cannot be drained without "
		  "membarrier(2); try again after those threads have mapped, unmapped or ended, or "
		  "raise the device's mask",
		  (unsigned long long)pages,
		  (unsigned long long)last << PAGE_BITS | (PAGE_BYTES - 1),
		  (unsigned long long)cached);
	return 0;
}

static u64 iova_give_up(struct iova_full_space *s, u64 pages, u64 last)
{
	u64 cached;

	if (errno == ENOMEM)
		return 0;
	cached = fence_everywhere_works() ? 0 : cache_pages(s);
	return cached < pages ? iova_no_space(pages, last)
			      : iova_held_by_others(s, pages, last, cached);
}

u64 iova_alloc_slow(struct iova_space *hot, u64 pages, u64 last, bool aligned)
{
	struct iova_full_space *s = full_space(hot);
	u64 page = 0, want = pages;

	if (fail_here(FAIL_IOVA, NULL)) {
		error_set(ENOSPC, "no device addresses: fault injection made the allocation fail");
		return 0;
	}
	if (!pages || pages > s->end - s->first || last < s->first)
		return iova_no_space(pages, last);
	last = min_u64(last, s->end - 1);
	if (pages <= IOVA_CACHED_PAGES) {
		unsigned int class = iova_class(pages);

		want = 1ull << class;
		aligned = true;
		page = cache_take(s, class, pages, last);
	}
	if (!page)
		page = space_take(s, want, last, aligned, 1);
	if (!page)
		page = cache_drain(s, want, last, aligned);
	return page ? page : iova_give_up(s, pages, last);
}

/*
 * Whether iova_alloc() can have returned this range. Rounds *pages up to the number of pages that
 * was allocated.
 */
static bool iova_range_plausible(const struct iova_full_space *s, u64 page, u64 *pages)
{
	if (!*pages || page < s->first)
		return false;
	if (*pages <= IOVA_CACHED_PAGES) {
		*pages = 1ull << iova_class(*pages);
		if (page & (*pages - 1))
			return false;
	}
	return range_within(page, *pages, s->end);
}

static bool iova_free_range(struct iova_full_space *s, u64 page, u64 pages,
			    int (*give)(struct iova_full_space *s, unsigned int class, u64 page))
{
	int given = 0;

	if (!iova_range_plausible(s, page, &pages))
		return false;
	if (pages <= IOVA_CACHED_PAGES && page >= read_once(&s->hot.cache_from) &&
	    pages <= 1ull << s->run_order)
		given = give(s, iova_class(pages), page);
	return given ? given > 0 : space_give(s, page, pages, 1);
}

bool iova_free_slow(struct iova_space *hot, u64 page, u64 pages)
{
	return iova_free_range(full_space(hot), page, pages, cache_give);
}

bool iova_free_shared(struct iova_space *hot, u64 page, u64 pages)
{
	return iova_free_range(full_space(hot), page, pages, iova_depot_put);
}

void iova_drain(struct iova_space *hot)
{
	cache_drain(full_space(hot), 0, 0, false);
}
