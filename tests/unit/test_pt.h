/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the tests of the page table: an arena from which tables are allocated. It counts the tables,
 * fails on request and refuses memory of others. It fills a freed table with entries that look
 * present and are invalid, so that a use after free is detected.
 */
#ifndef TEST_PT_H
#define TEST_PT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "pt/pt.h"

#define ARENA_TABLES 2048
#define RW	     (PT_READ | PT_WRITE)
#define K4	     4096ull
#define M2	     (2ull << 20)
#define G1	     (1ull << 30)

static struct arena {
	struct lock lock;
	u8 *base;
	bool out[ARENA_TABLES];
	u32 used, hint;
	u64 calls;
	u64 fail_at;  /* this call of alloc fails, counted from 1; 0: none */
	bool fail_on; /* and all after it */
} arena;

static inline void *arena_alloc(void *ctx)
{
	u8 *table = NULL;

	lock_acquire(&arena.lock);
	arena.calls++;
	if (arena.fail_at &&
	    (arena.calls == arena.fail_at || (arena.fail_on && arena.calls > arena.fail_at)))
		goto out;
	for (u32 n = 0; n < ARENA_TABLES && !table; n++) {
		u32 i = (arena.hint + n) % ARENA_TABLES;

		if (arena.out[i])
			continue;
		arena.out[i] = true;
		arena.used++;
		arena.hint = i + 1;
		table = arena.base + i * K4;
		memset(table, 0, K4);
	}
out:
	lock_release(&arena.lock);
	return table;
}

static inline void arena_free(void *ctx, void *table)
{
	u64 off = (u64)((u8 *)table - arena.base);

	lock_acquire(&arena.lock);
	if (off % K4 || off / K4 >= ARENA_TABLES || !arena.out[off / K4])
		abort(); /* not a table, or freed twice */
	arena.out[off / K4] = false;
	arena.used--;
	memset(table, 0xa5, K4);
	lock_release(&arena.lock);
}

static inline void arena_fail(u64 nth, bool and_after)
{
	arena.fail_at = nth ? arena.calls + nth : 0;
	arena.fail_on = and_after;
}

static inline int pt_setup(void **state)
{
	static struct pt pt;
	struct pt_memory memory = {.alloc = arena_alloc, .free = arena_free};

	if (!arena.base)
		arena.base = aligned_alloc(K4, ARENA_TABLES * K4);
	if (!arena.base)
		return -1;
	arena_fail(0, false);
	memory.base = arena.base;
	*state = &pt;
	return pt_init(&pt, &memory);
}

/* Every table is freed, whatever the test left mapped. */
static inline int pt_teardown(void **state)
{
	struct pt *pt = *state;
	bool same = pt->tables == arena.used;

	pt_fini(pt);
	return same && arena.used == 0 ? 0 : -1;
}

static inline int arena_teardown(void **state)
{
	free(arena.base);
	arena.base = NULL;
	return 0;
}

#define PT_TEST(fn) cmocka_unit_test_setup_teardown(fn, pt_setup, pt_teardown)

static inline u64 walk_entry(const struct pt *pt, u64 iova)
{
	return pt_walk(pt, IOVA(iova));
}

static inline struct pt_leaf walk_leaf(const struct pt *pt, u64 iova)
{
	struct pt_leaf leaf = {0};

	pt_walk_slow(pt, IOVA(iova), &leaf);
	return leaf;
}

#endif
