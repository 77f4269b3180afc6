/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of <dmamap/model.h> that give models access to functions of base/. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include <dmamap/model.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int dmamap_model_error(int err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return error_set(err, "%s", text);
}

void *dmamap_model_alloc(size_t size)
{
	return alloc_aligned(64, size);
}

void dmamap_model_free(void *p)
{
	alloc_free(p);
}

/* struct lock is private and has the same content. */
static struct lock *model_lock_of(struct dmamap_model_lock *lock)
{
	_Static_assert(sizeof(struct lock) == sizeof(*lock), "struct dmamap_model_lock");
	return (struct lock *)lock;
}

void dmamap_model_lock(struct dmamap_model_lock *lock)
{
	lock_acquire(model_lock_of(lock));
}

void dmamap_model_unlock(struct dmamap_model_lock *lock)
{
	lock_release(model_lock_of(lock));
}

void dmamap_model_log(enum dmamap_model_log_level level, const char *fmt, ...)
{
	char text[480];
	int saved = errno;
	va_list ap;

	if ((int)level > (int)log_level())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line((enum log_level)level, "%s", text);
	errno = saved;
}

u64 dmamap_model_clock(void)
{
	return clock_ns();
}

int dmamap_model_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, const char *model)
{
	pthread_t id;
	int err = thread_start(&id, fn, arg);

	if (err)
		return error_set(
			err,
			"%s cannot start its thread: %s; end some threads or raise the limit on "
			"them (ulimit -u)",
			model, strerror(err));
	*thread = id;
	return 0;
}

void dmamap_model_fd_add(int fd)
{
	fork_fd_add(fd);
}

void dmamap_model_fd_close(int fd)
{
	fork_fd_close(fd);
}
