/* SPDX-License-Identifier: BSD-2-Clause */
/* The address range of vmalloc, compared with an oracle that has one byte for each page of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"
#include "mem/vmrange.h"

#define PAGES (64 * MIB / 4096) /* the least range */
#define LIVE  512

static u8 taken[PAGES];

static struct {
	u32 index, pages;
} live[LIVE];
static int n_live;
static u64 random_state = 7;

static u64 next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static bool oracle_has(u32 need)
{
	u32 run = 0;

	for (u32 i = 0; i < PAGES; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run == need)
			return true;
	}
	return false;
}

/* With `aligned`, at a multiple of its size, which is a power of two. */
static void take(u32 pages, bool aligned)
{
	u32 index = aligned ? vm_take_aligned(pages) : vm_take(pages);

	if (!index) {
		assert_int_equal(errno, ENOMEM);
		assert_false(oracle_has((aligned ? 2 * pages : pages) + 1));
		return;
	}
	if (aligned)
		assert_int_equal((uintptr_t)vm_address(index) & ((u64)pages * 4096 - 1), 0);
	assert_true(index + pages < PAGES - 1);
	for (u32 i = 0; i <= pages; i++)
		assert_int_equal(taken[index + i]++, 0);
	for (u32 i = 0; i < pages; i++) {
		assert_int_equal(vm_pfn(index + i), 0);
		vm_set_pfn(index + i, 1000 + index + i);
	}
	assert_int_equal(vm_pfn(index + pages), 0); /* the guard */
	vm_open(index, pages, VM_KIND_VMALLOC);
	live[n_live].index = index;
	live[n_live++].pages = pages;
}

static void give(int i)
{
	u32 index = live[i].index, pages = live[i].pages, found = 0;
	u8 *p = vm_address(index);

	assert_int_equal(vm_pfn(index), 1000 + index);
	assert_int_equal(vm_close(p, VM_KIND_VMAP, &found), 0);
	assert_int_equal(vm_close(p + 4096, VM_KIND_VMALLOC, &found), 0);
	assert_int_equal(vm_close(p + 1, VM_KIND_VMALLOC, &found), 0);
	assert_int_equal(vm_close(p, VM_KIND_VMALLOC, &found), pages);
	assert_int_equal(found, index);
	assert_int_equal(vm_close(p, VM_KIND_VMALLOC, &found), 0);
	vm_give(index, pages);
	for (u32 k = 0; k <= pages; k++) {
		taken[index + k]--;
		assert_int_equal(vm_pfn(index + k), 0);
	}
	live[i] = live[--n_live];
}

static void against_oracle(void **state)
{
	struct mem_config want = {.ram = 4 * MIB};

	assert_int_equal(mem_get(&want), 0);
	assert_int_equal(vm_need(), 0);
	assert_int_equal(mem.vm_size, 64 * MIB);
	taken[0] = taken[PAGES - 1] = 1;
	for (int i = 0; i < 6000; i++) {
		bool grow = next_random() % 10 < (i / 1500 % 2 ? 3 : 7);

		if (grow && n_live < LIVE)
			take(1 + (u32)(next_random() % (next_random() % 16 ? 12 : 2000)), false);
		else if (n_live < LIVE && next_random() % 4 == 0)
			take(1u << next_random() % 9, true);
		else if (n_live)
			give((int)(next_random() % (u64)n_live));
	}
	while (n_live)
		give(n_live - 1);
	/* everything merged again */
	take(PAGES - 3, false);
	assert_int_equal(n_live, 1);
	assert_int_equal(vm_take(1), 0);
	give(0);
	mem_put();
	assert_int_equal(mem.vm_size, 0);
}

/* One run that fits comes after many of its bin that do not, and there is no longer one. */
static void last_that_fits(void **state)
{
	struct mem_config want = {.ram = 4 * MIB};
	u32 fits, small[12], rest, used;

	assert_int_equal(mem_get(&want), 0);
	assert_int_equal(vm_need(), 0);
	fits = vm_take(11);
	used = 12;
	assert_true(vm_take(1) > 0);
	used += 2;
	for (u32 i = 0; i < ARRAY_SIZE(small); i++) {
		small[i] = vm_take(7);
		assert_true(small[i] && vm_take(1));
		used += 8 + 2;
	}
	rest = vm_take(PAGES - 2 - used - 1);
	assert_true(rest > 0);
	assert_int_equal(vm_take(1), 0);
	vm_give(fits, 11);
	for (u32 i = 0; i < ARRAY_SIZE(small); i++)
		vm_give(small[i], 7);
	assert_int_equal(vm_take(12), 0);
	assert_int_equal(vm_take(9), fits);
	mem_put();
}

static void every_failure(void **state)
{
	struct mem_config want = {.ram = 4 * MIB};
	struct fail_rule rule = {.times = 1};
	int err = -1;

	assert_int_equal(mem_get(&want), 0);
	for (rule.nth = 1; err && rule.nth < 9; rule.nth++) {
		fail_set(FAIL_MEMORY, &rule);
		err = vm_need();
		assert_true(!err || (err == -ENOMEM && !mem.vm_size));
	}
	fail_set(FAIL_MEMORY, NULL);
	assert_int_equal(rule.nth, 4);
	mem_put();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_oracle),
		cmocka_unit_test(last_that_fits),
		cmocka_unit_test(every_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
