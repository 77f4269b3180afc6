/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts the threads of models. */
#include "thread.h"
#include "base/error.h"
#include "base/fail.h"

#include <signal.h>
#include <string.h>

int model_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, const char *model)
{
	sigset_t all, old;
	int err = EAGAIN;

	if (!fail_here(FAIL_MEMORY, NULL)) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = pthread_create(thread, NULL, fn, arg);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (!err)
		return 0;
	return error_set(err,
			 "%s cannot start its thread: %s; end some threads or raise the limit on "
			 "them (ulimit -u)",
			 model, strerror(err));
}
