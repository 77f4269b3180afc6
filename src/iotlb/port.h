/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port is where one thread's accesses enter an address space: a translation cache of its own
 * and a word that says "I am in an access". Ports are never freed before the address space, so
 * that invalidation walks them without a lock.
 *
 * Invalidation drains, like an IOMMU's. The two sides, where A pairs with B:
 *
 *   access                                    unmap
 *   active = odd                              page table entry = 0
 *   fence                              (A)    cached tags = 0
 *   look up cache, else walk the table        fence                              (B)
 *   copy                                      for each port with active odd: wait until it moves
 *   active = even (release)            (C)    … having read it by acquire        (D)
 *
 * Either the access sees the cleared entry, or the unmap sees it active and waits. If the unmap had
 * to wait, that access may have filled the cache from the entry before it was cleared, so it
 * invalidates and waits once more; accesses that begin later find only the cleared entry.
 */
#ifndef IOTLB_PORT_H
#define IOTLB_PORT_H

#include "base/lock.h"
#include "iotlb/iotlb.h"

struct port {
	u64 active cacheline; /* odd: in an access. Written by the owner */
	u64 hits, misses;     /* written by the owner */
	struct port *next;    /* set once */
	bool owned;	      /* under ports.lock */
	struct iotlb tlb;
};

struct ports {
	struct port *all; /* pushed by a release store */
	struct lock lock;
	u64 flushes;	  /* whole-cache invalidations, under flush callers' lock */
};

/* More pages than this in one invalidation: flush the whole cache instead. */
#define PORTS_INVALIDATE_MAX 512

struct port *port_get(struct ports *ports); /* NULL: no memory */
void port_put(struct ports *ports, struct port *port);
void ports_fini(struct ports *ports);

/* Waits until each access that is under way now has ended. Bounded by the longest copy. */
void ports_wait(struct ports *ports) __attribute__((cold));

/* After the page table changed: no access that begins later, or still runs, sees the old entries. */
void ports_invalidate_many(struct ports *ports, u64 page, u64 pages);
void ports_flush(struct ports *ports);
void ports_drain_again(struct ports *ports, u64 page, u64 pages) __attribute__((cold));

hot_inline u64 port_enter(struct port *p)
{
	/* an exchange, not a store and a fence, so that ThreadSanitizer sees the order too */
	__atomic_exchange_n(&p->active, p->active + 1, __ATOMIC_SEQ_CST);
	return read_once(&p->tlb.gen);
}

hot_inline void port_exit(struct port *p)
{
	write_release(&p->active, p->active + 1);
}

/* True: an access is under way somewhere. Call after a full fence. */
hot_inline bool ports_active(struct ports *ports)
{
	for (struct port *p = read_acquire(&ports->all); p; p = p->next)
		if (unlikely(read_acquire(&p->active) & 1))
			return true;
	return false;
}

hot_inline void ports_invalidate(struct ports *ports, u64 page, u64 pages)
{
	struct port *p;

	if (unlikely(pages != 1)) {
		ports_invalidate_many(ports, page, pages);
		return;
	}
	for (p = read_acquire(&ports->all); p; p = p->next)
		iotlb_invalidate_page(&p->tlb, page);
	full_fence();
	if (unlikely(ports_active(ports)))
		ports_drain_again(ports, page, pages);
}

#endif
