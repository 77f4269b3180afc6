/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to on-demand pages: memory that may leave the process while the device copies. A plain
 * load or store of it could kill the process, so the kernel copies (process_vm_readv and _writev on
 * ourselves), which says -EFAULT instead and obeys the memory's protection at that moment.
 *
 * The translation of such a page carries its permissions shifted by DEMAND_SHIFT: the test that
 * every access makes refuses it, and only what was refused looks here. So other accesses pay
 * nothing.
 */
#ifndef BUS_DEMAND_H
#define BUS_DEMAND_H

#include "domain/device.h"

#include <sys/uio.h>

#define DEMAND_SHIFT 4
#define DEMAND_BITS  ((PT_READ | PT_WRITE) << DEMAND_SHIFT)

/* 0: an on-demand page that allows it; else why it refuses. */
static inline int demand_refused(u64 value, bool write)
{
	if (value & (write ? PT_WRITE : PT_READ) << DEMAND_SHIFT)
		return 0;
	return write ? DMAMAP_FAULT_NO_WRITE : DMAMAP_FAULT_NO_READ;
}

/*
 * Copies `len` bytes between buf and the segments, all or nothing. 0; DMAMAP_FAULT_NOT_MAPPED or
 * _NO_WRITE: the process does not have that memory, or not for writing; -ENOMEM.
 */
int demand_copy(const struct iovec *iov, int n, u8 *buf, u64 len, bool write) __attribute__((cold));

/*
 * dmamap_bus_map() of on-demand pages gives a copy, which dmamap_bus_unmap() writes back by a bus
 * write, through the translations of that time.
 */
struct copied {
	struct copied *next;
	dma_addr_t addr;
	u64 len;
	u8 *bytes;
};

struct copied *copied_make(const struct iovec *iov, int n, dma_addr_t addr, u64 len, int *err);
void copied_add(struct device *dev, struct copied *s);
struct copied *copied_take(struct device *dev, const void *base); /* NULL: none begins there */
void copied_free(struct copied *s);
void copied_drop_all(struct device *dev);

#endif
