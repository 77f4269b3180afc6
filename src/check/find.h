/* SPDX-License-Identifier: BSD-2-Clause */
/* What the finders share with each other. */
#ifndef CHECK_FIND_H
#define CHECK_FIND_H

#include "check/shadow.h"

/* Reports if a cache line of this memory, which is not in the store yet, is mapped. True: it did.
 */
bool check_overlap(struct shadow *s, u64 start, u64 size, const void *caller);
/* Reports once if no mask was set. */
void check_mask(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		const void *caller);
/* Reports each way in which the unmap differs from the mapping, which is claimed. */
void check_compare(struct shadow *s, const struct check_mapping *m, u32 nents, const void *caller);
/* The same, and ends the mapping. */
void check_end(struct shadow *s, const struct check_mapping *m, u32 nents, const void *caller);
/* No mapping of this device begins there: reports which mistake that may be. */
void check_not_mapped(struct check_device *c, const struct check_mapping *m, struct found *other,
		      const void *caller);

#endif
