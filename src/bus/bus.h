/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation of one page of an access, inline because it is most of the cost. The result is a
 * word: the page's address in the process, with PT_READ and PT_WRITE in the low bits (in other bits
 * for on-demand pages, see bus/demand.h); 0: nothing is mapped.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "bus/demand.h"

/* Returns the port of this thread; NULL: there is no memory for one. */
struct port *bus_port_slow(struct device *dev, struct device_port *slot) __attribute__((cold));

hot_inline struct port *bus_port(struct device *dev)
{
	struct device_port *slot = (struct device_port *)tslot_get(&dev->ports);

	return likely(slot && slot->port) ? slot->port : bus_port_slow(dev, slot);
}

/* Returns the process's page for a physical page; 0: no memory (registers, gap below 4 GiB). */
hot_inline u64 bus_host_page(const struct device *dev, u64 pa, u64 prot)
{
	if (likely(pa < mem.low || (pa >= MEM_DMA32_END && pa < mem.span)))
		return (u64)(uintptr_t)(read_once(&dev->view) + pa) | prot;
	return pa & PHYS_FOREIGN ? (pa & ~PHYS_FOREIGN) | prot : 0;
}

/* Walks the page table and stores the result in the translation cache. */
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

/* Called between port_enter() and port_exit(). `page` is the bus address >> PAGE_BITS. */
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
