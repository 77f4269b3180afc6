/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the VT-d driver share. */
#ifndef BACKEND_VTD_PRIVATE_H
#define BACKEND_VTD_PRIVATE_H

#include "backend/vtd.h"
#include "backend/vtd_regs.h"
#include "mem/mem.h"
#include "pt/pt.h"

#include <pthread.h>

#define VTD_DOMAIN	1   /* number 0 is reserved under caching mode */
#define VTD_QUEUE_SLOTS 256 /* descriptors in a page */

enum { VTD_ROOT, VTD_CONTEXT, VTD_QUEUE, VTD_DONE, VTD_PAGES };

struct vtd {
	struct vtd_io io;
	struct vtd_limits limits;
	bool four_levels, write_buffer, queued, by_page;
	unsigned int mask_max, n_faults;
	u64 drain;	   /* INV_DW and INV_DR where the unit supports them */
	u32 iotlb, faults; /* offsets of these registers */
	struct page *page[VTD_PAGES];
	u64 *root, *context; /* fixed after vtd_attach() */

	pthread_mutex_t lock; /* guards the fields below and the invalidation registers */
	u64 *queue;
	u32 *done; /* written by the unit: the number of the last wait executed; atomic */
	u32 waits; /* the number of the last wait in the queue; may wrap */
	u32 tail;  /* index of the next free slot of the queue */
	u64 count; /* atomic: invalidations, for the statistics */
};

u64 vtd_read(const struct vtd *v, u32 offset, unsigned int size);
void vtd_write(const struct vtd *v, u32 offset, unsigned int size, u64 value);

/* Waits until the bits of `mask` equal `value`. False: they did not within a second. */
bool vtd_until(const struct vtd *v, u32 offset, unsigned int size, u64 mask, u64 value);

/* Invalidates every context and translation that the unit caches. Returns 0 or -EIO. */
int vtd_forget_contexts(struct vtd *v);

#endif
