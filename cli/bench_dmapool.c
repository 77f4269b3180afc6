/* SPDX-License-Identifier: BSD-2-Clause */
/* dma_pool: 64 blocks are allocated and then freed; all threads share one pool. */
#include "bench.h"

#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/slab.h>

#define BATCH  64
#define ROUNDS 8

static bool bench_dmapool_setup(struct bench_case *c)
{
	if (dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64)))
		return false;
	c->state = dma_pool_create("bench", c->dev, c->a, c->a < 64 ? 16 : 64, 0);
	return c->state;
}

static void bench_dmapool_teardown(struct bench_case *c)
{
	dma_pool_destroy(c->state);
}

static void bench_dmapool_run(struct bench_thread *t)
{
	struct dma_pool *pool = t->c->state;
	dma_addr_t addr[BATCH];
	void *block[BATCH];

	while (bench_more(t, BATCH * ROUNDS)) {
		for (int r = 0; r < ROUNDS; r++) {
			for (int i = 0; i < BATCH; i++)
				block[i] = dma_pool_alloc(pool, GFP_KERNEL, &addr[i]);
			for (int i = 0; i < BATCH; i++) {
				if (block[i])
					dma_pool_free(pool, block[i], addr[i]);
				else
					bench_fail(t, "no block");
			}
		}
	}
}

bool bench_dmapool(struct bench *b)
{
	struct bench_case cases[] = {
		{"dma_pool alloc+free 16 B", bench_dmapool_run, bench_dmapool_setup,
		 bench_dmapool_teardown, .spec = "sim", .a = 16},
		{"dma_pool alloc+free 256 B", bench_dmapool_run, bench_dmapool_setup,
		 bench_dmapool_teardown, .spec = "sim", .a = 256},
		{"dma_pool alloc+free 4 KiB", bench_dmapool_run, bench_dmapool_setup,
		 bench_dmapool_teardown, .spec = "sim", .a = 4096},
	};

	return bench_cases(b, cases, sizeof(cases) / sizeof(cases[0]));
}
