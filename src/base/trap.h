/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to memory that may be gone. The process can unmap or protect memory, or cut the file
 * behind it short, while a device still uses it. A plain access then ends the process by SIGSEGV or
 * SIGBUS; one of these fails instead.
 *
 * They are single instructions, or one fixed routine, whose addresses stand in a table of the
 * linker section dmamap_traps, each with the address at which a failed access goes on. The handler
 * of the two signals looks the faulting instruction up there. An access that succeeds costs no
 * instruction more than a plain one. All other faults go to the handler that the program had.
 *
 * The handler is there while anything has called trap_get(). A thread that blocks the signals dies
 * by them all the same, whatever handler there is: trap_thread() unblocks them.
 */
#ifndef BASE_TRAP_H
#define BASE_TRAP_H

#include "base/compiler.h"
#include <signal.h>

/* Puts the handler on top of what the program has now. 0; -errno and an error message. */
int trap_get(void);
/* The last one removes the handler, unless the program has put its own on top of it. */
void trap_put(void);
/* trap_thread(), and the handler is on top again if the program has replaced it since. */
void trap_begin_use(void) __attribute__((cold));

/* Asked before the table; true: it has seen to the fault. NULL: none. */
void trap_set_first(bool (*fn)(int sig, siginfo_t *info, void *context));

extern _Thread_local bool trap_thread_ready
	__attribute__((tls_model("initial-exec"), visibility("hidden")));
void trap_thread_slow(void) __attribute__((cold));

/* To be called by a thread before its first access. */
hot_inline void trap_thread(void)
{
	if (unlikely(!trap_thread_ready))
		trap_thread_slow();
}

#if defined(__x86_64__)

/* Instructions from `begin` to before `end`; with `tell` 1 the handler leaves the address in rdx.
 */
#define TRAP_ENTRY(begin, end, fixup, tell)                                                        \
	".pushsection dmamap_traps,\"a\"\n\t.balign 4\n\t"                                         \
	".long " begin " - .\n\t.long " end " - .\n\t.long " fixup " - .\n\t.long " tell           \
	"\n\t.popsection\n\t"

/*
 * Copies n bytes, ascending. NULL; else where it failed, in one of the two ranges (1: the kernel
 * did not say where), and a part may have been copied. Not seen by sanitizers.
 */
const void *trap_copy(void *to, const void *from, size_t n) __attribute__((visibility("hidden")));

/* The type's word at an aligned address. False: it is not there, or may not be accessed so. */
#define TRAP_LOAD(name, type)                                                                      \
	hot_inline bool name(const void *at, type *out)                                            \
	{                                                                                          \
		type v;                                                                            \
                                                                                                   \
		__asm__ volatile goto(                                                             \
			"1: mov (%1), %0\n\t" TRAP_ENTRY("1b", "1b + 1", "%l[gone]", "0")          \
			: "=r"(v)                                                                  \
			: "r"(at)                                                                  \
			: "memory"                                                                 \
			: gone);                                                                   \
		*out = v;                                                                          \
		return true;                                                                       \
	gone:                                                                                      \
		return false;                                                                      \
	}

#define TRAP_STORE(name, type)                                                                     \
	hot_inline bool name(void *at, type v)                                                     \
	{                                                                                          \
		__asm__ volatile goto(                                                             \
			"1: mov %1, (%0)\n\t" TRAP_ENTRY("1b", "1b + 1", "%l[gone]", "0")          \
			:                                                                          \
			: "r"(at), "r"(v)                                                          \
			: "memory"                                                                 \
			: gone);                                                                   \
		return true;                                                                       \
	gone:                                                                                      \
		return false;                                                                      \
	}

#else

static inline const void *trap_copy(void *to, const void *from, size_t n)
{
	__builtin_memmove(to, from, n);
	return NULL;
}

#define TRAP_LOAD(name, type)                                                                      \
	hot_inline bool name(const void *at, type *out)                                            \
	{                                                                                          \
		*out = read_acquire((const type *)at);                                             \
		return true;                                                                       \
	}

#define TRAP_STORE(name, type)                                                                     \
	hot_inline bool name(void *at, type v)                                                     \
	{                                                                                          \
		write_release((type *)at, v);                                                      \
		return true;                                                                       \
	}

#endif

TRAP_LOAD(trap_load_8, u8)
TRAP_LOAD(trap_load_16, u16)
TRAP_LOAD(trap_load_32, u32)
TRAP_LOAD(trap_load_64, u64)
TRAP_STORE(trap_store_8, u8)
TRAP_STORE(trap_store_16, u16)
TRAP_STORE(trap_store_32, u32)
TRAP_STORE(trap_store_64, u64)

/* Whether each page of [at, at + n) is there and may be read, or written. Changes nothing. */
bool trap_probe(const void *at, size_t n, bool write);

/* trap_copy() for memory that is the program's to use: sanitizers check it as they check memcpy. */
bool trap_copy_seen(void *to, const void *from, size_t n);

#endif
