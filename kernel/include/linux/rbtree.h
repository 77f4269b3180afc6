/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Balanced trees. Linux: Documentation/core-api/rbtree.rst. The caller descends and links a node,
 * then rb_insert_color() balances. The balance is that of a treap, with the node's address as its
 * priority, since the interface does not show which it is. Augmented trees are absent.
 */
#ifndef KMOD_LINUX_RBTREE_H
#define KMOD_LINUX_RBTREE_H

#include <linux/compiler.h>

struct rb_node {
	struct rb_node *parent, *rb_right, *rb_left;
};
struct rb_root {
	struct rb_node *rb_node;
};
struct rb_root_cached {
	struct rb_root rb_root;
};

#define RB_ROOT                                                                                    \
	(struct rb_root)                                                                           \
	{                                                                                          \
		NULL                                                                               \
	}
#define RB_ROOT_CACHED                                                                             \
	(struct rb_root_cached)                                                                    \
	{                                                                                          \
		{                                                                                  \
			NULL                                                                       \
		}                                                                                  \
	}
#define RB_EMPTY_ROOT(r)  (READ_ONCE((r)->rb_node) == NULL)
#define RB_CLEAR_NODE(n)  ((n)->parent = (n))
#define RB_EMPTY_NODE(n)  ((n)->parent == (n))
#define rb_parent(n)	  ((n)->parent)
#define rb_entry(p, t, m) container_of(p, t, m)
#define rb_entry_safe(p, t, m)                                                                     \
	({                                                                                         \
		__typeof__(p) __p = (p);                                                           \
		__p ? rb_entry(__p, t, m) : NULL;                                                  \
	})

void rb_insert_color(struct rb_node *n, struct rb_root *root);
void rb_erase(struct rb_node *n, struct rb_root *root);
void rb_replace_node(struct rb_node *old, struct rb_node *n, struct rb_root *root);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
struct rb_node *rb_first_postorder(const struct rb_root *root);
struct rb_node *rb_next_postorder(const struct rb_node *n);

static inline void rb_link_node(struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	*n = (struct rb_node){.parent = parent};
	*link = n;
}

/* Inserts by `less`, behind equal nodes. */
static inline void rb_add(struct rb_node *n, struct rb_root *root,
			  bool (*less)(struct rb_node *a, const struct rb_node *b))
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = less(n, parent) ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(n, parent, link);
	rb_insert_color(n, root);
}

/* Returns a node for which `cmp` is 0, or NULL. */
static inline struct rb_node *rb_find(const void *key, const struct rb_root *root,
				      int (*cmp)(const void *key, const struct rb_node *n))
{
	struct rb_node *n = root->rb_node;
	int order;

	while (n && (order = cmp(key, n)))
		n = order < 0 ? n->rb_left : n->rb_right;
	return n;
}

#define rb_first_cached(r)		   rb_first(&(r)->rb_root)
#define rb_insert_color_cached(n, r, left) rb_insert_color(n, &(r)->rb_root)
#define rb_erase_cached(n, r)		   rb_erase(n, &(r)->rb_root)
#define rb_replace_node_cached(o, n, r)	   rb_replace_node(o, n, &(r)->rb_root)

#define rbtree_postorder_for_each_entry_safe(p, n, root, m)                                        \
	for ((p) = rb_entry_safe(rb_first_postorder(root), __typeof__(*(p)), m);                   \
	     (p) && ({                                                                             \
		     (n) = rb_entry_safe(rb_next_postorder(&(p)->m), __typeof__(*(p)), m);         \
		     1;                                                                            \
	     });                                                                                   \
	     (p) = (n))

#endif
