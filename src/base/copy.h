/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies of memory that may include bytes outside of any live object, as hardware makes them: whole
 * cache lines, or memory that the process has freed. AddressSanitizer would report these copies as
 * errors of the program, so they are not instrumented.
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
 * Zeroes memory that a device may still access, which policy=identity and lazy permit. A sanitizer
 * would report the device's race against the next owner of the memory.
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
