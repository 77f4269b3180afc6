/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * src/map/twostep*.c: threads that link parts of one range, every step failing in turn, and
 * sequences that end at any point, which must leave nothing behind.
 */
#include "twostep_rig.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 3
#define PAGES	192u

static struct dma_iova_state st;
static u8 *memory;
static pthread_barrier_t barrier;
static u32 won[PAGES];	  /* the number of threads that linked the granule; atomic */
static u32 failures;	  /* atomic: an error that no thread may detect */
static u32 rounds, piece; /* of this test; piece: granules of each link */

/* The barrier of pthreads sleeps, and a thread that is late by that much never meets the others. */
static void meet(u32 *count, u32 target)
{
	__atomic_add_fetch(count, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < target)
		sched_yield();
}

static void unexpected(void)
{
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
}

/* Each links its own third, unlinks it, and links again. */
static void *link_own_part(void *arg)
{
	u64 first = (u64)(uintptr_t)arg * (PAGES / THREADS), n = PAGES / THREADS;
	u8 seen[8];

	pthread_barrier_wait(&barrier);
	for (u32 r = 0; r < rounds; r++) {
		for (u64 i = first; i < first + n; i += piece)
			if (dma_iova_link(dev, &st, virt_to_phys(memory) + i * K4, i * K4,
					  piece * K4, DMA_BIDIRECTIONAL, 0))
				unexpected();
		if (dma_iova_sync(dev, &st, first * K4, n * K4))
			unexpected();
		for (u64 i = first; i < first + n; i += 7)
			if (dmamap_bus_read(dev, st.addr + i * K4, seen, 8) ||
			    memcmp(seen, memory + i * K4, 8))
				unexpected();
		dma_iova_unlink(dev, &st, first * K4, n * K4, DMA_BIDIRECTIONAL, 0);
	}
	return NULL;
}

static void run_threads(void *(*fn)(void *))
{
	pthread_t id[THREADS];

	failures = 0;
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, fn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	pthread_barrier_destroy(&barrier);
	assert_int_equal(failures, 0);
}

static void begin(const char *spec, u64 size)
{
	open_device(spec);
	memory = pages_get(8);
	assert_true(dma_iova_try_alloc(dev, &st, 0, size));
}

static void finish(void)
{
	dma_iova_free(dev, &st);
	pages_put(memory, 8);
	close_device();
}

static void disjoint_parts(const char *spec, u64 size)
{
	begin(spec, size);
	rounds = 30;
	for (piece = 1; piece <= 2; piece++)
		run_threads(link_own_part);
	/* this thread has the right to link without the lock, which the others must revoke first */
	assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(memory), 0, K4, DMA_TO_DEVICE, 0), 0);
	dma_iova_unlink(dev, &st, 0, K4, DMA_TO_DEVICE, 0);
	piece = 1;
	run_threads(link_own_part);
	finish();
}

static void threads_link_disjoint_parts(void **state)
{
	disjoint_parts("sim", PAGES * K4);
	disjoint_parts("sim", 4 * M2);
	disjoint_parts("sim,untrusted=1", PAGES * K4);
	disjoint_parts("sim,coherent=0", PAGES * K4);
	disjoint_parts("sim,policy=lazy", PAGES * K4);
}

static u32 arrived;

/* All threads link all granules, in the same order: one of them succeeds for each granule. */
static void *link_everything(void *arg)
{
	u32 n = 0;

	pthread_barrier_wait(&barrier);
	for (u32 i = 0; i < PAGES; i += piece) {
		int err;

		meet(&arrived, ++n * THREADS);
		err = dma_iova_link(dev, &st, virt_to_phys(memory) + i * K4, i * K4, piece * K4,
				    DMA_BIDIRECTIONAL, 0);
		if (!err)
			__atomic_add_fetch(&won[i], 1, __ATOMIC_RELAXED);
		else if (err != -EEXIST)
			unexpected();
	}
	return NULL;
}

static void overlapping_parts(const char *spec)
{
	for (piece = 1; piece <= 4; piece *= 2) {
		for (int r = 0; r < 6; r++) {
			/* a new range, so that the right to link is revoked in the middle of it */
			begin(spec, PAGES * K4);
			memset(won, 0, sizeof(won));
			arrived = 0;
			run_threads(link_everything);
			for (u32 i = 0; i < PAGES; i += piece)
				assert_int_equal(won[i], 1);
			dma_iova_unlink(dev, &st, 0, PAGES * K4, DMA_BIDIRECTIONAL, 0);
			finish();
		}
	}
}

static void threads_that_overlap_lose_but_one(void **state)
{
	overlapping_parts("sim");
	overlapping_parts("sim,untrusted=1");
}

/*
 * One page against runs of four at other borders: no thread links a granule that another has
 * linked.
 */
static void *link_unaligned(void *arg)
{
	u64 n = (uintptr_t)arg + 1, k = 0;

	pthread_barrier_wait(&barrier);
	for (u64 i = 0; i + n <= PAGES; i++) {
		if (dma_iova_link(dev, &st, virt_to_phys(memory), i * K4, n * K4, DMA_BIDIRECTIONAL,
				  0))
			continue;
		for (k = i; k < i + n; k++)
			if (__atomic_fetch_add(&won[k], 1, __ATOMIC_RELAXED))
				unexpected();
	}
	return NULL;
}

static void lengths_mix(void **state)
{
	for (int r = 0; r < 10; r++) {
		u64 linked = 0;

		begin("sim", PAGES * K4);
		memset(won, 0, sizeof(won));
		run_threads(link_unaligned);
		for (u32 i = 0; i < PAGES; i++) {
			linked += won[i];
			assert_int_equal(won[i], refused(st.addr + i * K4, 1, false) ? 0 : 1);
		}
		assert_true(linked > PAGES / 2);
		dma_iova_unlink(dev, &st, 0, PAGES * K4, DMA_BIDIRECTIONAL, 0);
		finish();
	}
}

static u32 stop_far; /* atomic */

/*
 * Links and unlinks the part after the first granule, so that whole tables are created and removed.
 */
static void *link_far_part(void *arg)
{
	const u64 size = 4 * M2;

	while (!read_acquire(&stop_far)) {
		int err = dma_iova_link(dev, &st, virt_to_phys(memory) + K4, 2 * M2, size,
					DMA_TO_DEVICE, 0);
		struct page *page;
		u64 *word;

		if (!err)
			dma_iova_unlink(dev, &st, 2 * M2, size, DMA_TO_DEVICE, 0);
		else if (err != -EINVAL) /* the range is closed at this moment */
			unexpected();
		/* the next user of a table's page writes words that look like entries */
		page = alloc_pages(GFP_KERNEL, 0);
		word = page ? page_address(page) : NULL;
		for (u64 i = 0; page && i < K4 / 8; i++)
			write_once(&word[i], 0x000fffff00000003ull | i << 12);
		if (page)
			__free_pages(page, 0);
	}
	return NULL;
}

/* A link that closes the range examines parts that another thread unlinks meanwhile. */
static void closing_beside_unlinks(void **state)
{
	pthread_t id;

	open_device("sim");
	memory = pages_get(12);
	failures = stop_far = 0;
	assert_true(dma_iova_try_alloc(dev, &st, 0, 8 * M2));
	assert_int_equal(pthread_create(&id, NULL, link_far_part, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		int err = dma_iova_link(dev, &st, virt_to_phys(memory), 0, 100, DMA_TO_DEVICE, 0);

		if (!err)
			dma_iova_unlink(dev, &st, 0, 100, DMA_TO_DEVICE, 0);
		else if (err != -EINVAL)
			unexpected();
		if (i % 16 == 0)
			sched_yield();
	}
	write_release(&stop_far, 1);
	pthread_join(id, NULL);
	assert_int_equal(failures, 0);
	assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(memory), 0, 100, DMA_TO_DEVICE, 0),
			 0);
	dma_iova_free(dev, &st);
	pages_put(memory, 12);
	close_device();
}

/* New threads inherit nothing from ended ones, although thread pointers are reused. */
static void *link_one(void *arg)
{
	if (dma_iova_link(dev, &st, virt_to_phys(memory), (uintptr_t)arg * K4, K4,
			  DMA_BIDIRECTIONAL, 0))
		unexpected();
	return NULL;
}

static void threads_one_after_the_other(void **state)
{
	begin("sim", PAGES * K4);
	failures = 0;
	for (uintptr_t i = 0; i < PAGES; i++) {
		pthread_t id;

		assert_int_equal(pthread_create(&id, NULL, link_one, (void *)i), 0);
		pthread_join(id, NULL);
		assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(memory), i * K4, K4,
					       DMA_BIDIRECTIONAL, 0),
				 -EEXIST);
	}
	assert_int_equal(failures, 0);
	dma_iova_unlink(dev, &st, 0, PAGES * K4, DMA_BIDIRECTIONAL, 0);
	finish();
}

/* The whole life of a range. 0, or the first error; nothing is left in either case. */
static int life(struct dma_iova_state *s)
{
	u64 size = 3 * K4 + 200, phys = virt_to_phys(memory) + 100;
	int err;

	if (!dma_iova_try_alloc(dev, s, phys, size)) {
		assert_false(dma_use_iova(s));
		return -errno;
	}
	err = dma_iova_link(dev, s, phys, 0, 2 * K4 - 100, DMA_BIDIRECTIONAL, 0);
	if (!err)
		err = dma_iova_link(dev, s, phys + 2 * K4 - 100, 2 * K4 - 100, K4 + 300,
				    DMA_BIDIRECTIONAL, 0);
	if (!err)
		err = dma_iova_sync(dev, s, 0, size);
	if (err) {
		assert_true(err == -ENOMEM);
		/* what succeeded is still linked and is removed with the range */
		dma_iova_free(dev, s);
		return err;
	}
	assert_true(device_sees(s->addr, memory + 100, size));
	dma_iova_destroy(dev, s, size, DMA_BIDIRECTIONAL, 0);
	return 0;
}

static void fail_each_step(const char *spec)
{
	struct dma_iova_state s;
	u64 tables;
	int n = 1, err;

	open_device(spec);
	memory = pages_get(3);
	assert_int_equal(life(&s), 0);
	tables = stats_now().table_pages;
	for (int site = 0; site < FAIL_SITES; site++) {
		for (n = 1; n < 200; n++) {
			fail_set(site, &(struct fail_rule){.nth = (u64)n});
			err = life(&s);
			if (!fail_fired(site)) {
				fail_set(site, NULL);
				assert_int_equal(err, 0);
				break;
			}
			fail_set(site, NULL);
			assert_true(!err || *dmamap_strerror());
			assert_int_equal(stats_now().iova_ranges, 0);
			assert_int_equal(stats_now().table_pages, tables);
		}
		assert_true(n < 200);
		assert_int_equal(life(&s), 0);
	}
	pages_put(memory, 3);
	close_device();
}

static void each_step_may_fail(void **state)
{
	fail_each_step("sim,check=1");
	fail_each_step("sim,untrusted=1");
	fail_each_step("sim,coherent=0");
	fail_each_step("sim,policy=lazy");
}

/* The first range in new address space needs tables: each of them may be missing. */
static void tables_may_be_missing(void **state)
{
	struct dma_iova_state s;
	int n, err = -ENOMEM;

	for (n = 1; err && n < 50; n++) {
		open_device("sim");
		memory = pages_get(10);
		assert_true(dma_iova_try_alloc(dev, &s, 0, 4 * M2));
		fail_set(FAIL_MEMORY, &(struct fail_rule){.nth = (u64)n});
		err = dma_iova_link(dev, &s, virt_to_phys(memory), K4, 2 * M2, DMA_TO_DEVICE, 0);
		if (!err)
			err = dma_iova_link(dev, &s, virt_to_phys(memory), 2 * M2 + K4, M2,
					    DMA_TO_DEVICE, 0);
		fail_set(FAIL_MEMORY, NULL);
		assert_true(!err || err == -ENOMEM);
		assert_int_equal(refused(s.addr + 2 * M2 + K4, 1, false), err != 0);
		dma_iova_destroy(dev, &s, 4 * M2, DMA_TO_DEVICE, 0);
		pages_put(memory, 10);
		close_device();
	}
	assert_true(n > 3 && n < 50);
}

static void bounce_memory_is_full(void **state)
{
	struct dma_iova_state s[200];
	u64 taken = 0, bounced;
	int err = 0;

	open_device("sim,untrusted=1,ram=64M,swiotlb=256K");
	memory = pages_get(1);
	for (;; taken++) {
		assert_true(taken < 200);
		assert_true(dma_iova_try_alloc(dev, &s[taken], 100, 2 * K4 - 200));
		err = dma_iova_link(dev, &s[taken], virt_to_phys(memory) + 100, 0, 2 * K4 - 200,
				    DMA_TO_DEVICE, 0);
		if (err)
			break;
	}
	assert_int_equal(err, -ENOMEM);
	assert_non_null(strstr(dmamap_strerror(), "swiotlb"));
	assert_int_equal(taken, 256 / 4 / 2);
	/* a head that was linked was unlinked again when the tail failed */
	dma_iova_unlink(dev, &s[0], 0, K4 - 100, DMA_TO_DEVICE, 0);
	assert_int_equal(dma_iova_link(dev, &s[taken], virt_to_phys(memory) + 100, 0, 2 * K4 - 200,
				       DMA_TO_DEVICE, 0),
			 -ENOMEM);
	assert_true(refused(s[taken].addr, 1, false));
	bounced = stats_now().bounced_bytes;
	assert_int_equal(
		dma_iova_link(dev, &s[taken], virt_to_phys(memory) + 100, 0, 200, DMA_TO_DEVICE, 0),
		0);
	assert_int_equal(stats_now().bounced_bytes - bounced, 200);
	for (u64 i = 0; i <= taken; i++)
		dma_iova_free(dev, &s[i]);
	pages_put(memory, 1);
	close_device();
}

/* Ended at any point, repeatedly. */
static void half_done_sequences(const char *spec, int n)
{
	u64 seed = 3, tables = 0, iova = 0;

	open_device(spec);
	memory = pages_get(4);
	for (int i = 0; i < n; i++) {
		u64 in, size = (seed >> 20) % (14 * K4) + 1;
		struct dma_iova_state s;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		in = seed >> 33 & 1 ? seed >> 34 & 4095 : 0;
		assert_true(dma_iova_try_alloc(dev, &s, in, size));
		for (u64 k = 0; k < (seed >> 46 & 3); k++)
			dma_iova_link(dev, &s, virt_to_phys(memory) + (k ? 0 : in),
				      k ? k * K4 - in : 0,
				      k == 2 ? 77
				      : k    ? K4
					     : K4 - in,
				      DMA_BIDIRECTIONAL, 0);
		if (seed >> 48 & 1)
			dma_iova_unlink(dev, &s, 0, (seed >> 49) % (size + 100), DMA_BIDIRECTIONAL,
					0);
		if (seed >> 50 & 1)
			dma_iova_destroy(dev, &s, (seed >> 51) % (size + 100), DMA_BIDIRECTIONAL,
					 0);
		else
			dma_iova_free(dev, &s);
		if (i == n / 2) {
			tables = stats_now().table_pages;
			iova = stats_now().iova_pages;
		}
	}
	assert_int_equal(stats_now().iova_ranges, 0);
	/* caches and pending flushes change a little */
	assert_true(stats_now().table_pages <= tables + 8);
	assert_true(stats_now().iova_pages <= iova + 2048);
	/* all bounce memory is free again */
	for (int i = 0; i < 40 && strstr(spec, "untrusted"); i++) {
		struct dma_iova_state s;

		assert_true(dma_iova_try_alloc(dev, &s, 0, 100));
		assert_int_equal(
			dma_iova_link(dev, &s, virt_to_phys(memory), 0, 100, DMA_TO_DEVICE, 0), 0);
		dma_iova_destroy(dev, &s, 100, DMA_TO_DEVICE, 0);
	}
	assert_int_equal(stats_now().bounce_full, 0);
	pages_put(memory, 4);
	close_device();
}

static void nothing_leaks(void **state)
{
	half_done_sequences("sim,ram=64M,swiotlb=256K", 20000);
	half_done_sequences("sim,ram=64M,swiotlb=256K,untrusted=1", 20000);
	half_done_sequences("sim,ram=64M,coherent=0", 3000);
	half_done_sequences("sim,ram=64M,policy=lazy", 3000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(threads_link_disjoint_parts),
	cmocka_unit_test(threads_that_overlap_lose_but_one),
	cmocka_unit_test(lengths_mix),
	cmocka_unit_test(closing_beside_unlinks),
	cmocka_unit_test(threads_one_after_the_other),
	cmocka_unit_test(each_step_may_fail),
	cmocka_unit_test(tables_may_be_missing),
	cmocka_unit_test(bounce_memory_is_full),
	cmocka_unit_test(nothing_leaks),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
