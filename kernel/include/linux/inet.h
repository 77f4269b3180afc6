/* SPDX-License-Identifier: BSD-2-Clause */
/* The IP, TCP and UDP headers in a socket buffer. */
#ifndef KMOD_LINUX_INET_H
#define KMOD_LINUX_INET_H

#include <linux/skbuff.h>
#include_next <linux/ip.h>
#include_next <linux/ipv6.h>
#include_next <linux/tcp.h>
#include_next <linux/udp.h>
#include_next <linux/in.h>

#define IANA_VXLAN_UDP_PORT 4789
#define GENEVE_UDP_PORT	    6081
#define KMOD_IP_HEADER(type, name, which)                                                          \
	static inline struct type *name(const struct sk_buff *skb)                                 \
	{                                                                                          \
		return (struct type *)skb_##which##_header(skb);                                   \
	}
KMOD_IP_HEADER(iphdr, ip_hdr, network)
KMOD_IP_HEADER(iphdr, inner_ip_hdr, inner_network)
KMOD_IP_HEADER(ipv6hdr, ipv6_hdr, network)
KMOD_IP_HEADER(ipv6hdr, inner_ipv6_hdr, inner_network)
KMOD_IP_HEADER(tcphdr, tcp_hdr, transport)
KMOD_IP_HEADER(tcphdr, inner_tcp_hdr, inner_transport)
KMOD_IP_HEADER(udphdr, udp_hdr, transport)
#undef KMOD_IP_HEADER
static inline unsigned int tcp_hdrlen(const struct sk_buff *skb)
{
	return tcp_hdr(skb)->doff * 4u;
}
#define inner_tcp_hdrlen(s)    (inner_tcp_hdr(s)->doff * 4u)
#define skb_tcp_all_headers(s) ((int)(skb_transport_offset(s) + (int)tcp_hdrlen(s)))
#define ip_hdrlen(s)	       (ip_hdr(s)->ihl * 4u)
/* Prepares a TSO packet's TCP checksum: the pseudo header without the length. */
static inline void tcp_v6_gso_csum_prep(struct sk_buff *skb)
{
	struct ipv6hdr *ip = ipv6_hdr(skb);

	ip->payload_len = 0;
	tcp_hdr(skb)->check = (__force __sum16)~csum_ipv6_magic(&ip->saddr, &ip->daddr, 0, 6, 0);
}

#endif
