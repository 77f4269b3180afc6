/* SPDX-License-Identifier: BSD-2-Clause */
#include "core_rig.h"

#include "map/managed.h"

static int order[8], n;

static void release(void *data)
{
	order[n++] = *(int *)data;
}

static void test_newest_first(void **state)
{
	struct device *dev = rig_open("sim,ram=64M", ~0ull);
	int id[] = {0, 1, 2, 3};

	n = 0;
	for (int i = 0; i < 4; i++)
		assert_int_equal(device_add_managed(dev, release, &id[i]), 0);
	assert_true(device_drop_managed(dev, &id[2]));
	assert_false(device_drop_managed(dev, &id[2]));
	assert_false(device_drop_managed(dev, &n));
	dmamap_close(dev);
	assert_int_equal(n, 3);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 1);
	assert_int_equal(order[2], 0);
}

static void test_once_only(void **state)
{
	struct device *dev = rig_open("sim,ram=64M", ~0ull);
	int id = 7;

	n = 0;
	assert_int_equal(device_add_managed(dev, release, &id), 0);
	device_release_managed(dev);
	device_release_managed(dev);
	dmamap_close(dev);
	assert_int_equal(n, 1);
}

static void test_no_memory(void **state)
{
	struct device *dev = rig_open("sim,ram=64M", ~0ull);
	int id = 7;

	n = 0;
	rig_fail(FAIL_MEMORY, 1);
	assert_int_equal(device_add_managed(dev, release, &id), -ENOMEM);
	rig_fail_none();
	dmamap_close(dev);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_first),
		cmocka_unit_test(test_once_only),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
