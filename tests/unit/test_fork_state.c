/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker, locks, threads, keys, descriptors and address ranges of the library in a child of
 * fork().
 */
#include "fork_rig.h"

#include "base/fence.h"
#include "base/fork.h"

#include <dmamap/check.h>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

/* ---- the checker ---- */

static void misuse(struct device *dev)
{
	dma_unmap_single(dev, 0xdead000, 64, DMA_TO_DEVICE);
}

static void drop(const struct dmamap_report *r, void *arg)
{
	__atomic_fetch_add((u32 *)arg, 1, __ATOMIC_RELAXED);
}

static int is_checked_anew(void *arg)
{
	u32 *reports = arg, before = *reports;
	struct device *dev;

	EXPECT(dmamap_check_count(0) == 0);
	dev = dmamap_open("sim,check=1");
	EXPECT(dev);
	misuse(dev);
	EXPECT(dmamap_check_count(DMAMAP_CHECK_UNMAP_NOT_MAPPED) == 1);
	EXPECT(*reports == before + 1);
	dmamap_close(dev); /* nothing of the parent's is a leak here */
	EXPECT(dmamap_check_count(0) == 1);
	return 0;
}

static u32 reports;

static void test_the_checker_starts_anew(void **state)
{
	void *p;
	dma_addr_t addr;
	struct device *dev;

	dmamap_check_on_report(drop, &reports);
	dev = rig_open("sim,check=1", ~0ull);
	p = kmalloc(64, GFP_KERNEL);
	addr = dma_map_single(dev, p, 64, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	misuse(dev);
	in_child(is_checked_anew, &reports);
	assert_int_equal(child_status(is_checked_anew, &reports, true), 0);
	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	kfree(p);
	rig_close(dev);
	dmamap_check_on_report(NULL, NULL);
}

/* ---- while threads of the parent are in the library ---- */

static u32 stop;    /* atomic */
static u32 started; /* atomic: threads that run. A sanitizer holds locks while they begin. */

static void *opens_and_closes(void *arg)
{
	__atomic_fetch_add(&started, 1, __ATOMIC_RELEASE);
	while (!read_once(&stop)) {
		struct device *dev = dmamap_open(arg);

		dmamap_close(dev);
	}
	return NULL;
}

static void *maps_and_allocates(void *arg)
{
	struct device *dev = arg;

	__atomic_fetch_add(&started, 1, __ATOMIC_RELEASE);
	while (!read_once(&stop)) {
		dma_addr_t addr, dma;
		void *p = kmalloc(100, GFP_KERNEL), *c, *v;

		addr = dma_map_single(dev, p, 100, DMA_TO_DEVICE);
		if (!dma_mapping_error(dev, addr))
			dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
		c = dma_alloc_coherent(dev, 100, &dma, GFP_KERNEL);
		v = vmalloc(5000);
		misuse(dev);
		vfree(v);
		if (c)
			dma_free_coherent(dev, 100, c, dma);
		kfree(p);
	}
	return NULL;
}

static int does_it_all(void *arg)
{
	EXPECT(!uses("sim"));
	EXPECT(!uses("sim,check=1"));
	EXPECT(!uses("sim,policy=lazy,name=t0"));
	EXPECT(!uses("sim,iommu=0,group=g"));
	return 0;
}

/* Without a lock that hangs, also in exit(), where destructors run. */
static void test_threads_in_the_library(void **state)
{
	struct device *dev;
	pthread_t t[3];

	stop = started = 0;
	dmamap_check_on_report(drop, &reports);
	dev = rig_open("sim,check=1,policy=lazy", ~0ull);
	assert_int_equal(pthread_create(&t[0], NULL, opens_and_closes,
					(void *)(uintptr_t) "sim:edu,policy=lazy,name=t0,group=g"),
			 0);
	assert_int_equal(pthread_create(&t[1], NULL, maps_and_allocates, dev), 0);
	assert_int_equal(pthread_create(&t[2], NULL, maps_and_allocates, dev), 0);
	while (read_acquire(&started) < 3)
		sched_yield();
	for (int i = 0; i < 40; i++) {
#ifdef BUILT_WITH_ASAN
		/* its check for leaks finds what other threads' stacks led to */
		in_child(does_it_all, NULL);
#else
		assert_int_equal(child_status(does_it_all, NULL, i & 1), 0);
#endif
		sched_yield();
	}
	write_once(&stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	rig_close(dev);
	dmamap_check_on_report(NULL, NULL);
}

/* ---- lazy ---- */

static int is_flushed(void *arg)
{
	struct device *dev = dmamap_open("sim,policy=lazy");
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;
	char byte;

	EXPECT(dev && p);
	addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	EXPECT(!dma_mapping_error(dev, addr));
	EXPECT(!dmamap_bus_read(dev, addr, &byte, 1));
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	/* the child is ended when it takes for ever */
	while (!dmamap_bus_read(dev, addr, &byte, 1))
		sched_yield();
	kfree(p);
	dmamap_close(dev);
	return 0;
}

static void test_lazy_is_flushed(void **state)
{
	struct device *dev = rig_open("sim,policy=lazy", ~0ull);

	in_child(is_flushed, NULL);
	rig_close(dev);
	in_child(is_flushed, NULL);
}

/* ---- base/fork.h and what hangs on it ---- */

static int finds_no_slot(void *arg)
{
	struct tslot_key *key = arg, own;

	EXPECT(!tslot_get(key) && !tslot_peek(key));
	EXPECT(!tslot_key_init(&own, sizeof(struct tslot), NULL, NULL));
	EXPECT(own.id != key->id);
	EXPECT(tslot_get(&own) && !tslot_get(key));
	tslot_key_destroy(key);
	tslot_key_destroy(&own);
	return 0;
}

static void test_an_inherited_key(void **state)
{
	struct tslot_key key;

	assert_int_equal(tslot_key_init(&key, sizeof(struct tslot), NULL, NULL), 0);
	assert_non_null(tslot_get(&key));
	in_child(finds_no_slot, &key);
	assert_non_null(tslot_peek(&key));
	tslot_key_destroy(&key);
}

static int fences(void *arg)
{
	EXPECT(fence_answer == 0);
	EXPECT(fence_everywhere_works() == (bool)(uintptr_t)arg);
	return 0;
}

static void test_fences_are_asked_for_anew(void **state)
{
	in_child(fences, (void *)(uintptr_t)fence_everywhere_works());
}

static int ends_the_same(void *arg)
{
	return 0;
}

static void test_what_is_no_more_the_librarys(void **state)
{
	int fd = memfd_create("test", 0), other;
	u8 *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int n;

	/* a number that the library closed is the program's when it comes again */
	fork_fd_add(fd);
	fork_fd_close(fd);
	other = memfd_create("test", 0);
	assert_int_equal(other, fd);
	n = count_fds();
	in_child(has_as_many, &n);
	close(other);
	fork_fd_add(-1);
	fork_fd_close(FORK_FDS + 1);
	fork_range_add(p, 8192);
	dies_in_child(reads, p);
	fork_range_remove(p);
	munmap(p, 8192);
	p = mmap(p, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	in_child(reads, p);
	munmap(p, 8192);
	in_child(ends_the_same, NULL);
}

/* Another library's handler mapped something in a hole before ours ran: it stays. */
static u8 *hole;
static bool in_hole;

static void map_in_hole(void)
{
	if (!in_hole)
		return;
	if (mmap(hole + 5 * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED)
		hole[5 * PAGE_BYTES] = 9;
}

__attribute__((constructor(101))) static void before_the_library(void)
{
	pthread_atfork(NULL, NULL, map_in_hole);
}

static int has_it(void *arg)
{
	EXPECT(hole[5 * PAGE_BYTES] == 9);
	return 0;
}

static void test_what_others_map_in_a_hole(void **state)
{
	hole = mmap(NULL, 16 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	fork_range_add(hole, 16 * PAGE_BYTES);
	in_hole = true;
	in_child(has_it, NULL);
	dies_in_child(reads, hole + 4 * PAGE_BYTES);
	dies_in_child(reads, hole + 6 * PAGE_BYTES);
	in_hole = false;
	fork_range_remove(hole);
	munmap(hole, 16 * PAGE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_checker_starts_anew),
		cmocka_unit_test(test_threads_in_the_library),
		cmocka_unit_test(test_lazy_is_flushed),
		cmocka_unit_test(test_an_inherited_key),
		cmocka_unit_test(test_fences_are_asked_for_anew),
		cmocka_unit_test(test_what_is_no_more_the_librarys),
		cmocka_unit_test(test_what_others_map_in_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
