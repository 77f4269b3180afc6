/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of coherent memory; its promises to drivers are tested in tests/contract. */
#include "core_rig.h"

#include "map/coherent.h"

#include <linux/scatterlist.h>

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

/* Another size is refused, also one with the same pages. */
static void test_another_size_frees_nothing(void **state)
{
	static const size_t wrong[] = {8192, 4999, 5001, 4096, 0};
	dma_addr_t dma;
	void *p = dma_alloc_coherent(dev, 5000, &dma, GFP_KERNEL);

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		dma_free_coherent(dev, wrong[i], p, dma);
		assert_int_equal(errno, EINVAL);
		assert_non_null(strstr(dmamap_strerror(), "5000"));
		assert_int_equal(rig_stats(dev).coherent_bytes, 8192);
	}
	dma_free_coherent(dev, 5000, p, dma);
	assert_int_equal(rig_stats(dev).coherent_bytes, 0);
}

/*
 * Aligned for the CPU and for the device; with a bus offset these are different addresses of RAM.
 */
static void test_a_bus_offset_is_no_multiple_of_the_size(void **state)
{
	static const char *const specs[] = {"sim,iommu=0,bus-offset=64K,ram=64M",
					    "sim,iommu=0,coherent=0,bus-offset=0x130000,ram=64M",
					    "sim,policy=identity,bus-offset=192K,ram=64M",
					    "sim,bus-offset=0x7fff0000,ram=64M"};

	rig_close(dev);
	for (size_t s = 0; s < ARRAY_SIZE(specs); s++) {
		dev = rig_open(specs[s], ~0ull);
		for (u64 size = 1; size <= 2 * MIB; size = size * 3 + 100) {
			u64 align = PAGE_BYTES << get_order(size);
			dma_addr_t dma;
			u8 *cpu = dma_alloc_coherent(dev, size, &dma, GFP_KERNEL), byte = 0x5a;
			struct sg_table sgt;

			assert_non_null(cpu);
			assert_true(rig_all(cpu, size, 0));
			assert_int_equal((uintptr_t)cpu & (align - 1), 0);
			assert_int_equal(dma & (align - 1), 0);
			cpu[size - 1] = 0x33;
			assert_int_equal(dmamap_bus_write(dev, dma, &byte, 1), 0);
			assert_int_equal(cpu[0], 0x5a);
			assert_int_equal(dmamap_bus_read(dev, dma + size - 1, &byte, 1), 0);
			assert_int_equal(byte, cpu[size - 1]);
			/* its pages are RAM, whatever its CPU address is */
			assert_int_equal(dma_get_sgtable(dev, &sgt, cpu, dma, size), 0);
			assert_int_equal(*(u8 *)sg_virt(sgt.sgl), cpu[0]);
			sg_free_table(&sgt);
			dma_free_coherent(dev, size, cpu, dma);
		}
		rig_close(dev);
		assert_int_equal(mem.span, 0); /* no view keeps RAM allocated */
	}
	dev = rig_open("sim,ram=64M", ~0ull);
}

/* Nothing is left of a view that could not be made. */
static void test_no_view_no_memory(void **state)
{
	u64 pages;
	dma_addr_t dma = 7;

	rig_close(dev);
	dev = rig_open("sim,iommu=0,bus-offset=64K,ram=64M", ~0ull);
	pages = mem_pages_used();
	for (u64 nth = 1;; nth++) {
		void *cpu;

		rig_fail(FAIL_MEMORY, nth);
		cpu = dma_alloc_coherent(dev, 300000, &dma, GFP_KERNEL);
		if (cpu) {
			assert_true(nth > 3);
			dma_free_coherent(dev, 300000, cpu, dma);
			break;
		}
		assert_int_equal(dma, 7);
		assert_int_equal(mem_pages_used(), pages);
		assert_int_equal(rig_stats(dev).coherent_bytes, 0);
	}
	rig_fail_none();
	assert_int_equal(mem_pages_used(), pages);
}

/* A part of a block succeeds if both addresses name it. */
static void test_lists_of_parts(void **state)
{
	dma_addr_t dma;
	u8 *cpu = dma_alloc_coherent(dev, 3 * PAGE_BYTES, &dma, GFP_KERNEL);
	struct sg_table sgt;

	cpu[PAGE_BYTES] = 0x11;
	cpu[PAGE_BYTES + 100] = 0x22;
	assert_int_equal(dma_get_sgtable(dev, &sgt, cpu + PAGE_BYTES, dma + PAGE_BYTES, 4097), 0);
	assert_int_equal(sgt.sgl->length, 2 * PAGE_BYTES);
	assert_int_equal(*(u8 *)sg_virt(sgt.sgl), 0x11);
	sg_free_table(&sgt);
	assert_int_equal(
		dma_get_sgtable(dev, &sgt, cpu + PAGE_BYTES + 100, dma + PAGE_BYTES + 100, 8), 0);
	assert_int_equal(*(u8 *)sg_virt(sgt.sgl), 0x22);
	assert_int_equal(sgt.sgl->length, PAGE_BYTES - 100);
	sg_free_table(&sgt);
	/* not a range that exceeds it, nor another address, nor other memory */
	assert_int_equal(
		dma_get_sgtable(dev, &sgt, cpu + PAGE_BYTES, dma + PAGE_BYTES, 3 * PAGE_BYTES + 1),
		-EINVAL);
	assert_int_equal(dma_get_sgtable(dev, &sgt, cpu, dma + PAGE_BYTES, 64), -EINVAL);
	assert_int_equal(dma_get_sgtable(dev, &sgt, &sgt, dma, 64), -EINVAL);
	assert_int_equal(dma_get_sgtable(dev, &sgt, cpu - 1, dma - 1, 64), -EINVAL);
	dma_free_coherent(dev, 3 * PAGE_BYTES, cpu, dma);
	assert_int_equal(dma_get_sgtable(dev, &sgt, cpu, dma, 64), -EINVAL);
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
		with_device(test_another_size_frees_nothing),
		with_device(test_a_bus_offset_is_no_multiple_of_the_size),
		with_device(test_no_view_no_memory),
		with_device(test_lists_of_parts),
		with_device(test_a_failure_says_of_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
