/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An interval tree: closed intervals [first, last], any overlaps, ordered by (first, address of
 * the node). An AVL tree in which each node knows the greatest `last` in each of its subtrees, so
 * that a search touches the nodes of its path and no others. The nodes are the caller's, so
 * nothing here can fail; the caller's lock guards a tree.
 *
 * May overflow: nothing; a height is at most 1.44 log2 of what fits in memory.
 */
#ifndef ODP_ITREE_H
#define ODP_ITREE_H

#include "base/compiler.h"

struct itree_node {
	u64 first, last;	     /* set by the owner before it is put in */
	u64 max[2];		     /* the greatest `last` below child[0], child[1]; 0: no child */
	struct itree_node *child[2]; /* 0: before, 1: after */
	struct itree_node *parent;
	u8 height; /* a leaf has 1 */
} cacheline;

struct itree {
	struct itree_node *root;
	u64 count;
};

void itree_insert(struct itree *t, struct itree_node *n);
void itree_remove(struct itree *t, struct itree_node *n);

/* Any node that overlaps [first, last] or, of several, the first in order; NULL: none. */
struct itree_node *itree_find(const struct itree *t, u64 first, u64 last);

/*
 * The first in order after `place` that overlaps [first, last]. The place is told by value, so the
 * node that it came from may be gone.
 */
struct itree_place {
	u64 first;
	uintptr_t node;
};

struct itree_node *itree_next(const struct itree *t, struct itree_place place, u64 first, u64 last);

#endif
