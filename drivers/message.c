/* SPDX-License-Identifier: BSD-2-Clause */
/* One error message for each thread, truncated to the buffer. */
#include "drivers/message.h"

#include <dmamap/device.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[512];

int driver_fail(int err, const char *fmt, ...)
{
	char text[sizeof(message)];
	va_list args;

	/*
	 * An argument may be the last message, so the new one is written to another buffer first.
	 */
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	memcpy(message, text, sizeof(text));
	errno = err;
	return -err;
}

int driver_fail_why(int err, const char *fmt, ...)
{
	char text[sizeof(message)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return driver_fail(err, "%s: %s", text, dmamap_strerror());
}

const char *driver_strerror(void)
{
	return message;
}
