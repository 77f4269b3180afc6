/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation of one page of an access, inline since it is the whole cost. A translated page is a
 * word: the host's address of it with PT_READ and PT_WRITE in the low bits (bus/demand.h: elsewhere
 * for pages that come and go); 0: nothing there.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "bus/demand.h"

/* The port of this thread; NULL: no memory for one. */
struct port *bus_port_slow(struct device *dev, struct device_port *slot) __attribute__((cold));

hot_inline struct port *bus_port(struct device *dev)
{
	struct device_port *slot = (struct device_port *)tslot_get(&dev->ports);

	return likely(slot && slot->port) ? slot->port : bus_port_slow(dev, slot);
}

/* The host's page for a physical page; 0: no memory there (registers, the gap below 4 GiB). */
hot_inline u64 bus_host_page(const struct device *dev, u64 pa, u64 prot)
{
	if (likely(pa < mem.low || (pa >= MEM_DMA32_END && pa < mem.span)))
		return (u64)(uintptr_t)(read_once(&dev->view) + pa) | prot;
	return pa & PHYS_FOREIGN ? (pa & ~PHYS_FOREIGN) | prot : 0;
}

/* Walks the page table and remembers what it found. */
hot_inline u64 bus_translate_miss(struct device *dev, struct port *port, u64 page, u32 gen)
{
	u64 entry = pt_walk(&dev->domain->pt, IOVA(page << PAGE_BITS));
	u64 value, prot = entry & (PT_READ | PT_WRITE);

	count_add(&port->misses, 1);
	if (unlikely(!entry))
		return 0;
	if (unlikely(entry & PT_ON_DEMAND))
		prot <<= DEMAND_SHIFT;
	value = bus_host_page(dev, entry & PT_ADDR, prot);
	if (likely(value))
		iotlb_fill(&port->tlb, page, gen, value);
	return value;
}

/* Between port_enter() and port_exit(). `page` is the bus address >> PAGE_BITS. */
hot_inline u64 bus_translate(struct device *dev, struct port *port, u64 page, u32 gen)
{
	u64 value;

	if (!dev->iommu) {
		value = page << PAGE_BITS;
		return value < mem.span ? bus_host_page(dev, value, PT_READ | PT_WRITE) : 0;
	}
	value = iotlb_lookup(&port->tlb, page, gen);
	if (likely(value)) {
		count_add(&port->hits, 1);
		return value;
	}
	return bus_translate_miss(dev, port, page, gen);
}

#endif
