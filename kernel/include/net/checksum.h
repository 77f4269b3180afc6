/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum: RFC 1071. */
#ifndef KMOD_NET_CHECKSUM_H
#define KMOD_NET_CHECKSUM_H

#include <linux/kernel.h>
#include <linux/in6.h>

__wsum csum_partial(const void *buf, int len, __wsum sum);
static inline __sum16 csum_fold(__wsum sum)
{
	u32 s = (__force u32)sum;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (__force __sum16)~s;
}
static inline __wsum csum_add(__wsum a, __wsum b)
{
	u32 s = (__force u32)a + (__force u32)b;

	return (__force __wsum)(s + (s < (__force u32)b));
}
static inline __wsum csum_unfold(__sum16 n)
{
	return (__force __wsum)n;
}
__sum16 csum_tcpudp_magic(__be32 from, __be32 to, u32 len, u8 proto, __wsum sum);
__sum16 csum_ipv6_magic(const struct in6_addr *from, const struct in6_addr *to, u32 len, u8 proto,
			__wsum sum);

#endif
