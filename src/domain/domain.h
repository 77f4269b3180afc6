/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain is one address space: an IOVA allocator, translations, a flush policy, and the holds
 * and ports of the devices that share it. A device without IOMMU has a domain too, which maps
 * nothing.
 *
 *  operation              | may run at once with
 *  domain_map*, unmap*    | the same on other ranges, accesses, flushes
 *  domain_flush           | all operations
 *  domain_get, domain_put | all operations (global lock); but the last put of a domain must not run
 *                         | at once with any operation on this domain
 */
#ifndef DOMAIN_DOMAIN_H
#define DOMAIN_DOMAIN_H

#include "backend/backend.h"
#include "base/lock.h"
#include "base/tslot.h"
#include "iotlb/port.h"
#include "iova/iova.h"
#include "pt/pt.h"

enum domain_policy { POLICY_STRICT, POLICY_LAZY, POLICY_IDENTITY, POLICY_PERSISTENT };

#define FLUSH_QUEUE_LEN 256 /* powers of two */
#define FLUSH_QUEUE_LONG                                                                           \
	1024 /* with by_range: a longer queue has more adjacent ranges (flusher.c) */

/*
 * Unmapped ranges that wait for a flush. The owner thread pushes at `head`. The thread that holds
 * the lock removes at `tail`: the owner when the queue is full, otherwise the flusher thread.
 */
struct flush_queue {
	u64 head cacheline; /* written by the owner */
	u64 tail cacheline; /* written with `lock` held */
	struct lock lock;
	struct flush_entry {
		u64 page, pages;
	} entry[FLUSH_QUEUE_LONG];
};

/*
 * A range that a device holds by dmamap_bus_map(). Guarded by domain.hold_lock. Several holds may
 * refer to the same memory, so the segments alone do not identify one: see hold_find().
 */
struct hold {
	struct hold *next;
	struct device *dev;
	const struct iovec *array; /* where the caller received the segments */
	const void *base;	   /* of the first segment */
	u64 fingerprint;	   /* of all segments */
	iova_t iova;
	u64 size;
	bool awaited; /* an unmap waits for this hold */
	bool expired; /* unmaps no longer wait for it: the device was declared stuck */
};

struct domain {
	struct backend_space space; /* the back end's side of the address space */
	struct iommu_ops ops;	    /* the back end's functions, with defaults filled in */
	struct pt pt;
	struct ports ports;
	struct iova_space *iova; /* NULL: no IOMMU */
	/*
	 * The allocator's page numbers are the domain's page numbers plus this value, which is the
	 * bus offset of its devices modulo the size of the address space. A range that is aligned
	 * in the allocator is therefore aligned for the devices. Callers use the domain's numbers
	 * and the domain_iova_* functions.
	 */
	u64 iova_shift;
	enum domain_policy policy;

	struct tslot_key queues;  /* lazy: struct domain_thread per thread */
	u64 queue_mask;		  /* number of a queue's entries, less 1 */
	u32 timer_armed;	  /* atomic: the flusher will flush this domain */
	struct domain *next_lazy; /* in the flusher's list; guarded by its lock */

	struct lock hold_lock;
	struct hold *holds; /* guarded by hold_lock */
	u32 n_holds;	    /* number of holds that are not expired; atomic */

	bool untrusted; /* all its devices are untrusted; does not change */
	char *group;	/* NULL: the domain has one device; guarded by the global lock */
	u32 refs;	/* guarded by the global lock */
	struct domain *next_group;
};

struct domain_window {
	u64 first, last; /* addresses */
};

struct domain_config {
	bool iommu;
	enum domain_policy policy;
	const char *group;
	bool any_32bit; /* IOVA_32BIT_FIRST */
	bool untrusted; /* the device must not reach memory that a trusted device maps */
	u64 bus_offset; /* the device's addresses less the domain's */
	/* The back end; NULL: simulated. The fields below are for that back end only. */
	const struct iommu_ops *ops;
	void *priv;		 /* backend_space.priv */
	unsigned int iova_bits;	 /* 0: all that the page table has */
	unsigned int leaf_shift; /* of the largest leaf; 0: any */
	bool map_by_ops;	 /* maps need the back end's map(), see backend_space.direct */
	bool by_range;		 /* backend_space.by_range; requires map_by_ops */
	/* The usable addresses in ascending order; n_usable 0: all. The caller frees them. */
	const struct domain_window *usable;
	unsigned int n_usable;
};

/*
 * Returns a new domain or that of the group. On failure it returns NULL with errno EINVAL (the
 * group has another policy, or its devices are trusted and this one is not, or the reverse) or
 * ENOMEM.
 */
struct domain *domain_get(const struct domain_config *want);
void domain_put(struct domain *dom);

/*
 * Allocates address space for `pages` at or below page `last`; 0 with an error message on failure.
 * When the space is full, the ranges that wait for a flush are flushed first.
 */
u64 domain_iova_alloc_slow(struct domain *dom, u64 pages, u64 last) __attribute__((cold));

/* Lazy: the range was unmapped; its address space is freed after the next flush. */
void domain_defer_free(struct domain *dom, u64 page, u64 pages);

/*
 * Lazy: requests a flush within about 10 ms. The caller has cleared the entries and executed an
 * atomic read-modify-write operation after that (fence_after_atomic()), so that the flush covers
 * them.
 */
void domain_flush_later(struct domain *dom);

/*
 * Invalidates all cached translations under any policy, with or without queues, and frees the
 * ranges in the queues. With a back end that invalidates by range (by_range), only the ranges in
 * the queues are invalidated.
 */
void domain_flush(struct domain *dom);

/* Waits until no device holds a part of the range; a device is declared stuck after one second. */
void domain_wait_holds(struct domain *dom, iova_t iova, u64 size) __attribute__((cold));

/*
 * Flushes all translation caches, and frees the page tables that were in limbo before the flush,
 * because no walker can be in them any more.
 */
void domain_drain(struct domain *dom) __attribute__((cold));

/*
 * Called after the pages were removed from the page table, which may have moved tables to limbo.
 * When it returns, no access reaches the pages, no device holds them, and the tables are freed. The
 * address space stays allocated.
 */
void domain_cut_off(struct domain *dom, u64 page, u64 pages) __attribute__((cold));

/*
 * Called after a map of `pages` pages failed and its entries were cleared again. A device may have
 * cached these entries, and tables may be in limbo. When it returns, nothing is cached, the tables
 * are freed, and the caller may free the address space.
 */
void domain_undo_map(struct domain *dom, u64 pages) __attribute__((cold));

/*
 * Checks that page tables for `size` bytes with leaves of `leaf` bytes leave enough RAM; 0, or
 * -ENOMEM with an error message. Memory outside RAM and registers can be so long that their tables
 * do not fit in RAM.
 */
int domain_check_tables(u64 leaf, u64 size) __attribute__((cold));

/* The largest number of pages for which domain_check_tables() succeeds, with leaves of one page. */
u64 domain_table_pages(void);

/* domain_release() of a range whose unmap may have moved page tables to limbo. */
void domain_release_large(struct domain *dom, u64 page, u64 pages) __attribute__((cold));

/* As domain_iova_alloc_slow() without the flush; 0 with an error message on failure. */
hot_inline u64 domain_iova_try(struct domain *dom, u64 pages, u64 last)
{
	u64 page = iova_alloc(dom->iova, pages, last + dom->iova_shift, true);

	return likely(page) ? page - dom->iova_shift : 0;
}

hot_inline u64 domain_iova_alloc(struct domain *dom, u64 pages, u64 last)
{
	u64 page = iova_alloc(dom->iova, pages, last + dom->iova_shift, true);

	return likely(page) ? page - dom->iova_shift : domain_iova_alloc_slow(dom, pages, last);
}

/* Frees what domain_iova_alloc() returned; iova_free() describes what it rejects. */
hot_inline bool domain_iova_free(struct domain *dom, u64 page, u64 pages)
{
	return iova_free(dom->iova, page + dom->iova_shift, pages);
}

/* Excludes pages from allocation permanently; iova_reserve() lists the errors. */
int domain_iova_reserve(struct domain *dom, u64 page, u64 pages);

/* Returns the most pages of one range at or below page `last` when nothing is mapped. */
u64 domain_iova_longest(struct domain *dom, u64 last);

/* Strict: when it returns, no access reaches the pages, and the address space is free. */
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
	domain_iova_free(dom, page, pages);
}

/*
 * Called after the pages were removed from the page table. Strict: when it returns, no access
 * reaches them, and the address space is free.
 */
hot_inline void domain_release(struct domain *dom, u64 page, u64 pages, bool strict)
{
	if (strict)
		domain_release_strict(dom, page, pages, false);
	else
		domain_defer_free(dom, page, pages);
}

/* The same after pt_unmap_mapping(). */
hot_inline void domain_release_mapping(struct domain *dom, u64 page, u64 pages, bool strict)
{
	if (likely(strict))
		domain_release_strict(dom, page, pages, true);
	else
		domain_defer_free(dom, page, pages);
}

#endif
