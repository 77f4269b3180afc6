/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sub-buffers, compared with a table that has an entry for each piece of the mapping. Lost records
 * may hide a fault and must never cause a false report.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shadow/subbuf.h"

#include <linux/dma-mapping.h>
#include <stdio.h>
#include <string.h>

#define BASE   0x10000ull
#define PIECE  64
#define PIECES 128

enum owner { UNSAID, CPU, DEVICE }; /* the last sync of the piece */

static struct shadow shadow;
static enum owner owner[PIECES];
static bool written[PIECES];
static u64 random_state;

static u32 rnd(u32 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(random_state >> 33) % below;
}

static u64 at(u32 piece)
{
	return BASE + (u64)piece * PIECE;
}

static void start(unsigned long attrs, bool shared)
{
	memset(&shadow, 0, sizeof(shadow));
	memset(owner, 0, sizeof(owner));
	memset(written, 0, sizeof(written));
	shadow.attrs = attrs;
	shadow.call = CALL_PAGE;
	shadow.shared = shared;
	shadow.dma.start = BASE;
	shadow.dma.size = PIECES * PIECE;
}

static void finish(void)
{
	subbuf_free_all(&shadow);
	assert_int_equal(shadow.n_subbufs, 0);
	shadow_reset();
}

static void to_cpu(u32 first, u32 end)
{
	struct subbuf_overrun overrun = {0};

	subbuf_to_cpu(&shadow, at(first), at(end), &overrun);
	if (overrun.any) {
		/* the sync continues into a sub-buffer that the device owns completely */
		assert_true(overrun.end > at(first) && overrun.end < at(end));
		assert_int_equal(owner[end], DEVICE);
		assert_int_equal(owner[end - 1], DEVICE);
		end = (u32)((overrun.end - BASE) / PIECE);
	}
	for (u32 i = first; i < end; i++) {
		owner[i] = CPU;
		written[i] = false;
	}
	if (!shadow.subbufs_lost)
		for (u32 i = first; i < end; i++)
			assert_true(subbuf_cpu_has(&shadow, at(i), at(i + 1)));
}

static void to_device(u32 first, u32 end)
{
	u64 from = at(first), last = at(end);

	subbuf_to_device(&shadow, &from, &last, NULL);
	assert_true(from <= at(first) && last >= at(end));
	for (u32 i = first; i < end; i++) {
		owner[i] = DEVICE;
		written[i] = false;
	}
	assert_false(subbuf_cpu_has(&shadow, at(first), at(end)));
}

static void write_to(u32 first, u32 end)
{
	subbuf_wrote(&shadow, at(first), at(end));
	for (u32 i = first; i < end; i++)
		written[i] = true;
}

static bool any_owner(u32 first, u32 end, enum owner o)
{
	for (u32 i = first; i < end; i++)
		if (owner[i] == o)
			return true;
	return false;
}

/* Each result that causes a report must be right. */
static void compare(u32 first, u32 end)
{
	bool skips = subbuf_begins_as_cpu(shadow.call, shadow.attrs), any_written = false;

	if (subbuf_cpu_has(&shadow, at(first), at(end)))
		assert_true(any_owner(first, end, CPU));
	if (!subbuf_cpu_may_use(&shadow, at(first), at(end))) {
		if (skips)
			assert_true(any_owner(first, end, DEVICE));
		else
			assert_false(any_owner(first, end, CPU));
	}
	for (u32 i = first; i < end; i++)
		any_written |= written[i];
	if (any_written)
		assert_true(subbuf_was_written(&shadow, at(first), at(end)));
}

static void check_list(void)
{
	u64 last = BASE;
	u32 n = 0;

	for (const struct subbuf *b = shadow.subbufs; b; b = b->next, n++) {
		assert_true(b->from >= last && b->from < b->end);
		assert_true(b->end <= at(PIECES));
		assert_true(b->cpu_from >= b->cpu_end ||
			    (b->cpu_from >= b->from && b->cpu_end <= b->end));
		last = b->end;
	}
	assert_int_equal(n, shadow.n_subbufs);
	assert_true(n <= SUBBUF_MOST);
}

static void random_use(unsigned long attrs, bool shared, u32 longest)
{
	start(attrs, shared);
	for (u32 step = 0; step < 20000; step++) {
		u32 first = rnd(PIECES - 1), end = first + 1 + rnd(longest);

		if (end >= PIECES)
			end = PIECES - 1;
		if (end <= first)
			continue;
		switch (rnd(4)) {
		case 0:
			to_cpu(first, end);
			break;
		case 1:
			to_device(first, end);
			break;
		case 2:
			write_to(first, end);
			break;
		default:
			compare(first, end);
		}
		check_list();
	}
	finish();
}

static void test_random_use(void **state)
{
	static const u32 longest[] = {1, 4, 16, 100};

	for (size_t i = 0; i < ARRAY_SIZE(longest); i++) {
		random_use(0, false, longest[i]);
		random_use(DMA_ATTR_SKIP_CPU_SYNC, false, longest[i]);
		random_use(0, true, longest[i]);
		random_use(DMA_ATTR_SKIP_CPU_SYNC, true, longest[i]);
	}
}

/* If the CPU returns a part from the middle of what it owns, it owns two parts. */
static void test_return_the_middle(void **state)
{
	start(0, false);
	to_cpu(0, 32);
	to_device(8, 16);
	assert_true(subbuf_cpu_may_use(&shadow, at(0), at(1)));
	assert_true(subbuf_cpu_may_use(&shadow, at(31), at(32)));
	assert_false(subbuf_cpu_may_use(&shadow, at(8), at(16)));
	assert_true(subbuf_cpu_has(&shadow, at(7), at(8)));
	assert_true(subbuf_cpu_has(&shadow, at(16), at(17)));
	finish();
	/* for a sub-buffer the checker records one part, and that there was another */
	start(DMA_ATTR_SKIP_CPU_SYNC, false);
	to_device(0, 32);
	to_cpu(0, 4);
	to_cpu(20, 24);
	to_device(20, 24);
	assert_true(subbuf_cpu_may_use(&shadow, at(0), at(4)));
	finish();
}

/* More than are recorded: the others have no record and cause no report. */
static void test_too_many(void **state)
{
	start(DMA_ATTR_SKIP_CPU_SYNC, false);
	for (u32 i = 0; i < PIECES - 1; i++)
		to_device(i, i + 1);
	assert_int_equal(shadow.n_subbufs, SUBBUF_MOST);
	assert_true(shadow.subbufs_lost);
	assert_false(subbuf_cpu_may_use(&shadow, at(0), at(1)));
	assert_true(subbuf_cpu_may_use(&shadow, at(100), at(101)));
	finish();
}

/* A sync for the CPU is widened to the sub-buffers that it touches. */
static void test_widen(void **state)
{
	u64 from = at(5), end = at(6);

	start(DMA_ATTR_SKIP_CPU_SYNC, false);
	assert_false(subbuf_widen(&shadow, &from, &end));
	to_device(4, 20);
	to_device(20, 40);
	assert_true(subbuf_widen(&shadow, &from, &end));
	assert_true(from == at(4) && end == at(20));
	end = at(21);
	assert_true(subbuf_widen(&shadow, &from, &end));
	assert_true(from == at(4) && end == at(40));
	/* a new division ends both, and reports their extent */
	from = at(10);
	end = at(30);
	subbuf_to_device(&shadow, &from, &end, NULL);
	assert_true(from == at(4) && end == at(40));
	assert_int_equal(shadow.n_subbufs, 1);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_use),
		cmocka_unit_test(test_return_the_middle),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_widen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
