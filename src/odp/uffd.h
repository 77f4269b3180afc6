/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of the monitor. Those made while reading events are made directly, without the C
 * library's wrappers: see event_queue.h.
 */
#ifndef ODP_UFFD_H
#define ODP_UFFD_H

#include "odp/event_queue.h"

/*
 * Returns a descriptor that reports unmap, remove, remap and, if *forks is set, fork; or -1 with an
 * error message.
 */
int uffd_open(bool *forks);

/*
 * Reads one event. Returns 1; 0: there is none; -EMFILE, -ENFILE: the next event is that of a fork,
 * and there is no free descriptor for it. Never waits. *child is -1, or the descriptor of a fork
 * event, which must be passed to uffd_free_child() and then to uffd_spare_take().
 */
int uffd_read(int fd, struct odp_event *event, int *child);

/*
 * Ends the tracking of a child's memory, so that its munmap() does not wait any more. The
 * descriptor number stays in use, as a duplicate of `fd`, so that no thread of the program can
 * allocate it.
 */
void uffd_free_child(int fd, int child);

/*
 * The spare descriptor. Reading the event of a fork needs a free descriptor number; without a spare
 * one, fork() would not return while the process has none left. It is a duplicate of `fd`, so
 * events end only when both are closed. Callers hold the lock of the event queue, as they do for
 * uffd_read().
 */
void uffd_spare_open(int fd);
void uffd_spare_close(void);
void uffd_spare_take(int child);

/*
 * Registers [start, end) as far as possible, in few calls. Returns false if a part could not be
 * registered.
 */
bool uffd_watch(int fd, u64 start, u64 end);

/*
 * Whether memory of the process has changed (munmap, mremap, fork), or is about to (madvise), and
 * the event has not been read yet. `page`: a page of the library that is never touched.
 */
bool uffd_in_flight(int fd, const void *page);

/*
 * Whether the page at `va` is registered. If so, it is not new memory that replaced the registered
 * memory.
 */
bool uffd_watched(int fd, u64 va);

#endif
