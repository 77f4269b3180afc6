/* SPDX-License-Identifier: BSD-2-Clause */
/* The addresses of blocks, compared with an oracle of the live blocks. */
#include "pool_rig.h"

#define LIVE_MAX 700

/* Each block is filled with a byte of its own, which the device must read at its DMA address. */
static void check_content(struct block b, size_t size)
{
	u8 got[2];

	assert_int_equal(b.cpu[0], b.cpu[size - 1]);
	assert_int_equal(dmamap_bus_read(dev, b.dma, &got[0], 1), 0);
	assert_int_equal(dmamap_bus_read(dev, b.dma + size - 1, &got[1], 1), 0);
	assert_int_equal(got[0], b.cpu[0]);
	assert_int_equal(got[1], b.cpu[0]);
}

static void random_traffic(size_t size, size_t align, size_t boundary, int steps)
{
	static struct block live[LIVE_MAX];
	struct dma_pool *pool = pool_of(size, align, boundary);
	int n = 0, want = 0;

	for (int step = 0; step < steps; step++) {
		if (!(step % 64)) /* fill and drain in waves */
			want = (int)rnd(size > 4096 ? 20 : LIVE_MAX);
		if (n < want) {
			live[n] = take(pool);
			check_block(live, n, live[n], size, align, boundary);
			memset(live[n].cpu, (int)rnd(256), size);
			n++;
		} else if (n) {
			int i = (int)rnd((u32)n);

			check_content(live[i], size);
			dma_pool_free(pool, live[i].cpu, live[i].dma);
			live[i] = live[--n];
		}
	}
	while (n--)
		dma_pool_free(pool, live[n].cpu, live[n].dma);
	last_kind = 0;
	dma_pool_destroy(pool);
	assert_int_equal(last_kind, 0);
	assert_int_equal(coherent_bytes(), 0);
}

static void test_property(void **state)
{
	static const size_t sizes[] = {1,    4,	   12,	 16,   40,   64,   100,
				       1000, 2048, 2049, 4096, 5000, 40000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t align = 0; align <= 8192; align = align ? align * 32 : 4) {
			size_t least = (size_t)1 << log2_ceil(sizes[i]);

			random_traffic(sizes[i], align, 0, 300);
			random_traffic(sizes[i], align, least, 300);
			random_traffic(sizes[i], align, least * 4, 300);
		}
	random_traffic(16, 0, 0, 10000);
	random_traffic(24, 8, 32, 10000); /* a gap behind every block */
}

/* Blocks fill a page completely where they fit exactly, also with a boundary. */
static void test_dense(void **state)
{
	static const size_t boundaries[] = {0, 64, 128, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(boundaries); i++) {
		struct dma_pool *pool = pool_of(64, 0, boundaries[i]);
		struct block b[64];

		for (int k = 0; k < 64; k++)
			b[k] = take(pool);
		assert_int_equal(coherent_bytes(), 4096);
		for (int k = 0; k < 64; k++)
			dma_pool_free(pool, b[k].cpu, b[k].dma);
		dma_pool_destroy(pool);
	}
}

static void test_zero(void **state)
{
	static const u8 zero[300];
	struct dma_pool *pool = pool_of(sizeof(zero), 0, 0);

	for (int round = 0; round < 3; round++) {
		struct block b[40];

		for (int i = 0; i < 40; i++) {
			b[i].cpu = i & 1 ? dma_pool_zalloc(pool, GFP_KERNEL, &b[i].dma)
					 : dma_pool_alloc(pool, GFP_ATOMIC | __GFP_ZERO, &b[i].dma);
			assert_non_null(b[i].cpu);
			assert_memory_equal(b[i].cpu, zero, sizeof(zero));
			memset(b[i].cpu, 0xee, sizeof(zero));
		}
		for (int i = 0; i < 40; i++)
			dma_pool_free(pool, b[i].cpu, b[i].dma);
	}
	dma_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_property),
		cmocka_unit_test(test_dense),
		cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests_name("dmapool_chunk", tests, setup, teardown);
}
