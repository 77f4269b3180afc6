/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmit queues: stopped and woken by the driver, locked by the stack. Packets are passed to the
 * driver here, and the rules of ndo_start_xmit are checked: Documentation/networking/driver.rst.
 */
#include "net.h"

static __thread bool more_to_come;

void netif_tx_start_queue(struct netdev_queue *q)
{
	clear_bit(__QUEUE_STATE_DRV_XOFF, &q->state);
	kmod_wake(&q->wait);
}

void netif_tx_wake_queue(struct netdev_queue *q)
{
	netif_tx_start_queue(q);
}

void netif_tx_stop_queue(struct netdev_queue *q)
{
	set_bit(__QUEUE_STATE_DRV_XOFF, &q->state);
}

#define NETDEV_ALL_QUEUES(name, one)                                                               \
	void name(struct net_device *dev)                                                          \
	{                                                                                          \
		for (unsigned int i = 0; i < dev->num_tx_queues; i++)                              \
			one(&dev->_tx[i]);                                                         \
	}
NETDEV_ALL_QUEUES(netif_tx_start_all_queues, netif_tx_start_queue)
NETDEV_ALL_QUEUES(netif_tx_stop_all_queues, netif_tx_stop_queue)
NETDEV_ALL_QUEUES(netif_tx_wake_all_queues, netif_tx_wake_queue)

void netif_tx_disable(struct net_device *dev)
{
	for (unsigned int i = 0; i < dev->num_tx_queues; i++) {
		__netif_tx_lock_bh(&dev->_tx[i]);
		netif_tx_stop_queue(&dev->_tx[i]);
		__netif_tx_unlock_bh(&dev->_tx[i]);
	}
}

void __netif_tx_lock(struct netdev_queue *q, int cpu)
{
	spin_lock(&q->_xmit_lock);
}

void __netif_tx_unlock(struct netdev_queue *q)
{
	spin_unlock(&q->_xmit_lock);
}

void __netif_tx_lock_bh(struct netdev_queue *q)
{
	spin_lock_bh(&q->_xmit_lock);
}

void __netif_tx_unlock_bh(struct netdev_queue *q)
{
	spin_unlock_bh(&q->_xmit_lock);
}

/* Byte queue limits: the sums are checked, but no limit stops the queue. */
void netdev_tx_sent_queue(struct netdev_queue *q, unsigned int bytes)
{
	__atomic_add_fetch(&q->sent, bytes, __ATOMIC_SEQ_CST);
}

void netdev_tx_completed_queue(struct netdev_queue *q, unsigned int pkts, unsigned int bytes)
{
	unsigned long done = __atomic_add_fetch(&q->completed, bytes, __ATOMIC_SEQ_CST);
	unsigned long sent = __atomic_load_n(&q->sent, __ATOMIC_SEQ_CST);

	if (done > sent)
		kmod_finding(
			"bql",
			"%lu bytes were completed, but only %lu sent (netdev_completed_queue())",
			done, sent);
}

void netdev_tx_reset_queue(struct netdev_queue *q)
{
	q->sent = q->completed = 0;
}

bool netdev_xmit_more(void)
{
	return more_to_come;
}

bool kmod_xmit_wait(struct net_device *dev, unsigned int queue, u64 deadline)
{
	struct netdev_queue *q = &dev->_tx[queue];
	bool more = true;

	for (;;) {
		unsigned long seen = kmod_wait_prepare(&q->wait);

		if (!netif_xmit_stopped(q))
			return true;
		if (!more || host_stopped())
			return false;
		more = kmod_wait(&q->wait, seen, deadline);
	}
}

/* Software fallbacks of the stack for features that the device lacks. */
static int netdev_prepare(struct net_device *dev, struct sk_buff *skb)
{
	netdev_features_t f = dev->features;

	if (dev->netdev_ops->ndo_features_check)
		f &= dev->netdev_ops->ndo_features_check(skb, dev, f);
	if (skb->data_len && !(f & NETIF_F_SG) && skb_linearize(skb))
		return -ENOMEM;
	if (skb->ip_summed == CHECKSUM_PARTIAL && !(f & NETIF_F_CSUM_MASK))
		return skb_checksum_help(skb);
	return 0;
}

int kmod_xmit(struct net_device *dev, struct sk_buff *skb, bool more)
{
	struct netdev_queue *q =
		&dev->_tx[min_t(u16, skb->queue_mapping, (u16)(dev->real_num_tx_queues - 1))];
	netdev_tx_t r = NETDEV_TX_BUSY;
	bool called = false, lock = !dev->lltx;

	skb->dev = dev;
	if (netdev_prepare(dev, skb))
		return -ENOMEM;
	rcu_read_lock();
	local_bh_disable();
	if (lock)
		spin_lock(&q->_xmit_lock);
	if (!netif_xmit_stopped(q) && netif_running(dev)) {
		called = true;
		kmod_skb_own(skb, KMOD_SKB_SENT);
		kmod_ledger_given(KMOD_SKB, skb, (unsigned long)dev->netdev_ops->ndo_start_xmit);
		more_to_come = more;
		KMOD_CALL_FN("ndo_start_xmit", dev->netdev_ops->ndo_start_xmit,
			     r = dev->netdev_ops->ndo_start_xmit(skb, dev));
		if (r == NETDEV_TX_OK)
			WRITE_ONCE(q->trans_start, jiffies);
	}
	if (lock)
		spin_unlock(&q->_xmit_lock);
	local_bh_enable();
	rcu_read_unlock();
	if (r == NETDEV_TX_OK)
		return 0;
	if (called && r != NETDEV_TX_BUSY)
		kmod_finding_of((unsigned long)dev->netdev_ops->ndo_start_xmit, "xmit-return", NULL,
				NULL,
				"ndo_start_xmit returned %d: a driver returns NETDEV_TX_OK or "
				"NETDEV_TX_BUSY",
				r);
	if (called && !kmod_ledger_find(KMOD_SKB, skb, NULL, NULL)) {
		kmod_finding_of(
			(unsigned long)dev->netdev_ops->ndo_start_xmit, "tx-busy-freed", NULL, NULL,
			"ndo_start_xmit returned NETDEV_TX_BUSY for a socket buffer that it freed");
		return 0;
	}
	kmod_skb_own(skb, KMOD_SKB_STACK);
	return -EBUSY;
}

int kmod_receive(struct sk_buff *skb)
{
	if (kmod_context()->hardirq)
		kmod_finding(
			"rx-context",
			"a packet is passed up in a hard interrupt handler by netif_receive_skb()");
	if (!kmod_ledger_find(KMOD_SKB, skb, NULL, NULL)) {
		kmod_finding("rx-freed", "a socket buffer is passed up that is not allocated");
		return NET_RX_DROP;
	}
	kmod_skb_own(skb, KMOD_SKB_STACK);
	kmod_progressed();
	if (kmod_on_receive)
		kmod_on_receive(skb);
	else
		kmod_free_skb(skb);
	return NET_RX_SUCCESS;
}
