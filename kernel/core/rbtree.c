/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Treaps: trees that the caller orders from left to right, in which no node has a higher priority
 * than its parent.
 */
#include "core.h"
#include <linux/rbtree.h>

static u32 rb_priority(const struct rb_node *n)
{
	return (u32)(((unsigned long)n >> 3) * 0x9e3779b97f4a7c15ul >> 32);
}

/* Returns the link that leads to a node. */
static struct rb_node **rb_link_to(struct rb_root *root, const struct rb_node *n)
{
	if (!n->parent)
		return &root->rb_node;
	return n->parent->rb_left == n ? &n->parent->rb_left : &n->parent->rb_right;
}

/* Exchanges the node and its parent. */
static void rb_rotate(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *parent = n->parent, **link = rb_link_to(root, parent), *middle;

	if (parent->rb_left == n) {
		middle = parent->rb_left = n->rb_right;
		n->rb_right = parent;
	} else {
		middle = parent->rb_right = n->rb_left;
		n->rb_left = parent;
	}
	if (middle)
		middle->parent = parent;
	n->parent = parent->parent;
	parent->parent = n;
	*link = n;
}

void rb_insert_color(struct rb_node *n, struct rb_root *root)
{
	while (n->parent && rb_priority(n) > rb_priority(n->parent))
		rb_rotate(root, n);
}

void rb_erase(struct rb_node *n, struct rb_root *root)
{
	while (n->rb_left && n->rb_right)
		rb_rotate(root, rb_priority(n->rb_left) > rb_priority(n->rb_right) ? n->rb_left
										   : n->rb_right);
	if (n->rb_left)
		n->rb_left->parent = n->parent;
	if (n->rb_right)
		n->rb_right->parent = n->parent;
	*rb_link_to(root, n) = n->rb_left ? n->rb_left : n->rb_right;
}

void rb_replace_node(struct rb_node *old, struct rb_node *n, struct rb_root *root)
{
	*rb_link_to(root, old) = n;
	*n = *old;
	if (n->rb_left)
		n->rb_left->parent = n;
	if (n->rb_right)
		n->rb_right->parent = n;
}

static struct rb_node *rb_leftmost(struct rb_node *n)
{
	while (n && n->rb_left)
		n = n->rb_left;
	return n;
}

static struct rb_node *rb_rightmost(struct rb_node *n)
{
	while (n && n->rb_right)
		n = n->rb_right;
	return n;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return rb_leftmost(root->rb_node);
}

struct rb_node *rb_last(const struct rb_root *root)
{
	return rb_rightmost(root->rb_node);
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->rb_right)
		return rb_leftmost(n->rb_right);
	while (n->parent && n->parent->rb_right == n)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->rb_left)
		return rb_rightmost(n->rb_left);
	while (n->parent && n->parent->rb_left == n)
		n = n->parent;
	return n->parent;
}

static struct rb_node *rb_deepest(struct rb_node *n)
{
	while (n && (n->rb_left || n->rb_right))
		n = n->rb_left ? n->rb_left : n->rb_right;
	return n;
}

struct rb_node *rb_first_postorder(const struct rb_root *root)
{
	return rb_deepest(root->rb_node);
}

struct rb_node *rb_next_postorder(const struct rb_node *n)
{
	struct rb_node *parent = n->parent;

	return parent && parent->rb_left == n && parent->rb_right ? rb_deepest(parent->rb_right)
								  : parent;
}
