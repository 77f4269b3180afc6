/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain is one address space: an IOVA allocator, translations, a flush policy, and the holds
 * and ports of the devices that share it. A device without IOMMU has a domain too, which maps
 * nothing.
 *
 *  operation              | may run at once with
 *  domain_map*, unmap*    | each other on different ranges, accesses, flushes
 *  domain_flush           | everything
 *  domain_get, domain_put | everything (global lock); the last put alone on its domain
 */
#ifndef DOMAIN_DOMAIN_H
#define DOMAIN_DOMAIN_H

#include "backend/backend.h"
#include "base/lock.h"
#include "base/tslot.h"
#include "iotlb/port.h"
#include "iova/iova.h"
#include "pt/pt.h"

enum policy { POLICY_STRICT, POLICY_LAZY, POLICY_IDENTITY, POLICY_PERSISTENT };

#define FLUSH_QUEUE_LEN 256 /* powers of two */
#define FLUSH_QUEUE_LONG                                                                           \
	1024 /* where each range is told of: the more lies side by side (flusher.c) */

/*
 * Unmapped ranges that wait for a flush. The owner thread pushes (head), whoever holds the lock
 * takes (tail): the owner when it is full, else the flusher thread.
 */
struct flush_queue {
	u64 head cacheline; /* written by the owner */
	u64 tail cacheline; /* written under lock */
	struct lock lock;
	struct flush_entry {
		u64 page, pages;
	} entry[FLUSH_QUEUE_LONG];
};

/*
 * A range that a device holds by dmamap_bus_map(). Under domain.hold_lock. Several holds may lead
 * to the same memory, so the segments alone do not identify one: see hold_find().
 */
struct hold {
	struct hold *next;
	struct device *dev;
	const struct iovec *array; /* where the caller received the segments */
	const void *base;	   /* of the first segment */
	u64 fingerprint;	   /* of all segments */
	iova_t iova;
	u64 size;
	bool awaited; /* an unmap waits for it */
	bool expired; /* no unmap waits for it any more: the device was declared stuck */
};

struct domain {
	struct backend_space space; /* what carries the translations */
	struct backend_ops ops;	    /* of it, complete */
	struct pt pt;
	struct ports ports;
	struct iova_space *iova; /* NULL: no IOMMU */
	enum policy policy;

	struct tslot_key queues;  /* lazy: struct domain_thread per thread */
	u64 queue_mask;		  /* entries that a queue has, less 1 */
	u32 timer_armed;	  /* atomic: the flusher will come by */
	struct domain *next_lazy; /* of the flusher's list, under its lock */

	struct lock hold_lock;
	struct hold *holds; /* under hold_lock */
	u32 n_holds;	    /* of them not expired; atomic */

	bool untrusted; /* all its devices are; fixed */
	char *group;	/* NULL: of one device; under the global lock */
	u32 refs;	/* under the global lock */
	struct domain *next_group;
};

struct domain_window {
	u64 first, last; /* addresses */
};

struct domain_config {
	bool iommu;
	enum policy policy;
	const char *group;
	bool any_32bit; /* IOVA_32BIT_FIRST */
	bool untrusted; /* what a trusted device maps must not be reached by this one */
	/* What carries the translations; NULL: simulated. The others are of that back end only. */
	const struct backend_ops *ops;
	void *priv;		 /* backend_space.priv */
	unsigned int iova_bits;	 /* 0: all that the page table has */
	unsigned int leaf_shift; /* of the largest leaf; 0: any */
	bool map_by_ops;	 /* a stored entry is not enough, see backend_space.direct */
	bool by_range;		 /* backend_space.by_range; map_by_ops too */
	/* The addresses that may be used, in order; n_usable 0: all. Not freed. */
	const struct domain_window *usable;
	unsigned int n_usable;
};

/*
 * A new domain, or the group's; NULL: EINVAL (the group has another policy, or its devices are
 * trusted and this one is not, or the reverse), ENOMEM.
 */
struct domain *domain_get(const struct domain_config *want);
void domain_put(struct domain *dom);

/*
 * Address space for `pages`, none above page `last`; 0: none, with a sentence. Flushes what waits
 * when the space is full.
 */
u64 domain_iova_alloc_slow(struct domain *dom, u64 pages, u64 last) __attribute__((cold));

/* Lazy: the range is unmapped; its address space comes back after the next flush. */
void domain_defer_free(struct domain *dom, u64 page, u64 pages);

/*
 * Lazy: flush within some 10 ms. The entries were cleared, and an atomic read-modify-write
 * operation followed (fence_after_atomic()), so that the flush covers them.
 */
void domain_flush_later(struct domain *dom);

/*
 * Invalidates everything cached, whatever the policy and whether or not a queue exists, and gives
 * back all that waits in queues. Where ranges are invalidated one by one (by_range) only those in
 * queues are.
 */
void domain_flush(struct domain *dom);

/* Waits until no device holds a part of the range; past a second the device is declared stuck. */
void domain_wait_holds(struct domain *dom, iova_t iova, u64 size) __attribute__((cold));

/*
 * Flushes every cache, and frees the page-table pages that were out of use before it: no walker is
 * in them any more.
 */
void domain_drain(struct domain *dom) __attribute__((cold));

/*
 * The pages were taken out of the page table, which may have put tables out of use: when it returns
 * no access reaches what was there, no device holds it, and tables are free. The address space
 * stays taken.
 */
void domain_cut_off(struct domain *dom, u64 page, u64 pages) __attribute__((cold));

/*
 * A map of `pages` pages failed and what it had stored was taken out again. A device may have seen
 * that for a moment, and tables are out of use: both are dealt with when it returns, and the
 * address space may be given back.
 */
void domain_undo_map(struct domain *dom, u64 pages) __attribute__((cold));

/*
 * Whether the page tables for `size` bytes, by leaves of `leaf` bytes, leave enough of RAM; 0,
 * -ENOMEM and a message. Memory outside RAM and registers may be longer than RAM bears.
 */
int domain_check_tables(u64 leaf, u64 size) __attribute__((cold));

/* domain_release() of a range that may have put page tables out of use. */
void domain_release_large(struct domain *dom, u64 page, u64 pages) __attribute__((cold));

hot_inline u64 domain_iova_alloc(struct domain *dom, u64 pages, u64 last)
{
	u64 page = iova_alloc(dom->iova, pages, last, true);

	return likely(page) ? page : domain_iova_alloc_slow(dom, pages, last);
}

/* Strict: no access reaches what was in the pages, and the address space is free again. */
hot_inline void domain_release_strict(struct domain *dom, u64 page, u64 pages, bool swapped)
{
	if (unlikely(pages >= PT_ENTRIES)) {
		domain_release_large(dom, page, pages);
		return;
	}
	if (unlikely(!dom->space.ports))
		dom->space.ops->invalidate(&dom->space, IOVA(page << PAGE_BITS),
					   pages << PAGE_BITS);
	else if (swapped)
		ports_invalidate_swapped(&dom->ports, page, pages);
	else
		ports_invalidate(&dom->ports, page, pages);
	if (unlikely(read_acquire(&dom->n_holds)))
		domain_wait_holds(dom, IOVA(page << PAGE_BITS), pages << PAGE_BITS);
	iova_free(dom->iova, page, pages);
}

/*
 * The pages were taken out of the page table. Strict: when it returns no access reaches what was
 * there, and the address space is free again.
 */
hot_inline void domain_release(struct domain *dom, u64 page, u64 pages, bool strict)
{
	if (strict)
		domain_release_strict(dom, page, pages, false);
	else
		domain_defer_free(dom, page, pages);
}

/* The same behind pt_unmap_mapping(). */
hot_inline void domain_release_mapping(struct domain *dom, u64 page, u64 pages, bool strict)
{
	if (likely(strict))
		domain_release_strict(dom, page, pages, true);
	else
		domain_defer_free(dom, page, pages);
}

#endif
