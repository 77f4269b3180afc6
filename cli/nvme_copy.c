/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies between a disk and a file: a ring of chunks in flight, finished in order. The memory of a
 * chunk is single pages of RAM, like those of a page cache, passed to the driver as a scatterlist.
 *
 * Offsets are in bytes. The end of the disk is checked before the copy starts (cmd_nvme.c), so
 * offset + length does not wrap. The last block of a chunk may be longer than its data. Then a
 * write first reads the rest of that block from the disk, and a read ignores it.
 */
#include "nvme.h"

#include "base/clock.h"
#include "base/math.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK_DEFAULT (128u << 10)
#define IOVECS	      256 /* pages of one system call */

struct nvme_copy_chunk {
	struct page **pages;
	struct scatterlist *sg;
	struct iovec *iov; /* of the pages, at full length */
	struct nvme_request req;
	u64 length; /* bytes of data; the last block may be longer */
};

struct nvme_copy {
	struct nvme_session *s;
	struct nvme_copy_chunk *chunk; /* a ring of `depth` chunks */
	unsigned int depth, head, in_flight;
	u32 chunk_bytes, n_pages;
	int fd;
	bool regular;  /* the file is a regular file, so its length is known */
	bool waits;    /* a pipe, socket or terminal: reading or writing may block without limit */
	u64 total;     /* bytes to copy; UINT64_MAX: until the end of standard input */
	u64 submitted; /* bytes that were submitted */
	bool ended;    /* standard input is at its end */
	char *compare; /* verify: buffer for a chunk of the file, and its pages */
	struct iovec *compare_iov;
	struct cli_progress progress;
};

/*
 * Reads or writes the first `n` bytes of the pages from or to a file. Returns the number of bytes;
 * -errno, -EINTR: interrupted. If the file may block, it waits before each call, so that a signal
 * always ends the wait; a pipe that is ready accepts a page without blocking.
 */
static ssize_t nvme_copy_file_move(struct nvme_copy *c, const struct iovec *pages, u64 n,
				   bool to_file)
{
	struct iovec iov[IOVECS];
	u64 done = 0, left, at, step;
	ssize_t got;
	int k;

	while (done < n) {
		if (c->waits && !wait_ready(c->fd, to_file))
			return -EINTR;
		left = n - done;
		at = done % PAGE_SIZE;
		if (c->waits && to_file)
			left = min_u64(left, PAGE_SIZE);
		for (k = 0; left && k < IOVECS; k++, at = 0) {
			step = min_u64(left, PAGE_SIZE - at);
			iov[k].iov_base = (char *)pages[done / PAGE_SIZE + (u64)k].iov_base + at;
			iov[k].iov_len = step;
			left -= step;
		}
		got = to_file ? writev(c->fd, iov, k) : readv(c->fd, iov, k);
		if (got < 0 && errno == EINTR) {
			if (cli_interrupted())
				return -EINTR;
			continue;
		}
		if (got < 0)
			return -errno;
		if (!got)
			break;
		done += (u64)got;
	}
	return (ssize_t)done;
}

static const char *nvme_copy_file_name(const struct nvme_copy *c)
{
	const char *file = c->s->args->file;

	return file				    ? file
	       : strcmp(c->s->args->action, "read") ? "standard input"
						    : "standard output";
}

static void nvme_copy_chunk_free(struct nvme_copy *c, struct nvme_copy_chunk *k)
{
	for (u32 i = 0; k->pages && i < c->n_pages; i++) {
		if (k->pages[i])
			__free_pages(k->pages[i], 0);
	}
	free(k->pages);
	free(k->sg);
	free(k->iov);
}

static bool nvme_copy_chunk_alloc(struct nvme_copy *c, struct nvme_copy_chunk *k)
{
	k->pages = calloc(c->n_pages, sizeof(struct page *));
	k->sg = calloc(c->n_pages, sizeof(*k->sg));
	k->iov = calloc(c->n_pages, sizeof(*k->iov));
	if (!k->pages || !k->sg || !k->iov)
		return session_fail(c->s, "no memory for buffers");
	for (u32 i = 0; i < c->n_pages; i++) {
		k->pages[i] = alloc_pages(GFP_KERNEL, 0);
		if (!k->pages[i])
			return session_fail(c->s, "no memory for buffers: %s", dmamap_strerror());
		k->iov[i] = (struct iovec){page_address(k->pages[i]), PAGE_SIZE};
	}
	return true;
}

/* Submits `length` bytes at byte `at` of the disk to the driver, rounded up to blocks. */
static bool nvme_copy_chunk_submit(struct nvme_copy *c, struct nvme_copy_chunk *k, enum nvme_op op,
				   u64 at, u64 length)
{
	struct nvme_session *s = c->s;
	u64 bytes = align_up(length, s->info->block_size), left = bytes;
	u32 n = (u32)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);

	sg_init_table(k->sg, n);
	for (u32 i = 0; i < n; i++, left -= min_u64(left, PAGE_SIZE))
		sg_set_page(&k->sg[i], k->pages[i], (unsigned int)min_u64(left, PAGE_SIZE), 0);
	k->length = length;
	k->req = (struct nvme_request){.op = op,
				       .lba = at / s->info->block_size,
				       .blocks = (u32)(bytes / s->info->block_size),
				       .sg = k->sg,
				       .nents = n};
	if (nvme_submit(s->nvme, 1, &k->req))
		return session_fail(s, "%s", driver_strerror());
	c->in_flight++;
	c->submitted += length;
	return true;
}

/* Handles the result of a driver's call. False: it failed, or was interrupted. */
static bool nvme_copy_driver_error(struct nvme_session *s, int err)
{
	if (err == -EINTR)
		s->stopped = true;
	else if (err)
		session_fail(s, "%s", driver_strerror());
	return !err;
}

/* Waits for the oldest chunk. NULL: it failed. */
static struct nvme_copy_chunk *nvme_copy_chunk_finish(struct nvme_copy *c)
{
	struct nvme_copy_chunk *k = &c->chunk[c->head];

	nvme_copy_driver_error(c->s, nvme_wait_request(c->s->nvme, 1, &k->req));
	c->head = (c->head + 1) % c->depth;
	c->in_flight--;
	return k->req.result ? NULL : k;
}

static struct nvme_copy_chunk *nvme_copy_chunk_next(struct nvme_copy *c)
{
	return &c->chunk[(c->head + c->in_flight) % c->depth];
}

static bool nvme_copy_on(struct nvme_copy *c)
{
	if (cli_interrupted())
		c->s->stopped = true;
	return !c->s->stopped && !c->s->error[0];
}

static bool nvme_copy_read_step(struct nvme_copy *c)
{
	u64 n = min_u64(c->total - c->submitted, c->chunk_bytes);

	return nvme_copy_chunk_submit(c, nvme_copy_chunk_next(c), NVME_READ,
				      c->s->args->offset + c->submitted, n);
}

static bool nvme_copy_read_done(struct nvme_copy *c, struct nvme_copy_chunk *k)
{
	ssize_t n = nvme_copy_file_move(c, k->iov, k->length, true);

	if (n == (ssize_t)k->length)
		return true;
	if (n == -EINTR)
		c->s->stopped = true;
	else
		session_fail(c->s, "%s: cannot be written: %s", nvme_copy_file_name(c),
			     n < 0 ? strerror((int)-n) : "it accepts no more data");
	return false;
}

/*
 * If a write ends within the last block, the rest of the block is read first, so that it keeps its
 * content.
 */
static bool nvme_copy_pad(struct nvme_copy *c, struct nvme_copy_chunk *k, u64 at, u64 length)
{
	u32 block = c->s->info->block_size;
	u64 start = align_down(length, block);
	struct nvme_request req = {.op = NVME_READ, .blocks = 1, .lba = (at + start) / block};
	char *old, *page;

	if (start == length)
		return true;
	old = kmalloc(block, GFP_KERNEL);
	if (!old)
		return session_fail(c->s, "no memory for the last block: %s", dmamap_strerror());
	req.buf = old;
	if (!nvme_copy_driver_error(c->s, nvme_run(c->s->nvme, 1, &req))) {
		kfree(old);
		return false;
	}
	page = k->iov[start / PAGE_SIZE].iov_base;
	memcpy(page + length % PAGE_SIZE, old + (length - start), block - (length - start));
	kfree(old);
	return true;
}

static bool nvme_copy_write_step(struct nvme_copy *c)
{
	struct nvme_session *s = c->s;
	u64 at = s->args->offset + c->submitted;
	u64 room = s->info->blocks * s->info->block_size - at;
	u64 want = min_u64(min_u64(c->total - c->submitted, c->chunk_bytes), room);
	struct nvme_copy_chunk *k = nvme_copy_chunk_next(c);
	ssize_t n;
	char more;

	if (!room) {
		/* Standard input may end exactly at the end of the disk. */
		if ((!c->waits || wait_ready(c->fd, false)) && read(c->fd, &more, 1) == 1)
			session_fail(
				s, "%s: the disk ended before standard input did, after %llu bytes",
				dev_name(s->dev), (unsigned long long)c->submitted);
		c->ended = true;
		return false;
	}
	n = nvme_copy_file_move(c, k->iov, want, false);
	if (n == -EINTR)
		s->stopped = true;
	else if (n < 0)
		session_fail(s, "%s: cannot be read: %s", nvme_copy_file_name(c),
			     strerror((int)-n));
	if (n < 0)
		return false;
	c->ended = (u64)n < want;
	if (c->ended && c->total != UINT64_MAX)
		return session_fail(s, "%s: ended after %llu of %llu bytes", nvme_copy_file_name(c),
				    (unsigned long long)(c->submitted + (u64)n),
				    (unsigned long long)c->total);
	if (!n || !nvme_copy_pad(c, k, at, (u64)n))
		return false;
	return nvme_copy_chunk_submit(c, k, NVME_WRITE, at, (u64)n);
}

/*
 * Returns the offset of the first of `n` bytes in which the chunk differs from the file; n: none.
 */
static u64 nvme_copy_first_difference(const struct nvme_copy *c, const struct nvme_copy_chunk *k,
				      u64 n)
{
	for (u64 at = 0; at < n; at += PAGE_SIZE) {
		const char *a = k->iov[at / PAGE_SIZE].iov_base, *b = c->compare + at;
		u64 len = min_u64(n - at, PAGE_SIZE), i = 0;

		if (!memcmp(a, b, len))
			continue;
		while (a[i] == b[i])
			i++;
		return at + i;
	}
	return n;
}

static bool nvme_copy_verify_done(struct nvme_copy *c, struct nvme_copy_chunk *k)
{
	struct nvme_session *s = c->s;
	ssize_t n = nvme_copy_file_move(c, c->compare_iov, k->length, false);
	u64 at;

	if (n == -EINTR) {
		s->stopped = true;
		return false;
	}
	if (n < 0)
		return session_fail(s, "%s: cannot be read: %s", nvme_copy_file_name(c),
				    strerror((int)-n));
	at = nvme_copy_first_difference(c, k, (u64)n);
	if (at < (u64)n)
		return session_fail(
			s,
			"%s: the disk differs from %s at byte %llu of it (byte %llu of the disk)",
			dev_name(s->dev), nvme_copy_file_name(c),
			(unsigned long long)(s->bytes + at),
			(unsigned long long)(s->args->offset + s->bytes + at));
	if (at < k->length)
		return session_fail(s, "%s: ended after %llu of %llu bytes", nvme_copy_file_name(c),
				    (unsigned long long)(s->bytes + at),
				    (unsigned long long)c->total);
	return true;
}

static bool nvme_copy_flush(struct nvme_copy *c)
{
	struct nvme_request req = {.op = NVME_FLUSH};

	return nvme_copy_driver_error(c->s, nvme_run(c->s->nvme, 1, &req));
}

/*
 * The loop of all three actions: `step` submits one more chunk, `done` processes a finished one.
 * After a failure or a signal it submits nothing more, and waits for the requests in flight, so
 * that their pages can be freed.
 */
static void nvme_copy_run(struct nvme_copy *c, bool (*step)(struct nvme_copy *),
			  bool (*done)(struct nvme_copy *, struct nvme_copy_chunk *))
{
	struct nvme_session *s = c->s;
	struct nvme_copy_chunk *k;

	progress_start(&c->progress, s->args->action, c->total == UINT64_MAX ? 0 : c->total,
		       s->args->common.json);
	for (;;) {
		while (nvme_copy_on(c) && c->in_flight < c->depth && c->submitted < c->total &&
		       !c->ended) {
			if (!step(c))
				break;
		}
		if (!c->in_flight)
			break;
		k = nvme_copy_chunk_finish(c);
		/*
		 * In order, so that `bytes` is the length that was copied without a gap; a
		 * completed write counts.
		 */
		if (!k || s->error[0] || (done && (s->stopped || !done(c, k))))
			continue;
		s->bytes += k->length;
		s->ops++;
		progress_show(&c->progress, s->bytes);
	}
	progress_end(&c->progress);
}

/*
 * True: the file is the image of the disk itself. Opening it for output would truncate it, and
 * copying it onto itself at another offset would destroy it. Verifying is harmless.
 */
static bool nvme_copy_is_image(const struct nvme_copy *c, bool output)
{
	const struct nvme_args *a = c->s->args;
	struct stat image, st;
	char path[4096];

	if (!strcmp(a->action, "verify") ||
	    !spec_value(a->common.device, "image", path, sizeof(path)) || stat(path, &image))
		return false;
	if (a->file ? stat(a->file, &st) : fstat(output ? STDOUT_FILENO : STDIN_FILENO, &st))
		return false;
	return image.st_dev == st.st_dev && image.st_ino == st.st_ino;
}

static bool nvme_copy_file_open(struct nvme_copy *c, bool output)
{
	const char *file = c->s->args->file;
	struct stat st;

	if (nvme_copy_is_image(c, output))
		return session_fail(c->s, "%s: it is the image of the disk itself",
				    nvme_copy_file_name(c));
	c->fd = output ? STDOUT_FILENO : STDIN_FILENO;
	if (file)
		c->fd = output ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
			       : open(file, O_RDONLY | O_CLOEXEC);
	if (c->fd < 0)
		return session_fail(c->s, "%s: cannot be opened: %s", file, strerror(errno));
	if (fstat(c->fd, &st))
		return session_fail(c->s, "%s: %s", nvme_copy_file_name(c), strerror(errno));
	if (S_ISDIR(st.st_mode))
		return session_fail(c->s, "%s: is a directory", nvme_copy_file_name(c));
	c->regular = S_ISREG(st.st_mode);
	c->waits = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(c->fd);
	return true;
}

/* Determines the length to copy from the file, and checks that the disk is large enough. */
static bool nvme_copy_input_length(struct nvme_copy *c)
{
	const struct nvme_session *s = c->s;
	u64 room = s->info->blocks * s->info->block_size - s->args->offset;
	struct stat st;
	off_t at;
	u64 have;

	c->total = s->args->has_length ? s->args->length : UINT64_MAX;
	if (!c->regular)
		return true;
	at = lseek(c->fd, 0, SEEK_CUR);
	if (fstat(c->fd, &st) || at < 0)
		return session_fail(c->s, "%s: %s", nvme_copy_file_name(c), strerror(errno));
	have = st.st_size > at ? (u64)(st.st_size - at) : 0;
	if (!s->args->has_length)
		c->total = have;
	if (!c->total)
		return session_fail(c->s, "%s: is empty", nvme_copy_file_name(c));
	if (c->total > have)
		return session_fail(c->s, "%s: has %llu bytes, --length asks for %llu",
				    nvme_copy_file_name(c), (unsigned long long)have,
				    (unsigned long long)c->total);
	if (c->total > room)
		return session_fail(
			c->s, "%s: its %llu bytes do not fit: the disk has %llu from --offset on",
			nvme_copy_file_name(c), (unsigned long long)c->total,
			(unsigned long long)room);
	return true;
}

static bool nvme_copy_init(struct nvme_copy *c, struct nvme_session *s)
{
	u64 bytes = s->args->bs ? s->args->bs : CHUNK_DEFAULT;

	*c = (struct nvme_copy){.s = s, .fd = -1, .depth = s->args->qd};
	bytes = min_u64(bytes, s->info->max_bytes);
	if (bytes % s->info->block_size)
		return session_fail(s, "--bs %llu is not a multiple of the disk's block size, %u",
				    (unsigned long long)bytes, s->info->block_size);
	c->chunk_bytes = (u32)bytes;
	c->n_pages = (u32)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
	if (c->depth > s->info->in_flight)
		c->depth = s->info->in_flight;
	c->chunk = calloc(c->depth, sizeof(*c->chunk));
	if (!c->chunk)
		return session_fail(s, "no memory for buffers");
	for (unsigned int i = 0; i < c->depth; i++) {
		if (!nvme_copy_chunk_alloc(c, &c->chunk[i]))
			return false;
	}
	return true;
}

static void nvme_copy_fini(struct nvme_copy *c)
{
	for (unsigned int i = 0; c->chunk && i < c->depth; i++)
		nvme_copy_chunk_free(c, &c->chunk[i]);
	free(c->chunk);
	free(c->compare);
	free(c->compare_iov);
	if (c->fd > STDERR_FILENO && close(c->fd))
		session_fail(c->s, "%s: %s", nvme_copy_file_name(c), strerror(errno));
}

void nvme_copy_read(struct nvme_session *s)
{
	u64 size = s->info->blocks * s->info->block_size, start;
	struct nvme_copy c;

	if (nvme_copy_init(&c, s) && nvme_copy_file_open(&c, true)) {
		c.total = s->args->has_length ? s->args->length : size - s->args->offset;
		start = clock_ns();
		nvme_copy_run(&c, nvme_copy_read_step, nvme_copy_read_done);
		s->seconds = (double)(clock_ns() - start) / 1e9;
	}
	nvme_copy_fini(&c);
}

void nvme_copy_write(struct nvme_session *s)
{
	struct nvme_copy c;
	u64 start;

	if (nvme_copy_init(&c, s) && nvme_copy_file_open(&c, false) && nvme_copy_input_length(&c)) {
		start = clock_ns();
		nvme_copy_run(&c, nvme_copy_write_step, NULL);
		if (!s->bytes && !s->stopped)
			session_fail(s, "%s: is empty", nvme_copy_file_name(&c));
		if (!s->error[0])
			nvme_copy_flush(&c);
		s->seconds = (double)(clock_ns() - start) / 1e9;
	}
	nvme_copy_fini(&c);
}

static bool nvme_copy_compare_init(struct nvme_copy *c)
{
	c->compare = malloc(c->n_pages * PAGE_SIZE);
	c->compare_iov = calloc(c->n_pages, sizeof(*c->compare_iov));
	if (!c->compare || !c->compare_iov)
		return session_fail(c->s, "no memory for buffers");
	for (u32 i = 0; i < c->n_pages; i++)
		c->compare_iov[i] = (struct iovec){c->compare + i * PAGE_SIZE, PAGE_SIZE};
	if (c->total == UINT64_MAX)
		return session_fail(
			c->s, "%s: is not a regular file: give the length to compare with --length",
			nvme_copy_file_name(c));
	return true;
}

void nvme_copy_verify(struct nvme_session *s)
{
	struct nvme_copy c;
	u64 start;

	if (nvme_copy_init(&c, s) && nvme_copy_file_open(&c, false) && nvme_copy_input_length(&c) &&
	    nvme_copy_compare_init(&c)) {
		start = clock_ns();
		nvme_copy_run(&c, nvme_copy_read_step, nvme_copy_verify_done);
		s->seconds = (double)(clock_ns() - start) / 1e9;
	}
	nvme_copy_fini(&c);
}
