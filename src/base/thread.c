/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/thread.h"
#include "base/alloc.h"
#include "base/fail.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>

#ifdef BUILT_WITH_ASAN

/*
 * AddressSanitizer holds a lock of its own while a thread begins. A child of fork would inherit the
 * lock and hang when it creates a thread. A fork waits for alloc_let_go(), and thus until the
 * thread has begun.
 */
struct thread_begin {
	void *(*fn)(void *);
	void *arg;
	sem_t begun;
};

static void *thread_main(void *p)
{
	struct thread_begin *b = p;
	void *(*fn)(void *) = b->fn;
	void *arg = b->arg;

	sem_post(&b->begun); /* b is invalid from here on */
	return fn(arg);
}

static int thread_create(pthread_t *id, void *(*fn)(void *), void *arg)
{
	struct thread_begin b = {.fn = fn, .arg = arg};
	int err;

	sem_init(&b.begun, 0, 0);
	alloc_hold();
	err = pthread_create(id, NULL, thread_main, &b);
	while (!err && sem_wait(&b.begun) && errno == EINTR)
		;
	alloc_let_go();
	sem_destroy(&b.begun);
	return err;
}

#else

static int thread_create(pthread_t *id, void *(*fn)(void *), void *arg)
{
	return pthread_create(id, NULL, fn, arg);
}

#endif

int thread_start(pthread_t *id, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int err;

	if (fail_here(FAIL_MEMORY, NULL))
		return EAGAIN;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = thread_create(id, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}
