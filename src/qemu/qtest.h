/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's test protocol (its documentation, "QTest Device Emulation Testing Framework"). A request
 * is one line, a response is one line, and responses arrive in the order of the requests. A read
 * waits for its response. Writes are posted, as on PCI: they are executed in order, before any
 * later read, and no thread waits for their responses.
 *
 * The client has no thread of its own: a thread that waits for a response reads the socket for all
 * other threads, too. Responses to posted writes therefore stay in the socket until some thread
 * reads it. At the latest that is in qtest_drain(), which the machine's keeper calls regularly, or
 * in a writer that finds too many requests outstanding.
 *
 * Any thread may call any function at any time between qtest_init() and qtest_fini().
 */
#ifndef QEMU_QTEST_H
#define QEMU_QTEST_H

#include "base/compiler.h"

#include <pthread.h>

#define QTEST_LINE_MAX 160 /* length of a request */
/* Requests without a response; each occupies a buffer in the socket in both directions. */
#define QTEST_OUTSTANDING 128

enum qtest_state {
	QTEST_ALIVE,
	QTEST_CLOSED, /* the other end closed the socket: QEMU has ended */
	QTEST_HUNG,   /* no response for QTEST_ANSWER_MS */
	QTEST_BROKEN, /* a line that is not a response */
};

/* The end of QEMU must be detected within a second. */
#define QTEST_ANSWER_MS	 850
#define QTEST_STARVED_MS 10000 /* the same if QEMU is runnable but gets no CPU time */

struct qtest_call { /* on the stack of the thread that waits */
	u64 value;
	bool done;
};

struct qtest {
	int fd;		      /* a blocking stream socket with a receive timeout */
	pthread_mutex_t lock; /* guards the rest; released while a thread is in recv() */
	/* Signals that a response arrived, the reader stopped reading, or the connection ended. */
	pthread_cond_t changed;
	bool reading; /* a thread is in recv() or parses what it received */
	u64 asked, answered;
	u64 moved_ns; /* when the last response arrived, or the first request after an idle time */
	u64 ready_ms; /* the time that the first response may take; 0 after it */
	/* By the request's number modulo the size; NULL: a posted write. */
	struct qtest_call *call[QTEST_OUTSTANDING];
	enum qtest_state state; /* may be read atomically without the lock */
	char in[4096];		/* used by the reader only */
	unsigned int in_len;
	void (*irq)(void *arg, unsigned int line, bool raised); /* fixed; called by the reader */
	void *irq_arg;
	/*
	 * True: QEMU is runnable but gets no CPU time, so a late response is not a hang. NULL: not
	 * known. Called with the lock held.
	 */
	bool (*starved)(void *arg);
	void *starved_arg;
};

/*
 * Owns the descriptor from then on. `ready_ms`: the time that the first response may take. 0,
 * -errno.
 */
int qtest_init(struct qtest *q, int fd, u64 ready_ms);
void qtest_fini(struct qtest *q);

/*
 * Sends one request and waits for its response. 0; -EIO: the connection has ended. `value` may be
 * NULL.
 */
int qtest_ask(struct qtest *q, u64 *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sends one request without waiting. The newline is added. 0, -EIO. */
int qtest_post(struct qtest *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Waits for the responses to all requests made so far, by any thread. Returns 0 or -EIO. */
int qtest_flush(struct qtest *q);

/* Several posted writes in one system call. */
struct qtest_batch {
	struct qtest *q;
	unsigned int lines, len;
	char text[2048];
};

void qtest_batch_start(struct qtest_batch *b, struct qtest *q);
void qtest_batch_write(struct qtest_batch *b, u64 addr, unsigned int size, u64 value);
int qtest_batch_send(struct qtest_batch *b); /* sends the rest */

/* Addresses are the machine's; sizes are 1, 2, 4 and 8. A read that fails returns all ones. */
u64 qtest_read(struct qtest *q, u64 addr, unsigned int size);
void qtest_write(struct qtest *q, u64 addr, unsigned int size, u64 value);

/* Reads the responses that are there and checks for a hang. Does not wait. */
void qtest_drain(struct qtest *q);

/*
 * Ends the connection. If it has ended already, the first reason is kept. Afterwards every call
 * returns soon.
 */
void qtest_end(struct qtest *q, enum qtest_state why);

static inline enum qtest_state qtest_state(const struct qtest *q)
{
	return __atomic_load_n(&q->state, __ATOMIC_ACQUIRE);
}

#endif
