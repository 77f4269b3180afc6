/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to on-demand pages: memory that the process may unmap during the copy. A plain load or
 * store could then kill the process, so the kernel copies (process_vm_readv and process_vm_writev
 * of the process itself). These return -EFAULT instead and respect the memory's current protection.
 *
 * The translation of such a page has its permissions shifted by DEMAND_SHIFT. The permission test
 * of every access therefore refuses it, and only refused accesses check for on-demand pages. Other
 * accesses have no additional cost.
 */
#ifndef BUS_DEMAND_H
#define BUS_DEMAND_H

#include "domain/device.h"

#include <sys/uio.h>

#define DEMAND_SHIFT 4
#define DEMAND_BITS  ((PT_READ | PT_WRITE) << DEMAND_SHIFT)

/* Returns 0 if the on-demand page allows the access, otherwise the reason why it is refused. */
static inline int demand_refused(u64 value, bool write)
{
	if (value & (write ? PT_WRITE : PT_READ) << DEMAND_SHIFT)
		return 0;
	return write ? DMAMAP_FAULT_NO_WRITE : DMAMAP_FAULT_NO_READ;
}

/*
 * Copies `len` bytes between buf and the segments, all or nothing. Returns 0,
 * DMAMAP_FAULT_NOT_MAPPED (the process has not mapped the memory), DMAMAP_FAULT_NO_WRITE (the
 * memory is not writable) or -ENOMEM.
 */
int demand_copy(const struct iovec *iov, int n, u8 *buf, u64 len, bool write) __attribute__((cold));

/*
 * dmamap_bus_map() of on-demand pages returns a copy. dmamap_bus_unmap() writes it back by a bus
 * write, which uses the translations at that time.
 */
struct demand_copied {
	struct demand_copied *next;
	dma_addr_t addr;
	u64 len;
	u8 *bytes;
};

struct demand_copied *copied_make(const struct iovec *iov, int n, dma_addr_t addr, u64 len,
				  int *err);
/* The same of memory that another process has: device.client. A positive *err is a fault reason. */
struct demand_copied *copied_fetch(struct device *dev, dma_addr_t addr, u64 len, bool write,
				   int *err);
void copied_add(struct device *dev, struct demand_copied *s);
struct demand_copied *copied_take(struct device *dev,
				  const void *base); /* NULL: no copy begins there */
void copied_free(struct demand_copied *s);
void copied_drop_all(struct device *dev);

#endif
