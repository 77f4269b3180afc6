/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs of a page table: what a back end that needs each range of mappings (by_range) maps by one
 * call. A run is contiguous in memory, has one set of permissions, and ends at a leaf with PT_LAST.
 */
#ifndef BACKEND_RUN_H
#define BACKEND_RUN_H

#include "backend/backend.h"
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

/*
 * iommu_ops.map of such a back end: stores the entries and maps the range by `fn`, which returns 0
 * or -errno with an error message. Nothing is mapped on failure.
 */
int backend_run_map(struct backend_space *b, iova_t iova, phys_t pa, u64 size, u64 flags,
		    int (*fn)(struct backend_space *b, const struct backend_run *r));

/*
 * The rest [iova, end) of a piece could not be mapped again after another part was unmapped: logs
 * the error message of this thread and removes the entries.
 */
void backend_run_drop_rest(struct backend_space *b, u64 iova, u64 end);

#endif
