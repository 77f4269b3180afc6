/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of a plan of dmamap_fail(). */
#include "core_rig.h"

static int teardown(void **state)
{
	rig_fail_none();
	return 0;
}

static void test_what_is_understood(void **state)
{
	static const char *const good[] = {
		"map:nth=1",
		"all:every=3",
		"map:prob=0.5",
		"map:prob=1,seed=9,times=2",
		"link:nth=0x10",
		"map:nth=1;page:nth=2",
		"iova:nth=1,dev=nvme0",
		"memory:nth=5;",
		"map:nth=1,nth=2",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (dmamap_fail(good[i]))
			fail_msg("%s: %s", good[i], dmamap_strerror());
	assert_int_equal(dmamap_fail(NULL), 0);
	assert_int_equal(fail_armed, 0);
	assert_int_equal(dmamap_fail(""), 0);
	assert_int_equal(fail_armed, 0);
}

static void test_what_is_not_names_the_word(void **state)
{
	static const struct {
		const char *plan, *word;
	} bad[] = {
		{"map", "map"},
		{"mop:nth=1", "mop"},
		{"map:nth", "nth"},
		{"map:nth=", "nth"},
		{"map:nth=x", "x"},
		{"map:nth=-1", "-1"},
		{"map:nth=1x", "1x"},
		{"map:prob=2", "2"},
		{"map:prob=-0.1", "-0.1"},
		{"map:prob=nan", "nan"},
		{"map:color=3", "color"},
		{"map:", "nth="},
		{"map:times=3", "every="},
		{"map:nth=0", "nth="},
		{"map:nth=1,dev=", "dev"},
		{"map:nth=1;mop:nth=1", "mop"},
		{"map:nth=99999999999999999999999", "9999"},
		{"map:nth=1,dev=a_name_that_is_longer_than_any_device_may_have", "dev"},
		{":nth=1", ""},
		{"map:nth= 1", "1"},
	};

	assert_int_equal(dmamap_fail("page:nth=7"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (dmamap_fail(bad[i].plan) != -EINVAL)
			fail_msg("\"%s\" was understood", bad[i].plan);
		assert_int_equal(errno, EINVAL);
		if (!strstr(dmamap_strerror(), bad[i].word))
			fail_msg("\"%s\": \"%s\" is not in \"%s\"", bad[i].plan, bad[i].word,
				 dmamap_strerror());
	}
	/* none of them took effect, and the plan before is in force */
	assert_false(fail_here(FAIL_MAP, NULL));
	for (int i = 0; i < 6; i++)
		assert_false(fail_here(FAIL_PAGE, NULL));
	assert_true(fail_here(FAIL_PAGE, NULL));
}

static void test_every_site_by_its_name(void **state)
{
	char plan[64];

	for (int site = 0; site < FAIL_SITES; site++) {
		snprintf(plan, sizeof(plan), "%s:nth=1", fail_names[site]);
		assert_int_equal(dmamap_fail(plan), 0);
		for (int i = 0; i < FAIL_SITES; i++)
			assert_int_equal(fail_here((enum fail_site)i, "x"), i == site);
		assert_int_equal(dmamap_fail_count(fail_names[site]), 1);
		assert_int_equal(dmamap_fail_count("all"), 1);
	}
	assert_int_equal(dmamap_fail("all:nth=1"), 0);
	for (int i = 0; i < FAIL_SITES; i++)
		assert_true(fail_here((enum fail_site)i, NULL));
	assert_int_equal(dmamap_fail_count("all"), FAIL_SITES);
	assert_int_equal(dmamap_fail_count("nonsense"), 0);
	assert_int_equal(dmamap_fail_count(NULL), 0);
}

/* A plan that makes memory fail does not prevent the next plan from being read. */
static void test_a_plan_does_not_fail_its_successor(void **state)
{
	assert_int_equal(dmamap_fail("all:every=1"), 0);
	assert_int_equal(dmamap_fail("map:nth=1"), 0);
	assert_int_equal(dmamap_fail(NULL), 0);
}

/* Operations of the program obey the same plans. */
static void test_operations_of_the_program(void **state)
{
	static const char *const words[] = {"kmalloc", "skb", "irq", "ioremap", "register"};
	struct device *dev = rig_open("sim,name=one", DMA_BIT_MASK(64));
	char plan[64];

	assert_false(dmamap_should_fail(dev, "skb"));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		snprintf(plan, sizeof(plan), "%s:nth=3", words[i]);
		assert_int_equal(dmamap_fail(plan), 0);
		assert_false(dmamap_should_fail(NULL, words[i]));
		assert_false(dmamap_should_fail(dev, words[i]));
		assert_false(dmamap_should_fail(dev, words[(i + 1) % ARRAY_SIZE(words)]));
		assert_true(dmamap_should_fail(dev, words[i]));
		assert_false(dmamap_should_fail(dev, words[i]));
		assert_int_equal(dmamap_fail_count(words[i]), 1);
		assert_int_equal(dmamap_fail_count("all"), 1);
	}
	assert_int_equal(dmamap_fail("irq:every=1,dev=one"), 0);
	assert_true(dmamap_should_fail(dev, "irq"));
	assert_false(dmamap_should_fail(NULL, "irq"));
	assert_false(dmamap_should_fail(dev, "irqs"));
	assert_false(dmamap_should_fail(dev, ""));
	assert_false(dmamap_should_fail(dev, "all"));
	assert_false(dmamap_should_fail(dev, NULL));
	assert_int_equal(dmamap_fail_count("irq"), 1);
	dmamap_fail(NULL);
	rig_close(dev);
}

/* Both sites affect an object; neither affects other objects. */
static void test_objects_and_pages(void **state)
{
	struct kmem_cache *cache = kmem_cache_create("one", 100, 0, 0, NULL);
	struct page *page;

	assert_non_null(cache);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(dmamap_fail(i ? "page:every=1" : "kmalloc:every=1"), 0);
		assert_null(kmalloc(10, GFP_KERNEL));
		assert_int_equal(errno, ENOMEM);
		assert_null(kmalloc(100000, GFP_KERNEL));
		assert_null(kmem_cache_alloc(cache, GFP_KERNEL));
		page = alloc_page(GFP_KERNEL);
		assert_int_equal(!page, i);
		dmamap_fail(NULL);
		if (page)
			__free_page(page);
	}
	kmem_cache_destroy(cache);
}

#define quiet(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		quiet(test_what_is_understood),
		quiet(test_what_is_not_names_the_word),
		quiet(test_every_site_by_its_name),
		quiet(test_a_plan_does_not_fail_its_successor),
		quiet(test_operations_of_the_program),
		quiet(test_objects_and_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
