/* SPDX-License-Identifier: BSD-2-Clause */
#include "odp/uffd.h"
#include "base/error.h"
#include "base/fail.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define EVENTS	   (UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_REMAP)
#define BISECT_MAX (2ull << 20) /* a larger range is looked up in the list of mappings instead */

/* Events need no faults in kernel mode, so the kind that asks for no privilege will do. */
static int open_any(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	return fd >= 0 ? fd : (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
}

int uffd_open(bool *forks)
{
	static const u64 wishes[] = {EVENTS | UFFD_FEATURE_EVENT_FORK, EVENTS};
	int fd = fail_here(FAIL_BACKEND, NULL) ? (errno = EPERM, -1) : open_any();

	for (unsigned int i = 0; fd >= 0 && i < ARRAY_SIZE(wishes); i++) {
		struct uffdio_api api = {.api = UFFD_API, .features = wishes[i]};

		if (!ioctl(fd, UFFDIO_API, &api)) {
			*forks = !i;
			return fd;
		}
	}
	error_set(
		errno,
		"userfaultfd is not to be had (no privilege, or a seccomp profile), so nobody "
		"notices when memory is unmapped: call ib_umem_invalidate_range() before it goes");
	if (fd >= 0)
		close(fd);
	return -1;
}

bool uffd_read(int fd, struct odp_event *n)
{
	struct uffd_msg m;

	while (read(fd, &m, sizeof(m)) == sizeof(m)) {
		*n = (struct odp_event){0};
		switch (m.event) {
		case UFFD_EVENT_FORK:
			/* closing it is what frees the child of us */
			close((int)m.arg.fork.ufd);
			n->all = true;
			return true;
		case UFFD_EVENT_REMAP:
			n->start = m.arg.remap.from;
			n->end = m.arg.remap.from + m.arg.remap.len;
			return true;
		case UFFD_EVENT_REMOVE:
		case UFFD_EVENT_UNMAP:
			n->start = m.arg.remove.start;
			n->end = m.arg.remove.end;
			return true;
		default:
			break;
		}
	}
	return false;
}

static int uffd_register_range(int fd, u64 start, u64 end)
{
	struct uffdio_register r = {.range = {.start = start, .len = end - start},
				    .mode = UFFDIO_REGISTER_MODE_WP};

	return ioctl(fd, UFFDIO_REGISTER, &r) ? errno : 0;
}

/* Each mapping alone: one that cannot be watched (a file's) must not keep the others out. */
static void watch_mappings(int fd, u64 start, u64 end)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long a, b;
	char rest[256];

	while (maps && fscanf(maps, "%llx-%llx", &a, &b) == 2) {
		do {
			if (!fgets(rest, sizeof(rest), maps))
				break;
		} while (!__builtin_strchr(rest, '\n'));
		if (a < start)
			a = start;
		if (b > end)
			b = end;
		if (a < b)
			uffd_register_range(fd, a, b);
	}
	if (maps)
		fclose(maps);
}

bool uffd_watch(int fd, u64 start, u64 end)
{
	u64 middle;

	if (!uffd_register_range(fd, start, end))
		return true;
	if (end - start > BISECT_MAX) {
		watch_mappings(fd, start, end);
	} else if (end - start > 4096) {
		middle = start + ((end - start) >> 13 << 12);
		uffd_watch(fd, start, middle);
		uffd_watch(fd, middle, end);
	}
	return false;
}
