/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a socket's descriptor. Every wait sends what is in the TX ring and wakes the driver,
 * whichever events it waits for, as on Linux. poll() computes the events of sockets from the rings,
 * so a wait that ends at once makes no system call. The other calls update the state of the
 * descriptors and then wait in the kernel.
 *
 * A wait is divided into pieces of a millisecond as long as a socket cannot be served completely:
 * its TX ring has more packets than are sent at once, or a signal handler interrupted the code that
 * serves it.
 */
#ifndef __SANITIZE_THREAD__
#include "interpose.h"
#include "port.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#define NS	   1000000000ull
#define SLICE_NS   1000000ull
#define NO_END	   UINT64_MAX
#define SIGSET_LEN 8ul

static u64 xsk_wait_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * NS + (u64)t.tv_nsec;
}

/* The time at which a wait ends; `ns` NO_END: it never ends. */
static u64 xsk_wait_end(u64 ns)
{
	u64 now = ns && ns != NO_END ? xsk_wait_now() : 0;

	return ns > NO_END - now ? NO_END : now + ns;
}

static u64 xsk_wait_ns(const struct timespec *t)
{
	if (!t)
		return NO_END;
	if (t->tv_sec < 0 || (u64)t->tv_sec > NO_END / NS / 2)
		return NO_END;
	return (u64)t->tv_sec * NS + (u64)t->tv_nsec;
}

/* Returns the duration of the next piece of a wait, or NULL for a wait without end. */
static const struct timespec *xsk_wait_piece(u64 end, bool whole, struct timespec *t)
{
	u64 now, left;

	if (end == NO_END && whole)
		return NULL;
	now = end && end != NO_END ? xsk_wait_now() : 0;
	left = end > now ? end - now : 0;
	if (!whole && left > SLICE_NS)
		left = SLICE_NS;
	*t = (struct timespec){.tv_sec = (time_t)(left / NS), .tv_nsec = (long)(left % NS)};
	return t;
}

static bool xsk_wait_over(u64 end)
{
	return end != NO_END && (!end || xsk_wait_now() >= end);
}

/*
 * The system call takes the size of the mask and writes the remaining time; the function does
 * neither.
 */
static int xsk_wait_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t,
			  const sigset_t *mask)
{
	__typeof__(&ppoll) next = NEXT_FN(__typeof__(&ppoll), ppoll);
	struct timespec left = t ? *t : (struct timespec){0};

	return next ? next(fds, n, t, mask)
		    : (int)syscall(SYS_ppoll, fds, n, t ? &left : NULL, mask, SIGSET_LEN);
}

/* The events of one socket. The order of the bits is poll's. */
static short xsk_wait_events(struct xsk_port *p, short wanted)
{
	short events = xdp_sock_poll(p->xs);

	if (events & POLLIN)
		events |= POLLRDNORM;
	if (events & POLLOUT)
		events |= POLLWRNORM;
	return events & (wanted | POLLERR);
}

/*
 * Serves the sockets of the list and stores their events. Returns the number of sockets with
 * events. *sockets: how many there are; *whole: nothing is left to do for them.
 */
static int xsk_wait_examine(struct pollfd *fds, nfds_t n, nfds_t *sockets, bool *whole)
{
	int ready = 0;

	*sockets = 0;
	*whole = true;
	for (nfds_t i = 0; i < n; i++) {
		struct xsk_port *p = xsk_port_get(fds[i].fd);

		if (!p)
			continue;
		++*sockets;
		*whole &= xsk_port_before_poll(p);
		fds[i].revents = xsk_wait_events(p, fds[i].events);
		ready += fds[i].revents != 0;
		xsk_port_put(p);
	}
	return ready;
}

/*
 * Updates the descriptors for a wait in the kernel. The return values are those of the function
 * above.
 */
static int xsk_wait_arm(struct pollfd *fds, nfds_t n, bool *whole)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++) {
		struct xsk_port *p = xsk_port_get(fds[i].fd);

		if (!p)
			continue;
		*whole &= xsk_port_refresh(p, false);
		ready += xsk_wait_events(p, fds[i].events) != 0;
		xsk_port_put(p);
	}
	return ready;
}

/*
 * After the kernel's wait the rings determine the events of sockets. Returns the number of sockets
 * with events.
 */
static int xsk_wait_collect(struct pollfd *fds, nfds_t n)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++) {
		struct xsk_port *p = xsk_port_get(fds[i].fd);

		if (p) {
			fds[i].revents = xsk_wait_events(p, fds[i].events);
			xsk_port_put(p);
		}
		ready += fds[i].revents != 0;
	}
	return ready;
}

static int xsk_wait_poll(struct pollfd *fds, nfds_t n, u64 ns, const sigset_t *mask)
{
	u64 end = 0;
	bool whole, started = false;
	struct timespec t;
	nfds_t sockets;
	int ready, got;

	for (;;) {
		ready = xsk_wait_examine(fds, n, &sockets, &whole);
		if (sockets == n && (ready || !ns) && !mask)
			return ready;
		if (!started)
			end = ready ? 0 : xsk_wait_end(ns);
		started = true;
		if (!ready && xsk_wait_arm(fds, n, &whole))
			end = 0; /* a packet arrived meanwhile */
		got = xsk_wait_ppoll(fds, n, xsk_wait_piece(ready ? 0 : end, whole, &t), mask);
		if (got < 0)
			return got;
		ready = xsk_wait_collect(fds, n);
		if (ready || xsk_wait_over(end))
			return ready;
	}
}

static bool xsk_wait_has_sockets(const struct pollfd *fds, nfds_t n)
{
	struct xsk_port *p;

	for (nfds_t i = 0; xsk_ports_exist() && i < n; i++) {
		p = xsk_port_get(fds[i].fd);
		if (p) {
			xsk_port_put(p);
			return true;
		}
	}
	return false;
}

INTERPOSE(int, poll, struct pollfd *fds, nfds_t n, int timeout)
{
	if (!xsk_wait_has_sockets(fds, n))
		return NEXT(poll, SYS_poll, fds, n, timeout);
	return xsk_wait_poll(fds, n, timeout < 0 ? NO_END : (u64)timeout * 1000000, NULL);
}

INTERPOSE(int, ppoll, struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	  const sigset_t *mask)
{
	if (!xsk_wait_has_sockets(fds, n))
		return xsk_wait_ppoll(fds, n, timeout, mask);
	if (timeout && (timeout->tv_sec < 0 || (u64)timeout->tv_nsec >= NS)) {
		errno = EINVAL;
		return -1;
	}
	return xsk_wait_poll(fds, n, xsk_wait_ns(timeout), mask);
}

/* In a program with _FORTIFY_SOURCE the compiler calls these functions instead of those above. */
INTERPOSE(int, __poll_chk, struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	if (size / sizeof(*fds) < n)
		abort();
	return xsk_sys_poll(fds, n, timeout);
}

INTERPOSE(int, __ppoll_chk, struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	  const sigset_t *mask, size_t size)
{
	if (size / sizeof(*fds) < n)
		abort();
	return xsk_sys_ppoll(fds, n, timeout, mask);
}

static int xsk_wait_pselect(int n, fd_set *in, fd_set *out, fd_set *except,
			    const struct timespec *t, const sigset_t *mask)
{
	__typeof__(&pselect) next = NEXT_FN(__typeof__(&pselect), pselect);
	struct timespec left = t ? *t : (struct timespec){0};
	struct {
		const sigset_t *mask;
		size_t len;
	} arg = {mask, SIGSET_LEN};

	return next ? next(n, in, out, except, t, mask)
		    : (int)syscall(SYS_pselect6, n, in, out, except, t ? &left : NULL, &arg);
}

/* A set of the descriptors below n; programs may pass sets of more than FD_SETSIZE. */
static size_t xsk_wait_set_bytes(int n)
{
	return ((size_t)n + 63) / 64 * 8;
}

static int xsk_wait_select(int n, fd_set *sets[3], u64 ns, const sigset_t *mask)
{
	size_t bytes = xsk_wait_set_bytes(n);
	u64 end = xsk_wait_end(ns);
	fd_set saved[3];
	struct timespec t;
	bool whole;
	int got;

	for (int i = 0; i < 3; i++)
		if (sets[i])
			__builtin_memcpy(&saved[i], sets[i], bytes);
	for (;;) {
		whole = xsk_ports_before_wait(false);
		got = xsk_wait_pselect(n, sets[0], sets[1], sets[2], xsk_wait_piece(end, whole, &t),
				       mask);
		if (got || xsk_wait_over(end))
			return got;
		for (int i = 0; i < 3; i++)
			if (sets[i])
				__builtin_memcpy(sets[i], &saved[i], bytes);
	}
}

INTERPOSE(int, select, int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	fd_set *sets[3] = {in, out, except};
	u64 ns = NO_END, start;
	int got;

	if (!xsk_ports_exist() || n < 0 || n > FD_SETSIZE ||
	    (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
		return NEXT(select, SYS_select, n, in, out, except, timeout);
	if (timeout)
		ns = (u64)timeout->tv_sec * NS + (u64)timeout->tv_usec * 1000;
	start = xsk_wait_now();
	got = xsk_wait_select(n, sets, ns, NULL);
	/* Linux stores the remaining time */
	if (timeout) {
		u64 used = xsk_wait_now() - start, left = used < ns ? ns - used : 0;

		*timeout = (struct timeval){.tv_sec = (time_t)(left / NS),
					    .tv_usec = (suseconds_t)(left % NS / 1000)};
	}
	return got;
}

INTERPOSE(int, pselect, int n, fd_set *in, fd_set *out, fd_set *except,
	  const struct timespec *timeout, const sigset_t *mask)
{
	fd_set *sets[3] = {in, out, except};

	if (!xsk_ports_exist() || n < 0 || n > FD_SETSIZE ||
	    (timeout && (timeout->tv_sec < 0 || (u64)timeout->tv_nsec >= NS)))
		return xsk_wait_pselect(n, in, out, except, timeout, mask);
	return xsk_wait_select(n, sets, xsk_wait_ns(timeout), mask);
}

static int xsk_wait_epoll_once(int epfd, struct epoll_event *events, int max, int ms,
			       const sigset_t *mask)
{
	__typeof__(&epoll_pwait) next = NEXT_FN(__typeof__(&epoll_pwait), epoll_pwait);

	return next ? next(epfd, events, max, ms, mask)
		    : (int)syscall(SYS_epoll_pwait, epfd, events, max, ms, mask, SIGSET_LEN);
}

static int xsk_wait_epoll(int epfd, struct epoll_event *events, int max, u64 ns,
			  const sigset_t *mask)
{
	u64 end = xsk_wait_end(ns);

	for (;;) {
		bool whole = xsk_ports_before_wait(true);
		struct timespec t;
		const struct timespec *piece = xsk_wait_piece(end, whole, &t);
		u64 piece_ms = piece ? ((u64)t.tv_sec * NS + (u64)t.tv_nsec + 999999) / 1000000 : 0;
		int ms = !piece ? -1 : piece_ms < INT32_MAX ? (int)piece_ms : INT32_MAX;
		int got = xsk_wait_epoll_once(epfd, events, max, ms, mask);

		if (got || xsk_wait_over(end))
			return got;
	}
}

INTERPOSE(int, epoll_wait, int epfd, struct epoll_event *events, int max, int timeout)
{
	if (!xsk_ports_exist())
		return NEXT(epoll_wait, SYS_epoll_wait, epfd, events, max, timeout);
	return xsk_wait_epoll(epfd, events, max, timeout < 0 ? NO_END : (u64)timeout * 1000000,
			      NULL);
}

INTERPOSE(int, epoll_pwait, int epfd, struct epoll_event *events, int max, int timeout,
	  const sigset_t *mask)
{
	if (!xsk_ports_exist())
		return xsk_wait_epoll_once(epfd, events, max, timeout, mask);
	return xsk_wait_epoll(epfd, events, max, timeout < 0 ? NO_END : (u64)timeout * 1000000,
			      mask);
}

INTERPOSE(int, epoll_pwait2, int epfd, struct epoll_event *events, int max,
	  const struct timespec *timeout, const sigset_t *mask)
{
	if (xsk_ports_exist())
		return xsk_wait_epoll(epfd, events, max, xsk_wait_ns(timeout), mask);
	return (int)syscall(SYS_epoll_pwait2, epfd, events, max, timeout, mask, SIGSET_LEN);
}

INTERPOSE(int, epoll_ctl, int epfd, int op, int fd, struct epoll_event *event)
{
	struct xsk_port *p = xsk_port_get(fd);
	int err;

	if (p && op != EPOLL_CTL_DEL && event && (event->events & EPOLLET)) {
		if (event->events & EPOLLOUT)
			__atomic_store_n(&p->edge_out, true, __ATOMIC_RELAXED);
		__atomic_store_n(&p->edge, true, __ATOMIC_RELEASE);
	}
	if (p)
		xsk_port_refresh(p, false);
	err = NEXT(epoll_ctl, SYS_epoll_ctl, epfd, op, fd, event);
	if (p)
		xsk_port_put(p);
	return err;
}
#endif
