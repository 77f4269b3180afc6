/* SPDX-License-Identifier: BSD-2-Clause */
/* Coherent memory. */
#include "contract.h"

#include <sys/mman.h>

static const size_t sizes[] = {1, 64, 4095, 4096, 4097, 12288, 65535, 65536, 65537, 300000};

struct block {
	u8 *cpu;
	dma_addr_t dma;
	size_t size;
};

static struct block take(size_t size)
{
	struct block b = {.size = size};

	b.cpu = dma_alloc_coherent(dev, size, &b.dma, GFP_KERNEL);
	if (!b.cpu)
		fail_msg("%zu bytes: %s", size, dmamap_strerror());
	return b;
}

static void give(struct block *b)
{
	dma_free_coherent(dev, b->size, b->cpu, b->dma);
}

static void test_memory_is_zero_also_after_use(void **state)
{
	u8 *seen = malloc(300000);

	assert_non_null(seen);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < COUNT(sizes); i++) {
			struct block b = take(sizes[i]);

			assert_true(all_are(b.cpu, b.size, 0));
			device_reads(b.dma, seen, b.size);
			assert_true(all_are(seen, b.size, 0));
			memset(b.cpu, 0xff, b.size);
			give(&b);
		}
	free(seen);
}

static void test_both_addresses_are_aligned_to_the_order(void **state)
{
	struct block b[COUNT(sizes)];

	for (size_t i = 0; i < COUNT(sizes); i++) {
		u64 span = 4096ull << get_order(sizes[i]);

		b[i] = take(sizes[i]);
		assert_int_equal((uintptr_t)b[i].cpu & (span - 1), 0);
		assert_int_equal(b[i].dma & (span - 1), 0);
		if (sizes[i] <= 65536)
			assert_int_equal(b[i].dma >> 16, (b[i].dma + sizes[i] - 1) >> 16);
	}
	for (size_t i = 0; i < COUNT(sizes); i++)
		give(&b[i]);
}

static void test_both_see_each_others_stores(void **state)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct block b = take(sizes[i]);
		u8 *bytes = malloc(b.size);

		assert_non_null(bytes);
		fill(b.cpu, b.size, 1);
		assert_true(device_sees(b.dma, b.size, 1));
		fill(bytes, b.size, 2);
		device_writes(b.dma, bytes, b.size);
		assert_true(holds(b.cpu, b.size, 2));
		b.cpu[b.size - 1] = 0xab;
		device_reads(b.dma + b.size - 1, bytes, 1);
		assert_int_equal(bytes[0], 0xab);
		free(bytes);
		give(&b);
	}
}

static void test_blocks_do_not_overlap(void **state)
{
	struct block b[24];

	for (size_t i = 0; i < COUNT(b); i++) {
		b[i] = take(1 + rnd(20000));
		fill(b[i].cpu, b[i].size, (u32)i);
	}
	for (size_t i = 0; i < COUNT(b); i++) {
		assert_true(holds(b[i].cpu, b[i].size, (u32)i));
		assert_true(device_sees(b[i].dma, b[i].size, (u32)i));
		give(&b[i]);
	}
}

static void test_refused_arguments(void **state)
{
	static const size_t bad[] = {0, SIZE_MAX, SIZE_MAX / 2, 1ull << 62, 1ull << 47};
	dma_addr_t dma = 4711;

	for (size_t i = 0; i < COUNT(bad); i++) {
		errno = 0;
		assert_null(dma_alloc_coherent(dev, bad[i], &dma, GFP_KERNEL));
		assert_true(errno == EINVAL || errno == ENOMEM);
		error_contains(dev_name(dev));
	}
	assert_null(dma_alloc_coherent(NULL, 64, &dma, GFP_KERNEL));
	assert_null(dma_alloc_coherent(dev, 64, NULL, GFP_KERNEL));
	assert_null(dmam_alloc_coherent(NULL, 64, &dma, GFP_KERNEL));
	assert_null(dmam_alloc_coherent(dev, 64, NULL, GFP_KERNEL));
	assert_int_equal(dma, 4711);
	assert_int_equal(stats().coherent_bytes, 0);
}

static void test_attributes_and_zones_change_nothing(void **state)
{
	dma_addr_t dma;
	u8 *cpu = dma_alloc_wc(dev, 4096, &dma, GFP_KERNEL | __GFP_DMA | __GFP_COMP);

	assert_non_null(cpu);
	cpu[100] = 7;
	assert_true(all_are(cpu, 100, 0));
	dma_free_wc(dev, 4096, cpu, dma);
	cpu = dma_alloc_attrs(dev, 4096, &dma, GFP_ATOMIC | __GFP_NOWARN,
			      DMA_ATTR_WEAK_ORDERING | DMA_ATTR_FORCE_CONTIGUOUS);
	assert_non_null(cpu);
	dma_free_attrs(dev, 4096, cpu, dma, DMA_ATTR_WEAK_ORDERING | DMA_ATTR_FORCE_CONTIGUOUS);
}

static void test_wrong_frees_free_nothing(void **state)
{
	struct block b = take(8192);
	u8 other[64];

	fill(b.cpu, b.size, 3);
	dma_free_coherent(dev, 8192, b.cpu, b.dma + 4096);
	reported(DMAMAP_CHECK_COHERENT_MISMATCH);
	dma_free_coherent(dev, 65536, b.cpu, b.dma);
	reported(DMAMAP_CHECK_COHERENT_MISMATCH);
	dma_free_coherent(dev, 8192, b.cpu + 4096, b.dma + 4096);
	reported(DMAMAP_CHECK_COHERENT_NOT_OWNED);
	dma_free_coherent(dev, 64, other, 0);
	reported(DMAMAP_CHECK_COHERENT_NOT_OWNED);
	dma_free_coherent(NULL, 8192, b.cpu, b.dma);
	dmam_free_coherent(dev, 8192, b.cpu, b.dma);
	reported(DMAMAP_CHECK_COHERENT_NOT_OWNED);
	assert_true(holds(b.cpu, b.size, 3));
	assert_true(device_sees(b.dma, b.size, 3));
	give(&b);
	give(&b);
	reported(DMAMAP_CHECK_COHERENT_TWICE);
	dma_free_coherent(dev, 8192, NULL, b.dma);
}

static void test_freed_memory_is_out_of_reach(void **state)
{
	struct block b = take(8192);

	give(&b);
	if (protects_ram())
		device_is_refused(b.dma, 64, true, DMAMAP_FAULT_NOT_MAPPED);
}

static void test_another_device_owns_nothing_of_it(void **state)
{
	struct device *other = open_another(",name=other");
	struct block b = take(4096);

	dma_free_coherent(other, b.size, b.cpu, b.dma);
	reported(DMAMAP_CHECK_COHERENT_NOT_OWNED);
	b.cpu[0] = 1;
	give(&b);
	dmamap_close(other);
}

static void *map_range(size_t size)
{
	void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	return at;
}

static struct vm_area_struct area(void *at, size_t size, unsigned long pgoff)
{
	return (struct vm_area_struct){(unsigned long)at, (unsigned long)at + size, pgoff};
}

static void test_memory_can_be_mapped_again(void **state)
{
	struct block b = take(3 * 4096);
	u8 *at = map_range(3 * 4096);
	struct vm_area_struct vma = area(at, 3 * 4096, 0);

	fill(b.cpu, b.size, 4);
	assert_int_equal(dma_mmap_coherent(dev, &vma, b.cpu, b.dma, b.size), 0);
	assert_true(holds(at, b.size, 4));
	at[4096] = 0xcd;
	assert_int_equal(b.cpu[4096], 0xcd);
	device_writes(b.dma + 5000, "\xde", 1);
	assert_int_equal(at[5000], 0xde);
	munmap(at, 3 * 4096);
	give(&b);
}

static void test_a_part_of_it_can_be_mapped(void **state)
{
	struct block b = take(3 * 4096);
	u8 *at = map_range(4 * 4096);
	struct vm_area_struct vma = area(at + 4096, 4096, 2);

	fill(b.cpu, b.size, 5);
	assert_int_equal(dma_mmap_wc(dev, &vma, b.cpu, b.dma, b.size), 0);
	assert_true(holds_part(at + 4096, 4096, 5, 2 * 4096));
	munmap(at, 4 * 4096);
	give(&b);
}

static void test_what_cannot_be_mapped_again(void **state)
{
	struct block b = take(8192);
	u8 *at = map_range(4 * 4096);
	struct vm_area_struct vma = area(at, 4 * 4096, 0);

	assert_int_equal(dma_mmap_coherent(dev, &vma, b.cpu, b.dma, b.size), -ENXIO);
	vma = area(at, 4096, 2);
	assert_int_equal(dma_mmap_coherent(dev, &vma, b.cpu, b.dma, b.size), -ENXIO);
	vma = area(at, 8192, 1);
	assert_int_equal(dma_mmap_coherent(dev, &vma, b.cpu, b.dma, b.size), -ENXIO);
	vma = area(at, 4096, ~0ul);
	assert_int_equal(dma_mmap_coherent(dev, &vma, b.cpu, b.dma, b.size), -ENXIO);
	vma = area(at + 1, 4096, 0);
	assert_int_equal(dma_mmap_coherent(dev, &vma, b.cpu, b.dma, b.size), -EINVAL);
	vma = area(at, 0, 0);
	assert_int_equal(dma_mmap_coherent(dev, &vma, b.cpu, b.dma, b.size), -EINVAL);
	vma = area(at, 4096, 0);
	assert_true(dma_mmap_coherent(dev, &vma, at, b.dma, 4096) < 0);
	assert_true(dma_mmap_coherent(NULL, &vma, b.cpu, b.dma, 4096) < 0);
	assert_true(dma_mmap_coherent(dev, NULL, b.cpu, b.dma, 4096) < 0);
	assert_true(dma_mmap_coherent(dev, &vma, NULL, b.dma, 4096) < 0);
	munmap(at, 4 * 4096);
	give(&b);
}

static void test_a_list_of_its_pages(void **state)
{
	struct block b = take(5 * 4096);
	struct sg_table sgt;
	struct scatterlist *sg;
	size_t seen = 0;
	unsigned int i;

	fill(b.cpu, b.size, 6);
	assert_int_equal(dma_get_sgtable(dev, &sgt, b.cpu, b.dma, b.size), 0);
	for_each_sgtable_sg (&sgt, sg, i) {
		assert_true(holds_part(sg_virt(sg), sg->length, 6, seen));
		seen += sg->length;
	}
	assert_int_equal(seen, b.size);
	sg_free_table(&sgt);
	assert_true(dma_get_sgtable(dev, &sgt, b.cpu + 64, b.dma, 64) < 0);
	assert_true(dma_get_sgtable(dev, NULL, b.cpu, b.dma, b.size) < 0);
	assert_true(dma_get_sgtable(NULL, &sgt, b.cpu, b.dma, b.size) < 0);
	give(&b);
}

static void test_managed_memory_goes_with_the_device(void **state)
{
	struct device *other = open_another(",name=other");
	dma_addr_t dma[3];
	u8 *cpu[3];

	for (int i = 0; i < 3; i++) {
		cpu[i] = dmam_alloc_coherent(other, 5000, &dma[i], GFP_KERNEL);
		assert_non_null(cpu[i]);
		assert_true(all_are(cpu[i], 5000, 0));
	}
	/* a free that is refused leaves the memory managed */
	dmam_free_coherent(other, 8192, cpu[1], dma[1]);
	reported(DMAMAP_CHECK_COHERENT_MISMATCH);
	dmam_free_coherent(other, 5000, cpu[1], dma[1]);
	dmam_free_coherent(other, 5000, cpu[1], dma[1]);
	reported(DMAMAP_CHECK_COHERENT_NOT_OWNED);
	dmamap_close(other); /* no leak is reported and none exists: teardown checks */
}

static void test_leaks_are_reported_and_freed(void **state)
{
	struct device *other = open_another(",name=other");
	dma_addr_t dma;

	assert_non_null(dma_alloc_coherent(other, 5000, &dma, GFP_KERNEL));
	dmamap_close(other);
	reported(DMAMAP_CHECK_LEAK);
}

static void test_no_memory_left(void **state)
{
	struct block *b = calloc(64, sizeof(*b));
	size_t n = 0, chunk = 4 * MB;
	dma_addr_t dma;

	assert_non_null(b);
	if (has_gap()) {
		free(b);
		return; /* it would take gigabytes to fill */
	}
	for (; n < 64; n++) {
		b[n] = (struct block){.size = chunk};
		b[n].cpu = dma_alloc_coherent(dev, chunk, &b[n].dma, GFP_KERNEL);
		if (!b[n].cpu)
			break;
	}
	assert_true(n > 4 && n < 64);
	assert_int_equal(errno, ENOMEM);
	error_contains(dev_name(dev));
	give(&b[0]);
	b[0] = take(chunk);
	assert_null(dma_alloc_coherent(dev, 16 * MB, &dma, GFP_KERNEL));
	while (n)
		give(&b[--n]);
	free(b);
}

const struct CMUnitTest coherent_tests[] = {
	contract_test(test_memory_is_zero_also_after_use),
	contract_test(test_both_addresses_are_aligned_to_the_order),
	contract_test(test_both_see_each_others_stores),
	contract_test(test_blocks_do_not_overlap),
	contract_test(test_refused_arguments),
	contract_test(test_attributes_and_zones_change_nothing),
	contract_test(test_wrong_frees_free_nothing),
	contract_test(test_freed_memory_is_out_of_reach),
	contract_test(test_another_device_owns_nothing_of_it),
	contract_test(test_memory_can_be_mapped_again),
	contract_test(test_a_part_of_it_can_be_mapped),
	contract_test(test_what_cannot_be_mapped_again),
	contract_test(test_a_list_of_its_pages),
	contract_test(test_managed_memory_goes_with_the_device),
	contract_test(test_leaks_are_reported_and_freed),
	contract_test(test_no_memory_left),
};
const size_t n_coherent_tests = COUNT(coherent_tests);
