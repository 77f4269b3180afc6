/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On a non-coherent machine RAM has two views: what the CPU's caches hold (mem.base) and the device
 * view (mem.device_view). Streaming maps and syncs copy cache lines between them. Coherent memory
 * is the same pages in both views.
 *
 * If a mapping's device address is its physical address, no page table records what is mapped.
 * Every cache line of RAM therefore has a count of the mappings that cover it, and only lines with
 * a non-zero count are copied. A mapping that is never unmapped stays counted; the only effect is
 * that more syncs copy lines.
 */
#ifndef MEM_CPU_CACHE_H
#define MEM_CPU_CACHE_H

#include "mem/mem.h"

/* Makes whole pages of RAM the same memory in both views. Returns 0 or -ENOMEM. */
int cpu_cache_share(phys_t pa, u64 size);

/*
 * Undoes cpu_cache_share(). If the system cannot create another mapping, the pages stay shared; the
 * only effect is that coherency errors in these pages stay hidden.
 */
void cpu_cache_unshare(phys_t pa, u64 size);

/* Counts a mapping of [pa, pa + size) of RAM at its own address. */
void cpu_cache_hold(phys_t pa, u64 size);
/* Ends such a mapping. Returns false, without a change, if a line of the range is in no mapping. */
bool cpu_cache_drop(phys_t pa, u64 size);
/* Whether every line of the range is in a mapping. */
bool cpu_cache_held(phys_t pa, u64 size);

/* Size in bytes of the counts for RAM up to `span`; they are stored after the device view. */
u64 cpu_cache_counts_size(u64 span);

/*
 * Copies the cache lines of [pa, pa + size) of RAM from the CPU's view to the device view; or back.
 */
void cpu_cache_clean(phys_t pa, u64 size);
void cpu_cache_invalidate(phys_t pa, u64 size);

#endif
