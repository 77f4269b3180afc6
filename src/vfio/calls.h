/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls to the kernel's VFIO, in one table, which tests replace by a simulated kernel.
 */
#ifndef VFIO_CALLS_H
#define VFIO_CALLS_H

#include "base/compiler.h"

#include <sys/types.h>

/* Each returns a negative errno if the system call fails. */
struct vfio_calls {
	int (*open)(const char *path); /* for reading and writing, close-on-exec */
	/*
	 * Opens a block device for reading, exclusively (O_EXCL); outputs its number. -ENOTBLK: it
	 * is not a block device.
	 */
	int (*open_disk)(const char *path, u32 *major, u32 *minor);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	ssize_t (*read)(int fd, void *to, size_t size, u64 at);
	ssize_t (*write)(int fd, const void *from, size_t size, u64 at);
	void *(*map)(int fd, u64 size, u64 at); /* NULL: it failed */
	void (*unmap)(void *p, u64 size);
	void (*close)(int fd);
	/*
	 * Closes the file but keeps the descriptor's number in use: reads and writes of it transfer
	 * nothing.
	 */
	void (*retire)(int fd);
	/* Makes memory of a map() read all ones and no longer refer to the device. */
	void (*blank)(void *p, u64 size);
	const char *dev; /* "/dev" */
};

extern const struct vfio_calls *vfio_calls;

#endif
