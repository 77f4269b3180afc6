/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an AF_XDP application may rely on, behaviour by behaviour, in zero-copy and in copy mode, with
 * aligned and unaligned chunks, on devices of each kind: xsk CONFIG.
 */
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
static char packet[CARD_PACKET];
static int reports;

static void on_report(const struct dmamap_report *r, void *arg)
{
	reports++;
	fprintf(stderr, "%s: %s\n", r->name, r->text);
}

static u32 umem_flags(void)
{
	return config->unaligned ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0;
}

static u16 mode(void)
{
	return config->zc ? XDP_ZEROCOPY : XDP_COPY;
}

/* The i-th buffer of the application; unaligned ones begin anywhere, half of them cross a page. */
static u64 chunk(u32 i)
{
	return (u64)i * CHUNK + (config->unaligned && i + 1 < CHUNKS ? i * 97 % 1500 : 0);
}

static char *data_at(u64 addr)
{
	if (config->unaligned)
		addr = (addr & XSK_UNALIGNED_BUF_ADDR_MASK) + (addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT);
	assert_true(addr < area.size);
	return area.memory + addr;
}

static u64 base_of(u64 addr)
{
	return config->unaligned ? addr & XSK_UNALIGNED_BUF_ADDR_MASK : addr & ~(u64)(CHUNK - 1);
}

static void start(u32 headroom, u16 flags)
{
	reports = 0;
	dmamap_check_on_report(on_report, NULL);
	card_open(config->spec, config->zc ? &card_zc : &card_copy);
	area_open(&area, CHUNKS, headroom, umem_flags());
	app_open(&app, RING, RING, RING);
	if (xdp_sock_bind(app.xs, area.umem, card.dev, 0, mode() | flags, NULL))
		fail_msg("%s", dmamap_strerror());
}

static void stop(void)
{
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
	assert_int_equal(reports, 0);
}

static void fill(u32 from, u32 n)
{
	for (u32 i = 0; i < n; i++)
		app_put_addr(&app.fill, chunk(from + i));
}

static void receive(u32 number, u32 len)
{
	packet_fill(packet, len, number);
	assert_int_equal(card_receive(0, packet, len), 0);
}

/* The next descriptor is that packet, whole in one buffer. */
static u64 received(u32 number, u32 len)
{
	struct xdp_desc d = app_take_desc(&app.rx);

	assert_int_equal(d.len, len);
	assert_int_equal(d.options, 0);
	assert_true(packet_is(data_at(d.addr), len, number));
	return base_of(d.addr);
}

static void send(u64 addr, u32 number, u32 len)
{
	packet_fill(data_at(addr), len, number);
	app_put_desc(&app.tx, addr, len, 0);
}

static void sent(u32 number, u32 len)
{
	assert_true(card.n_sent > 0);
	assert_int_equal(card.sent[0].len, len);
	assert_true(packet_is(card.sent[0].data, len, number));
	memmove(&card.sent[0], &card.sent[1], --card.n_sent * sizeof(card.sent[0]));
}

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

/* The same buffers go round many times the rings' lengths, and come back each time. */
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
	assert_int_equal(load(app.tx.flags), XDP_RING_NEED_WAKEUP); /* the first time always */
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal(card.wakeups, 1);
	assert_int_equal(card.woken, XDP_WAKEUP_TX);
	if (config->zc) {
		assert_true(xsk_uses_need_wakeup(card.pool[0]));
		xsk_clear_tx_need_wakeup(card.pool[0]);
		assert_int_equal(load(app.tx.flags), 0);
		assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
		assert_int_equal(card.wakeups, 1); /* it is awake */
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

/* Without the flag the application never looks, and the ring never says. */
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

/* Each is skipped and counted, and the good ones between them go out. */
static void test_invalid_descriptors(void **state)
{
	struct xdp_desc bad[] = {
		{area.size, 64, 0}, {UINT64_MAX, 64, 0}, {UINT64_MAX - 63, 64, 0},
		{0, CHUNK + 1, 0}, {0, UINT32_MAX, 0}, {CHUNK, 0, 0}, {0, 64, 4}, {0, 64, 1u << 31},
		{CHUNKS * CHUNK - 64, 65, 0}, {0, 64, XDP_TX_METADATA}, {0, 64, XDP_PKT_CONTD},
		{1ull << 63, 64, 0}, {CHUNK - 1, 2, 0}, /* these two are good with unaligned chunks */
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

/* Chunks wherever they lie: also those across a page; only the one that leaves the UMEM is refused. */
static void test_unaligned_crossing_pages(void **state)
{
	u32 refused = 0, crossing = 0;

	if (!config->unaligned) {
		return; /* there is no such thing in this configuration */
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
	start(300, 0);
	fill(1, 3);
	for (u32 i = 0; i < 3; i++) {
		struct xdp_desc d;

		receive(i, 1000);
		d = app_take_desc(&app.rx);
		if (config->unaligned)
			assert_int_equal(d.addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT, 300 + 256);
		else
			assert_int_equal(d.addr & (CHUNK - 1), 300 + 256);
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
		return; /* there is no such thing in this configuration */
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
	receive(RING, 64); /* there is room again, and no buffer was lost */
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
	u32 frame = CHUNK - 256;

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

/* One entry short: nothing of the packet is shown. */
static void test_multi_buffer_receive_whole(void **state)
{
	start(0, XDP_USE_SG);
	fill(0, RING);
	for (u32 i = 0; i < RING - 2; i++)
		receive(i, 64);
	fill(RING, 6);
	packet_fill(packet, 5000, 1);
	assert_int_equal(card_receive(0, packet, 5000), -ENOBUFS);
	assert_int_equal(app_waiting(&app.rx), RING - 2);
	received(0, 64);
	assert_int_equal(card_receive(0, packet, 5000), 0);
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
				assert_int_equal(card.n_sent, 0); /* not before it is whole */
			}
		}
		card_send(0, &app);
		sent(n, n * 1000);
		for (u32 i = 0; i < n; i++)
			assert_int_equal(app_take_addr(&app.comp), chunk(i));
	}
	stop();
}

/* A bad descriptor anywhere in a packet, or one too many: none of it goes out. */
static void test_multi_buffer_invalid(void **state)
{
	u32 longest = config->zc ? 8 : 18;

	start(0, XDP_USE_SG);
	for (u32 bad = 0; bad < 4; bad++) {
		for (u32 i = 0; i < 4; i++)
			app_put_desc(&app.tx, i == bad ? area.size : chunk(i), 100, i < 3 ? XDP_PKT_CONTD : 0);
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

/* Two sockets on one queue: the first receives, unless steering says else; both send. */
static struct xdp_sock *to_second(struct device *dev, u16 queue, struct xdp_buff *xdp, void *arg)
{
	return *(char *)xdp->data == 2 ? arg : NULL;
}

static void test_shared_queue(void **state)
{
	struct app second;

	start(0, 0);
	app_open(&second, 0, RING, RING);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs), 0);
	fill(0, 8);
	receive(1, 64);
	received(1, 64);
	assert_int_equal(xdp_set_steering(card.dev, to_second, second.xs), 0);
	packet[0] = 2;
	assert_int_equal(card_receive(0, packet, 64), 0);
	assert_int_equal(app_waiting(&app.rx), 0);
	assert_int_equal(app_take_desc(&second.rx).len, 64);
	packet[0] = 3;
	assert_int_equal(card_receive(0, packet, 64), -EINVAL);
	assert_int_equal(xdp_set_steering(card.dev, NULL, NULL), 0);
	receive(5, 64);
	received(5, 64);

	send(chunk(20), 1, 70);
	packet_fill(data_at(chunk(21)), 80, 2);
	app_put_desc(&second.tx, chunk(21), 80, 0);
	card_send(0, &app);
	if (!config->zc)
		card_send(0, &second);
	assert_int_equal(card.n_sent, 2);
	assert_int_equal(app_waiting(&app.comp), 2);
	xdp_sock_destroy(second.xs);
	receive(6, 64);
	received(6, 64);
	stop();
}

/* One UMEM, two queues: each with rings of its own, one mapping for the device. */
static void test_shared_umem(void **state)
{
	struct app second;
	u64 maps;
	struct dmamap_stats st = {.size = sizeof(st)};

	start(0, 0);
	dmamap_stats(card.dev, &st);
	maps = st.maps;
	app_open(&second, RING, RING, RING);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 3, XDP_SHARED_UMEM, app.xs), 0);
	dmamap_stats(card.dev, &st);
	assert_int_equal(st.maps, maps); /* shared, and below it works */
	for (u32 i = 0; i < 10; i++) {
		struct xdp_desc d;

		app_put_addr(&second.fill, chunk(10 + i));
		fill(i, 1);
		packet_fill(packet, 100, i);
		assert_int_equal(card_receive(3, packet, 100), 0);
		assert_int_equal(card_receive(0, packet, 100), 0);
		received(i, 100);
		d = app_take_desc(&second.rx);
		assert_true(packet_is(data_at(d.addr), 100, i));
		assert_int_equal(base_of(d.addr), chunk(10 + i));
		app_put_desc(&second.tx, d.addr, 100, 0);
		card_send(3, &second);
		sent(i, 100);
		app_take_addr(&second.comp);
	}
	xdp_sock_destroy(app.xs); /* the first goes first */
	app_put_addr(&second.fill, chunk(30));
	packet_fill(packet, 100, 77);
	assert_int_equal(card_receive(3, packet, 100), 0);
	assert_true(packet_is(data_at(app_take_desc(&second.rx).addr), 100, 77));
	app = second;
	stop();
}

static void test_poll(void **state)
{
	start(0, 0);
	assert_int_equal(xdp_sock_poll(app.xs), POLLOUT);
	fill(0, 1);
	receive(0, 64);
	assert_int_equal(xdp_sock_poll(app.xs), POLLIN | POLLOUT);
	received(0, 64);
	for (u32 i = 0; i < RING; i++)
		send(chunk(i), i, 64);
	assert_int_equal(xdp_sock_poll(app.xs), 0);
	card_send(0, &app);
	assert_int_equal(xdp_sock_poll(app.xs), POLLOUT);
	stop();
}

/* A full completion ring holds packets back; none is lost. */
static void test_backpressure(void **state)
{
	start(0, 0);
	for (u32 i = 0; i < RING; i++)
		send(chunk(i), i, 64);
	card_send(0, &app);
	assert_int_equal(card.n_sent, RING);
	for (u32 i = 0; i < 5; i++)
		send(chunk(i + 32), 100 + i, 64);
	card_send(0, &app);
	assert_int_equal(card.n_sent, RING);
	for (u32 i = 0; i < RING; i++) {
		app_take_addr(&app.comp);
		sent(i, 64);
	}
	card_send(0, &app);
	for (u32 i = 0; i < 5; i++)
		sent(100 + i, 64);
	stop();
}

/* Socket, UMEM, memory of buffers in flight, device, in every order. */
static void test_teardown_orders(void **state)
{
	for (u32 order = 0; order < 6; order++) {
		static const u8 orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

		start(0, 0);
		fill(0, 20);
		for (u32 i = 0; i < 5; i++)
			receive(i, 64);
		for (u32 i = 0; i < 5; i++)
			send(chunk(30 + i), i, 64);
		for (u32 k = 0; k < 3; k++) {
			if (orders[order][k] == 0)
				xdp_sock_destroy(app.xs);
			else if (orders[order][k] == 1)
				xdp_umem_put(area.umem);
			else
				dmamap_close(card.dev);
		}
		assert_int_equal(card.setups, card.teardowns);
		munmap(area.memory, area.size);
		assert_int_equal(reports, 0);
	}
}

static void test_device_gone(void **state)
{
	start(0, 0);
	fill(0, 4);
	receive(0, 64);
	dmamap_close(card.dev);
	received(0, 64); /* what came before is there */
	assert_int_equal(xdp_sock_poll(app.xs) & POLLERR, POLLERR);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), -ENETDOWN);
	assert_int_equal(app_stats(&app).rx_dropped, 0);
	xdp_sock_destroy(app.xs);
	area_close(&area);
	assert_int_equal(reports, 0);
}

/* The driver leaves while sockets are bound; in copy mode they need none. */
static void test_driver_gone(void **state)
{
	start(0, 0);
	fill(0, 4);
	receive(0, 64);
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	received(0, 64);
	assert_int_equal(card.setups, card.teardowns);
	if (config->zc) {
		assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), -ENETDOWN);
		assert_null(xsk_get_pool_from_qid(card.dev, 0));
	} else {
		receive(1, 64);
		received(1, 64);
	}
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
		cmocka_unit_test(test_shared_queue),
		cmocka_unit_test(test_shared_umem),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_teardown_orders),
		cmocka_unit_test(test_device_gone),
		cmocka_unit_test(test_driver_gone),
	};

	for (size_t i = 0; argc == 2 && i < sizeof(configs) / sizeof(configs[0]); i++)
		if (!strcmp(argv[1], configs[i].name))
			config = &configs[i];
	if (!config) {
		fprintf(stderr, "usage: %s CONFIG\n", argv[0]);
		return 2;
	}
	return cmocka_run_group_tests_name(config->name, tests, NULL, NULL);
}
