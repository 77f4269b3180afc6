/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks over ranges that belong to other threads, and the wait before tables are freed.
 *
 * A walk counts itself on one of two sides. The thread that frees makes new walks count on the
 * other side and waits until the old side has none, so it waits for the walks that had begun and
 * never for those that begin later.
 *
 *   walk                                       thread that frees, holding turn_lock
 *   side = turn & 1                            entry that leads to the table = 0
 *   walks[side]++                       (A)    turn++                                (B)
 *   turn & 1 still that side? else again       wait until walks[old side] is 0       (D)
 *   read entries
 *   walks[side]-- (release)             (C)
 *
 * A and B are read-modify-write operations of one order: either D sees the walk, or the walk began
 * after B and finds the cleared entry. C pairs with D. The look at `turn` after A keeps the side
 * that was waited for last empty, so that one side is enough to wait for.
 *
 * May overflow: the counts, 64 bits, of threads that walk at once: no. `turn`, 64 bits, by one for
 * each wait that finds a walk.
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

	/* a walk that is not counted yet finds the cleared entries */
	full_fence();
	if (likely(!read_acquire(&pt->walks[0]) && !read_acquire(&pt->walks[1])))
		return;
	lock_acquire(&pt->turn_lock);
	side = __atomic_fetch_add(&pt->turn, 1, __ATOMIC_SEQ_CST) & 1;
	while (__atomic_load_n(&pt->walks[side], __ATOMIC_SEQ_CST))
		sched_yield();
	lock_release(&pt->turn_lock);
}
