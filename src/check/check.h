/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker's interface to the layers above. If a device's checker is off, none of these
 * functions runs, because the callers test one flag. The functions report misuse and have no effect
 * that a driver can observe. If there is no memory for their records, they detect less misuse and
 * print one warning.
 *
 * `caller` is the address in the program from which the library was called:
 * __builtin_return_address(0) of the public function.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "report/misuse.h"
#include "shadow/mapping.h"

/*
 * Called when a checked device is opened and closed. check_leaks() reports the mappings and
 * allocations that still exist and returns their number.
 */
void check_open(struct check_device *c, const struct device *dev, u64 space, u64 bus_offset,
		bool coherent, bool lazy);
u64 check_leaks(struct check_device *c);
void check_close(struct check_device *c);

/* map/ calls check_map() after it has made a mapping, and check_unmap() before it undoes one. */
void check_map(struct check_device *c, const struct check_mapping *m, const void *caller);
void check_unmap(struct check_device *c, const struct check_mapping *m, const void *caller);
void check_asked(struct check_device *c, dma_addr_t addr); /* called by dma_mapping_error() */
void check_sync(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		bool to_cpu, const void *caller);
/* Called after a sync for the device: of a range, or of the list whose first segment is at addr. */
void check_synced(struct check_device *c, dma_addr_t addr, u64 size);
void check_synced_sg(struct check_device *c, dma_addr_t addr);

struct scatterlist;
struct sg_table;
void check_map_sg(struct check_device *c, struct scatterlist *sgl, int nents, int segments, u64 max,
		  u64 boundary, enum dma_data_direction dir, unsigned long attrs,
		  const void *caller);
void check_unmap_sg(struct check_device *c, struct scatterlist *sgl, int nents,
		    enum dma_data_direction dir, unsigned long attrs, const void *caller);
void check_sync_sg(struct check_device *c, struct scatterlist *sgl, int nents,
		   enum dma_data_direction dir, bool to_cpu, const void *caller);

/* Called after dma_alloc_noncontiguous(): scattered pages that one segment maps. */
void check_map_pages(struct check_device *c, struct sg_table *sgt, enum dma_data_direction dir,
		     const void *caller);
/*
 * Called before memory of dma_alloc_pages() is freed: reports and repairs struct pages that were
 * overwritten.
 */
void check_pages(struct check_device *c, dma_addr_t addr, const void *caller);
/* Ends the record of a mapping or allocation that the library frees, without a driver's call. */
void check_forget(struct check_device *c, dma_addr_t addr, enum check_call call);

/*
 * Reports coherent memory that is freed a second time. Returns false if no earlier free is
 * recorded.
 */
bool check_free_unknown(struct check_device *c, const void *cpu, dma_addr_t addr, u64 size);
/* Marks a block of a dma_pool: if it leaks, the pool is reported instead of the block. */
void check_pool_chunk(struct check_device *c, dma_addr_t addr, u64 size);
/* Captures the caller's stack for a later report. NULL: not available. */
const struct stack *check_stack(const void *caller);
/* check_stack() with only the calling line: for calls that are too frequent for an unwinder. */
const struct stack *check_line(const void *caller);
void check_pool_leak(struct check_device *c, const char *name, u64 block, u64 chunks,
		     const struct stack *made);

/* Two-step mappings. `addr` is the device address of the range or of a part of it. */
void check_range_taken(struct check_device *c, dma_addr_t addr, u64 size, const void *caller);
void check_range_freed(struct check_device *c, dma_addr_t addr, u64 size);
void check_unlink(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		  unsigned long attrs, const void *caller);
void check_sync_links(struct check_device *c, dma_addr_t addr, u64 size,
		      enum dma_data_direction dir, bool to_cpu, const void *caller);
void check_synced_links(struct check_device *c, dma_addr_t addr, u64 size);
/*
 * Finds the calls that made and removed a link in the range: a live link, or otherwise a former
 * one.
 */
void check_links_history(const struct check_device *c, dma_addr_t addr, u64 size,
			 struct check_history *history);
void check_iova_sync(struct check_device *c, dma_addr_t addr, u64 size);

/*
 * bus/ calls check_access() for an access that was made, and check_refused() for one that was
 * refused, with the reason as text.
 */
void check_access(struct check_device *c, dma_addr_t addr, u64 size, bool write,
		  const void *caller);
void check_refused(struct check_device *c, dma_addr_t addr, u64 size, bool write, bool by_direction,
		   const char *why, const void *caller);
/*
 * Called for an access that was refused because the process has unmapped the memory of its mapping.
 */
void check_gone(struct check_device *c, dma_addr_t addr, u64 size, bool write, const char *why);
/*
 * Called when a device of a non-coherent machine has read [pa, pa + size) of RAM, which is mapped
 * at addr. The size is at most a page.
 */
void check_lines(struct check_device *c, dma_addr_t addr, u64 pa, u64 size);

/*
 * Begins and ends the owner check. *out: the mapping of RAM that the device must use while pages
 * are protected from the CPU. Returns 0 or -ENOMEM.
 */
int check_own_begin(struct check_device *c, u8 **out);
void check_own_end(struct check_device *c);

#endif
