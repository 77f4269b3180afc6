/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network card's driver: probing, copying, stopping, failures. Its sockets are in
 * test_driver_e1000e_xsk.c.
 */
#include "net_rig.h"

#include <errno.h>
#include <pthread.h>

/* The paths of packets between memory and the card. */
static const char *const ways[] = {
	"",
	",iommu=0",
	",policy=lazy",
	",policy=identity",
	",untrusted=1",
#ifndef BUILT_WITH_TSAN /* it does not know that coherent memory is one page at two addresses then \
			 */
	",coherent=0",
	",iommu=0,coherent=0",
#endif
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct sink { /* the packets that one card received */
	u32 n;
	bool compare;
};

static void on_receive(void *arg, const void *frame, u32 len)
{
	struct sink *s = arg;

	if (s->compare)
		assert_frame(frame, len, s->n);
	s->n++;
}

static void pair_up(struct net_card c[2], const char *keys, struct sink *sink)
{
	struct e1000e_options opt = {.receive = on_receive, .arg = sink};
	char spec[128];

	snprintf(spec, sizeof(spec), "sim:e1000e,wire=pair:driver%s", keys);
	card_started(&c[0], spec, NULL);
	card_started(&c[1], spec, &opt);
	while (!e1000e_link(c[0].nic) || !e1000e_link(c[1].nic))
		sched_yield();
}

static void pair_down(struct net_card c[2])
{
	card_down(&c[0]);
	card_down(&c[1]);
	assert_int_equal(mem_pages_used(), 0);
}

static void send_frames(struct net_card c[2], struct sink *sink, u32 n)
{
	u32 sent = 0, len;
	u8 frame[1600];
	int err;

	while (sent < n || sink->n < n) {
		if (sent < n) {
			len = frame_of(frame, sent);
			err = e1000e_send(c[0].nic, frame, len);
			assert_true(err == 0 || err == -EAGAIN);
			sent += !err;
		}
		card_turn(&c[0]);
		card_turn(&c[1]);
	}
	assert_int_equal(sink->n, n);
}

static void test_copy(void **state)
{
	struct sink sink = {.compare = true};
	struct e1000e_stats st;
	struct net_card c[2];

	for (size_t i = 0; i < WAYS; i++) {
		sink.n = 0;
		pair_up(c, ways[i], &sink);
		send_frames(c, &sink, 1500);
		e1000e_stats(c[1].nic, &st);
		assert_int_equal(st.rx_packets, 1500);
		assert_int_equal(st.card_rx_good, 1500);
		assert_int_equal(st.card_missed + st.rx_errors + st.rx_refused, 0);
		e1000e_stats(c[0].nic, &st);
		assert_int_equal(st.tx_packets, 1500);
		pair_down(c);
	}
}

/* Frames of several buffers on both sides. */
static void test_jumbo(void **state)
{
	static u8 frame[E1000E_FRAME_LONG + 1];
	struct sink sink = {0};
	struct e1000e_options opt = {.receive = on_receive, .arg = &sink, .max_frame = 9000};
	struct e1000e_stats st;
	struct net_card c[2];

	card_started(&c[0], "sim:e1000e,wire=pair:jumbo", NULL);
	card_started(&c[1], "sim:e1000e,wire=pair:jumbo", &opt);
	while (!e1000e_link(c[0].nic) || !e1000e_link(c[1].nic))
		sched_yield();
	assert_int_equal(e1000e_send(c[0].nic, frame, sizeof(frame)), -EINVAL);
	assert_int_equal(e1000e_send(c[0].nic, frame, 0), -EINVAL);
	assert_int_equal(e1000e_send(c[0].nic, frame, 9000), 0);
	assert_int_equal(e1000e_send(c[0].nic, frame, 9001), 0);
	assert_int_equal(e1000e_send(c[0].nic, frame, E1000E_FRAME_LONG), 0);
	assert_int_equal(e1000e_send(c[0].nic, frame, 4096), 0);
	do {
		card_turn(&c[1]);
		e1000e_stats(c[1].nic, &st);
	} while (st.rx_packets + st.rx_too_long < 4);
	assert_int_equal(sink.n, 2);
	assert_int_equal(st.rx_too_long, 2);
	assert_int_equal(st.rx_bytes, 9000 + 4096);
	pair_down(c);
}

static void refuse(struct device *dev, const struct e1000e_options *opt, int err)
{
	errno = 0;
	assert_null(e1000e_probe(dev, opt));
	assert_int_equal(errno, err);
	assert_all_released(dev);
}

static void test_bad_probe(void **state)
{
	static const struct e1000e_options bad[] = {
		{.rx_ring = 4},	      {.rx_ring = 12},	 {.tx_ring = 4104}, {.max_frame = 1000},
		{.max_frame = 16381}, {.mask_bits = 65}, {.irq_us = 20000}};
	struct device *dev;

	dev = dmamap_open("sim");
	refuse(dev, NULL, ENODEV);
	dmamap_close(dev);
	dev = dmamap_open("sim:edu");
	refuse(dev, NULL, ENODEV);
	dmamap_close(dev);
	dev = dmamap_open("sim:e1000e");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(dev, &bad[i], EINVAL);
	dmamap_close(dev);
	e1000e_remove(NULL);
}

/* The first, second, third … allocation fails; nothing is left. */
static void test_probe_fails(void **state)
{
	static const enum fail_site sites[] = {FAIL_PAGE, FAIL_COHERENT, FAIL_MEMORY, FAIL_IOVA};
	struct device *dev = dmamap_open("sim:e1000e");
	struct fail_rule rule = {.times = 1};
	struct e1000e *nic;

	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		for (rule.nth = 1; rule.nth < 100; rule.nth++) {
			fail_set(sites[i], &rule);
			nic = e1000e_probe(dev, NULL);
			fail_set(sites[i], NULL);
			if (nic)
				break;
			assert_all_released(dev);
		}
		assert_non_null(nic);
		e1000e_remove(nic);
		assert_all_released(dev);
	}
	dmamap_close(dev);
	assert_int_equal(mem_pages_used(), 0);
}

/* A mapping that fails costs that packet, or that buffer for a while, and is counted. */
static void test_map_fails(void **state)
{
	struct fail_rule always = {.every = 1}, some = {.every = 3};
	struct sink sink = {0};
	struct e1000e_stats st;
	struct net_card c[2];
	u8 frame[9000] = {2};
	u32 ok = 0, i;

	pair_up(c, "", &sink);
	fail_set(FAIL_MAP, &always);
	assert_int_equal(e1000e_send(c[0].nic, frame, 60), -ENOMEM);
	assert_non_null(strstr(driver_strerror(), "dropped"));
	fail_set(FAIL_MAP, &some); /* the third page of the packet */
	assert_int_equal(e1000e_send(c[0].nic, frame, 9000), -ENOMEM);
	fail_set(FAIL_MAP, NULL);
	e1000e_stats(c[0].nic, &st);
	assert_int_equal(st.tx_map_failed, 2);
	fail_set(FAIL_MAP, &some);
	for (i = 0; i < 90; i++)
		ok += e1000e_send(c[0].nic, frame, 60) == 0;
	fail_set(FAIL_MAP, NULL);
	assert_int_equal(ok, 60);
	while (sink.n < 60)
		card_turn(&c[1]);
	/* no page can be mapped for receiving; later it can */
	assert_int_equal(e1000e_stop(c[1].nic), 0);
	fail_set(FAIL_MAP, &always);
	assert_int_equal(e1000e_start(c[1].nic), 0);
	fail_set(FAIL_MAP, NULL);
	e1000e_stats(c[1].nic, &st);
	assert_true(st.rx_map_failed > 0);
	while (e1000e_send(c[0].nic, frame, 60))
		card_turn(&c[0]);
	while (sink.n < 61)
		card_turn(&c[1]);
	pair_down(c);
}

/* Stopped and started during traffic; what is sent while it runs arrives. */
static void test_stop_start(void **state)
{
	struct sink sink = {0};
	struct net_card c[2];
	u8 frame[60] = {2};
	u32 i, k, before;

	pair_up(c, ",policy=lazy", &sink);
	for (i = 0; i < 20; i++) {
		for (k = 0; k < 100; k++)
			e1000e_send(c[0].nic, frame, 60);
		card_turn(&c[1]);
		assert_int_equal(e1000e_stop(c[i & 1].nic), 0);
		assert_int_equal(e1000e_send(c[0].nic, frame, 60), i & 1 ? 0 : -EIO);
		assert_int_equal(e1000e_stop(c[i & 1].nic), 0);
		assert_int_equal(e1000e_start(c[i & 1].nic), 0);
		assert_int_equal(e1000e_start(c[i & 1].nic), 0);
	}
	while (!e1000e_link(c[0].nic))
		sched_yield();
	before = sink.n;
	while (e1000e_in_flight(c[0].nic))
		card_turn(&c[1]);
	while (e1000e_send(c[0].nic, frame, 60))
		card_turn(&c[0]);
	while (sink.n <= before)
		card_turn(&c[1]);
	pair_down(c);
}

/* Removed under load: poll reports it, and everything can be freed. */
static void test_unplug(void **state)
{
	struct sink sink = {0};
	struct e1000e_options opt = {.receive = on_receive, .arg = &sink};
	struct net_card c[2];
	u8 frame[60] = {2};
	int n = 0;

	card_started(&c[0], "sim:e1000e,wire=pair:out,unplug=1000", NULL);
	card_started(&c[1], "sim:e1000e,wire=pair:out", &opt);
	while (n >= 0) {
		e1000e_send(c[0].nic, frame, 60);
		n = e1000e_poll(c[0].nic, NET_BUDGET);
		assert_true(e1000e_poll(c[1].nic, NET_BUDGET) >= 0);
	}
	assert_int_equal(n, -EIO);
	assert_non_null(strstr(driver_strerror(), "it was removed"));
	assert_int_equal(e1000e_send(c[0].nic, frame, 60), -EIO);
	assert_int_equal(e1000e_wait(c[0].nic, 10), -EIO);
	assert_int_equal(e1000e_stop(c[0].nic), -EIO);
	assert_int_equal(e1000e_start(c[0].nic), -EIO);
	assert_false(e1000e_link(c[0].nic));
	while (e1000e_link(c[1].nic))
		sched_yield();
	pair_down(c);
}

static void *send_later(void *arg)
{
	struct e1000e *nic = arg;
	u8 frame[60] = {2};

	for (int i = 0; i < 20; i++) {
		sched_yield();
		while (e1000e_send(nic, frame, 60) == -EAGAIN)
			sched_yield();
	}
	return NULL;
}

/* With interrupts: each packet wakes a sleeping driver, and no packet is left. */
static void test_wait(void **state)
{
	struct sink sink = {0};
	struct net_card c[2];
	pthread_t thread;

	pair_up(c, "", &sink);
	while (e1000e_wait(c[1].nic, 1) > 0) /* the link came up */
		;
	assert_int_equal(pthread_create(&thread, NULL, send_later, c[0].nic), 0);
	while (sink.n < 20) {
		assert_true(e1000e_wait(c[1].nic, -1) >= 0);
		while (e1000e_poll(c[1].nic, NET_BUDGET) > 0)
			;
	}
	pthread_join(thread, NULL);
	pair_down(c);
}

static void test_serve(void **state)
{
	struct sink sink = {0};
	struct net_card c[2];
	struct e1000e_stats st;
	u8 frame[60] = {2};

	for (int busy = 0; busy < 2; busy++) {
		sink.n = 0;
		pair_up(c, "", &sink);
		assert_int_equal(e1000e_serve(c[1].nic, busy), 0);
		assert_int_equal(e1000e_serve(c[1].nic, busy), -EBUSY);
		for (int i = 0; i < 300; i++) {
			while (e1000e_send(c[0].nic, frame, 60) == -EAGAIN)
				card_turn(&c[0]);
		}
		do
			e1000e_stats(c[1].nic, &st);
		while (st.rx_packets < 300);
		pair_down(c);
		assert_int_equal(sink.n, 300);
	}
}

/* Without a socket, packets are dropped and counted. */
static void test_no_socket(void **state)
{
	struct net_card c[2];
	struct e1000e_stats st;
	u8 frame[60] = {2};
	u8 mac[6];

	card_started(&c[0], "sim:e1000e,wire=pair:nobody,mac=52:54:00:00:00:01", NULL);
	e1000e_address(c[0].nic, mac);
	assert_memory_equal(mac, "\x52\x54\x00\x00\x00\x01", 6);
	assert_int_equal(e1000e_send(c[0].nic, frame, 60), -EAGAIN); /* no link */
	card_started(&c[1], "sim:e1000e,wire=pair:nobody", NULL);
	while (e1000e_send(c[0].nic, frame, 60))
		card_turn(&c[0]);
	do {
		card_turn(&c[1]);
		e1000e_stats(c[1].nic, &st);
	} while (!st.rx_refused);
	assert_int_equal(st.rx_packets, 0);
	assert_false(e1000e_zero_copy(c[1].nic));
	pair_down(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),	  cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_bad_probe), cmocka_unit_test(test_probe_fails),
		cmocka_unit_test(test_map_fails), cmocka_unit_test(test_stop_start),
		cmocka_unit_test(test_unplug),	  cmocka_unit_test(test_wait),
		cmocka_unit_test(test_serve),	  cmocka_unit_test(test_no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
