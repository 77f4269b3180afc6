/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ethtool operations of a driver; the data structures are UAPI's. Linux:
 * Documentation/networking/ethtool-netlink.rst.
 */
#ifndef KMOD_LINUX_ETHTOOL_H
#define KMOD_LINUX_ETHTOOL_H

#include <linux/linkmode.h>
#include <linux/netdevice.h>
#include <linux/if_ether.h>

struct ethtool_link_ksettings {
	struct ethtool_link_settings base;
	struct {
		__ETHTOOL_DECLARE_LINK_MODE_MASK(supported);
		__ETHTOOL_DECLARE_LINK_MODE_MASK(advertising);
		__ETHTOOL_DECLARE_LINK_MODE_MASK(lp_advertising);
	} link_modes;
};
#define ethtool_link_ksettings_zero_link_mode(p, name) linkmode_zero((p)->link_modes.name)
#define ethtool_link_ksettings_add_link_mode(p, name, mode)                                        \
	__set_bit(ETHTOOL_LINK_MODE_##mode##_BIT, (p)->link_modes.name)
#define ethtool_link_ksettings_del_link_mode(p, name, mode)                                        \
	__clear_bit(ETHTOOL_LINK_MODE_##mode##_BIT, (p)->link_modes.name)
#define ethtool_link_ksettings_test_link_mode(p, name, mode)                                       \
	test_bit(ETHTOOL_LINK_MODE_##mode##_BIT, (p)->link_modes.name)
void ethtool_convert_legacy_u32_to_link_mode(unsigned long *dst, u32 legacy);
bool ethtool_convert_link_mode_to_legacy_u32(u32 *legacy, const unsigned long *src);
static inline u32 ethtool_rxfh_indir_default(u32 index, u32 n)
{
	return index % n;
}

enum ethtool_phys_id_state {
	ETHTOOL_ID_INACTIVE,
	ETHTOOL_ID_ACTIVE,
	ETHTOOL_ID_ON,
	ETHTOOL_ID_OFF
};
enum { ETH_RSS_HASH_TOP_BIT, ETH_RSS_HASH_XOR_BIT, ETH_RSS_HASH_CRC32_BIT };
#define ETH_RSS_HASH_NO_CHANGE 0
#define ETH_RSS_HASH_TOP       1
struct ethtool_rxfh_param {
	u8 hfunc;
	u32 indir_size, *indir;
	u8 *key;
	u8 rss_delete;
};
struct kernel_ethtool_ringparam {
	u32 rx_buf_len;
	u8 tcp_data_split, tx_push;
	u32 cqe_size, tx_push_buf_len;
};
struct kernel_ethtool_coalesce {
	u8 use_cqe_mode_tx;
	u32 tx_aggr_max_bytes, tx_aggr_max_frames;
};
struct kernel_ethtool_ts_info {
	u32 cmd, so_timestamping;
	int phc_index;
	u32 tx_types, rx_filters;
};
struct ethtool_keee {
	__ETHTOOL_DECLARE_LINK_MODE_MASK(supported);
	__ETHTOOL_DECLARE_LINK_MODE_MASK(advertised);
	__ETHTOOL_DECLARE_LINK_MODE_MASK(lp_advertised);
	u32 tx_lpi_timer;
	bool tx_lpi_enabled, eee_active, eee_enabled;
};
#define ETHTOOL_COALESCE_RX_USECS	   BIT(0)
#define ETHTOOL_COALESCE_RX_MAX_FRAMES	   BIT(1)
#define ETHTOOL_COALESCE_RX_USECS_IRQ	   BIT(2)
#define ETHTOOL_COALESCE_RX_MAX_FRAMES_IRQ BIT(3)
#define ETHTOOL_COALESCE_TX_USECS	   BIT(4)
#define ETHTOOL_COALESCE_TX_MAX_FRAMES	   BIT(5)
#define ETHTOOL_COALESCE_TX_USECS_IRQ	   BIT(6)
#define ETHTOOL_COALESCE_TX_MAX_FRAMES_IRQ BIT(7)
#define ETHTOOL_COALESCE_STATS_BLOCK_USECS BIT(8)
#define ETHTOOL_COALESCE_USE_ADAPTIVE_RX   BIT(9)
#define ETHTOOL_COALESCE_USE_ADAPTIVE_TX   BIT(10)
#define ETHTOOL_COALESCE_USECS		   (BIT(0) | BIT(4))
#define ETHTOOL_COALESCE_MAX_FRAMES	   (BIT(1) | BIT(5))
#define ETHTOOL_COALESCE_USECS_IRQ	   (BIT(2) | BIT(6))
#define ETHTOOL_COALESCE_MAX_FRAMES_IRQ	   (BIT(3) | BIT(7))

struct ethtool_ops {
	u32 supported_coalesce_params;
	u16 rxfh_key_space;
	u8 cap_link_lanes_supported : 1, cap_rss_ctx_supported : 1, cap_rss_sym_xor_supported : 1,
		rxfh_per_ctx_key : 1;
	void (*get_drvinfo)(struct net_device *d, struct ethtool_drvinfo *i);
	int (*get_regs_len)(struct net_device *d);
	void (*get_regs)(struct net_device *d, struct ethtool_regs *r, void *p);
	void (*get_wol)(struct net_device *d, struct ethtool_wolinfo *w);
	int (*set_wol)(struct net_device *d, struct ethtool_wolinfo *w);
	u32 (*get_msglevel)(struct net_device *d);
	void (*set_msglevel)(struct net_device *d, u32 v);
	int (*nway_reset)(struct net_device *d);
	u32 (*get_link)(struct net_device *d);
	int (*get_eeprom_len)(struct net_device *d);
	int (*get_eeprom)(struct net_device *d, struct ethtool_eeprom *e, u8 *p);
	int (*set_eeprom)(struct net_device *d, struct ethtool_eeprom *e, u8 *p);
	int (*get_coalesce)(struct net_device *d, struct ethtool_coalesce *c,
			    struct kernel_ethtool_coalesce *k, struct netlink_ext_ack *x);
	int (*set_coalesce)(struct net_device *d, struct ethtool_coalesce *c,
			    struct kernel_ethtool_coalesce *k, struct netlink_ext_ack *x);
	void (*get_ringparam)(struct net_device *d, struct ethtool_ringparam *r,
			      struct kernel_ethtool_ringparam *k, struct netlink_ext_ack *x);
	int (*set_ringparam)(struct net_device *d, struct ethtool_ringparam *r,
			     struct kernel_ethtool_ringparam *k, struct netlink_ext_ack *x);
	void (*get_pauseparam)(struct net_device *d, struct ethtool_pauseparam *p);
	int (*set_pauseparam)(struct net_device *d, struct ethtool_pauseparam *p);
	void (*self_test)(struct net_device *d, struct ethtool_test *t, u64 *data);
	void (*get_strings)(struct net_device *d, u32 set, u8 *data);
	int (*set_phys_id)(struct net_device *d, enum ethtool_phys_id_state s);
	void (*get_ethtool_stats)(struct net_device *d, struct ethtool_stats *s, u64 *data);
	int (*begin)(struct net_device *d);
	void (*complete)(struct net_device *d);
	u32 (*get_priv_flags)(struct net_device *d);
	int (*set_priv_flags)(struct net_device *d, u32 f);
	int (*get_sset_count)(struct net_device *d, int set);
	int (*get_rxnfc)(struct net_device *d, struct ethtool_rxnfc *n, u32 *rules);
	int (*set_rxnfc)(struct net_device *d, struct ethtool_rxnfc *n);
	u32 (*get_rxfh_indir_size)(struct net_device *d);
	int (*get_rxfh)(struct net_device *d, struct ethtool_rxfh_param *p);
	int (*set_rxfh)(struct net_device *d, struct ethtool_rxfh_param *p,
			struct netlink_ext_ack *x);
	void (*get_channels)(struct net_device *d, struct ethtool_channels *c);
	int (*set_channels)(struct net_device *d, struct ethtool_channels *c);
	int (*get_ts_info)(struct net_device *d, struct kernel_ethtool_ts_info *i);
	int (*get_eee)(struct net_device *d, struct ethtool_keee *e);
	int (*set_eee)(struct net_device *d, struct ethtool_keee *e);
	int (*get_link_ksettings)(struct net_device *d, struct ethtool_link_ksettings *s);
	int (*set_link_ksettings)(struct net_device *d, const struct ethtool_link_ksettings *s);
};
u32 ethtool_op_get_link(struct net_device *dev);
int ethtool_op_get_ts_info(struct net_device *dev, struct kernel_ethtool_ts_info *i);
void ethtool_sprintf(u8 **data, const char *fmt, ...) __printf(2, 3);
void ethtool_puts(u8 **data, const char *s);

#endif
