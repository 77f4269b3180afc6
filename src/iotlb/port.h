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
 *   fence                              (A)    fence                              (B)
 *   look up cache, else walk the table        for each port: is it active? has it the tag? is it
 *   fill the cache                            active now?
 *   copy                                      if any: wait until each active port has moved,
 *   active = even (release)            (C)    … having read it by acquire        (D)
 *                                             tags = 0, fence, wait again
 *
 * Of the accesses that still found the entry, one that runs at the first question is waited for. One
 * that ended before left its tag to be found by the second. Then only an access that began in
 * between can have used the cached translation: either its tag is still there, or it has been
 * overwritten by the same access, which the third question sees running (it takes the tag by
 * acquire). After the first wait nobody can fill the cache with the old entry any more; accesses
 * that hit it before the tag went are waited for by the second.
 *
 * Without (B) before the tags are read, the processor may read them while the cleared entry is still
 * on its way to memory: an access could walk, fill and end unseen in between.
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
void ports_drain(struct ports *ports, u64 page, u64 pages) __attribute__((noinline));

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

/*
 * No access of this port uses the page's old entry, or will. Call after a full fence that follows
 * the change of the page table.
 */
hot_inline bool port_is_done(struct port *p, u64 page)
{
	return likely(!(read_acquire(&p->active) & 1) && !iotlb_has_page(&p->tlb, page) &&
		      !(read_acquire(&p->active) & 1));
}

hot_inline void ports_invalidate(struct ports *ports, u64 page, u64 pages)
{
	struct port *p;

	if (unlikely(pages != 1)) {
		ports_invalidate_many(ports, page, pages);
		return;
	}
	full_fence();
	for (p = read_acquire(&ports->all); p; p = p->next)
		if (unlikely(!port_is_done(p, page))) {
			ports_drain(ports, page, pages);
			return;
		}
}

#endif
