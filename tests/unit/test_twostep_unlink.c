/* SPDX-License-Identifier: BSD-2-Clause */
/* src/map/twostep_unlink.c: unlinking, destroying, and the checker's reports of them. */
#include "twostep_links.h"

/* An unlink after the end of a closed range does not open it. */
static void closed_stays_closed(void **state)
{
	u8 *p;

	open_device("sim,untrusted=1");
	p = pages_get(2);
	range_take(0, 8 * K4);
	must_link(p, 0, 5000, DMA_BIDIRECTIONAL);
	dma_iova_unlink(dev, &st, 4 * K4, 4 * K4, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(link_at(p, 4 * K4, K4, DMA_BIDIRECTIONAL), -EINVAL);
	device_writes(st.addr + K4, 7, 10);
	dma_iova_unlink(dev, &st, 0, 8 * K4, DMA_BIDIRECTIONAL, 0);
	assert_true(all_are(p + K4, 10, 7));
	dma_iova_free(dev, &st);
	pages_put(p, 2);
	close_device();
}

/* Parts of a link may be unlinked, and linked again. */
static void parts_are_unlinked(void **state)
{
	u8 *p;

	open_device("sim");
	p = pages_get(3);
	range_take(256, 8 * K4 - 256);
	must_link(p + 256, 0, 8 * K4 - 256, DMA_BIDIRECTIONAL);
	dma_iova_unlink(dev, &st, 2 * K4 - 256, 3 * K4, DMA_BIDIRECTIONAL, 0);
	for (u64 g = 0; g < 8; g++)
		assert_int_equal(refused(st.addr - 256 + g * K4, K4, true), g >= 2 && g < 5);
	/* in place, with other memory and another direction */
	must_link(p, 3 * K4 - 256, K4, DMA_TO_DEVICE);
	assert_true(refused(st.addr - 256 + 3 * K4, 8, true));
	assert_true(device_sees(st.addr - 256 + 3 * K4, p, K4));
	/* a part that has no whole granule names none */
	dma_iova_unlink(dev, &st, 1, 3838, DMA_BIDIRECTIONAL, 0);
	dma_iova_unlink(dev, &st, 0, 3839, DMA_BIDIRECTIONAL, 0);
	assert_true(device_sees(st.addr, p + 256, 16));
	dma_iova_unlink(dev, &st, 0, 3840, DMA_BIDIRECTIONAL, 0);
	assert_true(refused(st.addr, 16, false));
	dma_iova_unlink(dev, &st, 7 * K4 - 256, K4, DMA_BIDIRECTIONAL, 0);
	assert_true(refused(st.addr - 256 + 7 * K4, 1, false));
	dma_iova_destroy(dev, &st, 8 * K4 - 256, DMA_BIDIRECTIONAL, 0);
	pages_put(p, 3);
	close_device();
}

/* Each link is undone with its own direction, whatever the arguments are. */
static void links_keep_their_terms(const char *spec)
{
	u8 *p;

	open_device(spec);
	p = pages_get(3);
	range_take(0, 4 * K4);
	must_link(p, 0, K4, DMA_TO_DEVICE);
	must_link(p + K4, K4, K4, DMA_FROM_DEVICE);
	assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(p) + 2 * K4, 2 * K4, K4,
				       DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC),
			 0);
	assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(p) + 3 * K4, 3 * K4, 100,
				       DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC),
			 0);
	assert_true(refused(st.addr, 8, true) && refused(st.addr + K4, 8, false));
	device_writes(st.addr + K4, 0x11, K4);
	device_writes(st.addr + 2 * K4, 0x22, K4);
	device_writes(st.addr + 3 * K4, 0x33, 100);
	memset(p + 3 * K4, 5, 100);
	dma_iova_unlink(dev, &st, 0, 4 * K4, DMA_TO_DEVICE, 0);
	assert_int_equal(p[0], 1);
	assert_true(all_are(p + K4, K4, 0x11));
	assert_int_equal(p[2 * K4], strstr(spec, "coherent=0") ? 2 * K4 % 251 + 1 : 0x22);
	assert_true(all_are(p + 3 * K4, 100, 5));
	dma_iova_free(dev, &st);
	pages_put(p, 3);
	close_device();
}

static void each_part_is_freed_as_it_was_linked(void **state)
{
	links_keep_their_terms("sim,untrusted=1");
	links_keep_their_terms("sim,coherent=0");
	links_keep_their_terms("sim,coherent=0,untrusted=1");
}

/* Destroy unlinks everything, whatever its length argument is, and frees the range. */
static void destroy_takes_all(const char *spec)
{
	static const size_t mapped[] = {0, 1, 4095, K4, 5000, 2 * K4, 3 * K4, 4 * K4, SIZE_MAX};
	dma_addr_t addr;
	u8 *p;

	open_device(spec);
	p = pages_get(2);
	for (size_t i = 0; i < sizeof(mapped) / sizeof(mapped[0]); i++) {
		memset(reports, 0, sizeof(reports));
		range_take(0, 4 * K4);
		addr = st.addr;
		must_link(p, 0, 3 * K4, DMA_FROM_DEVICE);
		dma_iova_destroy(dev, &st, mapped[i], DMA_FROM_DEVICE, 0);
		assert_false(dma_use_iova(&st));
		assert_int_equal(reports[DMAMAP_CHECK_IOVA_LINKED], mapped[i] < 3 * K4);
		for (u64 g = 0; g < 3; g++)
			assert_true(refused(addr + g * K4, 1, true));
		assert_int_equal(stats_now().iova_ranges, 0);
	}
	pages_put(p, 2);
	close_device();
}

static void destroy_takes_what_is_left(void **state)
{
	destroy_takes_all("sim,check=1");
	destroy_takes_all("sim,check=1,untrusted=1");
	destroy_takes_all("sim,check=1,coherent=0");
}

static void checker_reports(void **state)
{
	const int not_linked = DMAMAP_CHECK_IOVA_NOT_LINKED,
		  direction = DMAMAP_CHECK_IOVA_DIRECTION;
	u8 *p;

	open_device("sim,check=1");
	p = pages_get(2);
	range_take(0, 4 * K4);
	dma_iova_unlink(dev, &st, 0, K4, DMA_TO_DEVICE, 0);
	dma_iova_unlink(dev, &st, 4 * K4, K4, DMA_TO_DEVICE, 0);
	dma_iova_unlink(dev, &st, SIZE_MAX, SIZE_MAX, DMA_TO_DEVICE, 0);
	dma_iova_unlink(dev, &st, 0, 0, DMA_TO_DEVICE, 0);
	assert_int_equal(reports[not_linked], 4);
	must_link(p, 0, 2 * K4, DMA_TO_DEVICE);
	dma_iova_sync_for_cpu(dev, &st, K4, K4 + 1, DMA_TO_DEVICE);
	dma_iova_sync_for_device(dev, &st, 3 * K4, 1, DMA_TO_DEVICE);
	dma_iova_sync_for_cpu(dev, &st, 0, 2 * K4, DMA_TO_DEVICE);
	assert_int_equal(reports[not_linked], 6);
	assert_int_equal(reports[direction], 0);
	dma_iova_unlink(dev, &st, 0, K4, DMA_FROM_DEVICE, 0);
	assert_int_equal(reports[direction], 1);
	dma_iova_unlink(dev, &st, K4, K4, (enum dma_data_direction)77, 0);
	assert_int_equal(reports[direction], 2);
	must_link(p, 0, K4, DMA_TO_DEVICE);
	dma_iova_free(dev, &st);
	assert_int_equal(reports[DMAMAP_CHECK_IOVA_LINKED], 1);
	assert_int_equal(reports[not_linked], 6);
	range_take(0, K4);
	assert_int_equal(reports[DMAMAP_CHECK_LEAK], 0);
	pages_put(p, 2);
	dmamap_close(dev);
	assert_int_equal(reports[DMAMAP_CHECK_LEAK], 1);
	dmamap_check_on_report(NULL, NULL);
}

static u64 leaf_size(u64 offset)
{
	struct pt_leaf leaf;

	return pt_walk_slow(&dev->domain->pt, IOVA(st.addr + offset), &leaf) ? leaf.size : 0;
}

/* Leaves of 2 MiB, of which any part can be unlinked without free memory. */
static void long_ranges(void **state)
{
	static const struct fail_rule always = {.every = 1};
	u64 in = (M2 - 4 * K4) / K4;
	u8 *p;

	open_device("sim,check=1");
	p = pages_get(10); /* 4 MiB */
	assert_int_equal(virt_to_phys(p) & (M2 - 1), 0);
	range_take(0, 3 * M2 + 100);
	must_link(p, 0, 2 * M2, DMA_BIDIRECTIONAL);
	assert_int_equal(leaf_size(0), M2);
	must_link(p, 2 * M2 + 5 * K4, K4 + 100, DMA_TO_DEVICE);
	assert_int_equal(link_at(p, M2, 10 * K4, DMA_TO_DEVICE), -EEXIST);
	assert_int_equal(link_at(p + M2, M2 + 4 * K4, 2 * K4, DMA_TO_DEVICE), -EEXIST);
	fail_set(FAIL_MEMORY, &always);
	dma_iova_unlink(dev, &st, in * K4, 8 * K4, DMA_BIDIRECTIONAL, 0);
	fail_set(FAIL_MEMORY, NULL);
	assert_int_equal(leaf_size((in - 1) * K4), K4);
	assert_int_equal(leaf_size(in * K4), 0);
	assert_int_equal(leaf_size((in + 8) * K4 - K4), 0);
	assert_true(device_sees(st.addr, p, in * K4));
	assert_true(device_sees(st.addr + (in + 8) * K4, p + (in + 8) * K4, 64));
	dma_iova_unlink(dev, &st, 2 * M2 + 5 * K4, K4 + 100, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(reports[DMAMAP_CHECK_IOVA_DIRECTION], 1);
	must_link(p, in * K4, 8 * K4, DMA_TO_DEVICE);
	dma_iova_destroy(dev, &st, 2 * M2, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(reports[DMAMAP_CHECK_IOVA_LINKED], 0);
	pages_put(p, 10);
	close_device();
}

/* No loop steps through parts that are not linked. */
static void huge_ranges(void **state)
{
	static const char *const specs[] = {"sim,check=1", "sim,untrusted=1", "sim,coherent=0"};
	u64 size = 1ull << 46;
	u8 *p;

	for (int i = 0; i < 3; i++) {
		open_device(specs[i]);
		p = pages_get(0);
		range_take(0, size);
		must_link(p, 0, 100, DMA_TO_DEVICE);
		dma_iova_unlink(dev, &st, 0, size, DMA_TO_DEVICE, 0);
		must_link(p, size / 2, K4, DMA_TO_DEVICE);
		must_link(p, size - K4, 100, DMA_TO_DEVICE);
		assert_int_equal(link_at(p, 0, 100, DMA_TO_DEVICE), -EINVAL);
		dma_iova_sync_for_cpu(dev, &st, 0, size, DMA_TO_DEVICE);
		/* more memory than there can be, and more page tables than are permitted */
		assert_int_equal(
			dma_iova_link(dev, &st, PHYS_FOREIGN, 0, size / 2, DMA_TO_DEVICE, 0),
			-EINVAL);
		assert_int_equal(dma_iova_link(dev, &st, PHYS_FOREIGN | 1ull << 40, 0, size / 2,
					       DMA_TO_DEVICE, 0),
				 -ENOMEM);
		said_why();
		dma_iova_destroy(dev, &st, size, DMA_TO_DEVICE, 0);
		range_take(0, size);
		must_link(p, size / 2, K4, DMA_TO_DEVICE);
		dma_iova_destroy(dev, &st, K4, DMA_TO_DEVICE, 0);
		pages_put(p, 0);
		close_device();
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(closed_stays_closed),
	cmocka_unit_test(parts_are_unlinked),
	cmocka_unit_test(each_part_is_freed_as_it_was_linked),
	cmocka_unit_test(destroy_takes_what_is_left),
	cmocka_unit_test(checker_reports),
	cmocka_unit_test(long_ranges),
	cmocka_unit_test(huge_ranges),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
