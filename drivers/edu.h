/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for "edu", the teaching device of QEMU (PCI 1234:11e8), written to its register
 * description (QEMU docs/specs/edu.rst): a liveness register, a factorial engine, and a DMA engine
 * between memory and a buffer of 4096 bytes in the device, with 28 address bits.
 *
 * Functions may be called from any thread; the device has one set of registers, so a lock
 * serializes the calls. A function that fails returns -errno (edu_probe: NULL and errno);
 * driver_strerror() then returns the error message.
 */
#ifndef DRIVERS_EDU_H
#define DRIVERS_EDU_H

#include <dmamap/types.h>

#define EDU_BUFFER_SIZE	 4096 /* bytes of memory in the device */
#define EDU_ADDRESS_BITS 28

struct edu;

/*
 * Identifies the device and sets the masks. NULL and errno: ENODEV: it is not edu; EIO: the
 * platform does not support 28 address bits; ENOMEM.
 */
struct edu *edu_probe(struct device *dev);
void edu_remove(struct edu *edu); /* NULL is allowed */

/* The identification register, of the form 0xRRrr00ed: major and minor version. */
u32 edu_identification(const struct edu *edu);

/* Checks that the device returns the complement of a value. 0, -EIO. */
int edu_check_alive(struct edu *edu, u32 value);

/*
 * Computes n! modulo 2^32 and waits for the end by interrupt or by polling. 0; -ETIMEDOUT; -EIO:
 * the device is gone.
 */
int edu_factorial(struct edu *edu, u32 n, bool by_interrupt, u32 *result);

/*
 * Transfers between the memory at `addr` (a mapping or coherent memory of this device) and the
 * device's buffer at `offset`, and waits for the device's interrupt. -EINVAL: the range is not in
 * the buffer; -ETIMEDOUT: there was no interrupt; -EIO: the device is gone. QEMU up to version 8
 * terminates on a transfer that includes the buffer's last byte.
 */
int edu_dma_to_device(struct edu *edu, dma_addr_t addr, u32 offset, u32 size);
int edu_dma_from_device(struct edu *edu, dma_addr_t addr, u32 offset, u32 size);

/*
 * The same for a buffer in any memory, which is mapped for the duration of the call. Also -ENOMEM.
 */
int edu_write(struct edu *edu, const void *buf, u32 offset, u32 size);
int edu_read(struct edu *edu, void *buf, u32 offset, u32 size);

#endif
