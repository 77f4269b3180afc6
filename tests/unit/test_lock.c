/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks: exclusion, and an owner that sleeps. */
#include "core_rig.h"

#include "base/lock.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 20000 };

static struct lock lock = LOCK_INIT;
static u64 counter; /* under lock */

static void test_take_and_give(void **state)
{
	lock_acquire(&lock);
	assert_false(lock_try(&lock));
	lock_release(&lock);
	assert_true(lock_try(&lock));
	lock_release(&lock);
}

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 16) {
			lock_acquire(&lock);
		} else {
			while (!lock_try(&lock))
				cpu_relax();
		}
		counter++;
		lock_release(&lock);
	}
	return NULL;
}

static void test_one_at_a_time(void **state)
{
	pthread_t t[THREADS];

	counter = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter, THREADS * ROUNDS);
}

static void *wait_for_it(void *arg)
{
	lock_acquire(&lock);
	lock_release(&lock);
	return NULL;
}

/* The owner sleeps: a waiting thread yields the processor, and acquires the lock in the end. */
static void test_a_sleeping_owner(void **state)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	pthread_t t;

	lock_acquire(&lock);
	assert_int_equal(pthread_create(&t, NULL, wait_for_it, NULL), 0);
	nanosleep(&pause, NULL);
	lock_release(&lock);
	pthread_join(t, NULL);
	assert_true(lock_try(&lock));
	lock_release(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_and_give),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_a_sleeping_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
