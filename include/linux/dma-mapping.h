/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DMA API: names, signatures and meaning as Linux documents them in
 * Documentation/core-api/dma-api.rst and dma-api-howto.rst.
 *
 * @dev is the device, and the device of the mapping or allocation in a call that undoes one. A
 * function without a list of parameters has those of the function that its comment names. Sizes
 * are in bytes.
 *
 * Context of every function, unless its comment says otherwise: any thread, several threads at
 * once on one device. "A retry helps" means that the same call may succeed after other memory was
 * freed. When a call fails, dmamap_strerror() (<dmamap/device.h>) returns an error message that
 * says why it failed and what to do.
 */
#ifndef DMAMAP_LINUX_DMA_MAPPING_H
#define DMAMAP_LINUX_DMA_MAPPING_H

#include <dmamap/two_step.h>
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
 * dma_set_mask() - Set the highest address that the device can put on the bus for streaming
 * mappings.
 * @mask: the mask, with all bits below the highest one set; it has 32 bits until it is set.
 * Return: 0. -EINVAL: @dev is NULL. -EIO: the platform cannot serve such a device, or the mask is
 *   not a run of ones from bit 0. The old mask stays; the driver tries a wider mask or gives up.
 */
DMAMAP_API int dma_set_mask(struct device *dev, u64 mask);
/** dma_set_coherent_mask() - As dma_set_mask(), for coherent memory. */
DMAMAP_API int dma_set_coherent_mask(struct device *dev, u64 mask);
/** dma_set_mask_and_coherent() - As dma_set_mask(), for both masks. */
DMAMAP_API int dma_set_mask_and_coherent(struct device *dev, u64 mask);
/** dma_coerce_mask_and_coherent() - The same as dma_set_mask_and_coherent(). */
DMAMAP_API int dma_coerce_mask_and_coherent(struct device *dev, u64 mask);
/** dma_get_mask() - Return the mask of streaming mappings; 0 if @dev is NULL. */
DMAMAP_API u64 dma_get_mask(struct device *dev);

/**
 * dma_get_required_mask() - Return the mask that reaches all RAM without bouncing.
 * With an IOMMU it has 32 bits. Under policy=identity, where RAM is mapped at its own physical
 * address, it has the bits that RAM needs.
 */
DMAMAP_API u64 dma_get_required_mask(struct device *dev);
/** dma_addressing_limited() - Return true if the device cannot address a part of RAM directly. */
DMAMAP_API bool dma_addressing_limited(struct device *dev);

/**
 * dma_max_mapping_size() - Return the length of the longest mapping that succeeds.
 * Return: the longest length, in bytes, that can be mapped wherever the memory is, provided that
 *   nothing else is mapped. It is limited where some memory must bounce (without an IOMMU: all
 *   memory outside RAM), and by the addresses that the mask reaches. SIZE_MAX: there is no limit.
 *   A longer mapping may fail.
 */
DMAMAP_API size_t dma_max_mapping_size(struct device *dev);

/** dma_opt_mapping_size() - Return the longest page-aligned mapping with a cached IOVA range. */
DMAMAP_API size_t dma_opt_mapping_size(struct device *dev);

/**
 * dma_get_merge_boundary() - Return the alignment, minus one, at which scatterlist entries merge.
 * Return: a mask. Entries that begin and end at a multiple of the mask + 1 always merge, up to the
 *   longest segment and the boundary. 0: merging is not guaranteed, because some memory is mapped
 *   one entry at a time.
 */
DMAMAP_API unsigned long dma_get_merge_boundary(struct device *dev);

/** dma_get_cache_alignment() - Return 64: a DMA buffer shares no such line with other data. */
DMAMAP_API int dma_get_cache_alignment(void);
/** dma_need_sync() - Return true if the sync calls have an effect for this mapping. */
DMAMAP_API bool dma_need_sync(struct device *dev, dma_addr_t dma_addr);

/**
 * dma_dev_need_sync() - Return true if the sync calls have an effect for a mapping made so far.
 * The first mapping that bounces changes the result to true, so call this again after each map
 * call.
 */
DMAMAP_API bool dma_dev_need_sync(const struct device *dev);

/** dma_need_unmap() - Return true: live mappings are counted so that leaks are detected. */
DMAMAP_API bool dma_need_unmap(struct device *dev);

/**
 * dma_get_max_seg_size() - Return the longest segment in bytes; 64 KiB until it is set.
 *
 * This and the next five functions concern the limits of the device's scatter-gather engine. Each
 * call that maps reads the limits once. A list entry that is itself longer than a limit, or that
 * crosses the boundary where memory is used at its own address, stays one segment.
 */
DMAMAP_API unsigned int dma_get_max_seg_size(struct device *dev);
/** dma_set_max_seg_size() - Set the longest segment. Return: 0; -EINVAL: no device or @size 0. */
DMAMAP_API int dma_set_max_seg_size(struct device *dev, unsigned int size);
/** dma_get_seg_boundary() - Return the segment boundary minus one; 4 GiB - 1 until it is set. */
DMAMAP_API unsigned long dma_get_seg_boundary(struct device *dev);
/** dma_get_seg_boundary_nr_pages() - Return the boundary in pages of 1 << @page_shift bytes. */
DMAMAP_API unsigned long dma_get_seg_boundary_nr_pages(struct device *dev, unsigned int page_shift);

/**
 * dma_set_seg_boundary() - Set the boundary that no segment may cross.
 * @mask: a power of two minus one.
 * Return: 0. -EINVAL: no device, or another mask; nothing changes and a retry does not help.
 */
DMAMAP_API int dma_set_seg_boundary(struct device *dev, unsigned long mask);

/** dma_get_min_align_mask() - Return the address bits that bouncing preserves; 0 until set. */
DMAMAP_API unsigned int dma_get_min_align_mask(struct device *dev);

/**
 * dma_set_min_align_mask() - Set the low address bits of the original that bouncing preserves.
 * @min_align_mask: a power of two minus one, at most 4095.
 * Return: 0. -EINVAL: no device, or another mask; nothing changes and a retry does not help.
 */
DMAMAP_API int dma_set_min_align_mask(struct device *dev, unsigned int min_align_mask);

/**
 * dma_alloc_attrs() - Allocate coherent memory.
 * @size: the number of bytes.
 * @dma_handle: receives the device address; it is unchanged on failure.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * @attrs: DMA_ATTR_* flags, or 0.
 *
 * The CPU and the device observe each other's stores without a call in between. The memory is
 * zeroed. Its CPU address and its device address are aligned to the smallest page order that holds
 * @size, and the device address is within the coherent mask. Behind a bus offset the CPU address
 * may be a vmalloc address; virt_to_phys() must not be used on it.
 * Return: the CPU address, or NULL with errno ENOMEM (a retry helps) or EINVAL (it does not).
 */
DMAMAP_API void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
				 unsigned long attrs);

/**
 * dma_free_attrs() - Free memory of dma_alloc_attrs().
 * All arguments are those of the allocation and its results. A wrong address, another size and a
 * second free are refused: nothing is freed.
 */
DMAMAP_API void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr,
			       dma_addr_t dma_handle, unsigned long attrs);
/** dmam_alloc_attrs() - As dma_alloc_attrs(); dmamap_close() frees what is still allocated. */
DMAMAP_API void *dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle,
				  gfp_t gfp, unsigned long attrs);
/** dmam_free_coherent() - Free memory of dmam_alloc_attrs() before dmamap_close() does. */
DMAMAP_API void dmam_free_coherent(struct device *dev, size_t size, void *vaddr,
				   dma_addr_t dma_handle);

/**
 * dma_mmap_attrs() - Map coherent memory into an address range of this process.
 * @vma: the range [vm_start, vm_end), which is replaced; vm_pgoff is the first page of the memory.
 *   The other arguments are those of the allocation and its results.
 * Return: 0. -ENXIO: the range needs more than @size bytes. -EINVAL: this is other memory, or the
 *   range is not one of whole pages. -ENOMEM: a retry helps.
 */
DMAMAP_API int dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
			      dma_addr_t dma_addr, size_t size, unsigned long attrs);
/** dma_can_mmap() - Return true if dma_mmap_attrs() is available for the device. */
DMAMAP_API bool dma_can_mmap(struct device *dev);

/**
 * dma_get_sgtable_attrs() - Make a scatterlist of coherent memory or of a part of it.
 * @sgt: receives the table; sg_free_table() frees it.
 * @cpu_addr, @dma_addr: both addresses of the part's first byte.
 * @size: the size of the part. The list extends to the end of the part's last page.
 * Return: 0. -EINVAL: this is other memory, or @sgt is NULL. -ENOMEM: a retry helps.
 */
DMAMAP_API int dma_get_sgtable_attrs(struct device *dev, struct sg_table *sgt, void *cpu_addr,
				     dma_addr_t dma_addr, size_t size, unsigned long attrs);

static inline void *dma_alloc_coherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
				       gfp_t gfp)
{
	return dma_alloc_attrs(dev, size, dma_handle, gfp,
			       (gfp & __GFP_NOWARN) ? DMA_ATTR_NO_WARN : 0);
}

static inline void dma_free_coherent(struct device *dev, size_t size, void *cpu_addr,
				     dma_addr_t dma_handle)
{
	dma_free_attrs(dev, size, cpu_addr, dma_handle, 0);
}

static inline void *dmam_alloc_coherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
					gfp_t gfp)
{
	return dmam_alloc_attrs(dev, size, dma_handle, gfp,
				(gfp & __GFP_NOWARN) ? DMA_ATTR_NO_WARN : 0);
}

static inline void *dma_alloc_wc(struct device *dev, size_t size, dma_addr_t *dma_addr, gfp_t gfp)
{
	return dma_alloc_attrs(dev, size, dma_addr, gfp, DMA_ATTR_WRITE_COMBINE);
}

static inline void dma_free_wc(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_addr)
{
	dma_free_attrs(dev, size, cpu_addr, dma_addr, DMA_ATTR_WRITE_COMBINE);
}

static inline int dma_mmap_coherent(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
				    dma_addr_t dma_addr, size_t size)
{
	return dma_mmap_attrs(dev, vma, cpu_addr, dma_addr, size, 0);
}

static inline int dma_mmap_wc(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
			      dma_addr_t dma_addr, size_t size)
{
	return dma_mmap_attrs(dev, vma, cpu_addr, dma_addr, size, DMA_ATTR_WRITE_COMBINE);
}

static inline int dma_get_sgtable(struct device *dev, struct sg_table *sgt, void *cpu_addr,
				  dma_addr_t dma_addr, size_t size)
{
	return dma_get_sgtable_attrs(dev, sgt, cpu_addr, dma_addr, size, 0);
}

/**
 * dma_map_single_attrs() - Map existing memory for the device (a streaming mapping).
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
 * dma_unmap_single_attrs() - Unmap what dma_map_single_attrs() mapped. It cannot fail.
 * @addr: the device address that the map call returned; the other arguments are those of the map
 *   call.
 *
 * Under policy=strict no device access reaches the memory after this call has returned. A second
 * unmap of one mapping, also by another thread at the same time, is reported and has no effect.
 * The same holds for an unmap with DMA_FROM_DEVICE where a DMA_TO_DEVICE mapping begins, and the
 * reverse, because the address was then allocated to another mapping in the meantime.
 */
DMAMAP_API void dma_unmap_single_attrs(struct device *dev, dma_addr_t addr, size_t size,
				       enum dma_data_direction dir, unsigned long attrs);
/** dma_map_page_attrs() - As dma_map_single_attrs(), for @size bytes from @offset of @page on. */
DMAMAP_API dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset,
					 size_t size, enum dma_data_direction dir,
					 unsigned long attrs);

/**
 * dma_unmap_page_attrs() - Unmap what dma_map_page_attrs() mapped; see dma_unmap_single_attrs().
 */
DMAMAP_API void dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size,
				     enum dma_data_direction dir, unsigned long attrs);
/** dma_map_phys() - Map memory, or with DMA_ATTR_MMIO another device's registers, at @phys. */
DMAMAP_API dma_addr_t dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				   enum dma_data_direction dir, unsigned long attrs);
/** dma_unmap_phys() - Unmap what dma_map_phys() mapped; see dma_unmap_single_attrs(). */
DMAMAP_API void dma_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			       enum dma_data_direction dir, unsigned long attrs);
/** dma_map_resource() - Map another device's registers at @phys_addr. Memory is refused. */
DMAMAP_API dma_addr_t dma_map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
				       enum dma_data_direction dir, unsigned long attrs);
/** dma_unmap_resource() - Unmap what dma_map_resource() mapped; see dma_unmap_single_attrs(). */
DMAMAP_API void dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
				   enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_sg_attrs() - Map a scatterlist.
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
 * dma_unmap_sg_attrs() - Unmap a list. @nents is the value that was passed to dma_map_sg_attrs().
 */
DMAMAP_API void dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sg, int nents,
				   enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_sgtable() - Map the list of @sgt and set @sgt->nents to the number of DMA segments.
 * Return: 0. -EINVAL: a bad list or direction, or DMA_ATTR_MMIO. -ENOMEM: a retry helps. -EIO: the
 *   device can never reach the memory.
 */
DMAMAP_API int dma_map_sgtable(struct device *dev, struct sg_table *sgt,
			       enum dma_data_direction dir, unsigned long attrs);
/** dma_unmap_sgtable() - Unmap the list of @sgt. */
DMAMAP_API void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				  enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_sync_single_for_cpu() - Transfer the ownership of @size bytes at @addr to the CPU.
 *
 * Syncs transfer a live mapping, or a part of it, between the device and the CPU. They copy where
 * the mapping bounces or the machine is not coherent; otherwise they have no effect. A range that
 * is not mapped is ignored (the checker reports it).
 */
DMAMAP_API void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
					enum dma_data_direction dir);

/**
 * dma_sync_single_for_device() - Transfer the ownership of @size bytes at @addr to the device.
 */
DMAMAP_API void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
					   enum dma_data_direction dir);

/** dma_sync_sg_for_cpu() - Sync a list. @nelems is the nents that was passed to the map call. */
DMAMAP_API void dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sg, int nelems,
				    enum dma_data_direction dir);
/** dma_sync_sg_for_device() - As dma_sync_sg_for_cpu(), in the other direction. */
DMAMAP_API void dma_sync_sg_for_device(struct device *dev, struct scatterlist *sg, int nelems,
				       enum dma_data_direction dir);

static inline void dma_sync_single_range_for_cpu(struct device *dev, dma_addr_t addr,
						 unsigned long offset, size_t size,
						 enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr + offset, size, dir);
}

static inline void dma_sync_single_range_for_device(struct device *dev, dma_addr_t addr,
						    unsigned long offset, size_t size,
						    enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr + offset, size, dir);
}

static inline void dma_sync_sgtable_for_cpu(struct device *dev, struct sg_table *sgt,
					    enum dma_data_direction dir)
{
	dma_sync_sg_for_cpu(dev, sgt->sgl, (int)sgt->orig_nents, dir);
}

static inline void dma_sync_sgtable_for_device(struct device *dev, struct sg_table *sgt,
					       enum dma_data_direction dir)
{
	dma_sync_sg_for_device(dev, sgt->sgl, (int)sgt->orig_nents, dir);
}

/**
 * dma_mapping_error() - Return -ENOMEM if @dma_addr is the result of a failed mapping, otherwise
 * 0.
 */
DMAMAP_API int dma_mapping_error(struct device *dev, dma_addr_t dma_addr);

#define dma_map_single(d, a, s, r)   dma_map_single_attrs(d, a, s, r, 0)
#define dma_unmap_single(d, a, s, r) dma_unmap_single_attrs(d, a, s, r, 0)
#define dma_map_sg(d, s, n, r)	     dma_map_sg_attrs(d, s, n, r, 0)
#define dma_unmap_sg(d, s, n, r)     dma_unmap_sg_attrs(d, s, n, r, 0)
#define dma_map_page(d, p, o, s, r)  dma_map_page_attrs(d, p, o, s, r, 0)
#define dma_unmap_page(d, a, s, r)   dma_unmap_page_attrs(d, a, s, r, 0)

/**
 * dma_alloc_pages() - Allocate 2^order contiguous pages that are not coherent and map them.
 * @size: the number of bytes, which is rounded up to 2^order pages.
 * @dma_handle: receives the device address, which is within both masks.
 * @dir: the direction of the transfers.
 * @gfp: allocation flags without zone flags and without __GFP_COMP.
 *
 * The memory is zeroed, consists of whole pages that the device can address, and is mapped until
 * it is freed. The driver transfers its ownership with dma_sync_single_*(). `page + i` is the i-th
 * page.
 * Return: the first page, or NULL with errno EINVAL (@size 0, no direction, bad flags) or ENOMEM
 *   (a retry helps).
 */
DMAMAP_API struct page *dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
					enum dma_data_direction dir, gfp_t gfp);

/**
 * dma_free_pages() - Free memory of dma_alloc_pages(). All arguments are those of the allocation.
 */
DMAMAP_API void dma_free_pages(struct device *dev, size_t size, struct page *page,
			       dma_addr_t dma_handle, enum dma_data_direction dir);
/** dma_mmap_pages() - Map memory of dma_alloc_pages() into @vma; returns as dma_mmap_attrs(). */
DMAMAP_API int dma_mmap_pages(struct device *dev, struct vm_area_struct *vma, size_t size,
			      struct page *page);

/**
 * dma_alloc_noncontiguous() - As dma_alloc_pages(), from pages that need not be contiguous.
 * @size: the number of bytes, less than 4 GiB.
 * @attrs: 0 or DMA_ATTR_ALLOC_SINGLE_PAGES.
 *
 * Through an IOMMU scattered pages form one DMA segment, so that RAM may be fragmented. Without
 * one the pages are contiguous. The driver transfers ownership with dma_sync_sgtable_*().
 * Return: the mapped table, or NULL with errno EINVAL or ENOMEM (a retry helps).
 */
DMAMAP_API struct sg_table *dma_alloc_noncontiguous(struct device *dev, size_t size,
						    enum dma_data_direction dir, gfp_t gfp,
						    unsigned long attrs);

/**
 * dma_free_noncontiguous() - Free memory of dma_alloc_noncontiguous(), with the same arguments.
 */
DMAMAP_API void dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt,
				       enum dma_data_direction dir);

/**
 * dma_vmap_noncontiguous() - Map the pages of @sgt into one CPU range. NULL: failure, see errno.
 */
DMAMAP_API void *dma_vmap_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt);
/** dma_vunmap_noncontiguous() - Undo dma_vmap_noncontiguous(). */
DMAMAP_API void dma_vunmap_noncontiguous(struct device *dev, void *vaddr);
/** dma_mmap_noncontiguous() - Map the pages of @sgt into @vma; returns as dma_mmap_attrs(). */
DMAMAP_API int dma_mmap_noncontiguous(struct device *dev, struct vm_area_struct *vma, size_t size,
				      struct sg_table *sgt);

static inline void *dma_alloc_noncoherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
					  enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page = dma_alloc_pages(dev, size, dma_handle, dir, gfp);

	return page ? page_address(page) : NULL;
}

static inline void dma_free_noncoherent(struct device *dev, size_t size, void *vaddr,
					dma_addr_t dma_handle, enum dma_data_direction dir)
{
	dma_free_pages(dev, size, vaddr ? virt_to_page(vaddr) : NULL, dma_handle, dir);
}

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

#endif
