/* SPDX-License-Identifier: BSD-2-Clause */
/* src/pt/walk.c: tables are not freed during a walk of addresses that the walker does not own. */
#include "test_pt.h"
#include <pthread.h>
#include <sched.h>
#include <time.h>

#define AREA (8 * G1)

static u32 done; /* atomic: the thread that frees has ended */

static void map_area(struct pt *pt)
{
	assert_int_equal(pt_map(pt, IOVA(AREA), PHYS(K4), 2 * M2, RW, 0), 0);
}

static void *free_area(void *arg)
{
	struct pt *pt = arg;

	pt_unmap(pt, IOVA(AREA), 2 * M2);
	pt_free_limbo(pt);
	write_release(&done, 1);
	return NULL;
}

static void begin_to_free(struct pt *pt, pthread_t *t)
{
	u64 turn = read_acquire(&pt->turn);

	done = 0;
	assert_int_equal(pthread_create(t, NULL, free_area, pt), 0);
	while (read_acquire(&pt->turn) == turn && !read_acquire(&done))
		sched_yield();
}

static void pause_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

static void test_a_walk_keeps_tables(void **state)
{
	struct pt *pt = *state;
	unsigned int side;
	pthread_t t;
	u32 used;

	for (int i = 0; i < 3; i++) {
		map_area(pt);
		used = arena.used;
		side = pt_walk_enter(pt);
		begin_to_free(pt, &t);
		pause_ms(5);
		assert_int_equal(read_acquire(&done), 0);
		assert_int_equal(read_once(&arena.used), used);
		pt_walk_exit(pt, side);
		pthread_join(t, NULL);
		assert_int_equal(arena.used, used - 2);
	}
}

/* A walk that begins after the wait has begun is not waited for. */
static void test_later_walks_do_not_delay(void **state)
{
	struct pt *pt = *state;
	unsigned int first, later;
	pthread_t t;

	for (int i = 0; i < 3; i++) {
		map_area(pt);
		first = pt_walk_enter(pt);
		begin_to_free(pt, &t);
		later = pt_walk_enter(pt);
		assert_int_not_equal(first, later);
		assert_int_equal(pt_find(pt, IOVA(AREA), AREA + 2 * M2), AREA + 2 * M2);
		pt_walk_exit(pt, first);
		pthread_join(t, NULL);
		pt_walk_exit(pt, later);
	}
	assert_int_equal(pt->walks[0], 0);
	assert_int_equal(pt->walks[1], 0);
}

/* A second thread that frees waits for the walks that began during the first one's wait. */
static void test_each_wait_has_its_walks(void **state)
{
	struct pt *pt = *state;
	unsigned int first, second;
	pthread_t t;

	map_area(pt);
	first = pt_walk_enter(pt);
	begin_to_free(pt, &t);
	second = pt_walk_enter(pt);
	pt_walk_exit(pt, first);
	pthread_join(t, NULL);
	map_area(pt);
	begin_to_free(pt, &t);
	pause_ms(5);
	assert_int_equal(read_acquire(&done), 0);
	pt_walk_exit(pt, second);
	pthread_join(t, NULL);
}

static u32 stop;  /* atomic */
static u32 wrong; /* atomic */

static void *walk_area(void *arg)
{
	struct pt *pt = arg;

	while (!read_acquire(&stop)) {
		unsigned int side = pt_walk_enter(pt);
		u64 found = pt_find(pt, IOVA(AREA), AREA + 2 * G1);
		u64 entry = pt_walk(pt, IOVA(AREA + M2));

		if ((found >= AREA + 2 * M2 && found != AREA + 2 * G1) ||
		    (entry && (entry & PT_ADDR) != K4 + M2))
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
		pt_walk_exit(pt, side);
		sched_yield();
	}
	return NULL;
}

static void test_walks_beside_maps(void **state)
{
	struct pt *pt = *state;
	pthread_t t[2];

	stop = wrong = 0;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, walk_area, pt), 0);
	for (int n = 0; n < 3000; n++) {
		map_area(pt);
		pt_unmap(pt, IOVA(AREA), 2 * M2);
		pt_free_limbo(pt);
	}
	write_release(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PT_TEST(test_a_walk_keeps_tables),
		PT_TEST(test_later_walks_do_not_delay),
		PT_TEST(test_each_wait_has_its_walks),
		PT_TEST(test_walks_beside_maps),
	};

	return cmocka_run_group_tests(tests, NULL, arena_teardown);
}
