/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that the CPU may not touch, for own.c. Addresses are physical, of RAM, whole pages. */
#ifndef CHECK_OWN_H
#define CHECK_OWN_H

#include "check/shadow.h"

void guard_close(u64 pa, u64 size, bool readable);
void guard_open(u64 pa, u64 size);
u8 *guard_view(void);	/* RAM by its second mapping; NULL: there is none */
void guard_reset(void); /* no device is checked any more */

#endif
