/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pieces of the address space for which the server received a map request, by device address.
 * The protocol unmaps only what was mapped as one piece, so the pieces are recorded.
 *
 * The record is a treap: a binary search tree by address whose nodes are a heap by a random
 * priority, so that its depth is logarithmic whatever the order of insertion.
 */
#ifndef VFUCLIENT_PIECES_H
#define VFUCLIENT_PIECES_H

#include "base/lock.h"
#include "base/math.h"

struct vfuclient_piece {
	struct vfuclient_piece *left, *right; /* right: also the next of a list */
	u64 iova, size;
	phys_t pa;
	u64 prot;
	u32 priority;
	bool message; /* the server accesses it by message */
};

struct vfuclient_pieces {
	struct lock lock; /* guards the rest; leaf */
	struct vfuclient_piece *root;
	u64 n; /* may be read atomically without the lock */
	u32 random;
};

/* Adds a piece, which must not overlap another one. The record owns it from then on. */
void vfuclient_pieces_add(struct vfuclient_pieces *p, struct vfuclient_piece *piece);

/*
 * Removes the pieces that overlap [iova, end) and returns them as a list in ascending order, linked
 * by `right`. The caller frees them.
 */
struct vfuclient_piece *vfuclient_pieces_take(struct vfuclient_pieces *p, u64 iova, u64 end);

#endif
