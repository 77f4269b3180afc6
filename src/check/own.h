/* SPDX-License-Identifier: BSD-2-Clause */
/* Protection of pages from the CPU, for own.c. Ranges are whole pages of RAM, by physical address.
 */
#ifndef CHECK_OWN_H
#define CHECK_OWN_H

#include "check/shadow.h"

void guard_close(u64 pa, u64 size, bool readable);
void guard_open(u64 pa, u64 size);
u8 *guard_view(void);	/* the second mapping of RAM; NULL: there is none */
void guard_reset(void); /* removes the second mapping; no device is checked any more */

#endif
