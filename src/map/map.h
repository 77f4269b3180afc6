/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations shared by the files of the DMA API. mapping.c implements the streaming calls: it
 * checks the parameters and calls direct.c or iommu.c, which use bounce.c. sg.c, sync.c, coherent.c
 * and mask.c implement the calls of their own names.
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

/* The driver's address from which the current function was called; for functions of the API. */
#define CALLER __builtin_return_address(0)

/* Flag of all leaves of a mapping that bounces. */
#define PT_BOUNCED PT_SOFT_A

/*
 * Flag of the first leaf of a mapping that has memory outside RAM. The process may unmap that
 * memory after the DMA unmap, and an access through a stale translation would then crash. Such a
 * mapping is therefore invalidated at once under any policy.
 */
#define PT_STRICT PT_SOFT_B

/* An upper bound of the length of the process's memory. */
#define PHYS_LENGTH_MAX (1ull << 47)

/*
 * Returns the end of the memory that contains `pa`, RAM or the process's; no mapping crosses it.
 * Returns 0 if there is no memory at `pa` (the gap below 4 GiB, past the end of RAM, or the page of
 * NULL).
 */
hot_inline u64 phys_limit(phys_t pa)
{
	if (pa.v < mem.low)
		return mem.low;
	if (likely(pa.v < mem.span && pa.v >= MEM_DMA32_END))
		return mem.span;
	return pa.v >= (PHYS_FOREIGN | PAGE_BYTES) ? PHYS_FOREIGN | PHYS_LENGTH_MAX : 0;
}

/* Whether all of the range is RAM. */
hot_inline bool phys_range_is_ram(phys_t pa, u64 size)
{
	return pa.v < mem.span && pa.v < phys_limit(pa) && size <= phys_limit(pa) - pa.v;
}

/* Returns the last address that a streaming mapping may have, before bus_offset is added. */
hot_inline u64 device_last(const struct device *dev)
{
	return read_once(&dev->dma_last);
}

/*
 * The limits of a device's addresses. Every call reads them once, because another thread may set
 * them meanwhile.
 */
struct map_limits {
	u64 last;	/* the last address, before bus_offset is added */
	u64 boundary;	/* a power of two minus one; for the device's addresses */
	u64 max_seg;	/* greatest length of a scatterlist's segment in bytes */
	u32 align_mask; /* low address bits that bouncing must not change */
};

hot_inline struct map_limits map_limits_of(const struct device *dev)
{
	return (struct map_limits){.last = device_last(dev),
				   .boundary = read_once(&dev->seg_boundary),
				   .max_seg = read_once(&dev->max_seg_size),
				   .align_mask = read_once(&dev->min_align_mask)};
}

/* Returns the last address that a mask reaches, before bus_offset is added; 0: there is none. */
hot_inline u64 map_mask_last(const struct device *dev, u64 mask)
{
	return mask < dev->bus_offset ? 0 : mask - dev->bus_offset;
}

/*
 * Returns the limits for memory that the library both allocates and maps: addresses within both
 * masks. The boundary applies as for other mappings.
 */
hot_inline struct map_limits map_limits_of_both_masks(const struct device *dev)
{
	struct map_limits l = map_limits_of(dev);

	l.last = min_u64(l.last, map_mask_last(dev, read_once(&dev->coherent_mask)));
	return l;
}

/* Whether the device addresses [addr, addr + size) do not cross a multiple of boundary + 1. */
hot_inline bool map_within_boundary(u64 addr, u64 size, u64 boundary)
{
	return (addr & boundary) + size - 1 <= boundary;
}

hot_inline bool phys_is_bounce(phys_t pa)
{
	return pa.v - mem.bounce_start < mem.bounce_size;
}

hot_inline u64 prot_of(enum dma_data_direction dir)
{
	/* The constant has two bits for every direction: read and write, read, write. */
	return 0x27u >> 2 * (unsigned int)dir & (PT_READ | PT_WRITE);
}

/*
 * Returns the accesses of which a leaf must allow at least one to be unmapped with this direction.
 * An unmap with DMA_FROM_DEVICE of a DMA_TO_DEVICE mapping, or the reverse, is rejected: it is
 * probably a second unmap of an address that was allocated again.
 */
hot_inline u64 prot_to_unmap(enum dma_data_direction dir)
{
	return (unsigned int)dir <= DMA_FROM_DEVICE ? prot_of(dir) : PT_READ | PT_WRITE;
}

/*
 * Whether the range is RAM within the mask that is mapped at its own address. This is the common
 * case without an IOMMU and with policy=identity, and needs no other work. Returns false for size
 * 0, for a range that wraps, and for a range that extends beyond the RAM in which it begins.
 */
hot_inline bool map_by_identity(const struct device *dev, phys_t pa, u64 size)
{
	u64 last = pa.v + size - 1;

	return last < read_once(&dev->identity_end) && last >= pa.v &&
	       (last < mem.low || pa.v >= MEM_DMA32_END);
}

/* Whether an unmap of the address needs no work. Bounce memory is RAM, so it is excluded. */
hot_inline bool unmap_by_identity(const struct device *dev, phys_t pa)
{
	return pa.v < read_once(&dev->identity_end) && (pa.v < mem.low || pa.v >= MEM_DMA32_END) &&
	       !phys_is_bounce(pa);
}

hot_inline void count_map(struct device *dev, u64 size, u64 segments)
{
	struct device_thread *t = device_thread(dev);
	unsigned int c = log2_floor(size);

	/* No mapping is longer than 2^47 bytes, so the class is within map_sizes. */
	count_add(&t->map_sizes[c], 1);
	if (unlikely(segments != 1))
		count_add(&t->more_segments, segments - 1);
}

hot_inline void count_unmap(struct device *dev)
{
	struct device_thread *t = device_thread(dev);

	count_add(&t->unmaps, 1);
}

/* Notifies the checker of a mapping that was made. Returns addr. */
static maybe_unused slow_path dma_addr_t map_check_mapped(struct device *dev, enum check_call call,
							  dma_addr_t addr, phys_t pa, u64 size,
							  enum dma_data_direction dir,
							  unsigned long attrs, const void *caller)
{
	const struct check_mapping m = {
		.addr = addr, .pa = pa.v, .size = size, .attrs = attrs, .dir = dir, .call = call};

	check_map(&dev->shadow, &m, caller);
	return addr;
}

/* Notifies the checker of an unmap before it is performed. */
static maybe_unused slow_path void map_check_unmap(struct device *dev, enum check_call call,
						   dma_addr_t addr, u64 size,
						   enum dma_data_direction dir, unsigned long attrs,
						   const void *caller)
{
	const struct check_mapping m = {
		.addr = addr, .size = size, .attrs = attrs, .dir = dir, .call = call};

	check_unmap(&dev->shadow, &m, caller);
}

/* mapping.c: whether the range is not memory: in the gap below 4 GiB, or past RAM below 2^50. */
bool phys_is_registers(u64 phys, u64 size);

/*
 * direct.c: mapping without an IOMMU. Returns DMA_MAPPING_ERROR with an error message on failure.
 * With `l` NULL the device's limits apply.
 */
dma_addr_t direct_map_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			   unsigned long attrs, const struct map_limits *l);
/* False: no mapping begins there. */
bool direct_unmap_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		       unsigned long attrs);

/* iommu.c */
dma_addr_t iommu_map(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		     unsigned long attrs);
dma_addr_t iommu_map_within(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			    unsigned long attrs, const struct map_limits *l);
bool iommu_unmap(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		 unsigned long attrs); /* returns as direct_unmap_slow() */
/*
 * Removes the mapping of [bus, bus + size) to bounce memory at `pa`, which a closing device did not
 * unmap. When it returns, other devices of its group cannot reach the bounce memory.
 */
void iommu_cut_leaked(struct device *dev, u64 bus, phys_t pa, u64 size);
/* Unmaps the mapping of a whole list that begins at `addr`. */
bool iommu_unmap_list(struct device *dev, dma_addr_t addr, enum dma_data_direction dir);
/* Flag of a link with DMA_ATTR_SKIP_CPU_SYNC (twostep.c). */
#define PT_NO_SYNC PT_SOFT_C

/* Internal attribute: a link of memory that the process may unmap at any time (PT_ON_DEMAND). */
#define ATTR_ON_DEMAND (1ul << 62)

/*
 * Whether the range must bounce: its pages contain data that the device must not read, or the
 * device cannot reach the memory.
 */
bool iommu_must_bounce(const struct device *dev, phys_t pa, u64 size);

/*
 * Makes one mapping with or without an IOMMU. The caller has checked the parameters. The common
 * case of direct.c, RAM that the device reaches, is inline because it needs no other work.
 */
hot_inline dma_addr_t map_one(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	if (map_by_identity(dev, pa, size))
		return pa.v + dev->bus_offset;
	if (likely(dev->iommu))
		return iommu_map(dev, pa, size, dir, attrs);
	return direct_map_slow(dev, pa, size, dir, attrs, NULL);
}

/* The same with limits that the caller has read. */
static maybe_unused dma_addr_t map_within(struct device *dev, phys_t pa, u64 size,
					  enum dma_data_direction dir, unsigned long attrs,
					  const struct map_limits *l)
{
	return dev->iommu ? iommu_map_within(dev, pa, size, dir, attrs, l)
			  : direct_map_slow(dev, pa, size, dir, attrs, l);
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
