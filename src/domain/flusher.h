/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy=lazy: queues of unmapped ranges. A queue is flushed when it is full, and by a thread of
 * the library 10 ms after a range was added.
 */
#ifndef DOMAIN_FLUSHER_H
#define DOMAIN_FLUSHER_H

#include "domain/domain.h"

#define FLUSH_AFTER_MS 10

int flusher_add(struct domain *dom); /* creates the domain's queues; 0, -errno */
void flusher_remove(struct domain *dom);

#endif
