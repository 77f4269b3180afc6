/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checker wants to see of frees of RAM. The allocators call it in two steps, since memory
 * belongs to somebody else as soon as the allocator's lock is released, and no report may be made
 * while it is held.
 */
#ifndef MEM_WATCH_H
#define MEM_WATCH_H

#include "base/compiler.h"

struct mem_watch {
	/* [pa, pa + size) is about to become free; under a lock of the allocator: nothing is
	 * reported, and no RAM is allocated. */
	void (*freeing)(u64 pa, u64 size);
	/* The call that freed is about to return: reports what freeing() found. */
	void (*freed)(const void *caller);
	/* A call to free `p` was refused; error_text() says why. */
	void (*refused)(const void *p, const void *caller);
};

extern const struct mem_watch *mem_watch; /* atomic; NULL: no device is checked */

hot_inline void mem_watch_freeing(u64 pa, u64 size)
{
	const struct mem_watch *w = read_acquire(&mem_watch);

	if (unlikely(w))
		w->freeing(pa, size);
}

/* `caller`: where the driver called; err: what the call to free `p` came to. */
hot_inline void mem_watch_done(const void *p, int err, const void *caller)
{
	const struct mem_watch *w = read_acquire(&mem_watch);

	if (likely(!w))
		return;
	if (err)
		w->refused(p, caller);
	else
		w->freed(caller);
}

#endif
