/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is unmapped from the process or protected while it is mapped for a device. Accesses
 * are refused and recorded, unmap and sync process the rest of the memory, and the process
 * survives.
 */
#include "contract.h"

#include "mem/mem.h"

#include <linux/scatterlist.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES_MAPPED = 4 };

static u8 *area; /* PAGES_MAPPED pages of the process, filled */

static void area_make(void)
{
	area = mmap(NULL, PAGES_MAPPED * PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	fill(area, PAGES_MAPPED * PAGE_SIZE, 1);
}

static void area_free(void)
{
	munmap(area, PAGES_MAPPED * PAGE_SIZE);
}

/*
 * A part of it leaves the process. The place is not left free, because another thread, such as that
 * of a report, could map something there.
 */
static void area_goes_at(size_t at, size_t n)
{
	assert_ptr_equal(mmap(area + at, n, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0),
			 area + at);
}

static void area_goes(void)
{
	area_goes_at(0, PAGES_MAPPED * PAGE_SIZE);
}

static dma_addr_t area_map(enum dma_data_direction dir)
{
	u64 before = stats().bounced_bytes;
	dma_addr_t addr = dma_map_single(dev, area, PAGES_MAPPED * PAGE_SIZE, dir);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	/* what bounces is RAM as long as it is mapped */
	assert_int_equal(stats().bounced_bytes != before, !has_iommu() || !is_coherent());
	return addr;
}

static bool bounces(void)
{
	return !has_iommu() || !is_coherent();
}

/* Refused, whole, with a record and at most a report. */
static void access_is_refused(dma_addr_t addr, size_t n, bool write)
{
	static u8 buf[PAGES_MAPPED * PAGE_SIZE]; /* malloc might take the place */
	struct dmamap_fault f;

	memset(buf, 0x5a, n);
	assert_int_equal(write ? dmamap_bus_write(dev, addr, buf, n)
			       : dmamap_bus_read(dev, addr, buf, n),
			 -EFAULT);
	assert_true(all_are(buf, n, 0x5a));
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	assert_int_equal(f.addr, addr);
	assert_int_equal(f.len, n);
	assert_int_equal(f.write, write);
	if (!keeps_other_memory()) {
		assert_int_equal(f.reason, DMAMAP_FAULT_GONE);
		error_contains("the process");
		reported(DMAMAP_CHECK_MEMORY_GONE);
	}
	reports_forget();
}

/* Under policy=persistent the mapping went with the memory: there is nothing to unmap. */
static void area_unmap(dma_addr_t addr, enum dma_data_direction dir, bool lost)
{
	dma_unmap_single(dev, addr, PAGES_MAPPED * PAGE_SIZE, dir);
	if (lost) {
		error_contains("could not be copied");
		reported(DMAMAP_CHECK_MEMORY_GONE);
	}
	reports_forget();
}

static void test_a_page_in_the_middle_goes(void **state)
{
	static u8 bytes[PAGES_MAPPED * PAGE_SIZE];
	dma_addr_t addr;

	area_make();
	addr = area_map(DMA_BIDIRECTIONAL);
	assert_true(device_sees(addr, PAGES_MAPPED * PAGE_SIZE, 1));
	area_goes_at(PAGE_SIZE, PAGE_SIZE);
	fill(bytes, sizeof(bytes), 2);
	if (bounces()) {
		device_writes(addr, bytes, sizeof(bytes));
	} else {
		access_is_refused(addr, sizeof(bytes), true);
		access_is_refused(addr, sizeof(bytes), false);
		access_is_refused(addr + PAGE_SIZE, 8, true);
		access_is_refused(addr + PAGE_SIZE + 4, 4, false);
		access_is_refused(addr + PAGE_SIZE + 9, 100, false);
		access_is_refused(addr + PAGE_SIZE + 8, 100, true);
		/* nothing was written, and the rest is as it was */
		assert_true(holds(area, PAGE_SIZE, 1));
		if (!keeps_other_memory()) {
			device_writes(addr, bytes, PAGE_SIZE);
			device_writes(addr + 2 * PAGE_SIZE, bytes + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
		}
	}
	area_unmap(addr, DMA_BIDIRECTIONAL, bounces());
	if (!keeps_other_memory()) {
		assert_true(holds(area, PAGE_SIZE, 2));
		assert_true(holds_part(area + 2 * PAGE_SIZE, 2 * PAGE_SIZE, 2, 2 * PAGE_SIZE));
	}
	area_free();
}

static void test_all_of_it_goes(void **state)
{
	static u8 bytes[PAGES_MAPPED * PAGE_SIZE];
	dma_addr_t addr;

	for (int dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++) {
		area_make();
		addr = area_map((enum dma_data_direction)dir);
		area_goes();
		if (bounces() && dir != DMA_TO_DEVICE)
			device_writes(addr, bytes, sizeof(bytes));
		else if (!bounces() && dir != DMA_TO_DEVICE)
			access_is_refused(addr, sizeof(bytes), true);
		else if (!bounces())
			access_is_refused(addr + 5, 3, false);
		area_unmap(addr, (enum dma_data_direction)dir, bounces() && dir != DMA_TO_DEVICE);
	}
}

static void test_it_becomes_read_only(void **state)
{
	static u8 bytes[PAGE_SIZE];
	dma_addr_t addr;

	if (keeps_other_memory())
		return; /* its accesses go by the kernel, which says the same: odp_process */
	area_make();
	addr = area_map(DMA_BIDIRECTIONAL);
	assert_int_equal(mprotect(area + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	assert_true(device_sees(addr, PAGES_MAPPED * PAGE_SIZE, 1));
	if (bounces())
		device_writes(addr + PAGE_SIZE, bytes, PAGE_SIZE);
	else
		access_is_refused(addr + PAGE_SIZE, PAGE_SIZE, true);
	area_unmap(addr, DMA_BIDIRECTIONAL, bounces());
	assert_true(holds(area, PAGES_MAPPED * PAGE_SIZE, 1));
	area_free();
}

static void test_its_file_is_cut_short(void **state)
{
	int fd = memfd_create("test", 0);
	dma_addr_t addr;

	if (keeps_other_memory()) {
		close(fd);
		return;
	}
	assert_int_equal(ftruncate(fd, PAGES_MAPPED * PAGE_SIZE), 0);
	area = mmap(NULL, PAGES_MAPPED * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	fill(area, PAGES_MAPPED * PAGE_SIZE, 1);
	addr = area_map(DMA_BIDIRECTIONAL);
	assert_int_equal(ftruncate(fd, PAGE_SIZE), 0);
	if (!bounces()) {
		access_is_refused(addr + PAGE_SIZE, 64, true);
		access_is_refused(addr + PAGE_SIZE, 64, false);
		assert_true(device_sees(addr, PAGE_SIZE, 1));
	}
	area_unmap(addr, DMA_BIDIRECTIONAL, bounces());
	area_free();
	close(fd);
}

static void test_syncs_of_what_is_gone(void **state)
{
	dma_addr_t addr;

	if (keeps_other_memory())
		return;
	area_make();
	addr = area_map(DMA_BIDIRECTIONAL);
	area_goes_at(PAGE_SIZE, PAGE_SIZE);
	dma_sync_single_for_cpu(dev, addr, PAGES_MAPPED * PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (bounces()) {
		error_contains("could not be copied");
		reported(DMAMAP_CHECK_MEMORY_GONE);
	}
	dma_sync_single_for_device(dev, addr, PAGES_MAPPED * PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (bounces()) {
		error_contains("could not be copied");
		reported(DMAMAP_CHECK_MEMORY_GONE);
	}
	area_unmap(addr, DMA_BIDIRECTIONAL, bounces());
	area_free();
}

/* It was never there: bouncing is refused at once, a page table shows nothing. */
static void test_a_mapping_of_nothing(void **state)
{
	dma_addr_t addr;

	if (keeps_other_memory())
		return;
	area_make();
	area_goes();
	addr = dma_map_single(dev, area, PAGES_MAPPED * PAGE_SIZE, DMA_TO_DEVICE);
	if (bounces()) {
		map_failed(addr, "is not mapped in the process");
	} else {
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		access_is_refused(addr, 64, false);
		area_unmap(addr, DMA_TO_DEVICE, false);
	}
	area_free();
	reports_forget();
}

/* Untrusted devices see parts of pages by bouncing, whole pages as they are. */
static void test_lists_and_links(void **state)
{
	struct dma_iova_state links = {0};
	struct scatterlist sg[2];
	phys_t pa;
	u8 *p;

	if (keeps_other_memory())
		return;
	area_make();
	p = area;
	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], p + 100, 200);
	sg_set_buf(&sg[1], p + 2 * PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(dma_map_sg(dev, sg, 2, DMA_BIDIRECTIONAL) > 0, true);
	area_goes();
	dmamap_bus_write(dev, sg_dma_address(&sg[0]), &links, 8);
	dma_sync_sg_for_cpu(dev, sg, 2, DMA_BIDIRECTIONAL);
	dma_unmap_sg(dev, sg, 2, DMA_BIDIRECTIONAL);
	reports_forget();
	area_free();
	area_make();
	pa = phys_of(area + 100);
	if (dma_iova_try_alloc(dev, &links, pa.v, 2 * PAGE_SIZE)) {
		assert_int_equal(
			dma_iova_link(dev, &links, pa.v, 0, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL, 0),
			0);
		assert_int_equal(dma_iova_sync(dev, &links, 0, 2 * PAGE_SIZE), 0);
		area_goes();
		dmamap_bus_write(dev, links.addr, &sg, 8);
		dmamap_bus_fault_next(NULL, NULL); /* another error message */
		dma_iova_sync_for_cpu(dev, &links, 0, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
		if (bounces() || is_untrusted())
			error_contains("could not be copied");
		dma_iova_destroy(dev, &links, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
		if (bounces() || is_untrusted())
			error_contains("could not be copied");
	}
	area_free();
	reports_forget();
	for (struct dmamap_fault f; dmamap_bus_fault_next(dev, &f) > 0;)
		assert_int_equal(f.reason, DMAMAP_FAULT_GONE);
}

const struct CMUnitTest gone_tests[] = {
	contract_test(test_a_page_in_the_middle_goes), contract_test(test_all_of_it_goes),
	contract_test(test_it_becomes_read_only),      contract_test(test_its_file_is_cut_short),
	contract_test(test_syncs_of_what_is_gone),     contract_test(test_a_mapping_of_nothing),
	contract_test(test_lists_and_links),
};
const size_t n_gone_tests = COUNT(gone_tests);
