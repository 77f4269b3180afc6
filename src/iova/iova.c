/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of gaps under its lock, and the slow paths of iova.h.
 *
 * Invariants, under the lock:
 *  - each page of the space is in a gap, reserved, or part of a unit: a range that was taken and
 *    will be given back by itself (live, or in a cache);
 *  - the arena serves (gaps + units + reserved + 2) / 2 gaps, so giving back needs no memory: a
 *    give adds at most one gap and ends a unit, so the sum never grows by it; and with G gaps
 *    there are at least G - 1 units and reserved ranges between them, so G is at most half of it.
 * Pages are below 2^52: sums of two do not overflow. What callers pass is checked first.
 */
#include "iova/space.h"
#include "base/error.h"

#define LOW_LAST   ((1ull << (32 - PAGE_BITS)) - 1) /* the last page below 4 GiB */
#define DIRECT_FOR 4096				    /* gives */

int space_expect(struct iova_full_space *s, u64 units, u32 reserved)
{
	u64 sum = s->gaps.n + 1 + s->units + units + s->n_reserved + reserved;

	return gaps_expect(&s->gaps, max_u64(s->gaps.n + 1, (sum + 2) / 2));
}

/* Below 4 GiB first; a size not found there is looked for again once something came back. */
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

/* A range to be given back in `units` parts; 0: errno is ENOSPC, or ENOMEM and a sentence. */
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
	/* More gives than takes can only come of ranges that were not live. */
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

static u64 no_space(u64 pages, u64 last)
{
	error_set(ENOSPC,
		  "cannot find %llu free pages of the device's address space in a row at or below "
		  "%#llx: unmap something, or raise the device's mask",
		  (unsigned long long)pages,
		  (unsigned long long)last << PAGE_BITS | (PAGE_BYTES - 1));
	return 0;
}

/*
 * Nothing fits up to `last`, and other threads' caches cannot be emptied from here. For a while
 * what they give back of that region goes to the tree at once, and a later try finds it.
 */
static u64 iova_held_by_others(struct iova_full_space *s, u64 pages, u64 last, u64 cached)
{
	lock_acquire(&s->lock);
	if (read_once(&s->hot.cache_from) <= last)
		write_once(&s->hot.cache_from, last + 1);
	s->direct_left = DIRECT_FOR;
	lock_release(&s->lock);
	error_set(ENOSPC,
		  "cannot find %llu free pages of the device's address space at or below %#llx: "
		  "other "
		  "threads' caches hold %llu pages, which this system (without membarrier) cannot "
		  "take "
		  "from them; try again after they mapped, unmapped or ended, or raise the "
		  "device's mask",
		  (unsigned long long)pages,
		  (unsigned long long)last << PAGE_BITS | (PAGE_BYTES - 1),
		  (unsigned long long)cached);
	return 0;
}

static u64 give_up(struct iova_full_space *s, u64 pages, u64 last)
{
	u64 cached;

	if (errno == ENOMEM)
		return 0;
	cached = fence_everywhere_works() ? 0 : cache_pages(s);
	return cached < pages ? no_space(pages, last) : iova_held_by_others(s, pages, last, cached);
}

u64 iova_alloc_slow(struct iova_space *hot, u64 pages, u64 last, bool aligned)
{
	struct iova_full_space *s = full_space(hot);
	u64 page = 0, want = pages;

	if (fail_here(FAIL_IOVA, NULL)) {
		error_set(ENOSPC, "no device addresses: fault injection says so");
		return 0;
	}
	if (!pages || pages > s->end - s->first || last < s->first)
		return no_space(pages, last);
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
	return page ? page : give_up(s, pages, last);
}

/* What a range of iova_alloc() can be; *pages becomes what was really taken. */
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
