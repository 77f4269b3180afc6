/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the stress tests share. Threads record failures as text, because only the main
 * thread may use asserts. Tests count rounds instead of time, so that a slow machine only takes
 * longer.
 *
 * Some tests let two threads access one byte concurrently on purpose, such as a device whose
 * mapping was removed. Both sides then store and load aligned words as a whole, or use odd sizes,
 * which the device copies by a string instruction. ThreadSanitizer then reports only the other
 * races.
 */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "base/compiler.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BUILT_WITH_TSAN
#define ROUNDS(n) ((n) / 4 + 1)
#else
#define ROUNDS(n) (n)
#endif

struct trouble {
	int count;	/* atomic */
	char text[200]; /* message of the first failure; written by the thread that made count 1 */
};

static struct trouble trouble;

#define went_wrong(...)                                                                            \
	do {                                                                                       \
		if (__atomic_fetch_add(&trouble.count, 1, __ATOMIC_RELAXED) == 0)                  \
			snprintf(trouble.text, sizeof(trouble.text), __VA_ARGS__);                 \
	} while (0)

static inline void no_trouble(const char *where)
{
	if (trouble.count)
		fail_msg("%s: %d times; the first: %s", where, trouble.count, trouble.text);
}

static inline u32 next_random(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(*state >> 33);
}

static inline void start_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	assert_int_equal(pthread_create(t, NULL, fn, arg), 0);
}

static inline void drop_faults(struct device *dev)
{
	struct dmamap_fault f;

	while (dmamap_bus_fault_next(dev, &f) == 1)
		;
}

static inline struct dmamap_stats stats_of(struct device *dev)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(dev, &s), 0);
	return s;
}

#endif
