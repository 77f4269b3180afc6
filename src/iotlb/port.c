/* SPDX-License-Identifier: BSD-2-Clause */
#include "iotlb/port.h"
#include "base/alloc.h"

#include <sched.h>

#define SPINS_BEFORE_YIELD 256

/* Called with ports->lock held. */
static void port_link(struct ports *ports, struct port *p)
{
	p->prev = NULL;
	write_release(&p->next, ports->all);
	if (ports->all)
		ports->all->prev = p;
	write_release(&ports->all, p);
}

/* Called with ports->lock held. `next` is unchanged for walkers that are at this port. */
static void port_unlink(struct ports *ports, struct port *p)
{
	write_release(p->prev ? &p->prev->next : &ports->all, p->next);
	if (p->next)
		p->next->prev = p->prev;
	p->prev = ports->unused;
	ports->unused = p;
}

struct port *port_get(struct ports *ports)
{
	struct port *p;

	lock_acquire(&ports->lock);
	p = ports->unused;
	if (p) {
		ports->unused = p->prev;
		port_link(ports, p);
	}
	lock_release(&ports->lock);
	if (p)
		return p;
	p = alloc_aligned(64, sizeof(*p));
	if (!p)
		return NULL;
	p->tlb.gen = 1;
	lock_acquire(&ports->lock);
	port_link(ports, p);
	lock_release(&ports->lock);
	return p;
}

void port_put(struct ports *ports, struct port *port)
{
	lock_acquire(&ports->lock);
	/* The next owner may access other addresses, so it has to start with an empty cache. */
	iotlb_flush(&port->tlb);
	write_once(&port->hits, 0);
	write_once(&port->misses, 0);
	port_unlink(ports, port);
	lock_release(&ports->lock);
}

static void ports_free(struct port *p, bool unused)
{
	struct port *next;

	for (; p; p = next) {
		next = unused ? p->prev : p->next;
		alloc_free(p);
	}
}

void ports_fini(struct ports *ports)
{
	ports_free(ports->all, false);
	ports_free(ports->unused, true);
	ports->all = ports->unused = NULL;
}

void port_wait(struct port *p)
{
	u64 seen = read_acquire(&p->active);

	for (int spins = 0; (seen & 1) && read_acquire(&p->active) == seen; spins++) {
		if (spins < SPINS_BEFORE_YIELD)
			cpu_relax();
		else
			sched_yield();
	}
}

void ports_wait(struct ports *ports)
{
	for (struct port *p = read_acquire(&ports->all); p; p = read_acquire(&p->next))
		port_drain(p);
}

void ports_flush(struct ports *ports)
{
	/* An access that reads the new generation also reads the current page table. */
	full_fence();
	lock_acquire(&ports->lock);
	for (struct port *p = ports->all; p; p = p->next) {
		if (likely(!iotlb_flush(&p->tlb)))
			continue;
		/* Clear the lines that accesses of old generations filled after the first clearing.
		 */
		port_drain(p);
		iotlb_clear_lines(&p->tlb);
	}
	count_add(&ports->flushes, 1);
	lock_release(&ports->lock);
	full_fence();
	/* An access under way fills lines with its old generation, so one wait is enough. */
	ports_wait(ports);
}

void ports_invalidate_many(struct ports *ports, u64 page, u64 pages)
{
	if (pages > PORTS_INVALIDATE_MAX) {
		ports_flush(ports);
		return;
	}
	full_fence();
	for (struct port *p = read_acquire(&ports->all); p; p = read_acquire(&p->next)) {
		port_drain(p);
		iotlb_invalidate_range(&p->tlb, page, pages);
		port_drain(p);
	}
}
