/* SPDX-License-Identifier: BSD-2-Clause */
/* Scatterlists as block, graphics and storage drivers use them: the checker must report nothing. */
#include "check_rig.h"

#define ENTRIES 8

static struct page *pages;
static struct sg_table table;

/* Every second page of a block, so that none are adjacent; or all of it. */
static void table_make(int step)
{
	struct scatterlist *sg;
	int i;

	pages = alloc_pages(GFP_KERNEL, 4);
	memset(page_address(pages), 0, 65536);
	assert_int_equal(sg_alloc_table(&table, ENTRIES, GFP_KERNEL), 0);
	for_each_sg (table.sgl, sg, ENTRIES, i)
		sg_set_page(sg, pages + i * step, PAGE_SIZE, 0);
}

static void table_free(void)
{
	sg_free_table(&table);
	__free_pages(pages, 4);
}

/* Mapped to fewer segments; unmapped and synced with the count that was passed to map. */
static void orig_nents(void)
{
	for (int step = 1; step < 3; step++) {
		struct scatterlist *sg;
		int n, i;

		table_make(step);
		n = dma_map_sg(dev, table.sgl, ENTRIES, DMA_BIDIRECTIONAL);
		assert_true(n > 0);
		for_each_sg (table.sgl, sg, n, i)
			device_writes(dev, sg_dma_address(sg),
				      sg_dma_len(sg) < 8192 ? sg_dma_len(sg) : 8192);
		dma_sync_sg_for_cpu(dev, table.sgl, ENTRIES, DMA_BIDIRECTIONAL);
		((char *)page_address(pages))[100]++;
		dma_sync_sg_for_device(dev, table.sgl, ENTRIES, DMA_BIDIRECTIONAL);
		for_each_sg (table.sgl, sg, n, i)
			device_reads(dev, sg_dma_address(sg),
				     sg_dma_len(sg) < 8192 ? sg_dma_len(sg) : 8192);
		dma_unmap_sg(dev, table.sgl, ENTRIES, DMA_BIDIRECTIONAL);
		table_free();
	}
}

/* The calls for tables; and the list again in the other direction. */
static void sg_tables(void)
{
	struct scatterlist *sg;
	unsigned int i;

	table_make(2);
	assert_int_equal(dma_map_sgtable(dev, &table, DMA_FROM_DEVICE, 0), 0);
	for_each_sgtable_dma_sg (&table, sg, i)
		device_writes(dev, sg_dma_address(sg), PAGE_SIZE);
	dma_sync_sgtable_for_cpu(dev, &table, DMA_FROM_DEVICE);
	cpu_reads(page_address(pages), PAGE_SIZE);
	dma_sync_sgtable_for_device(dev, &table, DMA_FROM_DEVICE);
	dma_unmap_sgtable(dev, &table, DMA_FROM_DEVICE, 0);
	memset(page_address(pages), 1, 65536);
	assert_int_equal(dma_map_sgtable(dev, &table, DMA_TO_DEVICE, 0), 0);
	for_each_sgtable_dma_sg (&table, sg, i)
		device_reads(dev, sg_dma_address(sg), PAGE_SIZE);
	dma_unmap_sgtable(dev, &table, DMA_TO_DEVICE, 0);
	table_free();
}

/* Graphics: a list that stays mapped and is only synced; also one of a second device. */
static void synced_by_hand(void)
{
	struct scatterlist *sg;
	unsigned int i;

	table_make(2);
	assert_int_equal(dma_map_sgtable(dev, &table, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC),
			 0);
	for (int round = 0; round < 3; round++) {
		memset(page_address(pages), round, 65536);
		dma_sync_sgtable_for_device(dev, &table, DMA_BIDIRECTIONAL);
		for_each_sgtable_dma_sg (&table, sg, i) {
			device_reads(dev, sg_dma_address(sg), PAGE_SIZE);
			device_writes(dev, sg_dma_address(sg), PAGE_SIZE);
		}
		dma_sync_sgtable_for_cpu(dev, &table, DMA_BIDIRECTIONAL);
		cpu_reads(page_address(pages), PAGE_SIZE);
	}
	dma_unmap_sgtable(dev, &table, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	table_free();
}

/* One segment of a list is synced by its address: the others are unchanged. */
static void one_segment(void)
{
	struct scatterlist *sg;
	int n, i;

	table_make(2);
	n = dma_map_sg_attrs(dev, table.sgl, ENTRIES, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	assert_true(n > 0);
	for_each_sg (table.sgl, sg, n, i) {
		dma_sync_single_for_device(dev, sg_dma_address(sg), sg_dma_len(sg),
					   DMA_FROM_DEVICE);
		((char *)page_address(pages))[(size_t)((i + 1) % n) * 8192] = 2;
		device_writes(dev, sg_dma_address(sg), 512);
		dma_sync_single_for_cpu(dev, sg_dma_address(sg), 512, DMA_FROM_DEVICE);
		((char *)page_address(pages))[(size_t)i * 8192] = 1;
	}
	dma_unmap_sg_attrs(dev, table.sgl, ENTRIES, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	table_free();
}

/* A page of the list was received into; it is passed to another device as an entry of a list. */
static void forward_in_a_list(void)
{
	struct scatterlist out[2];
	dma_addr_t rx;
	int n;

	table_make(1);
	rx = map_page(dev, pages, 0, 65536, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	dma_sync_single_for_device(dev, rx, 65536, DMA_FROM_DEVICE);
	device_writes(dev, rx, 8192);
	dma_sync_single_for_cpu(dev, rx, 8192, DMA_FROM_DEVICE);
	sg_init_table(out, 2);
	sg_set_page(&out[0], pages, 1500, 0);
	sg_set_page(&out[1], pages + 1, 1500, 100);
	n = dma_map_sg(dev2, out, 2, DMA_TO_DEVICE);
	assert_true(n > 0);
	for (int i = 0; i < n; i++)
		device_reads(dev2, sg_dma_address(&out[i]), sg_dma_len(&out[i]));
	dma_unmap_sg(dev2, out, 2, DMA_TO_DEVICE);
	dma_unmap_page_attrs(dev, rx, 65536, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	table_free();
}

/* The device continues from one segment of a list into the next where they are adjacent. */
static void across_segments(void)
{
	struct scatterlist *sg;
	int n, i;

	dma_set_max_seg_size(dev, 4096);
	table_make(1);
	n = dma_map_sg(dev, table.sgl, ENTRIES, DMA_FROM_DEVICE);
	assert_true(n > 0);
	for_each_sg (table.sgl, sg, n - 1, i)
		if (sg_dma_address(sg) + sg_dma_len(sg) == sg_dma_address(sg_next(sg)))
			device_writes(dev, sg_dma_address(sg) + 1000, 4096);
	dma_unmap_sg(dev, table.sgl, ENTRIES, DMA_FROM_DEVICE);
	table_free();
}

LEGIT(orig_nents)
LEGIT(sg_tables)
LEGIT(synced_by_hand)
LEGIT(one_segment)
LEGIT(forward_in_a_list)
LEGIT(across_segments)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orig_nents),	  cmocka_unit_test(test_sg_tables),
		cmocka_unit_test(test_synced_by_hand),	  cmocka_unit_test(test_one_segment),
		cmocka_unit_test(test_forward_in_a_list), cmocka_unit_test(test_across_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
