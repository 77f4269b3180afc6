/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers that are allocated, freed and passed on, compared with a model that records the place of
 * each chunk, and known defects of such pools by name.
 */
#include "xsk_alloc_rig.h"

#include <stdio.h>

/* All guarantees of a newly allocated buffer. */
static void assert_fresh(struct xdp_buff *b)
{
	struct xdp_buff_xsk *x = xsk_buff_of(b);
	char mark = 'm', seen = 0;

	assert_ptr_equal(b->data, (char *)b->data_hard_start + XDP_PACKET_HEADROOM);
	assert_ptr_equal(b->data_meta, b->data);
	assert_int_equal(b->flags & ~XDP_FLAGS_TRACKED, 0);
	assert_ptr_equal(b->rxq, &card.rxq[0]);
	assert_int_equal(b->frame_sz, CHUNK - pool->headroom);
	assert_ptr_equal(x->pool, pool);
	assert_int_equal(xp_get_dma(x) - xp_get_frame_dma(x), pool->headroom + XDP_PACKET_HEADROOM);
	*(char *)b->data = mark;
	xp_dma_sync_for_device(pool, xp_get_dma(x), 1);
	assert_int_equal(dmamap_bus_read(card.dev, xp_get_dma(x), &seen, 1), 0);
	assert_int_equal(seen, mark);
}

static void test_batches_of_every_size(void **state)
{
	struct xdp_buff *b[RING + 8];

	start("sim", 0, 0);
	for (u32 n = 0; n <= RING; n++) {
		fill(0, n);
		b[n] = NULL;
		assert_int_equal(xp_alloc_batch(pool, b, n), n);
		assert_null(b[n]);
		for (u32 i = 0; i < n; i++) {
			assert_fresh(b[i]);
			assert_int_equal(addr_of(b[i]), (u64)i * CHUNK);
			xp_release(xsk_buff_of(b[i]));
		}
	}
	stop();
}

/* A chunk is in one place: with the application, in the fill ring, with the driver, or freed. */
static void test_property(void **state)
{
	enum place { APP, FILLED, HELD, FREED } place[CHUNKS];
	static const char *const specs[] = {"sim", "sim,iommu=0", "sim,coherent=0"};

	for (u32 s = 0; s < 3; s++) {
		struct xdp_buff *held[CHUNKS], *got[CHUNKS];
		u32 n_held = 0, counts[4] = {CHUNKS};

		start(specs[s], 64, 0);
		memset(place, 0, sizeof(place));
		for (u32 step = 0; step < 4000; step++) {
			u32 what = rnd(4), n = rnd(40), c = rnd(CHUNKS), want;

			for (u32 i = 0; what == 0 && i < CHUNKS && n; i++) {
				u32 k = (c + i) % CHUNKS;

				if (place[k] != APP ||
				    app.fill.mine - load(app.fill.consumer) >= RING)
					continue;
				app_put_addr(&app.fill,
					     (u64)k * CHUNK + rnd(CHUNK)); /* anywhere in it */
				place[k] = FILLED, counts[APP]--, counts[FILLED]++, n--;
			}
			if (what == 1) {
				want = counts[FREED] + counts[FILLED];
				want = want < n ? want : n;
				assert_int_equal(xp_can_alloc(pool, n), want == n);
				assert_int_equal(xp_alloc_batch(pool, got, n), want);
				for (u32 i = 0; i < want; i++) {
					u32 k = (u32)(addr_of(got[i]) / CHUNK);

					assert_fresh(got[i]);
					assert_true(place[k] == FILLED || place[k] == FREED);
					/* the freed ones first */
					assert_true(place[k] == FREED || !counts[FREED]);
					counts[place[k]]--, place[k] = HELD, counts[HELD]++;
					held[n_held++] = got[i];
				}
			}
			for (; what >= 2 && n && n_held; n--) {
				u32 i = rnd(n_held), k = (u32)(addr_of(held[i]) / CHUNK);

				if (what == 2)
					xsk_buff_free(held[i]);
				else
					xp_release(xsk_buff_of(held[i]));
				place[k] = what == 2 ? FREED : APP;
				counts[HELD]--, counts[place[k]]++;
				held[i] = held[--n_held];
			}
		}
		assert_int_equal(app_stats(&app).rx_invalid_descs, 0);
		stop();
	}
}

static void test_defect_duplicate_free(void **state)
{
	struct xdp_buff *b[4];

	start("sim", 0, 0);
	fill(0, 2);
	assert_int_equal(xp_alloc_batch(pool, b, 4), 2);
	xsk_buff_free(b[0]);
	xsk_buff_free(b[0]);
	xp_release(xsk_buff_of(b[0]));
	assert_int_equal(xsk_rcv(card.dev, 0, b[0]), -EINVAL);
	assert_int_equal(xp_alloc_batch(pool, b + 2, 2), 1);
	assert_ptr_not_equal(b[2], b[1]);
	/* passed on, then freed */
	xsk_buff_set_size(b[1], 60);
	assert_int_equal(xsk_rcv(card.dev, 0, b[1]), 0);
	xsk_buff_free(b[1]);
	assert_int_equal(xsk_rcv(card.dev, 0, b[1]), -EINVAL);
	assert_null(xp_alloc(pool));
	stop();
}

/* A size is set for a buffer that was freed, as by a late completion: it stays freed. */
static void test_size_does_not_revive(void **state)
{
	struct xdp_buff *b[4];

	start("sim", 0, 0);
	fill(0, 2);
	assert_int_equal(xp_alloc_batch(pool, b, 4), 2);
	xsk_buff_free(b[0]);
	xsk_buff_set_size(b[0], 60);
	xsk_buff_free(b[0]);
	xsk_buff_set_size(b[0], 60);
	xp_release(xsk_buff_of(b[0]));
	xsk_buff_set_size(b[0], 60);
	assert_int_equal(xsk_rcv(card.dev, 0, b[0]), -EINVAL);
	assert_int_equal(xp_alloc_batch(pool, b + 2, 2), 1);
	assert_ptr_equal(b[2], b[0]);
	/* a packet keeps its fragments when the size of its first buffer is set again */
	xsk_buff_set_size(b[0], 10);
	xsk_buff_set_size(b[1], 20);
	assert_true(xsk_buff_add_frag(b[0], b[1]));
	xsk_buff_set_size(b[0], 11);
	xsk_buff_set_size(b[1], 21);
	assert_int_equal(xsk_rcv(card.dev, 0, b[0]), 0);
	xsk_flush(card.dev, 0);
	assert_int_equal(app_take_desc(&app.rx).len, 11);
	assert_int_equal(app_take_desc(&app.rx).len, 21);
	stop();
}

/*
 * The checker records each buffer: the report of a second free has the stacks that allocated and
 * freed it, also when a size was set, by the function or by hand.
 */
static void test_provenance(void **state)
{
	struct xdp_buff *b[3];

	memset(&reported, 0, sizeof(reported));
	dmamap_check_on_report(keep_report, NULL);
	start("sim,check=1", 0, 0);
	fill(0, 3);
	assert_int_equal(xp_alloc_batch(pool, b, 3), 3);
	xsk_buff_set_size(b[0], 60);
	xsk_buff_free(b[0]);
	xsk_buff_set_size(b[0], 60);
	assert_int_equal(reported.n, 0);
	xsk_buff_free(b[0]);
	assert_int_equal(reported.n, 1);
	assert_non_null(strstr(reported.text, "\n  freed or given on:"));
	assert_non_null(strstr(reported.text, "\n  allocated:"));
	/* lengths set by hand: two buffers are a packet nevertheless */
	b[1]->data_end = (char *)b[1]->data + 30;
	b[2]->data_end = (char *)b[2]->data + 40;
	assert_true(xsk_buff_add_frag(b[1], b[2]));
	assert_int_equal(xsk_rcv(card.dev, 0, b[1]), 0);
	xsk_flush(card.dev, 0);
	assert_int_equal(app_take_desc(&app.rx).len, 30);
	assert_int_equal(app_take_desc(&app.rx).len, 40);
	assert_int_equal(reported.n, 1);
	xsk_buff_free(b[2]);
	assert_int_equal(reported.n, 2);
	assert_non_null(strstr(reported.text, "\n  freed or given on:"));
	stop();
	dmamap_check_on_report(NULL, NULL);
}

/* The application supplies one chunk several times: each time it is a buffer of its own. */
static void test_defect_same_address_twice(void **state)
{
	struct xdp_buff *b[8];

	start("sim", 0, 0);
	for (u32 i = 0; i < 8; i++)
		app_put_addr(&app.fill, 5 * CHUNK);
	assert_int_equal(xp_alloc_batch(pool, b, 8), 8);
	for (u32 i = 0; i < 8; i++) {
		assert_int_equal(addr_of(b[i]), 5 * CHUNK);
		for (u32 k = 0; k < i; k++)
			assert_ptr_not_equal(b[i], b[k]);
	}
	for (u32 i = 0; i < 8; i++)
		xsk_buff_free(b[i]);
	assert_int_equal(xp_alloc_batch(pool, b, 8), 8);
	stop();
}

/*
 * However often, there are no more buffers than chunks, and nothing is written beyond their arrays.
 */
static void test_defect_more_buffers_than_chunks(void **state)
{
	static struct xdp_buff *b[CHUNKS + RING];
	u32 n = 0;

	start("sim", 0, 0);
	for (u32 round = 0; round < 2 * CHUNKS / RING; round++) {
		u32 room = RING - (app.fill.mine - load(app.fill.consumer));

		for (u32 i = 0; i < room; i++)
			app_put_addr(&app.fill, 0);
		n += xp_alloc_batch(pool, b + n, RING);
	}
	n += xp_alloc_batch(pool, b + n, RING);
	assert_int_equal(n, CHUNKS);
	assert_null(xp_alloc(pool));
	for (u32 i = 0; i < n; i++)
		xsk_buff_free(b[i]);
	for (u32 i = 0; i < n; i++)
		xsk_buff_free(b[i]);
	assert_int_equal(xp_alloc_batch(pool, b, CHUNKS + RING), CHUNKS);
	stop();
}

/* Where the device needs syncs, a batch has its full length and no NULL in it, and 0 returns 0. */
static void test_defect_batch_slow_path(void **state)
{
	static const char *const specs[] = {"sim,iommu=0", "sim,coherent=0", "sim,untrusted=1"};

	for (u32 s = 0; s < 3; s++) {
		struct xdp_buff *b[64], *untouched = (void *)0x1234;

		start(specs[s], 0, 0);
		if (s < 2)
			assert_true(pool->dma_need_sync);
		fill(0, 40);
		b[0] = untouched;
		assert_int_equal(xp_alloc_batch(pool, b, 0), 0);
		assert_ptr_equal(b[0], untouched);
		assert_int_equal(load(app.fill.consumer), 0);
		assert_int_equal(app_stats(&app).rx_fill_ring_empty_descs, 0);
		assert_int_equal(xp_alloc_batch(pool, b, 30), 30);
		for (u32 i = 0; i < 30; i++)
			assert_fresh(b[i]);
		b[30] = untouched;
		assert_int_equal(xp_alloc_batch(pool, b, 31), 10);
		for (u32 i = 0; i < 10; i++)
			assert_fresh(b[i]);
		assert_int_equal(xp_alloc_batch(pool, b, 8), 0);
		assert_ptr_equal(b[30], untouched);
		assert_int_equal(app_stats(&app).rx_fill_ring_empty_descs, 1);
		stop();
	}
}

/* Chunks above an offset of 4 GiB have their own address, not one that is 2^32 lower. */
static void test_defect_index_times_chunk_size(void **state)
{
	u64 size = 6ull << 30;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct xdp_umem_reg reg = {.addr = (uintptr_t)memory, .len = size, .chunk_size = 4096};
	struct xdp_umem *umem;
	struct xdp_buff *b;
	char seen;

	assert_true(memory != MAP_FAILED);
	card_open("sim", &card_zc);
	umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(umem));
	app_open(&app, RING, RING, RING);
	assert_int_equal(xdp_sock_bind(app.xs, umem, card.dev, 0, XDP_ZEROCOPY, NULL), 0);
	for (u64 addr = size - 4096; addr >= (u64)5 << 30; addr -= (u64)301 << 20) {
		app_put_addr(&app.fill, addr);
		b = xp_alloc(card.pool[0]);
		assert_non_null(b);
		assert_ptr_equal(b->data_hard_start, memory + addr);
		assert_int_equal(dmamap_bus_write(card.dev, xsk_buff_xdp_get_dma(b), "x", 1), 0);
		assert_int_equal(memory[addr + 256], 'x');
		app_put_desc(&app.tx, addr + 256, 1, 0);
		assert_int_equal(xsk_tx_peek_release_desc_batch(card.pool[0], 4), 1);
		assert_int_equal(dmamap_bus_read(card.dev, xp_raw_get_dma(card.pool[0], addr + 256),
						 &seen, 1),
				 0);
		assert_int_equal(seen, 'x');
		assert_ptr_equal(xp_raw_get_data(card.pool[0], addr), memory + addr);
	}
	xdp_sock_destroy(app.xs);
	xdp_umem_put(umem);
	card_close();
	munmap(memory, size);
}

static void test_defect_flags_not_cleared(void **state)
{
	struct xdp_buff *a, *b;

	start("sim", 0, 0);
	fill(0, 2);
	a = xp_alloc(pool);
	b = xp_alloc(pool);
	xsk_buff_set_size(a, 60);
	xsk_buff_set_size(b, 60);
	assert_true(xsk_buff_add_frag(a, b));
	assert_true(xdp_buff_has_frags(a));
	a->data = b->data = b->data_meta = NULL;
	xsk_buff_free(a); /* both */
	assert_fresh(xp_alloc(pool));
	assert_fresh(xp_alloc(pool));
	assert_null(xp_alloc(pool));
	stop();
}

/* Invalid addresses in the fill ring: skipped and counted, valid ones between them are found. */
static void test_invalid_addresses(void **state)
{
	struct xdp_buff *b[RING];

	start("sim", 0, 0);
	for (u32 round = 0; round < 300; round++) {
		u64 invalid = app_stats(&app).rx_invalid_descs;
		u32 n = 1 + rnd(RING - 1), good = 0;
		u64 expected[RING];

		for (u32 i = 0; i < n; i++) {
			u64 addr =
				rnd(3) ? (u64)rnd(CHUNKS) * CHUNK : area.size + (u64)rnd(1000) * 8;

			if (!rnd(5))
				addr = UINT64_MAX - rnd(CHUNK);
			app_put_addr(&app.fill, addr);
			if (addr < area.size)
				expected[good++] = addr;
		}
		assert_int_equal(xp_alloc_batch(pool, b, RING), good);
		assert_int_equal(app_stats(&app).rx_invalid_descs - invalid, n - good);
		for (u32 i = 0; i < good; i++) {
			assert_int_equal(addr_of(b[i]), expected[i]);
			xp_release(xsk_buff_of(b[i]));
		}
		assert_int_equal(load(app.fill.consumer), app.fill.mine);
	}
	stop();
}

static void test_unaligned_limits(void **state)
{
	start("sim", 0, XDP_UMEM_UNALIGNED_CHUNK_FLAG);
	app_put_addr(&app.fill, area.size - CHUNK);
	assert_non_null(xp_alloc(pool));
	app_put_addr(&app.fill, area.size - CHUNK + 1);
	app_put_addr(&app.fill, area.size);
	app_put_addr(&app.fill, XSK_UNALIGNED_BUF_ADDR_MASK);
	assert_null(xp_alloc(pool));
	assert_int_equal(app_stats(&app).rx_invalid_descs, 3);
	app_put_addr(&app.fill, 77 | 300ull << XSK_UNALIGNED_BUF_OFFSET_SHIFT);
	assert_int_equal(addr_of(xp_alloc(pool)),
			 77); /* the offset is not a part of a chunk's address */
	assert_null(
		xp_raw_get_data(pool, area.size - 5 + (5ull << XSK_UNALIGNED_BUF_OFFSET_SHIFT)));
	assert_ptr_equal(
		xp_raw_get_data(pool, area.size - 6 + (5ull << XSK_UNALIGNED_BUF_OFFSET_SHIFT)),
		area.memory + area.size - 1);
	assert_int_equal(xp_raw_get_dma(pool, area.size), DMA_MAPPING_ERROR);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches_of_every_size),
		cmocka_unit_test(test_property),
		cmocka_unit_test(test_defect_duplicate_free),
		cmocka_unit_test(test_defect_same_address_twice),
		cmocka_unit_test(test_defect_more_buffers_than_chunks),
		cmocka_unit_test(test_defect_batch_slow_path),
		cmocka_unit_test(test_defect_index_times_chunk_size),
		cmocka_unit_test(test_defect_flags_not_cleared),
		cmocka_unit_test(test_size_does_not_revive),
		cmocka_unit_test(test_provenance),
		cmocka_unit_test(test_invalid_addresses),
		cmocka_unit_test(test_unaligned_limits),
	};

	return cmocka_run_group_tests_name("xsk_alloc", tests, NULL, NULL);
}
