/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection: the agreement on a version, the requests, and what happens after the end. */
#include "base/clock.h"
#include "base/error.h"
#include "serve/served.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * With twin_socket, the client receives DMA messages on a socket of their own. Returns its end, or
 * -1: there is none.
 */
static int session_open_twin(struct served *s)
{
	struct serve_link *l = &s->link;
	int fd[2];

	if (!s->peer.twin_socket || s->peer.max_msg_fds < 1 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -1;
	if (vfuser_channel_init(&l->twin, fd[0])) {
		close(fd[0]);
		close(fd[1]);
		return -1;
	}
	l->has_twin = true;
	return fd[1];
}

static int session_answer_version(struct served *s, const struct vfuser_message *m)
{
	struct vfuser_header head = {
		.id = m->head.id, .command = m->head.command, .flags = VFUSER_REPLY};
	int twin = session_open_twin(s), err;
	struct vfuser_version ours = {
		.major = VFUSER_MAJOR,
		.minor = (u16)min_u64(s->peer.minor, VFUSER_MINOR),
		.max_msg_fds = SERVE_FDS,
		.max_data_xfer_size = SERVE_XFER,
		.max_dma_maps = SERVE_WINDOWS,
		.pgsizes = PAGE_BYTES,
		.write_multiple = s->peer.write_multiple,
		.twin_socket = twin >= 0,
		.twin_has_fd = twin >= 0,
	};
	u32 size = vfuser_version_format(s->out, &ours);

	err = serve_link_send(&s->link, head, s->out, size, &twin, twin >= 0);
	if (twin >= 0)
		close(twin);
	return err;
}

/* Refuses the client's first message, and ends the connection. */
static void session_refuse(struct served *s, const struct vfuser_message *m, int err,
			   const char *why)
{
	struct vfuser_header head = {.id = m->head.id,
				     .command = m->head.command,
				     .flags = VFUSER_REPLY | VFUSER_ERROR,
				     .error = (u32)err};

	serve_count(s, failed);
	report_event(s, SERVE_REFUSED, "%s", why);
	serve_link_send(&s->link, head, NULL, 0, NULL, 0);
	serve_link_end(&s->link, -err);
}

/* Executes the first message. False: the connection is ended. */
static bool session_agree(struct served *s, struct vfuser_message *m)
{
	int err;

	vfuser_message_close(m);
	if (m->head.command != VFUSER_VERSION) {
		session_refuse(s, m, EINVAL, "the client's first message is not its version");
		return false;
	}
	err = vfuser_version_parse(m->data, m->size, &s->peer);
	if (err) {
		session_refuse(s, m, EINVAL, error_text());
		return false;
	}
	if (s->peer.major != VFUSER_MAJOR) {
		error_set(EPROTONOSUPPORT,
			  "the client has version %u.%u of the protocol, and the server has %u.%u",
			  s->peer.major, s->peer.minor, VFUSER_MAJOR, VFUSER_MINOR);
		session_refuse(s, m, EPROTONOSUPPORT, error_text());
		return false;
	}
	if (session_answer_version(s, m))
		return false;
	serve_count(s, clients);
	report_event(s, SERVE_CONNECTED, "a client has connected");
	return true;
}

/* The eventfd that unmasks the interrupt line is read by this thread. */
static void session_wait(struct served *s)
{
	struct pollfd p[2] = {{.fd = s->link.main.fd, .events = POLLIN},
			      {.fd = s->irqs.unmask, .events = POLLIN}};

	if (serve_link_has_input(&s->link))
		p[0].fd = -1;
	poll(p, 2, p[0].fd < 0 ? 0 : VFUSER_TICK_MS);
	if (p[1].revents)
		irq_unmasked(s);
}

static void session_requests(struct served *s)
{
	u64 until = clock_ns() + SERVE_REPLY_MS * NS_PER_MS;
	bool agreed = false;
	int err;

	do {
		struct vfuser_message m = {.data = s->in, .room = SERVE_XFER + 64};

		if (s->irqs.unmask >= 0)
			session_wait(s);
		err = serve_link_next(&s->link, &m);
		if (!err && agreed) {
			request_execute(s, &m);
		} else if (!err) {
			agreed = session_agree(s, &m);
			if (!agreed)
				return;
		} else if (!agreed && clock_ns() > until) {
			serve_link_end(&s->link,
				       error_set(ETIMEDOUT, "the client did not send its version "
							    "in time"));
		}
	} while (err != -ENOTCONN && !read_acquire(&s->stop));
	if (agreed)
		report_event(s, SERVE_DISCONNECTED, "%s",
			     s->link.why ? s->link.reason : "the client has disconnected");
	else if (s->link.why)
		report_event(s, SERVE_REFUSED, "%s", s->link.reason);
}

/* Puts the device into its initial state for the next client. */
static void session_clean(struct served *s)
{
	serve_link_end(&s->link, 0);
	irq_drop_all(s);
	if (s->used && served_device_can_reset(s))
		served_device_reset(s);
	if (s->used)
		served_device_close(s); /* no access of the device follows */
	window_unmap_all(s);
	if (!s->dev)
		served_device_reset(s);
	window_forget(&s->windows);
	serve_link_close(&s->link);
}

void session_run(struct served *s, int fd)
{
	if (serve_link_begin(&s->link, fd)) {
		report_event(s, SERVE_REFUSED, "%s", error_text());
		return;
	}
	session_requests(s);
	session_clean(s);
}
