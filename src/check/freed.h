/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is freed while a mapping of it is live, or freed by a wrong address: freed.c. */
#ifndef CHECK_FREED_H
#define CHECK_FREED_H

#include "check/shadow.h"

/* Frees of RAM, and of malloc under AddressSanitizer, are watched. */
void freed_watch(void);
/* They are not, and no thread is looking any more. */
void freed_unwatch(void);

/*
 * Reports once if memory of the process that is mapped was given back to the system since. At a
 * sync the mapping was only found, at an unmap it is claimed. No lock is held.
 */
void freed_check_synced(const struct found *f, const void *caller);
void freed_check_claimed(struct shadow *s, const void *caller);

/* Of dma_alloc_pages(): the CPU wrote to the struct page, which is then made good. */
void freed_check_page_struct(const struct found *f, const void *caller);

#endif
