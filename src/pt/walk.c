/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks over ranges that belong to other threads, and the wait before tables are freed.
 *
 * Every walk increments one of two counters (sides). The thread that frees tables directs new walks
 * to the other counter and waits until the old one is 0. It therefore waits for the walks that had
 * begun and never for those that begin later.
 *
 *   walk                                       thread that frees, holding turn_lock
 *   side = turn & 1                            entry that leads to the table = 0
 *   walks[side]++                       (A)    turn++                                (B)
 *   if turn & 1 has changed: undo, repeat      wait until walks[old side] is 0       (D)
 *   read entries
 *   walks[side]-- (release)             (C)
 *
 * A and B are sequentially consistent read-modify-write operations, so they have one order. Either
 * D reads the count of the walk, or the walk began after B and finds the cleared entry. C pairs
 * with D. Because a walk reads `turn` again after A, the counter that was waited for last stays at
 * 0; it is therefore enough to wait for one counter.
 *
 * Nothing can overflow: the counters have 64 bits and count the walks that are under way, and
 * `turn` has 64 bits and is incremented once for every wait that finds a walk.
 */
#include <sched.h>
#include "pt/table.h"

unsigned int pt_walk_enter(struct pt *pt)
{
	unsigned int side;

	for (;;) {
		side = __atomic_load_n(&pt->turn, __ATOMIC_SEQ_CST) & 1;
		__atomic_fetch_add(&pt->walks[side], 1, __ATOMIC_SEQ_CST);
		if (likely((__atomic_load_n(&pt->turn, __ATOMIC_SEQ_CST) & 1) == side))
			return side;
		pt_walk_exit(pt, side);
	}
}

void pt_walk_exit(struct pt *pt, unsigned int side)
{
	__atomic_fetch_sub(&pt->walks[side], 1, __ATOMIC_RELEASE);
}

void walks_wait(struct pt *pt)
{
	unsigned int side;

	/* After this fence, a walk that is not counted yet finds the cleared entries. */
	full_fence();
	if (likely(!read_acquire(&pt->walks[0]) && !read_acquire(&pt->walks[1])))
		return;
	lock_acquire(&pt->turn_lock);
	side = __atomic_fetch_add(&pt->turn, 1, __ATOMIC_SEQ_CST) & 1;
	while (__atomic_load_n(&pt->walks[side], __ATOMIC_SEQ_CST))
		sched_yield();
	lock_release(&pt->turn_lock);
}
