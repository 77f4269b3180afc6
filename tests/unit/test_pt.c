/* SPDX-License-Identifier: BSD-2-Clause */
/* src/pt/pt.c: creation, end, walks, iteration over mappings; and the cost of the tables. */
#include "test_pt.h"

static void init_without_memory(void **state)
{
	struct pt pt = {.root = (u64 *)(void *)state};
	struct pt_memory memory = {.base = arena.base, .alloc = arena_alloc, .free = arena_free};

	arena_fail(1, false);
	assert_int_equal(pt_init(&pt, &memory), -ENOMEM);
	assert_ptr_equal(pt.root, state); /* untouched */
	arena_fail(0, false);
	assert_int_equal(pt_init(&pt, &memory), 0);
	assert_int_equal(pt.tables, 1);
	pt_fini(&pt);
	pt_fini(&pt); /* the second call has no effect */
}

static void walk_finds_each_size(void **state)
{
	struct pt *pt = *state;
	u64 foreign = 1ull << 50, at = 5 * G1;

	assert_int_equal(pt_map(pt, IOVA(at), PHYS(foreign + 3 * G1), G1, RW | PT_SOFT_A, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(at + G1), PHYS(7 * M2), M2, PT_READ, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(at + G1 + M2), PHYS(K4), K4, PT_WRITE, 0), 0);
	assert_int_equal(walk_leaf(pt, at + G1 - 1).size, G1);
	assert_int_equal(walk_leaf(pt, at + G1).size, M2);
	assert_int_equal(walk_leaf(pt, at + G1 + M2).size, K4);
	assert_int_equal(walk_entry(pt, at + 17 * M2 + 5 * K4 + 9),
			 (foreign + 3 * G1 + 17 * M2 + 5 * K4) | RW | PT_SOFT_A);
	assert_int_equal(walk_leaf(pt, at).entry, (foreign + 3 * G1) | RW | PT_SOFT_A | PT_LARGE);
	assert_int_equal(walk_entry(pt, at + G1 + 3 * K4), (7 * M2 + 3 * K4) | PT_READ);
	assert_int_equal(walk_entry(pt, at + G1 + M2), K4 | PT_WRITE);
	assert_int_equal(walk_entry(pt, at + G1 + M2 + K4), 0);
	assert_int_equal(walk_entry(pt, at - 1), 0);
	assert_null(pt_slot(pt, IOVA(at)));
	assert_null(pt_slot(pt, IOVA(at + G1)));
	assert_non_null(pt_slot(pt, IOVA(at + G1 + M2 + K4)));
}

static void find_steps_over_holes(void **state)
{
	struct pt *pt = *state;
	u64 top = 1ull << 48;

	assert_int_equal(pt_find(pt, IOVA(0), top), top);
	assert_int_equal(pt_map(pt, IOVA(5 * G1 + K4), PHYS(0), K4, RW, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(9 * G1), PHYS(0), M2, PT_READ, 0), 0);
	assert_int_equal(pt_find(pt, IOVA(0), top), 5 * G1 + K4);
	assert_int_equal(pt_find(pt, IOVA(0), 5 * G1 + K4), 5 * G1 + K4);
	assert_int_equal(pt_find(pt, IOVA(0), 3 * G1 + 5), 3 * G1 + 5);
	assert_int_equal(pt_find(pt, IOVA(5 * G1 + K4 + 9), top), 5 * G1 + K4 + 9);
	assert_int_equal(pt_find(pt, IOVA(5 * G1 + 2 * K4), top), 9 * G1);
	assert_int_equal(pt_find(pt, IOVA(9 * G1 + K4), top), 9 * G1 + K4);
	assert_int_equal(pt_find(pt, IOVA(9 * G1 + M2), top), top);
	assert_int_equal(pt_find(pt, IOVA(top + K4), ~0ull), ~0ull);
	assert_int_equal(pt_find(pt, IOVA(K4), 0), 0);
}

static void beyond_48_bits(void **state)
{
	struct pt *pt = *state;
	struct pt_leaf leaf;
	u64 top = 1ull << 48, first;

	assert_int_equal(pt_map(pt, IOVA(top - K4), PHYS(0), K4, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), K4, RW | PT_WHOLE, 0), 0);
	assert_int_equal(walk_entry(pt, top - 1), RW | PT_WHOLE);
	assert_int_equal(walk_entry(pt, top), 0); /* would be address 0 */
	assert_int_equal(walk_entry(pt, ~0ull), 0);
	assert_false(pt_walk_slow(pt, IOVA(top), &leaf));
	assert_null(pt_slot(pt, IOVA(top)));
	assert_false(pt_map_4k(pt, IOVA(top + M2), PHYS(0), RW));
	assert_int_equal(pt_mapping_size(pt, IOVA(top)), 0);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(top), &first), 0);
	assert_int_equal(pt_unmap(pt, IOVA(top), K4), 0);
	assert_int_equal(pt_unmap(pt, IOVA(top - K4), 2 * K4), 0);
	assert_int_equal(pt_mapping_size(pt, IOVA(top - K4)), K4);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(top - K4), &first), K4);
}

struct seen {
	struct pt *pt;
	u64 iova[8], size[8];
	int n, max;
	bool unmap;
};

static bool see(void *arg, iova_t iova, u64 size)
{
	struct seen *s = arg;

	s->iova[s->n] = iova.v;
	s->size[s->n++] = size;
	if (s->unmap)
		assert_int_equal(pt_unmap(s->pt, iova, size), size);
	return s->n < s->max;
}

static void each_mapping_once(void **state)
{
	struct pt *pt = *state;
	struct seen s = {.pt = pt, .max = 8};
	u64 a = K4, b = G1 - M2 - K4, c = 600 * G1;

	assert_int_equal(pt_map(pt, IOVA(a), PHYS(0), K4, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(b), PHYS(M2 - K4), M2 + 2 * K4, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(b + M2 + 2 * K4), PHYS(0), K4, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(c), PHYS(0), 2 * G1, RW | PT_WHOLE, 0), 0);
	pt_for_each_mapping(pt, see, &s);
	assert_int_equal(s.n, 4);
	assert_int_equal(s.iova[0], a);
	assert_int_equal(s.size[0], K4);
	assert_int_equal(s.iova[1], b);
	assert_int_equal(s.size[1], M2 + 2 * K4);
	assert_int_equal(s.iova[2], b + M2 + 2 * K4);
	assert_int_equal(s.iova[3], c);
	assert_int_equal(s.size[3], 2 * G1);

	s = (struct seen){.pt = pt, .max = 2};
	pt_for_each_mapping(pt, see, &s);
	assert_int_equal(s.n, 2); /* fn ended the iteration */

	s = (struct seen){.pt = pt, .max = 8, .unmap = true};
	pt_for_each_mapping(pt, see, &s);
	assert_int_equal(s.n, 4);
	s = (struct seen){.pt = pt, .max = 8};
	pt_for_each_mapping(pt, see, &s);
	assert_int_equal(s.n, 0);
}

/*
 * 1 GiB in 4 KiB leaves (misaligned memory): the tables have less than 0.3 % of it, and are freed
 * with it.
 */
static void tables_cost_little(void **state)
{
	struct pt *pt = *state;
	u64 before = pt->tables;

	assert_int_equal(pt_map(pt, IOVA(4 * G1), PHYS(G1 + K4), G1, RW, 0), 0);
	assert_int_equal(walk_leaf(pt, 4 * G1).size, K4);
	assert_true((pt->tables - before) * K4 * 1000 < 3 * G1);
	assert_int_equal(pt->tables, arena.used);
	assert_int_equal(pt_unmap(pt, IOVA(4 * G1), G1), G1);
	pt_free_limbo(pt);
	assert_int_equal(pt->tables, before + 1); /* only the table above 1 GiB spans stays */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PT_TEST(init_without_memory),	PT_TEST(walk_finds_each_size),
		PT_TEST(find_steps_over_holes), PT_TEST(beyond_48_bits),
		PT_TEST(each_mapping_once),	PT_TEST(tables_cost_little),
	};

	return cmocka_run_group_tests_name("pt", tests, NULL, arena_teardown);
}
