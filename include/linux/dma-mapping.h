/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DMA API: names, signatures and meaning as Linux documents them in
 * Documentation/core-api/dma-api.rst and dma-api-howto.rst.
 *
 * Every call may be made from any thread at once on one device. Sizes are bytes. Where a call
 * fails, dmamap_strerror() (<dmamap/device.h>) says in words why and what to do.
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

/* Attributes; the values are Linux's. Those that mean nothing here are accepted and do nothing. */
#define DMA_ATTR_WEAK_ORDERING		     (1UL << 1)
#define DMA_ATTR_WRITE_COMBINE		     (1UL << 2)
#define DMA_ATTR_NO_KERNEL_MAPPING	     (1UL << 4)
#define DMA_ATTR_SKIP_CPU_SYNC		     (1UL << 5) /* the caller syncs, or knows that nobody need */
#define DMA_ATTR_FORCE_CONTIGUOUS	     (1UL << 6)
#define DMA_ATTR_ALLOC_SINGLE_PAGES	     (1UL << 7)
#define DMA_ATTR_NO_WARN		     (1UL << 8)
#define DMA_ATTR_PRIVILEGED		     (1UL << 9)
#define DMA_ATTR_MMIO			     (1UL << 10) /* dma_map_phys(): registers, not memory */
#define DMA_ATTR_DEBUGGING_IGNORE_CACHELINES (1UL << 11) /* shares cache lines, and knows it */
#define DMA_ATTR_REQUIRE_COHERENT	     (1UL << 12) /* fails rather than bounce or need syncs */

/* What a failed mapping gives instead of an address; ask by dma_mapping_error(). */
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)

/* The lowest n bits, 1 <= n <= 64. */
#define DMA_BIT_MASK(n) (~0ULL >> (64 - (n)))

/*
 * Masks: the highest address that the device can put on the bus, all bits below it set. A device
 * begins with 32 bits. -EIO: the platform cannot serve such a device (or the mask is not a run of
 * ones from bit 0); nothing has changed and the driver should try a wider mask, or give up.
 */
DMAMAP_API int dma_set_mask(struct device *dev, u64 mask);
DMAMAP_API int dma_set_coherent_mask(struct device *dev, u64 mask);
DMAMAP_API int dma_set_mask_and_coherent(struct device *dev, u64 mask);
DMAMAP_API int dma_coerce_mask_and_coherent(struct device *dev, u64 mask);
DMAMAP_API u64 dma_get_mask(struct device *dev);

/* The mask that reaches all RAM without bouncing; with an IOMMU 32 bits do. */
DMAMAP_API u64 dma_get_required_mask(struct device *dev);
/* RAM exists that the device cannot address directly. */
DMAMAP_API bool dma_addressing_limited(struct device *dev);
/* The longest single mapping that can succeed: bounded where it may have to bounce. */
DMAMAP_API size_t dma_max_mapping_size(struct device *dev);
/* The longest one whose address space comes from a cache. */
DMAMAP_API size_t dma_opt_mapping_size(struct device *dev);
/* Scatterlist entries that begin and end at a multiple of this + 1 always merge; 0: they need not.
 */
DMAMAP_API unsigned long dma_get_merge_boundary(struct device *dev);
/* Bytes of memory that must not be shared between a DMA buffer and anything else: 64. */
DMAMAP_API int dma_get_cache_alignment(void);
/*
 * The sync calls do something for this mapping; for any mapping of the device so far (ask again
 * after mapping: the first one that bounces makes it true).
 */
DMAMAP_API bool dma_need_sync(struct device *dev, dma_addr_t dma_addr);
DMAMAP_API bool dma_dev_need_sync(const struct device *dev);
/* Always: live mappings are counted, so that leaks are seen. */
DMAMAP_API bool dma_need_unmap(struct device *dev);

/*
 * Limits of the device's scatter-gather engine: longest segment (64 KiB until set), a power-of-two
 * boundary minus one that no segment crosses (4 GiB - 1 until set), and address bits of the
 * original that a bounced mapping keeps (none until set; at most 4095). The setters of the first
 * two give 0 or -EINVAL, as the third.
 */
DMAMAP_API unsigned int dma_get_max_seg_size(struct device *dev);
DMAMAP_API int dma_set_max_seg_size(struct device *dev, unsigned int size);
DMAMAP_API unsigned long dma_get_seg_boundary(struct device *dev);
DMAMAP_API unsigned long dma_get_seg_boundary_nr_pages(struct device *dev, unsigned int page_shift);
DMAMAP_API int dma_set_seg_boundary(struct device *dev, unsigned long mask);
DMAMAP_API unsigned int dma_get_min_align_mask(struct device *dev);
DMAMAP_API int dma_set_min_align_mask(struct device *dev, unsigned int min_align_mask);

/*
 * Coherent memory: CPU and device see each other's stores with no call between. Zeroed; CPU and
 * DMA address aligned to the smallest page order that holds `size`; the DMA address is within the
 * coherent mask. NULL (errno ENOMEM, EINVAL): none such; *dma_handle is untouched. Freeing takes
 * what allocation was given and gave; a wrong address, size or a second free is refused.
 */
DMAMAP_API void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
				 unsigned long attrs);
DMAMAP_API void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr,
			       dma_addr_t dma_handle, unsigned long attrs);
/* The same, freed by dmamap_close() if not before. */
DMAMAP_API void *dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle,
				  gfp_t gfp, unsigned long attrs);
DMAMAP_API void dmam_free_coherent(struct device *dev, size_t size, void *vaddr,
				   dma_addr_t dma_handle);
/*
 * Puts the memory in place of [vma->vm_start, vma->vm_end) of this process, from page vm_pgoff of
 * it on. 0; -ENXIO: the range asks for more than `size` holds; -EINVAL; -ENOMEM.
 */
DMAMAP_API int dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
			      dma_addr_t dma_addr, size_t size, unsigned long attrs);
DMAMAP_API bool dma_can_mmap(struct device *dev);
/* A scatterlist of the memory's pages, freed by sg_free_table(). 0, -EINVAL, -ENOMEM. */
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

/*
 * Streaming mappings: the device's address of memory that exists already, for one transfer or
 * many with syncs between. DMA_MAPPING_ERROR: direction NONE, size 0, a range that wraps, vmalloc
 * memory, or no address space, page table or bounce memory left; nothing is then mapped, and the
 * driver tries later or drops the transfer. Unmap takes the address, size and direction of the
 * mapping and cannot fail; under policy=strict no access by the device reaches the memory
 * once it returns. A second unmap of one mapping, also by another thread at the same time, is
 * reported and does nothing. So is one as DMA_FROM_DEVICE where a DMA_TO_DEVICE mapping begins, or
 * the reverse: the address was given to another mapping meanwhile.
 */
DMAMAP_API dma_addr_t dma_map_single_attrs(struct device *dev, void *ptr, size_t size,
					   enum dma_data_direction dir, unsigned long attrs);
DMAMAP_API void dma_unmap_single_attrs(struct device *dev, dma_addr_t addr, size_t size,
				       enum dma_data_direction dir, unsigned long attrs);
DMAMAP_API dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset,
					 size_t size, enum dma_data_direction dir,
					 unsigned long attrs);
DMAMAP_API void dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size,
				     enum dma_data_direction dir, unsigned long attrs);
/* By physical address: memory, or with DMA_ATTR_MMIO another device's registers. */
DMAMAP_API dma_addr_t dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				   enum dma_data_direction dir, unsigned long attrs);
DMAMAP_API void dma_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			       enum dma_data_direction dir, unsigned long attrs);
/* Registers of another device, by physical address; memory is refused. */
DMAMAP_API dma_addr_t dma_map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
				       enum dma_data_direction dir, unsigned long attrs);
DMAMAP_API void dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
				   enum dma_data_direction dir, unsigned long attrs);

/*
 * Scatterlists. dma_map_sg_attrs() returns how many DMA segments it made, at most nents, 0 on
 * failure with nothing left mapped; read them by sg_dma_address() and sg_dma_len(). Unmap and sync
 * take the nents that were passed in. dma_map_sgtable() returns 0, -EINVAL (bad list or direction),
 * -ENOMEM (try later) or -EIO (the device can never reach it), and sets sgt->nents.
 */
DMAMAP_API unsigned int dma_map_sg_attrs(struct device *dev, struct scatterlist *sg, int nents,
					 enum dma_data_direction dir, unsigned long attrs);
DMAMAP_API void dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sg, int nents,
				   enum dma_data_direction dir, unsigned long attrs);
DMAMAP_API int dma_map_sgtable(struct device *dev, struct sg_table *sgt,
			       enum dma_data_direction dir, unsigned long attrs);
DMAMAP_API void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				  enum dma_data_direction dir, unsigned long attrs);

/*
 * Syncs hand a live mapping, or a part of it, from device to CPU and back. They copy where the
 * mapping bounces or the machine is not coherent, and else do nothing. A range outside of any
 * mapping is ignored (the checker reports it).
 */
DMAMAP_API void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
					enum dma_data_direction dir);
DMAMAP_API void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
					   enum dma_data_direction dir);
DMAMAP_API void dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sg, int nelems,
				    enum dma_data_direction dir);
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

/* 0, or -ENOMEM for what a failed mapping gave. */
DMAMAP_API int dma_mapping_error(struct device *dev, dma_addr_t dma_addr);

#define dma_map_single(d, a, s, r)   dma_map_single_attrs(d, a, s, r, 0)
#define dma_unmap_single(d, a, s, r) dma_unmap_single_attrs(d, a, s, r, 0)
#define dma_map_sg(d, s, n, r)	     dma_map_sg_attrs(d, s, n, r, 0)
#define dma_unmap_sg(d, s, n, r)     dma_unmap_sg_attrs(d, s, n, r, 0)
#define dma_map_page(d, p, o, s, r)  dma_map_page_attrs(d, p, o, s, r, 0)
#define dma_unmap_page(d, a, s, r)   dma_unmap_page_attrs(d, a, s, r, 0)

/*
 * Two-step mappings (Linux: Documentation/core-api/dma-api.rst, "dma_iova_*"): take a range of the
 * device's addresses once, link memory into it piece by piece, sync once, unlink, and link again.
 * Only through an IOMMU. One state may be linked and unlinked by several threads at once in
 * disjoint parts.
 *
 * `addr` is the device address of offset 0. The state is 48 bytes whatever is linked. It may
 * be moved while no call runs on it, never doubled.
 */
struct dma_iova_state {
	dma_addr_t addr;
	u64 __size;   /* bytes of the range; 0: not in use */
	u64 *__slots; /* the page-table words of a short range */
	u64 __end;    /* where a link that ends inside a granule closed the range; 0: open */
	u64 __live;   /* the device's mark, and the thread that links without the lock */
	u32 __lock;
	u8 __busy, __stale;
	u16 __open; /* granules that a store into __slots links; 0: it takes more */
};

static inline bool dma_use_iova(struct dma_iova_state *state)
{
	return state->__size != 0;
}

static inline size_t dma_iova_size(struct dma_iova_state *state)
{
	return (size_t)state->__size;
}

/*
 * Takes `size` bytes of address space; only the place of `phys` in its granule (4 KiB) matters.
 * False, with the state all zero: no IOMMU, size 0, or no space left; use dma_map_phys() or
 * dma_map_sg() then.
 */
DMAMAP_API bool dma_iova_try_alloc(struct device *dev, struct dma_iova_state *state,
				   phys_addr_t phys, size_t size);

/* Gives the range back. What is still linked is unlinked (the checker reports it). */
DMAMAP_API void dma_iova_free(struct device *dev, struct dma_iova_state *state);

/*
 * Links memory at `offset` of the range. The device may see it only after dma_iova_sync(). 0;
 * -EINVAL: size 0, outside of the range, an offset whose place in its granule is not that of
 * `phys`, an unaligned start but at offset 0, a bad direction, behind a link that ended inside a
 * granule (or such a link before another); -EEXIST: something is linked there; -ENOMEM: try later;
 * -EIO: memory that cannot be linked so. Nothing is changed on failure.
 */
DMAMAP_API int dma_iova_link(struct device *dev, struct dma_iova_state *state, phys_addr_t phys,
			     size_t offset, size_t size, enum dma_data_direction dir,
			     unsigned long attrs);

#if defined(__x86_64__) && defined(__LP64__)
/*
 * Linking one granule of RAM is a store, less than the call would cost; so that part is inline. It
 * refuses nothing: what it does not do itself it leaves to the library (src/map/twostep.h says why
 * it is right). A device begins with a pointer to the limits.
 */
struct __dma_link_limits {
	u64 ram_end[2]; /* of RAM below 4 GiB, and of all */
	const u32 *refuse;
	u64 live; /* the device's mark: the states of its ranges have it in __live */
};

/* A number of this thread's, below 2^48. */
static inline u64 __dma_self(void)
{
	u64 self;

	__asm__("movq %%fs:0, %0" : "=r"(self));
	return self;
}

static inline bool __dma_iova_link_page(struct device *dev, struct dma_iova_state *state, u64 phys,
					u64 offset, enum dma_data_direction dir)
{
	const struct __dma_link_limits *limits = __atomic_load_n(
		(const struct __dma_link_limits *const *)(const void *)dev, __ATOMIC_RELAXED);
	u64 live = limits->live | __dma_self(), *slot;
	bool done = false;

	if (__atomic_load_n(&state->__live, __ATOMIC_RELAXED) != live ||
	    phys >= __atomic_load_n(&limits->ram_end[phys >> 32 != 0], __ATOMIC_RELAXED) ||
	    __atomic_load_n(limits->refuse, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&state->__busy, 1, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&state->__live, __ATOMIC_RELAXED) == live &&
	    offset >> 12 < __atomic_load_n(&state->__open, __ATOMIC_ACQUIRE)) {
		slot = __atomic_load_n(&state->__slots, __ATOMIC_RELAXED) + (offset >> 12);
		done = !(__atomic_load_n(slot, __ATOMIC_RELAXED) & 3);
		if (done) /* reading, writing or both: two bits for each direction */
			__atomic_store_n(slot, phys | (0x27u >> 2 * (unsigned int)dir & 3),
					 __ATOMIC_RELEASE);
	}
	__atomic_store_n(&state->__busy, 0, __ATOMIC_RELEASE);
	return done;
}

static inline __attribute__((always_inline)) int
__dma_iova_link(struct device *dev, struct dma_iova_state *state, phys_addr_t phys, size_t offset,
		size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	if (__builtin_expect(size == 4096 && !(attrs | ((phys | offset) & 4095)) && dev && state &&
				     (unsigned int)dir <= DMA_FROM_DEVICE &&
				     __dma_iova_link_page(dev, state, phys, offset, dir),
			     1))
		return 0;
	return dma_iova_link(dev, state, phys, offset, size, dir, attrs);
}

#define dma_iova_link(dev, state, phys, offset, size, dir, attrs)                                  \
	__dma_iova_link(dev, state, phys, offset, size, dir, attrs)
#endif

/* After it the device sees what was linked in the part. Cheap when nothing is pending. 0, -EINVAL.
 */
DMAMAP_API int dma_iova_sync(struct device *dev, struct dma_iova_state *state, size_t offset,
			     size_t size);

/*
 * Takes whole links, or parts on granule borders, away; each goes back under the direction and
 * attributes that it was linked with. Under policy=strict no access by the device reaches it when
 * this returns.
 */
DMAMAP_API void dma_iova_unlink(struct device *dev, struct dma_iova_state *state, size_t offset,
				size_t size, enum dma_data_direction dir, unsigned long attrs);

/* Unlinks [0, mapped_len) and gives the whole range back. */
DMAMAP_API void dma_iova_destroy(struct device *dev, struct dma_iova_state *state,
				 size_t mapped_len, enum dma_data_direction dir,
				 unsigned long attrs);

/* dma_sync_single_*() for a part of what is linked. Linux has no such calls. */
DMAMAP_API void dma_iova_sync_for_cpu(struct device *dev, struct dma_iova_state *state,
				      size_t offset, size_t size, enum dma_data_direction dir);
DMAMAP_API void dma_iova_sync_for_device(struct device *dev, struct dma_iova_state *state,
					 size_t offset, size_t size, enum dma_data_direction dir);

/*
 * Memory that is not coherent, mapped from allocation to free: the driver hands it back and forth
 * by dma_sync_single_*() (dma_sync_sgtable_*() for the non-contiguous kind). Zeroed, whole pages.
 * NULL (errno EINVAL, ENOMEM): size 0, no direction, GFP zone flags or __GFP_COMP, or no memory.
 *
 * dma_alloc_pages: 2^order contiguous pages that the device can address; `page + i` is the i-th.
 * dma_alloc_noncontiguous: through an IOMMU scattered pages behind one DMA segment, so RAM may be
 * fragmented; else contiguous ones. Less than 4 GiB; attrs is 0 or DMA_ATTR_ALLOC_SINGLE_PAGES.
 * dma_vmap_noncontiguous gives one CPU range of them.
 */
DMAMAP_API struct page *dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
					enum dma_data_direction dir, gfp_t gfp);
DMAMAP_API void dma_free_pages(struct device *dev, size_t size, struct page *page,
			       dma_addr_t dma_handle, enum dma_data_direction dir);
DMAMAP_API int dma_mmap_pages(struct device *dev, struct vm_area_struct *vma, size_t size,
			      struct page *page);
DMAMAP_API struct sg_table *dma_alloc_noncontiguous(struct device *dev, size_t size,
						    enum dma_data_direction dir, gfp_t gfp,
						    unsigned long attrs);
DMAMAP_API void dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt,
				       enum dma_data_direction dir);
DMAMAP_API void *dma_vmap_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt);
DMAMAP_API void dma_vunmap_noncontiguous(struct device *dev, void *vaddr);
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

/* Unmap state in a driver's own structure: always there, since unmap always needs it. */
#define DEFINE_DMA_UNMAP_ADDR(ADDR_NAME)	dma_addr_t ADDR_NAME
#define DEFINE_DMA_UNMAP_LEN(LEN_NAME)		u32 LEN_NAME
#define dma_unmap_addr(PTR, ADDR_NAME)		((PTR)->ADDR_NAME)
#define dma_unmap_addr_set(PTR, ADDR_NAME, VAL) (((PTR)->ADDR_NAME) = (VAL))
#define dma_unmap_len(PTR, LEN_NAME)		((PTR)->LEN_NAME)
#define dma_unmap_len_set(PTR, LEN_NAME, VAL)	(((PTR)->LEN_NAME) = (VAL))

/* Order of a driver's own accesses to memory shared with the device. */
#define dma_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define dma_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define dma_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)

DMAMAP_END

#endif
