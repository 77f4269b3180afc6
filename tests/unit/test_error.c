/* SPDX-License-Identifier: BSD-2-Clause */
/* Error messages and errno: one for each thread, prefixes, and texts that are too long. */
#include "core_rig.h"

#include <pthread.h>

static void test_sets_errno_and_the_message(void **state)
{
	errno = 0;
	assert_int_equal(error_set(ENOENT, "no %s in %d", "milk", 7), -ENOENT);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(error_text(), "no milk in 7");
	assert_ptr_equal(error_text(), dmamap_strerror());
}

static void test_null_form(void **state)
{
	void *p = error_null(EBUSY, "taken");

	assert_null(p);
	assert_int_equal(errno, EBUSY);
	assert_string_equal(error_text(), "taken");
}

static void test_a_prefix_keeps_errno(void **state)
{
	error_set(EIO, "broken");
	errno = 99;
	error_prefix("device %d", 3);
	assert_string_equal(error_text(), "device 3: broken");
	assert_int_equal(errno, 99);
}

/* The old message as an argument of the new one. */
static void test_it_may_quote_itself(void **state)
{
	error_set(EIO, "inner");
	error_set(EINVAL, "outer (%s)", error_text());
	assert_string_equal(error_text(), "outer (inner)");
}

static void test_long_ones_are_cut(void **state)
{
	char big[2000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	error_set(EIO, "%s", big);
	assert_int_equal(strlen(error_text()), 511);
	error_prefix("%s", big);
	assert_int_equal(strlen(error_text()), 511);
	error_set(EIO, "short");
	error_prefix("%.500s", big);
	assert_int_equal(strlen(error_text()), 500 + 2 + 5);
	error_prefix("%.506s", big);
	assert_int_equal(strlen(error_text()), 511);
	assert_string_equal(error_text() + 506, ": xxx");
}

static void *another(void *arg)
{
	bool empty = !*error_text();

	error_set(EIO, "mine");
	return (void *)(uintptr_t)empty;
}

static void test_each_thread_has_its_own(void **state)
{
	pthread_t t;
	void *empty;

	error_set(EIO, "first");
	assert_int_equal(pthread_create(&t, NULL, another, NULL), 0);
	pthread_join(t, &empty);
	assert_non_null(empty);
	assert_string_equal(error_text(), "first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets_errno_and_the_message),
		cmocka_unit_test(test_null_form),
		cmocka_unit_test(test_a_prefix_keeps_errno),
		cmocka_unit_test(test_it_may_quote_itself),
		cmocka_unit_test(test_long_ones_are_cut),
		cmocka_unit_test(test_each_thread_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
