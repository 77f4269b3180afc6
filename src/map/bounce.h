/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounce memory: slots of 2 KiB in segments of 128 (256 KiB), shared by all devices, in as many
 * areas as there are CPUs, each with a lock of its own. A mapping that fits in one segment succeeds
 * if any segment has enough contiguous free slots; dma_max_mapping_size() returns the size of such
 * mappings. A longer mapping needs a run of free segments.
 */
#ifndef MAP_BOUNCE_H
#define MAP_BOUNCE_H

#include "map/map.h"

#define BOUNCE_SLOT_BITS     11
#define BOUNCE_SLOT	     (1ull << BOUNCE_SLOT_BITS)
#define BOUNCE_SEGMENT_SLOTS 128u
#define BOUNCE_SEGMENT	     (BOUNCE_SLOT * BOUNCE_SEGMENT_SLOTS)

/* The first open of a device allocates the records, the last close frees them. 0, -ENOMEM. */
int bounce_get(void);
void bounce_put(void);

/*
 * Allocates slots for [pa, pa + size), copies the original to them (unless DMA_ATTR_SKIP_CPU_SYNC)
 * and returns the physical address of the first byte in the slots. The limits apply to that address
 * plus bus_offset; BOUNCE_ANYWHERE is for a device that reaches it through an IOMMU. With `pages`,
 * whole 4 KiB pages are allocated, the offset in the first page stays the same, and the rest of the
 * pages is zeroed. On failure it returns NO_PHYS with errno ENOMEM or EIO and an error message.
 */
phys_t bounce_map(struct device *dev, phys_t pa, u64 size, const struct map_limits *l, bool pages,
		  unsigned long attrs);

/*
 * Records the bus address that an IOMMU translates to the mapping (of the page, before bus_offset;
 * 0: none) and the accesses that its direction allows (PT_READ, PT_WRITE). Called by the thread
 * that maps, between bounce_map() and the unmap.
 */
void bounce_set_place(phys_t at, u64 bus, u64 prot);

/* False: the mapping that contains `at` allows none of the accesses in `prot`. */
bool bounce_allows(struct device *dev, phys_t at, u64 prot);
#define BOUNCE_ANYWHERE (&(const struct map_limits){.last = ~0ull, .boundary = ~0ull})

/* Copies back if the direction requires it and frees the slots. False: no mapping begins at `at`.
 */
bool bounce_unmap(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir,
		  unsigned long attrs);

/* The same for the whole mapping that is in the page at `page`. */
bool bounce_unmap_page(struct device *dev, phys_t page, enum dma_data_direction dir,
		       unsigned long attrs);

/*
 * Called without a lock held after bounce_unmap(), bounce_unmap_page() and bounce_sync(). Reports
 * the part of the original that these could not copy because the process has unmapped or protected
 * it. `addr` is the mapping's device address.
 */
void bounce_report_lost(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir);

/* Syncs a part of a mapping and copies nothing outside it. False: the part is not wholly mapped. */
bool bounce_sync(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir, bool to_cpu);

/* Returns the longest mapping that fits in one segment with the low address bits unchanged. */
u64 bounce_max_size(const struct device *dev);

/*
 * Frees the mappings that a closing device did not unmap, and removes their translations for other
 * devices of its group. Returns their number.
 */
u64 bounce_release(struct device *dev);

#endif
