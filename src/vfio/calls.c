/* SPDX-License-Identifier: BSD-2-Clause */
/* The real implementations of the system calls in struct vfio_calls. */
#include "vfio/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int vfio_sys_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int vfio_sys_open_disk(const char *path, u32 *major, u32 *minor)
{
	int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : S_ISBLK(st.st_mode) ? 0 : -ENOTBLK;
	if (err) {
		close(fd);
		return err;
	}
	*major = gnu_dev_major(st.st_rdev);
	*minor = gnu_dev_minor(st.st_rdev);
	return fd;
}

static int vfio_sys_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static ssize_t vfio_sys_read(int fd, void *to, size_t size, u64 at)
{
	ssize_t n = pread(fd, to, size, (off_t)at);

	return n < 0 ? -errno : n;
}

static ssize_t vfio_sys_write(int fd, const void *from, size_t size, u64 at)
{
	ssize_t n = pwrite(fd, from, size, (off_t)at);

	return n < 0 ? -errno : n;
}

static void *vfio_sys_map(int fd, u64 size, u64 at)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_DONTFORK); /* not mapped in a child of fork(), which owns no device */
	return p;
}

static void vfio_sys_unmap(void *p, u64 size)
{
	munmap(p, size);
}

static void vfio_sys_close(int fd)
{
	close(fd);
}

static void vfio_sys_retire(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return; /* no descriptor is free: the caller's close() closes the file later */
	dup3(null, fd, O_CLOEXEC);
	close(null);
}

/* The pages are filled at another address first and then moved, so that no access reads zeros. */
static void vfio_sys_blank(void *p, u64 size)
{
	void *ones = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ones == MAP_FAILED)
		return;
	memset(ones, 0xff, size);
	if (mremap(ones, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, p) == MAP_FAILED)
		munmap(ones, size);
}

static const struct vfio_calls real = {
	.open = vfio_sys_open,
	.open_disk = vfio_sys_open_disk,
	.ioctl = vfio_sys_ioctl,
	.read = vfio_sys_read,
	.write = vfio_sys_write,
	.map = vfio_sys_map,
	.unmap = vfio_sys_unmap,
	.close = vfio_sys_close,
	.retire = vfio_sys_retire,
	.blank = vfio_sys_blank,
	.dev = "/dev",
};

const struct vfio_calls *vfio_calls = &real;
