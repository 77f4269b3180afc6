/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's private part of each buffer, and the requests in the metadata of a packet. */
#include "xsk_rig.h"

enum { CHUNKS = 256, RING = 256 };

static struct area area;
static struct app app;
static struct xsk_buff_pool *pool;

static int start(void **state)
{
	struct xdp_umem_reg reg = area_reg(&area, CHUNKS, 0, 0);

	card_open("sim", &card_zc);
	area.umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(area.umem));
	app_open(&app, RING, RING, 0);
	assert_int_equal(xdp_sock_bind(app.xs, area.umem, card.dev, 0, XDP_ZEROCOPY, NULL), 0);
	pool = xsk_get_pool_from_qid(card.dev, 0);
	return 0;
}

static int stop(void **state)
{
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
	return 0;
}

/* In buffers that were used before, and in buffers that are used for the first time. */
static void test_fill_cb(void **state)
{
	u32 words[2] = {0x12345678, 0x9abcdef0};
	struct xsk_cb_desc d = {.src = words, .off = 16, .bytes = 8}, bad = d;
	struct xdp_buff *b[CHUNKS];
	const u8 none[16] = {0};

	for (u32 i = 0; i < CHUNKS; i++)
		app_put_addr(&app.fill, (u64)i * CHUNK);
	b[0] = xsk_buff_alloc(pool);
	assert_non_null(b[0]);
	xsk_pool_fill_cb(pool, &d);
	bad.off = 17;
	xsk_pool_fill_cb(pool, &bad); /* beyond the end: nothing is written */
	assert_int_equal(xsk_buff_alloc_batch(pool, b + 1, CHUNKS - 1), CHUNKS - 1);
	for (u32 i = 0; i < CHUNKS; i++) {
		assert_memory_equal(xsk_buff_of(b[i])->cb + 16, words, 8);
		assert_memory_equal(xsk_buff_of(b[i])->cb, none, 16);
		xsk_buff_free(b[i]);
	}
}

static struct {
	u32 timestamps, checksums, launches;
	u16 start, offset;
	u64 at;
} asked;

static void request_timestamp(void *priv)
{
	assert_ptr_equal(priv, &asked);
	asked.timestamps++;
}

static u64 fill_timestamp(void *priv)
{
	return 77;
}

static void request_checksum(u16 csum_start, u16 csum_offset, void *priv)
{
	asked.checksums++;
	asked.start = csum_start;
	asked.offset = csum_offset;
}

static void request_launch(u64 launch_time, void *priv)
{
	asked.launches++;
	asked.at = launch_time;
}

static const struct xsk_tx_metadata_ops every = {request_timestamp, fill_timestamp,
						 request_checksum, request_launch};

static void test_requests(void **state)
{
	static const struct xsk_tx_metadata_ops none = {NULL, NULL, NULL, NULL};
	union {
		struct xsk_tx_metadata meta;
		struct xsk_tx_launch launch;
		u64 words[4];
	} m = {.launch = {.csum_start = 14, .csum_offset = 6, .launch_time = 5000}};

	memset(&asked, 0, sizeof(asked));
	xsk_tx_metadata_request(NULL, &every, &asked);
	xsk_tx_metadata_request(&m.meta, NULL, &asked);
	xsk_tx_metadata_request(&m.meta, &every, &asked);
	assert_int_equal(asked.timestamps + asked.checksums + asked.launches, 0);
	m.launch.flags = XDP_TXMD_FLAGS_CHECKSUM | XDP_TXMD_FLAGS_LAUNCH_TIME;
	xsk_tx_metadata_request(&m.meta, &none, &asked);
	xsk_tx_metadata_request(&m.meta, &every, &asked);
	assert_int_equal(asked.checksums, 1);
	assert_int_equal(asked.start, 14);
	assert_int_equal(asked.offset, 6);
	assert_int_equal(asked.launches, 1);
	assert_int_equal(asked.at, 5000);
	assert_int_equal(asked.timestamps, 0);
	m.launch.flags = XDP_TXMD_FLAGS_TIMESTAMP;
	xsk_tx_metadata_request(&m.meta, &every, &asked);
	assert_int_equal(asked.timestamps, 1);
}

static void test_completion(void **state)
{
	static const struct xsk_tx_metadata_ops none = {NULL, NULL, NULL, NULL};
	struct xsk_tx_metadata meta = {.flags = 0};
	struct xsk_tx_metadata_compl c;

	meta.completion.tx_timestamp = 5;
	xsk_tx_metadata_to_compl(NULL, &c);
	xsk_tx_metadata_complete(&c, &every, &asked);
	xsk_tx_metadata_to_compl(&meta, &c);
	xsk_tx_metadata_complete(&c, &every, &asked); /* not requested */
	assert_int_equal(meta.completion.tx_timestamp, 5);
	meta.flags = XDP_TXMD_FLAGS_TIMESTAMP;
	xsk_tx_metadata_to_compl(&meta, &c);
	xsk_tx_metadata_complete(&c, &none, &asked);
	assert_int_equal(meta.completion.tx_timestamp, 5);
	xsk_tx_metadata_complete(&c, &every, &asked);
	assert_int_equal(meta.completion.tx_timestamp, 77);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {T(test_fill_cb), T(test_requests), T(test_completion)};

	return cmocka_run_group_tests_name("xsk_metadata", tests, NULL, NULL);
}
