/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending and receiving on a socket's descriptor. These calls are wake-ups and move no data. Their
 * results, by their arguments, were measured on Linux 6.18 (tests/e2e/xsk_calls.c).
 */
#ifndef __SANITIZE_THREAD__
#include "interpose.h"
#include "netlink.h"
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Releases the port. Returns 0, or -1 with errno, as a system call does. */
static int xsk_io_wake(struct xsk_port *p, u32 what, bool no_wait)
{
	bool bound = p->has_rx || p->has_tx;
	int err;

	/* a blocking call is refused, but the state of the socket is examined before that */
	if (!no_wait && bound && !(xdp_sock_poll(p->xs) & POLLERR))
		err = -EOPNOTSUPP;
	else
		err = xdp_sock_wakeup(p->xs, what);
	xsk_port_put(p);
	if (!err)
		return 0;
	errno = -err;
	return -1;
}

static int xsk_io_send(struct xsk_port *p, int flags)
{
	return xsk_io_wake(p, XDP_WAKEUP_TX, flags & MSG_DONTWAIT);
}

static int xsk_io_receive(struct xsk_port *p, int flags)
{
	return xsk_io_wake(p, XDP_WAKEUP_RX, flags & MSG_DONTWAIT);
}

/* For read() and write(), which have no flags. */
static int xsk_io_flags(const struct xsk_port *p)
{
	return syscall(SYS_fcntl, p->fd, F_GETFL) & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

static size_t xsk_io_vector_bytes(const struct iovec *v, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum |= v[i].iov_len;
	return sum;
}

/*
 * Sends a request for a link that is one of the names. True: *result is what the call returns; the
 * length is that of the program's own request.
 */
static bool xsk_io_send_request(int fd, const struct msghdr *m, int flags, ssize_t *result)
{
	char other[XSK_NETLINK_REQUEST];
	size_t n = 0, len = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++)
		n += m->msg_iov[i].iov_len;
	/* nearly every message of a program has another length than such a request */
	if (n < 32 || n > sizeof(other) || !xsk_netlink_request(fd, m, other, &len))
		return false;
	*result = syscall(SYS_sendto, fd, other, len, flags, m->msg_name, m->msg_namelen);
	if (*result == (ssize_t)len)
		*result = (ssize_t)n;
	return true;
}

static bool xsk_io_send_buffer(int fd, const void *buf, size_t n, int flags,
			       const struct sockaddr *addr, socklen_t addr_len, ssize_t *result)
{
	struct iovec v = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
	const struct msghdr m = {.msg_name = (void *)(uintptr_t)addr,
				 .msg_namelen = addr_len,
				 .msg_iov = &v,
				 .msg_iovlen = 1};

	return xsk_io_send_request(fd, &m, flags, result);
}

/* Receives from a socket on which a reply about a name is expected. */
static ssize_t xsk_io_receive_reply(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
				    socklen_t *addr_len)
{
	struct iovec v = {.iov_base = buf, .iov_len = n};
	struct msghdr m = {.msg_name = addr,
			   .msg_namelen = addr && addr_len ? *addr_len : 0,
			   .msg_iov = &v,
			   .msg_iovlen = 1};
	ssize_t got = xsk_netlink_receive(fd, &m, flags);

	if (got >= 0 && addr_len)
		*addr_len = m.msg_namelen;
	return got;
}

INTERPOSE(ssize_t, sendto, int fd, const void *buf, size_t n, int flags,
	  const struct sockaddr *addr, socklen_t addr_len)
{
	struct xsk_port *p = xsk_port_get(fd);
	ssize_t result;

	if (p)
		return xsk_io_send(p, flags);
	if (xsk_io_send_buffer(fd, buf, n, flags, addr, addr_len, &result))
		return result;
	return NEXT(sendto, SYS_sendto, fd, buf, n, flags, addr, addr_len);
}

INTERPOSE(ssize_t, send, int fd, const void *buf, size_t n, int flags)
{
	struct xsk_port *p = xsk_port_get(fd);
	ssize_t (*next)(int, const void *, size_t, int), result;

	if (p)
		return xsk_io_send(p, flags);
	if (xsk_io_send_buffer(fd, buf, n, flags, NULL, 0, &result))
		return result;
	next = NEXT_FN(__typeof__(&send), send);
	return next ? next(fd, buf, n, flags) : syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

INTERPOSE(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
	struct xsk_port *p = xsk_port_get(fd);
	ssize_t result;

	if (p)
		return xsk_io_send(p, flags);
	if (message && xsk_io_send_request(fd, message, flags, &result))
		return result;
	return NEXT(sendmsg, SYS_sendmsg, fd, message, flags);
}

INTERPOSE(int, sendmmsg, int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (!p)
		return NEXT(sendmmsg, SYS_sendmmsg, fd, messages, n, flags);
	if (!n) {
		xsk_port_put(p);
		return 0;
	}
	if (xsk_io_send(p, flags))
		return -1;
	for (unsigned int i = 0; i < n; i++)
		messages[i].msg_len = 0;
	return (int)n;
}

INTERPOSE(ssize_t, write, int fd, const void *buf, size_t n)
{
	struct xsk_port *p = xsk_port_get(fd);

	return p ? xsk_io_send(p, xsk_io_flags(p)) : NEXT(write, SYS_write, fd, buf, n);
}

INTERPOSE(ssize_t, writev, int fd, const struct iovec *v, int n)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (!p)
		return NEXT(writev, SYS_writev, fd, v, n);
	if (xsk_io_vector_bytes(v, n))
		return xsk_io_send(p, xsk_io_flags(p));
	xsk_port_put(p);
	return 0;
}

INTERPOSE(ssize_t, recvfrom, int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
	  socklen_t *addr_len)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (p)
		return xsk_io_receive(p, flags);
	if (xsk_netlink_expected(fd))
		return xsk_io_receive_reply(fd, buf, n, flags, addr, addr_len);
	return NEXT(recvfrom, SYS_recvfrom, fd, buf, n, flags, addr, addr_len);
}

INTERPOSE(ssize_t, recv, int fd, void *buf, size_t n, int flags)
{
	struct xsk_port *p = xsk_port_get(fd);
	ssize_t (*next)(int, void *, size_t, int);

	if (p)
		return xsk_io_receive(p, flags);
	if (xsk_netlink_expected(fd))
		return xsk_io_receive_reply(fd, buf, n, flags, NULL, NULL);
	next = NEXT_FN(__typeof__(&recv), recv);
	return next ? next(fd, buf, n, flags)
		    : syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
}

INTERPOSE(ssize_t, recvmsg, int fd, struct msghdr *message, int flags)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (p)
		return xsk_io_receive(p, flags);
	if (message && xsk_netlink_expected(fd))
		return xsk_netlink_receive(fd, message, flags);
	return NEXT(recvmsg, SYS_recvmsg, fd, message, flags);
}

INTERPOSE(int, recvmmsg, int fd, struct mmsghdr *messages, unsigned int n, int flags,
	  struct timespec *timeout)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (!p)
		return NEXT(recvmmsg, SYS_recvmmsg, fd, messages, n, flags, timeout);
	if (xsk_io_receive(p, flags))
		return -1;
	for (unsigned int i = 0; i < n; i++)
		messages[i].msg_len = 0;
	return (int)n;
}

INTERPOSE(ssize_t, read, int fd, void *buf, size_t n)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (!p)
		return NEXT(read, SYS_read, fd, buf, n);
	if (n)
		return xsk_io_receive(p, xsk_io_flags(p));
	xsk_port_put(p);
	return 0;
}

INTERPOSE(ssize_t, readv, int fd, const struct iovec *v, int n)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (!p)
		return NEXT(readv, SYS_readv, fd, v, n);
	if (xsk_io_vector_bytes(v, n))
		return xsk_io_receive(p, xsk_io_flags(p));
	xsk_port_put(p);
	return 0;
}

/* In a program with _FORTIFY_SOURCE the compiler calls these functions instead of those above. */
INTERPOSE(ssize_t, __recv_chk, int fd, void *buf, size_t n, size_t size, int flags)
{
	if (size < n)
		abort();
	return xsk_sys_recv(fd, buf, n, flags);
}

INTERPOSE(ssize_t, __recvfrom_chk, int fd, void *buf, size_t n, size_t size, int flags,
	  struct sockaddr *addr, socklen_t *addr_len)
{
	if (size < n)
		abort();
	return xsk_sys_recvfrom(fd, buf, n, flags, addr, addr_len);
}

INTERPOSE(ssize_t, __read_chk, int fd, void *buf, size_t n, size_t size)
{
	if (size < n)
		abort();
	return xsk_sys_read(fd, buf, n);
}
#endif
