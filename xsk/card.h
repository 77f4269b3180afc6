/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device behind an interface name. If the program opened a device under that name, that device
 * is used, and the program drives it. If the name is a device spec, the device is opened for the
 * sockets on it, together with the driver that the card needs, and closed with the last of them.
 */
#ifndef XSK_CARD_H
#define XSK_CARD_H

#include <dmamap/types.h>
#include <net/xdp_sock.h>

struct xsk_card;

/*
 * Returns a reference that xsk_card_put() releases, or NULL with errno ENODEV or an error of
 * dmamap_open().
 */
struct xsk_card *xsk_card_get(const char *ifname);
void xsk_card_put(struct xsk_card *card);
struct device *xsk_card_device(struct xsk_card *card);

/* Packets and bytes of a card that is open and driven by this library; 0 for any other card. */
struct xsk_card_traffic {
	u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped;
};
void xsk_card_read_traffic(const char *ifname, struct xsk_card_traffic *traffic);

/*
 * Binds a socket to a queue of the card by xdp_sock_bind(), with the MTU of the interface. Returns
 * 0 or -errno.
 */
int xsk_card_bind(struct xsk_card *card, u32 queue, struct xdp_sock *xs, struct xdp_umem *umem,
		  u16 flags, struct xdp_sock *shared);

/* Starts the card after a socket was bound. Packets may arrive from now on. Returns 0 or -errno. */
int xsk_card_start(struct xsk_card *card);

#endif
