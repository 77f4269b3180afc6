/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacements for functions of the C library. The library is linked or preloaded before the C
 * library, so that its definitions are called first; calls that do not concern a socket or a name
 * of DMAMAP_XSK are passed to the next definition. Each function has a name of its own in the
 * source, and the system's name in the object file, because the C library declares some of them
 * with argument types that only its own headers can express.
 *
 * ThreadSanitizer also replaces such calls, and does not track locks inside its own functions. In a
 * build with it the replacements are left out, and the thread of port.c serves the descriptors.
 */
#ifndef XSK_INTERPOSE_H
#define XSK_INTERPOSE_H

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Looks up the definition after this one and stores it. NULL: the program is linked statically. */
static inline void *xsk_interpose_next(void **where, const char *name)
{
	void *fn = __atomic_load_n(where, __ATOMIC_ACQUIRE);

	if (!fn) {
		fn = dlsym(RTLD_NEXT, name);
		__atomic_store_n(where, fn, __ATOMIC_RELEASE);
	}
	return fn;
}

/* The next definition of a function of type `type`; NULL: there is none. */
#define NEXT_FN(type, name)                                                                        \
	({                                                                                         \
		static void *next_;                                                                \
		union {                                                                            \
			void *p;                                                                   \
			type fn;                                                                   \
		} u_ = {.p = xsk_interpose_next(&next_, #name)};                                   \
		u_.fn;                                                                             \
	})

/* Calls the next definition, or the system call of that number. */
#define NEXT(name, number, ...)                                                                    \
	({                                                                                         \
		__typeof__(&name) fn_ = NEXT_FN(__typeof__(&name), name);                          \
		fn_ ? fn_(__VA_ARGS__)                                                             \
		    : (__typeof__(fn_(__VA_ARGS__)))syscall(number, __VA_ARGS__);                  \
	})

#define INTERPOSE(type, name, ...)                                                                 \
	DMAMAP_API type xsk_sys_##name(__VA_ARGS__) __asm__(#name);                                \
	type xsk_sys_##name(__VA_ARGS__)

#endif
