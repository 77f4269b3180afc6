/* SPDX-License-Identifier: BSD-2-Clause */
/* Network devices: registration, opening, transmit queues with their watchdog, carrier, addresses,
 * features. */
#include "net.h"
#include <linux/rtnetlink.h>

struct net init_net = {1};
struct net_device *kmod_netdev;
void (*kmod_on_receive)(struct sk_buff *skb);
static DEFINE_MUTEX(rtnl);

void rtnl_lock(void)
{
	mutex_lock(&rtnl);
}

void rtnl_unlock(void)
{
	mutex_unlock(&rtnl);
}

int rtnl_trylock(void)
{
	return mutex_trylock(&rtnl);
}

bool rtnl_is_locked(void)
{
	return mutex_is_locked(&rtnl);
}

struct net_device *alloc_etherdev_mqs(int priv, unsigned int txqs, unsigned int rxqs)
{
	struct net_device *dev = kmod_calloc("register", 1, sizeof(*dev));

	kmod_might_sleep("alloc_etherdev");
	if (!dev)
		return NULL;
	dev->priv = kmod_kmalloc(1, (size_t)max(priv, 1), GFP_KERNEL | __GFP_ZERO);
	dev->_tx = kmod_calloc(NULL, txqs, sizeof(*dev->_tx));
	if (!dev->priv || !dev->_tx) {
		kfree(dev->priv);
		host_free(dev->_tx);
		host_free(dev);
		return NULL;
	}
	kmod_device_init(&dev->dev, NULL, "net");
	snprintf(dev->name, sizeof(dev->name), "eth%%d");
	for (unsigned int i = 0; i < txqs; i++) {
		dev->_tx[i].dev = dev;
		spin_lock_init(&dev->_tx[i]._xmit_lock);
	}
	dev->num_tx_queues = dev->real_num_tx_queues = txqs;
	dev->num_rx_queues = dev->real_num_rx_queues = rxqs;
	dev->mtu = ETH_DATA_LEN;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = ETH_DATA_LEN;
	dev->hard_header_len = ETH_HLEN;
	dev->addr_len = ETH_ALEN;
	dev->type = 1;
	dev->flags = IFF_BROADCAST | IFF_MULTICAST;
	dev->dev_addr = dev->addr_room;
	memset(dev->broadcast, 0xff, ETH_ALEN);
	INIT_LIST_HEAD(&dev->mc.list);
	INIT_LIST_HEAD(&dev->uc.list);
	INIT_LIST_HEAD(&dev->napi_list);
	dev->gso_max_size = 65536;
	set_bit(__LINK_STATE_PRESENT, &dev->state);
	kmod_ledger_add(KMOD_NETDEV, dev, sizeof(*dev));
	return dev;
}

void free_netdev(struct net_device *dev)
{
	struct napi_struct *n, *next;

	kmod_might_sleep("free_netdev");
	if (!kmod_ledger_find(KMOD_NETDEV, dev, NULL, NULL)) {
		kmod_finding("double-free",
			     "free_netdev() of a device that is freed, or was never allocated");
		return;
	}
	if (dev->reg_state == NETREG_REGISTERED)
		kmod_finding("netdev-registered", "free_netdev() of a device that is registered");
	list_for_each_entry_safe(n, next, &dev->napi_list, dev_list) netif_napi_del(n);
	kmod_ledger_del(KMOD_NETDEV, dev);
	if (kmod_netdev == dev)
		kmod_netdev = NULL;
	kfree(dev->priv);
	host_free(dev->_tx);
	host_free(dev);
}

static void netdev_managed_free(void *dev)
{
	free_netdev(dev);
}

struct net_device *devm_alloc_etherdev_mqs(struct device *dev, int priv, unsigned int txqs,
					   unsigned int rxqs)
{
	struct net_device *n = alloc_etherdev_mqs(priv, txqs, rxqs);

	if (n && devm_add_action_or_reset(dev, netdev_managed_free, n))
		return NULL;
	return n;
}

const char *netdev_name(const struct net_device *dev)
{
	return dev->name[0] && !strchr(dev->name, '%') ? dev->name : "(unnamed net_device)";
}

void kmod_netdev_printk(const char *level, const struct net_device *dev, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	kmod_print_named(level, dev && dev->dev.parent ? dev_driver_string(dev->dev.parent) : "",
			 dev ? netdev_name(dev) : "(null)", fmt, args);
	va_end(args);
}

static netdev_features_t netdev_fix(struct net_device *dev, netdev_features_t f)
{
	if (dev->netdev_ops->ndo_fix_features)
		KMOD_CALL("ndo_fix_features", f = dev->netdev_ops->ndo_fix_features(dev, f));
	if (f & NETIF_F_ALL_TSO && !(f & NETIF_F_SG))
		f &= ~NETIF_F_ALL_TSO;
	return f;
}

void netdev_update_features(struct net_device *dev)
{
	netdev_features_t f = netdev_fix(dev, (dev->features & ~dev->hw_features) |
						      (dev->wanted_features & dev->hw_features));
	int err = 0;

	if (f == dev->features)
		return;
	if (dev->netdev_ops->ndo_set_features)
		KMOD_CALL("ndo_set_features", err = dev->netdev_ops->ndo_set_features(dev, f));
	if (err >= 0)
		dev->features = f;
}

int register_netdevice(struct net_device *dev)
{
	static int number;
	int err = kmod_fail("register") ? -ENOMEM : 0;

	kmod_might_sleep("register_netdevice");
	if (dev->reg_state == NETREG_REGISTERED)
		kmod_oops("bug", "register_netdev() of a device that is registered");
	if (!dev->netdev_ops) {
		kmod_finding("netdev-no-ops", "register_netdev() of a device without operations");
		return -EINVAL;
	}
	if (!err && dev->netdev_ops->ndo_init)
		err = dev->netdev_ops->ndo_init(dev);
	if (err)
		return err;
	if (strchr(dev->name, '%'))
		snprintf(dev->name, sizeof(dev->name), "eth%d", number);
	dev->ifindex = ++number + 1;
	snprintf(dev->dev.name, sizeof(dev->dev.name), "%s", dev->name);
	memcpy(dev->perm_addr, dev->dev_addr, ETH_ALEN);
	dev->hw_features |= NETIF_F_GSO | NETIF_F_GRO;
	dev->features |= NETIF_F_GSO | NETIF_F_GRO;
	dev->wanted_features = dev->features & dev->hw_features;
	netdev_update_features(dev);
	dev->reg_state = NETREG_REGISTERED;
	kmod_netdev = dev;
	return 0;
}

int register_netdev(struct net_device *dev)
{
	int err;

	rtnl_lock();
	err = register_netdevice(dev);
	rtnl_unlock();
	return err;
}

void unregister_netdev(struct net_device *dev)
{
	kmod_might_sleep("unregister_netdev");
	if (dev->reg_state != NETREG_REGISTERED) {
		kmod_finding("bad-remove",
			     "unregister_netdev() of a device that is not registered");
		return;
	}
	rtnl_lock();
	dev_close(dev);
	synchronize_net();
	dev->reg_state = NETREG_UNREGISTERED;
	if (dev->netdev_ops->ndo_uninit)
		dev->netdev_ops->ndo_uninit(dev);
	if (kmod_netdev == dev)
		kmod_netdev = NULL;
	rtnl_unlock();
}

static void netdev_rx_mode(struct net_device *dev)
{
	if (!dev->netdev_ops->ndo_set_rx_mode)
		return;
	local_bh_disable();
	KMOD_CALL("ndo_set_rx_mode", dev->netdev_ops->ndo_set_rx_mode(dev));
	local_bh_enable();
}

#define WATCHDOG_ROUNDS 16 /* in watchdog_timeo */

/*
 * A queue has stalled when it was stopped for watchdog_timeo and nothing else moved during as many
 * rounds of the watchdog as fit into that time. On a busy machine the rounds are late too, so that
 * a slow device is not reported as stalled.
 */
static bool netdev_stalled(const struct net_device *dev, struct netdev_queue *q, bool idle)
{
	unsigned long start = READ_ONCE(q->trans_start);

	if (!netif_carrier_ok(dev) || !netif_device_present(dev) || !netif_xmit_stopped(q) ||
	    q->stall_start != start || !idle) {
		q->stall_start = start;
		q->stall_rounds = 0;
		return false;
	}
	return ++q->stall_rounds >= WATCHDOG_ROUNDS &&
	       time_after(jiffies, start + (unsigned long)dev->watchdog_timeo);
}

static unsigned long netdev_watchdog_round(const struct net_device *dev)
{
	return max((unsigned long)dev->watchdog_timeo / WATCHDOG_ROUNDS, 1ul);
}

static void netdev_watchdog(struct timer_list *t)
{
	struct net_device *dev = from_timer(dev, t, watchdog_timer);
	u64 progress = kmod_progress();
	bool idle = progress == dev->watchdog_progress;

	for (unsigned int i = 0; i < dev->real_num_tx_queues; i++) {
		struct netdev_queue *q = &dev->_tx[i];

		if (netdev_stalled(dev, q, idle)) {
			kmod_finding_of((unsigned long)dev->netdev_ops->ndo_start_xmit,
					"tx-timeout", NULL, NULL,
					"transmit queue %u was stopped for %d ms: the watchdog "
					"calls ndo_tx_timeout",
					i, jiffies_to_msecs((unsigned long)dev->watchdog_timeo));
			kmod_tx_timeout_now(dev);
			WRITE_ONCE(q->trans_start, jiffies);
		}
	}
	dev->watchdog_progress = kmod_progress();
	mod_timer(&dev->watchdog_timer, jiffies + netdev_watchdog_round(dev));
}

void kmod_tx_timeout_now(struct net_device *dev)
{
	if (!dev->netdev_ops->ndo_tx_timeout)
		return;
	__netif_tx_lock_bh(&dev->_tx[0]);
	KMOD_CALL("ndo_tx_timeout", dev->netdev_ops->ndo_tx_timeout(dev, 0));
	__netif_tx_unlock_bh(&dev->_tx[0]);
}

int dev_open(struct net_device *dev, struct netlink_ext_ack *ack)
{
	int err = 0;

	if (dev->flags & IFF_UP)
		return 0;
	if (!netif_device_present(dev))
		return -ENODEV;
	if (dev->netdev_ops->ndo_validate_addr)
		err = dev->netdev_ops->ndo_validate_addr(dev);
	set_bit(__LINK_STATE_START, &dev->state);
	if (!err && dev->netdev_ops->ndo_open)
		KMOD_CALL("ndo_open", err = dev->netdev_ops->ndo_open(dev));
	if (err) {
		clear_bit(__LINK_STATE_START, &dev->state);
		return err;
	}
	dev->flags |= IFF_UP;
	netdev_rx_mode(dev);
	if (dev->netdev_ops->ndo_tx_timeout) {
		if (dev->watchdog_timeo <= 0)
			dev->watchdog_timeo = 5 * HZ;
		timer_setup(&dev->watchdog_timer, netdev_watchdog, 0);
		mod_timer(&dev->watchdog_timer, jiffies + netdev_watchdog_round(dev));
	}
	return 0;
}

void dev_close(struct net_device *dev)
{
	if (!(dev->flags & IFF_UP))
		return;
	clear_bit(__LINK_STATE_START, &dev->state);
	if (dev->watchdog_timer.magic)
		timer_delete_sync(&dev->watchdog_timer);
	if (dev->netdev_ops->ndo_stop)
		KMOD_CALL("ndo_stop", dev->netdev_ops->ndo_stop(dev));
	dev->flags &= ~(unsigned int)IFF_UP;
}

/*
 * May be called in any context, also in hard interrupts. The stack receives the packet later, in a
 * softirq.
 */
int netif_rx(struct sk_buff *skb)
{
	int hardirq = kmod_context()->hardirq, did;

	kmod_context()->hardirq = 0;
	did = kmod_receive(skb);
	kmod_context()->hardirq = hardirq;
	return did;
}

void netif_carrier_on(struct net_device *dev)
{
	clear_bit(__LINK_STATE_NOCARRIER, &dev->state);
}

void netif_carrier_off(struct net_device *dev)
{
	set_bit(__LINK_STATE_NOCARRIER, &dev->state);
}

void netif_device_detach(struct net_device *dev)
{
	if (test_and_clear_bit(__LINK_STATE_PRESENT, &dev->state) && netif_running(dev))
		netif_tx_stop_all_queues(dev);
}

void netif_device_attach(struct net_device *dev)
{
	if (!test_and_set_bit(__LINK_STATE_PRESENT, &dev->state) && netif_running(dev))
		netif_tx_wake_all_queues(dev);
}

int netif_set_real_num_tx_queues(struct net_device *dev, unsigned int n)
{
	if (!n || n > dev->num_tx_queues)
		return -EINVAL;
	dev->real_num_tx_queues = n;
	return 0;
}

int netif_set_real_num_rx_queues(struct net_device *dev, unsigned int n)
{
	if (!n || n > dev->num_rx_queues)
		return -EINVAL;
	dev->real_num_rx_queues = n;
	return 0;
}

void dev_addr_set(struct net_device *dev, const u8 *addr)
{
	memcpy(dev->addr_room, addr, ETH_ALEN);
}

void eth_hw_addr_random(struct net_device *dev)
{
	eth_random_addr(dev->addr_room);
	dev->addr_assign_type = 1;
}

int eth_validate_addr(struct net_device *dev)
{
	return is_valid_ether_addr(dev->dev_addr) ? 0 : -EADDRNOTAVAIL;
}

int eth_prepare_mac_addr_change(struct net_device *dev, void *p)
{
	const struct sockaddr *a = p;

	if (!(dev->priv_flags & IFF_LIVE_ADDR_CHANGE) && netif_running(dev))
		return -EBUSY;
	return is_valid_ether_addr((const u8 *)a->sa_data) ? 0 : -EADDRNOTAVAIL;
}

void eth_commit_mac_addr_change(struct net_device *dev, void *p)
{
	dev_addr_set(dev, (const u8 *)((const struct sockaddr *)p)->sa_data);
}

int eth_mac_addr(struct net_device *dev, void *p)
{
	int err = eth_prepare_mac_addr_change(dev, p);

	if (!err)
		eth_commit_mac_addr_change(dev, p);
	return err;
}

void netdev_stats_to_stats64(struct rtnl_link_stats64 *s, const struct net_device_stats *from)
{
	memset(s, 0, sizeof(*s));
	s->rx_packets = from->rx_packets;
	s->tx_packets = from->tx_packets;
	s->rx_bytes = from->rx_bytes;
	s->tx_bytes = from->tx_bytes;
	s->rx_errors = from->rx_errors;
	s->tx_errors = from->tx_errors;
	s->rx_dropped = from->rx_dropped;
	s->tx_dropped = from->tx_dropped;
	s->multicast = from->multicast;
	s->collisions = from->collisions;
	s->rx_length_errors = from->rx_length_errors;
	s->rx_over_errors = from->rx_over_errors;
	s->rx_crc_errors = from->rx_crc_errors;
	s->rx_frame_errors = from->rx_frame_errors;
	s->rx_fifo_errors = from->rx_fifo_errors;
	s->rx_missed_errors = from->rx_missed_errors;
	s->tx_aborted_errors = from->tx_aborted_errors;
	s->tx_carrier_errors = from->tx_carrier_errors;
	s->tx_fifo_errors = from->tx_fifo_errors;
	s->tx_heartbeat_errors = from->tx_heartbeat_errors;
	s->tx_window_errors = from->tx_window_errors;
}

struct rtnl_link_stats64 *dev_get_stats(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	const struct net_device_ops *ops = dev->netdev_ops;

	if (ops->ndo_get_stats64) {
		memset(s, 0, sizeof(*s));
		KMOD_CALL("ndo_get_stats64", ops->ndo_get_stats64(dev, s));
	} else if (ops->ndo_get_stats) {
		KMOD_CALL("ndo_get_stats", netdev_stats_to_stats64(s, ops->ndo_get_stats(dev)));
	} else {
		netdev_stats_to_stats64(s, &dev->stats);
	}
	return s;
}
