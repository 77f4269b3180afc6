/* SPDX-License-Identifier: BSD-2-Clause */
/* One zero-copy card, one UMEM, and one application whose socket is not bound yet. */
#ifndef TESTS_XSK_APP_RIG_H
#define TESTS_XSK_APP_RIG_H

#include "xsk_rig.h"

#include "xsk/xsk.h"

enum { CHUNKS = 32, RING = 16 };

static struct area area;
static struct app app;

static int setup(void **state)
{
	card_open("sim", &card_zc);
	area_open(&area, CHUNKS, 0, 0);
	app_open(&app, RING, RING, RING);
	return 0;
}

static int teardown(void **state)
{
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
	return 0;
}

static int bind_app(u32 queue, u16 flags)
{
	return xdp_sock_bind(app.xs, area.umem, card.dev, queue, flags, NULL);
}

#endif
