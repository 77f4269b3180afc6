/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls of the monitor. */
#ifndef ODP_UFFD_H
#define ODP_UFFD_H

#include "odp/monitor.h"

/* A descriptor that tells of unmap, remove, remap and, when *forks, of fork; -1 and a sentence. */
int uffd_open(bool *forks);

/* Takes one event; false: none now. Never waits. */
bool uffd_read(int fd, struct odp_event *n);

/* Registers what can be of [start, end), in few calls. False: some of it could not be. */
bool uffd_watch(int fd, u64 start, u64 end);

#endif
