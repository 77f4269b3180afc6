/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "e1000e_rig.h"

#include <endian.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS_MAX 8

u32 card_read(struct card *c, u64 offset)
{
	return (u32)model_e1000e.read(c->model, 0, offset, 4);
}

void card_write(struct card *c, u64 offset, u32 value)
{
	model_e1000e.write(c->model, 0, offset, 4, value);
}

void card_open(struct card *c, int n, const char *const *keys)
{
	struct fake_arg args[KEYS_MAX];
	char text[KEYS_MAX][128], *value;
	int i;

	*c = (struct card){.base = FAKE_BASE + (u64)n * CARD_BYTES};
	for (i = 0; keys && keys[i]; i++) {
		snprintf(text[i], sizeof(text[i]), "%s", keys[i]);
		value = strchr(text[i], '=');
		*value = '\0';
		args[i] = (struct fake_arg){text[i], value + 1};
	}
	if (fake_create(&model_e1000e, args, i, &c->model))
		fail_msg("%s", error_text());
}

void card_close(struct card *c)
{
	fake_destroy(&model_e1000e, c->model);
	assert_int_equal(fake_held(), 0);
}

void card_start(struct card *c, u32 rctl)
{
	u32 ctrl = card_read(c, REG_CTRL);

	card_write(c, REG_CTRL, ctrl | CTRL_SLU | CTRL_RFCE | CTRL_TFCE);
	card_write(c, REG_RFCTL, c->extended ? RFCTL_EXSTEN : 0);
	model_e1000e.write(c->model, 0, REG_RDBAL, 8, c->base);
	card_write(c, REG_RDLEN, CARD_RING * 16);
	card_write(c, REG_RDH, 0);
	card_write(c, REG_RDT, 0);
	model_e1000e.write(c->model, 0, REG_TDBAL, 8, c->base + 0x8000);
	card_write(c, REG_TDLEN, CARD_RING * 16);
	card_write(c, REG_TDH, 0);
	card_write(c, REG_TDT, 0);
	c->rdt = c->rx_seen = c->tdt = 0;
	card_write(c, REG_RCTL, RCTL_EN | RCTL_SECRC | RCTL_BAM | rctl);
	card_write(c, REG_TCTL, TCTL_EN);
}

void card_pair_open(struct card *a, struct card *b, u32 rctl, bool extended)
{
	static const char *const keys[] = {"wire=pair:data", NULL};

	fake_reset();
	card_open(a, 0, keys);
	card_open(b, 1, keys);
	a->extended = b->extended = extended;
	card_start(a, rctl);
	card_start(b, rctl);
	while (!(card_read(a, REG_STATUS) & card_read(b, REG_STATUS) & STATUS_LU))
		sched_yield();
}

void card_give(struct card *c, u32 n)
{
	u64 *d;

	for (; n; n--) {
		d = fake_at(c->base + c->rdt * 16ull);
		d[0] = htole64(CARD_RX_BUF(c, c->rdt));
		write_release(&d[1], 0);
		c->rdt = (c->rdt + 1) % CARD_RING;
	}
	card_write(c, REG_RDT, c->rdt);
}

bool card_got(struct card *c, struct got *g)
{
	u64 v = le64toh(read_acquire((u64 *)fake_at(c->base + c->rx_seen * 16ull + 8)));

	if (c->extended)
		*g = (struct got){(u32)(v >> 32) & 0xffff, (u32)v & 0xfffff, (u32)v >> 24};
	else
		*g = (struct got){(u32)v & 0xffff, (u32)(v >> 32) & 0xff, (u32)(v >> 40) & 0xff};
	if (!(g->status & RXD_DD))
		return false;
	c->rx_seen = (c->rx_seen + 1) % CARD_RING;
	return true;
}

struct got card_take(struct card *c)
{
	struct got g;

	while (!card_got(c, &g))
		sched_yield();
	return g;
}

void card_put(struct card *c, u64 addr, u32 lower)
{
	u64 *d = fake_at(c->base + 0x8000 + c->tdt * 16ull);

	d[0] = htole64(addr);
	d[1] = htole64(lower);
	c->tdt = (c->tdt + 1) % CARD_RING;
}

void card_tail(struct card *c)
{
	card_write(c, REG_TDT, c->tdt);
}

void card_send(struct card *c, const void *frame, u32 len)
{
	u64 at = CARD_TX_BUF(c, c->tdt);

	memcpy(fake_at(at), frame, len);
	card_put(c, at, len | TXD_EOP | TXD_IFCS | TXD_RS);
	card_tail(c);
}

void card_sent(struct card *c)
{
	while (card_read(c, REG_TDH) != c->tdt)
		sched_yield();
}

void card_stat_wait(struct card *c, u32 offset, u32 n)
{
	u32 seen = 0;

	while (seen < n) {
		sched_yield();
		seen += card_read(c, offset);
	}
	assert_int_equal(seen, n);
}

void frame_make(u8 *frame, u32 len, u32 n)
{
	u32 i;

	memset(frame, 0xff, 6);
	for (i = 6; i < len; i++)
		frame[i] = (u8)(n * 131 + i * 7 + (i >> 8));
}

void pcap_make(struct pcap_file *p)
{
	strcpy(p->path, "/tmp/dmamap-pcap-XXXXXX");
	p->fd = mkstemp(p->path);
	assert_true(p->fd >= 0);
}

void pcap_raw(struct pcap_file *p, const void *data, size_t len)
{
	assert_int_equal(write(p->fd, data, len), len);
}

static u32 order(u32 v, bool swapped)
{
	return swapped ? __builtin_bswap32(v) : v;
}

void pcap_header(struct pcap_file *p, bool swapped, u32 magic)
{
	u32 h[6] = {order(magic, swapped),
		    swapped ? 0x02000400 : 0x00040002,
		    0,
		    0,
		    order(65535, swapped),
		    order(1, swapped)};

	pcap_raw(p, h, sizeof(h));
}

void pcap_add(struct pcap_file *p, const void *frame, u32 len, u32 had, bool swapped)
{
	u32 h[4] = {order(1, swapped), order(2, swapped), order(len, swapped), order(had, swapped)};

	pcap_raw(p, h, sizeof(h));
	pcap_raw(p, frame, len);
}

void pcap_remove(struct pcap_file *p)
{
	close(p->fd);
	unlink(p->path);
}

u32 pcap_load(const char *path, u8 *out, size_t size, u32 *lens, u32 max)
{
	FILE *f = fopen(path, "rb");
	u32 h[6], n;

	assert_non_null(f);
	assert_int_equal(fread(h, sizeof(h), 1, f), 1);
	assert_int_equal(h[0], 0xa1b23c4d);
	for (n = 0; n < max && fread(h, 16, 1, f) == 1; n++) {
		assert_true(h[2] <= size && h[2] == h[3]);
		assert_int_equal(fread(out, h[2], 1, f), 1);
		out += h[2];
		size -= h[2];
		lens[n] = h[2];
	}
	fclose(f);
	return n;
}
