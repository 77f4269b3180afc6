/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client of the test protocol. Requests are counted by `asked`, responses by `answered`. Since
 * responses arrive in order, their number alone identifies the call to which a response belongs.
 *
 * Nothing here can overflow. At most QTEST_OUTSTANDING requests are without a response, so neither
 * the table of calls nor the socket's buffers fill. A line that does not fit into `in` ends the
 * connection, as does any line that is not a response.
 *
 * A call's record is on the stack of its thread, which returns only when the call is done or was
 * removed from the table.
 */
#include "qemu/qtest.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RECV_TIMEOUT_MS 100

int qtest_init(struct qtest *q, int fd, u64 ready_ms)
{
	const struct timeval timeout = {.tv_usec = RECV_TIMEOUT_MS * 1000};
	pthread_condattr_t attr;

	*q = (struct qtest){.fd = fd, .ready_ms = ready_ms};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		return error_set(errno, "cannot set a timeout on QEMU's socket");
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void qtest_fini(struct qtest *q)
{
	fork_fd_close(q->fd);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
}

/* Called with the lock held. */
static void qtest_set_ended(struct qtest *q, enum qtest_state why)
{
	if (q->state != QTEST_ALIVE)
		return;
	__atomic_store_n(&q->state, why, __ATOMIC_RELEASE);
	shutdown(q->fd, SHUT_RDWR); /* wakes threads that sleep in recv() or poll() */
	pthread_cond_broadcast(&q->changed);
}

void qtest_end(struct qtest *q, enum qtest_state why)
{
	pthread_mutex_lock(&q->lock);
	qtest_set_ended(q, why);
	pthread_mutex_unlock(&q->lock);
}

/* Parses one line from QEMU. Called with the lock held. */
static void qtest_parse_line(struct qtest *q, const char *line)
{
	struct qtest_call **slot, *call;
	unsigned int irq;

	if (!strncmp(line, "IRQ ", 4)) {
		bool raised = !strncmp(line + 4, "raise ", 6);

		if (q->irq && sscanf(line + 4, "%*s %u", &irq) == 1)
			q->irq(q->irq_arg, irq, raised);
		return;
	}
	if (strncmp(line, "OK", 2) != 0 || q->answered == q->asked) {
		qtest_set_ended(q, QTEST_BROKEN);
		return;
	}
	slot = &q->call[q->answered++ % QTEST_OUTSTANDING];
	call = *slot;
	*slot = NULL;
	q->ready_ms = 0;
	if (!call)
		return;
	call->value = line[2] == ' ' ? strtoull(line + 3, NULL, 0) : 0;
	call->done = true;
}

/* Parses what recv() returned. Called with the lock held. */
static void qtest_parse_input(struct qtest *q, ssize_t n)
{
	char *line = q->in, *newline;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		qtest_set_ended(q, QTEST_CLOSED);
	if (n <= 0)
		return;
	q->moved_ns = clock_ns();
	q->in_len += (unsigned int)n;
	while (q->state == QTEST_ALIVE &&
	       (newline = memchr(line, '\n', q->in_len - (size_t)(line - q->in)))) {
		*newline = 0;
		qtest_parse_line(q, line);
		line = newline + 1;
	}
	q->in_len -= (unsigned int)(line - q->in);
	memmove(q->in, line, q->in_len);
	if (q->in_len == sizeof(q->in))
		qtest_set_ended(q, QTEST_BROKEN);
}

/* Ends the connection if QEMU has not responded for too long. Called with the lock held. */
static void qtest_check_hung(struct qtest *q)
{
	u64 limit = (q->ready_ms ? q->ready_ms : QTEST_ANSWER_MS) * NS_PER_MS;
	u64 quiet = clock_ns() - q->moved_ns;

	if (q->asked == q->answered || quiet <= limit)
		return;
	if (quiet > QTEST_STARVED_MS * NS_PER_MS || !q->starved || !q->starved(q->starved_arg))
		qtest_set_ended(q, QTEST_HUNG);
}

/*
 * Reads once, for all threads. Called with the lock held and `reading` clear; releases the lock
 * meanwhile.
 */
static void qtest_read_some(struct qtest *q, int flags)
{
	ssize_t n;

	q->reading = true;
	pthread_mutex_unlock(&q->lock);
	n = recv(q->fd, q->in + q->in_len, sizeof(q->in) - q->in_len, flags);
	pthread_mutex_lock(&q->lock);
	qtest_parse_input(q, n);
	qtest_check_hung(q);
	q->reading = false;
	pthread_cond_broadcast(&q->changed);
}

/* Reads, or waits for the thread that reads. Called with the lock held. */
static void qtest_wait_some(struct qtest *q)
{
	struct timespec t;

	if (!q->reading) {
		qtest_read_some(q, 0);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += RECV_TIMEOUT_MS * 1000000l;
	if (t.tv_nsec >= 1000000000l) {
		t.tv_nsec -= 1000000000l;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&q->changed, &q->lock, &t);
}

/*
 * Sends everything. The socket's buffer is large enough, as the requests are few; a send that
 * blocks for long means a hang.
 */
static int qtest_send_all(struct qtest *q, const char *text, size_t len)
{
	u64 began = 0;

	while (len) {
		ssize_t n = send(q->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd p = {.fd = q->fd, .events = POLLOUT};

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -EIO;
		if (!began)
			began = clock_ns();
		if (clock_ns() - began > QTEST_ANSWER_MS * NS_PER_MS)
			return -EIO;
		poll(&p, 1, RECV_TIMEOUT_MS);
	}
	return 0;
}

/*
 * Sends `lines` requests. `call`: the record of the last one, which is then not a posted write.
 * Called with the lock held.
 */
static int qtest_request(struct qtest *q, const char *text, size_t len, unsigned int lines,
			 struct qtest_call *call)
{
	while (q->state == QTEST_ALIVE && q->asked + lines - q->answered > QTEST_OUTSTANDING)
		qtest_wait_some(q);
	if (q->state != QTEST_ALIVE)
		return -EIO;
	if (q->asked == q->answered)
		q->moved_ns = clock_ns();
	for (unsigned int i = 1; i < lines; i++)
		q->call[q->asked++ % QTEST_OUTSTANDING] = NULL;
	q->call[q->asked++ % QTEST_OUTSTANDING] = call;
	if (!qtest_send_all(q, text, len))
		return 0;
	q->call[(q->asked - 1) % QTEST_OUTSTANDING] = NULL;
	qtest_set_ended(q, QTEST_CLOSED);
	return -EIO;
}

static size_t qtest_format(char *line, const char *fmt, va_list args)
{
	int n = vsnprintf(line, QTEST_LINE_MAX - 1, fmt, args);

	if (n < 0 || n > QTEST_LINE_MAX - 2)
		n = QTEST_LINE_MAX - 2; /* QEMU responds to a truncated request with an error */
	line[n] = '\n';
	return (size_t)n + 1;
}

int qtest_ask(struct qtest *q, u64 *value, const char *fmt, ...)
{
	struct qtest_call call = {0};
	char line[QTEST_LINE_MAX];
	va_list args;
	size_t len;
	int err;

	va_start(args, fmt);
	len = qtest_format(line, fmt, args);
	va_end(args);
	pthread_mutex_lock(&q->lock);
	err = qtest_request(q, line, len, 1, &call);
	while (!err && !call.done) {
		if (q->state != QTEST_ALIVE) {
			for (unsigned int i = 0; i < QTEST_OUTSTANDING; i++)
				if (q->call[i] == &call)
					q->call[i] = NULL;
			err = -EIO;
			break;
		}
		qtest_wait_some(q);
	}
	pthread_mutex_unlock(&q->lock);
	if (!err && value)
		*value = call.value;
	return err;
}

int qtest_post(struct qtest *q, const char *fmt, ...)
{
	char line[QTEST_LINE_MAX];
	va_list args;
	size_t len;
	int err;

	va_start(args, fmt);
	len = qtest_format(line, fmt, args);
	va_end(args);
	pthread_mutex_lock(&q->lock);
	err = qtest_request(q, line, len, 1, NULL);
	pthread_mutex_unlock(&q->lock);
	return err;
}

int qtest_flush(struct qtest *q)
{
	u64 until;
	int err;

	pthread_mutex_lock(&q->lock);
	until = q->asked;
	while (q->state == QTEST_ALIVE && (s64)(q->answered - until) < 0)
		qtest_wait_some(q);
	err = q->state == QTEST_ALIVE ? 0 : -EIO;
	pthread_mutex_unlock(&q->lock);
	return err;
}

/* The protocol's letter for the size of an access. */
static char qtest_size_letter(unsigned int size)
{
	return size == 8 ? 'q' : size == 4 ? 'l' : size == 2 ? 'w' : 'b';
}

u64 qtest_read(struct qtest *q, u64 addr, unsigned int size)
{
	u64 ones = ~0ull >> (64 - 8 * size), value = ones;

	qtest_ask(q, &value, "read%c 0x%llx", qtest_size_letter(size), (unsigned long long)addr);
	return value & ones;
}

void qtest_write(struct qtest *q, u64 addr, unsigned int size, u64 value)
{
	qtest_post(q, "write%c 0x%llx 0x%llx", qtest_size_letter(size), (unsigned long long)addr,
		   (unsigned long long)value);
}

void qtest_batch_start(struct qtest_batch *b, struct qtest *q)
{
	b->q = q;
	b->lines = b->len = 0;
}

void qtest_batch_write(struct qtest_batch *b, u64 addr, unsigned int size, u64 value)
{
	if (b->len > sizeof(b->text) - QTEST_LINE_MAX || b->lines == QTEST_OUTSTANDING / 2)
		qtest_batch_send(b);
	b->len += (unsigned int)snprintf(b->text + b->len, QTEST_LINE_MAX,
					 "write%c 0x%llx 0x%llx\n", qtest_size_letter(size),
					 (unsigned long long)addr, (unsigned long long)value);
	b->lines++;
}

int qtest_batch_send(struct qtest_batch *b)
{
	int err = 0;

	if (b->lines) {
		pthread_mutex_lock(&b->q->lock);
		err = qtest_request(b->q, b->text, b->len, b->lines, NULL);
		pthread_mutex_unlock(&b->q->lock);
	}
	b->lines = b->len = 0;
	return err;
}

void qtest_drain(struct qtest *q)
{
	pthread_mutex_lock(&q->lock);
	/* a thread that reads checks for a hang itself after it has parsed the available input */
	if (q->state == QTEST_ALIVE && !q->reading)
		qtest_read_some(q, MSG_DONTWAIT);
	pthread_mutex_unlock(&q->lock);
}
