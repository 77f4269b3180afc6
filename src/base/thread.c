/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/thread.h"
#include "base/alloc.h"
#include "base/fail.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef BUILT_WITH_ASAN

/*
 * AddressSanitizer acquires locks of its own while a thread begins and while it ends. A child of
 * fork would inherit a lock that is held, and hang when it allocates. A fork acquires alloc_hold()
 * and therefore waits until a thread has begun. A thread records its end under the same lock, and a
 * fork waits until the recorded threads no longer exist.
 */
#define THREAD_ENDS  64
#define THREAD_PAUSE 100 /* microseconds between two checks of a thread that ends */

static pid_t thread_ends[THREAD_ENDS]; /* 0: unused; under alloc_hold() */

static bool thread_exists(pid_t tid)
{
	return !syscall(SYS_tgkill, getpid(), tid, 0);
}

void thread_await_ends(void)
{
	int saved = errno;

	for (u32 i = 0; i < THREAD_ENDS; i++) {
		while (thread_ends[i] && thread_exists(thread_ends[i]))
			usleep(THREAD_PAUSE);
		thread_ends[i] = 0;
	}
	errno = saved;
}

static void thread_record_end(void)
{
	u32 i = 0;

	alloc_hold();
	while (i < THREAD_ENDS && thread_ends[i] && thread_exists(thread_ends[i]))
		i++;
	if (i == THREAD_ENDS) {
		thread_await_ends();
		i = 0;
	}
	thread_ends[i] = (pid_t)syscall(SYS_gettid);
	alloc_let_go();
}

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
	arg = fn(arg);
	thread_record_end();
	return arg;
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
