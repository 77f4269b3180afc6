/* SPDX-License-Identifier: BSD-2-Clause */
/* src/pt/map.c: arguments, leaves, conflicts, and undoing a map that fails at any step. */
#include "test_pt.h"

static void bad_arguments(void **state)
{
	struct pt *pt = *state;
	u64 top = 1ull << 48, pa_top = 1ull << 52;
	const struct {
		u64 iova, pa, size, flags;
		unsigned int options;
	} bad[] = {
		{1, 0, K4, RW, 0},
		{0, 1, K4, RW, 0},
		{0, 0, K4 + 1, RW, 0},
		{0, 0, 0, RW, 0},
		{0, 0, K4, 0, 0},
		{0, 0, K4, PT_SOFT_A, 0},
		{0, 0, K4, RW | PT_LARGE, 0},
		{0, 0, K4, RW | PT_SPARE, 0},
		{0, 0, K4, RW | K4, 0},
		{0, 0, K4, RW, 2},
		{top, 0, K4, RW, 0},
		{top - K4, 0, 2 * K4, RW, 0},
		{~0ull - K4 + 1, 0, K4, RW, 0},
		{K4, 0, ~0ull - K4 + 1, RW, 0},
		{0, pa_top, K4, RW, 0},
		{0, pa_top - K4, 2 * K4, RW, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pt_map(pt, IOVA(bad[i].iova), PHYS(bad[i].pa), bad[i].size,
					bad[i].flags, bad[i].options),
				 -EINVAL);
	assert_int_equal(pt->tables, 1);
	assert_int_equal(pt_map(pt, IOVA(0), PHYS(pa_top - K4), K4, RW, 0), 0);
	assert_int_equal(walk_entry(pt, 0), (pa_top - K4) | RW);
}

/* 4 KiB up to a 2 MiB boundary, 2 MiB up to a 1 GiB boundary, 1 GiB, and down again. */
static void leaves_by_size_and_alignment(void **state)
{
	struct pt *pt = *state;
	u64 start = 3 * G1 - M2 - K4, end = 4 * G1 + M2 + K4, size = end - start;

	assert_int_equal(pt_map(pt, IOVA(start), PHYS(start + G1), size, RW | PT_WHOLE, 0), 0);
	assert_int_equal(walk_leaf(pt, start).size, K4);
	assert_int_equal(walk_leaf(pt, start).entry, (start + G1) | RW | PT_FIRST);
	assert_int_equal(walk_leaf(pt, start + K4).size, M2);
	assert_int_equal(walk_leaf(pt, start + K4).entry & PT_WHOLE, 0);
	assert_int_equal(walk_leaf(pt, 3 * G1).size, G1);
	assert_int_equal(walk_leaf(pt, 4 * G1).size, M2);
	assert_int_equal(walk_leaf(pt, end - K4).entry, (end - K4 + G1) | RW | PT_LAST);
	assert_int_equal(walk_leaf(pt, end).size, 0);
	assert_int_equal(pt_mapping_size(pt, IOVA(start)), size);
	assert_int_equal(pt_mapping_size(pt, IOVA(start + K4)), 0);
	assert_int_equal(pt_unmap(pt, IOVA(start), size), size);
	/* The memory's alignment counts as well. */
	assert_int_equal(pt_map(pt, IOVA(2 * G1), PHYS(M2), G1, RW, 0), 0);
	assert_int_equal(walk_leaf(pt, 2 * G1).size, M2);
	assert_int_equal(pt_map(pt, IOVA(6 * G1), PHYS(0), G1, RW | PT_WHOLE, PT_MAP_SPLIT), 0);
	assert_int_equal(walk_leaf(pt, 6 * G1).entry, RW | PT_FIRST | PT_LARGE | PT_SPARE);
	assert_int_equal(walk_leaf(pt, 6 * G1).size, M2);
	assert_int_equal(walk_leaf(pt, 7 * G1 - M2).entry & PT_WHOLE, PT_LAST);
}

static void conflicts_undo_all(void **state)
{
	struct pt *pt = *state;
	u64 at = 2 * G1, size = 2 * G1 + 2 * M2 + 8 * K4, busy = at + size - 3 * K4;

	assert_int_equal(pt_map(pt, IOVA(busy), PHYS(0), K4, RW, 0), 0);
	for (unsigned int options = 0; options <= PT_MAP_SPLIT; options++) {
		assert_int_equal(pt_map(pt, IOVA(at), PHYS(0), size, RW, options), -EEXIST);
		for (u64 pos = at; pos - at < size; pos += pos < busy - M2 ? M2 : K4)
			assert_int_equal(walk_entry(pt, pos), pos == busy ? RW : 0);
		assert_null(pt->spare);
	}
	assert_int_equal(pt_map(pt, IOVA(busy), PHYS(0), K4, RW, 0), -EEXIST);
	assert_false(pt_map_4k(pt, IOVA(busy), PHYS(0), RW));
	/* A large leaf where a page is mapped; a page where a large leaf is. */
	assert_int_equal(pt_map(pt, IOVA(align_down(busy, M2)), PHYS(0), M2, RW, 0), -EEXIST);
	assert_int_equal(pt_map(pt, IOVA(at), PHYS(0), G1, RW, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(at + 5 * K4), PHYS(0), K4, RW, 0), -EEXIST);
	assert_int_equal(pt_map(pt, IOVA(at + M2), PHYS(0), M2, RW, PT_MAP_SPLIT), -EEXIST);
	assert_int_equal(pt_map(pt, IOVA(at), PHYS(0), G1, RW, 0), -EEXIST);
	assert_null(pt->spare);
}

/* Small mappings leave tables behind; a large leaf replaces them. */
static void large_leaf_over_empty_tables(void **state)
{
	struct pt *pt = *state;
	u64 *old;

	for (u64 pos = 0; pos < G1; pos += 128 * M2) {
		assert_int_equal(pt_map(pt, IOVA(pos), PHYS(0), K4, RW, 0), 0);
		assert_int_equal(pt_unmap(pt, IOVA(pos), K4), K4);
	}
	old = pt_leaf_table(pt, IOVA(0));
	assert_non_null(old);
	assert_int_equal(pt->tables, 3 + 4);
	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), M2, RW, 0), 0);
	assert_int_equal(walk_leaf(pt, 0).size, M2);
	assert_int_equal(old[0] & PT_PRESENT, 0); /* a walker that is still inside finds nothing */
	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), G1, RW, 0), -EEXIST);
	assert_int_equal(pt_unmap(pt, IOVA(0), M2), M2);
	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), G1, RW, 0), 0);
	assert_int_equal(walk_leaf(pt, 0).size, G1);
	assert_int_equal(pt->tables, 3 + 4);
	pt_free_limbo(pt);
	assert_int_equal(pt->tables, 2);
}

/* Each allocation in turn fails: nothing mapped, nothing leaked; without a failure it succeeds. */
static void memory_fails_at_each_step(void **state)
{
	struct pt *pt = *state;
	u64 start = 512 * G1 - M2 - 2 * K4, size = G1 + 2 * M2 + 4 * K4;
	u64 nth, base = pt->tables;
	int err = -ENOMEM;

	for (unsigned int options = 0; options <= PT_MAP_SPLIT; options++) {
		for (nth = 1; err == -ENOMEM; nth++) {
			arena_fail(nth, false);
			err = pt_map(pt, IOVA(start), PHYS(start), size, RW | PT_WHOLE, options);
			if (!err)
				break;
			assert_int_equal(err, -ENOMEM);
			for (u64 pos = start; pos - start < size; pos += pos % M2 ? K4 : M2)
				assert_int_equal(walk_entry(pt, pos), 0);
			assert_null(pt->spare);
			pt_free_limbo(pt);
			assert_int_equal(pt->tables, arena.used);
		}
		assert_true(nth > 2);
		arena_fail(0, false);
		assert_int_equal(pt_mapping_size(pt, IOVA(start)), size);
		assert_int_equal(pt_unmap(pt, IOVA(start), size), size);
		assert_null(pt->spare);
		pt_free_limbo(pt);
		err = -ENOMEM;
	}
	assert_true(pt->tables <= base + 6);
}

static void one_page_inline(void **state)
{
	struct pt *pt = *state;

	assert_false(pt_map_4k(pt, IOVA(G1), PHYS(K4), RW)); /* no table yet */
	assert_int_equal(pt_map(pt, IOVA(G1), PHYS(K4), K4, RW, 0), 0);
	assert_true(pt_map_4k(pt, IOVA(G1 + K4), PHYS(7 * K4), RW | PT_WHOLE));
	assert_int_equal(walk_entry(pt, G1 + K4), 7 * K4 | RW | PT_WHOLE);
	assert_int_equal(pt_map(pt, IOVA(2 * G1), PHYS(0), M2, RW, 0), 0);
	assert_false(pt_map_4k(pt, IOVA(2 * G1), PHYS(K4), RW));
}

/* Pieces across the end of a table, some of several pages, as one mapping. */
static void cursor_goes_on(void **state)
{
	struct pt *pt = *state;
	struct pt_cursor at = {0};
	u64 start = G1 - 10 * K4, pos = start, total = 0, first;

	for (u64 i = 0; i < 32; i++) {
		u64 size = (i % 5 == 4 ? 3 : 1) * K4;
		u64 flags = RW | (i ? 0 : PT_FIRST) | (i == 31 ? PT_LAST : 0);

		assert_int_equal(pt_cursor_map(pt, &at, IOVA(pos), PHYS(i * M2), size, flags), 0);
		assert_int_equal(walk_entry(pt, pos) & PT_ADDR, i * M2);
		pos += size;
		total += size;
	}
	assert_int_equal(walk_entry(pt, start), RW | PT_FIRST);
	assert_int_equal(walk_entry(pt, start + 6 * K4) & PT_ADDR, 4 * M2 + 2 * K4);
	assert_int_equal(pt_cursor_map(pt, &at, IOVA(pos - K4), PHYS(0), K4, RW), -EEXIST);
	assert_int_equal(pt_mapping_size(pt, IOVA(start)), total);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(start), &first), total);
	assert_int_equal(first, RW | PT_FIRST);
	/* A piece that is a large leaf has no table to record. */
	assert_int_equal(pt_cursor_map(pt, &at, IOVA(4 * G1), PHYS(0), M2, RW | PT_FIRST), 0);
	assert_int_equal(at.area, 0);
	arena_fail(1, false);
	assert_int_equal(pt_cursor_map(pt, &at, IOVA(4 * G1 + M2), PHYS(0), K4, RW), -ENOMEM);
	assert_int_equal(pt_cursor_map(pt, &at, IOVA(4 * G1 + M2), PHYS(0), K4, RW | PT_LAST), 0);
	assert_int_equal(pt_mapping_size(pt, IOVA(4 * G1)), M2 + K4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PT_TEST(bad_arguments),
		PT_TEST(leaves_by_size_and_alignment),
		PT_TEST(conflicts_undo_all),
		PT_TEST(large_leaf_over_empty_tables),
		PT_TEST(memory_fails_at_each_step),
		PT_TEST(one_page_inline),
		PT_TEST(cursor_goes_on),
	};

	return cmocka_run_group_tests_name("pt_map", tests, NULL, arena_teardown);
}
