/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that drivers allocate for their devices: coherent rings, pools, pages that are not
 * coherent, streaming rings, two-step ranges; and the order in which all of it is freed. The
 * checker must report nothing, and must not require dma_mapping_error() after a call that returns
 * no such error.
 */
#include "check_rig.h"

static void coherent_ring(void)
{
	dma_addr_t addr, addr2;
	u64 *ring = dma_alloc_coherent(dev, 8192, &addr, GFP_KERNEL);
	u64 *other = dma_alloc_coherent(dev, 8192, &addr2, GFP_KERNEL);

	for (u64 i = 0; i < 64; i++) {
		ring[i] = i;
		device_reads(dev, addr + i * 8, 8);
		device_writes(dev, addr + i * 8, 8);
		assert_true(ring[i] == 0x5a5a5a5a5a5a5a5aull);
	}
	other[0] = ring[0];
	dma_free_coherent(dev, 8192, other, addr2);
	dma_free_coherent(dev, 8192, ring, addr);
}

static void dma_pools(void)
{
	struct dma_pool *pool = dma_pool_create("test", dev, 64, 64, 0);
	dma_addr_t addr[100];
	void *block[100];

	assert_non_null(pool);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			block[i] = dma_pool_zalloc(pool, GFP_KERNEL, &addr[i]);
			assert_non_null(block[i]);
			memset(block[i], i, 64);
			device_reads(dev, addr[i], 64);
			device_writes(dev, addr[i], 64);
		}
		for (int i = 0; i < 100; i++)
			dma_pool_free(pool, block[i * 7 % 100], addr[i * 7 % 100]);
	}
	dma_pool_destroy(pool);
}

/* The CPU owns it first; then it is passed to the device and back. */
static void pages_for_a_device(void)
{
	dma_addr_t addr;
	struct page *page = dma_alloc_pages(dev, 8192, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
	char *va = page_address(page);

	va[0] = 1;
	dma_sync_single_for_device(dev, addr, 8192, DMA_BIDIRECTIONAL);
	device_reads(dev, addr, 64);
	device_writes(dev, addr + 4096, 64);
	dma_sync_single_for_cpu(dev, addr + 4096, 64, DMA_BIDIRECTIONAL);
	cpu_reads(va + 4096, 64);
	va[4096] = 1;
	dma_sync_single_for_cpu(dev, addr, 8192, DMA_BIDIRECTIONAL);
	memset(va, 2, 8192);
	dma_free_pages(dev, 8192, page, addr, DMA_BIDIRECTIONAL);
}

static void noncoherent_pool(void)
{
	dma_addr_t addr[8];
	char *va[8];

	for (int i = 0; i < 8; i++) {
		va[i] = dma_alloc_noncoherent(dev, 4096, &addr[i], DMA_FROM_DEVICE, GFP_KERNEL);
		assert_non_null(va[i]);
		memset(va[i], 0, 4096);
		dma_sync_single_for_device(dev, addr[i], 4096, DMA_FROM_DEVICE);
	}
	for (int i = 0; i < 8; i++) {
		device_writes(dev, addr[i], 2000);
		dma_sync_single_for_cpu(dev, addr[i], 2000, DMA_FROM_DEVICE);
		cpu_reads(va[i], 2000);
		dma_sync_single_for_device(dev, addr[i], 2000, DMA_FROM_DEVICE);
	}
	for (int i = 0; i < 8; i++)
		dma_free_noncoherent(dev, 4096, va[i], addr[i], DMA_FROM_DEVICE);
}

static void noncontiguous(void)
{
	struct sg_table *t = dma_alloc_noncontiguous(dev, 65536, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	dma_addr_t addr;
	char *va;

	assert_non_null(t);
	va = dma_vmap_noncontiguous(dev, 65536, t);
	assert_non_null(va);
	memset(va, 1, 65536);
	addr = sg_dma_address(t->sgl);
	dma_sync_sgtable_for_device(dev, t, DMA_BIDIRECTIONAL);
	device_reads(dev, addr, 4096);
	device_writes(dev, addr + 8192, 100);
	dma_sync_sgtable_for_cpu(dev, t, DMA_BIDIRECTIONAL);
	cpu_reads(va, 65536);
	va[1] = 2;
	/* a part: the CPU owns the rest */
	dma_sync_single_for_device(dev, addr, 4096, DMA_BIDIRECTIONAL);
	va[32768] = 3;
	dma_vunmap_noncontiguous(dev, va);
	dma_free_noncontiguous(dev, 65536, t, DMA_BIDIRECTIONAL);
}

/* A ring in ordinary memory, slot by slot and as a whole. */
static void streaming_ring(void)
{
	u64 *ring = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, ring, 4096, DMA_BIDIRECTIONAL);

	for (unsigned int i = 0; i < 64; i++) {
		dma_addr_t slot = addr + i * 64;

		dma_sync_single_for_cpu(dev, slot, 64, DMA_BIDIRECTIONAL);
		ring[i * 8] = i;
		dma_sync_single_for_device(dev, slot, 64, DMA_BIDIRECTIONAL);
		device_reads(dev, slot, 64);
		device_writes(dev, slot + 8, 8);
		dma_sync_single_for_cpu(dev, slot, 64, DMA_BIDIRECTIONAL);
		assert_true(ring[i * 8] == i);
		dma_sync_single_for_device(dev, slot, 64, DMA_BIDIRECTIONAL);
	}
	dma_sync_single_for_cpu(dev, addr, 4096, DMA_BIDIRECTIONAL);
	memset(ring, 0, 4096);
	dma_sync_single_for_device(dev, addr, 4096, DMA_BIDIRECTIONAL);
	device_reads(dev, addr, 4096);
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	kfree(ring);
}

/* Sent repeatedly from a mapping that the driver syncs itself. */
static void send_buffer(void)
{
	char *p = kmalloc(2048, GFP_KERNEL);
	dma_addr_t addr = check_mapped(
		dev, dma_map_single_attrs(dev, p, 2048, DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC));

	for (int i = 0; i < 3; i++) {
		memset(p, i, 2048);
		dma_sync_single_for_device(dev, addr, 2048, DMA_TO_DEVICE);
		device_reads(dev, addr, 2048);
		dma_sync_single_for_cpu(dev, addr, 2048, DMA_TO_DEVICE);
	}
	dma_unmap_single_attrs(dev, addr, 2048, DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	kfree(p);
}

static void two_step(void)
{
	struct dma_iova_state state = {0};
	struct page *page = alloc_pages(GFP_KERNEL, 2);

	if (dma_iova_try_alloc(dev, &state, page_to_phys(page), 16384)) {
		for (int round = 0; round < 2; round++) {
			for (size_t i = 0; i < 4; i++)
				assert_int_equal(dma_iova_link(dev, &state, page_to_phys(page + i),
							       i * PAGE_SIZE, PAGE_SIZE,
							       DMA_FROM_DEVICE, 0),
						 0);
			assert_int_equal(dma_iova_sync(dev, &state, 0, 16384), 0);
			device_writes(dev, state.addr, 16384);
			dma_iova_unlink(dev, &state, 0, 16384, DMA_FROM_DEVICE, 0);
		}
		dma_iova_free(dev, &state);
	}
	__free_pages(page, 2);
}

/* Unmapped, then freed, then allocated by another user, which maps it again. */
static void reused_memory(void)
{
	for (int i = 0; i < 200; i++) {
		size_t size = (size_t)(i % 3 + 1) * 700;
		char *p = i % 2 ? kmalloc(size, GFP_KERNEL) : aligned_alloc(64, 2112);
		dma_addr_t addr = map_single(dev, p, size, DMA_FROM_DEVICE);

		device_writes(dev, addr, size);
		dma_unmap_single(dev, addr, size, DMA_FROM_DEVICE);
		if (i % 2)
			kfree(p);
		else
			free(p);
	}
}

/*
 * Objects of one slab, of one page and of an area, which are adjacent, are freed while others live.
 */
static void neighbours_are_freed(void)
{
	char *p[16], *area = vmalloc(8192);
	struct page *block = alloc_pages(GFP_KERNEL, 1);
	dma_addr_t addr[16], page_addr, area_addr;

	for (int i = 0; i < 16; i++) {
		p[i] = kmalloc(64, GFP_KERNEL);
		addr[i] = map_single(dev, p[i], 64, DMA_FROM_DEVICE);
	}
	area_addr = map_page(dev, vmalloc_to_page(area), 0, 4096, DMA_FROM_DEVICE, 0);
	page_addr = map_page(dev, block, 0, 4096, DMA_FROM_DEVICE, 0);
	for (int i = 0; i < 16; i += 2) {
		dma_unmap_single(dev, addr[i], 64, DMA_FROM_DEVICE);
		kfree(p[i]);
	}
	for (int i = 1; i < 16; i += 2) {
		device_writes(dev, addr[i], 64);
		dma_unmap_single(dev, addr[i], 64, DMA_FROM_DEVICE);
		kfree(p[i]);
	}
	dma_unmap_page(dev, page_addr, 4096, DMA_FROM_DEVICE);
	dma_unmap_page(dev, area_addr, 4096, DMA_FROM_DEVICE);
	__free_pages(block, 1);
	vfree(area);
}

LEGIT(coherent_ring)
LEGIT(dma_pools)
LEGIT(pages_for_a_device)
LEGIT(noncoherent_pool)
LEGIT(noncontiguous)
LEGIT(streaming_ring)
LEGIT(send_buffer)
LEGIT(two_step)
LEGIT(reused_memory)
LEGIT(neighbours_are_freed)

static dma_addr_t map_checked(void *p)
{
	dma_addr_t addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	return addr;
}

/*
 * Two users of one device map the same memory for reading, and under policy=persistent receive the
 * same address. One unmaps before the other has called dma_mapping_error().
 */
static void equal_mappings(void)
{
	void *p = aligned_alloc(4096, 4096);

	memset(p, 1, 4096);
	for (int round = 0; round < 4; round++) {
		dma_addr_t first = map_checked(p), second = map_checked(p), third;

		dma_unmap_single(dev, first, 4096, DMA_TO_DEVICE);
		/* its record may be found before that of the second */
		third = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
		dma_unmap_single(dev, second, 4096, DMA_TO_DEVICE);
		assert_int_equal(dma_mapping_error(dev, third), 0);
		dma_unmap_single(dev, third, 4096, DMA_TO_DEVICE);
	}
	free(p);
}

static void test_equal_mappings(void **state)
{
	check_right("equal mappings", equal_mappings);
	check_begin("sim,check=1,policy=persistent", false);
	equal_mappings();
	check_finish();
	if (check_reports)
		fail_msg("policy=persistent: %d reports, the last is %s", check_reports,
			 check_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coherent_ring),
		cmocka_unit_test(test_dma_pools),
		cmocka_unit_test(test_pages_for_a_device),
		cmocka_unit_test(test_noncoherent_pool),
		cmocka_unit_test(test_noncontiguous),
		cmocka_unit_test(test_streaming_ring),
		cmocka_unit_test(test_equal_mappings),
		cmocka_unit_test(test_send_buffer),
		cmocka_unit_test(test_two_step),
		cmocka_unit_test(test_reused_memory),
		cmocka_unit_test(test_neighbours_are_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
