/* SPDX-License-Identifier: BSD-2-Clause */
/* UAPI headers include this file of the C library. */
#ifndef KMOD_LIMITS_H
#define KMOD_LIMITS_H

#define INT_MAX	  0x7fffffff
#define INT_MIN	  (-INT_MAX - 1)
#define UINT_MAX  (~0U)
#define LONG_MAX  ((long)(~0UL >> 1))
#define LONG_MIN  (-LONG_MAX - 1)
#define ULONG_MAX (~0UL)
#define CHAR_BIT  8

#endif
