/* SPDX-License-Identifier: BSD-2-Clause */
/* src/pt/unmap.c: runs, splits with and without memory, whole mappings, tables that are removed. */
#include "test_pt.h"

static void split_keeps_the_rest(void **state)
{
	struct pt *pt = *state;
	u64 at = 8 * G1, hole = at + 300 * M2 + 17 * K4;

	assert_int_equal(pt_map(pt, IOVA(at), PHYS(G1), G1, RW | PT_WHOLE | PT_SOFT_B, 0), 0);
	assert_int_equal(pt_unmap(pt, IOVA(hole), 2 * K4), 2 * K4);
	for (u64 pos = at; pos - at < G1; pos += pos / M2 == hole / M2 ? K4 : M2) {
		u64 want = (pos - at + G1) | RW | PT_SOFT_B;

		if (pos == hole || pos == hole + K4)
			want = 0;
		if (pos == at)
			want |= PT_FIRST;
		if (pos == at + G1 - M2)
			want |= PT_LAST;
		assert_int_equal(walk_entry(pt, pos), want);
	}
	assert_int_equal(walk_leaf(pt, hole - M2).size, M2);
	assert_int_equal(walk_leaf(pt, hole - K4).size, K4);
	assert_int_equal(pt_unmap(pt, IOVA(at), G1), G1 - 2 * K4);
	assert_int_equal(walk_entry(pt, at), 0);
}

/* The remaining parts of a leaf keep the marks of the whole: at its own first and last page. */
static void split_moves_the_marks(void **state)
{
	struct pt *pt = *state;
	u64 first;

	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), M2, RW | PT_WHOLE, PT_MAP_SPLIT), 0);
	assert_int_equal(pt_unmap(pt, IOVA(0), 3 * K4), 3 * K4);
	assert_int_equal(walk_entry(pt, 3 * K4), 3 * K4 | RW | PT_FIRST);
	assert_int_equal(walk_entry(pt, 4 * K4), 4 * K4 | RW);
	assert_int_equal(walk_entry(pt, M2 - K4), (M2 - K4) | RW | PT_LAST);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(3 * K4), &first), M2 - 3 * K4);

	assert_int_equal(pt_map(pt, IOVA(G1), PHYS(0), G1, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_unmap(pt, IOVA(2 * G1 - 5 * K4), 5 * K4), 5 * K4);
	assert_int_equal(walk_entry(pt, 2 * G1 - 6 * K4) & PT_WHOLE, PT_LAST);
	assert_int_equal(pt_mapping_size(pt, IOVA(G1)), G1 - 5 * K4);
}

/* Reserved by map: every part of every leaf can be unmapped without free memory. */
static void reserved_split_cannot_fail(void **state)
{
	struct pt *pt = *state;
	u64 tables = pt->tables, left = 4 * M2;

	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), 4 * M2, RW | PT_WHOLE, PT_MAP_SPLIT), 0);
	assert_int_equal(pt->tables, tables + 2 + 4);
	arena_fail(1, true);
	for (u64 pos = K4; pos < 3 * M2; pos += M2, left -= K4)
		assert_int_equal(pt_unmap(pt, IOVA(pos), K4), K4);
	assert_int_equal(pt->tables, tables + 2 + 4);
	assert_int_equal(pt_unmap(pt, IOVA(3 * M2), M2),
			 M2); /* the whole leaf: its spare table is freed */
	assert_int_equal(pt->tables, tables + 2 + 3);
	assert_null(pt->spare);
	assert_int_equal(pt_unmap(pt, IOVA(0), 4 * M2), left - M2);
}

static void unreserved_split_without_memory(void **state)
{
	struct pt *pt = *state;

	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), 2 * M2, RW, 0), 0);
	arena_fail(1, true);
	assert_int_equal(pt_unmap(pt, IOVA(K4), K4), M2); /* all of it, and the result reports it */
	assert_int_equal(walk_entry(pt, 0), 0);
	assert_int_equal(walk_entry(pt, M2), M2 | RW);
	arena_fail(0, false);
	assert_int_equal(pt_map(pt, IOVA(G1), PHYS(0), G1, RW, 0), 0);
	arena_fail(2, true); /* splits 1 GiB, but not the 2 MiB leaf in it */
	assert_int_equal(pt_unmap(pt, IOVA(G1 + 7 * M2 + K4), K4), M2);
	assert_int_equal(walk_entry(pt, G1 + 7 * M2), 0);
	assert_int_equal(walk_entry(pt, G1 + 8 * M2), 8 * M2 | RW);
	assert_int_equal(walk_entry(pt, G1 + 7 * M2 - K4), (7 * M2 - K4) | RW);
}

static void nothing_there(void **state)
{
	struct pt *pt = *state;
	u64 first = 77;

	assert_int_equal(pt_unmap(pt, IOVA(0), 1ull << 48), 0);
	assert_int_equal(pt_unmap(pt, IOVA(0), 0), 0);
	assert_int_equal(pt_unmap(pt, IOVA(1), K4), 0);
	assert_int_equal(pt_unmap(pt, IOVA(K4), 5), 0);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(0), &first), 0);
	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), 2 * K4, RW, 0), 0); /* no marks */
	assert_int_equal(pt_unmap_mapping(pt, IOVA(0), &first), 0);
	assert_int_equal(pt_mapping_size(pt, IOVA(0)), 0);
	assert_int_equal(pt_map(pt, IOVA(G1), PHYS(0), M2, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(G1 + K4), &first), 0); /* in the middle */
	assert_int_equal(first, 77);
	assert_int_equal(pt_mapping_size(pt, IOVA(G1 + K4)), 0);
	assert_int_equal(pt_unmap(pt, IOVA(0), 1ull << 48), M2 + 2 * K4);
	assert_int_equal(pt_unmap(pt, IOVA(0), 1ull << 48), 0);
}

static void mapping_taken_whole(void **state)
{
	struct pt *pt = *state;
	u64 at = G1 - 3 * K4, size = M2 + 6 * K4, first = 0, tables;

	assert_int_equal(pt_map(pt, IOVA(at), PHYS(M2 - 3 * K4), size, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_map(pt, IOVA(at + size), PHYS(0), K4, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(at), &first), size);
	assert_int_equal(first, (M2 - 3 * K4) | RW | PT_FIRST);
	assert_int_equal(walk_entry(pt, at + size - K4), 0);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(at + size), &first), K4);
	assert_int_equal(first, RW | PT_WHOLE);
	/* Of small leaves in whole tables: those are removed, too. */
	tables = pt->tables;
	assert_int_equal(pt_map(pt, IOVA(4 * G1 - K4), PHYS(0), 3 * M2, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(4 * G1 - K4), &first), 3 * M2);
	pt_free_limbo(pt);
	assert_int_equal(pt->tables, tables + 4); /* two above, one at each end */
	assert_int_equal(pt_map(pt, IOVA(9 * G1), PHYS(0), M2, RW | PT_WHOLE, PT_MAP_SPLIT), 0);
	assert_int_equal(pt_unmap_mapping(pt, IOVA(9 * G1), &first), M2);
	assert_null(pt->spare);
}

/* Wrong marks end the mapping early and never cause an endless loop. */
static void marks_missing(void **state)
{
	struct pt *pt = *state;
	u64 first;

	assert_int_equal(pt_map(pt, IOVA(0), PHYS(0), 5 * K4, RW | PT_FIRST, 0), 0);
	assert_int_equal(pt_mapping_size(pt, IOVA(0)), 5 * K4); /* to what is not present */
	assert_int_equal(pt_map(pt, IOVA(5 * K4), PHYS(0), K4, RW | PT_WHOLE, 0), 0);
	assert_int_equal(pt_mapping_size(pt, IOVA(0)), 5 * K4); /* to the first of the next */
	assert_int_equal(pt_unmap_mapping(pt, IOVA(0), &first), 5 * K4);
	assert_int_equal(pt_mapping_size(pt, IOVA(5 * K4)), K4);
	assert_int_equal(pt_map(pt, IOVA((1ull << 48) - M2), PHYS(0), M2, RW | PT_FIRST, 0), 0);
	assert_int_equal(pt_mapping_size(pt, IOVA((1ull << 48) - M2)), M2); /* to the end */
	assert_int_equal(pt_unmap_mapping(pt, IOVA((1ull << 48) - M2), &first), M2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PT_TEST(split_keeps_the_rest),
		PT_TEST(split_moves_the_marks),
		PT_TEST(reserved_split_cannot_fail),
		PT_TEST(unreserved_split_without_memory),
		PT_TEST(nothing_there),
		PT_TEST(mapping_taken_whole),
		PT_TEST(marks_missing),
	};

	return cmocka_run_group_tests_name("pt_unmap", tests, NULL, arena_teardown);
}
