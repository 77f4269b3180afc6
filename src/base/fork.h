/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child of fork() starts from nothing: no device, no memory of the library's that the parent
 * has, no lock that a thread of the parent holds. Each file that has state of the process
 * registers functions here, by a constructor, so that they are registered before any lock of the
 * library is taken.
 *
 *   prepare   in the parent, before: takes a lock whose state the child uses
 *   parent    in the parent, after: gives it back
 *   child     in the child, which has one thread: sets the file's state as it was at the start
 *
 * Locks that `prepare` takes are leaves of the order of locks. State that is only set anew in the
 * child needs none: whatever another thread was changing in it is forgotten.
 *
 * What the parent allocated is not freed in the child, since it may have been half changed. For
 * AddressSanitizer's check for leaks, which runs in a child that calls exit(), fork_forget() keeps
 * a way to it.
 */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include "base/compiler.h"

struct fork_hook {
	void (*prepare)(void), (*parent)(void), (*child)(void); /* NULL: none */
	struct fork_hook *next;
};

void fork_hook_add(struct fork_hook *h);

/* FORK_HOOK(NAME, prepare, parent, child); in one file, once. */
#define FORK_HOOK(name, ...)                                                                       \
	static struct fork_hook name = {__VA_ARGS__};                                              \
	__attribute__((constructor)) static void name##_add(void)                                  \
	{                                                                                          \
		fork_hook_add(&name);                                                              \
	}                                                                                          \
	struct fork_hook /* takes a semicolon */

/* How often this process is a child of the one that loaded the library; fixed but in a child. */
extern u32 fork_depth __attribute__((visibility("hidden")));

/* Zeroes n bytes of a file's state, in a child. */
void fork_forget(void *state, size_t n);

/*
 * Descriptors that a child closes at once: kept open there, they would keep a file locked or a
 * connection up that the parent has closed. Those past FORK_FDS stay open until the child ends or
 * execs.
 */
#define FORK_FDS 65536

void fork_fd_add(int fd);
void fork_fd_close(int fd); /* close(), and a child does not; keeps errno */

/*
 * Address ranges of the library's that no child has. Neither their memory nor, later, other memory
 * is there: an access through a pointer of the parent's ends the child by SIGSEGV.
 */
#define FORK_RANGES 16

/* Mapped by the caller. What it maps there later has MADV_DONTFORK, too. */
void fork_range_add(void *p, size_t n);
void fork_range_remove(void *p); /* before it is unmapped */

#endif
