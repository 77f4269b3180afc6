/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations of xsk.c and xsk_life.c: kinds of devices and modes, a socket with its card,
 * packets.
 */
#ifndef TESTS_XSK_BODY_H
#define TESTS_XSK_BODY_H

#include "../unit/xsk_rig.h"

#include <poll.h>
#include <stdio.h>

enum { CHUNKS = 64, RING = 32 };

static const struct config {
	const char *name, *spec;
	bool zc, unaligned;
} configs[] = {
	{"zc", "sim,check=1", true, false},
	{"zc-unaligned", "sim,check=1", true, true},
	{"zc-lazy", "sim,policy=lazy", true, false},
	{"zc-untrusted", "sim,untrusted=1,check=1", true, false},
	{"zc-direct", "sim,iommu=0,check=1", true, false},
	{"zc-direct-unaligned", "sim,iommu=0", true, true},
	{"zc-noncoherent", "sim,coherent=0", true, false},
	{"zc-noncoherent-unaligned", "sim,coherent=0", true, true},
	{"copy", "sim,check=1", false, false},
	{"copy-unaligned", "sim", false, true},
};

static const struct config *config;
static struct area area;
static struct app app;
static char packet[CARD_PACKET] __attribute__((unused));
static int reports __attribute__((unused));

static inline void on_report(const struct dmamap_report *r, void *arg)
{
	reports++;
	fprintf(stderr, "%s: %s\n", r->name, r->text);
}

static inline u32 umem_flags(void)
{
	return config->unaligned ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0;
}

static inline u16 mode(void)
{
	return config->zc ? XDP_ZEROCOPY : XDP_COPY;
}

/* The i-th buffer of the application; unaligned ones begin anywhere, half of them cross a page. */
static inline u64 chunk(u32 i)
{
	return (u64)i * CHUNK + (config->unaligned && i + 1 < CHUNKS ? i * 97 % 1500 : 0);
}

static inline char *data_at(u64 addr)
{
	if (config->unaligned)
		addr = (addr & XSK_UNALIGNED_BUF_ADDR_MASK) +
		       (addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT);
	assert_true(addr < area.size);
	return area.memory + addr;
}

static inline u64 base_of(u64 addr)
{
	return config->unaligned ? addr & XSK_UNALIGNED_BUF_ADDR_MASK : addr & ~(u64)(CHUNK - 1);
}

static inline void start(u32 headroom, u16 flags)
{
	reports = 0;
	dmamap_check_on_report(on_report, NULL);
	card_open(config->spec, config->zc ? &card_zc : &card_copy);
	area_open(&area, CHUNKS, headroom, umem_flags());
	app_open(&app, RING, RING, RING);
	if (xdp_sock_bind(app.xs, area.umem, card.dev, 0, mode() | flags, NULL))
		fail_msg("%s", dmamap_strerror());
}

static inline void stop(void)
{
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
	assert_int_equal(reports, 0);
}

static inline void fill(u32 from, u32 n)
{
	for (u32 i = 0; i < n; i++)
		app_put_addr(&app.fill, chunk(from + i));
}

static inline void receive(u32 number, u32 len)
{
	packet_fill(packet, len, number);
	assert_int_equal(card_receive(0, packet, len), 0);
}

/* The next descriptor is that packet, complete in one buffer. */
static inline u64 received(u32 number, u32 len)
{
	struct xdp_desc d = app_take_desc(&app.rx);

	assert_int_equal(d.len, len);
	assert_int_equal(d.options, 0);
	assert_true(packet_is(data_at(d.addr), len, number));
	return base_of(d.addr);
}

static inline void send(u64 addr, u32 number, u32 len)
{
	packet_fill(data_at(addr), len, number);
	app_put_desc(&app.tx, addr, len, 0);
}

static inline void sent(u32 number, u32 len)
{
	assert_true(card.n_sent > 0);
	assert_int_equal(card.sent[0].len, len);
	assert_true(packet_is(card.sent[0].data, len, number));
	memmove(&card.sent[0], &card.sent[1], --card.n_sent * sizeof(card.sent[0]));
}

/* Selects the configuration that the argument names; false: there is none with that name. */
static inline bool choose(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(configs) / sizeof(configs[0]); i++)
		if (!strcmp(argv[1], configs[i].name))
			config = &configs[i];
	if (!config)
		fprintf(stderr, "usage: %s CONFIG\n", argv[0]);
	return config != NULL;
}

#endif
