/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device behind an interface name: one that the program opened under that name, which it also
 * drives; or, when the name is a spec, one that is opened for the sockets on it, with the driver
 * that the card needs, and closed with the last of them.
 */
#ifndef XSK_CARD_H
#define XSK_CARD_H

#include <dmamap/types.h>

struct card;

/* NULL, errno: ENODEV and what dmamap_open() says. Each is given back. */
struct card *xsk_card_get(const char *ifname);
void xsk_card_put(struct card *card);
struct device *xsk_card_device(struct card *card);

/* A socket was bound: packets may come. 0, -errno. */
int xsk_card_start(struct card *card);

#endif
