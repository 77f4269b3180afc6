/* SPDX-License-Identifier: BSD-2-Clause */
/* The creation of an address space, and its reserved ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "iova/iova.h"

static void test_reserve(void **state)
{
	struct iova_space *s = iova_create(16, 4096, 0);
	u64 page;

	assert_int_equal(iova_reserve(s, 100, 100), 0);
	assert_int_equal(iova_reserve(s, 150, 100), 0); /* overlaps or touches: one range now */
	assert_int_equal(iova_reserve(s, 250, 1), 0);
	assert_int_equal(iova_reserve(s, 0, 17), 0);	/* a range inside another */
	assert_int_equal(iova_reserve(s, 5000, 10), 0); /* no range inside */
	assert_int_equal(iova_reserve(s, 0, 16), 0);
	assert_int_equal(iova_reserve(s, ~0ull, 1), 0);
	assert_int_equal(iova_reserve(s, ~0ull, 2), -EINVAL);
	assert_int_equal(iova_reserve(s, 1, 0), -EINVAL);
	assert_false(iova_free(s, 512, 512)); /* free already */
	while ((page = iova_alloc(s, 1, ~0ull, false)))
		assert_false((page >= 100 && page < 251) || page < 17 || page >= 4096);
	assert_int_equal(iova_reserve(s, 90, 20), -EBUSY);
	assert_false(iova_free(s, 0, 1));
	iova_destroy(s);
}

static void test_reserved_is_not_freed(void **state)
{
	struct iova_space *s = iova_create(1, 4096, 0);
	struct iova_stats st;

	assert_int_equal(iova_reserve(s, 1024, 600), 0);
	assert_int_not_equal(iova_alloc(s, 600, ~0ull, false), 0);
	assert_false(iova_free(s, 1024, 600));
	assert_false(iova_free(s, 1000, 300));
	iova_stats(s, &st);
	assert_int_equal(st.pages, 600);
	iova_destroy(s);
}

/* The longest aligned range, whatever is allocated; compared with the allocator. */
static void test_longest(void **state)
{
	struct iova_space *s = iova_create(1, 1 << 20, 0);
	u64 longest, page;

	/* [2^19, 2^20) */
	assert_int_equal(iova_longest(s, ~0ull), 1 << 19);
	assert_int_equal(iova_longest(s, 0), 0);
	assert_int_equal(iova_longest(s, 1), 1);
	assert_int_equal(iova_longest(s, 3), 2);
	assert_int_equal(iova_longest(s, 0xfff), 0x800);
	assert_int_equal(iova_reserve(s, 0xfee00, 0x100), 0);
	assert_int_equal(iova_longest(s, ~0ull), 0xfee00 - 0x80000);
	assert_int_equal(iova_reserve(s, 1, 0xc0000 - 1), 0);
	longest = iova_longest(s, ~0ull);
	assert_int_equal(longest, 0xfee00 - 0xc0000);
	assert_int_equal(iova_alloc(s, longest + 1, ~0ull, true), 0);
	page = iova_alloc(s, longest, ~0ull, true);
	assert_int_equal(page, 0xc0000);
	assert_int_equal(iova_longest(s, ~0ull), longest);
	assert_true(iova_free(s, page, longest));
	/* nothing is left below a limit */
	assert_int_equal(iova_longest(s, 0xbffff), 0);
	iova_destroy(s);
}

static void test_reserve_what_caches_hold(void **state)
{
	struct iova_space *s = iova_create(1, 1 << 20, 0);
	u64 page = iova_alloc(s, 1, ~0ull, true);

	assert_int_equal(iova_reserve(s, page, 1), -EBUSY);
	assert_true(iova_free(s, page, 1));
	assert_int_equal(iova_reserve(s, page, 1), 0);
	assert_int_equal(iova_reserve(s, page - 100, 300), 0);
	iova_destroy(s);
}

static void test_bad_spaces(void **state)
{
	assert_null(iova_create(0, 100, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(iova_create(5, 5, 0));
	assert_null(iova_create(6, 5, 0));
	assert_null(iova_create(1, (1ull << 52) + 1, 0));
	iova_destroy(NULL);
}

static void test_tiny_space(void **state)
{
	struct iova_space *s = iova_create(1, 2, 0);

	assert_int_equal(iova_alloc(s, 1, ~0ull, true), 1);
	assert_int_equal(iova_alloc(s, 1, ~0ull, true), 0);
	assert_true(iova_free(s, 1, 1));
	assert_int_equal(iova_alloc(s, 2, ~0ull, true), 0);
	assert_int_equal(iova_alloc(s, 1, ~0ull, true), 1);
	iova_destroy(s);
}

/* Each allocation during the creation of a space fails once. */
static void test_no_memory(void **state)
{
	struct fail_rule rule = {.nth = 1};
	struct iova_space *s;

	for (;; rule.nth++) {
		fail_set(FAIL_MEMORY, &rule);
		s = iova_create(1, 4096, 0);
		if (s)
			break;
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(fail_fired(FAIL_MEMORY), 1);
	}
	fail_set(FAIL_MEMORY, NULL);
	assert_true(rule.nth > 2);
	iova_destroy(s);
}

/* A reservation for which there is no memory changes nothing. */
static void test_reserve_without_memory(void **state)
{
	struct fail_rule always = {.every = 1};
	struct iova_space *s = iova_create(1, 4096, 0);
	struct iova_stats st;

	fail_set(FAIL_MEMORY, &always);
	assert_int_equal(iova_reserve(s, 100, 10), -ENOMEM);
	fail_set(FAIL_MEMORY, NULL);
	iova_stats(s, &st);
	assert_int_equal(st.ranges, 1);
	assert_int_equal(iova_alloc(s, 4095, ~0ull, false), 1);
	iova_destroy(s);
}

static void test_many_reserved(void **state)
{
	struct iova_space *s = iova_create(1, 4096, 0);
	struct iova_stats st;

	for (u64 i = 0; i < 100; i++)
		assert_int_equal(iova_reserve(s, 20 + (i * 37 % 100) * 10, 5), 0);
	iova_stats(s, &st);
	assert_int_equal(st.pages, 0);
	assert_int_equal(st.ranges, 101);
	assert_int_equal(iova_reserve(s, 1, 2000), 0);
	iova_stats(s, &st);
	assert_int_equal(st.ranges, 1);
	assert_int_equal(iova_alloc(s, 2095, ~0ull, false), 2001);
	assert_int_equal(iova_alloc(s, 1, ~0ull, false), 0);
	iova_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_reserved_is_not_freed),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_reserve_what_caches_hold),
		cmocka_unit_test(test_bad_spaces),
		cmocka_unit_test(test_tiny_space),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_reserve_without_memory),
		cmocka_unit_test(test_many_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
