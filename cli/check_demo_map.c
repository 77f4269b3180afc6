/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mapping, unmapping and syncing: wrong and right use. `wrong` chooses; everything else is the
 * same.
 */
#include "check_demo.h"

static const char constant[64] = "read-only";

static void demo_bad_argument(struct device *dev, bool wrong)
{
	void *p = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p, 64, wrong ? DMA_NONE : DMA_TO_DEVICE);

	if (!dma_mapping_error(dev, addr))
		dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	kfree(p);
}

/* Maps memory and unmaps it in one of several wrong ways. */
static void demo_unmap_as(struct device *dev, dma_addr_t more, size_t size,
			  enum dma_data_direction dir, unsigned int times)
{
	void *p = kmalloc(8192, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 8192, DMA_TO_DEVICE);

	for (unsigned int i = 0; i < times; i++)
		dma_unmap_single(dev, addr + more, size, dir);
	if (more || dir != DMA_TO_DEVICE) /* otherwise it would stay mapped */
		dma_unmap_single(dev, addr, 8192, DMA_TO_DEVICE);
	kfree(p);
}

static void demo_unmap_not_mapped(struct device *dev, bool wrong)
{
	if (wrong)
		demo_unmap_as(dev, 4096, 4096, DMA_TO_DEVICE, 1);
	else
		demo_unmap_as(dev, 0, 8192, DMA_TO_DEVICE, 1);
}

static void demo_unmap_twice(struct device *dev, bool wrong)
{
	demo_unmap_as(dev, 0, 8192, DMA_TO_DEVICE, wrong ? 2 : 1);
}

static void demo_unmap_size(struct device *dev, bool wrong)
{
	demo_unmap_as(dev, 0, wrong ? 4096 : 8192, DMA_TO_DEVICE, 1);
}

static void demo_unmap_direction(struct device *dev, bool wrong)
{
	demo_unmap_as(dev, 0, 8192, wrong ? DMA_FROM_DEVICE : DMA_TO_DEVICE, 1);
}

static void demo_unmap_device(struct device *dev, bool wrong)
{
	struct device *other = dmamap_open("sim,check=1");
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 4096, DMA_TO_DEVICE);

	if (wrong)
		dma_unmap_single(other, addr, 4096, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	dmamap_close(other);
	kfree(p);
}

static void demo_unmap_function(struct device *dev, bool wrong)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 4096, DMA_TO_DEVICE);

	if (wrong)
		dma_unmap_page(dev, addr, 4096, DMA_TO_DEVICE);
	else
		dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	kfree(p);
}

/*
 * Two pages that become one segment; `synced` and `unmapped` are the counts that the driver passes.
 */
static void demo_list_of_two(struct device *dev, int synced, int unmapped)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	struct scatterlist sg[2];

	sg_init_table(sg, 2);
	sg_set_page(&sg[0], page, 4096, 0);
	sg_set_page(&sg[1], page + 1, 4096, 0);
	dma_map_sg(dev, sg, 2, DMA_FROM_DEVICE);
	dma_sync_sg_for_cpu(dev, sg, synced, DMA_FROM_DEVICE);
	dma_unmap_sg(dev, sg, unmapped, DMA_FROM_DEVICE);
	__free_pages(page, 1);
}

static void demo_unmap_sg_count(struct device *dev, bool wrong)
{
	demo_list_of_two(dev, 2, wrong ? 1 : 2);
}

static void demo_sync_sg_count(struct device *dev, bool wrong)
{
	demo_list_of_two(dev, wrong ? 1 : 2, 2);
}

static void demo_unmap_attrs(struct device *dev, bool wrong)
{
	dma_addr_t addr;
	void *p = dma_alloc_wc(dev, 4096, &addr, GFP_KERNEL);

	if (wrong)
		dma_free_coherent(dev, 4096, p, addr);
	else
		dma_free_wc(dev, 4096, p, addr);
}

static void demo_coherent_not_owned(struct device *dev, bool wrong)
{
	dma_addr_t addr;
	char *p = dma_alloc_coherent(dev, 8192, &addr, GFP_KERNEL);

	if (wrong)
		dma_free_coherent(dev, 4096, p + 4096, addr + 4096);
	dma_free_coherent(dev, 8192, p, addr);
}

static void demo_coherent_twice(struct device *dev, bool wrong)
{
	dma_addr_t addr;
	void *p = dma_alloc_coherent(dev, 4096, &addr, GFP_KERNEL);

	dma_free_coherent(dev, 4096, p, addr);
	if (wrong)
		dma_free_coherent(dev, 4096, p, addr);
}

static void demo_coherent_mismatch(struct device *dev, bool wrong)
{
	dma_addr_t addr;
	void *p = dma_alloc_coherent(dev, 4096, &addr, GFP_KERNEL);

	if (wrong)
		dma_free_coherent(dev, 2048, p, addr);
	dma_free_coherent(dev, 4096, p, addr);
}

static void demo_map_unchecked(struct device *dev, bool wrong)
{
	void *p = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p, 64, DMA_TO_DEVICE);

	if (wrong || !dma_mapping_error(dev, addr))
		dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	kfree(p);
}

static void demo_map_memory(struct device *dev, void *p)
{
	dma_addr_t addr = demo_map(dev, p, 64, DMA_TO_DEVICE);

	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
}

static void demo_map_stack(struct device *dev, bool wrong)
{
	char local[64] __attribute__((aligned(64))) = "";
	void *p = kmalloc(64, GFP_KERNEL);

	demo_map_memory(dev, wrong ? local : p);
	kfree(p);
}

static void demo_map_text(struct device *dev, bool wrong)
{
	void *p = kmemdup(constant, sizeof(constant), GFP_KERNEL);

	demo_map_memory(dev, wrong ? (void *)(uintptr_t)constant : p);
	kfree(p);
}

static void demo_map_freed(struct device *dev, bool wrong)
{
	void *volatile p = malloc(64);

	if (wrong)
		free(p);
	demo_map_memory(dev, p);
	if (!wrong)
		free(p);
}

static void demo_map_overlap(struct device *dev, bool wrong)
{
	enum dma_data_direction dir = wrong ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	char *p = kmalloc(128, GFP_KERNEL);
	dma_addr_t a = demo_map(dev, p, 96, DMA_TO_DEVICE), b = demo_map(dev, p + 96, 32, dir);

	dma_unmap_single(dev, b, 32, dir);
	dma_unmap_single(dev, a, 96, DMA_TO_DEVICE);
	kfree(p);
}

static void demo_map_coherent(struct device *dev, bool wrong)
{
	dma_addr_t addr;
	void *p = dma_alloc_coherent(dev, 4096, &addr, GFP_KERNEL), *q = kmalloc(64, GFP_KERNEL);

	demo_map_memory(dev, wrong ? p : q);
	dma_free_coherent(dev, 4096, p, addr);
	kfree(q);
}

static void demo_map_resource(struct device *dev, bool wrong)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr =
		dma_map_resource(dev, wrong ? virt_to_phys(p) : 0xd0000000, 4096, DMA_TO_DEVICE, 0);

	if (!dma_mapping_error(dev, addr))
		dma_unmap_resource(dev, addr, 4096, DMA_TO_DEVICE, 0);
	kfree(p);
}

static void demo_map_no_mask(struct device *dev, bool wrong)
{
	void *p = kmalloc(64, GFP_KERNEL);

	demo_map_memory(dev, p); /* the mask was set, or was not, when the device was opened */
	kfree(p);
}

/* dma_alloc_pages() returns a struct page, which describes the memory but is not the memory. */
static void demo_page_struct(struct device *dev, bool wrong)
{
	dma_addr_t addr;
	struct page *page = dma_alloc_pages(dev, 65536, &addr, DMA_TO_DEVICE, GFP_KERNEL);
	void *volatile p = wrong ? (void *)page : page_address(page);

	memset(p, 1, 64);
	dma_sync_single_for_device(dev, addr, 65536, DMA_TO_DEVICE);
	dma_free_pages(dev, 65536, page, addr, DMA_TO_DEVICE);
}

static void demo_free_mapped(struct device *dev, bool wrong)
{
	void *p = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 64, DMA_FROM_DEVICE);

	if (wrong)
		kfree(p);
	dma_unmap_single(dev, addr, 64, DMA_FROM_DEVICE);
	if (!wrong)
		kfree(p);
}

static void demo_free_wrong(struct device *dev, bool wrong)
{
	char *p = kmalloc(256, GFP_KERNEL), *aligned = p + 128;

	demo_map_memory(dev, aligned);
	if (wrong)
		kfree(aligned);
	kfree(p);
}

static void demo_map_list(struct device *dev, void *p, unsigned int size)
{
	struct scatterlist sg;

	sg_init_one(&sg, p, size);
	if (dma_map_sg(dev, &sg, 1, DMA_TO_DEVICE))
		dma_unmap_sg(dev, &sg, 1, DMA_TO_DEVICE);
}

static void demo_segment_size(struct device *dev, bool wrong)
{
	void *p = kmalloc(8192, GFP_KERNEL);

	dma_set_max_seg_size(dev, 4096);
	demo_map_list(dev, p, wrong ? 8192 : 4096);
	kfree(p);
}

static void demo_segment_boundary(struct device *dev, bool wrong)
{
	char *p = kmalloc(8192, GFP_KERNEL);

	dma_set_seg_boundary(dev, 4095);
	demo_map_list(dev, wrong ? p + 2048 : p, 4096);
	kfree(p);
}

/* Maps memory, syncs it in one of several ways, and unmaps it. */
static void demo_sync_as(struct device *dev, enum dma_data_direction mapped, u64 from, size_t size,
			 enum dma_data_direction dir, bool to_cpu)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 4096, mapped);

	if (to_cpu)
		dma_sync_single_for_cpu(dev, addr + from, size, dir);
	else
		dma_sync_single_for_device(dev, addr + from, size, dir);
	dma_unmap_single(dev, addr, 4096, mapped);
	kfree(p);
}

static void demo_sync_not_mapped(struct device *dev, bool wrong)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 4096, DMA_FROM_DEVICE);

	if (!wrong)
		dma_sync_single_for_cpu(dev, addr, 64, DMA_FROM_DEVICE);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	if (wrong)
		dma_sync_single_for_cpu(dev, addr, 64, DMA_FROM_DEVICE);
	kfree(p);
}

static void demo_sync_range(struct device *dev, bool wrong)
{
	demo_sync_as(dev, DMA_FROM_DEVICE, 2048, wrong ? 4096 : 2048, DMA_FROM_DEVICE, true);
}

static void demo_sync_direction(struct device *dev, bool wrong)
{
	demo_sync_as(dev, DMA_FROM_DEVICE, 0, 64, wrong ? DMA_TO_DEVICE : DMA_FROM_DEVICE, true);
}

static void demo_sync_for_cpu(struct device *dev, bool wrong)
{
	demo_sync_as(dev, DMA_TO_DEVICE, 0, 64, wrong ? DMA_FROM_DEVICE : DMA_TO_DEVICE, true);
}

static void demo_sync_for_device(struct device *dev, bool wrong)
{
	demo_sync_as(dev, DMA_FROM_DEVICE, 0, 64, wrong ? DMA_TO_DEVICE : DMA_FROM_DEVICE, false);
}

static void demo_leak(struct device *dev, bool wrong)
{
	static char buffer[64] __attribute__((aligned(64)));
	dma_addr_t addr = demo_map(dev, buffer, 64, DMA_TO_DEVICE);

	if (!wrong)
		dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
}

#define DEMO(id, name)                                                                             \
	{                                                                                          \
		.kind = DMAMAP_CHECK_##id, .run = name                                             \
	}

const struct check_demo demos_map[] = {
	DEMO(BAD_ARGUMENT, demo_bad_argument),
	DEMO(UNMAP_NOT_MAPPED, demo_unmap_not_mapped),
	DEMO(UNMAP_TWICE, demo_unmap_twice),
	DEMO(UNMAP_DEVICE, demo_unmap_device),
	DEMO(UNMAP_SIZE, demo_unmap_size),
	DEMO(UNMAP_DIRECTION, demo_unmap_direction),
	DEMO(UNMAP_FUNCTION, demo_unmap_function),
	DEMO(UNMAP_SG_COUNT, demo_unmap_sg_count),
	DEMO(UNMAP_ATTRS, demo_unmap_attrs),
	DEMO(COHERENT_NOT_OWNED, demo_coherent_not_owned),
	DEMO(COHERENT_TWICE, demo_coherent_twice),
	DEMO(COHERENT_MISMATCH, demo_coherent_mismatch),
	DEMO(MAP_UNCHECKED, demo_map_unchecked),
	DEMO(MAP_STACK, demo_map_stack),
	DEMO(MAP_TEXT, demo_map_text),
	{.kind = DMAMAP_CHECK_MAP_FREED, .run = demo_map_freed, .needs_asan = true},
	DEMO(MAP_OVERLAP, demo_map_overlap),
	DEMO(MAP_COHERENT, demo_map_coherent),
	DEMO(MAP_RESOURCE, demo_map_resource),
	{.kind = DMAMAP_CHECK_MAP_NO_MASK, .run = demo_map_no_mask, .no_mask = true},
	DEMO(PAGE_STRUCT, demo_page_struct),
	DEMO(SEGMENT_SIZE, demo_segment_size),
	{.kind = DMAMAP_CHECK_SEGMENT_BOUNDARY, .run = demo_segment_boundary, .keys = "iommu=0"},
	DEMO(SYNC_NOT_MAPPED, demo_sync_not_mapped),
	DEMO(SYNC_RANGE, demo_sync_range),
	DEMO(SYNC_DIRECTION, demo_sync_direction),
	DEMO(SYNC_SG_COUNT, demo_sync_sg_count),
	DEMO(SYNC_FOR_CPU, demo_sync_for_cpu),
	DEMO(SYNC_FOR_DEVICE, demo_sync_for_device),
	DEMO(FREE_MAPPED, demo_free_mapped),
	DEMO(FREE_WRONG, demo_free_wrong),
	DEMO(LEAK, demo_leak),
};
const unsigned int n_demos_map = sizeof(demos_map) / sizeof(demos_map[0]);
