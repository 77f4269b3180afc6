/* SPDX-License-Identifier: BSD-2-Clause */
#include "iotlb/port.h"
#include "base/alloc.h"

#include <sched.h>

#define SPINS_BEFORE_YIELD 256

struct port *port_get(struct ports *ports)
{
	struct port *p;

	lock_acquire(&ports->lock);
	for (p = ports->all; p && p->owned; p = p->next)
		;
	if (p)
		p->owned = true;
	lock_release(&ports->lock);
	if (p)
		return p;
	p = alloc_aligned(64, sizeof(*p));
	if (!p)
		return NULL;
	p->owned = true;
	p->tlb.gen = 1;
	lock_acquire(&ports->lock);
	p->next = ports->all;
	write_release(&ports->all, p);
	lock_release(&ports->lock);
	return p;
}

void port_put(struct ports *ports, struct port *port)
{
	/* the next owner may be another device: it starts with an empty cache */
	iotlb_flush(&port->tlb);
	lock_acquire(&ports->lock);
	write_once(&port->hits, 0);
	write_once(&port->misses, 0);
	port->owned = false;
	lock_release(&ports->lock);
}

void ports_fini(struct ports *ports)
{
	struct port *p, *next;

	for (p = ports->all; p; p = next) {
		next = p->next;
		alloc_free(p);
	}
	ports->all = NULL;
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
	for (struct port *p = read_acquire(&ports->all); p; p = p->next)
		port_drain(p);
}

void ports_flush(struct ports *ports)
{
	/* who reads a new generation sees the page table as it is now */
	full_fence();
	lock_acquire(&ports->lock);
	for (struct port *p = read_acquire(&ports->all); p; p = p->next)
		iotlb_flush(&p->tlb);
	count_add(&ports->flushes, 1);
	lock_release(&ports->lock);
	full_fence();
	/* an access under way fills with the generation that it began with: no second round */
	ports_wait(ports);
}

void ports_invalidate_many(struct ports *ports, u64 page, u64 pages)
{
	if (pages > PORTS_INVALIDATE_MAX) {
		ports_flush(ports);
		return;
	}
	full_fence();
	for (struct port *p = read_acquire(&ports->all); p; p = p->next) {
		port_drain(p);
		iotlb_invalidate_range(&p->tlb, page, pages);
		port_drain(p);
	}
}
