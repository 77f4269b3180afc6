/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of the bus: the accesses of a bus master. Models use it on back end "sim". An
 * access passes the device's translation cache and page table. It obeys the mapping's direction
 * and the device's address lines. It is performed completely or not at all. A refused access is
 * recorded as a fault. No access of a device reaches memory that is not mapped for the device.
 *
 * An access to memory that is mapped for the device but has left the process (munmap, mprotect, a
 * truncated file) is refused as well, with DMAMAP_FAULT_GONE. If the memory leaves in the middle
 * of a copy, a part may have been copied. The library detects this by SIGSEGV and SIGBUS. A
 * program that installs handlers of its own after dmamap_open() must pass signals that are not its
 * own to the previous handlers, and must not block the two signals in threads that run models.
 *
 * Context of every function: any thread, at any time until dmamap_close(). An unmap under
 * policy=strict waits for accesses in progress and for segments held by dmamap_bus_map(), as an
 * IOMMU drains DMA.
 */
#ifndef DMAMAP_BUS_H
#define DMAMAP_BUS_H

#include <dmamap/types.h>
#include <sys/uio.h>

DMAMAP_BEGIN

/**
 * dmamap_bus_read() - Copy from device addresses into a buffer.
 * @dev: the device.
 * @addr: the first device address.
 * @buf: the buffer; it is unchanged on failure.
 * @len: the number of bytes; 0 succeeds.
 *
 * Aligned accesses of 4 and 8 bytes are single loads or stores. Larger accesses proceed in the
 * order of ascending addresses.
 * Return: 0. -EFAULT: the access was refused and recorded; a retry helps only after the memory is
 *   mapped. -ENOMEM: the range has very many pieces and no memory is left; a retry helps.
 *   -EOPNOTSUPP: the device is not simulated.
 */
DMAMAP_API int dmamap_bus_read(struct device *dev, dma_addr_t addr, void *buf, size_t len);

/**
 * dmamap_bus_write() - Copy a buffer to device addresses.
 * @dev: the device.
 * @addr: the first device address.
 * @buf: the buffer.
 * @len: the number of bytes; 0 succeeds.
 *
 * The memory is unchanged on failure. The order of the stores is that of dmamap_bus_read().
 * Return: as dmamap_bus_read().
 */
DMAMAP_API int dmamap_bus_write(struct device *dev, dma_addr_t addr, const void *buf, size_t len);

/**
 * dmamap_bus_map() - Obtain the memory behind a range of device addresses (a hold).
 * @dev: the device.
 * @addr: the first device address.
 * @len: the number of bytes.
 * @write: the model will store into the memory.
 * @iov: receives the segments.
 * @max: the capacity of @iov.
 *
 * This serves a model that moves data itself (pread into the segments). The model's accesses to
 * the segments bypass the bus: if the process has unmapped the memory, an access raises a signal,
 * and a system call on the memory fails with EFAULT. The segments are valid until
 * dmamap_bus_unmap(). The model must call it within a second, because an unmap by the driver waits
 * for it. A device that exceeds the second is declared stuck: all its later accesses fail.
 * Return: the number of segments. -EFAULT, -ENOMEM: as dmamap_bus_read(). -ENOSPC: the range needs
 *   more than @max segments; the model retries with a smaller @len.
 */
DMAMAP_API int dmamap_bus_map(struct device *dev, dma_addr_t addr, size_t len, bool write,
			      struct iovec *iov, int max);

/**
 * dmamap_bus_unmap() - Release a hold.
 * @dev: the device.
 * @iov: the array that dmamap_bus_map() filled, unchanged.
 * @n: the number of segments that it returned.
 * @written: the model stored into the segments.
 *
 * Call it once for each dmamap_bus_map(). Several holds may contain the same memory, for example
 * when a buffer is mapped twice; the address of the array then identifies the hold.
 */
DMAMAP_API void dmamap_bus_unmap(struct device *dev, struct iovec *iov, int n, bool written);

enum dmamap_fault_reason {
	DMAMAP_FAULT_NOT_MAPPED = 1, /* no translation, or no RAM at that address */
	DMAMAP_FAULT_NO_READ = 2,    /* the mapping is DMA_FROM_DEVICE */
	DMAMAP_FAULT_NO_WRITE = 3,   /* the mapping is DMA_TO_DEVICE */
	DMAMAP_FAULT_ADDRESS = 4,    /* exceeds the device's address lines, or wraps */
	DMAMAP_FAULT_STUCK = 5,	     /* the device was declared stuck */
	DMAMAP_FAULT_GONE = 6,	     /* the process has unmapped or protected the memory */
	DMAMAP_FAULT_NO_MASTER = 7,  /* the driver has switched bus mastering off */
};

struct dmamap_fault {
	dma_addr_t addr; /* of the access; of its page on a hardware back end */
	size_t len;	 /* 0: not known (hardware back end) */
	bool write;
	int reason;  /* enum dmamap_fault_reason */
	u64 when_ns; /* CLOCK_MONOTONIC */
};

/**
 * dmamap_bus_fault_next() - Remove the oldest recorded fault.
 * @dev: the device.
 * @f: receives the fault.
 * Return: 1, or 0 if no fault is recorded. Faults that exceed the capacity are only counted.
 */
DMAMAP_API int dmamap_bus_fault_next(struct device *dev, struct dmamap_fault *f);

/**
 * dmamap_bus_on_fault() - Set the function that resolves faults of a device.
 * @dev: the device.
 * @resolve: the resolver, or NULL. It returns 0 or -EAGAIN to retry the access; with any other
 *   value the access is refused.
 * @arg: the last argument of @resolve.
 *
 * The resolver is called before an access to a page that is not mapped, or not mapped for that
 * direction, is refused. It runs in the accessing thread, may sleep, and receives the whole
 * access. It is called again until the access is mapped, for at most ten seconds and a number of
 * calls that grows with the length of the access. If several threads access one page, one of them
 * calls the resolver and the others wait. Without a resolver, pages of regions of <rdma/ib_umem.h>
 * are faulted in automatically.
 * Context: waits for running calls of the resolver that it replaces.
 * Return: 0. -EINVAL: @dev is NULL.
 */
DMAMAP_API int dmamap_bus_on_fault(struct device *dev,
				   int (*resolve)(struct device *dev, dma_addr_t addr, size_t len,
						  bool write, void *arg),
				   void *arg);

DMAMAP_END

#endif
