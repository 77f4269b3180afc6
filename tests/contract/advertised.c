/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limits that the library advertises are usable: the test calls every function that returns a
 * limit of the device and uses the result up to the last byte.
 */
#include "contract.h"

#include <linux/scatterlist.h>

#include <sys/mman.h>

/*
 * Address space of the process that needs no memory until it is accessed; a longer version of HEAP.
 */
static u8 *reserve(size_t n)
{
	u8 *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void map_to_the_last_byte(u8 *p, size_t n)
{
	u64 mask = dma_get_mask(dev);
	dma_addr_t addr;
	u8 byte = 0;

	p[0] = 0x11;
	p[n - 1] = 0x22;
	addr = dma_map_single(dev, p, n, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, addr))
		fail_msg("%zu bytes at %p: %s", n, (void *)p, dmamap_strerror());
	assert_true(addr <= mask && n - 1 <= mask - addr);
	device_reads(addr + n - 1, &byte, 1);
	assert_int_equal(byte, n > 1 ? 0x22 : p[0]);
	device_writes(addr, "\x33", 1);
	device_writes(addr + n - 1, "\x44", 1);
	dma_unmap_single(dev, addr, n, DMA_BIDIRECTIONAL);
	assert_int_equal(p[n - 1], 0x44);
	assert_int_equal(p[0], n > 1 ? 0x33 : 0x44);
}

/*
 * At the worst offsets in a page; as much of the memory as a test can use. Hardware pins the
 * memory, so that all of it takes space.
 */
static void use_longest(size_t max)
{
	static const size_t offsets[] = {0, 1, 1009, 4095};
	size_t most = pins_memory() ? 64 * MB : 4 * GB;
	size_t ram = max < 1 * MB ? max : 1 * MB, other = max < most ? max : 16 * MB;
	u8 *p = reserve(other + 8192);

	for (size_t i = 0; i < COUNT(offsets); i++) {
		struct buffer b = buffer_get(i % 2 ? PAGES : LOW_PAGES, ram + 4096);

		map_to_the_last_byte(b.cpu + offsets[i], ram);
		buffer_put(&b);
		map_to_the_last_byte(p + offsets[i], other);
	}
	munmap(p, other + 8192);
}

static void test_the_longest_mapping(void **state)
{
	static const unsigned int bits[] = {64, 40, 34, 32, 28, 25};
	static const unsigned int aligns[] = {0, 0x1ff, 0xfff};

	for (size_t i = 0; i < COUNT(bits); i++)
		for (size_t k = 0; k < COUNT(aligns); k++) {
			size_t max, opt;

			if (bits[i] > config->mask_bits ||
			    (bits[i] < 32 && (on_qemu() || !has_fault_records())) ||
			    dma_set_mask(dev, mask_of(bits[i])))
				continue;
			assert_int_equal(dma_set_min_align_mask(dev, aligns[k]), 0);
			max = dma_max_mapping_size(dev);
			opt = dma_opt_mapping_size(dev);
			assert_true(max >= 128 * KB);
			assert_true(opt > 0 && opt <= max);
			/* memory of the process outside RAM bounces where no IOMMU reaches it */
			if (!has_iommu() || !is_coherent() || is_untrusted())
				assert_true(max <= 256 * KB);
			else if (!on_qemu() && !ram_stays_mapped())
				assert_true(max > 256 * KB);
			if (k == 0 || max <= 256 * KB)
				use_longest(max);
		}
	assert_int_equal(dma_max_mapping_size(NULL), 0);
	assert_int_equal(dma_opt_mapping_size(NULL), 0);
}

/* Under every attribute that permits the mapping; for memory of every kind. */
static void test_whole_pages_merge(void **state)
{
	static const unsigned long attrs[] = {0,
					      DMA_ATTR_SKIP_CPU_SYNC,
					      DMA_ATTR_WEAK_ORDERING,
					      DMA_ATTR_NO_WARN,
					      DMA_ATTR_PRIVILEGED,
					      DMA_ATTR_FORCE_CONTIGUOUS,
					      DMA_ATTR_REQUIRE_COHERENT,
					      DMA_ATTR_DEBUGGING_IGNORE_CACHELINES};
	enum { N = 12 };
	struct buffer b[N];
	struct scatterlist sg[N];

	if (!dma_get_merge_boundary(dev))
		return;
	/* longer than the list, which is longer than the boundary: the segments are full */
	assert_int_equal(dma_set_max_seg_size(dev, 1 << 20), 0);
	for (size_t i = 0; i < COUNT(attrs); i++)
		for (int heap = 0; heap < 2; heap++) {
			u8 *pages = reserve(2 * N * 4096);
			int n;

			sg_init_table(sg, N);
			for (int k = 0; k < N; k++) {
				b[k] = buffer_get(PAGES, 4096);
				sg_set_buf(&sg[k],
					   heap ? pages + (2 * N - 1 - 2 * k) * 4096 : b[k].cpu,
					   4096);
			}
			assert_int_equal(dma_set_seg_boundary(dev, 0xffffffff), 0);
			n = (int)dma_map_sg_attrs(dev, sg, N, DMA_BIDIRECTIONAL, attrs[i]);
			assert_int_equal(n, 1);
			dma_unmap_sg_attrs(dev, sg, N, DMA_BIDIRECTIONAL, attrs[i]);
			assert_int_equal(dma_set_seg_boundary(dev, 0x3fff), 0);
			n = (int)dma_map_sg_attrs(dev, sg, N, DMA_BIDIRECTIONAL, attrs[i]);
			assert_int_equal(n, N / 4);
			dma_unmap_sg_attrs(dev, sg, N, DMA_BIDIRECTIONAL, attrs[i]);
			for (int k = 0; k < N; k++)
				buffer_put(&b[k]);
			munmap(pages, 2 * N * 4096);
		}
}

/*
 * Whether a sync has an effect: if the library reports that it has none, both sides see each
 * other's stores without it.
 */
static void test_where_syncs_are_needed(void **state)
{
	assert_true(is_coherent() || dma_dev_need_sync(dev));
	for (enum kind kind = 0; kind < KINDS; kind++)
		for (size_t n = 64; n <= 4096; n += 4032) {
			struct buffer b = buffer_get(kind, 8192);
			u64 bounced = stats().bounced_bytes;
			dma_addr_t addr = dma_map_single(dev, b.cpu, n, DMA_BIDIRECTIONAL);
			u8 seen = 0;

			assert_int_equal(dma_mapping_error(dev, addr), 0);
			if (stats().bounced_bytes != bounced || !is_coherent()) {
				assert_true(dma_need_sync(dev, addr));
				assert_true(dma_dev_need_sync(dev));
			} else {
				assert_false(dma_need_sync(dev, addr));
				b.cpu[n - 1] = 0x71;
				device_reads(addr + n - 1, &seen, 1);
				assert_int_equal(seen, 0x71);
				device_writes(addr, "\x72", 1);
				assert_int_equal(b.cpu[0], 0x72);
			}
			dma_unmap_single(dev, addr, n, DMA_BIDIRECTIONAL);
			buffer_put(&b);
		}
}

/* The entries record which segments bounce, and the first entry whether any does. */
static void test_bounced_segments_are_marked(void **state)
{
	for (int round = 0; round < 40; round++) {
		struct scatterlist sg[KINDS], *at;
		u64 bounced = stats().bounced_bytes;
		struct buffer b[KINDS];
		unsigned int n, i;
		bool any = false;

		sg_init_table(sg, KINDS);
		for (int k = 0; k < KINDS; k++) {
			b[k] = buffer_get((enum kind)rnd(round % 2 ? KINDS : HEAP), 8192);
			sg_set_buf(&sg[k], b[k].cpu + 64 * rnd(2), rnd(2) ? 4096 : 1000);
		}
		n = dma_map_sg(dev, sg, KINDS, DMA_TO_DEVICE);
		assert_true(n > 0);
		bounced = stats().bounced_bytes - bounced;
		for_each_sg (sg, at, n, i) {
			if (i && sg_dma_is_swiotlb(at))
				any = true;
			if (!is_coherent())
				continue;
			if (i)
				assert_int_equal(sg_dma_is_swiotlb(at),
						 dma_need_sync(dev, sg_dma_address(at)));
			any |= dma_need_sync(dev, sg_dma_address(at));
		}
		assert_int_equal(sg_dma_is_swiotlb(sg), bounced != 0);
		if (any)
			assert_true(sg_dma_is_swiotlb(sg));
		dma_unmap_sg(dev, sg, KINDS, DMA_TO_DEVICE);
		assert_false(sg_dma_is_swiotlb(sg));
		for (int k = 0; k < KINDS; k++)
			buffer_put(&b[k]);
	}
}

/* Buffers at this distance do not affect each other. */
static void test_the_cache_alignment_parts_buffers(void **state)
{
	int align = dma_get_cache_alignment();

	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct buffer b = buffer_get(kind, 3 * (size_t)align);
		u8 *middle = b.cpu + align;
		dma_addr_t addr = dma_map_single(dev, middle, (size_t)align, DMA_FROM_DEVICE);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		middle[-1] = 0x51;
		middle[align] = 0x52;
		device_writes(addr, "\x61", 1);
		device_writes(addr + (u64)align - 1, "\x62", 1);
		dma_sync_single_for_cpu(dev, addr, (size_t)align, DMA_FROM_DEVICE);
		middle[-1] = 0x53;
		dma_unmap_single(dev, addr, (size_t)align, DMA_FROM_DEVICE);
		assert_int_equal(middle[-1], 0x53);
		assert_int_equal(middle[0], 0x61);
		assert_int_equal(middle[align - 1], 0x62);
		assert_int_equal(middle[align], 0x52);
		buffer_put(&b);
	}
}

/* Both masks hold for memory that is allocated and mapped in one call. */
static void test_allocations_obey_the_narrower_mask(void **state)
{
	unsigned int narrow = bus_offset() > DMA_BIT_MASK(32) / 2 ? 34 : 31;

	if (narrow > config->mask_bits)
		return;
	for (int which = 0; which < 2; which++) {
		struct sg_table *sgt;
		struct page *page;
		dma_addr_t addr;

		assert_int_equal(dma_set_mask_and_coherent(dev, mask_of(config->mask_bits)), 0);
		assert_int_equal(
			(which ? dma_set_mask : dma_set_coherent_mask)(dev, mask_of(narrow)), 0);
		/* longer than ranges that are cached: each is allocated anew */
		page = dma_alloc_pages(dev, 2 * MB, &addr, DMA_TO_DEVICE, GFP_KERNEL);
		if (!page)
			fail_msg("%s", dmamap_strerror());
		assert_true(addr + 2 * MB - 1 <= mask_of(narrow));
		dma_free_pages(dev, 2 * MB, page, addr, DMA_TO_DEVICE);
		sgt = dma_alloc_noncontiguous(dev, 2 * MB, DMA_TO_DEVICE, GFP_KERNEL, 0);
		if (!sgt)
			fail_msg("%s", dmamap_strerror());
		assert_true(sg_dma_address(sgt->sgl) + 2 * MB - 1 <= mask_of(narrow));
		dma_free_noncontiguous(dev, 2 * MB, sgt, DMA_TO_DEVICE);
	}
}

/*
 * Free accepts exactly the arguments of the allocation; other sizes of the same order free nothing.
 */
static void test_sizes_of_one_order(void **state)
{
	dma_addr_t dma;
	void *cpu = dma_alloc_coherent(dev, 9000, &dma, GFP_KERNEL);
	struct page *page;

	assert_non_null(cpu);
	dma_free_coherent(dev, 16384, cpu, dma);
	reported(DMAMAP_CHECK_COHERENT_MISMATCH);
	dma_free_coherent(dev, 8999, cpu, dma);
	reported(DMAMAP_CHECK_COHERENT_MISMATCH);
	assert_true(stats().coherent_bytes > 0);
	dma_free_coherent(dev, 9000, cpu, dma);
	assert_int_equal(stats().coherent_bytes, 0);
	/* pages are freed as whole pages */
	page = dma_alloc_pages(dev, 9000, &dma, DMA_TO_DEVICE, GFP_KERNEL);
	assert_non_null(page);
	dma_free_pages(dev, 16384, page, dma, DMA_TO_DEVICE);
	reported(DMAMAP_CHECK_COHERENT_MISMATCH);
	assert_int_equal(live(), 1);
	dma_free_pages(dev, 3 * 4096, page, dma, DMA_TO_DEVICE);
	assert_int_equal(live(), 0);
}

/* DMA_ATTR_MMIO is for registers: memory is refused, by every call and on every path. */
static void test_memory_by_the_attribute_of_registers(void **state)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct buffer b = buffer_get(kind, 8192);
		unsigned long attrs = DMA_ATTR_MMIO | (kind % 2 ? DMA_ATTR_SKIP_CPU_SYNC : 0);
		struct sg_table sgt;
		dma_addr_t addr;

		map_failed(dma_map_single_attrs(dev, b.cpu + 64, 64, DMA_TO_DEVICE, attrs), "MMIO");
		reported(DMAMAP_CHECK_BAD_ARGUMENT);
		map_failed(dma_map_page_attrs(dev, virt_to_page(b.cpu), offset_in_page(b.cpu), 4096,
					      DMA_BIDIRECTIONAL, attrs),
			   "MMIO");
		reported(DMAMAP_CHECK_BAD_ARGUMENT);
		map_failed(dma_map_phys(dev, virt_to_phys(b.cpu), 4096, DMA_TO_DEVICE, attrs), "");
		reported(DMAMAP_CHECK_MAP_RESOURCE);
		assert_int_equal(sg_alloc_table(&sgt, 1, GFP_KERNEL), 0);
		sg_set_buf(sgt.sgl, b.cpu, 4096);
		assert_int_equal(dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, attrs), -EINVAL);
		error_contains("MMIO");
		reported(DMAMAP_CHECK_BAD_ARGUMENT);
		assert_int_equal(dma_map_sg_attrs(dev, sgt.sgl, 1, DMA_TO_DEVICE, attrs), 0);
		reported(DMAMAP_CHECK_BAD_ARGUMENT);
		sg_free_table(&sgt);
		/* an unmap with this attribute does what the mapping needs */
		fill(b.cpu, b.size, 1);
		addr = dma_map_single(dev, b.cpu, 64, DMA_FROM_DEVICE);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		device_writes(addr, "\x66", 1);
		dma_unmap_single_attrs(dev, addr, 64, DMA_FROM_DEVICE, DMA_ATTR_MMIO);
		assert_int_equal(b.cpu[0], 0x66);
		assert_int_equal(live(), 0);
		reports_forget(); /* other attributes than it was mapped with */
		buffer_put(&b);
	}
}

/*
 * The mask at unmap differs from the mask at map: what a mapping needs follows from its address. A
 * wrong address undoes nothing.
 */
static void test_a_mask_that_changed_since(void **state)
{
	unsigned int narrow = bus_offset() > DMA_BIT_MASK(32) / 2 ? 33 : 25;

	for (enum kind kind = 0; kind < KINDS; kind++)
		for (int widen = 0; widen < 2; widen++) {
			struct buffer b = buffer_get(kind, 8192);
			u64 first = mask_of(widen ? narrow : config->mask_bits);
			u64 then = mask_of(widen ? config->mask_bits : narrow);
			dma_addr_t addr;

			if (config->mask_bits < narrow || on_qemu() || !has_fault_records()) {
				buffer_put(&b);
				return;
			}
			assert_int_equal(dma_set_mask(dev, first), 0);
			addr = dma_map_single(dev, b.cpu, 4096, DMA_FROM_DEVICE);
			assert_int_equal(dma_mapping_error(dev, addr), 0);
			device_writes(addr, "\x5a", 1);
			device_writes(addr + 4095, "\x5b", 1);
			b.cpu[4096] = 0x5c;
			assert_int_equal(dma_set_mask(dev, then), 0);
			dma_sync_single_for_cpu(dev, addr, 4096, DMA_FROM_DEVICE);
			assert_int_equal(b.cpu[0], 0x5a);
			dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
			assert_int_equal(b.cpu[0], 0x5a);
			assert_int_equal(b.cpu[4095], 0x5b);
			assert_int_equal(b.cpu[4096], 0x5c);
			assert_int_equal(live(), 0);
			buffer_put(&b);
		}
}

/*
 * Syncs and unmaps of memory that is not mapped do not change it, also where it is mapped at its
 * own address.
 */
static void test_what_is_not_mapped_is_left_alone(void **state)
{
	struct buffer b = buffer_get(PAGES, 4 * 4096);
	dma_addr_t own = virt_to_phys(b.cpu) + bus_offset(), addr;

	addr = dma_map_single(dev, b.cpu + 4096, 4096, DMA_FROM_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	fill(b.cpu, b.size, 1);
	/* beside the mapping, across its ends, and on another page */
	dma_sync_single_for_cpu(dev, own, 4096, DMA_FROM_DEVICE);
	dma_sync_single_for_cpu(dev, own, 8192, DMA_FROM_DEVICE);
	dma_sync_single_for_cpu(dev, own + 8192 - 64, 128, DMA_FROM_DEVICE);
	dma_sync_single_for_cpu(dev, own + 3 * 4096, 64, DMA_BIDIRECTIONAL);
	assert_true(holds(b.cpu, b.size, 1));
	reports_forget();
	if (!protects_ram() && !is_coherent()) {
		dma_unmap_single(dev, own + 3 * 4096, 4096, DMA_FROM_DEVICE);
		reported(DMAMAP_CHECK_UNMAP_NOT_MAPPED);
		dma_unmap_single(dev, own + 4096, 8192, DMA_FROM_DEVICE);
		reports_forget();
		assert_true(holds(b.cpu, b.size, 1));
		assert_int_equal(live(), 1);
	}
	device_writes(addr, "\x77", 1);
	dma_sync_single_for_cpu(dev, addr, 64, DMA_FROM_DEVICE);
	assert_int_equal(b.cpu[4096], 0x77);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	reports_forget();
	/* mapped twice, unmapped once: it is still mapped */
	if (!protects_ram() && !is_coherent() && virt_to_phys(b.cpu) <= dma_get_mask(dev)) {
		for (int i = 0; i < 2; i++) {
			addr = dma_map_single(dev, b.cpu, 4096, DMA_FROM_DEVICE);
			assert_int_equal(dma_mapping_error(dev, addr), 0);
		}
		dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
		device_writes(addr, "\x78", 1);
		dma_sync_single_for_cpu(dev, addr, 64, DMA_FROM_DEVICE);
		assert_int_equal(b.cpu[0], 0x78);
		dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
		b.cpu[0] = 0x79;
		dma_sync_single_for_cpu(dev, addr, 64, DMA_FROM_DEVICE);
		assert_int_equal(b.cpu[0], 0x79);
		reports_forget();
	}
	buffer_put(&b);
}

const struct CMUnitTest advertised_tests[] = {
	contract_test(test_the_longest_mapping),
	contract_test(test_whole_pages_merge),
	contract_test(test_where_syncs_are_needed),
	contract_test(test_bounced_segments_are_marked),
	contract_test(test_the_cache_alignment_parts_buffers),
	contract_test(test_allocations_obey_the_narrower_mask),
	contract_test(test_sizes_of_one_order),
	contract_test(test_memory_by_the_attribute_of_registers),
	contract_test(test_a_mask_that_changed_since),
	contract_test(test_what_is_not_mapped_is_left_alone),
};
const size_t n_advertised_tests = COUNT(advertised_tests);
