/* SPDX-License-Identifier: BSD-2-Clause */
/* Wrong arguments: the call fails without side effects, sets an error message, and is reported. */
#include "contract.h"

#include <linux/vmalloc.h>

static void refused(dma_addr_t addr, const char *word)
{
	map_failed(addr, word);
	reported(DMAMAP_CHECK_BAD_ARGUMENT);
}

static void refused_resource(dma_addr_t addr, const char *word)
{
	map_failed(addr, word);
	reported(DMAMAP_CHECK_MAP_RESOURCE);
}

static void test_bad_directions_and_sizes(void **state)
{
	static const int directions[] = {DMA_NONE, 4, -1, 1000};
	struct buffer b = buffer_get(KMALLOC, 4096);

	for (size_t i = 0; i < COUNT(directions); i++) {
		enum dma_data_direction dir = (enum dma_data_direction)directions[i];

		refused(dma_map_single(dev, b.cpu, 64, dir), "direction");
		refused(dma_map_page(dev, virt_to_page(b.cpu), 0, 64, dir), "direction");
		refused(dma_map_phys(dev, virt_to_phys(b.cpu), 64, dir, 0), "direction");
		refused(dma_map_resource(dev, 0xd0000000, 64, dir, 0), "direction");
	}
	refused(dma_map_single(dev, b.cpu, 0, DMA_TO_DEVICE), "size");
	refused(dma_map_page(dev, virt_to_page(b.cpu), 0, 0, DMA_TO_DEVICE), "size");
	refused(dma_map_phys(dev, virt_to_phys(b.cpu), 0, DMA_TO_DEVICE, 0), "size");
	refused(dma_map_resource(dev, 0xd0000000, 0, DMA_TO_DEVICE, 0), "size");
	buffer_put(&b);
}

static void test_ranges_that_wrap_or_leave_memory(void **state)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4095, 1ull << 63, 1ull << 51,
				       1ull << 47};
	struct buffer b = buffer_get(KMALLOC, 4096), h = buffer_get(HEAP, 4096);

	for (size_t i = 0; i < COUNT(sizes); i++) {
		refused(dma_map_single(dev, b.cpu, sizes[i], DMA_TO_DEVICE), "");
		refused(dma_map_single(dev, h.cpu, sizes[i], DMA_TO_DEVICE), "");
		refused(dma_map_page(dev, virt_to_page(b.cpu), 64, sizes[i], DMA_TO_DEVICE), "");
		refused(dma_map_page(dev, virt_to_page(b.cpu), sizes[i], 64, DMA_TO_DEVICE), "");
		refused(dma_map_phys(dev, 4096, sizes[i], DMA_TO_DEVICE, 0), "");
		refused_resource(dma_map_resource(dev, 0xd0000000, sizes[i], DMA_TO_DEVICE, 0), "");
	}
	refused(dma_map_phys(dev, ~0ull, 1, DMA_TO_DEVICE, 0), "");
	refused(dma_map_phys(dev, ~0ull - 4095, 8192, DMA_TO_DEVICE, 0), "");
	buffer_put(&b);
	buffer_put(&h);
}

/* Physical addresses without memory, and pages that refer to them. */
static void test_what_is_no_memory(void **state)
{
	static const phys_addr_t nothing[] = {0xd0000000, 0xfffff000, 1ull << 45,
					      (1ull << 50) - 4096};

	for (size_t i = 0; i < COUNT(nothing); i++) {
		for (int dir = 0; dir < 3; dir++)
			refused(dma_map_phys(dev, nothing[i], 64, (enum dma_data_direction)dir, 0),
				"");
	}
	if (has_gap())
		refused(dma_map_page(dev, phys_to_page(0xd0000000), 0, 64, DMA_TO_DEVICE), "");
	refused(dma_map_single(dev, NULL, 64, DMA_FROM_DEVICE), "");
	refused(dma_map_single(dev, (void *)64, 64, DMA_BIDIRECTIONAL), "");
	refused(dma_map_page(dev, NULL, 0, 64, DMA_TO_DEVICE), "");
}

static void test_memory_is_no_register(void **state)
{
	struct buffer b = buffer_get(KMALLOC, 4096), h = buffer_get(HEAP, 4096);

	refused_resource(dma_map_resource(dev, virt_to_phys(b.cpu), 64, DMA_TO_DEVICE, 0),
			 "memory");
	refused_resource(dma_map_resource(dev, virt_to_phys(h.cpu), 64, DMA_TO_DEVICE, 0),
			 "memory");
	refused_resource(dma_map_resource(dev, 0xfffff000, 8192, DMA_TO_DEVICE, 0), "memory");
	buffer_put(&b);
	buffer_put(&h);
}

static void test_vmalloc_memory_is_refused(void **state)
{
	u8 *v = vmalloc(3 * 4096);
	dma_addr_t addr;

	assert_non_null(v);
	fill(v, 3 * 4096, 1);
	refused(dma_map_single(dev, v, 64, DMA_TO_DEVICE), "vmalloc");
	refused(dma_map_single(dev, v + 5000, 3000, DMA_FROM_DEVICE), "vmalloc");
	/* its pages are valid */
	addr = dma_map_page(dev, vmalloc_to_page(v + 4096), 100, 300, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	{
		u8 seen[300];

		device_reads(addr, seen, 300);
		assert_true(holds_part(seen, 300, 1, 4096 + 100));
	}
	dma_unmap_page(dev, addr, 300, DMA_TO_DEVICE);
	vfree(v);
}

static void test_no_device(void **state)
{
	struct buffer b = buffer_get(KMALLOC, 4096);
	struct scatterlist sg;

	sg_init_one(&sg, b.cpu, 64);
	map_failed(dma_map_single(NULL, b.cpu, 64, DMA_TO_DEVICE), "NULL");
	map_failed(dma_map_page(NULL, virt_to_page(b.cpu), 0, 64, DMA_TO_DEVICE), "NULL");
	map_failed(dma_map_phys(NULL, virt_to_phys(b.cpu), 64, DMA_TO_DEVICE, 0), "NULL");
	map_failed(dma_map_resource(NULL, 0xd0000000, 64, DMA_TO_DEVICE, 0), "NULL");
	assert_int_equal(dma_map_sg(NULL, &sg, 1, DMA_TO_DEVICE), 0);
	dma_unmap_single(NULL, 4096, 64, DMA_TO_DEVICE);
	dma_unmap_page(NULL, 4096, 64, DMA_TO_DEVICE);
	dma_unmap_phys(NULL, 4096, 64, DMA_TO_DEVICE, 0);
	dma_unmap_resource(NULL, 4096, 64, DMA_TO_DEVICE, 0);
	dma_unmap_sg(NULL, &sg, 1, DMA_TO_DEVICE);
	dma_sync_single_for_cpu(NULL, 4096, 64, DMA_FROM_DEVICE);
	dma_sync_single_for_device(NULL, 4096, 64, DMA_TO_DEVICE);
	dma_sync_sg_for_cpu(NULL, &sg, 1, DMA_FROM_DEVICE);
	dma_sync_sg_for_device(NULL, &sg, 1, DMA_TO_DEVICE);
	assert_false(dma_need_sync(NULL, 4096));
	assert_false(dma_dev_need_sync(NULL));
	buffer_put(&b);
}

/* Where each mapping is a translation of its own, wrong unmaps are detected and undo nothing. */
static void test_unmap_of_what_is_not_mapped(void **state)
{
	struct buffer b = buffer_get(PAGES, 16384);
	dma_addr_t addr;

	dma_unmap_single(dev, DMA_MAPPING_ERROR, 64, DMA_TO_DEVICE);
	reported(DMAMAP_CHECK_UNMAP_NOT_MAPPED);
	assert_int_equal(dma_mapping_error(dev, DMA_MAPPING_ERROR), -ENOMEM);
	assert_int_equal(dma_mapping_error(dev, 0), 0);
	if (protects_ram()) {
		fill(b.cpu, b.size, 1);
		addr = dma_map_single(dev, b.cpu, b.size, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr + 4096, 4096, DMA_BIDIRECTIONAL);
		reported(DMAMAP_CHECK_UNMAP_NOT_MAPPED);
		dma_unmap_single(dev, NOWHERE, 4096, DMA_BIDIRECTIONAL);
		reported(DMAMAP_CHECK_UNMAP_NOT_MAPPED);
		dma_unmap_single(dev, 1ull << 60, 4096, DMA_BIDIRECTIONAL);
		reported(DMAMAP_CHECK_UNMAP_NOT_MAPPED);
		assert_int_equal(live(), 1);
		assert_true(device_sees(addr, b.size, 1));
		dma_unmap_single(dev, addr, b.size, DMA_BIDIRECTIONAL);
		dma_unmap_single(dev, addr, b.size, DMA_BIDIRECTIONAL);
		reported(DMAMAP_CHECK_UNMAP_TWICE);
	}
	buffer_put(&b);
}

static void test_unmap_with_another_size(void **state)
{
	struct buffer b = buffer_get(PAGES, 16384);
	dma_addr_t addr;

	if (protects_ram()) {
		addr = dma_map_single(dev, b.cpu, b.size, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
		reported(DMAMAP_CHECK_UNMAP_SIZE);
		/* the whole mapping is removed nevertheless: half of it would be a leak */
		assert_int_equal(live(), 0);
		if (!is_lazy())
			device_is_refused(addr + 8192, 64, true, DMAMAP_FAULT_NOT_MAPPED);
	}
	buffer_put(&b);
}

/* Another byte of the right page: no slot of a bounced mapping stays allocated. */
/*
 * The directions to and from the device exclude each other: such an unmap concerns another mapping.
 */
static void test_unmap_the_other_way(void **state)
{
	static const enum dma_data_direction ways[] = {DMA_TO_DEVICE, DMA_FROM_DEVICE};
	static const size_t sizes[] = {100, 4096, 20000};
	struct buffer b = buffer_get(PAGES, 32768);

	for (size_t i = 0; i < 2 * COUNT(sizes) && protects_ram(); i++) {
		enum dma_data_direction dir = ways[i % 2], other = ways[1 - i % 2];
		size_t size = sizes[i / 2];
		struct scatterlist sg;
		dma_addr_t addr = dma_map_single(dev, b.cpu, size, dir);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr, size, other);
		reported(DMAMAP_CHECK_UNMAP_DIRECTION);
		if (!is_checked())
			error_contains("was not unmapped");
		assert_int_equal(live(), 1);
		if (dir == DMA_TO_DEVICE)
			device_reads(addr, b.cpu + 24576, size < 4096 ? size : 4096);
		else
			device_writes(addr, b.cpu + 24576, size < 4096 ? size : 4096);
		dma_unmap_single(dev, addr, size, dir);
		assert_int_equal(live(), 0);
		/* a mapping for both directions includes this one */
		addr = dma_map_single(dev, b.cpu, size, dir);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
		reported(DMAMAP_CHECK_UNMAP_DIRECTION);
		assert_int_equal(live(), 0);

		sg_init_one(&sg, b.cpu, (unsigned int)size);
		assert_int_equal(dma_map_sg(dev, &sg, 1, dir), 1);
		dma_unmap_sg(dev, &sg, 1, other);
		reported(DMAMAP_CHECK_UNMAP_DIRECTION);
		dma_unmap_sg(dev, &sg, 1, dir);
		assert_int_equal(live(), 0);
	}
	buffer_put(&b);
}

static void test_unmap_beside_the_first_byte(void **state)
{
	struct buffer b = buffer_get(PAGES, 4096);

	for (int i = 0; is_untrusted() && i < 600; i++) {
		dma_addr_t addr = dma_map_single(dev, b.cpu, 100, DMA_FROM_DEVICE);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr + 8, 100, DMA_FROM_DEVICE);
		reported(DMAMAP_CHECK_UNMAP_NOT_MAPPED);
		assert_int_equal(live(), 0);
	}
	buffer_put(&b);
}

/* Addresses that were never allocated: nothing is copied, and nothing crashes. */
static void test_unmap_and_sync_of_nonsense(void **state)
{
	static const dma_addr_t nonsense[] = {0xd0000000, 0xfffff000, 1ull << 45, 1ull << 51,
					      ~0ull - 1};
	struct device *other = open_another(",name=other");

	for (size_t i = 0; i < COUNT(nonsense); i++)
		for (int dir = 0; dir < 4; dir++) {
			enum dma_data_direction d = (enum dma_data_direction)dir;

			dma_sync_single_for_cpu(other, nonsense[i], 64, d);
			dma_sync_single_for_device(other, nonsense[i], 64, d);
			dma_sync_single_for_cpu(other, nonsense[i], SIZE_MAX, d);
			dma_sync_single_for_device(other, nonsense[i], SIZE_MAX, d);
			dma_sync_single_for_cpu(other, nonsense[i], 0, d);
			dma_unmap_single(other, nonsense[i], 64, d);
			dma_unmap_single(other, nonsense[i], SIZE_MAX, d);
			dma_unmap_single(other, nonsense[i], 0, d);
			dma_unmap_resource(other, nonsense[i], 64, d, 0);
		}
	dmamap_close(other);
	reports_forget();
}

const struct CMUnitTest misuse_tests[] = {
	contract_test(test_bad_directions_and_sizes),
	contract_test(test_ranges_that_wrap_or_leave_memory),
	contract_test(test_what_is_no_memory),
	contract_test(test_memory_is_no_register),
	contract_test(test_vmalloc_memory_is_refused),
	contract_test(test_no_device),
	contract_test(test_unmap_of_what_is_not_mapped),
	contract_test(test_unmap_with_another_size),
	contract_test(test_unmap_the_other_way),
	contract_test(test_unmap_beside_the_first_byte),
	contract_test(test_unmap_and_sync_of_nonsense),
};
const size_t n_misuse_tests = COUNT(misuse_tests);
