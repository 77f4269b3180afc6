/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The free gaps of an address space: a B+tree keyed by each gap's first page. What is given out
 * has no node at all; two gaps never touch, since giving back merges.
 *
 * Each entry, in a leaf for its gap and above for all gaps of its child, carries
 *   key   the first page, the lowest one below
 *   size  the most pages that an unaligned request can get
 *   fit   the most pages that a naturally aligned request can get
 * Both figures are exact: a request of n pages fits a gap if and only if n <= size (n <= fit when
 * aligned), since what serves n pages at a multiple of 2^k also serves fewer at a smaller power. So
 * a search goes straight down to the highest gap that serves, and a failing one sees one path.
 *
 * Nodes come from an arena that only grows until the tree goes. Giving back needs no memory: see
 * gaps_expect().
 *
 * Page numbers stay below 2^52, so sums of two of them cannot overflow. The caller locks.
 */
#ifndef IOVA_GAPS_H
#define IOVA_GAPS_H

#include "base/compiler.h"

#define GAPS_MAX_PAGE (1ull << 52)
#define GAP_FANOUT    15 /* a node is then 8 cache lines */
#define GAP_MIN	      5	 /* of each node but the root */
#define GAP_HEIGHT    16 /* 5^16 gaps are more than memory holds */

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
	struct gap_node *unused; /* given back nodes */
	struct gap_chunk *chunks, *filling, *newest;
	u32 filled; /* nodes of `filling` that were ever used */
	u64 nodes;  /* in the arena, used or not */
};

/* An empty tree; 0 or -ENOMEM. */
int gaps_init(struct gaps *g);
void gaps_fini(struct gaps *g);

/*
 * Makes sure that `n` gaps can exist; 0 or -ENOMEM. Called before a take, with the most gaps that
 * any order of gives could make afterwards, so that no give needs memory.
 */
int gaps_expect(struct gaps *g, u64 n);

/* Takes `pages` pages, the highest that end at or below `last`; 0: none. */
u64 gaps_take(struct gaps *g, u64 pages, u64 last, bool aligned);

/* Takes exactly these; false: some are not free. gaps_has: only looks. */
bool gaps_carve(struct gaps *g, u64 start, u64 pages);
bool gaps_has(const struct gaps *g, u64 start, u64 pages);

/* Gives back; false, and nothing changed: some are free already. */
bool gaps_give(struct gaps *g, u64 start, u64 pages);

/* The most pages that an aligned request can get of [start, start + size). */
u64 gap_fit(u64 start, u64 size);

#endif
