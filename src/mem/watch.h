/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker's hooks in frees of RAM. The allocators call them in two steps: freed memory may have
 * another owner as soon as the allocator's lock is released, and no report may be made while the
 * lock is held.
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
	/* A call to free `p` was refused; error_text() has the reason. */
	void (*refused)(const void *p, const void *caller);
};

extern const struct mem_watch *mem_watch; /* atomic; NULL: no device is checked */

hot_inline void mem_watch_freeing(u64 pa, u64 size)
{
	const struct mem_watch *w = read_acquire(&mem_watch);

	if (unlikely(w))
		w->freeing(pa, size);
}

/* Ends a call to free `p`, which returned `err`. `caller`: the address in the program that called.
 */
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
