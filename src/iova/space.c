/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Creation and destruction of an address space, its reserved ranges and its statistics.
 *
 * Reserved ranges are stored in an array sorted by address and are never adjacent; no gap and no
 * unit overlaps one. There are few of them (interrupt windows, memory of the host), so moving the
 * array's elements on a change is cheap.
 */
#include "iova/space.h"
#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

#define RUN_ORDER      9   /* a refill takes the 2 MiB that one table of 4 KiB leaves covers */
#define MAGAZINE_SHARE 8   /* a magazine holds at most 1/2^8 of the space */
#define DEPOT_MAX      128 /* magazines; a depot can then hold 64k pages of a class */

/* Returns the index of the lowest reserved range that ends above `first`, or n_reserved. */
static u32 space_reserved_find(const struct iova_full_space *s, u64 first)
{
	u32 low = 0, high = s->n_reserved;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (s->reserved[mid].end <= first)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool space_reserved(const struct iova_full_space *s, u64 first, u64 end)
{
	u32 i = space_reserved_find(s, first);

	return i < s->n_reserved && s->reserved[i].first < end;
}

/*
 * Whether all parts of [first, end) that are not reserved yet are free. With `take`, they are also
 * taken from the tree.
 */
static bool space_free_parts(struct iova_full_space *s, u64 first, u64 end, bool take)
{
	for (u32 i = space_reserved_find(s, first); first < end; i++) {
		u64 stop = i < s->n_reserved ? min_u64(s->reserved[i].first, end) : end;

		if (stop > first && !(take ? gaps_carve(&s->gaps, first, stop - first)
					   : gaps_has(&s->gaps, first, stop - first)))
			return false;
		first = i < s->n_reserved ? max_u64(s->reserved[i].end, first) : end;
	}
	return true;
}

static int space_reserved_grow(struct iova_full_space *s)
{
	u32 n = s->max_reserved ? s->max_reserved * 2 : 8;
	void *p;

	if (s->n_reserved < s->max_reserved)
		return 0;
	p = alloc_grow(s->reserved, s->max_reserved * sizeof(*s->reserved),
		       n * sizeof(*s->reserved));
	if (!p)
		return -ENOMEM;
	s->reserved = p;
	s->max_reserved = n;
	return 0;
}

/* Inserts [first, end) into the array, merged with all ranges that it overlaps or touches. */
static void space_reserved_add(struct iova_full_space *s, u64 first, u64 end)
{
	u32 from = space_reserved_find(s, first - 1), to = from;

	for (; to < s->n_reserved && s->reserved[to].first <= end; to++) {
		first = min_u64(first, s->reserved[to].first);
		end = max_u64(end, s->reserved[to].end);
	}
	memmove(s->reserved + from + 1, s->reserved + to,
		(s->n_reserved - to) * sizeof(*s->reserved));
	s->reserved[from] = (struct iova_reserved){first, end};
	s->n_reserved += 1 - (to - from);
}

static int iova_space_exclude(struct iova_full_space *s, u64 first, u64 end)
{
	int err = 0;

	lock_acquire(&s->lock);
	if (!space_free_parts(s, first, end, false))
		err = error_set(EBUSY,
				"cannot reserve device addresses %#llx to %#llx: a part of "
				"the range is mapped; unmap it first",
				(unsigned long long)first << PAGE_BITS,
				((unsigned long long)end << PAGE_BITS) - 1);
	else if (space_expect(s, 0, 1) || space_reserved_grow(s))
		err = -ENOMEM;
	if (!err) {
		space_free_parts(s, first, end, true);
		space_reserved_add(s, first, end);
	}
	lock_release(&s->lock);
	return err;
}

int iova_reserve(struct iova_space *hot, u64 first, u64 pages)
{
	struct iova_full_space *s = full_space(hot);
	u64 end;
	int err;

	if (!range_ok(first, pages))
		return error_set(EINVAL,
				 "cannot reserve %llu pages of device addresses from page "
				 "%#llx: the range is empty or exceeds the address space; "
				 "pass a valid range",
				 (unsigned long long)pages, (unsigned long long)first);
	if (first >= s->end || first + (pages - 1) < s->first)
		return 0;
	end = min_u64(first + (pages - 1), s->end - 1) + 1;
	first = max_u64(first, s->first);
	err = iova_space_exclude(s, first, end);
	if (err == -EBUSY) { /* the range may only be in caches */
		iova_drain(hot);
		err = iova_space_exclude(s, first, end);
	}
	return err;
}

static void iova_set_limits(struct iova_full_space *s, u64 first, u64 end)
{
	unsigned int order = log2_floor(end - first);

	s->first = first;
	s->end = end;
	s->hot.cache_from = first;
	s->hot.cache_end = align_down(end, IOVA_CACHED_PAGES);
	s->run_order = order < MAGAZINE_SHARE ? 0 : order - MAGAZINE_SHARE;
	if (s->run_order > RUN_ORDER)
		s->run_order = RUN_ORDER;
	s->depot_max = (u32)min_u64(DEPOT_MAX, max_u64(1, (end - first) >> (s->run_order + 6)));
	s->low_pages = ~0ull;
}

struct iova_space *iova_create(u64 first, u64 end, unsigned int flags)
{
	struct iova_full_space *s;

	if (!first || first >= end || end > GAPS_MAX_PAGE)
		return error_null(EINVAL,
				  "cannot make a device address space of pages %#llx to "
				  "%#llx: it must begin above 0 and end at or below page 2^52",
				  (unsigned long long)first, (unsigned long long)end);
	s = alloc_aligned(_Alignof(struct iova_full_space), sizeof(*s));
	if (!s)
		return NULL;
	iova_set_limits(s, first, end);
	s->flags = flags;
	if (gaps_init(&s->gaps))
		goto free_space;
	gaps_give(&s->gaps, first, end - first);
	if (tslot_key_init(&s->hot.key, sizeof(struct iova_full_cache), NULL, iova_cache_retire))
		goto fini_gaps;
	return &s->hot;
fini_gaps:
	gaps_fini(&s->gaps);
free_space:
	alloc_free(s);
	return NULL;
}

void iova_destroy(struct iova_space *hot)
{
	struct iova_full_space *s;

	if (!hot)
		return;
	s = full_space(hot);
	depots_fini(s);
	tslot_key_destroy(&s->hot.key);
	gaps_fini(&s->gaps);
	alloc_free(s->reserved);
	alloc_free(s);
}

void iova_stats(struct iova_space *hot, struct iova_stats *out)
{
	struct iova_full_space *s = full_space(hot);
	u64 cached = cache_pages(s), pages;

	lock_acquire(&s->lock);
	pages = s->end - s->first - s->gaps.pages;
	for (u32 i = 0; i < s->n_reserved; i++)
		pages -= s->reserved[i].end - s->reserved[i].first;
	*out = (struct iova_stats){.pages = pages, .cached = cached, .ranges = s->gaps.n};
	lock_release(&s->lock);
}

u64 iova_longest(struct iova_space *hot, u64 last)
{
	struct iova_full_space *s = full_space(hot);
	u64 start = s->first, end = last < s->end - 1 ? last + 1 : s->end, most = 0;

	lock_acquire(&s->lock);
	for (u32 i = 0; i <= s->n_reserved && start < end; i++) {
		u64 stop = i < s->n_reserved ? min_u64(s->reserved[i].first, end) : end;

		if (stop > start)
			most = max_u64(most, gap_fit(start, stop - start));
		start = i < s->n_reserved ? s->reserved[i].end : end;
	}
	lock_release(&s->lock);
	return most;
}
