/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that the files of kernel/net share with the script. */
#ifndef KMOD_NET_PRIVATE_H
#define KMOD_NET_PRIVATE_H

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include "../core/core.h"

/* The network device that the driver registered last, or NULL. */
extern struct net_device *kmod_netdev;
/*
 * Passes a packet to the driver as a network stack does. Returns 0; -EBUSY: the queue is stopped or
 * the driver returned NETDEV_TX_BUSY, and the caller still owns the packet.
 */
int kmod_xmit(struct net_device *dev, struct sk_buff *skb, bool more);
/* Waits until the queue is started. Returns false if `deadline` (ns) has passed. */
bool kmod_xmit_wait(struct net_device *dev, unsigned int queue, u64 deadline);
/* Called for every packet that the driver passes up. It becomes the owner of the packet. */
extern void (*kmod_on_receive)(struct sk_buff *skb);
void kmod_skb_release_data(struct sk_buff *skb);
void kmod_skb_own(struct sk_buff *skb, u8 owner);
int kmod_ethtool_all(struct net_device *dev);
void kmod_tx_timeout_now(struct net_device *dev);
/* Whether the driver has packets that it has not freed yet; a poll is due or runs. */
bool kmod_skb_busy(void);
bool kmod_napi_busy(void);

/* The wire: the frames that the peer sends and receives. */
struct kmod_wire {
	int fd;
	atomic64_t sent, received, wrong; /* counted by the peer */
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
/* Fills in the bytes of frame `seq`. Returns its length. */
unsigned int kmod_frame_fill(u8 *frame, const u8 *dst, const u8 *src, u32 seq, unsigned int size);
unsigned int kmod_frame_size(u32 seq, unsigned int size, unsigned int mtu);
/*
 * Checks whether this is an intact frame of the script. Returns 0; -ENOENT: another kind of frame;
 * -EIO: its bytes differ.
 */
int kmod_frame_check(const u8 *frame, unsigned int len, u32 *seq);

#endif
