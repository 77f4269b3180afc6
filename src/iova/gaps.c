/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The B+tree of free gaps. Invariants:
 *  - all leaves are at depth height - 1; every node except the root has GAP_MIN to GAP_FANOUT
 *    entries, and a root that is not a leaf has at least two;
 *  - an inner entry equals the summary (lowest key, greatest size and fit) of its child;
 *  - nodes >= gaps_nodes_for(n), so a node is always available for a split.
 * Nothing can overflow: page numbers are below 2^52 and `nodes` is bounded by memory.
 */
#include "iova/gaps.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/math.h"

#include <string.h>

#define CHUNK_NODES 127

struct gap_chunk {
	struct gap_chunk *next;
	struct gap_node *node; /* CHUNK_NODES of them, inside this allocation */
};

struct gaps_entry {
	u64 key, size, fit;
	struct gap_node *child;
};

/* A path from the root (depth 0) to a leaf; at[] is the index of the entry in every node. */
struct gaps_path {
	struct gap_node *node[GAP_HEIGHT];
	int at[GAP_HEIGHT];
};

/*
 * Returns the most pages that a naturally aligned request can get from the gap. A gap of 2^k to
 * 2^(k+1) - 1 pages contains an aligned block of 2^k pages, or else certainly one of 2^(k-1). Let B
 * be the size of the largest such block. A request of B + 1 to 2B - 1 pages fits only at a multiple
 * of 2B, and can then extend to the end of the gap.
 */
u64 gap_fit(u64 start, u64 size)
{
	u64 end = start + size, block = 1ull << log2_floor(size), at = align_up(start, block);

	if (at + block > end)
		block >>= 1;
	at = align_up(start, block * 2);
	return at < end ? max_u64(block, end - at) : block;
}

/* An upper bound of the number of nodes in a tree of n gaps. */
static u64 gaps_nodes_for(u64 n)
{
	return n / (GAP_MIN - 1) + GAP_HEIGHT;
}

static int gaps_chunk_add(struct gaps *g)
{
	struct gap_chunk *c;

	/* The kernel zeroes this memory, so a page of it uses RAM only after its first access. */
	c = alloc_zeroed(sizeof(*c) + (CHUNK_NODES + 1) * sizeof(struct gap_node));
	if (!c)
		return -ENOMEM;
	c->node = (struct gap_node *)align_up((u64)(uintptr_t)(c + 1), 64);
	if (g->newest)
		g->newest->next = c;
	else
		g->chunks = g->filling = c;
	g->newest = c;
	g->nodes += CHUNK_NODES;
	return 0;
}

int gaps_expect(struct gaps *g, u64 n)
{
	while (g->nodes < gaps_nodes_for(n))
		if (gaps_chunk_add(g))
			return -ENOMEM;
	return 0;
}

/* Cannot fail, because gaps_expect() allocated the nodes before. */
static struct gap_node *gaps_node_get(struct gaps *g)
{
	struct gap_node *node = g->unused;

	if (node) {
		g->unused = node->child[0];
	} else {
		if (g->filled == CHUNK_NODES) {
			g->filling = g->filling->next;
			g->filled = 0;
		}
		node = &g->filling->node[g->filled++];
	}
	node->n = 0;
	return node;
}

static void gaps_node_put(struct gaps *g, struct gap_node *node)
{
	node->child[0] = g->unused;
	g->unused = node;
}

int gaps_init(struct gaps *g)
{
	*g = (struct gaps){.height = 1};
	if (gaps_expect(g, 1))
		return -ENOMEM;
	g->root = gaps_node_get(g);
	return 0;
}

void gaps_fini(struct gaps *g)
{
	struct gap_chunk *c = g->chunks, *next;

	for (; c; c = next) {
		next = c->next;
		alloc_free(c);
	}
	*g = (struct gaps){0};
}

static struct gaps_entry gaps_summary(struct gap_node *node)
{
	struct gaps_entry e = {.key = node->key[0], .child = node};

	for (u32 i = 0; i < node->n; i++) {
		e.size = max_u64(e.size, node->size[i]);
		e.fit = max_u64(e.fit, node->fit[i]);
	}
	return e;
}

static void gaps_entry_set(struct gap_node *node, int i, struct gaps_entry e)
{
	node->key[i] = e.key;
	node->size[i] = e.size;
	node->fit[i] = e.fit;
	node->child[i] = e.child;
}

/* Moves `count` entries; they may overlap within one node. */
static void gaps_entries_move(struct gap_node *to, u32 i, struct gap_node *from, u32 j, u32 count)
{
	memmove(to->key + i, from->key + j, count * sizeof(to->key[0]));
	memmove(to->size + i, from->size + j, count * sizeof(to->size[0]));
	memmove(to->fit + i, from->fit + j, count * sizeof(to->fit[0]));
	memmove(to->child + i, from->child + j, count * sizeof(to->child[0]));
}

static void gaps_entry_insert(struct gap_node *node, int i, struct gaps_entry e)
{
	gaps_entries_move(node, i + 1, node, i, node->n - i);
	gaps_entry_set(node, i, e);
	node->n++;
}

static void gaps_entry_remove(struct gap_node *node, int i)
{
	node->n--;
	gaps_entries_move(node, i, node, i + 1, node->n - i);
}

/* Updates the summaries above the changed node at depth d, up to the first that is unchanged. */
static void gaps_raise(struct gaps_path *p, int d)
{
	for (; d > 0; d--) {
		struct gap_node *up = p->node[d - 1];
		struct gaps_entry e = gaps_summary(p->node[d]);
		int i = p->at[d - 1];

		if (up->key[i] == e.key && up->size[i] == e.size && up->fit[i] == e.fit)
			return;
		gaps_entry_set(up, i, e);
	}
}

/* Splits the full node and inserts e at index i of both halves together; returns the upper half. */
static struct gap_node *gaps_split(struct gaps *g, struct gap_node *node, int i,
				   struct gaps_entry e)
{
	struct gap_node *right = gaps_node_get(g);
	int half = (GAP_FANOUT + 1) / 2;

	right->n = GAP_FANOUT - half;
	gaps_entries_move(right, 0, node, half, right->n);
	node->n = half;
	if (i <= half)
		gaps_entry_insert(node, i, e);
	else
		gaps_entry_insert(right, i - half, e);
	return right;
}

/* Inserts e after the path's entry at depth d. The path is invalid afterwards. */
static void gaps_insert(struct gaps *g, struct gaps_path *p, int d, struct gaps_entry e)
{
	for (;; d--) {
		struct gap_node *root, *node = p->node[d];

		if (node->n < GAP_FANOUT) {
			gaps_entry_insert(node, p->at[d] + 1, e);
			gaps_raise(p, d);
			return;
		}
		e = gaps_summary(gaps_split(g, node, p->at[d] + 1, e));
		if (d > 0) {
			gaps_entry_set(p->node[d - 1], p->at[d - 1], gaps_summary(node));
			continue;
		}
		root = gaps_node_get(g);
		gaps_entry_insert(root, 0, gaps_summary(node));
		gaps_entry_insert(root, 1, e);
		g->root = root;
		g->height++;
		return;
	}
}

/*
 * Merges two neighbouring nodes, of which one has too few entries, or distributes their entries
 * evenly if they do not fit in one node. True: they were merged.
 */
static bool gaps_join(struct gaps *g, struct gap_node *left, struct gap_node *right)
{
	u32 total = left->n + right->n, half = total / 2;

	if (total <= GAP_FANOUT) {
		gaps_entries_move(left, left->n, right, 0, right->n);
		left->n = total;
		gaps_node_put(g, right);
		return true;
	}
	if (left->n < half) {
		u32 count = half - left->n;

		gaps_entries_move(left, left->n, right, 0, count);
		gaps_entries_move(right, 0, right, count, right->n - count);
	} else {
		u32 count = left->n - half;

		gaps_entries_move(right, count, right, 0, right->n);
		gaps_entries_move(right, 0, left, half, count);
	}
	left->n = half;
	right->n = total - half;
	return false;
}

/* Removes the gap at the path. The path is invalid afterwards. */
static void gaps_remove(struct gaps *g, struct gaps_path *p)
{
	int d = (int)g->height - 1, i;
	struct gap_node *up, *node = p->node[d];

	gaps_entry_remove(node, p->at[d]);
	for (; d > 0 && node->n < GAP_MIN; d--, node = up) {
		struct gap_node *right;

		up = p->node[d - 1];
		i = p->at[d - 1];
		if (i + 1 == (int)up->n)
			i--;
		right = up->child[i + 1];
		if (gaps_join(g, up->child[i], right)) {
			gaps_entry_remove(up, i + 1);
		} else {
			gaps_entry_set(up, i + 1, gaps_summary(right));
		}
		gaps_entry_set(up, i, gaps_summary(up->child[i]));
	}
	gaps_raise(p, d);
	if (g->height > 1 && g->root->n == 1) {
		node = g->root;
		g->root = node->child[0];
		g->height--;
		gaps_node_put(g, node);
	}
}

/* Changes the borders of the gap at the path, between the same neighbours. */
static void gaps_set(struct gaps *g, struct gaps_path *p, u64 start, u64 size)
{
	int d = (int)g->height - 1;

	gaps_entry_set(
		p->node[d], p->at[d],
		(struct gaps_entry){.key = start, .size = size, .fit = gap_fit(start, size)});
	gaps_raise(p, d);
}

static void gaps_insert_range(struct gaps *g, struct gaps_path *p, u64 start, u64 size)
{
	gaps_insert(g, p, (int)g->height - 1,
		    (struct gaps_entry){.key = start, .size = size, .fit = gap_fit(start, size)});
}

/*
 * Sets the path to the last gap that begins at or below x. False: there is none, and at[] of the
 * leaf is -1.
 */
static bool gaps_locate(const struct gaps *g, u64 x, struct gaps_path *p)
{
	struct gap_node *node = g->root;
	int d = 0, i;

	for (;; d++) {
		i = -1;
		for (u32 j = 0; j < node->n; j++)
			i += node->key[j] <= x;
		p->node[d] = node;
		p->at[d] = i;
		if (d == (int)g->height - 1)
			return i >= 0;
		p->at[d] = i < 0 ? 0 : i;
		node = node->child[p->at[d]];
	}
}

/* Moves the path to the next gap. False: it was at the last gap. */
static bool gaps_step(const struct gaps *g, struct gaps_path *p)
{
	int leaf = (int)g->height - 1, d = leaf;

	while (d >= 0 && p->at[d] + 1 >= (int)p->node[d]->n)
		d--;
	if (d < 0)
		return false;
	for (p->at[d]++; d < leaf; d++) {
		p->node[d + 1] = p->node[d]->child[p->at[d]];
		p->at[d + 1] = 0;
	}
	return true;
}

static int gaps_last_fit(const struct gap_node *node, int i, u64 pages, bool aligned)
{
	const u64 *most = aligned ? node->fit : node->size;

	while (i >= 0 && most[i] < pages)
		i--;
	return i;
}

/* Extends the path from its entry at depth d, which fits, to the highest gap below it that fits. */
static void gaps_descend(const struct gaps *g, struct gaps_path *p, int d, u64 pages, bool aligned)
{
	for (; d < (int)g->height - 1; d++) {
		struct gap_node *node = p->node[d]->child[p->at[d]];

		p->node[d + 1] = node;
		p->at[d + 1] = gaps_last_fit(node, (int)node->n - 1, pages, aligned);
	}
}

/*
 * Sets the path to the highest gap that fits. The gap that extends beyond `last` is checked
 * separately; all gaps before it end at or below `last`, so their size and fit are valid.
 */
static bool gaps_search(const struct gaps *g, struct gaps_path *p, u64 pages, u64 last,
			bool aligned)
{
	int d = (int)g->height - 1;
	u64 start, size;

	if (!gaps_locate(g, last, p))
		return false;
	start = p->node[d]->key[p->at[d]];
	size = min_u64(p->node[d]->size[p->at[d]], last - start + 1);
	if (pages <= (aligned ? gap_fit(start, size) : size))
		return true;
	for (; d >= 0; d--) {
		p->at[d] = gaps_last_fit(p->node[d], p->at[d] - 1, pages, aligned);
		if (p->at[d] >= 0) {
			gaps_descend(g, p, d, pages, aligned);
			return true;
		}
	}
	return false;
}

/* Allocates a part of the gap at the path. */
static void gaps_cut(struct gaps *g, struct gaps_path *p, u64 start, u64 pages)
{
	int d = (int)g->height - 1;
	u64 low = p->node[d]->key[p->at[d]], end = low + p->node[d]->size[p->at[d]];
	u64 above = end - start - pages;

	g->pages -= pages;
	if (start > low) {
		gaps_set(g, p, low, start - low);
		if (above) {
			gaps_insert_range(g, p, start + pages, above);
			g->n++;
		}
	} else if (above) {
		gaps_set(g, p, start + pages, above);
	} else {
		gaps_remove(g, p);
		g->n--;
	}
}

u64 gaps_take(struct gaps *g, u64 pages, u64 last, bool aligned)
{
	int leaf = (int)g->height - 1;
	struct gap_node *node;
	struct gaps_path p;
	u64 start;

	if (!pages || !gaps_search(g, &p, pages, last, aligned))
		return 0;
	node = p.node[leaf];
	start = min_u64(node->key[p.at[leaf]] + node->size[p.at[leaf]] - 1, last) + 1 - pages;
	if (aligned)
		start = align_down(start, 1ull << log2_ceil(pages));
	gaps_cut(g, &p, start, pages);
	return start;
}

static bool gaps_locate_range(const struct gaps *g, struct gaps_path *p, u64 start, u64 pages)
{
	int leaf = (int)g->height - 1;
	u64 in;

	if (!gaps_locate(g, start, p))
		return false;
	in = start - p->node[leaf]->key[p->at[leaf]];
	return range_within(in, pages, p->node[leaf]->size[p->at[leaf]]);
}

bool gaps_has(const struct gaps *g, u64 start, u64 pages)
{
	struct gaps_path p;

	return gaps_locate_range(g, &p, start, pages);
}

bool gaps_carve(struct gaps *g, u64 start, u64 pages)
{
	struct gaps_path p;

	if (!gaps_locate_range(g, &p, start, pages))
		return false;
	gaps_cut(g, &p, start, pages);
	return true;
}

bool gaps_give(struct gaps *g, u64 start, u64 pages)
{
	int leaf = (int)g->height - 1;
	u64 low = start, low_end = 0, high = 0, end = start + pages, high_end = end;
	struct gaps_path below, above;

	if (gaps_locate(g, start, &below)) {
		low = below.node[leaf]->key[below.at[leaf]];
		low_end = low + below.node[leaf]->size[below.at[leaf]];
		if (low_end > start)
			return false;
	}
	above = below;
	if (gaps_step(g, &above)) {
		high = above.node[leaf]->key[above.at[leaf]];
		if (high < end)
			return false;
		if (high == end)
			high_end = end + above.node[leaf]->size[above.at[leaf]];
	}
	/* A node is missing only if a range is freed that was never allocated. */
	if (low_end != start && high != end && g->nodes < gaps_nodes_for(g->n + 1))
		return false;
	if (low_end == start) {
		gaps_set(g, &below, low, high_end - low);
		if (high == end) {
			gaps_remove(g, &above);
			g->n--;
		}
	} else if (high == end) {
		gaps_set(g, &above, start, high_end - start);
	} else {
		gaps_insert_range(g, &below, start, pages);
		g->n++;
	}
	g->pages += pages;
	return true;
}
