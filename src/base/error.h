/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread's last failure, as an error message and as errno. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <errno.h>

/*
 * Stores the error message for dmamap_strerror() and sets errno. `err` is a positive errno; returns
 * -err. The message says what was requested, for which device, why it failed, and how to correct
 * it.
 */
int error_set(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* error_set() for callers that return NULL. */
#define error_null(...) (error_set(__VA_ARGS__), NULL)

/* Prepends "prefix: " to the thread's last error message and leaves errno unchanged. */
void error_prefix(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* Makes the error message empty; errno is unchanged. */
void error_clear(void);

/* The error message; "" if no call has failed in this thread yet. */
const char *error_text(void);

#endif
