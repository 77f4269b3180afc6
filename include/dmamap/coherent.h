/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that the library allocates for a driver and maps for its device: coherent memory, and
 * pages whose ownership the driver transfers. This is a part of <linux/dma-mapping.h>, which
 * includes it; the conventions and the context of the functions are described there.
 */
#ifndef DMAMAP_COHERENT_H
#define DMAMAP_COHERENT_H

#include <linux/dma-mapping.h>

DMAMAP_BEGIN

/**
 * dma_alloc_attrs() - Allocate coherent memory.
 * @dev: the device.
 * @size: the number of bytes.
 * @dma_handle: receives the device address; it is unchanged on failure.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * @attrs: DMA_ATTR_* flags, or 0.
 *
 * The CPU and the device observe each other's stores without a call in between. The memory is
 * zeroed. Its CPU address and its device address are aligned to the smallest page order that holds
 * @size, and the device address is within the coherent mask. If the device has a bus offset, the
 * CPU address may be a vmalloc address; virt_to_phys() must not be used on it.
 * Return: the CPU address, or NULL with errno ENOMEM (a retry helps) or EINVAL (it does not).
 */
DMAMAP_API void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
				 unsigned long attrs);

/**
 * dma_free_attrs() - Free memory of dma_alloc_attrs().
 * @dev: the device of the allocation.
 * @size: the size of the allocation.
 * @cpu_addr: the CPU address of the allocation.
 * @dma_handle: the device address of the allocation.
 * @attrs: the flags of the allocation.
 *
 * A wrong address, another size and a second free are refused: nothing is freed, and the checker
 * reports it.
 */
DMAMAP_API void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr,
			       dma_addr_t dma_handle, unsigned long attrs);

/**
 * dmam_alloc_attrs() - As dma_alloc_attrs(); dmamap_close() frees what is still allocated.
 * @dev: the device.
 * @size: the number of bytes.
 * @dma_handle: receives the device address; it is unchanged on failure.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * @attrs: DMA_ATTR_* flags, or 0.
 * Return: as dma_alloc_attrs().
 */
DMAMAP_API void *dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle,
				  gfp_t gfp, unsigned long attrs);

/**
 * dmam_free_coherent() - Free memory of dmam_alloc_attrs() before dmamap_close() does.
 * @dev: the device.
 * @size: the size that was passed to the call that is undone.
 * @vaddr: the CPU address of the memory.
 * @dma_handle: the device address of the allocation.
 */
DMAMAP_API void dmam_free_coherent(struct device *dev, size_t size, void *vaddr,
				   dma_addr_t dma_handle);

/**
 * dma_mmap_attrs() - Map coherent memory into an address range of this process.
 * @dev: the device.
 * @vma: the range [vm_start, vm_end), which is replaced; vm_pgoff is the first page of the
 *   memory.
 * @cpu_addr: the CPU address of the memory.
 * @dma_addr: the device address of the memory.
 * @size: the size of the allocation.
 * @attrs: DMA_ATTR_* flags, or 0.
 * Return: 0. -ENXIO: the range needs more than @size bytes. -EINVAL: the memory is not coherent
 *   memory of the device, or the range does not consist of whole pages. -ENOMEM: a retry helps.
 */
DMAMAP_API int dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
			      dma_addr_t dma_addr, size_t size, unsigned long attrs);

/**
 * dma_can_mmap() - Test whether dma_mmap_attrs() is available for the device.
 * @dev: the device.
 * Return: true if it is.
 */
DMAMAP_API bool dma_can_mmap(struct device *dev);

/**
 * dma_get_sgtable_attrs() - Make a scatterlist of coherent memory or of a part of it.
 * @dev: the device.
 * @sgt: receives the table; sg_free_table() frees it.
 * @cpu_addr: the CPU address of the part's first byte.
 * @dma_addr: the device address of the part's first byte.
 * @size: the size of the part. The list extends to the end of the part's last page.
 * @attrs: DMA_ATTR_* flags, or 0.
 * Return: 0. -EINVAL: the memory is not coherent memory of the device, or @sgt is NULL. -ENOMEM: a
 *   retry helps.
 */
DMAMAP_API int dma_get_sgtable_attrs(struct device *dev, struct sg_table *sgt, void *cpu_addr,
				     dma_addr_t dma_addr, size_t size, unsigned long attrs);

/**
 * dma_alloc_coherent() - As dma_alloc_attrs(), without flags.
 * @dev: the device.
 * @size: the number of bytes.
 * @dma_handle: receives the device address; it is unchanged on failure.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * Return: as dma_alloc_attrs().
 */
static inline void *dma_alloc_coherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
				       gfp_t gfp)
{
	return dma_alloc_attrs(dev, size, dma_handle, gfp,
			       (gfp & __GFP_NOWARN) ? DMA_ATTR_NO_WARN : 0);
}

/**
 * dma_free_coherent() - Free memory of dma_alloc_coherent(); see dma_free_attrs().
 * @dev: the device.
 * @size: the size that was passed to the call that is undone.
 * @cpu_addr: the CPU address of the memory.
 * @dma_handle: the device address of the allocation.
 */
static inline void dma_free_coherent(struct device *dev, size_t size, void *cpu_addr,
				     dma_addr_t dma_handle)
{
	dma_free_attrs(dev, size, cpu_addr, dma_handle, 0);
}

/**
 * dmam_alloc_coherent() - As dmam_alloc_attrs(), without flags.
 * @dev: the device.
 * @size: the number of bytes.
 * @dma_handle: receives the device address; it is unchanged on failure.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * Return: as dma_alloc_attrs().
 */
static inline void *dmam_alloc_coherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
					gfp_t gfp)
{
	return dmam_alloc_attrs(dev, size, dma_handle, gfp,
				(gfp & __GFP_NOWARN) ? DMA_ATTR_NO_WARN : 0);
}

/**
 * dma_alloc_wc() - As dma_alloc_attrs(), with DMA_ATTR_WRITE_COMBINE.
 * @dev: the device.
 * @size: the number of bytes.
 * @dma_addr: receives the device address; it is unchanged on failure.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * Return: as dma_alloc_attrs().
 */
static inline void *dma_alloc_wc(struct device *dev, size_t size, dma_addr_t *dma_addr, gfp_t gfp)
{
	return dma_alloc_attrs(dev, size, dma_addr, gfp, DMA_ATTR_WRITE_COMBINE);
}

/**
 * dma_free_wc() - Free memory of dma_alloc_wc(); see dma_free_attrs().
 * @dev: the device.
 * @size: the size that was passed to the call that is undone.
 * @cpu_addr: the CPU address of the memory.
 * @dma_addr: the device address of the memory.
 */
static inline void dma_free_wc(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_addr)
{
	dma_free_attrs(dev, size, cpu_addr, dma_addr, DMA_ATTR_WRITE_COMBINE);
}

/**
 * dma_mmap_coherent() - As dma_mmap_attrs(), for memory of dma_alloc_coherent().
 * @dev: the device.
 * @vma: the range of the process, as for dma_mmap_attrs().
 * @cpu_addr: the CPU address of the memory.
 * @dma_addr: the device address of the memory.
 * @size: the number of bytes.
 * Return: as dma_mmap_attrs().
 */
static inline int dma_mmap_coherent(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
				    dma_addr_t dma_addr, size_t size)
{
	return dma_mmap_attrs(dev, vma, cpu_addr, dma_addr, size, 0);
}

/**
 * dma_mmap_wc() - As dma_mmap_attrs(), for memory of dma_alloc_wc().
 * @dev: the device.
 * @vma: the range of the process, as for dma_mmap_attrs().
 * @cpu_addr: the CPU address of the memory.
 * @dma_addr: the device address of the memory.
 * @size: the number of bytes.
 * Return: as dma_mmap_attrs().
 */
static inline int dma_mmap_wc(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
			      dma_addr_t dma_addr, size_t size)
{
	return dma_mmap_attrs(dev, vma, cpu_addr, dma_addr, size, DMA_ATTR_WRITE_COMBINE);
}

/**
 * dma_get_sgtable() - As dma_get_sgtable_attrs(), for memory of dma_alloc_coherent().
 * @dev: the device.
 * @sgt: receives the table; sg_free_table() frees it.
 * @cpu_addr: the CPU address of the memory.
 * @dma_addr: the device address of the memory.
 * @size: the number of bytes.
 * Return: as dma_get_sgtable_attrs().
 */
static inline int dma_get_sgtable(struct device *dev, struct sg_table *sgt, void *cpu_addr,
				  dma_addr_t dma_addr, size_t size)
{
	return dma_get_sgtable_attrs(dev, sgt, cpu_addr, dma_addr, size, 0);
}

/**
 * dma_alloc_pages() - Allocate 2^order contiguous pages that are not coherent and map them.
 * @dev: the device.
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
 * dma_free_pages() - Free memory of dma_alloc_pages().
 * @dev: the device.
 * @size: the size that was passed to the call that is undone.
 * @page: the first page.
 * @dma_handle: the device address of the allocation.
 * @dir: the direction that was passed to the call that is undone.
 *
 * All arguments are those of the allocation.
 */
DMAMAP_API void dma_free_pages(struct device *dev, size_t size, struct page *page,
			       dma_addr_t dma_handle, enum dma_data_direction dir);

/**
 * dma_mmap_pages() - Map memory of dma_alloc_pages() into an address range of this process.
 * @dev: the device.
 * @vma: the range of the process, as for dma_mmap_attrs().
 * @size: the size of the allocation.
 * @page: the first page.
 * Return: as dma_mmap_attrs().
 */
DMAMAP_API int dma_mmap_pages(struct device *dev, struct vm_area_struct *vma, size_t size,
			      struct page *page);

/**
 * dma_alloc_noncontiguous() - As dma_alloc_pages(), from pages that need not be contiguous.
 * @dev: the device.
 * @size: the number of bytes, less than 4 GiB.
 * @dir: the direction of the transfer.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * @attrs: 0 or DMA_ATTR_ALLOC_SINGLE_PAGES.
 *
 * Behind an IOMMU, scattered pages form one DMA segment, so that the call succeeds when RAM is
 * fragmented. Without an IOMMU the pages are contiguous. The driver transfers ownership with
 * dma_sync_sgtable_*().
 * Return: the mapped table, or NULL with errno EINVAL or ENOMEM (a retry helps).
 */
DMAMAP_API struct sg_table *dma_alloc_noncontiguous(struct device *dev, size_t size,
						    enum dma_data_direction dir, gfp_t gfp,
						    unsigned long attrs);

/**
 * dma_free_noncontiguous() - Free memory of dma_alloc_noncontiguous().
 * @dev: the device.
 * @size: the size that was passed to the call that is undone.
 * @sgt: the table.
 * @dir: the direction that was passed to the call that is undone.
 */
DMAMAP_API void dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt,
				       enum dma_data_direction dir);

/**
 * dma_vmap_noncontiguous() - Map the pages of dma_alloc_noncontiguous() into one CPU range.
 * @dev: the device.
 * @size: the size of the allocation.
 * @sgt: the table.
 * Return: the CPU address. NULL: failure, with errno EINVAL or ENOMEM (a retry helps).
 */
DMAMAP_API void *dma_vmap_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt);

/**
 * dma_vunmap_noncontiguous() - Undo dma_vmap_noncontiguous().
 * @dev: the device.
 * @vaddr: the CPU address of the memory.
 */
DMAMAP_API void dma_vunmap_noncontiguous(struct device *dev, void *vaddr);

/**
 * dma_mmap_noncontiguous() - Map the pages of dma_alloc_noncontiguous() into an address range of
 * this process.
 * @dev: the device.
 * @vma: the range of the process, as for dma_mmap_attrs().
 * @size: the size of the allocation.
 * @sgt: the table.
 * Return: as dma_mmap_attrs().
 */
DMAMAP_API int dma_mmap_noncontiguous(struct device *dev, struct vm_area_struct *vma, size_t size,
				      struct sg_table *sgt);

/**
 * dma_alloc_noncoherent() - As dma_alloc_pages(), with the CPU address as the result.
 * @dev: the device.
 * @size: the number of bytes.
 * @dma_handle: receives the device address.
 * @dir: the direction of the transfers.
 * @gfp: allocation flags, see <linux/gfp.h>.
 * Return: the CPU address. NULL: as dma_alloc_pages().
 */
static inline void *dma_alloc_noncoherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
					  enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page = dma_alloc_pages(dev, size, dma_handle, dir, gfp);

	return page ? page_address(page) : NULL;
}

/**
 * dma_free_noncoherent() - Free memory of dma_alloc_noncoherent().
 * @dev: the device.
 * @size: the size that was passed to the call that is undone.
 * @vaddr: the CPU address of the memory.
 * @dma_handle: the device address of the allocation.
 * @dir: the direction that was passed to the call that is undone.
 */
static inline void dma_free_noncoherent(struct device *dev, size_t size, void *vaddr,
					dma_addr_t dma_handle, enum dma_data_direction dir)
{
	dma_free_pages(dev, size, vaddr ? virt_to_page(vaddr) : NULL, dma_handle, dir);
}

DMAMAP_END

#endif
