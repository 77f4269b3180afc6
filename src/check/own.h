/* SPDX-License-Identifier: BSD-2-Clause */
/* The watch of owners: own.c, and guard.c, which protects pages from the CPU. */
#ifndef CHECK_OWN_H
#define CHECK_OWN_H

#include "check/check.h"
#include "shadow/shadow.h"

/* guard.c; ranges are whole pages of RAM, by physical address */
void guard_close(u64 pa, u64 size, bool readable);
void guard_open(u64 pa, u64 size);
u8 *guard_view(void);	/* the second mapping of RAM; NULL: there is none */
void guard_reset(void); /* removes the second mapping; no device is checked any more */

/* own.c: the mapping was made; it is about to be undone. */
void own_begin(struct shadow *s);
void own_end(struct shadow *s, const void *caller);
/*
 * A sync gives [addr, addr + size) to the CPU, or to the device; `whole`: all of the mapping. A
 * driver that takes a received packet also uses the headroom before it and pads it, so the CPU may
 * touch the open part: the sub-buffers that the sync touches. open_size 0: they are not known, and
 * the open part is the pages of the range.
 */
struct own_part {
	u64 addr, size, open_addr, open_size;
	bool whole;
};
void own_to_cpu(struct shadow *s, const struct own_part *p, const void *caller);
void own_to_device(struct shadow *s, u64 addr, u64 size, bool whole);
void own_device_closed(struct check_device *c);

/* The mapping was made: its memory is the device's, and it is added to the store. */
hot_inline void own_add(struct shadow *s)
{
	own_begin(s);
	if (likely(!shadow_add(s)))
		return;
	own_end(s, NULL);
	shadow_drop_lost(s);
}

#endif
