/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A section of the data path that the control path can wait for: enter and exit are two plain
 * stores by the one thread that owns the section. The control path first takes what it wants to
 * free out of reach, then calls grace_wait(). Where A pairs with B:
 *
 *   data path                            control path
 *   active = 1                           pointer = NULL
 *   (barrier, at no cost)       (A)      membarrier()                       (B)
 *   read pointer, use it                 wait until active = 0, by acquire  (D)
 *   active = 0, by release      (C)      free
 *
 * membarrier() makes every running thread of the process execute a full barrier. So either the
 * section sees the pointer gone, or the control path sees the section and waits. On a system
 * without it the data path pays for a fence.
 */
#ifndef XSK_GRACE_H
#define XSK_GRACE_H

#include "base/compiler.h"

struct grace {
	u32 active;
};

extern bool grace_fenced; /* no membarrier() here; set by grace_init() before any section */

void grace_init(void);
void grace_wait(struct grace *g);

hot_inline void grace_enter(struct grace *g)
{
	write_once(&g->active, 1);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(grace_fenced))
		full_fence();
}

hot_inline void grace_exit(struct grace *g)
{
	write_release(&g->active, 0);
}

#endif
