/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of the monitor. Those that a reader of events makes are made directly, without
 * the C library's wrappers: see event_queue.h.
 */
#ifndef ODP_UFFD_H
#define ODP_UFFD_H

#include "odp/event_queue.h"

/*
 * A descriptor that reports unmap, remove, remap and, when *forks, fork; -1 and an error message:
 * there is none.
 */
int uffd_open(bool *forks);

/*
 * Takes one event: 1; 0: there is none now; -EMFILE, -ENFILE: a fork's event is next, and there is
 * no descriptor for it. Never waits. *child: -1, or the descriptor that a fork brought, which goes
 * to uffd_free_child() and then to uffd_spare_take().
 */
int uffd_read(int fd, struct odp_event *n, int *child);

/*
 * Ends the tracking of a child's memory: its munmap() does not wait any more. The
 * descriptor stays in use, as another of `fd`, so that no thread of the program can take it.
 */
void uffd_free_child(int fd, int child);

/*
 * The spare descriptor. Reading a fork's event needs a free one: without a spare one, fork() would
 * not return while the process has none left. It is one more of `fd`, so closing `fd` ends events
 * only when the spare one is closed, too. Callers hold the lock of the queue of events, under which
 * uffd_read() is called as well.
 */
void uffd_spare_open(int fd);
void uffd_spare_close(void);
void uffd_spare_take(int child);

/* Registers what can be of [start, end), in few calls. False: some of it could not be. */
bool uffd_watch(int fd, u64 start, u64 end);

/*
 * Memory of the process changed (munmap, mremap, fork) or is about to (madvise), and the event has
 * not been read yet. `page`: a page of the library's own that nothing is ever in.
 */
bool uffd_in_flight(int fd, const void *page);

/* The page at `va` is registered, so it is not memory that came to the place of what was. */
bool uffd_watched(int fd, u64 va);

#endif
