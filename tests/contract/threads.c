/* SPDX-License-Identifier: BSD-2-Clause */
/* Every call from several threads at once. tests/stress goes further; here, every configuration. */
#include "contract.h"

#include <linux/dmapool.h>
#include <pthread.h>

enum { THREADS = 2, ROUNDS = 150 };

struct work {
	pthread_t thread;
	u32 number;
	int wrong; /* rounds that went wrong; asserts are for the main thread */
	struct dma_pool *pool;
};

static int map_and_move(struct work *w, u32 round)
{
	size_t n = 64 + 64 * (round % 130);
	enum kind kind = (enum kind)(round % KINDS);
	u8 *p = kind == HEAP ? aligned_alloc(64, 9024) : kmalloc(9000, GFP_KERNEL);
	u8 *copy = malloc(9000);
	u32 seed = round * 2 + w->number;
	int wrong = 1;
	dma_addr_t addr;

	if (!p || !copy)
		goto out;
	fill(p, n, seed);
	addr = dma_map_single(dev, p, n, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, addr))
		goto out;
	wrong = dmamap_bus_read(dev, addr, copy, n) || !holds(copy, n, seed);
	fill(copy, n, seed + 1);
	wrong = wrong || dmamap_bus_write(dev, addr, copy, n);
	dma_unmap_single(dev, addr, n, DMA_BIDIRECTIONAL);
	wrong = wrong || !holds(p, n, seed + 1);
out:
	free(copy);
	if (kind == HEAP)
		free(p);
	else
		kfree(p);
	return wrong;
}

static int coherent_and_pool(struct work *w, u32 round)
{
	dma_addr_t a, b;
	u8 *p = dma_alloc_coherent(dev, 1 + round * 61 % 9000, &a, GFP_KERNEL);
	u8 *q = dma_pool_zalloc(w->pool, GFP_KERNEL, &b);
	u64 x = round, y = 0;
	int wrong = !p || !q;

	wrong = wrong || dmamap_bus_write(dev, b, &x, 8) || memcmp(q, &x, 8) != 0;
	if (!wrong) {
		p[0] = (u8)round;
		wrong = dmamap_bus_read(dev, a, &y, 1) || y != (u8)round;
	}
	if (q)
		dma_pool_free(w->pool, q, b);
	if (p)
		dma_free_coherent(dev, 1 + round * 61 % 9000, p, a);
	return wrong;
}

static void *work(void *arg)
{
	struct work *w = arg;

	for (u32 round = 0; round < ROUNDS; round++)
		w->wrong += map_and_move(w, round) + coherent_and_pool(w, round);
	return NULL;
}

static void test_threads_on_one_device(void **state)
{
	struct dma_pool *pool = dma_pool_create("threads", dev, 64, 64, 0);
	struct work w[THREADS];

	assert_non_null(pool);
	for (u32 i = 0; i < THREADS; i++) {
		w[i] = (struct work){.number = i * 1000000, .pool = pool};
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (u32 i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].wrong, 0);
	}
	dma_pool_destroy(pool);
	assert_int_equal(stats().maps, THREADS * ROUNDS);
	assert_int_equal(live(), 0);
}

struct handed {
	u8 *p;
	dma_addr_t addr;
};

static void *map_for_another(void *arg)
{
	struct handed *h = arg;

	h->addr = dma_map_single(dev, h->p, 5000, DMA_BIDIRECTIONAL);
	return NULL;
}

/* Mapped by a thread that has ended, unmapped by another. */
static void test_a_mapping_outlives_its_thread(void **state)
{
	struct buffer b = buffer_get(PAGES, 8192);

	for (int i = 0; i < 10; i++) {
		struct handed h = {.p = b.cpu};
		pthread_t t;

		fill(b.cpu, b.size, 1);
		assert_int_equal(pthread_create(&t, NULL, map_for_another, &h), 0);
		pthread_join(t, NULL);
		assert_int_equal(dma_mapping_error(dev, h.addr), 0);
		assert_true(device_sees(h.addr, 5000, 1));
		dma_unmap_single(dev, h.addr, 5000, DMA_BIDIRECTIONAL);
	}
	buffer_put(&b);
}

static void *fails_here(void *arg)
{
	dma_map_single(dev, arg, 0, DMA_TO_DEVICE);
	return (void *)(uintptr_t)(*dmamap_strerror() != 0);
}

static void test_a_sentence_is_its_threads(void **state)
{
	struct buffer b = buffer_get(PAGES, 64);
	char before[512];
	pthread_t t;
	void *set;

	dmamap_bus_fault_next(NULL, NULL);
	strncpy(before, dmamap_strerror(), sizeof(before) - 1);
	before[sizeof(before) - 1] = 0;
	assert_int_equal(pthread_create(&t, NULL, fails_here, b.cpu), 0);
	pthread_join(t, &set);
	assert_non_null(set);
	reported(DMAMAP_CHECK_BAD_ARGUMENT);
	assert_string_equal(dmamap_strerror(), before);
	buffer_put(&b);
}

const struct CMUnitTest thread_tests[] = {
	contract_test(test_threads_on_one_device),
	contract_test(test_a_mapping_outlives_its_thread),
	contract_test(test_a_sentence_is_its_threads),
};
const size_t n_thread_tests = COUNT(thread_tests);
