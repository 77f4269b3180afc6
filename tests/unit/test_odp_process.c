/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes with fewer rights (a seccomp profile, no privilege), each a child of the test, and
 * memory that is unmapped in the middle of a copy.
 */
#include "base/compiler.h"

#include "odp_rig.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifdef BUILT_WITH_TSAN
#define WITH_TSAN 1
#else
#define WITH_TSAN 0
#endif

/* From now on the system call fails with EPERM. */
static bool forbid(long nr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Runs in a child; the result is the number of the failed check, 0: none, 99: not available. */
static void in_child(int (*life)(void))
{
	int status, failed;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		failed = life();
		if (failed)
			_exit(failed);
		child_done();
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
		print_message("# passed over: this process may not do that to a child\n");
		return;
	}
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0);
	assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGKILL);
}

static bool opened(void)
{
	dev = dmamap_open("sim");
	return dev && !dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
}

/*
 * The message, then invalidations by the program, then memory that was unmapped without an event.
 */
static int without_userfaultfd(void)
{
	struct ib_umem *umem;
	dma_addr_t base;
	u8 *p, b;

	if (!forbid(SYS_userfaultfd))
		return 99;
	if (!opened())
		return 1;
	ctx = ib_alloc_ucontext(dev, record_range);
	if (IS_ERR_OR_NULL(ctx) || ib_umem_events_enabled(ctx))
		return 2;
	if (!strstr(dmamap_strerror(), "seccomp") ||
	    !strstr(dmamap_strerror(), "ib_umem_invalidate_range()"))
		return 3;
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	umem = ib_umem_get(ctx, (u64)p, 2 * PAGE, ALL_ACCESS);
	if (IS_ERR_OR_NULL(umem))
		return 4;
	base = ib_umem_start_dma_addr(umem);
	p[PAGE] = 5;
	if (dmamap_bus_read(dev, base, &b, 1) || dmamap_bus_read(dev, base + PAGE, &b, 1) || b != 5)
		return 5;
	if (ib_umem_invalidate_range(ctx, (u64)p, (u64)p + PAGE) || recorded_count() != 1 ||
	    is_mapped(umem, p) || !is_mapped(umem, p + PAGE))
		return 6;
	munmap(p, 2 * PAGE);
	if (dmamap_bus_read(dev, base + PAGE, &b, 1) != -EFAULT)
		return 7;
	ib_umem_release(umem);
	ib_dealloc_ucontext(ctx);
	dmamap_close(dev);
	return 0;
}

/* policy=persistent caches nothing without invalidation events. */
static int nothing_is_kept(void)
{
	dma_addr_t at;
	u8 *p, b;

	if (!forbid(SYS_userfaultfd))
		return 99;
	dev = dmamap_open("sim,policy=persistent");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	at = dma_map_single(dev, p, PAGE, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, at) || dmamap_bus_read(dev, at, &b, 1))
		return 1;
	dma_unmap_single(dev, at, PAGE, DMA_TO_DEVICE);
	if (dmamap_bus_read(dev, at, &b, 1) != -EFAULT)
		return 2;
	dmamap_close(dev);
	return 0;
}

static int without_a_copy(void)
{
	if (!forbid(SYS_process_vm_readv))
		return 99;
	if (!opened())
		return 1;
	ctx = ib_alloc_ucontext(dev, record_range);
	if (PTR_ERR(ctx) != -EOPNOTSUPP || !strstr(dmamap_strerror(), "process_vm_readv"))
		return 2;
	dmamap_close(dev);
	return 0;
}

/*
 * Without privilege only user-mode faults may be requested, and the kernel does not report forks.
 */
static int without_privilege(void)
{
	struct ib_umem *umem;
	pid_t pid;
	u8 *p, b;

	if (setgid(65534) || setuid(65534))
		return 99;
	if (!opened())
		return 1;
	ctx = ib_alloc_ucontext(dev, record_range);
	if (IS_ERR_OR_NULL(ctx))
		return 2;
	if (!ib_umem_events_enabled(ctx)) {
		dmamap_close(dev); /* a leak detector at exit would search all its RAM */
		return 99;
	}
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	umem = ib_umem_get(ctx, (u64)p, 4 * PAGE, ALL_ACCESS);
	if (IS_ERR_OR_NULL(umem) || dmamap_bus_read(dev, ib_umem_start_dma_addr(umem), &b, 1))
		return 3;
	madvise(p, PAGE, MADV_DONTNEED);
	if (!was_recorded(umem, p, PAGE) || is_mapped(umem, p))
		return 4;
	pid = fork();
	if (!pid) {
		munmap(p, PAGE);
		child_done();
	}
	if (pid < 0 || !child_was_done(pid) || !was_recorded(umem, p, 4 * PAGE))
		return 5;
	if (dmamap_bus_read(dev, ib_umem_start_dma_addr(umem), &b, 1))
		return 6;
	ib_umem_release(umem);
	ib_dealloc_ucontext(ctx);
	dmamap_close(dev);
	return 0;
}

static void seccomp_takes_userfaultfd(void **state)
{
	in_child(without_userfaultfd);
}

static void seccomp_takes_what_keeping_needs(void **state)
{
	in_child(nothing_is_kept);
}

static void seccomp_takes_process_vm_readv(void **state)
{
	in_child(without_a_copy);
}

static void nobody_has_events(void **state)
{
	if (WITH_TSAN)
		print_message("# passed over: ThreadSanitizer allows no threads in a child\n");
	else
		in_child(without_privilege);
}

#define LONG 64ul /* pages of one access */
#define HOLE 40ul

static u8 *place;
static bool stop;

static void *come_and_go(void *arg)
{
	u8 *hole = place + HOLE * PAGE;

	for (u64 i = 0; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); i++) {
		munmap(hole, PAGE);
		sched_yield();
		mmap(hole, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
		if (i % 2)
			usleep(30);
	}
	return NULL;
}

static bool all_are(const u8 *p, u8 value)
{
	for (u64 i = 0; i < LONG * PAGE; i += 512)
		if (i / PAGE != HOLE && p[i] != value)
			return false;
	return true;
}

/*
 * Each access is performed completely or not at all, wherever the memory is unmapped; and nothing
 * crashes.
 */
static void memory_vanishes_in_the_middle_of_a_copy(void **state)
{
	/* under a slow tool, as many as there is time for; both results must have occurred */
	u64 done = 0, refused = 0, start = now_ns(), enough = start + 3 * SECOND,
	    until = start + 20 * SECOND;
	u8 *buf = malloc(LONG * PAGE), stands = 0;
	struct ib_umem *umem;
	pthread_t t;

	open_rig("sim");
	place = memory(LONG);
	umem = region(place, LONG * PAGE, ALL_ACCESS);
	stop = false;
	pthread_create(&t, NULL, come_and_go, NULL);
	for (u64 i = 1; done && refused ? i < 2000 && now_ns() < enough : now_ns() < until; i++) {
		u8 value = (u8)(i % 255 + 1);

		memset(buf, value, LONG * PAGE);
		if (dmamap_bus_write(dev, ib_umem_start_dma_addr(umem), buf, LONG * PAGE)) {
			refused++;
		} else {
			stands = value;
			done++;
		}
		assert_true(all_are(place, stands));
		memset(buf, 0, LONG * PAGE);
		if (dmamap_bus_read(dev, ib_umem_start_dma_addr(umem), buf, LONG * PAGE))
			assert_true(all_are(buf, 0));
		else
			assert_true(all_are(buf, stands));
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	pthread_join(t, NULL);
	assert_true(done && refused);
	ib_umem_release(umem);
	munmap(place, LONG * PAGE);
	free(buf);
	close_rig();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seccomp_takes_userfaultfd),
		cmocka_unit_test(seccomp_takes_what_keeping_needs),
		cmocka_unit_test(seccomp_takes_process_vm_readv),
		cmocka_unit_test(nobody_has_events),
		cmocka_unit_test(memory_vanishes_in_the_middle_of_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
