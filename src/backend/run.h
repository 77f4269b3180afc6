/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs of a page table: what a back end that needs each range of mappings (by_range) maps by one
 * call. A run is contiguous in memory, has one set of permissions, and ends at a leaf with PT_LAST.
 */
#ifndef BACKEND_RUN_H
#define BACKEND_RUN_H

#include "pt/pt.h"

struct backend_run {
	u64 iova, size;
	phys_t pa;
	u64 prot; /* PT_READ, PT_WRITE */
};

/*
 * Finds the first run of leaves at or after r->iova and below `end`. False: nothing is mapped
 * there.
 */
bool backend_run_find(const struct pt *pt, struct backend_run *r, u64 end);

/* Returns the number of runs in [iova, end). */
u64 backend_run_count(const struct pt *pt, u64 iova, u64 end);

#endif
