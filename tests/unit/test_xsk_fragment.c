/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of several buffers: building them, and freeing a part of them. */
#include "xsk_alloc_rig.h"

static void test_fragments(void **state)
{
	struct xdp_buff *b[24];

	start("sim", 0, 0);
	fill(0, 24);
	assert_int_equal(xp_alloc_batch(pool, b, 24), 24);
	for (u32 i = 0; i < 24; i++)
		xsk_buff_set_size(b[i], i);
	assert_null(xsk_buff_get_frag(b[0]));
	assert_null(xsk_buff_get_tail(b[0]));
	assert_null(xsk_buff_get_head(b[0]));
	assert_false(xsk_buff_add_frag(b[0], b[0]));
	for (u32 i = 1; i <= XSK_MAX_FRAGS; i++)
		assert_true(xsk_buff_add_frag(b[0], b[i]));
	assert_false(xsk_buff_add_frag(b[0], b[18]));
	assert_false(xsk_buff_add_frag(b[18], b[3])); /* it is in a packet */
	assert_ptr_equal(xsk_buff_get_head(b[0]), b[1]);
	assert_ptr_equal(xsk_buff_get_tail(b[0]), b[17]);
	xsk_buff_del_frag(b[17]);
	assert_ptr_equal(xsk_buff_get_tail(b[0]), b[16]);
	xsk_buff_del_frag(b[5]);
	xsk_buff_del_frag(b[5]);
	for (u32 i = 1; i <= 16; i++)
		if (i != 5)
			assert_ptr_equal(xsk_buff_get_frag(b[0]), b[i]);
	assert_null(xsk_buff_get_frag(b[0]));
	assert_false(xdp_buff_has_frags(b[0]));
	stop();
}

/*
 * A fragment that is freed alone is removed from its packet at once: the packet is refused, the
 * application never receives the fragment, and the chunk is allocated again once. `checked`: and
 * the packet that is passed on is reported.
 */
static void fragment_freed(bool checked)
{
	struct xdp_buff *b[4], *again[4];

	start(checked ? "sim,check=1" : "sim", 0, 0);
	checked = pool->tracked; /* DMAMAP_CHECK may turn it on */
	fill(0, 4);
	assert_int_equal(xp_alloc_batch(pool, b, 4), 4);
	for (u32 i = 0; i < 4; i++)
		xsk_buff_set_size(b[i], 100 + i);
	for (u32 i = 1; i < 4; i++)
		assert_true(xsk_buff_add_frag(b[0], b[i]));
	assert_int_equal(xsk_rcv(card.dev, 0, b[2]), -EINVAL); /* not without its packet */
	xsk_buff_free(b[2]);
	assert_int_equal(reported.n, 0);
	assert_int_equal(xsk_rcv(card.dev, 0, b[0]), -EINVAL);
	assert_int_equal(reported.n, checked);
	xsk_flush(card.dev, 0);
	assert_int_equal(app_waiting(&app.rx), 0);
	/* its buffer is in another packet meanwhile; this one is freed without it */
	assert_int_equal(xp_alloc_batch(pool, again, 4), 1);
	assert_ptr_equal(again[0], b[2]);
	xsk_buff_free(b[0]);
	assert_int_equal(xp_alloc_batch(pool, again + 1, 3), 3);
	for (u32 i = 1; i < 4; i++)
		assert_ptr_not_equal(again[i], again[0]);
	assert_int_equal(reported.n, checked);
	/* a packet of them is valid */
	for (u32 i = 0; i < 4; i++)
		xsk_buff_set_size(again[i], 200 + i);
	for (u32 i = 1; i < 4; i++)
		assert_true(xsk_buff_add_frag(again[0], again[i]));
	assert_int_equal(xsk_rcv(card.dev, 0, again[0]), 0);
	xsk_flush(card.dev, 0);
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(app_take_desc(&app.rx).len, 200 + i);
	assert_int_equal(reported.n, checked);
	stop();
}

static void test_fragment_freed(void **state)
{
	dmamap_check_on_report(keep_report, NULL);
	memset(&reported, 0, sizeof(reported));
	fragment_freed(false);
	memset(&reported, 0, sizeof(reported));
	fragment_freed(true);
	assert_non_null(strstr(reported.text, "a fragment of the packet"));
	assert_non_null(strstr(reported.text, "\n  freed:"));
	memset(&reported, 0, sizeof(reported));
	dmamap_check_on_report(NULL, NULL);
}

/* Only the first buffer is freed: its fragments belong to the driver again, in no packet. */
static void test_first_freed_alone(void **state)
{
	struct xdp_buff *b[3], *again[3];

	start("sim", 0, 0);
	fill(0, 3);
	assert_int_equal(xp_alloc_batch(pool, b, 3), 3);
	for (u32 i = 0; i < 3; i++)
		xsk_buff_set_size(b[i], 100 + i);
	assert_true(xsk_buff_add_frag(b[0], b[1]));
	xp_free(xsk_buff_of(b[0]));
	assert_int_equal(xp_alloc_batch(pool, again, 3), 1);
	assert_ptr_equal(again[0], b[0]);
	assert_true(xsk_buff_add_frag(b[0], b[2])); /* a packet of its own */
	xsk_buff_free(b[1]);
	assert_int_equal(xsk_rcv(card.dev, 0, b[0]), 0);
	assert_int_equal(xp_alloc_batch(pool, again, 3), 1);
	assert_ptr_equal(again[0], b[1]);
	/* a buffer that the driver does not own cannot join a packet */
	xsk_buff_free(again[0]);
	assert_false(xsk_buff_add_frag(again[0], b[2]));
	assert_false(xsk_buff_add_frag(b[2], again[0]));
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_fragment_freed),
		cmocka_unit_test(test_first_freed_alone),
	};

	return cmocka_run_group_tests_name("xsk_fragment", tests, NULL, NULL);
}
