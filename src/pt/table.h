/* SPDX-License-Identifier: BSD-2-Clause */
/* Internal to pt: allocation and freeing of single tables, and the walk down to an entry. */
#ifndef PT_TABLE_H
#define PT_TABLE_H

#include "pt/pt.h"

#define ROOT_SHIFT 39 /* an entry of the root spans 2^39 bytes, one of the next level 2^30, … */
#define GIB_SHIFT  30
#define MIB2_SHIFT 21
#define LEVEL_BITS 9

hot_inline bool entry_present(u64 entry)
{
	return entry & PT_PRESENT;
}

/* Whether an entry points to a table. An entry of the last level never does; bit 7 is ignored. */
hot_inline bool entry_is_table(u64 entry, unsigned int shift)
{
	return shift > PAGE_BITS && entry_present(entry) && !(entry & PT_LARGE);
}

static inline u64 table_entry(const struct pt *pt, const void *table)
{
	return (u64)((uintptr_t)table - (uintptr_t)pt->memory.base) | PT_READ | PT_WRITE;
}

hot_inline u64 *table_slot(u64 *table, u64 pos, unsigned int shift)
{
	return &table[pos >> shift & (PT_ENTRIES - 1)];
}

/* The entry at which a walk ends: a leaf, or an entry that is not present. */
struct pt_place {
	u64 *slot;
	u64 entry;
	unsigned int shift; /* the entry spans 2^shift bytes */
};

hot_inline struct pt_place place_find(const struct pt *pt, u64 pos)
{
	struct pt_place p = {.shift = ROOT_SHIFT};
	u64 *table = pt->root;

	for (;; p.shift -= LEVEL_BITS) {
		p.slot = table_slot(table, pos, p.shift);
		p.entry = read_acquire(p.slot);
		if (!entry_is_table(p.entry, p.shift))
			return p;
		table = pt_table(pt, p.entry);
	}
}

/* Allocates a zeroed table; NULL if there is no memory. */
u64 *table_new(struct pt *pt);
/* Frees a table that was never in the tree, or in which no walker can be any more. */
void pt_table_free(struct pt *pt, u64 *table);

/*
 * Returns the table below *slot, which is allocated if there is none. On failure it returns NULL
 * and sets *err: -ENOMEM, or -EEXIST if the entry is a leaf.
 */
u64 *table_below(struct pt *pt, u64 *slot, int *err);

/* In these three functions an entry of `table` spans 2^shift bytes. */
bool tree_empty(const struct pt *pt, u64 *table, unsigned int shift);
/* Moves a table that was removed from the tree, and all tables below it, to limbo. */
void tree_retire(struct pt *pt, u64 *table, unsigned int shift);
void tree_free(struct pt *pt, u64 *table, unsigned int shift);

/* Waits until no walk by pt_walk_enter() can be in a table that is in limbo. */
void walks_wait(struct pt *pt);

bool spare_add(struct pt *pt);		   /* allocates a spare table; false: no memory */
u64 *pt_spare_take(struct pt *pt);	   /* NULL: none at present; word 0 is not zeroed */
void spare_put(struct pt *pt, u64 *table); /* puts a table back that pt_spare_take() returned */
void spare_drop(struct pt *pt);		   /* frees one spare table */

#endif
