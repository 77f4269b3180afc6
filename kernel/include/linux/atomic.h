/* SPDX-License-Identifier: BSD-2-Clause */
/* Atomic integers and reference counts. Linux: Documentation/atomic_t.txt,
 * core-api/refcount-vs-atomic.rst. */
#ifndef KMOD_LINUX_ATOMIC_H
#define KMOD_LINUX_ATOMIC_H

#include <linux/kernel.h>

#define ATOMIC_INIT(i)                                                                             \
	{                                                                                          \
		(i)                                                                                \
	}
#define ATOMIC64_INIT(i)                                                                           \
	{                                                                                          \
		(i)                                                                                \
	}

#define KMOD_ATOMIC(p, type, val)                                                                  \
	static inline val p##_read(const type *v)                                                  \
	{                                                                                          \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);                             \
	}                                                                                          \
	static inline void p##_set(type *v, val i)                                                 \
	{                                                                                          \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);                                \
	}                                                                                          \
	static inline val p##_add_return(val i, type *v)                                           \
	{                                                                                          \
		return (val)__atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                  \
	}                                                                                          \
	static inline val p##_sub_return(val i, type *v)                                           \
	{                                                                                          \
		return (val)__atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                  \
	}                                                                                          \
	static inline val p##_fetch_add(val i, type *v)                                            \
	{                                                                                          \
		return (val)__atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST);                  \
	}                                                                                          \
	static inline void p##_add(val i, type *v)                                                 \
	{                                                                                          \
		(void)p##_add_return(i, v);                                                        \
	}                                                                                          \
	static inline void p##_sub(val i, type *v)                                                 \
	{                                                                                          \
		(void)p##_sub_return(i, v);                                                        \
	}                                                                                          \
	static inline void p##_inc(type *v)                                                        \
	{                                                                                          \
		(void)p##_add_return(1, v);                                                        \
	}                                                                                          \
	static inline void p##_dec(type *v)                                                        \
	{                                                                                          \
		(void)p##_sub_return(1, v);                                                        \
	}                                                                                          \
	static inline val p##_inc_return(type *v)                                                  \
	{                                                                                          \
		return p##_add_return(1, v);                                                       \
	}                                                                                          \
	static inline val p##_dec_return(type *v)                                                  \
	{                                                                                          \
		return p##_sub_return(1, v);                                                       \
	}                                                                                          \
	static inline bool p##_dec_and_test(type *v)                                               \
	{                                                                                          \
		return p##_sub_return(1, v) == 0;                                                  \
	}                                                                                          \
	static inline bool p##_inc_and_test(type *v)                                               \
	{                                                                                          \
		return p##_add_return(1, v) == 0;                                                  \
	}                                                                                          \
	static inline bool p##_sub_and_test(val i, type *v)                                        \
	{                                                                                          \
		return p##_sub_return(i, v) == 0;                                                  \
	}                                                                                          \
	static inline val p##_xchg(type *v, val i)                                                 \
	{                                                                                          \
		return __atomic_exchange_n(&v->counter, i, __ATOMIC_SEQ_CST);                      \
	}                                                                                          \
	static inline val p##_cmpxchg(type *v, val old, val i)                                     \
	{                                                                                          \
		__atomic_compare_exchange_n(&v->counter, &old, i, 0, __ATOMIC_SEQ_CST,             \
					    __ATOMIC_SEQ_CST);                                     \
		return old;                                                                        \
	}                                                                                          \
	static inline bool p##_add_unless(type *v, val a, val u)                                   \
	{                                                                                          \
		val c = p##_read(v);                                                               \
		while (c != u && !__atomic_compare_exchange_n(&v->counter, &c, c + a, 0,           \
							      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) \
			;                                                                          \
		return c != u;                                                                     \
	}                                                                                          \
	static inline bool p##_inc_not_zero(type *v)                                               \
	{                                                                                          \
		return p##_add_unless(v, 1, 0);                                                    \
	}

KMOD_ATOMIC(atomic, atomic_t, int)
KMOD_ATOMIC(atomic64, atomic64_t, s64)
#define atomic_long_read(v)   atomic64_read(v)
#define atomic_long_set(v, i) atomic64_set(v, i)
#define atomic_long_inc(v)    atomic64_inc(v)
#define atomic_long_add(i, v) atomic64_add(i, v)

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;
#define REFCOUNT_INIT(n)                                                                           \
	{                                                                                          \
		ATOMIC_INIT(n)                                                                     \
	}
#define refcount_set(r, n)	 atomic_set(&(r)->refs, n)
#define refcount_read(r)	 ((unsigned int)atomic_read(&(r)->refs))
#define refcount_inc_not_zero(r) atomic_inc_not_zero(&(r)->refs)
/* An increment from 0 and a decrement below 0 are reported as a use after free. */
static inline void refcount_inc(refcount_t *r)
{
	if (atomic_fetch_add(1, &r->refs) <= 0)
		kmod_finding("refcount",
			     "a reference to an object was taken although its count was 0");
}
static inline bool refcount_dec_and_test(refcount_t *r)
{
	int was = atomic_fetch_add(-1, &r->refs);

	if (was <= 0)
		kmod_finding("refcount",
			     "a reference to an object was dropped although its count was 0");
	return was == 1;
}
static inline void refcount_dec(refcount_t *r)
{
	(void)refcount_dec_and_test(r);
}

struct kref {
	refcount_t refcount;
};
static inline void kref_init(struct kref *k)
{
	refcount_set(&k->refcount, 1);
}
static inline void kref_get(struct kref *k)
{
	refcount_inc(&k->refcount);
}
static inline int kref_get_unless_zero(struct kref *k)
{
	return refcount_inc_not_zero(&k->refcount);
}
static inline int kref_put(struct kref *k, void (*release)(struct kref *k))
{
	if (!refcount_dec_and_test(&k->refcount))
		return 0;
	release(k);
	return 1;
}
static inline unsigned int kref_read(const struct kref *k)
{
	return (unsigned int)atomic_read(&k->refcount.refs);
}

#endif
