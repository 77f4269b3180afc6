/* SPDX-License-Identifier: BSD-2-Clause */
#include "thread.h"
#include "base/error.h"
#include "base/thread.h"

#include <string.h>

int model_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, const char *model)
{
	int err = thread_start(thread, fn, arg);

	if (!err)
		return 0;
	return error_set(err,
			 "%s cannot start its thread: %s; end some threads or raise the limit on "
			 "them (ulimit -u)",
			 model, strerror(err));
}
