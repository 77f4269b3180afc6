/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address-space allocator alone. One page: `a` pages are allocated and then freed. Crowded: `a`
 * live ranges of 33 to 96 pages fill an address space to 90 % if their sizes are rounded up. A
 * random one is freed and one of another size is allocated; only the allocation is timed.
 */
#include "bench.h"

#include "iova/iova.h"

#include <stdlib.h>

#define BATCH 1024

struct bench_crowd {
	u64 page;
	u32 pages;
};

static bool bench_iova_space_setup(struct bench_case *c)
{
	c->state = iova_create(1, 1ull << 36, 0);
	return c->state != NULL;
}

static void bench_iova_space_teardown(struct bench_case *c)
{
	iova_destroy(c->state);
}

static void bench_iova_one_page(struct bench_thread *t)
{
	u64 n = t->c->a, rounds = n < BATCH ? BATCH / n : 1;
	struct iova_space *s = t->c->state;
	u64 *page = calloc(n, sizeof(*page));

	if (!page) {
		bench_fail(t, "no memory");
		return;
	}
	while (bench_more(t, n * rounds)) {
		for (u64 r = 0; r < rounds; r++) {
			for (u64 i = 0; i < n; i++)
				page[i] = iova_alloc(s, 1, UINT64_MAX, true);
			for (u64 i = 0; i < n; i++) {
				if (!page[i])
					bench_fail(t, "no address space");
				else
					iova_free(s, page[i], 1);
			}
		}
	}
	free(page);
}

static u32 bench_iova_some_pages(struct bench_thread *t)
{
	return 33 + (u32)(bench_random(t) % 64);
}

static void bench_iova_crowded(struct bench_thread *t)
{
	u64 live = t->c->a, end = 1 + live * 128 * 12 / 10, start;
	struct iova_space *s = iova_create(1, end, 0);
	struct bench_crowd *range = calloc(live, sizeof(*range));

	for (u64 i = 0; s && range && i < live; i++) {
		range[i].pages = bench_iova_some_pages(t);
		range[i].page = iova_alloc(s, range[i].pages, UINT64_MAX, true);
		if (!range[i].page)
			goto failed;
	}
	if (!s || !range)
		goto failed;
	bench_begin(t);
	while (bench_again(t)) {
		struct bench_crowd *r = &range[bench_random(t) % live];

		iova_free(s, r->page, r->pages);
		r->pages = bench_iova_some_pages(t);
		start = clock_ns();
		r->page = iova_alloc(s, r->pages, UINT64_MAX, true);
		bench_sample(t, clock_ns() - start, 1);
		if (!r->page)
			goto failed;
	}
	goto out;
failed:
	bench_fail(t, "no address space");
out:
	iova_destroy(s);
	free(range);
}

bool bench_iova(struct bench *b)
{
	struct bench_case cases[] = {
		{"iova alloc+free 1 page, 1 outstanding", bench_iova_one_page,
		 bench_iova_space_setup, bench_iova_space_teardown, .a = 1},
		{"iova alloc+free 1 page, 64 outstanding", bench_iova_one_page,
		 bench_iova_space_setup, bench_iova_space_teardown, .a = 64},
		{"iova alloc+free 1 page, 4096 outstanding", bench_iova_one_page,
		 bench_iova_space_setup, bench_iova_space_teardown, .a = 4096},
		{"iova alloc 33-96 pages, 1000 live, 90% full", bench_iova_crowded, .alone = true,
		 .a = 1000},
		{"iova alloc 33-96 pages, 10000 live, 90% full", bench_iova_crowded, .alone = true,
		 .a = 10000},
		{"iova alloc 33-96 pages, 100000 live, 90% full", bench_iova_crowded, .alone = true,
		 .a = 100000},
	};

	return bench_cases(b, cases, sizeof(cases) / sizeof(cases[0]));
}
