/* SPDX-License-Identifier: BSD-2-Clause */
/* Single bits, bit fields and bitmaps. Linux: Documentation/atomic_bitops.txt,
 * core-api/kernel-api.rst. */
#ifndef KMOD_LINUX_BITOPS_H
#define KMOD_LINUX_BITOPS_H

#include <linux/compiler.h>

#define BITS_PER_LONG		   64
#define BITS_PER_BYTE		   8
#define BITS_PER_TYPE(t)	   (sizeof(t) * 8)
#define BIT(n)			   (1UL << (n))
#define BIT_ULL(n)		   (1ULL << (n))
#define BIT_MASK(n)		   (1UL << ((n) % 64))
#define BIT_WORD(n)		   ((n) / 64)
#define BITS_TO_LONGS(n)	   (((n) + 63) / 64)
#define GENMASK(h, l)		   (((~0UL) << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l)	   (((~0ULL) << (l)) & (~0ULL >> (63 - (h))))
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

#define __bf_shf(m)	 (__builtin_ffsll(m) - 1)
#define FIELD_PREP(m, v) (((__typeof__(m))(v) << __bf_shf(m)) & (m))
#define FIELD_GET(m, r)	 ((__typeof__(m))(((r) & (m)) >> __bf_shf(m)))

#define ffs(x)			__builtin_ffs((int)(x))
#define __ffs(x)		((unsigned long)__builtin_ctzl(x))
#define fls64(x)		((x) ? 64 - __builtin_clzll(x) : 0)
#define __fls(x)		(63ul - (unsigned long)__builtin_clzl(x))
#define ffz(x)			__ffs(~(unsigned long)(x))
#define hweight8(x)		((unsigned int)__builtin_popcount((u8)(x)))
#define hweight16(x)		((unsigned int)__builtin_popcount((u16)(x)))
#define hweight32(x)		((unsigned int)__builtin_popcount(x))
#define hweight64(x)		((unsigned long)__builtin_popcountll(x))
#define hweight_long(x)		hweight64(x)
#define ilog2(n)		(fls64((u64)(n)) - 1)
#define order_base_2(n)		((n) > 1 ? ilog2((n)-1) + 1 : 0)
#define is_power_of_2(n)	((n) != 0 && (((n) & ((n)-1)) == 0))
#define roundup_pow_of_two(n)	(1UL << order_base_2(n))
#define rounddown_pow_of_two(n) (1UL << ilog2(n))

static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline void set_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_or(addr + nr / 64, BIT_MASK(nr), __ATOMIC_RELAXED);
}
static inline void clear_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_and(addr + nr / 64, ~BIT_MASK(nr), __ATOMIC_RELAXED);
}
static inline bool test_bit(long nr, const volatile unsigned long *addr)
{
	return (__atomic_load_n(addr + nr / 64, __ATOMIC_RELAXED) & BIT_MASK(nr)) != 0;
}
static inline bool test_and_set_bit(long nr, volatile unsigned long *addr)
{
	return (__atomic_fetch_or(addr + nr / 64, BIT_MASK(nr), __ATOMIC_SEQ_CST) & BIT_MASK(nr)) !=
	       0;
}
static inline bool test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	return (__atomic_fetch_and(addr + nr / 64, ~BIT_MASK(nr), __ATOMIC_SEQ_CST) &
		BIT_MASK(nr)) != 0;
}
/* The forms that are not atomic. */
static inline void __set_bit(long nr, volatile unsigned long *addr)
{
	addr[nr / 64] |= BIT_MASK(nr);
}
static inline void __clear_bit(long nr, volatile unsigned long *addr)
{
	addr[nr / 64] &= ~BIT_MASK(nr);
}
static inline bool __test_and_set_bit(long nr, volatile unsigned long *addr)
{
	bool was = (addr[nr / 64] & BIT_MASK(nr)) != 0;

	addr[nr / 64] |= BIT_MASK(nr);
	return was;
}
static inline bool __test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	bool was = (addr[nr / 64] & BIT_MASK(nr)) != 0;

	addr[nr / 64] &= ~BIT_MASK(nr);
	return was;
}
#define __set_bit_le(nr, addr)	  __set_bit(nr, addr)
#define __assign_bit(nr, addr, v) ((v) ? __set_bit(nr, addr) : __clear_bit(nr, addr))

/* These return the first bit at or after `from`, or `size` if there is none. */
unsigned long find_next_bit(const unsigned long *addr, unsigned long size, unsigned long from);
unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size, unsigned long from);
#define find_first_bit(a, n)	  find_next_bit(a, n, 0)
#define find_first_zero_bit(a, n) find_next_zero_bit(a, n, 0)
#define for_each_set_bit(bit, addr, size)                                                          \
	for ((bit) = find_first_bit(addr, size); (bit) < (size);                                   \
	     (bit) = find_next_bit(addr, size, (bit) + 1))

void bitmap_zero(unsigned long *dst, unsigned int bits);
void bitmap_fill(unsigned long *dst, unsigned int bits);
void bitmap_copy(unsigned long *dst, const unsigned long *src, unsigned int bits);
void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b,
	       unsigned int bits);
bool bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b,
		unsigned int bits);
bool bitmap_empty(const unsigned long *src, unsigned int bits);
bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int bits);
unsigned int bitmap_weight(const unsigned long *src, unsigned int bits);

static inline s32 sign_extend32(u32 v, int index)
{
	return (s32)(v << (31 - index)) >> (31 - index);
}
static inline u8 bitrev8(u8 b)
{
	b = (u8)(b >> 4 | b << 4);
	b = (u8)((b & 0xcc) >> 2 | (b & 0x33) << 2);
	return (u8)((b & 0xaa) >> 1 | (b & 0x55) << 1);
}
static inline u32 bitrev32(u32 x)
{
	return (u32)bitrev8((u8)x) << 24 | (u32)bitrev8((u8)(x >> 8)) << 16 |
	       (u32)bitrev8((u8)(x >> 16)) << 8 | bitrev8((u8)(x >> 24));
}

#endif
