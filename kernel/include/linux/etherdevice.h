/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_ETHERDEVICE_H
#define KMOD_LINUX_ETHERDEVICE_H

#include <linux/netdevice.h>

static inline bool is_multicast_ether_addr(const u8 *a)
{
	return (a[0] & 1) != 0;
}
static inline bool is_zero_ether_addr(const u8 *a)
{
	return !(a[0] | a[1] | a[2] | a[3] | a[4] | a[5]);
}
static inline bool is_broadcast_ether_addr(const u8 *a)
{
	return (a[0] & a[1] & a[2] & a[3] & a[4] & a[5]) == 0xff;
}
static inline bool is_valid_ether_addr(const u8 *a)
{
	return !is_multicast_ether_addr(a) && !is_zero_ether_addr(a);
}
static inline bool is_local_ether_addr(const u8 *a)
{
	return (a[0] & 2) != 0;
}
static inline bool ether_addr_equal(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, ETH_ALEN);
}
static inline void ether_addr_copy(u8 *to, const u8 *from)
{
	memcpy(to, from, ETH_ALEN);
}
static inline void eth_broadcast_addr(u8 *a)
{
	memset(a, 0xff, ETH_ALEN);
}
static inline void eth_zero_addr(u8 *a)
{
	memset(a, 0, ETH_ALEN);
}
void eth_random_addr(u8 *a);
void eth_hw_addr_random(struct net_device *dev);
static inline struct ethhdr *eth_hdr(const struct sk_buff *skb)
{
	return (struct ethhdr *)skb_mac_header(skb);
}
int eth_mac_addr(struct net_device *dev, void *addr);
int eth_validate_addr(struct net_device *dev);
int eth_prepare_mac_addr_change(struct net_device *dev, void *addr);
void eth_commit_mac_addr_change(struct net_device *dev, void *addr);

/* The CRC of Ethernet, as crc32_le() and crc32_be() define it. */
u32 crc32_le(u32 crc, const u8 *p, size_t n);
u32 crc32_be(u32 crc, const u8 *p, size_t n);
#define crc32(seed, p, n)  crc32_le(seed, (const u8 *)(p), n)
#define ether_crc_le(n, p) crc32_le(~0u, (const u8 *)(p), n)
#define ether_crc(n, p)	   bitrev32(crc32_le(~0u, (const u8 *)(p), n))

#endif
