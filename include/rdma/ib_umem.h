/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory regions: ranges of this process's memory that a device uses without pinning. A function
 * that returns a pointer returns ERR_PTR(-errno) on failure, as Linux's do; dmamap_strerror()
 * returns the error message. The names are those of Linux's RDMA subsystem.
 *
 * Context:
 *
 *  function                           | may run at once with
 *  ib_umem_get, ib_umem_release       | everything except calls on the same region; release waits
 *                                     | for device accesses that are being faulted in
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

/* The values are Linux's. */
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
	size_t length;	       /* as registered; for an implicit region that of the address space */
	unsigned long address; /* of the first byte; it need not be aligned */
	int writable;	       /* the access flags allow the device to write */
	int page_size;
	struct ib_umem_odp *odp_data;
};

/**
 * ib_umem_offset() - Return the offset of the region's first byte in its page.
 * @umem: the region.
 * Return: the offset, 0 to 4095.
 */
static inline int ib_umem_offset(struct ib_umem *umem)
{
	return (int)(umem->address & 4095ul);
}

/**
 * ib_umem_start() - Return the address of the region's first page.
 * @umem: the region.
 * Return: the address.
 */
static inline unsigned long ib_umem_start(struct ib_umem *umem)
{
	return umem->address & ~4095ul;
}

/**
 * ib_umem_end() - Return the address after the region's last page.
 * @umem: the region.
 * Return: the address.
 */
static inline unsigned long ib_umem_end(struct ib_umem *umem)
{
	return (umem->address + umem->length + 4095ul) & ~4095ul;
}

/**
 * ib_umem_num_pages() - Return the number of pages of a region.
 * @umem: the region.
 * Return: the number of pages from ib_umem_start() to ib_umem_end().
 */
static inline size_t ib_umem_num_pages(struct ib_umem *umem)
{
	return (ib_umem_end(umem) - ib_umem_start(umem)) >> 12;
}

/**
 * ib_alloc_ucontext() - Create a context, which contains the regions of one user of a device.
 * @device: the device.
 * @invalidate_range: called, within a second, with the pages of a region that were unmapped from
 *   the process; it runs in a thread of the library and may call the functions of
 *   <rdma/ib_umem_odp.h>. NULL: none.
 *
 * Where userfaultfd is not available, the context works but receives no invalidation events (the
 * error message says so, and ib_umem_events_enabled() is false). Then call
 * ib_umem_invalidate_range() before memory of a region is unmapped.
 * Return: the context. -EINVAL: @device is NULL. -EOPNOTSUPP: the system does not permit
 *   process_vm_readv(), which devices behind the kernel's IOMMU do not need. -ENOMEM: a retry
 *   helps.
 */
DMAMAP_API struct ib_ucontext *ib_alloc_ucontext(struct device *device,
						 void (*invalidate_range)(struct ib_umem *umem,
									  unsigned long start,
									  unsigned long end));

/**
 * ib_dealloc_ucontext() - Free a context.
 * @context: the context.
 *
 * Regions that still exist are unmapped from the device; ib_umem_release() frees each of them.
 * The device may have been closed before: dmamap_close() unmaps the regions in the same way and
 * sets the field `device` to NULL, and this function then frees the context.
 * Context: no other thread may be in a call on the context or its regions.
 */
DMAMAP_API void ib_dealloc_ucontext(struct ib_ucontext *context);

/**
 * ib_umem_get() - Register a memory region.
 * @context: the context.
 * @addr: the first byte. With @size SIZE_MAX, @addr must be 0; this is the implicit region, which
 *   covers the whole address space.
 * @size: the number of bytes.
 * @access: IB_ACCESS_* flags, with IB_ACCESS_ON_DEMAND.
 *
 * No memory is pinned or accessed. The range may contain holes.
 * Return: the region. -EINVAL: no context, the device of the context is closed, @size is 0, or
 *   the range wraps or leaves the address space. -EOPNOTSUPP: @access lacks IB_ACCESS_ON_DEMAND
 *   (memory is never pinned), or the region is implicit and the device has no IOMMU. -ENOMEM: no
 *   memory is left, or no address space below the device's mask; a retry helps after other
 *   regions were released.
 */
DMAMAP_API struct ib_umem *ib_umem_get(struct ib_ucontext *context, unsigned long addr, size_t size,
				       int access);

/**
 * ib_umem_release() - Unmap a region from the device and free it.
 * @umem: the region, or NULL.
 * Context: waits for device accesses whose pages are being faulted in.
 */
DMAMAP_API void ib_umem_release(struct ib_umem *umem);

DMAMAP_END

#endif
