/* SPDX-License-Identifier: BSD-2-Clause */
/* A script accesses a character device by its name, as a program does. */
#ifndef KMOD_CHARDEV_H
#define KMOD_CHARDEV_H

#include <linux/fs.h>
#include "../core/core.h"

struct kmod_open_file {
	struct inode inode;
	struct file file;
};
/* `name` NULL: the first registered device. Returns 0, or the result of the driver's open. */
int kmod_file_open(const char *name, struct kmod_open_file *f);
void kmod_file_close(struct kmod_open_file *f);
ssize_t kmod_file_read(struct kmod_open_file *f, void *buf, size_t n);
ssize_t kmod_file_write(struct kmod_open_file *f, const void *buf, size_t n);
long kmod_file_ioctl(struct kmod_open_file *f, unsigned int cmd, unsigned long arg);
__poll_t kmod_file_poll(struct kmod_open_file *f);
int kmod_file_mmap(struct kmod_open_file *f, unsigned long start, size_t n);

#endif
