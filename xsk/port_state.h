/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that port.c and port_state.c share. */
#ifndef XSK_PORT_STATE_H
#define XSK_PORT_STATE_H

#include "port.h"

/* Bits of xsk_port.work. */
#define PORT_RUNNING 1u
#define PORT_AGAIN   2u /* the owner of the state must update it once more */
#define PORT_WAIT    4u /* and arm it for an edge-triggered wait */

extern u32 xsk_port_n_set; /* atomic: number of marks and plugs that are set, of all ports */
/* eventfd of the library's thread: written when the first mark or plug is set; -1: no thread */
extern int xsk_port_nudge;

void xsk_port_count_set(int change);

/*
 * Reads all that the application sent. Returns true if it sent something. The caller owns the
 * state.
 */
bool xsk_port_take_sent(struct xsk_port *port);

/* For xdp_sock_on_ready(). Runs in the driver's thread, after it has published ring entries. */
void xsk_port_on_ready(struct xdp_sock *xs, u32 what, void *port);

#endif
