/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening and closing devices, their registers and their interrupts. Linux has no counterpart:
 * there a driver receives its struct device from the kernel; here the program opens one.
 *
 * Context of every function, unless its comment says otherwise: any thread, several threads at
 * once on one device. No function is async-signal-safe. After fork the child owns no device.
 */
#ifndef DMAMAP_DEVICE_H
#define DMAMAP_DEVICE_H

#include <dmamap/types.h>

DMAMAP_BEGIN

/**
 * dmamap_open() - Open a device.
 * @spec: BACKEND[:TARGET][,key=value]…; dmamap(7) lists the back ends and the keys. "sim" is a bus
 *   master of the simulated machine without behaviour of its own; "sim:edu", "sim:nvme,image=FILE"
 *   and "sim:e1000e,…" are devices in software.
 * Return: the device, which dmamap_close() closes. NULL: failure, with errno:
 *   EINVAL  the spec has an unknown key, a bad value or a key twice (the error message names it)
 *   EBUSY   another size of RAM is in use, the name is in use, or the image is locked; a retry
 *           helps after the other user has closed its device
 *   ENOENT, EACCES …  the image cannot be opened
 *   ENOMEM, EMFILE    no memory or no descriptor is left; a retry helps after some were freed
 */
DMAMAP_API struct device *dmamap_open(const char *spec);

/**
 * dmamap_close() - Stop a device, report what is still mapped or allocated, and free everything.
 * @dev: the device, or NULL. With the checker on, live mappings and allocations are reported.
 * Context: no other thread may be in a call on the device.
 */
DMAMAP_API void dmamap_close(struct device *dev);

/**
 * dmamap_find() - Find an open device by its name.
 * @name: the name that dev_name() returns.
 * Return: the device. The caller does not own it: the thread that opened it may close it, and no
 *   thread may use it after that. NULL: no open device has the name, errno ENODEV.
 */
DMAMAP_API struct device *dmamap_find(const char *name);

/**
 * dmamap_strerror() - Return the error message of this thread's last failure: what was asked, of
 * which device, why it failed, and what to do.
 */
DMAMAP_API const char *dmamap_strerror(void);

/**
 * dev_name() - Return the device's name.
 * @dev: the device.
 * Return: the value of the key name=, or a name made from the spec. It is valid until
 *   dmamap_close().
 */
DMAMAP_API const char *dev_name(const struct device *dev);

/* The number in place of a BAR that selects the PCI configuration space. */
#define DMAMAP_CONFIG 7

/**
 * dmamap_readb() - Read a register of one byte.
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 *
 * This and the next seven functions access registers. A read of a register that does not exist
 * returns all ones, a write to it has no effect, and both set errno EINVAL and an error message. A
 * write reaches the device after all stores that this thread made before it.
 *
 * Simulated devices have registers of 4 and 8 bytes only. Hardware back ends provide the device's
 * PCI configuration space, read-only, as BAR DMAMAP_CONFIG. Registers of a device that has ended
 * (its machine died) read as all ones, with errno EIO.
 * Return: the value.
 */
DMAMAP_API u8 dmamap_readb(struct device *dev, int bar, u64 offset);
/** dmamap_readw() - Read a register of two bytes; see dmamap_readb(). */
DMAMAP_API u16 dmamap_readw(struct device *dev, int bar, u64 offset);
/** dmamap_readl() - Read a register of four bytes; see dmamap_readb(). */
DMAMAP_API u32 dmamap_readl(struct device *dev, int bar, u64 offset);
/** dmamap_readq() - Read a register of eight bytes; see dmamap_readb(). */
DMAMAP_API u64 dmamap_readq(struct device *dev, int bar, u64 offset);
/** dmamap_writeb() - Write @value to a register of one byte; see dmamap_readb(). */
DMAMAP_API void dmamap_writeb(struct device *dev, int bar, u64 offset, u8 value);
/** dmamap_writew() - Write @value to a register of two bytes; see dmamap_readb(). */
DMAMAP_API void dmamap_writew(struct device *dev, int bar, u64 offset, u16 value);
/** dmamap_writel() - Write @value to a register of four bytes; see dmamap_readb(). */
DMAMAP_API void dmamap_writel(struct device *dev, int bar, u64 offset, u32 value);
/** dmamap_writeq() - Write @value to a register of eight bytes; see dmamap_readb(). */
DMAMAP_API void dmamap_writeq(struct device *dev, int bar, u64 offset, u64 value);

/**
 * dmamap_irq_fd() - Return an eventfd that counts the interrupts of a vector.
 * @dev: the device. It owns the descriptor, so the caller must not close it.
 * @vector: the number of the vector, from 0 on.
 * Return: the descriptor. -EINVAL: the device has no such vector; a retry does not help. -EMFILE,
 *   -ENOMEM: a retry helps after descriptors or memory were freed.
 */
DMAMAP_API int dmamap_irq_fd(struct device *dev, unsigned int vector);

/** dmamap_set_drvdata() - Store one pointer for the driver in the device. */
DMAMAP_API void dmamap_set_drvdata(struct device *dev, void *data);
/** dmamap_get_drvdata() - Return the pointer of dmamap_set_drvdata(); NULL until it is set. */
DMAMAP_API void *dmamap_get_drvdata(const struct device *dev);

DMAMAP_END

#endif
