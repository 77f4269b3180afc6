/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The areas of a device's region of registers that are mapped into the process (VFIO, vfio-user).
 * Registers outside them are accessed by other means.
 */
#ifndef BACKEND_AREA_H
#define BACKEND_AREA_H

#include "base/compiler.h"
#include "base/math.h"

#include <dmamap/types.h>

#define BACKEND_AREAS_MAX 8 /* areas of one region */

struct backend_area {
	u8 *base;	  /* NULL: not mapped */
	u64 offset, size; /* in the region */
};

/* Appends an area that is inside the region. Ignores it if it cannot be mapped or is one too many.
 */
static inline void backend_area_add(struct backend_area *area, unsigned int *n, u64 offset,
				    u64 size)
{
	if (*n < BACKEND_AREAS_MAX && !((offset | size) & (PAGE_BYTES - 1)))
		area[(*n)++] = (struct backend_area){.offset = offset, .size = size};
}

/* Returns where the register is mapped; NULL: it is not. */
static inline u8 *backend_area_find(const struct backend_area *area, unsigned int n, u64 offset,
				    unsigned int size)
{
	for (unsigned int i = 0; i < n; i++)
		if (likely(area[i].base && offset >= area[i].offset &&
			   range_within(offset - area[i].offset, size, area[i].size)))
			return area[i].base + (offset - area[i].offset);
	return NULL;
}

#endif
