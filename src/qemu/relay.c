/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire=fd:N: a thread between QEMU's "socket" netdev, where each frame of a stream is preceded by
 * its length (4 bytes, big endian), and the program's socket, where a message is a frame
 * (dmamap/wire.h).
 *
 * It stores at most one frame for each direction and reads the next one only after that frame was
 * sent. So the program waits while the card has no receive buffers, and the card waits while the
 * program does not read. The former requires a card model that reports to QEMU when it has no
 * buffers.
 *
 * QEMU is not trusted: a length that no frame can have ends the relay. After the program has closed
 * its end, the card's frames are lost, as when a cable is unplugged.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include <dmamap/wire.h>
#include "base/thread.h"
#include "qemu/private.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RELAY_FRAME_MAX 65536u

/*
 * A frame that is preceded by its length. `done` of the `len` bytes were received or sent; len 0:
 * there is no frame.
 */
struct relay_frame {
	u32 len, done;
	u8 bytes[4 + RELAY_FRAME_MAX];
};

struct relay {
	struct dmamap_wire *wire;
	int fd; /* QEMU's stream; each call passes MSG_DONTWAIT */
	pthread_t thread;
	bool gone;   /* the program closed its end */
	bool broken; /* QEMU's stream has ended or is invalid */
	struct relay_frame to_qemu, to_wire;
	bool whole; /* to_wire is a complete frame for which the wire has no space yet */
};

/* From the program to QEMU. */
static void relay_fill(struct relay *r)
{
	struct relay_frame *f = &r->to_qemu;
	enum dmamap_wire_result result;
	u32 len, be;

	if (f->len || r->gone)
		return;
	result = dmamap_wire_receive(r->wire, f->bytes + 4, RELAY_FRAME_MAX, &len);
	r->gone |= result == DMAMAP_WIRE_GONE;
	if (result != DMAMAP_WIRE_DONE)
		return;
	be = htonl(len);
	memcpy(f->bytes, &be, 4);
	f->len = 4 + len;
	f->done = 0;
}

static void relay_push(struct relay *r)
{
	struct relay_frame *f = &r->to_qemu;
	ssize_t n;

	if (!f->len)
		return;
	n = send(r->fd, f->bytes + f->done, f->len - f->done, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		f->done += (u32)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		r->broken = true;
	if (f->done == f->len)
		f->len = 0;
}

/* Sends the frame to the wire; a frame to a closed wire is discarded. */
static void relay_deliver(struct relay *r)
{
	struct relay_frame *f = &r->to_wire;
	enum dmamap_wire_result result = dmamap_wire_send(r->wire, f->bytes + 4, f->len - 4);

	r->gone |= result == DMAMAP_WIRE_GONE;
	r->whole = result == DMAMAP_WIRE_WAIT;
	if (!r->whole)
		f->len = f->done = 0;
}

/* From QEMU to the program: reads the length, then the frame. */
static void relay_pull(struct relay *r)
{
	struct relay_frame *f = &r->to_wire;
	u32 want = f->len ? f->len : 4, be;
	ssize_t n = recv(r->fd, f->bytes + f->done, want - f->done, MSG_DONTWAIT);

	if (n <= 0) {
		r->broken |= n == 0 || (errno != EAGAIN && errno != EINTR);
		return;
	}
	f->done += (u32)n;
	if (f->done < want)
		return;
	if (f->len) {
		relay_deliver(r);
		return;
	}
	memcpy(&be, f->bytes, 4);
	f->len = 4 + ntohl(be);
	if (f->len < 4 + DMAMAP_WIRE_FRAME_MIN || f->len > sizeof(f->bytes)) {
		log_line(LOG_ERROR, "qemu: the card sent a frame of %u bytes: wire= stops",
			 f->len - 4);
		r->broken = true;
	}
}

/* Sets the events to wait for at each end. */
static void relay_events(const struct relay *r, struct pollfd p[2])
{
	p[0].fd = r->fd;
	p[0].events = (short)((r->whole ? 0 : POLLIN) | (r->to_qemu.len ? POLLOUT : 0));
	p[1].fd = r->gone ? -1 : r->wire->fd;
	p[1].events = (short)((r->to_qemu.len ? 0 : POLLIN) | (r->whole ? POLLOUT : 0));
}

static void *relay_main(void *arg)
{
	struct relay *r = arg;
	struct pollfd p[2];

	while (!r->broken) {
		relay_events(r, p);
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (p[1].revents & (POLLIN | POLLHUP | POLLERR))
			relay_fill(r);
		relay_push(r);
		if (r->whole)
			relay_deliver(r);
		else if (p[0].revents & POLLIN)
			relay_pull(r);
		/* QEMU is gone, or relay_stop() */
		if (p[0].revents & (POLLHUP | POLLERR))
			break;
	}
	return NULL;
}

int relay_start(struct qemu *q, int fd)
{
	struct relay *r = alloc_zeroed(sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->fd = fd;
	r->wire = &q->wire;
	err = thread_start(&r->thread, relay_main, r);
	if (err) {
		alloc_free(r);
		return error_set(err, "cannot start the thread of wire=: too many threads");
	}
	q->relay = r;
	return 0;
}

void relay_stop(struct qemu *q)
{
	struct relay *r = q->relay;

	if (!r)
		return;
	shutdown(r->fd, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->fd);
	alloc_free(r);
	q->relay = NULL;
}
