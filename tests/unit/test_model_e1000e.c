/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network card's model on a fake bus: creation, registers, reset, interrupts, statistics,
 * cable.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "e1000e.h"
#include "e1000e_rig.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void refuse(int err, const char *word, struct fake_arg a, struct fake_arg b)
{
	struct fake_arg args[] = {a, b};
	void *model = &model;

	assert_int_equal(fake_create(&model_e1000e, args, b.key ? 2 : 1, &model), -err);
	assert_ptr_equal(model, &model);
	if (!strstr(error_text(), word))
		fail_msg("\"%s\" does not say \"%s\"", error_text(), word);
}

#define ARG(k, v) ((struct fake_arg){k, v})
#define NOTHING	  ((struct fake_arg){0})

static void test_bad_keys(void **state)
{
	static const char *const macs[] = {"",
					   "52:54:00:12:34",
					   "52:54:00:12:34:56:78",
					   "52-54-00-12-34-56",
					   "53:54:00:12:34:56",
					   "5g:54:00:12:34:56",
					   "525400123456"};
	size_t i;

	for (i = 0; i < sizeof(macs) / sizeof(macs[0]); i++)
		refuse(EINVAL, "mac=", ARG("mac", macs[i]), NOTHING);
	refuse(EINVAL, "pair:NAME", ARG("wire", "cat5"), NOTHING);
	refuse(EINVAL, "1 to 31", ARG("wire", "pair:"), NOTHING);
	refuse(EINVAL, "1 to 31", ARG("wire", "pair:an-altogether-too-long-name-of-a-wire"),
	       NOTHING);
	refuse(EINVAL, "pcap-in=", ARG("loop", "2"), NOTHING);
	refuse(EINVAL, "rate=", ARG("pcap-in", "x"), ARG("rate", "0"));
	refuse(EINVAL, "loop=", ARG("pcap-in", "x"), ARG("loop", "-1"));
	refuse(EINVAL, "both", ARG("pcap-in", "x"), ARG("wire", "pair:a"));
	refuse(EINVAL, "unplug=", ARG("unplug", "0"), NOTHING);
}

static void test_bad_files(void **state)
{
	u32 header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	struct pcap_file p;
	char other[128];

	refuse(ENOENT, "/nonexistent", ARG("pcap-in", "/nonexistent"), NOTHING);
	refuse(EINVAL, "regular", ARG("pcap-in", "/tmp"), NOTHING);
	refuse(EINVAL, "regular", ARG("pcap-in", "/dev/null"), NOTHING);
	refuse(ENOENT, "/nonexistent/x", ARG("pcap-out", "/nonexistent/x"), NOTHING);
	refuse(EISDIR, "/tmp", ARG("pcap-out", "/tmp"), NOTHING);
	pcap_make(&p);
	refuse(EINVAL, "shorter", ARG("pcap-in", p.path), NOTHING);
	pcap_raw(&p, header, 23);
	refuse(EINVAL, "shorter", ARG("pcap-in", p.path), NOTHING);
	header[5] = 113;
	assert_int_equal(lseek(p.fd, 0, SEEK_SET), 0);
	pcap_raw(&p, header, 24);
	refuse(EINVAL, "Ethernet", ARG("pcap-in", p.path), NOTHING);
	header[0] = 0x0a0d0d0a;
	assert_int_equal(lseek(p.fd, 0, SEEK_SET), 0);
	pcap_raw(&p, header, 24);
	refuse(EINVAL, "pcapng", ARG("pcap-in", p.path), NOTHING);
	header[0] = 0x12345678;
	assert_int_equal(lseek(p.fd, 0, SEEK_SET), 0);
	pcap_raw(&p, header, 24);
	refuse(EINVAL, "not a pcap", ARG("pcap-in", p.path), NOTHING);
	/* the file that is replayed is not truncated, whatever its name is */
	header[0] = 0xa1b2c3d4;
	header[5] = 1;
	assert_int_equal(lseek(p.fd, 0, SEEK_SET), 0);
	pcap_raw(&p, header, 24);
	refuse(EINVAL, "pcap-in", ARG("pcap-in", p.path), ARG("pcap-out", p.path));
	snprintf(other, sizeof(other), "%s.link", p.path);
	assert_int_equal(link(p.path, other), 0);
	refuse(EINVAL, "overwritten", ARG("pcap-in", p.path), ARG("pcap-out", other));
	assert_int_equal(lseek(p.fd, 0, SEEK_END), 24);
	unlink(other);
	pcap_remove(&p);
}

static void test_create_fails(void **state)
{
	struct fail_rule rule = {.times = 1};
	struct pcap_file p;
	struct fake_arg args[2];
	void *model;
	int err, kind;

	pcap_make(&p);
	pcap_header(&p, false, 0xa1b2c3d4);
	for (kind = 0; kind < 2; kind++) {
		args[0] = kind ? ARG("pcap-in", p.path) : ARG("wire", "pair:fail");
		args[1] = ARG("pcap-out", "/dev/null");
		for (rule.nth = 1;; rule.nth++) {
			fail_set(FAIL_MEMORY, &rule);
			err = fake_create(&model_e1000e, args, 2, &model);
			fail_set(FAIL_MEMORY, NULL);
			if (!err)
				break;
			assert_true(err == -ENOMEM || err == -EAGAIN);
		}
		assert_int_equal(rule.nth, 5);
		fake_destroy(&model_e1000e, model);
	}
	pcap_remove(&p);
}

static void test_registers(void **state)
{
	static const char *const keys[] = {"mac=52:54:00:ab:cd:ef", NULL};
	struct card c;
	u16 sum = 0, word[64];
	u32 i, v;

	fake_reset();
	card_open(&c, 0, keys);
	assert_int_equal(card_read(&c, REG_RAL), 0xab005452 & 0xffffffff);
	assert_int_equal(card_read(&c, REG_RAL + 4), RAH_AV | 0xefcd);
	for (i = 0; i < 64; i++) {
		card_write(&c, REG_EERD, i << 2 | EERD_START);
		v = card_read(&c, REG_EERD);
		assert_true(v & EERD_DONE);
		word[i] = (u16)(v >> 16);
		sum = (u16)(sum + word[i]);
	}
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(word[0], 0x5452);
	assert_int_equal(word[2], 0xefcd);
	card_write(&c, REG_MDIC, 1u << 21 | 2u << 16 | MDIC_OP_READ);
	assert_int_equal(card_read(&c, REG_MDIC) & (MDIC_READY | 0xffff), MDIC_READY | 0x0141);
	assert_true(card_read(&c, REG_STATUS) & STATUS_MASTER);
	assert_false(card_read(&c, REG_STATUS) & STATUS_LU);
	card_write(&c, REG_RDLEN, 0xffffffff);
	assert_int_equal(card_read(&c, REG_RDLEN), RING_LEN_MASK);
	card_write(&c, REG_TDBAL, 0xffffffff);
	assert_int_equal(card_read(&c, REG_TDBAL), RING_BASE_MASK);
	card_write(&c, 0x5f00, 0xffffffff); /* reserved */
	assert_int_equal(card_read(&c, 0x5f00), 0);
	assert_int_equal(card_read(&c, 0x1fffc), 0);
	assert_int_equal(card_read(&c, 0x20000), 0xffffffff);
	assert_true(model_e1000e.read(c.model, 1, 0, 8) == UINT64_MAX);
	assert_true(model_e1000e.read(c.model, 0, UINT64_MAX - 7, 8) == UINT64_MAX);
	model_e1000e.write(c.model, 0, UINT64_MAX - 7, 8, 1);
	model_e1000e.write(c.model, 3, 0, 4, CTRL_RST);
	card_write(&c, REG_ITR, 77);
	card_write(&c, REG_CTRL, CTRL_RST);
	assert_int_equal(card_read(&c, REG_ITR), 0);
	assert_int_equal(card_read(&c, REG_RDLEN), 0);
	assert_int_equal(card_read(&c, REG_RAL), 0xab005452 & 0xffffffff);
	card_write(&c, REG_CTRL, card_read(&c, REG_CTRL) | CTRL_MASTER_OFF);
	assert_false(card_read(&c, REG_STATUS) & STATUS_MASTER);
	card_close(&c);
}

static void test_interrupt_causes(void **state)
{
	struct card c;

	fake_reset();
	card_open(&c, 0, NULL);
	/* masked: visible by reading, which clears when everything is masked */
	card_write(&c, REG_ICS, ICR_LSC | ICR_TXDW);
	assert_int_equal(card_read(&c, REG_ICR), ICR_LSC | ICR_TXDW | ICR_OTHER);
	assert_int_equal(card_read(&c, REG_ICR), 0);
	/* not asserted, but something is enabled: reading changes nothing */
	card_write(&c, REG_IMS, ICR_RXT0);
	assert_int_equal(card_read(&c, REG_IMS), ICR_RXT0);
	card_write(&c, REG_ICS, ICR_TXDW);
	assert_int_equal(card_read(&c, REG_ICR), ICR_TXDW);
	assert_int_equal(card_read(&c, REG_ICR), ICR_TXDW);
	assert_int_equal(fake_interrupts(0), 0);
	/* asserted: an interrupt, and reading clears */
	card_write(&c, REG_ICS, ICR_RXT0);
	fake_interrupt_wait(0, 1);
	assert_int_equal(card_read(&c, REG_ICR), ICR_ASSERTED | ICR_RXT0 | ICR_TXDW);
	assert_int_equal(card_read(&c, REG_ICR), 0);
	/* enabling a cause that is set raises it */
	card_write(&c, REG_IMC, UINT32_MAX);
	card_write(&c, REG_ICS, ICR_LSC);
	card_write(&c, REG_IMS, ICR_LSC);
	fake_interrupt_wait(0, 2);
	card_write(&c, REG_ICR, ICR_LSC); /* writing ones clears */
	assert_int_equal(card_read(&c, REG_ICR), ICR_OTHER);
	assert_true(card_read(&c, 0x4100) >= 2);
	card_close(&c);
}

/* IVAR sends causes to vectors; EIAC clears, EIAME masks them when they are raised. */
static void test_msix(void **state)
{
	struct card c;

	fake_reset();
	card_open(&c, 0, NULL);
	card_write(&c, REG_IVAR, 8 | 9 << 8 | 12 << 16); /* RX 0, TX 1, other 4 */
	card_write(&c, REG_EIAC, ICR_RXQ0);
	card_write(&c, REG_IAM, ICR_TXQ0);
	card_write(&c, REG_CTRL_EXT, CTRL_EXT_EIAME);
	card_write(&c, REG_IMS, ICR_RXQ0 | ICR_TXQ0 | ICR_OTHER);
	card_write(&c, REG_ICS, ICR_RXQ0);
	fake_interrupt_wait(0, 1);
	card_write(&c, REG_ICS, ICR_TXQ0);
	fake_interrupt_wait(1, 1);
	card_write(&c, REG_ICS, ICR_LSC);
	fake_interrupt_wait(4, 1);
	assert_int_equal(fake_interrupts(0), 1);
	assert_int_equal(fake_interrupts(2) + fake_interrupts(3), 0);
	assert_int_equal(card_read(&c, REG_IMS), ICR_RXQ0 | ICR_OTHER);
	assert_int_equal(card_read(&c, REG_ICR) & (ICR_RXQ0 | ICR_TXQ0), ICR_TXQ0);
	card_close(&c);
}

/* The time of ITR elapses between two interrupts, and none is lost. */
static void test_throttle(void **state)
{
	struct card c;
	int i;

	fake_reset();
	card_open(&c, 0, NULL);
	card_write(&c, REG_ITR, 0xffff); /* 16.8 ms */
	card_write(&c, REG_IMS, ICR_RXT0);
	for (i = 0; i < 1000; i++) {
		card_write(&c, REG_ICS, ICR_RXT0);
		if (i == 0)
			fake_interrupt_wait(0, 1);
		card_read(&c, REG_ICR);
	}
	card_write(&c, REG_ICS, ICR_RXT0);
	fake_interrupt_wait(0, 2);
	assert_true(fake_interrupts(0) < 100);
	card_close(&c);
}

static void wait_link(struct card *c, bool up)
{
	while (!(card_read(c, REG_STATUS) & STATUS_LU) == up)
		sched_yield();
}

static void test_link(void **state)
{
	static const char *const keys[] = {"wire=pair:link", NULL};
	struct fake_arg arg = {"wire", "pair:link"};
	struct card a, b;
	void *third;

	fake_reset();
	card_open(&a, 0, keys);
	card_start(&a, 0);
	assert_false(card_read(&a, REG_STATUS) & STATUS_LU);
	card_read(&a, REG_ICR);
	card_open(&b, 1, keys);
	wait_link(&a, true);
	assert_false(card_read(&b, REG_STATUS) & STATUS_LU); /* its driver has not set SLU */
	while (!(card_read(&a, REG_ICR) & ICR_LSC))
		sched_yield();
	card_start(&b, 0);
	wait_link(&b, true);
	assert_int_equal(fake_create(&model_e1000e, &arg, 1, &third), -EBUSY);
	assert_non_null(strstr(error_text(), "pair:link"));
	card_close(&b);
	wait_link(&a, false);
	card_open(&b, 1, keys);
	wait_link(&a, true);
	card_close(&a);
	card_close(&b);
}

static void test_statistics(void **state)
{
	static const char *const keys[] = {"pcap-out=/dev/null", NULL};
	struct card c;
	u8 frame[1600];
	u64 octets;

	fake_reset();
	card_open(&c, 0, keys);
	card_start(&c, 0);
	wait_link(&c, true);
	frame_make(frame, 1514, 1);
	card_send(&c, frame, 60);
	card_send(&c, frame, 61);
	frame[0] = 0x01;
	card_send(&c, frame, 1514);
	frame[0] = 0x02;
	card_send(&c, frame, 20); /* padded on the cable */
	card_sent(&c);
	card_stat_wait(&c, 0x4080, 4); /* GPTC */
	assert_int_equal(card_read(&c, 0x4080), 0);
	assert_int_equal(card_read(&c, 0x40d8), 2); /* of 64 */
	assert_int_equal(card_read(&c, 0x40dc), 1); /* 65 to 127 */
	assert_int_equal(card_read(&c, 0x40ec), 1); /* 1024 and more */
	assert_int_equal(card_read(&c, 0x40f4), 2); /* broadcast */
	assert_int_equal(card_read(&c, 0x40f0), 1); /* groups */
	octets = card_read(&c, 0x4090);
	octets |= (u64)card_read(&c, 0x4094) << 32;
	assert_int_equal(octets, 64 + 65 + 1518 + 64);
	assert_int_equal(card_read(&c, 0x4090), 0);
	card_close(&c);
}

/* Removed: all ones, and nothing is transferred. */
static void test_unplug(void **state)
{
	static const char *const keys[] = {"pcap-out=/dev/null", "unplug=3", NULL};
	struct card c;
	u8 frame[60];
	int i;

	fake_reset();
	card_open(&c, 0, keys);
	card_start(&c, 0);
	wait_link(&c, true);
	frame_make(frame, 60, 1);
	for (i = 0; i < 8; i++)
		card_send(&c, frame, 60);
	while (card_read(&c, REG_STATUS) != UINT32_MAX)
		sched_yield();
	card_write(&c, REG_CTRL, CTRL_RST); /* does not wait for the card that was removed */
	assert_int_equal(card_read(&c, REG_ICR), UINT32_MAX);
	assert_int_equal(card_read(&c, REG_RDT), UINT32_MAX);
	card_close(&c);
}

static void test_destroy_any_time(void **state)
{
	static const char *const keys[] = {"wire=pair:any", NULL};
	struct card c[2];
	u8 frame[60];
	int i, k;

	frame_make(frame, 60, 1);
	for (i = 0; i < 12; i++) {
		fake_reset();
		for (k = 0; k < 2; k++) {
			card_open(&c[k], k, keys);
			card_start(&c[k], 0);
			card_give(&c[k], CARD_RING - 1);
		}
		for (k = 0; k < 60; k++)
			card_send(&c[k & 1], frame, 60);
		for (k = 0; k < i; k++)
			sched_yield();
		card_close(&c[i & 1]);
		card_close(&c[~i & 1]);
	}
}

/* A cause asserts the line if it is enabled and its time has elapsed. */
static void test_line(void **state)
{
	static struct e1000esim card;
	struct e1000esim *c = &card;

	c->regs.icr = 4;
	assert_false(e1000e_line(c));
	c->regs.ims = 4 | 1;
	assert_true(e1000e_line(c));
	c->regs.due = 1;
	assert_false(e1000e_line(c));
	c->regs.due = 0;
	c->gone = 1;
	assert_false(e1000e_line(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_keys),	 cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_create_fails),	 cmocka_unit_test(test_registers),
		cmocka_unit_test(test_interrupt_causes), cmocka_unit_test(test_msix),
		cmocka_unit_test(test_throttle),	 cmocka_unit_test(test_link),
		cmocka_unit_test(test_statistics),	 cmocka_unit_test(test_unplug),
		cmocka_unit_test(test_destroy_any_time), cmocka_unit_test(test_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
