/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In a build with AddressSanitizer, freed memory is poisoned, and live memory never is; in another
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

#include <linux/slab.h>

#ifdef BUILT_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define POISONED(p) __asan_address_is_poisoned(p)
#define EXPECTED    1
#else
#define POISONED(p) ((void)(p), 0)
#define EXPECTED    0
#endif

static void objects(void **state)
{
	u8 *a = kmalloc(192, GFP_KERNEL), *b = kmalloc(192, GFP_KERNEL);

	assert_int_equal(POISONED(a), 0);
	assert_int_equal(POISONED(b + 191), 0);
	kfree(b);
	assert_int_equal(POISONED(b), EXPECTED);
	assert_int_equal(POISONED(b + 191), EXPECTED);
	assert_int_equal(POISONED(a + 191), 0);
	b = kmalloc(192, GFP_KERNEL);
	assert_int_equal(POISONED(b), 0);
	assert_int_equal(POISONED(b + 191), 0);
	kfree(a);
	kfree(b);
}

static void pages(void **state)
{
	struct mem_config any = {0};
	struct page *page;
	u8 *p;

	assert_int_equal(mem_get(&any), 0);
	page = alloc_pages(GFP_KERNEL, 10);
	p = page_ptr(page);
	assert_int_equal(POISONED(p + 4 * MIB), 0); /* never allocated: not poisoned */
	__free_pages(page, 10);
	assert_int_equal(POISONED(p), EXPECTED);
	assert_int_equal(POISONED(p + 4 * MIB - 1), EXPECTED);
	assert_ptr_equal(alloc_page(GFP_KERNEL), page);
	assert_int_equal(POISONED(p + 4095), 0);
	assert_int_equal(POISONED(p + 4096), EXPECTED);
	__free_page(page);
	mem_put();
	/* the next user of these addresses may access them */
	assert_int_equal(POISONED(p), 0);
	assert_int_equal(POISONED(p + 4 * MIB - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects),
		cmocka_unit_test(pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
