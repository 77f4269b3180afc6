/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the system which ranges of the process are memory: /proc/self/maps, in ascending order.
 * Where there is no such file, msync(MS_ASYNC), which does nothing but look for holes.
 */
#include "xsk/access.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* "start-end rwxp …". False: no such line. */
static bool parse_line(const char *line, u64 *start, u64 *end, bool *usable)
{
	char *at;

	*start = strtoull(line, &at, 16);
	if (*at != '-')
		return false;
	*end = strtoull(at + 1, &at, 16);
	if (at[0] != ' ' || strlen(at) < 3)
		return false;
	*usable = at[1] == 'r' && at[2] == 'w';
	return true;
}

/* Goes on with the next line; `*at` is the first address not yet known to be good. */
static bool passes_line(const char *line, u64 *at, u64 last)
{
	u64 start, end;
	bool usable;

	if (!parse_line(line, &start, &end, &usable) || end <= *at)
		return true;
	if (start > *at || !usable)
		return false;
	*at = end;
	return end <= last;
}

/* The first address of [start, last] that is not usable; past last: all are. */
static u64 first_bad(int fd, u64 start, u64 last)
{
	char buffer[4096];
	bool broken = false; /* in a line longer than the buffer, past the part that counts */
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, buffer + have, sizeof(buffer) - 1 - have)) > 0) {
		char *line = buffer, *end;

		have += (size_t)n;
		buffer[have] = '\0';
		while ((end = strchr(line, '\n'))) {
			*end = '\0';
			if (!broken && !passes_line(line, &start, last))
				return start;
			broken = false;
			line = end + 1;
		}
		have = (size_t)(buffer + have - line);
		memmove(buffer, line, have);
		if (have < sizeof(buffer) - 1)
			continue;
		buffer[have] = '\0';
		if (!broken && !passes_line(buffer, &start, last))
			return start;
		broken = true;
		have = 0;
	}
	return start;
}

int memory_writable(u64 start, u64 size)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	u64 bad = start;

	if (fd >= 0) {
		bad = first_bad(fd, start, start + size - 1);
		close(fd);
	} else if (!msync((void *)(uintptr_t)start, size, MS_ASYNC)) {
		return 0;
	}
	if (bad > start + size - 1)
		return 0;
	return error_set(bad == start ? EFAULT : ENOMEM,
			 "cannot register a UMEM: at %#llx the process "
			 "has no memory that it can write",
			 (unsigned long long)bad);
}
