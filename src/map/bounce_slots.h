/* SPDX-License-Identifier: BSD-2-Clause */
/* The slots of bounce memory: their allocator, and the records of allocated slots. */
#ifndef MAP_BOUNCE_SLOTS_H
#define MAP_BOUNCE_SLOTS_H

#include "map/bounce.h"

/* The record of one slot. */
struct bounce_slot {
	u64 orig;	    /* physical address of the mapped range */
	u64 bus;	    /* bus address that an IOMMU translates to it; 0: none */
	struct device *dev; /* NULL: free. Atomic: a closing device reads all records */
	u32 size;	    /* bytes mapped */
	u32 first;	    /* number of the mapping's first slot; atomic */
	u32 slots;	    /* in the first record: the number of slots; 0 in the others */
	u16 offset;	    /* of the range in the first slot; up to a page; atomic */
	u8 prot;	    /* PT_READ, PT_WRITE of the direction; atomic */
};

/* The requirements of one mapping for its slots. */
struct bounce_want {
	u32 slots, stride, phase; /* begins at a slot number = phase modulo stride (1 or 2) */
	u32 offset;		  /* of the range in the first slot */
	u64 size;
	u64 first, last; /* least address of the first slot, greatest address of the last byte */
	u64 boundary, bus_offset; /* address + bus_offset must not cross the boundary */
};

struct bounce_pool {
	struct bounce_slot *slot; /* one for each slot */
	u32 n_segments;
};

/* Does not change while a device is open. */
extern struct bounce_pool bounce_pool __attribute__((visibility("hidden")));

hot_inline u64 bounce_slot_address(u64 slot)
{
	return mem.bounce_start + slot * BOUNCE_SLOT;
}

/* Allocates a run of slots. Returns the number of its first slot; -1: there is none at present. */
s64 bounce_slots_take(struct bounce_want *w);
void bounce_slots_give(u64 slot, u64 n);

/* Counts the slots between the requested addresses, and in *free the free ones of them. */
u64 bounce_slots_count(const struct bounce_want *w, u64 *free);

/* Whether all slots of the segment are free. */
bool bounce_segment_is_free(u32 seg);

#endif
