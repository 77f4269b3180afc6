/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The script for network drivers: open, wait for the carrier, send and receive concurrently, then
 * the steps that options select. Afterwards the device is closed and all steps are repeated, which
 * finds resources that open acquires and close does not release.
 */
#include "script.h"

struct script_traffic {
	struct net_device *dev;
	u32 tx, rx, size, sg;
	atomic64_t queued;
	bool failed;
};

static u64 first_frame, began;

static void script_receive(struct sk_buff *skb)
{
	static u8 frame[16384];
	static struct host_mutex lock;
	unsigned int len = skb->len + ETH_HLEN;
	u32 seq;
	int err = -ENOENT;

	host_lock(&lock);
	if (!first_frame)
		first_frame = host_now();
	if (len <= sizeof(frame) && skb_headroom(skb) >= ETH_HLEN && skb->mac_header != (u16)~0) {
		memcpy(frame, skb_mac_header(skb), ETH_HLEN);
		if (!skb_copy_bits(skb, 0, frame + ETH_HLEN, (int)skb->len))
			err = kmod_frame_check(frame, len, &seq);
	}
	host_unlock(&lock);
	if (!err)
		atomic64_inc(&kmod_rx_good);
	else if (err == -EIO)
		atomic64_inc(&kmod_rx_wrong);
	kmod_free_skb(skb);
}

/* Creates a packet of a linear part and `sg` fragments, each in a page of its own. */
static struct sk_buff *script_packet(struct net_device *dev, u32 seq, unsigned int size,
				     unsigned int sg)
{
	static u8 frame[16384]; /* only the script's thread creates packets */
	unsigned int len = kmod_frame_size(seq, size, dev->mtu), head, at;
	struct sk_buff *skb;

	kmod_frame_fill(frame, kmod_wire.mac, dev->dev_addr, seq, len);
	head = sg && len > 128 ? 64 : len;
	skb = kmod_alloc_skb(NET_SKB_PAD + head, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb_reserve(skb, NET_SKB_PAD);
	skb_put_data(skb, frame, head);
	for (unsigned int i = 0; head < len && i < sg; i++) {
		unsigned int n = i == sg - 1 ? len - head : max((len - head) / (sg - i), 1u);
		struct page *page = kmod_alloc_pages(GFP_KERNEL, get_order(n + 64));

		if (!page) {
			kmod_free_skb(skb);
			return NULL;
		}
		at = 16 * (i + 1);
		memcpy((u8 *)page_address(page) + at, frame + head, n);
		skb_fill_page_desc(skb, (int)i, page, (int)at, (int)n);
		skb->len += n;
		skb->data_len += n;
		head += n;
	}
	skb_reset_mac_header(skb);
	skb->network_header = (u16)(skb->mac_header + ETH_HLEN);
	skb->protocol = htons(0x88b5);
	kmod_skb_own(skb, KMOD_SKB_STACK);
	return skb;
}

/* The watchdog of the queue detects a stopped queue within twice its time if nothing else moves. */
static u64 script_stop_limit(const struct net_device *dev)
{
	u64 watchdog = (u64)jiffies_to_msecs((unsigned long)dev->watchdog_timeo) * NSEC_PER_MSEC;

	return max(5 * (u64)NSEC_PER_SEC, 2 * watchdog + NSEC_PER_SEC);
}

/*
 * Passes one packet to the driver. Returns -EBUSY if the queue stayed stopped while nothing else
 * moved.
 */
static int script_send(struct net_device *dev, struct sk_buff *skb)
{
	u64 deadline = 0, progress = 0;
	int err = -EBUSY;

	while (err == -EBUSY && !host_stopped()) {
		if (progress != kmod_progress() || !deadline) {
			progress = kmod_progress();
			deadline = host_now() + script_stop_limit(dev);
		}
		if (host_now() >= deadline)
			break;
		if (kmod_xmit_wait(dev, 0, host_now() + 100 * NSEC_PER_MSEC))
			err = kmod_xmit(dev, skb, false);
		if (err == -EBUSY)
			host_sleep(200000);
	}
	return err;
}

static void script_transmit(struct script_traffic *t)
{
	for (u32 seq = 0; seq < t->tx && !host_stopped(); seq++) {
		struct sk_buff *skb =
			script_packet(t->dev, seq, t->size, t->sg ? seq % (t->sg + 1) : 0);
		int err = skb ? script_send(t->dev, skb) : -ENOMEM;

		if (err == -EBUSY || (err == -ENOMEM && skb))
			kmod_free_skb(skb);
		if (err == -EBUSY) {
			t->failed = true;
			return; /* the queue was never started again */
		}
		if (err)
			continue;
		atomic64_inc(&t->queued);
		kmod_progressed();
	}
}

static void script_stalled(struct net_device *dev)
{
	struct napi_struct *n =
		list_first_entry_or_null(&dev->napi_list, struct napi_struct, dev_list);

	kmod_finding_of(n ? (unsigned long)n->poll : 0, "rx-stall", NULL, NULL,
			"received frames stayed in the ring until another frame came");
}

/*
 * Waits until all frames in flight have arrived, as long as some still arrive. When none arrives,
 * the peer sends a frame of another type. If the driver then delivers more frames, it had left them
 * in its ring.
 */
static void script_settle(const struct script_traffic *t)
{
	s64 seen = -1, now, nudged = -1;
	u64 since = host_now(), at = 0,
	    patience = (u64)kmod_option_int("patience_ms", 3000) * NSEC_PER_MSEC;

	while (!host_stopped()) {
		s64 in = atomic64_read(&kmod_rx_good) + atomic64_read(&kmod_rx_wrong);
		s64 out = atomic64_read(&kmod_wire.received) + atomic64_read(&kmod_wire.wrong);

		now = in + out;
		if (in >= t->rx && (out >= t->tx || kmod_wire.fd < 0))
			return;
		if (now != seen) {
			if (nudged >= 0 && in > nudged && host_now() - at < 200 * NSEC_PER_MSEC)
				script_stalled(t->dev);
			nudged = -1;
			seen = now;
			since = host_now();
		} else if (host_now() - since > max(patience / 4, 500 * (u64)NSEC_PER_MSEC) &&
			   nudged < 0 && in < t->rx && kmod_wire.fd >= 0) {
			nudged = in;
			at = host_now();
			kmod_wire.nudge = true;
		} else if (host_now() - since > patience) {
			return;
		}
		host_sleep(200000);
		kmod_progressed();
	}
}

static bool script_carrier(struct net_device *dev)
{
	u64 until = host_now() + (u64)kmod_option_int("carrier_ms", 8000) * NSEC_PER_MSEC;

	while (!netif_carrier_ok(dev) && host_now() < until && !host_stopped()) {
		host_sleep(1000000);
		kmod_progressed();
	}
	return netif_carrier_ok(dev);
}

static int script_open(struct net_device *dev)
{
	int err;

	rtnl_lock();
	err = dev_open(dev, NULL);
	rtnl_unlock();
	kmod_event("\"open\":%d", err);
	return err;
}

static void script_close(struct net_device *dev)
{
	rtnl_lock();
	dev_close(dev);
	rtnl_unlock();
}

static void script_traffic(struct net_device *dev, u32 tx, u32 rx)
{
	struct script_traffic t = {dev, tx, rx, (u32)kmod_option_int("size", 0),
				   (u32)kmod_option_int("sg", 0)};
	bool carrier = script_carrier(dev);

	atomic64_set(&kmod_rx_good, 0);
	atomic64_set(&kmod_rx_wrong, 0);
	atomic64_set(&kmod_wire.received, 0);
	atomic64_set(&kmod_wire.wrong, 0);
	atomic64_set(&kmod_wire.sent, 0);
	kmod_wire.rx_wanted = rx;
	kmod_wire.window = (unsigned long)kmod_option_int("window", 4);
	kmod_wire.size = t.size;
	kmod_wire.go = kmod_wire.fd >= 0;
	script_transmit(&t);
	if (kmod_wire.fd >= 0 || rx)
		script_settle(&t);
	else
		host_sleep(100000000);
	kmod_wire.go = false;
	kmod_event("\"traffic\":%s,\"carrier\":%s,\"queued\":%lld,\"frames_sent\":%lld,\"sent_"
		   "wrong\":%lld,"
		   "\"peer_sent\":%lld,\"frames_received\":%lld,\"received_wrong\":%lld,\"first_"
		   "frame_ns\":%lld,"
		   "\"stuck\":%s",
		   kmod_wire.fd >= 0 ? "true" : "false", carrier ? "true" : "false",
		   atomic64_read(&t.queued), atomic64_read(&kmod_wire.received),
		   atomic64_read(&kmod_wire.wrong), atomic64_read(&kmod_wire.sent),
		   atomic64_read(&kmod_rx_good), atomic64_read(&kmod_rx_wrong),
		   first_frame ? (s64)(first_frame - began) : -1, t.failed ? "true" : "false");
}

static void script_modes(struct net_device *dev)
{
	static struct netdev_hw_addr group = {.addr = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};
	static const unsigned int flags[] = {IFF_PROMISC, IFF_ALLMULTI, 0};
	struct rtnl_link_stats64 stats;

	rtnl_lock();
	list_add_tail(&group.list, &dev->mc.list);
	dev->mc.count++;
	for (unsigned int i = 0; dev->netdev_ops->ndo_set_rx_mode && i < ARRAY_SIZE(flags); i++) {
		dev->flags = (dev->flags & ~(unsigned int)(IFF_PROMISC | IFF_ALLMULTI)) | flags[i];
		local_bh_disable();
		KMOD_CALL("ndo_set_rx_mode", dev->netdev_ops->ndo_set_rx_mode(dev));
		local_bh_enable();
	}
	list_del(&group.list);
	dev->mc.count--;
	rtnl_unlock();
	dev_get_stats(dev, &stats);
}

static void script_mtu(struct net_device *dev, int mtu)
{
	int err = -EINVAL;

	rtnl_lock();
	if (mtu >= (int)dev->min_mtu && mtu <= (int)dev->max_mtu) {
		err = 0;
		if (dev->netdev_ops->ndo_change_mtu)
			KMOD_CALL("ndo_change_mtu",
				  err = dev->netdev_ops->ndo_change_mtu(dev, mtu));
		if (!err)
			dev->mtu = (unsigned int)mtu;
	}
	rtnl_unlock();
	kmod_event("\"mtu\":%d,\"mtu_result\":%d", mtu, err);
}

static void script_address(struct net_device *dev)
{
	struct sockaddr addr = {.sa_family = dev->type};
	int err = 0;

	if (!dev->netdev_ops->ndo_set_mac_address)
		return;
	memcpy(addr.sa_data, dev->dev_addr, ETH_ALEN);
	rtnl_lock();
	KMOD_CALL("ndo_set_mac_address", err = dev->netdev_ops->ndo_set_mac_address(dev, &addr));
	rtnl_unlock();
}

static void script_features(struct net_device *dev)
{
	netdev_features_t had = dev->wanted_features;

	rtnl_lock();
	dev->wanted_features =
		had ^ (dev->hw_features & (NETIF_F_RXCSUM | NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_SG));
	netdev_update_features(dev);
	dev->wanted_features = had;
	netdev_update_features(dev);
	rtnl_unlock();
}

static void script_ioctl(struct net_device *dev)
{
	struct ifreq ifr = {.ifr_ifindex = 0};
	int err = 0;

	if (!dev->netdev_ops->ndo_eth_ioctl)
		return;
	rtnl_lock();
	KMOD_CALL("ndo_eth_ioctl", err = dev->netdev_ops->ndo_eth_ioctl(dev, &ifr, SIOCGMIIPHY));
	rtnl_unlock();
}

/*
 * Waits until the driver has freed what it sent and nothing of it is due or runs: what interrupts a
 * driver at work differs from run to run.
 */
static void script_quiet(void)
{
	u64 patience = (u64)min(kmod_option_int("patience_ms", 3000), 3000l) * NSEC_PER_MSEC;
	u64 until = host_now() + patience;

	for (unsigned int calm = 0; calm < 3 && host_now() < until && !host_stopped(); calm++) {
		if (kmod_skb_busy() || kmod_napi_busy() || kmod_irq_busy() || kmod_work_busy())
			calm = 0;
		host_sleep(1000000);
		kmod_progressed();
	}
}

/*
 * With busy=1 the driver sends and receives during the next step. Frames that are lost then are not
 * counted.
 */
static void script_load(struct net_device *dev)
{
	struct script_traffic t = {dev, 16, 0, (u32)kmod_option_int("size", 0),
				   (u32)kmod_option_int("sg", 0)};

	script_quiet();
	if (!kmod_option_int("busy", 0))
		return;
	kmod_wire.rx_wanted = 1000000;
	kmod_wire.go = kmod_wire.fd >= 0;
	script_transmit(&t);
}

static void script_unload(void)
{
	if (kmod_option_int("busy", 0))
		host_sleep(200000000);
	kmod_wire.go = false;
	script_quiet();
}

/* The remaining actions of a system on a device, with --full. */
static void script_full(struct net_device *dev, u32 tx, u32 rx)
{
	script_modes(dev);
	script_features(dev);
	script_ioctl(dev);
	rtnl_lock();
	kmod_ethtool_all(dev);
	rtnl_unlock();
	script_address(dev);
	if (kmod_option_int("timeout", 1)) {
		script_load(dev);
		kmod_tx_timeout_now(dev);
		script_unload();
		script_traffic(dev, min(tx, 16u), min(rx, 16u));
	}
	script_load(dev);
	kmod_event("\"suspend\":%d", kmod_pci_suspend_resume());
	script_unload();
	script_traffic(dev, min(tx, 16u), min(rx, 16u));
	if (dev->max_mtu > 2000) {
		script_mtu(dev, 2000);
		script_traffic(dev, min(tx, 16u), min(rx, 16u));
		script_mtu(dev, 1500);
	}
}

void kmod_script_net(struct net_device *dev)
{
	u32 tx = (u32)kmod_option_int("tx", 30), rx = (u32)kmod_option_int("rx", 20);
	long mtu = kmod_option_int("mtu", 0);

	kmod_on_receive = script_receive;
	if (mtu)
		script_mtu(dev, (int)mtu);
	if (!script_open(dev))
		script_traffic(dev, tx, rx);
	if (dev->flags & IFF_UP && kmod_option_int("ethtool", 0)) {
		rtnl_lock();
		kmod_ethtool_all(dev);
		rtnl_unlock();
	}
	if (dev->flags & IFF_UP && kmod_option_int("full", 0) && !host_stopped())
		script_full(dev, tx, rx);
	script_close(dev);
	if (!host_stopped() && kmod_option_int("reopen", 1) && !script_open(dev)) {
		script_traffic(dev, min(tx, 8u), min(rx, 8u));
		script_close(dev);
	}
}

void kmod_script_run(void)
{
	began = host_now();
	if (kmod_user_script) {
		kmod_event("\"script\":%d", kmod_user_script());
		return;
	}
	if (kmod_netdev)
		kmod_script_net(kmod_netdev);
	else
		kmod_script_char();
}
