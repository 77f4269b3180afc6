/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP sockets that a program creates by socket(AF_XDP), without libxdp. If DMAMAP_XSK has names,
 * every such socket belongs to this library at first: its rings are created and mapped here. A
 * socket that is bound to one of the names remains the library's. A socket that is bound to another
 * interface becomes a socket of the system: the rings that the program mapped are replaced by the
 * system's at the same addresses, with their content.
 *
 * Functions return 0 or a value, else -errno.
 */
#ifndef XSK_RAW_H
#define XSK_RAW_H

#include "port.h"

#include <sys/socket.h>

#define XSK_SOL_XDP 283

/* A new socket. -EAFNOSUPPORT: there are no names, so that all sockets are the system's. */
int xsk_raw_socket(int type, int protocol);
void xsk_raw_close(struct xsk_port *port, bool keep_fd);

int xsk_raw_setsockopt(struct xsk_port *port, int level, int name, const void *value,
		       socklen_t len);
int xsk_raw_getsockopt(struct xsk_port *port, int level, int name, void *value, socklen_t *len);

/* Releases the port. */
int xsk_raw_bind(struct xsk_port *port, const struct sockaddr *addr, socklen_t len);

void *xsk_raw_mmap(struct xsk_port *port, void *addr, size_t len, int prot, int flags, u64 offset);
/* A range of the process is about to be unmapped. */
void xsk_raw_unmapping(const void *addr, size_t len);
bool xsk_raw_any_mapped(void);

#endif
