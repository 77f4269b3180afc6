/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of a connection, for several threads. A request of the client is passed to the thread of
 * the device, and a reply to the thread that made the call. A request that another thread receives
 * is queued. The queue is bounded in number and bytes; a client that exceeds a bound is
 * disconnected.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "serve/served.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINK_ROOM (SERVE_XFER + 64u) /* payload of the largest message */

int serve_link_init(struct serve_link *l)
{
	pthread_condattr_t attr;

	l->main.fd = l->twin.fd = -1;
	l->last = &l->first;
	l->spare = alloc_zeroed(LINK_ROOM);
	if (!l->spare)
		return -ENOMEM;
	pthread_mutex_init(&l->send, NULL);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	l->ended = true;
	return 0;
}

void serve_link_fini(struct serve_link *l)
{
	if (!l->spare)
		return;
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->send);
	alloc_free(l->spare);
	l->spare = NULL;
}

int serve_link_begin(struct serve_link *l, int fd)
{
	int err = vfuser_channel_init(&l->main, fd);

	if (err) {
		close(fd);
		return err;
	}
	l->main.fds_accepted = SERVE_FDS;
	l->main.complete_ms = SERVE_REPLY_MS;
	pthread_mutex_lock(&l->lock);
	l->ended = l->has_twin = false;
	l->why = 0;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static void queued_free(struct serve_queued *q)
{
	vfuser_message_close(&q->m);
	alloc_free(q->m.data);
	alloc_free(q);
}

void serve_link_close(struct serve_link *l)
{
	struct serve_queued *q;

	while ((q = l->first)) {
		l->first = q->next;
		queued_free(q);
	}
	l->last = &l->first;
	l->queued = l->queued_size = 0;
	vfuser_channel_fini(&l->main);
	if (l->has_twin)
		vfuser_channel_fini(&l->twin);
	l->has_twin = false;
}

/* Called with the lock held. */
static void serve_link_set_ended(struct serve_link *l, int why)
{
	if (l->ended)
		return;
	l->ended = true;
	l->why = why;
	if (why)
		snprintf(l->reason, sizeof(l->reason), "%s",
			 error_text()[0] ? error_text() : strerror(-why));
	vfuser_channel_stop(&l->main);
	if (l->has_twin)
		vfuser_channel_stop(&l->twin);
	pthread_cond_broadcast(&l->changed);
}

void serve_link_end(struct serve_link *l, int why)
{
	pthread_mutex_lock(&l->lock);
	serve_link_set_ended(l, why);
	pthread_mutex_unlock(&l->lock);
}

/* Stores a request for the thread of the device. Called with the lock held. */
static void serve_link_queue(struct serve_link *l, struct vfuser_message *m)
{
	struct serve_queued *q = NULL;

	if (l->queued < SERVE_QUEUE && m->size <= SERVE_QUEUE_SIZE - l->queued_size)
		q = alloc_zeroed(sizeof(*q));
	if (q)
		q->m.data = alloc_zeroed(m->size ? m->size : 1);
	if (!q || !q->m.data) {
		alloc_free(q);
		vfuser_message_close(m);
		serve_link_set_ended(l, error_set(ENOBUFS,
						  "vfio-user: the client sent too many requests "
						  "while it did not answer the server's"));
		return;
	}
	memcpy(q->m.data, m->data, m->size);
	q->m.head = m->head;
	q->m.size = m->size;
	q->m.n_fds = m->n_fds;
	memcpy(q->m.fds, m->fds, sizeof(q->m.fds));
	m->n_fds = 0;
	*l->last = q;
	l->last = &q->next;
	l->queued++;
	l->queued_size += q->m.size;
}

/* Passes a reply to the call that waits for it. Called with the lock held. */
static void serve_link_answer(struct serve_link *l, struct vfuser_message *m)
{
	struct serve_call *call;

	vfuser_message_close(m);
	for (call = l->calls;
	     call && (call->done || call->id != m->head.id || call->command != m->head.command);
	     call = call->next)
		;
	if (!call)
		return; /* a reply to a call that has timed out */
	call->err = m->head.flags & VFUSER_ERROR ? (m->head.error ? (int)m->head.error : EIO) : 0;
	if (!call->err && m->size > call->room)
		call->err = EPROTO;
	if (!call->err) {
		memcpy(call->data, m->data, m->size);
		call->size = m->size;
	}
	call->done = true;
	pthread_cond_broadcast(&l->changed);
}

/*
 * Reads one message for all threads. Called with the lock held and `reading` clear; the lock is
 * released meanwhile. True: it is a request, which is in m.
 */
static bool serve_link_read(struct serve_link *l, struct vfuser_message *m)
{
	u32 type;
	int err;

	l->reading = true;
	pthread_mutex_unlock(&l->lock);
	err = vfuser_receive(&l->main, m, 0);
	pthread_mutex_lock(&l->lock);
	l->reading = false;
	if (l->calls)
		pthread_cond_broadcast(&l->changed);
	if (err) {
		if (err != -EAGAIN)
			serve_link_set_ended(l, err == -ENOTCONN ? 0 : err);
		return false;
	}
	type = m->head.flags & VFUSER_TYPE;
	if (type == VFUSER_REQUEST)
		return true;
	if (type == VFUSER_REPLY) {
		serve_link_answer(l, m);
		return false;
	}
	vfuser_message_close(m);
	error_set(EPROTO, "vfio-user: a message of type %u: a request is %u and a reply %u", type,
		  VFUSER_REQUEST, VFUSER_REPLY);
	serve_link_set_ended(l, -EPROTO);
	return false;
}

/* Waits for a change, at most one tick. Called with the lock held. */
static void serve_link_wait(struct serve_link *l)
{
	u64 until = clock_ns() + VFUSER_TICK_MS * NS_PER_MS;
	const struct timespec t = {.tv_sec = (time_t)(until / NS_PER_S),
				   .tv_nsec = (long)(until % NS_PER_S)};

	pthread_cond_timedwait(&l->changed, &l->lock, &t);
}

/* Removes the oldest queued request. Called with the lock held. */
static bool serve_link_take_queued(struct serve_link *l, struct vfuser_message *m)
{
	struct serve_queued *q = l->first;

	if (!q || q->m.size > m->room)
		return false;
	l->first = q->next;
	if (!l->first)
		l->last = &l->first;
	l->queued--;
	l->queued_size -= q->m.size;
	memcpy(m->data, q->m.data, q->m.size);
	m->head = q->m.head;
	m->size = q->m.size;
	m->n_fds = q->m.n_fds;
	memcpy(m->fds, q->m.fds, sizeof(m->fds));
	q->m.n_fds = 0;
	queued_free(q);
	return true;
}

int serve_link_next(struct serve_link *l, struct vfuser_message *m)
{
	bool got;

	pthread_mutex_lock(&l->lock);
	got = serve_link_take_queued(l, m);
	if (!got && !l->ended) {
		if (l->reading)
			serve_link_wait(l);
		else
			got = serve_link_read(l, m);
	}
	if (!got && l->ended) {
		pthread_mutex_unlock(&l->lock);
		return -ENOTCONN;
	}
	pthread_mutex_unlock(&l->lock);
	return got ? 0 : -EAGAIN;
}

bool serve_link_has_input(struct serve_link *l)
{
	bool has;

	pthread_mutex_lock(&l->lock);
	has = l->first || (!l->reading && vfuser_has_ahead(&l->main));
	pthread_mutex_unlock(&l->lock);
	return has;
}

int serve_link_send(struct serve_link *l, struct vfuser_header head, const void *data, u32 size,
		    const int *fds, u32 n_fds)
{
	const struct iovec part = {(void *)(uintptr_t)data, size};
	int err;

	pthread_mutex_lock(&l->send);
	err = vfuser_send(&l->main, head, &part, 1, fds, n_fds, SERVE_REPLY_MS);
	pthread_mutex_unlock(&l->send);
	if (err)
		serve_link_end(l, err == -EPIPE || err == -ECONNRESET ? 0 : err);
	return err;
}

static void call_remove(struct serve_link *l, const struct serve_call *call)
{
	struct serve_call **p;

	for (p = &l->calls; *p != call; p = &(*p)->next)
		;
	*p = call->next;
}

/* Waits for the reply. Called with the lock held. */
static void call_wait(struct serve_link *l, const struct serve_call *call)
{
	u64 until = clock_ns() + SERVE_REPLY_MS * NS_PER_MS;

	while (!call->done && !l->ended) {
		struct vfuser_message m = {.data = l->spare, .room = LINK_ROOM};

		if (clock_ns() >= until) {
			serve_link_set_ended(l,
					     error_set(ETIMEDOUT, "vfio-user: the client did not "
								  "answer a DMA message in time"));
			return;
		}
		if (l->reading)
			serve_link_wait(l);
		else if (serve_link_read(l, &m))
			serve_link_queue(l, &m);
	}
}

/* As serve_link_ask(), on the socket that also carries the client's requests. */
static s64 serve_link_ask_main(struct serve_link *l, struct vfuser_header head,
			       const struct iovec part[2], u8 *reply, u32 room)
{
	struct serve_call call = {.command = head.command, .data = reply, .room = room};
	int err;

	pthread_mutex_lock(&l->lock);
	if (l->ended) {
		pthread_mutex_unlock(&l->lock);
		return -ENOTCONN;
	}
	head.id = call.id = l->next_id++;
	call.next = l->calls;
	l->calls = &call;
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_lock(&l->send);
	err = vfuser_send(&l->main, head, part, 2, NULL, 0, SERVE_REPLY_MS);
	pthread_mutex_unlock(&l->send);
	pthread_mutex_lock(&l->lock);
	if (err)
		serve_link_set_ended(l, err);
	call_wait(l, &call);
	call_remove(l, &call);
	pthread_mutex_unlock(&l->lock);
	return !call.done ? -ENOTCONN : call.err ? -call.err : (s64)call.size;
}

/* As serve_link_ask(), on the second socket, which carries only these requests. */
static s64 serve_link_ask_twin(struct serve_link *l, struct vfuser_header head,
			       const struct iovec part[2], u8 *reply, u32 room)
{
	struct vfuser_message m = {.data = reply, .room = room};
	int err;

	pthread_mutex_lock(&l->send);
	head.id = l->next_id++; /* no other call uses it while there is a twin */
	err = vfuser_send(&l->twin, head, part, 2, NULL, 0, SERVE_REPLY_MS);
	if (!err)
		err = vfuser_receive(&l->twin, &m, SERVE_REPLY_MS);
	pthread_mutex_unlock(&l->send);
	vfuser_message_close(&m);
	if (!err && ((m.head.flags & VFUSER_TYPE) != VFUSER_REPLY || m.head.id != head.id ||
		     m.head.command != head.command))
		err = -EPROTO;
	if (err) {
		error_set(EPROTO, "vfio-user: a DMA message was not answered correctly: %s",
			  strerror(-err));
		serve_link_end(l, -EPROTO);
		return err;
	}
	if (m.head.flags & VFUSER_ERROR)
		return -EIO;
	return (s64)m.size;
}

s64 serve_link_ask(struct serve_link *l, u16 command, const struct iovec part[2], u8 *reply,
		   u32 room)
{
	struct vfuser_header head = {.command = command, .flags = VFUSER_REQUEST};

	return l->has_twin ? serve_link_ask_twin(l, head, part, reply, room)
			   : serve_link_ask_main(l, head, part, reply, room);
}
