/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages by their GFP functions: orders, references, splitting, and conversions of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mem/page.h"

#include <linux/slab.h>

/* Every conversion and its inverse, for an address inside a page. */
static void round_trip(void *p)
{
	phys_addr_t pa = virt_to_phys(p);
	struct page *page = virt_to_page(p);

	assert_ptr_equal(phys_to_virt(pa), p);
	assert_ptr_equal((u8 *)page_address(page) + offset_in_page(p), p);
	assert_int_equal(page_to_phys(page) + offset_in_page(p), pa);
	assert_ptr_equal(phys_to_page(pa), page);
	assert_ptr_equal(pfn_to_page(page_to_pfn(page)), page);
	assert_int_equal(virt_to_pfn(p), page_to_pfn(page));
	assert_ptr_equal(virt_to_page((u8 *)p + PAGE_SIZE), page + 1);
	assert_int_equal(page_to_phys(page + 5), page_to_phys(page) + 5 * PAGE_SIZE);
	assert_ptr_equal(kmap_local_page(page), page_to_virt(page));
	assert_int_equal((uintptr_t)page & 3, 0);
}

static void conversions(void **state)
{
	static int in_data;
	int on_stack;
	char *heap = malloc(100000);
	struct page *page = NULL;

	/* with RAM and without it, the conversions of other memory are the same */
	for (int with_ram = 0; with_ram < 2; with_ram++) {
		round_trip(&in_data);
		round_trip(&on_stack);
		round_trip(heap);
		assert_true(virt_to_phys(heap) >> 50 == 1);
		assert_true((uintptr_t)virt_to_page(heap) >> 63);
		if (with_ram)
			break;
		page = alloc_pages(GFP_KERNEL, 3);
		assert_non_null(page);
		round_trip(page_address(page));
		round_trip((u8 *)page_address(page) + 123);
		assert_true(virt_to_phys(page_address(page)) >> 50 == 0);
	}
	__free_pages(page, 3);
	free(heap);
}

static void orders(void **state)
{
	assert_int_equal(get_order(1), 0);
	assert_int_equal(get_order(4096), 0);
	assert_int_equal(get_order(4097), 1);
	assert_int_equal(get_order(8193), 2);
	assert_int_equal(get_order(1ul << 30), 18);
	assert_int_equal(get_order(0), 52);
	assert_int_equal(get_order(~0ul), 52);
	assert_int_equal(PAGE_ALIGN(1ul), 4096);
	assert_int_equal(offset_in_page((void *)0x12345), 0x345);
}

static void by_address(void **state)
{
	unsigned long a = __get_free_pages(GFP_KERNEL, 2), b = get_zeroed_page(GFP_DMA32);

	assert_true(a && b && a % 16384 == 0);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(((u8 *)b)[i], 0);
	free_pages(0, 0);
	errno = 0;
	free_pages(a + 8, 2);
	assert_int_equal(errno, EINVAL);
	free_pages(a, 2);
	free_page(b);
	assert_int_equal(mem_pages_used(), 0);
	errno = 0;
	free_page(b);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(__get_free_pages(GFP_KERNEL, 19), 0);
	assert_int_equal(errno, ENOMEM);
}

static void exact(void **state)
{
	u8 *p = alloc_pages_exact(5 * 4096 + 1, GFP_KERNEL | __GFP_ZERO);

	assert_non_null(p);
	assert_int_equal(mem_pages_used(), 6);
	memset(p, 1, 6 * 4096);
	free_pages_exact(p, 5 * 4096 + 1);
	assert_int_equal(mem_pages_used(), 0);
	free_pages_exact(NULL, 4096);
	errno = 0;
	free_pages_exact(p, ~0ul); /* ends at the first page that is refused */
	assert_null(alloc_pages_exact(0, GFP_KERNEL));
	assert_null(alloc_pages_exact(~0ul, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
}

static void references(void **state)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, 3), *last = page + 7;
	void *object;

	assert_int_equal(page_count(last), 1);
	assert_int_equal(compound_order(last), 3);
	assert_ptr_equal(compound_head(last), page);
	get_page(last);
	assert_int_equal(page_count(page), 2);
	__free_pages(page, 3);
	assert_int_equal(mem_pages_used(), 8);
	put_page(last);
	assert_int_equal(mem_pages_used(), 0);

	/*
	 * a kmalloc object's page stays while a reference to it exists, and put_page() of a page
	 * without a reference is refused
	 */
	object = kmalloc(64, GFP_KERNEL);
	page = virt_to_page(object);
	errno = 0;
	put_page(page);
	assert_int_equal(errno, EINVAL);
	get_page(page);
	kfree(object);
	assert_int_equal(mem_pages_used(), 1);
	put_page(page);
	assert_int_equal(mem_pages_used(), 0);

	/* other memory has no reference counts */
	page = virt_to_page(&object);
	get_page(page);
	put_page(page);
	assert_int_equal(page_count(page), 0);
	assert_ptr_equal(compound_head(page), page);
}

static void many_references(void **state)
{
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	u8 heap[64], *object = kmalloc(64, GFP_KERNEL);

	page_ref_add(page, 9);
	page_ref_inc(page + 3);
	assert_int_equal(page_ref_count(page), 11);
	page_ref_sub(page + 1, 8);
	page_ref_dec(page);
	assert_int_equal(page_ref_count(page), 2);
	/* this call cannot drop the last reference */
	errno = 0;
	page_ref_sub(page, 2);
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(error_text(), "put_page"));
	assert_int_equal(page_ref_count(page), 2);
	page_ref_sub(page, INT32_MAX);
	page_ref_add(page, 0);
	page_ref_add(page, -1);
	assert_int_equal(page_ref_count(page), 2);
	page_ref_sub(page, -1);
	page_ref_sub(page, INT32_MIN);
	assert_int_equal(page_ref_count(page), 2);
	page_ref_add(page, INT32_MAX); /* more than can be counted */
	assert_int_equal(page_ref_count(page), 2);
	page_ref_dec(page);
	put_page(page);
	assert_int_equal(page_ref_count(page), 0);
	errno = 0;
	page_ref_inc(page);
	assert_int_equal(errno, EINVAL);
	/* only of alloc_pages() */
	errno = 0;
	page_ref_inc(virt_to_page(object));
	assert_int_equal(errno, EINVAL);
	page_ref_inc(virt_to_page(heap));
	kfree(object);
	assert_int_equal(mem_pages_used(), 0);
}

static void splitting(void **state)
{
	struct page *page = alloc_pages(GFP_KERNEL, 2);

	split_page(page, 2);
	for (int i = 0; i < 4; i++) {
		assert_ptr_equal(compound_head(page + i), page + i);
		assert_int_equal(page_ref_count(page + i), 1);
	}
	__free_page(page + 1);
	__free_page(page);
	__free_page(page + 3);
	assert_int_equal(mem_pages_used(), 1);
	__free_page(page + 2);
	assert_int_equal(mem_pages_used(), 0);
	page = alloc_pages(GFP_KERNEL, 2);
	errno = 0;
	split_page(page, 1);
	assert_int_equal(errno, EINVAL);
	split_page(page + 1, 0);
	get_page(page);
	split_page(page, 2);
	assert_int_equal(compound_nr(page), 4);
	put_page(page);
	__free_pages(page, 2);
	errno = 0;
	split_page(page, 2);
	assert_int_equal(errno, EINVAL);
	split_page(virt_to_page(&page), 0);
}

static void small_names(void **state)
{
	struct page *page = dev_alloc_pages(1), *one = dev_alloc_page();
	unsigned long low = __get_dma_pages(GFP_KERNEL, 0);
	u8 *p = kmap_local_page(page), *q = kmap(one);
	char text[8] = "";

	assert_int_equal(page_size(page + 1), 8192);
	assert_int_equal(compound_nr(one), 1);
	assert_ptr_equal(nth_page(page, 1), page + 1);
	assert_ptr_equal(virt_to_head_page(p + 5000), page);
	assert_true(low && virt_to_phys((void *)low) < 16 << 20);
	memset(p, 5, 4096);
	copy_page(q, p);
	assert_int_equal(q[4095], 5);
	memcpy_to_page(one, 4090, "abcdef", 6);
	memcpy_from_page(text, one, 4091, 3);
	assert_string_equal(text, "bcd");
	memzero_page(one, 4094, 2);
	assert_true(!memcmp(q + 4090, "abcd", 4) && !q[4094] && !q[4095]);
	assert_int_equal(q[4089], 5);
	clear_highpage(one);
	assert_int_equal(q[0], 0);
	copy_highpage(one, page);
	assert_int_equal(q[4095], 5);
	assert_ptr_equal(kmap_atomic(one), q);
	kunmap_atomic(q);
	kunmap_local(p);
	kunmap(one);
	assert_int_equal(page_to_nid(one), 0);
	assert_false(page_is_pfmemalloc(one));
	free_page(low);
	__free_pages(page, 1);
	put_page(one);
}

/* A driver cannot set the flag of the library's own pages. */
static void internal_flag(void **state)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_INTERNAL, 0);

	assert_int_equal(mem_pages_used(), 1);
	__free_page(page);
	assert_int_equal(mem_pages_used(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),	   cmocka_unit_test(by_address),
		cmocka_unit_test(exact),	   cmocka_unit_test(references),
		cmocka_unit_test(internal_flag),   cmocka_unit_test(conversions),
		cmocka_unit_test(many_references), cmocka_unit_test(splitting),
		cmocka_unit_test(small_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
