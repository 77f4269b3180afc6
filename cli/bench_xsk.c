/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XSK buffers; one core runs application and driver, 64 buffers at a time, with addresses in random
 * order. bench/xsk_round.h describes a round.
 */
#include "bench.h"

#include "ticks.h"
#include "xsk_round.h"

#define ROUNDS 16

static bool bench_xsk_area_setup(struct bench_case *c)
{
	struct xsk_area *a = calloc(1, sizeof(*a));

	c->state = a;
	if (!a)
		return false;
	a->dev = c->dev;
	return xsk_area_open(a, (u32)c->a, c->b, true);
}

static void bench_xsk_area_teardown(struct bench_case *c)
{
	if (c->state)
		xsk_area_close(c->state);
	free(c->state);
}

/* Times each allocation alone; the rest of the round is not counted. */
static void bench_xsk_alloc_run(struct bench_thread *t)
{
	const struct ticks_rate rate = ticks_calibrate();
	struct xsk_area *a = t->c->state;

	bench_begin(t);
	while (bench_again(t)) {
		bool ok = xsk_app_fill(a);
		u64 begin = ticks();

		ok = ok && xsk_driver_alloc(a);
		bench_sample(t, (u64)(ticks_ns(&rate, ticks() - begin) + 0.5), XSK_BATCH);
		if (!ok) {
			bench_fail(t, "no buffers");
			return;
		}
		xsk_driver_write(a);
		xsk_driver_give(a);
		a->at = (a->at + XSK_BATCH) % a->chunks;
	}
}

static void bench_xsk_rounds(struct bench_thread *t, bool rx_ring)
{
	struct xsk_area *a = t->c->state;

	while (bench_more(t, XSK_BATCH * ROUNDS))
		for (int i = 0; i < ROUNDS; i++)
			if (!xsk_round(a, rx_ring)) {
				bench_fail(t, "a round failed");
				return;
			}
}

static void bench_xsk_round_run(struct bench_thread *t)
{
	bench_xsk_rounds(t, false);
}

static void bench_xsk_round_rx_run(struct bench_thread *t)
{
	bench_xsk_rounds(t, true);
}

static void bench_xsk_reuse_run(struct bench_thread *t)
{
	struct xsk_area *a = t->c->state;

	if (!xsk_app_fill(a) || !xsk_driver_alloc(a)) {
		bench_fail(t, "no buffers");
		return;
	}
	bench_begin(t);
	while (bench_more(t, XSK_BATCH * ROUNDS))
		for (int i = 0; i < ROUNDS; i++)
			if (!xsk_reuse(a)) {
				bench_fail(t, "no buffers");
				return;
			}
	xsk_driver_give(a);
}

#define CASE(text, fn, chunks, unaligned)                                                          \
	{                                                                                          \
		text, fn, bench_xsk_area_setup, bench_xsk_area_teardown,                           \
			.alone = true, .spec = "sim", .a = (chunks), .b = (unaligned)              \
	}

bool bench_xsk(struct bench *b)
{
	struct bench_case cases[] = {
		CASE("xsk aligned, 4096 chunks: xp_alloc_batch 64", bench_xsk_alloc_run, 4096,
		     false),
		CASE("xsk aligned, 4096 chunks: round", bench_xsk_round_run, 4096, false),
		CASE("xsk aligned, 4096 chunks: round with RX ring", bench_xsk_round_rx_run, 4096,
		     false),
		CASE("xsk aligned, 4096 chunks: free + reuse", bench_xsk_reuse_run, 4096, false),
		CASE("xsk aligned, 65536 chunks: round", bench_xsk_round_run, 65536, false),
		CASE("xsk unaligned, 4096 chunks: round", bench_xsk_round_run, 4096, true),
		CASE("xsk unaligned, 65536 chunks: round", bench_xsk_round_run, 65536, true),
	};

	return bench_cases(b, cases, sizeof(cases) / sizeof(cases[0]));
}
