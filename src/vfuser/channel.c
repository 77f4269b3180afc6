/* SPDX-License-Identifier: BSD-2-Clause */
#include "vfuser/channel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"
#include "base/math.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD ((u32)sizeof(struct vfuser_header))

int vfuser_channel_init(struct vfuser_channel *c, int fd)
{
	const struct timeval tick = {.tv_usec = VFUSER_TICK_MS * 1000};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof(tick)))
		return error_set(errno, "vfio-user: cannot set a timeout on descriptor %d: %s", fd,
				 strerror(errno));
	c->fd = fd;
	c->broken = false;
	c->begin = c->end = c->fds_end = c->n_fds = 0;
	c->fds_accepted = VFUSER_FDS_MAX;
	c->complete_ms = VFUSER_COMPLETE_MS;
	fork_fd_add(fd);
	return 0;
}

static void channel_close_fds(int *fds, u32 *n)
{
	while (*n) {
		int fd = fds[--*n];

		if (fd >= 0)
			close(fd);
	}
}

void vfuser_channel_fini(struct vfuser_channel *c)
{
	channel_close_fds(c->fds, &c->n_fds);
	if (c->fd >= 0)
		fork_fd_close(c->fd);
	c->fd = -1;
}

void vfuser_channel_stop(struct vfuser_channel *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

void vfuser_message_close(struct vfuser_message *m)
{
	channel_close_fds(m->fds, &m->n_fds);
}

/* A control buffer for the descriptors of one read. */
union channel_control {
	struct cmsghdr align;
	u8 bytes[CMSG_SPACE(sizeof(int) * VFUSER_FDS_MAX)];
};

/*
 * Moves the received descriptors to the channel. False: there are more than it accepts; the kernel
 * has closed those that did not fit into the control buffer.
 */
static bool channel_take_fds(struct vfuser_channel *c, struct msghdr *msg)
{
	bool ok = !(msg->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			if (c->n_fds < c->fds_accepted) {
				c->fds[c->n_fds++] = fd;
				continue;
			}
			close(fd);
			ok = false;
		}
	}
	return ok;
}

/*
 * Reads at most n bytes, at least 1. Returns their number; 0: the connection was closed; -EAGAIN:
 * nothing arrived within one tick; -errno.
 */
static ssize_t channel_read(struct vfuser_channel *c, void *to, size_t n)
{
	union channel_control control;
	struct iovec iov = {to, n};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);

	if (got < 0)
		return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (msg.msg_controllen && !channel_take_fds(c, &msg))
		return error_set(EPROTO,
				 "vfio-user: the peer sent more than %u file descriptors in one "
				 "message",
				 c->fds_accepted);
	return got;
}

/* The time at which a call that begins now must end. */
static u64 channel_until(u64 timeout_ms)
{
	return timeout_ms == VFUSER_FOREVER_MS ? ~0ull : clock_ns() + timeout_ms * NS_PER_MS;
}

/* Reads exactly n bytes of a message that has begun. 0; -errno with an error message. */
static int channel_read_all(struct vfuser_channel *c, void *to, size_t n)
{
	u64 until_ns = n ? channel_until(c->complete_ms) : 0;
	u8 *at = to;

	while (n) {
		ssize_t got = channel_read(c, at, n);

		if (got > 0) {
			at += got;
			n -= (size_t)got;
			continue;
		}
		if (got == 0)
			return error_set(EPROTO, "vfio-user: the peer closed the connection within "
						 "a message");
		if (got == -EPROTO)
			return -EPROTO;
		if (got != -EAGAIN)
			return error_set((int)-got, "vfio-user: cannot receive: %s",
					 strerror((int)-got));
		if (clock_ns() >= until_ns)
			return error_set(ETIMEDOUT, "vfio-user: the peer did not complete a "
						    "message in time");
	}
	return 0;
}

/* Reads ahead while no message is incomplete. As vfuser_receive(). */
static int channel_read_ahead(struct vfuser_channel *c, u64 until_ns)
{
	ssize_t got;

	do {
		got = channel_read(c, c->ahead, sizeof(c->ahead));
	} while (got == -EAGAIN && clock_ns() < until_ns);
	if (got == -EAGAIN || got == -EPROTO)
		return (int)got;
	if (got == 0 || got == -ECONNRESET || got == -EPIPE)
		return -ENOTCONN;
	if (got < 0)
		return error_set((int)-got, "vfio-user: cannot receive: %s", strerror((int)-got));
	c->begin = 0;
	c->end = (u32)got;
	c->fds_end = c->n_fds ? c->end : 0;
	return 0;
}

/* Reads the header of the next message. As vfuser_receive(). */
static int channel_read_head(struct vfuser_channel *c, struct vfuser_header *head, u64 timeout_ms)
{
	u8 *to = (u8 *)head;
	u32 have;
	int err;

	if (c->begin == c->end) {
		err = channel_read_ahead(c, channel_until(timeout_ms));
		if (err)
			return err;
	}
	have = (u32)min_u64(c->end - c->begin, HEAD);
	memcpy(to, c->ahead + c->begin, have);
	c->begin += have;
	return channel_read_all(c, to + have, HEAD - have);
}

/* Reads the payload of the message whose header was read. */
static int channel_read_data(struct vfuser_channel *c, struct vfuser_message *m)
{
	u32 have = (u32)min_u64(c->end - c->begin, m->size);

	if (have)
		memcpy(m->data, c->ahead + c->begin, have);
	c->begin += have;
	return channel_read_all(c, (u8 *)m->data + have, m->size - have);
}

/* Moves the descriptors to the message in which the read that received them ended. */
static void channel_give_fds(struct vfuser_channel *c, struct vfuser_message *m)
{
	if (!c->n_fds || c->begin < c->fds_end)
		return;
	memcpy(m->fds, c->fds, c->n_fds * sizeof(m->fds[0]));
	m->n_fds = c->n_fds;
	c->n_fds = 0;
}

static int channel_check_head(const struct vfuser_message *m)
{
	if (m->head.size < HEAD)
		return error_set(EPROTO,
				 "vfio-user: a message of %u bytes, which is less than its "
				 "header of %u",
				 m->head.size, HEAD);
	if (m->head.size - HEAD > m->room)
		return error_set(EMSGSIZE,
				 "vfio-user: a message of %u bytes (command %u): at most %u were "
				 "agreed",
				 m->head.size, m->head.command, m->room + HEAD);
	return 0;
}

int vfuser_receive(struct vfuser_channel *c, struct vfuser_message *m, u64 timeout_ms)
{
	int err;

	m->size = m->n_fds = 0;
	if (c->broken)
		return error_set(EPROTO, "vfio-user: an earlier message was wrong or incomplete");
	err = channel_read_head(c, &m->head, timeout_ms);
	if (err == -EAGAIN || err == -ENOTCONN)
		return err;
	if (!err)
		err = channel_check_head(m);
	if (!err) {
		m->size = m->head.size - HEAD;
		err = channel_read_data(c, m);
	}
	if (!err) {
		channel_give_fds(c, m);
		return 0;
	}
	c->broken = true;
	channel_close_fds(c->fds, &c->n_fds);
	return err;
}

/* Removes n bytes that were sent from the front of the list. */
static void channel_advance(struct msghdr *msg, size_t n)
{
	while (msg->msg_iovlen && n >= msg->msg_iov->iov_len) {
		n -= msg->msg_iov->iov_len;
		msg->msg_iov++;
		msg->msg_iovlen--;
	}
	if (n) {
		msg->msg_iov->iov_base = (u8 *)msg->msg_iov->iov_base + n;
		msg->msg_iov->iov_len -= n;
	}
}

/* The descriptors are sent with the first byte. */
static int channel_send_all(int fd, struct msghdr *msg, u64 until_ns)
{
	while (msg->msg_iovlen) {
		ssize_t n = sendmsg(fd, msg, MSG_NOSIGNAL);

		if (n > 0) {
			msg->msg_control = NULL;
			msg->msg_controllen = 0;
			channel_advance(msg, (size_t)n);
			continue;
		}
		if (n < 0 && errno != EINTR && errno != EWOULDBLOCK)
			return error_set(errno, "vfio-user: cannot send: %s", strerror(errno));
		if (clock_ns() >= until_ns)
			return error_set(ETIMEDOUT,
					 "vfio-user: the peer does not read its messages");
	}
	return 0;
}

static void channel_put_fds(struct msghdr *msg, union channel_control *control, const int *fds,
			    u32 n)
{
	struct cmsghdr *h;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
	h = CMSG_FIRSTHDR(msg);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
}

int vfuser_send(struct vfuser_channel *c, struct vfuser_header head, const struct iovec *parts,
		int n_parts, const int *fds, u32 n_fds, u64 timeout_ms)
{
	struct iovec iov[1 + VFUSER_PARTS_MAX] = {{&head, sizeof(head)}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1};
	union channel_control control;
	u64 size = HEAD;

	if (n_fds > VFUSER_FDS_MAX || n_parts < 0 || n_parts > VFUSER_PARTS_MAX)
		return error_set(EINVAL, "vfio-user: a message of %d parts with %u descriptors",
				 n_parts, n_fds);
	for (int i = 0; i < n_parts; i++) {
		if (parts[i].iov_len > UINT32_MAX - size)
			return error_set(EMSGSIZE, "vfio-user: a message of over 4 GiB");
		size += parts[i].iov_len;
		if (parts[i].iov_len)
			iov[msg.msg_iovlen++] = parts[i];
	}
	head.size = (u32)size;
	if (n_fds)
		channel_put_fds(&msg, &control, fds, n_fds);
	return channel_send_all(c->fd, &msg, channel_until(timeout_ms));
}

int vfuser_reply(struct vfuser_channel *c, const struct vfuser_header *request, int err,
		 const void *data, u32 size, u64 timeout_ms)
{
	struct vfuser_header head = {.id = request->id,
				     .command = request->command,
				     .flags = VFUSER_REPLY | (err ? VFUSER_ERROR : 0),
				     .error = (u32)err};
	struct iovec part = {(void *)(uintptr_t)data, size};

	return vfuser_send(c, head, &part, err ? 0 : 1, NULL, 0, timeout_ms);
}

int vfuser_address(const char *path, struct sockaddr_un *out)
{
	size_t n = path ? strlen(path) : 0;

	if (!n)
		return error_set(EINVAL, "vfio-user: the path of the socket is empty");
	if (n >= sizeof(out->sun_path))
		return error_set(ENAMETOOLONG,
				 "vfio-user: the path of the socket has %zu bytes, and at most %zu "
				 "are possible: %s",
				 n, sizeof(out->sun_path) - 1, path);
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	memcpy(out->sun_path, path, n);
	return 0;
}

int vfuser_connect(const char *path)
{
	struct sockaddr_un a;
	int err = vfuser_address(path, &a), fd;

	if (err)
		return err;
	fd = fail_here(FAIL_MEMORY, NULL) ? (errno = EMFILE, -1)
					  : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(errno, "vfio-user: no socket for %s: %s", path, strerror(errno));
	if (!connect(fd, (const struct sockaddr *)&a, sizeof(a)))
		return fd;
	err = error_set(errno, "vfio-user: cannot connect to %s: %s: is the server running?", path,
			strerror(errno));
	close(fd);
	return err;
}
