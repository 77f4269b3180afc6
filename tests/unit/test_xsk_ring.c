/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings with an application that writes any value into its indices. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "xsk/ring.h"

static struct xsk_ring *make(u32 entries)
{
	struct xsk_ring *r = NULL;

	assert_int_equal(ring_create(&r, entries, 8, "test"), 0);
	return r;
}

static void test_sizes(void **state)
{
	struct xsk_ring *r = NULL;

	assert_int_equal(ring_create(&r, 0, 8, "test"), -EINVAL);
	assert_int_equal(ring_create(&r, 3, 8, "test"), -EINVAL);
	assert_int_equal(ring_create(&r, (1u << 31) + 1, 16, "test"), -EINVAL);
	assert_null(r);
	for (u32 n = 1; n <= 1u << 16; n *= 2) {
		r = make(n);
		assert_int_equal(r->mask, n - 1);
		r->addr[n - 1] = 1; /* it is there */
		ring_destroy(r);
	}
	ring_destroy(NULL);
}

static void test_no_memory(void **state)
{
	struct xsk_ring *r = NULL;

	for (u32 nth = 1; nth <= 2; nth++) {
		const struct fail_rule rule = {.nth = nth, .times = 1};

		fail_set(FAIL_MEMORY, &rule);
		assert_int_equal(ring_create(&r, 64, 8, "test"), -ENOMEM);
		assert_null(r);
		fail_set(FAIL_MEMORY, NULL);
	}
}

/* A producer index is valid only within one ring's length of ours, wherever ours is. */
static void test_producer_believed(void **state)
{
	static const u32 starts[] = {0, 1, 63, 1000, 0x7fffffff, 0xffffffff, 0xffffffc0};
	struct xsk_ring *r = make(64);

	for (u32 i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		for (u32 n = 0; n < 200; n++) {
			u32 honest = n <= 64 ? n : 0;

			r->index = r->seen = starts[i];
			*r->producer = starts[i] + n;
			assert_int_equal(ring_entries(r, 1000), honest);
			assert_int_equal(ring_entries(r, 10), honest < 10 ? honest : 10);
			*r->producer = starts[i] - n - 1;
			r->seen = starts[i];
			assert_int_equal(ring_entries(r, 1000), 0);
		}
	ring_destroy(r);
}

/* A consumer index in the same way: what it frees never exceeds the ring. */
static void test_consumer_believed(void **state)
{
	static const u32 starts[] = {0, 1, 63, 1000, 0x7fffffff, 0xffffffff, 0xffffffc0};
	struct xsk_ring *r = make(64);

	for (u32 i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		for (u32 used = 0; used < 200; used++) {
			u32 honest = used <= 64 ? 64 - used : 0;

			r->index = starts[i];
			r->seen = starts[i] - 64; /* full, by the last index that was read */
			*r->consumer = starts[i] - used;
			assert_int_equal(ring_space(r, 1000), honest);
			r->seen = starts[i] - 64;
			*r->consumer = starts[i] + used + 1; /* ahead of what was produced */
			assert_int_equal(ring_space(r, 1000), 0);
		}
	ring_destroy(r);
}

/* Our own index is never read back. */
static void test_own_index_is_ours(void **state)
{
	struct xsk_ring *r = make(64);

	*r->producer = 10;
	assert_int_equal(ring_entries(r, 5), 5);
	r->index += 5;
	ring_publish_consumer(r);
	assert_int_equal(*r->consumer, 5);
	*r->consumer = 77;
	assert_int_equal(ring_entries(r, 100), 5);
	r->index += 5;
	ring_publish_consumer(r);
	assert_int_equal(*r->consumer, 10);
	ring_destroy(r);
}

static void test_unread(void **state)
{
	struct xsk_ring *r = make(64);

	*r->producer = 70;
	*r->consumer = 6;
	assert_int_equal(ring_unread(r), 64);
	*r->consumer = 71;
	assert_int_equal(ring_unread(r), 64); /* invalid: never more than there are */
	ring_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_producer_believed),
		cmocka_unit_test(test_consumer_believed),
		cmocka_unit_test(test_own_index_is_ours),
		cmocka_unit_test(test_unread),
	};

	return cmocka_run_group_tests_name("xsk_ring", tests, NULL, NULL);
}
