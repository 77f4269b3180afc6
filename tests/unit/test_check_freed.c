/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is freed while a device may use it, or is freed by another address, and a struct page
 * that is passed in place of its memory. Each is reported once.
 */
#include "check_rig.h"

#include <sys/mman.h>

/* ---- freed while it is mapped ---- */

static void free_object(void)
{
	void *p = kmalloc(512, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, p, 512, DMA_FROM_DEVICE);

	kfree(p);
	dma_unmap_single(dev, addr, 512, DMA_FROM_DEVICE);
}

static void free_large_object(void)
{
	char *p = kmalloc(65536, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, p + 40000, 64, DMA_TO_DEVICE);

	kfree(p);
	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
}

static void free_cached_object(void)
{
	struct kmem_cache *cache = kmem_cache_create("test", 300, 0, 0, NULL);
	void *p = kmem_cache_alloc(cache, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, p, 300, DMA_FROM_DEVICE);

	kmem_cache_free(cache, p);
	dma_unmap_single(dev, addr, 300, DMA_FROM_DEVICE);
	kmem_cache_destroy(cache);
}

static void free_by_krealloc(void)
{
	void *p = kmalloc(64, GFP_KERNEL), *grown;
	dma_addr_t addr = map_single(dev, p, 64, DMA_FROM_DEVICE);

	grown = krealloc(p, 4000, GFP_KERNEL);
	dma_unmap_single(dev, addr, 64, DMA_FROM_DEVICE);
	kfree(grown);
}

static void free_block(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	dma_addr_t addr = map_page(dev, page + 2, 100, 50, DMA_BIDIRECTIONAL, 0);

	__free_pages(page, 2);
	dma_unmap_page(dev, addr, 50, DMA_BIDIRECTIONAL);
}

static void free_by_address(void)
{
	unsigned long p = __get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr = map_single(dev, (void *)(uintptr_t)p, 4096, DMA_FROM_DEVICE);

	free_pages(p, 0);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
}

/* Several pages at once, mapped separately: the report names the first. */
static void free_exact(void)
{
	char *p = alloc_pages_exact(3 * 4096, GFP_KERNEL);
	dma_addr_t a = map_single(dev, p + 4096, 4096, DMA_FROM_DEVICE),
		   b = map_single(dev, p + 8192, 4096, DMA_FROM_DEVICE);

	free_pages_exact(p, 3 * 4096);
	dma_unmap_single(dev, a, 4096, DMA_FROM_DEVICE);
	dma_unmap_single(dev, b, 4096, DMA_FROM_DEVICE);
}

/* Only the last reference frees. */
static void put_last_reference(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr = map_page(dev, page, 0, 4096, DMA_FROM_DEVICE, 0);

	get_page(page);
	get_page(page);
	put_page(page);
	__free_page(page);
	assert_int_equal(check_reports, 0);
	put_page(page);
	assert_int_equal(check_reports, 1);
	dma_unmap_page(dev, addr, 4096, DMA_FROM_DEVICE);
}

static void free_area(void)
{
	char *area = vmalloc(8192);
	dma_addr_t addr = map_page(dev, vmalloc_to_page(area + 4096), 0, 4096, DMA_FROM_DEVICE, 0);

	vfree(area);
	dma_unmap_page(dev, addr, 4096, DMA_FROM_DEVICE);
}

/* Memory that is allocated for one device and mapped for another. */
static void free_device_pages(void)
{
	dma_addr_t addr, other;
	struct page *page = dma_alloc_pages(dev, 4096, &addr, DMA_TO_DEVICE, GFP_KERNEL);

	other = map_page(dev2, page, 0, 4096, DMA_TO_DEVICE, 0);
	dma_free_pages(dev, 4096, page, addr, DMA_TO_DEVICE);
	dma_unmap_page(dev2, other, 4096, DMA_TO_DEVICE);
}

static void free_list_entry(void)
{
	struct page *a = alloc_page(GFP_KERNEL), *b = alloc_page(GFP_KERNEL);
	struct scatterlist sg[2];

	sg_init_table(sg, 2);
	sg_set_page(&sg[0], a, 4096, 0);
	sg_set_page(&sg[1], b, 4096, 0);
	assert_true(dma_map_sg(dev, sg, 2, DMA_TO_DEVICE) > 0);
	__free_page(b);
	dma_unmap_sg(dev, sg, 2, DMA_TO_DEVICE);
	__free_page(a);
}

static void test_freed_while_mapped(void **state)
{
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_object);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_large_object);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_cached_object);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_by_krealloc);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_block);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_by_address);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_exact);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, put_last_reference);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_area);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_device_pages);
	check_wrong_everywhere(DMAMAP_CHECK_FREE_MAPPED, free_list_entry);
}

/* The report has the stacks that freed and that mapped, and both lines are in this file. */
static void test_freed_has_both_stacks(void **state)
{
	const char *here, *mapped;

	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_MAPPED, free_object);
	here = strstr(check_text, "\n  here:\n    free_object (");
	mapped = strstr(check_text, "\n  mapped:\n");
	if (!here || !mapped || !strstr(mapped, "free_object ("))
		fail_msg("%s", check_text);
}

/* munmap() has no hook: it is detected when the driver syncs or unmaps. */
static void unmap_memory(bool sync)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	dma_addr_t addr;

	assert_true(p != MAP_FAILED);
	/* the first unmap takes another path than later ones */
	for (int i = 0; i < 2; i++) {
		addr = map_single(dev, p, 8192, DMA_TO_DEVICE);
		dma_unmap_single(dev, addr, 8192, DMA_TO_DEVICE);
	}
	addr = map_single(dev, p, 8192, DMA_TO_DEVICE);
	munmap(p + 4096, 4096);
	if (sync) {
		dma_sync_single_for_cpu(dev, addr, 64, DMA_TO_DEVICE);
		assert_int_equal(check_reports, 1);
	}
	dma_unmap_single(dev, addr, 8192, DMA_TO_DEVICE);
	munmap(p, 4096);
}

static void munmap_then_unmap(void)
{
	unmap_memory(false);
}

static void munmap_then_sync(void)
{
	unmap_memory(true);
}

static void munmap_list_entry(void)
{
	char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct scatterlist sg[2];

	assert_true(p != MAP_FAILED);
	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], p, 4096);
	sg_set_buf(&sg[1], p + 8192, 4096);
	assert_true(dma_map_sg(dev, sg, 2, DMA_TO_DEVICE) > 0);
	munmap(p + 8192, 4096);
	dma_unmap_sg(dev, sg, 2, DMA_TO_DEVICE);
	munmap(p, 16384);
}

static void test_unmapped_by_the_system(void **state)
{
	check_wrong("sim,check=1", DMAMAP_CHECK_MEMORY_GONE, munmap_then_unmap);
	check_wrong("sim,check=1", DMAMAP_CHECK_MEMORY_GONE, munmap_then_sync);
	check_wrong("sim,check=1", DMAMAP_CHECK_MEMORY_GONE, munmap_list_entry);
	check_wrong("sim,check=1,iommu=0", DMAMAP_CHECK_MEMORY_GONE, munmap_then_unmap);
}

static void freed_to_a_pool(void)
{
	char *p = kmalloc(700, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, p, 600, DMA_TO_DEVICE);

	dmamap_check_freeing(p, 0);
	dmamap_check_freeing(p + 600, 100); /* not what is mapped */
	assert_int_equal(check_reports, 0);
	dmamap_check_freeing(p, 700);
	assert_int_equal(check_reports, 1);
	assert_non_null(strstr(check_text, "\n  here:\n    freed_to_a_pool ("));
	kfree(p); /* when the pool gives it back: it is reported once */
	dma_unmap_single(dev, addr, 600, DMA_TO_DEVICE);
}

static void test_freed_to_a_pool(void **state)
{
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_MAPPED, freed_to_a_pool);
}

#ifdef BUILT_WITH_ASAN
static void free_malloc(void)
{
	char *volatile p = malloc(700);
	dma_addr_t addr = map_single(dev, p, 600, DMA_TO_DEVICE);

	free(p);
	assert_int_equal(check_reports, 1);
	/* the sanitizer's frames are not shown either */
	assert_non_null(strstr(check_text, "\n  here:\n    free_malloc ("));
	dma_unmap_single(dev, addr, 600, DMA_TO_DEVICE);
}

static void free_by_realloc(void)
{
	char *volatile p = malloc(700), *volatile grown;
	dma_addr_t addr = map_single(dev, p, 600, DMA_TO_DEVICE);

	grown = realloc(p, 70000);
	assert_int_equal(check_reports, 1);
	dma_unmap_single(dev, addr, 600, DMA_TO_DEVICE);
	free(grown);
}

static void test_freed_under_asan(void **state)
{
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_MAPPED, free_malloc);
	check_wrong("sim,check=1,iommu=0", DMAMAP_CHECK_FREE_MAPPED, free_by_realloc);
}
#endif

/* ---- a struct page in place of its memory ---- */

static struct page *device_pages;
static dma_addr_t device_pages_addr;

/* 2 MiB, so that what is overwritten is the struct pages of the block itself. */
static void *pages_begin(void)
{
	device_pages =
		dma_alloc_pages(dev, 2 << 20, &device_pages_addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
	assert_non_null(device_pages);
	return device_pages;
}

static void pages_end(void)
{
	dma_free_pages(dev, 2 << 20, device_pages, device_pages_addr, DMA_BIDIRECTIONAL);
}

static void write_then_sync(void)
{
	void *volatile p = pages_begin();

	memset(p, 'x', 4096);
	dma_sync_single_for_device(dev, device_pages_addr, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(check_reports, 1);
	pages_end();
}

static void write_then_start(void)
{
	void *volatile p = pages_begin();

	memset(p, 0, 16);
	device_reads(dev, device_pages_addr, 64);
	assert_int_equal(check_reports, 1);
	pages_end();
}

static void write_then_free(void)
{
	char *volatile p = pages_begin();

	memset(p + 64, 1, 64);
	pages_end();
}

static void map_page_struct(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr = map_single(dev, page, 32, DMA_TO_DEVICE);

	dma_unmap_single(dev, addr, 32, DMA_TO_DEVICE);
	__free_page(page);
}

static void test_struct_page_as_the_buffer(void **state)
{
	check_wrong_everywhere(DMAMAP_CHECK_PAGE_STRUCT, write_then_sync);
	check_wrong_everywhere(DMAMAP_CHECK_PAGE_STRUCT, write_then_free);
	check_wrong("sim,check=1", DMAMAP_CHECK_PAGE_STRUCT, map_page_struct);
	check_wrong("sim,check=1,iommu=0", DMAMAP_CHECK_PAGE_STRUCT, map_page_struct);
	check_wrong("sim,check=1", DMAMAP_CHECK_PAGE_STRUCT, write_then_start);
}

/* The pages have another owner by then, so nothing is restored. */
static void test_pages_freed_by_another_call(void **state)
{
	u64 before = dmamap_check_count(DMAMAP_CHECK_PAGE_STRUCT);
	struct page *next;

	check_begin("sim,check=1", false);
	pages_begin();
	__free_pages(device_pages, 9);
	assert_int_equal(check_kind, DMAMAP_CHECK_FREE_MAPPED);
	next = alloc_pages(GFP_KERNEL, 0);
	dma_sync_single_for_device(dev, device_pages_addr, 64, DMA_BIDIRECTIONAL);
	pages_end();
	assert_int_equal(check_kind, DMAMAP_CHECK_COHERENT_MISMATCH);
	__free_pages(next, 0);
	assert_int_equal(check_reports, 2);
	check_finish();
	assert_true(dmamap_check_count(DMAMAP_CHECK_PAGE_STRUCT) == before);
}

/* ---- freed by another address ---- */

static void free_aligned_object(void)
{
	char *p = kmalloc(1024, GFP_KERNEL);

	kfree(p + 192);
	assert_non_null(strstr(check_text, "points 192 bytes into the object"));
	kfree(p);
}

static void free_aligned_large(void)
{
	char *p = kmalloc(20000, GFP_KERNEL);

	kfree(p + 4096);
	assert_non_null(strstr(check_text, "points 4096 bytes into the object"));
	kfree(p);
}

static void free_aligned_block(void)
{
	unsigned long p = __get_free_pages(GFP_KERNEL, 3);

	free_pages(p + 2 * 4096, 1);
	free_pages(p, 3);
}

static void free_inside_a_page(void)
{
	unsigned long p = __get_free_pages(GFP_KERNEL, 0);

	free_pages(p + 64, 0);
	free_pages(p, 0);
}

static void free_another_order(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 2);

	__free_pages(page, 1);
	__free_pages(page, 2);
}

static void free_object_twice(void)
{
	void *p = kmalloc(64, GFP_KERNEL), *other = kmalloc(64, GFP_KERNEL);

	kfree(p);
	kfree(p);
	kfree(other);
}

static void free_another_cache(void)
{
	struct kmem_cache *cache = kmem_cache_create("test", 300, 0, 0, NULL);
	void *p = kmalloc(300, GFP_KERNEL);

	kmem_cache_free(cache, p);
	kfree(p);
	kmem_cache_destroy(cache);
}

static void grow_aligned(void)
{
	char *p = kmalloc(1024, GFP_KERNEL);

	assert_null(krealloc(p + 64, 2000, GFP_KERNEL));
	kfree(p);
}

static void grow_inside_an_area(void)
{
	char *p = vmalloc(8192);

	assert_null(kvrealloc(p + 4096, 20000, GFP_KERNEL));
	vfree(p);
}

static void free_inside_an_area(void)
{
	char *p = vmalloc(8192);

	vfree(p + 4096);
	vfree(p);
}

static void test_freed_by_another_address(void **state)
{
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_aligned_object);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_aligned_large);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_aligned_block);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_inside_a_page);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_another_order);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_object_twice);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_another_cache);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, grow_aligned);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, grow_inside_an_area);
	check_wrong("sim,check=1", DMAMAP_CHECK_FREE_WRONG, free_inside_an_area);
}

/* With the checker off nothing is reported, and nothing else changes. */
static void test_off(void **state)
{
	u64 before = dmamap_check_count(0);
	struct device *d = dmamap_open("sim");
	char *p;

	assert_non_null(d);
	p = kmalloc(1024, GFP_KERNEL);
	kfree(p + 64);
	assert_non_null(strstr(dmamap_strerror(), "points 64 bytes into the object"));
	kfree(p);
	dmamap_close(d);
	assert_int_equal(dmamap_check_count(0), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed_while_mapped),
		cmocka_unit_test(test_freed_has_both_stacks),
		cmocka_unit_test(test_freed_to_a_pool),
		cmocka_unit_test(test_unmapped_by_the_system),
#ifdef BUILT_WITH_ASAN
		cmocka_unit_test(test_freed_under_asan),
#endif
		cmocka_unit_test(test_struct_page_as_the_buffer),
		cmocka_unit_test(test_pages_freed_by_another_call),
		cmocka_unit_test(test_freed_by_another_address),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
