/* SPDX-License-Identifier: BSD-2-Clause */
/* The interval tree against a plain list, with its own shape checked after every change. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "odp/itree.h"

#include <stdlib.h>
#include <string.h>

#define NODES 400
#define ROUNDS 6000

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

/* Order, balance, heights and reaches of a subtree; its greatest `last`. */
static u64 shape(struct itree_node *n, struct itree_node *parent, u64 *count)
{
	u64 most = n->last, reach;
	unsigned int h[2];

	assert_ptr_equal(n->parent, parent);
	(*count)++;
	for (int side = 0; side < 2; side++) {
		struct itree_node *c = n->child[side];

		h[side] = c ? c->height : 0;
		if (!c) {
			assert_int_equal(n->max[side], 0);
			continue;
		}
		assert_true(side ? c->first >= n->first : c->first <= n->first);
		reach = shape(c, n, count);
		assert_int_equal(n->max[side], reach);
		if (reach > most)
			most = reach;
	}
	assert_true(h[0] > h[1] ? h[0] - h[1] <= 1 : h[1] - h[0] <= 1);
	assert_int_equal(n->height, (h[0] > h[1] ? h[0] : h[1]) + 1);
	return most;
}

static void check_shape(void)
{
	u64 count = 0;

	if (tree.root)
		shape(tree.root, NULL, &count);
	assert_int_equal(count, tree.count);
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
	while (n) {
		p = (struct itree_place){n->first, (uintptr_t)n};
		n = itree_next(&tree, p, first, last);
		assert_ptr_equal(n, oracle(false, p, first, last));
	}
	/* a place whose node is gone */
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
			itree_insert(&tree, &node[k]);
		}
		in[k] = !in[k];
		if (i % 8 == 0)
			check_shape();
		check_queries(space);
	}
	for (int i = 0; i < NODES; i++) {
		if (in[i])
			itree_remove(&tree, &node[i]);
		in[i] = false;
		if (i % 16 == 0)
			check_shape();
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

	itree_insert(&t, &low);
	itree_insert(&t, &high);
	assert_ptr_equal(itree_find(&t, 0, 0), &low);
	assert_ptr_equal(itree_find(&t, 1, ~0ull), &high);
	assert_null(itree_find(&t, 1, ~0ull - 1));
	itree_insert(&t, &all);
	assert_ptr_equal(itree_find(&t, 5, 5), &all);
	itree_remove(&t, &all);
	assert_null(itree_find(&t, 5, 5));
	itree_remove(&t, &low);
	itree_remove(&t, &high);
	assert_null(t.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sparse),
		cmocka_unit_test(crowded),
		cmocka_unit_test(nested),
		cmocka_unit_test(ends_of_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
