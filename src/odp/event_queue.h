/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of invalidation events. An event is numbered when it is read, under the queue's lock,
 * and stays in the queue until it has been processed. The munmap() that caused an event returns
 * only after the event was read. From then on, every thread that acquires the lock finds the event.
 *
 * The numbers order events relative to pages that are linked as copies (docs/copies.pml is the
 * model). A copy has the content of the memory after all events up to the number that the link
 * records. An event with a greater number concerns that memory. An event with a lower or equal
 * number concerns memory that was at the address before, and does not affect the link.
 *
 * The lock is a spin lock. Its holders must not cause an event themselves, since the threads that
 * read events acquire it. The reader makes its system calls directly, so that no wrapper of a
 * sanitizer runs, and no memory of the sanitizer is touched, while it holds the lock.
 */
#ifndef ODP_EVENT_QUEUE_H
#define ODP_EVENT_QUEUE_H

#include "base/compiler.h"

enum odp_event_kind {
	EVENT_NONE,
	EVENT_GONE,  /* [start, end) was unmapped or discarded */
	EVENT_MOVED, /* [start, end) was moved to `to` */
	EVENT_FORK,  /* the process forked: nothing is unmapped, pages are shared with a child */
	EVENT_LOST,  /* the queue was full: any event up to this number */
};

struct odp_event {
	u64 number;
	u64 start, end, to;
	enum odp_event_kind kind;
};

hot_inline bool event_is_all(const struct odp_event *event)
{
	return event->kind >= EVENT_FORK;
}

#define EVENT_QUEUE_LEN (1u << 18)
#define EVENT_NOWHERE	(~0ull)
#define EVENT_ANY	(~0ull) /* greater than the number of any event */

int event_queue_open(int uffd); /* 0, -ENOMEM */
/* Closes the spare descriptor (uffd.h), so that the userfaultfd ends with its last descriptor. */
void event_spare_close(void);
void event_queue_close(void);
void event_queue_forget(void);	    /* in a child of fork, which has no queue */
void event_queue_limit(u32 limit);  /* for tests: at most EVENT_QUEUE_LEN */
const void *event_queue_page(void); /* a page that is never touched */

/* Reads one event, numbers and queues it. Returns false if there is none. Never waits. */
bool event_take(int uffd);

/* Queues a fork event that the kernel does not report, if there is a queue. */
void event_add_fork(void);

/*
 * Only one thread at a time processes events: event_claim() returns false while another does.
 * event_next() ends the previous event and returns the next one. When it returns false, there is
 * none left and another thread may claim.
 */
bool event_claim(void);
bool event_next(struct odp_event *event);

/* The number of events that have been read. */
u64 event_number(void);

/* Whether an unprocessed event with a number above `since` concerns [start, end). */
bool event_pending(u64 start, u64 end, u64 since);

/* Whether an unprocessed event represents events whose ranges were lost. */
bool event_lost(void);

/*
 * Returns the current address of the memory that was at `va` after event `since`; EVENT_NOWHERE: it
 * is gone. *unsure is set if ranges of events were lost, so that the memory may be gone.
 */
u64 event_where(u64 va, u64 since, bool *unsure);

#endif
