/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error messages of the drivers. The library's own message, dmamap_strerror(), describes a library
 * call; a driver adds what it was doing and what its device reported.
 */
#ifndef DRIVERS_MESSAGE_H
#define DRIVERS_MESSAGE_H

/*
 * Stores an error message for driver_strerror(), one for each thread, and sets errno. `err` is a
 * positive errno; returns -err.
 */
int driver_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* The same, followed by ": " and the library's own error message. */
int driver_fail_why(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Returns this thread's last error message; "" if no driver call has failed yet. */
const char *driver_strerror(void);

#endif
