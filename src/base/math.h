/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic on unchecked sizes and addresses. */
#ifndef BASE_MATH_H
#define BASE_MATH_H

#include "base/compiler.h"

/* Whether [start, start + size) is a range: size is not 0 and its last byte does not wrap. */
static inline bool range_ok(u64 start, u64 size)
{
	return size != 0 && size - 1 <= UINT64_MAX - start;
}

/* Whether [start, start + size) is inside [0, limit); for size 0, start may equal limit. */
static inline bool range_within(u64 start, u64 size, u64 limit)
{
	return size <= limit && start <= limit - size;
}

static inline bool is_pow2(u64 x)
{
	return x && !(x & (x - 1));
}

/* The largest k with 2^k <= x; x is not 0. */
static inline unsigned log2_floor(u64 x)
{
	return 63 - (unsigned)__builtin_clzll(x);
}

/* The smallest k with 2^k >= x; x is not 0. */
static inline unsigned log2_ceil(u64 x)
{
	return x <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(x - 1);
}

static inline u64 align_down(u64 x, u64 pow2)
{
	return x & ~(pow2 - 1);
}

/* May wrap to 0 near 2^64: check the range first. */
static inline u64 align_up(u64 x, u64 pow2)
{
	return (x + pow2 - 1) & ~(pow2 - 1);
}

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

/*
 * Number of pages that [addr, addr + size) touches. Only the offset in the first page matters;
 * cannot wrap.
 */
static inline u64 pages_spanned(u64 addr, u64 size)
{
	return (size >> PAGE_BITS) +
	       (((addr & (PAGE_BYTES - 1)) + (size & (PAGE_BYTES - 1)) + PAGE_BYTES - 1) >>
		PAGE_BITS);
}

#endif
