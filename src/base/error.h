/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread's last failure, in words and as errno. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <errno.h>

/*
 * Remembers the sentence for dmamap_strerror() and sets errno. `err` is a positive errno; returns
 * -err. The sentence says what was asked, of which device, why not, and what to do.
 */
int error_set(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* The same, where the caller returns NULL. */
#define error_null(...) (error_set(__VA_ARGS__), NULL)

/* Puts "prefix: " before the thread's last sentence and leaves errno as it is. */
void error_prefix(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* The sentence; "" when nothing failed yet in this thread. */
const char *error_text(void);

#endif
