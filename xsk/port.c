/* SPDX-License-Identifier: BSD-2-Clause */
#include "port_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS	    1
#define TABLE_PAGE  1024
#define TABLE_PAGES 1024 /* descriptors up to 2^20 */
#define TRIES	    64

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_port *all, *unused; /* list_lock guards them */
static u32 n_ports;		      /* atomic; written under list_lock */
/* Ports by descriptor; pages are made under list_lock and stay. */
static struct xsk_port **table[TABLE_PAGES];
/* epoll descriptor of the thread; -1: there is no thread. Under list_lock */
static int watch = -1;

static void xsk_port_close_fd(int fd)
{
	syscall(SYS_close, fd);
}

static struct xsk_port **xsk_port_slot(int fd)
{
	struct xsk_port **page;

	if (fd < 0 || fd >= TABLE_PAGE * TABLE_PAGES)
		return NULL;
	page = __atomic_load_n(&table[fd / TABLE_PAGE], __ATOMIC_ACQUIRE);
	return page ? &page[fd % TABLE_PAGE] : NULL;
}

struct xsk_port *xsk_port_get(int fd)
{
	struct xsk_port **slot = xsk_port_slot(fd), *p;

	if (!slot)
		return NULL;
	while ((p = __atomic_load_n(slot, __ATOMIC_ACQUIRE))) {
		__atomic_fetch_add(&p->users, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(slot, __ATOMIC_SEQ_CST) == p)
			return p;
		xsk_port_put(p);
	}
	return NULL;
}

void xsk_port_put(struct xsk_port *p)
{
	__atomic_fetch_sub(&p->users, 1, __ATOMIC_SEQ_CST);
}

bool xsk_ports_exist(void)
{
	return __atomic_load_n(&n_ports, __ATOMIC_ACQUIRE) != 0;
}

/*
 * Calls the function for each open port until a call returns false; then returns false. No lock is
 * held.
 */
static bool xsk_port_for_each(bool (*fn)(struct xsk_port *))
{
	u32 left = __atomic_load_n(&n_ports, __ATOMIC_ACQUIRE);
	bool all_done = true;

	for (int page = 0; left && page < TABLE_PAGES; page++) {
		if (!__atomic_load_n(&table[page], __ATOMIC_ACQUIRE))
			continue;
		for (int i = 0; left && i < TABLE_PAGE; i++) {
			struct xsk_port *p = xsk_port_get(page * TABLE_PAGE + i);

			if (!p)
				continue;
			left--;
			all_done &= fn(p);
			xsk_port_put(p);
		}
	}
	return all_done;
}

bool xsk_port_before_poll(struct xsk_port *p)
{
	int err = p->has_tx ? xdp_sock_wakeup(p->xs, XDP_WAKEUP_TX) : 0;

	if (p->has_rx)
		xdp_sock_wakeup(p->xs, XDP_WAKEUP_RX);
	return err != -EAGAIN;
}

static bool xsk_port_before_wait(struct xsk_port *p, bool edge)
{
	bool done = xsk_port_before_poll(p);

	for (u32 i = 0; i < TRIES; i++) {
		if (xsk_port_refresh(p, edge))
			return done;
		sched_yield();
	}
	return false;
}

static bool xsk_port_before_epoll(struct xsk_port *p)
{
	return xsk_port_before_wait(p, true);
}

static bool xsk_port_before_select(struct xsk_port *p)
{
	return xsk_port_before_wait(p, false);
}

bool xsk_ports_before_wait(bool epoll)
{
	return xsk_port_for_each(epoll ? xsk_port_before_epoll : xsk_port_before_select);
}

/*
 * Handles wake-ups that bypass the replaced functions. While the plug is set the application cannot
 * send, so every round counts as a wake-up.
 */
static bool xsk_port_serve(struct xsk_port *p)
{
	bool sent = __atomic_load_n(&p->plugged, __ATOMIC_RELAXED);
	u32 free = 0;

	if (__atomic_compare_exchange_n(&p->work, &free, PORT_RUNNING, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST)) {
		sent |= xsk_port_take_sent(p);
		__atomic_fetch_and(&p->work, ~PORT_RUNNING, __ATOMIC_SEQ_CST);
	}
	if (sent)
		xdp_sock_wakeup(p->xs, XDP_WAKEUP_TX);
	return xsk_port_refresh(p, false);
}

static void *xsk_port_serve_all(void *arg)
{
	struct epoll_event events[16];

	for (;;) {
		int ms = __atomic_load_n(&xsk_port_n_set, __ATOMIC_ACQUIRE) ? LOOK_MS : -1;
		long n = syscall(SYS_epoll_pwait, watch, events, 16, ms, NULL, 8);
		u64 count;

		if (n > 0 && syscall(SYS_read, xsk_port_nudge, &count, sizeof(count)) < 0)
			count = 0; /* another descriptor was ready */
		xsk_port_for_each(xsk_port_serve);
	}
	return arg;
}

/* The caller holds list_lock. */
static int xsk_port_start_thread(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	pthread_t thread;
	sigset_t every, old;
	int err;

	if (watch >= 0)
		return 0;
	xsk_port_nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watch = xsk_port_nudge < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
	if (watch < 0)
		goto fail;
	/* no signal handler of the program runs in the thread */
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &old);
	err = syscall(SYS_epoll_ctl, watch, EPOLL_CTL_ADD, xsk_port_nudge, &e)
		      ? errno
		      : pthread_create(&thread, NULL, xsk_port_serve_all, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		xsk_port_close_fd(watch);
		watch = -1;
		errno = err;
		goto fail;
	}
	pthread_detach(thread);
	return 0;
fail:
	if (xsk_port_nudge >= 0)
		xsk_port_close_fd(xsk_port_nudge);
	xsk_port_nudge = -1;
	return -1;
}

/* The caller holds list_lock. Returns NULL with errno on failure. */
static struct xsk_port **xsk_port_make_slot(int fd)
{
	struct xsk_port **page;

	if (fd < 0 || fd >= TABLE_PAGE * TABLE_PAGES) {
		errno = EMFILE;
		return NULL;
	}
	if (!table[fd / TABLE_PAGE]) {
		page = calloc(TABLE_PAGE, sizeof(struct xsk_port *));
		if (!page)
			return NULL;
		__atomic_store_n(&table[fd / TABLE_PAGE], page, __ATOMIC_RELEASE);
	}
	return xsk_port_slot(fd);
}

/* The caller holds list_lock. */
static int xsk_port_enlist(struct xsk_port *p)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	struct xsk_port **slot = xsk_port_make_slot(p->fd);

	if (!slot || xsk_port_start_thread() ||
	    syscall(SYS_epoll_ctl, watch, EPOLL_CTL_ADD, p->ours, &e))
		return -1;
	p->next = all;
	all = p;
	__atomic_store_n(slot, p, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n_ports, n_ports + 1, __ATOMIC_RELEASE);
	return 0;
}

static int xsk_port_make_pair(struct xsk_port *p, int fd)
{
	int pair[2], least = 1;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	p->fd = pair[0];
	p->ours = pair[1];
	if (fd < 0)
		return 0;
	if (dup3(pair[0], fd, O_CLOEXEC) < 0) {
		xsk_port_close_fd(pair[0]);
		xsk_port_close_fd(pair[1]);
		return -1;
	}
	xsk_port_close_fd(pair[0]);
	p->fd = fd;
	return 0;
}

/* The caller holds list_lock. */
static struct xsk_port *xsk_port_new(struct xdp_sock *xs)
{
	struct xsk_port *p = unused;

	if (p)
		unused = p->next;
	else
		p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	/*
	 * a lookup of the former descriptor of the port may be about to detect that it was closed
	 */
	memset(p, 0, offsetof(struct xsk_port, users));
	p->xs = xs;
	p->fd = p->ours = -1;
	return p;
}

struct xsk_port *xsk_port_open(struct xdp_sock *xs, int fd)
{
	struct xsk_port *p;
	int err = 0;

	pthread_mutex_lock(&list_lock);
	p = xsk_port_new(xs);
	if (!p) {
		pthread_mutex_unlock(&list_lock);
		errno = ENOMEM;
		return NULL;
	}
	if (xsk_port_make_pair(p, fd)) {
		err = errno;
	} else if (xsk_port_enlist(p)) {
		err = errno;
		xsk_port_close_fd(p->fd);
		xsk_port_close_fd(p->ours);
	}
	if (err) {
		p->next = unused;
		unused = p;
	}
	pthread_mutex_unlock(&list_lock);
	if (err) {
		errno = err;
		return NULL;
	}
	xdp_sock_on_ready(xs, xsk_port_on_ready, p);
	return p;
}

void xsk_port_bound(struct xsk_port *p)
{
	struct xdp_ring_offset off;
	char *base = xdp_sock_map_ring(p->xs, XDP_RX_RING, &off, NULL);

	p->has_rx = base != NULL;
	p->has_tx = xdp_sock_map_ring(p->xs, XDP_TX_RING, NULL, NULL) != NULL;
	if (base)
		__atomic_store_n(&p->rx_producer, (u32 *)(void *)(base + off.producer),
				 __ATOMIC_RELEASE);
	xsk_port_refresh(p, false);
}

/*
 * Removes the port from the table and waits until every thread that found it there has released it.
 */
static void xsk_port_delist(struct xsk_port *p)
{
	struct xsk_port **at, **slot;

	pthread_mutex_lock(&list_lock);
	for (at = &all; *at && *at != p; at = &(*at)->next)
		;
	if (*at)
		*at = p->next;
	slot = xsk_port_slot(p->fd);
	if (slot && *slot == p)
		__atomic_store_n(slot, NULL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n_ports, n_ports - 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&list_lock);
	while (__atomic_load_n(&p->users, __ATOMIC_SEQ_CST))
		usleep(10);
}

void xsk_port_close(struct xsk_port *p, bool keep_fd)
{
	if (!p)
		return;
	if (p->inherited) {
		if (!keep_fd)
			xsk_port_close_fd(p->fd);
		return;
	}
	xdp_sock_on_ready(p->xs, NULL, NULL);
	xsk_port_delist(p);
	if (p->marked)
		xsk_port_count_set(-1);
	if (p->plugged)
		xsk_port_count_set(-1);
	if (!keep_fd)
		xsk_port_close_fd(p->fd);
	xsk_port_close_fd(p->ours);
	pthread_mutex_lock(&list_lock);
	p->next = unused;
	unused = p;
	pthread_mutex_unlock(&list_lock);
}

void xsk_port_forget(struct xsk_port *p)
{
	struct xsk_port **slot;

	pthread_mutex_lock(&list_lock);
	slot = xsk_port_slot(p->fd);
	if (slot && *slot == p)
		__atomic_store_n(slot, NULL, __ATOMIC_SEQ_CST);
	xsk_port_close_fd(p->fd);
	p->fd = -1;
	pthread_mutex_unlock(&list_lock);
}

/*
 * A child of fork() has no sockets and no thread. Its calls of poll() and similar functions, which
 * any program may make before it execs, find no ports and no lock that another thread holds.
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
		struct xsk_port **slot = xsk_port_slot(p->fd);

		xsk_port_close_fd(p->ours);
		p->inherited = true;
		if (slot)
			*slot = NULL;
	}
	if (watch >= 0)
		xsk_port_close_fd(watch);
	if (xsk_port_nudge >= 0)
		xsk_port_close_fd(xsk_port_nudge);
	watch = xsk_port_nudge = -1;
	all = NULL;
	n_ports = xsk_port_n_set = 0;
	pthread_mutex_unlock(&list_lock);
}

__attribute__((constructor)) static void port_fork_register(void)
{
	pthread_atfork(port_fork_prepare, port_fork_parent, port_fork_child);
}
