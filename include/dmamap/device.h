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
 * Reading what is not there gives all ones, writing it does nothing, and both leave an error
 * message (errno EINVAL). A write is seen by the device after all that this thread stored before
 * it. Unless the device was opened with writes=sync a write is posted: it may reach the device
 * after the call returned, but before any later access of this thread.
 *
 * Simulated devices have registers of 4 and 8 bytes only. A device that has ended (its machine
 * died) reads as all ones, with errno EIO.
 *
 * DMAMAP_CONFIG in place of a BAR is the PCI configuration space, of every device but "sim" itself,
 * in accesses of 1, 2, 4 and 8 bytes; dmamap(7) lists the bits that a write may change. All other
 * bits keep their value: a write that would change one of them leaves an error message (errno
 * EPERM), and what it may change is changed. A write is complete when the call returns.
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

/* What dmamap_bar() tells in dmamap_bar_info.flags. */
#define DMAMAP_BAR_IO 0x1u /* I/O ports; otherwise memory */
#define DMAMAP_BAR_64BIT                                                                           \
	0x2u /* its address has 64 bits, so that the next BAR's number is unused                   \
	      */
#define DMAMAP_BAR_PREFETCH 0x4u /* reads have no side effect */

struct dmamap_bar_info {
	u64 addr;  /* on the device's bus */
	u64 size;  /* bytes, a power of two */
	u32 flags; /* DMAMAP_BAR_* */
};

/**
 * dmamap_bar() - describe one base address register of a device
 * @dev: the device
 * @bar: its number, 0 to 5
 * @info: receives the description; not written on failure
 *
 * Context: any thread.
 * Return: 0; -EINVAL: no device, no @info, or no such number; -ENOENT: the device has no BAR of
 * this number (or it is the upper half of a 64-bit one). A retry does not help.
 */
DMAMAP_API int dmamap_bar(struct device *dev, int bar, struct dmamap_bar_info *info);

/*
 * An eventfd that counts the interrupts of one vector; the device owns it (do not close it). It is
 * the same descriptor from open to close. -EINVAL: the device has no such vector now.
 */
DMAMAP_API int dmamap_irq_fd(struct device *dev, unsigned int vector);

enum dmamap_irq_kind {
	DMAMAP_IRQ_INTX = 1, /* the function's interrupt line, a level */
	DMAMAP_IRQ_MSI = 2,
	DMAMAP_IRQ_MSIX = 3,
};

/**
 * dmamap_irq_setup() - choose the kind and the number of a device's interrupts
 * @dev: the device
 * @kind: DMAMAP_IRQ_*
 * @vectors: how many are wanted, at least 1
 *
 * A device is opened with the best kind that it has, MSI-X, MSI or its line, and all of its
 * vectors. This call may be made again at any time, also by a driver that was bound after another
 * one. The counters of dmamap_irq_fd() begin at 0; an interrupt that was on its way may still be
 * counted.
 *
 * Context: any thread; calls on one device follow one another.
 * Return: the number of vectors obtained, from 1 to @vectors; -EINVAL: no device, no such kind, or
 * no vectors; -EOPNOTSUPP: the device has no interrupts of this kind; -ENODEV, -EIO: the device is
 * gone; -ENOMEM, -ENOSPC: the system has none left. After an error the former arrangement stays,
 * except that a device that is gone has none.
 */
DMAMAP_API int dmamap_irq_setup(struct device *dev, enum dmamap_irq_kind kind,
				unsigned int vectors);

/**
 * dmamap_irq_eoi() - end of interrupt: the handler of a vector has run
 * @dev: the device
 * @vector: the vector
 *
 * An interrupt line is a level. It signals its eventfd once when it rises, and again after each
 * call of this function as long as it is asserted. A program that never makes this call gets the
 * signal again after a register access instead. Messages (MSI, MSI-X) need no call, and it does
 * nothing for them.
 *
 * Context: any thread, after the handler's register accesses; waits for posted writes of this
 * device. Return: 0; -EINVAL: the device has no such vector now.
 */
DMAMAP_API int dmamap_irq_eoi(struct device *dev, unsigned int vector);

/* One pointer of the driver's. NULL until set. */
DMAMAP_API void dmamap_set_drvdata(struct device *dev, void *data);
DMAMAP_API void *dmamap_get_drvdata(const struct device *dev);

DMAMAP_END

#endif
