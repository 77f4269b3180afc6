/* SPDX-License-Identifier: BSD-2-Clause */
/* src/map/twostep.c: the rules of allocating a range and of linking, one by one. */
#include "twostep_links.h"

static void state_has_one_size(void **state)
{
	assert_true(sizeof(struct dma_iova_state) - 2 * sizeof(u64) <= 32);
	assert_int_equal(offsetof(struct dma_iova_state, addr), 0);
}

/* A failed allocation leaves the state all zero. */
static void no_range_no_state(void **state)
{
	static const size_t sizes[] = {0, 1ull << 48, SIZE_MAX, SIZE_MAX - 4095, 1ull << 63};
	struct dma_iova_state zero = {0};

	open_device("sim");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(&st, 0xff, sizeof(st));
		assert_false(dma_iova_try_alloc(dev, &st, 0, sizes[i]));
		assert_memory_equal(&st, &zero, sizeof(st));
		said_why();
	}
	assert_false(dma_iova_try_alloc(dev, &st, 4095, (1ull << 48) - 1));
	assert_false(dma_iova_try_alloc(NULL, &st, 0, 4096));
	assert_false(dma_iova_try_alloc(dev, NULL, 0, 4096));
	close_device();

	open_device("sim,iommu=0");
	memset(&st, 0xff, sizeof(st));
	assert_false(dma_iova_try_alloc(dev, &st, 0, 4096));
	assert_memory_equal(&st, &zero, sizeof(st));
	assert_false(dma_use_iova(&st));
	said_why();
	close_device();
}

static void phys_gives_the_place_only(void **state)
{
	open_device("sim");
	range_take(~0ull, 1);
	assert_int_equal(st.addr & 4095, 4095);
	dma_iova_free(dev, &st);
	range_take(0x123456789abcdeffull, 1ull << 40);
	dma_iova_free(dev, &st);
	assert_false(dma_use_iova(&st));
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	range_take(0xfff, 1 << 20);
	assert_true(st.addr + (1 << 20) - 1 <= DMA_BIT_MASK(32));
	dma_iova_free(dev, &st);
	close_device();

	open_device("sim,bus-offset=0x100000000");
	range_take(0x80, 8192);
	assert_true(st.addr >= 0x100000000ull);
	dma_iova_free(dev, &st);
	close_device();
}

struct bad_link {
	size_t offset, size;
	u64 place; /* added to the memory's address */
	int dir;
	unsigned long attrs;
	int err;
};

/* A refused link changes nothing. The range begins 256 bytes into a granule and is 4 granules and
 * 100 bytes long. */
static void refused_links_change_nothing(void **state)
{
	static const struct bad_link bad[] = {
		{0, 0, 256, 1, 0, -EINVAL},
		{16484 + 1, 1, 101, 1, 0, -EINVAL},
		{16484, 1, 100, 1, 0, -EINVAL},
		{0, 16485, 256, 1, 0, -EINVAL},
		{3840, 16484, 0, 1, 0, -EINVAL},
		{SIZE_MAX, 2, 255, 1, 0, -EINVAL},
		{SIZE_MAX - 255, 4096, 0, 1, 0, -EINVAL},
		{3840, SIZE_MAX, 0, 1, 0, -EINVAL},
		{3840, SIZE_MAX - 3839, 0, 1, 0, -EINVAL},
		{1ull << 63, 1ull << 63, 256, 1, 0, -EINVAL},
		{0, 4096, 0, 1, 0, -EINVAL},
		{3840, 4096, 256, 1, 0, -EINVAL},
		{100, 100, 356, 1, 0, -EINVAL},
		{3841, 4096, 1, 1, 0, -EINVAL},
		{0, 3840, 256, DMA_NONE, 0, -EINVAL},
		{0, 3840, 256, 77, 0, -EINVAL},
		{0, 3840, 256, -1, 0, -EINVAL},
		{0, 3840, 256, 1, DMA_ATTR_MMIO, -EINVAL},
		{0, 3840, 1ull << 62 | 256, 1, 0, -EINVAL},
		{3840, 4096, 1ull << 45, 1, 0, -EINVAL},
	};
	struct dma_iova_state before;
	u64 tables;
	u8 *p;

	open_device("sim,ram=64M");
	p = pages_get(3);
	range_take(256, 16484);
	must_link(p + 8192, 8192 - 256, 4096, DMA_TO_DEVICE);
	before = st;
	tables = stats_now().table_pages;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct bad_link *b = &bad[i];

		error_set(EINVAL, "nothing");
		if (dma_iova_link(dev, &st, virt_to_phys(p) + b->place, b->offset, b->size,
				  (enum dma_data_direction)b->dir, b->attrs) != b->err)
			fail_msg("bad link %zu was not refused", i);
		said_why();
		assert_memory_equal(&st, &before, sizeof(st));
		for (int g = 0; g < 5; g++)
			assert_int_equal(refused(align_down(st.addr, K4) + g * K4, 8, false),
					 g != 2);
	}
	assert_int_equal(stats_now().table_pages, tables);
	/* the last pages of RAM, and beyond */
	assert_int_equal(dma_iova_link(dev, &st, (64 << 20) - K4, 3840, 2 * K4, DMA_TO_DEVICE, 0),
			 -EINVAL);
	assert_int_equal(dma_iova_link(dev, &st, 64 << 20, 3840, K4, DMA_TO_DEVICE, 0), -EINVAL);
	dma_iova_destroy(dev, &st, 16484, DMA_TO_DEVICE, 0);
	pages_put(p, 3);
	close_device();
}

static void linked_already(void **state)
{
	u8 *p;

	open_device("sim");
	p = pages_get(3);
	range_take(0, 8 * K4);
	must_link(p, 2 * K4, 2 * K4, DMA_TO_DEVICE);
	assert_int_equal(link_at(p, 2 * K4, K4, DMA_TO_DEVICE), -EEXIST);
	said_why();
	assert_int_equal((dma_iova_link)(dev, &st, virt_to_phys(p), 3 * K4, K4, DMA_TO_DEVICE, 0),
			 -EEXIST);
	assert_int_equal(link_at(p, K4, 2 * K4, DMA_TO_DEVICE), -EEXIST);
	assert_int_equal(link_at(p, 0, 8 * K4, DMA_TO_DEVICE), -EEXIST);
	assert_int_equal(link_at(p, 3 * K4, 5 * K4, DMA_TO_DEVICE), -EEXIST);
	/* the parts of failed calls are free, existing links are unchanged */
	assert_true(refused(st.addr + K4, 1, false) && refused(st.addr + 4 * K4, 1, false));
	assert_true(device_sees(st.addr + 2 * K4, p, 2 * K4));
	must_link(p, K4, K4, DMA_TO_DEVICE);
	must_link(p + 4 * K4, 4 * K4, 4 * K4, DMA_TO_DEVICE);
	dma_iova_destroy(dev, &st, 8 * K4, DMA_TO_DEVICE, 0);
	pages_put(p, 3);
	close_device();
}

static void partial_end_closes(const char *spec)
{
	u8 *p;

	open_device(spec);
	p = pages_get(3);
	range_take(0, 8 * K4);
	must_link(p, 4 * K4, K4 + 100, DMA_BIDIRECTIONAL);
	assert_int_equal(link_at(p, 6 * K4, K4, DMA_BIDIRECTIONAL), -EINVAL);
	said_why();
	assert_int_equal(link_at(p, 7 * K4, 10, DMA_BIDIRECTIONAL), -EINVAL);
	/* below it whole granules may be linked, but no other link that ends inside one */
	assert_int_equal(link_at(p, 2 * K4, 10, DMA_BIDIRECTIONAL), -EINVAL);
	said_why();
	must_link(p, 3 * K4, K4, DMA_BIDIRECTIONAL);
	assert_int_equal(link_at(p, 5 * K4, K4, DMA_BIDIRECTIONAL), -EEXIST);
	/* the closing part is unlinked alone, and the range is open again */
	dma_iova_unlink(dev, &st, 5 * K4, 100, DMA_BIDIRECTIONAL, 0);
	assert_true(refused(st.addr + 5 * K4, 1, false));
	assert_true(device_sees(st.addr + 3 * K4, p, K4));
	must_link(p + K4, 6 * K4, K4, DMA_BIDIRECTIONAL);
	/* nothing is linked there: an open range stays open, a closed one closed */
	dma_iova_unlink(dev, &st, 7 * K4, K4, DMA_BIDIRECTIONAL, 0);
	must_link(p, 7 * K4, 5, DMA_BIDIRECTIONAL);
	assert_true(device_sees(st.addr + 7 * K4, p, 5));
	dma_iova_destroy(dev, &st, 8 * K4, DMA_BIDIRECTIONAL, 0);
	pages_put(p, 3);
	close_device();
}

static void partial_end_closes_the_range(void **state)
{
	partial_end_closes("sim");
	partial_end_closes("sim,untrusted=1");
	partial_end_closes("sim,coherent=0");
}

/* Ranges of different shapes: single granules, no middle, unaligned starts. */
static void shapes(const char *spec, bool untrusted)
{
	static const struct {
		u64 in, size;
	} shape[] = {{0, 1},
		     {0, K4},
		     {1, 1},
		     {4095, 1},
		     {100, K4 - 100},
		     {4095, 2},
		     {100, K4},
		     {100, 2 * K4 - 100},
		     {100, 3 * K4},
		     {0, 3 * K4 + 1},
		     {4000, 5 * K4 - 4000}};
	u64 bounced;
	u8 *p;

	open_device(spec);
	for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		u64 in = shape[i].in, size = shape[i].size, end = in + size, whole;

		p = pages_get(3);
		bounced = stats_now().bounced_bytes;
		range_take(virt_to_phys(p) + in, size);
		must_link(p + in, 0, size, DMA_BIDIRECTIONAL);
		assert_true(device_sees(st.addr, p + in, size));
		whole = align_down(end, K4) > align_up(in, K4)
				? align_down(end, K4) - align_up(in, K4)
				: 0;
		if (untrusted) /* only the part that is not in whole granules */
			assert_int_equal(stats_now().bounced_bytes - bounced, size - whole);
		if (in)
			assert_true(device_sees(st.addr - in, untrusted ? (u8[K4]){0} : p, in));
		if (end & (K4 - 1))
			assert_true(device_sees(st.addr + size, untrusted ? (u8[K4]){0} : p + end,
						K4 - (end & (K4 - 1))));
		device_writes(st.addr, 0xaa, size);
		dma_iova_sync_for_cpu(dev, &st, 0, size, DMA_BIDIRECTIONAL);
		assert_true(all_are(p + in, size, 0xaa));
		assert_true(!in || p[in - 1] == (in - 1) % 251 + 1);
		assert_int_equal(p[end], end % 251 + 1);
		device_writes(st.addr + size - 1, 0xbb, 1);
		dma_iova_destroy(dev, &st, size, DMA_BIDIRECTIONAL, 0);
		assert_int_equal(p[end - 1], 0xbb);
		assert_int_equal(p[end], end % 251 + 1);
		pages_put(p, 3);
	}
	close_device();
}

static void every_shape_of_link(void **state)
{
	shapes("sim", false);
	shapes("sim,untrusted=1", true);
	shapes("sim,policy=lazy", false);
	shapes("sim,policy=identity", false);
	shapes("sim,policy=lazy,untrusted=1", true);
}

static void stray_states_are_refused(void **state)
{
	struct dma_iova_state zero = {0};
	u8 *p;

	open_device("sim");
	p = pages_get(0);
	memset(&st, 0xa5, sizeof(st));
	for (int i = 0; i < 2; i++) {
		struct dma_iova_state before = st;

		assert_int_equal(link_at(p, 0, K4, DMA_TO_DEVICE), -EINVAL);
		assert_int_equal(dma_iova_sync(dev, &st, 0, K4), -EINVAL);
		dma_iova_unlink(dev, &st, 0, K4, DMA_TO_DEVICE, 0);
		dma_iova_sync_for_cpu(dev, &st, 0, K4, DMA_TO_DEVICE);
		dma_iova_sync_for_device(dev, &st, 0, K4, DMA_TO_DEVICE);
		dma_iova_destroy(dev, &st, K4, DMA_TO_DEVICE, 0);
		dma_iova_free(dev, &st);
		said_why();
		assert_memory_equal(&st, &before, sizeof(st));
		st = zero;
	}
	assert_int_equal(dma_iova_link(NULL, &st, 0, 0, K4, DMA_TO_DEVICE, 0), -EINVAL);
	assert_int_equal(dma_iova_link(dev, NULL, 0, 0, K4, DMA_TO_DEVICE, 0), -EINVAL);
	dma_iova_unlink(NULL, NULL, 0, K4, DMA_TO_DEVICE, 0);
	dma_iova_free(NULL, &st);
	pages_put(p, 0);
	close_device();
}

static void attributes(void **state)
{
	u8 *p;

	open_device("sim,untrusted=1,ram=64M");
	p = pages_get(1);
	range_take(100, 2 * K4);
	assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(p) + 100, 0, 2 * K4 - 100,
				       DMA_TO_DEVICE, DMA_ATTR_REQUIRE_COHERENT),
			 -EIO);
	said_why();
	/* registers of another device: linked, but there is no memory to read */
	assert_int_equal(
		dma_iova_link(dev, &st, 0xe0000064ull, 0, K4 - 100, DMA_TO_DEVICE, DMA_ATTR_MMIO),
		0);
	assert_true(refused(st.addr, 4, false));
	assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(p), K4 - 100, K4, DMA_TO_DEVICE,
				       DMA_ATTR_REQUIRE_COHERENT),
			 0);
	dma_iova_destroy(dev, &st, 2 * K4, DMA_TO_DEVICE, 0);
	pages_put(p, 1);
	close_device();

	open_device("sim,coherent=0");
	p = pages_get(0);
	range_take(0, 2 * K4);
	assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(p), 0, K4, DMA_TO_DEVICE,
				       DMA_ATTR_REQUIRE_COHERENT),
			 -EIO);
	assert_int_equal(
		dma_iova_link(dev, &st, 0xe0000000ull, 0, K4, DMA_BIDIRECTIONAL, DMA_ATTR_MMIO), 0);
	dma_iova_sync_for_cpu(dev, &st, 0, K4, DMA_BIDIRECTIONAL);
	dma_iova_sync_for_device(dev, &st, 0, K4, DMA_BIDIRECTIONAL);
	dma_iova_destroy(dev, &st, K4, DMA_BIDIRECTIONAL, 0);
	pages_put(p, 0);
	close_device();
}

/* A range that is kept does not use the address allocator any more. */
static void kept_range_needs_no_address_space(void **state)
{
	static const struct fail_rule never = {.nth = 1000000};
	u64 table_pages;
	u8 *p;

	open_device("sim");
	p = pages_get(4);
	range_take(0, 16 * K4);
	must_link(p, 0, 16 * K4, DMA_TO_DEVICE);
	dma_iova_unlink(dev, &st, 0, 16 * K4, DMA_TO_DEVICE, 0);
	table_pages = stats_now().table_pages;
	fail_set(FAIL_IOVA, &never);
	for (int i = 0; i < 100; i++) {
		for (u64 g = 0; g < 16; g++)
			assert_int_equal(link_at(p + (g * 7 & 15) * K4, g * K4, K4, DMA_TO_DEVICE),
					 0);
		assert_int_equal(dma_iova_sync(dev, &st, 0, 16 * K4), 0);
		dma_iova_unlink(dev, &st, 0, 16 * K4, DMA_TO_DEVICE, 0);
	}
	assert_int_equal(stats_now().table_pages, table_pages);
	assert_int_equal(fail_fired(FAIL_IOVA), 0);
	fail_set(FAIL_IOVA, &(struct fail_rule){.nth = 1});
	/* this is the first call that checks */
	assert_false(dma_iova_try_alloc(dev, &(struct dma_iova_state){0}, 0, K4));
	assert_int_equal(fail_fired(FAIL_IOVA), 1);
	fail_set(FAIL_IOVA, NULL);
	dma_iova_free(dev, &st);
	pages_put(p, 4);
	close_device();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(state_has_one_size),
	cmocka_unit_test(no_range_no_state),
	cmocka_unit_test(phys_gives_the_place_only),
	cmocka_unit_test(refused_links_change_nothing),
	cmocka_unit_test(linked_already),
	cmocka_unit_test(partial_end_closes_the_range),
	cmocka_unit_test(every_shape_of_link),
	cmocka_unit_test(stray_states_are_refused),
	cmocka_unit_test(attributes),
	cmocka_unit_test(kept_range_needs_no_address_space),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
