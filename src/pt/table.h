/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pt: single tables, how they come and go, and the way down to an entry. */
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

/* Leads to a table. An entry of the last level never does, whatever its bit 7. */
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

/* The end of a walk: a leaf, or an entry that is not present. */
struct place {
	u64 *slot;
	u64 entry;
	unsigned int shift; /* the entry spans 2^shift bytes */
};

hot_inline struct place place_find(const struct pt *pt, u64 pos)
{
	struct place p = {.shift = ROOT_SHIFT};
	u64 *table = pt->root;

	for (;; p.shift -= LEVEL_BITS) {
		p.slot = table_slot(table, pos, p.shift);
		p.entry = read_acquire(p.slot);
		if (!entry_is_table(p.entry, p.shift))
			return p;
		table = pt_table(pt, p.entry);
	}
}

u64 *table_new(struct pt *pt);		       /* zeroed; NULL: no memory */
void pt_table_free(struct pt *pt, u64 *table); /* that no walker ever saw, or none can be in */

/* The table below *slot, made when there is none. NULL and *err: -ENOMEM, -EEXIST (a leaf). */
u64 *table_below(struct pt *pt, u64 *slot, int *err);

/* `shift` is that of the table's entries, here and below. */
bool tree_empty(const struct pt *pt, u64 *table, unsigned int shift);
void tree_retire(struct pt *pt, u64 *table, unsigned int shift); /* out of sight: into limbo */
void tree_free(struct pt *pt, u64 *table, unsigned int shift);

void walks_wait(struct pt *pt); /* until no walk can be in a table that is in limbo */

bool spare_add(struct pt *pt);	   /* false: no memory */
u64 *pt_spare_take(struct pt *pt); /* NULL: none now. Its word 0 is not zero */
void spare_put(struct pt *pt, u64 *table);
void spare_drop(struct pt *pt); /* gives one back to where tables come from */

#endif
