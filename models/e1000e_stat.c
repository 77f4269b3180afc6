/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Statistics. The worker counts in its own words and adds the counts of a turn to the registers at
 * once. A read clears a register. A register saturates instead of wrapping. Of a 64-bit register
 * the lower half is read first, and the read of the upper half clears both. Counters of events that
 * the model cannot have (collisions, symbol errors) read as 0.
 */
#include "e1000e.h"

#define COUNTER_MAX UINT32_MAX

static const struct {
	u16 offset;
	u8 stat, octets;
} counters[] = {
	{0x4000, ST_CRCERRS, 0},   {0x400c, ST_RXERRC, 0},    {0x4010, ST_MPC, 0},
	{0x4018, ST_ECOL, 0},	   {0x4034, ST_TNCRS, 0},     {0x4048, ST_XONRXC, 0},
	{0x404c, ST_XONTXC, 0},	   {0x4050, ST_XOFFRXC, 0},   {0x4054, ST_XOFFTXC, 0},
	{0x405c, ST_PRC64, 0},	   {0x4060, ST_PRC64 + 1, 0}, {0x4064, ST_PRC64 + 2, 0},
	{0x4068, ST_PRC64 + 3, 0}, {0x406c, ST_PRC64 + 4, 0}, {0x4070, ST_PRC1522, 0},
	{0x4074, ST_GPRC, 0},	   {0x4078, ST_BPRC, 0},      {0x407c, ST_MPRC, 0},
	{0x4080, ST_GPTC, 0},	   {0x4088, ST_GORC, 1},      {0x4090, ST_GOTC, 1},
	{0x40a0, ST_RNBC, 0},	   {0x40a4, ST_RUC, 0},	      {0x40ac, ST_ROC, 0},
	{0x40c0, ST_TOR, 1},	   {0x40c8, ST_TOT, 1},	      {0x40d0, ST_TPR, 0},
	{0x40d4, ST_TPT, 0},	   {0x40d8, ST_PTC64, 0},     {0x40dc, ST_PTC64 + 1, 0},
	{0x40e0, ST_PTC64 + 2, 0}, {0x40e4, ST_PTC64 + 3, 0}, {0x40e8, ST_PTC64 + 4, 0},
	{0x40ec, ST_PTC1522, 0},   {0x40f0, ST_MPTC, 0},      {0x40f4, ST_BPTC, 0},
	{0x40fc, ST_TSCTFC, 0},	   {0x4100, ST_IAC, 0},
};

static u32 e1000esim_stat_read_short(u64 *stat)
{
	u32 value = *stat < COUNTER_MAX ? (u32)*stat : COUNTER_MAX;

	*stat = 0;
	return value;
}

u32 e1000e_stat_read(struct e1000e_regs *r, u64 offset)
{
	u32 i, value;
	u64 *stat;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		stat = &r->stat[counters[i].stat];
		if (counters[i].offset == offset)
			return counters[i].octets ? (u32)*stat : e1000esim_stat_read_short(stat);
		if (counters[i].octets && counters[i].offset + 4u == offset) {
			value = (u32)(*stat >> 32);
			*stat = 0;
			return value;
		}
	}
	return 0;
}

void e1000e_publish(struct e1000esim *c)
{
	u64 changed = c->changed;
	u32 i;

	write_release(&c->rdh, c->rx.head);
	write_release(&c->tdh, c->tx.head);
	if (!changed && !c->causes)
		return;
	dmamap_model_lock(&c->regs.lock);
	for (; changed; changed &= changed - 1) {
		i = (u32)__builtin_ctzll(changed);
		c->regs.stat[i] += c->stat[i];
		c->stat[i] = 0;
	}
	if (c->causes)
		e1000e_cause(&c->regs, c->causes);
	dmamap_model_unlock(&c->regs.lock);
	c->causes = 0;
	c->changed = 0;
}
