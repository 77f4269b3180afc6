/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to memory that may be absent. The process can unmap or protect memory, or truncate the
 * file behind it, while a device still uses it. A plain access would then end the process by
 * SIGSEGV or SIGBUS; an access through these functions fails instead.
 *
 * They are single instructions, or one fixed routine. A table in the linker section dmamap_traps
 * has their addresses, each with the address at which execution continues after a fault. The
 * handler of the two signals looks up the faulting instruction there. An access that succeeds costs
 * no additional instruction. Every other fault is passed to the program's handler.
 *
 * The handler is installed between trap_get() and the last trap_put(). A thread that blocks these
 * signals would be killed by a fault in spite of the handler; trap_thread() unblocks them.
 */
#ifndef BASE_TRAP_H
#define BASE_TRAP_H

#include "base/compiler.h"
#include <signal.h>

/* Installs the handler on top of the program's. Returns 0, or -errno with an error message. */
int trap_get(void);
/* The last call removes the handler, unless the program has installed its own on top of it. */
void trap_put(void);
/* trap_thread(); also puts the handler on top again if the program has replaced it since. */
void trap_begin_use(void) __attribute__((cold));

/*
 * Sets a function that the handler calls before it searches the table. It returns true if it has
 * handled the fault. NULL: none.
 */
void trap_set_first(bool (*fn)(int sig, siginfo_t *info, void *context));

extern _Thread_local bool trap_thread_ready
	__attribute__((tls_model("initial-exec"), visibility("hidden")));
void trap_thread_slow(void) __attribute__((cold));

/* A thread must call this before its first access. */
hot_inline void trap_thread(void)
{
	if (unlikely(!trap_thread_ready))
		trap_thread_slow();
}

#if defined(__x86_64__)

/*
 * Table entry for the instructions in [begin, end); with `tell` 1 the handler stores the address in
 * rdx.
 */
#define TRAP_ENTRY(begin, end, fixup, tell)                                                        \
	".pushsection dmamap_traps,\"a\"\n\t.balign 4\n\t"                                         \
	".long " begin " - .\n\t.long " end " - .\n\t.long " fixup " - .\n\t.long " tell           \
	"\n\t.popsection\n\t"

/*
 * Copies n bytes in ascending order. Returns NULL, or the address that faulted, which is in one of
 * the two ranges (1: the kernel did not report it); a part may have been copied. Sanitizers do not
 * check it.
 */
const void *trap_copy(void *to, const void *from, size_t n) __attribute__((visibility("hidden")));

/* Load one word at an aligned address. Return false if it is absent or not accessible. */
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

/* Whether every page of [at, at + n) is present and readable, or writable. Changes nothing. */
bool trap_probe(const void *at, size_t n, bool write);

/* trap_copy() for memory that belongs to the program: sanitizers check it like memcpy(). */
bool trap_copy_seen(void *to, const void *from, size_t n);

#endif
