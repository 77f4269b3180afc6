/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is unmapped: which events arrive, which callbacks run, and what the device reads
 * afterwards.
 */
#include "base/fail.h"
#include "odp/odp.h"

#include "odp_rig.h"

#include <signal.h>
#include <sys/syscall.h>

static u8 *p;
static struct ib_umem *umem;
static dma_addr_t base;

#define PAGES 16ul

static void open_region(u8 *at)
{
	p = at;
	umem = region(p, PAGES * PAGE, ALL_ACCESS);
	base = ib_umem_start_dma_addr(umem);
	memset(p, 0xaa, PAGES * PAGE);
	assert_int_equal(fault_in(umem, p, PAGES, 3), PAGES);
}

static int setup(void **state)
{
	open_rig("sim");
	if (!ib_umem_events_enabled(ctx))
		return 0;
	open_region(memory(PAGES));
	return 0;
}

static int teardown(void **state)
{
	if (umem) {
		ib_umem_release(umem);
		munmap(p, PAGES * PAGE);
	}
	umem = NULL;
	close_rig();
	return 0;
}

#define NEEDS_MONITOR()                                                                            \
	do {                                                                                       \
		if (!umem) {                                                                       \
			print_message("# skipped: no invalidation events on this system\n");       \
			return;                                                                    \
		}                                                                                  \
	} while (0)

static void refused(u64 page)
{
	u8 b;

	assert_int_equal(dmamap_bus_read(dev, base + page * PAGE, &b, 1), -EFAULT);
}

static u8 sees(u64 page)
{
	u8 b = 0xee;

	assert_int_equal(dmamap_bus_read(dev, base + page * PAGE, &b, 1), 0);
	return b;
}

static void munmap_of_a_part(void **state)
{
	NEEDS_MONITOR();
	/* begins before the part of the region that is unmapped, ends inside it */
	munmap(p + 4 * PAGE, 4 * PAGE);
	refused(5);
	assert_true(was_recorded(umem, p + 4 * PAGE, 4 * PAGE));
	assert_int_equal(recorded_count(), 1);
	for (u64 i = 0; i < PAGES; i++)
		assert_int_equal(is_mapped(umem, p + i * PAGE), i < 4 || i >= 8);
	assert_int_equal(sees(3), 0xaa);
	/*
	 * other memory is mapped in its place: the device sees it, and an unmap of it causes an
	 * event again
	 */
	assert_ptr_equal(mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 p + 4 * PAGE);
	p[5 * PAGE] = 0xbb;
	assert_int_equal(sees(5), 0xbb);
	forget();
	munmap(p + 5 * PAGE, PAGE);
	assert_true(was_recorded(umem, p + 5 * PAGE, PAGE));
	refused(5);
}

static void events_are_clipped(void **state)
{
	struct ib_umem *inner, *outer;
	u8 *q;

	NEEDS_MONITOR();
	q = memory(8);
	inner = region(q + 2 * PAGE + 5, 2 * PAGE - 10, ALL_ACCESS);
	outer = region(q, 8 * PAGE, ALL_ACCESS);
	munmap(q + PAGE, 6 * PAGE);
	assert_true(was_recorded(inner, q + 2 * PAGE, 2 * PAGE));
	assert_true(was_recorded(outer, q + PAGE, 6 * PAGE));
	assert_int_equal(recorded_count(), 2);
	ib_umem_release(inner);
	ib_umem_release(outer);
	munmap(q, 8 * PAGE);
}

static void madvise_dontneed_and_remove(void **state)
{
	NEEDS_MONITOR();
	assert_int_equal(madvise(p + 2 * PAGE, 2 * PAGE, MADV_DONTNEED), 0);
	assert_int_equal(sees(2), 0);
	assert_true(was_recorded(umem, p + 2 * PAGE, 2 * PAGE));
	assert_int_equal(sees(4), 0xaa);
}

static void mmap_over_the_top(void **state)
{
	NEEDS_MONITOR();
	assert_ptr_equal(mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 p + PAGE);
	p[PAGE] = 0xcc;
	assert_int_equal(sees(1), 0xcc);
	assert_true(was_recorded(umem, p + PAGE, PAGE));
}

static void mremap_away_and_back(void **state)
{
	u8 *to;

	NEEDS_MONITOR();
	to = memory(4);
	assert_ptr_equal(
		mremap(p + 4 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	refused(4);
	assert_true(was_recorded(umem, p + 4 * PAGE, 4 * PAGE));
	forget();
	/* and another part of the region */
	memset(to, 0xdd, 4 * PAGE);
	assert_ptr_equal(
		mremap(to, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 8 * PAGE),
		p + 8 * PAGE);
	assert_int_equal(sees(8), 0xdd);
	assert_true(was_recorded(umem, p + 8 * PAGE, 4 * PAGE));
	assert_int_equal(sees(12), 0xaa);
}

static void shared_memory(void **state)
{
	int fd = memfd_create("odp", MFD_CLOEXEC);
	struct ib_umem *s;
	u8 *q, b;

	NEEDS_MONITOR();
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	q = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	s = region(q, 4 * PAGE, ALL_ACCESS);
	b = 5;
	assert_int_equal(dmamap_bus_write(dev, ib_umem_start_dma_addr(s), &b, 1), 0);
	assert_int_equal(pread(fd, &b, 1, 0), 1);
	assert_int_equal(b, 5);
	assert_int_equal(madvise(q, PAGE, MADV_REMOVE), 0);
	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(s), &b, 1), 0);
	assert_int_equal(b, 0);
	assert_true(was_recorded(s, q, PAGE));
	munmap(q + PAGE, PAGE);
	assert_true(was_recorded(s, q + PAGE, PAGE));
	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(s) + PAGE, &b, 1), -EFAULT);
	/* the file shrinks: the memory is mapped, its pages are not present */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(s) + 2 * PAGE, &b, 1),
			 -EFAULT);
	ib_umem_release(s);
	munmap(q, 4 * PAGE);
	close(fd);
}

static void fork_takes_all_and_the_child_is_free(void **state)
{
	struct dmamap_fault f;
	pid_t pid;

	NEEDS_MONITOR();
	pid = fork();
	if (!pid) {
		/* keeps its memory, and its events need not be processed */
		alarm(20);
		if (p[0] != 0xaa || munmap(p + PAGE, PAGE) || madvise(p, PAGE, MADV_DONTNEED) ||
		    p[0])
			_exit(1);
		p[2 * PAGE] = 1;
		child_done();
	}
	assert_true(pid > 0);
	assert_true(was_recorded(umem, p, PAGES * PAGE));
	assert_true(child_was_done(pid));
	assert_int_equal(sees(0), 0xaa);
	assert_int_equal(sees(2), 0xaa);
	assert_false(dmamap_bus_fault_next(dev, &f));
	/* our own memory is still tracked */
	forget();
	munmap(p + PAGE, PAGE);
	assert_true(was_recorded(umem, p + PAGE, PAGE));
}

/*
 * In the child: inherited regions behave as if their context were freed; regions that it opens are
 * its own.
 */
static void child_life(void)
{
	struct ib_ucontext *old = ctx;
	struct ib_umem *own;
	u8 *q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), b;

	alarm(60);
	n_recorded = 0;
	pthread_mutex_init(&events_lock, NULL);
	if (is_mapped(umem, p) || ib_umem_odp_map_dma_pages(umem, (u64)p, PAGE, 1, 0) != -EFAULT ||
	    ib_umem_invalidate_range(old, (u64)p, (u64)p + PAGE) || recorded_count())
		_exit(1);
	ib_umem_release(umem);
	ib_dealloc_ucontext(old);
#ifdef BUILT_WITH_TSAN
	child_done(); /* it permits no threads here */
#endif
	dev = dmamap_open("sim,name=child");
	if (!dev || dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
		_exit(2);
	ctx = ib_alloc_ucontext(dev, record_range);
	own = IS_ERR(ctx) ? NULL : ib_umem_get(ctx, (u64)q, PAGE, ALL_ACCESS);
	if (IS_ERR_OR_NULL(own) || !ib_umem_events_enabled(ctx))
		_exit(3);
	if (dmamap_bus_read(dev, ib_umem_start_dma_addr(own), &b, 1) || munmap(q, PAGE) ||
	    !was_recorded(own, q, PAGE) || is_mapped(own, q))
		_exit(4);
	ib_umem_release(own);
	ib_dealloc_ucontext(ctx);
	dmamap_close(dev);
	child_done();
}

static void a_child_starts_from_nothing(void **state)
{
	int status;
	pid_t pid;

	NEEDS_MONITOR();
	pid = fork();
	if (!pid)
		child_life();
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0);
	assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGKILL);
	assert_int_equal(sees(0), 0xaa);
	forget();
	munmap(p + PAGE, PAGE);
	assert_true(was_recorded(umem, p + PAGE, PAGE));
}

static void explicit_invalidation(void **state)
{
	u8 *q = memory(4);
	struct ib_umem *s = region(q, 4 * PAGE, ALL_ACCESS);
	unsigned long seq = ib_umem_notifiers_seq(s);

	assert_int_equal(fault_in(s, q, 4, 3), 4);
	forget();
	assert_int_equal(ib_umem_invalidate_range(ctx, (u64)q + PAGE + 1, (u64)q + 2 * PAGE), 0);
	/* finished when it returns, in whole pages */
	assert_int_equal(recorded_count(), 1);
	assert_true(was_recorded(s, q + PAGE, PAGE));
	assert_false(is_mapped(s, q + PAGE));
	assert_true(is_mapped(s, q));
	assert_int_equal(ib_umem_mmu_notifier_retry(s, seq), 1);
	assert_int_equal(ib_umem_odp_map_dma_pages(s, (u64)q, PAGE, 1, seq), -EAGAIN);
	assert_int_equal(ib_umem_mmu_notifier_retry(s, ib_umem_notifiers_seq(s)), 0);
	ib_umem_release(s);
	munmap(q, 4 * PAGE);
}

static void without_userfaultfd(void **state)
{
	const struct fail_rule rule = {.every = 1};
	struct device *d = dmamap_open("sim,name=other");
	struct ib_ucontext *c;
	struct ib_umem *s;
	u8 *q = memory(2), b;

	/* the monitor of the rig must end first */
	if (umem)
		ib_umem_release(umem);
	ib_dealloc_ucontext(ctx);
	dma_set_mask_and_coherent(d, DMA_BIT_MASK(64));
	fail_set(FAIL_BACKEND, &rule);
	c = ib_alloc_ucontext(d, record_range);
	fail_set(FAIL_BACKEND, NULL);
	assert_false(IS_ERR_OR_NULL(c));
	assert_false(ib_umem_events_enabled(c));
	assert_non_null(strstr(dmamap_strerror(), "ib_umem_invalidate_range"));
	s = ib_umem_get(c, (u64)q, 2 * PAGE, ALL_ACCESS);
	assert_int_equal(dmamap_bus_read(d, ib_umem_start_dma_addr(s), &b, 1), 0);
	assert_int_equal(ib_umem_invalidate_range(c, (u64)q, (u64)q + PAGE), 0);
	assert_true(was_recorded(s, q, PAGE));
	munmap(q, PAGE);
	/* forgotten by the program, but without effect */
	assert_int_equal(dmamap_bus_read(d, ib_umem_start_dma_addr(s) + PAGE, &b, 1), 0);
	munmap(q + PAGE, PAGE);
	assert_int_equal(dmamap_bus_read(d, ib_umem_start_dma_addr(s) + PAGE, &b, 1), -EFAULT);
	ib_umem_release(s);
	ib_dealloc_ucontext(c);
	dmamap_close(d);
	ctx = ib_alloc_ucontext(dev, record_range);
	if (umem)
		umem = region(p, PAGES * PAGE, ALL_ACCESS);
}

static int signals;

static void on_signal(int sig)
{
	signals++;
}

/* A signal for the process is delivered to a thread of the program, never to one of the library. */
static void signals_are_the_programs(void **state)
{
	sigset_t set, old;

	NEEDS_MONITOR();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	signal(SIGUSR1, on_signal);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR1);
	usleep(20000);
	assert_int_equal(signals, 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(signals, 1);
	signal(SIGUSR1, SIG_DFL);
}

static void starts_and_ends_nest(void **state)
{
	struct inval_seq g = {0};
	u64 seq = inval_seq_read(&g);

	inval_seq_begin(&g);
	inval_seq_begin(&g);
	assert_true(inval_seq_changed(&g, inval_seq_read(&g)));
	inval_seq_end(&g);
	assert_true(inval_seq_changed(&g, inval_seq_read(&g)));
	inval_seq_end(&g);
	assert_true(inval_seq_changed(&g, seq));
	assert_false(inval_seq_changed(&g, inval_seq_read(&g)));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(munmap_of_a_part),
		T(events_are_clipped),
		T(madvise_dontneed_and_remove),
		T(mmap_over_the_top),
		T(mremap_away_and_back),
		T(shared_memory),
		T(fork_takes_all_and_the_child_is_free),
		T(a_child_starts_from_nothing),
		T(explicit_invalidation),
		T(without_userfaultfd),
		T(signals_are_the_programs),
		T(starts_and_ends_nest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
