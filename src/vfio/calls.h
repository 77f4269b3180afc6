/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that reach the kernel's VFIO: one table, which tests replace by a kernel of
 * their own. */
#ifndef VFIO_CALLS_H
#define VFIO_CALLS_H

#include "base/compiler.h"

#include <sys/types.h>

/* Each gives a negative errno where the call fails. */
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
	void *(*map)(int fd, u64 size, u64 at); /* NULL: no */
	void (*unmap)(void *p, u64 size);
	void (*close)(int fd);
	/* What it was is closed, the number stays taken: reads and writes of it move nothing. */
	void (*retire)(int fd);
	/* Memory of a map() reads all ones from now on and leads nowhere. */
	void (*blank)(void *p, u64 size);
	const char *dev; /* "/dev" */
};

extern const struct vfio_calls *vfio_calls;

#endif
