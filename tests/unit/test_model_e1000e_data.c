/* SPDX-License-Identifier: BSD-2-Clause */
/* The network card's model on a fake bus: packets, descriptors, filters, capture files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "e1000e_rig.h"

#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Every length, in both forms of descriptor, around the ring several times. */
static void test_lengths(void **state)
{
	u8 frame[1518];
	struct got g;
	u32 len, at, form;

	for (form = 0; form < 2; form++) {
		open_pair(0, form);
		card_give(&b, CARD_RING - 1);
		for (len = 14; len <= 1518; len += len < 130 ? 1 : 13) {
			frame_make(frame, len, len);
			card_send(&a, frame, len);
			at = b.rx_seen;
			g = card_take(&b);
			assert_int_equal(g.len, len);
			assert_int_equal(g.status & (RXD_DD | RXD_EOP), RXD_DD | RXD_EOP);
			assert_int_equal(g.errors, 0);
			assert_memory_equal(fake_at(CARD_RX_BUF(&b, at)), frame, len);
			card_give(&b, 1);
		}
		close_pair();
	}
}

/* The legacy form preserves the address, the extended one has another field there. */
static void test_write_back(void **state)
{
	u8 frame[60];

	frame_make(frame, 60, 1);
	open_pair(0, false);
	card_give(&b, 8);
	card_send(&a, frame, 60);
	card_take(&b);
	assert_true(le64toh(*(u64 *)fake_at(b.base)) == CARD_RX_BUF(&b, 0));
	card_sent(&a);
	while (!(le64toh(read_acquire((u64 *)fake_at(a.base + 0x8008))) & TXD_DD))
		sched_yield();
	/* without RS nothing is written back */
	memcpy(fake_at(CARD_TX_BUF(&a, 1)), frame, 60);
	card_put(&a, CARD_TX_BUF(&a, 1), 60 | TXD_EOP | TXD_IFCS);
	card_tail(&a);
	card_sent(&a);
	card_take(&b);
	assert_false(le64toh(*(u64 *)fake_at(a.base + 0x8018)) & TXD_DD);
	close_pair();
}

/* A packet in pieces is sent as one; one longer than a buffer is received in pieces. */
static void test_pieces(void **state)
{
	static const u32 unmap_partial[] = {1, 13, 46, 1000, 2048, 3000, 2892};
	u8 frame[9000], seen[9016];
	u32 i, at = 0, total = 0, n = sizeof(unmap_partial) / sizeof(unmap_partial[0]);
	struct got g;

	frame_make(frame, sizeof(frame), 5);
	open_pair(RCTL_LPE, true);
	card_give(&b, CARD_RING - 1);
	for (i = 0; i < n; i++) {
		memcpy(fake_at(a.base + 0x40000 + at), frame + at, unmap_partial[i]);
		card_put(&a, a.base + 0x40000 + at,
			 unmap_partial[i] | (i == n - 1 ? TXD_EOP | TXD_IFCS | TXD_RS : 0));
		at += unmap_partial[i];
		if (i == 2) {
			card_tail(&a); /* its end comes later */
			card_sent(&a);
		}
	}
	assert_int_equal(at, sizeof(frame));
	card_tail(&a);
	do {
		i = b.rx_seen;
		g = card_take(&b);
		memcpy(seen + total, fake_at(CARD_RX_BUF(&b, i)), g.len);
		total += g.len;
		assert_true(g.status & RXD_EOP || g.len == 2048);
	} while (!(g.status & RXD_EOP));
	assert_int_equal(total, sizeof(frame));
	assert_memory_equal(seen, frame, sizeof(frame));
	close_pair();
}

/* Without RCTL.SECRC the FCS is stored, too; without IFCS the driver's own is checked. */
static void test_fcs(void **state)
{
	/* CRC-32 of "123456789" is cbf43926 */
	static const u8 nine[9] = "123456789";
	u8 frame[64];
	struct got g;
	u32 fcs;

	open_pair(0, true);
	card_write(&b, REG_RCTL, RCTL_EN | RCTL_BAM | RCTL_SBP);
	card_give(&b, 8);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, nine, 9);
	card_send(&a, frame, 15);
	g = card_take(&b);
	assert_int_equal(g.len, 19);
	memcpy(&fcs, fake_at(CARD_RX_BUF(&b, 0) + 15), 4);
	memcpy(frame + 15, &fcs, 4);
	card_put(&a, CARD_TX_BUF(&a, 1), 19 | TXD_EOP);
	memcpy(fake_at(CARD_TX_BUF(&a, 1)), frame, 19);
	card_tail(&a);
	g = card_take(&b);
	assert_int_equal(g.errors, 0);
	assert_int_equal(g.len, 19);
	frame[8] ^= 1;
	card_put(&a, CARD_TX_BUF(&a, 2), 19 | TXD_EOP);
	memcpy(fake_at(CARD_TX_BUF(&a, 2)), frame, 19);
	card_tail(&a);
	g = card_take(&b); /* stored, because bad frames are enabled */
	assert_int_equal(g.errors, RXD_ERR_CE);
	card_stat_wait(&b, 0x4000, 1);
	close_pair();
}

static void send_to(const char *address)
{
	u8 frame[60];

	frame_make(frame, 60, 1);
	memcpy(frame, address, 6);
	card_send(&a, frame, 60);
}

static void test_filters(void **state)
{
	u8 mine[6];
	struct got g;
	u32 low, high, hash, i;

	open_pair(0, true);
	card_give(&b, 32);
	low = card_read(&b, REG_RAL);
	high = card_read(&b, REG_RAL + 4);
	memcpy(mine, &low, 4);
	memcpy(mine + 4, &high, 2);
	send_to("\x02\x00\x00\x00\x00\x01"); /* another station's */
	send_to("\x01\x00\x5e\x00\x00\x01"); /* a group */
	send_to("\xff\xff\xff\xff\xff\xff");
	send_to((char *)mine);
	for (i = 0; i < 2; i++)
		card_take(&b);
	card_stat_wait(&b, 0x40d0, 4);
	assert_false(card_got(&b, &g));
	/* the group by the hash of its last twelve bits */
	hash = (0x01u << 4 | 0x00u >> 4) & 0xfff;
	card_write(&b, REG_MTA + (hash >> 5) * 4, 1u << (hash & 31));
	send_to("\x01\x00\x5e\x00\x00\x01");
	card_take(&b);
	card_write(&b, REG_RCTL, RCTL_EN | RCTL_SECRC | RCTL_UPE);
	send_to("\x02\x00\x00\x00\x00\x01");
	card_take(&b);
	send_to("\xff\xff\xff\xff\xff\xff"); /* BAM is off */
	card_write(&b, REG_RCTL, RCTL_EN | RCTL_SECRC | RCTL_UPE);
	card_sent(&a);
	card_stat_wait(&b, 0x40d0, 3);
	assert_false(card_got(&b, &g));
	close_pair();
}

/* No descriptors: with flow control the frames wait, without it they are lost and counted. */
static void test_no_room(void **state)
{
	u8 frame[60];
	struct got g;
	u32 i;

	frame_make(frame, 60, 1);
	open_pair(0, true);
	for (i = 0; i < 20; i++)
		card_send(&a, frame, 60);
	card_sent(&a);
	card_stat_wait(&b, 0x40a0, 1); /* RNBC */
	assert_false(card_got(&b, &g));
	card_give(&b, 30);
	for (i = 0; i < 20; i++)
		card_take(&b);
	card_write(&b, REG_CTRL, card_read(&b, REG_CTRL) & ~CTRL_TFCE);
	for (i = 0; i < 20; i++)
		card_send(&a, frame, 60);
	for (i = 0; i < 10; i++)
		card_take(&b);
	card_stat_wait(&b, 0x4010, 10); /* MPC */
	assert_false(card_got(&b, &g));
	assert_true(card_read(&b, REG_ICR) & ICR_RXO);
	close_pair();
}

/* Too short, too long, and refused by the bus: counted, and the ring continues. */
static void test_bad_packets(void **state)
{
	u8 frame[2048];
	struct got g;

	frame_make(frame, sizeof(frame), 1);
	open_pair(0, true);
	card_give(&b, 16);
	card_send(&a, frame, 13);
	card_stat_wait(&b, 0x40a4, 1); /* RUC */
	card_send(&a, frame, 1519);
	card_stat_wait(&b, 0x40ac, 1); /* ROC */
	card_send(&a, frame, 0);
	card_stat_wait(&a, 0x4018, 1); /* ECOL */
	/* memory that the card may not read */
	card_put(&a, 0x10, 60 | TXD_EOP | TXD_IFCS | TXD_RS);
	card_tail(&a);
	card_stat_wait(&a, 0x4018, 1);
	card_put(&a, 0x10, 60);
	card_put(&a, CARD_TX_BUF(&a, 0), 60 | TXD_EOP | TXD_IFCS | TXD_RS);
	card_tail(&a);
	card_stat_wait(&a, 0x4018, 1);
	/* or write */
	fake_allow(CARD_RX_BUF(&b, 0), 2048, FAKE_READ);
	card_send(&a, frame, 60);
	g = card_take(&b);
	assert_int_equal(g.errors, RXD_ERR_RXE);
	assert_int_equal(g.status & (RXD_DD | RXD_EOP), RXD_DD | RXD_EOP);
	fake_allow(CARD_RX_BUF(&b, 0), 4096, FAKE_READ | FAKE_WRITE);
	card_send(&a, frame, 60);
	assert_int_equal(card_take(&b).errors, 0);
	close_pair();
}

/* A packet without an end, and one with segmentation, which the model does not implement. */
static void test_endless_packet(void **state)
{
	u8 frame[60];
	u32 i;

	open_pair(0, true);
	card_give(&b, 16);
	for (i = 0; i < 200; i++) {
		card_put(&a, CARD_TX_BUF(&a, 0), 2048);
		card_tail(&a);
		card_sent(&a);
	}
	card_put(&a, CARD_TX_BUF(&a, 0), 60 | TXD_EOP | TXD_IFCS);
	card_tail(&a);
	card_stat_wait(&a, 0x4018, 1);
	card_put(&a, 0, TXD_DEXT); /* a context */
	card_put(&a, CARD_TX_BUF(&a, 0), 60 | TXD_DEXT | 1u << 20 | TXD_TSE | TXD_EOP | TXD_IFCS);
	card_tail(&a);
	card_stat_wait(&a, 0x40fc, 1); /* TSCTFC */
	memcpy(fake_at(CARD_TX_BUF(&a, 0)), "\xff\xff\xff\xff\xff\xff", 6);
	card_put(&a, CARD_TX_BUF(&a, 0), 60 | TXD_DEXT | 1u << 20 | TXD_EOP | TXD_IFCS);
	card_tail(&a);
	assert_int_equal(card_take(&b).len, 60);
	frame_make(frame, 60, 1);
	card_send(&a, frame, 60);
	card_take(&b);
	close_pair();
}

/* A file goes in, comes round, and goes out: identical, in both byte orders and units of time. */
static void test_files(void **state)
{
	static u8 sent[256 * 1514], seen[256 * 1514];
	struct pcap_file in, out;
	char key_in[96], key_out[96];
	const char *keys[] = {key_in, key_out, "loop=2", NULL};
	u32 lens[256], got_lens[256], i, at, bytes, kind, n = 100;
	struct got g;

	for (kind = 0; kind < 4; kind++) {
		pcap_make(&in);
		pcap_make(&out);
		pcap_header(&in, kind & 1, kind & 2 ? 0xa1b23c4d : 0xa1b2c3d4);
		for (i = bytes = 0; i < n; i++) {
			lens[i] = 14 + i * 15;
			frame_make(sent + bytes, lens[i], i);
			pcap_add(&in, sent + bytes, lens[i], lens[i], kind & 1);
			bytes += lens[i];
		}
		snprintf(key_in, sizeof(key_in), "pcap-in=%s", in.path);
		snprintf(key_out, sizeof(key_out), "pcap-out=%s", out.path);
		fake_reset();
		card_open(&a, 0, keys);
		a.extended = true;
		card_start(&a, 0);
		card_give(&a, CARD_RING - 1);
		for (i = 0; i < 2 * n; i++) {
			at = a.rx_seen;
			g = card_take(&a);
			card_sent(&a);
			card_send(&a, fake_at(CARD_RX_BUF(&a, at)), g.len);
			card_give(&a, 1);
		}
		card_sent(&a);
		card_close(&a);
		i = pcap_load(out.path, seen, sizeof(seen), got_lens, 256);
		assert_int_equal(i, 2 * n);
		assert_memory_equal(lens, got_lens, n * sizeof(u32));
		assert_memory_equal(lens, got_lens + n, n * sizeof(u32));
		assert_memory_equal(sent, seen, bytes);
		assert_memory_equal(sent, seen + bytes, bytes);
		pcap_remove(&in);
		pcap_remove(&out);
	}
}

/*
 * Truncated, invalid and jumbo records: each is an error of one packet, and the others are
 * received.
 */
static void test_bad_records(void **state)
{
	static u8 frame[70000];
	struct pcap_file in;
	char key_in[96];
	const char *keys[] = {key_in, NULL};
	u32 absurd[4] = {0, 0, 0x7fffffff, 0x7fffffff}, kind;

	frame_make(frame, sizeof(frame), 1);
	for (kind = 0; kind < 4; kind++) {
		pcap_make(&in);
		pcap_header(&in, false, 0xa1b2c3d4);
		pcap_add(&in, frame, 60, 60, false);
		if (kind == 0)
			pcap_raw(&in, absurd, 9); /* the header is truncated */
		if (kind == 1) {
			pcap_add(&in, frame, 100, 100, false); /* its data is truncated */
			assert_int_equal(ftruncate(in.fd, 24 + 76 + 16 + 50), 0);
		}
		if (kind == 2)
			pcap_raw(&in, absurd, 16);
		if (kind == 3) {
			pcap_add(&in, frame, 70000, 70000, false);
			pcap_add(&in, frame, 0, 0, false);
			pcap_add(&in, frame, 60, 1000, false); /* truncated when it was captured */
			pcap_add(&in, frame, 61, 61, false);
		}
		snprintf(key_in, sizeof(key_in), "pcap-in=%s", in.path);
		fake_reset();
		card_open(&a, 0, keys);
		a.extended = true;
		card_start(&a, 0);
		card_give(&a, 8);
		assert_int_equal(card_take(&a).len, 60);
		if (kind == 3) {
			assert_int_equal(card_take(&a).len, 61);
			card_stat_wait(&a, 0x4000, 1); /* CRCERRS */
			card_stat_wait(&a, 0x40ac, 1); /* ROC */
			card_stat_wait(&a, 0x40a4, 1); /* RUC */
		} else {
			card_stat_wait(&a, 0x400c, 1); /* RXERRC */
		}
		card_close(&a);
		pcap_remove(&in);
	}
}

/* With rate= the frames arrive by the clock, and are lost if there is no buffer. */
static void test_rate(void **state)
{
	struct pcap_file in;
	char key_in[96];
	const char *keys[] = {key_in, "loop=50", "rate=20000", "drop=1", NULL};
	u8 frame[60];
	u32 i;

	frame_make(frame, 60, 1);
	pcap_make(&in);
	pcap_header(&in, false, 0xa1b2c3d4);
	pcap_add(&in, frame, 60, 60, false);
	snprintf(key_in, sizeof(key_in), "pcap-in=%s", in.path);
	fake_reset();
	card_open(&a, 0, keys);
	a.extended = true;
	card_start(&a, 0);
	card_stat_wait(&a, 0x4010, 50); /* MPC: no buffers at all */
	for (i = 0; i < 1; i++)
		assert_int_equal(card_read(&a, 0x40d0), 50);
	card_close(&a);
	pcap_remove(&in);
}

/* If a file cannot be written, the link is down. */
static void test_full_file(void **state)
{
	struct fake_arg arg = {"pcap-out", "/dev/full"};
	void *model;

	assert_int_equal(fake_create(&model_e1000e, &arg, 1, &model), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),	    cmocka_unit_test(test_write_back),
		cmocka_unit_test(test_pieces),	    cmocka_unit_test(test_fcs),
		cmocka_unit_test(test_filters),	    cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_bad_packets), cmocka_unit_test(test_endless_packet),
		cmocka_unit_test(test_files),	    cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_rate),	    cmocka_unit_test(test_full_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
