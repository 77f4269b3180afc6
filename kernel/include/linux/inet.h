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
static inline struct iphdr *ip_hdr(const struct sk_buff *skb)
{
	return (struct iphdr *)skb_network_header(skb);
}
static inline struct iphdr *inner_ip_hdr(const struct sk_buff *skb)
{
	return (struct iphdr *)skb_inner_network_header(skb);
}
static inline struct ipv6hdr *ipv6_hdr(const struct sk_buff *skb)
{
	return (struct ipv6hdr *)skb_network_header(skb);
}
static inline struct ipv6hdr *inner_ipv6_hdr(const struct sk_buff *skb)
{
	return (struct ipv6hdr *)skb_inner_network_header(skb);
}
static inline struct tcphdr *tcp_hdr(const struct sk_buff *skb)
{
	return (struct tcphdr *)skb_transport_header(skb);
}
static inline struct tcphdr *inner_tcp_hdr(const struct sk_buff *skb)
{
	return (struct tcphdr *)skb_inner_transport_header(skb);
}
static inline struct udphdr *udp_hdr(const struct sk_buff *skb)
{
	return (struct udphdr *)skb_transport_header(skb);
}
static inline unsigned int tcp_hdrlen(const struct sk_buff *skb)
{
	return tcp_hdr(skb)->doff * 4u;
}
#define inner_tcp_hdrlen(s)    (inner_tcp_hdr(s)->doff * 4u)
#define skb_tcp_all_headers(s) ((int)(skb_transport_offset(s) + (int)tcp_hdrlen(s)))
#define skb_inner_tcp_all_headers(s)                                                               \
	((int)(skb_inner_transport_offset(s) + (int)inner_tcp_hdrlen(s)))
#define ip_hdrlen(s) (ip_hdr(s)->ihl * 4u)
/* Prepares the TCP checksum of a TSO packet: the pseudo header without the length. */
static inline void tcp_v6_gso_csum_prep(struct sk_buff *skb)
{
	struct ipv6hdr *ip = ipv6_hdr(skb);

	ip->payload_len = 0;
	tcp_hdr(skb)->check = (__force __sum16)~csum_ipv6_magic(&ip->saddr, &ip->daddr, 0, 6, 0);
}

#endif
