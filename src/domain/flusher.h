/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy=lazy: queues of unmapped ranges, flushed when one is full and by a thread of the
 * library's 10 ms after something was put in.
 */
#ifndef DOMAIN_FLUSHER_H
#define DOMAIN_FLUSHER_H

#include "domain/domain.h"

#define FLUSH_AFTER_MS 10

int flusher_add(struct domain *dom); /* makes its queues; 0, -errno */
void flusher_remove(struct domain *dom);

#endif
