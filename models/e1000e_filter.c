/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receive filters. A frame is accepted by exact address (RAL, RAH), as broadcast (RCTL.BAM), by
 * the multicast hash table (MTA, indexed by the twelve address bits that RCTL.MO selects), or by
 * the promiscuous modes (RCTL.UPE, MPE).
 */
#include "e1000e.h"

#include <string.h>

static bool e1000esim_in_hash_table(const struct e1000e_config *g, u64 address)
{
	static const u8 shift[4] = {36, 35, 34, 32};
	u32 hash = (u32)(address >> shift[RCTL_MO(g->rctl)]) & 0xfff;

	return g->mta[hash >> 5] >> (hash & 31) & 1;
}

bool e1000e_accepts(struct e1000esim *c, const u8 *frame)
{
	const struct e1000e_config *g = &c->config;
	bool group = frame[0] & 1;
	u64 address = 0;
	int i;

	if (g->rctl & (group ? RCTL_MPE : RCTL_UPE))
		return true;
	memcpy(&address, frame, 6);
	if (address == 0xffffffffffffull && (g->rctl & RCTL_BAM))
		return true;
	for (i = 0; i < g->addresses; i++) {
		if (g->address[i] == address)
			return true;
	}
	return group && e1000esim_in_hash_table(g, address);
}

/* The Ethernet FCS: the CRC-32 of IEEE 802.3 with reflected bits. */
void e1000e_crc_init(u32 table[256])
{
	u32 i, k, v;

	for (i = 0; i < 256; i++) {
		for (k = 0, v = i; k < 8; k++)
			v = v & 1 ? v >> 1 ^ 0xedb88320u : v >> 1;
		table[i] = v;
	}
}

u32 e1000e_crc(const u32 table[256], const u8 *data, u32 len)
{
	u32 crc = UINT32_MAX;

	while (len--)
		crc = table[(crc ^ *data++) & 0xff] ^ crc >> 8;
	return ~crc;
}
