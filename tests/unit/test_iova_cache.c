/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Caches and several threads: no range is allocated twice or lost, and all return when threads end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "iova/iova.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { PAGES = 1 << 17, THREADS = 4, SLOTS = 64, MAIL = 64 };

static struct iova_space *space;
static u8 owned[PAGES]; /* atomic */
static u64 errors;	/* atomic */

struct range {
	u64 page, pages;
};

/* Ranges that are passed to another thread, which frees them. */
static struct {
	struct lock lock;
	struct range range[MAIL];
	int n;
} mail;

static void expect_true(bool ok)
{
	if (!ok)
		__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
}

static u64 next_random(u64 *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static struct range range_take(u64 *seed)
{
	struct range r = {.pages = 1 + next_random(seed) % (next_random(seed) % 32 ? 8 : 400)};
	u64 last = next_random(seed) % 4 ? ~0ull : PAGES / 4 - 1;

	r.page = iova_alloc(space, r.pages, last, true);
	if (!r.page)
		return r;
	expect_true(r.page <= last && r.page + r.pages <= PAGES && r.page + r.pages - 1 <= last);
	for (u64 i = 0; i < r.pages; i++)
		expect_true(!__atomic_exchange_n(&owned[r.page + i], 1, __ATOMIC_RELAXED));
	return r;
}

static void range_give(struct range r, bool shared)
{
	if (!r.page)
		return;
	for (u64 i = 0; i < r.pages; i++)
		expect_true(__atomic_exchange_n(&owned[r.page + i], 0, __ATOMIC_RELAXED));
	expect_true(shared ? iova_free_shared(space, r.page, r.pages)
			   : iova_free(space, r.page, r.pages));
}

/* Leaves r for other threads and takes a range that they left. */
static struct range mail_swap(struct range r, u64 *seed)
{
	lock_acquire(&mail.lock);
	if (mail.n < MAIL) {
		mail.range[mail.n++] = r;
		r = (struct range){0};
	} else {
		struct range *other = &mail.range[next_random(seed) % MAIL], theirs = *other;

		*other = r;
		r = theirs;
	}
	lock_release(&mail.lock);
	return r;
}

static void *work(void *arg)
{
	struct range held[SLOTS] = {0};
	u64 seed = (u64)(uintptr_t)arg;

	for (int i = 0; i < 6000; i++) {
		struct range *r = &held[next_random(&seed) % SLOTS];

		if (r->page && next_random(&seed) % 8 == 0)
			*r = mail_swap(*r, &seed);
		range_give(*r, next_random(&seed) % 4 == 0);
		*r = range_take(&seed);
		if (i % 1024 == 0) {
			struct iova_stats st;

			iova_stats(space, &st);
			iova_drain(space);
		}
	}
	for (int i = 0; i < SLOTS; i++)
		range_give(held[i], false);
	return NULL;
}

static void assert_merged(void)
{
	struct iova_stats st;

	iova_drain(space);
	iova_stats(space, &st);
	assert_int_equal(st.pages, 0);
	assert_int_equal(st.cached, 0);
	assert_int_equal(st.ranges, 1);
}

static void test_stress(void **state)
{
	pthread_t thread[THREADS];

	space = iova_create(1, PAGES, IOVA_32BIT_FIRST);
	for (int round = 0; round < 3; round++) { /* slots of ended threads are used again */
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, work,
							(void *)(uintptr_t)(round * 10 + i + 1)),
					 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
	}
	while (mail.n)
		range_give(mail.range[--mail.n], false);
	assert_int_equal(errors, 0);
	assert_merged();
	iova_destroy(space);
}

static void *take_and_give_many(void *arg)
{
	enum { MANY = 3000 };
	static u64 page[MANY];

	for (int i = 0; i < MANY; i++)
		expect_true((page[i] = iova_alloc(space, 1, ~0ull, true)));
	for (int i = 0; i < MANY; i++)
		expect_true(iova_free(space, page[i], 1));
	return NULL;
}

static void run_thread(void *(*fn)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, NULL), 0);
	pthread_join(thread, NULL);
}

static void test_thread_end_gives_back(void **state)
{
	struct iova_stats st;
	u64 cached;

	errors = 0;
	space = iova_create(1, 1ull << 30, 0);
	run_thread(take_and_give_many);
	assert_int_equal(errors, 0);
	iova_stats(space, &st);
	assert_true(st.cached >= 3000);
	assert_int_equal(st.pages, st.cached);
	cached = st.cached;
	/* This thread allocates them before new ranges are taken from the tree. */
	for (u64 i = 0; i < cached; i++)
		assert_int_not_equal(iova_alloc(space, 1, ~0ull, true), 0);
	iova_stats(space, &st);
	assert_int_equal(st.pages, cached);
	assert_int_equal(st.cached, 0);
	iova_destroy(space);
}

/* Ranges in another thread's cache are found after that thread has freed them. */
static void *take_all_give_all(void *arg)
{
	static u64 page[PAGES];
	u64 n = 0;

	while ((page[n] = iova_alloc(space, 1, ~0ull, true)))
		n++;
	expect_true(n == PAGES - 1);
	while (n)
		expect_true(iova_free(space, page[--n], 1));
	return NULL;
}

static void test_full_space_from_another_thread(void **state)
{
	u64 page;

	errors = 0;
	space = iova_create(1, PAGES, 0);
	run_thread(take_all_give_all);
	page = iova_alloc(space, PAGES - 1, ~0ull, false);
	assert_int_equal(page, 1);
	assert_true(iova_free(space, page, PAGES - 1));
	run_thread(take_all_give_all);
	assert_int_equal(errors, 0);
	assert_merged();
	iova_destroy(space);
}

static u64 low_page;

static char low_error[512];

static void *take_low(void *arg)
{
	low_page = iova_alloc(space, 1, 4095, true);
	snprintf(low_error, sizeof(low_error), "%s", error_text());
	return NULL;
}

/* Every range in the caches of this thread, in every class, and their total space. */
static void *take_from_the_idle(void *arg)
{
	u64 page, n = 0;

	low_page = iova_alloc(space, 1, 4095, true);
	expect_true(low_page);
	expect_true(iova_free(space, low_page, 1));
	page = iova_alloc(space, 4095, 4095, false);
	expect_true(page == 1);
	expect_true(iova_free(space, page, 4095));
	while (iova_alloc(space, 1, 4095, true))
		n++;
	expect_true(n == 4095);
	for (u64 i = 1; i <= n; i++)
		expect_true(iova_free(space, i, 1));
	return NULL;
}

/* A small region is completely in the cache of an idle thread: other threads obtain it. */
static void test_idle_caches_are_reached(void **state)
{
	static u64 page[4095];
	u64 n = 0, size;

	errors = 0;
	space = iova_create(1, 1ull << 30, 0);
	for (int round = 0; round < 3; round++) {
		for (n = 0; n < 4095; n++)
			assert_int_not_equal(page[n] = iova_alloc(space, 1, 4095, true), 0);
		while (n)
			assert_true(iova_free(space, page[--n], 1));
		run_thread(take_from_the_idle);
		assert_int_equal(errors, 0);
		/* a gap at the bottom of this thread's magazine is not drained */
		for (n = 0; n < 3; n++)
			assert_int_not_equal(page[n] = iova_alloc(space, 1, 4095, true), 0);
		while (n)
			assert_true(iova_free(space, page[--n], 1));
	}
	for (size = 1; size <= IOVA_CACHED_PAGES; size *= 2) {
		for (n = 0; n < 4096 / size - 1; n++)
			assert_int_not_equal(page[n] = iova_alloc(space, size, 4095, true), 0);
		while (n)
			assert_true(iova_free(space, page[--n], size));
	}
	run_thread(take_from_the_idle);
	assert_int_equal(errors, 0);
	assert_merged();
	iova_destroy(space);
}

static u64 wanted;

/* Empties the other caches, and allocates `wanted` of the ranges found. */
static void *take_wanted(void *arg)
{
	static u64 page[4096];
	int n = 0;

	iova_drain(space);
	while (n < 4096 && (page[n] = iova_alloc(space, 1, ~0ull, true)) != wanted)
		n++;
	expect_true(n < 4096);
	while (n)
		expect_true(iova_free(space, page[--n], 1));
	return NULL;
}

/* A range that was passed to another thread and is returned is not freed twice. */
static void test_what_was_taken_may_come_back(void **state)
{
	errors = 0;
	space = iova_create(1, 1ull << 30, 0);
	wanted = iova_alloc(space, 1, ~0ull, true);
	assert_true(iova_free(space, wanted, 1)); /* on top of the magazine */
	run_thread(take_wanted);
	assert_int_equal(errors, 0);
	assert_true(iova_free(space, wanted, 1));
	assert_false(iova_free(space, wanted, 1));
	assert_merged();
	iova_destroy(space);
}

static void *drain_all(void *arg)
{
	iova_drain(space);
	return NULL;
}

/*
 * A pop is in progress, which will fail because all ranges were taken: a second drain takes no
 * more.
 */
static void test_a_drain_during_a_pop_that_fails(void **state)
{
	struct iova_cache *cache;
	struct iova_bin *bin;
	u64 page;
	u32 n;

	space = iova_create(1, 1ull << 30, 0);
	cache = (struct iova_cache *)tslot_get(&space->key);
	bin = &cache->bin[0];
	page = iova_alloc(space, 1, ~0ull, true);
	assert_true(iova_free(space, page, 1));
	run_thread(drain_all);
	n = bin->n;
	assert_int_equal(bin->taken, n);
	/* the drain examines all classes if one of them has something */
	page = iova_alloc(space, 2, ~0ull, true);
	assert_true(iova_free(space, page, 2));
	write_release(&bin->n, n - 1);
	run_thread(drain_all);
	write_release(&bin->n, n);
	assert_int_equal(bin->taken, n);
	assert_merged();
	iova_destroy(space);
}

static u32 done; /* atomic */

static void *pop_and_push(void *arg)
{
	struct range held[24] = {0};
	u64 seed = (u64)(uintptr_t)arg;

	for (int round = 0; round < 30000; round++) {
		u64 n = 1 + next_random(&seed) % 24;

		for (u64 i = 0; i < n; i++) {
			held[i].pages = 1ull << next_random(&seed) % 3 * 4;
			held[i].page = iova_alloc(space, held[i].pages, ~0ull, true);
			for (u64 k = 0; held[i].page && k < held[i].pages; k++)
				expect_true(!__atomic_exchange_n(&owned[held[i].page + k], 1,
								 __ATOMIC_RELAXED));
		}
		for (u64 i = 0; i < n; i++)
			range_give(held[i], false);
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Drains while the owners pop and push without a lock: no range is allocated twice or lost. */
static void test_drains_race_with_owners(void **state)
{
	pthread_t thread[2];

	errors = 0;
	write_once(&done, 0);
	space = iova_create(1, PAGES, IOVA_32BIT_FIRST);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, pop_and_push, (void *)(uintptr_t)(i + 1)),
			0);
	while (read_once(&done) < 2)
		iova_drain(space);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(errors, 0);
	assert_merged();
	iova_destroy(space);
}

/*
 * Without membarrier: a small region is completely in this thread's caches. Another thread fails,
 * then obtains the ranges that are freed next.
 */
static void test_hoard_ends_after_a_failure(void **state)
{
	static u64 page[4095];
	struct iova_stats st;

	write_once(&fence_answer, -1);
	space = iova_create(1, 1ull << 30, 0);
	for (int i = 0; i < 4095; i++)
		assert_int_not_equal(page[i] = iova_alloc(space, 1, 4095, true), 0);
	for (int i = 0; i < 100; i++)
		assert_true(iova_free(space, page[i], 1));
	run_thread(take_low);
	assert_int_equal(low_page, 0);
	assert_non_null(strstr(low_error, "100 pages are in the caches"));
	assert_true(iova_free(space, page[100], 1));
	run_thread(take_low);
	assert_int_equal(low_page, page[100]);
	for (int i = 101; i < 4095; i++)
		assert_true(iova_free(space, page[i], 1));
	assert_true(iova_free(space, low_page, 1));
	iova_stats(space, &st);
	assert_int_equal(st.cached, 100);
	for (int i = 0; i < 4096; i++) { /* the caches are available again */
		u64 big = iova_alloc(space, 1000, 4095, false);

		assert_true(iova_free(space, big, 1000));
	}
	assert_true(iova_free(space, iova_alloc(space, 1, 4095, true), 1));
	iova_stats(space, &st);
	assert_int_equal(st.cached, 100);
	assert_merged();
	iova_destroy(space);
	write_once(&fence_answer, 0);
}

static void test_shared_is_not_in_own_cache(void **state)
{
	struct iova_stats st;
	u64 page;

	space = iova_create(1, 1ull << 30, 0);
	page = iova_alloc(space, 2, ~0ull, true);
	assert_true(iova_free_shared(space, page, 2));
	assert_int_not_equal(iova_alloc(space, 2, ~0ull, true), page); /* the thread's own first */
	for (int i = 0; i < 254; i++)
		assert_int_not_equal(iova_alloc(space, 2, ~0ull, true), page);
	assert_int_equal(iova_alloc(space, 2, ~0ull, true), page); /* before another refill */
	iova_stats(space, &st);
	assert_int_equal(st.cached, 0);
	iova_destroy(space);
}

/* Many more than magazines and depots can contain, in each class. */
static void test_overflow_to_the_tree(void **state)
{
	enum { MANY = 4000 };
	static u64 page[MANY];

	space = iova_create(1, 1ull << 24, 0);
	for (u64 pages = 1; pages <= IOVA_CACHED_PAGES; pages *= 4) {
		u64 n = pages > 16 ? MANY / 4 : MANY;

		for (u64 i = 0; i < n; i++)
			assert_int_not_equal(page[i] = iova_alloc(space, pages, ~0ull, true), 0);
		for (u64 i = 0; i < n; i++)
			assert_true(i % 2 ? iova_free(space, page[i], pages)
					  : iova_free_shared(space, page[i], pages));
	}
	assert_merged();
	iova_destroy(space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stress),
		cmocka_unit_test(test_thread_end_gives_back),
		cmocka_unit_test(test_full_space_from_another_thread),
		cmocka_unit_test(test_idle_caches_are_reached),
		cmocka_unit_test(test_what_was_taken_may_come_back),
		cmocka_unit_test(test_a_drain_during_a_pop_that_fails),
		cmocka_unit_test(test_drains_race_with_owners),
		cmocka_unit_test(test_hoard_ends_after_a_failure),
		cmocka_unit_test(test_shared_is_not_in_own_cache),
		cmocka_unit_test(test_overflow_to_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
