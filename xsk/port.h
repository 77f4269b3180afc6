/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file descriptor of a socket: one end of a pair of local sockets. The other end is ours, and
 * we make the application's end readable and writable as the rings are:
 *
 *   readable  a datagram of nothing lies in it (the mark)
 *   writable  unless a datagram that we sent from it fills its send buffer (the plug)
 *
 * The driver sets the mark and pulls the plug when it has done something; the application's next
 * poll(), select() or epoll_wait() takes the mark away and puts the plug in as the rings are then
 * (interpose.c). What it sends on the descriptor is a wake-up. For programs whose calls do not pass
 * there (other languages' runtimes, dlopen) a thread of ours looks at each datagram and, as long as
 * a mark or a plug stands, every millisecond at the rings.
 */
#ifndef XSK_PORT_H
#define XSK_PORT_H

#include <net/xdp_sock.h>
#include <pthread.h>

struct port {
	struct port *next; /* of all ports; under the list's lock, as is users */
	unsigned int users;
	bool gone;	/* taken off the list */
	bool inherited; /* a parent's, in a child of fork: only fd is open */
	int fd;		/* the application's end */
	int ours;
	struct xdp_sock *xs;  /* fixed */
	pthread_mutex_t lock; /* guards the pair's state: */
	bool marked, plugged; /* plugged is also read without it */
	bool readable;	      /* atomic: marked, and nobody is about to take it away */
	unsigned int fence;   /* atomic; nothing but a place for one */
};

/* A descriptor for the socket, which must live longer. `fd` -1: a new one; else it takes that one's
 * place. NULL, errno. */
struct port *xsk_port_open(struct xdp_sock *xs, int fd);
void xsk_port_close(struct port *port);

/* The port of a descriptor, to be given back; NULL: none of ours. */
struct port *xsk_port_get(int fd);
void xsk_port_put(struct port *port);

/* Makes the descriptor as the rings are; of all ports. Nothing to do without ports. */
void xsk_port_refresh(struct port *port);
void xsk_ports_refresh(void);
bool xsk_ports_exist(void);

#endif
