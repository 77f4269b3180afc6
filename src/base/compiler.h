/* SPDX-License-Identifier: BSD-2-Clause */
/* What every file of the library uses of the compiler, and the three kinds of address. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <dmamap/types.h>
#include <stdatomic.h>

#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)
#define slow_path    __attribute__((cold, noinline))
#define hot_inline   static inline __attribute__((always_inline))
#define maybe_unused __attribute__((unused))
#define cacheline    __attribute__((aligned(64)))

/* The compiler may rely on it. */
#define assume(x)                                                                                  \
	do {                                                                                       \
		if (!(x))                                                                          \
			__builtin_unreachable();                                                   \
	} while (0)

#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/*
 * An address for the device, an address of memory and a pointer are three things; inside the
 * library the first two are types of their own, so that the compiler tells them apart. A struct
 * of one word travels in a register.
 */
typedef struct {
	u64 v;
} iova_t; /* what the device puts on the bus, before translation */
typedef struct {
	u64 v;
} phys_t; /* an address of RAM, or of process memory (bit 50 set): see mem/mem.h */

#define IOVA(x) ((iova_t){(x)})
#define PHYS(x) ((phys_t){(x)})

#define PAGE_BITS  12
#define PAGE_BYTES (1ull << PAGE_BITS)

/* One word that two threads share: read or written whole, ordered by nothing. */
#define read_once(p)	    __atomic_load_n((p), __ATOMIC_RELAXED)
#define write_once(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define read_acquire(p)	    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define write_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* A counter with one writer: others may read it at any time. */
#define count_add(p, n) write_once((p), read_once(p) + (n))

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BUILT_WITH_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define BUILT_WITH_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define BUILT_WITH_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define BUILT_WITH_TSAN 1
#endif

/*
 * Stores before it are seen by everybody before loads after it read. ThreadSanitizer knows no
 * fences, so there it is an atomic exchange of a word nobody else uses, with the same effect.
 */
hot_inline void full_fence(void)
{
#ifdef BUILT_WITH_TSAN
	static _Thread_local int word;
	__atomic_exchange_n(&word, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* full_fence() directly behind an atomic read-modify-write operation, which on x86 is one. */
hot_inline void fence_after_atomic(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#else
	full_fence();
#endif
}

#endif
