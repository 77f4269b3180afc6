/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that map and unmap ranges of their own below one table and inside one large leaf,
 * concurrently with a walker. A page's memory is always its IOVA + DELTA, so that the walker can
 * check what it reads. Tables in limbo are freed between rounds, when there is no walk.
 */
#include "test_pt.h"
#include <pthread.h>
#include <sched.h>

#define DELTA	(64 * G1)
#define WORKERS 3
#define AREA	(6 * G1) /* start of the area that a round uses */

static struct round {
	struct pt *pt;
	void (*work)(struct round *r, u64 worker);
	u64 span;	/* the range that the walker reads, from AREA */
	u64 stays;	/* this IOVA is mapped throughout; 0: none */
	u32 working;	/* workers that are not done; atomic */
	u32 ready;	/* threads that have begun; atomic */
	u64 bad, walks; /* the walker's own, read after it ended */
	u64 failed[WORKERS];
} round_now;

static void round_begin(struct round *r)
{
	__atomic_add_fetch(&r->ready, 1, __ATOMIC_ACQ_REL);
	while (read_acquire(&r->ready) < WORKERS + 1)
		sched_yield();
}

static void *worker_main(void *arg)
{
	struct round *r = &round_now;

	round_begin(r);
	r->work(r, (u64)(uintptr_t)arg);
	__atomic_sub_fetch(&r->working, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

static void *walker_main(void *arg)
{
	struct round *r = arg;
	u64 pos = 0, entry;

	round_begin(r);
	while (read_acquire(&r->working)) {
		pos = (pos + 37 * K4) % r->span;
		entry = pt_walk(r->pt, IOVA(AREA + pos));
		if (entry && ((entry & PT_ADDR) != AREA + pos + DELTA || (entry & RW) != RW))
			r->bad++;
		if (r->stays && (pt_walk(r->pt, IOVA(r->stays)) & PT_ADDR) != r->stays + DELTA)
			r->bad++;
		if (++r->walks % 256 == 0)
			sched_yield(); /* or it starves the workers where threads take turns */
	}
	return NULL;
}

static void round_play(struct pt *pt, void (*work)(struct round *, u64), u64 span, u64 stays)
{
	pthread_t worker[WORKERS], walker;

	round_now = (struct round){
		.pt = pt, .work = work, .span = span, .stays = stays, .working = WORKERS};
	assert_int_equal(pthread_create(&walker, NULL, walker_main, &round_now), 0);
	for (u64 i = 0; i < WORKERS; i++)
		assert_int_equal(
			pthread_create(&worker[i], NULL, worker_main, (void *)(uintptr_t)i), 0);
	for (u64 i = 0; i < WORKERS; i++)
		pthread_join(worker[i], NULL);
	pthread_join(walker, NULL);
	assert_int_equal(round_now.bad, 0);
	for (u64 i = 0; i < WORKERS; i++)
		assert_int_equal(round_now.failed[i], 0);
	pt_free_limbo(pt);
}

/* 0: the entry is as expected. */
static u64 map_delta(struct pt *pt, u64 at, u64 size, unsigned int options)
{
	return pt_map(pt, IOVA(at), PHYS(at + DELTA), size, RW | PT_WHOLE, options) ? 1 : 0;
}

/*
 * Pages of one table, interleaved in groups of eight: a cache line of the table belongs to one
 * thread.
 */
static void work_one_table(struct round *r, u64 worker)
{
	u64 bad = 0, first;

	for (u64 n = 0; n < 2000; n++) {
		u64 at = AREA + ((n * 5 % 20 * WORKERS + worker) * 8 + n % 4) * K4;
		u64 size = (1 + n % 4) * K4;

		bad += map_delta(r->pt, at, size, 0);
		bad += pt_mapping_size(r->pt, IOVA(at)) != size;
		bad += pt_walk(r->pt, IOVA(at + size - K4)) !=
		       ((at + size - K4 + DELTA) | RW | PT_LAST | (size == K4 ? PT_FIRST : 0));
		if (n % 2)
			bad += pt_unmap(r->pt, IOVA(at), size) != size;
		else
			bad += pt_unmap_mapping(r->pt, IOVA(at), &first) != size;
	}
	r->failed[worker] = bad;
}

static void same_table(void **state)
{
	for (int i = 0; i < 4; i++) {
		round_play(*state, work_one_table, M2, 0);
		assert_int_equal(((struct pt *)*state)->tables, 4);
	}
}

/* Tables are created by several threads concurrently, and are removed with the mappings in them. */
static void work_tables(struct round *r, u64 worker)
{
	u64 bad = 0;

	for (u64 n = 0; n < 3; n++) {
		u64 at = AREA + (n * WORKERS + worker) * 2 * M2;

		bad += map_delta(r->pt, at + K4, 2 * M2 - K4, n & 1 ? PT_MAP_SPLIT : 0);
		bad += pt_unmap(r->pt, IOVA(at), 2 * M2) != 2 * M2 - K4;
		bad += map_delta(r->pt, at, M2, 0); /* over the rest of the table */
		bad += pt_unmap(r->pt, IOVA(at), M2) != M2;
	}
	r->failed[worker] = bad;
}

static void tables_come_and_go(void **state)
{
	struct pt *pt = *state;

	for (int i = 0; i < 20; i++) {
		round_play(pt, work_tables, 32 * M2, 0);
		assert_int_equal(pt_unmap(pt, IOVA(AREA), G1), 0);
		pt_unmap(pt, IOVA(0), 1ull << 48);
		pt_free_limbo(pt);
	}
	assert_true(pt->tables <= 40);
}

/* Each worker unmaps pages of its own from one large leaf; the rest stays mapped throughout. */
static void work_split(struct round *r, u64 worker)
{
	u64 step = r->span / 8, at = AREA + worker * step;

	r->failed[worker] = (pt_unmap(r->pt, IOVA(at + K4), K4) != K4) +
			    (pt_unmap(r->pt, IOVA(at + 2 * K4), step - 3 * K4) != step - 3 * K4);
}

static void split_rounds(struct pt *pt, u64 span, unsigned int options, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		u64 step = span / 8;

		assert_int_equal(map_delta(pt, AREA, span, options), 0);
		round_play(pt, work_split, span, AREA + (i & 1 ? span - K4 : 0));
		for (u64 w = 0; w < WORKERS; w++) {
			assert_int_equal(walk_entry(pt, AREA + w * step) & PT_ADDR,
					 AREA + w * step + DELTA);
			assert_int_equal(walk_entry(pt, AREA + w * step + K4), 0);
			assert_int_equal(walk_entry(pt, AREA + (w + 1) * step - 2 * K4), 0);
			assert_int_not_equal(walk_entry(pt, AREA + (w + 1) * step - K4), 0);
		}
		assert_int_equal(walk_entry(pt, AREA) & PT_WHOLE, PT_FIRST);
		assert_int_equal(walk_entry(pt, AREA + span - K4) & PT_WHOLE, PT_LAST);
		assert_null(pt->spare);
		assert_int_equal(pt_unmap(pt, IOVA(AREA), span), span - WORKERS * (step - 2 * K4));
		pt_free_limbo(pt);
	}
}

static void same_large_leaf(void **state)
{
	split_rounds(*state, M2, PT_MAP_SPLIT, 150);
	split_rounds(*state, M2, 0, 150);
}

static void same_huge_leaf(void **state)
{
	split_rounds(*state, G1, 0, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PT_TEST(same_table),
		PT_TEST(tables_come_and_go),
		PT_TEST(same_large_leaf),
		PT_TEST(same_huge_leaf),
	};

	return cmocka_run_group_tests_name("pt_threads", tests, NULL, arena_teardown);
}
