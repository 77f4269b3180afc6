/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of either kind, copies of strings, and arrays whose size overflows. */
#include "core_rig.h"

#include <linux/vmalloc.h>

static int kv_setup(void **state)
{
	/* no block of RAM is larger than 32 MiB */
	*state = dmamap_open("sim,ram=64M,swiotlb=1M");
	return *state ? 0 : -1;
}

static int kv_teardown(void **state)
{
	rig_fail_none();
	dmamap_close(*state);
	return 0;
}

static void test_kv_kinds(void **state)
{
	u8 *small = kvmalloc(100, GFP_KERNEL), *large = kvzalloc(40 << 20, GFP_KERNEL);

	assert_non_null(small);
	assert_false(is_vmalloc_addr(small));
	assert_non_null(large);
	assert_true(is_vmalloc_addr(large));
	assert_true(rig_all(large, 40 << 20, 0));
	memset(large, 1, 40 << 20);
	kvfree(large);
	kvfree(small);
	kvfree(NULL);
	kvfree(ZERO_SIZE_PTR);
	assert_ptr_equal(kvmalloc(0, GFP_KERNEL), ZERO_SIZE_PTR);
	assert_ptr_equal(kvmalloc_node(0, GFP_KERNEL, 3), ZERO_SIZE_PTR);
	large = vmalloc(5000);
	kvfree(large);
	kvfree(large); /* refused */
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mem_pages_used(), 0);
}

/* If kmalloc fails, single pages are used; a page or less is only allocated by kmalloc. */
static void test_kv_falls_back(void **state)
{
	void *p;

	rig_fail(FAIL_KMALLOC, 1);
	p = kvmalloc(4097, GFP_KERNEL);
	assert_true(p && is_vmalloc_addr(p));
	kvfree(p);
	rig_fail(FAIL_KMALLOC, 1);
	assert_null(kvmalloc(4096, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
	/* memory that was used is zeroed, too */
	p = vmalloc(40 << 20);
	assert_non_null(p);
	memset(p, 0xff, 40 << 20);
	vfree(p);
	rig_fail(FAIL_PAGE, 1);
	p = kvcalloc(3, 4096, GFP_KERNEL);
	assert_true(p && is_vmalloc_addr(p) && rig_all(p, 3 * 4096, 0));
	kvfree(p);
	rig_fail_none();
	assert_null(kvmalloc(1ull << 40, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
}

static void test_kv_realloc(void **state)
{
	u8 *p = kvrealloc(NULL, 100, GFP_KERNEL), *q;

	assert_non_null(p);
	memset(p, 7, 100);
	p = kvrealloc(p, 5000, GFP_KERNEL);
	assert_true(p && !is_vmalloc_addr(p) && rig_all(p, 100, 7));
	memset(p, 8, 5000);
	rig_fail(FAIL_KMALLOC, 1);
	p = kvrealloc(p, 1 << 20, GFP_KERNEL);
	assert_true(p && is_vmalloc_addr(p) && rig_all(p, 5000, 8));
	memset(p, 9, 1 << 20);
	assert_null(kvrealloc(p, 1ull << 40, GFP_KERNEL));
	assert_true(rig_all(p, 1 << 20, 9));
	q = kvrealloc(p, 100, GFP_KERNEL);
	assert_ptr_equal(q, p);
	rig_fail(FAIL_KMALLOC, 1);
	q = kvrealloc(p, (1 << 20) + 1, GFP_KERNEL);
	assert_true(q && q != p && is_vmalloc_addr(q) && rig_all(q, 1 << 20, 9));
	assert_null(kvrealloc(q + 4096, 2 << 20, GFP_KERNEL)); /* not the beginning of an object */
	assert_int_equal(errno, EINVAL);
	/* and back: memory of vmalloc() that must grow may become an object of kmalloc */
	p = kvrealloc(q, (1 << 20) + 4097, GFP_KERNEL);
	assert_true(p && !is_vmalloc_addr(p) && rig_all(p, 1 << 20, 9));
	q = p;
	assert_ptr_equal(kvrealloc(q, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	assert_int_equal(mem_pages_used(), 0);
}

static void test_kv_overflow(void **state)
{
	void *p = kmalloc(8, GFP_KERNEL);

	assert_null(kvmalloc_array(1ull << 60, 16, GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
	assert_null(kvcalloc(SIZE_MAX, 2, GFP_KERNEL));
	assert_null(krealloc_array(p, 1ull << 60, 16, GFP_KERNEL));
	assert_null(kmemdup_array("x", 1ull << 63, 2, GFP_KERNEL));
	assert_null(kmalloc_array_node(1ull << 60, 16, GFP_KERNEL, 0));
	assert_null(kcalloc_node(1ull << 60, 16, GFP_KERNEL, 0));
	assert_null(vmalloc_array(1ull << 60, 16));
	assert_null(vcalloc(1ull << 60, 16));
	assert_null(kmemdup_nul("x", SIZE_MAX, GFP_KERNEL));
	p = krealloc_array(p, 5, 20, GFP_KERNEL);
	assert_true(ksize(p) >= 100);
	kfree(p);
}

static void test_kv_copies(void **state)
{
	static const u16 array[] = {1, 2, 3};
	void *p = kmemdup_array(array, 3, sizeof(*array), GFP_KERNEL);
	char *s;

	assert_memory_equal(p, array, sizeof(array));
	kfree(p);
	p = kvmemdup(array, sizeof(array), GFP_KERNEL);
	assert_memory_equal(p, array, sizeof(array));
	kvfree_sensitive(p, sizeof(array));
	kvfree_sensitive(NULL, 8);
	s = kstrndup("driver", 3, GFP_KERNEL);
	assert_string_equal(s, "dri");
	kfree(s);
	s = kstrndup("driver", 100, GFP_KERNEL);
	assert_string_equal(s, "driver");
	kfree(s);
	assert_null(kstrndup(NULL, 3, GFP_KERNEL));
	s = kmemdup_nul("ab\0cd", 5, GFP_KERNEL);
	assert_memory_equal(s, "ab\0cd", 6);
	kfree(s);
	assert_null(kmemdup_nul(NULL, 5, GFP_KERNEL));
	s = (char *)(uintptr_t)kstrdup_const("x", GFP_KERNEL);
	assert_string_equal(s, "x");
	kfree_const(s);
	assert_int_equal(mem_pages_used(), 0);
}

struct aligned_object {
	u64 word[3];
} __attribute__((aligned(256)));

static void test_kv_cache_of_a_struct(void **state)
{
	struct kmem_cache *cache = KMEM_CACHE(aligned_object, SLAB_HWCACHE_ALIGN);
	struct aligned_object *a, *b;

	assert_non_null(cache);
	a = kmem_cache_alloc(cache, GFP_KERNEL);
	b = kmem_cache_alloc_node(cache, GFP_KERNEL, 0);
	assert_true(a && b && !((uintptr_t)a & 255) && !((uintptr_t)b & 255));
	kmem_cache_free(cache, a);
	kmem_cache_free(cache, b);
	kmem_cache_destroy(cache);
}

#define kv_test(f) cmocka_unit_test_setup_teardown(f, kv_setup, kv_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		kv_test(test_kv_kinds),	  kv_test(test_kv_falls_back),
		kv_test(test_kv_realloc), kv_test(test_kv_overflow),
		kv_test(test_kv_copies),  kv_test(test_kv_cache_of_a_struct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
