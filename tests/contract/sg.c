/* SPDX-License-Identifier: BSD-2-Clause */
/* Scatterlists. */
#include "contract.h"

enum { ENTRIES = 40 };

/* A list of memory of every kind, and its contents. */
struct list {
	struct sg_table sgt;
	struct buffer b[ENTRIES];
	size_t offset[ENTRIES], total;
	int n;
};

static void list_begin(struct list *l, int n)
{
	*l = (struct list){.n = n};
	assert_int_equal(sg_alloc_table(&l->sgt, (unsigned int)n, GFP_KERNEL), 0);
}

/* Entry i: `size` bytes at `offset` into a buffer of its own. */
static void list_entry(struct list *l, int i, enum kind kind, size_t offset, size_t size)
{
	struct scatterlist *sg = l->sgt.sgl;

	for (int k = 0; k < i; k++)
		sg = sg_next(sg);
	l->b[i] = buffer_get(kind, offset + size + 64);
	l->offset[i] = offset;
	sg_set_buf(sg, l->b[i].cpu + offset, (unsigned int)size);
	l->total += size;
}

static void list_end(struct list *l)
{
	for (int i = 0; i < l->n; i++)
		buffer_put(&l->b[i]);
	sg_free_table(&l->sgt);
}

static void list_random(struct list *l, int n, size_t longest)
{
	list_begin(l, n);
	for (int i = 0; i < n; i++) {
		size_t offset = rnd(2) ? 0 : rnd(5000), size = 1 + rnd((u32)longest);

		if (!rnd(3))
			size = (size + 4095) & ~4095ul;
		if (size > longest)
			size = longest;
		list_entry(l, i, (enum kind)rnd(KINDS), offset, size);
	}
}

static void list_fill(struct list *l, u32 seed)
{
	u8 *bytes = malloc(l->total);

	assert_non_null(bytes);
	fill(bytes, l->total, seed);
	assert_int_equal(sg_copy_from_buffer(l->sgt.sgl, (unsigned int)l->n, bytes, l->total),
			 l->total);
	free(bytes);
}

static bool list_holds(struct list *l, u32 seed)
{
	u8 *bytes = malloc(l->total);
	bool same;

	assert_non_null(bytes);
	assert_int_equal(sg_copy_to_buffer(l->sgt.sgl, (unsigned int)l->n, bytes, l->total),
			 l->total);
	same = holds(bytes, l->total, seed);
	free(bytes);
	return same;
}

/* Nothing beside the entries was written. */
static bool edges_are_whole(const struct list *l)
{
	for (int i = 0; i < l->n; i++)
		if (!all_are(l->b[i].cpu, l->offset[i], 0xee) ||
		    !all_are(l->b[i].cpu + l->b[i].size - 64, 64, 0xee))
			return false;
	return true;
}

/*
 * The number of entries of which a segment of `len` bytes consists, from *sg on, which is advanced.
 */
static int entries_of(struct scatterlist **sg, size_t len)
{
	int n = 0;

	for (; *sg && len; *sg = sg_next(*sg), n++) {
		assert_true((*sg)->length <= len);
		len -= (*sg)->length;
	}
	assert_int_equal(len, 0);
	return n;
}

/*
 * The segments in order are the list's bytes in order, within the device's limits. A single entry
 * that is mapped at its own physical address keeps its position: only merging obeys the boundary
 * there.
 */
static void check_segments(struct list *l, unsigned int n, size_t longest_entry)
{
	unsigned long boundary = dma_get_seg_boundary(dev);
	size_t max = dma_get_max_seg_size(dev), sum = 0;
	struct scatterlist *sg, *entry = l->sgt.sgl;
	unsigned int i;

	if (longest_entry > max)
		max = longest_entry;
	assert_true(n >= 1 && n <= (unsigned int)l->n);
	for_each_sg (l->sgt.sgl, sg, n, i) {
		dma_addr_t addr = sg_dma_address(sg);
		size_t len = sg_dma_len(sg);

		assert_true(len >= 1 && len <= max);
		assert_true(addr + len - 1 <= mask_of(config->mask_bits));
		if (entries_of(&entry, len) > 1 ||
		    (protects_ram() && longest_entry <= boundary && boundary >= 0xffff))
			assert_true((addr & boundary) + len - 1 <= boundary);
		sum += len;
	}
	assert_int_equal(sum, l->total);
}

static bool segments_hold(struct list *l, unsigned int n, u32 seed)
{
	struct scatterlist *sg;
	size_t at = 0;
	bool same = true;
	unsigned int i;
	u8 *bytes = malloc(l->total);

	assert_non_null(bytes);
	for_each_sg (l->sgt.sgl, sg, n, i) {
		device_reads(sg_dma_address(sg), bytes, sg_dma_len(sg));
		same = same && holds_part(bytes, sg_dma_len(sg), seed, at);
		at += sg_dma_len(sg);
	}
	free(bytes);
	return same;
}

static void segments_write(struct list *l, unsigned int n, u32 seed)
{
	struct scatterlist *sg;
	size_t at = 0;
	unsigned int i;
	u8 *bytes = malloc(l->total);

	assert_non_null(bytes);
	fill(bytes, l->total, seed);
	for_each_sg (l->sgt.sgl, sg, n, i) {
		device_writes(sg_dma_address(sg), bytes + at, sg_dma_len(sg));
		at += sg_dma_len(sg);
	}
	free(bytes);
}

static void round_trip(struct list *l, size_t longest_entry)
{
	dma_addr_t first;
	unsigned int n;

	list_fill(l, 1);
	n = dma_map_sg(dev, l->sgt.sgl, l->n, DMA_BIDIRECTIONAL);
	if (!n)
		fail_msg("%d entries: %s", l->n, dmamap_strerror());
	assert_int_equal(live(), 1);
	check_segments(l, n, longest_entry);
	assert_true(segments_hold(l, n, 1));
	segments_write(l, n, 2);
	dma_sync_sg_for_cpu(dev, l->sgt.sgl, l->n, DMA_BIDIRECTIONAL);
	assert_true(list_holds(l, 2));
	list_fill(l, 3);
	dma_sync_sg_for_device(dev, l->sgt.sgl, l->n, DMA_BIDIRECTIONAL);
	assert_true(segments_hold(l, n, 3));
	segments_write(l, n, 4);
	first = sg_dma_address(l->sgt.sgl);
	/* the count that was passed, however few segments there are */
	dma_unmap_sg(dev, l->sgt.sgl, l->n, DMA_BIDIRECTIONAL);
	assert_int_equal(live(), 0);
	assert_true(list_holds(l, 4));
	assert_true(edges_are_whole(l));
	if (protects_ram() && !is_lazy())
		device_is_refused(first, 1, true, DMAMAP_FAULT_NOT_MAPPED);
}

static void test_random_lists(void **state)
{
	static const unsigned int limits[] = {65536, 4096, 20000, 1 << 20};
	static const unsigned long boundaries[] = {0xffffffff, 0xffff, ~0ul, 0xfffff, 0xfff};

	for (int round = 0; round < 60; round++) {
		size_t longest = limits[round % COUNT(limits)];
		struct list l;

		if (longest > 20000)
			longest = 20000;
		assert_int_equal(dma_set_max_seg_size(dev, limits[round % COUNT(limits)]), 0);
		assert_int_equal(dma_set_seg_boundary(dev, boundaries[round % COUNT(boundaries)]),
				 0);
		list_random(&l, 1 + (int)rnd(ENTRIES), longest);
		round_trip(&l, longest);
		list_end(&l);
	}
}

/* Long lists chain their arrays. */
static void test_a_long_list(void **state)
{
	enum { N = 400 };
	struct buffer b = buffer_get(PAGES, N * 128);
	struct scatterlist *sg;
	struct sg_table sgt;
	unsigned int n;
	size_t sum = 0;
	unsigned int i;

	fill(b.cpu, b.size, 1);
	assert_int_equal(sg_alloc_table(&sgt, N, GFP_KERNEL), 0);
	/* in reverse order, so that no entries are neighbours */
	for_each_sgtable_sg (&sgt, sg, i)
		sg_set_buf(sg, b.cpu + (N - 1 - (size_t)i) * 128, 64);
	n = dma_map_sg(dev, sgt.sgl, N, DMA_TO_DEVICE);
	assert_int_equal(n, N);
	for_each_sg (sgt.sgl, sg, n, i) {
		u8 seen[64];

		assert_int_equal(sg_dma_len(sg), 64);
		device_reads(sg_dma_address(sg), seen, 64);
		assert_true(holds_part(seen, 64, 1, (N - 1 - (size_t)i) * 128));
		sum += sg_dma_len(sg);
	}
	assert_int_equal(sum, N * 64);
	dma_unmap_sg(dev, sgt.sgl, N, DMA_TO_DEVICE);
	assert_int_equal(live(), 0);
	sg_free_table(&sgt);
	buffer_put(&b);
}

static void test_an_iommu_makes_one_segment_of_whole_pages(void **state)
{
	struct list l;
	unsigned int n;

	if (!protects_ram())
		return;
	assert_int_equal(dma_set_max_seg_size(dev, 1 << 20), 0);
	list_begin(&l, 32);
	for (int i = 0; i < 32; i++)
		list_entry(&l, i, PAGES, 0, i % 3 ? 4096 : 8192);
	list_fill(&l, 1);
	n = dma_map_sg(dev, l.sgt.sgl, l.n, DMA_TO_DEVICE);
	assert_int_equal(n, 1);
	assert_int_equal(sg_dma_len(l.sgt.sgl), l.total);
	assert_true(segments_hold(&l, n, 1));
	dma_unmap_sg(dev, l.sgt.sgl, l.n, DMA_TO_DEVICE);
	list_end(&l);
}

static void test_neighbours_in_memory_merge(void **state)
{
	struct buffer b = buffer_get(LOW_PAGES, 64 * KB);
	struct sg_table sgt;
	struct scatterlist *sg;
	unsigned int n;
	unsigned int i;

	fill(b.cpu, b.size, 1);
	assert_int_equal(sg_alloc_table(&sgt, 16, GFP_KERNEL), 0);
	for_each_sgtable_sg (&sgt, sg, i)
		sg_set_buf(sg, b.cpu + i * 4096ul, 4096);
	n = dma_map_sg(dev, sgt.sgl, 16, DMA_TO_DEVICE);
	assert_true(n >= 1 && n <= 16);
	/* where the memory has its own address, or pages may be placed freely, it is one segment */
	if (is_coherent() && !ram_stays_mapped())
		assert_int_equal(n, 1);
	dma_unmap_sg(dev, sgt.sgl, 16, DMA_TO_DEVICE);
	assert_int_equal(dma_set_max_seg_size(dev, 16 * 1024), 0);
	n = dma_map_sg(dev, sgt.sgl, 16, DMA_TO_DEVICE);
	assert_true(n >= 4 && n <= 16);
	dma_unmap_sg(dev, sgt.sgl, 16, DMA_TO_DEVICE);
	sg_free_table(&sgt);
	buffer_put(&b);
}

static void refused(struct scatterlist *sg, int nents, enum dma_data_direction dir)
{
	assert_int_equal(dma_map_sg(dev, sg, nents, dir), 0);
	assert_true(*dmamap_strerror() != 0);
	error_contains("");
	assert_int_equal(live(), 0);
	reports_forget();
}

static void test_refused_lists(void **state)
{
	struct list l;

	list_begin(&l, 3);
	for (int i = 0; i < 3; i++)
		list_entry(&l, i, PAGES, 0, 4096);
	refused(l.sgt.sgl, 0, DMA_TO_DEVICE);
	refused(l.sgt.sgl, -1, DMA_TO_DEVICE);
	refused(l.sgt.sgl, 4, DMA_TO_DEVICE);
	refused(l.sgt.sgl, 3, DMA_NONE);
	refused(l.sgt.sgl, 3, (enum dma_data_direction)7);
	refused(NULL, 3, DMA_TO_DEVICE);
	l.sgt.sgl[1].length = 0;
	refused(l.sgt.sgl, 3, DMA_TO_DEVICE);
	assert_int_equal(dma_map_sgtable(dev, &l.sgt, DMA_TO_DEVICE, 0), -EINVAL);
	l.sgt.sgl[1].length = 4096;
	assert_int_equal(dma_map_sgtable(dev, &l.sgt, DMA_NONE, 0), -EINVAL);
	assert_int_equal(dma_map_sgtable(NULL, &l.sgt, DMA_TO_DEVICE, 0), -EINVAL);
	assert_int_equal(dma_map_sgtable(dev, NULL, DMA_TO_DEVICE, 0), -EINVAL);
	reports_forget();
	if (has_gap()) {
		sg_assign_page(&l.sgt.sgl[1], phys_to_page(0xd0000000));
		refused(l.sgt.sgl, 3, DMA_TO_DEVICE);
	}
	sg_assign_page(&l.sgt.sgl[1], NULL);
	refused(l.sgt.sgl, 3, DMA_FROM_DEVICE);
	sg_assign_page(&l.sgt.sgl[1], virt_to_page(l.b[1].cpu));
	round_trip(&l, 4096);
	list_end(&l);
}

static void test_tables(void **state)
{
	struct list l;

	list_random(&l, 20, 9000);
	list_fill(&l, 1);
	assert_int_equal(dma_map_sgtable(dev, &l.sgt, DMA_BIDIRECTIONAL, 0), 0);
	check_segments(&l, l.sgt.nents, 9000);
	assert_int_equal(l.sgt.orig_nents, 20);
	assert_true(segments_hold(&l, l.sgt.nents, 1));
	segments_write(&l, l.sgt.nents, 2);
	dma_sync_sgtable_for_cpu(dev, &l.sgt, DMA_BIDIRECTIONAL);
	assert_true(list_holds(&l, 2));
	list_fill(&l, 3);
	dma_sync_sgtable_for_device(dev, &l.sgt, DMA_BIDIRECTIONAL);
	assert_true(segments_hold(&l, l.sgt.nents, 3));
	dma_unmap_sgtable(dev, &l.sgt, DMA_BIDIRECTIONAL, 0);
	dma_unmap_sgtable(dev, NULL, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(dmamap_fail("map:nth=1"), 0);
	assert_int_equal(dma_map_sgtable(dev, &l.sgt, DMA_BIDIRECTIONAL, 0), -ENOMEM);
	assert_int_equal(dmamap_fail(NULL), 0);
	assert_true(list_holds(&l, 3));
	list_end(&l);
}

static void test_a_list_unmapped_twice(void **state)
{
	struct list l;

	list_random(&l, 5, 4096);
	assert_true(dma_map_sg(dev, l.sgt.sgl, 5, DMA_TO_DEVICE) > 0);
	dma_unmap_sg(dev, l.sgt.sgl, 5, DMA_TO_DEVICE);
	dma_unmap_sg(dev, l.sgt.sgl, 5, DMA_TO_DEVICE);
	reported(DMAMAP_CHECK_UNMAP_NOT_MAPPED);
	dma_unmap_sg(dev, NULL, 5, DMA_TO_DEVICE);
	dma_unmap_sg(dev, l.sgt.sgl, 0, DMA_TO_DEVICE);
	list_end(&l);
}

/* A list that needs more bounce memory than there is: nothing of it stays mapped. */
static void test_a_failure_in_the_middle_leaves_nothing(void **state)
{
	struct buffer b = buffer_get(HEAP, 4 * MB);
	struct sg_table sgt;
	struct scatterlist *sg;
	unsigned int i;

	fill(b.cpu, b.size, 1);
	assert_int_equal(sg_alloc_table(&sgt, 40, GFP_KERNEL), 0);
	for_each_sgtable_sg (&sgt, sg, i)
		sg_set_buf(sg, b.cpu + (size_t)i * 100 * KB + 64, 90 * KB);
	for (int round = 0; round < 3; round++) {
		unsigned int n = dma_map_sg(dev, sgt.sgl, 40, DMA_BIDIRECTIONAL);

		if (n) {
			/* an IOMMU reaches it without bouncing */
			assert_true(protects_other_memory() && !is_untrusted());
			dma_unmap_sg(dev, sgt.sgl, 40, DMA_BIDIRECTIONAL);
			continue;
		}
		error_contains("swiotlb is full");
		assert_int_equal(live(), 0);
		/* all of it can be allocated by others again */
		n = dma_map_sg(dev, sgt.sgl, 12, DMA_BIDIRECTIONAL);
		assert_int_equal(n, 12);
		dma_unmap_sg(dev, sgt.sgl, 12, DMA_BIDIRECTIONAL);
	}
	assert_true(holds(b.cpu, b.size, 1));
	sg_free_table(&sgt);
	buffer_put(&b);
}

static void test_an_empty_part_is_not_touched_by_sync(void **state)
{
	struct list l;

	list_random(&l, 5, 4096);
	list_fill(&l, 1);
	dma_sync_sg_for_cpu(dev, l.sgt.sgl, 5, DMA_BIDIRECTIONAL);
	dma_sync_sg_for_device(dev, l.sgt.sgl, 5, DMA_BIDIRECTIONAL);
	assert_true(list_holds(&l, 1));
	reports_forget();
	list_end(&l);
}

const struct CMUnitTest sg_tests[] = {
	contract_test(test_random_lists),
	contract_test(test_a_long_list),
	contract_test(test_an_iommu_makes_one_segment_of_whole_pages),
	contract_test(test_neighbours_in_memory_merge),
	contract_test(test_refused_lists),
	contract_test(test_tables),
	contract_test(test_a_list_unmapped_twice),
	contract_test(test_a_failure_in_the_middle_leaves_nothing),
	contract_test(test_an_empty_part_is_not_touched_by_sync),
};
const size_t n_sg_tests = COUNT(sg_tests);
