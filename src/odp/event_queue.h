/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of invalidation events. An event gets its number while it is read, under the queue's
 * lock, and stays in the queue until it has been served. The munmap() that caused it returns once
 * it is read, so after that every thread that takes the lock finds the event here.
 *
 * The numbers order events against pages that are linked as copies (docs/copies.pml is the model).
 * A copy is made of the memory as it stands after all events up to the number that the link notes.
 * An event with a greater number is about that memory. An event with a lesser or equal number is
 * about memory that stood at the address before, and does not concern the link.
 *
 * The lock is a spin lock and its holders make no call that could cause an event of their own,
 * since a thread that reads events takes it. The reader makes its system calls directly, so that no
 * sanitizer's wrapper runs, and the sanitizer's own memory is not touched, while it holds the lock.
 */
#ifndef ODP_EVENT_QUEUE_H
#define ODP_EVENT_QUEUE_H

#include "base/compiler.h"

enum notice_kind {
	NOTICE_NONE,
	NOTICE_GONE,  /* [start, end) was unmapped or discarded */
	NOTICE_MOVED, /* [start, end) is at `to` now */
	NOTICE_FORK,  /* the process forked: nothing is gone, pages are shared with a child */
	NOTICE_LOST,  /* the queue was full: whatever happened, up to this number */
};

struct odp_event {
	u64 number;
	u64 start, end, to;
	enum notice_kind kind;
};

hot_inline bool notice_is_all(const struct odp_event *n)
{
	return n->kind >= NOTICE_FORK;
}

#define EVENT_QUEUE_LEN (1u << 18)
#define EVENT_NOWHERE	(~0ull)
#define EVENT_ANY	(~0ull) /* a number that is greater than any event's */

int event_queue_open(int uffd); /* 0, -ENOMEM */
void event_spare_close(void);	/* of uffd.h: with it the last descriptor of uffd may go */
void event_queue_close(void);
void event_queue_forget(void);	    /* in a child of fork, which has no queue */
void event_queue_limit(u32 limit);  /* for tests: at most EVENT_QUEUE_LEN */
const void *event_queue_page(void); /* one in which nothing is ever */

/* Reads one event, numbers and queues it. False: there was none. Never waits. */
bool event_take(int uffd);

/* Queues a fork that the kernel does not report, unless there is no queue now. */
void event_add_fork(void);

/*
 * The one thread that serves: event_claim() is false while another does. event_next() ends the
 * event before, gives the next, and when there is none, false: then another thread may serve.
 */
bool event_claim(void);
bool event_next(struct odp_event *n);

/* How many events have been read. */
u64 event_number(void);

/* An event newer than number `since` that is not served yet is about [start, end). */
bool event_pending(u64 start, u64 end, u64 since);

/* Events are queued or being served whose ranges were lost. */
bool event_lost(void);

/*
 * Where the memory is now that stood at `va` after event number `since`; EVENT_NOWHERE: gone.
 * *unsure: ranges of events were lost, so it may be gone.
 */
u64 event_where(u64 va, u64 since, bool *unsure);

#endif
