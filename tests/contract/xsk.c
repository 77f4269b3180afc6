/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xsk CONFIG: the guarantees for an AF_XDP application, in zero-copy and in copy mode, with aligned
 * and unaligned chunks, on devices of every kind. xsk_life.c contains more tests.
 */
#include "xsk_body.h"

static void test_send_receive(void **state)
{
	start(0, 0);
	fill(0, 8);
	for (u32 i = 0; i < 8; i++)
		receive(i, 60 + i * 150);
	for (u32 i = 0; i < 8; i++)
		received(i, 60 + i * 150);
	assert_int_equal(app_waiting(&app.rx), 0);
	for (u32 i = 0; i < 8; i++)
		send(chunk(8 + i), i, 1500 - i);
	card_send(0, &app);
	for (u32 i = 0; i < 8; i++) {
		sent(i, 1500 - i);
		assert_int_equal(app_take_addr(&app.comp), chunk(8 + i));
	}
	stop();
}

/* The same buffers pass through the rings many times, and return each time. */
static void test_buffers_come_back(void **state)
{
	start(0, 0);
	fill(0, 4);
	for (u32 i = 0; i < 20 * RING; i++) {
		u64 base;

		receive(i, 64 + i % 1000);
		base = received(i, 64 + i % 1000);
		send(base, i + 1, 64);
		card_send(0, &app);
		sent(i + 1, 64);
		assert_int_equal(app_take_addr(&app.comp), base);
		app_put_addr(&app.fill, base);
	}
	stop();
}

static void test_bidirectional(void **state)
{
	start(0, 0);
	fill(0, 16);
	for (u32 i = 0; i < 16; i++) {
		send(chunk(20 + i), 100 + i, 200 + i);
		receive(i, 100 + i);
		if (i % 4 == 3)
			card_send(0, &app);
	}
	for (u32 i = 0; i < 16; i++) {
		received(i, 100 + i);
		sent(100 + i, 200 + i);
		assert_int_equal(app_take_addr(&app.comp), chunk(20 + i));
	}
	stop();
}

static void test_need_wakeup(void **state)
{
	start(0, XDP_USE_NEED_WAKEUP);
	assert_int_equal(load(app.tx.flags), XDP_RING_NEED_WAKEUP); /* set after bind */
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal(card.wakeups, 1);
	assert_int_equal(card.woken, XDP_WAKEUP_TX);
	if (config->zc) {
		assert_true(xsk_uses_need_wakeup(card.pool[0]));
		xsk_clear_tx_need_wakeup(card.pool[0]);
		assert_int_equal(load(app.tx.flags), 0);
		assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
		assert_int_equal(card.wakeups, 1); /* the driver is awake */
		assert_int_equal(load(app.fill.flags), 0);
		xsk_set_rx_need_wakeup(card.pool[0]);
		assert_int_equal(load(app.fill.flags), XDP_RING_NEED_WAKEUP);
		assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_RX), 0);
		assert_int_equal(card.wakeups, 2);
		assert_int_equal(card.woken, XDP_WAKEUP_RX);
		xsk_clear_rx_need_wakeup(card.pool[0]);
		xsk_set_tx_need_wakeup(card.pool[0]);
		assert_int_equal(load(app.fill.flags), 0);
		assert_int_equal(load(app.tx.flags), XDP_RING_NEED_WAKEUP);
	}
	stop();
}

/* Without the flag the application never reads it, and the ring never sets it. */
static void test_no_need_wakeup(void **state)
{
	start(0, 0);
	assert_int_equal(load(app.tx.flags), 0);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal(card.wakeups, 1);
	if (config->zc) {
		assert_false(xsk_uses_need_wakeup(card.pool[0]));
		xsk_set_rx_need_wakeup(card.pool[0]);
		assert_int_equal(load(app.fill.flags), 0);
	}
	stop();
}

/* Each is skipped and counted, and the good ones between them are sent. */
static void test_invalid_descriptors(void **state)
{
	struct xdp_desc bad[] = {
		{area.size, 64, 0},
		{UINT64_MAX, 64, 0},
		{UINT64_MAX - 63, 64, 0},
		{0, CHUNK + 1, 0},
		{0, UINT32_MAX, 0},
		{CHUNK, 0, 0},
		{0, 64, 4},
		{0, 64, 1u << 31},
		{CHUNKS * CHUNK - 64, 65, 0},
		{0, 64, XDP_TX_METADATA},
		{0, 64, XDP_PKT_CONTD},
		{1ull << 63, 64, 0},
		{CHUNK - 1, 2, 0}, /* these two are good with unaligned chunks */
	};
	u32 n = sizeof(bad) / sizeof(bad[0]), refused = 0;

	start(0, 0);
	bad[0].addr = area.size;
	for (u32 i = 0; i < n; i++) {
		bool good = config->unaligned && i >= n - 2;

		if (good)
			continue;
		app_put_desc(&app.tx, bad[i].addr, bad[i].len, bad[i].options);
		if (bad[i].options & XDP_PKT_CONTD)
			app_put_desc(&app.tx, 0, 64, 0); /* the end of the same packet */
		refused++;
		send(chunk(40), i, 99);
		card_send(0, &app);
		sent(i, 99);
		assert_int_equal(card.n_sent, 0);
		assert_int_equal(app_stats(&app).tx_invalid_descs, refused);
		assert_int_equal(app_take_addr(&app.comp), chunk(40));
		assert_int_equal(app_waiting(&app.comp), 0);
	}
	assert_int_equal(load(app.tx.consumer), app.tx.mine);
	stop();
}

/* Chunks at any offset, also across a page; only one that exceeds the UMEM is refused. */
static void test_unaligned_crossing_pages(void **state)
{
	u32 refused = 0, crossing = 0;

	if (!config->unaligned) {
		return; /* this configuration has no such address */
	}
	start(0, 0);
	for (u64 addr = 3000; addr <= area.size; addr += 3001) {
		bool crosses = (addr & 4095) + CHUNK > 4096, leaves = addr + CHUNK > area.size;
		struct xsk_buff_pool *pool = xsk_get_pool_from_qid(card.dev, 0);

		packet_fill(packet, 1500, (u32)addr);
		app_put_addr(&app.fill, addr);
		if (leaves || (crosses && pool->dma_pages &&
			       !(pool->dma_pages[addr >> 12] & XSK_NEXT_PG_CONTIG_MASK))) {
			refused++;
			assert_int_equal(card_receive(0, packet, 1500), -ENOMEM);
			continue;
		}
		crossing += crosses;
		assert_int_equal(card_receive(0, packet, 1500), 0);
		assert_int_equal(received((u32)addr, 1500), addr);
		send(addr, (u32)addr + 1, 1800);
		card_send(0, &app);
		sent((u32)addr + 1, 1800);
		app_take_addr(&app.comp);
	}
	assert_true(refused > 0);
	assert_true(crossing > 0 || xsk_get_pool_from_qid(card.dev, 0)->dma_pages);
	assert_int_equal(app_stats(&app).rx_invalid_descs, refused);
	stop();
}

static void test_headroom(void **state)
{
	start(200, 0);
	fill(1, 3);
	for (u32 i = 0; i < 3; i++) {
		struct xdp_desc d;

		receive(i, 1000);
		d = app_take_desc(&app.rx);
		if (config->unaligned)
			assert_int_equal(d.addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT, 200 + 256);
		else
			assert_int_equal(d.addr & (CHUNK - 1), 200 + 256);
		assert_int_equal(base_of(d.addr), chunk(1 + i));
		assert_true(packet_is(data_at(d.addr), 1000, i));
	}
	stop();
}

static void test_statistics_rx_dropped(void **state)
{
	start(0, 0);
	if (config->zc) {
		stop();
		return; /* this configuration has no such address */
	}
	fill(0, 2);
	packet_fill(packet, CHUNK, 0);
	assert_int_equal(card_receive(0, packet, CHUNK - 255), -ENOSPC);
	assert_int_equal(app_stats(&app).rx_dropped, 1);
	assert_int_equal(card_receive(0, packet, CHUNK - 256), 0);
	assert_int_equal(app_stats(&app).rx_dropped, 1);
	stop();
}

static void test_statistics_ring_full(void **state)
{
	start(0, 0);
	fill(0, RING);
	for (u32 i = 0; i < RING; i++)
		receive(i, 64);
	fill(RING, 3);
	for (u32 i = 1; i <= 3; i++) {
		assert_int_equal(card_receive(0, packet, 64), -ENOBUFS);
		assert_int_equal(app_stats(&app).rx_ring_full, i);
	}
	received(0, 64);
	receive(RING, 64); /* there is space again, and no buffer was lost */
	for (u32 i = 1; i <= RING; i++)
		received(i, 64);
	stop();
}

static void test_statistics_fill_empty(void **state)
{
	start(0, 0);
	assert_int_equal(card_receive(0, packet, 64), -ENOMEM);
	assert_true(app_stats(&app).rx_fill_ring_empty_descs > 0);
	fill(0, 1);
	receive(1, 64);
	received(1, 64);
	stop();
}

static void test_statistics_rx_invalid(void **state)
{
	u64 last = area.size;

	start(0, 0);
	last = area.size - (config->unaligned ? CHUNK - 1 : 0);
	app_put_addr(&app.fill, last);
	app_put_addr(&app.fill, chunk(3));
	app_put_addr(&app.fill, config->unaligned ? XSK_UNALIGNED_BUF_ADDR_MASK : UINT64_MAX);
	receive(1, 64);
	assert_int_equal(received(1, 64), chunk(3));
	assert_int_equal(card_receive(0, packet, 64), -ENOMEM);
	assert_int_equal(app_stats(&app).rx_invalid_descs, 2);
	stop();
}

static void test_statistics_tx_empty(void **state)
{
	start(0, 0);
	card_send(0, &app);
	card_send(0, &app);
	assert_int_equal(app_stats(&app).tx_ring_empty_descs, 2);
	assert_int_equal(app_stats(&app).tx_invalid_descs, 0);
	stop();
}

static void test_multi_buffer_receive(void **state)
{
	/* in zero-copy mode less the tailroom, and a multiple of 128 */
	u32 frame = config->zc ? 1408 : CHUNK - 256;

	start(0, XDP_USE_SG);
	fill(0, 16);
	for (u32 len = frame - 1; len <= 4 * frame + 1; len += frame / 2) {
		u32 at = 0, n = 0;

		receive(len, len);
		for (;;) {
			struct xdp_desc d = app_take_desc(&app.rx);

			assert_true(d.len && d.len <= frame);
			assert_memory_equal(data_at(d.addr), packet + at, d.len);
			at += d.len;
			n++;
			app_put_addr(&app.fill, base_of(d.addr));
			if (!(d.options & XDP_PKT_CONTD))
				break;
		}
		assert_int_equal(at, len);
		assert_int_equal(n, (len - 1) / frame + 1);
		assert_int_equal(app_waiting(&app.rx), 0);
	}
	stop();
}

/* One entry too few: no part of the packet is published. */
static void test_multi_buffer_receive_whole(void **state)
{
	start(0, XDP_USE_SG);
	fill(0, RING);
	for (u32 i = 0; i < RING - 2; i++)
		receive(i, 64);
	fill(RING, 6);
	packet_fill(packet, 4000, 1);
	assert_int_equal(card_receive(0, packet, 4000), -ENOBUFS);
	assert_int_equal(app_waiting(&app.rx), RING - 2);
	received(0, 64);
	assert_int_equal(card_receive(0, packet, 4000), 0);
	assert_int_equal(app_waiting(&app.rx), RING);
	stop();
}

static void test_multi_buffer_send(void **state)
{
	start(0, XDP_USE_SG);
	for (u32 n = 1; n <= 8; n++) {
		packet_fill(packet, n * 1000, n);
		for (u32 i = 0; i < n; i++) {
			memcpy(data_at(chunk(i)), packet + i * 1000, 1000);
			app_put_desc(&app.tx, chunk(i), 1000, i + 1 < n ? XDP_PKT_CONTD : 0);
			if (i + 1 < n) {
				card_send(0, &app);
				assert_int_equal(card.n_sent, 0); /* not before it is complete */
			}
		}
		card_send(0, &app);
		sent(n, n * 1000);
		for (u32 i = 0; i < n; i++)
			assert_int_equal(app_take_addr(&app.comp), chunk(i));
	}
	stop();
}

/* A bad descriptor anywhere in a packet, or one too many: no part of it is sent. */
static void test_multi_buffer_invalid(void **state)
{
	u32 longest = config->zc ? 8 : 18;

	start(0, XDP_USE_SG);
	for (u32 bad = 0; bad < 4; bad++) {
		for (u32 i = 0; i < 4; i++)
			app_put_desc(&app.tx, i == bad ? area.size : chunk(i), 100,
				     i < 3 ? XDP_PKT_CONTD : 0);
		send(chunk(20), bad, 64);
		card_send(0, &app);
		sent(bad, 64);
		assert_int_equal(card.n_sent, 0);
		assert_int_equal(app_take_addr(&app.comp), chunk(20));
		assert_int_equal(app_waiting(&app.comp), 0);
		assert_int_equal(app_stats(&app).tx_invalid_descs, bad + 1);
	}
	for (u32 i = 0; i <= longest; i++)
		app_put_desc(&app.tx, chunk(i), 100, i < longest ? XDP_PKT_CONTD : 0);
	send(chunk(20), 9, 64);
	card_send(0, &app);
	sent(9, 64);
	assert_int_equal(card.n_sent, 0);
	assert_int_equal(app_stats(&app).tx_invalid_descs, 5);
	stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send_receive),
		cmocka_unit_test(test_buffers_come_back),
		cmocka_unit_test(test_bidirectional),
		cmocka_unit_test(test_need_wakeup),
		cmocka_unit_test(test_no_need_wakeup),
		cmocka_unit_test(test_invalid_descriptors),
		cmocka_unit_test(test_unaligned_crossing_pages),
		cmocka_unit_test(test_headroom),
		cmocka_unit_test(test_statistics_rx_dropped),
		cmocka_unit_test(test_statistics_ring_full),
		cmocka_unit_test(test_statistics_fill_empty),
		cmocka_unit_test(test_statistics_rx_invalid),
		cmocka_unit_test(test_statistics_tx_empty),
		cmocka_unit_test(test_multi_buffer_receive),
		cmocka_unit_test(test_multi_buffer_receive_whole),
		cmocka_unit_test(test_multi_buffer_send),
		cmocka_unit_test(test_multi_buffer_invalid),
	};

	return choose(argc, argv) ? cmocka_run_group_tests_name(config->name, tests, NULL, NULL)
				  : 2;
}
