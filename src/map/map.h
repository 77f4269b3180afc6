/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the front door share. mapping.c checks arguments and chooses; direct.c,
 * bounce.c and iommu.c do it; sg.c, sync.c, coherent.c and mask.c are doors of their own.
 */
#ifndef MAP_MAP_H
#define MAP_MAP_H

#include "base/error.h"
#include "base/fail.h"
#include "check/check.h"
#include "domain/device.h"
#include "mem/page.h"
#include "mem/cpu_cache.h"

#include <linux/dma-mapping.h>

#define NO_PHYS PHYS(~0ull)

/* Where the driver called, in a function that it calls. */
#define CALLER __builtin_return_address(0)

/* Leaves of a mapping that is bounced carry this. */
#define PT_BOUNCED PT_SOFT_A

/*
 * The first leaf of a mapping of memory outside RAM: it may leave the process after unmap, and a
 * stale translation of it would crash, so it is cut off at once whatever the policy.
 */
#define PT_STRICT PT_SOFT_B

/*
 * The end of the memory that `pa` lies in, RAM or the process's: no mapping crosses it. 0: there is
 * none at `pa` (the gap below 4 GiB, past RAM, the page that NULL leads to).
 */
hot_inline u64 phys_limit(phys_t pa)
{
	if (pa.v < mem.low)
		return mem.low;
	if (likely(pa.v < mem.span && pa.v >= MEM_DMA32_END))
		return mem.span;
	return pa.v >= (PHYS_FOREIGN | PAGE_BYTES) ? PHYS_FOREIGN | 1ull << 47 : 0;
}

/* All of it is RAM. */
hot_inline bool phys_range_is_ram(phys_t pa, u64 size)
{
	return pa.v < mem.span && pa.v < phys_limit(pa) && size <= phys_limit(pa) - pa.v;
}

/* The last address that a streaming mapping may have, before bus_offset is added. */
hot_inline u64 device_last(const struct device *dev)
{
	return read_once(&dev->dma_last);
}

hot_inline bool phys_is_bounce(phys_t pa)
{
	return pa.v - mem.bounce_start < mem.bounce_size;
}

hot_inline u64 prot_of(enum dma_data_direction dir)
{
	/* two bits for each direction: both, read, write */
	return 0x27u >> 2 * (unsigned int)dir & (PT_READ | PT_WRITE);
}

/*
 * What a leaf must allow one of to be unmapped by a call with this direction. A mapping to the
 * device is not unmapped as one from it: such a call comes from a second unmap of an address that
 * was given out again.
 */
hot_inline u64 prot_to_unmap(enum dma_data_direction dir)
{
	return (unsigned int)dir <= DMA_FROM_DEVICE ? prot_of(dir) : PT_READ | PT_WRITE;
}

/*
 * What most mappings without an IOMMU and with policy=identity are, and all that they cost: RAM in
 * reach, whose address is its own. Also says no to size 0, a range that wraps, and a range that
 * leaves the RAM it begins in.
 */
hot_inline bool map_by_identity(const struct device *dev, phys_t pa, u64 size)
{
	u64 last = pa.v + size - 1;

	return last < read_once(&dev->identity_end) && last >= pa.v &&
	       (last < mem.low || pa.v >= MEM_DMA32_END);
}

/* An address that needs no more to be unmapped. Bounce memory is RAM, too. */
hot_inline bool unmap_by_identity(const struct device *dev, phys_t pa)
{
	return pa.v < read_once(&dev->identity_end) && (pa.v < mem.low || pa.v >= MEM_DMA32_END) &&
	       !phys_is_bounce(pa);
}

hot_inline void count_map(struct device *dev, u64 size, u64 segments)
{
	struct device_thread *t = device_thread(dev);
	unsigned int c = log2_floor(size);

	/* no mapping is longer than 2^47 bytes */
	count_add(&t->map_sizes[c], 1);
	if (unlikely(segments != 1))
		count_add(&t->more_segments, segments - 1);
}

hot_inline void count_unmap(struct device *dev)
{
	struct device_thread *t = device_thread(dev);

	count_add(&t->unmaps, 1);
}

/* The checker's view of what a call mapped, or is about to unmap. Returns addr. */
static maybe_unused slow_path dma_addr_t tell_mapped(struct device *dev, enum check_call call,
						     dma_addr_t addr, phys_t pa, u64 size,
						     enum dma_data_direction dir,
						     unsigned long attrs, const void *caller)
{
	const struct check_mapping m = {
		.addr = addr, .pa = pa.v, .size = size, .attrs = attrs, .dir = dir, .call = call};

	check_map(&dev->shadow, &m, caller);
	return addr;
}

static maybe_unused slow_path void tell_unmap(struct device *dev, enum check_call call,
					      dma_addr_t addr, u64 size,
					      enum dma_data_direction dir, unsigned long attrs,
					      const void *caller)
{
	const struct check_mapping m = {
		.addr = addr, .size = size, .attrs = attrs, .dir = dir, .call = call};

	check_unmap(&dev->shadow, &m, caller);
}

/* mapping.c: an address of no memory: the gap below 4 GiB, or past RAM and below bit 50. */
bool phys_is_registers(u64 phys, u64 size);

/* direct.c: no IOMMU. DMA_MAPPING_ERROR and a sentence on failure. */
dma_addr_t direct_map_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			   unsigned long attrs);
/* False: no mapping begins there. */
bool direct_unmap_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		       unsigned long attrs);

/* iommu.c */
dma_addr_t iommu_map(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		     unsigned long attrs);
bool iommu_unmap(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		 unsigned long attrs); /* as direct_unmap_slow */
/*
 * A closing device left [bus, bus + size) mapped to bounce memory at `pa`: other devices of its
 * group do not reach it when this returns.
 */
void iommu_cut_leaked(struct device *dev, u64 bus, phys_t pa, u64 size);
/* Takes away the mapping of a whole list that begins at `addr`. */
bool iommu_unmap_list(struct device *dev, dma_addr_t addr, enum dma_data_direction dir);
/* A link with DMA_ATTR_SKIP_CPU_SYNC (twostep.c). */
#define PT_NO_SYNC PT_SOFT_C

/* Of the library alone: a link of memory that may leave the process at any time (PT_ON_DEMAND). */
#define ATTR_ON_DEMAND (1ul << 62)

/* A part of memory must not be shown, or cannot be seen, by mapping its pages. */
bool iommu_must_bounce(const struct device *dev, phys_t pa, u64 size);

/*
 * One mapping by whichever way the device has; arguments were checked. What direct.c needs for
 * RAM that the device reaches is here, since it is the whole cost.
 */
hot_inline dma_addr_t map_one(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	if (map_by_identity(dev, pa, size))
		return pa.v + dev->bus_offset;
	if (likely(dev->iommu))
		return iommu_map(dev, pa, size, dir, attrs);
	return direct_map_slow(dev, pa, size, dir, attrs);
}

hot_inline bool unmap_one(struct device *dev, dma_addr_t addr, u64 size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	phys_t pa = PHYS(addr - dev->bus_offset);

	if (unmap_by_identity(dev, pa))
		return true;
	if (likely(dev->iommu))
		return iommu_unmap(dev, addr, size, dir, attrs);
	return direct_unmap_slow(dev, pa, size, dir, attrs);
}

#endif
