/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Determines which ranges of the process are memory, from /proc/self/maps, in ascending order.
 * Without that file, msync(MS_ASYNC) is used, which has no effect except that it fails for holes.
 */
#include "xsk/access.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Parses "start-end rwxp …". Returns false if the line has another format. */
static bool access_parse_line(const char *line, u64 *start, u64 *end, bool *usable)
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

/*
 * Returns whether to continue with the next line; `*at` is the first address that is not checked
 * yet.
 */
static bool access_passes_line(const char *line, u64 *at, u64 last)
{
	u64 start, end;
	bool usable;

	if (!access_parse_line(line, &start, &end, &usable) || end <= *at)
		return true;
	if (start > *at || !usable)
		return false;
	*at = end;
	return end <= last;
}

/*
 * Returns the first address of [start, last] that is not usable; an address above last if all are.
 */
static u64 access_first_bad(int fd, u64 start, u64 last)
{
	char buffer[4096];
	bool broken = false; /* in the rest of a line that is longer than the buffer */
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, buffer + have, sizeof(buffer) - 1 - have)) > 0) {
		char *line = buffer, *end;

		have += (size_t)n;
		buffer[have] = '\0';
		while ((end = strchr(line, '\n'))) {
			*end = '\0';
			if (!broken && !access_passes_line(line, &start, last))
				return start;
			broken = false;
			line = end + 1;
		}
		have = (size_t)(buffer + have - line);
		memmove(buffer, line, have);
		if (have < sizeof(buffer) - 1)
			continue;
		buffer[have] = '\0';
		if (!broken && !access_passes_line(buffer, &start, last))
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
		bad = access_first_bad(fd, start, start + size - 1);
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
