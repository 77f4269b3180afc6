/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor: receives an event for what this process does to its own memory (munmap, madvise,
 * mremap, mmap over the top, fork), through userfaultfd. Ranges are registered for write-protect
 * tracking and nothing is ever write-protected, so the program's page faults cost nothing.
 *
 * There are two threads, with every signal blocked. The thread that unmaps waits until its event is
 * read, possibly with a lock of the C library's allocator held, while serving an event (unlinking,
 * callbacks) may have to wait for that lock. So one of the two is always free to read: the thread
 * that read an event queues it (event_queue.h), and serves the queue unless the other is serving.
 * An event wakes one thread, which serves it: nothing is handed over. docs/invalidation.pml is the
 * model.
 *
 * The monitor never waits for an event of its own memory. Thread stacks, the C library's and a
 * sanitizer's memory may lie in a registered region, so the end of a thread may cause events. The
 * descriptor is therefore closed, which ends all events, before the threads end and while neither
 * uses it: monitor.c:monitor_stop().
 *
 * After fork the child has no monitor: its handler closes the descriptor, and the kernel forgets
 * the child's ranges when a thread of the parent closes what the fork event brought.
 */
#ifndef ODP_MONITOR_H
#define ODP_MONITOR_H

#include "odp/event_queue.h"

/*
 * A user of the monitor. hear() is called for every event, in their order, by one of the two
 * threads at a time. The user sets it up; it is in the list until the user leaves.
 */
struct monitor_listener {
	struct monitor_listener *next;
	void (*hear)(const struct odp_event *n);
	unsigned int users; /* under the monitor's lock */
};

/*
 * Adds a user; the first starts the monitor. Without userfaultfd it sets the error message and
 * succeeds, and there are no events. 0; -ENOMEM, -EAGAIN: no thread.
 */
int monitor_get(struct monitor_listener *l);
void monitor_put(struct monitor_listener *l); /* the last user waits for a call of hear() */

extern u32 monitor_unserved;

/* Every event that was read before the call has been served. */
hot_inline bool monitor_caught_up(void)
{
	return !read_acquire(&monitor_unserved);
}

bool monitor_on(void);	     /* events are received */
bool monitor_possible(void); /* they would be, with a user */

/* Asks for events about [start, end), page-aligned. False: not all of it can have them. */
bool monitor_watch(u64 start, u64 end);

/*
 * An event is in flight while memory has changed, or is about to, and the event has not been read.
 * So a thread may see memory that came to the place of other memory before the event of that has a
 * number. This waits for a moment in which none is in flight; what this thread saw before that is
 * older than every event that is read later. It checks at most `tries` times, 20 us apart. False:
 * there was no such moment.
 */
#define SETTLE_TRIES 10000
#define SETTLE_SOON  50 /* where the caller has another way */
bool monitor_settle(unsigned int tries);

/* The page is registered, so it is not memory that came to the place of what was. */
bool monitor_watched(u64 va);

#endif
