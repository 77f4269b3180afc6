/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a device's bytes move. Up to 128 bytes in aligned words, each stored and loaded whole, in
 * ascending order, as PCI Express keeps them: a driver that polls the last word of a completion
 * sees the others. What is left of the last word follows in parts of 4, 2 and 1 bytes. Longer ones
 * by the processor's string copy.
 *
 * A device may touch memory that a sanitizer calls freed (without an IOMMU it reaches all RAM), so
 * these are copy_functions of base/copy.h.
 */
#ifndef BUS_COPY_H
#define BUS_COPY_H

#include "base/copy.h"

#define COPY_WORDS_MAX 128

/* Less than 8 bytes from an address that is aligned to 8. */
copy_function void copy_tail_from_memory(u8 *to, uintptr_t from, size_t n)
{
	if (n & 4) {
		u32 v = read_acquire((const u32 *)from);

		__builtin_memcpy(to, &v, sizeof(v));
		to += 4;
		from += 4;
	}
	if (n & 2) {
		u16 v = read_acquire((const u16 *)from);

		__builtin_memcpy(to, &v, sizeof(v));
		to += 2;
		from += 2;
	}
	if (n & 1)
		*to = read_acquire((const u8 *)from);
}

copy_function void copy_tail_to_memory(uintptr_t to, const u8 *from, size_t n)
{
	if (n & 4) {
		u32 v;

		__builtin_memcpy(&v, from, sizeof(v));
		write_release((u32 *)to, v);
		to += 4;
		from += 4;
	}
	if (n & 2) {
		u16 v;

		__builtin_memcpy(&v, from, sizeof(v));
		write_release((u16 *)to, v);
		to += 2;
		from += 2;
	}
	if (n & 1)
		write_release((u8 *)to, *from);
}

/* From memory that others may be writing to the model's own buffer. */
/*
 * ThreadSanitizer sees words, and rings and registers are whole words, whose order it must see.
 * Other lengths are data, which a device may touch when it is somebody else's (policy=identity,
 * lazy): that it should not lay to the program.
 */
copy_function bool copy_in_words(size_t n)
{
#ifdef BUILT_WITH_TSAN
	return !(n & 7);
#else
	return true;
#endif
}

copy_function void copy_from_memory(void *to, const void *from, size_t n)
{
	uintptr_t at = (uintptr_t)from;

	if (n == 8 && !(at & 7)) {
		u64 v = read_acquire((const u64 *)from);

		__builtin_memcpy(to, &v, sizeof(v));
	} else if (n == 4 && !(at & 3)) {
		u32 v = read_acquire((const u32 *)from);

		__builtin_memcpy(to, &v, sizeof(v));
	} else if (!(at & 7) && n <= COPY_WORDS_MAX && copy_in_words(n)) {
		size_t i;

		for (i = 0; i + 8 <= n; i += 8) {
			u64 v = read_acquire((const u64 *)(at + i));

			__builtin_memcpy((u8 *)to + i, &v, sizeof(v));
		}
		if (n & 7)
			copy_tail_from_memory((u8 *)to + i, at + i, n & 7);
	} else {
		copy_unchecked(to, from, n);
	}
}

copy_function void copy_to_memory(void *to, const void *from, size_t n)
{
	uintptr_t at = (uintptr_t)to;

	if (n == 8 && !(at & 7)) {
		u64 v;

		__builtin_memcpy(&v, from, sizeof(v));
		write_release((u64 *)to, v);
	} else if (n == 4 && !(at & 3)) {
		u32 v;

		__builtin_memcpy(&v, from, sizeof(v));
		write_release((u32 *)to, v);
	} else if (!(at & 7) && n <= COPY_WORDS_MAX && copy_in_words(n)) {
		size_t i;

		for (i = 0; i + 8 <= n; i += 8) {
			u64 v;

			__builtin_memcpy(&v, (const u8 *)from + i, sizeof(v));
			write_release((u64 *)(at + i), v);
		}
		if (n & 7)
			copy_tail_to_memory(at + i, (const u8 *)from + i, n & 7);
	} else {
		copy_unchecked(to, from, n);
	}
}

#endif
