/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notices: what this process does to its own memory (munmap, madvise, mremap, mmap over the top,
 * fork), told by userfaultfd. Ranges are registered for write-protect tracking and nothing is ever
 * write-protected, so the program's page faults cost nothing.
 *
 * Two threads with every signal blocked. The thread that unmaps waits until its event is read,
 * possibly with a lock of the C library's allocator held, while serving an event (unlinking,
 * callbacks) may have to wait for that lock. So one of the two is always there to read: who has
 * read an event queues it, and serves the queue if the other is not serving. An event wakes one
 * thread, which serves it: nothing is handed over. A full queue loses which ranges, not that there
 * were some: then everything counts as taken. docs/invalidation.pml is the model.
 *
 * After fork the child has no monitor: its handler closes the descriptor, and the kernel forgets
 * the child's ranges when a thread of the parent's closes what the fork event brought.
 */
#ifndef ODP_MONITOR_H
#define ODP_MONITOR_H

#include "base/compiler.h"

struct odp_event {
	u64 start, end; /* pages taken: [start, end) */
	bool all;	/* fork, or events were lost: everything */
};

/* Each user has one; hears in one of the two threads at a time. Set up by the user, in the list
 * until it leaves. */
struct listener {
	struct listener *next;
	void (*hear)(const struct odp_event *n);
	unsigned int users; /* under the monitor's lock */
};

/*
 * Starts the monitor with its first user. Without userfaultfd it says why and the process goes on
 * without notices. 0; -ENOMEM, -EAGAIN: no thread.
 */
int monitor_get(struct listener *l);
void monitor_put(struct listener *l); /* waits for a call of hear() when it was the last */

extern u32 monitor_unserved;

/* What went before the call has been heard of. */
hot_inline bool monitor_caught_up(void)
{
	return !read_acquire(&monitor_unserved);
}

bool monitor_on(void);	     /* notices come */
bool monitor_possible(void); /* they would, if somebody asked */

/* Asks for notices about [start, end), page-aligned. False: not all of it can have them. */
bool monitor_watch(u64 start, u64 end);

#endif
