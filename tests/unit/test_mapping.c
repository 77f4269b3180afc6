/* SPDX-License-Identifier: BSD-2-Clause */
/* The front door: calls that are refused, counted, or made to fail. */
#include "core_rig.h"

#include "map/map.h"

static void test_where_memory_ends(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u8 local;

	assert_int_equal(phys_limit(PHYS(0)), mem.low);
	assert_int_equal(phys_limit(PHYS(mem.low - 1)), mem.low);
	assert_int_equal(phys_limit(PHYS(mem.low)), 0);
	assert_int_equal(phys_limit(PHYS(MEM_DMA32_END - 1)), 0);
	assert_int_equal(phys_limit(PHYS(MEM_DMA32_END)), mem.span);
	assert_int_equal(phys_limit(PHYS(mem.span - 1)), mem.span);
	assert_int_equal(phys_limit(PHYS(mem.span)), 0);
	assert_int_equal(phys_limit(PHYS(PHYS_FOREIGN - 1)), 0);
	assert_int_equal(phys_limit(phys_of(NULL)), 0);
	assert_true(phys_limit(phys_of(&local)) > phys_of(&local).v);
	assert_true(phys_range_is_ram(PHYS(0), mem.low));
	assert_false(phys_range_is_ram(PHYS(0), mem.low + 1));
	assert_false(phys_range_is_ram(PHYS(mem.low), 1));
	assert_false(phys_range_is_ram(PHYS(mem.span), 1));
	assert_false(phys_range_is_ram(PHYS(8), ~0ull));
	assert_false(phys_range_is_ram(phys_of(&local), 1));
	rig_close(dev);
}

static void test_ranges_across_the_end_of_a_part(void **state)
{
	static const char *const specs[] = {"sim", "sim,policy=identity", "sim,iommu=0",
					    "sim,coherent=0", "sim,coherent=0,iommu=0"};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct device *dev = rig_open(specs[i], ~0ull);
		const u64 ends[] = {mem.low, mem.span};

		for (size_t k = 0; k < 2; k++) {
			dma_addr_t addr = dma_map_phys(dev, ends[k] - 64, 64, DMA_TO_DEVICE, 0);

			assert_int_equal(dma_mapping_error(dev, addr), 0);
			dma_unmap_phys(dev, addr, 64, DMA_TO_DEVICE, 0);
			addr = dma_map_phys(dev, ends[k] - 64, 65, DMA_TO_DEVICE, 0);
			assert_int_not_equal(dma_mapping_error(dev, addr), 0);
		}
		rig_close(dev);
	}
}

static void test_registers_are_what_is_no_memory(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);

	assert_true(phys_is_registers(mem.low, 4096));
	assert_true(phys_is_registers(0xfee00000, 4096));
	assert_true(phys_is_registers(MEM_DMA32_END - 1, 1));
	assert_false(phys_is_registers(MEM_DMA32_END - 1, 2));
	assert_false(phys_is_registers(mem.low - 1, 2));
	assert_true(phys_is_registers(mem.span, 1ull << 40));
	assert_false(phys_is_registers(PHYS_FOREIGN - 1, 2));
	assert_false(phys_is_registers(~0ull, 2));
	assert_false(phys_is_registers(mem.span, 0));
	rig_close(dev);
}

static void test_failing_on_purpose(void **state)
{
	struct device *dev = rig_open("sim,name=here", ~0ull),
		      *other = rig_open("sim,name=there", ~0ull);
	void *p = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr;

	assert_int_equal(dmamap_fail("map:nth=1,dev=here"), 0);
	addr = dma_map_single(other, p, 64, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(other, addr), 0);
	dma_unmap_single(other, addr, 64, DMA_TO_DEVICE);
	assert_int_not_equal(dma_mapping_error(dev, dma_map_single(dev, p, 64, DMA_TO_DEVICE)), 0);
	assert_non_null(strstr(dmamap_strerror(), "here"));
	assert_int_equal(dmamap_fail("map:nth=1"), 0);
	assert_int_not_equal(
		dma_mapping_error(dev, dma_map_resource(dev, 0xd0000000, 64, DMA_TO_DEVICE, 0)), 0);
	assert_int_equal(dmamap_fail(NULL), 0);
	kfree(p);
	rig_close(dev);
	rig_close(other);
}

static void test_size_classes(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 4, 1023, 1024, 65536, 100000};
	struct device *dev = rig_open("sim", ~0ull);
	void *p = (void *)__get_free_pages(GFP_KERNEL, 5);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int class = log2_floor(sizes[i]);
		u64 before = rig_stats(dev).map_sizes[class];
		dma_addr_t addr = dma_map_single(dev, p, sizes[i], DMA_TO_DEVICE);

		assert_int_equal(rig_stats(dev).map_sizes[class], before + 1);
		dma_unmap_single(dev, addr, sizes[i], DMA_TO_DEVICE);
	}
	free_pages((unsigned long)p, 5);
	rig_close(dev);
}

static void test_direction_bits(void **state)
{
	assert_int_equal(prot_of(DMA_BIDIRECTIONAL), PT_READ | PT_WRITE);
	assert_int_equal(prot_of(DMA_TO_DEVICE), PT_READ);
	assert_int_equal(prot_of(DMA_FROM_DEVICE), PT_WRITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_memory_ends),
		cmocka_unit_test(test_ranges_across_the_end_of_a_part),
		cmocka_unit_test(test_registers_are_what_is_no_memory),
		cmocka_unit_test(test_failing_on_purpose),
		cmocka_unit_test(test_size_classes),
		cmocka_unit_test(test_direction_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
