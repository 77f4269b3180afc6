/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_LINKMODE_H
#define KMOD_LINUX_LINKMODE_H

#include <linux/bitops.h>
#include_next <linux/ethtool.h>

#define KMOD_LINK_BITS			       __ETHTOOL_LINK_MODE_MASK_NBITS
#define __ETHTOOL_DECLARE_LINK_MODE_MASK(name) DECLARE_BITMAP(name, __ETHTOOL_LINK_MODE_MASK_NBITS)
static inline void linkmode_zero(unsigned long *dst)
{
	bitmap_zero(dst, KMOD_LINK_BITS);
}
static inline void linkmode_copy(unsigned long *dst, const unsigned long *src)
{
	bitmap_copy(dst, src, KMOD_LINK_BITS);
}
static inline void linkmode_and(unsigned long *dst, const unsigned long *a, const unsigned long *b)
{
	bitmap_and(dst, a, b, KMOD_LINK_BITS);
}
static inline void linkmode_or(unsigned long *dst, const unsigned long *a, const unsigned long *b)
{
	bitmap_or(dst, a, b, KMOD_LINK_BITS);
}
static inline bool linkmode_empty(const unsigned long *src)
{
	return bitmap_empty(src, KMOD_LINK_BITS);
}
static inline bool linkmode_andnot(unsigned long *dst, const unsigned long *a,
				   const unsigned long *b)
{
	unsigned long any = 0;

	for (unsigned int i = 0; i < BITS_TO_LONGS(KMOD_LINK_BITS); i++)
		any |= dst[i] = a[i] & ~b[i];
	return any != 0;
}
#define linkmode_set_bit(nr, addr)    __set_bit(nr, addr)
#define linkmode_clear_bit(nr, addr)  __clear_bit(nr, addr)
#define linkmode_test_bit(nr, addr)   test_bit(nr, addr)
#define linkmode_mod_bit(nr, addr, v) __assign_bit(nr, addr, v)
#define linkmode_equal(a, b)	      bitmap_equal(a, b, KMOD_LINK_BITS)

#endif
