/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers for drivers' ethtool operations, and a function that calls every operation that only
 * reads.
 */
#include "net.h"

void ethtool_convert_legacy_u32_to_link_mode(unsigned long *dst, u32 legacy)
{
	linkmode_zero(dst);
	dst[0] = legacy;
}

bool ethtool_convert_link_mode_to_legacy_u32(u32 *legacy, const unsigned long *src)
{
	*legacy = (u32)src[0];
	return find_next_bit(src, KMOD_LINK_BITS, 32) >= KMOD_LINK_BITS;
}

u32 ethtool_op_get_link(struct net_device *dev)
{
	return netif_carrier_ok(dev) ? 1 : 0;
}

int ethtool_op_get_ts_info(struct net_device *dev, struct kernel_ethtool_ts_info *i)
{
	i->so_timestamping = 0;
	i->phc_index = -1;
	return 0;
}

void ethtool_sprintf(u8 **data, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf((char *)*data, ETH_GSTRING_LEN, fmt, args);
	va_end(args);
	*data += ETH_GSTRING_LEN;
}

void ethtool_puts(u8 **data, const char *s)
{
	ethtool_sprintf(data, "%s", s);
}

static void ethtool_strings(struct net_device *d, const struct ethtool_ops *o, u32 set)
{
	struct ethtool_stats stats = {.n_stats = 0};
	struct ethtool_test test = {.flags = 0};
	int n = -EOPNOTSUPP;
	u8 *strings;
	u64 *data;

	if (o->get_sset_count)
		KMOD_CALL("get_sset_count", n = o->get_sset_count(d, (int)set));
	if (n <= 0)
		return;
	strings = kcalloc((size_t)n, ETH_GSTRING_LEN, GFP_KERNEL);
	data = kcalloc((size_t)n, sizeof(*data), GFP_KERNEL);
	if (strings && o->get_strings)
		KMOD_CALL("get_strings", o->get_strings(d, set, strings));
	stats.n_stats = (u32)n;
	test.len = (u32)n;
	if (data && set == ETH_SS_STATS && o->get_ethtool_stats)
		KMOD_CALL("get_ethtool_stats", o->get_ethtool_stats(d, &stats, data));
	if (data && set == ETH_SS_TEST && o->self_test && kmod_option_int("selftest", 0)) {
		test.flags = ETH_TEST_FL_OFFLINE;
		KMOD_CALL("self_test", o->self_test(d, &test, data));
	}
	kfree(strings);
	kfree(data);
}

static void ethtool_link(struct net_device *d, const struct ethtool_ops *o)
{
	struct ethtool_link_ksettings ks = {.base = {.cmd = 0}};
	struct ethtool_pauseparam pause = {.cmd = 0};
	struct ethtool_wolinfo wol = {.cmd = 0};
	int err = -EOPNOTSUPP;
	u32 link;

	if (o->get_link)
		KMOD_CALL("get_link", link = o->get_link(d));
	if (o->get_link_ksettings)
		KMOD_CALL("get_link_ksettings", err = o->get_link_ksettings(d, &ks));
	if (!err && o->set_link_ksettings)
		KMOD_CALL("set_link_ksettings", err = o->set_link_ksettings(d, &ks));
	if (o->nway_reset)
		KMOD_CALL("nway_reset", err = o->nway_reset(d));
	if (o->get_pauseparam)
		KMOD_CALL("get_pauseparam", o->get_pauseparam(d, &pause));
	if (o->get_wol)
		KMOD_CALL("get_wol", o->get_wol(d, &wol));
	if (o->set_wol)
		KMOD_CALL("set_wol", err = o->set_wol(d, &wol));
}

static void ethtool_memory(struct net_device *d, const struct ethtool_ops *o)
{
	struct ethtool_eeprom eeprom = {.offset = 1};
	struct ethtool_regs regs = {.version = 0};
	int n = 0;
	void *p;

	if (o->get_regs_len && o->get_regs) {
		KMOD_CALL("get_regs_len", n = o->get_regs_len(d));
		p = n > 0 ? kzalloc((size_t)n, GFP_KERNEL) : NULL;
		regs.len = (u32)n;
		if (p)
			KMOD_CALL("get_regs", o->get_regs(d, &regs, p));
		kfree(p);
	}
	n = 0;
	if (o->get_eeprom_len && o->get_eeprom) {
		KMOD_CALL("get_eeprom_len", n = o->get_eeprom_len(d));
		p = n > 2 ? kzalloc((size_t)n, GFP_KERNEL) : NULL;
		eeprom.len = (u32)min(n - 2, 61);
		if (p)
			KMOD_CALL("get_eeprom", n = o->get_eeprom(d, &eeprom, p));
		if (p && o->set_eeprom)
			KMOD_CALL("set_eeprom", n = o->set_eeprom(d, &eeprom, p));
		kfree(p);
	}
}

static void ethtool_rings(struct net_device *d, const struct ethtool_ops *o)
{
	struct kernel_ethtool_ringparam kring = {.rx_buf_len = 0};
	struct ethtool_ringparam ring = {.cmd = 0};
	struct kernel_ethtool_coalesce kc = {.use_cqe_mode_tx = 0};
	struct ethtool_coalesce c = {.cmd = 0};
	int err = -EOPNOTSUPP;

	if (o->get_ringparam)
		KMOD_CALL("get_ringparam", o->get_ringparam(d, &ring, &kring, NULL));
	if (o->get_coalesce)
		KMOD_CALL("get_coalesce", err = o->get_coalesce(d, &c, &kc, NULL));
	if (!err && o->set_coalesce)
		KMOD_CALL("set_coalesce", err = o->set_coalesce(d, &c, &kc, NULL));
}

int kmod_ethtool_all(struct net_device *d)
{
	const struct ethtool_ops *o = d->ethtool_ops;
	struct ethtool_drvinfo info = {.cmd = 0};
	u32 level = 0;
	int err = 0;

	if (!o)
		return 0;
	if (o->begin)
		KMOD_CALL("begin", err = o->begin(d));
	if (err)
		return err;
	if (o->get_drvinfo)
		KMOD_CALL("get_drvinfo", o->get_drvinfo(d, &info));
	if (o->get_msglevel)
		KMOD_CALL("get_msglevel", level = o->get_msglevel(d));
	if (o->set_msglevel)
		KMOD_CALL("set_msglevel", o->set_msglevel(d, level));
	ethtool_strings(d, o, ETH_SS_STATS);
	ethtool_strings(d, o, ETH_SS_TEST);
	ethtool_link(d, o);
	ethtool_memory(d, o);
	ethtool_rings(d, o);
	if (o->complete)
		KMOD_CALL("complete", o->complete(d));
	return 0;
}
