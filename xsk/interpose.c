/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacements for the system calls that an AF_XDP application makes on the descriptor of its
 * socket. The library is linked before the C library, so these functions are called first. A
 * wake-up is then a function call, and before a wait the descriptor's state is updated from the
 * rings. Calls on other descriptors are passed on to the C library.
 *
 * ThreadSanitizer also interposes these calls, and does not track locks inside its own
 * interceptors. In a build with ThreadSanitizer these functions are left out, and the thread of
 * port.c serves the descriptors.
 */
#ifndef __SANITIZE_THREAD__
#include "port.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Looks up the next definition after this one and stores it. NULL: the program is linked
 * statically.
 */
static void *xsk_interpose_next(void **where, const char *name)
{
	void *fn = __atomic_load_n(where, __ATOMIC_ACQUIRE);

	if (!fn) {
		fn = dlsym(RTLD_NEXT, name);
		__atomic_store_n(where, fn, __ATOMIC_RELEASE);
	}
	return fn;
}

#define NEXT(name, number, ...)                                                                    \
	({                                                                                         \
		static void *next_;                                                                \
		union {                                                                            \
			void *p;                                                                   \
			__typeof__(&name) fn;                                                      \
		} u_ = {.p = xsk_interpose_next(&next_, #name)};                                   \
		u_.p ? u_.fn(__VA_ARGS__)                                                          \
		     : (__typeof__(u_.fn(__VA_ARGS__)))syscall(number, __VA_ARGS__);               \
	})

/* Returns 0, or -1 with errno, as a system call does. */
static int xsk_interpose_wake(struct xsk_port *p, u32 what)
{
	int err = xdp_sock_wakeup(p->xs, what);

	xsk_port_put(p);
	if (!err)
		return 0;
	errno = -err;
	return -1;
}

/*
 * The functions have a name of their own in the source, and the system's name in the object file:
 * the C library declares some of them with argument types that only its headers can write.
 */
#define INTERPOSE(type, name, ...)                                                                 \
	DMAMAP_API type xsk_##name(__VA_ARGS__) __asm__(#name);                                    \
	type xsk_##name(__VA_ARGS__)

INTERPOSE(ssize_t, sendto, int fd, const void *buf, size_t n, int flags,
	  const struct sockaddr *addr, socklen_t addr_len)
{
	struct xsk_port *p = xsk_port_get(fd);

	return p ? xsk_interpose_wake(p, XDP_WAKEUP_TX)
		 : NEXT(sendto, SYS_sendto, fd, buf, n, flags, addr, addr_len);
}

INTERPOSE(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
	struct xsk_port *p = xsk_port_get(fd);

	return p ? xsk_interpose_wake(p, XDP_WAKEUP_TX)
		 : NEXT(sendmsg, SYS_sendmsg, fd, message, flags);
}

INTERPOSE(ssize_t, recvfrom, int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
	  socklen_t *addr_len)
{
	struct xsk_port *p = xsk_port_get(fd);

	return p ? xsk_interpose_wake(p, XDP_WAKEUP_RX)
		 : NEXT(recvfrom, SYS_recvfrom, fd, buf, n, flags, addr, addr_len);
}

INTERPOSE(ssize_t, recvmsg, int fd, struct msghdr *message, int flags)
{
	struct xsk_port *p = xsk_port_get(fd);

	return p ? xsk_interpose_wake(p, XDP_WAKEUP_RX)
		 : NEXT(recvmsg, SYS_recvmsg, fd, message, flags);
}

/* Waiting on a socket is also a wake-up, for each direction that is waited for. */
static void xsk_interpose_before_poll(const struct pollfd *fds, nfds_t n)
{
	if (!xsk_ports_exist())
		return;
	for (nfds_t i = 0; i < n; i++) {
		struct xsk_port *p = xsk_port_get(fds[i].fd);

		if (!p)
			continue;
		if (fds[i].events & POLLOUT)
			xdp_sock_wakeup(p->xs, XDP_WAKEUP_TX);
		if (fds[i].events & POLLIN)
			xdp_sock_wakeup(p->xs, XDP_WAKEUP_RX);
		xsk_port_refresh(p);
		xsk_port_put(p);
	}
}

INTERPOSE(int, poll, struct pollfd *fds, nfds_t n, int timeout)
{
	xsk_interpose_before_poll(fds, n);
	return NEXT(poll, SYS_poll, fds, n, timeout);
}

/* The compiler calls this instead of poll() in a program with _FORTIFY_SOURCE. */
INTERPOSE(int, __poll_chk, struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	if (size / sizeof(*fds) < n)
		abort();
	return xsk_poll(fds, n, timeout);
}

/*
 * The system call takes the size of the mask and writes the remaining time; the function does
 * neither.
 */
static int xsk_interpose_next_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
				    const sigset_t *mask)
{
	static void *next;
	struct timespec left = timeout ? *timeout : (struct timespec){0};
	union {
		void *p;
		__typeof__(&ppoll) fn;
	} u = {.p = xsk_interpose_next(&next, "ppoll")};

	return u.p ? u.fn(fds, n, timeout, mask)
		   : (int)syscall(SYS_ppoll, fds, n, timeout ? &left : NULL, mask, 8ul);
}

INTERPOSE(int, ppoll, struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	  const sigset_t *mask)
{
	xsk_interpose_before_poll(fds, n);
	return xsk_interpose_next_ppoll(fds, n, timeout, mask);
}

INTERPOSE(int, select, int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	xsk_ports_refresh();
	return NEXT(select, SYS_select, n, in, out, except, timeout);
}

INTERPOSE(int, epoll_wait, int epfd, struct epoll_event *events, int max, int timeout)
{
	xsk_ports_refresh();
	return NEXT(epoll_wait, SYS_epoll_wait, epfd, events, max, timeout);
}
#endif
