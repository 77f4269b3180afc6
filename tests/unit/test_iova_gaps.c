/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of gaps, compared with a map that has a byte for each page and is searched from the top.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fail.h"
#include "base/math.h"
#include "iova/gaps.h"

#include <string.h>

enum { PAGES = 3000, FIRST = 1 };

static u64 seed;
static bool used[PAGES];

static u64 next_random(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 33;
}

static bool all_are(u64 start, u64 pages, bool value)
{
	for (u64 i = start; i < start + pages; i++)
		if (used[i] != value)
			return false;
	return true;
}

static u64 oracle_find(u64 pages, u64 last, bool aligned)
{
	u64 step = aligned ? 1ull << log2_ceil(pages) : 1;

	if (last > PAGES - 1)
		last = PAGES - 1;
	for (u64 at = last + 1; at-- > FIRST;)
		if (at % step == 0 && at + pages <= last + 1 && all_are(at, pages, false))
			return at;
	return 0;
}

/* The figures of a gap, determined by trying each size. */
static u64 oracle_fit(u64 start, u64 size)
{
	for (u64 n = size; n > 1; n--)
		if (align_up(start, 1ull << log2_ceil(n)) + n <= start + size)
			return n;
	return 1;
}

struct seen {
	u64 gaps, pages, last_end;
};

/* Checks a node and all nodes below it; returns its summary. */
static void check_node(const struct gaps *g, struct gap_node *node, u32 depth, struct seen *seen,
		       u64 out[3])
{
	bool leaf = depth + 1 == g->height;

	assert_true(node->n <= GAP_FANOUT);
	assert_true(node->n >= (depth ? GAP_MIN : leaf ? 0 : 2));
	out[0] = node->key[0];
	out[1] = out[2] = 0;
	for (u32 i = 0; i < node->n; i++) {
		u64 below[3] = {node->key[i], node->size[i], node->fit[i]};

		if (leaf) {
			assert_true(node->key[i] > seen->last_end || !seen->gaps);
			assert_true(node->size[i] > 0);
			assert_int_equal(node->fit[i], gap_fit(node->key[i], node->size[i]));
			seen->last_end = node->key[i] + node->size[i];
			seen->pages += node->size[i];
			seen->gaps++;
		} else {
			check_node(g, node->child[i], depth + 1, seen, below);
		}
		assert_int_equal(node->key[i], below[0]);
		assert_int_equal(node->size[i], below[1]);
		assert_int_equal(node->fit[i], below[2]);
		out[1] = max_u64(out[1], below[1]);
		out[2] = max_u64(out[2], below[2]);
	}
}

static void check_tree(const struct gaps *g)
{
	struct seen seen = {0};
	u64 out[3], free_pages = 0;

	check_node(g, g->root, 0, &seen, out);
	assert_int_equal(seen.gaps, g->n);
	assert_int_equal(seen.pages, g->pages);
	for (u64 i = FIRST; i < PAGES; i++)
		free_pages += !used[i];
	assert_int_equal(free_pages, g->pages);
}

static void make(struct gaps *g)
{
	memset(used, 0, sizeof(used));
	assert_int_equal(gaps_init(g), 0);
	assert_int_equal(gaps_expect(g, PAGES), 0);
	assert_true(gaps_give(g, FIRST, PAGES - FIRST));
}

static void take(struct gaps *g, u64 most)
{
	u64 pages = 1 + next_random() % most;
	u64 last = next_random() % 2 ? ~0ull : next_random() % (PAGES + 10);
	bool aligned = next_random() % 2;
	u64 at = gaps_take(g, pages, last, aligned);

	assert_int_equal(at, oracle_find(pages, last, aligned));
	if (at)
		memset(used + at, true, pages);
}

/* Frees a random range, or allocates exactly it, if it is uniform. */
static void give_or_carve(struct gaps *g, u64 most)
{
	u64 pages = 1 + next_random() % most, at = FIRST + next_random() % (PAGES - FIRST - pages);

	assert_int_equal(gaps_has(g, at, pages), all_are(at, pages, false));
	if (next_random() % 8) {
		bool ok = all_are(at, pages, true);

		assert_int_equal(gaps_give(g, at, pages), ok);
		if (ok)
			memset(used + at, false, pages);
	} else {
		bool ok = all_are(at, pages, false);

		assert_int_equal(gaps_carve(g, at, pages), ok);
		if (ok)
			memset(used + at, true, pages);
	}
}

static void against_oracle(u64 most, int rounds)
{
	struct gaps g;

	make(&g);
	for (int i = 0; i < rounds; i++) {
		int phase = i / (rounds / 4) % 2; /* mostly allocations, mostly frees, in turns */

		if ((int)(next_random() % 10) < (phase ? 2 : 7))
			take(&g, most);
		else
			give_or_carve(&g, most);
		if (i % 64 == 0)
			check_tree(&g);
	}
	for (u64 i = FIRST; i < PAGES; i++)
		if (used[i]) {
			used[i] = false;
			assert_true(gaps_give(&g, i, 1));
		}
	check_tree(&g);
	assert_int_equal(g.n, 1);
	assert_int_equal(g.height, 1);
	gaps_fini(&g);
}

static void test_single_pages(void **state)
{
	seed = 1;
	against_oracle(1, 6000);
}

static void test_small_sizes(void **state)
{
	seed = 2;
	against_oracle(7, 6000);
}

static void test_all_sizes(void **state)
{
	seed = 3;
	against_oracle(100, 3000);
	against_oracle(700, 2000);
}

static void test_fit(void **state)
{
	for (u64 start = 1; start < 140; start++)
		for (u64 size = 1; size < 140; size++)
			assert_int_equal(gap_fit(start, size), oracle_fit(start, size));
	assert_int_equal(gap_fit(1, GAPS_MAX_PAGE - 1), GAPS_MAX_PAGE / 2);
}

static void test_four_levels(void **state)
{
	enum { MANY = 20000 };
	struct gaps g;

	assert_int_equal(gaps_init(&g), 0);
	assert_int_equal(gaps_expect(&g, MANY), 0);
	assert_true(gaps_give(&g, 1, 2 * MANY));
	for (u64 i = 0; i < MANY; i++)
		assert_true(gaps_carve(&g, 2 * i + 2, 1));
	assert_int_equal(g.n, MANY);
	assert_true(g.height >= 4);
	assert_int_equal(gaps_take(&g, 2, ~0ull, false), 0);
	assert_int_equal(gaps_take(&g, 1, 1001, false), 1001);
	for (u64 i = MANY; i-- > 0;)
		assert_true(gaps_give(&g, 2 * i + 2, 1));
	assert_true(gaps_give(&g, 1001, 1));
	assert_int_equal(g.n, 1);
	assert_int_equal(g.pages, 2 * MANY);
	gaps_fini(&g);
}

/*
 * The arena that gaps_expect() reserved is sufficient for the worst case without a further
 * allocation.
 */
static void test_expect_is_enough(void **state)
{
	enum { GAPS = 5000 };
	struct fail_rule always = {.every = 1};
	struct gaps g;

	assert_int_equal(gaps_init(&g), 0);
	assert_int_equal(gaps_expect(&g, GAPS), 0);
	fail_set(FAIL_MEMORY, &always);
	for (u64 i = 0; i < GAPS; i++)
		assert_true(gaps_give(&g, 2 * i + 1, 1));
	assert_int_equal(g.n, GAPS);
	assert_int_not_equal(gaps_expect(&g, GAPS * 2), 0);
	fail_set(FAIL_MEMORY, NULL);
	gaps_fini(&g);
}

static void test_no_memory(void **state)
{
	struct fail_rule once = {.nth = 1};
	struct gaps g;

	fail_set(FAIL_MEMORY, &once);
	assert_int_not_equal(gaps_init(&g), 0);
	assert_int_equal(fail_fired(FAIL_MEMORY), 1);
	fail_set(FAIL_MEMORY, NULL);
	gaps_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_pages), cmocka_unit_test(test_small_sizes),
		cmocka_unit_test(test_all_sizes),    cmocka_unit_test(test_fit),
		cmocka_unit_test(test_four_levels),  cmocka_unit_test(test_expect_is_enough),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
