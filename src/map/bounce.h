/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounce memory: slots of 2 KiB in segments of 128 (256 KiB), shared by all devices, in as many
 * areas as there are CPUs, each with a lock of its own. A mapping that fits one segment is served
 * as long as some segment has that many free slots in a row. That is what dma_max_mapping_size()
 * promises. A longer one needs a run of free segments.
 */
#ifndef MAP_BOUNCE_H
#define MAP_BOUNCE_H

#include "map/map.h"

#define BOUNCE_SLOT_BITS     11
#define BOUNCE_SLOT	     (1ull << BOUNCE_SLOT_BITS)
#define BOUNCE_SEGMENT_SLOTS 128u
#define BOUNCE_SEGMENT	     (BOUNCE_SLOT * BOUNCE_SEGMENT_SLOTS)

/* With the first device, and with the last. 0, -ENOMEM. */
int bounce_get(void);
void bounce_put(void);

/*
 * Takes slots for [pa, pa + size), copies the original in (unless DMA_ATTR_SKIP_CPU_SYNC) and
 * returns where the device finds the first byte. The limits hold for that address plus bus_offset;
 * BOUNCE_ANYWHERE is for a device that sees it through an IOMMU. `pages`: whole 4 KiB pages, the
 * place in the first kept, what is not mapped in them zero. NO_PHYS with errno ENOMEM or EIO and an
 * error message when it does not fit.
 */
phys_t bounce_map(struct device *dev, phys_t pa, u64 size, const struct map_limits *l, bool pages,
		  unsigned long attrs);

/*
 * Records where an IOMMU translates to the mapping (the page's address before bus_offset; 0:
 * nowhere) and what its direction allows, PT_READ, PT_WRITE. Between bounce_map() and the unmap, by
 * the thread that maps.
 */
void bounce_set_place(phys_t at, u64 bus, u64 prot);

/* False: the mapping that `at` lies in allows nothing of `prot`. */
bool bounce_allows(struct device *dev, phys_t at, u64 prot);
#define BOUNCE_ANYWHERE (&(const struct map_limits){.last = ~0ull, .boundary = ~0ull})

/* Copies back as the direction says and frees the slots. False: no mapping begins there. */
bool bounce_unmap(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir,
		  unsigned long attrs);

/* The same by the page that the mapping lies in, for its whole size. */
bool bounce_unmap_page(struct device *dev, phys_t page, enum dma_data_direction dir,
		       unsigned long attrs);

/*
 * To be called after bounce_unmap(), bounce_unmap_page() and bounce_sync() with nothing locked:
 * says what of the original these could not copy, since it is no longer the process's. addr: where
 * the mapping is for the device.
 */
void bounce_report_lost(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir);

/* A part of a mapping; what lies outside is left alone. False: not all of it is mapped. */
bool bounce_sync(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir, bool to_cpu);

/* The longest mapping that fits one segment with the address bits that the device needs kept. */
u64 bounce_max_size(const struct device *dev);

/* Frees what a closing device left and cuts it off; how many mappings that were. */
u64 bounce_release(struct device *dev);

#endif
