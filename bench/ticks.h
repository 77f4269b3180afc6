/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's time stamp counter, for spans of some ten nanoseconds, to which reading a clock
 * would add too much. The cost of a reading is measured once and subtracted.
 */
#ifndef BENCH_TICKS_H
#define BENCH_TICKS_H

#include <dmamap/types.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct ticks_rate {
	double ns_per_tick, per_reading;
};

static inline u64 ticks_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static inline u64 ticks(void)
{
#if defined(__x86_64__)
	unsigned int cpu;

	return __rdtscp(&cpu);
#else
	return ticks_clock_ns();
#endif
}

/* Takes 20 ms. */
static inline struct ticks_rate ticks_calibrate(void)
{
	u64 begin = ticks_clock_ns(), first = ticks(), took;
	struct ticks_rate r = {.per_reading = 1e9};

	do
		took = ticks_clock_ns() - begin;
	while (took < 20000000);
	r.ns_per_tick = (double)took / (double)(ticks() - first);
	for (int i = 0; i < 100000; i++) {
		u64 at = ticks();

		took = ticks() - at;
		if ((double)took < r.per_reading)
			r.per_reading = (double)took;
	}
	return r;
}

/* The nanoseconds between two readings. */
static inline double ticks_ns(const struct ticks_rate *r, u64 span)
{
	return (double)span > r->per_reading ? ((double)span - r->per_reading) * r->ns_per_tick : 0;
}

#endif
