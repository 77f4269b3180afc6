/* SPDX-License-Identifier: BSD-2-Clause */
/* Fault injection: rules of dmamap_fail(), counts, and sites. */
#include "core_rig.h"

static int teardown(void **state)
{
	rig_fail_none();
	return 0;
}

static unsigned int hits(enum fail_site site, const char *dev, unsigned int calls)
{
	unsigned int n = 0;

	while (calls--)
		n += fail_here(site, dev);
	return n;
}

static void test_off(void **state)
{
	assert_int_equal(fail_armed, 0);
	assert_int_equal(hits(FAIL_MAP, NULL, 1000), 0);
	assert_int_equal(fail_fired(FAIL_MAP), 0);
}

static void test_nth(void **state)
{
	rig_fail(FAIL_PAGE, 3);
	assert_false(fail_here(FAIL_PAGE, NULL));
	assert_false(fail_here(FAIL_PAGE, NULL));
	assert_true(fail_here(FAIL_PAGE, NULL));
	assert_int_equal(hits(FAIL_PAGE, NULL, 1000), 0);
	assert_int_equal(fail_fired(FAIL_PAGE), 1);
	/* of its site only */
	assert_int_equal(hits(FAIL_MAP, NULL, 1000), 0);
}

static void test_every_and_times(void **state)
{
	const struct fail_rule rule = {.every = 4, .times = 3};

	fail_set(FAIL_IOVA, &rule);
	for (int i = 1; i <= 30; i++)
		assert_int_equal(fail_here(FAIL_IOVA, NULL), i % 4 == 0 && i <= 12);
	assert_int_equal(fail_fired(FAIL_IOVA), 3);
}

static void test_probability(void **state)
{
	const struct fail_rule rule = {.prob = 0.25, .seed = 7}, sure = {.prob = 1},
			       other = {.prob = 0.25, .seed = 8};
	u8 first[400], again[400], another[400];
	unsigned int n;

	fail_set(FAIL_POOL, &rule);
	for (int i = 0; i < 400; i++)
		first[i] = fail_here(FAIL_POOL, NULL);
	fail_set(FAIL_POOL, &rule);
	for (int i = 0; i < 400; i++)
		again[i] = fail_here(FAIL_POOL, NULL);
	fail_set(FAIL_POOL, &other);
	for (int i = 0; i < 400; i++)
		another[i] = fail_here(FAIL_POOL, NULL);
	assert_memory_equal(first, again, 400);
	assert_memory_not_equal(first, another, 400);
	fail_set(FAIL_POOL, &rule);
	n = hits(FAIL_POOL, NULL, 4000);
	assert_in_range(n, 800, 1200);
	fail_set(FAIL_POOL, &sure);
	assert_int_equal(hits(FAIL_POOL, NULL, 100), 100);
}

static void test_one_device_only(void **state)
{
	const struct fail_rule rule = {.every = 1, .dev = "disk"};

	fail_set(FAIL_MAP, &rule);
	assert_int_equal(hits(FAIL_MAP, "net", 10), 0);
	assert_int_equal(hits(FAIL_MAP, NULL, 10), 0);
	assert_int_equal(hits(FAIL_MAP, "disk", 10), 10);
	assert_int_equal(hits(FAIL_MAP, "disk1", 10), 0);
}

static void test_setting_starts_again(void **state)
{
	rig_fail(FAIL_MAP, 1);
	assert_true(fail_here(FAIL_MAP, NULL));
	rig_fail(FAIL_MAP, 1);
	assert_int_equal(fail_fired(FAIL_MAP), 0);
	assert_true(fail_here(FAIL_MAP, NULL));
	fail_set(FAIL_MAP, NULL);
	assert_int_equal(fail_fired(FAIL_MAP), 0);
	assert_int_equal(fail_armed, 0);
}

static void test_one_site_off_leaves_the_others(void **state)
{
	rig_fail(FAIL_MAP, 1);
	rig_fail(FAIL_LINK, 1);
	fail_set(FAIL_MAP, NULL);
	assert_true(fail_here(FAIL_LINK, NULL));
}

static void test_every_site_has_a_name(void **state)
{
	for (int i = 0; i < FAIL_SITES; i++)
		for (int k = 0; k <= i; k++)
			assert_int_equal(strcmp(fail_names[i], fail_names[k]) == 0, i == k);
}

#define quiet(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		quiet(test_off),
		quiet(test_nth),
		quiet(test_every_and_times),
		quiet(test_probability),
		quiet(test_one_device_only),
		quiet(test_setting_starts_again),
		quiet(test_one_site_off_leaves_the_others),
		quiet(test_every_site_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
