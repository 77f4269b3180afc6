/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file descriptor of a socket. It is one end of a pair of local sockets; this library keeps the
 * other end and makes the application's end readable and writable according to the rings:
 *
 *   readable  an empty datagram is queued in it (the mark)
 *   writable  unless a datagram that was sent from it fills its send buffer (the plug)
 *
 * The driver's thread sets the mark and removes the plug after it has published entries. The
 * application's next wait clears the mark and sets the plug according to the rings
 * (interpose_wait.c). A datagram that the application sends is a wake-up. Some programs do not call
 * these functions through the dynamic linker (runtimes of other languages, dlopen). For them a
 * thread of the library reads every datagram and, while a mark or a plug is set, checks the rings
 * every millisecond.
 *
 * Edge-triggered epoll reports an event when a datagram arrives. So where a descriptor was added
 * with EPOLLET, every wait arms the port, and the next packet replaces the mark by a new one.
 *
 * A descriptor is looked up without a lock. A thread that finds a port being updated by another
 * thread does not wait: it records a request, which the other thread serves at the end of its
 * update. So every call on a descriptor may be made in a signal handler, and in a child of fork(),
 * at any time.
 */
#ifndef XSK_PORT_H
#define XSK_PORT_H

#include <net/xdp_sock.h>
#include <pthread.h>

struct xsk_raw;

/* Ports are never returned to the system, so that a lookup may touch one that was just closed. */
struct xsk_port {
	struct xsk_port *next; /* list of all, or of the free ones; under the list's lock */
	bool inherited;	       /* a parent's, in a child of fork: only fd is open */
	int fd;		       /* the application's end of the pair */
	int ours;
	struct xdp_sock *xs; /* constant while the port is open */
	struct xsk_raw *raw; /* the state of a socket that was made without libxdp's functions */
	u32 *rx_producer;    /* atomic: of the RX ring; NULL: there is none, or no bind yet */
	u32 work;	     /* atomic: PORT_*; the thread that sets PORT_RUNNING owns the state: */
	bool marked;
	u32 edge_at;	     /* *rx_producer when the last mark was set */
	bool plugged;	     /* also read by other threads */
	bool readable;	     /* atomic: the mark is set, and no thread is about to clear it */
	bool edge, edge_out; /* atomic: it was added to an epoll with EPOLLET (and EPOLLOUT) */
	bool armed;	     /* atomic: the next packet must set a new mark */
	bool armed_out;
	u32 fence;	     /* atomic; only a target for a full barrier */
	u32 prefer_busy;     /* values of SO_PREFER_BUSY_POLL, SO_BUSY_POLL, SO_BUSY_POLL_BUDGET */
	u32 busy, budget;    /* atomic */
	bool has_rx, has_tx; /* rings of the bound socket */
	/* atomic: lookups that were not released yet. Last: it is not reset when a port is used
	 * again */
	u32 users;
};

/*
 * Creates a descriptor for the socket, which must outlive it. `fd` -1: a new descriptor; otherwise
 * it replaces `fd`. Returns NULL with errno on failure.
 */
struct xsk_port *xsk_port_open(struct xdp_sock *xs, int fd);
/* Closes the port; its descriptor stays open if `keep_fd`. */
void xsk_port_close(struct xsk_port *port, bool keep_fd);

/* Called after the program closed the descriptor itself. */
void xsk_port_forget(struct xsk_port *port);

/* Called after the socket was bound: its rings do not change any more. */
void xsk_port_bound(struct xsk_port *port);

/*
 * Finds the port of a descriptor; xsk_port_put() releases it. NULL: the descriptor is not a socket
 * of this library.
 */
struct xsk_port *xsk_port_get(int fd);
void xsk_port_put(struct xsk_port *port);

/*
 * Updates the state of a descriptor from the rings; `wait`: for an edge-triggered wait. False:
 * another thread, or the code that a signal handler interrupted, is about to do it.
 */
bool xsk_port_refresh(struct xsk_port *port, bool wait);

/*
 * Every wait calls it for a socket: it sends and wakes the driver. Returns true if nothing is left
 * to do, and false if it must be called again within a millisecond.
 */
bool xsk_port_before_poll(struct xsk_port *port);
/* The same for all sockets that are open; the descriptors are updated, too. */
bool xsk_ports_before_wait(bool epoll);
bool xsk_ports_exist(void);

#endif
