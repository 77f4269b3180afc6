/* SPDX-License-Identifier: BSD-2-Clause */
#include "vfuclient/pieces.h"

/* Splits a tree into the pieces that begin below `key` and the others. */
static void pieces_split(struct vfuclient_piece *t, u64 key, struct vfuclient_piece **below,
			 struct vfuclient_piece **rest)
{
	while (t) {
		if (t->iova < key) {
			*below = t;
			below = &t->right;
		} else {
			*rest = t;
			rest = &t->left;
		}
		t = t->iova < key ? t->right : t->left;
	}
	*below = *rest = NULL;
}

/* Joins two trees; every piece of `a` is below every piece of `b`. */
static struct vfuclient_piece *pieces_join(struct vfuclient_piece *a, struct vfuclient_piece *b)
{
	struct vfuclient_piece *root = NULL, **at = &root;

	while (a && b) {
		if (a->priority > b->priority) {
			*at = a;
			at = &a->right;
			a = a->right;
		} else {
			*at = b;
			at = &b->left;
			b = b->left;
		}
	}
	*at = a ? a : b;
	return root;
}

void vfuclient_pieces_add(struct vfuclient_pieces *p, struct vfuclient_piece *piece)
{
	struct vfuclient_piece **at;

	lock_acquire(&p->lock);
	p->random = p->random * 1664525u + 1013904223u;
	piece->priority = p->random;
	for (at = &p->root; *at && (*at)->priority > piece->priority;
	     at = piece->iova < (*at)->iova ? &(*at)->left : &(*at)->right)
		;
	pieces_split(*at, piece->iova, &piece->left, &piece->right);
	*at = piece;
	write_once(&p->n, p->n + 1);
	lock_release(&p->lock);
}

/* Returns the start of the piece that contains `iova`; `iova` if no piece does. */
static u64 pieces_first(const struct vfuclient_piece *t, u64 iova)
{
	const struct vfuclient_piece *before = NULL;

	while (t) {
		if (t->iova < iova)
			before = t;
		t = t->iova < iova ? t->right : t->left;
	}
	return before && iova - before->iova < before->size ? before->iova : iova;
}

/* Converts a tree to a list by rotations, and counts its pieces. */
static struct vfuclient_piece *pieces_list(struct vfuclient_piece *t, u64 *n)
{
	struct vfuclient_piece *list = NULL, **at = &list, *left;

	while (t) {
		if (t->left) {
			left = t->left;
			t->left = left->right;
			left->right = t;
			t = left;
			continue;
		}
		*at = t;
		at = &t->right;
		t = t->right;
		(*n)++;
	}
	*at = NULL;
	return list;
}

struct vfuclient_piece *vfuclient_pieces_take(struct vfuclient_pieces *p, u64 iova, u64 end)
{
	struct vfuclient_piece *below, *rest, *taken;
	u64 n = 0;

	lock_acquire(&p->lock);
	pieces_split(p->root, pieces_first(p->root, iova), &below, &rest);
	pieces_split(rest, end, &taken, &rest);
	p->root = pieces_join(below, rest);
	taken = pieces_list(taken, &n);
	write_once(&p->n, p->n - n);
	lock_release(&p->lock);
	return taken;
}
