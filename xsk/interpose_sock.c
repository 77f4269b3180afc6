/* SPDX-License-Identifier: BSD-2-Clause */
/* Creation, binding, mapping and closing of sockets, and their options. */
#ifndef __SANITIZE_THREAD__
#include "interpose.h"
#include "raw.h"

#include <errno.h>
#include <sys/mman.h>

/* Converts 0, a value or -errno to the result of a system call. */
static int xsk_sock_result(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

INTERPOSE(int, socket, int domain, int type, int protocol)
{
	int fd = domain == AF_XDP ? xsk_raw_socket(type, protocol) : -EAFNOSUPPORT;

	if (fd != -EAFNOSUPPORT)
		return xsk_sock_result(fd);
	return NEXT(socket, SYS_socket, domain, type, protocol);
}

INTERPOSE(int, setsockopt, int fd, int level, int name, const void *value, socklen_t len)
{
	struct xsk_port *p = xsk_port_get(fd);
	int err = 1;

	if (p) {
		err = xsk_raw_setsockopt(p, level, name, value, len);
		xsk_port_put(p);
	}
	if (err <= 0)
		return xsk_sock_result(err);
	return NEXT(setsockopt, SYS_setsockopt, fd, level, name, value, len);
}

INTERPOSE(int, getsockopt, int fd, int level, int name, void *value, socklen_t *len)
{
	struct xsk_port *p = xsk_port_get(fd);
	int err = 1;

	if (p) {
		err = xsk_raw_getsockopt(p, level, name, value, len);
		xsk_port_put(p);
	}
	if (err <= 0)
		return xsk_sock_result(err);
	return NEXT(getsockopt, SYS_getsockopt, fd, level, name, value, len);
}

INTERPOSE(int, bind, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (p)
		return xsk_sock_result(xsk_raw_bind(p, addr, len));
	return NEXT(bind, SYS_bind, fd, addr, len);
}

/* Calls that no AF_XDP socket supports, but that the pair of local sockets behind it might. */
static bool xsk_sock_unsupported(int fd)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (!p)
		return false;
	xsk_port_put(p);
	errno = EOPNOTSUPP;
	return true;
}

INTERPOSE(int, listen, int fd, int backlog)
{
	return xsk_sock_unsupported(fd) ? -1 : NEXT(listen, SYS_listen, fd, backlog);
}

INTERPOSE(int, shutdown, int fd, int how)
{
	return xsk_sock_unsupported(fd) ? -1 : NEXT(shutdown, SYS_shutdown, fd, how);
}

INTERPOSE(int, connect, int fd, const struct sockaddr *addr, socklen_t len)
{
	return xsk_sock_unsupported(fd) ? -1 : NEXT(connect, SYS_connect, fd, addr, len);
}

INTERPOSE(int, getsockname, int fd, struct sockaddr *addr, socklen_t *len)
{
	return xsk_sock_unsupported(fd) ? -1 : NEXT(getsockname, SYS_getsockname, fd, addr, len);
}

INTERPOSE(int, getpeername, int fd, struct sockaddr *addr, socklen_t *len)
{
	return xsk_sock_unsupported(fd) ? -1 : NEXT(getpeername, SYS_getpeername, fd, addr, len);
}

INTERPOSE(int, close, int fd)
{
	struct xsk_port *p = xsk_port_get(fd);
	bool raw;

	if (!p)
		return NEXT(close, SYS_close, fd);
	raw = __atomic_load_n(&p->raw, __ATOMIC_ACQUIRE) != NULL;
	xsk_port_put(p);
	if (raw)
		xsk_raw_close(p, false);
	else
		xsk_port_forget(p);
	return 0;
}

static void *xsk_sock_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset,
			   bool *ours)
{
	struct xsk_port *p = fd >= 0 && !(flags & MAP_ANONYMOUS) ? xsk_port_get(fd) : NULL;
	void *at;

	*ours = p != NULL;
	if (!p)
		return MAP_FAILED;
	at = xsk_raw_mmap(p, addr, len, prot, flags, (u64)offset);
	xsk_port_put(p);
	return at;
}

INTERPOSE(void *, mmap, void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	__typeof__(&mmap) next;
	bool ours;
	void *at = xsk_sock_mmap(addr, len, prot, flags, fd, offset, &ours);

	if (ours)
		return at;
	next = NEXT_FN(__typeof__(&mmap), mmap);
	return next ? next(addr, len, prot, flags, fd, offset)
		    : (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset); /* NOLINT */
}

INTERPOSE(void *, mmap64, void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return xsk_sys_mmap(addr, len, prot, flags, fd, offset);
}

INTERPOSE(int, munmap, void *addr, size_t len)
{
	if (xsk_raw_any_mapped())
		xsk_raw_unmapping(addr, len);
	return NEXT(munmap, SYS_munmap, addr, len);
}
#endif
