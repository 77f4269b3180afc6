/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments that models hold: conflicts, and unmaps that wait for them. */
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

/* One segment; each caller stores it in an array of its own. */
static struct iovec segment(void *base)
{
	return (struct iovec){base, 64};
}

static int add(struct device *d, u64 at, u64 size, const struct iovec *iov)
{
	return hold_add(d, IOVA(at), size, iov, 1);
}

static bool drop(struct device *d, const struct iovec *iov)
{
	return hold_drop(d, iov, 1);
}

static u32 held(void)
{
	return read_once(&one->domain->n_holds);
}

static void test_add_and_drop(void **state)
{
	u8 a = 0, b = 0;
	struct iovec va = segment(&a), vb = segment(&b);

	assert_int_equal(add(one, 0x1000, 64, &va), 0);
	assert_int_equal(add(two, 0x1000, 64, &va), 0);
	assert_int_equal(add(one, 0x5000, 64, &vb), 0);
	assert_int_equal(held(), 3);
	assert_false(drop(two, &vb));
	assert_true(drop(one, &vb));
	assert_false(drop(one, &vb));
	assert_true(drop(one, &va));
	assert_false(drop(one, &va));
	assert_int_equal(held(), 1);
	assert_true(drop(two, &va));
	assert_int_equal(held(), 0);
}

static void test_all_of_one_device(void **state)
{
	struct iovec v[10];
	u8 a[10] = {0};

	for (int i = 0; i < 10; i++) {
		v[i] = segment(&a[i]);
		assert_int_equal(add(i % 3 ? one : two, 0x1000, 64, &v[i]), 0);
	}
	hold_drop_all(one);
	assert_int_equal(held(), 4);
	assert_true(drop(two, &v[3]));
	hold_drop_all(two);
	hold_drop_all(two);
	assert_int_equal(held(), 0);
}

static void test_no_memory(void **state)
{
	u8 a = 0;
	struct iovec v = segment(&a);

	rig_fail(FAIL_MEMORY, 1);
	assert_int_equal(add(one, 0x1000, 64, &v), -ENOMEM);
	assert_int_equal(held(), 0);
}

/* True: the device still holds a part of the page. */
static bool page_is_held(u64 at)
{
	for (struct hold *h = one->domain->holds; h; h = h->next)
		if (!h->expired && h->iova.v >> PAGE_BITS == at >> PAGE_BITS)
			return true;
	return false;
}

/*
 * One buffer, mapped three times and held each time: the address of the array identifies the hold
 * that ends.
 */
static void test_equal_segments_by_their_array(void **state)
{
	u8 a = 0;
	struct iovec v[3];

	for (int first = 0; first < 3; first++) {
		for (u64 i = 0; i < 3; i++) {
			v[i] = segment(&a);
			assert_int_equal(add(one, (i + 1) << PAGE_BITS, 64, &v[i]), 0);
		}
		assert_true(drop(one, &v[first]));
		for (int i = 0; i < 3; i++)
			assert_int_equal(page_is_held((i + 1ull) << PAGE_BITS), i != first);
		hold_drop_all(one);
	}
}

/* The first segment is the same, the following ones differ; the caller has moved the arrays. */
static void test_moved_segments_by_all_of_them(void **state)
{
	u8 a = 0, b = 0, c = 0;
	struct iovec v[2] = {segment(&a), segment(&b)}, w[2] = {segment(&a), segment(&c)};
	struct iovec shorter = {&a, 63}, moved[2];

	assert_int_equal(hold_add(one, IOVA(0x1000), 128, v, 2), 0);
	assert_int_equal(hold_add(one, IOVA(0x2000), 128, w, 2), 0);
	assert_int_equal(hold_add(one, IOVA(0x3000), 64, &shorter, 1), 0);
	memcpy(moved, v, sizeof(v));
	assert_true(hold_drop(one, moved, 2));
	assert_false(page_is_held(0x1000));
	moved[0] = shorter;
	assert_true(hold_drop(one, moved, 1));
	assert_false(page_is_held(0x3000));
	assert_true(page_is_held(0x2000));
	memcpy(moved, w, sizeof(w));
	assert_true(hold_drop(one, moved, 2));
	assert_int_equal(held(), 0);
}

static void *wait_for_page_1(void *arg)
{
	domain_wait_holds(one->domain, IOVA(0x1000), 64);
	return NULL;
}

/*
 * Moved copies of equal segments cannot be distinguished: the hold that an unmap waits for ends
 * first.
 */
static void test_moved_copies_end_what_is_waited_for(void **state)
{
	u8 a = 0;
	struct iovec v[2] = {segment(&a), segment(&a)}, moved = segment(&a);
	bool awaited = false;
	pthread_t t;

	assert_int_equal(add(one, 0x2000, 64, &v[0]), 0); /* the oldest */
	assert_int_equal(add(one, 0x1000, 64, &v[1]), 0);
	assert_int_equal(add(one, 0x3000, 64, &v[1]), 0);
	assert_int_equal(pthread_create(&t, NULL, wait_for_page_1, NULL), 0);
	while (!awaited) {
		lock_acquire(&one->domain->hold_lock);
		for (struct hold *h = one->domain->holds; h; h = h->next)
			awaited |= h->awaited;
		lock_release(&one->domain->hold_lock);
	}
	assert_true(drop(one, &moved));
	pthread_join(t, NULL);
	assert_false(read_once(&one->stuck));
	assert_true(page_is_held(0x2000) && page_is_held(0x3000));
	assert_true(drop(one, &moved));
	assert_false(page_is_held(0x2000));
	assert_true(drop(one, &moved));
}

/* A device that is declared stuck releases its hold late: another hold of the memory stays. */
static void test_a_late_drop_ends_its_own(void **state)
{
	u8 a = 0;
	struct iovec v[2] = {segment(&a), segment(&a)};

	assert_int_equal(add(one, 0x1000, 64, &v[0]), 0);
	assert_int_equal(add(one, 0x2000, 64, &v[1]), 0);
	domain_wait_holds(one->domain, IOVA(0x1000), 64);
	assert_true(read_once(&one->stuck));
	assert_int_equal(held(), 1);
	assert_true(drop(one, &v[0]));
	assert_true(page_is_held(0x2000));
	assert_int_equal(held(), 1);
	assert_true(drop(one, &v[1]));
	assert_int_equal(held(), 0);
}

/* Only overlapping unmaps wait: these return at once. */
static void test_neighbours_are_not_waited_for(void **state)
{
	u8 a = 0;
	struct iovec v = segment(&a);

	assert_int_equal(add(one, 0x5000, 0x1000, &v), 0);
	domain_wait_holds(one->domain, IOVA(0x4000), 0x1000);
	domain_wait_holds(one->domain, IOVA(0x6000), 0x1000);
	domain_wait_holds(one->domain, IOVA(0), 0x5000);
	assert_false(read_once(&one->stuck));
	assert_true(drop(one, &v));
}

static u8 byte;
static struct iovec base = {&byte, 1};
static u32 dropped; /* atomic */

static void *drop_soon(void *arg)
{
	const struct timespec t = {.tv_nsec = 20000000};

	nanosleep(&t, NULL);
	__atomic_store_n(&dropped, 1, __ATOMIC_SEQ_CST);
	drop(one, &base);
	return NULL;
}

static void waits(u64 hold, u64 hold_size, u64 unmap, u64 unmap_size)
{
	pthread_t t;

	dropped = 0;
	assert_int_equal(add(one, hold, hold_size, &base), 0);
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
		with_pair(test_add_and_drop),
		with_pair(test_all_of_one_device),
		with_pair(test_no_memory),
		with_pair(test_neighbours_are_not_waited_for),
		with_pair(test_each_way_to_overlap),
		with_pair(test_equal_segments_by_their_array),
		with_pair(test_moved_segments_by_all_of_them),
		with_pair(test_moved_copies_end_what_is_waited_for),
		with_pair(test_a_late_drop_ends_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
