/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices behind an IOMMU: what stands in the page table. */
#include "core_rig.h"

#include "map/map.h"

static u64 entry_of(struct device *dev, dma_addr_t addr)
{
	return pt_walk(&dev->domain->pt, IOVA(addr - dev->bus_offset));
}

static void test_leaves_say_what_they_are(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 2), *heap = aligned_alloc(4096, 8192);
	dma_addr_t addr;

	addr = dma_map_single(dev, p + 100, 8192, DMA_TO_DEVICE);
	assert_int_equal(addr & 4095, 100);
	assert_int_equal(entry_of(dev, addr) & PT_ADDR, virt_to_phys(p));
	assert_int_equal(entry_of(dev, addr) & PT_PRESENT, PT_READ);
	assert_int_equal(entry_of(dev, addr) & PT_WHOLE, PT_FIRST);
	assert_int_equal(entry_of(dev, addr + 4096) & PT_WHOLE, 0);
	assert_int_equal(entry_of(dev, addr + 8192) & PT_WHOLE, PT_LAST);
	assert_int_equal(entry_of(dev, addr + 3 * 4096), 0);
	assert_false(entry_of(dev, addr) & PT_BOUNCED);
	dma_unmap_single(dev, addr, 8192, DMA_TO_DEVICE);
	assert_int_equal(entry_of(dev, addr), 0);

	addr = dma_map_single(dev, heap, 1, DMA_FROM_DEVICE);
	assert_int_equal(entry_of(dev, addr) & PT_PRESENT, PT_WRITE);
	assert_int_equal(entry_of(dev, addr) & PT_WHOLE, PT_WHOLE);
	assert_true(entry_of(dev, addr) & PHYS_FOREIGN);
	dma_unmap_single(dev, addr, 1, DMA_FROM_DEVICE);
	addr = dma_map_single(dev, p, 1, DMA_BIDIRECTIONAL);
	assert_int_equal(entry_of(dev, addr) & PT_PRESENT, PT_READ | PT_WRITE);
	dma_unmap_single(dev, addr, 1, DMA_BIDIRECTIONAL);
	free_pages((unsigned long)p, 2);
	free(heap);
	rig_close(dev);
}

static void test_bounced_leaves(void **state)
{
	struct device *dev = rig_open("sim,untrusted=1", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 1);
	dma_addr_t part = dma_map_single(dev, p, 100, DMA_TO_DEVICE);
	dma_addr_t whole = dma_map_single(dev, p + 4096, 4096, DMA_TO_DEVICE);

	assert_true(entry_of(dev, part) & PT_BOUNCED);
	assert_true(phys_is_bounce(PHYS(entry_of(dev, part) & PT_ADDR)));
	assert_false(entry_of(dev, whole) & PT_BOUNCED);
	assert_int_equal(entry_of(dev, whole) & PT_ADDR, virt_to_phys(p + 4096));
	assert_true(iommu_must_bounce(dev, phys_of(p + 1), 4096));
	assert_true(iommu_must_bounce(dev, phys_of(p), 4095));
	assert_false(iommu_must_bounce(dev, phys_of(p), 8192));
	dma_unmap_single(dev, part, 100, DMA_TO_DEVICE);
	dma_unmap_single(dev, whole, 4096, DMA_TO_DEVICE);
	free_pages((unsigned long)p, 1);
	rig_close(dev);
}

/* Its pages are there already: no table is touched, no address taken. */
static void test_pool_is_identity_mapped(void **state)
{
	struct device *dev = rig_open("sim,policy=identity", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 1), *heap = aligned_alloc(4096, 4096);
	u64 tables = dev->domain->pt.tables, pages = rig_stats(dev).iova_pages;
	dma_addr_t addr = dma_map_single(dev, p + 10, 5000, DMA_TO_DEVICE), other;

	assert_int_equal(addr, virt_to_phys(p + 10));
	assert_int_equal(dev->domain->pt.tables, tables);
	assert_int_equal(rig_stats(dev).iova_pages, pages);
	other = dma_map_single(dev, heap, 4096, DMA_TO_DEVICE);
	assert_true(other < mem.span ? other >= mem.low && other < MEM_DMA32_END : true);
	dma_unmap_single(dev, other, 4096, DMA_TO_DEVICE);
	assert_int_equal(entry_of(dev, other), 0);
	dma_unmap_single(dev, addr, 5000, DMA_TO_DEVICE);
	assert_int_not_equal(entry_of(dev, addr), 0);
	free_pages((unsigned long)p, 1);
	free(heap);
	rig_close(dev);
}

/* An address that something still occupies is passed over. */
static void test_occupied_addresses(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr, again;
	u64 entry;

	addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	assert_int_equal(pt_map(&dev->domain->pt, IOVA(addr), PHYS(0), 4096, PT_READ | PT_WHOLE, 0),
			 0);
	again = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, again), 0);
	assert_true(again != addr);
	assert_int_equal(entry_of(dev, addr) & PT_ADDR, 0);
	dma_unmap_single(dev, again, 4096, DMA_TO_DEVICE);
	assert_int_equal(pt_unmap_mapping(&dev->domain->pt, IOVA(addr), &entry), 4096);
	free_page((unsigned long)p);
	rig_close(dev);
}

static void test_no_tables(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 4);
	u64 pages;
	dma_addr_t addr;

	addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	iova_drain(dev->domain->iova);
	pages = rig_stats(dev).iova_pages;
	/* address space that no table covers yet */
	assert_int_equal(iova_reserve(dev->domain->iova, (1ull << 20) - (1 << 14), 1 << 14), 0);
	pages = rig_stats(dev).iova_pages;
	fail_set(FAIL_MEMORY, &(const struct fail_rule){.every = 1});
	addr = dma_map_single(dev, p, 65536, DMA_TO_DEVICE);
	rig_fail_none();
	assert_int_not_equal(dma_mapping_error(dev, addr), 0);
	assert_int_equal(errno, ENOMEM);
	iova_drain(dev->domain->iova);
	assert_int_equal(rig_stats(dev).iova_pages, pages);
	free_pages((unsigned long)p, 4);
	rig_close(dev);
}

static void test_lists_end_by_their_first_leaf(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 3);
	struct scatterlist sg[3];
	dma_addr_t addr;

	sg_init_table(sg, 3);
	for (int i = 0; i < 3; i++)
		sg_set_buf(&sg[i], p + (6 - 2 * i) * 4096, 4096);
	assert_int_equal(dma_map_sg(dev, sg, 3, DMA_TO_DEVICE), 1);
	addr = sg_dma_address(sg);
	assert_int_equal(entry_of(dev, addr) & PT_WHOLE, PT_FIRST);
	assert_int_equal(entry_of(dev, addr + 8192) & PT_WHOLE, PT_LAST);
	assert_false(iommu_unmap_list(dev, addr + 4096, DMA_TO_DEVICE));
	dma_unmap_sg(dev, sg, 3, DMA_TO_DEVICE);
	assert_int_equal(entry_of(dev, addr + 4096), 0);
	assert_false(iommu_unmap_list(dev, addr, DMA_TO_DEVICE));
	free_pages((unsigned long)p, 3);
	rig_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaves_say_what_they_are),
		cmocka_unit_test(test_bounced_leaves),
		cmocka_unit_test(test_pool_is_identity_mapped),
		cmocka_unit_test(test_occupied_addresses),
		cmocka_unit_test(test_no_tables),
		cmocka_unit_test(test_lists_end_by_their_first_leaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
