/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening devices, their registers and interrupts. This is what Linux has no word for: there a
 * driver is handed its struct device, here the program opens one.
 *
 * Any call may be made from any thread at once on one device; none is async-signal-safe. After
 * fork the child owns no device.
 */
#ifndef DMAMAP_DEVICE_H
#define DMAMAP_DEVICE_H

#include <dmamap/types.h>

DMAMAP_BEGIN

/*
 * Opens a device by its spec, BACKEND[:TARGET][,key=value]…; dmamap(7) lists back ends and keys.
 * "sim" is a bus master of the simulated machine with no behaviour of its own; "sim:edu",
 * "sim:nvme,image=FILE", "sim:e1000e,…" are devices in software. NULL and errno:
 *   EINVAL  the spec has an unknown key, a bad value or a key twice (dmamap_strerror() names it)
 *   EBUSY   another size of RAM is in use now, the name is taken, or the image is locked
 *   ENOENT, EACCES … the image cannot be opened
 *   ENOMEM, EMFILE   no memory, no descriptor
 */
DMAMAP_API struct device *dmamap_open(const char *spec);

/*
 * Stops the device, tells of what is still mapped or allocated (checker), and frees everything.
 * No other thread may be in a call on the device. NULL is fine.
 */
DMAMAP_API void dmamap_close(struct device *dev);

/*
 * The open device of that name (dev_name()); NULL, errno ENODEV. It stays the opener's, who may
 * close it: nobody may use it then.
 */
DMAMAP_API struct device *dmamap_find(const char *name);

/* This thread's last failure in words: what was asked, of which device, why not, what to do. */
DMAMAP_API const char *dmamap_strerror(void);

/* The device's name: the key name=, else made of the spec. Valid until dmamap_close(). */
DMAMAP_API const char *dev_name(const struct device *dev);

/*
 * Registers. `bar` and `offset` choose one; it must be aligned to its size and inside the BAR.
 * Reading what is not there gives all ones, writing it does nothing, and both leave a sentence
 * (errno EINVAL). A write is seen by the device after all that this thread stored before it.
 *
 * Simulated devices have registers of 4 and 8 bytes only. Devices that are not simulated have their
 * PCI configuration space, for reading, where a BAR is named: DMAMAP_CONFIG. One that has ended
 * (its machine died) reads as all ones, with errno EIO.
 */
#define DMAMAP_CONFIG 7
DMAMAP_API u8 dmamap_readb(struct device *dev, int bar, u64 offset);
DMAMAP_API u16 dmamap_readw(struct device *dev, int bar, u64 offset);
DMAMAP_API u32 dmamap_readl(struct device *dev, int bar, u64 offset);
DMAMAP_API u64 dmamap_readq(struct device *dev, int bar, u64 offset);
DMAMAP_API void dmamap_writeb(struct device *dev, int bar, u64 offset, u8 value);
DMAMAP_API void dmamap_writew(struct device *dev, int bar, u64 offset, u16 value);
DMAMAP_API void dmamap_writel(struct device *dev, int bar, u64 offset, u32 value);
DMAMAP_API void dmamap_writeq(struct device *dev, int bar, u64 offset, u64 value);

/*
 * An eventfd that counts the interrupts of one vector; the device owns it (do not close it).
 * -EINVAL: the device has no such vector; -EMFILE, -ENOMEM.
 */
DMAMAP_API int dmamap_irq_fd(struct device *dev, unsigned int vector);

/* One pointer of the driver's. NULL until set. */
DMAMAP_API void dmamap_set_drvdata(struct device *dev, void *data);
DMAMAP_API void *dmamap_get_drvdata(const struct device *dev);

DMAMAP_END

#endif
