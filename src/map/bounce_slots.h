/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounce memory's slots: which are free, and the records of those that are not. */
#ifndef MAP_BOUNCE_SLOTS_H
#define MAP_BOUNCE_SLOTS_H

#include "map/bounce.h"

/* The record of one slot. */
struct bounce_slot {
	u64 orig;	    /* physical address of the mapped range */
	u64 bus;	    /* where an IOMMU translates to it, before bus_offset; 0: nowhere */
	struct device *dev; /* NULL: free. Atomic: closing devices look for theirs among all */
	u32 size;	    /* bytes mapped */
	u32 first;	    /* slot number where the mapping begins; atomic */
	u32 slots;	    /* in the first: how many; 0 else */
	u16 offset;	    /* of the range in the first slot; up to a page; atomic */
	u8 prot;	    /* of its direction, as in a page table; atomic */
};

/* What one mapping asks of its slots. */
struct bounce_want {
	u32 slots, stride, phase; /* begins at a slot number = phase modulo stride (1 or 2) */
	u32 offset;		  /* of the range in the first slot */
	u64 size;
	u64 first, last; /* addresses of the first slot at least, of the last byte at most */
	u64 boundary, bus_offset; /* that the range does not cross as the device sees it */
};

struct bounce_pool {
	struct bounce_slot *slot; /* one for each slot */
	u32 n_segments;
};

/* While a device is open it does not change. */
extern struct bounce_pool bounce_pool __attribute__((visibility("hidden")));

hot_inline u64 bounce_slot_address(u64 slot)
{
	return mem.bounce_start + slot * BOUNCE_SLOT;
}

/* Takes a run of slots; the number of its first, or -1: there is none now. */
s64 bounce_slots_take(struct bounce_want *w);
void bounce_slots_give(u64 slot, u64 n);

/* How many slots lie between the wanted addresses, and how many of them are free. */
u64 bounce_slots_count(const struct bounce_want *w, u64 *free);

/* No slot of the segment is taken. */
bool bounce_segment_is_free(u32 seg);

#endif
