/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side: what a bus master does. For models, on back end "sim". An access goes through
 * the device's translation cache and page table, honours the mapping's direction and the device's
 * address lines, and happens whole or not at all. A refused one is recorded as a fault. Nothing a
 * device does reaches memory that is not mapped for it.
 *
 * Memory of the process that is mapped for the device and then leaves the process (munmap,
 * mprotect, a file cut short) is refused as well, DMAMAP_FAULT_GONE. Where it leaves in the middle
 * of a copy, a part may have been copied. SIGSEGV and SIGBUS are how this is found out: a program
 * that puts handlers of its own in place after dmamap_open() passes on what is not its own to the
 * handlers that were there, and does not block the two signals in threads that play devices.
 *
 * Any thread may access at any time until dmamap_close(). An unmap under policy=strict waits for
 * accesses under way and for segments held by dmamap_bus_map(), as an IOMMU drains DMA.
 */
#ifndef DMAMAP_BUS_H
#define DMAMAP_BUS_H

#include <dmamap/types.h>
#include <sys/uio.h>

DMAMAP_BEGIN

/*
 * Copies `len` bytes from or to the device address `addr`. 0; -EFAULT: refused and recorded, buf
 * and memory untouched; -ENOMEM: a range of very many pieces and no memory; -EOPNOTSUPP: the
 * device is not simulated. len 0 is 0. Aligned 4- and 8-byte accesses are single stores or loads;
 * larger ones go up in address.
 */
DMAMAP_API int dmamap_bus_read(struct device *dev, dma_addr_t addr, void *buf, size_t len);
DMAMAP_API int dmamap_bus_write(struct device *dev, dma_addr_t addr, const void *buf, size_t len);

/*
 * Gives the memory behind a range as at most `max` segments, for a model that moves data itself
 * (pread into it). What the model does with them are its own accesses: when the process has
 * unmapped that memory, they end it by a signal, and a system call fails with EFAULT. Returns how
 * many; -EFAULT, -ENOMEM as above; -ENOSPC: it needs more than `max`, which the model answers by
 * asking for less. The segments stay valid until dmamap_bus_unmap(), which must come within a
 * second: an unmap by the driver waits for it, and a device that holds on longer is declared stuck,
 * all its later accesses fail.
 */
DMAMAP_API int dmamap_bus_map(struct device *dev, dma_addr_t addr, size_t len, bool write,
			      struct iovec *iov, int max);

/*
 * Ends the hold of one dmamap_bus_map(): call it once for each, with the segments as they were
 * returned and in the array that received them. Several holds may lead to the same memory, for
 * example when a buffer is mapped twice; the array's address then identifies the one that ends.
 * `written`: the model stored into the segments.
 */
DMAMAP_API void dmamap_bus_unmap(struct device *dev, struct iovec *iov, int n, bool written);

enum dmamap_fault_reason {
	DMAMAP_FAULT_NOT_MAPPED = 1, /* no translation, or no RAM at that address */
	DMAMAP_FAULT_NO_READ = 2,    /* the mapping is DMA_FROM_DEVICE */
	DMAMAP_FAULT_NO_WRITE = 3,   /* the mapping is DMA_TO_DEVICE */
	DMAMAP_FAULT_ADDRESS = 4,    /* beyond the device's address lines, or it wraps */
	DMAMAP_FAULT_STUCK = 5,	     /* the device was declared stuck */
	DMAMAP_FAULT_GONE = 6,	     /* the process has unmapped or protected the memory */
	DMAMAP_FAULT_NO_MASTER = 7,  /* the driver has switched bus mastering off */
};

struct dmamap_fault {
	dma_addr_t addr; /* of the access; of its page where the device is not simulated */
	size_t len;	 /* 0: not known (the device is not simulated) */
	bool write;
	int reason;  /* enum dmamap_fault_reason */
	u64 when_ns; /* CLOCK_MONOTONIC */
};

/* Takes the oldest recorded fault: 1, or 0 when there is none. Later ones than fit are counted. */
DMAMAP_API int dmamap_bus_fault_next(struct device *dev, struct dmamap_fault *f);

/*
 * Who is asked before an access to a page that is not mapped, or not for that direction, is
 * refused. `resolve` runs in the accessing thread, may sleep, and is told the whole access; 0 (or
 * -EAGAIN): try the access again, else it is refused. It is asked again until the access maps, up
 * to ten seconds and a number of times that grows with the access. Of several threads at one page
 * one asks, the others wait for it. Without a resolver (NULL) regions of <rdma/ib_umem.h> page in
 * by themselves. Waits for calls of the resolver that it replaces. 0; -EINVAL: no device.
 */
DMAMAP_API int dmamap_bus_on_fault(struct device *dev,
				   int (*resolve)(struct device *dev, dma_addr_t addr, size_t len,
						  bool write, void *arg),
				   void *arg);

DMAMAP_END

#endif
