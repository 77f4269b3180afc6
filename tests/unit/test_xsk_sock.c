/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets: every refusal of rings and bind with its error code, modes and fall-back, teardown. */
#include "xsk_app_rig.h"

#include <pthread.h>

static void test_rings(void **state)
{
	struct xdp_sock *xs = xdp_sock_create();

	assert_int_equal(xdp_sock_set_ring(NULL, XDP_RX_RING, 64), -EINVAL);
	assert_int_equal(xdp_sock_set_ring(xs, XDP_STATISTICS, 64), -ENOPROTOOPT);
	assert_int_equal(xdp_sock_set_ring(xs, 99, 64), -ENOPROTOOPT);
	assert_int_equal(xdp_sock_set_ring(xs, XDP_RX_RING, 0), -EINVAL);
	assert_int_equal(xdp_sock_set_ring(xs, XDP_RX_RING, 12), -EINVAL);
	assert_null(xdp_sock_map_ring(xs, XDP_RX_RING, NULL, NULL));
	assert_int_equal(xdp_sock_set_ring(xs, XDP_RX_RING, 16), 0);
	assert_int_equal(xdp_sock_set_ring(xs, XDP_RX_RING, 16), -EINVAL);
	assert_non_null(xdp_sock_map_ring(xs, XDP_RX_RING, NULL, NULL));
	assert_null(xdp_sock_map_ring(xs, 99, NULL, NULL));
	assert_null(xdp_sock_map_ring(NULL, XDP_RX_RING, NULL, NULL));
	assert_int_equal(xdp_sock_drop_ring(NULL, XDP_RX_RING), -EINVAL);
	assert_int_equal(xdp_sock_drop_ring(xs, 99), -ENOPROTOOPT);
	assert_int_equal(xdp_sock_drop_ring(xs, XDP_TX_RING), -EINVAL);
	assert_int_equal(xdp_sock_drop_ring(xs, XDP_RX_RING), 0);
	assert_null(xdp_sock_map_ring(xs, XDP_RX_RING, NULL, NULL));
	assert_int_equal(xdp_sock_drop_ring(xs, XDP_RX_RING), -EINVAL);
	assert_int_equal(xdp_sock_set_ring(xs, XDP_RX_RING, 64), 0);
	xdp_sock_destroy(xs);
	assert_int_equal(bind_app(0, 0), 0);
	assert_int_equal(xdp_sock_drop_ring(app.xs, XDP_RX_RING), -EBUSY);
	assert_int_equal(xdp_sock_drop_ring(app.xs, XDP_UMEM_FILL_RING), -EBUSY);
	assert_int_equal(xdp_sock_set_ring(app.xs, XDP_RX_RING, 16), -EBUSY);
}

static void test_bind_refused(void **state)
{
	struct xdp_sock *bare = xdp_sock_create();

	for (u32 bit = 5; bit < 16; bit++)
		assert_int_equal(bind_app(0, (u16)(1u << bit)), -EINVAL);
	assert_int_equal(bind_app(0, XDP_COPY | XDP_ZEROCOPY), -EINVAL);
	assert_int_equal(bind_app(XDP_QUEUES, 0), -EINVAL);
	assert_int_equal(bind_app(UINT32_MAX, 0), -EINVAL);
	assert_int_equal(xdp_sock_bind(app.xs, area.umem, NULL, 0, 0, NULL), -ENODEV);
	assert_int_equal(xdp_sock_bind(app.xs, NULL, card.dev, 0, 0, NULL), -EINVAL);
	assert_int_equal(xdp_sock_bind(NULL, area.umem, card.dev, 0, 0, NULL), -EINVAL);
	assert_int_equal(xdp_sock_bind(bare, area.umem, card.dev, 0, 0, NULL),
			 -EINVAL); /* no RX, no TX */
	assert_int_equal(xdp_sock_set_ring(bare, XDP_RX_RING, 16), 0);
	assert_int_equal(xdp_sock_bind(bare, area.umem, card.dev, 0, 0, NULL),
			 -EINVAL); /* no fill ring */
	assert_int_equal(xdp_sock_set_ring(bare, XDP_UMEM_FILL_RING, 16), 0);
	assert_int_equal(xdp_sock_bind(bare, area.umem, card.dev, 0, 0, NULL),
			 -EINVAL); /* no completion */
	assert_int_equal(xdp_sock_set_ring(bare, XDP_UMEM_COMPLETION_RING, 16), 0);
	assert_int_equal(bind_app(3, 0), 0); /* after all of that it may still be bound */
	assert_int_equal(bind_app(0, 0), -EBUSY);
	assert_int_equal(xdp_sock_bind(bare, area.umem, card.dev, 3, 0, NULL), -EBUSY);
	assert_int_equal(xdp_sock_bind(bare, area.umem, card.dev, XDP_QUEUES - 1, XDP_COPY, NULL),
			 0);
	xdp_sock_destroy(bare);
}

static void test_shared_refused(void **state)
{
	struct app second;
	struct xdp_sock *bare = xdp_sock_create();

	app_open(&second, RING, RING, 0);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, NULL),
			 -EBADF);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs),
			 -EBADF);
	assert_int_equal(bind_app(0, 0), 0);
	assert_int_equal(xdp_sock_bind(second.xs, area.umem, card.dev, 0, XDP_SHARED_UMEM, app.xs),
			 -EINVAL);
	assert_int_equal(
		xdp_sock_bind(second.xs, NULL, card.dev, 0, XDP_SHARED_UMEM | XDP_COPY, app.xs),
		-EINVAL);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 0,
				       XDP_SHARED_UMEM | XDP_USE_NEED_WAKEUP, app.xs),
			 -EINVAL);
	/* no rings of its own on the same queue, rings on another */
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs),
			 -EINVAL);
	assert_int_equal(xdp_sock_set_ring(bare, XDP_RX_RING, 16), 0);
	assert_int_equal(xdp_sock_bind(bare, NULL, card.dev, 1, XDP_SHARED_UMEM, app.xs), -EINVAL);
	assert_int_equal(xdp_sock_bind(second.xs, NULL, card.dev, 1, XDP_SHARED_UMEM, app.xs), 0);
	assert_int_equal(xdp_sock_bind(bare, NULL, card.dev, 1, XDP_SHARED_UMEM, second.xs), 0);
	xdp_sock_destroy(bare);
	xdp_sock_destroy(second.xs);
}

static u32 options(void)
{
	struct xdp_options o;

	assert_int_equal(xdp_sock_options(app.xs, &o), 0);
	return o.flags;
}

static void test_modes(void **state)
{
	assert_int_equal(bind_app(0, 0), 0); /* zero-copy where possible */
	assert_int_equal(options(), XDP_OPTIONS_ZEROCOPY);
	assert_int_equal(card.setups, 1);
	xdp_sock_destroy(app.xs);
	assert_int_equal(card.teardowns, 1);
	app_open(&app, RING, RING, RING);
	assert_int_equal(bind_app(0, XDP_COPY), 0);
	assert_int_equal(options(), 0);
	assert_int_equal(card.setups, 1);
	assert_non_null(xsk_get_pool_from_qid(card.dev, 0));
	assert_null(xsk_get_pool_from_qid(card.dev, 1));
	assert_null(xsk_get_pool_from_qid(card.dev, 1000));
	assert_null(xsk_get_pool_from_qid(NULL, 0));
}

static void test_fall_back(void **state)
{
	card.setup_error = -EIO;
	assert_int_equal(bind_app(0, XDP_ZEROCOPY), -EIO);
	assert_null(xsk_get_pool_from_qid(card.dev, 0));
	assert_int_equal(bind_app(0, 0), 0);
	assert_int_equal(options(), 0);
	app_put_addr(&app.fill, 0);
	assert_int_equal(card_receive(0, "hello", 5), 0);
	assert_memory_equal(area.memory + app_take_desc(&app.rx).addr, "hello", 5);
}

static int forgets_to_map(struct device *dev, struct xsk_buff_pool *pool, u16 queue)
{
	card.setups += pool != NULL;
	card.teardowns += pool == NULL;
	return 0;
}

static void test_driver_forgets_to_map(void **state)
{
	static const struct xdp_driver_ops ops = {.setup_pool = forgets_to_map};

	assert_int_equal(xdp_register_driver(card.dev, &ops), -EBUSY);
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(card.dev, &ops), 0);
	assert_int_equal(bind_app(0, XDP_ZEROCOPY), -EINVAL);
	assert_int_equal(card.setups, 1);
	assert_int_equal(card.teardowns, 1);
	assert_int_equal(bind_app(0, 0), 0);
	assert_int_equal(options(), 0);
}

static void test_no_driver(void **state)
{
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(NULL, NULL), -EINVAL);
	assert_int_equal(bind_app(0, XDP_ZEROCOPY), -EOPNOTSUPP);
	assert_int_equal(bind_app(0, 0), 0);
	assert_int_equal(options(), 0);
}

static void test_multi_buffer_unsupported(void **state)
{
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(card.dev, &card_zc_one), 0);
	assert_int_equal(bind_app(0, XDP_ZEROCOPY | XDP_USE_SG), -EOPNOTSUPP);
	assert_int_equal(bind_app(0, XDP_USE_SG), 0);
	assert_int_equal(options(), 0);
}

/* In copy mode the packet's checksum is computed if its metadata requests it. */
static void test_checksum(void **state)
{
	struct xsk_tx_metadata meta = {.flags = XDP_TXMD_FLAGS_CHECKSUM};
	struct xdp_umem_reg reg = {.addr = (uintptr_t)area.memory,
				   .len = area.size,
				   .chunk_size = CHUNK,
				   .flags = XDP_UMEM_TX_SW_CSUM};
	struct xdp_umem *umem;
	u32 sum = 0;

	xdp_umem_reg_set_metadata(&reg, sizeof(meta));
	umem = xdp_umem_create(&reg);
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(card.dev, &card_copy), 0);
	assert_int_equal(xdp_sock_bind(app.xs, umem, card.dev, 0, 0, NULL), 0);
	meta.request.csum_start = 14;
	meta.request.csum_offset = 10;
	memcpy(area.memory, &meta, sizeof(meta));
	packet_fill(area.memory + sizeof(meta), 35, 1);
	memset(area.memory + sizeof(meta) + 24, 0, 2);
	app_put_desc(&app.tx, sizeof(meta), 35, XDP_TX_METADATA);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal(card.n_sent, 1);
	assert_int_equal(card.sent[0].len, 35);
	for (u32 i = 14; i < 35; i++)
		sum += (u32)(u8)card.sent[0].data[i] << (i % 2 ? 0 : 8);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	/* the requested offset is outside of the packet: it is sent unchanged */
	meta.request.csum_start = 34;
	meta.request.csum_offset = UINT16_MAX;
	memcpy(area.memory, &meta, sizeof(meta));
	app_put_desc(&app.tx, sizeof(meta), 35, XDP_TX_METADATA);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_memory_equal(card.sent[1].data, area.memory + sizeof(meta), 35);
	xdp_sock_destroy(app.xs);
	app.xs = NULL;
	xdp_umem_put(umem);
}

/* A sum of 0 is sent as 0xffff: in UDP a 0 means that there is no sum. */
static void test_checksum_zero(void **state)
{
	struct xsk_tx_metadata meta = {.flags = XDP_TXMD_FLAGS_CHECKSUM};
	struct xdp_umem_reg reg = {.addr = (uintptr_t)area.memory,
				   .len = area.size,
				   .chunk_size = CHUNK,
				   .flags = XDP_UMEM_TX_SW_CSUM};
	struct xdp_umem *umem;
	char *packet = area.memory + sizeof(meta);

	xdp_umem_reg_set_metadata(&reg, sizeof(meta));
	umem = xdp_umem_create(&reg);
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(card.dev, &card_copy), 0);
	assert_int_equal(xdp_sock_bind(app.xs, umem, card.dev, 0, 0, NULL), 0);
	meta.request.csum_offset = 6;
	memcpy(area.memory, &meta, sizeof(meta));
	memset(packet, 0, 16);
	packet[0] = (char)0xff; /* 0xff00 + 0x00ff + 0: the sum's complement is 0 */
	packet[3] = (char)0xff;
	app_put_desc(&app.tx, sizeof(meta), 16, XDP_TX_METADATA);
	packet[6] = 0;
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal((u8)card.sent[0].data[6], 0xff);
	assert_int_equal((u8)card.sent[0].data[7], 0xff);
	/* of nothing but zeros it is 0xffff as well, and of 1 more it is 0xfffe */
	memset(packet, 0, 16);
	app_put_desc(&app.tx, sizeof(meta), 16, XDP_TX_METADATA);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	packet[9] = 1;
	app_put_desc(&app.tx, sizeof(meta), 16, XDP_TX_METADATA);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal((u8)card.sent[1].data[6] << 8 | (u8)card.sent[1].data[7], 0xffff);
	assert_int_equal((u8)card.sent[2].data[6] << 8 | (u8)card.sent[2].data[7], 0xfffe);
	xdp_sock_destroy(app.xs);
	app.xs = NULL;
	xdp_umem_put(umem);
}

static void test_copy_send_busy(void **state)
{
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(card.dev, &card_copy), 0);
	assert_int_equal(bind_app(0, XDP_USE_SG), 0);
	card.send_busy = true;
	packet_fill(area.memory, 64, 1);
	app_put_desc(&app.tx, 0, 32, XDP_PKT_CONTD);
	app_put_desc(&app.tx, 32, 32, 0);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), -EAGAIN);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), -EAGAIN);
	assert_int_equal(app_waiting(&app.comp), 0);
	card.send_busy = false;
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal(card.n_sent, 1);
	assert_true(packet_is(card.sent[0].data, 64, 1));
	assert_int_equal(app_waiting(&app.comp), 2);
}

/* A driver clears the wake-up flag, then refuses zero-copy: in copy mode the flag is set again. */
static int awake_then_refuse(struct device *dev, struct xsk_buff_pool *pool, u16 queue)
{
	if (pool) {
		xsk_clear_tx_need_wakeup(pool);
		xsk_set_rx_need_wakeup(pool);
	}
	return -EOPNOTSUPP;
}

static void test_fall_back_wakes(void **state)
{
	static const struct xdp_driver_ops refuses = {.setup_pool = awake_then_refuse,
						      .xmit = card_xmit};

	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
	assert_int_equal(xdp_register_driver(card.dev, &refuses), 0);
	assert_int_equal(bind_app(0, XDP_USE_NEED_WAKEUP), 0);
	assert_int_equal(*app.tx.flags, XDP_RING_NEED_WAKEUP);
	assert_int_equal(*app.fill.flags, 0);
	app_put_desc(&app.tx, 0, 32, 0);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), 0);
	assert_int_equal(card.n_sent, 1);
	xdp_sock_destroy(app.xs);
	app.xs = NULL;
	assert_int_equal(xdp_register_driver(card.dev, NULL), 0);
}

/* A driver's thread takes what there is to send, from a pool that has no sender at first. */
static u32 taken; /* atomic */

static void *sender(void *arg)
{
	struct xsk_buff_pool *pool = arg;
	const struct xdp_desc *descs = pool->tx_descs;
	u64 bytes = 0;

	while (load(&taken) < RING) {
		u32 n = xsk_tx_peek_release_desc_batch(pool, RING);

		for (u32 i = 0; i < n; i++)
			bytes += descs[i].len;
		xsk_tx_completed(pool, n);
		store(&taken, load(&taken) + n);
	}
	return (void *)(uintptr_t)bytes;
}

/* A socket that sends joins one that only receives, while the driver searches for packets. */
static void test_sender_joins(void **state)
{
	struct app first, joins;
	struct xsk_buff_pool *pool;
	struct xdp_desc *descs;
	pthread_t thread;
	void *bytes;

	app_open(&first, RING, RING, 0);
	assert_int_equal(xdp_sock_bind(first.xs, area.umem, card.dev, 0, XDP_ZEROCOPY, NULL), 0);
	pool = xsk_get_pool_from_qid(card.dev, 0);
	descs = pool->tx_descs;
	assert_non_null(descs);
	store(&taken, 0);
	assert_int_equal(pthread_create(&thread, NULL, sender, pool), 0);
	app_open(&joins, 0, 0, 8192);
	assert_int_equal(xdp_sock_bind(joins.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, first.xs), 0);
	assert_int_equal(xp_alloc_tx_descs(pool, joins.xs, 1), 0);
	for (u32 i = 0; i < RING; i++)
		app_put_desc(&joins.tx, 0, 10, 0);
	pthread_join(thread, &bytes);
	assert_int_equal((uintptr_t)bytes, RING * 10);
	assert_ptr_equal(pool->tx_descs, descs);
	assert_true(pool->tx_descs_cnt >= 4096);
	xdp_sock_destroy(joins.xs);
	xdp_sock_destroy(first.xs);
}

static void test_wakeup_refused(void **state)
{
	struct app rx_only;

	assert_int_equal(xdp_sock_wakeup(NULL, XDP_WAKEUP_TX), -EINVAL);
	assert_int_equal(xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX), -ENXIO);
	app_open(&rx_only, RING, RING, 0);
	assert_int_equal(xdp_sock_bind(rx_only.xs, area.umem, card.dev, 0, 0, NULL), 0);
	assert_int_equal(xdp_sock_wakeup(rx_only.xs, XDP_WAKEUP_TX), -ENOBUFS);
	assert_int_equal(xdp_sock_wakeup(rx_only.xs, XDP_WAKEUP_RX), 0);
	xdp_sock_destroy(rx_only.xs);
}

static void test_receive_refused(void **state)
{
	struct xdp_buff b = {0};

	assert_int_equal(xsk_rcv(NULL, 0, &b), -EINVAL);
	assert_int_equal(xsk_rcv(card.dev, 0, NULL), -EINVAL);
	assert_int_equal(xsk_rcv(card.dev, 0, &b), -EINVAL);
	assert_int_equal(xsk_rcv(card.dev, 64, &b), -EINVAL);
	xsk_flush(NULL, 0);
	xsk_flush(card.dev, 64);
	xsk_flush(card.dev, 5);
}

static void test_api_by_hand(void **state)
{
	struct xsk_buff_pool *pool = xp_create_and_assign_umem(app.xs, area.umem, 1);

	assert_non_null(pool);
	assert_int_equal(xp_alloc_tx_descs(pool, app.xs, 1u << 20),
			 0); /* not on a queue: it grows */
	assert_true(pool->tx_descs_cnt >= (1u << 20) + RING);
	assert_int_equal(xp_alloc_tx_descs(pool, app.xs, UINT32_MAX), -ENOMEM);
	assert_true(pool->tx_descs_cnt >= (1u << 20) + RING);
	assert_null(xp_create_and_assign_umem(NULL, area.umem, 1));
	assert_int_equal(xp_assign_dev(pool, card.dev, 2, XDP_ZEROCOPY), 0);
	assert_int_equal(xp_assign_dev(pool, card.dev, 1, XDP_ZEROCOPY), -EBUSY);
	assert_ptr_equal(xsk_get_pool_from_qid(card.dev, 2), pool);
	xp_add_xsk(pool, app.xs);
	xp_add_xsk(pool, app.xs);
	xp_del_xsk(pool, app.xs);
	xp_del_xsk(pool, app.xs);
	xp_get_pool(pool);
	assert_false(xp_put_pool(pool));
	xp_clear_dev(pool);
	xp_clear_dev(pool);
	assert_null(xsk_get_pool_from_qid(card.dev, 2));
	assert_int_equal(card.teardowns, 1);
	assert_true(xp_put_pool(pool));
	assert_false(xp_put_pool(NULL));
}

/* A driver's thread receives and sends all the time; sockets are created and destroyed. */
static bool quit;

static void *receiver(void *arg)
{
	char bytes[64] = {0};

	while (!__atomic_load_n(&quit, __ATOMIC_RELAXED)) {
		struct xdp_buff b = {0};

		xdp_init_buff(&b, 64, NULL);
		xdp_prepare_buff(&b, (unsigned char *)bytes, 0, 64, true);
		xsk_rcv(card.dev, 0, &b);
		xsk_flush(card.dev, 0);
	}
	return NULL;
}

static void test_races_at_teardown(void **state)
{
	pthread_t thread;

	assert_int_equal(bind_app(0, XDP_COPY), 0);
	quit = false;
	assert_int_equal(pthread_create(&thread, NULL, receiver, NULL), 0);
	for (u32 i = 0; i < 300; i++) {
		struct app other;

		for (u32 k = 0; k < 8 && app.fill.mine - load(app.fill.consumer) < RING; k++)
			app_put_addr(&app.fill, k * CHUNK);
		app_open(&other, 0, RING, RING);
		assert_int_equal(
			xdp_sock_bind(other.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs), 0);
		xdp_sock_destroy(app.xs);
		app = other;
		app_ring_map(&app.fill, app.xs, XDP_UMEM_FILL_RING, RING);
		app.fill.mine = load(app.fill.producer);
	}
	__atomic_store_n(&quit, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rings),
		T(test_bind_refused),
		T(test_shared_refused),
		T(test_modes),
		T(test_fall_back),
		T(test_driver_forgets_to_map),
		T(test_no_driver),
		T(test_multi_buffer_unsupported),
		T(test_checksum),
		T(test_copy_send_busy),
		T(test_checksum_zero),
		T(test_fall_back_wakes),
		T(test_sender_joins),
		T(test_wakeup_refused),
		T(test_receive_refused),
		T(test_api_by_hand),
		T(test_races_at_teardown),
	};

	return cmocka_run_group_tests_name("xsk_sock", tests, NULL, NULL);
}
