/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doorbell of a model's thread: bits of pending work, and a word on which the thread sleeps.
 *
 *   doorbell_post()                     doorbell_sleep_begin()
 *     pending |= bits      (A)            asleep = 1           (C)
 *     if (asleep) wake up  (B)            if (!pending) sleep  (D)
 *
 * All four are sequentially consistent: either B reads C's store, or D reads A's.
 */
#ifndef MODELS_DOORBELL_H
#define MODELS_DOORBELL_H

#include "util.h"

#include <time.h>

struct doorbell {
	u64 pending;
	u32 stop;   /* the thread ends; set before the last post */
	u32 asleep; /* the thread waits on this word */
};

/* Returns whether there is pending work. The value is unordered; doorbell_take() orders it. */
hot_inline bool doorbell_pending(const struct doorbell *b)
{
	return read_once(&b->pending);
}

hot_inline u64 doorbell_take(struct doorbell *b)
{
	return __atomic_exchange_n(&b->pending, 0, __ATOMIC_SEQ_CST);
}

/* Adds pending work. Returns true if the thread sleeps; the caller must then wake it up. */
hot_inline bool doorbell_post(struct doorbell *b, u64 bits)
{
	__atomic_fetch_or(&b->pending, bits, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&b->asleep, __ATOMIC_SEQ_CST))
		return false;
	__atomic_store_n(&b->asleep, 0, __ATOMIC_SEQ_CST);
	return true;
}

/* Returns true if the thread may sleep. doorbell_sleep_end() must follow in either case. */
hot_inline bool doorbell_sleep_begin(struct doorbell *b)
{
	__atomic_store_n(&b->asleep, 1, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&b->pending, __ATOMIC_SEQ_CST);
}

hot_inline void doorbell_sleep_end(struct doorbell *b)
{
	__atomic_store_n(&b->asleep, 0, __ATOMIC_SEQ_CST);
}

/* Returns whether the thread has taken all work and sleeps or is about to. For tests. */
hot_inline bool doorbell_idle(const struct doorbell *b)
{
	return !__atomic_load_n(&b->pending, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&b->asleep, __ATOMIC_SEQ_CST);
}

/* Wakes up a thread that sleeps in doorbell_wait(). */
void doorbell_wake(struct doorbell *b);

/* Sleeps until there is pending work or the time has passed; NULL: no limit. */
void doorbell_wait(struct doorbell *b, const struct timespec *most);

#endif
