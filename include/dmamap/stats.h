/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of one device since it was opened. They are per thread, so reading them does not
 * disturb other threads. Context: any thread.
 */
#ifndef DMAMAP_STATS_H
#define DMAMAP_STATS_H

#include <dmamap/types.h>

DMAMAP_BEGIN

#define DMAMAP_SIZE_CLASSES 48

struct dmamap_stats {
	size_t size;	   /* set by the caller: sizeof(struct dmamap_stats); the struct may grow */
	u64 maps;	   /* streaming mappings made (a scatterlist counts as one) */
	u64 unmaps;	   /* mappings unmapped; maps - unmaps are live */
	u64 segments;	   /* DMA segments of the streaming mappings */
	u64 bounced_bytes; /* bytes copied through bounce memory, in both directions */
	u64 bounce_full;   /* mappings that failed because bounce memory was full */
	u64 iotlb_hits;	   /* device accesses translated by the translation cache */
	u64 iotlb_misses;  /* device accesses translated by the page table */
	u64 iotlb_flushes; /* whole-cache invalidations */
	u64 faults;	   /* refused accesses */
	u64 faults_lost;   /* faults that dmamap_bus_fault_next() cannot return */
	u64 coherent_bytes;		    /* coherent memory allocated now */
	u64 table_pages;		    /* page-table pages in use now */
	u64 iova_pages;			    /* pages of address space in use or cached */
	u64 iova_ranges;		    /* two-step ranges allocated now */
	u64 map_sizes[DMAMAP_SIZE_CLASSES]; /* histogram: mappings of 2^i to 2^(i+1) - 1 bytes */
	/*
	 * Counters of the address space, on back ends where the kernel (vfio, iommufd) or a server
	 * (vfio-user) implements it; elsewhere they are 0. The functions of a group share one.
	 */
	u64 kernel_maps;	 /* system calls or requests that map */
	u64 kernel_unmaps;	 /* system calls or requests that unmap */
	u64 kernel_unmap_errors; /* unmaps whose result differs from the request */
	/* least number of mappings that are still accepted; all ones: no limit */
	u64 kernel_maps_left;
};

/**
 * dmamap_stats() - Read the counters of a device.
 * @dev: the device.
 * @out: receives at most out->size bytes.
 * Return: 0. -EINVAL: an argument is NULL, or out->size is too small to contain the field `size`.
 */
DMAMAP_API int dmamap_stats(struct device *dev, struct dmamap_stats *out);

DMAMAP_END

#endif
