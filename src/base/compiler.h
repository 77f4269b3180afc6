/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiler features that all files of the library use, and the types of addresses. */
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

/* Allows the compiler to assume that x is true. */
#define assume(x)                                                                                  \
	do {                                                                                       \
		if (!(x))                                                                          \
			__builtin_unreachable();                                                   \
	} while (0)

#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/*
 * Device addresses, physical addresses and pointers must not be mixed. Inside the library the first
 * two are distinct types, so that the compiler reports a mixture. A struct of one word is passed in
 * a register.
 */
typedef struct {
	u64 v;
} iova_t; /* the address that the device puts on the bus, before translation */
typedef struct {
	u64 v;
} phys_t; /* an address of RAM, or of process memory (bit 50 set): see mem/mem.h */

#define IOVA(x) ((iova_t){(x)})
#define PHYS(x) ((phys_t){(x)})

#define PAGE_BITS  12
#define PAGE_BYTES (1ull << PAGE_BITS)

/* Accesses to one word that several threads share: not torn, but not ordered. */
#define read_once(p)	    __atomic_load_n((p), __ATOMIC_RELAXED)
#define write_once(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define read_acquire(p)	    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define write_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* A counter with one writer, which any thread may read. */
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
 * Orders earlier stores before later loads, for all threads. ThreadSanitizer does not support
 * fences; in its build this is an atomic exchange of a private word, which has the same effect.
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

/*
 * full_fence() directly after an atomic read-modify-write operation, which on x86 is a full fence
 * itself.
 */
hot_inline void fence_after_atomic(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#else
	full_fence();
#endif
}

#endif
