/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices behind an IOMMU: the contents of the page table. */
#include "core_rig.h"

#include "map/map.h"

#include <sys/mman.h>

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

/* Its pages are mapped already: no table is changed, no address allocated. */
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

/* An address that is still occupied is skipped. */
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

#define REGISTERS 0xa414aacf000ull /* memory of no kind, aligned to a page only */
#define LENGTH	  (8ull << 20)	   /* several tables */

static u8 *long_memory; /* outside RAM, LENGTH bytes where large leaves would not do */

/* Each maps LENGTH bytes by many small leaves, and unmaps them if that succeeded. */
static bool try_registers(struct device *dev)
{
	dma_addr_t addr = dma_map_resource(dev, REGISTERS, LENGTH, DMA_TO_DEVICE, 0);

	if (dma_mapping_error(dev, addr))
		return false;
	dma_unmap_resource(dev, addr, LENGTH, DMA_TO_DEVICE, 0);
	return true;
}

static bool try_memory(struct device *dev)
{
	dma_addr_t addr = dma_map_single(dev, long_memory, LENGTH, DMA_TO_DEVICE);

	if (dma_mapping_error(dev, addr))
		return false;
	dma_unmap_single(dev, addr, LENGTH, DMA_TO_DEVICE);
	return true;
}

static bool try_list(struct device *dev)
{
	static struct scatterlist sgl[2];

	sg_init_table(sgl, 2);
	sg_set_buf(&sgl[0], long_memory, LENGTH / 2);
	sg_set_buf(&sgl[1], long_memory + 4096 + LENGTH / 2, LENGTH / 2 - 4096);
	if (!dma_map_sg(dev, sgl, 2, DMA_TO_DEVICE))
		return false;
	dma_unmap_sg(dev, sgl, 2, DMA_TO_DEVICE);
	return true;
}

static bool try_pages(struct device *dev)
{
	struct sg_table *t = dma_alloc_noncontiguous(dev, LENGTH, DMA_BIDIRECTIONAL, GFP_KERNEL,
						     DMA_ATTR_ALLOC_SINGLE_PAGES);

	if (!t)
		return false;
	dma_free_noncontiguous(dev, LENGTH, t, DMA_BIDIRECTIONAL);
	return true;
}

static bool try_link(struct device *dev)
{
	struct dma_iova_state st;
	int err;

	if (!dma_iova_try_alloc(dev, &st, 0, LENGTH))
		return false;
	err = dma_iova_link(dev, &st, phys_of(long_memory).v, 0, LENGTH, DMA_TO_DEVICE, 0);
	dma_iova_destroy(dev, &st, err ? 0 : LENGTH, DMA_TO_DEVICE, 0);
	return !err;
}

/* Whichever page of tables is missing: no table stays unused, and no stale translation is left. */
static void test_refused_maps_leave_no_tables(void **state)
{
	bool (*const tries[])(struct device *) = {try_registers, try_memory, try_list, try_pages,
						  try_link};
	struct device *dev = rig_open("sim,ram=64M", ~0ull);
	u8 *memory = aligned_alloc(4096, LENGTH + 8192);

	assert_non_null(memory);
	long_memory = memory;
	while ((((uintptr_t)long_memory + 4096) & ((2 << 20) - 1)) <= 4096)
		long_memory += 4096;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		bool fired = true;
		int refused = 0;

		assert_true(tries[i](dev));
		for (u64 n = 1; fired && n < 100; n++) {
			u64 tables = dev->domain->pt.tables, flushes = dev->domain->ports.flushes;
			bool done;

			rig_fail(FAIL_MEMORY, n);
			done = tries[i](dev);
			fired = fail_fired(FAIL_MEMORY);
			rig_fail_none();
			assert_true(done || fired);
			assert_null(dev->domain->pt.limbo);
			/* those above the leaves may be new */
			assert_true(dev->domain->pt.tables <= tables + 3);
			refused += !done && dev->domain->ports.flushes > flushes;
		}
		assert_false(fired);
		assert_true(refused >= 3);
	}
	free(memory);
	rig_close(dev);
}

static u64 free_blocks(void)
{
	static struct page *page[16384];
	u64 n = 0;

	while (n < ARRAY_SIZE(page) && (page[n] = alloc_pages(GFP_KERNEL, 0)))
		n++;
	for (u64 i = 0; i < n; i++)
		__free_pages(page[i], 0);
	return n;
}

/* The same amount of RAM is free after a long mapping failed for lack of it. */
static void test_a_refused_map_gives_ram_back(void **state)
{
	struct device *dev = rig_open("sim,ram=32M", ~0ull);
	static struct page *taken[16384];
	u64 n = 0, before;

	before = free_blocks();
	assert_true(before > 2000);
	while (n < before - 400) {
		taken[n] = alloc_pages(GFP_KERNEL, 0);
		assert_non_null(taken[n++]);
	}
	before = free_blocks();
	/* 512 tables, which the bound permits and for which no RAM is left */
	assert_true(dma_mapping_error(dev, dma_map_resource(dev, REGISTERS, 1ull << 30,
							    DMA_TO_DEVICE, 0)) != 0);
	assert_non_null(strstr(dmamap_strerror(), "page table"));
	assert_true(free_blocks() + 8 >= before);
	while (n)
		__free_pages(taken[--n], 0);
	rig_close(dev);
}

/* A mapping of memory outside RAM may be longer than RAM: its page tables are bounded. */
static void test_page_tables_are_bounded(void **state)
{
	struct device *dev = rig_open("sim,ram=64M", ~0ull);
	const u64 most = (64ull << 20) / 16 * 512; /* by leaves of 4 KiB */
	static struct scatterlist sgl[3];
	struct dma_iova_state st;
	dma_addr_t addr;
	u64 tables = dev->domain->pt.tables;
	u8 *m = mmap(NULL, 2 * most, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(m, MAP_FAILED);
	addr = dma_map_resource(dev, REGISTERS, most + 4096, DMA_TO_DEVICE, 0);
	assert_true(dma_mapping_error(dev, addr) != 0);
	assert_non_null(strstr(dmamap_strerror(), "page tables"));
	addr = dma_map_resource(dev, REGISTERS, 1ull << 46, DMA_TO_DEVICE, 0);
	assert_true(dma_mapping_error(dev, addr) != 0);
	addr = dma_map_single(dev, m + 4096, most + 4096, DMA_TO_DEVICE);
	assert_true(dma_mapping_error(dev, addr) != 0);
	assert_non_null(strstr(dmamap_strerror(), "page tables"));
	sg_init_table(sgl, 3);
	for (int i = 0; i < 3; i++)
		sg_set_buf(&sgl[i], m + 4096, (unsigned int)(most / 2 - 4096));
	assert_int_equal(dma_map_sg(dev, sgl, 3, DMA_TO_DEVICE), 0);
	assert_non_null(strstr(dmamap_strerror(), "page tables"));
	assert_true(dma_iova_try_alloc(dev, &st, 0, 2 * most));
	assert_int_equal(dma_iova_link(dev, &st, phys_of(m).v, 0, most + 4096, DMA_TO_DEVICE, 0),
			 -ENOMEM);
	assert_non_null(strstr(dmamap_strerror(), "page tables"));
	dma_iova_free(dev, &st);
	assert_int_equal(dev->domain->pt.tables, tables);
	/* with large leaves there are few */
	addr = dma_map_resource(dev, 1ull << 43, 1ull << 43, DMA_TO_DEVICE, 0);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_unmap_resource(dev, addr, 1ull << 43, DMA_TO_DEVICE, 0);
	addr = dma_map_resource(dev, (1ull << 43) + (2ull << 20), 1ull << 39, DMA_TO_DEVICE, 0);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_unmap_resource(dev, addr, 1ull << 39, DMA_TO_DEVICE, 0);
	munmap(m, 2 * most);
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
		cmocka_unit_test(test_refused_maps_leave_no_tables),
		cmocka_unit_test(test_a_refused_map_gives_ram_back),
		cmocka_unit_test(test_page_tables_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
