/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interface names of the environment variable DMAMAP_XSK="IFNAME=SPEC;IFNAME=SPEC". Each has its
 * own index, above those that the system allocates. The variable is read once.
 */
#ifndef XSK_NAME_H
#define XSK_NAME_H

#include <dmamap/types.h>
#include <net/if.h>

#define XSK_NAME_INDEX 0x0d000000u /* of the first name; the others follow */
#define XSK_NAME_MTU   1500u

struct xsk_name {
	char ifname[IFNAMSIZ];
	char *spec; /* a device spec, or the name of an open device */
	unsigned int index;
	u8 mac[6]; /* of the spec, else made from the name */
	u32 mtu;   /* atomic: what SIOCSIFMTU set */
	/* atomic: a socket was made for which libxdp would have attached its program */
	bool program;
};

/* Returns NULL if there is no such name. The result is valid until the process ends. */
struct xsk_name *xsk_name_find(const char *ifname);
struct xsk_name *xsk_name_by_index(unsigned int index);
bool xsk_names_exist(void);
/*
 * Records that a socket on this interface has libxdp's program. Does nothing if it is not one of
 * the names.
 */
void xsk_name_set_program(const char *ifname);

#endif
