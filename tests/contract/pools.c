/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of coherent blocks, in every configuration. tests/unit/test_dmapool.c checks details. */
#include "contract.h"

#include <linux/dmapool.h>

static void test_refused_arguments(void **state)
{
	static const struct {
		size_t size, align, boundary;
	} bad[] = {{0, 0, 0},  {16, 3, 0},   {16, 48, 0},     {16, 0, 3},
		   {16, 0, 8}, {100, 0, 64}, {SIZE_MAX, 0, 0}};

	for (size_t i = 0; i < COUNT(bad); i++) {
		errno = 0;
		assert_null(dma_pool_create("p", dev, bad[i].size, bad[i].align, bad[i].boundary));
		assert_int_equal(errno, EINVAL);
	}
	assert_null(dma_pool_create("p", NULL, 16, 0, 0));
	dma_pool_destroy(NULL);
}

/* Blocks of one pool: aligned, within the boundary, disjoint, and visible to both sides. */
static void check_pool(size_t size, size_t align, size_t boundary)
{
	struct dma_pool *pool = dma_pool_create("p", dev, size, align, boundary);
	struct {
		u8 *cpu;
		dma_addr_t dma;
	} b[100];

	assert_non_null(pool);
	for (size_t i = 0; i < COUNT(b); i++) {
		b[i].cpu = dma_pool_zalloc(pool, GFP_KERNEL, &b[i].dma);
		assert_non_null(b[i].cpu);
		assert_true(all_are(b[i].cpu, size, 0));
		if (align) {
			assert_int_equal((uintptr_t)b[i].cpu & (align - 1), 0);
			assert_int_equal(b[i].dma & (align - 1), 0);
		}
		if (boundary)
			assert_int_equal(b[i].dma / boundary, (b[i].dma + size - 1) / boundary);
		assert_true(b[i].dma + size - 1 <= mask_of(config->mask_bits));
		fill(b[i].cpu, size, (u32)i);
	}
	for (size_t i = 0; i < COUNT(b); i++) {
		assert_true(device_sees(b[i].dma, size, (u32)i));
		device_writes(b[i].dma + size - 1, "\xff", 1);
		assert_int_equal(b[i].cpu[size - 1], 0xff);
		assert_true(holds(b[i].cpu, size - 1, (u32)i));
		dma_pool_free(pool, b[i].cpu, b[i].dma);
	}
	dma_pool_destroy(pool);
}

static void test_blocks(void **state)
{
	check_pool(16, 0, 0);
	check_pool(1, 1, 0);
	check_pool(24, 64, 0);
	check_pool(48, 16, 64);
	check_pool(64, 64, 4096);
	check_pool(192, 0, 256);
	check_pool(4096, 4096, 0);
	check_pool(5000, 8, 0);
	check_pool(5000, 0, 8192);
}

static void test_misuse(void **state)
{
	struct dma_pool *pool = dma_pool_create("p", dev, 32, 0, 0);
	struct dma_pool *other = dma_pool_create("q", dev, 32, 0, 0);
	dma_addr_t a, b;
	u8 *one, *two;

	assert_non_null(pool);
	assert_non_null(other);
	one = dma_pool_alloc(pool, GFP_KERNEL, &a);
	two = dma_pool_alloc(other, GFP_KERNEL, &b);
	assert_non_null(one);
	assert_non_null(two);
	dma_pool_free(other, one, a);
	reported(DMAMAP_CHECK_POOL_OTHER);
	dma_pool_free(pool, one + 8, a + 8);
	reported(DMAMAP_CHECK_POOL_INSIDE);
	dma_pool_free(pool, one, a + 32);
	reported(DMAMAP_CHECK_POOL_WRONG);
	dma_pool_free(pool, one, a);
	dma_pool_free(pool, one, a);
	reported(DMAMAP_CHECK_POOL_DOUBLE_FREE);
	assert_null(dma_pool_alloc(pool, GFP_KERNEL, NULL));
	assert_null(dma_pool_alloc(NULL, GFP_KERNEL, &a));
	dma_pool_free(other, two, b);
	dma_pool_destroy(pool);
	dma_pool_destroy(other);
}

static void test_a_busy_pool_keeps_its_pages(void **state)
{
	struct device *mine = dev;
	struct dma_pool *pool;
	dma_addr_t dma;
	u8 *cpu;

	dev = open_another(",name=other");
	pool = dma_pool_create("p", dev, 64, 0, 0);
	assert_non_null(pool);
	cpu = dma_pool_alloc(pool, GFP_KERNEL, &dma);
	assert_non_null(cpu);
	fill(cpu, 64, 1);
	dma_pool_destroy(pool);
	reported(DMAMAP_CHECK_POOL_BUSY);
	assert_true(device_sees(dma, 64, 1));
	dmamap_close(dev);
	reports_forget(); /* a leak, or no second report of it */
	dev = mine;
}

static void test_managed_pools(void **state)
{
	struct device *other = open_another(",name=other");
	struct dma_pool *pool = dmam_pool_create("p", other, 64, 0, 0);
	struct dma_pool *early = dmam_pool_create("q", other, 64, 0, 0);
	dma_addr_t dma;
	void *cpu;

	assert_non_null(pool);
	assert_non_null(early);
	cpu = dma_pool_alloc(pool, GFP_KERNEL, &dma);
	assert_non_null(cpu);
	dma_pool_free(pool, cpu, dma);
	dmam_pool_destroy(early);
	dmamap_close(other);
}

const struct CMUnitTest pool_tests[] = {
	contract_test(test_refused_arguments),
	contract_test(test_blocks),
	contract_test(test_misuse),
	contract_test(test_a_busy_pool_keeps_its_pages),
	contract_test(test_managed_pools),
};
const size_t n_pool_tests = COUNT(pool_tests);
