/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file descriptor of a socket. It is one end of a pair of local sockets; this library keeps the
 * other end and makes the application's end readable and writable according to the rings:
 *
 *   readable  an empty datagram is queued in it (the mark)
 *   writable  unless a datagram that was sent from it fills its send buffer (the plug)
 *
 * The driver's thread sets the mark and removes the plug after it has published entries. The
 * application's next poll(), select() or epoll_wait() clears the mark and sets the plug according
 * to the rings (interpose.c). A datagram that the application sends is a wake-up. Some programs do
 * not call these functions through the dynamic linker (runtimes of other languages, dlopen). For
 * them a thread of the library reads every datagram and, while a mark or a plug is set, checks the
 * rings every millisecond.
 */
#ifndef XSK_PORT_H
#define XSK_PORT_H

#include <net/xdp_sock.h>
#include <pthread.h>

struct xsk_port {
	struct xsk_port *next; /* list of all ports; the list's lock guards it and `users` */
	unsigned int users;
	bool gone;	/* removed from the list */
	bool inherited; /* a parent's, in a child of fork: only fd is open */
	int fd;		/* the application's end of the pair */
	int ours;
	struct xdp_sock *xs;  /* constant */
	pthread_mutex_t lock; /* guards the state of the pair: */
	bool marked, plugged; /* `plugged` is also read without the lock */
	bool readable;	      /* atomic: the mark is set, and no thread is about to clear it */
	unsigned int fence;   /* atomic; only a target for a full barrier */
};

/*
 * Makes a descriptor for the socket, which must outlive it. `fd` -1: a new descriptor; else it
 * replaces that one. NULL, errno.
 */
struct xsk_port *xsk_port_open(struct xdp_sock *xs, int fd);
void xsk_port_close(struct xsk_port *port);

/*
 * Finds the port of a descriptor; xsk_port_put() releases it. NULL: the descriptor is not a socket
 * of this library.
 */
struct xsk_port *xsk_port_get(int fd);
void xsk_port_put(struct xsk_port *port);

/* Updates the state of one descriptor, or of all, from the rings. */
void xsk_port_refresh(struct xsk_port *port);
void xsk_ports_refresh(void);
bool xsk_ports_exist(void);

#endif
