/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports. This file formats the message and calls the program's callback; deliver.c counts the
 * report and makes its text. No lock is held while the callback runs, so it may map, and other
 * threads may report. A misuse by the callback itself is counted but not reported, because its
 * report would call the callback again, without end.
 *
 * A report needs less than 8 KiB of the stack of the thread that misused the API, so long texts are
 * in memory from the heap.
 */
#include "report/deliver.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/lock.h"
#include "report/options.h"

#include <dmamap/device.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*callback)(const struct dmamap_report *, void *); /* under lock */
static void *callback_arg;				       /* under lock */
static u64 counts[DMAMAP_CHECK_KINDS];			       /* atomic; [0] counts all kinds */

/* State of the thread's current call into the library. */
static _Thread_local struct {
	const void *caller;
	bool said; /* the checker has reported, so the library's own report is suppressed */
	bool telling;
} now;

void check_enter(const void *caller)
{
	now.caller = caller;
	now.said = false;
}

const char *report_dir(enum dma_data_direction dir)
{
	switch ((int)dir) {
	case DMA_BIDIRECTIONAL:
		return "BIDIRECTIONAL";
	case DMA_TO_DEVICE:
		return "TO_DEVICE";
	case DMA_FROM_DEVICE:
		return "FROM_DEVICE";
	default:
		return "NONE";
	}
}

void report_count(enum dmamap_check_kind kind)
{
	__atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counts[0], 1, __ATOMIC_RELAXED);
}

/* Used for one report at a time when there is no memory. */
static struct deliver_job spare;
static struct lock spare_lock;

static struct deliver_job *report_take_delivery(void)
{
	struct deliver_job *d = alloc_zeroed(sizeof(*d));

	if (d)
		return d;
	if (!lock_try(&spare_lock))
		return NULL;
	memset(&spare, 0, sizeof(spare));
	return &spare;
}

static void report_give_delivery(struct deliver_job *d)
{
	if (d == &spare)
		lock_release(&spare_lock);
	else
		alloc_free(d);
}

/* Does not use fprintf(), which needs 8 KiB of stack for an unbuffered stream. */
static void report_print(const struct dmamap_report *r)
{
	const char *const words[] = {
		"dmamap: check: ", dev_name(r->dev), ": ", r->name, ": ", r->text, "\n"};

	flockfile(stderr);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		fputs(words[i], stderr);
	funlockfile(stderr);
}

/* Passes the report to the program's callback, on this thread, or prints it to standard error. */
static void report_to(struct deliver_job *d, const struct report_about *a)
{
	void (*fn)(const struct dmamap_report *, void *);
	struct dmamap_report r;
	void *arg;

	pthread_mutex_lock(&lock);
	fn = callback;
	arg = callback_arg;
	pthread_mutex_unlock(&lock);
	deliver_misuse(d);
	if (d->suppressed || d->dropped)
		return;
	r = report_of(a, d->text);
	if (fn)
		fn(&r, arg);
	else
		report_print(&r);
	if (check_options.abort)
		abort();
}

static __attribute__((format(printf, 2, 0))) void report_make(const struct report_about *a,
							      const char *fmt, va_list ap)
{
	struct deliver_job *d = report_take_delivery();
	bool was_telling = now.telling;

	if (!d) {
		report_count(a->kind);
		return;
	}
	d->about = *a;
	d->caller = a->caller ? a->caller : now.caller;
	d->n = a->no_stack ? 0 : stack_capture(d->ip);
	d->count_only = was_telling;
	vsnprintf(d->text, DELIVER_MESSAGE, fmt, ap);
	now.telling = true;
	report_to(d, a);
	now.telling = was_telling;
	report_give_delivery(d);
}

void report_v(const struct report_about *a, const char *fmt, va_list ap)
{
	int saved = errno;

	now.said = true;
	if (now.telling && !check_options.suppress)
		report_count(a->kind);
	else
		report_make(a, fmt, ap);
	errno = saved;
}

void report_misuse(const struct report_about *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_v(a, fmt, ap);
	va_end(ap);
}

/* Kinds that the checker detects before the library does, in functions that call check_enter(). */
static bool report_may_be_second(enum dmamap_check_kind kind)
{
	switch (kind) {
	case DMAMAP_CHECK_UNMAP_NOT_MAPPED:
	case DMAMAP_CHECK_UNMAP_SIZE:
	case DMAMAP_CHECK_SYNC_NOT_MAPPED:
	case DMAMAP_CHECK_SYNC_RANGE:
	case DMAMAP_CHECK_COHERENT_NOT_OWNED:
	case DMAMAP_CHECK_COHERENT_MISMATCH:
	case DMAMAP_CHECK_IOVA_DIRECTION:
	case DMAMAP_CHECK_MEMORY_GONE:
		return true;
	default:
		return false;
	}
}

static __attribute__((format(printf, 3, 0))) int
report_refusal(const struct report_about *a, bool on, const char *fmt, va_list ap)
{
	char text[400];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (on && !(now.said && report_may_be_second(a->kind)))
		report_misuse(a, "%s", text);
	return error_set(EINVAL, "%s: %s", dev_name(a->dev), text);
}

int check_report(const struct device *dev, bool on, enum dmamap_check_kind kind, dma_addr_t addr,
		 size_t size, enum dma_data_direction dir, const char *fmt, ...)
{
	const struct report_about a = {.dev = dev,
				       .kind = kind,
				       .addr = addr,
				       .size = size,
				       .dir = dir,
				       .no_stack = kind == DMAMAP_CHECK_LEAK};
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = report_refusal(&a, on, fmt, ap);
	va_end(ap);
	return err;
}

int check_report_history(const struct device *dev, bool on, enum dmamap_check_kind kind,
			 dma_addr_t addr, size_t size, enum dma_data_direction dir,
			 const struct check_history *history, const char *fmt, ...)
{
	const struct report_about a = {.dev = dev,
				       .kind = kind,
				       .addr = addr,
				       .size = size,
				       .dir = dir,
				       .no_stack = kind == DMAMAP_CHECK_LEAK,
				       .what = {history->what[0], history->what[1]},
				       .at = {history->at[0], history->at[1]}};
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = report_refusal(&a, on, fmt, ap);
	va_end(ap);
	return err;
}

void dmamap_check_on_report(void (*fn)(const struct dmamap_report *, void *arg), void *arg)
{
	pthread_mutex_lock(&lock);
	callback = fn;
	callback_arg = arg;
	pthread_mutex_unlock(&lock);
}

u64 dmamap_check_count(int kind)
{
	return kind >= 0 && kind < DMAMAP_CHECK_KINDS ? read_once(&counts[kind]) : 0;
}

/* The callback stays; reports of the parent do not count in a child. */
static void report_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	spare_lock = (struct lock)LOCK_INIT;
	memset(counts, 0, sizeof(counts));
}

FORK_HOOK(report_hook, NULL, NULL, report_fork_child);
