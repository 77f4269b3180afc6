/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The image file. Its size is read once, after it was opened and locked. If another program changes
 * the file afterwards, in spite of the lock, only the affected blocks have media errors. Reads and
 * writes go directly to the memory behind the bus, so a page that has meanwhile been unmapped fails
 * the system call and does not raise a signal in this process.
 */
#include "nvme.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int nvmesim_image_open_file(const char *path, bool readonly)
{
	/* O_NONBLOCK, so that a FIFO is detected instead of blocking the open */
	int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err = errno;

	if (fd >= 0)
		return fd;
	if (err == ENOENT)
		return dmamap_model_error(
			err,
			"sim:nvme cannot find its image %s: create it first, for example with "
			"truncate -s 64M %s",
			path, path);
	if (err == EISDIR)
		return dmamap_model_error(EINVAL,
					  "sim:nvme cannot use %s as its image: it is a directory; "
					  "name a regular file",
					  path);
	if (!readonly && (err == EACCES || err == EROFS || err == EPERM))
		return dmamap_model_error(
			err,
			"sim:nvme cannot open its image %s for writing: %s; change its "
			"permissions or add readonly=1",
			path, strerror(err));
	return dmamap_model_error(err, "sim:nvme cannot open its image %s: %s", path,
				  strerror(err));
}

static int nvmesim_image_check(struct nvme_image *im, const char *path)
{
	struct stat st;

	if (fstat(im->fd, &st))
		return dmamap_model_error(errno, "sim:nvme cannot examine its image %s: %s", path,
					  strerror(errno));
	if (!S_ISREG(st.st_mode))
		return dmamap_model_error(
			EINVAL,
			"sim:nvme cannot use %s as its image: it is not a regular "
			"file; name one",
			path);
	if (st.st_size <= 0 || st.st_size % NVME_BLOCK)
		return dmamap_model_error(
			EINVAL,
			"sim:nvme cannot use %s as its image: its size, %lld bytes, is "
			"not a non-zero multiple of %u; correct it with truncate -s %%%u or "
			"truncate -s 64M",
			path, (long long)st.st_size, NVME_BLOCK, NVME_BLOCK);
	im->size = (u64)st.st_size;
	im->blocks = im->size >> NVME_BLOCK_SHIFT;
	return 0;
}

static int nvmesim_image_lock(struct nvme_image *im, const char *path)
{
	struct flock l = {.l_type = im->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

	if (!fcntl(im->fd, F_OFD_SETLK, &l))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return dmamap_model_error(
			EBUSY,
			"sim:nvme cannot use %s as its image: another device or program "
			"has it locked; close that one or use a copy",
			path);
	return dmamap_model_error(errno, "sim:nvme cannot lock its image %s: %s", path,
				  strerror(errno));
}

int nvmesim_image_open(struct nvme_image *im, const char *path, bool readonly)
{
	int err;

	im->readonly = readonly;
	im->fd = nvmesim_image_open_file(path, readonly);
	if (im->fd < 0)
		return im->fd;
	dmamap_model_fd_add(im->fd); /* a forked child would keep the file locked */
	err = nvmesim_image_check(im, path);
	if (!err)
		err = nvmesim_image_lock(im, path);
	if (err)
		nvmesim_image_close(im);
	return err;
}

void nvmesim_image_close(struct nvme_image *im)
{
	dmamap_model_fd_close(im->fd);
	im->fd = -1;
}

static u16 nvmesim_image_status_of(int err, bool write)
{
	if (err == EFAULT)
		return NVME_DATA_TRANSFER;
	if (write && (err == ENOSPC || err == EDQUOT))
		return NVME_CAPACITY;
	return write ? NVME_WRITE_FAULT : NVME_READ_ERROR;
}

/* Moves one segment completely, also if a system call moves less. */
static u16 nvmesim_image_move_segment(const struct nvme_image *im, u8 *p, u64 len, u64 offset,
				      bool write)
{
	while (len) {
		ssize_t r = write ? pwrite(im->fd, p, len, (off_t)offset)
				  : pread(im->fd, p, len, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return nvmesim_image_status_of(r ? errno : EIO, write);
		p += r;
		len -= (u64)r;
		offset += (u64)r;
	}
	return NVME_OK;
}

/* Moves the rest after a call that moved only `done` bytes. */
static u16 nvmesim_image_move_rest(const struct nvme_image *im, const struct iovec *iov, int n,
				   u64 done, u64 offset, bool write)
{
	u64 skip;
	u16 status;
	int i;

	for (i = 0; i < n; i++, iov++) {
		skip = util_min(done, iov->iov_len);
		done -= skip;
		status = nvmesim_image_move_segment(im, (u8 *)iov->iov_base + skip,
						    iov->iov_len - skip, offset + skip, write);
		if (status)
			return status;
		offset += iov->iov_len;
	}
	return NVME_OK;
}

/* Moves `len` bytes, the sum of the segments' lengths. The range is inside the image. */
u16 nvmesim_image_move(struct nvme_image *im, const struct iovec *iov, int n, u64 len, u64 offset,
		       bool write)
{
	ssize_t r = write ? pwritev(im->fd, iov, n, (off_t)offset)
			  : preadv(im->fd, iov, n, (off_t)offset);

	if (likely(r >= 0 && (u64)r == len))
		return NVME_OK;
	if (r < 0 && errno != EINTR)
		return nvmesim_image_status_of(errno, write);
	return nvmesim_image_move_rest(im, iov, n, r > 0 ? (u64)r : 0, offset, write);
}

u16 nvmesim_image_intact(const struct nvme_image *im)
{
	struct stat st;

	if (fstat(im->fd, &st) || (u64)st.st_size < im->size)
		return NVME_WRITE_FAULT;
	return NVME_OK;
}

static int nvmesim_image_punch(struct nvme_image *im, u64 offset, u64 len)
{
	int r;

	do {
		r = fallocate(im->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			      (off_t)len);
	} while (r && errno == EINTR);
	return r;
}

/* Makes a range read as zeroes. */
u16 nvmesim_image_zero(struct nvme_image *im, u64 offset, u64 len)
{
	static u8 zeroes[PAGE_BYTES * 16]; /* never written; not const, because the function for
					      both directions takes no const pointer */
	u64 part;
	u16 status;

	if (!nvmesim_image_punch(im, offset, len))
		return NVME_OK;
	for (; len; len -= part, offset += part) {
		part = util_min(len, sizeof(zeroes));
		status = nvmesim_image_move_segment(im, zeroes, part, offset, true);
		if (status)
			return status;
	}
	return NVME_OK;
}

/* Deallocates blocks. This is a hint; a file system that cannot do it ignores it. */
void nvmesim_image_discard(struct nvme_image *im, u64 offset, u64 len)
{
	(void)nvmesim_image_punch(im, offset, len);
}

u16 nvmesim_image_flush(struct nvme_image *im)
{
	return im->readonly || !fdatasync(im->fd) ? NVME_OK : NVME_WRITE_FAULT;
}
