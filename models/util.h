/* SPDX-License-Identifier: BSD-2-Clause */
/* Small helpers of the models, which include no header of the library but <dmamap/…>. */
#ifndef MODELS_UTIL_H
#define MODELS_UTIL_H

#include <dmamap/model.h>
#include <errno.h>

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define hot_inline    static inline __attribute__((always_inline))
#define cacheline     __attribute__((aligned(64)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define PAGE_BITS  12
#define PAGE_BYTES (1ull << PAGE_BITS)
#define NS_PER_S   1000000000ull

/* Accesses to one word that several threads share: not torn; the first two are not ordered. */
#define read_once(p)	    __atomic_load_n((p), __ATOMIC_RELAXED)
#define write_once(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define read_acquire(p)	    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define write_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

hot_inline void util_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Whether [start, start + size) is inside [0, limit); for size 0, start may equal limit. */
static inline bool util_within(u64 start, u64 size, u64 limit)
{
	return size <= limit && start <= limit - size;
}

static inline bool util_is_pow2(u64 x)
{
	return x && !(x & (x - 1));
}

/* The largest k with 2^k <= x; x is not 0. */
static inline unsigned int util_log2(u64 x)
{
	return 63 - (unsigned int)__builtin_clzll(x);
}

/* May wrap to 0 near 2^64: check the range first. */
static inline u64 util_align_up(u64 x, u64 pow2)
{
	return (x + pow2 - 1) & ~(pow2 - 1);
}

static inline u64 util_min(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 util_max(u64 a, u64 b)
{
	return a > b ? a : b;
}

#endif
