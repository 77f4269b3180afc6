/* SPDX-License-Identifier: BSD-2-Clause */
/* The flusher of policy=lazy: its queues, its thread, and when ranges are freed. */
#include "core_rig.h"

#include "domain/flusher.h"

#include <pthread.h>
#include <time.h>

static struct device *keeper;
static struct domain *dom;

static const struct domain_config lazy = {.iommu = true, .policy = POLICY_LAZY, .any_32bit = true};

static int setup(void **state)
{
	keeper = dmamap_open("sim,ram=64M,iommu=0");
	dom = domain_get(&lazy);
	return keeper && dom ? 0 : -1;
}

static int teardown(void **state)
{
	rig_fail_none();
	domain_put(dom);
	dmamap_close(keeper);
	return 0;
}

/* The same value as in domain/flusher.c. */
struct queue_slot {
	struct tslot slot;
	struct flush_queue queue;
};

static const struct flush_queue *queue_of(struct tslot *s)
{
	return &((struct queue_slot *)s)->queue;
}

static u64 pages_out(void)
{
	struct iova_stats s;

	iova_drain(dom->iova);
	iova_stats(dom->iova, &s);
	return s.pages;
}

static void pause_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

static void put_in(unsigned int n)
{
	while (n--) {
		u64 page = domain_iova_alloc(dom, 1, 0xfffff);

		assert_int_not_equal(page, 0);
		domain_release(dom, page, 1, false);
	}
}

static void test_a_flush_gives_back_all(void **state)
{
	u64 before = pages_out();

	put_in(100);
	domain_flush(dom);
	assert_int_equal(pages_out(), before);
	domain_flush(dom); /* nothing is pending */
	assert_int_equal(pages_out(), before);
}

/* No thread has a queue: the device's cached translations are invalidated nevertheless. */
static void flush_without_queues(struct domain *d)
{
	struct port *p = port_get(&d->ports);

	assert_non_null(p);
	for (int i = 0; i < 2; i++) {
		u64 flushes = read_once(&d->ports.flushes);

		iotlb_fill(&p->tlb, 77, p->tlb.gen, 1);
		domain_flush(d);
		assert_int_equal(iotlb_lookup(&p->tlb, 77, p->tlb.gen), 0);
		assert_int_equal(read_once(&d->ports.flushes), flushes + 1);
	}
	port_put(&d->ports, p);
}

static void test_a_flush_needs_no_queue(void **state)
{
	static const enum domain_policy policies[] = {POLICY_STRICT, POLICY_IDENTITY};

	flush_without_queues(dom);
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		const struct domain_config want = {.iommu = true, .policy = policies[i]};
		struct domain *other = domain_get(&want);

		assert_non_null(other);
		flush_without_queues(other);
		domain_put(other);
	}
}

/*
 * An unlink in a range that stays allocated is in no queue, and the flusher's thread processes it.
 */
static void test_the_thread_comes_without_queues(void **state)
{
	for (int round = 0; round < 3; round++) {
		u64 flushes = read_once(&dom->ports.flushes);

		domain_flush_later(dom);
		for (int i = 0; i < 5000 && read_once(&dom->ports.flushes) == flushes; i++)
			pause_ms(1);
		assert_true(read_once(&dom->ports.flushes) > flushes);
	}
	assert_null(tslot_first(&dom->queues));
}

static void test_nothing_is_reused_before_a_flush(void **state)
{
	u8 seen[FLUSH_QUEUE_LEN + 8] = {0};
	u64 flushes = read_once(&dom->ports.flushes), top = 0;

	for (int i = 0; i < FLUSH_QUEUE_LEN; i++) {
		u64 page = domain_iova_alloc(dom, 1, 0xfffff);

		if (!top)
			top = page;
		if (read_once(&dom->ports.flushes) != flushes)
			break; /* the thread has run: the rest cannot be checked */
		if (top - page < sizeof(seen)) {
			assert_false(seen[top - page]);
			seen[top - page] = 1;
		}
		domain_release(dom, page, 1, false);
	}
	domain_flush(dom);
}

static void test_a_full_queue_flushes(void **state)
{
	u64 flushes = read_once(&dom->ports.flushes);

	put_in(FLUSH_QUEUE_LEN * 3 + 1);
	assert_true(read_once(&dom->ports.flushes) >= flushes + 2);
	domain_flush(dom);
}

/* The flush runs without a call, some time after an unmap; and again the next time. */
static void test_the_thread_comes_unasked(void **state)
{
	for (int round = 0; round < 3; round++) {
		u64 flushes = read_once(&dom->ports.flushes);

		put_in(1);
		for (int i = 0; i < 5000 && read_once(&dom->ports.flushes) == flushes; i++)
			pause_ms(1);
		assert_true(read_once(&dom->ports.flushes) > flushes);
	}
}

static void *put_and_end(void *arg)
{
	put_in(50);
	return NULL;
}

/*
 * The content of a thread's queue is flushed when the thread ends: no other thread can find the
 * queue afterwards.
 */
static void test_a_thread_that_ends_leaves_none(void **state)
{
	u64 before = pages_out(), flushes = read_once(&dom->ports.flushes);
	pthread_t t;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(pthread_create(&t, NULL, put_and_end, NULL), 0);
		pthread_join(t, NULL);
		assert_int_equal(pages_out(), before);
		assert_null(tslot_first(&dom->queues));
	}
	assert_true(read_once(&dom->ports.flushes) >= flushes + 5);
}

static pthread_barrier_t filled, flushed;

static void *put_and_wait(void *arg)
{
	put_in(50);
	pthread_barrier_wait(&filled);
	pthread_barrier_wait(&flushed);
	return NULL;
}

static void test_more_queues_than_a_round_takes(void **state)
{
	enum { N = 40 };
	u64 before = pages_out();
	pthread_t t[N];

	pthread_barrier_init(&filled, NULL, N + 1);
	pthread_barrier_init(&flushed, NULL, N + 1);
	for (int i = 0; i < N; i++)
		assert_int_equal(pthread_create(&t[i], NULL, put_and_wait, NULL), 0);
	pthread_barrier_wait(&filled);
	domain_flush(dom);
	for (struct tslot *s = tslot_first(&dom->queues); s; s = tslot_next(s)) {
		const struct flush_queue *q = queue_of(s);

		assert_int_equal(read_acquire(&q->head), 50);
		assert_int_equal(read_acquire(&q->tail), 50);
	}
	pthread_barrier_wait(&flushed);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(pages_out(), before);
	pthread_barrier_destroy(&filled);
	pthread_barrier_destroy(&flushed);
}

static void *put_without_memory(void *arg)
{
	u64 page = domain_iova_alloc(dom, 1, 0xfffff);

	rig_fail(FAIL_MEMORY, 1);
	domain_release(dom, page, 1, false);
	rig_fail_none();
	return NULL;
}

/* Without memory for a queue the unmap is strict. */
static void test_no_memory_for_a_queue(void **state)
{
	u64 before = pages_out();
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, put_without_memory, NULL), 0);
	pthread_join(t, NULL);
	domain_flush(dom);
	assert_int_equal(pages_out(), before);
}

static void test_many_domains_come_and_go(void **state)
{
	for (int i = 0; i < 30; i++) {
		struct domain *other = domain_get(&lazy);
		u64 page;

		assert_non_null(other);
		page = domain_iova_alloc(other, 1, 0xfffff);
		domain_release(other, page, 1, false);
		domain_put(other);
	}
}

static void *come_and_go(void *arg)
{
	struct domain *mine = domain_get(&lazy);

	for (int i = 0; mine && i < 500; i++) {
		flusher_remove(mine);
		tslot_key_destroy(&mine->queues);
		if (flusher_add(mine))
			return NULL;
	}
	domain_put(mine);
	return mine;
}

/* The last device ends the thread while another thread's first device starts it. */
static void test_the_thread_ends_and_starts_at_once(void **state)
{
	pthread_t t[3];
	void *ok;

	domain_put(dom);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &ok);
		assert_non_null(ok);
	}
	dom = domain_get(&lazy);
	assert_non_null(dom);
	test_the_thread_comes_unasked(state);
}

static void test_no_thread_is_available(void **state)
{
	domain_put(dom);
	dom = NULL;
	for (u64 n = 1; !dom; n++) {
		assert_true(n < 100);
		rig_fail(FAIL_MEMORY, n);
		dom = domain_get(&lazy);
		if (!dom)
			assert_int_not_equal(errno, 0);
		rig_fail_none();
	}
	test_the_thread_comes_unasked(state);
}

#define with_domain(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_domain(test_a_flush_gives_back_all),
		with_domain(test_a_flush_needs_no_queue),
		with_domain(test_the_thread_comes_without_queues),
		with_domain(test_nothing_is_reused_before_a_flush),
		with_domain(test_a_full_queue_flushes),
		with_domain(test_the_thread_comes_unasked),
		with_domain(test_a_thread_that_ends_leaves_none),
		with_domain(test_more_queues_than_a_round_takes),
		with_domain(test_no_memory_for_a_queue),
		with_domain(test_many_domains_come_and_go),
		with_domain(test_the_thread_ends_and_starts_at_once),
		with_domain(test_no_thread_is_available),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
