/* SPDX-License-Identifier: BSD-2-Clause */
/* Continues xsk.c: several sockets, waiting, full rings, and teardown. */
#include "xsk_body.h"

/*
 * Two sockets on one queue: the first one receives, unless the steering function selects the other;
 * both send.
 */
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
	xdp_sock_destroy(app.xs); /* the first one is destroyed first */
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
		static const u8 orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
						{1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

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

enum {
	NO_RINGS,
	SOME_RINGS,
	NOT_BOUND,
	BOUND,
	FILLED,
	POSTED,
	NOT_SHOWN,
	SHOWN,
	TAKEN,
	HALF_A_PACKET,
	TO_SEND,
	BEING_SENT,
	NOT_COMPLETED,
	COMPLETED,
	STAGES
};

/* A packet that was delivered to the socket, but not published to the application. */
static void receive_unseen(void)
{
	struct xdp_buff copy = {0}, *b = &copy;
	static char own[XDP_PACKET_HEADROOM + 64];

	if (config->zc) {
		card_refill(0);
		b = card_receive_zc(0, packet, 64);
	} else {
		xdp_init_buff(b, sizeof(own), NULL);
		xdp_prepare_buff(b, (unsigned char *)own, XDP_PACKET_HEADROOM, 64, false);
	}
	assert_int_equal(xsk_rcv(card.dev, 0, b), 0);
}

static void send_up_to(int stage)
{
	for (u32 i = 0; stage >= TO_SEND && i < 5; i++)
		send(chunk(40 + i), i, 64);
	card.send_busy = stage <= NOT_COMPLETED;
	if (stage >= BEING_SENT && config->zc)
		assert_int_equal(xsk_tx_peek_release_desc_batch(card.pool[0], 3), 3);
	else if (stage >= BEING_SENT)
		assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX),
				 card.send_busy ? -EAGAIN : 0);
	if (stage >= COMPLETED && config->zc)
		xsk_tx_completed(card.pool[0], 2);
}

/* The application reaches this state, and then makes no further call. */
static void go_to(int stage)
{
	app_open(&app, stage >= NOT_BOUND ? RING : 0, stage >= SOME_RINGS ? RING : 0,
		 stage >= NOT_BOUND ? RING : 0);
	if (stage < BOUND)
		return;
	assert_int_equal(xdp_sock_bind(app.xs, area.umem, card.dev, 0, mode() | XDP_USE_SG, NULL),
			 0);
	if (stage >= FILLED)
		fill(0, 20);
	if (stage >= POSTED && config->zc)
		card_refill(0);
	if (stage >= NOT_SHOWN)
		receive_unseen();
	for (u32 i = 0; stage >= SHOWN && i < 3; i++)
		receive(i, 64);
	if (stage >= TAKEN)
		app_take_desc(&app.rx);
	if (stage == HALF_A_PACKET) {
		app_put_desc(&app.tx, chunk(40), 64, XDP_PKT_CONTD);
		card_send(0, &app);
		assert_int_equal(card.n_sent, 0);
	}
	send_up_to(stage);
}

/*
 * Closed in any state: the driver has no buffer any more, nothing is mapped, and the next test
 * finds a clean state.
 */
static void test_closed_in_any_state(void **state)
{
	for (int stage = 0; stage < STAGES; stage++) {
		struct dmamap_stats st = {.size = sizeof(st)};

		start(0, 0);
		xdp_sock_destroy(app.xs);
		go_to(stage);
		xdp_sock_destroy(app.xs);
		assert_int_equal(card.setups, card.teardowns);
		assert_null(xsk_get_pool_from_qid(card.dev, 0));
		assert_int_equal(dmamap_stats(card.dev, &st), 0);
		assert_int_equal(st.maps, st.unmaps);
		card.send_busy = false;
		card.n_sent = 0;
		app_open(&app, RING, RING, RING);
		assert_int_equal(xdp_sock_bind(app.xs, area.umem, card.dev, 0, mode(), NULL), 0);
		for (u32 i = 0; i < CHUNKS; i++) {
			fill(i, 1);
			receive(i, 100);
			send(received(i, 100), i + 1, 100);
			card_send(0, &app);
			sent(i + 1, 100);
			assert_int_equal(app_take_addr(&app.comp), chunk(i));
		}
		stop();
	}
}

static void test_device_gone(void **state)
{
	start(0, 0);
	fill(0, 4);
	receive(0, 64);
	dmamap_close(card.dev);
	received(0, 64); /* what was received before is there */
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
		cmocka_unit_test(test_shared_queue),
		cmocka_unit_test(test_shared_umem),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_teardown_orders),
		cmocka_unit_test(test_closed_in_any_state),
		cmocka_unit_test(test_device_gone),
		cmocka_unit_test(test_driver_gone),
	};

	return choose(argc, argv) ? cmocka_run_group_tests_name(config->name, tests, NULL, NULL)
				  : 2;
}
