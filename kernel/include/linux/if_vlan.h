/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_IF_VLAN_H
#define KMOD_LINUX_IF_VLAN_H

#include <linux/etherdevice.h>
#include_next <linux/if_vlan.h>

#define VLAN_HLEN	   4
#define VLAN_ETH_HLEN	   18
#define VLAN_ETH_FRAME_LEN 1518
#define VLAN_VID_MASK	   0x0fff
#define VLAN_N_VID	   4096
struct vlan_hdr {
	__be16 h_vlan_TCI, h_vlan_encapsulated_proto;
};
struct vlan_ethhdr {
	unsigned char h_dest[ETH_ALEN], h_source[ETH_ALEN];
	__be16 h_vlan_proto, h_vlan_TCI, h_vlan_encapsulated_proto;
};
#define skb_vlan_tag_present(s) ((s)->vlan_present)
#define skb_vlan_tag_get(s)	((s)->vlan_tci)
static inline void __vlan_hwaccel_put_tag(struct sk_buff *skb, __be16 proto, u16 tci)
{
	skb->vlan_proto = proto;
	skb->vlan_tci = tci;
	skb->vlan_present = 1;
}
static inline __be16 vlan_get_protocol(const struct sk_buff *skb)
{
	return skb->protocol;
}
static inline netdev_features_t vlan_features_check(struct sk_buff *skb, netdev_features_t f)
{
	return f;
}

#endif
