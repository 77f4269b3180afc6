/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads of the library: thread.c. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "base/compiler.h"

#include <pthread.h>

/*
 * Starts a thread that blocks all signals, so that no signal handler of the program runs in it.
 * Returns 0, or an error of pthread_create(); no error message is set.
 */
int thread_start(pthread_t *id, void *(*fn)(void *), void *arg);

#ifdef BUILT_WITH_ASAN
/*
 * Waits until each thread that has returned from its function no longer exists. The caller holds
 * alloc_hold().
 */
void thread_await_ends(void);
#endif

#endif
