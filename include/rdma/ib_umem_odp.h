/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On-demand paging of regions: pages are mapped when the device accesses them and unmapped when
 * they are unmapped from the process. A device's access to a page that is not mapped faults it in
 * automatically, unless the program has its own resolver (dmamap_bus_on_fault() in
 * <dmamap/bus.h>), which calls the functions here.
 *
 * The library receives an event for munmap, madvise, mremap, mmap over existing pages and fork from
 * userfaultfd. On the simulated bus an access uses this process's own page tables, so it cannot
 * reach old memory after the system call has returned, and it obeys a later mprotect. Where the
 * device has its own view of memory (coherent=0, QEMU's, or iommu=0 with memory outside RAM) each
 * page has a copy. What the device wrote is copied to the memory at its present address when the
 * page is unmapped, but not to memory that the process unmapped or discarded, nor to other memory
 * that replaced it. A device that is not simulated does not wait for a page fault: map its pages
 * before it uses them.
 *
 * Context of every function: any thread, several threads at once on one region.
 */
#ifndef RDMA_IB_UMEM_ODP_H
#define RDMA_IB_UMEM_ODP_H

#include <rdma/ib_umem.h>

DMAMAP_BEGIN

#define ODP_READ_ALLOWED_BIT  1ull
#define ODP_WRITE_ALLOWED_BIT 2ull

/**
 * ib_umem_odp_get() - Set up paging of a region; ib_umem_get() calls it.
 * @context: the context.
 * @umem: the region.
 * Return: as ib_umem_get().
 */
DMAMAP_API int ib_umem_odp_get(struct ib_ucontext *context, struct ib_umem *umem);

/**
 * ib_umem_odp_release() - Undo ib_umem_odp_get(); ib_umem_release() calls it.
 * @umem: the region.
 */
DMAMAP_API void ib_umem_odp_release(struct ib_umem *umem);

/**
 * ib_umem_odp_map_dma_pages() - Fault in and map the pages of a range.
 * @umem: the region.
 * @user_virt: the first byte.
 * @bcnt: the number of bytes.
 * @access_mask: ODP_*_ALLOWED_BIT. A page that is mapped for less is mapped for both.
 * @current_seq: the earlier result of ib_umem_notifiers_seq().
 * Return: the number of pages, from the first on, that are mapped now. If no page is mapped:
 *   -EINVAL: @access_mask is empty or has other bits. -EFAULT: the range is outside of the region
 *   or begins with a hole, or the memory or the region does not permit the access. -EAGAIN: pages
 *   were invalidated since @current_seq, or an event that invalidates some is pending; read the
 *   sequence again and retry. -ENOMEM: a retry helps after memory was freed.
 */
DMAMAP_API int ib_umem_odp_map_dma_pages(struct ib_umem *umem, u64 user_virt, u64 bcnt,
					 u64 access_mask, unsigned long current_seq);

/**
 * ib_umem_odp_unmap_dma_pages() - Unmap the pages of [virt, bound).
 * @umem: the region.
 * @virt: the first byte.
 * @bound: the byte after the last.
 *
 * No access by the device reaches the pages after this call has returned.
 */
DMAMAP_API void ib_umem_odp_unmap_dma_pages(struct ib_umem *umem, u64 virt, u64 bound);

/**
 * ib_umem_mmu_notifier_retry() - Test whether pages were invalidated since an invalidation
 * sequence was read.
 * @umem: the region.
 * @current_seq: the earlier result of ib_umem_notifiers_seq().
 * Return: 1: pages of the region were invalidated since then, are being invalidated, or an event
 *   that invalidates some is pending. 0: none of these; pages that were faulted in since then may
 *   be used.
 */
DMAMAP_API int ib_umem_mmu_notifier_retry(struct ib_umem *umem, unsigned long current_seq);

/**
 * ib_umem_notifiers_seq() - Return the invalidation sequence of a region.
 * @umem: the region.
 * Return: the sequence, for ib_umem_odp_map_dma_pages() and ib_umem_mmu_notifier_retry().
 */
DMAMAP_API unsigned long ib_umem_notifiers_seq(struct ib_umem *umem);

/**
 * ib_umem_start_dma_addr() - Return the device address of the region's first byte, mapped or not.
 * @umem: the region.
 * Return: the address. Without an IOMMU it is DMA_MAPPING_ERROR, because each page has an address
 *   of its own while it is mapped.
 */
DMAMAP_API dma_addr_t ib_umem_start_dma_addr(struct ib_umem *umem);

/**
 * ib_umem_dma_address() - Return the device address of a byte of a region.
 * @umem: the region.
 * @user_virt: the address of the byte in the process.
 * Return: the device address. DMA_MAPPING_ERROR: the page is not mapped.
 */
DMAMAP_API dma_addr_t ib_umem_dma_address(struct ib_umem *umem, u64 user_virt);

/* The values are Linux's. */
enum ib_uverbs_advise_mr_advice {
	IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH,
	IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE,
	IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, /* maps only the pages that are present in the
							 process */
};

/**
 * ib_umem_advise() - Prefetch pages of a region.
 * @umem: the region.
 * @advice: an IB_UVERBS_ADVISE_MR_ADVICE_* value.
 * @user_virt: the first byte.
 * @bcnt: the number of bytes.
 * Return: 0. -EINVAL: no such advice. -EFAULT: the range is outside of the region or has a hole
 *   (the pages before the hole are mapped). -EPERM: prefetch for writing of a region that the
 *   device may only read. -ENOMEM: a retry helps.
 */
DMAMAP_API int ib_umem_advise(struct ib_umem *umem, int advice, u64 user_virt, u64 bcnt);

/**
 * ib_umem_invalidate_range() - Invalidate a range before its memory is unmapped.
 * @context: the context.
 * @start: the first byte.
 * @end: the byte after the last.
 *
 * This does what an invalidation event causes: it unmaps the range from every region of the
 * context, waits for accesses in progress, and calls invalidate_range.
 * Return: 0. -EINVAL: no context, or @start is not below @end.
 */
DMAMAP_API int ib_umem_invalidate_range(struct ib_ucontext *context, u64 start, u64 end);

/**
 * ib_umem_events_enabled() - Test whether the process receives invalidation events.
 * @context: the context.
 * Return: true. False: userfaultfd is not available (missing privilege, or a seccomp profile);
 *   call ib_umem_invalidate_range() then.
 */
DMAMAP_API bool ib_umem_events_enabled(const struct ib_ucontext *context);

typedef int (*umem_call_back)(struct ib_umem *umem, u64 start, u64 end, void *arg);

/**
 * rbt_ib_umem_for_each_in_range() - Call a function for each region that overlaps [start, end).
 * @context: the context.
 * @start: the first byte.
 * @end: the byte after the last.
 * @cb: called as cb(region, start, end, arg), in the order of the regions' first bytes.
 * @arg: the last argument of @cb.
 * Return: the first result of @cb that is not 0, which stops the iteration; otherwise 0.
 */
DMAMAP_API int rbt_ib_umem_for_each_in_range(struct ib_ucontext *context, u64 start, u64 end,
					     umem_call_back cb, void *arg);

DMAMAP_END

#endif
