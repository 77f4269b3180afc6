/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A section of the data path, whose end the control path can wait for. Entering and leaving are two
 * plain stores by the one thread that owns the section. The control path first clears the pointers
 * to what it will free, then calls grace_wait():
 *
 *   data path                                  control path
 *   active = 1                                 pointer = NULL
 *   (barrier, at no cost)       (A)            fence in every thread              (B)
 *   read pointer, use it                       wait until active = 0, by acquire  (D)
 *   active = 0, by release      (C)            free
 *
 * A pairs with B, C with D. The fence in every thread is fence_everywhere() of base/fence.h.
 * Either the section reads the cleared pointer, or the control path finds the section
 * active and waits. On a system without membarrier() the data path executes a fence.
 */
#ifndef XSK_GRACE_H
#define XSK_GRACE_H

#include "base/fence.h"

#include <sched.h>

struct grace {
	u32 active;
};

/* Whether sections need no fence, as far as is known; if not, grace_enter() tests it. */
hot_inline bool grace_is_free(void)
{
	return likely(read_once(&fence_answer) == 1);
}

hot_inline void grace_enter(struct grace *g)
{
	write_once(&g->active, 1);
	compiler_fence();
	if (unlikely(!fence_everywhere_works()))
		full_fence();
}

hot_inline void grace_exit(struct grace *g)
{
	write_release(&g->active, 0);
}

static inline void grace_wait(struct grace *g)
{
	if (fence_everywhere_works())
		fence_everywhere();
	else
		full_fence();
	while (read_acquire(&g->active))
		sched_yield();
}

#endif
