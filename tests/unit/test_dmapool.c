/* SPDX-License-Identifier: BSD-2-Clause */
/* DMA pools: arguments, wrong frees, caches of threads, exhaustion, and every failure. */
#include "pool_rig.h"

static void test_arguments(void **state)
{
	static const struct {
		size_t size, align, boundary;
	} bad[] = {
		{0, 0, 0},
		{16, 3, 0},
		{16, 24, 0},
		{16, 0, 48},
		{64, 0, 32},
		{65, 0, 64},
		{1ull << 31, 0, 0},
		{SIZE_MAX, 0, 0},
		{16, 1ull << 31, 0},
		{16, 1ull << 63, 0},
		{SIZE_MAX, 4096, 4096},
	};
	dma_addr_t dma = 5;
	struct dma_pool *pool;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		assert_null(
			dma_pool_create("bad", dev, bad[i].size, bad[i].align, bad[i].boundary));
		assert_int_equal(errno, EINVAL);
		assert_non_null(strstr(dmamap_strerror(), "'bad'"));
	}
	assert_null(dma_pool_create("bad", NULL, 16, 0, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(dma_pool_alloc(NULL, GFP_KERNEL, &dma));
	assert_int_equal(errno, EINVAL);
	dma_pool_free(NULL, &dma, dma);
	dma_pool_destroy(NULL);
	dmam_pool_destroy(NULL);
	pool = dma_pool_create_node(NULL, dev, 16, 0, 0, 3); /* no name, any node */
	assert_non_null(pool);
	errno = 0;
	assert_null(dma_pool_alloc(pool, GFP_KERNEL, NULL));
	assert_int_equal(errno, EINVAL);
	dma_pool_destroy(pool);
	assert_int_equal(dma, 5);
	assert_int_equal(coherent_bytes(), 0);
}

static void refused(struct dma_pool *pool, void *cpu, dma_addr_t dma, int kind, const char *why)
{
	last_kind = 0;
	errno = 0;
	dma_pool_free(pool, cpu, dma);
	/* where it is adjacent to another pool's memory, it is reported as such */
	if (kind != DMAMAP_CHECK_POOL_WRONG || last_kind != DMAMAP_CHECK_POOL_OTHER)
		assert_int_equal(last_kind, kind);
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(dmamap_strerror(), why));
}

/* A pointer that is no live block is refused, and afterwards no block is allocated twice. */
static void test_wrong_free(void **state)
{
	struct dma_pool *pool = pool_of(64, 0, 0), *other = pool_of(64, 0, 0),
			*gaps = pool_of(48, 0, 64);
	struct block a = take(pool), b = take(pool), o = take(other), g = take(gaps), live[200];
	u8 mine[64];

	refused(pool, o.cpu, o.dma, DMAMAP_CHECK_POOL_OTHER, "not a block of this pool");
	refused(pool, mine, a.dma, DMAMAP_CHECK_POOL_WRONG, "not a block of this pool");
	refused(pool, NULL, 0, DMAMAP_CHECK_POOL_WRONG, "not a block of this pool");
	refused(pool, a.cpu + 1, a.dma + 1, DMAMAP_CHECK_POOL_INSIDE, "no block begins there");
	refused(pool, a.cpu + 32, a.dma + 32, DMAMAP_CHECK_POOL_INSIDE, "no block begins there");
	refused(gaps, g.cpu + 48, g.dma + 48, DMAMAP_CHECK_POOL_INSIDE, "no block begins there");
	refused(pool, a.cpu, b.dma, DMAMAP_CHECK_POOL_WRONG, "DMA address is different");
	refused(pool, a.cpu, 0, DMAMAP_CHECK_POOL_WRONG, "DMA address is different");
	refused(pool, a.cpu + 4096, a.dma + 4096, DMAMAP_CHECK_POOL_WRONG,
		"not a block of this pool");
	dma_pool_free(pool, a.cpu, a.dma);
	refused(pool, a.cpu, a.dma, DMAMAP_CHECK_POOL_DOUBLE_FREE, "free already");
	refused(pool, a.cpu, a.dma, DMAMAP_CHECK_POOL_DOUBLE_FREE, "free already");
	dma_pool_free(pool, b.cpu, b.dma);
	for (int i = 0; i < 200; i++) {
		live[i] = take(pool);
		check_block(live, i, live[i], 64, 8, 0);
	}
	for (int i = 0; i < 200; i++)
		dma_pool_free(pool, live[i].cpu, live[i].dma);
	refused(pool, live[0].cpu, live[0].dma, DMAMAP_CHECK_POOL_DOUBLE_FREE, "free already");
	dma_pool_free(other, o.cpu, o.dma);
	dma_pool_free(gaps, g.cpu, g.dma);
	last_kind = 0;
	dma_pool_destroy(gaps);
	dma_pool_destroy(other);
	dma_pool_destroy(pool);
	assert_int_equal(last_kind, 0);
	assert_int_equal(coherent_bytes(), 0);
}

static void test_busy(void **state)
{
	struct dma_pool *pool = pool_of(2048, 0, 0);
	struct block b[7];
	u8 byte = 0;

	for (int i = 0; i < 7; i++) {
		b[i] = take(pool);
		b[i].cpu[9] = (u8)(i + 100);
	}
	for (int i = 0; i < 6; i++)
		dma_pool_free(pool, b[i].cpu, b[i].dma);
	last_kind = 0;
	dma_pool_destroy(pool);
	assert_int_equal(last_kind, DMAMAP_CHECK_POOL_BUSY);
	assert_non_null(strstr(dmamap_strerror(), "1 blocks of 2048 bytes"));
	/* the page of the live block stays, for the CPU and for the device; the others are freed */
	assert_int_equal(b[6].cpu[9], 106);
	assert_int_equal(dmamap_bus_read(dev, b[6].dma + 9, &byte, 1), 0);
	assert_int_equal(byte, 106);
	assert_int_equal(coherent_bytes(), 4096);
	/* closes the device, which frees the pool; the other tests need a clean device */
	dmamap_close(dev);
	assert_int_equal(setup(NULL), 0);
}

static void test_managed(void **state)
{
	struct dma_pool *a = dmam_pool_create("a", dev, 16, 0, 0);
	struct dma_pool *b = dmam_pool_create("b", dev, 16, 0, 0);
	struct dma_pool *c = dmam_pool_create("c", dev, 16, 0, 0);
	struct block x;

	assert_true(a && b && c);
	x = take(a);
	dma_pool_free(a, x.cpu, x.dma);
	take(b); /* stays live: reported */
	dmam_pool_destroy(a);
	dma_pool_destroy(c); /* the plain form will do */
	assert_null(dmam_pool_create("d", dev, 16, 3, 0));
	last_kind = 0;
	dmamap_close(dev);
	assert_true(last_kind == DMAMAP_CHECK_POOL_BUSY || last_kind == DMAMAP_CHECK_LEAK);
	assert_int_equal(setup(NULL), 0);
}

/* Every allocation fails in turn: nothing leaks, and what succeeds works. */
static int fail_once(enum fail_site site, u64 nth)
{
	struct fail_rule rule = {.nth = nth};
	struct dma_pool *pool;
	struct block b[300];
	int n = 0, failed = 1;

	fail_set(site, &rule);
	pool = dmam_pool_create("fails", dev, 128, 0, 0);
	if (!pool) {
		assert_int_equal(errno, ENOMEM);
		goto out;
	}
	for (failed = 0; n < 300; n++) {
		dma_addr_t dma = 1;
		u8 *cpu = dma_pool_alloc(pool, GFP_KERNEL, &dma);

		if (!cpu) {
			assert_int_equal(errno, ENOMEM);
			assert_int_equal(dma, 1);
			failed = 1;
			break;
		}
		b[n] = (struct block){cpu, dma};
		check_block(b, n, b[n], 128, 8, 0);
	}
	while (n--)
		dma_pool_free(pool, b[n].cpu, b[n].dma);
	last_kind = 0;
	dmam_pool_destroy(pool);
	assert_int_equal(last_kind, 0);
out:
	failed |= fail_fired(site) > 0;
	fail_set(site, NULL);
	assert_int_equal(coherent_bytes(), 0);
	return failed;
}

static void test_fail_nth(void **state)
{
	u64 n;

	for (n = 1; fail_once(FAIL_MEMORY, n); n++)
		assert_true(n < 1000);
	assert_true(n > 10); /* pool, name, hash, slot, record; chunks, depots */
	for (n = 1; fail_once(FAIL_COHERENT, n); n++)
		assert_true(n < 1000);
	assert_int_equal(n, 11); /* 300 blocks are ten chunks */
	for (n = 1; fail_once(FAIL_PAGE, n); n++)
		assert_true(n < 1000);
	assert_true(n > 1);
}

static void test_fail_pool(void **state)
{
	struct dma_pool *pool = pool_of(16, 0, 0);
	struct fail_rule rule = {.every = 3};
	struct block first = take(pool);
	dma_addr_t dma;
	int got = 0;

	dma_pool_free(pool, first.cpu, first.dma);
	fail_set(FAIL_POOL, &rule);
	for (int i = 0; i < 30; i++) {
		void *p = dma_pool_zalloc(pool, GFP_KERNEL, &dma);

		got += p != NULL;
		if (p)
			dma_pool_free(pool, p, dma);
		else
			assert_int_equal(errno, ENOMEM);
	}
	assert_int_equal(got, 20);
	assert_int_equal(fail_fired(FAIL_POOL), 10);
	fail_set(FAIL_POOL, NULL);
	dma_pool_destroy(pool);
	assert_int_equal(coherent_bytes(), 0);
}

/* Without memory for a thread's cache, blocks are taken from the depot and returned there. */
static void test_no_cache(void **state)
{
	struct dma_pool *pool = pool_of(16, 0, 0);
	struct fail_rule rule = {.nth = 1};
	struct block a, b;

	fail_set(FAIL_MEMORY, &rule); /* the slot is the first allocation */
	a = take(pool);
	rule.nth = 0;
	rule.every = 1;
	fail_set(FAIL_MEMORY, &rule); /* the next one: the chunk exists */
	b = take(pool);
	check_block(&a, 1, b, 16, 8, 0);
	dma_pool_free(pool, a.cpu, a.dma);
	dma_pool_free(pool, b.cpu, b.dma);
	fail_set(FAIL_MEMORY, NULL);
	a = take(pool);
	dma_pool_free(pool, a.cpu, a.dma);
	last_kind = 0;
	dma_pool_destroy(pool);
	assert_int_equal(last_kind, 0);
	assert_int_equal(coherent_bytes(), 0);
}

#define THREADS 4
#define SHARED	64

static struct dma_pool *shared_pool;
static struct block *shared[SHARED]; /* blocks that move to another thread; atomic */
static int lost;		     /* atomic: blocks whose content another thread changed */

static bool stamp_ok(const struct block *b, u64 id)
{
	u64 words[2];

	memcpy(words, b->cpu, sizeof(words));
	return words[0] == (uintptr_t)b->cpu && words[1] == id;
}

static void give_back(struct block *b)
{
	u64 id;

	memcpy(&id, b->cpu + 8, sizeof(id));
	if (!stamp_ok(b, id))
		__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
	memset(b->cpu, 0, 16);
	dma_pool_free(shared_pool, b->cpu, b->dma);
	free(b);
}

/* Allocates, stamps, exchanges the block with that of another thread, and frees the result. */
static void *traffic(void *arg)
{
	u64 x = (uintptr_t)arg * 7919 + 1;

	for (int i = 0; i < 20000; i++) {
		struct block *b = malloc(sizeof(*b));
		u64 stamp[2];

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		b->cpu = dma_pool_alloc(shared_pool, GFP_KERNEL, &b->dma);
		if (!b->cpu) {
			__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
			free(b);
			break;
		}
		stamp[0] = (uintptr_t)b->cpu;
		stamp[1] = x;
		memcpy(b->cpu, stamp, sizeof(stamp));
		b = __atomic_exchange_n(&shared[(x >> 40) % SHARED], b, __ATOMIC_ACQ_REL);
		if (b)
			give_back(b);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread[THREADS];

	shared_pool = pool_of(16, 0, 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, traffic, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < SHARED; i++) {
		if (shared[i])
			give_back(shared[i]);
		shared[i] = NULL;
	}
	assert_int_equal(lost, 0);
	last_kind = 0;
	dma_pool_destroy(shared_pool);
	assert_int_equal(last_kind, 0);
	assert_int_equal(coherent_bytes(), 0);
}

static void *alloc_and_free(void *arg)
{
	struct block b[512];

	for (int i = 0; i < 512; i++)
		b[i].cpu = dma_pool_alloc(arg, GFP_KERNEL, &b[i].dma);
	for (int i = 0; i < 512; i++)
		dma_pool_free(arg, b[i].cpu, b[i].dma);
	return NULL;
}

/* What a thread's cache held is available after the thread has ended: no more memory is needed. */
static void test_thread_ends(void **state)
{
	struct dma_pool *pool = pool_of(16, 0, 0);
	pthread_t thread;
	u64 bytes = 0;

	for (int i = 0; i < 10; i++) {
		assert_int_equal(pthread_create(&thread, NULL, alloc_and_free, pool), 0);
		pthread_join(thread, NULL);
		if (!i)
			bytes = coherent_bytes();
	}
	assert_int_equal(bytes, 512 * 16);
	assert_int_equal(coherent_bytes(), bytes);
	alloc_and_free(pool);
	assert_int_equal(coherent_bytes(), bytes);
	dma_pool_destroy(pool);
}

/* Many chunks: the hash grows, and every block is still found. */
static void test_many(void **state)
{
	enum { MANY = 3000 };
	struct dma_pool *pool = pool_of(4096, 0, 0);
	struct block *b = malloc(MANY * sizeof(*b));

	for (int i = 0; i < MANY; i++)
		b[i] = take(pool);
	assert_int_equal(coherent_bytes(), MANY * 4096);
	for (int i = 0; i < MANY; i++) {
		int k = i + (int)rnd((u32)(MANY - i));
		struct block t = b[k];

		b[k] = b[i];
		last_kind = 0;
		dma_pool_free(pool, t.cpu, t.dma);
		assert_int_equal(last_kind, 0);
		if (!(i % 100))
			refused(pool, t.cpu, t.dma, DMAMAP_CHECK_POOL_DOUBLE_FREE, "free already");
	}
	free(b);
	last_kind = 0;
	dma_pool_destroy(pool);
	assert_int_equal(last_kind, 0);
	assert_int_equal(coherent_bytes(), 0);
}

static void test_exhausted(void **state)
{
	struct dma_pool *pool = pool_of(1u << 30, 0, 0); /* more than all RAM */
	dma_addr_t dma = 3;

	errno = 0;
	assert_null(dma_pool_alloc(pool, GFP_KERNEL, &dma));
	assert_int_equal(errno, ENOMEM);
	assert_non_null(strstr(dmamap_strerror(), "'test'"));
	assert_int_equal(dma, 3);
	dma_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),   cmocka_unit_test(test_wrong_free),
		cmocka_unit_test(test_busy),	    cmocka_unit_test(test_managed),
		cmocka_unit_test(test_fail_nth),    cmocka_unit_test(test_fail_pool),
		cmocka_unit_test(test_no_cache),    cmocka_unit_test(test_threads),
		cmocka_unit_test(test_thread_ends), cmocka_unit_test(test_many),
		cmocka_unit_test(test_exhausted),
	};

	return cmocka_run_group_tests_name("dmapool", tests, setup, teardown);
}
