/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of one device since it was opened. Kept per thread, so reading them disturbs nobody. */
#ifndef DMAMAP_STATS_H
#define DMAMAP_STATS_H

#include <dmamap/types.h>

DMAMAP_BEGIN

#define DMAMAP_SIZE_CLASSES 48

struct dmamap_stats {
	size_t size;	   /* set by the caller: sizeof(struct dmamap_stats); the struct may grow */
	u64 maps;	   /* streaming mappings made (a scatterlist is one) */
	u64 unmaps;	   /* and undone; maps - unmaps are live */
	u64 segments;	   /* DMA segments that they made */
	u64 bounced_bytes; /* bytes copied through bounce memory, both ways */
	u64 bounce_full;   /* mappings that failed because bounce memory was full */
	u64 iotlb_hits;	   /* device accesses translated by the cache */
	u64 iotlb_misses;  /* and by the page table */
	u64 iotlb_flushes; /* whole-cache invalidations */
	u64 faults;	   /* refused accesses */
	u64 faults_lost;   /* of them not kept for dmamap_bus_fault_next() */
	u64 coherent_bytes;		    /* coherent memory allocated now */
	u64 table_pages;		    /* page-table pages in use now */
	u64 iova_pages;			    /* pages of address space in use or cached */
	u64 iova_ranges;		    /* two-step ranges taken now */
	u64 map_sizes[DMAMAP_SIZE_CLASSES]; /* histogram: mappings of 2^i to 2^(i+1) - 1 bytes */
	/* Of the address space, where the kernel carries it (vfio, iommufd); functions of a group
	 * share one. */
	u64 kernel_maps;	 /* system calls that mapped */
	u64 kernel_unmaps;	 /* and that unmapped */
	u64 kernel_unmap_errors; /* of them, those that the kernel did otherwise than asked */
	u64 kernel_maps_left;	 /* mappings that it still takes, at least; all ones: no limit */
};

/* Fills out->size bytes at most. 0; -EINVAL: NULL, or a size too small to hold `size`. */
DMAMAP_API int dmamap_stats(struct device *dev, struct dmamap_stats *out);

DMAMAP_END

#endif
