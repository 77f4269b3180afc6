/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The non-coherent machine has two views of RAM: what the CPU's caches hold (mem.base) and what
 * devices see (mem.device_view). Streaming maps and syncs copy cache lines between them; coherent
 * memory is the same pages in both.
 */
#ifndef MEM_CPU_CACHE_H
#define MEM_CPU_CACHE_H

#include "mem/mem.h"

/* Makes whole pages of RAM the same memory in both views. 0, -ENOMEM. */
int cpu_cache_share(phys_t pa, u64 size);

/*
 * Parts them again. When the system has no room for another mapping they stay shared, which
 * only hides damage that such a machine would do.
 */
void cpu_cache_unshare(phys_t pa, u64 size);

/* Carries the cache lines of [pa, pa + size) of RAM from the CPU's view to the devices', or back.
 */
void cpu_cache_clean(phys_t pa, u64 size);
void cpu_cache_invalidate(phys_t pa, u64 size);

#endif
