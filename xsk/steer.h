/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which socket receives a packet. On Linux an XDP program decides it, usually by a map from queue
 * to socket (XSKMAP). Here no program runs; the rules are, for each queue:
 *
 *  - the sockets that a map has for this queue receive in turn, in the order of their keys;
 *  - if no map was ever used for the queue's device, all sockets of the queue receive in turn;
 *  - if the sockets were removed from the map, no socket receives.
 */
#ifndef XSK_STEER_H
#define XSK_STEER_H

#include <net/xdp_sock.h>

/* Called after a socket was bound, and before it is destroyed. */
void xsk_steer_add(struct xdp_sock *xs, struct device *dev, u32 queue_id, bool receives);
void xsk_steer_remove(struct xdp_sock *xs);

/*
 * Records that the map `map` has the socket for `key`. Returns 0, -ENOMEM, or -ENOENT if the socket
 * is not bound.
 */
int xsk_steer_set(u64 map, u32 key, struct xdp_sock *xs);
/* Returns 0, or -ENOENT if the map has no such key. */
int xsk_steer_clear(u64 map, u32 key);

#endif
