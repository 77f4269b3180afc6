/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asymmetric fences. Where one side of a pair runs very often and the other rarely, the frequent
 * side only needs a compiler barrier (compiler_fence()), and the rare side makes every thread of
 * the process execute a full fence with membarrier(2).
 */
#ifndef BASE_FENCE_H
#define BASE_FENCE_H

#include "base/compiler.h"

/* 1: supported; -1: not supported; 0: not checked yet. Atomic */
extern int fence_answer __attribute__((visibility("hidden")));
bool fence_ask(void) __attribute__((cold));

/*
 * Whether fence_everywhere() is available; checks once. Without it, both sides need full_fence() or
 * another algorithm.
 */
hot_inline bool fence_everywhere_works(void)
{
	return likely(read_once(&fence_answer) == 1) || (!read_once(&fence_answer) && fence_ask());
}

/*
 * When this returns, every thread has executed a full fence since the call. Takes some
 * microseconds.
 */
void fence_everywhere(void) __attribute__((cold));

/* The frequent side: prevents the compiler from reordering accesses across it. */
hot_inline void compiler_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
