/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Energy-efficient Ethernet: conversion between register 3.20 of IEEE 802.3 and ethtool's link
 * modes.
 */
#ifndef KMOD_LINUX_MDIO_H
#define KMOD_LINUX_MDIO_H

#include_next <linux/mdio.h>
#include <linux/ethtool.h>

#define KMOD_EEE_MODES(do_one)                                                                     \
	do_one(MDIO_EEE_100TX, 100baseT_Full);                                                     \
	do_one(MDIO_EEE_1000T, 1000baseT_Full);                                                    \
	do_one(MDIO_EEE_10GT, 10000baseT_Full);                                                    \
	do_one(MDIO_EEE_1000KX, 1000baseKX_Full);                                                  \
	do_one(MDIO_EEE_10GKX4, 10000baseKX4_Full);                                                \
	do_one(MDIO_EEE_10GKR, 10000baseKR_Full)

static inline void mii_eee_cap1_mod_linkmode_t(unsigned long *modes, u32 reg)
{
#define KMOD_EEE_TO(bit, mode)                                                                     \
	__assign_bit(ETHTOOL_LINK_MODE_##mode##_BIT, modes, (reg & (bit)) != 0)
	KMOD_EEE_MODES(KMOD_EEE_TO);
}
static inline u32 linkmode_to_mii_eee_cap1_t(const unsigned long *modes)
{
	u32 reg = 0;

#define KMOD_EEE_FROM(bit, mode) reg |= test_bit(ETHTOOL_LINK_MODE_##mode##_BIT, modes) ? (bit) : 0
	KMOD_EEE_MODES(KMOD_EEE_FROM);
	return reg;
}

#endif
