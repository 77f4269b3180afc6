/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of a port, that is, when its descriptor is readable and writable: see port.h. */
#include "port_state.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLUG_BYTES 1500 /* more than half of the smallest send buffer */

u32 xsk_port_n_set;
int xsk_port_nudge = -1;

/* The calls of interpose_io.c would find the port again, so these go to the system at once. */
static ssize_t xsk_port_send(int fd, const void *data, size_t n)
{
	return syscall(SYS_sendto, fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static ssize_t xsk_port_receive(int fd, void *data, size_t n, int flags)
{
	return syscall(SYS_recvfrom, fd, data, n, MSG_DONTWAIT | flags, NULL, NULL);
}

void xsk_port_count_set(int change)
{
	u64 one = 1;

	if (__atomic_fetch_add(&xsk_port_n_set, (u32)change, __ATOMIC_ACQ_REL) == 0 && change > 0)
		syscall(SYS_write, xsk_port_nudge, &one, sizeof(one));
}

static u32 xsk_port_produced(const struct xsk_port *p)
{
	const u32 *at = __atomic_load_n(&p->rx_producer, __ATOMIC_ACQUIRE);

	return at ? __atomic_load_n(at, __ATOMIC_ACQUIRE) : 0;
}

static void xsk_port_drain_mark(struct xsk_port *p)
{
	char none;

	while (xsk_port_receive(p->fd, &none, 0, 0) >= 0)
		;
}

/*
 * Sets or clears the mark. The application may have received it already. `renew`: a mark that is
 * set is replaced, which is an edge. The caller owns the state.
 */
static void xsk_port_set_mark(struct xsk_port *p, bool on, bool renew)
{
	char none;

	if (p->marked && xsk_port_receive(p->fd, &none, 0, MSG_PEEK) < 0) {
		p->marked = false;
		xsk_port_count_set(-1);
	}
	if (on == p->marked && !(on && renew))
		return;
	if (p->marked)
		xsk_port_drain_mark(p);
	if (on) {
		p->edge_at = xsk_port_produced(p);
		if (xsk_port_send(p->ours, NULL, 0))
			return; /* the next update tries again */
	}
	if (p->marked != on)
		xsk_port_count_set(on ? 1 : -1);
	p->marked = on;
}

/*
 * Reads all that the application sent. Returns true if it sent something other than the plug. The
 * caller holds port->lock.
 */
bool xsk_port_take_sent(struct xsk_port *p)
{
	char bytes[PLUG_BYTES];
	bool any = false;
	ssize_t n;

	while ((n = xsk_port_receive(p->ours, bytes, sizeof(bytes), 0)) >= 0) {
		if (n == PLUG_BYTES && p->plugged) {
			__atomic_store_n(&p->plugged, false, __ATOMIC_RELAXED);
			xsk_port_count_set(-1);
		} else {
			any = true;
		}
	}
	return any;
}

static void xsk_port_set_plug(struct xsk_port *p, bool on)
{
	static const char bytes[PLUG_BYTES];

	if (on == p->plugged)
		return;
	if (!on) {
		xsk_port_take_sent(p);
		return;
	}
	if (xsk_port_send(p->fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes)) {
		__atomic_store_n(&p->plugged, true, __ATOMIC_RELAXED);
		xsk_port_count_set(1);
	}
}

/* Causes an event for an edge-triggered wait for space: a datagram leaves the send buffer. */
static void xsk_port_edge_out(struct xsk_port *p)
{
	char byte = 0;

	if (p->plugged || !__atomic_exchange_n(&p->armed_out, false, __ATOMIC_ACQ_REL))
		return;
	xsk_port_send(p->fd, &byte, 1);
	xsk_port_receive(p->ours, &byte, 1, 0);
}

/*
 * A driver that finds `readable` set does not touch the mark. Therefore this function clears
 * `readable` before it reads the rings: either the driver reads it as cleared and acquires the
 * lock, or this thread finds the driver's packet.
 */
static void xsk_port_update(struct xsk_port *p, bool wait)
{
	bool edge = wait && __atomic_load_n(&p->edge, __ATOMIC_RELAXED);
	short events;
	bool fresh;

	(void)__atomic_exchange_n(&p->readable, false, __ATOMIC_SEQ_CST);
	if (edge) {
		__atomic_store_n(&p->armed_out, __atomic_load_n(&p->edge_out, __ATOMIC_RELAXED),
				 __ATOMIC_SEQ_CST);
		(void)__atomic_exchange_n(&p->armed, true, __ATOMIC_SEQ_CST);
	}
	events = xdp_sock_poll(p->xs);
	fresh = __atomic_load_n(&p->edge, __ATOMIC_RELAXED) && xsk_port_produced(p) != p->edge_at;
	if (fresh && (events & POLLIN))
		__atomic_store_n(&p->armed, false, __ATOMIC_SEQ_CST);
	xsk_port_set_mark(p, events & (POLLIN | POLLERR), fresh);
	xsk_port_set_plug(p, !(events & (POLLOUT | POLLERR)));
	__atomic_store_n(&p->readable, p->marked, __ATOMIC_SEQ_CST);
}

bool xsk_port_refresh(struct xsk_port *p, bool wait)
{
	u32 request = PORT_AGAIN | (wait ? PORT_WAIT : 0), work;

	if (__atomic_fetch_or(&p->work, PORT_RUNNING | request, __ATOMIC_SEQ_CST) & PORT_RUNNING)
		return false;
	do {
		work = __atomic_exchange_n(&p->work, PORT_RUNNING, __ATOMIC_SEQ_CST);
		xsk_port_update(p, work & PORT_WAIT);
		work = PORT_RUNNING;
	} while (!__atomic_compare_exchange_n(&p->work, &work, 0, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
}

void xsk_port_on_ready(struct xdp_sock *xs, u32 what, void *arg)
{
	struct xsk_port *p = arg;

	/*
	 * A full barrier before `readable` is read. It is a read-modify-write operation, because
	 * ThreadSanitizer does not support fences.
	 */
	__atomic_fetch_add(&p->fence, 1, __ATOMIC_SEQ_CST);
	if ((what & XDP_WAKEUP_RX) && (!__atomic_load_n(&p->readable, __ATOMIC_SEQ_CST) ||
				       __atomic_load_n(&p->armed, __ATOMIC_SEQ_CST)))
		xsk_port_refresh(p, false);
	if (!(what & XDP_WAKEUP_TX))
		return;
	if (__atomic_load_n(&p->plugged, __ATOMIC_RELAXED))
		xsk_port_refresh(p, false);
	else if (__atomic_load_n(&p->armed_out, __ATOMIC_RELAXED))
		xsk_port_edge_out(p);
}
