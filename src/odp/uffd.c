/* SPDX-License-Identifier: BSD-2-Clause */
#include "odp/uffd.h"
#include "base/error.h"
#include "base/fail.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define EVENTS	   (UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_REMAP)
#define TRIES_MAX  10000	/* bounds the retries if memory changes continuously */
#define BISECT_MAX (2ull << 20) /* a larger range is split along /proc/self/maps instead */

/* Events do not need faults in kernel mode, so a descriptor without privilege suffices. */
static int uffd_open_any(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	return fd >= 0 ? fd : (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
}

int uffd_open(bool *forks)
{
	static const u64 wishes[] = {EVENTS | UFFD_FEATURE_EVENT_FORK, EVENTS};
	int fd = fail_here(FAIL_BACKEND, NULL) ? (errno = EPERM, -1) : uffd_open_any();

	for (unsigned int i = 0; fd >= 0 && i < ARRAY_SIZE(wishes); i++) {
		struct uffdio_api api = {.api = UFFD_API, .features = wishes[i]};

		if (!ioctl(fd, UFFDIO_API, &api)) {
			*forks = !i;
			return fd;
		}
	}
	error_set(
		errno,
		"userfaultfd is not available (no privilege, or a seccomp profile), so the library "
		"is not notified of memory that is unmapped: call ib_umem_invalidate_range() "
		"before you unmap it");
	if (fd >= 0)
		close(fd);
	return -1;
}

static int spare = -1; /* a spare descriptor; under the lock of the event queue */

void uffd_spare_open(int fd)
{
	spare = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

void uffd_spare_close(void)
{
	if (spare >= 0)
		syscall(SYS_close, spare);
	spare = -1;
}

/*
 * The event of a fork needs a free descriptor; if the process has none left, the spare one is
 * closed.
 */
static int uffd_read_message(int fd, struct uffd_msg *m)
{
	for (;;) {
		if (syscall(SYS_read, fd, m, sizeof(*m)) == sizeof(*m))
			return 1;
		if (errno != EMFILE && errno != ENFILE)
			return 0;
		if (spare < 0)
			return -errno;
		uffd_spare_close();
	}
}

int uffd_read(int fd, struct odp_event *event, int *child)
{
	struct uffd_msg m;
	int got;

	while ((got = uffd_read_message(fd, &m)) > 0) {
		switch (m.event) {
		case UFFD_EVENT_FORK:
			*child = (int)m.arg.fork.ufd;
			*event = (struct odp_event){.kind = EVENT_FORK};
			return 1;
		case UFFD_EVENT_REMAP:
			*event = (struct odp_event){.kind = EVENT_MOVED,
						    .start = m.arg.remap.from,
						    .end = m.arg.remap.from + m.arg.remap.len,
						    .to = m.arg.remap.to};
			return 1;
		case UFFD_EVENT_REMOVE:
		case UFFD_EVENT_UNMAP:
			*event = (struct odp_event){.kind = EVENT_GONE,
						    .start = m.arg.remove.start,
						    .end = m.arg.remove.end};
			return 1;
		default:
			break;
		}
	}
	return got;
}

void uffd_free_child(int fd, int child)
{
	syscall(SYS_dup3, fd, child, O_CLOEXEC);
}

void uffd_spare_take(int child)
{
	if (spare < 0)
		spare = child;
	else
		syscall(SYS_close, child);
}

static int uffd_register_range(int fd, u64 start, u64 end)
{
	struct uffdio_register r = {.range = {.start = start, .len = end - start},
				    .mode = UFFDIO_REGISTER_MODE_WP};

	return ioctl(fd, UFFDIO_REGISTER, &r) ? errno : 0;
}

/*
 * Registers every mapping separately, so that one that cannot be registered (a file mapping) does
 * not fail the others.
 */
static void uffd_watch_mappings(int fd, u64 start, u64 end)
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
		uffd_watch_mappings(fd, start, end);
	} else if (end - start > 4096) {
		middle = start + ((end - start) >> 13 << 12);
		uffd_watch(fd, start, middle);
		uffd_watch(fd, middle, end);
	}
	return false;
}

/*
 * Removing a protection that is not set changes nothing; the kernel refuses it with EAGAIN while a
 * change is in progress.
 */
static int uffd_try(int fd, u64 va)
{
	struct uffdio_writeprotect w = {.range = {.start = va, .len = PAGE_BYTES}};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &w) ? errno : 0;
}

bool uffd_in_flight(int fd, const void *page)
{
	return uffd_try(fd, (u64)(uintptr_t)page) == EAGAIN;
}

bool uffd_watched(int fd, u64 va)
{
	int err = EAGAIN;

	for (unsigned int tries = 0; tries < TRIES_MAX && err == EAGAIN; tries++) {
		if (tries)
			sched_yield();
		err = uffd_try(fd, va);
	}
	return !err;
}
