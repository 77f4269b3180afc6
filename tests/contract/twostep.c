/* SPDX-License-Identifier: BSD-2-Clause */
/* Two-step mappings, pages and non-contiguous memory: properties that hold on every machine. */
#include "contract.h"

#define RANGE (6 * 4096ul)

/*
 * Allocates a range as a driver does, or verifies that there is none and that no other call is
 * needed.
 */
static bool take(struct dma_iova_state *s, const struct buffer *b, size_t in, size_t size)
{
	struct dma_iova_state zero = {0};
	bool taken = dma_iova_try_alloc(dev, s, virt_to_phys(b->cpu) + in, size);

	assert_int_equal(taken, has_iommu());
	assert_int_equal(dma_use_iova(s), taken);
	if (taken)
		assert_true(s->addr >= bus_offset() &&
			    s->addr + size - 1 <= mask_of(config->mask_bits));
	else
		assert_memory_equal(s, &zero, sizeof(zero));
	return taken;
}

static void data_goes_both_ways(enum kind kind, size_t in, size_t size)
{
	struct buffer b = buffer_get(kind, RANGE + 4096);
	size_t first = 4096 - (virt_to_phys(b.cpu) + in) % 4096;
	struct dma_iova_state s;
	u8 *data = b.cpu + in;

	fill(data, size, 3);
	if (take(&s, &b, in, size)) {
		assert_int_equal(
			dma_iova_link(dev, &s, virt_to_phys(data), 0, first, DMA_BIDIRECTIONAL, 0),
			0);
		assert_int_equal(dma_iova_link(dev, &s, virt_to_phys(data) + first, first,
					       size - first, DMA_BIDIRECTIONAL, 0),
				 0);
		assert_int_equal(
			dma_iova_link(dev, &s, virt_to_phys(data), 0, first, DMA_BIDIRECTIONAL, 0),
			-EEXIST);
		error_contains("linked");
		assert_int_equal(dma_iova_sync(dev, &s, 0, size), 0);
		assert_true(device_sees(s.addr, size, 3));
		fill(data, size, 4);
		dma_iova_sync_for_device(dev, &s, 0, size, DMA_BIDIRECTIONAL);
		assert_true(device_sees(s.addr, size, 4));
		device_writes(s.addr + 64, "here", 4);
		dma_iova_sync_for_cpu(dev, &s, 64, 4, DMA_BIDIRECTIONAL);
		assert_memory_equal(data + 64, "here", 4);
		device_writes(s.addr + size - 4, "ends", 4);
		dma_iova_destroy(dev, &s, size, DMA_BIDIRECTIONAL, 0);
		assert_memory_equal(data + size - 4, "ends", 4);
	}
	buffer_put(&b);
}

static void test_links_carry_data(void **state)
{
	for (enum kind kind = PAGES; kind < KINDS; kind++) {
		data_goes_both_ways(kind, 0, RANGE);
		data_goes_both_ways(kind, 0, RANGE - 1000);
		data_goes_both_ways(kind, 128, RANGE - 64);
	}
}

static void test_links_obey_their_direction(void **state)
{
	struct buffer b = buffer_get(PAGES, RANGE);
	struct dma_iova_state s;

	if (take(&s, &b, 0, RANGE)) {
		for (int i = 0; i < 6; i++)
			assert_int_equal(dma_iova_link(dev, &s, virt_to_phys(b.cpu) + i * 4096,
						       i * 4096, 4096,
						       i & 1 ? DMA_TO_DEVICE : DMA_FROM_DEVICE, 0),
					 0);
		assert_int_equal(dma_iova_sync(dev, &s, 0, RANGE), 0);
		for (int i = 0; i < 6; i++)
			if (i & 1 || refuses_reads())
				device_is_refused(s.addr + i * 4096, 8, i & 1,
						  i & 1 ? DMAMAP_FAULT_NO_WRITE
							: DMAMAP_FAULT_NO_READ);
		for (int i = 0; i < 6; i++)
			dma_iova_unlink(dev, &s, i * 4096, 4096,
					i & 1 ? DMA_TO_DEVICE : DMA_FROM_DEVICE, 0);
		dma_iova_free(dev, &s);
	}
	buffer_put(&b);
}

static void test_unlinked_is_unreachable(void **state)
{
	struct buffer b = buffer_get(PAGES, RANGE);
	struct dma_iova_state s;

	if (take(&s, &b, 0, RANGE)) {
		assert_int_equal(
			dma_iova_link(dev, &s, virt_to_phys(b.cpu), 0, RANGE, DMA_BIDIRECTIONAL, 0),
			0);
		assert_int_equal(dma_iova_sync(dev, &s, 0, RANGE), 0);
		dma_iova_unlink(dev, &s, 4096, 8192, DMA_BIDIRECTIONAL, 0);
		if (protects_ram() && !is_lazy())
			device_is_refused(s.addr + 4096, 8192, true, DMAMAP_FAULT_NOT_MAPPED);
		fill(b.cpu, 4096, 9);
		assert_int_equal(dma_iova_link(dev, &s, virt_to_phys(b.cpu), 8192, 4096,
					       DMA_BIDIRECTIONAL, 0),
				 0);
		reported(DMAMAP_CHECK_MAP_OVERLAP); /* the page is linked at offset 0, too */
		assert_int_equal(dma_iova_sync(dev, &s, 8192, 4096), 0);
		assert_true(device_sees(s.addr + 8192, 4096, 9));
		dma_iova_unlink(dev, &s, 0, 4096, DMA_BIDIRECTIONAL, 0);
		dma_iova_unlink(dev, &s, 8192, RANGE - 8192, DMA_BIDIRECTIONAL, 0);
		dma_iova_free(dev, &s);
	}
	buffer_put(&b);
}

static void test_misuse_of_links_is_reported(void **state)
{
	struct buffer b = buffer_get(PAGES, RANGE);
	struct dma_iova_state s;

	if (take(&s, &b, 0, RANGE)) {
		dma_iova_unlink(dev, &s, 4096, 4096, DMA_TO_DEVICE, 0);
		reported(DMAMAP_CHECK_IOVA_NOT_LINKED);
		assert_int_equal(
			dma_iova_link(dev, &s, virt_to_phys(b.cpu), 0, 4096, DMA_TO_DEVICE, 0), 0);
		dma_iova_unlink(dev, &s, 0, 4096, DMA_FROM_DEVICE, 0);
		reported(DMAMAP_CHECK_IOVA_DIRECTION);
		assert_int_equal(
			dma_iova_link(dev, &s, virt_to_phys(b.cpu), 0, 4096, DMA_TO_DEVICE, 0), 0);
		dma_iova_free(dev, &s);
		reported(DMAMAP_CHECK_IOVA_LINKED);
		assert_int_equal(stats().iova_ranges, 0);
	}
	buffer_put(&b);
}

static void test_pages_for_the_device(void **state)
{
	struct sg_table *sgt;
	struct page *page;
	dma_addr_t addr;
	u8 *p;

	page = dma_alloc_pages(dev, RANGE, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
	sgt = dma_alloc_noncontiguous(dev, MB, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	assert_true(page && sgt);
	p = page_address(page);
	assert_true(all_are(p, RANGE, 0));
	fill(p, RANGE, 5);
	dma_sync_single_for_device(dev, addr, RANGE, DMA_BIDIRECTIONAL);
	assert_true(device_sees(addr, RANGE, 5));
	dma_free_pages(dev, RANGE, page, addr, DMA_BIDIRECTIONAL);
	p = dma_vmap_noncontiguous(dev, MB, sgt);
	assert_non_null(p);
	fill(p, MB, 6);
	dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL);
	assert_true(device_sees(sg_dma_address(sgt->sgl), MB, 6));
	device_writes(sg_dma_address(sgt->sgl) + MB - 4, "last", 4);
	dma_sync_sgtable_for_cpu(dev, sgt, DMA_BIDIRECTIONAL);
	assert_memory_equal(p + MB - 4, "last", 4);
	dma_vunmap_noncontiguous(dev, p);
	dma_free_noncontiguous(dev, MB, sgt, DMA_BIDIRECTIONAL);
	assert_null(
		dma_alloc_pages(dev, RANGE, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL | __GFP_DMA32));
	error_contains("zone");
}

const struct CMUnitTest twostep_tests[] = {
	contract_test(test_links_carry_data),
	contract_test(test_links_obey_their_direction),
	contract_test(test_unlinked_is_unreachable),
	contract_test(test_misuse_of_links_is_reported),
	contract_test(test_pages_for_the_device),
};
const size_t n_twostep_tests = COUNT(twostep_tests);
