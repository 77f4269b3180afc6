/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events that are late on purpose. In one kind of test the thread that processes events is blocked
 * in the callback of another context: the events of the test are read, but processed only when the
 * test permits it. In the other kind, other memory is mapped at a page before the event of the
 * first memory has been read (swap_memory()).
 */
#ifndef TESTS_ODP_STALL_H
#define TESTS_ODP_STALL_H

#include "odp/monitor.h"

#include "odp_rig.h"

#include <sched.h>

#define SWAPS 200

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	int in;	  /* events whose processing reached this point */
	int pass; /* the number of those that may continue */
	struct ib_ucontext *ctx;
	struct ib_umem *umem;
	u8 *memory;
} stall = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

static struct {
	u8 *page;
	int turn; /* atomic: odd: the page is to be unmapped */
	bool stop;
} swap;

static inline void stalled(struct ib_umem *umem, unsigned long start, unsigned long end)
{
	int mine;

	pthread_mutex_lock(&stall.lock);
	mine = ++stall.in;
	pthread_cond_broadcast(&stall.change);
	while (stall.pass < mine)
		pthread_cond_wait(&stall.change, &stall.lock);
	pthread_mutex_unlock(&stall.lock);
}

/* An event that blocks the following ones. */
static inline void stall_event(void)
{
	madvise(stall.memory, PAGE, MADV_DONTNEED);
}

static inline void stall_wait(int in)
{
	pthread_mutex_lock(&stall.lock);
	while (stall.in < in)
		pthread_cond_wait(&stall.change, &stall.lock);
	pthread_mutex_unlock(&stall.lock);
}

static inline void stall_pass(int n)
{
	pthread_mutex_lock(&stall.lock);
	stall.pass += n;
	pthread_cond_broadcast(&stall.change);
	pthread_mutex_unlock(&stall.lock);
}

/* From here on events are read but not processed. */
static inline void hold_events(void)
{
	stall.in = stall.pass = 0;
	stall.memory = memory(1);
	stall.ctx = ib_alloc_ucontext(dev, stalled);
	assert_false(IS_ERR_OR_NULL(stall.ctx));
	stall.umem = ib_umem_get(stall.ctx, (unsigned long)stall.memory, PAGE, READ_ONLY);
	assert_false(IS_ERR_OR_NULL(stall.umem));
	stall_event();
	stall_wait(1);
}

static inline void wait_until_served(void)
{
	while (!monitor_caught_up())
		usleep(100);
}

static inline void serve_events(void)
{
	stall_pass(1000);
	wait_until_served();
	ib_umem_release(stall.umem);
	ib_dealloc_ucontext(stall.ctx);
	munmap(stall.memory, PAGE);
	wait_until_served();
}

/* For the end of a test that failed: nothing waits for the event any more. */
static inline void stall_end(void)
{
	stall_pass(1 << 20);
	__atomic_store_n(&swap.stop, true, __ATOMIC_RELEASE);
}

static inline void map_at(u8 *p, u64 pages)
{
	void *got = mmap(p, pages * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_equal(got, p);
}

/*
 * One thread unmaps a page, and this one maps other memory there as soon as the page is free: in
 * most cases before the event of the first has been read.
 */

static inline void *unmap_in_turn(void *arg)
{
	while (!__atomic_load_n(&swap.stop, __ATOMIC_ACQUIRE)) {
		if (!(__atomic_load_n(&swap.turn, __ATOMIC_ACQUIRE) & 1)) {
			sched_yield();
			continue;
		}
		munmap(swap.page, PAGE);
		__atomic_fetch_add(&swap.turn, 1, __ATOMIC_ACQ_REL);
	}
	return NULL;
}

/* Other memory is mapped at the page; the thread that unmapped the first may still be waiting. */
static inline void swap_memory(void)
{
	__atomic_fetch_add(&swap.turn, 1, __ATOMIC_ACQ_REL);
	while (mmap(swap.page, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != swap.page)
		;
}

static inline void swap_ends(void)
{
	while (__atomic_load_n(&swap.turn, __ATOMIC_ACQUIRE) & 1)
		sched_yield();
	wait_until_served();
}

static inline void swap_start(pthread_t *t)
{
	swap.page = memory(1);
	swap.turn = 0;
	swap.stop = false;
	assert_int_equal(pthread_create(t, NULL, unmap_in_turn, NULL), 0);
}

static inline void swap_stop(pthread_t t)
{
	__atomic_store_n(&swap.stop, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	munmap(swap.page, PAGE);
	wait_until_served();
}

#define NEEDS_EVENTS()                                                                             \
	do {                                                                                       \
		if (!ib_umem_events_enabled(ctx)) {                                                \
			print_message("# passed over: no userfaultfd here\n");                     \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#endif
