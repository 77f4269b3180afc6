/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor receives an event for every change that this process makes to its own memory (munmap,
 * madvise, mremap, mmap over existing memory, fork), through userfaultfd. Ranges are registered for
 * write-protect tracking, but nothing is ever write-protected, so the program's page faults have no
 * additional cost.
 *
 * There are two threads, which block every signal. The thread that unmaps waits until its event is
 * read, possibly while it holds a lock of the C library's allocator, and processing an event
 * (unlinking, callbacks) may need to wait for that lock. Therefore one of the two threads is always
 * free to read. The thread that read an event queues it (event_queue.h) and processes the queue
 * unless the other is doing so. An event wakes one thread, which processes it; there is no handover
 * between threads. docs/invalidation.pml is the model.
 *
 * The monitor never waits for an event that it caused itself. Thread stacks and the memory of the C
 * library or of a sanitizer may be in a registered region, so the end of a thread may cause events.
 * The descriptor is therefore closed, which ends all events, before the threads end and while
 * neither uses it: monitor.c:monitor_stop().
 *
 * After fork the child has no monitor: its fork handler closes the descriptor, and the kernel stops
 * tracking the child's ranges when a thread of the parent closes the descriptor of the fork event.
 */
#ifndef ODP_MONITOR_H
#define ODP_MONITOR_H

#include "odp/event_queue.h"

/*
 * A user of the monitor. process() is called for every event, in order, by one of the two threads
 * at a time. The user initialises the structure; it is in the list until monitor_put().
 */
struct monitor_listener {
	struct monitor_listener *next;
	void (*process)(const struct odp_event *event);
	unsigned int users; /* under the monitor's lock */
};

/*
 * Adds a user; the first one starts the monitor. Without userfaultfd it succeeds, sets the error
 * message, and there are no events. Returns 0; -ENOMEM, -EAGAIN: no thread could be started.
 */
int monitor_get(struct monitor_listener *l);
/* Removes a user; the last one waits for a call of process() that is in progress. */
void monitor_put(struct monitor_listener *l);

extern u32 monitor_unserved;

/* Whether every event that was read before the call has been processed. */
hot_inline bool monitor_caught_up(void)
{
	return !read_acquire(&monitor_unserved);
}

bool monitor_on(void);	     /* events are received */
bool monitor_possible(void); /* events would be received if there were a user */

/*
 * Registers [start, end), page-aligned, for events. Returns false if a part of it cannot be
 * registered.
 */
bool monitor_watch(u64 start, u64 end);

/*
 * An event is in flight while memory has changed, or is about to change, and the event has not been
 * read. A thread may therefore access new memory at an address before the event of the old memory
 * has a number. This function waits for a moment in which no event is in flight. What this thread
 * read before that moment is older than every event that is read later. It checks at most `tries`
 * times, 20 us apart. Returns false if there was no such moment.
 */
#define SETTLE_TRIES 10000
#define SETTLE_SOON  50 /* for callers that have a fallback */
bool monitor_settle(unsigned int tries);

/*
 * Whether the page is registered. If so, it is not new memory that replaced the registered memory.
 */
bool monitor_watched(u64 va);

#endif
