/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fence that one thread pays for all. Where one side of a pair runs millions of times and the
 * other almost never, the frequent side needs only keep its accesses in program order
 * (compiler_fence()), and the rare one makes every thread of the process pass a full fence, by
 * membarrier(2).
 */
#ifndef BASE_FENCE_H
#define BASE_FENCE_H

#include "base/compiler.h"

/* Whether fence_everywhere() can be had; asks the kernel once. Where not, do without the idea. */
bool fence_everywhere_works(void);

/* When it returns each thread has passed a full fence since the call. Some microseconds. */
void fence_everywhere(void) __attribute__((cold));

/* The frequent side: the compiler keeps the order of what stands before and behind. */
hot_inline void compiler_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
