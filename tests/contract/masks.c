/* SPDX-License-Identifier: BSD-2-Clause */
/* Masks and limits. */
#include "contract.h"

#include <stdio.h>

/*
 * A device with such a mask is supported: it reaches a page, or zone DMA where RAM has its own
 * address.
 */
static bool is_served(unsigned int bits)
{
	u64 least = protects_ram() ? 0x1fff : 0xffffff;

	return mask_of(bits) >= bus_offset() && mask_of(bits) - bus_offset() >= least;
}

static void test_a_device_begins_with_32_bits(void **state)
{
	struct device *fresh = dmamap_open(config->spec);
	dma_addr_t dma = 1;
	void *cpu;

	assert_non_null(fresh);
	assert_int_equal(dma_get_mask(fresh), DMA_BIT_MASK(32));
	cpu = dma_alloc_coherent(fresh, 4096, &dma, GFP_KERNEL);
	if (!is_served(32)) {
		/* 32 bits reach no part of it */
		assert_null(cpu);
		assert_int_equal(dma, 1);
	} else {
		assert_non_null(cpu);
		assert_true(dma <= DMA_BIT_MASK(32));
		dma_free_coherent(fresh, 4096, cpu, dma);
	}
	dmamap_close(fresh);
}

static void test_what_cannot_be_served_changes_nothing(void **state)
{
	static const u64 bad[] = {0, 1, 5, 0xfff, 0xffffffff00000000ull, 0x7ffffffe, 1ull << 63};
	int (*const set[])(struct device *, u64) = {dma_set_mask, dma_set_coherent_mask,
						    dma_set_mask_and_coherent,
						    dma_coerce_mask_and_coherent};

	for (size_t i = 0; i < COUNT(bad); i++)
		for (size_t k = 0; k < COUNT(set); k++) {
			assert_int_equal(set[k](dev, bad[i]), -EIO);
			error_contains(dev_name(dev));
			assert_int_equal(dma_get_mask(dev), mask_of(config->mask_bits));
		}
	if (!is_served(32)) {
		assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(32)), -EIO);
		assert_int_equal(dma_set_coherent_mask(dev, DMA_BIT_MASK(32)), -EIO);
		assert_int_equal(dma_get_mask(dev), mask_of(config->mask_bits));
	}
	for (size_t k = 0; k < COUNT(set); k++)
		assert_true(set[k](NULL, DMA_BIT_MASK(32)) < 0);
	assert_int_equal(dma_get_mask(NULL), 0);
}

/* A refused coherent mask does not replace the old one; only an allocation can show this. */
static void test_a_refused_coherent_mask_is_not_used(void **state)
{
	unsigned int bits = is_served(30) ? 30 : 34;
	dma_addr_t dma;
	void *cpu;

	assert_int_equal(dma_set_coherent_mask(dev, mask_of(bits)), 0);
	assert_int_equal(dma_set_coherent_mask(dev, 0x1000), -EIO);
	for (int i = 0; i < 3; i++) {
		cpu = dma_alloc_coherent(dev, 65536, &dma, GFP_KERNEL);
		assert_non_null(cpu);
		assert_true(dma + 65535 <= mask_of(bits));
		dma_free_coherent(dev, 65536, cpu, dma);
	}
}

/* Whether a mapping within such a mask must succeed here, not only obey it. */
static bool must_serve(unsigned int bits, const struct buffer *b)
{
	/*
	 * bounce memory is where the smallest mask reaches; behind an IOMMU that may be two pages
	 */
	return is_served(bits) && (bits >= 24 || b->size == 1);
}

static void map_within(unsigned int bits, enum kind kind, size_t size, size_t offset)
{
	struct buffer b = buffer_get(kind, size + offset);
	dma_addr_t addr;

	fill(b.cpu, b.size, bits);
	addr = dma_map_single(dev, b.cpu + offset, size, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, addr)) {
		if (must_serve(bits, &b))
			fail_msg("%u bits, %s, %zu bytes: %s", bits, kind_names[kind], size,
				 dmamap_strerror());
		map_failed(addr, "");
		assert_true(*dmamap_strerror() != 0);
	} else {
		u8 seen[32 * 1024];

		assert_true(addr <= mask_of(bits));
		assert_true(size - 1 <= mask_of(bits) - addr);
		device_reads(addr, seen, size);
		assert_true(holds_part(seen, size, bits, offset));
		fill(seen, size, bits + 1);
		device_writes(addr, seen, size);
		dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
		assert_true(holds_part(b.cpu, offset, bits, 0));
		assert_true(holds(b.cpu + offset, size, bits + 1));
	}
	buffer_put(&b);
}

static void test_no_address_is_beyond_the_mask(void **state)
{
	static const unsigned int bits[] = {64, 48, 40, 36, 34, 33, 32, 31, 30, 28, 25, 24, 20, 13};
	static const size_t sizes[] = {1, 64, 4096, 5000, 32 * 1024};

	for (size_t i = 0; i < COUNT(bits); i++) {
		if (bits[i] > config->mask_bits)
			continue;
		if (dma_set_mask(dev, mask_of(bits[i]))) {
			assert_false(is_served(bits[i]));
			continue;
		}
		assert_true(is_served(bits[i]));
		assert_int_equal(dma_get_mask(dev), mask_of(bits[i]));
		for (enum kind kind = 0; kind < KINDS; kind++)
			for (size_t k = 0; k < COUNT(sizes); k++) {
				map_within(bits[i], kind, sizes[k], 0);
				if (sizes[k] < 32 * 1024)
					map_within(bits[i], kind, sizes[k], 64);
			}
	}
}

static void test_memory_of_the_stack(void **state)
{
	u8 local[3 * 64] __attribute__((aligned(64)));
	dma_addr_t addr;

	fill(local, sizeof(local), 1);
	addr = dma_map_single(dev, local + 64, 64, DMA_BIDIRECTIONAL);
	reported(DMAMAP_CHECK_MAP_STACK);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	assert_true(addr + 63 <= mask_of(config->mask_bits));
	device_writes(addr + 8, "\xff", 1);
	dma_unmap_single(dev, addr, 64, DMA_BIDIRECTIONAL);
	assert_true(holds(local, 72, 1));
	assert_int_equal(local[72], 0xff);
	assert_true(holds_part(local + 73, sizeof(local) - 73, 1, 73));
}

static void test_coherent_memory_is_within_its_mask(void **state)
{
	static const unsigned int bits[] = {64, 40, 36, 34, 32, 30, 28, 26, 24};
	static const size_t sizes[] = {1, 4096, 20000, 128 * 1024};

	for (size_t i = 0; i < COUNT(bits); i++) {
		if (bits[i] > config->mask_bits || dma_set_coherent_mask(dev, mask_of(bits[i])))
			continue;
		for (size_t k = 0; k < COUNT(sizes); k++) {
			dma_addr_t dma;
			void *cpu = dma_alloc_coherent(dev, sizes[k], &dma, GFP_KERNEL);

			/* RAM below 16 MiB is free: every accepted mask is sufficient */
			if (!cpu)
				fail_msg("%u bits: %s", bits[i], dmamap_strerror());
			assert_true(dma <= mask_of(bits[i]) &&
				    sizes[k] - 1 <= mask_of(bits[i]) - dma);
			dma_free_coherent(dev, sizes[k], cpu, dma);
		}
	}
	assert_int_equal(dma_get_mask(dev), mask_of(config->mask_bits));
}

static void test_the_required_mask_reaches_all_memory(void **state)
{
	u64 mask = dma_get_required_mask(dev);

	assert_int_equal(mask & (mask + 1), 0);
	assert_true(mask >= DMA_BIT_MASK(24));
	if (protects_ram() && !bus_offset())
		assert_true(mask <= DMA_BIT_MASK(32));
	if (mask > mask_of(config->mask_bits))
		return;
	assert_int_equal(dma_set_mask(dev, mask), 0);
	assert_false(dma_addressing_limited(dev));
	for (enum kind kind = KMALLOC; kind <= LOW_PAGES; kind++) {
		/* as high as RAM reaches */
		struct buffer b = buffer_get(kind, 4096);
		u64 bounced = stats().bounced_bytes;
		dma_addr_t addr = dma_map_single(dev, b.cpu, 4096, DMA_BIDIRECTIONAL);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		assert_true(addr <= mask && mask - addr >= 4095);
		assert_int_equal(stats().bounced_bytes, bounced);
		dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
		buffer_put(&b);
	}
}

static void test_addressing_limited(void **state)
{
	struct buffer b = buffer_get(PAGES, 4096);
	bool high = virt_to_phys(b.cpu) + bus_offset() > mask_of(config->mask_bits);

	if (!has_iommu() || ram_stays_mapped())
		assert_int_equal(dma_addressing_limited(dev), high);
	else
		assert_false(dma_addressing_limited(dev));
	assert_false(dma_addressing_limited(NULL));
	buffer_put(&b);
}

static void test_segment_limits(void **state)
{
	assert_int_equal(dma_get_max_seg_size(dev), 65536);
	assert_int_equal(dma_set_max_seg_size(dev, 4096), 0);
	assert_int_equal(dma_get_max_seg_size(dev), 4096);
	assert_int_equal(dma_set_max_seg_size(dev, 0), -EINVAL);
	assert_int_equal(dma_get_max_seg_size(dev), 4096);
	assert_int_equal(dma_set_max_seg_size(NULL, 4096), -EINVAL);

	assert_int_equal(dma_get_seg_boundary(dev), DMA_BIT_MASK(32));
	assert_int_equal(dma_get_seg_boundary_nr_pages(dev, 12), 1u << 20);
	assert_int_equal(dma_set_seg_boundary(dev, 0xffff), 0);
	assert_int_equal(dma_get_seg_boundary(dev), 0xffff);
	assert_int_equal(dma_get_seg_boundary_nr_pages(dev, 12), 16);
	assert_int_equal(dma_set_seg_boundary(dev, 0x12345), -EINVAL);
	assert_int_equal(dma_get_seg_boundary(dev), 0xffff);
	assert_int_equal(dma_set_seg_boundary(NULL, 0xffff), -EINVAL);
	assert_int_equal(dma_set_seg_boundary(dev, ~0ul), 0);

	assert_int_equal(dma_get_min_align_mask(dev), 0);
	assert_int_equal(dma_set_min_align_mask(dev, 4095), 0);
	assert_int_equal(dma_get_min_align_mask(dev), 4095);
	assert_int_equal(dma_set_min_align_mask(dev, 5), -EINVAL);
	assert_int_equal(dma_set_min_align_mask(dev, 8191), -EINVAL);
	assert_int_equal(dma_get_min_align_mask(dev), 4095);
	assert_int_equal(dma_set_min_align_mask(NULL, 0), -EINVAL);
}

static void test_what_the_platform_says_of_itself(void **state)
{
	assert_int_equal(dma_get_cache_alignment(), 64);
	assert_true(dma_need_unmap(dev));
	assert_true(dma_can_mmap(dev));
	if (!is_coherent())
		assert_true(dma_dev_need_sync(dev));
	if (dma_get_merge_boundary(dev))
		assert_int_equal(dma_get_merge_boundary(dev), PAGE_SIZE - 1);
	/* where nothing is mapped entry by entry */
	assert_int_equal(dma_get_merge_boundary(dev) != 0,
			 protects_ram() && is_coherent() && !is_untrusted() && !on_qemu());
	assert_non_null(dev_name(dev));
}

const struct CMUnitTest mask_tests[] = {
	contract_test(test_a_device_begins_with_32_bits),
	contract_test(test_what_cannot_be_served_changes_nothing),
	contract_test(test_a_refused_coherent_mask_is_not_used),
	contract_test(test_no_address_is_beyond_the_mask),
	contract_test(test_memory_of_the_stack),
	contract_test(test_coherent_memory_is_within_its_mask),
	contract_test(test_the_required_mask_reaches_all_memory),
	contract_test(test_addressing_limited),
	contract_test(test_segment_limits),
	contract_test(test_what_the_platform_says_of_itself),
};
const size_t n_mask_tests = COUNT(mask_tests);
