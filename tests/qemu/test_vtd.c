/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DMA by QEMU's device through the library's page tables, which QEMU's VT-d walks. Neither was
 * written by this project.
 */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>

#define SIZE	       4000u
#define REG_DMA_SOURCE 0x80

static void fill(u8 *p, u32 n, u32 seed)
{
	for (u32 i = 0; i < n; i++)
		p[i] = (u8)((i + seed) * 2654435761u >> 24);
}

static bool holds(const u8 *p, u32 n, u32 seed)
{
	for (u32 i = 0; i < n; i++)
		if (p[i] != (u8)((i + seed) * 2654435761u >> 24))
			return false;
	return true;
}

static struct edu *probe(struct device *dev)
{
	struct edu *edu = edu_probe(dev);

	if (!edu)
		fail_msg("%s", driver_strerror());
	return edu;
}

static void ok(int err)
{
	if (err)
		fail_msg("%s", driver_strerror());
}

/* Copies memory to the device and back into other memory. */
static void round_trip(struct edu *edu, u8 *from, u8 *to, u32 seed)
{
	fill(from, SIZE, seed);
	memset(to, 0xee, SIZE);
	ok(edu_write(edu, from, 0, SIZE));
	ok(edu_read(edu, to, 0, SIZE));
	assert_true(holds(to, SIZE, seed));
	assert_true(holds(from, SIZE, seed));
}

static void test_dma(void **state)
{
	struct device *dev = rig_open(*state);
	struct edu *edu = probe(dev);
	u8 *heap = malloc(2 * SIZE), *ram = kmalloc(2 * SIZE, GFP_KERNEL);
	u8 *high = (u8 *)__get_free_pages(GFP_KERNEL, 2);
	u64 bounced;

	assert_true(heap && ram && high);
	round_trip(edu, ram, ram + SIZE, 1);
	bounced = rig_stats(dev).bounced_bytes;
	round_trip(edu, heap, heap + SIZE, 2);
	assert_true(rig_stats(dev).bounced_bytes - bounced >= 2 * SIZE);
	round_trip(edu, high, high + 2 * PAGE_SIZE - SIZE / 2, 3);
	assert_int_equal(rig_stats(dev).faults, 0);
	assert_int_equal(rig_stats(dev).maps, rig_stats(dev).unmaps);
	edu_remove(edu);
	kfree(ram);
	free_pages((unsigned long)high, 2);
	free(heap);
	dmamap_close(dev);
}

/* RAM has no holes below its end, unlike that of a PC, which has one between 640 KiB and 1 MiB. */
static void test_ram_has_no_holes(void **state)
{
	static const u64 places[] = {0x1000, 0xa0000, 0xc8000, 0xe0000, 0xff000};
	struct device *dev = rig_open("qemu:edu,iommu=off");
	struct edu *edu = probe(dev);

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		u8 was[64], *p = mem.base + places[i];

		memcpy(was, p, sizeof(was));
		fill(p, sizeof(was), (u32)i);
		ok(edu_dma_to_device(edu, places[i], 0, sizeof(was)));
		memset(p, 0, sizeof(was));
		ok(edu_dma_from_device(edu, places[i], 0, sizeof(was)));
		assert_true(holds(p, sizeof(was), (u32)i));
		memcpy(p, was, sizeof(was));
	}
	edu_remove(edu);
	dmamap_close(dev);
}

static void expect_fault(struct device *dev, dma_addr_t addr, bool write, int reason)
{
	struct dmamap_fault f;

	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	assert_int_equal(f.addr, addr & PAGE_MASK);
	assert_int_equal(f.len, 0);
	assert_int_equal(f.write, write);
	assert_int_equal(f.reason, reason);
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 0);
}

/* The checker's report on each access. Written by the thread that collects faults, under a lock. */
static int reports[8];
static unsigned int n_reports;

static void on_report(const struct dmamap_report *r, void *arg)
{
	if (n_reports < ARRAY_SIZE(reports))
		reports[n_reports++] = r->kind;
}

/* A device accesses memory outside its mappings: nothing moves, and the device is recorded. */
static void test_outside_of_its_mappings(void **state)
{
	static const int expected[] = {DMAMAP_CHECK_DEVICE_FAULT, DMAMAP_CHECK_DEVICE_DIRECTION,
				       DMAMAP_CHECK_DEVICE_AFTER_UNMAP,
				       DMAMAP_CHECK_DEVICE_DIRECTION};
	struct device *dev = rig_open("qemu:edu,check=1");
	struct edu *edu = probe(dev);
	u8 *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	n_reports = 0;
	dmamap_check_on_report(on_report, NULL);
	fill(p, 4096, 7);
	/* a physical address is not a device address */
	ok(edu_dma_from_device(edu, 0x800000, 0, 64));
	expect_fault(dev, 0x800000, true, DMAMAP_FAULT_NOT_MAPPED);
	addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	ok(edu_dma_from_device(edu, addr, 0, 64));
	expect_fault(dev, addr, true, DMAMAP_FAULT_NO_WRITE);
	ok(edu_dma_to_device(edu, addr, 0, 64));
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	ok(edu_dma_to_device(edu, addr + 64, 0, 64));
	expect_fault(dev, addr, false, DMAMAP_FAULT_NOT_MAPPED);
	addr = dma_map_single(dev, p, 4096, DMA_FROM_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	ok(edu_dma_to_device(edu, addr, 0, 64));
	expect_fault(dev, addr, false, DMAMAP_FAULT_NO_READ);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	assert_true(holds(p, 4096, 7));
	assert_int_equal(rig_stats(dev).faults, 4);
	edu_remove(edu);
	dmamap_close(dev);
	dmamap_check_on_report(NULL, NULL);
	assert_int_equal(n_reports, ARRAY_SIZE(expected));
	assert_memory_equal(reports, expected, sizeof(expected));
	kfree(p);
}

/* An untrusted device can access only the mapped bytes, not other data of the same page. */
static void test_untrusted_sees_no_neighbours(void **state)
{
	struct device *dev = rig_open("qemu:edu,untrusted=1");
	struct edu *edu = probe(dev);
	u8 *p = kmalloc(4096, GFP_KERNEL), *seen = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	fill(p, 4096, 9);
	addr = dma_map_single(dev, p + 512, 100, DMA_BIDIRECTIONAL);
	ok(edu_dma_to_device(edu, addr & PAGE_MASK, 0, 4000));
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
	ok(edu_read(edu, seen, 0, 4000));
	for (u32 i = 0; i < 4000; i++)
		if (i - (addr & ~PAGE_MASK) < 100)
			assert_true(seen[i] == p[512 + i - (addr & ~PAGE_MASK)]);
		else
			assert_int_equal(seen[i], 0);
	edu_remove(edu);
	dmamap_close(dev);
	kfree(p);
	kfree(seen);
}

static void map_unmap(struct device *dev, void *p, int n)
{
	for (int i = 0; i < n; i++) {
		dma_addr_t addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	}
}

/* One request for each unmap under strict, one for a batch under lazy, none under identity. */
static void test_invalidations_are_counted(void **state)
{
	static const struct {
		const char *spec;
		u64 least, most;
	} cases[] = {
		{"qemu:edu,policy=strict", 1000, 1000},
		{"qemu:edu,policy=strict,vtd-invalidation=registers", 1000, 1000},
		{"qemu:edu,policy=strict,vtd-caching-mode=1", 2000, 2000},
		{"qemu:edu,policy=lazy", 1, 64},
		{"qemu:edu,policy=identity", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct device *dev = rig_open(cases[i].spec);
		void *p = kmalloc(4096, GFP_KERNEL);
		u64 before, n;

		assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(64)), 0);
		map_unmap(dev, p, 1); /* the tables exist now */
		before = rig_invalidations(dev);
		map_unmap(dev, p, 1000);
		n = rig_invalidations(dev) - before;
		if (n < cases[i].least || n > cases[i].most)
			fail_msg("%s: %llu invalidations", cases[i].spec, (unsigned long long)n);
		kfree(p);
		dmamap_close(dev);
	}
}

/* Large unmaps remove tables: one request, by domain, covers them. */
static void test_large_mappings(void **state)
{
	struct device *dev = rig_open(*state);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 10);
	struct edu *edu = probe(dev);
	u64 before;
	dma_addr_t addr;

	assert_non_null(p);
	for (int i = 0; i < 3; i++) {
		addr = dma_map_single(dev, p, 4 << 20, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		fill(p + (3 << 20), 64, (u32)i);
		ok(edu_dma_to_device(edu, addr + (3 << 20), 0, 64));
		ok(edu_dma_from_device(edu, addr + (1 << 20), 0, 64));
		before = rig_invalidations(dev);
		dma_unmap_single(dev, addr, 4 << 20, DMA_BIDIRECTIONAL);
		assert_int_equal(rig_invalidations(dev) - before, 1);
		assert_true(holds(p + (1 << 20), 64, (u32)i));
	}
	ok(edu_dma_from_device(edu, addr + 4096, 0, 64));
	expect_fault(dev, addr + 4096, true, DMAMAP_FAULT_NOT_MAPPED);
	edu_remove(edu);
	free_pages((unsigned long)p, 10);
	dmamap_close(dev);
}

#define DMA_TEST(spec)                                                                             \
	{                                                                                          \
		"test_dma " spec, test_dma, NULL, rig_teardown,                                    \
			(void *)(uintptr_t) "qemu:edu," spec                                       \
	}
#define LARGE_TEST(spec)                                                                           \
	{                                                                                          \
		"test_large_mappings " spec, test_large_mappings, NULL, rig_teardown,              \
			(void *)(uintptr_t) "qemu:edu," spec                                       \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DMA_TEST("policy=strict"),
		DMA_TEST("policy=lazy"),
		DMA_TEST("policy=identity"),
		DMA_TEST("untrusted=1"),
		DMA_TEST("iommu=off"),
		DMA_TEST("ram=64M"),
		DMA_TEST("ram=2500M"),
		DMA_TEST("interrupts=intx"),
		DMA_TEST("vtd-width=39"),
		DMA_TEST("vtd-caching-mode=1"),
		DMA_TEST("vtd-invalidation=registers"),
		DMA_TEST("vtd-width=39,vtd-caching-mode=1,policy=identity,vtd-invalidation="
			 "registers"),
		LARGE_TEST("policy=strict"),
		LARGE_TEST("vtd-invalidation=registers"),
		LARGE_TEST("vtd-caching-mode=1"),
		rig_test(test_ram_has_no_holes),
		rig_test(test_outside_of_its_mappings),
		rig_test(test_untrusted_sees_no_neighbours),
		rig_test(test_invalidations_are_counted),
	};

	rig_need_qemu();
	return cmocka_run_group_tests(tests, NULL, rig_cleanup);
}
