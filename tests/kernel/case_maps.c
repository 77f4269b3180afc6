/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trees and maps. The behaviour is that of Documentation/core-api/rbtree.rst, xarray.rst and
 * idr.rst.
 */
#include "cases.h"
#include <linux/idr.h>
#include <linux/rbtree.h>

#define N 600

struct item {
	struct rb_node node;
	unsigned int key;
	bool in;
};
static struct item items[N];
static struct rb_root tree = RB_ROOT;

static bool item_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct item, node)->key < rb_entry(b, struct item, node)->key;
}

static int item_cmp(const void *key, const struct rb_node *n)
{
	unsigned int k = *(const unsigned int *)key, at = rb_entry(n, struct item, node)->key;

	return k < at ? -1 : k > at;
}

/*
 * Both directions are complete and in order, the tree is balanced, and a postorder walk visits
 * children first.
 */
static void tree_check(unsigned int in)
{
	unsigned int n = 0, deepest = 0, posted = 0;
	struct rb_node *prev = NULL;
	struct item *p, *next;

	for (struct rb_node *at = rb_first(&tree); at; prev = at, at = rb_next(at), n++) {
		unsigned int depth = 0;

		CHECK(rb_prev(at) == prev && (!prev || !item_less(at, prev)));
		for (struct rb_node *up = at; up; up = rb_parent(up))
			depth++;
		deepest = max(deepest, depth);
	}
	CHECK(prev == rb_last(&tree) && n == in && deepest <= 40);
	rbtree_postorder_for_each_entry_safe(p, next, &tree, node) posted++;
	CHECK(posted == in);
}

CASE(rbtree_keeps_order, "")
{
	unsigned int seed = 1, in = 0, key;
	struct item copy;

	/* in rising order first, which is the worst order for a tree */
	for (unsigned int i = 0; i < N; i++)
		items[i].key = i;
	for (unsigned int step = 0; step < 4 * N; step++) {
		struct item *p;

		seed = seed * 1103515245 + 12345;
		p = &items[step < N ? step : (seed >> 8) % N];
		if (p->in)
			rb_erase(&p->node, &tree);
		else
			rb_add(&p->node, &tree, item_less);
		in += p->in ? -1u : 1;
		p->in = !p->in;
		if (step % 97 == 0)
			tree_check(in);
	}
	tree_check(in);
	for (key = 0; key < N; key++)
		CHECK((rb_find(&key, &tree, item_cmp) == &items[key].node) == items[key].in);
	key = rb_entry(tree.rb_node, struct item, node)->key;
	copy.key = key;
	rb_replace_node(&items[key].node, &copy.node, &tree);
	CHECK(rb_find(&key, &tree, item_cmp) == &copy.node);
	tree_check(in);
	while (!RB_EMPTY_ROOT(&tree))
		rb_erase(rb_first(&tree), &tree);
	RB_CLEAR_NODE(&copy.node);
	CHECK(RB_EMPTY_NODE(&copy.node) && !rb_first(&tree) && !rb_last(&tree));
}

static int sum_fn(int id, void *ptr, void *data)
{
	*(int *)data += id;
	return ptr == data ? 7 : 0;
}

CASE(idr_allocates_ids, "")
{
	DEFINE_IDR(idr);
	int a = 1, b = 2, id, sum = 0;
	void *p;
	u32 u = 2;

	CHECK(idr_is_empty(&idr) && idr_alloc(&idr, &a, 0, 0, GFP_KERNEL) == 0);
	CHECK(idr_alloc(&idr, &b, 0, 0, GFP_KERNEL) == 1 && idr_find(&idr, 1) == &b);
	CHECK(idr_alloc(&idr, &a, 5, 6, GFP_KERNEL) == 5 &&
	      idr_alloc(&idr, &a, 5, 6, GFP_KERNEL) == -ENOSPC &&
	      idr_alloc(&idr, &a, -1, 0, GFP_KERNEL) == -EINVAL);
	CHECK(!idr_alloc_u32(&idr, NULL, &u, UINT_MAX, GFP_KERNEL) && u == 2 && !idr_find(&idr, 2));
	CHECK(!idr_replace(&idr, &b, 2) && idr_find(&idr, 2) == &b &&
	      idr_replace(&idr, &b, 3) == ERR_PTR(-ENOENT));
	CHECK(idr_remove(&idr, 1) == &b && !idr_remove(&idr, 1) && !idr_find(&idr, 1));
	idr_for_each_entry(&idr, p, id) sum += id;
	CHECK(sum == 7 && idr_for_each(&idr, sum_fn, &sum) == 0 && sum == 14);
	CHECK(idr_alloc_cyclic(&idr, &sum, 0, 0, GFP_KERNEL) == 1 &&
	      idr_alloc_cyclic(&idr, &a, 0, 0, GFP_KERNEL) == 3);
	CHECK(idr_for_each(&idr, sum_fn, &sum) == 7);
	idr_remove(&idr, 3);
	CHECK(idr_alloc_cyclic(&idr, &a, 0, 7, GFP_KERNEL) == 4 &&
	      idr_alloc_cyclic(&idr, &a, 0, 7, GFP_KERNEL) == 6 &&
	      idr_alloc_cyclic(&idr, &a, 0, 7, GFP_KERNEL) == 3);
	idr_preload(GFP_KERNEL);
	CHECK(in_atomic() && idr_alloc(&idr, &a, 9, 0, GFP_NOWAIT) == 9);
	idr_preload_end();
	idr_destroy(&idr);
	CHECK(idr_is_empty(&idr));
}

CASE(idr_left, "leak-memory")
{
	DEFINE_IDR(idr);

	CHECK(idr_alloc(&idr, &idr, 0, 0, GFP_KERNEL) == 0);
}

CASE(ida_allocates_ids, "")
{
	DEFINE_IDA(ida);

	CHECK(ida_alloc(&ida, GFP_KERNEL) == 0 && ida_alloc(&ida, GFP_KERNEL) == 1);
	CHECK(ida_alloc_min(&ida, 10, GFP_KERNEL) == 10 &&
	      ida_alloc_max(&ida, 1, GFP_KERNEL) == -ENOSPC);
	ida_free(&ida, 0);
	CHECK(ida_alloc_range(&ida, 0, 5, GFP_KERNEL) == 0 && !ida_is_empty(&ida));
	ida_destroy(&ida);
	CHECK(ida_is_empty(&ida));
}

CASE(ida_freed_twice, "double-free")
{
	DEFINE_IDA(ida);

	ida_free(&ida, ida_alloc(&ida, GFP_KERNEL));
	ida_free(&ida, 0);
}

CASE(xarray_stores, "")
{
	DEFINE_XARRAY(xa);
	unsigned long i, seen = 0;
	int a, b;
	void *p;

	CHECK(xa_empty(&xa) && !xa_load(&xa, 0) && !xa_store(&xa, 3, &a, GFP_KERNEL));
	CHECK(xa_store(&xa, 3, &b, GFP_KERNEL) == &a && xa_load(&xa, 3) == &b);
	CHECK(xa_insert(&xa, 3, &a, GFP_KERNEL) == -EBUSY && !xa_insert(&xa, ~0ul, &a, GFP_KERNEL));
	CHECK(xa_cmpxchg(&xa, 3, &a, NULL, GFP_KERNEL) == &b && xa_load(&xa, 3) == &b);
	CHECK(xa_cmpxchg(&xa, 3, &b, &a, GFP_KERNEL) == &b && xa_load(&xa, 3) == &a);
	CHECK(!xa_store(&xa, 1ul << 40, xa_mk_value(12), GFP_KERNEL));
	xa_for_each(&xa, i, p) seen = seen * 10 + (i == 3 ? 1 : i == 1ul << 40 ? 2 : 3);
	CHECK(seen == 123);
	p = xa_load(&xa, 1ul << 40);
	CHECK(xa_is_value(p) && xa_to_value(p) == 12 && !xa_is_err(p) && !xa_err(p));
	i = 4;
	CHECK(xa_find(&xa, &i, 100, XA_PRESENT) == NULL && i == 4);
	CHECK(xa_erase(&xa, 3) == &a && !xa_erase(&xa, 3) && !xa_load(&xa, 3));
	CHECK(!xa_reserve(&xa, 8, GFP_KERNEL) && !xa_load(&xa, 8) && !xa_store(&xa, 8, &b, 0));
	xa_release(&xa, 8);
	CHECK(xa_load(&xa, 8) == &b && xa_store(&xa, 8, NULL, 0) == &b);
	CHECK(!xa_reserve(&xa, 9, GFP_KERNEL));
	xa_release(&xa, 9);
	xa_lock(&xa);
	CHECK(!__xa_store(&xa, 5, &a, GFP_ATOMIC) && __xa_erase(&xa, 5) == &a);
	CHECK(!__xa_store(&xa, 5, &a, GFP_KERNEL)); /* it releases the lock while it allocates */
	xa_unlock(&xa);
	xa_destroy(&xa);
	CHECK(xa_empty(&xa));
}

CASE(xarray_allocates, "")
{
	DEFINE_XARRAY_ALLOC1(xa);
	u32 id, next = 0;
	int a;

	CHECK(!xa_alloc(&xa, &id, &a, xa_limit_32b, GFP_KERNEL) && id == 1);
	CHECK(!xa_alloc(&xa, &id, NULL, XA_LIMIT(1, 2), GFP_KERNEL) && id == 2);
	CHECK(xa_alloc(&xa, &id, &a, XA_LIMIT(1, 2), GFP_KERNEL) == -EBUSY && id == 2);
	CHECK(xa_store(&xa, 1, NULL, GFP_KERNEL) == &a && !xa_empty(&xa));
	CHECK(xa_alloc(&xa, &id, &a, XA_LIMIT(1, 2), GFP_KERNEL) == -EBUSY);
	xa_erase(&xa, 1);
	CHECK(xa_alloc_cyclic(&xa, &id, &a, XA_LIMIT(1, 3), &next, GFP_KERNEL) == 0 && id == 1);
	CHECK(xa_alloc_cyclic(&xa, &id, &a, XA_LIMIT(1, 3), &next, GFP_KERNEL) == 0 && id == 3);
	xa_erase(&xa, 1);
	CHECK(xa_alloc_cyclic(&xa, &id, &a, XA_LIMIT(1, 3), &next, GFP_KERNEL) == 1 && id == 1);
	xa_destroy(&xa);
}

CASE(xarray_is_not_allocating, "xarray-no-alloc")
{
	DEFINE_XARRAY(xa);
	u32 id;

	CHECK(xa_alloc(&xa, &id, &id, xa_limit_32b, GFP_KERNEL) == -EINVAL);
}

CASE(xarray_sleeps_in_atomic, "sleep-in-atomic")
{
	static DEFINE_SPINLOCK(lock);
	DEFINE_XARRAY(xa);

	spin_lock(&lock);
	xa_store(&xa, 0, &xa, GFP_KERNEL);
	spin_unlock(&lock);
	xa_destroy(&xa);
}
