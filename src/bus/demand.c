/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/demand.h"
#include "base/alloc.h"
#include "base/error.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE_MAX (1ull << 30) /* bytes of one call: the kernel copies less than 2 GiB */

/* System calls without libc's wrappers, because sanitizers would check these as the thread's. */
static s64 demand_move_bytes(u8 *buf, u8 *at, u64 len, bool write)
{
	struct iovec local = {buf, len}, hw = {at, len};

	return syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, (long)getpid(), &local,
		       1l, &hw, 1l, 0l);
}

/* Copies the segments in order. Returns the number of bytes copied before the first failure. */
static u64 demand_transfer(const struct iovec *iov, int n, u8 *buf, u64 len, bool write)
{
	u64 done = 0;

	for (int i = 0; i < n && done < len; i++) {
		u8 *at = iov[i].iov_base;
		u64 left = min_u64(iov[i].iov_len, len - done);

		while (left) {
			s64 got =
				demand_move_bytes(buf + done, at, min_u64(left, PIECE_MAX), write);

			if (got <= 0)
				return done;
			done += (u64)got;
			at += got;
			left -= (u64)got;
		}
	}
	return done;
}

static bool demand_in_one_page(const struct iovec *iov, int n, u64 len)
{
	return n == 1 && len <= PAGE_BYTES - ((uintptr_t)iov->iov_base & (PAGE_BYTES - 1));
}

/*
 * The process may unmap memory after some pages were copied. A write is then undone with the former
 * contents, and a read does not change the caller's buffer. The kernel copies one page as a whole
 * or not at all.
 */
int demand_copy(const struct iovec *iov, int n, u8 *buf, u64 len, bool write)
{
	int why = write ? DMAMAP_FAULT_NO_WRITE : DMAMAP_FAULT_NOT_MAPPED;
	u64 done;
	u8 *kept;

	if (demand_in_one_page(iov, n, len))
		return demand_transfer(iov, n, buf, len, write) == len ? 0 : why;
	kept = alloc_zeroed(len);
	if (!kept)
		return -ENOMEM;
	if (demand_transfer(iov, n, kept, len, false) != len) {
		alloc_free(kept);
		return DMAMAP_FAULT_NOT_MAPPED;
	}
	if (write) {
		done = demand_transfer(iov, n, buf, len, true);
		if (done != len)
			demand_transfer(iov, n, kept, done, true);
	} else {
		memcpy(buf, kept, len);
		done = len;
	}
	alloc_free(kept);
	return done == len ? 0 : why;
}

static struct demand_copied *copied_new(dma_addr_t addr, u64 len)
{
	struct demand_copied *s = alloc_zeroed(sizeof(*s));

	if (!s)
		return NULL;
	s->addr = addr;
	s->len = len;
	s->bytes = alloc_zeroed(len);
	if (s->bytes)
		return s;
	copied_free(s);
	return NULL;
}

struct demand_copied *copied_make(const struct iovec *iov, int n, dma_addr_t addr, u64 len,
				  int *err)
{
	struct demand_copied *s = copied_new(addr, len);

	*err = s ? demand_copy(iov, n, s->bytes, len, false) : -ENOMEM;
	if (!*err || !s)
		return s;
	copied_free(s);
	return NULL;
}

/* What the caller will write replaces the content of memory that cannot be read. */
struct demand_copied *copied_fetch(struct device *dev, dma_addr_t addr, u64 len, bool write,
				   int *err)
{
	struct demand_copied *s = copied_new(addr, len);

	*err = s ? 0 : -ENOMEM;
	if (!*err && write)
		*err = dev->client->access(dev, addr, NULL, len, true);
	if (!*err)
		*err = dev->client->access(dev, addr, s->bytes, len, false);
	if (write && *err == DMAMAP_FAULT_NO_READ)
		*err = 0;
	if (!*err || !s)
		return s;
	copied_free(s);
	return NULL;
}

void copied_add(struct device *dev, struct demand_copied *s)
{
	lock_acquire(&dev->copied_lock);
	s->next = dev->copied;
	write_once(&dev->copied, s);
	lock_release(&dev->copied_lock);
}

struct demand_copied *copied_take(struct device *dev, const void *base)
{
	struct demand_copied **p, *s;

	lock_acquire(&dev->copied_lock);
	for (p = &dev->copied; *p && (*p)->bytes != base; p = &(*p)->next)
		;
	s = *p;
	if (s)
		write_once(p, s->next);
	lock_release(&dev->copied_lock);
	return s;
}

void copied_free(struct demand_copied *s)
{
	alloc_free(s->bytes);
	alloc_free(s);
}

void copied_drop_all(struct device *dev)
{
	struct demand_copied *s;

	while ((s = dev->copied)) {
		dev->copied = s->next;
		copied_free(s);
	}
}
