/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A card that cannot be started after its socket was bound. The test defines the functions of
 * xsk/card.h itself, so that they fail when it requires that.
 */
#include "xsk_app_rig.h"

#include "xsk/card.h"

static int start_result;
static int references;

struct xsk_card *xsk_card_get(const char *ifname)
{
	references++;
	return (struct xsk_card *)(void *)&references;
}

void xsk_card_put(struct xsk_card *c)
{
	if (c)
		references--;
}

struct device *xsk_card_device(struct xsk_card *c)
{
	return card.dev;
}

int xsk_card_bind(struct xsk_card *c, u32 queue, struct xdp_sock *xs, struct xdp_umem *with,
		  u16 flags, struct xdp_sock *shared)
{
	return xdp_sock_bind(xs, with, card.dev, queue, flags, shared);
}

int xsk_card_start(struct xsk_card *c)
{
	return start_result;
}

/* The UMEM and its rings stay as they were, and the next attempt succeeds with them. */
static void test_start_fails(void **state)
{
	struct xsk_socket_config c = config_of(0);
	struct xsk_ring_prod fill_before;
	struct xsk_ring_cons rx_before;

	open_umem(&card_zc);
	put_fill(0, 4);
	fill_before = fill;
	memset(&rx, 0x5a, sizeof(rx));
	rx_before = rx;
	start_result = -EIO;
	for (int i = 0; i < 3; i++) {
		c.rx_size = RING << i;
		assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), -EIO);
		assert_int_equal(references, 0);
		assert_memory_equal(&fill, &fill_before, sizeof(fill));
		assert_memory_equal(&rx, &rx_before, sizeof(rx));
		assert_null(xsk_get_pool_from_qid(card.dev, 0));
	}
	start_result = 0;
	c.rx_size = RING;
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), 0);
	packet_in(0);
	take_rx(1);
	stop();
	assert_int_equal(references, 0);
}

/* A further socket of the queue: the first one goes on. */
static void test_second_fails(void **state)
{
	struct xsk_socket_config c = config_of(0);
	struct xsk_socket *second;
	struct xsk_ring_cons rx2;

	start_result = 0;
	start(&card_zc, 0);
	put_fill(0, 4);
	start_result = -EIO;
	assert_int_equal(
		xsk_socket__create_shared(&second, "eth7", 0, umem, &rx2, NULL, NULL, NULL, &c),
		-EIO);
	packet_in(0);
	take_rx(1);
	stop();
	assert_int_equal(references, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_fails),
		cmocka_unit_test(test_second_fails),
	};

	return cmocka_run_group_tests_name("xsk_card_fails", tests, NULL, NULL);
}
