/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory regions: a range of this process's memory that a device uses without anybody pinning it.
 * Functions that return a pointer give ERR_PTR(-errno) on failure, as Linux's do; dmamap_strerror()
 * says why.
 *
 *  call                               | may run at once with
 *  ib_umem_get, ib_umem_release       | everything but other calls on the same region; release
 *                                     | waits for device accesses that are being faulted in
 *  ib_alloc_ucontext                  | everything
 *  ib_dealloc_ucontext                | everything but calls on that context and its regions, and
 *                                     | the close of its device
 */
#ifndef RDMA_IB_UMEM_H
#define RDMA_IB_UMEM_H

#include <dmamap/types.h>
#include <linux/err.h>

DMAMAP_BEGIN

struct ib_umem;
struct ib_umem_odp;

/* Linux's numbers. */
enum ib_access_flags {
	IB_ACCESS_LOCAL_WRITE = 1,
	IB_ACCESS_REMOTE_WRITE = 1 << 1,
	IB_ACCESS_REMOTE_READ = 1 << 2,
	IB_ACCESS_REMOTE_ATOMIC = 1 << 3,
	IB_ACCESS_MW_BIND = 1 << 4,
	IB_ACCESS_ZERO_BASED = 1 << 5,
	IB_ACCESS_ON_DEMAND = 1 << 6,
	IB_ACCESS_HUGETLB = 1 << 7,
};

struct ib_ucontext {
	struct device *device;
	void (*invalidate_range)(struct ib_umem *umem, unsigned long start, unsigned long end);
};

struct ib_umem {
	struct ib_ucontext *context;
	size_t length;	       /* as asked for; of an implicit region the address space's */
	unsigned long address; /* of the first byte, aligned to nothing */
	int writable;	       /* the access flags allow the device to write */
	int page_size;
	struct ib_umem_odp *odp_data;
};

/* Where the first byte lies in its page. */
static inline int ib_umem_offset(struct ib_umem *umem)
{
	return (int)(umem->address & 4095ul);
}

/* The pages that the region lies in: [start, end). */
static inline unsigned long ib_umem_start(struct ib_umem *umem)
{
	return umem->address & ~4095ul;
}

static inline unsigned long ib_umem_end(struct ib_umem *umem)
{
	return (umem->address + umem->length + 4095ul) & ~4095ul;
}

static inline size_t ib_umem_num_pages(struct ib_umem *umem)
{
	return (ib_umem_end(umem) - ib_umem_start(umem)) >> 12;
}

/*
 * A context holds the regions of one user of a device. `invalidate_range` (NULL: none) hears which
 * pages of a region were taken away, in a thread of the library's, within a second; it may call
 * the functions of <rdma/ib_umem_odp.h>. -EINVAL: no device; -EOPNOTSUPP: the
 * system lets no process copy by process_vm_readv(), which devices behind the kernel's IOMMU do
 * without; -ENOMEM.
 *
 * Where userfaultfd is not to be had, the context works but hears of nothing by itself (the
 * sentence in dmamap_strerror() says so, ib_umem_events_enabled() is false): call
 * ib_umem_invalidate_range() before memory of a region goes.
 */
DMAMAP_API struct ib_ucontext *ib_alloc_ucontext(struct device *device,
						 void (*invalidate_range)(struct ib_umem *umem,
									  unsigned long start,
									  unsigned long end));

/*
 * Frees a context. Regions that are still there are taken from the device; each is freed by its
 * ib_umem_release(). The device may have been closed before: dmamap_close() does the same to the
 * regions, and leaves the context to be freed here, with `device` NULL.
 */
DMAMAP_API void ib_dealloc_ucontext(struct ib_ucontext *context);

/*
 * Registers [addr, addr + size). Nothing is pinned or touched; there may be holes. addr 0 with size
 * SIZE_MAX is the implicit region: the whole address space. -EINVAL: no context, or one whose
 * device is closed, size 0, a range
 * that wraps or leaves the address space; -EOPNOTSUPP: without IB_ACCESS_ON_DEMAND, since nothing
 * is ever pinned here, or an implicit region without an IOMMU; -ENOMEM: no memory, or no address
 * space below the device's mask.
 */
DMAMAP_API struct ib_umem *ib_umem_get(struct ib_ucontext *context, unsigned long addr, size_t size,
				       int access);

/* Takes the region from the device and frees it. NULL is fine. */
DMAMAP_API void ib_umem_release(struct ib_umem *umem);

DMAMAP_END

#endif
