/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AddressSanitizer's marks on memory. The references are weak, so that the marks are made whenever
 * the program is built with it, whatever the library was built with.
 */
#ifndef BASE_ASAN_H
#define BASE_ASAN_H

#include <stdbool.h>
#include <stddef.h>

extern void __asan_poison_memory_region(const volatile void *p, size_t size) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *p, size_t size)
	__attribute__((weak));

/* Whether the program was built with AddressSanitizer. */
static inline bool asan_is_on(void)
{
	return __asan_poison_memory_region && __asan_unpoison_memory_region;
}

/* Only where asan_is_on(). */
static inline void asan_poison(const void *p, size_t size)
{
	__asan_poison_memory_region(p, size);
}

static inline void asan_unpoison(const void *p, size_t size)
{
	__asan_unpoison_memory_region(p, size);
}

#endif
