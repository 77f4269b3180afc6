/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that the files of the checker share. */
#ifndef CHECK_FIND_H
#define CHECK_FIND_H

#include "check/own.h"

/*
 * Reports if another mapping shares a cache line with this memory. The shadow must not be in the
 * store yet. Returns whether there was a report.
 */
bool check_overlap(struct shadow *s, u64 start, u64 size, const void *caller);
/* Reports once per device if no mask was set. */
void check_mask(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		const void *caller);
/* Reports every difference between the unmap and the mapping, which the caller has claimed. */
void check_compare(struct shadow *s, const struct check_mapping *m, u32 nents, const void *caller);
/* check_compare(), then ends the mapping. */
void check_end(struct shadow *s, const struct check_mapping *m, u32 nents, const void *caller);
/* Called if no mapping of this device begins at the address: reports the most likely cause. */
void check_not_mapped(struct check_device *c, const struct check_mapping *m,
		      struct shadow_found *other, const void *caller);

/* Calls fn() for every checked device, under a lock; fn() may acquire locks of shards only. */
void check_each_device(void (*fn)(struct check_device *, void *), void *arg);

/* place.c: reports memory that must not be mapped. */
void check_place(struct check_device *c, const struct check_mapping *m, const void *caller);

#endif
