/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"
#include "base/compiler.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"off", "error", "warn", "info", "debug"};

enum log_level log_level(void)
{
	static int level = -1;
	int l = read_once(&level);

	if (l < 0) {
		const char *s = getenv("DMAMAP_LOG");

		l = LOG_OFF;
		for (unsigned int i = 0; s && i < ARRAY_SIZE(names); i++)
			if (!strcmp(s, names[i]))
				l = (int)i;
		write_once(&level, l);
	}
	return (enum log_level)l;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[512];
	int saved = errno;
	va_list ap;

	if (level > log_level())
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "dmamap: %s: %s\n", names[level], line);
	errno = saved;
}
