/* SPDX-License-Identifier: BSD-2-Clause */
/* Values that are derived from a mask; tests/contract checks that it is obeyed. */
#include "core_rig.h"

#include "map/bounce.h"

static void test_the_least_that_is_served(void **state)
{
	static const struct {
		const char *spec;
		unsigned int least; /* bits */
	} c[] = {{"sim", 13},
		 {"sim,iommu=0", 24},
		 {"sim,policy=identity", 24},
		 {"sim,policy=lazy", 13},
		 {"sim,bus-offset=0x100000000", 33},
		 {"sim,iommu=0,bus-offset=0x100000000", 33}};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct device *dev = rig_open(c[i].spec, ~0ull);

		for (unsigned int bits = 1; bits <= 64; bits++)
			if (dma_set_mask(dev, DMA_BIT_MASK(bits)) != (bits < c[i].least ? -EIO : 0))
				fail_msg("%s: %u bits", c[i].spec, bits);
		rig_close(dev);
	}
}

static void test_both_or_none(void **state)
{
	struct device *dev = rig_open("sim", DMA_BIT_MASK(40));

	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(36)), 0);
	assert_int_equal(read_once(&dev->coherent_mask), DMA_BIT_MASK(40));
	assert_int_equal(dma_set_coherent_mask(dev, DMA_BIT_MASK(34)), 0);
	assert_int_equal(dma_get_mask(dev), DMA_BIT_MASK(36));
	assert_int_equal(dma_set_mask_and_coherent(dev, 5), -EIO);
	assert_int_equal(dma_get_mask(dev), DMA_BIT_MASK(36));
	assert_int_equal(read_once(&dev->coherent_mask), DMA_BIT_MASK(34));
	rig_close(dev);
}

static void test_required(void **state)
{
	static const struct {
		const char *spec;
		unsigned int bits;
	} c[] = {{"sim,ram=8G", 32},
		 {"sim,ram=8G,iommu=0", 34},
		 {"sim,ram=1G,iommu=0", 30},
		 {"sim,ram=64M,iommu=0", 26},
		 {"sim,ram=8G,bus-offset=0x100000000", 33},
		 {"sim,ram=64M,iommu=0,bus-offset=0x100000000", 33},
		 {"sim,policy=identity", 34},
		 {"sim,ram=64M,policy=identity", 26},
		 {"sim,ram=1G,policy=persistent", 30},
		 {"sim,ram=64M,policy=identity,bus-offset=0x100000000", 33},
		 {"sim,coherent=0,policy=identity", 34}};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct device *dev = dmamap_open(c[i].spec);

		assert_non_null(dev);
		if (dma_get_required_mask(dev) != DMA_BIT_MASK(c[i].bits))
			fail_msg("%s: %#llx", c[i].spec,
				 (unsigned long long)dma_get_required_mask(dev));
		rig_close(dev);
	}
	assert_int_equal(dma_get_required_mask(NULL), 0);
}

/* Bytes that the page tables map which fit into a sixteenth of RAM. */
static u64 tables_reach(void)
{
	u64 ram = mem.low + (mem.span > MEM_DMA32_END ? mem.span - MEM_DMA32_END : 0);

	return ram / 16 / sizeof(u64) * PAGE_BYTES;
}

static void test_sizes(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);

	/* page tables of a sixteenth of RAM, less the page of an unaligned buffer */
	assert_int_equal(dma_max_mapping_size(dev), tables_reach() - PAGE_BYTES);
	assert_int_equal(dma_opt_mapping_size(dev), MIB);
	/* [2 GiB, 4 GiB) up to the interrupt window, less the page of an unaligned buffer */
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	assert_int_equal(dma_max_mapping_size(dev), 0xfee00000 - 2 * GIB - PAGE_BYTES);
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(24)), 0);
	assert_int_equal(dma_max_mapping_size(dev), 8 * MIB - PAGE_BYTES);
	assert_int_equal(dma_opt_mapping_size(dev), MIB);
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(13)), 0);
	assert_int_equal(dma_max_mapping_size(dev), 1);
	rig_close(dev);
	dev = rig_open("sim,policy=identity", ~0ull);
	assert_int_equal(dma_max_mapping_size(dev), tables_reach() - PAGE_BYTES);
	/*
	 * RAM below 3 GiB leaves [3 GiB, 4 GiB), divided by the interrupt window; or bounce memory
	 */
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	assert_int_equal(dma_max_mapping_size(dev), 0xfee00000 - 3 * GIB - PAGE_BYTES);
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(31)), 0);
	assert_int_equal(dma_max_mapping_size(dev), BOUNCE_SEGMENT - PAGE_BYTES);
	rig_close(dev);
	dev = rig_open("sim,iommu=0", ~0ull);
	assert_int_equal(dma_max_mapping_size(dev), BOUNCE_SEGMENT);
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	assert_int_equal(dma_max_mapping_size(dev), BOUNCE_SEGMENT);
	assert_int_equal(dma_opt_mapping_size(dev), BOUNCE_SEGMENT);
	assert_int_equal(dma_set_min_align_mask(dev, 4095), 0);
	assert_int_equal(dma_max_mapping_size(dev), BOUNCE_SEGMENT - PAGE_BYTES);
	rig_close(dev);
	dev = rig_open("sim,untrusted=1", ~0ull);
	assert_int_equal(dma_max_mapping_size(dev), BOUNCE_SEGMENT - PAGE_BYTES);
	rig_close(dev);
}

static void test_nobody(void **state)
{
	assert_int_equal(dma_get_max_seg_size(NULL), 0);
	assert_int_equal(dma_get_seg_boundary(NULL), 0);
	assert_int_equal(dma_get_min_align_mask(NULL), 0);
	assert_int_equal(dma_opt_mapping_size(NULL), 0);
	assert_int_equal(dma_get_merge_boundary(NULL), 0);
	assert_int_equal(dma_set_mask(NULL, ~0ull), -EINVAL);
	assert_int_equal(dma_set_coherent_mask(NULL, ~0ull), -EINVAL);
	assert_false(dma_need_unmap(NULL));
	assert_false(dma_can_mmap(NULL));
}

static void test_pages_to_a_boundary(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);

	assert_int_equal(dma_set_seg_boundary(dev, ~0ul), 0);
	assert_int_equal(dma_get_seg_boundary_nr_pages(dev, 12), 1ul << 52);
	assert_int_equal(dma_get_seg_boundary_nr_pages(dev, 64), 1);
	assert_int_equal(dma_set_seg_boundary(dev, 0), 0);
	assert_int_equal(dma_get_seg_boundary_nr_pages(dev, 12), 1);
	rig_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_least_that_is_served),
		cmocka_unit_test(test_both_or_none),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_pages_to_a_boundary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
