/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the tests of on-demand paging share: a device, a context that records the
 * invalidations that it receives, memory.
 */
#ifndef TESTS_ODP_RIG_H
#define TESTS_ODP_RIG_H

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
#include <rdma/ib_umem_odp.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	   4096ul
#define ALL_ACCESS (IB_ACCESS_ON_DEMAND | IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ)
#define READ_ONLY  (IB_ACCESS_ON_DEMAND | IB_ACCESS_REMOTE_READ)
#define SECOND	   1000000000ull

static struct device *dev;
static struct ib_ucontext *ctx;

struct recorded {
	struct ib_umem *umem;
	unsigned long start, end;
};

static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;
static struct recorded recorded[256];
static int n_recorded;

static inline void record_range(struct ib_umem *umem, unsigned long start, unsigned long end)
{
	/* has no effect, and is allowed */
	ib_umem_odp_unmap_dma_pages(umem, start, end);
	pthread_mutex_lock(&events_lock);
	if (n_recorded < 256)
		recorded[n_recorded++] = (struct recorded){umem, start, end};
	pthread_mutex_unlock(&events_lock);
}

static inline u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * SECOND + (u64)t.tv_nsec;
}

static inline int recorded_count(void)
{
	int n;

	pthread_mutex_lock(&events_lock);
	n = n_recorded;
	pthread_mutex_unlock(&events_lock);
	return n;
}

static inline void forget(void)
{
	pthread_mutex_lock(&events_lock);
	n_recorded = 0;
	pthread_mutex_unlock(&events_lock);
}

/*
 * Waits until exactly this invalidation was recorded; the time limit is generous, for slow tools.
 */
static inline bool was_recorded(struct ib_umem *umem, const void *start, u64 bytes)
{
	u64 until = now_ns() + 20 * SECOND;
	bool found = false;

	while (!found && now_ns() < until) {
		pthread_mutex_lock(&events_lock);
		for (int i = 0; i < n_recorded; i++)
			found |= recorded[i].umem == umem &&
				 recorded[i].start == (unsigned long)start &&
				 recorded[i].end == (unsigned long)start + bytes;
		pthread_mutex_unlock(&events_lock);
		if (!found)
			usleep(200);
	}
	return found;
}

static inline u8 *memory(u64 pages)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	assert_true(p != MAP_FAILED);
	return p;
}

static inline struct ib_umem *region(const void *p, u64 bytes, int access)
{
	struct ib_umem *umem = ib_umem_get(ctx, (unsigned long)p, bytes, access);

	assert_false(IS_ERR_OR_NULL(umem));
	return umem;
}

/*
 * Retries while an invalidation event is pending, as a driver does; a test that needs the result
 * -EAGAIN calls the function itself.
 */
static inline int fault_in(struct ib_umem *umem, const void *p, u64 pages, u64 mask)
{
	u64 until = now_ns() + 20 * SECOND;
	int got;

	do
		got = ib_umem_odp_map_dma_pages(umem, (unsigned long)p, pages * PAGE, mask,
						ib_umem_notifiers_seq(umem));
	while (got == -EAGAIN && now_ns() < until);
	return got;
}

static inline bool is_mapped(struct ib_umem *umem, const void *p)
{
	return ib_umem_dma_address(umem, (unsigned long)p) != DMA_MAPPING_ERROR;
}

static inline bool loses(struct ib_umem *umem, const void *p)
{
	u64 until = now_ns() + 20 * SECOND;

	while (is_mapped(umem, p)) {
		if (now_ns() > until)
			return false;
		usleep(200);
	}
	return true;
}

/*
 * The exit status by which a child of fork reports success: a tool that searches for leaks at exit
 * cannot change it.
 */
static inline void child_done(void)
{
	kill(getpid(), SIGKILL);
	_exit(1);
}

static inline bool child_was_done(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

static inline void open_rig(const char *spec)
{
	dev = dmamap_open(spec);
	assert_non_null(dev);
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	ctx = ib_alloc_ucontext(dev, record_range);
	assert_false(IS_ERR_OR_NULL(ctx));
	forget();
}

static inline void close_rig(void)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	ib_dealloc_ucontext(ctx);
	dmamap_stats(dev, &s);
	assert_int_equal(s.iova_ranges, 0);
	assert_int_equal(s.maps - s.unmaps, 0);
	dmamap_close(dev);
}

#endif
