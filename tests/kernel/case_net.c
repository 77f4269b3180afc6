/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket buffers, NAPI and network devices. The rules are those of
 * Documentation/networking/driver.rst, napi.rst and skbuff.rst.
 */
#include "cases.h"
#include <linux/etherdevice.h>
#include <linux/delay.h>

int kmod_xmit(struct net_device *dev, struct sk_buff *skb, bool more);
void kmod_free_skb(struct sk_buff *skb);

static struct sk_buff *kept;
static int mode;

static netdev_tx_t case_xmit(struct sk_buff *skb, struct net_device *dev)
{
	switch (mode) {
	case 0:
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	case 1: /* freed, but returns busy */
		dev_kfree_skb_any(skb);
		return NETDEV_TX_BUSY;
	case 2: /* not freed, and returns busy */
		kept = skb;
		return NETDEV_TX_BUSY;
	case 3: /* a sleep in the transmit path */
		msleep(1);
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	case 4:
		dev_kfree_skb_any(skb);
		return -ENOMEM;
	default: /* busy, as documented */
		netif_stop_queue(dev);
		return NETDEV_TX_BUSY;
	}
}

static int case_open(struct net_device *dev)
{
	netif_start_queue(dev);
	return 0;
}

static int case_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	return 0;
}

static void case_timeout(struct net_device *dev, unsigned int queue)
{
	netif_wake_queue(dev);
}

static const struct net_device_ops case_ops = {
	.ndo_open = case_open, .ndo_stop = case_stop, .ndo_start_xmit = case_xmit};

static struct net_device *case_device(void)
{
	struct net_device *dev = alloc_etherdev(sizeof(int));

	dev->netdev_ops = &case_ops;
	eth_hw_addr_random(dev);
	CHECK(!register_netdev(dev));
	rtnl_lock();
	CHECK(!dev_open(dev, NULL));
	rtnl_unlock();
	return dev;
}

static void case_device_end(struct net_device *dev)
{
	unregister_netdev(dev);
	free_netdev(dev);
}

static void case_send(int how, int want)
{
	struct net_device *dev = case_device();
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);
	int got;

	skb_put(skb, 60);
	mode = how;
	got = kmod_xmit(dev, skb, false);
	CHECK(got == want);
	if (how == 2)
		dev_kfree_skb_any(kept);
	if (got == -EBUSY && how != 4)
		kmod_free_skb(skb);
	case_device_end(dev);
}

CASE(xmit_ok, "")
{
	case_send(0, 0);
}

CASE(xmit_busy, "")
{
	case_send(9, -EBUSY);
}

CASE(xmit_busy_freed, "tx-busy-freed")
{
	case_send(1, 0);
}

CASE(xmit_busy_kept, "skb-not-owned")
{
	case_send(2, -EBUSY);
}

CASE(xmit_sleeps, "sleep-in-atomic")
{
	case_send(3, 0);
}

CASE(netdev_left, "leak-netdev leak-memory")
{
	alloc_etherdev(4);
}

CASE(netdev_freed_registered, "netdev-registered")
{
	struct net_device *dev = alloc_etherdev(4);

	dev->netdev_ops = &case_ops;
	register_netdev(dev);
	free_netdev(dev);
}

CASE(netdev_freed_twice, "double-free")
{
	struct net_device *dev = alloc_etherdev(4);

	free_netdev(dev);
	free_netdev(dev);
}

CASE(skb_left, "leak-skb leak-memory")
{
	kept = alloc_skb(100, GFP_KERNEL);
}

CASE(skb_freed_twice, "skb-double-free")
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);

	kfree_skb(skb);
	kfree_skb(skb);
}

CASE(skb_put_too_much, "skb-over")
{
	skb_put(alloc_skb(100, GFP_KERNEL), 101);
}

CASE(skb_push_too_much, "skb-under")
{
	skb_push(alloc_skb(100, GFP_KERNEL), 1);
}

CASE_ASAN(skb_written_past_end, "heap-buffer-overflow")
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);
	volatile u8 *p = skb_put(skb, 100);

	p[100] = 1;
}

CASE(skb_freed_irqs_off, "skb-free-context")
{
	unsigned long flags;

	local_irq_save(flags);
	dev_kfree_skb(alloc_skb(100, GFP_ATOMIC));
	local_irq_restore(flags);
	local_irq_save(flags);
	dev_kfree_skb_any(alloc_skb(100, GFP_ATOMIC));
	local_irq_restore(flags);
}

CASE(skb_headroom_and_pull, "")
{
	struct sk_buff *skb = alloc_skb(200, GFP_KERNEL);
	u8 *p;

	skb_reserve(skb, 50);
	CHECK(skb_headroom(skb) == 50 && skb_tailroom(skb) == 150 && skb->len == 0);
	p = skb_put(skb, 60);
	memset(p, 1, 60);
	CHECK(skb_push(skb, 14) == p - 14 && skb->len == 74);
	CHECK(skb_pull(skb, 14) == p && skb->len == 60 && !skb_pull(skb, 61));
	skb_trim(skb, 40);
	CHECK(skb->len == 40 && skb_tail_pointer(skb) == p + 40);
	CHECK(!skb_put_padto(skb, 60) && skb->len == 60 && p[39] == 1 && p[40] == 0);
	CHECK(!skb_put_padto(skb, 500) && skb->len == 500 && skb->data[39] == 1 &&
	      skb->data[499] == 0);
	kfree_skb(skb);
}

static struct sk_buff *with_fragments(void)
{
	struct sk_buff *skb = alloc_skb(64, GFP_KERNEL);

	memset(skb_put(skb, 20), 1, 20);
	for (int i = 0; i < 3; i++) {
		struct page *page = alloc_page(GFP_KERNEL);

		memset(page_address(page), i + 2, 100);
		skb_add_rx_frag(skb, i, page, 10, 50, 4096);
	}
	return skb;
}

CASE(skb_fragments, "")
{
	struct sk_buff *skb = with_fragments();
	u8 out[170];

	CHECK(skb->len == 170 && skb->data_len == 150 && skb_headlen(skb) == 20 &&
	      skb_shinfo(skb)->nr_frags == 3);
	CHECK(!skb_copy_bits(skb, 0, out, 170) && out[19] == 1 && out[20] == 2 && out[70] == 3 &&
	      out[169] == 4);
	CHECK(!skb_copy_bits(skb, 60, out, 20) && out[9] == 2 && out[10] == 3 &&
	      skb_copy_bits(skb, 160, out, 11) < 0);
	CHECK(pskb_may_pull(skb, 80) && skb_headlen(skb) == 80 && skb_shinfo(skb)->nr_frags == 2 &&
	      skb->data[75] == 3);
	CHECK(!pskb_trim(skb, 100) && skb->len == 100 && skb->data_len == 20 &&
	      skb_shinfo(skb)->nr_frags == 1);
	CHECK(!skb_linearize(skb) && !skb->data_len && skb->data[99] == 3 &&
	      skb_shinfo(skb)->nr_frags == 0);
	kfree_skb(skb);
}

CASE(skb_clones_share, "")
{
	struct sk_buff *skb = with_fragments(), *clone = skb_clone(skb, GFP_KERNEL),
		       *copy = skb_copy(skb, GFP_KERNEL);

	CHECK(clone->data == skb->data && skb_cloned(skb) && skb_cloned(clone));
	CHECK(copy->data != skb->data && copy->len == 170 && !copy->data_len && !skb_cloned(copy));
	kfree_skb(skb);
	CHECK(!skb_cloned(clone) && clone->data[0] == 1);
	kfree_skb(clone);
	skb_get(copy);
	kfree_skb(copy);
	CHECK(copy->data[0] == 1);
	kfree_skb(copy);
}

/* A clone that is changed receives its own data and fragments; the other buffers keep theirs. */
CASE(skb_clone_changed, "")
{
	struct sk_buff *skb = with_fragments(), *clone = skb_clone(skb, GFP_KERNEL),
		       *third = skb_clone(skb, GFP_KERNEL);
	u8 out[170];

	CHECK(!skb_cow_head(clone, 40) && skb_headroom(clone) >= 40 && !skb_cloned(clone) &&
	      clone->data != skb->data && clone->len == 170 && skb_cloned(skb));
	skb_push(clone, 14);
	clone->data[14] = 9;
	CHECK(!pskb_trim(third, 100) && !skb_linearize(third) && third->data[99] == 3);
	CHECK(skb->data[0] == 1 && !skb_copy_bits(skb, 0, out, 170) && out[69] == 2 &&
	      out[169] == 4);
	kfree_skb(third);
	CHECK(!skb_copy_bits(clone, 14, out, 170) && out[0] == 9 && out[20] == 2 && out[169] == 4);
	kfree_skb(skb);
	CHECK(!skb_linearize(clone) && clone->data[183] == 4);
	kfree_skb(clone);
}

CASE(skb_built_around_data, "")
{
	void *data = netdev_alloc_frag(1024);
	struct sk_buff *skb = build_skb(data, 1024);

	skb_reserve(skb, 64);
	skb_put(skb, 100);
	kfree_skb(skb);
	skb_free_frag((u8 *)netdev_alloc_frag(512) + 100);
}

CASE(skb_checksum_in_software, "")
{
	struct sk_buff *skb = alloc_skb(64, GFP_KERNEL);

	memset(skb_put(skb, 40), 0, 40);
	skb->data[20] = 0x12;
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = (u16)(skb_headroom(skb) + 20);
	skb->csum_offset = 6;
	CHECK(!skb_checksum_help(skb) && skb->ip_summed == CHECKSUM_NONE);
	CHECK(skb->data[26] == 0xed && skb->data[27] == 0xff);
	kfree_skb(skb);
}

CASE(queue_of_skbs, "")
{
	struct sk_buff_head q;
	struct sk_buff *first = alloc_skb(10, GFP_KERNEL);

	skb_queue_head_init(&q);
	skb_queue_tail(&q, first);
	skb_queue_tail(&q, alloc_skb(10, GFP_KERNEL));
	CHECK(skb_queue_len(&q) == 2 && skb_dequeue(&q) == first);
	kfree_skb(first);
	skb_queue_purge(&q);
	CHECK(skb_queue_empty(&q) && !skb_dequeue(&q));
}

static int polls, poll_returns;
static bool poll_completes;
static int case_poll(struct napi_struct *n, int budget)
{
	CHECK(in_softirq() && budget == NAPI_POLL_WEIGHT);
	polls++;
	if (poll_completes || polls > 2)
		napi_complete_done(n, 0);
	return polls > 2 ? 0 : poll_returns;
}

static void case_napi(int returns, bool completes, bool del)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct napi_struct));
	struct napi_struct *n = netdev_priv(dev);

	poll_returns = returns;
	poll_completes = completes;
	netif_napi_add(dev, n, case_poll);
	napi_enable(n);
	CHECK(napi_schedule(n));
	msleep(30);
	if (del)
		napi_disable(n);
	netif_napi_del(n);
	free_netdev(dev);
}

CASE(napi_polls, "")
{
	case_napi(0, true, true);
	CHECK(polls == 1);
}

CASE(napi_polls_again, "")
{
	case_napi(NAPI_POLL_WEIGHT, false, true);
	CHECK(polls == 3);
}

static int again_poll(struct napi_struct *n, int budget)
{
	if (!polls++)
		CHECK(!napi_schedule(n));
	napi_complete_done(n, 0);
	return 0;
}

CASE(napi_scheduled_in_its_poll, "")
{
	struct net_device *dev = alloc_etherdev(sizeof(struct napi_struct));
	struct napi_struct *n = netdev_priv(dev);

	netif_napi_add(dev, n, again_poll);
	napi_enable(n);
	napi_schedule(n);
	msleep(30);
	napi_disable(n);
	CHECK(polls == 2);
	free_netdev(dev);
}

CASE(napi_over_budget, "napi-over-budget")
{
	case_napi(NAPI_POLL_WEIGHT + 1, true, true);
}

CASE(napi_not_completed, "napi-not-completed")
{
	case_napi(5, false, true);
}

CASE(napi_deleted_enabled, "napi-enabled")
{
	case_napi(0, true, false);
}

CASE(napi_enabled_twice, "napi-enabled-twice")
{
	struct net_device *dev = alloc_etherdev(sizeof(struct napi_struct));
	struct napi_struct *n = netdev_priv(dev);

	netif_napi_add(dev, n, case_poll);
	napi_enable(n);
	napi_enable(n);
}

CASE(completed_what_was_sent, "")
{
	struct net_device *dev = case_device();

	netdev_sent_queue(dev, 100);
	netdev_completed_queue(dev, 1, 100);
	case_device_end(dev);
}

CASE(completed_more_than_sent, "bql")
{
	struct net_device *dev = case_device();

	netdev_sent_queue(dev, 100);
	netdev_completed_queue(dev, 1, 101);
	case_device_end(dev);
}

CASE(addresses, "")
{
	const u8 group[6] = {1, 0, 0x5e, 0, 0, 1}, zero[6] = {0},
		 all[6] = {255, 255, 255, 255, 255, 255};

	CHECK(is_multicast_ether_addr(group) && !is_valid_ether_addr(group) &&
	      !is_valid_ether_addr(zero));
	CHECK(is_broadcast_ether_addr(all) && !is_broadcast_ether_addr(group) &&
	      !ether_addr_equal(all, zero));
}

CASE(queue_stops, "tx-timeout")
{
	struct net_device *dev = alloc_etherdev(sizeof(int));
	static struct net_device_ops ops;

	ops = case_ops;
	ops.ndo_tx_timeout = case_timeout;
	dev->netdev_ops = &ops;
	dev->watchdog_timeo = HZ / 20;
	eth_hw_addr_random(dev);
	CHECK(!register_netdev(dev));
	rtnl_lock();
	CHECK(!dev_open(dev, NULL));
	rtnl_unlock();
	netif_stop_queue(dev);
	for (int i = 0; i < 200 && netif_queue_stopped(dev); i++)
		msleep(10);
	CHECK(!netif_queue_stopped(dev));
	case_device_end(dev);
}
