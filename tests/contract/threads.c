/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every call from several threads at once, in every configuration. tests/stress runs longer
 * sequences.
 */
#include "contract.h"

#include <linux/dmapool.h>
#include <linux/scatterlist.h>
#include <pthread.h>

enum { THREADS = 2, ROUNDS = 150 };

struct work {
	pthread_t thread;
	u32 number;
	int wrong; /* rounds that failed; only the main thread may use asserts */
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

static void test_an_error_message_belongs_to_its_thread(void **state)
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

#ifdef __SANITIZE_THREAD__
#define LIMIT_ROUNDS 100
#else
#define LIMIT_ROUNDS 600
#endif

static bool stop_setting; /* atomic */

static void *set_limits(void *arg)
{
	/* both are sufficient everywhere, and the narrower reaches neither high RAM nor the heap */
	u64 narrow = mask_of(bus_offset() > DMA_BIT_MASK(31) ? 33 : 31), wide = dma_get_mask(dev);

	while (!__atomic_load_n(&stop_setting, __ATOMIC_RELAXED)) {
		dma_set_max_seg_size(dev, 1024);
		dma_set_mask(dev, narrow);
		dma_set_min_align_mask(dev, 0xfff);
		dma_set_seg_boundary(dev, 0xffff);
		dma_set_max_seg_size(dev, 65536);
		dma_set_mask(dev, wide);
		dma_set_min_align_mask(dev, 0);
		dma_set_seg_boundary(dev, 0xffffffff);
	}
	return NULL;
}

/*
 * One range of addresses is aligned to its pages; otherwise it would be longer than its allocation.
 */
static void check_range(struct scatterlist *sgl, unsigned int n)
{
	u64 low = sg_dma_address(sgl), high = low, pages, align = 1;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg (sgl, sg, n, i) {
		assert_true(sg_dma_len(sg) <= 65536);
		if (sg_dma_address(sg) + sg_dma_len(sg) > high)
			high = sg_dma_address(sg) + sg_dma_len(sg);
	}
	pages = (high - low + 4095) >> 12;
	while (align < pages)
		align *= 2;
	if (dma_get_merge_boundary(dev))
		assert_int_equal((low >> 12) & (align - 1), 0);
}

/* A call obeys limits that were in force at one time, whatever another thread sets meanwhile. */
static void test_limits_that_change_meanwhile(void **state)
{
	enum { N = 32, SIZE = 1024 };
	struct buffer b[2] = {buffer_get(PAGES, N * SIZE), buffer_get(HEAP, 8192)};
	struct scatterlist sg[N], *at;
	u8 seen[N * SIZE];
	pthread_t thread;
	unsigned int n, i;

	if (accesses_take_long() || !has_fault_records()) {
		buffer_put(&b[0]);
		buffer_put(&b[1]);
		return;
	}
	stop_setting = false;
	assert_int_equal(pthread_create(&thread, NULL, set_limits, NULL), 0);
	for (u32 round = 0; round < LIMIT_ROUNDS; round++) {
		dma_addr_t addr;
		size_t sum = 0;

		fill(b[0].cpu, N * SIZE, round);
		sg_init_table(sg, N);
		for (int k = 0; k < N; k++)
			sg_set_buf(&sg[k], b[0].cpu + SIZE * k, SIZE);
		/* often, because a limit must change during a call */
		for (int again = 20; again--;) {
			n = dma_map_sg(dev, sg, N, DMA_BIDIRECTIONAL);
			if (!n)
				fail_msg("%s", dmamap_strerror());
			check_range(sg, n);
			if (again)
				dma_unmap_sg(dev, sg, N, DMA_BIDIRECTIONAL);
		}
		for_each_sg (sg, at, n, i) {
			device_reads(sg_dma_address(at), seen + sum, sg_dma_len(at));
			sum += sg_dma_len(at);
		}
		assert_int_equal(sum, N * SIZE);
		assert_true(holds(seen, N * SIZE, round));
		dma_unmap_sg(dev, sg, N, DMA_BIDIRECTIONAL);
		i = round % 2;
		fill(b[i].cpu, 5000, round);
		addr = dma_map_single(dev, b[i].cpu, 5000, DMA_FROM_DEVICE);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		device_writes(addr + 4999, "\x55", 1);
		dma_unmap_single(dev, addr, 5000, DMA_FROM_DEVICE);
		assert_int_equal(b[i].cpu[4999], 0x55);
		assert_true(holds(b[i].cpu, 4999, round));
	}
	__atomic_store_n(&stop_setting, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	buffer_put(&b[0]);
	buffer_put(&b[1]);
}

const struct CMUnitTest thread_tests[] = {
	contract_test(test_limits_that_change_meanwhile),
	contract_test(test_threads_on_one_device),
	contract_test(test_a_mapping_outlives_its_thread),
	contract_test(test_an_error_message_belongs_to_its_thread),
};
const size_t n_thread_tests = COUNT(thread_tests);
