/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is freed while it is mapped, or freed by a wrong address: freed.c. */
#ifndef CHECK_FREED_H
#define CHECK_FREED_H

#include "check/check.h"
#include "shadow/shadow.h"

/* Begins to check frees of RAM and, under AddressSanitizer, of malloc's memory. */
void freed_watch(void);
/* Ends these checks. When it returns, no other thread searches the store for them. */
void freed_unwatch(void);

/*
 * Reports once for each mapping if its memory was returned to the system: at a sync, for a mapping
 * that was found; at an unmap, for one that is claimed. The caller holds no lock.
 */
void freed_check_synced(const struct shadow_found *f, const void *caller);
void freed_check_claimed(struct shadow *s, const void *caller);

/* Reports, and repairs, struct pages of dma_alloc_pages() that were overwritten. */
void freed_check_page_struct(const struct shadow_found *f, const void *caller);

#endif
