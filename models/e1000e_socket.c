/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire=fd:N: the other end of the cable is a program's socket (dmamap/wire.h). A received frame
 * waits in the socket until the card's receiver is on and has a buffer. A frame that the socket
 * cannot accept waits in `sending` and blocks the packets behind it. No frame is lost in either
 * direction.
 *
 * The worker sleeps in ppoll() on the socket and on an eventfd, which replaces the futex. It polls
 * the socket only for events that it can process, because any other would wake it again
 * immediately:
 *
 *   POLLIN     no frame is buffered in `receiving`, the receiver is on, and the link is up
 *   POLLOUT    a frame waits in `sending`
 */
#include "e1000e.h"

#include <dmamap/check.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct e1000e_socket {
	struct dmamap_wire wire;
	int bell;     /* eventfd */
	bool gone;    /* the other end was closed */
	u32 received; /* bytes of the frame in `receiving`, 0: none */
	u32 waiting;  /* bytes of the frame in `sending`, 0: none */
	u8 receiving[E1000E_FRAME_MAX];
	u8 sending[E1000E_FRAME_MAX];
};

int e1000e_socket_open(struct e1000e_socket **out, const char *value)
{
	struct e1000e_socket *s = dmamap_model_alloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = dmamap_wire_open(&s->wire, value, "sim:e1000e");
	if (err)
		goto free_socket;
	s->bell = dmamap_should_fail(NULL, "memory") ? (errno = EMFILE, -1)
						     : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->bell < 0) {
		err = dmamap_model_error(errno, "sim:e1000e: no eventfd for wire=%s (ulimit -n)",
					 value);
		goto close_wire;
	}
	*out = s;
	return 0;

close_wire:
	dmamap_wire_close(&s->wire);
free_socket:
	dmamap_model_free(s);
	return err;
}

void e1000e_socket_close(struct e1000e_socket *s)
{
	if (!s)
		return;
	dmamap_wire_close(&s->wire);
	close(s->bell);
	dmamap_model_free(s);
}

bool e1000e_socket_up(const struct e1000e_socket *s)
{
	return !s->gone;
}

/* Frames that were sent before the other end was closed are still received. */
bool e1000e_socket_peek(struct e1000esim *c, struct e1000e_frame *f)
{
	struct e1000e_socket *s = c->socket;
	u64 dropped = s->wire.dropped;
	enum dmamap_wire_result r;

	if (!s->received) {
		r = dmamap_wire_receive(&s->wire, s->receiving, E1000E_FRAME_MAX, &s->received);
		s->gone |= r == DMAMAP_WIRE_GONE;
		if (s->wire.dropped != dropped)
			e1000e_count(c, ST_RXERRC, s->wire.dropped - dropped);
		if (r != DMAMAP_WIRE_DONE)
			return false;
	}
	*f = (struct e1000e_frame){s->receiving, s->received, false};
	return true;
}

void e1000e_socket_take(struct e1000e_socket *s)
{
	s->received = 0;
}

/* Returns true if another frame can be sent. After the other end was closed, frames are dropped. */
bool e1000e_socket_room(struct e1000e_socket *s)
{
	enum dmamap_wire_result r;

	if (!s->waiting)
		return true;
	r = dmamap_wire_send(&s->wire, s->sending, s->waiting);
	if (r == DMAMAP_WIRE_WAIT)
		return false;
	s->gone |= r == DMAMAP_WIRE_GONE;
	s->waiting = 0;
	return true;
}

/* Called after e1000e_socket_room() returned true. */
void e1000e_socket_send(struct e1000e_socket *s, const u8 *frame, u32 len)
{
	enum dmamap_wire_result r =
		s->gone ? DMAMAP_WIRE_GONE : dmamap_wire_send(&s->wire, frame, len);

	s->gone |= r == DMAMAP_WIRE_GONE;
	if (r != DMAMAP_WIRE_WAIT)
		return;
	memcpy(s->sending, frame, len);
	s->waiting = len;
}

void e1000e_socket_wake(struct e1000e_socket *s)
{
	const u64 one = 1;

	if (write(s->bell, &one, sizeof(one)) < 0)
		return; /* the counter is at its maximum, so the eventfd is readable */
}

void e1000e_socket_sleep(struct e1000e_socket *s, bool receives, const struct timespec *most)
{
	short events =
		(short)((receives && !s->received ? POLLIN : 0) | (s->waiting ? POLLOUT : 0));
	struct pollfd p[2] = {{.fd = s->bell, .events = POLLIN},
			      {.fd = s->gone ? -1 : s->wire.fd, .events = events}};
	u64 count;

	ppoll(p, 2, most, NULL);
	if (p[0].revents && read(s->bell, &count, sizeof(count)) < 0)
		return; /* an earlier wake-up has reset the counter */
	if (p[1].revents & (POLLHUP | POLLERR))
		s->gone = true;
}
