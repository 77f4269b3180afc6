/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The longest packet of a buffer, and the MTU at bind in zero-copy mode.
 */
#include "xsk_app_rig.h"

/* Binds and destroys a socket on queue 1 with chunks of 2048 bytes and this headroom. */
static int bind_with(u32 headroom, u32 mtu, u16 flags)
{
	struct area a;
	struct app b;
	int err;

	assert_int_equal(xdp_set_mtu(card.dev, mtu), 0);
	area_open(&a, CHUNKS, headroom, 0);
	app_open(&b, RING, RING, RING);
	err = xdp_sock_bind(b.xs, a.umem, card.dev, 1, flags, NULL);
	xdp_sock_destroy(b.xs);
	area_close(&a);
	return err;
}

/* The longest frame: 14 bytes of header, two VLAN tags of 4, and 4 of checksum. */
static void test_mtu(void **state)
{
	assert_int_equal(bind_with(0, 1792 - 26, XDP_ZEROCOPY), 0);
	assert_int_equal(bind_with(0, 1792 - 25, XDP_ZEROCOPY), -EINVAL);
	assert_non_null(strstr(dmamap_strerror(), "MTU 1767"));
	assert_int_equal(bind_with(0, UINT32_MAX, XDP_ZEROCOPY), -EINVAL);
	assert_int_equal(bind_with(0, 0, XDP_ZEROCOPY), 0); /* no limit */
	/* the usual UMEM and MTU; one byte more of headroom costs 128 */
	assert_int_equal(bind_with(256, 1500, XDP_ZEROCOPY), 0);
	assert_int_equal(bind_with(257, 1500, XDP_ZEROCOPY), -EINVAL);
	assert_int_equal(xdp_set_mtu(NULL, 1500), -EINVAL);
}

/* A packet has up to 8 buffers of 1408 bytes each. */
static void test_mtu_sg(void **state)
{
	assert_int_equal(bind_with(0, 8 * 1408 - 26, XDP_ZEROCOPY | XDP_USE_SG), 0);
	assert_int_equal(bind_with(0, 8 * 1408 - 25, XDP_ZEROCOPY | XDP_USE_SG), -EINVAL);
}

/* Copy mode has no such limit, and is what remains without XDP_ZEROCOPY. */
static void test_mtu_copy(void **state)
{
	assert_int_equal(bind_with(1024, 9000, XDP_COPY), 0);
	assert_int_equal(bind_with(1024, 9000, 0), 0);
	assert_int_equal(card.setups, 0);
	assert_int_equal(bind_with(0, 1500, 0), 0);
	assert_int_equal(card.setups, 1);
}

static void test_mtu_default(void **state)
{
	struct area a;

	area_open(&a, CHUNKS, 257, 0);
	assert_int_equal(xdp_sock_bind(app.xs, a.umem, card.dev, 0, XDP_ZEROCOPY, NULL), -EINVAL);
	area_close(&a);
	assert_int_equal(bind_app(0, XDP_ZEROCOPY), 0); /* the rings stayed */
}

static u32 tailroom(const struct app *a)
{
	return xsk_pool_get_tailroom(&a->xs->pool->pub);
}

static u32 frame_size(const struct app *a)
{
	return xsk_pool_get_rx_frame_size(&a->xs->pool->pub);
}

/* What the driver may put into a buffer: a multiple of 128, and in SG mode less the tailroom. */
static void test_frame_size(void **state)
{
	struct area a;
	struct app b;

	assert_int_equal(bind_app(0, XDP_USE_SG), 0);
	assert_int_equal(tailroom(&app), 320);
	assert_int_equal(frame_size(&app), 1408);
	area_open(&a, CHUNKS, 100, 0);
	app_open(&b, RING, RING, RING);
	assert_int_equal(xdp_sock_bind(b.xs, a.umem, card.dev, 1, 0, NULL), 0);
	assert_int_equal(tailroom(&b), 0);
	assert_int_equal(frame_size(&b), 1664);
	xdp_sock_destroy(b.xs);
	area_close(&a);
}

/* On another queue a shared UMEM has the mode of its first socket. */
static void test_frame_size_shared(void **state)
{
	struct app b;

	assert_int_equal(bind_app(0, XDP_USE_SG), 0);
	app_open(&b, RING, RING, RING);
	assert_int_equal(xdp_sock_bind(b.xs, NULL, card.dev, 1, XDP_SHARED_UMEM, app.xs), 0);
	assert_int_equal(tailroom(&b), 320);
	xdp_sock_destroy(b.xs);
}

/* Copy mode does not reserve the tailroom, also after zero-copy was refused. */
static void test_frame_size_copy(void **state)
{
	assert_int_equal(bind_app(0, XDP_COPY | XDP_USE_SG), 0);
	assert_int_equal(tailroom(&app), 0);
	assert_int_equal(xdp_sock_unbind(app.xs), 0);
	card.setup_error = -EIO;
	assert_int_equal(bind_app(0, XDP_USE_SG), 0);
	assert_int_equal(tailroom(&app), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mtu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mtu_sg, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mtu_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mtu_default, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_size_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_size_copy, setup, teardown),
	};

	return cmocka_run_group_tests_name("xsk_frame", tests, NULL, NULL);
}
