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

extern int fence_answer
	__attribute__((visibility("hidden"))); /* 1: yes, -1: no; 0: not asked. Atomic */
bool fence_ask(void) __attribute__((cold));

/* Whether fence_everywhere() can be had; asks the kernel once. Where not, do without the idea. */
hot_inline bool fence_everywhere_works(void)
{
	return likely(read_once(&fence_answer) == 1) || (!read_once(&fence_answer) && fence_ask());
}

/* When it returns each thread has passed a full fence since the call. Some microseconds. */
void fence_everywhere(void) __attribute__((cold));

/* The frequent side: the compiler keeps the order of what stands before and behind. */
hot_inline void compiler_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
