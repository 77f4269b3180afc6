/* SPDX-License-Identifier: BSD-2-Clause */
/* The kmalloc family: sizes, alignment, misuse, and memory that is returned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"
#include "mem/page.h"

#include <linux/slab.h>

static u64 random_state = 42;

static u64 next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int all_given_back(void **state)
{
	assert_int_equal(mem_pages_used(), 0);
	assert_int_equal(mem.span, 0);
	return 0;
}

static void sizes(void **state)
{
	struct mem_config any = {0};

	assert_int_equal(mem_get(&any), 0); /* RAM need not be created and freed each time */
	for (size_t size = 1; size < 300000; size += size < 5000 ? 1 : 7777) {
		u8 *p = kmalloc(size, GFP_KERNEL);

		assert_non_null(p);
		assert_true(ksize(p) >= size);
		assert_int_equal((uintptr_t)p % 64, 0);
		if (is_pow2(size))
			assert_int_equal((uintptr_t)p % size, 0);
		p[0] = p[size - 1] = 1;
		kfree(p);
	}
	mem_put();
}

static void special_sizes(void **state)
{
	assert_ptr_equal(kmalloc(0, GFP_KERNEL), ZERO_SIZE_PTR);
	assert_ptr_equal(kcalloc(0, 8, GFP_KERNEL), ZERO_SIZE_PTR);
	kfree(ZERO_SIZE_PTR);
	kfree(NULL);
	assert_int_equal(ksize(NULL), 0);
	assert_int_equal(ksize(ZERO_SIZE_PTR), 0);
	errno = 0;
	assert_null(kmalloc(~0ul, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
	assert_null(kmalloc((1ul << 30) + 1, GFP_KERNEL));
	assert_null(kcalloc(1ul << 33, 1ul << 33, GFP_KERNEL));
	assert_null(kmalloc_array(~0ul, 2, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
}

/* No two live objects share a cache line; each keeps its bytes; all pages are freed. */
#define OBJECTS 3000

static void no_overlap(void **state)
{
	static struct {
		u8 *p;
		size_t size;
	} o[OBJECTS];

	memset(o, 0, sizeof(o));
	for (int i = 0; i < 20000; i++) {
		u64 k = next_random() % OBJECTS;

		if (!o[k].p) {
			o[k].size = 1 + next_random() % (next_random() % 8 ? 300 : 9000);
			o[k].p = kmalloc(o[k].size, next_random() % 4 ? GFP_KERNEL : GFP_DMA32);
			assert_non_null(o[k].p);
			/* no other object is in its cache lines */
			o[k].size = align_up(o[k].size, 64);
			assert_true(ksize(o[k].p) >= o[k].size);
			memset(o[k].p, (int)k, o[k].size);
			continue;
		}
		for (size_t n = 0; n < o[k].size; n++)
			if (o[k].p[n] != (u8)k)
				fail();
		kfree(o[k].p);
		o[k].p = NULL;
	}
	for (int k = 0; k < OBJECTS; k++)
		kfree(o[k].p);
}

static void zones(void **state)
{
	for (size_t size = 64; size <= 65536; size *= 2) {
		void *dma = kmalloc(size, GFP_KERNEL | GFP_DMA), *low = kmalloc(size, GFP_DMA32);
		void *any = kmalloc(size, GFP_KERNEL);

		assert_true(virt_to_phys(dma) < 16 * MIB);
		assert_true(virt_to_phys(low) < 4 * GIB);
		assert_true(virt_to_phys(any) >= 4 * GIB);
		kfree(dma);
		kfree(low);
		kfree(any);
	}
}

static void zeroes(void **state)
{
	for (int round = 0; round < 2; round++) {
		for (size_t size = 64; size < 20000; size += 640) {
			u8 *p = kzalloc(size, GFP_KERNEL);
			size_t has = ksize(p);

			for (size_t i = 0; i < has; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, has);
			kfree(p);
		}
	}
}

static void refused(const void *p)
{
	u64 used = mem_pages_used();

	errno = 0;
	kfree(p);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mem_pages_used(), used);
	assert_int_equal(ksize(p), 0);
}

static void bad_frees(void **state)
{
	u8 *a = kmalloc(192, GFP_KERNEL), *b = kmalloc(192, GFP_KERNEL),
	   *large = kmalloc(9000, GFP_KERNEL);
	struct page *page = alloc_page(GFP_KERNEL);
	int on_stack;

	memset(b, 7, 192);
	refused(a + 64);
	refused(a + 1);
	refused(large + 4096);
	refused(&on_stack);
	refused(page_ptr(page));
	refused((void *)(uintptr_t)0x1000);
	refused((void *)(uintptr_t)~0ul);
	refused(mem.base);
	refused(mem.base + mem.low);
	kfree(a);
	refused(a);
	kfree(large);
	refused(large);
	assert_int_equal(b[191], 7);
	kfree(b);
	refused(b); /* after its slab was freed */
	__free_page(page);
	refused(b); /* after RAM was freed */
}

static void grows(void **state)
{
	u8 *p = krealloc(NULL, 10, GFP_KERNEL), *q;

	p[9] = 5;
	q = krealloc(p, 64, GFP_KERNEL);
	assert_ptr_equal(p, q);
	q = krealloc(p, 5000, GFP_KERNEL);
	assert_int_equal(q[9], 5);
	assert_ptr_equal(krealloc(q, 8000, GFP_KERNEL), q);
	assert_null(krealloc(q, ~0ul, GFP_KERNEL));
	assert_int_equal(q[9], 5);
	assert_null(krealloc(q + 8, 9000, GFP_KERNEL));
	assert_int_equal(errno, EINVAL);
	assert_ptr_equal(krealloc(q, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	p = krealloc(ZERO_SIZE_PTR, 5, GFP_KERNEL);
	kfree_sensitive(p);
	kfree_sensitive(NULL);
}

static void copies(void **state)
{
	char *s = kstrdup("a string", GFP_KERNEL), *d = kmemdup("xyz", 3, GFP_KERNEL);

	assert_string_equal(s, "a string");
	assert_memory_equal(d, "xyz", 3);
	assert_null(kstrdup(NULL, GFP_KERNEL));
	kfree(s);
	kfree(d);
}

static void sensitive(void **state)
{
	u8 *regcache = kmalloc(64, GFP_KERNEL), *p = kmalloc(64, GFP_KERNEL), *q;

	memset(p, 0x77, 64);
	kfree_sensitive(p);
	q = kmalloc(64, GFP_KERNEL);
	assert_ptr_equal(q, p);
	for (int i = 0; i < 64; i++)
		assert_int_equal(q[i], 0);
	kfree(q);
	kfree(regcache);
}

static void exhaustion(void **state)
{
	struct mem_config want = {.ram = 2 * MIB};
	void *list = NULL, **p;
	int n = 0;

	assert_int_equal(mem_get(&want), 0);
	while ((p = kmalloc(1000, GFP_KERNEL))) {
		*p = list;
		list = p;
		n++;
	}
	assert_int_equal(errno, ENOMEM);
	assert_true(n > 1500);
	while ((p = list)) {
		list = *p;
		kfree(p);
	}
	mem_put();
}

static void injected(void **state)
{
	struct fail_rule rule = {.every = 1};

	fail_set(FAIL_PAGE, &rule);
	assert_null(kmalloc(8, GFP_KERNEL));
	assert_null(kmalloc(80000, GFP_KERNEL));
	assert_int_equal(fail_fired(FAIL_PAGE), 2);
	fail_set(FAIL_PAGE, NULL);
	fail_set(FAIL_MEMORY, &rule);
	assert_null(kmalloc(8, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
	fail_set(FAIL_MEMORY, NULL);
}

#define TEST(t) cmocka_unit_test_teardown(t, all_given_back)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sizes),	 TEST(special_sizes), TEST(no_overlap), TEST(zones),
		TEST(zeroes),	 TEST(bad_frees),     TEST(grows),	TEST(copies),
		TEST(sensitive), TEST(exhaustion),    TEST(injected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
