/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets: binding again after unbinding, queues that do not exist, space for packets. */
#include "xsk_rig.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNKS = 32, RING = 16 };

static struct area area;

static int setup(void **state)
{
	card_open("sim", &card_zc);
	area_open(&area, CHUNKS, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	area_close(&area);
	card_close();
	return 0;
}

/* A socket that is unbound keeps its rings, and works again when it is bound again. */
static void test_unbind(void **state)
{
	struct app a;

	assert_int_equal(xdp_sock_unbind(NULL), -EINVAL);
	app_open(&a, RING, RING, RING);
	assert_int_equal(xdp_sock_unbind(a.xs), -ENXIO);
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(xdp_sock_bind(a.xs, area.umem, card.dev, i, 0, NULL), 0);
		app_put_addr(&a.fill, i * CHUNK);
		assert_int_equal(card_receive(i, "a packet", 8), 0);
		assert_int_equal(app_waiting(&a.rx), 1);
		store(a.rx.consumer, ++a.rx.mine);
		assert_int_equal(xdp_sock_unbind(a.xs), 0);
		assert_int_equal(xdp_sock_unbind(a.xs), -ENXIO);
		assert_null(xsk_get_pool_from_qid(card.dev, (u16)i));
		assert_int_equal(card_receive(i, "a packet", 8), -EINVAL);
	}
	xdp_sock_destroy(a.xs);
}

/* A queue that the driver says does not exist. */
static void test_queues(void **state)
{
	static const struct xdp_driver_ops two = {.queues = 2};
	struct app a;

	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(card.dev, &two), 0);
	app_open(&a, RING, RING, RING);
	assert_int_equal(xdp_sock_bind(a.xs, area.umem, card.dev, 2, XDP_COPY, NULL), -EINVAL);
	assert_int_equal(xdp_sock_bind(a.xs, area.umem, card.dev, 1, XDP_COPY, NULL), 0);
	xdp_sock_destroy(a.xs);
}

/* How many packets the sockets have space for, in either mode. */
static void test_space(void **state)
{
	struct app a;

	assert_int_equal(xsk_rcv_space(card.dev, 0, 7), 7); /* no socket */
	app_open(&a, RING, RING, RING);
	assert_int_equal(xdp_sock_bind(a.xs, area.umem, card.dev, 0, XDP_COPY, NULL), 0);
	assert_int_equal(xsk_rcv_space(card.dev, 0, 7), 0); /* the fill ring is empty */
	for (u32 i = 0; i < RING; i++)
		app_put_addr(&a.fill, i * CHUNK);
	assert_int_equal(xsk_rcv_space(card.dev, 0, 7), 7);
	for (u32 i = RING; i; i--) {
		assert_int_equal(xsk_rcv_space(card.dev, 0, 2 * RING), i);
		assert_int_equal(card_receive(0, "a packet", 8), 0);
	}
	assert_int_equal(xsk_rcv_space(card.dev, 0, 7), 0); /* the RX ring is full */
	assert_int_equal(app_stats(&a).rx_ring_full, 0);
	xdp_sock_destroy(a.xs);
}

/* Binds in a child process. Returns the error code of the child. */
static int bind_in_child(struct xdp_sock *xs, struct xdp_umem *umem)
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(-xdp_sock_bind(xs ? xs : xdp_sock_create(), umem, card.dev, 0, XDP_COPY,
				     NULL));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A child may use neither a socket nor a UMEM of its parent, whose own bind succeeds afterwards. */
static void test_bind_in_child(void **state)
{
	struct app a;

	app_open(&a, RING, RING, RING);
	assert_int_equal(bind_in_child(a.xs, NULL), EBADF);
	assert_int_equal(bind_in_child(NULL, area.umem), EBADF);
	assert_int_equal(xdp_sock_bind(a.xs, area.umem, card.dev, 0, 0, NULL), 0);
	xdp_sock_destroy(a.xs);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(test_unbind), T(test_queues), T(test_space),
					   T(test_bind_in_child)};

	return cmocka_run_group_tests_name("xsk_unbind", tests, NULL, NULL);
}
