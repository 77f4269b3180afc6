/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random registers, descriptors, memory and page permissions for two network cards on one cable, on
 * the unit tests' fake bus. The input is a list of steps. After any steps both cards must become
 * idle, hold no memory, and end when they are closed. Sanitizers check the rest.
 */
#include "e1000e.h"
#include "fake_bus.h"

#include <endian.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 200
#define RING	  FAKE_BASE
#define RING_SIZE 16u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct input {
	const u8 *p;
	size_t left;
};

static void take(struct input *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(to, 0, n);
	memcpy(to, in->p, have);
	in->p += have;
	in->left -= have;
}

static u32 take32(struct input *in)
{
	u32 v;

	take(in, &v, sizeof(v));
	return v;
}

/* Returns an address that is mostly in memory, on a page or near its end; otherwise any address. */
static u64 some_address(u32 v)
{
	u64 page = (u64)(v >> 8) % (FAKE_BYTES / PAGE_BYTES) * PAGE_BYTES;

	switch (v & 7) {
	case 0:
		return (u64)v << (v & 31);
	case 1:
		return FAKE_BASE + page + PAGE_BYTES - 8;
	case 2:
		return 0;
	default:
		return FAKE_BASE + page;
	}
}

static void rest(struct e1000esim *c)
{
	while (!doorbell_idle(&c->bell.work))
		sched_yield();
}

static void reg(struct e1000esim *c, u64 offset, u32 value)
{
	model_e1000e.write(c, 0, offset, 4, value);
}

static void start(struct e1000esim *c, u64 rings)
{
	reg(c, REG_CTRL, CTRL_SLU | CTRL_RFCE | CTRL_TFCE);
	reg(c, REG_RFCTL, RFCTL_EXSTEN);
	model_e1000e.write(c, 0, REG_RDBAL, 8, rings);
	reg(c, REG_RDLEN, RING_SIZE * 16);
	model_e1000e.write(c, 0, REG_TDBAL, 8, rings + PAGE_BYTES);
	reg(c, REG_TDLEN, RING_SIZE * 16);
	reg(c, REG_RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_SECRC);
	reg(c, REG_TCTL, TCTL_EN);
}

/* Writes a descriptor anywhere in a ring, of either card and direction. */
static void descriptor(struct input *in)
{
	u32 where = take32(in), lower = take32(in), upper = take32(in);
	u64 *d = fake_at(RING + (where & 3) * PAGE_BYTES + (where >> 2) % RING_SIZE * 16ull);

	if (where & 0x10000)
		lower = (lower & 0xfff) | TXD_EOP | TXD_IFCS | TXD_RS;
	write_once(&d[0], htole64(some_address(where >> 8 ^ upper)));
	write_once(&d[1], htole64(lower | (u64)upper << 32));
}

static void some_register(struct e1000esim *c, struct input *in)
{
	static const u16 often[] = {REG_CTRL,  REG_RCTL,    REG_TCTL,  REG_RDT,	  REG_TDT,
				    REG_RDH,   REG_TDH,	    REG_RDLEN, REG_TDLEN, REG_RDBAL,
				    REG_TDBAL, REG_RFCTL,   REG_IMS,   REG_IMC,	  REG_ICS,
				    REG_ITR,   REG_IVAR,    REG_MTA,   REG_RAL,	  REG_EERD,
				    REG_MDIC,  REG_CTRL_EXT};
	u32 v = take32(in), value = take32(in);
	u64 offset =
		v & 1 ? (v >> 1) % E1000E_BAR_BYTES & ~3u : often[(v >> 1) % ARRAY_SIZE(often)];

	if (v & 0x40000000)
		model_e1000e.read(c, 0, offset & ~7ull, v & 0x20000000 ? 8 : 4);
	else
		reg(c, offset, offset == REG_ITR ? value & 15 : value);
}

static void step(struct e1000esim *const card[2], struct input *in)
{
	struct e1000esim *c;
	u8 op;

	take(in, &op, 1);
	c = card[op >> 7];
	switch (op % 8) {
	case 0:
	case 1:
		some_register(c, in);
		break;
	case 2:
		fake_allow(FAKE_BASE + (u64)(take32(in) % (FAKE_BYTES / PAGE_BYTES)) * PAGE_BYTES,
			   1, op >> 5 & 3);
		break;
	case 3:
	case 4:
		descriptor(in);
		break;
	case 5:
		reg(c, REG_RDT, op >> 3 & 15);
		break;
	case 6:
		reg(c, REG_TDT, op >> 3 & 15);
		break;
	default:
		start(c, RING + (u64)(op >> 7) * 2 * PAGE_BYTES);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct fake_arg wire = {"wire", "pair:fuzz"};
	struct input in = {data, size};
	struct e1000esim *card[2];
	void *model;
	int i;

	fake_reset();
	for (i = 0; i < 2; i++) {
		if (fake_create(&model_e1000e, &wire, 1, &model))
			abort();
		card[i] = model;
		start(card[i], RING + (u64)i * 2 * PAGE_BYTES);
	}
	for (i = 0; i < STEPS_MAX && in.left; i++)
		step(card, &in);
	for (i = 0; i < 2; i++)
		reg(card[i], REG_ITR, 0);
	for (i = 0; i < 4; i++) /* the first card may wake the second */
		rest(card[i & 1]);
	fake_destroy(&model_e1000e, card[0]);
	fake_destroy(&model_e1000e, card[1]);
	if (fake_held())
		abort();
	return 0;
}
