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

#endif
