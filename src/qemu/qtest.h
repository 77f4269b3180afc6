/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's test protocol (its documentation, "QTest Device Emulation Testing Framework"): one line
 * asks, one line answers, in order. Reads wait for their answer; writes are posted, as on PCI: they
 * are carried out in order, before any later read, and nobody waits for the answer.
 *
 * There is no thread of its own: who waits for an answer reads the socket, for all others too. So
 * answers to posted writes lie in the socket until somebody reads, at the latest qtest_drain(),
 * which the machine's keeper calls now and then, or the writer who finds too many outstanding.
 *
 * Any thread may call anything at any time between qtest_init() and qtest_fini().
 */
#ifndef QEMU_QTEST_H
#define QEMU_QTEST_H

#include "base/compiler.h"

#include <pthread.h>

#define QTEST_LINE_MAX 160 /* of a request */
#define QTEST_OUTSTANDING                                                                          \
	128 /* requests without an answer; each is a buffer in the socket both ways */

enum qtest_state {
	QTEST_ALIVE,
	QTEST_CLOSED, /* the other end is closed: QEMU ended */
	QTEST_HUNG,   /* no answer for QTEST_ANSWER_MS */
	QTEST_BROKEN, /* an answer that is none */
};

/* QEMU must be known to be dead within a second. */
#define QTEST_ANSWER_MS	 850
#define QTEST_STARVED_MS 10000 /* the same, of one that has no processor to run on */

struct qtest_call { /* lives on the stack of who waits */
	u64 value;
	bool done;
};

struct qtest {
	int fd;			/* a stream socket, blocking, with a receive timeout */
	pthread_mutex_t lock;	/* guards the rest; given back while somebody is in recv */
	pthread_cond_t changed; /* an answer came, the reader stopped reading, or it is over */
	bool reading;		/* somebody is in recv, or parses what it brought */
	u64 asked, answered;
	u64 moved_ns; /* when the last answer came, or the first request after a quiet time */
	u64 ready_ms; /* the first answer may take this long; 0 after it */
	struct qtest_call *call[QTEST_OUTSTANDING]; /* by number modulo; NULL: a posted write */
	enum qtest_state state;			    /* atomic to read without the lock */
	char in[4096];				    /* belongs to the reader */
	unsigned int in_len;
	void (*irq)(void *arg, unsigned int line, bool raised); /* fixed; called by the reader */
	void *irq_arg;
	/* Whether QEMU would answer if it had a processor; NULL: not known. Called under lock. */
	bool (*starved)(void *arg);
	void *starved_arg;
};

/* Takes the descriptor. `ready_ms`: how long the first answer may take. 0, -errno. */
int qtest_init(struct qtest *q, int fd, u64 ready_ms);
void qtest_fini(struct qtest *q);

/* Sends one request and waits for its answer. 0; -EIO: it is over. `value` may be NULL. */
int qtest_ask(struct qtest *q, u64 *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sends and does not wait. The newline is added. 0, -EIO. */
int qtest_post(struct qtest *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Waits until every request so far has its answer, those of other threads, too. 0, -EIO. */
int qtest_flush(struct qtest *q);

/* Several posted writes in one system call. */
struct qtest_batch {
	struct qtest *q;
	unsigned int lines, len;
	char text[2048];
};

void qtest_batch_start(struct qtest_batch *b, struct qtest *q);
void qtest_batch_write(struct qtest_batch *b, u64 addr, unsigned int size, u64 value);
int qtest_batch_send(struct qtest_batch *b); /* what is left */

/* Machine addresses; sizes 1, 2, 4 and 8. A read that fails gives all ones. */
u64 qtest_read(struct qtest *q, u64 addr, unsigned int size);
void qtest_write(struct qtest *q, u64 addr, unsigned int size, u64 value);

/* Takes in the answers that are there, and sees whether it hangs. Does not wait. */
void qtest_drain(struct qtest *q);

/* It is over, for the reason given; the first stays. Every call returns soon. */
void qtest_end(struct qtest *q, enum qtest_state why);

static inline enum qtest_state qtest_state(const struct qtest *q)
{
	return __atomic_load_n(&q->state, __ATOMIC_ACQUIRE);
}

#endif
