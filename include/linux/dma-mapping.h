/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DMA API: names, signatures and meaning as Linux documents them in
 * Documentation/core-api/dma-api.rst and dma-api-howto.rst.
 *
 * Sizes are in bytes. A call that undoes another call must be passed the same device.
 *
 * Context of every function, unless its comment says otherwise: any thread, several threads at
 * once on one device. "A retry helps" means that the same call may succeed after other memory was
 * freed. When a call fails, dmamap_strerror() (<dmamap/device.h>) returns an error message that
 * says why it failed and what to do.
 */
#ifndef DMAMAP_LINUX_DMA_MAPPING_H
#define DMAMAP_LINUX_DMA_MAPPING_H

#include <dmamap/types.h>
#include <errno.h>
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

DMAMAP_BEGIN

/* DMA attributes, with Linux's values. Those that have no meaning here have no effect. */
#define DMA_ATTR_WEAK_ORDERING		     (1UL << 1)
#define DMA_ATTR_WRITE_COMBINE		     (1UL << 2)
#define DMA_ATTR_NO_KERNEL_MAPPING	     (1UL << 4)
#define DMA_ATTR_SKIP_CPU_SYNC		     (1UL << 5) /* no sync is needed, or the caller syncs */
#define DMA_ATTR_FORCE_CONTIGUOUS	     (1UL << 6)
#define DMA_ATTR_ALLOC_SINGLE_PAGES	     (1UL << 7)
#define DMA_ATTR_NO_WARN		     (1UL << 8)
#define DMA_ATTR_PRIVILEGED		     (1UL << 9)
#define DMA_ATTR_MMIO			     (1UL << 10) /* dma_map_phys(): registers, not memory */
#define DMA_ATTR_DEBUGGING_IGNORE_CACHELINES (1UL << 11) /* cache lines are shared on purpose */
#define DMA_ATTR_REQUIRE_COHERENT	     (1UL << 12) /* fail if it must bounce or be synced */

/* The value that a failed mapping returns. Test for it with dma_mapping_error(). */
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)

/* A mask of the lowest n bits, 1 <= n <= 64. */
#define DMA_BIT_MASK(n) (~0ULL >> (64 - (n)))

/**
 * dma_set_mask() - Set the mask of the device addresses of streaming mappings.
 * @dev: the device.
 * @mask: the addresses that the device can put on the bus: a run of ones from bit 0. It has 32
 *   bits until it is set.
 * Return: 0. -EINVAL: @dev is NULL. -EIO: the platform cannot serve such a device, or the mask is
 *   not a run of ones from bit 0. The old mask stays; the driver tries a wider mask or gives up.
 */
DMAMAP_API int dma_set_mask(struct device *dev, u64 mask);

/**
 * dma_set_coherent_mask() - As dma_set_mask(), for coherent memory.
 * @dev: the device.
 * @mask: the mask.
 * Return: as dma_set_mask().
 */
DMAMAP_API int dma_set_coherent_mask(struct device *dev, u64 mask);

/**
 * dma_set_mask_and_coherent() - As dma_set_mask(), for both masks.
 * @dev: the device.
 * @mask: the mask.
 * Return: as dma_set_mask().
 */
DMAMAP_API int dma_set_mask_and_coherent(struct device *dev, u64 mask);

/**
 * dma_coerce_mask_and_coherent() - The same as dma_set_mask_and_coherent().
 * @dev: the device.
 * @mask: the mask.
 * Return: as dma_set_mask().
 */
DMAMAP_API int dma_coerce_mask_and_coherent(struct device *dev, u64 mask);

/**
 * dma_get_mask() - Return the mask of streaming mappings.
 * @dev: the device.
 * Return: the mask; 0 if @dev is NULL.
 */
DMAMAP_API u64 dma_get_mask(struct device *dev);

/**
 * dma_get_required_mask() - Return the mask that reaches all RAM without bouncing.
 * @dev: the device.
 *
 * Return: the mask. With an IOMMU it has 32 bits. Under policy=identity, where RAM is mapped at
 *   its own physical address, it has the bits that RAM needs.
 */
DMAMAP_API u64 dma_get_required_mask(struct device *dev);

/**
 * dma_addressing_limited() - Test whether the device can address only a part of RAM directly.
 * @dev: the device.
 * Return: true if some RAM must be bounced.
 */
DMAMAP_API bool dma_addressing_limited(struct device *dev);

/**
 * dma_max_mapping_size() - Return the length of the longest mapping that succeeds.
 * @dev: the device.
 * Return: the longest length, in bytes, that can be mapped wherever the memory is, provided that
 *   nothing else is mapped. It is limited where some memory must bounce (without an IOMMU: all
 *   memory outside RAM), by the addresses that the mask reaches, and by the RAM that page tables
 *   may use. A longer mapping may fail.
 */
DMAMAP_API size_t dma_max_mapping_size(struct device *dev);

/**
 * dma_opt_mapping_size() - Return the longest page-aligned mapping whose IOVA range is cached.
 * @dev: the device.
 * Return: the number of bytes. A longer mapping allocates its range from the tree of free ranges,
 *   which takes longer.
 */
DMAMAP_API size_t dma_opt_mapping_size(struct device *dev);

/**
 * dma_get_merge_boundary() - Return the alignment, minus one, at which scatterlist entries merge.
 * @dev: the device.
 * Return: a mask. Entries that begin and end at a multiple of the mask + 1 always merge, up to the
 *   longest segment and the boundary. 0: merging is not guaranteed, because some memory is mapped
 *   one entry at a time.
 */
DMAMAP_API unsigned long dma_get_merge_boundary(struct device *dev);

/**
 * dma_get_cache_alignment() - Return the alignment of a DMA buffer.
 * Return: 64. A cache line of this size must not contain a part of a buffer and other data.
 */
DMAMAP_API int dma_get_cache_alignment(void);

/**
 * dma_need_sync() - Test whether the sync calls have an effect for a mapping.
 * @dev: the device.
 * @dma_addr: the device address of the memory.
 * Return: true if they have.
 */
DMAMAP_API bool dma_need_sync(struct device *dev, dma_addr_t dma_addr);

/**
 * dma_dev_need_sync() - Test whether the sync calls have an effect for a mapping made so far.
 * @dev: the device.
 *
 * The first mapping that bounces changes the result to true, so call this again after each map
 * call.
 * Return: true if they have.
 */
DMAMAP_API bool dma_dev_need_sync(const struct device *dev);

/**
 * dma_need_unmap() - Test whether the unmap calls have an effect.
 * @dev: the device.
 * Return: true, always: live mappings are counted so that leaks are detected.
 */
DMAMAP_API bool dma_need_unmap(struct device *dev);

/**
 * dma_get_max_seg_size() - Return the longest segment of the device's scatter-gather engine.
 * @dev: the device.
 *
 * This and the next five functions concern the limits of that engine. Each call that maps reads
 * the limits once. A list entry that is itself longer than a limit, or that crosses the boundary
 * where memory is used at its own address, stays one segment.
 * Return: the number of bytes; 64 KiB until it is set.
 */
DMAMAP_API unsigned int dma_get_max_seg_size(struct device *dev);

/**
 * dma_set_max_seg_size() - Set the longest segment of the device's scatter-gather engine.
 * @dev: the device.
 * @size: the number of bytes, not 0.
 * Return: 0. -EINVAL: no device, or @size is 0; a retry does not help.
 */
DMAMAP_API int dma_set_max_seg_size(struct device *dev, unsigned int size);

/**
 * dma_get_seg_boundary() - Return the boundary that no segment crosses.
 * @dev: the device.
 * Return: the boundary minus one; 4 GiB - 1 until it is set.
 */
DMAMAP_API unsigned long dma_get_seg_boundary(struct device *dev);

/**
 * dma_get_seg_boundary_nr_pages() - Return the boundary that no segment crosses, in pages.
 * @dev: the device.
 * @page_shift: the pages have 1 << @page_shift bytes.
 * Return: the number of pages.
 */
DMAMAP_API unsigned long dma_get_seg_boundary_nr_pages(struct device *dev, unsigned int page_shift);

/**
 * dma_set_seg_boundary() - Set the boundary that no segment may cross.
 * @dev: the device.
 * @mask: a power of two minus one.
 * Return: 0. -EINVAL: no device, or another mask; nothing changes and a retry does not help.
 */
DMAMAP_API int dma_set_seg_boundary(struct device *dev, unsigned long mask);

/**
 * dma_get_min_align_mask() - Return the low address bits of the original that bouncing preserves.
 * @dev: the device.
 * Return: the mask; 0 until it is set.
 */
DMAMAP_API unsigned int dma_get_min_align_mask(struct device *dev);

/**
 * dma_set_min_align_mask() - Set the low address bits of the original that bouncing preserves.
 * @dev: the device.
 * @min_align_mask: a power of two minus one, at most 4095.
 * Return: 0. -EINVAL: no device, or another mask; nothing changes and a retry does not help.
 */
DMAMAP_API int dma_set_min_align_mask(struct device *dev, unsigned int min_align_mask);

/**
 * dma_map_single_attrs() - Map existing memory for the device (a streaming mapping).
 * @dev: the device.
 * @ptr: the memory. vmalloc memory is refused.
 * @size: the number of bytes, not 0.
 * @dir: the direction of the transfer, not DMA_NONE.
 * @attrs: DMA_ATTR_* flags. DMA_ATTR_MMIO is refused, because memory is not registers.
 *
 * The mapping serves one transfer, or several with syncs between them.
 * Return: the device address. DMA_MAPPING_ERROR: an argument is bad, the range wraps, or no
 *   address space, page table or bounce memory is left. Nothing is mapped then. In the last case a
 *   retry helps: the driver maps again later or drops the transfer.
 */
DMAMAP_API dma_addr_t dma_map_single_attrs(struct device *dev, void *ptr, size_t size,
					   enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_unmap_single_attrs() - Unmap what dma_map_single_attrs() mapped.
 * @dev: the device.
 * @addr: the device address that the map call returned.
 * @size: the size that was passed to the call that is undone.
 * @dir: the direction that was passed to the call that is undone.
 * @attrs: the flags that were passed to the call that is undone.
 *
 * The call cannot fail. Under policy=strict no device access reaches the memory after this call has
 * returned. A second unmap of one mapping, also by another thread at the same time, is reported and
 * has no effect. The same holds for an unmap with DMA_FROM_DEVICE where a DMA_TO_DEVICE mapping
 * begins, and the reverse, because the address was then allocated to another mapping in the
 * meantime.
 */
DMAMAP_API void dma_unmap_single_attrs(struct device *dev, dma_addr_t addr, size_t size,
				       enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_page_attrs() - As dma_map_single_attrs(), for memory that is specified by its page.
 * @dev: the device.
 * @page: the first page.
 * @offset: the offset of the first byte from the beginning of @page.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 * @attrs: DMA_ATTR_* flags, or 0.
 * Return: as dma_map_single_attrs().
 */
DMAMAP_API dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset,
					 size_t size, enum dma_data_direction dir,
					 unsigned long attrs);

/**
 * dma_unmap_page_attrs() - Unmap what dma_map_page_attrs() mapped; see dma_unmap_single_attrs().
 * @dev: the device.
 * @addr: the device address that the map call returned.
 * @size: the size that was passed to the call that is undone.
 * @dir: the direction that was passed to the call that is undone.
 * @attrs: the flags that were passed to the call that is undone.
 */
DMAMAP_API void dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size,
				     enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_phys() - As dma_map_single_attrs(), for memory specified by its physical address.
 * @dev: the device.
 * @phys: the physical address of the memory or, with DMA_ATTR_MMIO, of another device's
 *   registers.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 * @attrs: DMA_ATTR_* flags, or 0.
 * Return: as dma_map_single_attrs().
 */
DMAMAP_API dma_addr_t dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				   enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_unmap_phys() - Unmap what dma_map_phys() mapped; see dma_unmap_single_attrs().
 * @dev: the device.
 * @addr: the device address that the map call returned.
 * @size: the size that was passed to the call that is undone.
 * @dir: the direction that was passed to the call that is undone.
 * @attrs: the flags that were passed to the call that is undone.
 */
DMAMAP_API void dma_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			       enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_resource() - Map registers of another device.
 * @dev: the device.
 * @phys_addr: the physical address of the registers.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 * @attrs: DMA_ATTR_* flags, or 0.
 *
 * Memory is refused.
 * Return: as dma_map_single_attrs().
 */
DMAMAP_API dma_addr_t dma_map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
				       enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_unmap_resource() - Unmap what dma_map_resource() mapped; see dma_unmap_single_attrs().
 * @dev: the device.
 * @addr: the device address that the map call returned.
 * @size: the size that was passed to the call that is undone.
 * @dir: the direction that was passed to the call that is undone.
 * @attrs: the flags that were passed to the call that is undone.
 */
DMAMAP_API void dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
				   enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_sg_attrs() - Map a scatterlist.
 * @dev: the device.
 * @sg: the list.
 * @nents: the number of its entries.
 * @dir: the direction of the transfer.
 * @attrs: DMA_ATTR_* flags. DMA_ATTR_MMIO is refused.
 * Return: the number of DMA segments, at most @nents; read them with sg_dma_address() and
 *   sg_dma_len(). 0: failure, and nothing is mapped.
 */
DMAMAP_API unsigned int dma_map_sg_attrs(struct device *dev, struct scatterlist *sg, int nents,
					 enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_unmap_sg_attrs() - Unmap a scatterlist.
 * @dev: the device.
 * @sg: the list.
 * @nents: the number that was passed to the map call.
 * @dir: the direction that was passed to the call that is undone.
 * @attrs: the flags that were passed to the call that is undone.
 */
DMAMAP_API void dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sg, int nents,
				   enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_sgtable() - Map the list of a table and set its field nents to the number of DMA
 * segments.
 * @dev: the device.
 * @sgt: the table.
 * @dir: the direction of the transfer.
 * @attrs: DMA_ATTR_* flags, or 0.
 * Return: 0. -EINVAL: a bad list or direction, or DMA_ATTR_MMIO. -ENOMEM: a retry helps. -EIO: the
 *   device can never reach the memory.
 */
DMAMAP_API int dma_map_sgtable(struct device *dev, struct sg_table *sgt,
			       enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_unmap_sgtable() - Unmap the list of a table.
 * @dev: the device.
 * @sgt: the table.
 * @dir: the direction that was passed to the call that is undone.
 * @attrs: the flags that were passed to the call that is undone.
 */
DMAMAP_API void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				  enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_sync_single_for_cpu() - Transfer the ownership of a part of a mapping to the CPU.
 * @dev: the device.
 * @addr: the device address of the part.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 *
 * Syncs transfer a live mapping, or a part of it, between the device and the CPU. They copy where
 * the mapping bounces or the machine is not coherent; otherwise they have no effect. A range that
 * is not mapped is ignored (the checker reports it).
 */
DMAMAP_API void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
					enum dma_data_direction dir);

/**
 * dma_sync_single_for_device() - Transfer the ownership of a part of a mapping to the device.
 * @dev: the device.
 * @addr: the device address of the part.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 */
DMAMAP_API void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
					   enum dma_data_direction dir);

/**
 * dma_sync_sg_for_cpu() - Transfer the ownership of the memory of a list to the CPU.
 * @dev: the device.
 * @sg: the list.
 * @nelems: the number of entries that was passed to the map call.
 * @dir: the direction of the transfer.
 */
DMAMAP_API void dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sg, int nelems,
				    enum dma_data_direction dir);

/**
 * dma_sync_sg_for_device() - Transfer the ownership of the memory of a list to the device.
 * @dev: the device.
 * @sg: the list.
 * @nelems: the number of entries that was passed to the map call.
 * @dir: the direction of the transfer.
 */
DMAMAP_API void dma_sync_sg_for_device(struct device *dev, struct scatterlist *sg, int nelems,
				       enum dma_data_direction dir);

/**
 * dma_sync_single_range_for_cpu() - As dma_sync_single_for_cpu(), by an offset in the mapping.
 * @dev: the device.
 * @addr: the device address that the map call returned.
 * @offset: the offset of the part in the mapping.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 */
static inline void dma_sync_single_range_for_cpu(struct device *dev, dma_addr_t addr,
						 unsigned long offset, size_t size,
						 enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr + offset, size, dir);
}

/**
 * dma_sync_single_range_for_device() - As dma_sync_single_for_device(), by an offset.
 * @dev: the device.
 * @addr: the device address that the map call returned.
 * @offset: the offset of the part in the mapping.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 */
static inline void dma_sync_single_range_for_device(struct device *dev, dma_addr_t addr,
						    unsigned long offset, size_t size,
						    enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr + offset, size, dir);
}

/**
 * dma_sync_sgtable_for_cpu() - As dma_sync_sg_for_cpu(), for the list of a table.
 * @dev: the device.
 * @sgt: the table.
 * @dir: the direction of the transfer.
 */
static inline void dma_sync_sgtable_for_cpu(struct device *dev, struct sg_table *sgt,
					    enum dma_data_direction dir)
{
	dma_sync_sg_for_cpu(dev, sgt->sgl, (int)sgt->orig_nents, dir);
}

/**
 * dma_sync_sgtable_for_device() - As dma_sync_sg_for_device(), for the list of a table.
 * @dev: the device.
 * @sgt: the table.
 * @dir: the direction of the transfer.
 */
static inline void dma_sync_sgtable_for_device(struct device *dev, struct sg_table *sgt,
					       enum dma_data_direction dir)
{
	dma_sync_sg_for_device(dev, sgt->sgl, (int)sgt->orig_nents, dir);
}

/**
 * dma_mapping_error() - Test whether a map call failed.
 * @dev: the device.
 * @dma_addr: the result of the map call.
 * Return: -ENOMEM if @dma_addr is DMA_MAPPING_ERROR, otherwise 0.
 */
DMAMAP_API int dma_mapping_error(struct device *dev, dma_addr_t dma_addr);

#define dma_map_single(d, a, s, r)   dma_map_single_attrs(d, a, s, r, 0)
#define dma_unmap_single(d, a, s, r) dma_unmap_single_attrs(d, a, s, r, 0)
#define dma_map_sg(d, s, n, r)	     dma_map_sg_attrs(d, s, n, r, 0)
#define dma_unmap_sg(d, s, n, r)     dma_unmap_sg_attrs(d, s, n, r, 0)
#define dma_map_page(d, p, o, s, r)  dma_map_page_attrs(d, p, o, s, r, 0)
#define dma_unmap_page(d, a, s, r)   dma_unmap_page_attrs(d, a, s, r, 0)

/* Unmap state in a driver's own structure; the fields always exist, since unmap needs them. */
#define DEFINE_DMA_UNMAP_ADDR(ADDR_NAME)	dma_addr_t ADDR_NAME
#define DEFINE_DMA_UNMAP_LEN(LEN_NAME)		u32 LEN_NAME
#define dma_unmap_addr(PTR, ADDR_NAME)		((PTR)->ADDR_NAME)
#define dma_unmap_addr_set(PTR, ADDR_NAME, VAL) (((PTR)->ADDR_NAME) = (VAL))
#define dma_unmap_len(PTR, LEN_NAME)		((PTR)->LEN_NAME)
#define dma_unmap_len_set(PTR, LEN_NAME, VAL)	(((PTR)->LEN_NAME) = (VAL))

/* Memory barriers between a driver's accesses to memory that the device also accesses. */
#define dma_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define dma_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define dma_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)

DMAMAP_END

/* The rest of the API, by subject. */
#include <dmamap/coherent.h>
#include <dmamap/iova.h>

#endif
