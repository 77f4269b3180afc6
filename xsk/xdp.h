/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XSK_XDP_H
#define XSK_XDP_H

#include <dmamap/types.h>

/* Whether a program was attached to the name with this index by libxdp's functions. */
bool xsk_xdp_attached(unsigned int index);

#endif
