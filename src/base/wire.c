/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptor belongs to the caller. It is checked before use, and duplicated, since the caller
 * may close it. It may be in blocking mode, so every call here passes MSG_DONTWAIT.
 *
 * An empty message and the end of a SOCK_SEQPACKET connection both read as 0 bytes; only the end
 * sets POLLHUP. A SOCK_DGRAM socket has no end of connection, so a closed peer is detected when a
 * frame is sent.
 */
#include <dmamap/wire.h>
#include "base/error.h"
#include "base/fail.h"
#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_BAD_AT_ONCE 64 /* messages that one receive examines at most */

bool dmamap_wire_is_fd(const char *value)
{
	return !strncmp(value, "fd:", 3);
}

static int wire_number(const char *value, const char *owner, int *fd)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(value + 3, &end, 10);
	if (value[3] < '0' || value[3] > '9' || *end || errno || n > INT32_MAX)
		return error_set(
			EINVAL,
			"%s cannot have wire=%.64s: fd: is followed by the number of an open "
			"descriptor, as in wire=fd:7",
			owner, value);
	*fd = (int)n;
	return 0;
}

/* Checks that the descriptor is a socket of the right kind. Returns 0 or -errno. */
static int wire_check(int fd, const char *value, const char *owner)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);
	struct sockaddr_storage peer;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size))
		return error_set(errno, "%s cannot use wire=%s: %s", owner, value, strerror(errno));
	if (domain != AF_UNIX || (type != SOCK_DGRAM && type != SOCK_SEQPACKET))
		return error_set(EPROTOTYPE,
				 "%s cannot use wire=%s: it is a socket of another kind; make one "
				 "with socketpair(AF_UNIX, SOCK_SEQPACKET, 0, …) or SOCK_DGRAM",
				 owner, value);
	size = sizeof(peer);
	if (getpeername(fd, (struct sockaddr *)&peer, &size))
		return error_set(
			errno,
			"%s cannot use wire=%s: its other end is not connected or closed: %s",
			owner, value, strerror(errno));
	return 0;
}

int dmamap_wire_open(struct dmamap_wire *w, const char *value, const char *owner)
{
	int fd = -1, err = wire_number(value, owner, &fd);

	if (!err)
		err = wire_check(fd, value, owner);
	if (err)
		return err;
	*w = (struct dmamap_wire){.fd = -1};
	if (fail_here(FAIL_MEMORY, NULL))
		errno = EMFILE;
	else
		w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (w->fd < 0)
		return error_set(errno,
				 "%s cannot use wire=%s: no descriptor is left to duplicate it "
				 "(ulimit -n)",
				 owner, value);
	snprintf(w->name, sizeof(w->name), "%.15s", value);
	return 0;
}

void dmamap_wire_close(struct dmamap_wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static void wire_drop(struct dmamap_wire *w, const char *what, unsigned long len, u32 most)
{
	w->dropped++;
	log_line(LOG_ERROR, "wire=%s: %s of %lu bytes was dropped: a frame has %u to %u bytes",
		 w->name, what, len, DMAMAP_WIRE_FRAME_MIN, most);
}

static bool wire_ended(const struct dmamap_wire *w)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR);
}

enum dmamap_wire_result dmamap_wire_receive(struct dmamap_wire *w, void *buf, u32 most, u32 *len)
{
	for (int i = 0; i < WIRE_BAD_AT_ONCE; i++) {
		/* with MSG_TRUNC this is the message's full length, also if it does not fit */
		ssize_t n = recv(w->fd, buf, most, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? DMAMAP_WIRE_WAIT : DMAMAP_WIRE_GONE;
		if (!n && wire_ended(w))
			return DMAMAP_WIRE_GONE;
		if (n >= DMAMAP_WIRE_FRAME_MIN && (u64)n <= most) {
			*len = (u32)n;
			return DMAMAP_WIRE_DONE;
		}
		wire_drop(w, "a message", (unsigned long)n, most);
	}
	return DMAMAP_WIRE_WAIT;
}

enum dmamap_wire_result dmamap_wire_send(struct dmamap_wire *w, const void *frame, u32 len)
{
	ssize_t n;

	do
		n = send(w->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return DMAMAP_WIRE_DONE;
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
		return DMAMAP_WIRE_WAIT;
	if (errno != EMSGSIZE)
		return DMAMAP_WIRE_GONE;
	/* larger than the socket's buffer, so it can never be sent */
	wire_drop(w, "a frame", len, len - 1);
	return DMAMAP_WIRE_DONE;
}
