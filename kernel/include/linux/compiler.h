/* SPDX-License-Identifier: BSD-2-Clause */
/* Attributes, access to shared words, and barriers. */
#ifndef KMOD_LINUX_COMPILER_H
#define KMOD_LINUX_COMPILER_H

#include <linux/stddef.h>
#include <linux/types.h>

#define __user
#define __iomem
#define __percpu
#define __rcu
#define __force
#define __must_check __attribute__((warn_unused_result))
#define __init
#define __exit
#define __initdata
#define __read_mostly
#define __ro_after_init
#define __acquires(x)
#define __releases(x)
#define __acquire(x) ((void)0)
#define __release(x) ((void)0)
#define __counted_by(m)
#ifndef __packed
#define __packed __attribute__((packed))
#endif
#define __aligned(x)	__attribute__((aligned(x)))
#define __maybe_unused	__attribute__((unused))
#define __always_unused __attribute__((unused))
#define __used		__attribute__((used))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define __weak		__attribute__((weak))
#define __malloc
#define __noreturn   __attribute__((noreturn))
#define __pure	     __attribute__((pure))
#define __section(s) __attribute__((section(s)))
#define noinline     __attribute__((noinline))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef inline
#define fallthrough		     __attribute__((fallthrough))
#define likely(x)		     __builtin_expect(!!(x), 1)
#define unlikely(x)		     __builtin_expect(!!(x), 0)
#define unreachable()		     __builtin_unreachable()
#define SMP_CACHE_BYTES		     64
#define L1_CACHE_BYTES		     64
#define L1_CACHE_SHIFT		     6
#define ____cacheline_aligned	     __aligned(64)
#define ____cacheline_aligned_in_smp __aligned(64)
#define __cacheline_aligned	     __aligned(64)
#define L1_CACHE_ALIGN(x)	     (((x) + 63ul) & ~63ul)
#define THIS_MODULE		     (&__this_module)
#define __stringify_1(x...)	     #x
#define __stringify(x...)	     __stringify_1(x)
#define __MODULE_STRING(x)	     __stringify(x)
#define ___PASTE(a, b)		     a##b
#define __PASTE(a, b)		     ___PASTE(a, b)
#define __UNIQUE_ID(p)		     __PASTE(__PASTE(p, _), __COUNTER__)

#define barrier() __asm__ __volatile__("" ::: "memory")
#ifdef __SANITIZE_THREAD__ /* ThreadSanitizer reports volatile accesses as races */
#define READ_ONCE(x)	 __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#else
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#endif
#define mb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define wmb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_mb()		mb()
#define smp_rmb()		rmb()
#define smp_wmb()		wmb()
#define smp_mb__before_atomic() mb()
#define smp_mb__after_atomic()	mb()
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define cmpxchg(p, old, new)                                                                       \
	({                                                                                         \
		__typeof__(*(p)) __old = (old);                                                    \
		__atomic_compare_exchange_n(p, &__old, new, 0, __ATOMIC_SEQ_CST,                   \
					    __ATOMIC_SEQ_CST);                                     \
		__old;                                                                             \
	})
#define prefetch(x)	 __builtin_prefetch(x)
#define prefetchw(x)	 __builtin_prefetch(x, 1)
#define net_prefetch(x)	 prefetch(x)
#define net_prefetchw(x) prefetchw(x)

/*
 * container_of_const() is the same macro, since container_of() returns a pointer to a non-const
 * type.
 */
#define container_of(ptr, type, member)                                                            \
	((type *)((char *)(ptr) - __builtin_offsetof(type, member) +                               \
		  0 * sizeof((ptr) == &((type *)0)->member)))
#define container_of_const(ptr, type, member) container_of(ptr, type, member)
#define sizeof_field(t, f)		      sizeof(((t *)0)->f)
#define offsetofend(t, f)		      (offsetof(t, f) + sizeof_field(t, f))
#define ARRAY_SIZE(a)			      (sizeof(a) / sizeof((a)[0]))
#define BUILD_BUG_ON(c)			      _Static_assert(!(c), "BUILD_BUG_ON: " #c)
#define BUILD_BUG_ON_MSG(c, m)		      _Static_assert(!(c), m)
#ifndef static_assert
#define static_assert(c, ...) _Static_assert(c, "" #c)
#endif
#define struct_group(name, fields...)                                                              \
	union {                                                                                    \
		struct {                                                                           \
			fields                                                                     \
		};                                                                                 \
		struct {                                                                           \
			fields                                                                     \
		} name;                                                                            \
	}
#define DECLARE_FLEX_ARRAY(t, n) __DECLARE_FLEX_ARRAY(t, n)
/* These return SIZE_MAX on overflow; every allocator refuses that size. */
#define struct_size(p, m, n)                                                                       \
	__builtin_choose_expr(__builtin_constant_p(n),                                             \
			      sizeof(*(p)) + sizeof((p)->m[0]) * (size_t)(n),                      \
			      size_add(sizeof(*(p)), size_mul(sizeof((p)->m[0]), n)))
#define flex_array_size(p, m, n) array_size(sizeof((p)->m[0]), n)
#define array_size(a, b)	 size_mul(a, b)
#define array3_size(a, b, c)	 size_mul(size_mul(a, b), c)
#define EXPORT_SYMBOL(s)
#define EXPORT_SYMBOL_GPL(s)
#define EXPORT_SYMBOL_NS_GPL(s, n)

/* Tests of CONFIG_ options, which kmod/config.h lists. */
#include <kmod/config.h>
#define __KMOD_SECOND(a, b, ...) b
#define __KMOD_IS_1(x)		 __KMOD_SECOND(x 1, 0)
#define __KMOD_PROBE_1		 0,
#define __KMOD_ENABLED(x)	 __KMOD_IS_1(__KMOD_PROBE_##x)
#define __KMOD_ENABLED_(x)	 __KMOD_ENABLED(x)
#define IS_ENABLED(option)	 (__KMOD_ENABLED_(option) || __KMOD_ENABLED_(option##_MODULE))

#endif
