/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port is the place where one thread's accesses enter an address space: a translation cache of
 * its own and an activity word, which is odd during an access. Invalidation walks the list of ports
 * without a lock.
 *
 * When a thread ends, its port is removed from the list, so that the cost of an invalidation
 * depends only on the threads that exist. The port is reused for the next thread that needs one.
 * Its memory is not freed before the address space is, and its `next` does not change before the
 * port is reused. A walker that is at a removed port therefore continues to the ports after it and
 * misses no port that is on the list during the whole walk. A reused port is inserted at the head
 * of the list; a walker that is at it then starts again from the head and at most visits ports
 * twice.
 *
 * A port that is inserted during a walk need not be visited. A full barrier is between the
 * insertion and the port's first access. Either the walk finds the port, or that access reads the
 * page table as it was changed before the walk.
 *
 * Invalidation waits for accesses under way, as an IOMMU drains them. The steps of both sides:
 *
 *   access                                    unmap, for each port
 *   active = odd                              page table entry = 0
 *   fence                              (A)    fence (once for all)               (B)
 *   look up cache, else walk the table        1. wait while active is odd and unchanged
 *   fill the cache                            2. if the tag matches: tag = 0, fence
 *   copy                                      3. wait as in step 1
 *   active = even (release)            (C)    steps 1 and 3 read active by acquire (D)
 *
 * A pairs with B, and C with D. After step 1, every access in this port that read the old entry
 * from the page table has ended, so no later fill stores it. Step 3 waits for accesses that hit the
 * cached entry before step 2 removed it. If step 2 does not find the tag, an access that hit the
 * line after step 1 has overwritten the line itself; that access has ended (the tag is read by
 * acquire), or step 3 waits for it.
 *
 * Without B, the processor may read the tag while the cleared entry is still in its store buffer.
 * An access could then walk, fill and end between that read and the store, and would not be
 * detected.
 */
#ifndef IOTLB_PORT_H
#define IOTLB_PORT_H

#include "base/lock.h"
#include "iotlb/iotlb.h"

struct port {
	u64 active cacheline; /* odd during an access; written by the owner */
	u64 hits, misses;     /* written by the owner */
	struct port *next;    /* in the list; atomic, written with ports.lock held */
	struct port *prev;    /* in the list, or the next unused port; guarded by ports.lock */
	struct iotlb tlb;
};

struct ports {
	struct port *all;    /* list of the ports in use; atomic, written with `lock` held */
	struct port *unused; /* the other ports, linked by `prev`; guarded by `lock` */
	struct lock lock;
	u64 flushes; /* whole-cache invalidations; written with `lock` held */
};

/* An invalidation of more pages than this flushes the whole cache instead. */
#define PORTS_INVALIDATE_MAX 512

struct port *port_get(struct ports *ports); /* NULL: no memory */
void port_put(struct ports *ports, struct port *port);
void ports_fini(struct ports *ports);

/* Waits until every access that is now under way has ended. Bounded by the longest copy. */
void ports_wait(struct ports *ports) __attribute__((cold));

/*
 * Called after entries of the page table were changed. When it returns, no access uses the old
 * entries any more.
 */
void ports_invalidate_many(struct ports *ports, u64 page, u64 pages);
void ports_flush(struct ports *ports);

hot_inline u64 port_enter(struct port *p)
{
	/* An exchange, because ThreadSanitizer does not support a store followed by a fence. */
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

/* Invalidates one page. The caller has executed fence (B). */
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

/* The same after a single entry was cleared by an atomic exchange, as by pt_unmap_mapping(). */
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
