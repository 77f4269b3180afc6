/* SPDX-License-Identifier: BSD-2-Clause */
/* The owner check: own.c, and guard.c, which protects pages from the CPU. */
#ifndef CHECK_OWN_H
#define CHECK_OWN_H

#include "check/check.h"
#include "shadow/shadow.h"

/* guard.c; ranges are whole pages of RAM, by physical address */
void guard_close(u64 pa, u64 size, bool readable);
void guard_open(u64 pa, u64 size);
u8 *guard_view(void);	/* the second mapping of RAM; NULL: there is none */
void guard_reset(void); /* removes the second mapping; no device is checked any more */

/* own.c: called after the mapping was made, and before it is undone. */
void own_begin(struct shadow *s);
void own_end(struct shadow *s, const void *caller);
/*
 * The range [addr, addr + size) of a sync; `whole`: it is all of the mapping. A driver that
 * processes a received packet also uses the headroom before the packet and pads the packet.
 * Therefore, the CPU may access more than the range: the open part, which consists of the
 * sub-buffers that the range overlaps. If these are not known (open_size 0), the open part consists
 * of the pages of the range.
 */
struct own_part {
	u64 addr, size, open_addr, open_size;
	bool whole;
};
void own_to_cpu(struct shadow *s, const struct own_part *p, const void *caller);
void own_to_device(struct shadow *s, u64 addr, u64 size, bool whole);
/* guard.c: removes a closed device from the users of the second mapping. */
void own_device_closed(struct check_device *c);

/* Called after a mapping was made: passes its memory to the device and adds it to the store. */
hot_inline void own_add(struct shadow *s)
{
	own_begin(s);
	if (likely(!shadow_add(s)))
		return;
	own_end(s, NULL);
	shadow_drop_lost(s);
}

#endif
