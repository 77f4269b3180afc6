/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of kernel/net share with the script. */
#ifndef KMOD_NET_PRIVATE_H
#define KMOD_NET_PRIVATE_H

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include "../core/core.h"

/* The network device that the driver registered last; NULL: none. */
extern struct net_device *kmod_netdev;
/*
 * Hands one packet to the driver as a stack does: 0; -EBUSY: the queue is stopped, or the driver
 * returned NETDEV_TX_BUSY, and the packet is still the caller's.
 */
int kmod_xmit(struct net_device *dev, struct sk_buff *skb, bool more);
/* Waits until the queue runs; false: `deadline` (ns) passed. */
bool kmod_xmit_wait(struct net_device *dev, unsigned int queue, u64 deadline);
/* Called for each packet that the driver passes up; it owns it then. */
extern void (*kmod_on_receive)(struct sk_buff *skb);
void kmod_skb_release_data(struct sk_buff *skb);
void kmod_skb_own(struct sk_buff *skb, u8 owner);
int kmod_ethtool_all(struct net_device *dev);
void kmod_tx_timeout_now(struct net_device *dev);
/* Whether the driver has packets that it has not freed yet; a poll is due or runs. */
bool kmod_skb_busy(void);
bool kmod_napi_busy(void);

/* The wire: frames that the peer sends and receives. */
struct kmod_wire {
	int fd;
	atomic64_t sent, received, wrong; /* by the peer */
	unsigned long rx_wanted, window;
	unsigned int size;
	unsigned long thread;
	bool stop, go, nudge; /* nudge: send one frame of another kind */
	u8 mac[ETH_ALEN];
};
extern struct kmod_wire kmod_wire;
extern atomic64_t kmod_rx_good, kmod_rx_wrong;
int kmod_wire_start(int fd);
void kmod_wire_stop(void);
/* The bytes of frame `seq`; the length. */
unsigned int kmod_frame_fill(u8 *frame, const u8 *dst, const u8 *src, u32 seq, unsigned int size);
unsigned int kmod_frame_size(u32 seq, unsigned int size, unsigned int mtu);
/* Is this a frame of ours, byte for byte? 0: it is; -ENOENT: of something else; -EIO: it differs.
 */
int kmod_frame_check(const u8 *frame, unsigned int len, u32 *seq);

#endif
