/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests to the server and their replies. There is one request at a time. The thread that made it
 * reads the socket until the reply arrives, and meanwhile processes the requests of the server, so
 * the two ends never wait for each other. While no thread waits for a reply, the keeper reads the
 * socket.
 *
 * Everything that the server sends is checked. A reply must have the id and the command of the
 * request and a size that the command allows; an error must be an errno; no message may have a file
 * descriptor, except one if the call accepts it. Any violation ends the connection. A server
 * that sends requests without end delays a reply for at most the timeout, after which the
 * connection ends as well.
 *
 * Nothing can overflow: at most VFUCLIENT_POSTED_MAX small messages are in the socket beside the
 * reply to one request of the server, which is less than its buffer. A send that blocks for the
 * timeout ends the connection.
 */
#include "vfuclient/private.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ERRNO_MAX	 133 /* of Linux; a greater value of a reply is not an errno */
#define DRAIN_MAX	 16  /* messages that the keeper processes at once */
#define KEEPER_YIELDS_NS 50000

int vfuclient_error(struct vfuclient *c)
{
	const char *name = c->dev->name;

	if (c->fork_depth != fork_depth)
		return error_set(EIO, "%s: a child of fork() does not own the device", name);
	return error_set(EIO,
			 "%s: %s: its registers read all ones; close the device and open it "
			 "again",
			 name, c->reason);
}

/* Called with `io` held. The first reason is kept. */
static int call_end(struct vfuclient *c, enum vfuclient_state state, const char *why)
{
	if (c->state != VFUCLIENT_ALIVE)
		return vfuclient_error(c);
	snprintf(c->reason, sizeof(c->reason), "%s", why);
	write_release(&c->state, (u32)state);
	vfuser_channel_stop(&c->channel);
	vfuclient_irq_all(c);
	return vfuclient_error(c);
}

static int call_broken(struct vfuclient *c, const struct vfuser_message *m, const char *what)
{
	char why[REASON_MAX];

	snprintf(why, sizeof(why), "the server violated the protocol: %s (command %u, %u bytes)",
		 what, m->head.command, m->head.size);
	return call_end(c, VFUCLIENT_BROKEN, why);
}

static int call_late(struct vfuclient *c, const char *what)
{
	char why[REASON_MAX];

	snprintf(why, sizeof(why),
		 "the server did not %s within %llu s (timeout= sets another time)", what,
		 (unsigned long long)(c->timeout_ms / 1000));
	return call_end(c, VFUCLIENT_HUNG, why);
}

/* The channel failed with `err`, and an error message is set unless it is -ENOTCONN. */
static int call_failed(struct vfuclient *c, int err)
{
	char why[REASON_MAX];

	if (err == -ENOTCONN || err == -EPIPE || err == -ECONNRESET)
		return call_end(c, VFUCLIENT_CLOSED, "the server closed the connection");
	snprintf(why, sizeof(why), "%s", error_text());
	return call_end(c, err == -ETIMEDOUT ? VFUCLIENT_HUNG : VFUCLIENT_BROKEN, why);
}

/* Processes a request of the server. 0; -EIO: the connection has ended. */
static int call_serve(struct vfuclient *c)
{
	const struct vfuser_message *m = &c->in;
	u32 size = 0;
	int why, err;

	why = c->stopped ? EIO : vfuclient_access(c, m, &size);
	if (m->head.flags & VFUSER_NO_REPLY)
		return 0;
	err = vfuser_reply(&c->channel, &m->head, why, c->out_data, size, c->timeout_ms);
	return err ? call_failed(c, err) : 0;
}

static int call_send(struct vfuclient *c, const struct vfuclient_call *call, u32 flags)
{
	const struct iovec parts[2] = {{(void *)(uintptr_t)call->request, call->request_size},
				       {(void *)(uintptr_t)call->data, call->data_size}};
	const struct vfuser_header head = {
		.id = ++c->id, .command = (u16)call->command, .flags = flags};
	int err;

	write_once(&c->calls, c->calls + 1);
	err = vfuser_send(&c->channel, head, parts, 2, call->fds, call->n_fds, c->timeout_ms);
	return err ? call_failed(c, err) : 0;
}

/* The errno of a reply that reports an error. */
static int call_errno(const struct vfuser_message *m)
{
	return m->head.error && m->head.error <= ERRNO_MAX ? (int)m->head.error : EREMOTEIO;
}

/* Checks the reply. As vfuclient_call(). */
static int call_reply(struct vfuclient *c, struct vfuclient_call *call)
{
	const struct vfuser_message *m = &c->in;

	if (m->head.id != c->id || m->head.command != call->command)
		return call_broken(c, m, "a reply to another request than the one in progress");
	if ((m->head.flags & ~VFUSER_ERROR) != VFUSER_REPLY)
		return call_broken(c, m, "flags of a reply that do not exist");
	if (m->head.flags & VFUSER_ERROR)
		return m->size ? call_broken(c, m, "an error with a payload") : call_errno(m);
	if (m->size < call->reply_min || m->size > call->reply_max)
		return call_broken(c, m, "a reply of another size than the command has");
	if (call->echo_size && memcmp(m->data, call->request, call->echo_size) != 0)
		return call_broken(c, m, "a reply about another register than the requested one");
	if (m->size)
		memcpy(call->reply, m->data, m->size);
	call->reply_size = m->size;
	if (call->reply_fd && m->n_fds)
		*call->reply_fd = m->fds[0];
	c->in.n_fds = 0;
	return 0;
}

/* Receives one message. 0; -EIO: the connection has ended. */
static int call_receive(struct vfuclient *c, u64 timeout_ms)
{
	int err = vfuser_receive(&c->channel, &c->in, timeout_ms);

	if (err == -EAGAIN)
		return call_late(c, "reply");
	return err ? call_failed(c, err) : 0;
}

/*
 * The timeout is restarted after the first request of the server. A reply that no request precedes
 * therefore costs no read of the clock.
 */
static int vfuclient_call_wait(struct vfuclient *c, struct vfuclient_call *call)
{
	u64 left_ms = c->timeout_ms, until = 0, now;
	int err;

	for (;;) {
		err = call_receive(c, left_ms);
		if (err)
			return err;
		if ((c->in.head.flags & VFUSER_TYPE) != VFUSER_REQUEST)
			break;
		err = call_serve(c);
		vfuser_message_close(&c->in);
		if (err)
			return err;
		now = clock_ns();
		if (!until)
			until = now + c->timeout_ms * NS_PER_MS;
		if (now >= until)
			return call_late(c, "reply");
		left_ms = (until - now) / NS_PER_MS + 1;
	}
	err = call_reply(c, call);
	vfuser_message_close(&c->in);
	return err;
}

/* Receives and processes one message while no request is in progress. 0; -EIO as above. */
static int call_process_one(struct vfuclient *c)
{
	int err = call_receive(c, c->timeout_ms);

	if (err)
		return err;
	if ((c->in.head.flags & VFUSER_TYPE) == VFUSER_REQUEST)
		err = call_serve(c);
	else
		err = call_broken(c, &c->in, "a reply that no request is waiting for");
	vfuser_message_close(&c->in);
	return err;
}

/*
 * Processes what was read ahead behind a reply, because poll() does not report it to the keeper.
 * The channel reads ahead only when it has nothing left, so this ends.
 */
static void call_process_ahead(struct vfuclient *c)
{
	while (c->state == VFUCLIENT_ALIVE && vfuser_has_ahead(&c->channel))
		if (call_process_one(c))
			return;
}

static void call_lock(struct vfuclient *c)
{
	__atomic_fetch_add(&c->waiting, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&c->io);
	__atomic_fetch_sub(&c->waiting, 1, __ATOMIC_RELAXED);
}

static void call_unlock(struct vfuclient *c)
{
	bool faults = c->n_faults != 0;

	pthread_mutex_unlock(&c->io);
	if (unlikely(faults))
		vfuclient_keeper_wake(c);
}

static int call_locked(struct vfuclient *c, struct vfuclient_call *call)
{
	int err;

	if (c->state != VFUCLIENT_ALIVE)
		return vfuclient_error(c);
	c->channel.fds_accepted = call->reply_fd ? 1 : 0;
	if (call->reply_fd)
		*call->reply_fd = -1;
	err = call_send(c, call, VFUSER_REQUEST);
	if (!err)
		err = vfuclient_call_wait(c, call);
	c->channel.fds_accepted = 0;
	c->posted = 0;
	call_process_ahead(c);
	return err;
}

int vfuclient_call(struct vfuclient *c, struct vfuclient_call *call)
{
	int err;

	if (unlikely(vfuclient_is_dead(c)))
		return vfuclient_error(c);
	call_lock(c);
	err = call_locked(c, call);
	call_unlock(c);
	return err;
}

int vfuclient_post(struct vfuclient *c, struct vfuclient_call *call)
{
	int err;

	if (unlikely(vfuclient_is_dead(c)))
		return vfuclient_error(c);
	call_lock(c);
	if (c->state != VFUCLIENT_ALIVE) {
		err = vfuclient_error(c);
	} else if (c->posted == VFUCLIENT_POSTED_MAX) {
		err = call_locked(c, call);
	} else {
		c->posted++;
		err = call_send(c, call, VFUSER_REQUEST | VFUSER_NO_REPLY);
	}
	call_unlock(c);
	return err;
}

/* Whether a message has arrived. Called with `io` held, so that no other thread reads it. */
static bool call_has_input(struct vfuclient *c)
{
	struct pollfd p = {.fd = c->channel.fd, .events = POLLIN};

	return vfuser_has_ahead(&c->channel) || poll(&p, 1, 0) > 0;
}

void vfuclient_drain(struct vfuclient *c)
{
	const struct timespec pause = {.tv_nsec = KEEPER_YIELDS_NS};

	/* a mutex is not fair: without a pause, threads that make requests might wait for long */
	if (read_once(&c->waiting))
		nanosleep(&pause, NULL);
	pthread_mutex_lock(&c->io);
	for (int i = 0; i < DRAIN_MAX && c->state == VFUCLIENT_ALIVE && call_has_input(c); i++)
		if (call_process_one(c))
			break;
	pthread_mutex_unlock(&c->io);
}

void vfuclient_fence(struct vfuclient *c)
{
	if (c->fork_depth != fork_depth)
		return;
	call_lock(c);
	call_unlock(c);
}

void vfuclient_refuse_all(struct vfuclient *c)
{
	call_lock(c);
	c->stopped = true;
	call_unlock(c);
}

/* Checks the server's version message. 0, or -EPROTO, -EPROTONOSUPPORT, -ENOTSUP with a message. */
static int call_check_version(struct vfuclient *c, const u8 *reply, u32 size)
{
	struct vfuser_version *v = &c->server;
	int err = vfuser_version_parse(reply, size, v);

	if (err)
		return err;
	if (v->major != VFUSER_MAJOR || v->minor > VFUSER_MINOR)
		return error_set(EPROTONOSUPPORT,
				 "%s: the server has version %u.%u of the protocol, and this is "
				 "%u.%u",
				 c->path, v->major, v->minor, VFUSER_MAJOR, VFUSER_MINOR);
	if (!(v->pgsizes & PAGE_BYTES))
		return error_set(ENOTSUP,
				 "%s: the server maps no pages of 4 KiB (its mask of page sizes is "
				 "%#llx)",
				 c->path, (unsigned long long)v->pgsizes);
	if (v->twin_socket || v->twin_has_fd)
		return error_set(EPROTO,
				 "%s: the server has a second socket, which was not requested",
				 c->path);
	return 0;
}

static int call_negotiate(struct vfuclient *c)
{
	struct vfuser_version mine;
	struct vfuclient_call call = {.command = VFUSER_VERSION,
				      .request = c->out_data,
				      .reply = c->out_data,
				      .reply_min = sizeof(struct vfuser_version_head),
				      .reply_max = VFUSER_VERSION_MAX};
	int err;

	vfuser_version_defaults(&mine);
	mine.max_msg_fds = 1;
	mine.max_data_xfer_size = VFUCLIENT_XFER_MAX;
	call.request_size = vfuser_version_format(c->out_data, &mine);
	err = vfuclient_call(c, &call);
	if (err > 0)
		return error_set(err, "%s: the server refused version %u.%u of the protocol: %s",
				 c->path, VFUSER_MAJOR, VFUSER_MINOR, strerror(err));
	if (err)
		return error_set(c->state == VFUCLIENT_HUNG ? ETIMEDOUT : EPROTO,
				 "%s: no vfio-user server that is free: %s", c->path, c->reason);
	return call_check_version(c, c->out_data, call.reply_size);
}

int vfuclient_start(struct vfuclient *c, const char *path)
{
	int fd, err;

	c->in_data = alloc_zeroed(VFUCLIENT_ROOM);
	c->out_data = alloc_zeroed(VFUCLIENT_ROOM);
	if (!c->in_data || !c->out_data)
		return -ENOMEM;
	c->in.data = c->in_data;
	c->in.room = VFUCLIENT_ROOM;
	fd = vfuser_connect(path);
	if (fd < 0)
		return fd;
	err = vfuser_channel_init(&c->channel, fd);
	if (err) {
		close(fd);
		return err;
	}
	c->channel.fds_accepted = 0;
	return call_negotiate(c);
}

void vfuclient_end(struct vfuclient *c)
{
	vfuser_channel_fini(&c->channel);
	alloc_free(c->in_data);
	alloc_free(c->out_data);
	pthread_mutex_destroy(&c->io);
}
