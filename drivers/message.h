/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the drivers say when something fails. The library's own sentence, dmamap_strerror(), tells
 * of a library call; a driver has more to say: what it was doing, and what its device answered.
 */
#ifndef DRIVERS_MESSAGE_H
#define DRIVERS_MESSAGE_H

/*
 * Remembers a sentence for driver_strerror(), one for each thread, and sets errno. `err` is a
 * positive errno; returns -err.
 */
int driver_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* The same, ended by ": " and the library's own sentence. */
int driver_fail_why(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* This thread's last sentence; "" when no driver call failed yet. */
const char *driver_strerror(void);

#endif
