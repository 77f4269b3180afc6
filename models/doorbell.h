/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doorbell by which a driver's thread gives work to a model's worker thread. It stores a word
 * of pending bits and a flag that is set while the worker sleeps.
 *
 *  doorbell_set()                           doorbell_prepare()
 *    pending |= bits         (A)              asleep = 1            (C)
 *    if (asleep) wake up     (B)              if (!pending) sleep   (D)
 *
 * All four accesses are sequentially consistent, so either B reads what C stored, or D reads what A
 * stored. No wake-up is lost. A worker may also be woken without need.
 */
#ifndef MODELS_DOORBELL_H
#define MODELS_DOORBELL_H

#include "base/compiler.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct doorbell {
	u64 pending; /* bits of the model's; the worker clears them */
	u32 asleep;  /* the futex on which the worker sleeps: 1 while it does */
};

/* Adds the bits. True: the worker sleeps and the caller must wake it. */
static inline bool doorbell_set(struct doorbell *d, u64 bits)
{
	__atomic_fetch_or(&d->pending, bits, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&d->asleep, __ATOMIC_SEQ_CST))
		return false;
	__atomic_store_n(&d->asleep, 0, __ATOMIC_SEQ_CST);
	return true;
}

/* Adds the bits and wakes a worker that sleeps in doorbell_sleep(). */
static inline void doorbell_ring(struct doorbell *d, u64 bits)
{
	if (doorbell_set(d, bits))
		syscall(SYS_futex, &d->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* True: no bit is pending, and the worker may sleep. doorbell_finish() must follow in any case. */
static inline bool doorbell_prepare(struct doorbell *d)
{
	__atomic_store_n(&d->asleep, 1, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&d->pending, __ATOMIC_SEQ_CST);
}

static inline void doorbell_finish(struct doorbell *d)
{
	__atomic_store_n(&d->asleep, 0, __ATOMIC_SEQ_CST);
}

/* Sleeps until a bit is set or the time has passed. `timeout` NULL: without limit. */
static inline void doorbell_sleep(struct doorbell *d, const struct timespec *timeout)
{
	if (doorbell_prepare(d))
		syscall(SYS_futex, &d->asleep, FUTEX_WAIT_PRIVATE, 1, timeout, NULL, 0);
	doorbell_finish(d);
}

static inline bool doorbell_is_rung(const struct doorbell *d)
{
	return read_once(&d->pending);
}

/* Returns the pending bits and clears them. */
static inline u64 doorbell_take(struct doorbell *d)
{
	return __atomic_exchange_n(&d->pending, 0, __ATOMIC_SEQ_CST);
}

#endif
