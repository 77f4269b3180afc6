/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors to transmit: every combination of their fields, compared with a simple rule. */
#include "xsk_rig.h"

#include "xsk/xsk.h"

enum { CHUNKS = 16, RING = 64 };

static struct area area;
static struct app app;
static struct xsk_buff_pool *pool;
static u64 seed;

static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % below);
}

static void start_with(u32 flags, u32 metadata, u16 bind_flags, u32 comp)
{
	struct xdp_umem_reg reg = area_reg(&area, CHUNKS, 0, flags);

	seed = 4711;
	if (metadata)
		xdp_umem_reg_set_metadata(&reg, metadata);
	card_open("sim", &card_zc);
	area.umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(area.umem));
	app_open(&app, 0, 0, RING);
	app_ring_make(&app, &app.fill, XDP_UMEM_FILL_RING, 8);
	app_ring_make(&app, &app.comp, XDP_UMEM_COMPLETION_RING, comp);
	if (xdp_sock_bind(app.xs, area.umem, card.dev, 0, XDP_ZEROCOPY | bind_flags, NULL))
		fail_msg("%s", dmamap_strerror());
	pool = xsk_get_pool_from_qid(card.dev, 0);
}

static void stop(void)
{
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
}

/* With integers so wide that nothing wraps. */
static bool is_good(const struct xdp_desc *d, bool unaligned, u32 metadata)
{
	unsigned __int128 first, end;

	first = unaligned ? (unsigned __int128)(d->addr & XSK_UNALIGNED_BUF_ADDR_MASK) +
				    (d->addr >> 48)
			  : d->addr;
	end = first + d->len;
	if (!d->len || first < metadata || end > area.size)
		return false;
	first -= metadata;
	if (unaligned ? end - first > CHUNK : first / CHUNK != (end - 1) / CHUNK)
		return false;
	if ((d->options & XDP_TX_METADATA) && !metadata)
		return false;
	return !(d->options & ~(u32)XDP_TX_METADATA);
}

static u64 some_addr(void)
{
	static const u64 odd[] = {0,	      1,	  7,
				  8,	      CHUNK - 1,  CHUNK,
				  CHUNK + 1,  UINT32_MAX, 1ull << 32,
				  1ull << 47, 1ull << 48, (1ull << 48) - 1,
				  1ull << 63, UINT64_MAX, UINT64_MAX - CHUNK};

	switch (rnd(4)) {
	case 0:
		return odd[rnd(ARRAY_SIZE(odd))];
	case 1:
		return area.size - rnd(3000);
	case 2:
		return rnd((u32)area.size) | (u64)rnd(3000) << 48;
	default:
		return rnd((u32)area.size);
	}
}

static u32 some_len(void)
{
	static const u32 odd[] = {0,	     1,	   CHUNK - 1,  CHUNK,
				  CHUNK + 1, 4096, UINT32_MAX, UINT32_MAX - CHUNK};

	return rnd(2) ? odd[rnd(ARRAY_SIZE(odd))] : rnd(CHUNK + 10);
}

/* Length plus address, ends of chunk and UMEM, space for metadata. */
static void test_defect_descriptor_overflow(void **state)
{
	for (u32 kind = 0; kind < 4; kind++) {
		bool unaligned = kind & 1;
		u32 metadata = kind & 2 ? 24 : 0, good = 0;

		start_with(unaligned ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0, metadata, 0, RING);
		for (u32 i = 0; i < 20000; i++) {
			struct xdp_desc d = {some_addr(), some_len(), rnd(8) ? 0 : 1u << rnd(32)},
					seen;
			bool want;

			if (d.options & XDP_PKT_CONTD)
				continue;
			want = is_good(&d, unaligned, metadata);
			app_put_desc(&app.tx, d.addr, d.len, d.options);
			if (xsk_tx_peek_desc(pool, &seen) != want)
				fail_msg("%#llx + %u, options %#x: %s", (unsigned long long)d.addr,
					 d.len, d.options, want ? "is good" : "is not good");
			xsk_tx_release(pool);
			if (want) {
				assert_memory_equal(&seen, &d, sizeof(d));
				xsk_tx_completed(pool, 1);
				assert_int_equal(app_take_addr(&app.comp), d.addr);
				good++;
			}
		}
		assert_true(good > 500);
		stop();
	}
}

/*
 * Peeked one by one or taken in batches, with several buffers to a packet: the result is the same.
 */
static void test_packets_whole(void **state)
{
	start_with(0, 0, XDP_USE_SG, RING);
	for (u32 round = 0; round < 3000; round++) {
		u32 n = 0, expect = 0, got = 0, packets = rnd(6);
		struct xdp_desc want[RING], d;

		for (u32 p = 0; p < packets; p++) {
			u32 frags = 1 + rnd(10), bad = rnd(4) ? 99 : rnd(frags), from = expect;

			for (u32 i = 0; i < frags; i++, n++) {
				d = (struct xdp_desc){
					i == bad ? area.size : rnd(CHUNKS) * (u64)CHUNK,
					1 + rnd(100), i + 1 < frags ? XDP_PKT_CONTD : 0};
				app_put_desc(&app.tx, d.addr, d.len, d.options);
				want[expect++] = d;
			}
			if (bad < frags || frags > 8)
				expect = from;
		}
		if (rnd(2)) {
			while (xsk_tx_peek_desc(pool, &d)) {
				assert_memory_equal(&d, &want[got++], sizeof(d));
				if (rnd(3) == 0)
					break; /* and continue with batches */
			}
			xsk_tx_release(pool);
		}
		for (u32 more; (more = xsk_tx_peek_release_desc_batch(pool, 8 + rnd(60)));
		     got += more)
			assert_memory_equal(pool->tx_descs, &want[got], more * sizeof(d));
		assert_int_equal(got, expect);
		assert_int_equal(load(app.tx.consumer), app.tx.mine);
		xsk_tx_completed(pool, got);
		for (u32 i = 0; i < got; i++)
			assert_int_equal(app_take_addr(&app.comp), want[i].addr);
	}
	stop();
}

/* A batch smaller than the packet takes no part of it. */
static void test_batch_too_small(void **state)
{
	start_with(0, 0, XDP_USE_SG, RING);
	for (u32 i = 0; i < 4; i++)
		app_put_desc(&app.tx, i * CHUNK, 64, i < 3 ? XDP_PKT_CONTD : 0);
	assert_int_equal(xsk_tx_peek_release_desc_batch(pool, 0), 0);
	assert_int_equal(xsk_tx_peek_release_desc_batch(pool, 3), 0);
	assert_int_equal(load(app.tx.consumer), 0);
	assert_int_equal(xsk_tx_peek_release_desc_batch(pool, UINT32_MAX), 4);
	stop();
}

/* The driver completes more than it took: no more than that is returned. */
static void test_completed_too_much(void **state)
{
	start_with(0, 0, 0, RING);
	for (u32 i = 0; i < 3; i++)
		app_put_desc(&app.tx, i * CHUNK, 64, 0);
	assert_int_equal(xsk_tx_peek_release_desc_batch(pool, 2), 2);
	xsk_tx_completed(pool, 100);
	assert_int_equal(app_waiting(&app.comp), 2);
	xsk_tx_completed(pool, UINT32_MAX);
	assert_int_equal(app_waiting(&app.comp), 2);
	stop();
}

/* Without space for the whole packet in the completion ring no part of it is taken. */
static void test_completion_room(void **state)
{
	struct xdp_desc d;

	start_with(0, 0, XDP_USE_SG, 4);
	for (u32 i = 0; i < 3; i++)
		app_put_desc(&app.tx, i * CHUNK, 64, i < 2 ? XDP_PKT_CONTD : 0);
	for (u32 i = 0; i < 2; i++)
		app_put_desc(&app.tx, (4 + i) * CHUNK, 64, i < 1 ? XDP_PKT_CONTD : 0);
	assert_int_equal(xsk_tx_peek_release_desc_batch(pool, 64), 3);
	assert_false(xsk_tx_peek_desc(pool, &d));
	xsk_tx_completed(pool, 3);
	app_take_addr(&app.comp);
	assert_int_equal(xsk_tx_peek_release_desc_batch(pool, 64), 2);
	stop();
}

static void test_metadata(void **state)
{
	struct xsk_tx_metadata meta = {.flags = XDP_TXMD_FLAGS_CHECKSUM};
	struct xdp_desc_ctx ctx;

	start_with(0, sizeof(meta), 0, RING);
	memcpy(area.memory + CHUNK, &meta, sizeof(meta));
	ctx = xsk_buff_raw_get_ctx(pool, CHUNK + sizeof(meta));
	assert_int_equal(ctx.dma, xp_raw_get_dma(pool, CHUNK + sizeof(meta)));
	assert_ptr_equal(ctx.meta, area.memory + CHUNK);
	meta.flags = 1ull << 40;
	memcpy(area.memory + CHUNK, &meta, sizeof(meta));
	assert_null(xsk_buff_raw_get_ctx(pool, CHUNK + sizeof(meta)).meta);
	memset(area.memory + CHUNK, 0, 64);
	assert_non_null(xsk_buff_get_metadata(pool, CHUNK + 32));
	assert_null(xsk_buff_get_metadata(pool, CHUNK + 33)); /* not aligned */
	assert_null(xsk_buff_get_metadata(pool, 8));	      /* no room before it */
	assert_null(xsk_buff_get_metadata(pool, area.size));
	stop();
}

/* Two sockets: each has its turn, also if one sends without end. */
static void test_turns(void **state)
{
	struct app second;
	u32 seen[2] = {0};
	struct xdp_desc d;

	start_with(0, 0, 0, 1024);
	app_open(&second, 0, 0, RING);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs), 0);
	for (u32 i = 0; i < 400; i++) {
		if (app.tx.mine - load(app.tx.consumer) < RING)
			app_put_desc(&app.tx, 0, 64, 0);
		if (second.tx.mine - load(second.tx.consumer) < RING)
			app_put_desc(&second.tx, CHUNK, 64, 0);
		assert_true(xsk_tx_peek_desc(pool, &d));
		seen[d.addr == CHUNK]++;
		xsk_tx_release(pool);
	}
	assert_true(seen[0] > 150 && seen[1] > 150);
	xdp_sock_destroy(second.xs);
	assert_true(xsk_tx_peek_desc(pool, &d));
	assert_int_equal(d.addr, 0);
	stop();
}

/*
 * A socket is destroyed in the middle of a packet whose descriptors are taken one at a time. The
 * driver receives the rest of it, by either call, so that it completes what it took: the buffers of
 * the other socket are returned once each.
 */
static void goes_within_packet(bool batch, u32 others)
{
	struct xdp_desc d[8] = {0};
	struct app going, more;
	u32 n = 0;

	start_with(0, 0, XDP_USE_SG, RING);
	app_open(&going, 0, 0, RING);
	assert_int_equal(xdp_sock_bind(going.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs), 0);
	for (u32 i = 0; i < 4; i++)
		app_put_desc(&going.tx, (4 + i) * CHUNK, 64, i < 3 ? XDP_PKT_CONTD : 0);
	assert_true(xsk_tx_peek_desc(pool, &d[n++]));
	xdp_sock_destroy(going.xs);
	if (others) {
		app_open(&more, 0, 0, RING);
		assert_int_equal(xdp_sock_bind(more.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs),
				 0);
	}
	app_put_desc(&app.tx, CHUNK, 64, 0);
	if (batch) {
		u32 got = xsk_tx_peek_release_desc_batch(pool, 2);

		assert_int_equal(got, 2); /* and the last of it in the next batch */
		memcpy(&d[n], pool->tx_descs, got * sizeof(d[0]));
		n += got;
		got = xsk_tx_peek_release_desc_batch(pool, 8);
		memcpy(&d[n], pool->tx_descs, got * sizeof(d[0]));
		n += got;
	} else {
		while (n < 8 && xsk_tx_peek_desc(pool, &d[n]))
			n++;
	}
	assert_int_equal(n, 5);
	for (u32 i = 0; i < 4; i++) {
		assert_int_equal(d[i].addr, (4 + i) * CHUNK);
		assert_int_equal(d[i].options, i < 3 ? XDP_PKT_CONTD : 0);
	}
	assert_int_equal(d[4].addr, CHUNK);
	xsk_tx_completed(pool, n);
	assert_int_equal(app_waiting(&app.comp), 5);
	for (u32 i = 0; i < 5; i++)
		assert_int_equal(app_take_addr(&app.comp), d[i].addr);
	if (others)
		xdp_sock_destroy(more.xs);
	stop();
}

static void test_goes_within_packet(void **state)
{
	for (u32 others = 0; others < 2; others++) {
		goes_within_packet(false, others);
		goes_within_packet(true, others);
	}
}

/* The rest of a packet is taken before the next one, also in batches with several sockets. */
static void test_packet_then_batch(void **state)
{
	struct app second;
	struct xdp_desc d;

	start_with(0, 0, XDP_USE_SG, RING);
	app_open(&second, 0, 0, RING);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs), 0);
	for (u32 i = 0; i < 3; i++)
		app_put_desc(&app.tx, i * CHUNK, 64, i < 2 ? XDP_PKT_CONTD : 0);
	app_put_desc(&app.tx, 3 * CHUNK, 64, 0);
	assert_true(xsk_tx_peek_desc(pool, &d));
	assert_int_equal(xsk_tx_peek_release_desc_batch(pool, 64), 3);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(pool->tx_descs[i].addr, (1 + i) * CHUNK);
	xdp_sock_destroy(second.xs);
	stop();
}

/* The next driver of a queue completes what it took itself, not what the one before left. */
static void test_next_driver(void **state)
{
	struct xdp_desc d;

	start_with(0, 0, XDP_USE_SG, RING);
	for (u32 i = 0; i < 3; i++)
		app_put_desc(&app.tx, i * CHUNK, 64, i < 2 ? XDP_PKT_CONTD : 0);
	assert_true(xsk_tx_peek_desc(pool, &d));
	xp_clear_dev(pool);
	assert_int_equal(xp_assign_dev(pool, card.dev, 0, XDP_ZEROCOPY), 0);
	assert_false(xsk_tx_peek_desc(pool, &d));
	xp_add_xsk(pool, app.xs);
	app_put_desc(&app.tx, 5 * CHUNK, 64, 0);
	assert_true(xsk_tx_peek_desc(pool, &d));
	assert_int_equal(d.addr, 5 * CHUNK);
	xsk_tx_completed(pool, 3);
	assert_int_equal(app_waiting(&app.comp), 1);
	assert_int_equal(app_take_addr(&app.comp), 5 * CHUNK);
	xp_del_xsk(pool, app.xs);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defect_descriptor_overflow),
		cmocka_unit_test(test_packets_whole),
		cmocka_unit_test(test_batch_too_small),
		cmocka_unit_test(test_completed_too_much),
		cmocka_unit_test(test_completion_room),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_goes_within_packet),
		cmocka_unit_test(test_packet_then_batch),
		cmocka_unit_test(test_next_driver),
	};

	return cmocka_run_group_tests_name("xsk_tx", tests, NULL, NULL);
}
