/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Misuse of one buffer that damages its neighbour: a device that continues into the next mapping, a
 * sync that includes a part of the next sub-buffer, and memory that is passed on although the
 * device owns it. Each is reported once.
 */
#include "check_rig.h"

#define PP_ATTRS (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING)

/* ---- a device that runs on ---- */

/* Accesses from a buffer of `size` bytes `over` bytes into the next one. */
static void run_on(size_t size, size_t over)
{
	char *p = kmalloc(2 * size, GFP_KERNEL);
	dma_addr_t a = map_single(dev, p, size, DMA_FROM_DEVICE),
		   b = map_single(dev, p + size, size, DMA_FROM_DEVICE);

	device_writes(dev, a, size);
	device_writes(dev, b, size);
	assert_int_equal(check_reports, 0);
	device_writes(dev, a, size + over);
	dma_unmap_single(dev, a, size, DMA_FROM_DEVICE);
	dma_unmap_single(dev, b, size, DMA_FROM_DEVICE);
	kfree(p);
}

static void run_on_in_a_page(void)
{
	run_on(512, 88);
}

static void run_on_by_a_byte(void)
{
	run_on(4096, 1);
}

static void run_on_coherent(void)
{
	dma_addr_t a[2];
	char *p[2];

	p[0] = dma_alloc_coherent(dev, 4096, &a[0], GFP_KERNEL);
	p[1] = dma_alloc_coherent(dev, 4096, &a[1], GFP_KERNEL);
	/* in a program with AddressSanitizer a poisoned page separates them */
#ifndef BUILT_WITH_ASAN
	if (a[0] < a[1] ? a[1] - a[0] != 4096 : a[0] - a[1] != 4096)
		fail_msg("the blocks are not adjacent: %s", check_where);
#endif
	device_writes(dev, a[0] < a[1] ? a[0] : a[1], 4096 + 8);
	dma_free_coherent(dev, 4096, p[0], a[0]);
	dma_free_coherent(dev, 4096, p[1], a[1]);
}

/* Two adjacent lists. */
static void run_on_list(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	struct scatterlist sg[2];

	for (int i = 0; i < 2; i++) {
		sg_init_table(&sg[i], 1);
		sg_set_page(&sg[i], page + i, 4096, 0);
		assert_int_equal(dma_map_sg(dev, &sg[i], 1, DMA_FROM_DEVICE), 1);
	}
	device_writes(dev, sg_dma_address(&sg[0]), 4096 + 64);
	for (int i = 0; i < 2; i++)
		dma_unmap_sg(dev, &sg[i], 1, DMA_FROM_DEVICE);
	__free_pages(page, 1);
}

static void test_past_end_into_a_neighbour(void **state)
{
	static const char *const specs[] = {"sim,check=1,iommu=0", "sim,check=1,policy=identity",
					    "sim,check=1,iommu=0,coherent=0"};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		check_wrong(specs[i], DMAMAP_CHECK_DEVICE_PAST_END, run_on_in_a_page);
		check_wrong(specs[i], DMAMAP_CHECK_DEVICE_PAST_END, run_on_by_a_byte);
		check_wrong(specs[i], DMAMAP_CHECK_DEVICE_PAST_END, run_on_coherent);
		check_wrong(specs[i], DMAMAP_CHECK_DEVICE_PAST_END, run_on_list);
	}
	assert_non_null(strstr(check_text, "\n  the mapping behind it was made:"));
}

/* ---- a sync that takes part of the next buffer ---- */

static void sync_over(u32 size, bool handed)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);

	dma_sync_single_range_for_device(dev, addr, 0, 2048, DMA_FROM_DEVICE);
	if (handed)
		dma_sync_single_range_for_device(dev, addr, 2048, 2048, DMA_FROM_DEVICE);
	device_writes(dev, addr, 2048);
	dma_sync_single_range_for_cpu(dev, addr, 0, size, DMA_FROM_DEVICE);
	dma_unmap_page_attrs(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	__free_page(page);
}

static void sync_into_the_next(void)
{
	sync_over(2049, true);
}

static void sync_most_of_the_next(void)
{
	sync_over(4095, true);
}

static void sync_one(void)
{
	sync_over(2048, true);
}

static void sync_both(void)
{
	sync_over(4096, true);
}

static void sync_into_nobodys(void)
{
	sync_over(3000, false);
}

static void test_sync_past_its_sub_buffer(void **state)
{
	check_wrong_everywhere(DMAMAP_CHECK_SYNC_RANGE, sync_into_the_next);
	check_wrong_everywhere(DMAMAP_CHECK_SYNC_RANGE, sync_most_of_the_next);
	assert_non_null(strstr(check_text, "\n  the sub-buffer behind it was handed over:"));
	check_right("sync_one", sync_one);
	check_right("sync_both", sync_both);
	check_right("sync_into_nobodys", sync_into_nobodys);
}

/* The device still owns the other buffer: its write is correct, and the owner is unchanged. */
static void write_after_sync_over(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);

	assert_int_equal(dmamap_check_own(dev, true), 0);
	dma_sync_single_range_for_device(dev, addr, 0, 2048, DMA_FROM_DEVICE);
	dma_sync_single_range_for_device(dev, addr, 2048, 2048, DMA_FROM_DEVICE);
	dma_sync_single_range_for_cpu(dev, addr, 0, 3000, DMA_FROM_DEVICE);
	device_writes(dev, addr + 2048, 2048);
	dma_unmap_page_attrs(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	__free_page(page);
}

static void test_sync_over_takes_nothing_more(void **state)
{
	check_wrong("sim,check=1", DMAMAP_CHECK_SYNC_RANGE, write_after_sync_over);
}

/* ---- who owns what ---- */

static struct page *held_page;
static dma_addr_t held;

/* A page_pool page with a buffer of the CPU and one of the device. */
static void hold(void)
{
	held_page = alloc_page(GFP_KERNEL);
	held = map_page(dev, held_page, 0, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	dma_sync_single_range_for_device(dev, held, 0, 2048, DMA_FROM_DEVICE);
	dma_sync_single_range_for_device(dev, held, 2048, 2048, DMA_FROM_DEVICE);
	device_writes(dev, held, 1000);
	dma_sync_single_range_for_cpu(dev, held, 0, 1000, DMA_FROM_DEVICE);
}

static void let_go(void)
{
	dma_unmap_page_attrs(dev, held, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	__free_page(held_page);
}

static void map_other(size_t offset, size_t size)
{
	dma_addr_t addr;

	hold();
	addr = map_page(dev2, held_page, offset, size, DMA_TO_DEVICE, 0);
	dma_unmap_page(dev2, addr, size, DMA_TO_DEVICE);
	let_go();
}

static void forward_the_devices(void)
{
	map_other(2048, 1000);
}

/* It begins in the CPU's buffer and ends in the device's. */
static void forward_too_much(void)
{
	map_other(0, 2049);
}

static void forward_returned(void)
{
	dma_addr_t addr;

	hold();
	dma_sync_single_range_for_device(dev, held, 0, 1000, DMA_FROM_DEVICE);
	addr = map_page(dev2, held_page, 0, 1000, DMA_TO_DEVICE, 0);
	dma_unmap_page(dev2, addr, 1000, DMA_TO_DEVICE);
	let_go();
}

static void forward_plain(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t rx = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, 0), tx;

	tx = map_page(dev2, page, 0, 100, DMA_TO_DEVICE, 0);
	dma_unmap_page(dev2, tx, 100, DMA_TO_DEVICE);
	dma_unmap_page(dev, rx, PAGE_SIZE, DMA_FROM_DEVICE);
	__free_page(page);
}

static void write_what_the_cpu_has(void)
{
	assert_int_equal(dmamap_check_own(dev, true), 0);
	hold();
	device_writes(dev, held + 2048, 1000);
	assert_int_equal(check_reports, 0);
	device_writes(dev, held + 500, 8);
	let_go();
}

/* The checker records every part that was synced to the CPU, not only the last one. */
static void write_the_first_part(void)
{
	assert_int_equal(dmamap_check_own(dev, true), 0);
	hold();
	device_writes(dev, held + 2048, 1000);
	dma_sync_single_range_for_cpu(dev, held, 2048, 1000, DMA_FROM_DEVICE);
	device_writes(dev, held, 8);
	let_go();
}

static void test_what_the_device_has_is_not_handed_on(void **state)
{
	check_wrong_everywhere(DMAMAP_CHECK_MAP_OVERLAP, forward_the_devices);
	check_wrong_everywhere(DMAMAP_CHECK_MAP_OVERLAP, forward_too_much);
	check_wrong_everywhere(DMAMAP_CHECK_MAP_OVERLAP, forward_returned);
	check_wrong_everywhere(DMAMAP_CHECK_MAP_OVERLAP, forward_plain);
	check_wrong("sim,check=1", DMAMAP_CHECK_OWN_DEVICE, write_what_the_cpu_has);
	check_wrong("sim,check=1", DMAMAP_CHECK_OWN_DEVICE, write_the_first_part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_past_end_into_a_neighbour),
		cmocka_unit_test(test_sync_past_its_sub_buffer),
		cmocka_unit_test(test_sync_over_takes_nothing_more),
		cmocka_unit_test(test_what_the_device_has_is_not_handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
