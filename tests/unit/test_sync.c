/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes that a sync copies, according to the counters, and the checker's reports of wrong
 * syncs.
 */
#include "core_rig.h"

static struct device *dev;
static u8 *high; /* 16 KiB above 4 GiB */
static u64 reports_before;

static int open_for(const char *spec, u64 mask)
{
	dev = rig_open(spec, mask);
	high = (u8 *)__get_free_pages(GFP_KERNEL, 2);
	reports_before = dmamap_check_count(0);
	return high ? 0 : -1;
}

static void close_it(void)
{
	free_pages((unsigned long)high, 2);
	rig_close(dev);
}

static void quiet(const struct dmamap_report *r, void *arg)
{
}

static bool reported(int kind)
{
	u64 now = dmamap_check_count(0);
	bool one = now == reports_before + 1 && strstr(dmamap_strerror(), "sync");

	reports_before = now;
	return one && kind;
}

static u64 copied(void)
{
	return rig_stats(dev).bounced_bytes;
}

static void test_copies_follow_the_direction(void **state)
{
	static const struct {
		enum dma_data_direction dir;
		u64 to_cpu, to_device;
	} c[] = {{DMA_TO_DEVICE, 0, 100}, {DMA_FROM_DEVICE, 100, 0}, {DMA_BIDIRECTIONAL, 100, 100}};

	open_for("sim,iommu=0", DMA_BIT_MASK(32));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		dma_addr_t addr = dma_map_single(dev, high, 4096, c[i].dir);
		u64 before = copied();

		dma_sync_single_for_cpu(dev, addr + 50, 100, c[i].dir);
		assert_int_equal(copied() - before, c[i].to_cpu);
		before = copied();
		dma_sync_single_range_for_device(dev, addr, 50, 100, c[i].dir);
		assert_int_equal(copied() - before, c[i].to_device);
		dma_unmap_single_attrs(dev, addr, 4096, c[i].dir, DMA_ATTR_SKIP_CPU_SYNC);
	}
	close_it();
}

static void test_nothing_to_copy(void **state)
{
	dma_addr_t addr;
	u64 before;

	open_for("sim", ~0ull);
	addr = dma_map_single(dev, high, 4096, DMA_BIDIRECTIONAL);
	before = copied();
	assert_false(dma_need_sync(dev, addr));
	assert_false(dma_dev_need_sync(dev));
	dma_sync_single_for_cpu(dev, addr, 4096, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(dev, addr, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(copied(), before);
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	close_it();
}

static void test_reports_of_the_checker(void **state)
{
	dma_addr_t addr;

	open_for("sim,untrusted=1,check=1", ~0ull);
	addr = dma_map_single(dev, high, 5000, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_sync_single_for_cpu(dev, addr, 5000, DMA_BIDIRECTIONAL);
	dma_sync_single_for_cpu(dev, addr + 4999, 1, DMA_BIDIRECTIONAL);
	assert_int_equal(dmamap_check_count(0), reports_before);
	dma_sync_single_for_cpu(dev, addr, 5001, DMA_BIDIRECTIONAL);
	assert_true(reported(DMAMAP_CHECK_SYNC_RANGE));
	dma_sync_single_for_device(dev, addr + 5000, 1, DMA_BIDIRECTIONAL);
	assert_true(reported(DMAMAP_CHECK_SYNC_RANGE));
	dma_unmap_single(dev, addr, 5000, DMA_BIDIRECTIONAL);
	dma_sync_single_for_cpu(dev, addr, 64, DMA_BIDIRECTIONAL);
	assert_true(reported(DMAMAP_CHECK_SYNC_NOT_MAPPED));
	dma_sync_single_for_cpu(dev, addr, ~0ull, DMA_BIDIRECTIONAL);
	assert_true(reported(DMAMAP_CHECK_SYNC_NOT_MAPPED));
	close_it();
	open_for("sim,check=1", ~0ull);
	addr = dma_map_single(dev, high, 8192, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_sync_single_for_cpu(dev, addr + 4096, 8192, DMA_BIDIRECTIONAL);
	assert_true(reported(DMAMAP_CHECK_SYNC_RANGE));
	dma_sync_single_for_cpu(dev, addr, SIZE_MAX, DMA_BIDIRECTIONAL);
	assert_true(reported(DMAMAP_CHECK_SYNC_RANGE));
	dma_unmap_single(dev, addr, 8192, DMA_BIDIRECTIONAL);
	close_it();
}

/* coherent=0, through an IOMMU: the pages of a segment are not adjacent in memory. */
static void test_lines_of_scattered_pages(void **state)
{
	struct scatterlist sg[4];
	u8 bytes[4 * 4096];
	dma_addr_t addr;

	open_for("sim,coherent=0", ~0ull);
	memset(high, 1, 16384);
	sg_init_table(sg, 4);
	for (int i = 0; i < 4; i++)
		sg_set_buf(&sg[i], high + (3 - i) * 4096, 4096);
	/* of pages in another order, but one segment */
	assert_int_equal(dma_map_sg(dev, sg, 4, DMA_BIDIRECTIONAL), 1);
	addr = sg_dma_address(sg);
	memset(bytes, 2, sizeof(bytes));
	assert_int_equal(dmamap_bus_write(dev, addr, bytes, sizeof(bytes)), 0);
	dma_sync_single_for_cpu(dev, addr + 4032, 128, DMA_BIDIRECTIONAL);
	assert_true(rig_all(high + 3 * 4096 + 4032, 64, 2));
	assert_true(rig_all(high + 2 * 4096, 64, 2));
	assert_true(rig_all(high + 2 * 4096 + 64, 4032, 1));
	assert_true(rig_all(high, 8192, 1));
	dma_sync_sg_for_cpu(dev, sg, 4, DMA_BIDIRECTIONAL);
	assert_true(rig_all(high, 16384, 2));
	dma_unmap_sg(dev, sg, 4, DMA_BIDIRECTIONAL);
	close_it();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_follow_the_direction),
		cmocka_unit_test(test_nothing_to_copy),
		cmocka_unit_test(test_reports_of_the_checker),
		cmocka_unit_test(test_lines_of_scattered_pages),
	};

	dmamap_check_on_report(quiet, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
