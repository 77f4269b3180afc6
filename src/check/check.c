/* SPDX-License-Identifier: BSD-2-Clause */
#include "check/check.h"
#include "base/error.h"

#include <dmamap/device.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[DMAMAP_CHECK_KINDS] = {
	[DMAMAP_CHECK_BAD_ARGUMENT] = "bad-argument",
	[DMAMAP_CHECK_UNMAP_NOT_MAPPED] = "unmap-not-mapped",
	[DMAMAP_CHECK_UNMAP_SIZE] = "unmap-size",
	[DMAMAP_CHECK_SYNC_NOT_MAPPED] = "sync-not-mapped",
	[DMAMAP_CHECK_SYNC_RANGE] = "sync-range",
	[DMAMAP_CHECK_COHERENT_NOT_OWNED] = "coherent-not-owned",
	[DMAMAP_CHECK_COHERENT_MISMATCH] = "coherent-mismatch",
	[DMAMAP_CHECK_POOL_BUSY] = "pool-busy",
	[DMAMAP_CHECK_POOL_DOUBLE_FREE] = "pool-double-free",
	[DMAMAP_CHECK_POOL_WRONG] = "pool-wrong",
	[DMAMAP_CHECK_DEVICE_FAULT] = "device-fault",
	[DMAMAP_CHECK_DEVICE_STUCK] = "device-stuck",
	[DMAMAP_CHECK_LEAK] = "leak",
	[DMAMAP_CHECK_IOVA_NOT_LINKED] = "iova-not-linked",
	[DMAMAP_CHECK_IOVA_LINKED] = "iova-linked",
	[DMAMAP_CHECK_IOVA_DIRECTION] = "iova-direction",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*callback)(const struct dmamap_report *, void *); /* under lock */
static void *callback_arg;					 /* under lock */
static u64 counts[DMAMAP_CHECK_KINDS];				 /* atomic; 0: all */

bool check_wanted(void)
{
	const char *s = getenv("DMAMAP_CHECK");

	return s && *s && strcmp(s, "0") != 0;
}

static bool abort_wanted(void)
{
	const char *s = getenv("DMAMAP_CHECK");

	return s && !strcmp(s, "abort");
}

static void emit(const struct dmamap_report *r)
{
	void (*fn)(const struct dmamap_report *, void *);
	void *arg;

	pthread_mutex_lock(&lock);
	fn = callback;
	arg = callback_arg;
	pthread_mutex_unlock(&lock);
	/* outside of the lock: the callback may ask for counts, and other threads may report */
	if (fn)
		fn(r, arg);
	else
		fprintf(stderr, "dmamap: check: %s: %s: %s\n", dev_name(r->dev), r->name, r->text);
	if (abort_wanted())
		abort();
}

int check_report(const struct device *dev, bool on, enum dmamap_check_kind kind, dma_addr_t addr,
		 size_t size, enum dma_data_direction dir, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (on) {
		struct dmamap_report r = {.kind = kind, .name = kind_names[kind], .dev = dev,
					  .addr = addr, .size = size, .dir = dir, .text = text};

		__atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&counts[0], 1, __ATOMIC_RELAXED);
		emit(&r);
	}
	return error_set(EINVAL, "%s: %s", dev_name(dev), text);
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

const char *dmamap_check_name(int kind)
{
	return kind > 0 && kind < DMAMAP_CHECK_KINDS ? kind_names[kind] : NULL;
}
