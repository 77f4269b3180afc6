/* SPDX-License-Identifier: BSD-2-Clause */
/* The interval tree, compared with a plain list; its structure is checked after every change. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "odp/itree.h"

#include <dmamap/check.h>

#include <stdlib.h>
#include <string.h>

#define NODES  1000 /* three levels */
#define ROUNDS 5000

static struct itree_node node[NODES];
static bool in[NODES];
static struct itree tree;
static u64 seed = 88172645463325252ull;

static u64 rnd(u64 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static bool later(const struct itree_node *a, struct itree_place p)
{
	return a->first != p.first ? a->first > p.first : (uintptr_t)a > p.node;
}

static struct itree_node *oracle(bool any, struct itree_place p, u64 first, u64 last)
{
	struct itree_node *best = NULL;

	for (int i = 0; i < NODES; i++) {
		struct itree_node *n = &node[i];

		if (!in[i] || n->first > last || n->last < first || (!any && !later(n, p)))
			continue;
		if (!best || n->first < best->first || (n->first == best->first && n < best))
			best = n;
	}
	return best;
}

static void check_queries(u64 space)
{
	u64 first = rnd(space), last = first + rnd(space / 8 + 1);
	struct itree_place p = {0};
	struct itree_node *n = itree_find(&tree, first, last);

	assert_ptr_equal(n, oracle(true, p, first, last));
	for (int steps = 0; n && steps < 20; steps++) {
		p = (struct itree_place){n->first, (uintptr_t)n};
		n = itree_next(&tree, p, first, last);
		assert_ptr_equal(n, oracle(false, p, first, last));
	}
	/* a position whose node was removed */
	p = (struct itree_place){rnd(space), (uintptr_t)&node[rnd(NODES)]};
	assert_ptr_equal(itree_next(&tree, p, first, last), oracle(false, p, first, last));
}

static void run(u64 space, u64 longest)
{
	for (int i = 0; i < ROUNDS; i++) {
		int k = (int)rnd(NODES);

		if (in[k]) {
			itree_remove(&tree, &node[k]);
		} else {
			node[k].first = rnd(space);
			node[k].last = node[k].first + rnd(longest);
			assert_int_equal(itree_insert(&tree, &node[k]), 0);
		}
		in[k] = !in[k];
		if (i % 16 == 0)
			itree_check(&tree);
		check_queries(space);
	}
	for (int i = 0; i < NODES; i++) {
		if (in[i])
			itree_remove(&tree, &node[i]);
		in[i] = false;
		if (i % 64 == 0)
			itree_check(&tree);
	}
	assert_null(tree.root);
	assert_int_equal(tree.count, 0);
}

static void sparse(void **state)
{
	run(1 << 20, 1 << 10);
}

static void crowded(void **state)
{
	run(64, 16);
}

static void nested(void **state)
{
	run(1000, 1000);
}

static void ends_of_the_line(void **state)
{
	struct itree_node low = {.first = 0, .last = 0}, high = {.first = ~0ull, .last = ~0ull},
			  all = {.first = 0, .last = ~0ull};
	struct itree t = {0};

	assert_int_equal(itree_insert(&t, &low), 0);
	assert_int_equal(itree_insert(&t, &high), 0);
	assert_ptr_equal(itree_find(&t, 0, 0), &low);
	assert_ptr_equal(itree_find(&t, 1, ~0ull), &high);
	assert_null(itree_find(&t, 1, ~0ull - 1));
	assert_int_equal(itree_insert(&t, &all), 0);
	assert_ptr_equal(itree_find(&t, 5, 5), &all);
	itree_remove(&t, &all);
	assert_null(itree_find(&t, 5, 5));
	itree_remove(&t, &low);
	itree_remove(&t, &high);
	assert_null(t.root);
}

/*
 * Only intervals after all others, then all but a few are removed: full blocks become nearly empty.
 */
static void in_order(void **state)
{
	for (int i = 0; i < NODES; i++) {
		node[i].first = node[i].last = (u64)i * 2;
		assert_int_equal(itree_insert(&tree, &node[i]), 0);
	}
	itree_check(&tree);
	for (int i = 0; i < NODES; i++)
		if (i % 200)
			itree_remove(&tree, &node[i]);
	itree_check(&tree);
	for (int i = 0; i < NODES; i++)
		assert_ptr_equal(itree_find(&tree, (u64)i * 2, (u64)i * 2),
				 i % 200 ? NULL : &node[i]);
	itree_clear(&tree);
	assert_null(tree.root);
}

/* Each allocation fails once; the tree is valid and does not contain the node. */
static void no_memory(void **state)
{
	int failed = 0;

	for (int i = 0; i < NODES; i++) {
		node[i].first = rnd(1 << 20);
		node[i].last = node[i].first + 5;
		assert_int_equal(dmamap_fail(i % 2 ? "memory:nth=1" : "memory:nth=2"), 0);
		if (itree_insert(&tree, &node[i])) {
			failed++;
			itree_check(&tree);
			assert_int_equal(tree.count, i);
			dmamap_fail(NULL);
			assert_int_equal(itree_insert(&tree, &node[i]), 0);
		}
		dmamap_fail(NULL);
	}
	itree_check(&tree);
	assert_true(failed > NODES / 32);
	itree_clear(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sparse),   cmocka_unit_test(crowded),
		cmocka_unit_test(nested),   cmocka_unit_test(ends_of_the_line),
		cmocka_unit_test(in_order), cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
