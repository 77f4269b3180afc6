/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port is where one thread's accesses enter an address space: a translation cache of its own
 * and a word that says "I am in an access". Invalidation walks the list of ports without a lock.
 *
 * The port of a thread that ended is taken off the list, so that invalidation costs what the
 * threads of now cost, and is used again by the next thread that needs one. Its memory stays until
 * the address space is freed, and its `next` stays as it is until the port is used again. So a
 * walker that stands on such a port goes on to ports behind it, and none of those that were on the
 * list all the time is left out. A port that is used again comes to the head of the list; a walker
 * that stands on it then begins again from the head, and at most visits a port twice.
 *
 * A port that joins the list during a walk need not be visited: its first access begins with a full
 * barrier behind the store that put it on the list, and so reads the page table as it was changed
 * before the walk, or the walk sees the port.
 *
 * Invalidation drains, like an IOMMU's. The two sides, where A pairs with B:
 *
 *   access                                    unmap, for each port
 *   active = odd                              page table entry = 0
 *   fence                              (A)    fence (once for all)               (B)
 *   look up cache, else walk the table        1. while active is odd and does not move: wait
 *   fill the cache                            2. has it the tag? tag = 0, fence
 *   copy                                      3. as 1.
 *   active = even (release)            (C)    … having read it by acquire        (D)
 *
 * After 1. nobody who found the old entry in the page table runs in this port, so nobody fills the
 * cache with it any more. Who hit the cached one before 2. took it away is waited for by 3. If 2.
 * does not find the tag, then an access that hit it since 1. overwrote it itself and is seen
 * running by 3., or has ended (the tag is read by acquire).
 *
 * Without (B) before the tag is read, the processor may read it while the cleared entry is still on
 * its way to memory: an access could walk, fill and end unseen in between.
 */
#ifndef IOTLB_PORT_H
#define IOTLB_PORT_H

#include "base/lock.h"
#include "iotlb/iotlb.h"

struct port {
	u64 active cacheline; /* odd: in an access. Written by the owner */
	u64 hits, misses;     /* written by the owner */
	struct port *next;    /* of the list. Atomic; written under ports.lock */
	struct port *prev;    /* of the list; off it: the next unused port. Under ports.lock */
	struct iotlb tlb;
};

struct ports {
	struct port *all;    /* the ports that threads have. Atomic; written under lock */
	struct port *unused; /* the others, linked by `prev`; under lock */
	struct lock lock;
	u64 flushes; /* whole-cache invalidations, under lock */
};

/* More pages than this in one invalidation: flush the whole cache instead. */
#define PORTS_INVALIDATE_MAX 512

struct port *port_get(struct ports *ports); /* NULL: no memory */
void port_put(struct ports *ports, struct port *port);
void ports_fini(struct ports *ports);

/* Waits until each access that is under way now has ended. Bounded by the longest copy. */
void ports_wait(struct ports *ports) __attribute__((cold));

/* After the page table changed: no access that begins later, or still runs, sees the old entries.
 */
void ports_invalidate_many(struct ports *ports, u64 page, u64 pages);
void ports_flush(struct ports *ports);

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

/* Waits until the access that is under way in this port, if any, has ended. */
void port_wait(struct port *p) __attribute__((cold));

hot_inline void port_drain(struct port *p)
{
	if (unlikely(read_acquire(&p->active) & 1))
		port_wait(p);
}

/* One page, behind fence (B). */
hot_inline void ports_invalidate_page(struct ports *ports, u64 page)
{
	struct port *p;

	for (p = read_acquire(&ports->all); p; p = read_acquire(&p->next)) {
		port_drain(p);
		iotlb_invalidate_page(&p->tlb, page);
		port_drain(p);
	}
}

hot_inline void ports_invalidate(struct ports *ports, u64 page, u64 pages)
{
	if (unlikely(pages != 1)) {
		ports_invalidate_many(ports, page, pages);
		return;
	}
	full_fence();
	ports_invalidate_page(ports, page);
}

/* The same where an entry that was alone was cleared by an atomic exchange (pt_unmap_mapping()). */
hot_inline void ports_invalidate_swapped(struct ports *ports, u64 page, u64 pages)
{
	if (unlikely(pages != 1)) {
		ports_invalidate_many(ports, page, pages);
		return;
	}
	fence_after_atomic();
	ports_invalidate_page(ports, page);
}

#endif
