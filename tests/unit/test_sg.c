/* SPDX-License-Identifier: BSD-2-Clause */
/* The number of segments that a list becomes. tests/contract checks the segments themselves. */
#include "core_rig.h"

#include <linux/scatterlist.h>

static u8 *ram; /* 1 MiB of adjacent pages */

static int setup(void **state)
{
	ram = (u8 *)__get_free_pages(GFP_DMA32, 8);
	return ram ? 0 : -1;
}

static int teardown(void **state)
{
	rig_fail_none();
	free_pages((unsigned long)ram, 8);
	return 0;
}

struct piece {
	unsigned int at, len;
};

/* The lengths of the segments as text, "4096 100 ", for comparison. */
static const char *map(struct device *dev, const struct piece *p, int n)
{
	static char text[512];
	struct scatterlist sg[16], *at; /* the longest list below */
	unsigned int used = 0;
	int made, i;

	sg_init_table(sg, (unsigned int)n);
	for (i = 0; i < n; i++)
		sg_set_buf(&sg[i], ram + p[i].at, p[i].len);
	made = (int)dma_map_sg(dev, sg, n, DMA_TO_DEVICE);
	text[0] = 0;
	for_each_sg (sg, at, made, i) {
		used += (unsigned int)snprintf(text + used, sizeof(text) - used, "%u ",
					       sg_dma_len(at));
	}
	/* a caller that reads beyond the last segment finds an empty one */
	if (made > 0 && made < n)
		assert_int_equal(sg_dma_len(&sg[made]), 0);
	if (made)
		dma_unmap_sg(dev, sg, n, DMA_TO_DEVICE);
	return text;
}

#define maps(dev, text, ...)                                                                       \
	do {                                                                                       \
		const struct piece p_[] = {__VA_ARGS__};                                           \
		assert_string_equal(map(dev, p_, (int)ARRAY_SIZE(p_)), text);                      \
	} while (0)

static void test_an_iommu_joins_pages(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);

	maps(dev, "100 ", {0, 100});
	maps(dev, "8192 ", {0, 4096}, {8192, 4096});
	maps(dev, "12288 ", {8192, 4096}, {0, 4096}, {40960, 4096});
	/* the first may begin inside a page, the last end inside one */
	maps(dev, "4196 ", {3996, 100}, {8192, 4096});
	maps(dev, "4196 ", {8192, 4096}, {40960, 100});
	/* but not one in between */
	maps(dev, "5000 4096 ", {8192, 5000}, {40960, 4096});
	maps(dev, "100 100 ", {8192, 100}, {40960, 100});
	maps(dev, "4096 4096 ", {8192, 4096}, {40961, 4096});
	/* entries that are adjacent in memory are one segment, wherever they begin and end */
	maps(dev, "300 ", {10, 100}, {110, 200});
	maps(dev, "5000 ", {8100, 1000}, {9100, 4000});
	rig_close(dev);
}

static void test_the_longest_segment(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);

	assert_int_equal(dma_set_max_seg_size(dev, 8192), 0);
	maps(dev, "8192 4096 ", {8192, 4096}, {0, 4096}, {40960, 4096});
	maps(dev, "8192 4096 ", {0, 4096}, {4096, 4096}, {8192, 4096});
	maps(dev, "4096 8192 ", {0, 4096}, {8192, 8192});
	maps(dev, "200 ", {0, 100}, {100, 100});
	assert_int_equal(dma_set_max_seg_size(dev, 150), 0);
	maps(dev, "100 100 ", {0, 100}, {100, 100});
	rig_close(dev);
}

static void test_a_boundary(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);

	assert_int_equal(dma_set_seg_boundary(dev, 0x1fff), 0);
	/* placed page by page from a multiple of the boundary on */
	maps(dev, "8192 8192 ", {8192, 4096}, {0, 4096}, {40960, 4096}, {81920, 4096});
	rig_close(dev);
	dev = rig_open("sim,iommu=0", ~0ull);
	assert_int_equal(dma_set_seg_boundary(dev, 0x1fff), 0);
	maps(dev, "4096 4096 ", {4096, 4096}, {8192, 4096});
	maps(dev, "8192 ", {8192, 4096}, {12288, 4096});
	rig_close(dev);
}

/* If one range cannot contain the list without a hole, each segment has a range of its own. */
static void test_segments_with_ranges_of_their_own(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u64 pages = rig_stats(dev).iova_pages;

	assert_int_equal(dma_set_seg_boundary(dev, 0x3fff), 0);
	/* a run that crosses begins elsewhere; whole pages after it merge nevertheless */
	maps(dev, "8192 9000 12388 ", {0, 8192}, {20480, 9000}, {40960 + 3996, 100}, {0, 4096},
	     {65536, 8192});
	/* one entry for which no range is within the boundary */
	maps(dev, "4096 20000 4096 ", {0, 4096}, {8192, 20000}, {40960, 4096});
	/* the longest segment is filled, also by a part of adjacent entries */
	assert_int_equal(dma_set_seg_boundary(dev, ~0ul), 0);
	assert_int_equal(dma_set_max_seg_size(dev, 12288), 0);
	maps(dev, "12288 4096 ", {0, 8192}, {40960, 4096}, {45056, 4096});
	assert_int_equal(dma_set_max_seg_size(dev, 65536), 0);
	/* the second range is not available, so the first is freed */
	assert_int_equal(dma_set_seg_boundary(dev, 0x3fff), 0);
	rig_fail(FAIL_IOVA, 2);
	maps(dev, "", {0, 8192}, {20480, 9000}, {40960, 8192});
	assert_int_equal(rig_stats(dev).maps, rig_stats(dev).unmaps);
	rig_fail_none();
	maps(dev, "8192 9000 8192 ", {0, 8192}, {20480, 9000}, {40960, 8192});
	iova_drain(dev->domain->iova);
	assert_int_equal(rig_stats(dev).iova_pages, pages);
	rig_close(dev);
}

/* Entries that are adjacent in memory are one run only within the boundary. */
static void test_neighbours_within_a_boundary(void **state)
{
	static const char *const specs[] = {"sim", "sim,bus-offset=64K", "sim,untrusted=1",
					    "sim,coherent=0", "sim,iommu=0"};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct device *dev = rig_open(specs[i], ~0ull);

		assert_int_equal(dma_set_max_seg_size(dev, 1 << 20), 0);
		assert_int_equal(dma_set_seg_boundary(dev, 0xffff), 0);
		maps(dev, "65536 65536 ", {0, 8192}, {8192, 8192}, {16384, 8192}, {24576, 8192},
		     {32768, 8192}, {40960, 8192}, {49152, 8192}, {57344, 8192}, {65536, 8192},
		     {73728, 8192}, {81920, 8192}, {90112, 8192}, {98304, 8192}, {106496, 8192},
		     {114688, 8192}, {122880, 8192});
		/* a boundary inside a page is obeyed, too */
		assert_int_equal(dma_set_seg_boundary(dev, 0x7ff), 0);
		if (!dev->untrusted) /* otherwise parts of pages bounce, one by one */
			maps(dev, "2048 2048 ", {0, 1024}, {1024, 1024}, {2048, 1024},
			     {3072, 1024});
		rig_close(dev);
	}
}

static void test_without_an_iommu_only_neighbours_join(void **state)
{
	struct device *dev = rig_open("sim,iommu=0", ~0ull);

	maps(dev, "4096 4096 ", {0, 4096}, {8192, 4096});
	maps(dev, "8192 ", {0, 4096}, {4096, 4096});
	maps(dev, "300 50 ", {10, 100}, {110, 200}, {311, 50});
	/* in reverse order they are not adjacent */
	maps(dev, "4096 4096 ", {4096, 4096}, {0, 4096});
	rig_close(dev);
}

static void test_counters(void **state)
{
	struct device *dev = rig_open("sim,iommu=0", ~0ull);
	struct dmamap_stats before = rig_stats(dev), after;

	maps(dev, "100 100 100 ", {0, 100}, {200, 100}, {400, 100});
	after = rig_stats(dev);
	assert_int_equal(after.maps, before.maps + 1);
	assert_int_equal(after.unmaps, before.unmaps + 1);
	assert_int_equal(after.segments, before.segments + 3);
	assert_int_equal(after.map_sizes[8], before.map_sizes[8] + 1); /* 300 bytes */
	rig_close(dev);
}

/*
 * An unmap reads the list again: changes that the caller made to it meanwhile are never followed.
 */
static void test_a_list_that_changed_since(void **state)
{
	struct device *dev = rig_open("sim,coherent=0", ~0ull);
	struct scatterlist sg[3];

	sg_init_table(sg, 3);
	for (int i = 0; i < 3; i++)
		sg_set_buf(&sg[i], ram + 8192 * i, 4096);
	assert_true(dma_map_sg(dev, sg, 3, DMA_BIDIRECTIONAL) > 0);
	sg_assign_page(&sg[0], phys_to_page(0xd0000000));
	sg_assign_page(&sg[1], NULL);
	sg[2].length = 0x80000000u;
	dma_unmap_sg(dev, sg, 3, DMA_BIDIRECTIONAL);
	rig_close(dev);
}

/* If it fails in the middle, the entries before are unmapped, which is reported. */
static void test_a_failed_list_is_marked(void **state)
{
	struct device *dev = rig_open("sim,iommu=0", DMA_BIT_MASK(32));
	u8 *heap = aligned_alloc(64, 65536);
	struct scatterlist sg[4];

	memset(heap, 0, 65536);
	sg_init_table(sg, 4);
	for (int i = 0; i < 4; i++)
		sg_set_buf(&sg[i], heap + i * 8192, 4096);
	rig_fail(FAIL_BOUNCE, 3);
	assert_int_equal(dma_map_sg(dev, sg, 4, DMA_TO_DEVICE), 0);
	for (int i = 0; i < 4; i++) {
		assert_true(sg_dma_address(&sg[i]) == DMA_MAPPING_ERROR);
		assert_int_equal(sg_dma_len(&sg[i]), 0);
	}
	free(heap);
	rig_close(dev);
}

static void test_error_codes(void **state)
{
	struct device *dev = rig_open("sim,iommu=0,swiotlb=512K", DMA_BIT_MASK(32));
	u8 *heap = aligned_alloc(64, 1 << 20);
	struct sg_table sgt;
	struct scatterlist *sg;
	unsigned int i;

	memset(heap, 0, 1 << 20);
	assert_int_equal(sg_alloc_table(&sgt, 4, GFP_KERNEL), 0);
	for_each_sgtable_sg (&sgt, sg, i)
		sg_set_buf(sg, heap + i * 200000ul, 190000);
	/* later there may be space */
	assert_int_equal(dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, 0), -ENOMEM);
	/* one entry that bounce memory can never hold */
	sgt.sgl[1].length = 600000;
	assert_int_equal(dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, 0), -EIO);
	sgt.sgl[1].length = 0;
	assert_int_equal(dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, 0), -EINVAL);
	sg_free_table(&sgt);
	free(heap);
	rig_close(dev);
}

#define with_ram(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_ram(test_an_iommu_joins_pages),
		with_ram(test_the_longest_segment),
		with_ram(test_a_boundary),
		with_ram(test_segments_with_ranges_of_their_own),
		with_ram(test_neighbours_within_a_boundary),
		with_ram(test_without_an_iommu_only_neighbours_join),
		with_ram(test_counters),
		with_ram(test_a_list_that_changed_since),
		with_ram(test_a_failed_list_is_marked),
		cmocka_unit_test(test_error_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
