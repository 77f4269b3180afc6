/* SPDX-License-Identifier: BSD-2-Clause */
/* Network drivers that receive into pages that stay mapped: the checker must report nothing. */
#include "check_rig.h"

#define PP_ATTRS (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING)
#define HEADROOM 256u
#define FRAME	 1536u

/* A page is used in halves, which change roles; the packet gets a header and a tail in place. */
static void half_pages(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *va = page_address(page);
	dma_addr_t addr = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);

	for (unsigned int round = 0; round < 6; round++) {
		unsigned int half = round % 2 * 2048;

		dma_sync_single_range_for_device(dev, addr, half, 2048, DMA_FROM_DEVICE);
		device_writes(dev, addr + half + 64, 200);
		dma_sync_single_range_for_cpu(dev, addr, half + 64, 200, DMA_FROM_DEVICE);
		cpu_reads(va + half + 64, 200);
		va[half] = 1;
		memset(va + half + 264, 0, 20);
		memset(va + half + 2048 - 320, 0, 320);
	}
	dma_unmap_page_attrs(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	__free_page(page);
}

/*
 * The half that the network stack still references keeps its bytes while the device fills the other
 * half.
 */
static void half_is_held(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *va = page_address(page);
	dma_addr_t addr = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);

	dma_sync_single_range_for_device(dev, addr, 0, 2048, DMA_FROM_DEVICE);
	device_writes(dev, addr, 1500);
	dma_sync_single_range_for_cpu(dev, addr, 0, 1500, DMA_FROM_DEVICE);
	get_page(page);
	dma_sync_single_range_for_device(dev, addr, 2048, 2048, DMA_FROM_DEVICE);
	device_writes(dev, addr + 2048, 1500);
	cpu_reads(va, 1500);
	dma_sync_single_range_for_cpu(dev, addr, 2048, 1500, DMA_FROM_DEVICE);
	cpu_reads(va, PAGE_SIZE);
	dma_unmap_page_attrs(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	put_page(page);
	cpu_reads(va, 1500);
	put_page(page);
}

/* One buffer of a page_pool page: filled, examined by a program, sent back or dropped. */
static void pool_buffer(struct page *page, dma_addr_t addr, unsigned int at, unsigned int length,
			bool send)
{
	char *va = (char *)page_address(page) + at;

	dma_sync_single_range_for_device(dev, addr, at + HEADROOM, FRAME, DMA_BIDIRECTIONAL);
	device_writes(dev, addr + at + HEADROOM, length);
	dma_sync_single_range_for_cpu(dev, addr, at + HEADROOM, length, DMA_BIDIRECTIONAL);
	memset(va, 0, HEADROOM);
	va[HEADROOM] ^= 1;
	va[HEADROOM - 8] = 2;
	va[100] = 3;
	if (!send)
		return;
	dma_sync_single_range_for_device(dev, addr, at + HEADROOM - 8, length + 8,
					 DMA_BIDIRECTIONAL);
	device_reads(dev, addr + at + HEADROOM - 8, length + 8);
}

static void page_pool(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr = map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL, PP_ATTRS);

	for (unsigned int round = 0; round < 4; round++) {
		pool_buffer(page, addr, 0, 100, round % 2);
		pool_buffer(page, addr, 0, 1500, !(round % 2));
	}
	dma_unmap_page_attrs(dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL, PP_ATTRS);
	__free_page(page);
}

/* A page returns to its pool, which syncs only what was touched, and is divided again. */
static void page_pool_recycles(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *va = page_address(page);
	dma_addr_t addr = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);

	dma_sync_single_range_for_device(dev, addr, 0, 2048, DMA_FROM_DEVICE);
	dma_sync_single_range_for_device(dev, addr, 2048, 2048, DMA_FROM_DEVICE);
	device_writes(dev, addr, 60);
	dma_sync_single_range_for_cpu(dev, addr, 0, 60, DMA_FROM_DEVICE);
	dma_sync_single_range_for_device(dev, addr, 0, 60, DMA_FROM_DEVICE);
	device_writes(dev, addr, 2000);
	dma_sync_single_range_for_cpu(dev, addr, 0, 2000, DMA_FROM_DEVICE);
	cpu_reads(va, 2000);
	/* the second buffer was never filled: the ring was torn down */
	dma_sync_single_range_for_device(dev, addr, 0, 3000, DMA_FROM_DEVICE);
	device_writes(dev, addr, 2900);
	dma_sync_single_range_for_cpu(dev, addr, 0, 2900, DMA_FROM_DEVICE);
	cpu_reads(va, 2900);
	/* four of a page */
	for (unsigned int at = 0; at < PAGE_SIZE; at += 1024)
		dma_sync_single_range_for_device(dev, addr, at, 1024, DMA_FROM_DEVICE);
	for (unsigned int at = 0; at < PAGE_SIZE; at += 1024)
		device_writes(dev, addr + at, 1024);
	/* synced to the CPU one by one, and all at once */
	dma_sync_single_range_for_cpu(dev, addr, 0, 1024, DMA_FROM_DEVICE);
	dma_sync_single_range_for_cpu(dev, addr, 1024, 3072, DMA_FROM_DEVICE);
	cpu_reads(va, PAGE_SIZE);
	dma_unmap_page_attrs(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	__free_page(page);
}

/* More buffers in one mapping than the checker records. */
static void many_buffers(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 4);
	char *va = page_address(page);
	dma_addr_t addr = map_page(dev, page, 0, 65536, DMA_FROM_DEVICE, PP_ATTRS);

	for (int round = 0; round < 2; round++) {
		for (unsigned int at = 0; at < 65536; at += 512)
			dma_sync_single_range_for_device(dev, addr, at, 512, DMA_FROM_DEVICE);
		for (unsigned int at = 0; at < 65536; at += 512) {
			device_writes(dev, addr + at, 500);
			dma_sync_single_range_for_cpu(dev, addr, at, 500, DMA_FROM_DEVICE);
			va[at] = 1;
		}
	}
	dma_unmap_page_attrs(dev, addr, 65536, DMA_FROM_DEVICE, PP_ATTRS);
	__free_pages(page, 4);
}

/* A page that stays mapped; packets are synced to the CPU with their own length. */
static void whole_page_reuse(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, 0);

	for (unsigned int length = 60; length < 3000; length *= 2) {
		device_writes(dev, addr, length);
		dma_sync_single_for_cpu(dev, addr, length, DMA_FROM_DEVICE);
		cpu_reads(page_address(page), length);
		dma_sync_single_for_device(dev, addr, length, DMA_FROM_DEVICE);
	}
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	__free_page(page);
}

/* Short packets are copied, and the device keeps the buffer. */
static void copybreak(void)
{
	char *p = kmalloc(2048, GFP_KERNEL), skb[64];
	dma_addr_t addr = map_single(dev, p, 2048, DMA_FROM_DEVICE);

	for (int i = 0; i < 5; i++) {
		device_writes(dev, addr, 64);
		dma_sync_single_for_cpu(dev, addr, 64, DMA_FROM_DEVICE);
		memcpy(skb, p, 64);
		dma_sync_single_for_device(dev, addr, 64, DMA_FROM_DEVICE);
		assert_int_equal(skb[63], 0x5a);
	}
	device_writes(dev, addr, 2048);
	dma_unmap_single(dev, addr, 2048, DMA_FROM_DEVICE);
	cpu_reads(p, 2048);
	kfree(p);
}

/* The CPU may read again what the device wrote to one slot, whatever slot it synced meanwhile. */
static void device_reads_its_own(void)
{
	char *ring = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, ring, 4096, DMA_BIDIRECTIONAL);

	device_writes(dev, addr, 64);
	device_writes(dev, addr + 1024, 64);
	dma_sync_single_for_cpu(dev, addr, 64, DMA_BIDIRECTIONAL);
	assert_int_equal(ring[0], 0x5a);
	device_reads(dev, addr + 1024, 64);
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	kfree(ring);
}

LEGIT(half_pages)
LEGIT(half_is_held)
LEGIT(page_pool)
LEGIT(page_pool_recycles)
LEGIT(many_buffers)
LEGIT(whole_page_reuse)
LEGIT(copybreak)
LEGIT(device_reads_its_own)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_pages),   cmocka_unit_test(test_half_is_held),
		cmocka_unit_test(test_page_pool),    cmocka_unit_test(test_page_pool_recycles),
		cmocka_unit_test(test_many_buffers), cmocka_unit_test(test_whole_page_reuse),
		cmocka_unit_test(test_copybreak),    cmocka_unit_test(test_device_reads_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
