/* SPDX-License-Identifier: BSD-2-Clause */
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLUG_BYTES 1500 /* more than half of the smallest send buffer */
#define LOOK_MS	   1

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_port *all; /* list_lock guards it */
static unsigned int n_ports; /* atomic; written under list_lock */
/* epoll descriptor of the thread; -1: there is no thread. Under list_lock */
static int watch = -1;
static int nudge = -1;	   /* eventfd: written when the first mark or plug is set */
static unsigned int n_set; /* atomic: number of marks and plugs that are set */

static void xsk_port_count_set(int change)
{
	if (__atomic_fetch_add(&n_set, (unsigned int)change, __ATOMIC_ACQ_REL) == 0 && change > 0)
		eventfd_write(nudge, 1);
}

/*
 * Sets or clears the mark. The application may have received it already. The caller holds
 * port->lock.
 */
static void xsk_port_set_mark(struct xsk_port *p, bool on)
{
	char none;

	if (p->marked && recv(p->fd, &none, 0, MSG_DONTWAIT | MSG_PEEK) < 0) {
		p->marked = false;
		xsk_port_count_set(-1);
	}
	if (on == p->marked)
		return;
	if (on) {
		if (send(p->ours, NULL, 0, MSG_DONTWAIT | MSG_NOSIGNAL))
			return; /* the next refresh tries again */
	} else {
		while (recv(p->fd, &none, 0, MSG_DONTWAIT) >= 0)
			;
	}
	p->marked = on;
	xsk_port_count_set(on ? 1 : -1);
}

/* Reads all that the application sent; true: it sent something. The caller holds port->lock. */
static bool xsk_port_take_sent(struct xsk_port *p)
{
	char bytes[PLUG_BYTES];
	bool any = false;
	ssize_t n;

	while ((n = recv(p->ours, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0) {
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
	if (send(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(bytes)) {
		__atomic_store_n(&p->plugged, true, __ATOMIC_RELAXED);
		xsk_port_count_set(1);
	}
}

/*
 * A driver that finds `readable` set does not touch the mark. So `readable` is cleared before the
 * rings are read: either the driver sees it cleared and acquires the lock, or this thread sees the
 * driver's packet.
 */
void xsk_port_refresh(struct xsk_port *p)
{
	short events;

	pthread_mutex_lock(&p->lock);
	(void)__atomic_exchange_n(&p->readable, false, __ATOMIC_SEQ_CST);
	events = xdp_sock_poll(p->xs);
	xsk_port_set_mark(p, events & (POLLIN | POLLERR));
	xsk_port_set_plug(p, !(events & (POLLOUT | POLLERR)));
	__atomic_store_n(&p->readable, p->marked, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&p->lock);
}

/* Runs in the driver's thread, after it has published entries of a ring. */
static void xsk_port_on_ready(struct xdp_sock *xs, u32 what, void *arg)
{
	struct xsk_port *p = arg;

	/*
	 * A full barrier before `readable` is read. It is an exchange, because ThreadSanitizer does
	 * not know fences.
	 */
	__atomic_fetch_add(&p->fence, 1, __ATOMIC_SEQ_CST);
	if ((what & XDP_WAKEUP_RX) && !__atomic_load_n(&p->readable, __ATOMIC_SEQ_CST)) {
		pthread_mutex_lock(&p->lock);
		/* the application may have taken the packet already and wait for the next */
		xsk_port_set_mark(p, xdp_sock_poll(xs) & (POLLIN | POLLERR));
		__atomic_store_n(&p->readable, p->marked, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&p->lock);
	}
	if ((what & XDP_WAKEUP_TX) && __atomic_load_n(&p->plugged, __ATOMIC_RELAXED))
		xsk_port_refresh(p);
}

struct xsk_port *xsk_port_get(int fd)
{
	struct xsk_port *p;

	if (!xsk_ports_exist())
		return NULL;
	pthread_mutex_lock(&list_lock);
	for (p = all; p && p->fd != fd; p = p->next)
		;
	if (p)
		p->users++;
	pthread_mutex_unlock(&list_lock);
	return p;
}

void xsk_port_put(struct xsk_port *p)
{
	pthread_mutex_lock(&list_lock);
	p->users--;
	pthread_mutex_unlock(&list_lock);
}

bool xsk_ports_exist(void)
{
	return __atomic_load_n(&n_ports, __ATOMIC_ACQUIRE) != 0;
}

/*
 * Calls the function for each port in turn. A port may be removed between two calls, but not during
 * one.
 */
static void xsk_port_for_each(void (*fn)(struct xsk_port *))
{
	struct xsk_port *p, *next;

	pthread_mutex_lock(&list_lock);
	for (p = all; p; p = next) {
		p->users++;
		pthread_mutex_unlock(&list_lock);
		fn(p);
		pthread_mutex_lock(&list_lock);
		p->users--;
		/* the port was removed, so its successor is not known */
		next = p->gone ? all : p->next;
		if (p->gone)
			break;
	}
	pthread_mutex_unlock(&list_lock);
}

void xsk_ports_refresh(void)
{
	if (xsk_ports_exist())
		xsk_port_for_each(xsk_port_refresh);
}

/*
 * Handles wake-ups that bypass interpose.c. While the plug is set the application cannot send, so
 * every round counts as a wake-up.
 */
static void xsk_port_serve(struct xsk_port *p)
{
	bool sent;

	pthread_mutex_lock(&p->lock);
	sent = p->plugged || xsk_port_take_sent(p);
	pthread_mutex_unlock(&p->lock);
	if (sent)
		xdp_sock_wakeup(p->xs, XDP_WAKEUP_TX);
	xsk_port_refresh(p);
}

static void *xsk_port_serve_all(void *arg)
{
	struct epoll_event events[16];

	for (;;) {
		int ms = __atomic_load_n(&n_set, __ATOMIC_ACQUIRE) ? LOOK_MS : -1;
		int n = epoll_wait(watch, events, 16, ms);
		eventfd_t count;

		if (n > 0)
			eventfd_read(nudge, &count);
		xsk_port_for_each(xsk_port_serve);
	}
	return arg;
}

/* The caller holds list_lock. */
static int xsk_port_start_thread(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	pthread_t thread;

	if (watch >= 0)
		return 0;
	nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watch = nudge < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
	if (watch < 0)
		goto fail;
	if (epoll_ctl(watch, EPOLL_CTL_ADD, nudge, &e) ||
	    (errno = pthread_create(&thread, NULL, xsk_port_serve_all, NULL))) {
		close(watch);
		watch = -1;
		goto fail;
	}
	pthread_detach(thread);
	return 0;
fail:
	if (nudge >= 0)
		close(nudge);
	nudge = -1;
	return -1;
}

/* The caller holds list_lock. */
static int xsk_port_enlist(struct xsk_port *p)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};

	if (xsk_port_start_thread() || epoll_ctl(watch, EPOLL_CTL_ADD, p->ours, &e))
		return -1;
	p->next = all;
	all = p;
	__atomic_store_n(&n_ports, n_ports + 1, __ATOMIC_RELEASE);
	return 0;
}

static int xsk_port_make_pair(struct xsk_port *p, int fd)
{
	int pair[2], least = 1;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	p->fd = pair[0];
	p->ours = pair[1];
	if (fd < 0)
		return 0;
	if (dup3(pair[0], fd, O_CLOEXEC) < 0) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	close(pair[0]);
	p->fd = fd;
	return 0;
}

struct xsk_port *xsk_port_open(struct xdp_sock *xs, int fd)
{
	struct xsk_port *p = calloc(1, sizeof(*p));
	int failed;

	if (!p)
		return NULL;
	p->xs = xs;
	pthread_mutex_init(&p->lock, NULL);
	if (xsk_port_make_pair(p, fd))
		goto free;
	pthread_mutex_lock(&list_lock);
	failed = xsk_port_enlist(p);
	pthread_mutex_unlock(&list_lock);
	if (failed)
		goto close;
	xdp_sock_on_ready(xs, xsk_port_on_ready, p);
	return p;
close:
	close(p->fd);
	close(p->ours);
free:
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

/*
 * Removes the port from the list and waits until every thread that found it there has released it.
 */
static void xsk_port_delist(struct xsk_port *p)
{
	struct xsk_port **at;

	pthread_mutex_lock(&list_lock);
	for (at = &all; *at && *at != p; at = &(*at)->next)
		;
	if (*at)
		*at = p->next;
	p->gone = true;
	__atomic_store_n(&n_ports, n_ports - 1, __ATOMIC_RELEASE);
	while (p->users) {
		pthread_mutex_unlock(&list_lock);
		usleep(10);
		pthread_mutex_lock(&list_lock);
	}
	pthread_mutex_unlock(&list_lock);
}

void xsk_port_close(struct xsk_port *p)
{
	if (!p)
		return;
	if (p->inherited) {
		close(p->fd);
		free(p);
		return;
	}
	xdp_sock_on_ready(p->xs, NULL, NULL);
	xsk_port_delist(p);
	if (p->marked)
		xsk_port_count_set(-1);
	if (p->plugged)
		xsk_port_count_set(-1);
	close(p->fd);
	close(p->ours);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/*
 * A child of fork() has no sockets and no thread. What calls poll() and the like there, which may
 * be any program before it execs, finds no ports and no lock that another thread holds.
 */
static void port_fork_prepare(void)
{
	pthread_mutex_lock(&list_lock);
}

static void port_fork_parent(void)
{
	pthread_mutex_unlock(&list_lock);
}

static void port_fork_child(void)
{
	for (struct xsk_port *p = all; p; p = p->next) {
		close(p->ours);
		p->inherited = true;
	}
	if (watch >= 0)
		close(watch);
	if (nudge >= 0)
		close(nudge);
	watch = nudge = -1;
	all = NULL;
	n_ports = n_set = 0;
	pthread_mutex_unlock(&list_lock);
}

__attribute__((constructor)) static void port_fork_register(void)
{
	pthread_atfork(port_fork_prepare, port_fork_parent, port_fork_child);
}
