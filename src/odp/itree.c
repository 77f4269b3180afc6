/* SPDX-License-Identifier: BSD-2-Clause */
#include "odp/itree.h"

static unsigned int height(const struct itree_node *n)
{
	return n ? n->height : 0;
}

/* The greatest `last` of a subtree. An interval may end at 0, which then counts as no child: it
 * overlaps only searches that begin at 0, and those go down every child that there is. */
static u64 reach(const struct itree_node *n)
{
	u64 most;

	if (!n)
		return 0;
	most = n->max[0] > n->max[1] ? n->max[0] : n->max[1];
	return n->last > most ? n->last : most;
}

static bool before(u64 first, uintptr_t node, const struct itree_node *n)
{
	return first != n->first ? first < n->first : node < (uintptr_t)n;
}

static struct itree_node **link_of(struct itree *t, struct itree_node *n)
{
	return n->parent ? &n->parent->child[n->parent->child[1] == n] : &t->root;
}

static void set_child(struct itree_node *n, int side, struct itree_node *c)
{
	n->child[side] = c;
	n->max[side] = reach(c);
	if (c)
		c->parent = n;
}

static void set_height(struct itree_node *n)
{
	unsigned int a = height(n->child[0]), b = height(n->child[1]);

	n->height = (u8)((a > b ? a : b) + 1);
}

/* The child on `side` comes up in place of n. */
static struct itree_node *rotate(struct itree *t, struct itree_node *n, int side)
{
	struct itree_node *up = n->child[side], *parent = n->parent, **link = link_of(t, n);

	set_child(n, side, up->child[!side]);
	set_height(n);
	set_child(up, !side, n);
	set_height(up);
	up->parent = parent;
	*link = up;
	return up;
}

static struct itree_node *balance(struct itree *t, struct itree_node *n)
{
	int lean = (int)height(n->child[1]) - (int)height(n->child[0]), side = lean > 0;
	struct itree_node *c;

	if (lean <= 1 && lean >= -1) {
		set_height(n);
		return n;
	}
	c = n->child[side];
	if (height(c->child[!side]) > height(c->child[side]))
		rotate(t, c, !side);
	return rotate(t, n, side);
}

/* From n to the root: heights, balance, and what the parents know of their children. */
static void repair(struct itree *t, struct itree_node *n)
{
	while (n) {
		unsigned int old = n->height;
		struct itree_node *top = balance(t, n), *parent = top->parent;
		u64 most = reach(top);
		int side;

		if (!parent)
			return;
		side = parent->child[1] == top;
		if (top == n && old == n->height && parent->max[side] == most)
			return;
		parent->max[side] = most;
		n = parent;
	}
}

void itree_insert(struct itree *t, struct itree_node *n)
{
	struct itree_node **link = &t->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = &parent->child[!before(n->first, (uintptr_t)n, parent)];
	}
	n->child[0] = n->child[1] = NULL;
	n->max[0] = n->max[1] = 0;
	n->height = 1;
	n->parent = parent;
	*link = n;
	t->count++;
	if (!parent)
		return;
	parent->max[parent->child[1] == n] = n->last;
	repair(t, parent);
}

/* n has two children: the next in order takes its place. Returns where repair begins. */
static struct itree_node *replace(struct itree *t, struct itree_node *n)
{
	struct itree_node *next = n->child[1], *from, **link = link_of(t, n);

	while (next->child[0])
		next = next->child[0];
	from = next->parent;
	if (from == n) {
		from = next;
	} else {
		set_child(from, 0, next->child[1]);
		set_child(next, 1, n->child[1]);
	}
	set_child(next, 0, n->child[0]);
	next->parent = n->parent;
	next->height = n->height;
	*link = next;
	return from;
}

void itree_remove(struct itree *t, struct itree_node *n)
{
	struct itree_node *from, *parent = n->parent, *only;

	t->count--;
	if (n->child[0] && n->child[1]) {
		from = replace(t, n);
		/* every node from there to the root may know a reach that is no more */
		for (struct itree_node *p = from; p->parent; p = p->parent)
			p->parent->max[p->parent->child[1] == p] = reach(p);
		repair(t, from);
		return;
	}
	only = n->child[0] ? n->child[0] : n->child[1];
	*link_of(t, n) = only;
	if (only)
		only->parent = parent;
	if (!parent)
		return;
	/* n's own link is cleared, so the side is told by what is there now */
	for (int side = 0; side < 2; side++)
		parent->max[side] = reach(parent->child[side]);
	repair(t, parent);
}

/* Both ways on are fetched while it is decided which: in a large tree each is a miss. */
hot_inline void fetch_children(const struct itree_node *n)
{
	__builtin_prefetch(n->child[0]);
	__builtin_prefetch(n->child[1]);
}

/* The first in order in the subtree of n that overlaps. */
static struct itree_node *first_in(struct itree_node *n, u64 first, u64 last)
{
	while (n) {
		fetch_children(n);
		if (n->child[0] && n->max[0] >= first) {
			/* something below ends late enough: if it does not overlap it begins past
			 * `last`, and so does all that follows */
			n = n->child[0];
			continue;
		}
		if (n->first > last)
			return NULL;
		if (n->last >= first)
			return n;
		if (!n->child[1] || n->max[1] < first)
			return NULL;
		n = n->child[1];
	}
	return NULL;
}

struct itree_node *itree_find(const struct itree *t, u64 first, u64 last)
{
	return first_in(t->root, first, last);
}

struct itree_node *itree_next(const struct itree *t, struct itree_place place, u64 first, u64 last)
{
	struct itree_node *n = t->root, *up, *found;

	/* down to where the place is, or would be */
	for (up = NULL; n;) {
		up = n;
		n = n->child[!before(place.first, place.node, n)];
	}
	/* then up: each node that lies after the place, and what is after that node */
	for (n = up; n; n = n->parent) {
		if (!before(place.first, place.node, n))
			continue;
		if (n->first > last)
			return NULL;
		if (n->last >= first)
			return n;
		found = n->max[1] >= first ? first_in(n->child[1], first, last) : NULL;
		if (found)
			return found;
	}
	return NULL;
}
