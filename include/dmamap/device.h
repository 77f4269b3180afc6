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
 * dmamap_strerror() - Return the error message of this thread's last failure.
 *
 * The message says what was asked, of which device, why it failed, and what to do.
 * Return: the text, never NULL. It is valid until the next failure in this thread.
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
 * A model states which access sizes a region accepts; the library's own models accept 4 and 8.
 * Registers of a device that is being reset read as all ones, and writes to them have no effect.
 * Registers of a device that has ended (its machine or its server is gone) read as all ones, with
 * errno EIO.
 * Return: the value.
 */
DMAMAP_API u8 dmamap_readb(struct device *dev, int bar, u64 offset);

/**
 * dmamap_readw() - Read a register of two bytes; see dmamap_readb().
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 * Return: the value.
 */
DMAMAP_API u16 dmamap_readw(struct device *dev, int bar, u64 offset);

/**
 * dmamap_readl() - Read a register of four bytes; see dmamap_readb().
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 * Return: the value.
 */
DMAMAP_API u32 dmamap_readl(struct device *dev, int bar, u64 offset);

/**
 * dmamap_readq() - Read a register of eight bytes; see dmamap_readb().
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 * Return: the value.
 */
DMAMAP_API u64 dmamap_readq(struct device *dev, int bar, u64 offset);

/**
 * dmamap_writeb() - Write a register of one byte; see dmamap_readb().
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 * @value: the value.
 */
DMAMAP_API void dmamap_writeb(struct device *dev, int bar, u64 offset, u8 value);

/**
 * dmamap_writew() - Write a register of two bytes; see dmamap_readb().
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 * @value: the value.
 */
DMAMAP_API void dmamap_writew(struct device *dev, int bar, u64 offset, u16 value);

/**
 * dmamap_writel() - Write a register of four bytes; see dmamap_readb().
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 * @value: the value.
 */
DMAMAP_API void dmamap_writel(struct device *dev, int bar, u64 offset, u32 value);

/**
 * dmamap_writeq() - Write a register of eight bytes; see dmamap_readb().
 * @dev: the device.
 * @bar: the number of the BAR, or DMAMAP_CONFIG.
 * @offset: the register's offset in bytes, a multiple of the access size and inside the BAR.
 * @value: the value.
 */
DMAMAP_API void dmamap_writeq(struct device *dev, int bar, u64 offset, u64 value);

/* The flags of struct dmamap_bar_info. */
#define DMAMAP_BAR_IO 0x1u /* I/O ports; otherwise memory */
/* The address has 64 bits, so that the number of the next BAR is unused. */
#define DMAMAP_BAR_64BIT    0x2u
#define DMAMAP_BAR_PREFETCH 0x4u /* reads have no side effect */
#define DMAMAP_BAR_MAPPABLE 0x8u /* memory, see dmamap_bar_map() */

struct dmamap_bar_info {
	u64 addr;  /* on the device's bus */
	u64 size;  /* bytes, a power of two */
	u32 flags; /* DMAMAP_BAR_* */
};

/**
 * dmamap_bar() - Describe a base address register of a device.
 * @dev: the device.
 * @bar: the number of the BAR, 0 to 5.
 * @info: receives the description; it is unchanged on failure.
 * Context: any thread.
 * Return: 0. -EINVAL: no device, no @info, or no such number. -ENOENT: the device has no BAR of
 *   this number, or the BAR is the upper half of a 64-bit one. A retry does not help.
 */
DMAMAP_API int dmamap_bar(struct device *dev, int bar, struct dmamap_bar_info *info);

/**
 * dmamap_bar_map() - Return the memory of a BAR with DMAMAP_BAR_MAPPABLE.
 * @dev: the device.
 * @bar: the number of the BAR, 0 to 5.
 * @fd: receives the descriptor of the file that holds the memory from its beginning on, for another
 *   process to map; NULL: of no interest. The device owns it.
 * Context: any thread.
 * Return: the memory, valid until dmamap_close(). NULL: failure, with errno EINVAL: no device or no
 *   such number; ENOENT: the BAR is not mappable. A retry does not help.
 */
DMAMAP_API void *dmamap_bar_map(struct device *dev, int bar, int *fd);

enum dmamap_reset_kind {
	DMAMAP_RESET_FUNCTION = 1, /* function-level reset */
	DMAMAP_RESET_HOT = 2,	   /* of the bus */
};

/**
 * dmamap_reset() - Reset a device.
 * @dev: the device.
 * @kind: an enum dmamap_reset_kind.
 *
 * The device drops all work. When the call has returned, it makes no access to memory and raises no
 * interrupt for that work. Mappings stay, as do configuration space, the kind of interrupts and the
 * masks of MSI-X, as pci_reset_function() of Linux restores them; pending MSI-X messages are lost.
 * Context: any thread that is not in a call on the device; may sleep. Calls are serialised.
 * Return: 0. -EINVAL: no device, or no such kind. -EOPNOTSUPP: the device cannot be reset. A retry
 *   does not help.
 */
DMAMAP_API int dmamap_reset(struct device *dev, enum dmamap_reset_kind kind);

/**
 * dmamap_irq_fd() - Return the eventfd that counts the interrupts of a vector.
 * @dev: the device.
 * @vector: the number of the vector, from 0 on.
 *
 * The device owns the descriptor, so the caller must not close it. The descriptor of a vector is
 * the same from open to close.
 * Return: the descriptor. -EINVAL: the device has no such vector at present; a retry helps after
 *   dmamap_irq_setup() has obtained more vectors.
 */
DMAMAP_API int dmamap_irq_fd(struct device *dev, unsigned int vector);

enum dmamap_irq_kind {
	DMAMAP_IRQ_INTX = 1, /* the function's interrupt line, a level */
	DMAMAP_IRQ_MSI = 2,
	DMAMAP_IRQ_MSIX = 3,
};

/**
 * dmamap_irq_setup() - Select the kind and the number of a device's interrupts.
 * @dev: the device.
 * @kind: an enum dmamap_irq_kind.
 * @vectors: the number of vectors requested, at least 1.
 *
 * A device is opened with all vectors of the best kind that it has: MSI-X, then MSI, then its
 * interrupt line. This call may be repeated at any time, for example by a driver that is bound
 * after another one. The counters of dmamap_irq_fd() begin at 0; an interrupt that was pending
 * may still be counted.
 * Context: any thread. Calls on one device are serialised.
 * Return: the number of vectors obtained, from 1 to @vectors. -EINVAL: no device, no such kind,
 *   or no vectors. -EOPNOTSUPP: the device has no interrupts of this kind. -ENODEV, -EIO: the
 *   device has ended. -ENOMEM, -ENOSPC: the system has no vectors left; a retry helps. After an
 *   error the former vectors stay in use, except that a device that has ended has none.
 */
DMAMAP_API int dmamap_irq_setup(struct device *dev, enum dmamap_irq_kind kind,
				unsigned int vectors);

/**
 * dmamap_irq_eoi() - Signal the end of an interrupt: the handler of a vector has run.
 * @dev: the device.
 * @vector: the number of the vector.
 *
 * An interrupt line is a level. It signals its eventfd once when it rises, and again after each
 * call of this function as long as it is asserted. In a program that never calls this function, a
 * register access has the same effect. The call has no effect on messages (MSI, MSI-X).
 * Context: any thread, after the register accesses of the handler. The call waits for posted
 *   writes of this device.
 * Return: 0. -EINVAL: the device has no such vector at present.
 */
DMAMAP_API int dmamap_irq_eoi(struct device *dev, unsigned int vector);

/**
 * dmamap_set_drvdata() - Store a pointer of the driver in the device.
 * @dev: the device.
 * @data: the pointer. The library does not use it.
 */
DMAMAP_API void dmamap_set_drvdata(struct device *dev, void *data);

/**
 * dmamap_get_drvdata() - Return the pointer that dmamap_set_drvdata() stored.
 * @dev: the device.
 * Return: the pointer; NULL until it is set.
 */
DMAMAP_API void *dmamap_get_drvdata(const struct device *dev);

DMAMAP_END

#endif
