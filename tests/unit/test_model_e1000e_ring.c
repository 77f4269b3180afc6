/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network card's model on a fake bus: the location of its rings, changes of it, and invalid
 * rings.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "e1000e_rig.h"

#include <endian.h>
#include <sched.h>

static struct card a, b;

static void open_pair(u32 rctl, bool extended)
{
	card_pair_open(&a, &b, rctl, extended);
}

static void close_pair(void)
{
	card_close(&a);
	card_close(&b);
}

/* Rings of no length, heads and tails beyond them, rings that the bus refuses. */
static void test_bad_rings(void **state)
{
	u8 frame[60];
	struct got g;

	frame_make(frame, 60, 1);
	open_pair(0, true);
	card_write(&a, REG_TDT, CARD_RING);
	card_write(&a, REG_TDT, 0xffff);
	card_write(&b, REG_RDT, CARD_RING + 5);
	card_send(&a, frame, 60); /* a good tail again */
	card_sent(&a);
	assert_false(card_got(&b, &g));
	card_give(&b, 4);
	card_take(&b);
	/* heads beyond the end: nothing moves until they are good again */
	card_write(&a, REG_TCTL, 0);
	card_write(&a, REG_TDH, 5000);
	card_write(&a, REG_TCTL, TCTL_EN);
	card_tail(&a);
	assert_int_equal(card_read(&a, REG_TDH), 5000);
	card_start(&a, 0);
	card_send(&a, frame, 60);
	card_take(&b);
	/* a ring without memory halts, and goes on after it was switched off and on */
	card_write(&a, REG_TCTL, 0);
	card_write(&a, REG_TDBAH, 0x1234);
	card_write(&a, REG_TCTL, TCTL_EN);
	card_send(&a, frame, 60);
	while (!fake_refused())
		sched_yield();
	card_write(&a, REG_TCTL, 0);
	card_start(&a, 0);
	card_send(&a, frame, 60);
	card_take(&b);
	card_write(&a, REG_TDLEN, 0); /* a ring of nothing */
	card_send(&a, frame, 60);
	card_write(&a, REG_ICS, 0);
	assert_false(card_got(&b, &g));
	close_pair();
}

/* As Linux's driver does: the units are switched on, then the rings' registers are written. */
static void test_rings_after_enable(void **state)
{
	u8 frame[60];
	struct got g;
	u32 at, form;

	frame_make(frame, 60, 1);
	for (form = 0; form < 2; form++) {
		open_pair(0, form);
		card_write(&a, REG_CTRL, CTRL_RST);
		card_write(&b, REG_CTRL, CTRL_RST);
		card_write(&a, REG_TCTL, TCTL_EN);
		card_write(&b, REG_RCTL, RCTL_EN | RCTL_SECRC | RCTL_BAM);
		card_start(&a, 0);
		card_start(&b, 0);
		while (!(card_read(&a, REG_STATUS) & card_read(&b, REG_STATUS) & STATUS_LU))
			sched_yield();
		card_give(&b, 8);
		card_send(&a, frame, 60);
		at = b.rx_seen;
		g = card_take(&b);
		assert_int_equal(g.len, 60);
		assert_memory_equal(fake_at(CARD_RX_BUF(&b, at)), frame, 60);
		close_pair();
	}
}

/* A ring that is moved while the unit is on: what was fetched of the old one is not used. */
static void test_ring_moves(void **state)
{
	u8 frame[60];
	u64 *d;

	frame_make(frame, 60, 1);
	open_pair(0, false);
	card_give(&b, 8);
	card_send(&a, frame, 60);
	card_take(&b);
	d = fake_at(b.base + 0x1000 + 16);
	d[0] = htole64(CARD_RX_BUF(&b, 20));
	d[1] = 0;
	card_write(&b, REG_RDBAL, (u32)b.base + 0x1000);
	card_send(&a, frame, 60);
	while (!(read_acquire(&d[1]) & htole64((u64)RXD_DD << 32)))
		sched_yield();
	assert_memory_equal(fake_at(CARD_RX_BUF(&b, 20)), frame, 60);
	close_pair();
}

/* Receive descriptors with a null address hold nothing; a ring may be given away halfway. */
static void test_null_buffers(void **state)
{
	u8 frame[60];
	struct got g;
	u64 *d;
	u32 i;

	frame_make(frame, 60, 1);
	open_pair(0, true);
	for (i = 0; i < 3; i++) {
		d = fake_at(b.base + i * 16ull);
		d[0] = i == 2 ? htole64(CARD_RX_BUF(&b, 2)) : 0;
		d[1] = 0;
	}
	b.rdt = 3;
	card_write(&b, REG_RDT, 3);
	card_send(&a, frame, 60);
	assert_int_equal(card_take(&b).status, RXD_DD);
	assert_int_equal(card_take(&b).status, RXD_DD);
	g = card_take(&b);
	assert_int_equal(g.len, 60);
	/* once it is switched off it makes no access any more */
	card_give(&b, 32);
	card_write(&b, REG_RCTL, 0);
	fake_allow(b.base, CARD_BYTES, 0);
	card_send(&a, frame, 60);
	card_sent(&a);
	card_write(&b, REG_RCTL, 0);
	assert_int_equal(fake_refused(), 0);
	close_pair();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_rings),
		cmocka_unit_test(test_rings_after_enable),
		cmocka_unit_test(test_ring_moves),
		cmocka_unit_test(test_null_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
