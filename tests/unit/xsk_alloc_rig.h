/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the tests of buffers share: one card, one UMEM, one socket, and the last report.
 */
#ifndef XSK_ALLOC_RIG_H
#define XSK_ALLOC_RIG_H

#include "xsk_rig.h"

#include "xsk/xsk.h"

#include <stdio.h>

enum { CHUNKS = 256, RING = 128 };

static struct area area;
static struct app app;
static struct xsk_buff_pool *pool;
static u64 seed;

static inline u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % below);
}

static inline void start(const char *spec, u32 headroom, u32 flags)
{
	seed = 4711;
	card_open(spec, &card_zc);
	area_open(&area, CHUNKS, headroom, flags);
	app_open(&app, RING, RING, RING);
	if (xdp_sock_bind(app.xs, area.umem, card.dev, 0, XDP_ZEROCOPY | XDP_USE_SG, NULL))
		fail_msg("%s", dmamap_strerror());
	pool = xsk_get_pool_from_qid(card.dev, 0);
}

static inline void stop(void)
{
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
}

static inline void fill(u32 from, u32 n)
{
	for (u32 i = 0; i < n; i++)
		app_put_addr(&app.fill, (u64)(from + i) * CHUNK);
}

static inline u64 addr_of(const struct xdp_buff *b)
{
	return (u64)((char *)b->data_hard_start - area.memory) - pool->headroom;
}

/* The reports of the checker, and the lines in them. */
static struct {
	u32 n;
	char text[4000];
} reported;

static inline void keep_report(const struct dmamap_report *r, void *arg)
{
	if (r->kind == DMAMAP_CHECK_XSK_TWICE) {
		snprintf(reported.text, sizeof(reported.text), "%s", r->text);
		reported.n++;
	}
}

#endif
