/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On-demand paging of regions: pages are mapped when the device touches them and unmapped when the
 * process loses them. A device's access to a page that is not mapped faults it in by itself, unless
 * the program has its own resolver (dmamap_bus_on_fault() in <dmamap/bus.h>), which calls the
 * functions here.
 *
 * The library receives an event for munmap, madvise, mremap, mmap over the top and fork from
 * userfaultfd. On the simulated bus an access goes through this process's own page tables, so it
 * sees no old memory once the system call has returned, and it obeys a later mprotect. Where the
 * device has a view of its own (coherent=0, QEMU's, or iommu=0 with memory outside RAM) each page
 * has a copy; what the device wrote goes back when the page is unmapped, to where the memory is
 * then. Memory that the process unmapped or discarded gets nothing back, and neither does other
 * memory that came to its place. A device that is not simulated does not wait for a page fault:
 * map its pages before it uses them.
 *
 * Every call may be made from any thread, also at once on one region.
 */
#ifndef RDMA_IB_UMEM_ODP_H
#define RDMA_IB_UMEM_ODP_H

#include <rdma/ib_umem.h>

DMAMAP_BEGIN

#define ODP_READ_ALLOWED_BIT  1ull
#define ODP_WRITE_ALLOWED_BIT 2ull

/* Called by ib_umem_get() and ib_umem_release(). 0; -errno as of ib_umem_get(). */
DMAMAP_API int ib_umem_odp_get(struct ib_ucontext *context, struct ib_umem *umem);
DMAMAP_API void ib_umem_odp_release(struct ib_umem *umem);

/*
 * Brings in and maps the pages of [user_virt, user_virt + bcnt) for the accesses in `access_mask`;
 * a page that is mapped for less is mapped for both. `current_seq` is what ib_umem_notifiers_seq()
 * said before. Returns how many pages, from the first on, are mapped now. When there is none:
 *   -EINVAL  the mask is empty or has other bits
 *   -EFAULT  outside of the region, a hole, or the memory or the region does not allow it
 *   -EAGAIN  pages were invalidated since `current_seq`, or are about to be: read it again and
 *            call again
 *   -ENOMEM
 */
DMAMAP_API int ib_umem_odp_map_dma_pages(struct ib_umem *umem, u64 user_virt, u64 bcnt,
					 u64 access_mask, unsigned long current_seq);

/* Unmaps the pages of [virt, bound). Once it returns no access by the device reaches them. */
DMAMAP_API void ib_umem_odp_unmap_dma_pages(struct ib_umem *umem, u64 virt, u64 bound);

/* 1: pages are being invalidated, are about to be, or were since `current_seq`. */
DMAMAP_API int ib_umem_mmu_notifier_retry(struct ib_umem *umem, unsigned long current_seq);
DMAMAP_API unsigned long ib_umem_notifiers_seq(struct ib_umem *umem);

/*
 * The region's first byte for the device, mapped or not (DMA_MAPPING_ERROR without an IOMMU, where
 * each page has an address of its own while it is mapped); and that of a mapped byte, else
 * DMA_MAPPING_ERROR.
 */
DMAMAP_API dma_addr_t ib_umem_start_dma_addr(struct ib_umem *umem);
DMAMAP_API dma_addr_t ib_umem_dma_address(struct ib_umem *umem, u64 user_virt);

/* Linux's numbers. */
enum ib_uverbs_advise_mr_advice {
	IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH,
	IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE,
	IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, /* maps what the process has in memory */
};

/*
 * Prefetches. 0; -EINVAL: no such advice; -EFAULT: outside, or it met a hole (what lies before is
 * mapped); -EPERM: for writing, of a region that the device may only read; -ENOMEM.
 */
DMAMAP_API int ib_umem_advise(struct ib_umem *umem, int advice, u64 user_virt, u64 bcnt);

/*
 * What the monitor does by itself, explicitly and before the memory goes: unmaps [start, end) from
 * every region of the context, waits for accesses under way, and calls invalidate_range. 0;
 * -EINVAL: no context or start is not below end.
 */
DMAMAP_API int ib_umem_invalidate_range(struct ib_ucontext *context, u64 start, u64 end);

/* False: this process receives no events (no privilege for userfaultfd, or a seccomp profile). */
DMAMAP_API bool ib_umem_events_enabled(const struct ib_ucontext *context);

typedef int (*umem_call_back)(struct ib_umem *umem, u64 start, u64 end, void *arg);

/*
 * Calls cb(region, start, end, arg) for each region of the context that overlaps [start, end), by
 * their start. Stops at the first that returns not 0, and returns that; else 0.
 */
DMAMAP_API int rbt_ib_umem_for_each_in_range(struct ib_ucontext *context, u64 start, u64 end,
					     umem_call_back cb, void *arg);

DMAMAP_END

#endif
