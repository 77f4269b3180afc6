/* SPDX-License-Identifier: BSD-2-Clause */
/* Invalidation of regions, for events and for the program, and walks over the regions of a range.
 */
#include "odp/monitor.h"
#include "odp/odp.h"

/*
 * One child's part of an invalidation. Its invalidation sequence is marked as running before its
 * lock is acquired and until after it is released.
 */
static void odp_child_invalidate(struct ib_umem_odp *r, struct odp_child *c, u64 page, u64 n,
				 u64 number)
{
	inval_seq_begin(&c->inval_seq);
	pthread_mutex_lock(&c->lock);
	pages_unlink(r, c, page, n, number);
	pthread_mutex_unlock(&c->lock);
	inval_seq_end(&c->inval_seq);
}

/*
 * [start, end) is inside the region and page-aligned. An event that was read before the region was
 * created concerns older memory and is ignored. The event is complete when the pages are unlinked,
 * so pages may be linked again while the program's function still runs.
 */
void region_invalidate(struct ib_umem_odp *r, u64 start, u64 end, u64 number)
{
	u64 page = (start - r->start) >> PAGE_BITS, last = (end - r->start) >> PAGE_BITS, n;
	u64 per_child = r->child ? 1ull << (ODP_CHILD_BITS - PAGE_BITS) : r->pages;
	struct odp_child *c;

	if (number <= read_acquire(&r->number))
		return;
	inval_seq_begin(&r->inval_seq);
	for (; page < last; page += n) {
		n = min_u64(last - page, per_child - page % per_child);
		c = region_child(r, page, false);
		if (c)
			odp_child_invalidate(r, c, page, n, number);
	}
	if (number != EVENT_ANY)
		write_release(&r->number, number);
	if (r->context->pub.invalidate_range)
		r->context->pub.invalidate_range(r->umem, start, end);
	inval_seq_end(&r->inval_seq);
}

/* Invalidates a range in the regions of one context, or of all. */
static void event_range(struct odp_context *only, u64 start, u64 end, u64 number)
{
	struct itree_place place = {0};
	struct ib_umem_odp *r;

	start = align_down(start, PAGE_BYTES);
	end = end > ODP_TOP ? ODP_TOP : align_up(end, PAGE_BYTES);
	while (start < end && (r = region_next(&place, start, end))) {
		if (!only || r->context == only)
			region_invalidate(r, max_u64(start, r->by_va.first),
					  min_u64(end, r->by_va.last + 1), number);
		region_unref(r);
	}
}

void odp_event_process(const struct odp_event *event)
{
	if (event_is_all(event))
		event_range(NULL, 0, ODP_TOP, event->number);
	else
		event_range(NULL, event->start, event->end, event->number);
}

int ib_umem_invalidate_range(struct ib_ucontext *context, u64 start, u64 end)
{
	if (!context || IS_ERR(context) || start >= end)
		return error_set(
			EINVAL,
			"ib_umem_invalidate_range: no context, or start %#llx is not below "
			"end %#llx",
			(unsigned long long)start, (unsigned long long)end);
	event_range(container_of(context, struct odp_context, pub), start, end, EVENT_ANY);
	return 0;
}

void ib_umem_odp_unmap_dma_pages(struct ib_umem *umem, u64 virt, u64 bound)
{
	struct ib_umem_odp *r = umem && !IS_ERR(umem) ? umem->odp_data : NULL;
	u64 page, end, n, per_child;
	struct odp_child *c;

	if (!r || !r->context || virt >= bound)
		return;
	per_child = r->child ? 1ull << (ODP_CHILD_BITS - PAGE_BITS) : r->pages;
	page = virt <= r->start ? 0 : (virt - r->start) >> PAGE_BITS;
	end = bound <= r->start ? 0 : min_u64(r->pages, pages_spanned(0, bound - r->start));
	for (; page < end; page += n) {
		n = min_u64(end - page, per_child - page % per_child);
		c = region_child(r, page, false);
		if (!c)
			continue;
		pthread_mutex_lock(&c->lock);
		pages_unlink(r, c, page, n, EVENT_ANY);
		pthread_mutex_unlock(&c->lock);
	}
}

int rbt_ib_umem_for_each_in_range(struct ib_ucontext *context, u64 start, u64 end,
				  umem_call_back cb, void *arg)
{
	struct itree_place place = {0};
	struct ib_umem_odp *r;
	int stop = 0;

	if (!context || IS_ERR(context) || !cb)
		return error_set(EINVAL,
				 "rbt_ib_umem_for_each_in_range: no context or no function");
	while (!stop && start < end && (r = region_next(&place, start, end))) {
		if (&r->context->pub == context)
			stop = cb(r->umem, start, end, arg);
		region_unref(r);
	}
	return stop;
}
