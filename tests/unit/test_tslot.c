/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots of threads: creation, walks, threads that end, and lack of memory. */
#include "core_rig.h"

#include "base/clock.h"
#include "base/tslot.h"

#include <pthread.h>
#include <sched.h>

struct record {
	struct tslot slot;
	u64 value;
};

static struct tslot_key key;
static u32 attached, retired; /* atomic */
static u64 retired_sum;

static void attach(struct tslot_key *k, struct tslot *s)
{
	__atomic_fetch_add(&attached, 1, __ATOMIC_RELAXED);
	assert_ptr_equal(k, &key);
}

static void retire(struct tslot_key *k, struct tslot *s)
{
	__atomic_fetch_add(&retired, 1, __ATOMIC_RELAXED);
	retired_sum += ((struct record *)s)->value; /* one at a time */
}

static struct record *mine(struct tslot_key *k)
{
	return (struct record *)tslot_get(k);
}

static unsigned int slots(struct tslot_key *k)
{
	unsigned int n = 0;

	for (struct tslot *s = tslot_first(k); s; s = tslot_next(s))
		n++;
	return n;
}

static int setup(void **state)
{
	attached = retired = 0;
	retired_sum = 0;
	return tslot_key_init(&key, sizeof(struct record), attach, retire);
}

static int teardown(void **state)
{
	rig_fail_none();
	tslot_key_destroy(&key);
	return 0;
}

static void test_the_same_each_time(void **state)
{
	struct record *r;

	assert_null(tslot_peek(&key));
	r = mine(&key);
	assert_non_null(r);
	assert_int_equal(r->value, 0);
	assert_int_equal((uintptr_t)r & 127, 0);
	assert_ptr_equal(mine(&key), r);
	assert_ptr_equal(tslot_peek(&key), r);
	assert_int_equal(attached, 1);
	assert_int_equal(slots(&key), 1);
}

static void *use(void *arg)
{
	struct record *r = mine(&key);

	if (r)
		r->value += (uintptr_t)arg;
	return r;
}

static void run(void *(*fn)(void *), void *arg, void **result)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
	pthread_join(t, result);
}

static void test_a_slot_waits_for_the_next_thread(void **state)
{
	void *first, *second;
	struct record *here = mine(&key);

	run(use, (void *)5, &first);
	assert_int_equal(retired, 1);
	assert_ptr_not_equal(first, here);
	/* a walk of the slots finds those of the live threads */
	assert_int_equal(slots(&key), 1);
	assert_ptr_equal(tslot_first(&key), here);
	run(use, (void *)6, &second);
	assert_ptr_equal(first, second);
	assert_int_equal(((struct record *)first)->value, 11);
	assert_int_equal(attached, 3);
	assert_int_equal(retired, 2);
	assert_int_equal(slots(&key), 1);
	assert_int_equal(here->value, 0);
	assert_int_equal(retired_sum, 5 + 11);
}

static pthread_barrier_t together;

static void *use_together(void *arg)
{
	void *r = use((void *)1);

	pthread_barrier_wait(&together);
	return r;
}

static void test_threads_at_once_have_slots_of_their_own(void **state)
{
	enum { N = 8 };
	pthread_t t[N];
	void *r[N];

	pthread_barrier_init(&together, NULL, N);
	for (int i = 0; i < N; i++)
		assert_int_equal(pthread_create(&t[i], NULL, use_together, NULL), 0);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], &r[i]);
	for (int i = 0; i < N; i++)
		for (int k = 0; k < i; k++)
			assert_ptr_not_equal(r[i], r[k]);
	assert_int_equal(retired_sum, N);
	assert_int_equal(retired, N);
	assert_int_equal(slots(&key), 0);
	/* the next threads have the same slots */
	for (int i = 0; i < N; i++)
		assert_int_equal(pthread_create(&t[i], NULL, use_together, NULL), 0);
	for (int i = 0, k; i < N; i++) {
		void *again;

		pthread_join(t[i], &again);
		for (k = 0; k < N && r[k] != again; k++)
			;
		assert_int_not_equal(k, N);
		r[k] = NULL;
	}
	pthread_barrier_destroy(&together);
}

static void *use_until_released(void *arg)
{
	struct tslot *s = tslot_get(&key);

	*(struct tslot **)arg = s;
	pthread_barrier_wait(&together); /* has a slot */
	pthread_barrier_wait(&together); /* may end */
	return NULL;
}

/* A walker at the slot of a thread that ends still reaches the slots after it. */
static void test_an_unused_slot_leads_on(void **state)
{
	struct tslot *last = tslot_get(&key), *first, *s;
	pthread_t t;

	pthread_barrier_init(&together, NULL, 2);
	assert_int_equal(pthread_create(&t, NULL, use_until_released, &first), 0);
	pthread_barrier_wait(&together);
	assert_ptr_equal(tslot_first(&key), first);
	pthread_barrier_wait(&together);
	pthread_join(t, NULL);
	assert_ptr_equal(tslot_first(&key), last);
	for (s = first; s && s != last; s = tslot_next(s))
		;
	assert_ptr_equal(s, last);
	pthread_barrier_destroy(&together);
}

static u32 stop; /* atomic */

static void *come_and_go(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		run(use, (void *)1, NULL);
	return NULL;
}

/* Each sched_yield() takes long if there are many runnable processes, so the time is limited. */
#define WALKS_MIN 10
#define WALKS_MAX 3000
#define WALKS_NS  (5 * NS_PER_S)

/* A slot that stays is visited in each walk; with the lock held once, and no slot twice. */
static void test_walks_while_threads_come_and_go(void **state)
{
	struct tslot *here = tslot_get(&key), *seen[8];
	u64 end = clock_ns() + WALKS_NS;
	pthread_t t[3];

	stop = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, NULL), 0);
	for (int round = 0; round < WALKS_MIN || (round < WALKS_MAX && clock_ns() < end); round++) {
		unsigned int met = 0, n = 0, again = 0;

		for (struct tslot *s = tslot_first(&key); s; s = tslot_next(s))
			met += s == here;
		assert_true(met > 0);
		tslot_lock();
		for (struct tslot *s = tslot_first(&key); s && n < 8; s = tslot_next(s)) {
			for (unsigned int k = 0; k < n; k++)
				assert_ptr_not_equal(s, seen[k]);
			seen[n++] = s;
		}
		/* no slot is added or removed meanwhile */
		for (int i = 0; i < 20; i++)
			sched_yield();
		for (struct tslot *s = tslot_first(&key); s; s = tslot_next(s))
			assert_ptr_equal(s, seen[again++]);
		assert_int_equal(again, n);
		tslot_unlock();
		assert_true(n >= 1 && n <= 4);
		sched_yield();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(slots(&key), 1);
}

static void test_many_keys(void **state)
{
	enum { N = 100 };
	static struct tslot_key many[N];
	struct record *r[N];

	for (int i = 0; i < N; i++) {
		assert_int_equal(tslot_key_init(&many[i], sizeof(struct record), NULL, NULL), 0);
		r[i] = mine(&many[i]);
		assert_non_null(r[i]);
		r[i]->value = (u64)i;
	}
	for (int i = 0; i < N; i++) {
		for (int k = 0; k < i; k++)
			assert_int_not_equal(many[i].id, many[k].id);
		assert_ptr_equal(mine(&many[i]), r[i]);
		assert_int_equal(r[i]->value, i);
	}
	for (int i = 0; i < N; i += 2)
		tslot_key_destroy(&many[i]);
	/* a number that is reused finds no old slot */
	for (int i = 0; i < N; i += 2) {
		assert_int_equal(tslot_key_init(&many[i], sizeof(struct record), NULL, NULL), 0);
		assert_null(tslot_peek(&many[i]));
		assert_int_equal(mine(&many[i])->value, 0);
	}
	for (int i = 0; i < N; i++)
		tslot_key_destroy(&many[i]);
}

static void test_destroy_retires_the_living(void **state)
{
	mine(&key);
	tslot_key_destroy(&key);
	assert_int_equal(retired, 1);
	assert_null(tslot_get(&key));
	assert_null(tslot_peek(&key));
	tslot_key_destroy(&key); /* nothing is left to do */
	assert_int_equal(retired, 1);
}

static struct tslot_key late;

static void *outlives_its_key(void *arg)
{
	mine(&late);
	pthread_barrier_wait(&together); /* has a slot */
	pthread_barrier_wait(&together); /* the key is freed */
	return mine(&key);
}

static void test_a_thread_outlives_a_key(void **state)
{
	pthread_t t;
	void *r;

	pthread_barrier_init(&together, NULL, 2);
	assert_int_equal(tslot_key_init(&late, sizeof(struct record), NULL, NULL), 0);
	assert_int_equal(pthread_create(&t, NULL, outlives_its_key, NULL), 0);
	pthread_barrier_wait(&together);
	tslot_key_destroy(&late);
	pthread_barrier_wait(&together);
	pthread_join(t, &r);
	assert_non_null(r);
	pthread_barrier_destroy(&together);
}

static void *use_without_memory(void *arg)
{
	rig_fail(FAIL_MEMORY, (uintptr_t)arg);
	return use((void *)1);
}

static void test_no_memory_for_a_slot(void **state)
{
	void *r;

	for (uintptr_t n = 1; n <= 2; n++) {
		run(use_without_memory, (void *)n, &r);
		assert_null(r);
		rig_fail_none();
	}
	run(use, (void *)1, &r);
	assert_non_null(r);
}

#define with_key(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_key(test_the_same_each_time),
		with_key(test_a_slot_waits_for_the_next_thread),
		with_key(test_threads_at_once_have_slots_of_their_own),
		with_key(test_an_unused_slot_leads_on),
		with_key(test_walks_while_threads_come_and_go),
		with_key(test_many_keys),
		with_key(test_destroy_retires_the_living),
		with_key(test_a_thread_outlives_a_key),
		with_key(test_no_memory_for_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
