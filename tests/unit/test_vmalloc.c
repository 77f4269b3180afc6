/* SPDX-License-Identifier: BSD-2-Clause */
/* vmalloc and vmap: areas, the pages behind them, misuse, and every failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"
#include "mem/page.h"
#include "mem/vmrange.h"

#include <linux/slab.h>
#include <linux/vmalloc.h>

static int all_given_back(void **state)
{
	assert_int_equal(mem_pages_used(), 0);
	assert_int_equal(mem.span, 0);
	assert_int_equal(mem.vm_size, 0);
	return 0;
}

/* The area's bytes are the bytes of the pages that vmalloc_to_page() returns. */
static void pages_behind(void **state)
{
	const u64 pages = 300;
	u8 *p = vzalloc(pages * 4096 - 100);

	assert_non_null(p);
	assert_int_equal((uintptr_t)p % 4096, 0);
	assert_true(is_vmalloc_addr(p) && is_vmalloc_addr(p + pages * 4096 - 1));
	assert_false(phys_is_ram(phys_of(p)));
	for (u64 i = 0; i < pages; i++) {
		struct page *page = vmalloc_to_page(p + i * 4096 + 5);

		assert_true(page_is_ram(page));
		assert_int_equal(p[i * 4096 + 7], 0);
		p[i * 4096 + 7] = (u8)i;
		assert_int_equal(((u8 *)page_ptr(page))[7], (u8)i);
		assert_int_equal(vmalloc_to_pfn(p + i * 4096), page_to_pfn(page));
	}
	assert_null(vmalloc_to_page(p + pages * 4096)); /* the guard */
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mem_pages_used(), pages);
	vfree(p);
}

/* It succeeds when no block of that size is left. */
static void scattered(void **state)
{
	struct mem_config want = {.ram = 4 * MIB};
	void *list[2048], *p;
	int n = 0;

	assert_int_equal(mem_get(&want), 0);
	while ((list[n] = kmalloc(2048, GFP_KERNEL)))
		n++;
	for (int i = 0; i < n; i += 2)
		kfree(list[i]);
	/* each slab of kmalloc has eight objects, so no page was freed yet */
	assert_null(vmalloc(4096 * 64));
	for (int i = 1; i < n; i += 2)
		kfree(list[i]);
	n = 0;
	while ((list[n] = alloc_page(GFP_KERNEL)))
		n++;
	for (int i = 0; i < n; i++)
		if (page_to_pfn(list[i]) % 2)
			__free_page(list[i]);
	assert_null(alloc_pages(GFP_KERNEL, 1));
	p = vmalloc(4096 * 100);
	assert_non_null(p);
	memset(p, 1, 4096 * 100);
	vfree(p);
	for (int i = 0; i < n; i++)
		if (page_to_pfn(list[i]) % 2 == 0)
			__free_page(list[i]);
	mem_put();
}

static void refused(void (*give)(const void *), const void *p)
{
	u64 used = mem_pages_used();

	errno = 0;
	give(p);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mem_pages_used(), used);
}

static void misuse(void **state)
{
	u8 *p = vmalloc(8192), *q = vmalloc(4096);
	void *object = kmalloc(64, GFP_KERNEL);

	refused(vfree, p + 4096);
	refused(vfree, p + 1);
	refused(vfree, p + 8192);
	refused(vfree, object);
	refused(vfree, &object);
	refused(vunmap, p);
	refused(kfree, p);
	refused(kfree, page_ptr(vmalloc_to_page(p)));
	errno = 0;
	__free_page(vmalloc_to_page(p));
	assert_int_equal(errno, EINVAL);
	vfree(p);
	refused(vfree, p);
	vfree(NULL);
	vunmap(NULL);
	vfree(q);
	kfree(object);
	refused(vfree, p); /* after RAM was freed */
}

static void bad_sizes(void **state)
{
	assert_null(vmalloc(0));
	assert_int_equal(errno, EINVAL);
	assert_null(vmalloc(~0ul));
	assert_int_equal(errno, ENOMEM);
	assert_null(vmalloc(~0ul - 4096));
	assert_null(vmalloc(1ul << 44));
	assert_null(vmalloc(10 * GIB));
	assert_int_equal(errno, ENOMEM);
}

static void maps_pages(void **state)
{
	struct page *pages[6], *block = alloc_pages(GFP_KERNEL, 1), *foreign[1];
	u8 *p;

	for (int i = 0; i < 5; i++)
		pages[i] = alloc_page(GFP_KERNEL);
	pages[5] = pages[0]; /* a page may occur twice */
	p = vmap(pages, 6, VM_MAP, PAGE_KERNEL);
	assert_non_null(p);
	for (int i = 0; i < 6; i++) {
		assert_ptr_equal(vmalloc_to_page(p + i * 4096), pages[i]);
		p[i * 4096] = (u8)(i + 1);
	}
	assert_int_equal(*(u8 *)page_ptr(pages[0]), 6);
	assert_int_equal(*(u8 *)page_ptr(pages[4]), 5);
	refused(vfree, p);
	assert_int_equal(mem_pages_used(), 7);
	vunmap(p);
	assert_int_equal(mem_pages_used(), 7);
	refused(vunmap, p);

	p = vmap(pages, 1, VM_MAP, PAGE_KERNEL_RO);
	*(u8 *)page_ptr(pages[0]) = 77;
	assert_int_equal(*p, 77);
	vunmap(p);

	foreign[0] = virt_to_page(&block);
	assert_null(vmap(foreign, 1, VM_MAP, PAGE_KERNEL));
	assert_null(vmap(NULL, 1, VM_MAP, PAGE_KERNEL));
	assert_null(vmap(pages, 0, VM_MAP, PAGE_KERNEL));
	assert_int_equal(errno, EINVAL);
	__free_pages(block, 1);
	for (int i = 0; i < 5; i++)
		__free_page(pages[i]);
}

/* An area that outlives all pages keeps RAM allocated. */
static void mapped_to_the_last(void **state)
{
	struct page *page = alloc_page(GFP_KERNEL);
	void *p = vmap(&page, 1, VM_MAP, PAGE_KERNEL);

	__free_page(page);
	assert_int_equal(mem_pages_used(), 0);
	assert_true(mem.span > 0);
	vunmap(p);
}

static void every_failure(void **state)
{
	const enum fail_site sites[] = {FAIL_MEMORY, FAIL_PAGE};
	struct fail_rule rule = {.times = 1};

	for (u64 s = 0; s < ARRAY_SIZE(sites); s++) {
		void *p = NULL;

		for (rule.nth = 1; !p && rule.nth < 40; rule.nth++) {
			fail_set(sites[s], &rule);
			p = vmalloc(20000);
			fail_set(sites[s], NULL);
			if (p)
				break;
			assert_int_equal(errno, ENOMEM);
			all_given_back(state);
		}
		assert_int_equal(rule.nth > 5, 1);
		vfree(p);
		all_given_back(state);
	}
}

static void *churn(void *arg)
{
	u64 id = (u64)(uintptr_t)arg, x = id;

	for (int i = 0; i < 150; i++) {
		u64 pages;
		u64 *p;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		pages = 1 + x % 20;
		p = vmalloc(pages * 4096);
		if (!p)
			return arg;
		for (u64 k = 0; k < pages; k++)
			p[k * 512] = id + k;
		for (u64 k = 0; k < pages; k++)
			if (p[k * 512] != id + k || !vmalloc_to_page(p + k * 512))
				return arg;
		vfree(p);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[4];
	void *broken;

	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, churn, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &broken);
		assert_null(broken);
	}
}

#define TEST(t) cmocka_unit_test_teardown(t, all_given_back)

/* The same RAM at an address that is aligned to the view's size, whatever its own address is. */
static void views(void **state)
{
	enum { ORDER = 5 };
	const u64 size = 4096ull << ORDER;
	struct page *block = alloc_pages(GFP_KERNEL, ORDER + 1);
	u8 *own, *view[3];

	assert_non_null(block);
	own = (u8 *)page_ptr(block) + 3 * 4096;
	for (int i = 0; i < 3; i++) {
		view[i] = vm_view_make(phys_of(own), size);
		assert_non_null(view[i]);
		assert_int_equal((uintptr_t)view[i] & (size - 1), 0);
		assert_true(is_vmalloc_addr(view[i]));
		assert_ptr_equal(vmalloc_to_page(view[i] + 4096), virt_to_page(own + 4096));
		own[size - 1] = (u8)i;
		assert_int_equal(view[i][size - 1], i);
	}
	/* a view is removed only by vm_view_end(), and only once */
	vunmap(view[1]);
	assert_int_equal(errno, EINVAL);
	vfree(view[1]);
	view[1][0] = 9;
	assert_int_equal(own[0], 9);
	assert_true(vm_view_end(view[1]));
	assert_false(vm_view_end(view[1]));
	assert_true(vm_view_end(view[0]) && vm_view_end(view[2]));
	/* nothing is left of one that could not be made */
	for (u64 nth = 1; nth <= 2; nth++) {
		const struct fail_rule rule = {.nth = nth};

		fail_set(FAIL_MEMORY, &rule);
		view[0] = vm_view_make(phys_of(own), size);
		fail_set(FAIL_MEMORY, NULL);
		if (view[0])
			assert_true(vm_view_end(view[0]));
	}
	__free_pages(block, ORDER + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_behind),  TEST(scattered),  TEST(misuse),
		TEST(bad_sizes),     TEST(maps_pages), TEST(mapped_to_the_last),
		TEST(every_failure), TEST(threads),    TEST(views),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
