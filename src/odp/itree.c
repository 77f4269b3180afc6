/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invariants. Every leaf is `levels` below the root. No block is empty. Entries from `count` on
 * have max 0. max[i] of an inner block is the greatest max of the block below; in a leaf it is the
 * node's `last`. The key of an entry is (first, id). In a leaf it is the node's own key. In an
 * inner block it is a bound: keys below that entry are not less than it, and keys below the
 * preceding entries are less. The bound of entry 0 is never read: keys that are less than all
 * bounds are stored below it.
 *
 * The result of a query is the first node in order whose `last` is at least the query's `first`, if
 * it overlaps; otherwise there is no result, because later nodes do not begin earlier. On every
 * level a search therefore follows the first entry whose max is great enough.
 *
 * A full block is split on the way down, so a split always finds space in the block above, and the
 * tree stays valid if the allocation fails. A leaf with few entries is merged with a neighbour; an
 * inner block is freed when it is empty. A level is added only after at least 8 splits below it, so
 * there are fewer than 23 levels.
 */
#include "odp/itree.h"
#include "base/alloc.h"
#include "base/math.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FULL 16u
#define LOW  4u	 /* a leaf with at most this many entries is merged with a neighbour */
#define ROOM 12u /* if both together have at most this many */

struct itree_block {
	u64 max[FULL];
	void *at[FULL]; /* nodes or blocks */
	u64 first[FULL];
	struct itree_block *parent;
	unsigned int count;
	uintptr_t id[]; /* FULL, in inner blocks; in a leaf `at` has them */
} cacheline;

/*
 * Returns the first entry whose max is at least `first`, or FULL. The loop has two dependency
 * chains and no branch, since a branch would be unpredictable.
 */
hot_inline unsigned int itree_slot_reaching(const struct itree_block *b, u64 first)
{
	unsigned int low = FULL, high = FULL;

	for (unsigned int i = FULL / 2; i--;) {
		low = b->max[i] >= first ? i : low;
		high = b->max[i + FULL / 2] >= first ? i + FULL / 2 : high;
	}
	return low < high ? low : high;
}

static u64 itree_block_max(const struct itree_block *b)
{
	u64 most[2] = {0, 0};

	for (unsigned int i = 0; i < FULL; i += 2) {
		most[0] = max_u64(most[0], b->max[i]);
		most[1] = max_u64(most[1], b->max[i + 1]);
	}
	return max_u64(most[0], most[1]);
}

static unsigned int itree_slot_of(const struct itree_block *b, const void *what)
{
	unsigned int i = 0;

	while (b->at[i] != what)
		i++;
	return i;
}

/* Returns the first entry, from `from` on, whose key is greater than `place`. */
hot_inline unsigned int itree_slots_up_to(const struct itree_block *b, const void *ids,
					  unsigned int from, struct itree_place place)
{
	const uintptr_t *id = ids;
	unsigned int i = from;

	for (unsigned int k = from; k < b->count; k++)
		i += b->first[k] < place.first;
	while (i < b->count && b->first[i] == place.first && id[i] <= place.node)
		i++;
	return i;
}

static unsigned int itree_slot_below(const struct itree_block *b, struct itree_place place)
{
	return itree_slots_up_to(b, b->id, 1, place) - 1;
}

static struct itree_block *itree_block_new(bool leaf)
{
	return alloc_aligned(64,
			     sizeof(struct itree_block) + (leaf ? 0 : FULL * sizeof(uintptr_t)));
}

static void itree_slot_open(struct itree_block *b, unsigned int i, bool leaf)
{
	size_t n = b->count++ - i;

	memmove(&b->max[i + 1], &b->max[i], n * sizeof(b->max[0]));
	memmove(&b->at[i + 1], &b->at[i], n * sizeof(b->at[0]));
	memmove(&b->first[i + 1], &b->first[i], n * sizeof(b->first[0]));
	if (!leaf)
		memmove(&b->id[i + 1], &b->id[i], n * sizeof(b->id[0]));
}

static void itree_slot_close(struct itree_block *b, unsigned int i, bool leaf)
{
	size_t n = --b->count - i;

	memmove(&b->max[i], &b->max[i + 1], n * sizeof(b->max[0]));
	memmove(&b->at[i], &b->at[i + 1], n * sizeof(b->at[0]));
	memmove(&b->first[i], &b->first[i + 1], n * sizeof(b->first[0]));
	if (!leaf)
		memmove(&b->id[i], &b->id[i + 1], n * sizeof(b->id[0]));
	b->max[b->count] = 0;
}

/* Moves the entries from `from` on to the end of `to`. */
static void itree_slots_move(struct itree_block *to, struct itree_block *b, unsigned int from,
			     bool leaf)
{
	size_t n = b->count - from;

	memcpy(&to->max[to->count], &b->max[from], n * sizeof(b->max[0]));
	memcpy(&to->at[to->count], &b->at[from], n * sizeof(b->at[0]));
	memcpy(&to->first[to->count], &b->first[from], n * sizeof(b->first[0]));
	if (!leaf)
		memcpy(&to->id[to->count], &b->id[from], n * sizeof(b->id[0]));
	memset(&b->max[from], 0, n * sizeof(b->max[0]));
	for (unsigned int i = to->count; i < to->count + n; i++) {
		if (leaf)
			((struct itree_node *)to->at[i])->block = to;
		else
			((struct itree_block *)to->at[i])->parent = to;
	}
	to->count += n;
	b->count = from;
}

/* Splits the full block in entry i of p, which has space for one more. */
static int itree_split(struct itree_block *p, unsigned int i, bool leaf)
{
	struct itree_block *b = p->at[i], *right = itree_block_new(leaf);

	if (!right)
		return -ENOMEM;
	itree_slots_move(right, b, FULL / 2, leaf);
	right->parent = p;
	itree_slot_open(p, i + 1, false);
	p->max[i] = itree_block_max(b);
	p->max[i + 1] = itree_block_max(right);
	p->at[i + 1] = right;
	p->first[i + 1] = right->first[0];
	p->id[i + 1] = leaf ? (uintptr_t)right->at[0] : right->id[0];
	return 0;
}

/* Adds a level above a full root. */
static int itree_grow(struct itree *t)
{
	struct itree_block *up = itree_block_new(false);

	if (!up)
		return -ENOMEM;
	up->at[0] = t->root;
	up->count = 1;
	if (itree_split(up, 0, !t->levels)) {
		alloc_free(up);
		return -ENOMEM;
	}
	t->root->parent = up;
	t->root = up;
	t->levels++;
	return 0;
}

/*
 * Finds the leaf for `place` and makes sure that it has space for one more entry. Returns NULL if
 * there is no memory.
 */
static struct itree_block *itree_leaf_with_space(struct itree *t, struct itree_place place)
{
	struct itree_block *b;

	if (!t->root) {
		t->root = itree_block_new(true);
		return t->root;
	}
	if (t->root->count == FULL && itree_grow(t))
		return NULL;
	b = t->root;
	for (unsigned int level = t->levels; level; level--) {
		unsigned int i = itree_slot_below(b, place);

		if (((struct itree_block *)b->at[i])->count == FULL) {
			if (itree_split(b, i, level == 1))
				return NULL;
			i = itree_slot_below(b, place);
		}
		b = b->at[i];
	}
	return b;
}

int itree_insert(struct itree *t, struct itree_node *n)
{
	struct itree_place place = {n->first, (uintptr_t)n};
	struct itree_block *b = itree_leaf_with_space(t, place);
	unsigned int i;

	if (!b)
		return -ENOMEM;
	i = itree_slots_up_to(b, b->at, 0, place);
	itree_slot_open(b, i, true);
	b->max[i] = n->last;
	b->at[i] = n;
	b->first[i] = n->first;
	n->block = b;
	t->count++;
	for (struct itree_block *p = b->parent; p; b = p, p = p->parent) {
		i = itree_slot_of(p, b);
		if (p->max[i] >= n->last)
			break;
		p->max[i] = n->last;
	}
	return 0;
}

/* An entry of b was removed: the max of the blocks above may be less. */
static void itree_lower(struct itree_block *b)
{
	for (struct itree_block *p = b->parent; p; b = p, p = p->parent) {
		unsigned int i = itree_slot_of(p, b);
		u64 most = itree_block_max(b);

		if (p->max[i] == most)
			return;
		p->max[i] = most;
	}
}

/* Frees b, which is empty, and the blocks above that become empty. */
static void itree_drop(struct itree *t, struct itree_block *b)
{
	struct itree_block *p = b->parent;

	while (p) {
		itree_slot_close(p, itree_slot_of(p, b), false);
		alloc_free(b);
		if (p->count) {
			itree_lower(p);
			break;
		}
		b = p;
		p = b->parent;
	}
	if (!p) {
		alloc_free(b);
		*t = (struct itree){0};
	}
	while (t->levels && t->root->count == 1) {
		b = t->root;
		t->root = b->at[0];
		t->root->parent = NULL;
		t->levels--;
		alloc_free(b);
	}
}

/* Merges a leaf that has few entries with its successor or predecessor. */
static void itree_join(struct itree *t, struct itree_block *b)
{
	struct itree_block *p = b->parent, *other;
	unsigned int i = itree_slot_of(p, b);

	if (i + 1 == p->count)
		i--;
	/* there is no neighbour: i wrapped */
	if (i >= p->count)
		return;
	b = p->at[i];
	other = p->at[i + 1];
	if (b->count + other->count > ROOM)
		return;
	itree_slots_move(b, other, 0, true);
	p->max[i] = itree_block_max(b);
	itree_drop(t, other);
}

void itree_remove(struct itree *t, struct itree_node *n)
{
	struct itree_block *b = n->block;

	t->count--;
	itree_slot_close(b, itree_slot_of(b, n), true);
	if (!b->count) {
		itree_drop(t, b);
		return;
	}
	itree_lower(b);
	if (unlikely(b->count <= LOW && b->parent))
		itree_join(t, b);
}

static void itree_free_below(struct itree_block *b, unsigned int levels)
{
	for (unsigned int i = 0; levels && i < b->count; i++)
		itree_free_below(b->at[i], levels - 1);
	alloc_free(b);
}

void itree_clear(struct itree *t)
{
	if (t->root)
		itree_free_below(t->root, t->levels);
	*t = (struct itree){0};
}

/* Prefetches all lines of a block that a search reads: in a large tree each is a cache miss. */
hot_inline void itree_prefetch(const struct itree_block *b)
{
	__builtin_prefetch(b->max);
	__builtin_prefetch(b->max + 8);
	__builtin_prefetch(b->at);
	__builtin_prefetch(b->at + 8);
}

/* Returns the first node below b that overlaps; b is `levels` above the leaves. */
hot_inline struct itree_node *itree_first_in(const struct itree_block *b, unsigned int levels,
					     u64 first, u64 last)
{
	unsigned int i;

	for (; levels; levels--) {
		i = itree_slot_reaching(b, first);
		if (unlikely(i == FULL))
			return NULL;
		b = b->at[i];
		itree_prefetch(b);
	}
	__builtin_prefetch(b->first);
	__builtin_prefetch(b->first + 8);
	i = itree_slot_reaching(b, first);
	return i < FULL && b->first[i] <= last ? b->at[i] : NULL;
}

struct itree_node *itree_find(const struct itree *t, u64 first, u64 last)
{
	return t->root ? itree_first_in(t->root, t->levels, first, last) : NULL;
}

struct itree_node *itree_next(const struct itree *t, struct itree_place place, u64 first, u64 last)
{
	const struct itree_block *b = t->root;
	unsigned int i;

	if (!b)
		return NULL;
	/* go down to the position of the place */
	for (unsigned int level = t->levels; level; level--)
		b = b->at[itree_slot_below(b, place)];
	for (i = itree_slots_up_to(b, b->at, 0, place); i < b->count; i++)
		if (b->max[i] >= first)
			return b->first[i] <= last ? b->at[i] : NULL;
	/* then up, to the first entry after that path whose max is great enough */
	for (unsigned int level = 0; b->parent; level++) {
		const struct itree_block *p = b->parent;

		for (i = itree_slot_of(p, b) + 1; i < p->count; i++)
			if (p->max[i] >= first)
				return itree_first_in(p->at[i], level, first, last);
		b = p;
	}
	return NULL;
}

static void itree_assert(bool holds)
{
	if (!holds)
		abort();
}

static u64 itree_check_block(const struct itree *t, const struct itree_block *b,
			     unsigned int levels)
{
	u64 nodes = levels ? 0 : b->count;

	itree_assert(b->count && b->count <= FULL);
	for (unsigned int i = 0; i < FULL; i++) {
		const struct itree_block *below = b->at[i];
		const struct itree_node *n = b->at[i];

		if (i >= b->count) {
			itree_assert(!b->max[i]);
		} else if (levels) {
			itree_assert(below->parent == b && b->max[i] == itree_block_max(below));
			nodes += itree_check_block(t, below, levels - 1);
		} else {
			itree_assert(n->block == b && n->first == b->first[i] &&
				     n->last == b->max[i]);
		}
	}
	return nodes;
}

void itree_check(const struct itree *t)
{
	const struct itree_node *n = NULL, *next;
	u64 count = 0;

	itree_assert(!t->root || !t->root->parent);
	itree_assert(t->count == (t->root ? itree_check_block(t, t->root, t->levels) : 0));
	/* the nodes are in order: itree_next() finds every node after its predecessor */
	for (struct itree_place place = {0}; (next = itree_next(t, place, 0, ~0ull));
	     n = next, count++) {
		itree_assert(!n || n->first < next->first || (n->first == next->first && n < next));
		place = (struct itree_place){next->first, (uintptr_t)next};
	}
	itree_assert(count == t->count);
}
