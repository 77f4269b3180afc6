/* SPDX-License-Identifier: BSD-2-Clause */
/* Slabs: their geometry, their lists, and threads that share them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"
#include "mem/page.h"
#include "mem/slab.h"

#include <linux/slab.h>

/* Slabs have 8 to 64 objects, unless objects are very large, and waste less than a third. */
static void geometry(void **state)
{
	for (u32 size = 1; size <= SLAB_SIZE_MAX; size += size < 9000 ? 1 : 997) {
		struct slab_set set = {0};
		u64 bytes;

		slab_set_init(&set, size, 0, NULL);
		bytes = PAGE_BYTES << set.order;
		assert_true(set.size >= size && set.size % 64 == 0 && set.size - size < 64);
		assert_in_range(set.objects, 1, 64);
		assert_true((u64)set.objects * set.size <= bytes);
		if (size <= 32768)
			assert_true(set.objects >= 8);
		assert_true(bytes - (u64)set.objects * set.size <= bytes / 2);
	}
}

static void slabs_come_and_go(void **state)
{
	struct slab_set *set = slab_set_claim(1024, 0, NULL);
	struct mem_config any = {0};
	void *o[64];
	u64 per;

	assert_non_null(set);
	assert_int_equal(mem_get(&any), 0);
	per = 1u << set->order;
	for (int i = 0; i < 64; i++)
		o[i] = slab_take(set, set->size, 0);
	assert_int_equal(set->live, 64);
	assert_int_equal(mem_pages_used(), (64u + set->objects - 1) / set->objects * per);
	assert_int_equal(slab_set_release(set), -EBUSY);
	/* the objects of the first slab are freed, and so are its pages */
	for (int i = 0; i < set->objects; i++) {
		u64 used = mem_pages_used();

		assert_int_equal(mem_pages_used(), used);
		assert_int_equal(slab_give(block_head(virt_to_page(o[i])), o[i], set), 0);
		assert_int_equal(mem_pages_used(), i == set->objects - 1 ? used - per : used);
	}
	/* a slab with one free object is used before a new one is allocated */
	assert_int_equal(slab_give(block_head(virt_to_page(o[63])), o[63], NULL), 0);
	assert_ptr_equal(slab_take(set, set->size, 0), o[63]);
	for (int i = set->objects; i < 64; i++)
		assert_int_equal(slab_give(block_head(virt_to_page(o[i])), o[i], set), 0);
	assert_int_equal(set->live, 0);
	assert_null(set->partial);
	assert_int_equal(mem_pages_used(), 0);
	assert_int_equal(slab_set_release(set), 0);
	mem_put();
}

static void sets_run_out(void **state)
{
	struct slab_set *set[SLAB_SETS], *one;
	int n = 0;

	while ((set[n] = slab_set_claim(64, 0, NULL)))
		n++;
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(n, SLAB_SETS - SLAB_SETS_KMALLOC);
	assert_int_equal(slab_set_release(set[5]), 0);
	one = slab_set_claim(64, 0, NULL);
	assert_ptr_equal(one, set[5]);
	while (n--)
		assert_int_equal(slab_set_release(set[n]), 0);
}

/* Objects are passed between threads and freed by others; also twice, at the same moment. */
#define SHARED 64

static void *shared[SHARED];
static u64 good_frees, takes;

static void *passer(void *arg)
{
	u64 x = (u64)(uintptr_t)arg;

	for (int i = 0; i < 5000; i++) {
		void *mine, *other;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		mine = kmalloc(64 + (x >> 9) % 3000, GFP_KERNEL);
		if (!mine)
			return (void *)1;
		__atomic_add_fetch(&takes, 1, __ATOMIC_RELAXED);
		*(u64 *)mine = (u64)(uintptr_t)mine;
		other = __atomic_exchange_n(&shared[x % SHARED], mine, __ATOMIC_ACQ_REL);
		if (other && *(u64 *)other != (u64)(uintptr_t)other)
			return other;
		kfree(other);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[4];
	void *broken;

	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, passer, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &broken);
		assert_null(broken);
	}
	for (int i = 0; i < SHARED; i++)
		kfree(shared[i]);
	assert_int_equal(mem_pages_used(), 0);
}

/* Both threads free the same objects: each object is freed once, the other free is refused. */
#define RIVALRIES 300

static void *objects[RIVALRIES];
static u32 step;

static void *rival(void *arg)
{
	for (u32 i = 0; i < RIVALRIES; i++) {
		__atomic_add_fetch(&step, 1, __ATOMIC_ACQ_REL);
		for (u32 spins = 0; read_acquire(&step) < 2 * (i + 1); spins++)
			if (spins > 1000)
				sched_yield();
		errno = 0;
		kfree(objects[i]);
		if (!errno)
			__atomic_add_fetch(&good_frees, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void rivals(void **state)
{
	struct mem_config any = {0};
	pthread_t t[2];

	assert_int_equal(mem_get(&any), 0);
	good_frees = step = 0;
	for (u32 i = 0; i < RIVALRIES; i++)
		objects[i] = kmalloc(i % 2 ? 8192 : 1500, GFP_KERNEL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, rival, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(good_frees, RIVALRIES);
	assert_int_equal(mem_pages_used(), 0);
	mem_put();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(geometry),	cmocka_unit_test(slabs_come_and_go),
		cmocka_unit_test(sets_run_out), cmocka_unit_test(threads),
		cmocka_unit_test(rivals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
