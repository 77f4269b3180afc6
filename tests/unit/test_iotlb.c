/* SPDX-License-Identifier: BSD-2-Clause */
/* The translation cache of a port: hits, and the invalidation of pages, ranges and everything. */
#include "core_rig.h"

#include "iotlb/iotlb.h"

static struct iotlb *t;

static int setup(void **state)
{
	t = calloc(1, sizeof(*t));
	if (!t)
		return -1;
	t->gen = 1;
	return 0;
}

static int teardown(void **state)
{
	free(t);
	return 0;
}

static void test_what_was_filled_is_found(void **state)
{
	assert_int_equal(iotlb_lookup(t, 5, 1), 0);
	iotlb_fill(t, 5, 1, 0x1003);
	assert_int_equal(iotlb_lookup(t, 5, 1), 0x1003);
	assert_int_equal(iotlb_lookup(t, 5, 2), 0);
	assert_int_equal(iotlb_lookup(t, 5 + IOTLB_LINES, 1), 0);
	/* page 0 and the last page are ordinary pages */
	iotlb_fill(t, 0, 1, 0x7001);
	assert_int_equal(iotlb_lookup(t, 0, 1), 0x7001);
	iotlb_fill(t, (1ull << 36) - 1, 1, 0x8002);
	assert_int_equal(iotlb_lookup(t, (1ull << 36) - 1, 1), 0x8002);
}

static void test_a_line_holds_one_page(void **state)
{
	iotlb_fill(t, 7, 1, 0x1003);
	iotlb_fill(t, 7 + IOTLB_LINES, 1, 0x2003);
	assert_int_equal(iotlb_lookup(t, 7, 1), 0);
	assert_int_equal(iotlb_lookup(t, 7 + IOTLB_LINES, 1), 0x2003);
}

static void test_invalidation_takes_its_page_only(void **state)
{
	iotlb_fill(t, 7, 1, 0x1003);
	iotlb_fill(t, 8, 1, 0x2003);
	iotlb_invalidate_page(t, 7 + IOTLB_LINES);
	assert_int_equal(iotlb_lookup(t, 7, 1), 0x1003);
	iotlb_invalidate_page(t, 7);
	assert_int_equal(iotlb_lookup(t, 7, 1), 0);
	assert_int_equal(iotlb_lookup(t, 8, 1), 0x2003);
	/* of whatever generation */
	iotlb_invalidate_page(t, 8);
	assert_int_equal(iotlb_lookup(t, 8, 1), 0);
}

static void test_ranges_run_over_the_end_of_the_table(void **state)
{
	u64 first = 3 * IOTLB_LINES - 5;

	for (u64 page = first - 1; page <= first + 10; page++)
		iotlb_fill(t, page, 1, page << 12 | 3);
	iotlb_invalidate_range(t, first, 10);
	for (u64 page = first; page < first + 10; page++)
		assert_int_equal(iotlb_lookup(t, page, 1), 0);
	assert_int_equal(iotlb_lookup(t, first - 1, 1), (first - 1) << 12 | 3);
	assert_int_equal(iotlb_lookup(t, first + 10, 1), (first + 10) << 12 | 3);
}

static void test_flush_takes_everything(void **state)
{
	for (u64 page = 0; page < 3000; page++)
		iotlb_fill(t, page, t->gen, page << 12 | 1);
	iotlb_flush(t);
	for (u64 page = 0; page < 3000; page++)
		assert_int_equal(iotlb_lookup(t, page, t->gen), 0);
	/* a fill with the generation from before the flush has no effect */
	iotlb_fill(t, 9, t->gen - 1, 0x9001);
	assert_int_equal(iotlb_lookup(t, 9, t->gen), 0);
}

static void test_generations_that_come_again(void **state)
{
	iotlb_fill(t, 9, 1, 0x9001);
	t->gen = IOTLB_GEN_MAX;
	iotlb_fill(t, 10, t->gen, 0xa001);
	assert_int_equal(iotlb_lookup(t, 10, t->gen), 0xa001);
	iotlb_flush(t);
	assert_int_equal(t->gen, 1);
	assert_int_equal(iotlb_lookup(t, 9, 1), 0);
	assert_int_equal(iotlb_lookup(t, 10, 1), 0);
	assert_int_equal(t->line[10].tag, 0);
}

/* Compared with a table of all translations. */
static void test_random_against_an_oracle(void **state)
{
	enum { PAGES = 5000 };
	static u64 oracle[PAGES];
	u64 random = 4711;

	memset(oracle, 0, sizeof(oracle));
	for (int step = 0; step < 200000; step++) {
		u64 page, seen;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		page = (random >> 33) % PAGES;
		switch (random >> 60) {
		case 0:
			iotlb_invalidate_page(t, page);
			oracle[page] = 0;
			break;
		case 1:
			for (u64 i = 0; i < 20 && page + i < PAGES; i++)
				oracle[page + i] = 0;
			iotlb_invalidate_range(t, page, 20);
			break;
		case 2:
			if (!(random >> 50 & 63)) {
				iotlb_flush(t);
				memset(oracle, 0, sizeof(oracle));
			}
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			oracle[page] = (u64)step << 12 | 3;
			iotlb_fill(t, page, t->gen, oracle[page]);
			break;
		default:
			/* it may have evicted an entry; a hit is never wrong */
			seen = iotlb_lookup(t, page, t->gen);
			if (seen)
				assert_int_equal(seen, oracle[page]);
			break;
		}
	}
}

#define with_cache(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_cache(test_what_was_filled_is_found),
		with_cache(test_a_line_holds_one_page),
		with_cache(test_invalidation_takes_its_page_only),
		with_cache(test_ranges_run_over_the_end_of_the_table),
		with_cache(test_flush_takes_everything),
		with_cache(test_generations_that_come_again),
		with_cache(test_random_against_an_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
