/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_UNALIGNED_H
#define KMOD_LINUX_UNALIGNED_H

#include <linux/kernel.h>

#define get_unaligned(p)                                                                           \
	({                                                                                         \
		const struct {                                                                     \
			__typeof__(*(p)) v;                                                        \
		} __packed *__u = (const void *)(p);                                               \
		__u->v;                                                                            \
	})
#define put_unaligned(x, p)                                                                        \
	do {                                                                                       \
		struct {                                                                           \
			__typeof__(*(p)) v;                                                        \
		} __packed *__u = (void *)(p);                                                     \
		__u->v = (x);                                                                      \
	} while (0)
#define KMOD_UNALIGNED(bits)                                                                       \
	static inline u##bits get_unaligned_le##bits(const void *p)                                \
	{                                                                                          \
		u##bits v;                                                                         \
		__builtin_memcpy(&v, p, sizeof(v));                                                \
		return v;                                                                          \
	}                                                                                          \
	static inline u##bits get_unaligned_be##bits(const void *p)                                \
	{                                                                                          \
		return __builtin_bswap##bits(get_unaligned_le##bits(p));                           \
	}                                                                                          \
	static inline void put_unaligned_le##bits(u##bits v, void *p)                              \
	{                                                                                          \
		__builtin_memcpy(p, &v, sizeof(v));                                                \
	}                                                                                          \
	static inline void put_unaligned_be##bits(u##bits v, void *p)                              \
	{                                                                                          \
		put_unaligned_le##bits(__builtin_bswap##bits(v), p);                               \
	}
KMOD_UNALIGNED(16)
KMOD_UNALIGNED(32)
KMOD_UNALIGNED(64)

#endif
