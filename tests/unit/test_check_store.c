/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker's store, compared with a list that is searched linearly: ranges of all sizes, many in
 * one granule, so that buckets overflow and tables grow; and without memory to grow.
 */
#include "core_rig.h"

#include "base/fail.h"
#include "shadow/store.h"

#define RANGES 3000
#define SPACES 3

static struct store_range ranges[RANGES] __attribute__((aligned(64)));
static bool live[RANGES];
static u32 seen[RANGES];
static u64 random_state;

static u64 rnd(u64 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 24) % below;
}

static void make(u32 i)
{
	/* mostly small ones in few pages, some long */
	u64 size = rnd(8) ? rnd(300) + 1 : rnd(1ull << (12 + rnd(12))) + 1;

	ranges[i] = (struct store_range){
		.space = rnd(SPACES) << 6, .start = 0x100000 + rnd(1u << 17), .size = size};
}

static bool note(struct store_range *r, void *arg)
{
	seen[r - ranges]++;
	return true;
}

static bool overlap(const struct store_range *r, u64 space, u64 start, u64 size)
{
	return r->space == space && r->start < start + size && start < r->start + r->size;
}

static void compare(u64 space, u64 start, u64 size)
{
	memset(seen, 0, sizeof(seen));
	assert_true(store_search(space, start, size, note, NULL));
	for (u32 i = 0; i < RANGES; i++)
		assert_int_equal(seen[i] != 0, live[i] && overlap(&ranges[i], space, start, size));
}

static void compare_start(const struct store_range *r)
{
	memset(seen, 0, sizeof(seen));
	assert_true(store_search_start(r->space, r->start, note, NULL));
	for (u32 i = 0; i < RANGES; i++) {
		if (live[i] && ranges[i].space == r->space && ranges[i].start == r->start)
			assert_int_equal(seen[i], 1);
		else if (seen[i])
			assert_true(live[i] && overlap(&ranges[i], r->space, r->start, 1));
	}
}

static void compare_all(void)
{
	memset(seen, 0, sizeof(seen));
	assert_true(store_walk(note, NULL));
	for (u32 i = 0; i < RANGES; i++)
		assert_int_equal(seen[i], live[i]);
}

static void steps(u32 n, bool memory)
{
	for (u32 k = 0; k < n; k++) {
		u32 i = (u32)rnd(RANGES);

		if (live[i]) {
			store_remove(&ranges[i]);
			live[i] = false;
		} else {
			make(i);
			store_expect(ranges[i].space, ranges[i].start, ranges[i].size);
			live[i] = !store_add(&ranges[i]);
			assert_true(live[i] || !memory);
		}
		if (k % 16 == 0) {
			compare(rnd(SPACES) << 6, 0x100000 + rnd(1u << 17), rnd(9000) + 1);
			compare_start(&ranges[i]);
		}
	}
	compare_all();
}

static void test_against_a_list(void **state)
{
	random_state = 1;
	memset(live, 0, sizeof(live));
	steps(12000, true);
	store_reset();
}

/* Tables do not grow, chains get longer while there are spare buckets, then ranges are refused. */
static void test_no_memory_to_grow(void **state)
{
	const struct fail_rule all = {.every = 1};

	random_state = 2;
	memset(live, 0, sizeof(live));
	for (u32 i = 0; i < RANGES; i++) {
		make(i);
		if (i == RANGES / 2)
			fail_set(FAIL_MEMORY, &all);
		live[i] = !store_add(&ranges[i]);
	}
	steps(4000, false);
	fail_set(FAIL_MEMORY, NULL);
	store_reset();
}

static bool stop(struct store_range *r, void *arg)
{
	return ++*(int *)arg < 3;
}

static void test_ended(void **state)
{
	int n = 0;

	for (u32 i = 0; i < 20; i++) {
		ranges[i] = (struct store_range){.start = 4096, .size = 4096};
		assert_int_equal(store_add(&ranges[i]), 0);
	}
	assert_false(store_search(0, 4096, 1, stop, &n));
	assert_int_equal(n, 3);
	n = 0;
	assert_false(store_walk(stop, &n));
	assert_int_equal(n, 3);
	store_reset();
}

/* Removed by the place alone, from a slot or from a chain, also after tables have grown. */
static void test_places(void **state)
{
	static u32 place[RANGES];

	random_state = 3;
	for (u32 i = 0; i < RANGES; i++) {
		make(i);
		ranges[i].space = SPACE_PHYS;
		assert_int_equal(store_place(&ranges[i]), 0);
		assert_int_equal(store_add(&ranges[i]), 0);
		live[i] = true;
		place[i] = store_place(&ranges[i]);
	}
	for (u32 i = 0; i < RANGES; i++) {
		if (i % 3 == 0 || !place[i])
			continue;
		store_remove_at(&ranges[i], place[i]);
		live[i] = false;
	}
	compare_all();
	compare(SPACE_PHYS, 0x100000, 1u << 17);
	store_reset();
}

static u32 asked;

static struct store_fingerprint give_fingerprint(struct store_range *r, void *arg)
{
	asked++;
	return (struct store_fingerprint){*(u32 *)arg, 4711};
}

static void test_fingerprints(void **state)
{
	struct store_range *r = ranges, *two = ranges + 1;
	u32 fingerprint = 77, place = 0;

	*r = (struct store_range){.space = 64, .start = 0x4100, .size = 256};
	*two = (struct store_range){.space = 64, .start = 0x4f00, .size = 512};
	assert_int_equal(store_add(r), 0);
	assert_int_equal(store_add(two), 0);
	assert_null(store_take_fingerprint(64, 0x4100, 256, fingerprint, &place));
	store_set_fingerprint(64, 0x4100, give_fingerprint, &fingerprint);
	assert_int_equal(asked, 1);
	assert_null(store_take_fingerprint(64, 0x4100, 256, fingerprint + 1, &place));
	assert_null(store_take_fingerprint(64, 0x4140, 256, fingerprint, &place));
	assert_null(store_take_fingerprint(128, 0x4100, 256, fingerprint, &place));
	assert_ptr_equal(store_take_fingerprint(64, 0x4100, 256, fingerprint, &place), r);
	assert_int_equal(place, 4711);
	assert_null(store_take_fingerprint(64, 0x4100, 256, fingerprint, &place));
	memset(live, 0, sizeof(live));
	live[1] = true;
	compare_all();
	/* a range in two granules has no fingerprint */
	store_set_fingerprint(64, 0x4f00, give_fingerprint, &fingerprint);
	assert_int_equal(asked, 2);
	assert_null(store_take_fingerprint(64, 0x4f00, 512, fingerprint, &place));
	/* a search by the start removes the fingerprint */
	r->added = false;
	assert_int_equal(store_add(r), 0);
	store_set_fingerprint(64, 0x4100, give_fingerprint, &fingerprint);
	assert_true(store_search_start(64, 0x4100, note, NULL));
	assert_null(store_take_fingerprint(64, 0x4100, 256, fingerprint, &place));
	store_reset();
}

/* More in one granule than have a slot: each is found, those in slots by their fingerprints. */
static void test_fingerprints_and_chains(void **state)
{
	u32 fingerprint = 5, taken = 0, place;

	asked = 0;
	for (u32 i = 0; i < 64; i++) {
		ranges[i] = (struct store_range){.space = 64, .start = 0x4000 + i * 64, .size = 64};
		assert_int_equal(store_add(&ranges[i]), 0);
	}
	for (u32 i = 0; i < 64; i++)
		store_set_fingerprint(64, ranges[i].start, give_fingerprint, &fingerprint);
	assert_int_equal(asked, 64);
	for (u32 i = 0; i < 64; i++) {
		struct store_range *r =
			store_take_fingerprint(64, ranges[i].start, 64, fingerprint, &place);

		assert_true(!r || r == &ranges[i]);
		live[i] = !r;
		taken += r != NULL;
	}
	assert_true(taken >= 1);
	for (u32 i = 64; i < RANGES; i++)
		live[i] = false;
	compare_all();
	store_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_list),
		cmocka_unit_test(test_no_memory_to_grow),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_fingerprints_and_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
