/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Register accesses of the driver's threads. Most registers are words that store what was written
 * under a mask; the table has the masks. The others are handled in the switches below. A register
 * that the model does not implement reads as 0 and ignores writes, like the card's reserved
 * registers.
 */
#include "e1000e.h"

#include <sched.h>
#include <string.h>

static const struct {
	u16 first, last;
	u32 mask; /* writable bits */
	u32 reset;
} words[] = {
	{REG_CTRL, REG_CTRL, ~(CTRL_RST | CTRL_PHY_RST), CTRL_FD | CTRL_SPEED_1000},
	{REG_CTRL_EXT, REG_CTRL_EXT, ~0u, 0},
	{REG_FCAL, REG_FCAL + 4, ~0u, 0},
	{REG_FCT, REG_FCT, 0xffff, 0},
	{REG_VET, REG_VET, 0xffff, 0x8100},
	{REG_ITR, REG_ITR, 0xffff, 0},
	{REG_EIAC, REG_EIAC, 0x01f00000, 0},
	{REG_IAM, REG_IAM, ~0u, 0},
	{REG_IVAR, REG_IVAR, 0x800fffff, 0},
	{REG_EITR, REG_EITR + 4 * (E1000E_VECTORS - 1), 0xffff, 0},
	{REG_RCTL, REG_RCTL, ~0u, 0},
	{REG_FCTTV, REG_FCTTV, 0xffff, 0},
	{REG_TCTL, REG_TCTL, ~0u, 0},
	{REG_TIPG, REG_TIPG, ~0u, 0x00602006},
	{REG_LEDCTL, REG_LEDCTL, ~0u, 0},
	{REG_EXTCNF, REG_EXTCNF, ~0u, 0},
	{REG_PBA, REG_PBA, ~0u, 0x00140014},
	{REG_FCRTL, REG_FCRTL, ~0u, 0},
	{REG_FCRTH, REG_FCRTH, ~0u, 0},
	{REG_RDBAL, REG_RDBAL, RING_BASE_MASK, 0},
	{REG_RDBAH, REG_RDBAH, ~0u, 0},
	{REG_RDLEN, REG_RDLEN, RING_LEN_MASK, 0},
	{REG_RDTR, REG_RDTR, 0xffff, 0},
	{REG_RXDCTL, REG_RXDCTL, ~0u, 0x00010000},
	{REG_RADV, REG_RADV, 0xffff, 0},
	{REG_RSRPD, REG_RSRPD, 0xfff, 0},
	{REG_TDBAL, REG_TDBAL, RING_BASE_MASK, 0},
	{REG_TDBAH, REG_TDBAH, ~0u, 0},
	{REG_TDLEN, REG_TDLEN, RING_LEN_MASK, 0},
	{REG_TIDV, REG_TIDV, 0xffff, 0},
	{REG_TXDCTL, REG_TXDCTL, ~0u, 0x00400000},
	{REG_TADV, REG_TADV, 0xffff, 0},
	{REG_TARC, REG_TARC, ~0u, 0x00000403},
	{REG_RXCSUM, REG_RXCSUM, ~0u, 0},
	{REG_RFCTL, REG_RFCTL, ~0u, 0},
	{REG_MTA, REG_MTA + 0x1fc, ~0u, 0},
	{REG_RAL, REG_RAL + 0x7c, ~0u, 0},
	{REG_VFTA, REG_VFTA + 0x1fc, ~0u, 0},
	{REG_WUC, REG_WUC, ~0u, 0},
	{REG_MRQC, REG_MRQC, ~0u, 0},
	{REG_MANC, REG_MANC, ~0u, 0},
	{REG_GCR, REG_GCR, ~0u, 0},
	{REG_SWSM, REG_SWSM, ~0u, 0},
};

void e1000e_regs_reset(struct e1000esim *c)
{
	struct e1000e_regs *r = &c->regs;
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		for (k = words[i].first / 4; k <= words[i].last / 4u; k++)
			r->word[k] = words[i].reset;
	}
	memcpy(&r->word[REG_RAL / 4], c->mac, 4);
	r->word[REG_RAL / 4 + 1] = c->mac[4] | (u32)c->mac[5] << 8 | RAH_AV;
	r->icr = r->ims = 0;
	write_once(&r->due, 0);
	memset(r->next_ns, 0, sizeof(r->next_ns));
	memset(r->stat, 0, sizeof(r->stat));
	r->new_rdh = r->new_tdh = 0;
	r->rdh_written = r->tdh_written = true;
	write_once(&c->bell.rdt, 0);
	write_once(&c->bell.tdt, 0);
}

static u32 e1000esim_reg_status(struct e1000esim *c)
{
	u32 ctrl = c->regs.word[REG_CTRL / 4];

	return STATUS_FD | STATUS_SPEED_1000 | (read_once(&c->link) ? STATUS_LU : 0) |
	       (ctrl & CTRL_MASTER_OFF ? 0 : STATUS_MASTER);
}

static u32 e1000esim_reg_read_locked(struct e1000esim *c, u64 offset)
{
	struct e1000e_regs *r = &c->regs;

	switch (offset) {
	case REG_CTRL_DUP:
		return r->word[REG_CTRL / 4];
	case REG_STATUS:
		return e1000esim_reg_status(c);
	case REG_EEC:
		return EEC_PRESENT | EEC_READ_DONE;
	case REG_ICR:
		return e1000e_icr_read(r);
	case REG_ICS:
	case REG_IMC:
		return 0;
	case REG_IMS:
		return r->ims;
	default:
		if (offset >= REG_STATS && offset < REG_STATS_END)
			return e1000e_stat_read(r, offset);
		return offset / 4 < E1000E_WORDS ? r->word[offset / 4] : 0;
	}
}

static u32 e1000esim_reg_read_reg(struct e1000esim *c, u64 offset)
{
	u32 value;

	if (offset >= E1000E_BAR_BYTES || read_once(&c->gone))
		return UINT32_MAX;
	switch (offset) {
	case REG_RDH:
		return read_acquire(&c->rdh);
	case REG_TDH:
		return read_acquire(&c->tdh);
	case REG_RDT:
		return read_once(&c->bell.rdt);
	case REG_TDT:
		return read_once(&c->bell.tdt);
	}
	dmamap_model_lock(&c->regs.lock);
	value = e1000esim_reg_read_locked(c, offset);
	dmamap_model_unlock(&c->regs.lock);
	return value;
}

u64 e1000e_read(void *model, int bar, u64 offset, unsigned int size)
{
	u64 low;

	if (bar != 0)
		return size == 4 ? UINT32_MAX : UINT64_MAX;
	low = e1000esim_reg_read_reg(model, offset);
	return size == 4 ? low : low | ((u64)e1000esim_reg_read_reg(model, offset + 4) << 32);
}

/* Reads a word of the EEPROM. The read completes immediately. */
static u32 e1000esim_reg_eeprom_read(const struct e1000e_regs *r, u32 value)
{
	u32 address = value >> 2 & 0x3fff;

	if (!(value & EERD_START))
		return value & ~EERD_DONE;
	return (value & 0xfffc) | EERD_DONE |
	       (u32)(address < 64 ? r->eeprom[address] : 0xffff) << 16;
}

/* Accesses a register of the PHY. The operation completes immediately. */
static u32 e1000esim_reg_phy_access(struct e1000e_regs *r, u32 value)
{
	u32 reg = value >> 16 & 31;

	if (value & MDIC_OP_WRITE)
		r->phy[reg] = reg == 2 || reg == 3 || reg == 1 ? r->phy[reg] : (u16)value;
	else if (value & MDIC_OP_READ)
		value = (value & 0xffff0000u) | r->phy[reg];
	return value | MDIC_READY;
}

static void e1000esim_reg_plain_write(struct e1000e_regs *r, u64 offset, u32 value)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (offset >= words[i].first && offset <= words[i].last) {
			r->word[offset / 4] = value & words[i].mask;
			return;
		}
	}
}

static void e1000esim_reg_head_write(struct e1000esim *c, u64 offset, u32 value)
{
	struct e1000e_regs *r = &c->regs;
	bool rx = offset == REG_RDH;

	*(rx ? &r->new_rdh : &r->new_tdh) = value & 0xffff;
	*(rx ? &r->rdh_written : &r->tdh_written) = true;
	write_release(rx ? &c->rdh : &c->tdh, value & 0xffff);
}

/* Returns the E1000E_PEND_* bits to set for the worker; 0: none. Under the lock. */
static u32 e1000esim_reg_write_locked(struct e1000esim *c, u64 offset, u32 value)
{
	struct e1000e_regs *r = &c->regs;

	switch (offset) {
	case REG_EERD:
		r->word[REG_EERD / 4] = e1000esim_reg_eeprom_read(r, value);
		return 0;
	case REG_MDIC:
		r->word[REG_MDIC / 4] = e1000esim_reg_phy_access(r, value);
		return 0;
	case REG_ICR:
		r->icr &= ~value;
		return 0;
	case REG_ICS:
		e1000e_cause(r, value & ICR_CAUSES);
		return E1000E_PEND_WORK;
	case REG_IMS:
		e1000e_ims_set(r, value);
		return r->due ? E1000E_PEND_WORK : 0;
	case REG_IMC:
		r->ims &= ~value;
		return 0;
	case REG_RDH:
	case REG_TDH:
		e1000esim_reg_head_write(c, offset, value);
		return E1000E_PEND_CONTROL;
	case REG_CTRL:
		r->reset |= (value & CTRL_RST) != 0;
		break;
	}
	e1000esim_reg_plain_write(r, offset, value);
	return offset < REG_ICR || offset >= REG_RCTL ? E1000E_PEND_CONTROL : 0;
}

/*
 * Waits until the worker has processed all control writes up to `asked`. The wait is bounded,
 * because the worker never waits for a driver. Without a worker this thread processes them.
 */
static void e1000esim_reg_wait_taken(struct e1000esim *c, u32 asked)
{
	if (c->stepped)
		e1000e_take_control(c);
	while ((s32)(read_acquire(&c->bell.done) - asked) < 0)
		sched_yield();
}

/* Writes that take effect before they return. */
static bool e1000esim_reg_is_awaited(u64 offset)
{
	return offset == REG_CTRL || offset == REG_RCTL || offset == REG_TCTL ||
	       (offset >= REG_RDBAL && offset <= REG_RDH) ||
	       (offset >= REG_TDBAL && offset <= REG_TDH);
}

static void e1000esim_reg_write_reg(struct e1000esim *c, u64 offset, u32 value)
{
	u32 wake, asked;

	if (offset >= E1000E_BAR_BYTES || read_once(&c->gone))
		return;
	if (offset == REG_CTRL_DUP)
		offset = REG_CTRL;
	if (offset == REG_RDT || offset == REG_TDT) {
		write_release(offset == REG_RDT ? &c->bell.rdt : &c->bell.tdt, value & 0xffff);
		e1000e_ring_bell(c, E1000E_PEND_WORK);
		return;
	}
	dmamap_model_lock(&c->regs.lock);
	wake = e1000esim_reg_write_locked(c, offset, value);
	asked = wake & E1000E_PEND_CONTROL ? ++c->regs.asked : c->regs.asked;
	dmamap_model_unlock(&c->regs.lock);
	if (wake)
		e1000e_ring_bell(c, wake);
	if (e1000esim_reg_is_awaited(offset))
		e1000esim_reg_wait_taken(c, asked);
}

/* As CTRL.RST; the units are off and make no access when it returns. */
void e1000esim_reset(void *model, enum dmamap_reset_kind kind)
{
	struct e1000esim *c = model;
	u32 asked;

	dmamap_model_lock(&c->regs.lock);
	c->regs.reset = true;
	asked = ++c->regs.asked;
	dmamap_model_unlock(&c->regs.lock);
	e1000e_ring_bell(c, E1000E_PEND_CONTROL);
	e1000esim_reg_wait_taken(c, asked);
}

void e1000e_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	if (bar != 0)
		return;
	e1000esim_reg_write_reg(model, offset, (u32)value);
	if (size == 8)
		e1000esim_reg_write_reg(model, offset + 4, (u32)(value >> 32));
}
