/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies of a device's accesses. Up to 128 bytes are copied in aligned words, each loaded and
 * stored as a whole, in ascending order as with PCI Express: a driver that polls the last word of a
 * completion then also reads the other words. The rest of the last word follows in parts of 4, 2
 * and 1 bytes. Longer copies use trap_copy().
 *
 * The process may have unmapped the memory (base/trap.h). These functions then return false, and a
 * part may have been copied. The memory may also be freed memory for a sanitizer, because a device
 * without an IOMMU reaches all RAM. AddressSanitizer therefore does not check these accesses.
 *
 * ThreadSanitizer checks accesses to words in RAM as the atomic accesses that they are, because
 * rings and registers are whole words whose order matters. RAM is never unmapped. For words in
 * other memory it records only the order. Accesses of other lengths are data. A device may access
 * data memory after it was reused (policy=identity, lazy), which is not an error of the program, so
 * they are not checked.
 */
#ifndef BUS_COPY_H
#define BUS_COPY_H

#include "base/trap.h"
#include "mem/mem.h"

#define COPY_WORDS_MAX 128

#ifdef BUILT_WITH_TSAN
#include <sanitizer/tsan_interface.h>

static inline bool copy_sees(const void *p)
{
	u64 at = (u64)(uintptr_t)p, base = (u64)(uintptr_t)mem.base,
	    view = (u64)(uintptr_t)read_once(&mem.device_view);

	return at - base < mem.span || (view && at - view < mem.span);
}

#define COPY_LOAD(bits)                                                                            \
	static inline bool copy_load_##bits(const void *at, u##bits *v)                            \
	{                                                                                          \
		if (copy_sees(at)) {                                                               \
			*v = read_acquire((const u##bits *)at);                                    \
			return true;                                                               \
		}                                                                                  \
		if (!trap_load_##bits(at, v))                                                      \
			return false;                                                              \
		__tsan_acquire((void *)(uintptr_t)at);                                             \
		return true;                                                                       \
	}

#define COPY_STORE(bits)                                                                           \
	static inline bool copy_store_##bits(void *at, u##bits v)                                  \
	{                                                                                          \
		if (copy_sees(at)) {                                                               \
			write_release((u##bits *)at, v);                                           \
			return true;                                                               \
		}                                                                                  \
		__tsan_release(at);                                                                \
		return trap_store_##bits(at, v);                                                   \
	}

COPY_LOAD(8)
COPY_LOAD(16)
COPY_LOAD(32)
COPY_LOAD(64)
COPY_STORE(8)
COPY_STORE(16)
COPY_STORE(32)
COPY_STORE(64)
#else
#define copy_load_8   trap_load_8
#define copy_load_16  trap_load_16
#define copy_load_32  trap_load_32
#define copy_load_64  trap_load_64
#define copy_store_8  trap_store_8
#define copy_store_16 trap_store_16
#define copy_store_32 trap_store_32
#define copy_store_64 trap_store_64
#endif

hot_inline bool copy_by_words(size_t n)
{
#ifdef BUILT_WITH_TSAN
	return !(n & 7);
#else
	return true;
#endif
}

/* Copies less than 8 bytes from an address that is aligned to 8. */
static inline bool copy_tail_from_memory(u8 *to, uintptr_t from, size_t n)
{
	u32 v32;
	u16 v16;

	if (n & 4) {
		if (!copy_load_32((const void *)from, &v32))
			return false;
		__builtin_memcpy(to, &v32, sizeof(v32));
		to += 4;
		from += 4;
	}
	if (n & 2) {
		if (!copy_load_16((const void *)from, &v16))
			return false;
		__builtin_memcpy(to, &v16, sizeof(v16));
		to += 2;
		from += 2;
	}
	return !(n & 1) || copy_load_8((const void *)from, to);
}

static inline bool copy_tail_to_memory(uintptr_t to, const u8 *from, size_t n)
{
	u32 v32;
	u16 v16;

	if (n & 4) {
		__builtin_memcpy(&v32, from, sizeof(v32));
		if (!copy_store_32((void *)to, v32))
			return false;
		to += 4;
		from += 4;
	}
	if (n & 2) {
		__builtin_memcpy(&v16, from, sizeof(v16));
		if (!copy_store_16((void *)to, v16))
			return false;
		to += 2;
		from += 2;
	}
	return !(n & 1) || copy_store_8((void *)to, *from);
}

/* As trap_copy(), but a fault in the model's own buffer is raised as by an ordinary access. */
static inline bool copy_long(void *to, const void *from, size_t n, const void *buf)
{
	const void *fault = trap_copy(to, from, n);

	if (likely(!fault))
		return true;
	if ((uintptr_t)fault - (uintptr_t)buf < n) {
		if (buf == to)
			*(volatile u8 *)(uintptr_t)fault = 0;
		else
			(void)*(const volatile u8 *)fault;
	}
	return false;
}

/* Copies from memory that other threads may be writing, to the model's own buffer. */
static inline maybe_unused bool copy_from_memory(void *to, const void *from, size_t n)
{
	uintptr_t at = (uintptr_t)from;
	u64 v;

	if (n == 8 && !(at & 7)) {
		if (!copy_load_64(from, &v))
			return false;
		__builtin_memcpy(to, &v, sizeof(v));
	} else if (n == 4 && !(at & 3)) {
		return copy_tail_from_memory(to, at, n);
	} else if (!(at & 7) && n <= COPY_WORDS_MAX && copy_by_words(n)) {
		size_t i;

		for (i = 0; i + 8 <= n; i += 8) {
			if (!copy_load_64((const void *)(at + i), &v))
				return false;
			__builtin_memcpy((u8 *)to + i, &v, sizeof(v));
		}
		if (n & 7)
			return copy_tail_from_memory((u8 *)to + i, at + i, n & 7);
	} else {
		return copy_long(to, from, n, to);
	}
	return true;
}

static inline maybe_unused bool copy_to_memory(void *to, const void *from, size_t n)
{
	uintptr_t at = (uintptr_t)to;
	u64 v;

	if (n == 8 && !(at & 7)) {
		__builtin_memcpy(&v, from, sizeof(v));
		return copy_store_64(to, v);
	} else if (n == 4 && !(at & 3)) {
		return copy_tail_to_memory(at, from, n);
	} else if (!(at & 7) && n <= COPY_WORDS_MAX && copy_by_words(n)) {
		size_t i;

		for (i = 0; i + 8 <= n; i += 8) {
			__builtin_memcpy(&v, (const u8 *)from + i, sizeof(v));
			if (!copy_store_64((void *)(at + i), v))
				return false;
		}
		if (n & 7)
			return copy_tail_to_memory(at + i, (const u8 *)from + i, n & 7);
	} else {
		return copy_long(to, from, n, from);
	}
	return true;
}

#endif
