/* SPDX-License-Identifier: BSD-2-Clause */
#include "xsk/ring.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/math.h"

#include <sys/mman.h>
#include <unistd.h>

static void *ring_map_shared(size_t length, const char *name)
{
	void *p = MAP_FAILED;
	int fd = -1;

	if (!fail_here(FAIL_MEMORY, NULL))
		fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, (off_t)length))
		p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, length, MADV_DONTFORK); /* a child has no socket */
	return p;
}

int ring_create(struct xsk_ring **ring, u32 entries, size_t entry_size, const char *name)
{
	struct xsk_ring *r;
	char *base;

	if (!is_pow2(entries))
		return error_set(EINVAL,
				 "a ring of %u entries: their number must be a power of two",
				 entries);
	r = alloc_aligned(64, (sizeof(*r) + 63) & ~63ull);
	if (!r)
		return -ENOMEM;
	/* 2^31 descriptors of 16 bytes do not overflow */
	r->length = align_up(RING_ENTRIES + entries * entry_size, PAGE_BYTES);
	base = ring_map_shared(r->length, name);
	if (!base) {
		alloc_free(r);
		return error_set(ENOMEM, "no shared memory for a ring of %u entries", entries);
	}
	r->mask = entries - 1;
	r->producer = (u32 *)(base + RING_PRODUCER);
	r->consumer = (u32 *)(base + RING_CONSUMER);
	r->flags = (u32 *)(base + RING_FLAGS);
	r->addr = (u64 *)(base + RING_ENTRIES);
	r->desc = (struct xdp_desc *)(base + RING_ENTRIES);
	*ring = r;
	return 0;
}

void ring_destroy(struct xsk_ring *r)
{
	if (!r)
		return;
	munmap(ring_base(r), r->length);
	alloc_free(r);
}
