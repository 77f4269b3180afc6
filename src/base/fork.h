/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child of fork() starts from the initial state: without devices, without the library's memory of
 * the parent, and without locks that a thread of the parent holds. Every file with process-wide
 * state registers functions here in a constructor, so that they are registered before any lock of
 * the library is acquired.
 *
 *   prepare   in the parent, before the fork: acquires a lock whose state the child uses
 *   parent    in the parent, after the fork: releases it
 *   child     in the child, which has one thread: resets the file's state
 *
 * Locks that `prepare` acquires are leaves of the lock order. State that the child only resets
 * needs no lock: an incomplete change by another thread of the parent is discarded.
 *
 * The child does not free what the parent allocated, since another thread may have been changing
 * it. fork_forget() keeps a pointer to it for LeakSanitizer, which also runs in a child that calls
 * exit().
 */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include "base/compiler.h"

struct fork_hook {
	void (*prepare)(void), (*parent)(void), (*child)(void); /* NULL: none */
	struct fork_hook *next;
};

void fork_hook_add(struct fork_hook *h);

/* FORK_HOOK(NAME, prepare, parent, child); at most once in a file. */
#define FORK_HOOK(name, ...)                                                                       \
	static struct fork_hook name = {__VA_ARGS__};                                              \
	__attribute__((constructor)) static void name##_add(void)                                  \
	{                                                                                          \
		fork_hook_add(&name);                                                              \
	}                                                                                          \
	struct fork_hook /* makes a semicolon after the macro valid */

/*
 * The number of forks between this process and the one that loaded the library. Changes only in a
 * child.
 */
extern u32 fork_depth __attribute__((visibility("hidden")));

/* In a child: zeroes n bytes of a file's state. */
void fork_forget(void *state, size_t n);

/*
 * Descriptors that a child closes at once. In the child they would keep a file locked or a
 * connection open after the parent has closed it. Numbers from FORK_FDS on stay open until the
 * child ends or execs.
 */
#define FORK_FDS 65536

void fork_fd_add(int fd);
void fork_fd_close(int fd); /* close(), and removes the descriptor from the list; preserves errno */

/*
 * Address ranges of the library that are absent in every child. Their addresses stay reserved
 * there, so an access through a pointer of the parent ends the child by SIGSEGV.
 */
#define FORK_RANGES 16

/* The caller has mapped the range and must set MADV_DONTFORK on what it maps there later. */
void fork_range_add(void *p, size_t n);
void fork_range_remove(void *p); /* call it before the range is unmapped */

#endif
