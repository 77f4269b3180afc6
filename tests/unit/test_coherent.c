/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of coherent memory; what it promises to drivers is in tests/contract. */
#include "core_rig.h"

#include "map/device.h"

static struct device *dev;

static int setup(void **state)
{
	dev = rig_open("sim,ram=64M", ~0ull);
	return 0;
}

static int teardown(void **state)
{
	rig_fail_none();
	rig_close(dev);
	return 0;
}

static void test_bytes_are_counted_by_pages(void **state)
{
	dma_addr_t a, b;
	void *p = dma_alloc_coherent(dev, 1, &a, GFP_KERNEL), *q;

	assert_int_equal(rig_stats(dev).coherent_bytes, 4096);
	q = dma_alloc_coherent(dev, 5 * 4096, &b, GFP_KERNEL);
	assert_int_equal(rig_stats(dev).coherent_bytes, 4096 + 8 * 4096);
	dma_free_coherent(dev, 1, p, a);
	dma_free_coherent(dev, 5 * 4096, q, b);
	assert_int_equal(rig_stats(dev).coherent_bytes, 0);
}

static void test_release_frees_what_is_left(void **state)
{
	dma_addr_t dma;
	u64 bytes = 99;

	assert_int_equal(coherent_release(dev, &bytes), 0);
	assert_int_equal(bytes, 0);
	for (size_t i = 1; i <= 20; i++)
		assert_non_null(dma_alloc_coherent(dev, i * 1000, &dma, GFP_KERNEL));
	assert_int_equal(coherent_release(dev, &bytes), 20);
	assert_int_equal(bytes, 210000);
	assert_int_equal(coherent_release(dev, &bytes), 0);
}

/* Many blocks, freed in another order: each record is found. */
static void test_many_records(void **state)
{
	enum { N = 500 };
	static struct {
		void *cpu;
		dma_addr_t dma;
	} b[N];

	for (int i = 0; i < N; i++) {
		b[i].cpu = dma_alloc_coherent(dev, 64, &b[i].dma, GFP_KERNEL);
		assert_non_null(b[i].cpu);
	}
	for (int i = 0; i < N; i++) {
		int k = i * 167 % N;

		dma_free_coherent(dev, 64, b[k].cpu, b[k].dma);
		assert_int_equal(rig_stats(dev).coherent_bytes, (u64)(N - 1 - i) * 4096);
	}
}

static void test_sizes_of_one_order_are_one(void **state)
{
	dma_addr_t dma;
	void *p = dma_alloc_coherent(dev, 5000, &dma, GFP_KERNEL);

	/* rounding up twice by the driver is no reason to keep the memory */
	dma_free_coherent(dev, 8192, p, dma);
	assert_int_equal(rig_stats(dev).coherent_bytes, 0);
}

static void test_a_failure_says_of_what(void **state)
{
	dma_addr_t dma = 5;

	assert_null(dma_alloc_coherent(dev, 512 * MIB, &dma, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(dma, 5);
	assert_non_null(strstr(dmamap_strerror(), dev_name(dev)));
	assert_non_null(strstr(dmamap_strerror(), "536870912"));
}

#define with_device(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(test_bytes_are_counted_by_pages),
		with_device(test_release_frees_what_is_left),
		with_device(test_many_records),
		with_device(test_sizes_of_one_order_are_one),
		with_device(test_a_failure_says_of_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
