/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies that move what a machine would move: whole cache lines with what shares them, memory that
 * the process has freed. AddressSanitizer would call that a fault of the program's.
 */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include "base/compiler.h"

#ifdef BUILT_WITH_ASAN
#define copy_function static __attribute__((noinline, no_sanitize("address"))) maybe_unused
#else
#define copy_function static inline maybe_unused
#endif

copy_function void copy_unchecked(void *to, const void *from, size_t n)
{
#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
	for (size_t i = 0; i < n; i++)
		((volatile u8 *)to)[i] = ((const volatile u8 *)from)[i];
#endif
}

/*
 * Zeroes memory that a device may still reach, as policy=identity and lazy let it: a race of the
 * device's, which a sanitizer would lay to whoever takes the memory next.
 */
copy_function void zero_unchecked(void *to, size_t n)
{
#if defined(__x86_64__)
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
#else
	for (size_t i = 0; i < n; i++)
		((volatile u8 *)to)[i] = 0;
#endif
}

#endif
