/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/error.h"
#include "base/compiler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT_MAX 512

static _Thread_local char text[ERROR_TEXT_MAX];

int error_set(int err, const char *fmt, ...)
{
	char fresh[ERROR_TEXT_MAX];
	va_list ap;

	/* the arguments may point into the old text */
	va_start(ap, fmt);
	vsnprintf(fresh, sizeof(fresh), fmt, ap);
	va_end(ap);
	memcpy(text, fresh, sizeof(text));
	errno = err;
	return -err;
}

void error_prefix(const char *fmt, ...)
{
	char fresh[ERROR_TEXT_MAX];
	size_t used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(fresh, sizeof(fresh), fmt, ap);
	va_end(ap);
	used = n < 0 ? 0 : (size_t)n < sizeof(fresh) ? (size_t)n : sizeof(fresh) - 1;
	snprintf(fresh + used, sizeof(fresh) - used, ": %.*s", (int)(sizeof(fresh) - used), text);
	memcpy(text, fresh, sizeof(text));
}

void error_clear(void)
{
	text[0] = 0;
}

const char *error_text(void)
{
	return text;
}
