/* SPDX-License-Identifier: BSD-2-Clause */
/* An address space used by one thread: placement, limits, refusals, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "iova/iova.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_4G (1ull << 20)

static u64 seed;

static u64 next_random(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 33;
}

static void assert_merged(struct iova_space *s, u64 ranges)
{
	struct iova_stats st;

	iova_drain(s);
	iova_stats(s, &st);
	assert_int_equal(st.pages, 0);
	assert_int_equal(st.cached, 0);
	assert_int_equal(st.ranges, ranges);
}

/* The pages that are really allocated for a request. */
static u64 taken(u64 pages)
{
	return pages <= IOVA_CACHED_PAGES ? 1ull << log2_ceil(pages) : pages;
}

/* --- compared with a byte for each page --- */

enum { PAGES = 1 << 13, LIVE = 1500 };

static u8 used[PAGES]; /* 1: live, 2: reserved */
static struct {
	u64 page, pages;
} live[LIVE];
static int n_live;

static bool oracle_has(u64 pages, u64 last, bool aligned)
{
	u64 step, run = 0;

	if (pages <= IOVA_CACHED_PAGES)
		aligned = true;
	pages = taken(pages);
	step = aligned ? 1ull << log2_ceil(pages) : 1;
	for (u64 at = min_u64(last, PAGES - 1); at > 0; at--) {
		run = used[at] ? 0 : run + 1;
		if (run >= pages && at % step == 0)
			return true;
	}
	return false;
}

static u64 random_pages(void)
{
	switch (next_random() % 4) {
	case 0:
		return 1;
	case 1:
		return 1 + next_random() % 16;
	case 2:
		return 1 + next_random() % 300;
	default:
		return 1 + next_random() % (next_random() % 16 ? 64 : 1200);
	}
}

static void random_alloc(struct iova_space *s)
{
	u64 pages = random_pages();
	u64 last = next_random() % 2 ? ~0ull : next_random() % (PAGES + PAGES / 8);
	bool aligned = next_random() % 2;
	u64 page = iova_alloc(s, pages, last, aligned);

	if (!page) {
		assert_false(oracle_has(pages, last, aligned));
		return;
	}
	assert_true(page <= last && pages - 1 <= last - page);
	if (aligned)
		assert_int_equal(page % (1ull << log2_ceil(pages)), 0);
	assert_true(page + taken(pages) <= PAGES);
	for (u64 i = page; i < page + taken(pages); i++) {
		assert_int_equal(used[i], 0);
		used[i] = 1;
	}
	live[n_live].page = page;
	live[n_live++].pages = pages;
}

static void random_free(struct iova_space *s)
{
	int i = (int)(next_random() % (u64)n_live);

	memset(used + live[i].page, 0, taken(live[i].pages));
	assert_true(next_random() % 4 ? iova_free(s, live[i].page, live[i].pages)
				      : iova_free_shared(s, live[i].page, live[i].pages));
	live[i] = live[--n_live];
}

static void random_reserve(struct iova_space *s)
{
	u64 pages = 1 + next_random() % 20, page = 1 + next_random() % (PAGES - 1 - pages);
	bool busy = false;

	for (u64 i = page; i < page + pages; i++)
		busy |= used[i] == 1;
	assert_int_equal(iova_reserve(s, page, pages), busy ? -EBUSY : 0);
	if (!busy)
		memset(used + page, 2, pages);
}

static u64 free_runs(void)
{
	u64 n = 0;

	for (u64 i = 1; i < PAGES; i++)
		n += !used[i] && (i == 1 || used[i - 1]);
	return n;
}

static void test_against_oracle(void **state)
{
	struct iova_stats st;

	for (seed = 1; seed < 4; seed++) {
		u64 kept = seed, pages = 0;
		struct iova_space *s = iova_create(1, PAGES, seed % 2 ? IOVA_32BIT_FIRST : 0);

		memset(used, 0, sizeof(used));
		for (int i = 0; i < 4000; i++) {
			if (next_random() % 200 == 0)
				random_reserve(s);
			else if (n_live && (n_live == LIVE || next_random() % 16 < 7))
				random_free(s);
			else
				random_alloc(s);
		}
		for (u64 i = 1; i < PAGES; i++)
			pages += used[i] == 1;
		iova_drain(s);
		iova_stats(s, &st);
		assert_int_equal(st.pages, pages);
		while (n_live)
			random_free(s);
		assert_merged(s, free_runs());
		iova_destroy(s);
		seed = kept;
	}
}

/* --- placement --- */

static void test_large_from_the_top(void **state)
{
	struct iova_space *s = iova_create(1, 1 << 20, 0);

	assert_int_equal(iova_alloc(s, 1000, ~0ull, false), (1 << 20) - 1000);
	assert_int_equal(iova_alloc(s, 1000, ~0ull, false), (1 << 20) - 2000);
	assert_int_equal(iova_alloc(s, 1000, ~0ull, true), (1 << 20) - 3072);
	assert_int_equal(iova_alloc(s, 300, 4095, true), 4096 - 512);
	assert_int_equal(iova_alloc(s, 300, 4095, false), 4096 - 512 - 300);
	iova_destroy(s);
}

static void test_limit_beside_filled_cache(void **state)
{
	struct iova_space *s = iova_create(1, 1ull << 36, 0);
	u64 high[600], low[600];

	for (int i = 0; i < 600; i++)
		high[i] = iova_alloc(s, 1, ~0ull, true);
	for (int i = 0; i < 600; i++)
		assert_true(iova_free(s, high[i], 1));
	for (int i = 0; i < 600; i++) {
		low[i] = iova_alloc(s, 1, 4095, true);
		assert_in_range(low[i], 1, 4095);
	}
	for (int i = 0; i < 600; i++)
		assert_true(iova_free(s, low[i], 1));
	assert_merged(s, 1);
	iova_destroy(s);
}

/* Every page below a small mask can be allocated, whatever the caches took before. */
static void test_small_mask_to_the_last_page(void **state)
{
	struct iova_space *s = iova_create(1, 1ull << 36, 0);

	for (int round = 0; round < 3; round++) {
		u64 page[4095], n = 0;

		while ((page[n] = iova_alloc(s, 1, 4095, true)))
			if (++n == 4095)
				break;
		assert_int_equal(n, 4095);
		assert_int_equal(iova_alloc(s, 1, 4095, true), 0);
		assert_int_equal(errno, ENOSPC);
		assert_non_null(strstr(error_text(), "0xffffff"));
		assert_int_equal(iova_alloc(s, 1, 4096, true), 4096);
		assert_true(iova_free(s, 4096, 1));
		while (n)
			assert_true(iova_free(s, page[--n], 1));
	}
	iova_destroy(s);
}

static void test_32bit_first(void **state)
{
	struct iova_space *s = iova_create(1, 1ull << 36, IOVA_32BIT_FIRST);
	u64 low, high;

	assert_in_range(iova_alloc(s, 1, ~0ull, true), 1, PAGE_4G - 1);
	low = iova_alloc(s, PAGE_4G / 2, ~0ull, false);
	assert_in_range(low, 1, PAGE_4G - 1);
	high = iova_alloc(s, PAGE_4G / 2, ~0ull, false);
	assert_true(high >= PAGE_4G);
	assert_true(iova_free(s, low, PAGE_4G / 2));
	low = iova_alloc(s, PAGE_4G / 2, ~0ull, false); /* pages that were freed below are found */
	assert_in_range(low, 1, PAGE_4G - 1);
	iova_destroy(s);
	s = iova_create(1, 1ull << 36, 0);
	assert_true(iova_alloc(s, 1, ~0ull, true) >= PAGE_4G);
	iova_destroy(s);
}

static void test_runs_are_aligned(void **state)
{
	struct iova_space *s = iova_create(1, 1ull << 36, 0);
	u64 first = iova_alloc(s, 1, ~0ull, true);

	for (int i = 1; i < 512; i++)
		assert_int_equal(iova_alloc(s, 1, ~0ull, true) >> 9, first >> 9);
	assert_int_not_equal(iova_alloc(s, 1, ~0ull, true) >> 9, first >> 9);
	iova_destroy(s);
}

/* --- refusals --- */

static void test_hostile_sizes(void **state)
{
	static const u64 bad[] = {0,	      ~0ull, ~0ull - 1, 1ull << 63, (1ull << 63) + 1,
				  1ull << 52, 4096,  4095 + 1};
	struct iova_space *s = iova_create(16, 4096, 0);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (int aligned = 0; aligned < 2; aligned++) {
			assert_int_equal(iova_alloc(s, bad[i], ~0ull, aligned), 0);
			assert_int_equal(iova_alloc(s, bad[i], 100, aligned), 0);
			assert_false(iova_free(s, 16, bad[i]));
			assert_false(iova_free(s, ~0ull, bad[i]));
			assert_false(iova_free_shared(s, 16, bad[i]));
		}
	assert_int_equal(iova_alloc(s, 1, 15, false), 0);
	assert_int_equal(iova_alloc(s, 1, 0, true), 0);
	assert_int_equal(iova_alloc(s, 4080, ~0ull, false), 16);
	assert_int_equal(iova_alloc(s, 1, ~0ull, false), 0);
	iova_destroy(s);
}

static void test_double_free(void **state)
{
	struct iova_space *s = iova_create(1, 1ull << 30, 0);
	u64 small = iova_alloc(s, 1, ~0ull, true), big = iova_alloc(s, 1000, ~0ull, true);

	assert_true(iova_free(s, small, 1));
	assert_false(iova_free(s, small, 1));
	assert_true(iova_free(s, big, 1000));
	assert_false(iova_free(s, big, 1000));
	assert_false(iova_free(s, big + 1, 2)); /* not where a range of such a size can begin */
	assert_false(iova_free(s, 1ull << 30, 1));
	assert_merged(s, 1);
	iova_destroy(s);
}

/* Parts of a range that were never allocated like this: accepted or not, nothing is damaged. */
static void test_partial_frees(void **state)
{
	struct iova_space *s = iova_create(1, 1 << 16, 0);
	u64 big = iova_alloc(s, 40000, ~0ull, false);

	for (u64 i = 0; i < 40000; i += 2)
		iova_free_shared(s, big + i, 1);
	iova_drain(s);
	for (int i = 0; i < 1000; i++)
		iova_alloc(s, 300, ~0ull, false);
	iova_destroy(s);
}

/* --- failures --- */

static void test_injected(void **state)
{
	struct iova_space *s = iova_create(1, 1 << 20, 0);
	struct fail_rule rule = {.every = 2};
	int failed = 0;

	fail_set(FAIL_IOVA, &rule);
	for (int i = 0; i < 100; i++)
		failed += !iova_alloc(s, 1 + i % 3 * 400, ~0ull, true);
	assert_int_equal(failed, 50);
	assert_int_equal(fail_fired(FAIL_IOVA), 50);
	fail_set(FAIL_IOVA, NULL);
	iova_destroy(s);
}

/* The life of an address space; false if something failed. Every range is freed completely. */
static bool live_once(void)
{
	static const u64 sizes[] = {1, 1, 3, 200, 257, 1000};
	struct iova_space *s = iova_create(1, 1 << 20, 0);
	u64 page[900];
	bool ok = true;
	int err;

	if (!s)
		return false;
	err = iova_reserve(s, 1000, 10);
	assert_true(!err || err == -ENOMEM);
	ok &= !err;
	for (int i = 0; i < 900; i++) {
		page[i] = iova_alloc(s, sizes[i % 6], i % 7 ? ~0ull : PAGE_4G / 2, true);
		if (!page[i])
			assert_int_equal(errno, ENOMEM);
		ok &= page[i] != 0;
	}
	for (int i = 0; i < 900; i++)
		if (page[i])
			assert_true(i % 5 ? iova_free(s, page[i], sizes[i % 6])
					  : iova_free_shared(s, page[i], sizes[i % 6]));
	assert_merged(s, err ? 1 : 2);
	iova_destroy(s);
	return ok;
}

static void test_each_allocation_fails(void **state)
{
	struct fail_rule rule = {0};
	u64 fired;

	do {
		rule.nth++;
		fail_set(FAIL_MEMORY, &rule);
		live_once();
		fired = fail_fired(FAIL_MEMORY);
	} while (fired);
	fail_set(FAIL_MEMORY, NULL);
	assert_true(rule.nth > 8);
	assert_true(live_once());
}

/* From the n-th allocation on all fail: ranges that were allocated can still be freed. */
static void test_all_allocations_fail(void **state)
{
	for (u64 n = 1; n < 24; n++) {
		struct fail_rule rule = {.every = 1};
		struct iova_space *s = iova_create(1, 1 << 20, 0);
		u64 page[3000];
		u64 count = 0;

		for (; count < n * 100; count++)
			assert_int_not_equal(page[count] = iova_alloc(s, 1, ~0ull, true), 0);
		fail_set(FAIL_MEMORY, &rule);
		while (count < 3000 && (page[count] = iova_alloc(s, 1, ~0ull, true)))
			count++;
		for (u64 i = 0; i < count; i += 2)
			assert_true(iova_free(s, page[i], 1));
		iova_drain(s);
		for (u64 i = 1; i < count; i += 2)
			assert_true(iova_free(s, page[i], 1));
		assert_merged(s, 1);
		fail_set(FAIL_MEMORY, NULL);
		iova_destroy(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_oracle),
		cmocka_unit_test(test_large_from_the_top),
		cmocka_unit_test(test_limit_beside_filled_cache),
		cmocka_unit_test(test_small_mask_to_the_last_page),
		cmocka_unit_test(test_32bit_first),
		cmocka_unit_test(test_runs_are_aligned),
		cmocka_unit_test(test_hostile_sizes),
		cmocka_unit_test(test_double_free),
		cmocka_unit_test(test_partial_frees),
		cmocka_unit_test(test_injected),
		cmocka_unit_test(test_each_allocation_fails),
		cmocka_unit_test(test_all_allocations_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
