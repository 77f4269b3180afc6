/* SPDX-License-Identifier: BSD-2-Clause */
/* Object caches (kmem_cache): objects, constructors, alignment, misuse, and every failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/asan.h"
#include "base/error.h"
#include "base/fail.h"
#include "mem/mem.h"

#include <linux/mm.h>
#include <linux/slab.h>

static int constructed;

static void construct(void *object)
{
	*(int *)object = 1234;
	constructed++;
}

static void objects(void **state)
{
	struct kmem_cache *cache = kmem_cache_create("test", 100, 0, SLAB_HWCACHE_ALIGN, NULL);
	void *o[200];

	assert_non_null(cache);
	assert_int_equal(kmem_cache_size(cache), 100);
	for (int i = 0; i < 200; i++) {
		o[i] = kmem_cache_zalloc(cache, GFP_KERNEL);
		assert_int_equal((uintptr_t)o[i] % 64, 0);
		memset(o[i], i, 100);
	}
	for (int i = 0; i < 200; i++) {
		assert_int_equal(((u8 *)o[i])[99], (u8)i);
		if (i % 2)
			kmem_cache_free(cache, o[i]);
		else
			kfree(o[i]);
	}
	kmem_cache_free(cache, NULL);
	assert_int_equal(mem_pages_used(), 0);
	kmem_cache_destroy(cache);
}

static void constructor(void **state)
{
	struct kmem_cache *cache = kmem_cache_create(NULL, 64, 0, SLAB_CACHE_DMA, construct);
	int *object = kmem_cache_alloc(cache, GFP_KERNEL);

	assert_int_equal(*object, 1234);
	assert_int_equal(constructed, asan_is_on() ? 32 : 64); /* a slab of one page */
	assert_true(virt_to_phys(object) < 16 * MIB);
	assert_null(kmem_cache_zalloc(cache, GFP_KERNEL));
	assert_int_equal(errno, EINVAL);
	kmem_cache_free(cache, object);
	kmem_cache_destroy(cache);
}

static void alignment(void **state)
{
	struct kmem_cache *cache = kmem_cache_create("aligned", 65, 1024, SLAB_CACHE_DMA32, NULL);
	void *a = kmem_cache_alloc(cache, GFP_KERNEL), *b = kmem_cache_alloc(cache, GFP_KERNEL);

	assert_int_equal(((uintptr_t)a | (uintptr_t)b) % 1024, 0);
	kmem_cache_free(cache, a);
	kmem_cache_free(cache, b);
	kmem_cache_destroy(cache);
}

static void misuse(void **state)
{
	struct kmem_cache *cache = kmem_cache_create("one", 64, 0, 0, NULL);
	struct kmem_cache *other = kmem_cache_create("two", 64, 0, 0, NULL);
	void *a = kmem_cache_alloc(cache, GFP_KERNEL);
	int on_stack;

	errno = 0;
	kmem_cache_free(other, a);
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(error_text(), "another cache"));
	errno = 0;
	kmem_cache_destroy(cache);
	assert_int_equal(errno, EBUSY);
	errno = 0;
	kmem_cache_free(cache, &on_stack);
	assert_int_equal(errno, EINVAL);
	errno = 0;
	kmem_cache_free(NULL, a);
	assert_int_equal(errno, EINVAL);
	kmem_cache_free(cache, a);
	errno = 0;
	kmem_cache_free(cache, a);
	assert_int_equal(errno, EINVAL);
	kmem_cache_destroy(cache);
	kmem_cache_destroy(other);
	kmem_cache_destroy(NULL);
	assert_int_equal(kmem_cache_size(NULL), 0);
	assert_null(kmem_cache_alloc(NULL, GFP_KERNEL));
}

static void bad_sizes(void **state)
{
	assert_null(kmem_cache_create("bad", 0, 0, 0, NULL));
	assert_null(kmem_cache_create("bad", 256 * 1024 + 1, 0, 0, NULL));
	assert_null(kmem_cache_create("bad", ~0u, 0, 0, NULL));
	assert_null(kmem_cache_create("bad", 64, 96, 0, NULL));
	assert_null(kmem_cache_create("bad", 64, 8192, 0, NULL));
	assert_int_equal(errno, EINVAL);
}

static void every_failure(void **state)
{
	struct fail_rule rule = {.times = 1};
	void *object = NULL;

	for (rule.nth = 1; !object && rule.nth < 30; rule.nth++) {
		struct kmem_cache *cache;

		fail_set(FAIL_MEMORY, &rule);
		cache = kmem_cache_create("fails", 64, 0, 0, NULL);
		if (cache)
			object = kmem_cache_alloc(cache, GFP_KERNEL);
		if (!object)
			assert_int_equal(errno, ENOMEM);
		fail_set(FAIL_MEMORY, NULL);
		kmem_cache_free(cache, object);
		kmem_cache_destroy(cache);
		assert_int_equal(mem.span, 0);
	}
	assert_true(rule.nth > 7 && object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects),   cmocka_unit_test(constructor),
		cmocka_unit_test(alignment), cmocka_unit_test(misuse),
		cmocka_unit_test(bad_sizes), cmocka_unit_test(every_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
