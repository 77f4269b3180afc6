/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for "edu", the teaching device of QEMU (PCI 1234:11e8), written to its register
 * description (QEMU docs/specs/edu.rst): a liveness register, a factorial engine, and a DMA engine
 * between memory and a buffer of 4096 bytes inside the device, through 28 address lines.
 *
 * Calls may be made from any thread; the device has one set of registers, so they take turns. A
 * call that fails gives -errno (edu_probe: NULL and errno), and driver_strerror() the sentence.
 */
#ifndef DRIVERS_EDU_H
#define DRIVERS_EDU_H

#include <dmamap/types.h>

#define EDU_BUFFER_SIZE	 4096 /* bytes of memory inside the device */
#define EDU_ADDRESS_BITS 28

struct edu;

/*
 * Identifies the device and sets the masks. -ENODEV: it is no edu; -EIO: the platform cannot serve
 * 28 address bits; -ENOMEM.
 */
struct edu *edu_probe(struct device *dev);
void edu_remove(struct edu *edu); /* NULL is fine */

/* The identification register, of the form 0xRRrr00ed: major and minor version. */
u32 edu_identification(const struct edu *edu);

/* The device answers a value with its complement. 0, -EIO. */
int edu_check_alive(struct edu *edu, u32 value);

/* n! modulo 2^32, its end awaited by an interrupt or by polling. 0; -ETIMEDOUT; -EIO: the device is
 * gone. */
int edu_factorial(struct edu *edu, u32 n, bool by_interrupt, u32 *result);

/*
 * DMA between the memory at `addr` (a mapping or coherent memory of this device) and the device's
 * buffer at `offset`; returns when the device's interrupt says that it is done. -EINVAL: it does
 * not fit in the buffer; -ETIMEDOUT: no interrupt came; -EIO: the device is gone. QEMU's up to
 * version 8 ends QEMU over a transfer that has the buffer's last byte in it.
 */
int edu_dma_to_device(struct edu *edu, dma_addr_t addr, u32 offset, u32 size);
int edu_dma_from_device(struct edu *edu, dma_addr_t addr, u32 offset, u32 size);

/* The same for a buffer of any memory, mapped for the length of the call. Also -ENOMEM. */
int edu_write(struct edu *edu, const void *buf, u32 offset, u32 size);
int edu_read(struct edu *edu, void *buf, u32 offset, u32 size);

#endif
