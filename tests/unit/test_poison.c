/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In a build with AddressSanitizer, freed memory is poisoned and live memory never is. In another
 * build there is nothing to check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mem/page.h"
#include "mem/ram.h"

#include <linux/mm.h>
#include <linux/slab.h>

#ifdef BUILT_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define POISONED(p) __asan_address_is_poisoned(p)
#define EXPECTED    1
#else
#define POISONED(p) ((void)(p), 0)
#define EXPECTED    0
#endif

/* The object's bytes may be used, the next one may not. */
static void assert_bounded(const u8 *p, size_t size)
{
	assert_non_null(p);
	for (size_t i = 0; i < size; i += size / 8 + 1)
		assert_int_equal(POISONED(p + i), 0);
	assert_int_equal(POISONED(p + size - 1), 0);
	assert_int_equal(POISONED(p + size), EXPECTED);
}

static void objects(void **state)
{
	u8 *a = kmalloc(192, GFP_KERNEL), *b = kmalloc(192, GFP_KERNEL);

	assert_bounded(a, 192);
	assert_bounded(b, 192);
	kfree(b);
	assert_int_equal(POISONED(b), EXPECTED);
	assert_int_equal(POISONED(b + 191), EXPECTED);
	assert_int_equal(POISONED(a + 191), 0);
	b = kmalloc(192, GFP_KERNEL);
	assert_bounded(b, 192);
	kfree(a);
	kfree(b);
}

static void sizes(void **state)
{
	struct mem_config any = {0};
	static const size_t some[] = {1,    3,	  8,	63,	64,	65,    96,
				      128,  1000, 1024, 2047,	2048,	3000,  4095,
				      4096, 4097, 8192, 100000, 131072, 262144};

	assert_int_equal(mem_get(&any), 0);
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		u8 *p = kzalloc(some[i], GFP_KERNEL), *q = kmalloc(some[i], GFP_KERNEL);

		assert_bounded(p, some[i]);
		assert_bounded(q, some[i]);
		memset(q, 1, some[i]);
		if (is_pow2(some[i]))
			assert_int_equal((uintptr_t)q % min_u64(some[i], 4096), 0);
		assert_int_equal(p[some[i] - 1], 0);
		kfree(p);
		kfree(q);
		assert_int_equal(POISONED(q + some[i] - 1), EXPECTED);
	}
	mem_put();
}

/* An object grows and shrinks in its place; ksize() opens all of it. */
static void resized(void **state)
{
	struct mem_config any = {0};
	u8 *p;

	assert_int_equal(mem_get(&any), 0);
	p = kmalloc(100, GFP_KERNEL);
	memset(p, 7, 100);
	p = krealloc(p, 120, GFP_KERNEL);
	assert_bounded(p, 120);
	p = krealloc(p, 10, GFP_KERNEL);
	assert_bounded(p, 10);
	p = krealloc(p, 9000, GFP_KERNEL);
	assert_bounded(p, 9000);
	assert_int_equal(p[9], 7);
	p = krealloc(p, 5000, GFP_KERNEL);
	assert_bounded(p, 5000);
	assert_true(ksize(p) >= 9000);
	assert_int_equal(POISONED(p + ksize(p) - 1), 0);
	kfree_sensitive(p);
	assert_int_equal(POISONED(p), EXPECTED);
	mem_put();
}

static void construct(void *object)
{
	memset(object, 3, 64);
}

static void cache_objects(void **state)
{
	struct kmem_cache *cache = kmem_cache_create("red", 64, 0, 0, construct);
	u8 *a = kmem_cache_alloc(cache, GFP_KERNEL), *b = kmem_cache_alloc(cache, GFP_KERNEL);

	assert_bounded(a, 64);
	assert_bounded(b, 64);
	assert_int_equal(a[63] + b[0], 6);
	kmem_cache_free(cache, b);
	assert_int_equal(POISONED(b), EXPECTED);
	kmem_cache_free(cache, a);
	kmem_cache_destroy(cache);
}

static void pages(void **state)
{
	struct mem_config any = {0};
	struct page *page;
	u8 *p;

	assert_int_equal(mem_get(&any), 0);
	page = alloc_pages(GFP_KERNEL, 10);
	p = page_ptr(page);
	assert_bounded(p, 4 * MIB);
	assert_int_equal(POISONED(p + 4 * MIB + 4095), EXPECTED);
	assert_int_equal(POISONED(p + 4 * MIB + 4096), 0); /* never given out: not worth a mark */
	__free_pages(page, 10);
	assert_int_equal(POISONED(p), EXPECTED);
	assert_int_equal(POISONED(p + 4 * MIB - 1), EXPECTED);
	page = alloc_page(GFP_KERNEL);
	p = page_ptr(page);
	assert_bounded(p, 4096);
	__free_page(page);
	mem_put();
	/* the next user of these addresses may access them */
	assert_int_equal(POISONED(p), 0);
	assert_int_equal(POISONED(p + 4096), 0);
}

/* Guards are freed with their blocks, also with those that were split: nothing of RAM is lost. */
static void guards(void **state)
{
	struct mem_config any = {0};
	u64 before[PAGE_ORDERS], after[PAGE_ORDERS];
	struct page *page[64];
	u8 *exact;

	assert_int_equal(mem_get(&any), 0);
	zones_count(before);
	for (int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 64; i++) {
			page[i] = alloc_pages(GFP_KERNEL, i % 5);
			assert_bounded(page_ptr(page[i]), PAGE_BYTES << i % 5);
		}
		exact = alloc_pages_exact(3 * PAGE_BYTES, GFP_KERNEL);
		assert_bounded(exact, 3 * PAGE_BYTES);
		for (unsigned int i = 0; i < 64; i++) {
			unsigned int at = (i * 37 + 11) % 64;

			if (EXPECTED)
				assert_false(block_ref(page[at] + (1ull << at % 5)));
			__free_pages(page[at], at % 5);
		}
		free_pages_exact(exact, 3 * PAGE_BYTES);
	}
	zones_count(after);
	assert_memory_equal(before, after, sizeof(before));
	mem_put();
}

/* Where RAM is short, guards are freed, too, and all of it is given out. */
static void short_of_ram(void **state)
{
	struct mem_config small = {.ram = 8 * MIB};
	static struct page *page[4096];
	u64 free[PAGE_ORDERS], all = 0;
	unsigned int n = 0;

	assert_int_equal(mem_get(&small), 0);
	zones_count(free);
	for (unsigned int o = 0; o < PAGE_ORDERS; o++)
		all += free[o] << o;
	while (n < ARRAY_SIZE(page) && (page[n] = alloc_page(GFP_KERNEL)))
		n++;
	assert_true(n == all);
	assert_null(kmalloc(PAGE_BYTES, GFP_KERNEL));
	while (n--)
		__free_page(page[n]);
	page[0] = alloc_pages(GFP_KERNEL, 6);
	assert_bounded(page_ptr(page[0]), PAGE_BYTES << 6);
	__free_pages(page[0], 6);
	mem_put();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects),	 cmocka_unit_test(sizes), cmocka_unit_test(resized),
		cmocka_unit_test(cache_objects), cmocka_unit_test(pages), cmocka_unit_test(guards),
		cmocka_unit_test(short_of_ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
