/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The non-coherent machine has two views of RAM: what the CPU's caches hold (mem.base) and what
 * devices see (mem.plane). Streaming maps and syncs copy cache lines between them; coherent memory
 * is the same pages in both.
 */
#ifndef MEM_PLANE_H
#define MEM_PLANE_H

#include "mem/mem.h"

/* Makes whole pages of RAM the same memory in both views. 0, -ENOMEM. */
int plane_share(phys_t pa, u64 size);

/*
 * Parts them again. When the system has no room for another mapping they stay shared, which
 * only hides damage that such a machine would do.
 */
void plane_part(phys_t pa, u64 size);

/* Carries the cache lines of [pa, pa + size) of RAM from the CPU's view to the devices', or back.
 */
void plane_to_device(phys_t pa, u64 size);
void plane_to_cpu(phys_t pa, u64 size);

#endif
