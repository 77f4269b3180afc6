/* SPDX-License-Identifier: BSD-2-Clause */
/* src/pt/table.c: tables in limbo and spare ones. */
#include "test_pt.h"
#include "pt/table.h"

static void limbo_holds_until_freed(void **state)
{
	struct pt *pt = *state;
	u64 *inside, tables;
	void *taken;

	assert_int_equal(pt_map(pt, IOVA(0), PHYS(K4), 2 * M2, RW, 0), 0);
	tables = pt->tables;
	inside = pt_leaf_table(pt, IOVA(M2));
	assert_int_equal(pt_unmap(pt, IOVA(0), 2 * M2), 2 * M2);
	assert_null(pt_leaf_table(pt, IOVA(M2)));
	assert_int_equal(pt->tables, tables); /* still memory */
	for (int i = 0; i < PT_ENTRIES; i++)
		assert_int_equal(inside[i] & PT_PRESENT, 0);
	taken = pt_limbo_take(pt);
	assert_non_null(taken);
	assert_null(pt_limbo_take(pt));
	/* Tables that are added later are not freed with those that were taken. */
	assert_int_equal(pt_map(pt, IOVA(0), PHYS(K4), M2, RW, 0), 0);
	assert_int_equal(pt_unmap(pt, IOVA(0), M2), M2);
	pt_limbo_free(pt, taken);
	assert_int_equal(pt->tables, tables - 2 + 1);
	pt_free_limbo(pt);
	assert_int_equal(pt->tables, tables - 2);
	pt_limbo_free(pt, NULL);
}

/* A tree is freed with all tables below, and each table's link is not an entry. */
static void tree_goes_whole(void **state)
{
	struct pt *pt = *state;
	u64 *middle, *low;

	assert_int_equal(pt_map(pt, IOVA(G1), PHYS(K4), G1, RW, 0), 0);
	middle = pt_table(pt, pt_table(pt, pt->root[0])[1]);
	low = pt_leaf_table(pt, IOVA(G1));
	assert_int_equal(pt_unmap(pt, IOVA(G1), G1), G1);
	assert_int_equal(pt_table(pt, pt->root[0])[1], 0);
	assert_int_equal(middle[0] & PT_PRESENT, 0);
	assert_int_equal(low[0] & PT_PRESENT, 0);
	assert_int_equal(pt->tables, 3 + 512);
	pt_free_limbo(pt);
	assert_int_equal(pt->tables, 2);
}

static void spares_in_and_out(void **state)
{
	struct pt *pt = *state;
	u64 *a, *b;

	assert_null(pt_spare_take(pt));
	assert_true(spare_add(pt));
	assert_true(spare_add(pt));
	arena_fail(1, false);
	assert_false(spare_add(pt));
	a = pt_spare_take(pt);
	b = pt_spare_take(pt);
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_null(pt_spare_take(pt));
	spare_put(pt, a);
	spare_put(pt, b);
	spare_drop(pt);
	assert_int_equal(pt->tables, 2); /* the root, and the table that pt_fini finds */
}

static void table_below_says_why(void **state)
{
	struct pt *pt = *state;
	u64 slot = 0, *table;
	int err = 0;

	arena_fail(1, false);
	assert_null(table_below(pt, &slot, &err));
	assert_int_equal(err, -ENOMEM);
	assert_int_equal(slot, 0);
	table = table_below(pt, &slot, &err);
	assert_non_null(table);
	assert_ptr_equal(table_below(pt, &slot, &err), table);
	assert_true(tree_empty(pt, table, PAGE_BITS));
	table[511] = PT_WRITE;
	assert_false(tree_empty(pt, table, PAGE_BITS));
	pt_table_free(pt, table);
	slot = RW | PT_LARGE;
	assert_null(table_below(pt, &slot, &err));
	assert_int_equal(err, -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PT_TEST(limbo_holds_until_freed),
		PT_TEST(tree_goes_whole),
		PT_TEST(spares_in_and_out),
		PT_TEST(table_below_says_why),
	};

	return cmocka_run_group_tests_name("pt_table", tests, NULL, arena_teardown);
}
