/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RTM_GETLINK for the names of DMAMAP_XSK. A request for one of them is sent to the system as one
 * for the loopback interface, so that a reply arrives and the socket can be waited for; the reply
 * that the program reads is replaced by one for the name. Requests for all interfaces (dumps) are
 * passed to the system unchanged.
 */
#ifndef XSK_NETLINK_H
#define XSK_NETLINK_H

#include <dmamap/types.h>
#include <sys/socket.h>

#define XSK_NETLINK_REQUEST 256 /* bytes of a request that can be about one interface */

/*
 * Examines a message that is about to be sent. True: `other`, of *len bytes, must be sent instead.
 */
bool xsk_netlink_request(int fd, const struct msghdr *message, char other[XSK_NETLINK_REQUEST],
			 size_t *len);

/* Whether the next reply on a descriptor may have to be replaced. */
bool xsk_netlink_expected(int fd);
/* recvmsg() for such a descriptor. */
ssize_t xsk_netlink_receive(int fd, struct msghdr *message, int flags);

#endif
