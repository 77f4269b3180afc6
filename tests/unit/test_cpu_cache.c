/* SPDX-License-Identifier: BSD-2-Clause */
/* The two views of RAM, and which cache lines of it are mapped. */
#include "core_rig.h"

#include "mem/cpu_cache.h"

#include <pthread.h>

static struct device *dev;
static phys_t ram; /* two pages */

static int setup(void **state)
{
	struct page *page;

	dev = rig_open("sim,iommu=0,coherent=0,ram=64M", ~0ull);
	page = alloc_pages(GFP_KERNEL, 1);
	ram = PHYS(page_to_phys(page));
	return page ? 0 : -1;
}

static int teardown(void **state)
{
	__free_pages(phys_to_page(ram.v), 1);
	rig_close(dev);
	return 0;
}

static phys_t at(u64 offset)
{
	return PHYS(ram.v + offset);
}

static void test_lines_are_counted(void **state)
{
	assert_false(cpu_cache_held(at(0), 1));
	cpu_cache_hold(at(100), 100); /* lines 1 to 3 */
	assert_false(cpu_cache_held(at(63), 1));
	assert_true(cpu_cache_held(at(64), 1));
	assert_true(cpu_cache_held(at(64), 192));
	assert_true(cpu_cache_held(at(255), 1));
	assert_false(cpu_cache_held(at(255), 2));
	assert_false(cpu_cache_held(at(64), 0));
	cpu_cache_hold(at(200), 8192 - 200);
	assert_true(cpu_cache_held(at(64), 8192 - 64));
	assert_true(cpu_cache_drop(at(100), 100));
	assert_false(cpu_cache_held(at(64), 1));
	assert_true(cpu_cache_held(at(192), 64)); /* of both */
	assert_true(cpu_cache_drop(at(200), 8192 - 200));
	assert_false(cpu_cache_held(at(192), 1));
}

/* A range that is mapped only in part is not released, and is unchanged. */
static void test_a_wrong_end_changes_nothing(void **state)
{
	cpu_cache_hold(at(4096), 4096);
	assert_false(cpu_cache_drop(at(4096 - 64), 128));
	assert_false(cpu_cache_drop(at(0), 8192));
	assert_false(cpu_cache_drop(at(0), 4096));
	assert_false(cpu_cache_drop(at(4096), 0));
	assert_true(cpu_cache_held(at(4096), 4096));
	/* the first lines are mapped, the others are not */
	cpu_cache_hold(at(0), 2048);
	assert_false(cpu_cache_drop(at(1024), 4096));
	assert_true(cpu_cache_drop(at(0), 2048));
	assert_true(cpu_cache_held(at(4096), 4096));
	assert_true(cpu_cache_drop(at(4096), 4096));
	assert_false(cpu_cache_drop(at(4096), 4096));
}

enum { TURNS = 50000 };

static pthread_barrier_t together;

/* Adjacent ranges and one line that both contain. */
static void *hold_and_drop(void *arg)
{
	u64 from = arg ? 64 : 0;

	pthread_barrier_wait(&together);
	for (int i = 0; i < TURNS; i++) {
		cpu_cache_hold(at(from), 128);
		if (!cpu_cache_held(at(from), 128) || !cpu_cache_drop(at(from), 128))
			return &together;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread;
	void *wrong = &thread;

	pthread_barrier_init(&together, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, hold_and_drop, &together), 0);
	assert_null(hold_and_drop(NULL));
	pthread_join(thread, &wrong);
	pthread_barrier_destroy(&together);
	assert_null(wrong);
	assert_false(cpu_cache_held(at(0), 1) || cpu_cache_held(at(64), 1) ||
		     cpu_cache_held(at(128), 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_wrong_end_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
