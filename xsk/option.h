/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XSK_OPTION_H
#define XSK_OPTION_H

#include "port.h"

#include <sys/socket.h>

#define XSK_OPTION_ENTRIES 320 /* offset of the entries of every ring; src/xsk/ring.h */

/*
 * An option of SOL_SOCKET. The values of busy polling are stored without effect, because the cards
 * are polled in any case. Returns 0 or -errno, or 1 for an option of the descriptor itself.
 */
int xsk_option_set_socket(struct xsk_port *port, int name, const void *value, socklen_t len);

/* The value of XDP_MMAP_OFFSETS. Returns 0, or -EINVAL if there is too little space for it. */
int xsk_option_offsets(void *value, socklen_t *len);

#endif
