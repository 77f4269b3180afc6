/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The application's library: programs that are written for libxdp's header, on the card of the
 * tests. Each wait is bounded; tests check its result, never its duration.
 */
#include "xsk_app_rig.h"

static __attribute__((unused)) void send_receive(const struct xdp_driver_ops *ops, __u16 flags)
{
	__u32 at = 0;

	start(ops, flags);
	put_fill(0, 4);
	packet_in(0);
	assert_int_equal(xsk_ring_cons__peek(&rx, 8, &at), 1);
	assert_memory_equal(xsk_umem__get_data(memory, xsk_ring_cons__rx_desc(&rx, at)->addr),
			    "a packet", 8);
	xsk_ring_cons__release(&rx, 1);
	strcpy(memory + 9 * CHUNK, "an answer");
	put_tx(9 * CHUNK, 9);
	assert_int_equal(sendto(xsk_socket__fd(sock), NULL, 0, MSG_DONTWAIT, NULL, 0), 0);
	if (card.pool[0])
		card_send_zc(0);
	assert_int_equal(card.n_sent, 1);
	assert_memory_equal(card.sent[0].data, "an answer", 9);
	assert_int_equal(xsk_ring_cons__peek(&comp, 8, &at), 1);
	assert_int_equal(*xsk_ring_cons__comp_addr(&comp, at), 9 * CHUNK);
	xsk_ring_cons__release(&comp, 1);
	stop();
}

static __attribute__((unused)) void test_send_receive(void **state)
{
	send_receive(&card_zc, XDP_ZEROCOPY);
	send_receive(&card_copy, XDP_COPY);
	send_receive(&card_copy, 0);
}

static __attribute__((unused)) void test_readable(void **state)
{
	start(&card_zc, 0);
	put_fill(0, 8);
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(polled(POLLIN, 0), 0);
		packet_in(0);
		packet_in(0);
		assert_int_equal(polled(POLLIN, 0), POLLIN);
		take_rx(1);
		assert_int_equal(polled(POLLIN, 0), POLLIN); /* one more is there */
		take_rx(1);
		assert_int_equal(polled(POLLIN, 0), 0);
		put_fill(i, 2);
	}
	stop();
}

static __attribute__((unused)) void test_writable(void **state)
{
	start(&card_zc, 0);
	/* as on Linux: writable while at most half of the ring is in use */
	for (u32 i = 0; i < RING; i++) {
		assert_int_equal(polled(POLLOUT, 0), i <= RING / 2 ? POLLOUT : 0);
		put_tx(i * CHUNK, 64);
	}
	assert_int_equal(polled(POLLOUT, 0), 0);
	card_send_zc(0);
	assert_int_equal(polled(POLLOUT, LONG_MS), POLLOUT);
	stop();
}

static __attribute__((unused)) void test_select_and_epoll(void **state)
{
	struct epoll_event e = {.events = EPOLLIN};
	struct timeval no_time = {0};
	int ep = epoll_create1(0), fd;
	fd_set set;

	start(&card_zc, 0);
	fd = xsk_socket__fd(sock);
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	put_fill(0, 4);
	for (u32 i = 0; i < 2; i++) {
		FD_ZERO(&set);
		FD_SET(fd, &set);
		assert_int_equal(select(fd + 1, &set, NULL, NULL, &no_time), 0);
		assert_int_equal(epoll_wait(ep, &e, 1, 0), 0);
		packet_in(0);
		FD_SET(fd, &set);
		assert_int_equal(select(fd + 1, &set, NULL, NULL, &no_time), 1);
		assert_int_equal(epoll_wait(ep, &e, 1, 0), 1);
		take_rx(1);
	}
	close(ep);
	stop();
}

static __attribute__((unused)) void test_wakeups(void **state)
{
	char c;
	int fd;

	start(&card_zc, XDP_USE_NEED_WAKEUP);
	fd = xsk_socket__fd(sock);
	assert_true(xsk_ring_prod__needs_wakeup(&tx));
	assert_int_equal(sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0), 0);
	assert_int_equal(card.wakeups, 1);
	assert_int_equal(card.woken, XDP_WAKEUP_TX);
	xsk_clear_tx_need_wakeup(card.pool[0]);
	xsk_set_rx_need_wakeup(card.pool[0]);
	assert_true(xsk_ring_prod__needs_wakeup(&fill));
	assert_int_equal(recvfrom(fd, NULL, 0, MSG_DONTWAIT, NULL, NULL), 0);
	assert_int_equal(card.wakeups, 2);
	assert_int_equal(card.woken, XDP_WAKEUP_RX);
	assert_int_equal(polled(POLLIN, 0), 0);
	assert_int_equal(card.wakeups, 3);
	xsk_clear_rx_need_wakeup(card.pool[0]);
	assert_int_equal(recvfrom(fd, NULL, 0, MSG_DONTWAIT, NULL, NULL), 0);
	assert_int_equal(card.wakeups, 3);
	/* calls on other descriptors have their usual effect */
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(sendto(pair[0], "x", 1, 0, NULL, 0), 1);
	assert_int_equal(recvfrom(pair[1], &c, 1, 0, NULL, NULL), 1);
	assert_int_equal(c, 'x');
	close(pair[0]);
	close(pair[1]);
	stop();
}

static int raw_poll(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_true(syscall(SYS_poll, &p, 1, ms) >= 0);
	return p.revents;
}

/* By system calls that bypass the library: its thread handles them. */
static void test_without_interposing(void **state)
{
	int fd;

	start(&card_copy, XDP_COPY);
	fd = xsk_socket__fd(sock);
	put_tx(0, 64);
	assert_int_equal(syscall(SYS_sendto, fd, NULL, 0, MSG_DONTWAIT, NULL, 0), 0);
	for (u32 ms = 0; ms < LONG_MS && xsk_cons_nb_avail(&comp, 1) < 1; ms++)
		usleep(1000);
	assert_int_equal(xsk_cons_nb_avail(&comp, 1), 1);
	put_fill(0, 2);
	for (u32 i = 0; i < 2; i++) {
		packet_in(0);
		assert_int_equal(raw_poll(fd, POLLIN, LONG_MS), POLLIN);
		take_rx(1);
		for (u32 ms = 0; ms < LONG_MS && raw_poll(fd, POLLIN, 0); ms++)
			usleep(1000);
		assert_int_equal(raw_poll(fd, POLLIN, 0), 0);
	}
	stop();
}

static void *deliver(void *arg)
{
	usleep(20000);
	packet_in(0);
	return NULL;
}

/*
 * The driver's work in its own thread wakes a waiting thread; repeated, so that no wake-up is lost.
 */
static void test_blocking_poll(void **state)
{
	pthread_t thread;

	start(&card_copy, XDP_COPY);
	for (u32 i = 0; i < 10; i++) {
		put_fill(i, 1);
		assert_int_equal(pthread_create(&thread, NULL, deliver, NULL), 0);
		wait_rx();
		take_rx(1);
		pthread_join(thread, NULL);
	}
	stop();
}

static bool quit;
static u32 delivered;

static void *deliver_many(void *arg)
{
	while (!__atomic_load_n(&quit, __ATOMIC_RELAXED))
		if (!card_receive(0, "a packet", 8))
			__atomic_fetch_add(&delivered, 1, __ATOMIC_RELAXED);
	return NULL;
}

/*
 * No wake-up is lost between the check of the rings and the wait, in any interleaving of the two
 * sides.
 */
static void test_no_lost_wakeup(void **state)
{
	pthread_t thread;
	u32 got = 0;

	start(&card_copy, XDP_COPY);
	quit = false;
	assert_int_equal(pthread_create(&thread, NULL, deliver_many, NULL), 0);
	while (got < 3000) {
		__u32 at = 0, n;

		put_fill(got % CHUNKS, 1);
		wait_rx();
		n = xsk_ring_cons__peek(&rx, RING, &at);
		assert_int_equal(n, 1);
		xsk_ring_cons__release(&rx, n);
		got += n;
	}
	__atomic_store_n(&quit, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	stop();
}

static void test_shared(void **state)
{
	struct xsk_socket_config c = config_of(0);
	struct xsk_ring_prod tx2, fill3, tx3;
	struct xsk_ring_cons rx2, comp3, rx3;
	struct xsk_socket *second, *third;
	__u32 at = 0;

	start(&card_zc, 0);
	/* the same queue: no rings of its own; another queue: rings are required */
	assert_int_equal(
		xsk_socket__create_shared(&second, "eth7", 0, umem, &rx2, &tx2, NULL, NULL, &c), 0);
	assert_int_equal(
		xsk_socket__create_shared(&third, "eth7", 1, umem, &rx3, &tx3, NULL, NULL, &c),
		-EFAULT);
	assert_int_equal(
		xsk_socket__create_shared(&third, "eth7", 1, umem, &rx3, &tx3, &fill3, &comp3, &c),
		0);
	assert_int_equal(xsk_umem__delete(umem), -EBUSY);
	assert_int_not_equal(xsk_socket__fd(second), xsk_socket__fd(sock));
	xsk_ring_prod__reserve(&fill3, 1, &at);
	*xsk_ring_prod__fill_addr(&fill3, at) = 5 * CHUNK;
	xsk_ring_prod__submit(&fill3, 1);
	packet_in(1);
	assert_int_equal(xsk_ring_cons__peek(&rx3, 8, &at), 1);
	assert_int_equal(xsk_ring_cons__rx_desc(&rx3, at)->addr, 5 * CHUNK + 256);
	xsk_socket__delete(sock); /* the others still work */
	xsk_ring_prod__reserve(&tx2, 1, &at);
	*xsk_ring_prod__tx_desc(&tx2, at) = (struct xdp_desc){.addr = 0, .len = 64};
	xsk_ring_prod__submit(&tx2, 1);
	card_send_zc(0);
	assert_int_equal(card.n_sent, 1);
	xsk_socket__delete(second);
	xsk_socket__delete(third);
	/* and again from the beginning, with new rings */
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), -EFAULT);
	assert_int_equal(
		xsk_socket__create_shared(&sock, "eth7", 0, umem, &rx, &tx, &fill, &comp, &c), 0);
	put_fill(0, 1);
	packet_in(0);
	take_rx(1);
	stop();
}

/* The device is closed while an application waits. */
static __attribute__((unused)) void test_device_gone(void **state)
{
	start(&card_zc, 0);
	dmamap_close(card.dev);
	assert_true(polled(POLLIN, LONG_MS) != 0);
	assert_int_equal(sendto(xsk_socket__fd(sock), NULL, 0, MSG_DONTWAIT, NULL, 0), -1);
	assert_int_equal(errno, ENETDOWN);
	xsk_socket__delete(sock);
	assert_int_equal(xsk_umem__delete(umem), 0);
	munmap(memory, CHUNKS * CHUNK);
}

static void make_capture(char *path)
{
	u32 header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1}, record[4] = {0, 0, 60, 60};
	char frame[60] = {2, 0, 0, 0, 0, 1, 2};
	FILE *f;

	strcpy(path, "/tmp/dmamap-app-XXXXXX");
	f = fdopen(mkstemp(path), "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(header, sizeof(header), 1, f), 1);
	for (int i = 0; i < 50; i++)
		assert_true(fwrite(record, sizeof(record), 1, f) == 1 &&
			    fwrite(frame, sizeof(frame), 1, f) == 1);
	assert_int_equal(fclose(f), 0);
}

static void *poll_for_good(void *arg)
{
	struct pollfd p = {.fd = xsk_socket__fd(sock), .events = POLLERR};

	poll(&p, 1, -1);
	return NULL;
}

/*
 * An application that reaches this point on a card with traffic, and then calls exit() without any
 * cleanup.
 */
static void leave_at(int stage, const char *spec)
{
	struct xsk_socket_config c = config_of(stage & 1 ? XDP_COPY : 0);
	pthread_t thread;
	__u32 at = 0;

	memory = mmap(NULL, CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (xsk_umem__create(&umem, memory, CHUNKS * CHUNK, &fill, &comp, &umem_config))
		exit(1);
	if (stage >= 2 && xsk_socket__create(&sock, spec, 0, umem, &rx, &tx, &c))
		exit(1);
	if (stage >= 4)
		put_fill(0, RING);
	if (stage >= 6)
		while (!xsk_ring_cons__peek(&rx, 1, &at))
			polled(POLLIN, LONG_MS);
	if (stage >= 8) {
		for (u32 i = 0; i < RING; i++)
			put_tx((20 + i) * (u64)CHUNK, 60);
		sendto(xsk_socket__fd(sock), NULL, 0, MSG_DONTWAIT, NULL, 0);
	}
	if (stage >= 10 && pthread_create(&thread, NULL, poll_for_good, NULL))
		exit(1);
	if (stage >= 12)
		raise(SIGKILL);
	exit(0);
}

static void test_leaves_in_any_state(void **state)
{
	char path[64], spec[160];

	make_capture(path);
	snprintf(spec, sizeof(spec), "sim:e1000e,name=eth5,pcap-in=%s,loop=0,pcap-out=/dev/null",
		 path);
	fflush(NULL);
	for (int stage = 0; stage < 14; stage++) {
		pid_t pid = fork();
		int status = -1;

		assert_true(pid >= 0);
		if (!pid)
			leave_at(stage, spec);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != (stage >= 12 ? SIGKILL : 0))
			fail_msg("left at stage %d: wait status %#x", stage, (unsigned int)status);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaves_in_any_state), /* first, because it forks */
		cmocka_unit_test(test_without_interposing),
		cmocka_unit_test(test_blocking_poll),
		cmocka_unit_test(test_no_lost_wakeup),
		cmocka_unit_test(test_shared),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(test_send_receive),
		cmocka_unit_test(test_readable),
		cmocka_unit_test(test_writable),
		cmocka_unit_test(test_select_and_epoll),
		cmocka_unit_test(test_wakeups),
		cmocka_unit_test(test_device_gone),
#endif
	};

	return cmocka_run_group_tests_name("xsk_app", tests, NULL, NULL);
}
