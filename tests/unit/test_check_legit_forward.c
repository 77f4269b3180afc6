/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a live mapping that is mapped a second time: forwarded packets, buffers that two
 * devices share, packets that are sent twice. The checker must report nothing.
 */
#include "check_rig.h"

#define PP_ATTRS (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING)

/*
 * Received by one permanent mapping, sent by another of the same device, then of a second device.
 */
static void forward(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t rx = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, 0);

	for (int i = 0; i < 2; i++) {
		struct device *out = i ? dev2 : dev;
		dma_addr_t tx;

		device_writes(dev, rx, 100);
		dma_sync_single_for_cpu(dev, rx, 100, DMA_FROM_DEVICE);
		tx = map_page(out, page, 0, 100, DMA_TO_DEVICE, 0);
		device_reads(out, tx, 100);
		dma_unmap_page(out, tx, 100, DMA_TO_DEVICE);
		dma_sync_single_for_device(dev, rx, 100, DMA_FROM_DEVICE);
	}
	dma_unmap_page(dev, rx, PAGE_SIZE, DMA_FROM_DEVICE);
	__free_page(page);
}

/* A page_pool page with two packets: one is forwarded with a new header before it, and padded. */
static void forward_from_pool(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *va = page_address(page);
	dma_addr_t rx = map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL, PP_ATTRS), tx;

	for (int i = 0; i < 3; i++) {
		dma_sync_single_range_for_device(dev, rx, 256, 1536, DMA_BIDIRECTIONAL);
		dma_sync_single_range_for_device(dev, rx, 2048 + 256, 1536, DMA_BIDIRECTIONAL);
		device_writes(dev, rx + 256, 40);
		dma_sync_single_range_for_cpu(dev, rx, 256, 40, DMA_BIDIRECTIONAL);
		memset(va + 248, 7, 8);
		memset(va + 296, 0, 20);
		tx = map_single(dev2, va + 248, 68, DMA_TO_DEVICE);
		device_reads(dev2, tx, 68);
		/* meanwhile the other buffer is received into */
		device_writes(dev, rx + 2048 + 256, 1500);
		dma_unmap_single(dev2, tx, 68, DMA_TO_DEVICE);
		dma_sync_single_range_for_cpu(dev, rx, 2048 + 256, 1500, DMA_BIDIRECTIONAL);
		cpu_reads(va + 2048 + 256, 1500);
	}
	dma_unmap_page_attrs(dev, rx, PAGE_SIZE, DMA_BIDIRECTIONAL, PP_ATTRS);
	__free_page(page);
}

/* XDP: a frame is redirected to a second card while the page belongs to the first one. */
static void redirect(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t rx = map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL, 0), tx;

	device_writes(dev, rx, 100);
	dma_sync_single_for_cpu(dev, rx, 100, DMA_BIDIRECTIONAL);
	tx = map_single(dev2, page_address(page), 100, DMA_TO_DEVICE);
	device_reads(dev2, tx, 100);
	dma_unmap_single(dev2, tx, 100, DMA_TO_DEVICE);
	dma_sync_single_for_device(dev, rx, 100, DMA_BIDIRECTIONAL);
	dma_unmap_page(dev, rx, PAGE_SIZE, DMA_BIDIRECTIONAL);
	__free_page(page);
}

/* A page of the pool that was never a receive buffer: the CPU created the frame. */
static void send_from_pool(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *va = page_address(page);
	dma_addr_t pool = map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL, PP_ATTRS), tx;

	memset(va, 3, 1500);
	tx = map_single(dev2, va, 1500, DMA_TO_DEVICE);
	device_reads(dev2, tx, 1500);
	dma_unmap_single(dev2, tx, 1500, DMA_TO_DEVICE);
	memset(va, 4, 1500);
	dma_sync_single_for_device(dev, pool, 1500, DMA_BIDIRECTIONAL);
	device_reads(dev, pool, 1500);
	dma_unmap_page_attrs(dev, pool, PAGE_SIZE, DMA_BIDIRECTIONAL, PP_ATTRS);
	__free_page(page);
}

/* An accelerator decrypts a packet in place, so it writes to it. */
static void decipher_in_place(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *va = page_address(page);
	dma_addr_t rx = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS), crypt;

	dma_sync_single_range_for_device(dev, rx, 0, 2048, DMA_FROM_DEVICE);
	device_writes(dev, rx, 1024);
	dma_sync_single_range_for_cpu(dev, rx, 0, 1024, DMA_FROM_DEVICE);
	crypt = map_single(dev2, va, 1024, DMA_BIDIRECTIONAL);
	device_reads(dev2, crypt, 1024);
	device_writes(dev2, crypt, 1024);
	dma_unmap_single(dev2, crypt, 1024, DMA_BIDIRECTIONAL);
	cpu_reads(va, 1024);
	dma_unmap_page_attrs(dev, rx, PAGE_SIZE, DMA_FROM_DEVICE, PP_ATTRS);
	__free_page(page);
}

/* The same device does both, at one address if there is no IOMMU. */
static void decipher_by_one_device(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t rx = map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE, 0), crypt;

	device_writes(dev, rx, 1024);
	dma_sync_single_for_cpu(dev, rx, 1024, DMA_FROM_DEVICE);
	crypt = map_page(dev, page, 0, 1024, DMA_BIDIRECTIONAL, 0);
	device_reads(dev, crypt, 1024);
	device_writes(dev, crypt, 1024);
	dma_unmap_page(dev, crypt, 1024, DMA_BIDIRECTIONAL);
	dma_unmap_page(dev, rx, PAGE_SIZE, DMA_FROM_DEVICE);
	__free_page(page);
}

/* Two devices use a buffer in turn: the second mapping does not touch the caches. */
static void share(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	dma_addr_t a, b;

	memset(page_address(page), 1, 8192);
	a = map_page(dev, page, 0, 8192, DMA_BIDIRECTIONAL, 0);
	b = map_page(dev2, page, 0, 8192, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	device_writes(dev, a, 4096);
	device_reads(dev2, b, 4096);
	dma_unmap_page_attrs(dev2, b, 8192, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	dma_unmap_page(dev, a, 8192, DMA_BIDIRECTIONAL);
	cpu_reads(page_address(page), 8192);
	__free_pages(page, 1);
}

/*
 * A packet and its clone are sent at the same time, and so are its pieces, which share cache lines.
 */
static void send_twice(void)
{
	char *p = kmalloc(2048, GFP_KERNEL);
	dma_addr_t whole, clone, head, body;

	memset(p, 1, 2048);
	whole = map_single(dev, p, 1500, DMA_TO_DEVICE);
	clone = map_single(dev2, p + 14, 1486, DMA_TO_DEVICE);
	head = map_single(dev, p, 54, DMA_TO_DEVICE);
	body = map_single(dev, p + 54, 1446, DMA_TO_DEVICE);
	device_reads(dev, whole, 1500);
	device_reads(dev2, clone, 1486);
	device_reads(dev, head, 54);
	device_reads(dev, body, 1446);
	dma_unmap_single(dev, head, 54, DMA_TO_DEVICE);
	dma_unmap_single(dev, body, 1446, DMA_TO_DEVICE);
	dma_unmap_single(dev2, clone, 1486, DMA_TO_DEVICE);
	dma_unmap_single(dev, whole, 1500, DMA_TO_DEVICE);
	kfree(p);
}

/*
 * Fragments of pages that the stack also references: the driver drops its reference after sending.
 */
static void fragments(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	dma_addr_t addr[4];

	memset(page_address(page), 2, 16384);
	for (int i = 0; i < 4; i++) {
		get_page(page);
		addr[i] = map_page(dev, page + i, 128, 1448, DMA_TO_DEVICE, 0);
	}
	for (int i = 0; i < 4; i++)
		device_reads(dev, addr[i], 1448);
	put_page(page); /* the socket is destroyed; the fragments keep the pages */
	for (int i = 0; i < 4; i++) {
		dma_unmap_page(dev, addr[i], 1448, DMA_TO_DEVICE);
		put_page(page);
	}
}

LEGIT(forward)
LEGIT(forward_from_pool)
LEGIT(redirect)
LEGIT(send_from_pool)
LEGIT(decipher_in_place)
LEGIT(decipher_by_one_device)
LEGIT(share)
LEGIT(send_twice)
LEGIT(fragments)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_forward_from_pool),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_send_from_pool),
		cmocka_unit_test(test_decipher_in_place),
		cmocka_unit_test(test_decipher_by_one_device),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_send_twice),
		cmocka_unit_test(test_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
