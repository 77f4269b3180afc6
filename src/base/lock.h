/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lock for short critical sections: one atomic exchange to take it, a plain store to give it
 * back. Who finds it taken spins a little, then yields the processor, since the owner may be a
 * thread that is not running. Held across system calls only on slow paths.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "base/compiler.h"

struct lock {
	u32 taken;
};

#define LOCK_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}

void lock_wait(struct lock *l) __attribute__((cold));

hot_inline bool lock_try(struct lock *l)
{
	return !__atomic_exchange_n(&l->taken, 1, __ATOMIC_ACQUIRE);
}

hot_inline void lock_acquire(struct lock *l)
{
	if (unlikely(!lock_try(l)))
		lock_wait(l);
}

hot_inline void lock_release(struct lock *l)
{
	write_release(&l->taken, 0);
}

#endif
