/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The free gaps of an address space: a B+tree whose key is the first page of a gap. Allocated
 * ranges have no node. Two gaps are never adjacent, because a free merges them.
 *
 * An entry describes one gap in a leaf, and all gaps of its child in an inner node. It has
 *   key   the first page of the (lowest) gap
 *   size  the most pages that an unaligned request can get
 *   fit   the most pages that a naturally aligned request can get
 * Both values are exact: a request of n pages fits a gap if and only if n <= size (n <= fit when
 * aligned), because a gap that fits n pages at a multiple of 2^k also fits fewer pages at a
 * multiple of a smaller power. A search therefore descends directly to the highest gap that fits,
 * and a failing search visits one path.
 *
 * Nodes are allocated from an arena that only grows until the tree is destroyed. Freeing a range
 * needs no memory: see gaps_expect().
 *
 * Page numbers stay below 2^52, so sums of two of them cannot overflow. The caller holds the lock.
 */
#ifndef IOVA_GAPS_H
#define IOVA_GAPS_H

#include "base/compiler.h"

#define GAPS_MAX_PAGE (1ull << 52)
#define GAP_FANOUT    15 /* a node is then 8 cache lines */
#define GAP_MIN	      5	 /* fewest entries of a node except the root */
#define GAP_HEIGHT    16 /* 5^16 gaps need more memory than any machine has */

struct gap_node {
	u64 key[GAP_FANOUT];
	u64 size[GAP_FANOUT];
	u64 fit[GAP_FANOUT];
	struct gap_node *child[GAP_FANOUT]; /* NULL in leaves; [0] links unused nodes */
	u32 n;
} cacheline;

struct gap_chunk;

struct gaps {
	struct gap_node *root;
	u32 height;		 /* levels; 1: the root is a leaf */
	u64 n;			 /* gaps */
	u64 pages;		 /* in all gaps */
	struct gap_node *unused; /* freed nodes */
	struct gap_chunk *chunks, *filling, *newest;
	u32 filled; /* nodes of `filling` that were allocated at least once */
	u64 nodes;  /* in the arena, used or not */
};

/* An empty tree; 0 or -ENOMEM. */
int gaps_init(struct gaps *g);
void gaps_fini(struct gaps *g);

/*
 * Allocates the nodes for `n` gaps; 0 or -ENOMEM. Called before an allocation with the largest
 * number of gaps that any order of frees can cause afterwards, so that no free needs memory.
 */
int gaps_expect(struct gaps *g, u64 n);

/* Allocates `pages` pages, the highest that end at or below `last`; 0: none fit. */
u64 gaps_take(struct gaps *g, u64 pages, u64 last, bool aligned);

/* Allocates exactly these pages; false: some are not free. gaps_has() only checks. */
bool gaps_carve(struct gaps *g, u64 start, u64 pages);
bool gaps_has(const struct gaps *g, u64 start, u64 pages);

/* Frees the pages. Returns false and changes nothing if some are free already. */
bool gaps_give(struct gaps *g, u64 start, u64 pages);

/* Returns the most pages that an aligned request can get from [start, start + size). */
u64 gap_fit(u64 start, u64 size);

#endif
