/* SPDX-License-Identifier: BSD-2-Clause */
/* Network devices, their queues, NAPI. Linux: Documentation/networking/netdevices.rst, napi.rst,
 * driver.rst. */
#ifndef KMOD_LINUX_NETDEVICE_H
#define KMOD_LINUX_NETDEVICE_H

#include <linux/device.h>
#include <linux/skbuff.h>
#include <linux/interrupt.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/xdp.h>

struct net {
	int ifindex;
};
extern struct net init_net;

typedef enum netdev_tx { NETDEV_TX_OK = 0x00, NETDEV_TX_BUSY = 0x10 } netdev_tx_t;
#define NET_RX_SUCCESS	  0
#define NET_RX_DROP	  1
#define NET_XMIT_SUCCESS  0
#define NET_XMIT_DROP	  1
#define MAX_ADDR_LEN	  32
#define NAPI_POLL_WEIGHT  64
#define NETIF_F_GSO_SHIFT 16

enum {
	NETIF_F_SG_BIT,
	NETIF_F_IP_CSUM_BIT,
	NETIF_F_HW_CSUM_BIT = 3,
	NETIF_F_IPV6_CSUM_BIT,
	NETIF_F_HIGHDMA_BIT,
	NETIF_F_FRAGLIST_BIT,
	NETIF_F_HW_VLAN_CTAG_TX_BIT,
	NETIF_F_HW_VLAN_CTAG_RX_BIT,
	NETIF_F_HW_VLAN_CTAG_FILTER_BIT,
	NETIF_F_VLAN_CHALLENGED_BIT,
	NETIF_F_GSO_BIT,
	NETIF_F_LLTX_BIT,
	NETIF_F_GRO_BIT = 14,
	NETIF_F_LRO_BIT,
	NETIF_F_TSO_BIT,
	NETIF_F_TSO_ECN_BIT = 18,
	NETIF_F_TSO6_BIT = 20,
	NETIF_F_GSO_UDP_TUNNEL_BIT = 26,
	NETIF_F_GSO_UDP_TUNNEL_CSUM_BIT,
	NETIF_F_RXHASH_BIT = 33,
	NETIF_F_RXCSUM_BIT,
	NETIF_F_NTUPLE_BIT = 39,
	NETIF_F_RXFCS_BIT = 41,
	NETIF_F_RXALL_BIT,
	NETIF_F_LOOPBACK_BIT,
};
#define KMOD_F(n)		    (1ULL << NETIF_F_##n##_BIT)
#define NETIF_F_SG		    KMOD_F(SG)
#define NETIF_F_IP_CSUM		    KMOD_F(IP_CSUM)
#define NETIF_F_HW_CSUM		    KMOD_F(HW_CSUM)
#define NETIF_F_IPV6_CSUM	    KMOD_F(IPV6_CSUM)
#define NETIF_F_HIGHDMA		    KMOD_F(HIGHDMA)
#define NETIF_F_HW_VLAN_CTAG_TX	    KMOD_F(HW_VLAN_CTAG_TX)
#define NETIF_F_HW_VLAN_CTAG_RX	    KMOD_F(HW_VLAN_CTAG_RX)
#define NETIF_F_HW_VLAN_CTAG_FILTER KMOD_F(HW_VLAN_CTAG_FILTER)
#define NETIF_F_VLAN_CHALLENGED	    KMOD_F(VLAN_CHALLENGED)
#define NETIF_F_GSO		    KMOD_F(GSO)
#define NETIF_F_GRO		    KMOD_F(GRO)
#define NETIF_F_LRO		    KMOD_F(LRO)
#define NETIF_F_TSO		    KMOD_F(TSO)
#define NETIF_F_TSO_ECN		    KMOD_F(TSO_ECN)
#define NETIF_F_TSO6		    KMOD_F(TSO6)
#define NETIF_F_GSO_UDP_TUNNEL	    KMOD_F(GSO_UDP_TUNNEL)
#define NETIF_F_GSO_UDP_TUNNEL_CSUM KMOD_F(GSO_UDP_TUNNEL_CSUM)
#define NETIF_F_RXHASH		    KMOD_F(RXHASH)
#define NETIF_F_RXCSUM		    KMOD_F(RXCSUM)
#define NETIF_F_RXFCS		    KMOD_F(RXFCS)
#define NETIF_F_RXALL		    KMOD_F(RXALL)
#define NETIF_F_CSUM_MASK	    (NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_HW_CSUM)
#define NETIF_F_GSO_MASK	    (NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN)
#define NETIF_F_ALL_TSO		    (NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN)

#define IFF_UNICAST_FLT	     (1ULL << 17)
#define IFF_LIVE_ADDR_CHANGE (1ULL << 20)
#define IFF_SUPP_NOFCS	     (1ULL << 19)

struct net_device_stats {
	unsigned long rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors;
	unsigned long rx_dropped, tx_dropped, multicast, collisions;
	unsigned long rx_length_errors, rx_over_errors, rx_crc_errors, rx_frame_errors;
	unsigned long rx_fifo_errors, rx_missed_errors, tx_aborted_errors, tx_carrier_errors;
	unsigned long tx_fifo_errors, tx_heartbeat_errors, tx_window_errors;
	unsigned long rx_compressed;
};

struct pcpu_sw_netstats {
	u64 rx_packets, rx_bytes, tx_packets, tx_bytes;
	struct u64_stats_sync syncp;
};

struct netdev_hw_addr {
	struct list_head list;
	unsigned char addr[MAX_ADDR_LEN];
};
struct netdev_hw_addr_list {
	struct list_head list;
	int count;
};
#define netdev_hw_addr_list_count(l)   ((l)->count)
#define netdev_mc_count(d)	       ((d)->mc.count)
#define netdev_uc_count(d)	       ((d)->uc.count)
#define netdev_mc_empty(d)	       (!(d)->mc.count)
#define netdev_uc_empty(d)	       (!(d)->uc.count)
#define netdev_for_each_mc_addr(ha, d) list_for_each_entry(ha, &(d)->mc.list, list)
#define netdev_for_each_uc_addr(ha, d) list_for_each_entry(ha, &(d)->uc.list, list)

struct netdev_queue {
	struct net_device *dev;
	unsigned long state;
	spinlock_t _xmit_lock;
	unsigned long trans_start;
	unsigned long stall_start; /* the watchdog's: trans_start, then */
	unsigned int stall_rounds;
	unsigned long sent, completed; /* bytes, for byte queue limits */
	struct wait_queue_head wait;
};
enum { __QUEUE_STATE_DRV_XOFF, __QUEUE_STATE_STACK_XOFF };
enum { __LINK_STATE_START, __LINK_STATE_PRESENT, __LINK_STATE_NOCARRIER };

struct napi_struct {
	struct list_head poll_list, dev_list;
	unsigned long state;
	int weight;
	int (*poll)(struct napi_struct *napi, int budget);
	struct net_device *dev;
	struct sk_buff *skb; /* for napi_get_frags() */
	struct task_struct *task;
	u32 magic;
};
enum { NAPI_STATE_SCHED, NAPI_STATE_MISSED, NAPI_STATE_DISABLE, NAPI_STATE_OWNED };
#define KMOD_NAPI_MAGIC 0x6e617069u
void kmod_napi_add(struct net_device *dev, struct napi_struct *n,
		   int (*poll)(struct napi_struct *, int), int weight);
#define netif_napi_add(d, n, p)		  kmod_napi_add(d, n, p, NAPI_POLL_WEIGHT)
#define netif_napi_add_weight(d, n, p, w) kmod_napi_add(d, n, p, w)
#define netif_napi_add_tx(d, n, p)	  kmod_napi_add(d, n, p, NAPI_POLL_WEIGHT)
void netif_napi_del(struct napi_struct *n);
void napi_enable(struct napi_struct *n);
void napi_disable(struct napi_struct *n);
void napi_synchronize(const struct napi_struct *n);
bool napi_schedule_prep(struct napi_struct *n);
void __napi_schedule(struct napi_struct *n);
bool napi_complete_done(struct napi_struct *n, int done);
#define __napi_schedule_irqoff(n) __napi_schedule(n)
#define napi_complete(n)	  napi_complete_done(n, 0)
static inline bool napi_schedule(struct napi_struct *n)
{
	if (!napi_schedule_prep(n))
		return false;
	__napi_schedule(n);
	return true;
}
#define napi_schedule_irqoff(n) napi_schedule(n)
int kmod_receive(struct sk_buff *skb);
typedef enum { GRO_MERGED, GRO_MERGED_FREE, GRO_HELD, GRO_NORMAL, GRO_CONSUMED } gro_result_t;
static inline gro_result_t napi_gro_receive(struct napi_struct *n, struct sk_buff *skb)
{
	kmod_receive(skb);
	return GRO_NORMAL;
}
#define netif_receive_skb(skb) kmod_receive(skb)
int netif_rx(struct sk_buff *skb);
struct sk_buff *napi_get_frags(struct napi_struct *n);
gro_result_t napi_gro_frags(struct napi_struct *n);
void napi_free_frags(struct napi_struct *n);

struct ifreq;
struct netlink_ext_ack {
	const char *message;
};
#define NL_SET_ERR_MSG(x, text)                                                                    \
	do {                                                                                       \
		if (x)                                                                             \
			(x)->message = text;                                                       \
	} while (0)
#define NL_SET_ERR_MSG_MOD(x, text)	    NL_SET_ERR_MSG(x, KBUILD_MODNAME ": " text)
#define NL_SET_ERR_MSG_FMT_MOD(x, fmt, ...) NL_SET_ERR_MSG(x, KBUILD_MODNAME ": " fmt)
struct netdev_bpf;
struct ethtool_ops;
struct netdev_phys_item_id;
struct net_device_ops {
	int (*ndo_init)(struct net_device *dev);
	void (*ndo_uninit)(struct net_device *dev);
	int (*ndo_open)(struct net_device *dev);
	int (*ndo_stop)(struct net_device *dev);
	netdev_tx_t (*ndo_start_xmit)(struct sk_buff *skb, struct net_device *dev);
	netdev_features_t (*ndo_features_check)(struct sk_buff *skb, struct net_device *dev,
						netdev_features_t f);
	void (*ndo_set_rx_mode)(struct net_device *dev);
	int (*ndo_set_mac_address)(struct net_device *dev, void *addr);
	int (*ndo_validate_addr)(struct net_device *dev);
	int (*ndo_eth_ioctl)(struct net_device *dev, struct ifreq *ifr, int cmd);
	int (*ndo_change_mtu)(struct net_device *dev, int mtu);
	void (*ndo_tx_timeout)(struct net_device *dev, unsigned int txqueue);
	void (*ndo_get_stats64)(struct net_device *dev, struct rtnl_link_stats64 *s);
	struct net_device_stats *(*ndo_get_stats)(struct net_device *dev);
	int (*ndo_vlan_rx_add_vid)(struct net_device *dev, __be16 proto, u16 vid);
	int (*ndo_vlan_rx_kill_vid)(struct net_device *dev, __be16 proto, u16 vid);
	void (*ndo_poll_controller)(struct net_device *dev);
	netdev_features_t (*ndo_fix_features)(struct net_device *dev, netdev_features_t f);
	int (*ndo_set_features)(struct net_device *dev, netdev_features_t f);
	int (*ndo_bpf)(struct net_device *dev, struct netdev_bpf *bpf);
	int (*ndo_xdp_xmit)(struct net_device *dev, int n, struct xdp_frame **frames, u32 flags);
};

struct net_device {
	char name[IFNAMSIZ];
	struct device dev;
	unsigned long state;
	unsigned int flags;
	u64 priv_flags;
	unsigned char lltx;
	const struct net_device_ops *netdev_ops;
	const struct ethtool_ops *ethtool_ops;
	netdev_features_t features, hw_features, wanted_features, vlan_features, hw_enc_features;
	netdev_features_t mpls_features;
	unsigned int mtu, min_mtu, max_mtu;
	unsigned short type, hard_header_len, needed_headroom;
	unsigned char addr_len, if_port, dma;
	unsigned char perm_addr[MAX_ADDR_LEN], broadcast[MAX_ADDR_LEN], addr_room[MAX_ADDR_LEN];
	const unsigned char *dev_addr;
	unsigned int num_tx_queues, real_num_tx_queues, num_rx_queues, real_num_rx_queues;
	struct netdev_queue *_tx;
	struct net_device_stats stats;
	struct netdev_hw_addr_list mc, uc;
	unsigned long base_addr, mem_start, mem_end;
	int irq, watchdog_timeo, ifindex, group;
	struct timer_list watchdog_timer;
	u64 watchdog_progress;
	struct list_head napi_list;
	u32 xdp_features;
	void *ip_ptr, *ml_priv, *priv;
	unsigned int gso_max_size, gso_max_segs, tso_max_size;
	u8 reg_state, kmod_freed, addr_assign_type;
};
enum { NETREG_UNINITIALIZED, NETREG_REGISTERED, NETREG_UNREGISTERED };

struct net_device *alloc_etherdev_mqs(int priv, unsigned int txqs, unsigned int rxqs);
#define alloc_etherdev(priv)	   alloc_etherdev_mqs(priv, 1, 1)
#define alloc_etherdev_mq(priv, n) alloc_etherdev_mqs(priv, n, n)
struct net_device *devm_alloc_etherdev_mqs(struct device *dev, int priv, unsigned int txqs,
					   unsigned int rxqs);
#define devm_alloc_etherdev(d, priv) devm_alloc_etherdev_mqs(d, priv, 1, 1)
void free_netdev(struct net_device *dev);
int register_netdev(struct net_device *dev);
void unregister_netdev(struct net_device *dev);
int register_netdevice(struct net_device *dev);
static inline void *netdev_priv(const struct net_device *dev)
{
	return dev->priv;
}
#define to_net_dev(d)		container_of(d, struct net_device, dev)
#define SET_NETDEV_DEV(n, pdev) ((n)->dev.parent = (pdev))
const char *netdev_name(const struct net_device *dev);
int dev_open(struct net_device *dev, struct netlink_ext_ack *ack);
void dev_close(struct net_device *dev);
void dev_addr_set(struct net_device *dev, const u8 *addr);
#define eth_hw_addr_set(d, a) dev_addr_set(d, a)
void netdev_update_features(struct net_device *dev);
#define netif_get_num_default_rss_queues() 1
int netif_set_real_num_tx_queues(struct net_device *dev, unsigned int n);
int netif_set_real_num_rx_queues(struct net_device *dev, unsigned int n);
struct rtnl_link_stats64 *dev_get_stats(struct net_device *dev, struct rtnl_link_stats64 *s);
void netdev_stats_to_stats64(struct rtnl_link_stats64 *s, const struct net_device_stats *from);

static inline struct netdev_queue *netdev_get_tx_queue(const struct net_device *dev, unsigned int i)
{
	return &dev->_tx[i];
}
void netif_tx_start_queue(struct netdev_queue *q);
void netif_tx_wake_queue(struct netdev_queue *q);
void netif_tx_stop_queue(struct netdev_queue *q);
void netif_tx_start_all_queues(struct net_device *dev);
void netif_tx_stop_all_queues(struct net_device *dev);
void netif_tx_wake_all_queues(struct net_device *dev);
void netif_tx_disable(struct net_device *dev);
#define netif_tx_queue_stopped(q)      test_bit(__QUEUE_STATE_DRV_XOFF, &(q)->state)
#define netif_xmit_stopped(q)	       (READ_ONCE((q)->state) != 0)
#define netif_start_queue(d)	       netif_tx_start_queue(&(d)->_tx[0])
#define netif_wake_queue(d)	       netif_tx_wake_queue(&(d)->_tx[0])
#define netif_stop_queue(d)	       netif_tx_stop_queue(&(d)->_tx[0])
#define netif_queue_stopped(d)	       netif_tx_queue_stopped(&(d)->_tx[0])
#define netif_start_subqueue(d, i)     netif_tx_start_queue(&(d)->_tx[i])
#define netif_wake_subqueue(d, i)      netif_tx_wake_queue(&(d)->_tx[i])
#define netif_stop_subqueue(d, i)      netif_tx_stop_queue(&(d)->_tx[i])
#define __netif_subqueue_stopped(d, i) netif_tx_queue_stopped(&(d)->_tx[i])
#define netif_start_all_queues(d)      netif_tx_start_all_queues(d)
void __netif_tx_lock(struct netdev_queue *q, int cpu);
void __netif_tx_unlock(struct netdev_queue *q);
void __netif_tx_lock_bh(struct netdev_queue *q);
void __netif_tx_unlock_bh(struct netdev_queue *q);
#define netif_tx_lock(d)	__netif_tx_lock(&(d)->_tx[0], 0)
#define netif_tx_unlock(d)	__netif_tx_unlock(&(d)->_tx[0])
#define netif_tx_lock_bh(d)	__netif_tx_lock_bh(&(d)->_tx[0])
#define netif_tx_unlock_bh(d)	__netif_tx_unlock_bh(&(d)->_tx[0])
#define netif_addr_lock_bh(d)	local_bh_disable()
#define netif_addr_unlock_bh(d) local_bh_enable()
void netdev_tx_sent_queue(struct netdev_queue *q, unsigned int bytes);
void netdev_tx_completed_queue(struct netdev_queue *q, unsigned int pkts, unsigned int bytes);
void netdev_tx_reset_queue(struct netdev_queue *q);
#define netdev_sent_queue(d, b)		netdev_tx_sent_queue(&(d)->_tx[0], b)
#define netdev_completed_queue(d, p, b) netdev_tx_completed_queue(&(d)->_tx[0], p, b)
#define netdev_reset_queue(d)		netdev_tx_reset_queue(&(d)->_tx[0])
bool netdev_xmit_more(void);
#define netif_trans_update(d)	 WRITE_ONCE((d)->_tx[0].trans_start, jiffies)
#define txq_trans_cond_update(q) WRITE_ONCE((q)->trans_start, jiffies)
#define dev_trans_start(d)	 READ_ONCE((d)->_tx[0].trans_start)
#define netif_running(d)	 test_bit(__LINK_STATE_START, &(d)->state)
#define netif_device_present(d)	 test_bit(__LINK_STATE_PRESENT, &(d)->state)
#define netif_carrier_ok(d)	 (!test_bit(__LINK_STATE_NOCARRIER, &(d)->state))
void netif_carrier_on(struct net_device *dev);
void netif_carrier_off(struct net_device *dev);
void netif_device_detach(struct net_device *dev);
void netif_device_attach(struct net_device *dev);
#define netdev_rss_key_fill(buf, n) get_random_bytes(buf, n)
void get_random_bytes(void *buf, size_t n);
void rtnl_lock(void);
void rtnl_unlock(void);
int rtnl_trylock(void);
bool rtnl_is_locked(void);
#define ASSERT_RTNL() WARN(!rtnl_is_locked(), "ASSERT_RTNL() in %s", __func__)

enum {
	NETIF_MSG_DRV = 0x1,
	NETIF_MSG_PROBE = 0x2,
	NETIF_MSG_LINK = 0x4,
	NETIF_MSG_TIMER = 0x8,
	NETIF_MSG_IFDOWN = 0x10,
	NETIF_MSG_IFUP = 0x20,
	NETIF_MSG_RX_ERR = 0x40,
	NETIF_MSG_TX_ERR = 0x80,
	NETIF_MSG_TX_QUEUED = 0x100,
	NETIF_MSG_INTR = 0x200,
	NETIF_MSG_TX_DONE = 0x400,
	NETIF_MSG_RX_STATUS = 0x800,
	NETIF_MSG_PKTDATA = 0x1000,
	NETIF_MSG_HW = 0x2000,
	NETIF_MSG_WOL = 0x4000,
};
#define netif_msg_drv(p)       ((p)->msg_enable & NETIF_MSG_DRV)
#define netif_msg_probe(p)     ((p)->msg_enable & NETIF_MSG_PROBE)
#define netif_msg_link(p)      ((p)->msg_enable & NETIF_MSG_LINK)
#define netif_msg_timer(p)     ((p)->msg_enable & NETIF_MSG_TIMER)
#define netif_msg_ifdown(p)    ((p)->msg_enable & NETIF_MSG_IFDOWN)
#define netif_msg_ifup(p)      ((p)->msg_enable & NETIF_MSG_IFUP)
#define netif_msg_rx_err(p)    ((p)->msg_enable & NETIF_MSG_RX_ERR)
#define netif_msg_tx_err(p)    ((p)->msg_enable & NETIF_MSG_TX_ERR)
#define netif_msg_tx_queued(p) ((p)->msg_enable & NETIF_MSG_TX_QUEUED)
#define netif_msg_intr(p)      ((p)->msg_enable & NETIF_MSG_INTR)
#define netif_msg_tx_done(p)   ((p)->msg_enable & NETIF_MSG_TX_DONE)
#define netif_msg_rx_status(p) ((p)->msg_enable & NETIF_MSG_RX_STATUS)
#define netif_msg_pktdata(p)   ((p)->msg_enable & NETIF_MSG_PKTDATA)
#define netif_msg_hw(p)	       ((p)->msg_enable & NETIF_MSG_HW)
#define netif_msg_wol(p)       ((p)->msg_enable & NETIF_MSG_WOL)
static inline u32 netif_msg_init(int debug, int default_bits)
{
	if (debug < 0 || debug >= 32)
		return (u32)default_bits;
	return debug ? (1u << debug) - 1 : 0;
}
void kmod_netdev_printk(const char *level, const struct net_device *dev, const char *fmt, ...)
	__printf(3, 4);
#define netdev_printk(l, d, fmt, ...) kmod_netdev_printk(l, d, fmt, ##__VA_ARGS__)
#define netdev_err(d, fmt, ...)	      kmod_netdev_printk(KERN_ERR, d, fmt, ##__VA_ARGS__)
#define netdev_warn(d, fmt, ...)      kmod_netdev_printk(KERN_WARNING, d, fmt, ##__VA_ARGS__)
#define netdev_notice(d, fmt, ...)    kmod_netdev_printk(KERN_NOTICE, d, fmt, ##__VA_ARGS__)
#define netdev_info(d, fmt, ...)      kmod_netdev_printk(KERN_INFO, d, fmt, ##__VA_ARGS__)
#define netdev_dbg(d, fmt, ...)                                                                    \
	do {                                                                                       \
		if (0)                                                                             \
			kmod_netdev_printk(KERN_DEBUG, d, fmt, ##__VA_ARGS__);                     \
	} while (0)
#define netdev_WARN_ONCE(d, fmt, ...) WARN(1, fmt, ##__VA_ARGS__)
#define netif_printk(p, type, level, d, fmt, ...)                                                  \
	do {                                                                                       \
		if (netif_msg_##type(p))                                                           \
			kmod_netdev_printk(level, d, fmt, ##__VA_ARGS__);                          \
	} while (0)
#define netif_err(p, t, d, fmt, ...)	netif_printk(p, t, KERN_ERR, d, fmt, ##__VA_ARGS__)
#define netif_warn(p, t, d, fmt, ...)	netif_printk(p, t, KERN_WARNING, d, fmt, ##__VA_ARGS__)
#define netif_notice(p, t, d, fmt, ...) netif_printk(p, t, KERN_NOTICE, d, fmt, ##__VA_ARGS__)
#define netif_info(p, t, d, fmt, ...)	netif_printk(p, t, KERN_INFO, d, fmt, ##__VA_ARGS__)
#define netif_dbg(p, t, d, fmt, ...)                                                               \
	do {                                                                                       \
		if (0)                                                                             \
			netif_printk(p, t, KERN_DEBUG, d, fmt, ##__VA_ARGS__);                     \
	} while (0)

static inline netdev_features_t passthru_features_check(struct sk_buff *skb, struct net_device *dev,
							netdev_features_t f)
{
	return f;
}

struct notifier_block {
	struct notifier_block *next;
	int priority;
};

#endif
