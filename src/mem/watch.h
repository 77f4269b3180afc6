/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hooks of the checker in frees of RAM. The allocators call them in two steps, because freed memory
 * may have a new owner as soon as the allocator's lock is released, and no report may be made while
 * the lock is held.
 */
#ifndef MEM_WATCH_H
#define MEM_WATCH_H

#include "base/compiler.h"

struct mem_watch {
	/*
	 * [pa, pa + size) is about to be freed. Called under a lock of the allocator: must not
	 * report or allocate RAM.
	 */
	void (*freeing)(u64 pa, u64 size);
	/* Called before the freeing function returns: reports what freeing() found. */
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

/*
 * Called at the end of a call that frees `p` and returns `err`. `caller` is the program's return
 * address.
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
