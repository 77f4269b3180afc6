/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of RAM: its parts, bounce memory, and sizes that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/error.h"
#include "mem/ram.h"

static struct mem_layout good(u64 ram, u64 swiotlb, u64 low_max)
{
	struct mem_config want = {.ram = ram, .swiotlb = swiotlb, .low_max = low_max};
	struct mem_layout l = {0};

	assert_int_equal(mem_layout_make(&want, &l), 0);
	return l;
}

static void bad(u64 ram, u64 swiotlb, u64 low_max, const char *word)
{
	struct mem_config want = {.ram = ram, .swiotlb = swiotlb, .low_max = low_max};
	struct mem_layout l, was;

	memset(&l, 0x5a, sizeof(l));
	was = l;
	assert_int_equal(mem_layout_make(&want, &l), -EINVAL);
	assert_non_null(strstr(error_text(), word));
	assert_memory_equal(&l, &was, sizeof(l));
}

static void defaults(void **state)
{
	struct mem_layout l = good(0, 0, 0);

	assert_int_equal(l.ram, 8 * GIB);
	assert_int_equal(l.low, 3 * GIB);
	assert_int_equal(l.span, 9 * GIB);
	assert_int_equal(l.bounce_start, 15 * MIB);
	assert_int_equal(l.bounce_size, 64 * MIB);
}

static void parts_of_ram(void **state)
{
	assert_int_equal(good(GIB, 0, 0).span, GIB);
	assert_int_equal(good(3 * GIB, 0, 0).span, 3 * GIB);
	assert_int_equal(good(3 * GIB + 1, 0, 0).span, 4 * GIB + 4096);
	assert_int_equal(good(3 * GIB + 1, 0, 0).ram, 3 * GIB + 4096);
	assert_int_equal(good(8 * GIB, 0, 2 * GIB).span, 10 * GIB);
	assert_int_equal(good(8 * GIB, 0, 4 * GIB).span, 8 * GIB);
	assert_int_equal(good(65535ull * GIB, 0, 0).span, 65536ull * GIB);
}

static void bounce_memory(void **state)
{
	struct mem_layout l;

	/* an eighth of RAM; at the end of low RAM where 16 MiB is too high */
	l = good(8 * MIB, 0, 0);
	assert_int_equal(l.bounce_size, MIB);
	assert_int_equal(l.bounce_start, 7 * MIB);
	l = good(MIB, 0, 0);
	assert_int_equal(l.bounce_size, 256 * KIB);
	assert_int_equal(l.bounce_start, 768 * KIB);
	l = good(MIB + 4096, 0, 0);
	assert_int_equal(l.bounce_start, 768 * KIB);
	/* given: rounded up; a quarter of it, at most 1 MiB, is below 16 MiB */
	l = good(GIB, 1, 0);
	assert_int_equal(l.bounce_size, 256 * KIB);
	assert_int_equal(l.bounce_start, 16 * MIB - 256 * KIB);
	l = good(GIB, 2 * MIB, 0);
	assert_int_equal(l.bounce_start, 16 * MIB - 512 * KIB);
	l = good(32 * MIB, 16 * MIB, 0);
	assert_int_equal(l.bounce_start, 15 * MIB);
	l = good(30 * MIB, 15 * MIB, 0);
	assert_int_equal(l.bounce_start, 15 * MIB);
	/* lower if it does not fit otherwise */
	l = good(30 * MIB - 4096, 14 * MIB + 512 * KIB, 0);
	assert_int_equal(l.bounce_start, 15 * MIB);
	l = good(29 * MIB, 14 * MIB + 512 * KIB, 0);
	assert_int_equal(l.bounce_start, 14 * MIB + 512 * KIB);
	/* the default is reduced for a small low part */
	l = good(8 * GIB, 0, 64 * MIB);
	assert_int_equal(l.bounce_size, 32 * MIB);
}

static void refused(void **state)
{
	bad(MIB - 1, 0, 0, "ram=1M");
	bad(65536ull * GIB, 0, 0, "ram=65535G");
	bad(~0ull, 0, 0, "too large");
	bad(GIB, 513 * MIB, 0, "half");
	bad(GIB, ~0ull, 0, "half");
	bad(0, 0, 5 * GIB, "below 4 GiB");
	bad(0, 0, 4096, "below 4 GiB");
}

/*
 * For any sizes: everything is page-aligned, bounce memory is inside low RAM and never contains
 * page 0, and a segment of it is within reach of 24 address lines.
 */
static void any_size(void **state)
{
	u64 x = 88172645463325252ull;

	for (int i = 0; i < 20000; i++) {
		struct mem_config want = {0};
		struct mem_layout l;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		want.ram = x >> (x & 31) >> 10;
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		want.swiotlb = x & 1 ? x >> (20 + (x >> 5) % 40) : 0;
		if (mem_layout_make(&want, &l))
			continue;
		assert_int_equal((l.ram | l.low | l.span) & 4095, 0);
		assert_int_equal(l.bounce_start & (256 * KIB - 1), 0);
		assert_true(l.bounce_start + 256 * KIB <= 16 * MIB);
		assert_true(l.bounce_start > 0 &&
			    l.bounce_size >= max_u64(want.swiotlb, 256 * KIB));
		assert_true(l.bounce_start + l.bounce_size <= l.low && l.low <= 3 * GIB);
		assert_true(l.ram >= want.ram && l.span <= 1ull << 46);
		assert_int_equal(l.span > l.low ? l.span - 4 * GIB + l.low : l.low, l.ram);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),	 cmocka_unit_test(parts_of_ram),
		cmocka_unit_test(bounce_memory), cmocka_unit_test(refused),
		cmocka_unit_test(any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
