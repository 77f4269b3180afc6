/* SPDX-License-Identifier: BSD-2-Clause */
#include "core_rig.h"

#include "domain/hold.h"

#include <pthread.h>
#include <time.h>

static struct device *one, *two; /* of one group */

static int setup(void **state)
{
	one = rig_open("sim,ram=64M,group=g", ~0ull);
	two = rig_open("sim,ram=64M,group=g", ~0ull);
	return 0;
}

static int teardown(void **state)
{
	rig_fail_none();
	rig_close(one);
	rig_close(two);
	return 0;
}

static u32 held(void)
{
	return read_once(&one->domain->n_holds);
}

static void test_add_and_drop(void **state)
{
	u8 a = 0, b = 0;

	assert_int_equal(hold_add(one, IOVA(0x1000), 64, &a), 0);
	assert_int_equal(hold_add(two, IOVA(0x1000), 64, &a), 0);
	assert_int_equal(hold_add(one, IOVA(0x5000), 64, &b), 0);
	assert_int_equal(held(), 3);
	assert_false(hold_drop(two, &b));
	assert_true(hold_drop(one, &b));
	assert_false(hold_drop(one, &b));
	assert_true(hold_drop(one, &a));
	assert_false(hold_drop(one, &a));
	assert_int_equal(held(), 1);
	assert_true(hold_drop(two, &a));
	assert_int_equal(held(), 0);
}

static void test_all_of_one_device(void **state)
{
	u8 a[10] = {0};

	for (int i = 0; i < 10; i++)
		assert_int_equal(hold_add(i % 3 ? one : two, IOVA(0x1000), 64, &a[i]), 0);
	hold_drop_all(one);
	assert_int_equal(held(), 4);
	assert_true(hold_drop(two, &a[3]));
	hold_drop_all(two);
	hold_drop_all(two);
	assert_int_equal(held(), 0);
}

static void test_no_memory(void **state)
{
	u8 a = 0;

	rig_fail(FAIL_MEMORY, 1);
	assert_int_equal(hold_add(one, IOVA(0x1000), 64, &a), -ENOMEM);
	assert_int_equal(held(), 0);
}

/* Only what overlaps is waited for: these return at once. */
static void test_neighbours_are_not_waited_for(void **state)
{
	u8 a = 0;

	assert_int_equal(hold_add(one, IOVA(0x5000), 0x1000, &a), 0);
	domain_wait_holds(one->domain, IOVA(0x4000), 0x1000);
	domain_wait_holds(one->domain, IOVA(0x6000), 0x1000);
	domain_wait_holds(one->domain, IOVA(0), 0x5000);
	assert_false(read_once(&one->stuck));
	assert_true(hold_drop(one, &a));
}

static u8 base;
static u32 dropped; /* atomic */

static void *drop_soon(void *arg)
{
	const struct timespec t = {.tv_nsec = 20000000};

	nanosleep(&t, NULL);
	__atomic_store_n(&dropped, 1, __ATOMIC_SEQ_CST);
	hold_drop(one, &base);
	return NULL;
}

static void waits(u64 hold, u64 hold_size, u64 unmap, u64 unmap_size)
{
	pthread_t t;

	dropped = 0;
	assert_int_equal(hold_add(one, IOVA(hold), hold_size, &base), 0);
	assert_int_equal(pthread_create(&t, NULL, drop_soon, NULL), 0);
	domain_wait_holds(one->domain, IOVA(unmap), unmap_size);
	assert_int_equal(__atomic_load_n(&dropped, __ATOMIC_SEQ_CST), 1);
	pthread_join(t, NULL);
}

static void test_each_way_to_overlap(void **state)
{
	waits(0x5000, 0x1000, 0x5000, 0x1000);
	waits(0x5000, 0x2000, 0x6000, 0x1000);
	waits(0x6800, 0x10, 0x6000, 0x1000);
	waits(0x5ff0, 0x11, 0x6000, 0x1000);
	waits(0x5000, 0x1000, 0x4000, 0x1001);
	assert_false(read_once(&one->stuck));
}

#define with_pair(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_pair(test_add_and_drop),	     with_pair(test_all_of_one_device),
		with_pair(test_no_memory),	     with_pair(test_neighbours_are_not_waited_for),
		with_pair(test_each_way_to_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
