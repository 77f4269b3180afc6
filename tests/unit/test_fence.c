/* SPDX-License-Identifier: BSD-2-Clause */
/* src/base/fence.c: a fence that one thread executes for all threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fence.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#define ROUNDS 3000u

static u32 a, b, a_saw_b, go, ready;

static void asks_once(void **state)
{
	bool works;

	errno = 77;
	works = fence_everywhere_works();
	assert_int_equal(errno, 77);
	assert_int_equal(fence_everywhere_works(), works);
	assert_int_equal(fence_answer, works ? 1 : -1);
}

/* The frequent side: a store and a load with only program order between them. */
static void *frequent(void *arg)
{
	for (u32 i = 1; i <= ROUNDS; i++) {
		while (read_acquire(&go) != i)
			sched_yield();
		write_once(&a, 1);
		compiler_fence();
		a_saw_b = read_once(&b);
		write_release(&ready, i);
	}
	return NULL;
}

/* Two sides store and then read the other's store: at least one of them observes it. */
static void one_side_sees_the_other(void **state)
{
	pthread_t id;

	if (!fence_everywhere_works())
		return; /* this configuration has no such fence */
	assert_int_equal(pthread_create(&id, NULL, frequent, NULL), 0);
	for (u32 i = 1; i <= ROUNDS; i++) {
		u32 b_saw_a;

		write_once(&a, 0);
		write_once(&b, 0);
		write_release(&go, i);
		write_once(&b, 1);
		fence_everywhere();
		b_saw_a = read_once(&a);
		while (read_acquire(&ready) != i)
			sched_yield();
		assert_true(a_saw_b || b_saw_a);
	}
	pthread_join(id, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_once),
		cmocka_unit_test(one_side_sees_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
