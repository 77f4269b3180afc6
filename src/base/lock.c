/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/lock.h"

#include <sched.h>

#define SPINS_BEFORE_YIELD 64

void lock_wait(struct lock *l)
{
	int spins = 0;

	for (;;) {
		while (read_once(&l->taken)) {
			if (++spins < SPINS_BEFORE_YIELD)
				cpu_relax();
			else
				sched_yield();
		}
		if (lock_try(l))
			return;
	}
}
