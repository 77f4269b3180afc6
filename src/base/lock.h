/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lock for short critical sections: an atomic exchange to acquire, a plain store to release. A
 * thread that finds it locked spins briefly and then yields the processor, since the owner may not
 * be running. It is held across system calls on slow paths only.
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
