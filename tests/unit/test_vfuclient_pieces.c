/* SPDX-License-Identifier: BSD-2-Clause */
/* The record of pieces against an array of one entry for each page. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfuclient/pieces.h"

#include <stdlib.h>

#define PAGES  512u
#define ROUNDS 200000

static struct vfuclient_pieces pieces = {.random = 1};
static struct vfuclient_piece *owner[PAGES]; /* the oracle */
static u64 random_state = 20260101;

static u32 rnd(u32 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((random_state >> 33) % below);
}

static void add(u32 page, u32 n)
{
	struct vfuclient_piece *p;

	for (u32 i = 0; i < n; i++)
		if (page + i == PAGES || owner[page + i])
			return;
	p = calloc(1, sizeof(*p));
	assert_non_null(p);
	p->iova = page * PAGE_BYTES;
	p->size = n * PAGE_BYTES;
	for (u32 i = 0; i < n; i++)
		owner[page + i] = p;
	vfuclient_pieces_add(&pieces, p);
}

/* The pieces that the range overlaps, in order, and no other. */
static void take(u64 iova, u64 end)
{
	struct vfuclient_piece *list = vfuclient_pieces_take(&pieces, iova, end), *next;
	u32 page = (u32)(iova >> PAGE_BITS);

	for (u64 at = iova; at < end; at += PAGE_BYTES) {
		struct vfuclient_piece *p = owner[page++];

		if (!p)
			continue;
		assert_ptr_equal(list, p);
		next = list->right;
		for (u32 i = 0; i < PAGES; i++)
			if (owner[i] == p)
				owner[i] = NULL;
		free(p);
		list = next;
	}
	assert_null(list);
}

static u64 count(void)
{
	u64 n = 0;

	for (u32 i = 0; i < PAGES; i++)
		n += owner[i] && (!i || owner[i - 1] != owner[i]);
	return n;
}

static void test_like_an_array(void **state)
{
	for (u32 i = 0; i < ROUNDS; i++) {
		u32 page = rnd(PAGES), n = 1 + rnd(rnd(8) ? 4 : 64);

		if (rnd(2))
			add(page, n);
		else
			take(page * PAGE_BYTES, min_u64(page + n, PAGES) * PAGE_BYTES);
		if (!(i % 1024))
			assert_int_equal(pieces.n, count());
	}
	take(0, PAGES * PAGE_BYTES);
	assert_int_equal(pieces.n, 0);
	assert_null(pieces.root);
	assert_null(vfuclient_pieces_take(&pieces, 0, ~0ull));
}

/* In ascending order, which would make a list of an unbalanced tree. */
static void test_ascending(void **state)
{
	for (u32 i = 0; i < PAGES; i++)
		add(i, 1);
	assert_int_equal(pieces.n, PAGES);
	take(0, PAGES * PAGE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_an_array),
		cmocka_unit_test(test_ascending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
