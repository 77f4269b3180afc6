/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measures the page table, one JSON line per row: nanoseconds per operation. Rows are repeated in
 * turns, so that a disturbance of the machine affects all alike; the first turn only warms up. With
 * two threads a value is the mean of both threads' results. `--quick` repeats less.
 */
#include "pt/pt.h"
#include "base/clock.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SMALL = 1 << 16, WINDOW = 1 << 20, MAX_REPS = 21, MAX_ROWS = 40 };
#define ARENA (64ull << 20)
#define BASE  (4 * (1ull << 30)) /* the window of small pages; its tables already exist */
#define HUGE  (512 * (1ull << 30))
#define FLAGS (PT_READ | PT_WRITE)

struct part { /* one thread's share of one repetition */
	const struct row *row;
	int thread;
	u64 ops, ns;
};

struct row {
	const char *name;
	void (*fn)(struct part *p);
	const u32 *order; /* page numbers; their number is a power of two; NULL: ascending */
	u32 window, batch;
	int threads;
	bool flag;
	double figure[MAX_REPS];
	u64 ops;
};

static struct pt pt, walked;
static struct row rows[MAX_ROWS];
static int n_rows;
static u64 budget = 20 * NS_PER_MS;
static u8 *arena;
static u64 arena_used;
static void *arena_free;
static struct lock arena_lock;

static void *table_alloc(void *ctx)
{
	void *t;

	lock_acquire(&arena_lock);
	t = arena_free;
	if (t)
		arena_free = *(void **)t;
	else
		t = arena + (arena_used += PAGE_BYTES);
	lock_release(&arena_lock);
	return memset(t, 0, PAGE_BYTES);
}

static void table_put(void *ctx, void *table)
{
	lock_acquire(&arena_lock);
	*(void **)table = arena_free;
	arena_free = table;
	lock_release(&arena_lock);
}

static void die(const char *what)
{
	fprintf(stderr, "bench-pt: %s\n", what);
	exit(1);
}

/* Repeats `body`, which does `n` operations, until the time budget is used. */
#define REPEAT(p, n, body)                                                                         \
	do {                                                                                       \
		u64 start_ = clock_ns();                                                           \
		do {                                                                               \
			body;                                                                      \
			(p)->ops += (n);                                                           \
			(p)->ns = clock_ns() - start_;                                             \
		} while ((p)->ns < budget);                                                        \
	} while (0)

static iova_t page_of(const struct part *p, u32 i)
{
	const struct row *r = p->row;

	i &= r->window - 1;
	return IOVA(BASE + (((u64)p->thread << 20) + (r->order ? r->order[i] : i)) * PAGE_BYTES);
}

static void map_call(iova_t iova, u32 i)
{
	if (pt_map(&pt, iova, PHYS((u64)(i & 0xffff) << 12), PAGE_BYTES, FLAGS | PT_WHOLE, 0))
		die("map");
}

static void unmap_call(iova_t iova)
{
	if (pt_unmap(&pt, iova, PAGE_BYTES) != PAGE_BYTES)
		die("unmap");
}

static void map_inline(iova_t iova, u32 i)
{
	if (!pt_map_4k(&pt, iova, PHYS((u64)(i & 0xffff) << 12), FLAGS | PT_WHOLE))
		die("map_4k");
}

static void unmap_inline(iova_t iova)
{
	u64 first;

	if (pt_unmap_mapping(&pt, iova, &first) != PAGE_BYTES)
		die("unmap_mapping");
}

hot_inline void rounds_of(struct part *p, void (*map)(iova_t, u32), void (*unmap)(iova_t))
{
	u32 batch = p->row->batch, in = 0, out = 0, n = 1024 / batch;

	REPEAT(p, n * batch, {
		for (u32 k = 0; k < n; k++) {
			for (u32 i = 0; i < batch; i++, in++)
				map(page_of(p, in), in);
			for (u32 i = 0; i < batch; i++, out++)
				unmap(page_of(p, out));
		}
	});
}

static void pair_call(struct part *p)
{
	rounds_of(p, map_call, unmap_call);
}

static void pair_inline(struct part *p)
{
	rounds_of(p, map_inline, unmap_inline);
}

/* Fills the window and empties it; `flag` selects which of the two is timed. */
static void fill_drain(struct part *p)
{
	const struct row *r = p->row;
	u64 t0, t1, t2;

	do {
		t0 = clock_ns();
		for (u32 i = 0; i < r->window; i++)
			map_call(page_of(p, i), i);
		t1 = clock_ns();
		for (u32 i = 0; i < r->window; i++)
			unmap_call(page_of(p, i));
		t2 = clock_ns();
		p->ns += r->flag ? t2 - t1 : t1 - t0;
		p->ops += r->window;
	} while (p->ns < budget);
}

static iova_t run_of(const struct part *p, u32 i)
{
	i &= p->row->window - 1;
	return IOVA(BASE + (u64)(p->row->order ? p->row->order[i] : i) * 64 * PAGE_BYTES);
}

static void run_whole(struct part *p)
{
	u64 size = 64 * PAGE_BYTES, first;
	u32 i = 0;

	REPEAT(p, 16, {
		for (int k = 0; k < 16; k++, i++) {
			iova_t at = run_of(p, i);

			if (pt_map(&pt, at, PHYS((u64)(i & 0xffff) << 12), size, FLAGS | PT_WHOLE,
				   0))
				die("map");
			if ((p->row->flag ? pt_unmap_mapping(&pt, at, &first)
					  : pt_unmap(&pt, at, size)) != size)
				die("unmap");
		}
	});
}

/* Maps a scatterlist of 64 pages that are not adjacent as one mapping. */
static void run_pieces(struct part *p)
{
	u64 first;
	u32 i = 0;

	REPEAT(p, 16, {
		for (int k = 0; k < 16; k++, i++) {
			iova_t at = run_of(p, i);
			struct pt_cursor cursor = {0};

			for (u64 n = 0; n < 64; n++) {
				u64 flags = FLAGS | (n ? 0 : PT_FIRST) | (n == 63 ? PT_LAST : 0);

				if (pt_cursor_map(&pt, &cursor, IOVA(at.v + n * PAGE_BYTES),
						  PHYS((n * 37 & 63) << 13), PAGE_BYTES, flags))
					die("cursor_map");
			}
			if (pt_unmap_mapping(&pt, at, &first) != 64 * PAGE_BYTES)
				die("unmap_mapping");
		}
	});
}

static void pair_2m(struct part *p)
{
	u64 size = 2ull << 20;
	u32 i = 0;

	REPEAT(p, 256, {
		for (int k = 0; k < 256; k++, i++) {
			u32 n = i & (p->row->window - 1);
			iova_t at = IOVA(HUGE + (p->row->order ? p->row->order[n] : n) * size);

			if (pt_map(&pt, at, PHYS((i & 511) * size), size, FLAGS | PT_WHOLE,
				   p->row->flag ? PT_MAP_SPLIT : 0))
				die("map");
			if (pt_unmap(&pt, at, size) != size)
				die("unmap");
		}
	});
}

/* Unmaps one page of a 2 MiB leaf, then the rest. */
static void split_2m(struct part *p)
{
	u64 size = 2ull << 20;
	u32 i = 0;

	REPEAT(p, 16, {
		for (int k = 0; k < 16; k++, i++) {
			iova_t at = IOVA(HUGE + (i & 511) * size);

			if (pt_map(&pt, at, PHYS((i & 511) * size), size, FLAGS, PT_MAP_SPLIT))
				die("map");
			if (pt_unmap(&pt, IOVA(at.v + (i & 511) * PAGE_BYTES), PAGE_BYTES) !=
			    PAGE_BYTES)
				die("unmap");
			if (pt_unmap(&pt, at, size) != size - PAGE_BYTES)
				die("unmap of the rest");
			pt_free_limbo(&pt);
		}
	});
}

static void walk(struct part *p)
{
	u64 sum = 0;
	u32 i = 0;

	REPEAT(p, 4096, {
		for (int k = 0; k < 4096; k++, i++)
			sum += pt_walk(&walked, page_of(p, i));
	});
	__asm__ volatile("" ::"r"(sum));
}

static void walk_dependent(struct part *p)
{
	iova_t at = IOVA(BASE);

	REPEAT(p, 4096, {
		for (int k = 0; k < 4096; k++)
			at = IOVA((pt_walk(&walked, at) & PT_ADDR) + BASE);
	});
	__asm__ volatile("" ::"r"(at.v));
}

static u32 random_below(u32 n)
{
	static u64 x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (u32)((x >> 32) * n >> 32);
}

/* 0 … n - 1 in random order; as one cycle: each entry refers to another, through all. */
static u32 *shuffled(u32 n, bool cycle)
{
	u32 *a = malloc(n * sizeof(*a));

	if (!a)
		die("no memory");
	for (u32 i = 0; i < n; i++)
		a[i] = i;
	for (u32 i = n - 1; i; i--) {
		u32 k = random_below(cycle ? i : i + 1), t = a[i];

		a[i] = a[k];
		a[k] = t;
	}
	return a;
}

static void row(const char *name, void (*fn)(struct part *), const u32 *order, u32 window,
		u32 batch, int threads, bool flag)
{
	rows[n_rows++] = (struct row){.name = name,
				      .fn = fn,
				      .order = order,
				      .window = window,
				      .batch = batch,
				      .threads = threads,
				      .flag = flag};
}

static void *part_main(void *arg)
{
	struct part *p = arg;

	p->row->fn(p);
	return NULL;
}

static void row_run(struct row *r, int rep)
{
	struct part p[2] = {{.row = r}, {.row = r, .thread = 1}};
	pthread_t second;

	if (r->threads == 2 && pthread_create(&second, NULL, part_main, &p[1]))
		die("no thread");
	part_main(&p[0]);
	if (r->threads == 2)
		pthread_join(second, NULL);
	r->figure[rep] = (double)p[0].ns / (double)p[0].ops;
	if (r->threads == 2)
		r->figure[rep] = (r->figure[rep] + (double)p[1].ns / (double)p[1].ops) / 2;
	r->ops += p[0].ops + p[1].ops;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void row_print(struct row *r, int reps)
{
	double sum = 0, *f = r->figure + 1;

	qsort(f, (size_t)reps, sizeof(*f), by_value);
	for (int i = 0; i < reps; i++)
		sum += f[i];
	printf("{\"name\":\"%s\",\"threads\":%d,\"ops\":%llu,\"mean_ns\":%.2f,\"min_ns\":%.2f,"
	       "\"median_ns\":%.2f,\"max_ns\":%.2f}\n",
	       r->name, r->threads, (unsigned long long)r->ops, sum / reps, f[0], f[reps / 2],
	       f[reps - 1]);
}

static void rows_add(void)
{
	u32 *small = shuffled(SMALL, false), *large = shuffled(WINDOW, false);
	u32 *runs = shuffled(WINDOW / 64, false), *huge = shuffled(8192, false);

	row("pt map+unmap 4K sequential in 64k pages", pair_call, NULL, SMALL, 1, 1, 0);
	row("pt map+unmap 4K random in 64k pages batch 1", pair_call, small, SMALL, 1, 1, 0);
	row("pt map+unmap 4K random in 64k pages batch 256", pair_call, small, SMALL, 256, 1, 0);
	row("pt map+unmap 4K random in 1M pages batch 1", pair_call, large, WINDOW, 1, 1, 0);
	row("pt map+unmap 4K random in 1M pages batch 256", pair_call, large, WINDOW, 256, 1, 0);
	row("pt map+unmap 4K random in 64k pages", pair_call, small, SMALL, 1, 2, 0);
	row("pt inline map+unmap 4K random in 64k pages batch 1", pair_inline, small, SMALL, 1, 1,
	    0);
	row("pt inline map+unmap 4K random in 64k pages batch 256", pair_inline, small, SMALL, 256,
	    1, 0);
	row("pt inline map+unmap 4K random in 64k pages", pair_inline, small, SMALL, 1, 2, 0);
	row("pt map 4K random fill of 64k pages", fill_drain, small, SMALL, 1, 1, 0);
	row("pt unmap 4K random drain of 64k pages", fill_drain, small, SMALL, 1, 1, 1);
	row("pt map+unmap of 64 x 4K (whole) sequential", run_whole, NULL, 1024, 1, 1, 0);
	row("pt map+unmap of 64 x 4K (whole) random in 4 GiB", run_whole, runs, WINDOW / 64, 1, 1,
	    0);
	row("pt map+unmap_mapping of 64 x 4K (whole) sequential", run_whole, NULL, 1024, 1, 1, 1);
	row("pt map+unmap of 64 x 4K (pieces) sequential", run_pieces, NULL, 1024, 1, 1, 0);
	row("pt map+unmap 2M sequential in 1 GiB", pair_2m, NULL, 512, 1, 1, 0);
	row("pt map+unmap 2M random in 16 GiB", pair_2m, huge, 8192, 1, 1, 0);
	row("pt map+unmap 2M with a spare table", pair_2m, NULL, 512, 1, 1, 1);
	row("pt map 2M, unmap 4K of it, unmap the rest", split_2m, NULL, 512, 1, 1, 0);
	row("pt walk sequential in 64k pages", walk, NULL, SMALL, 1, 1, 0);
	row("pt walk random in 64k pages", walk, small, SMALL, 1, 1, 0);
	row("pt walk random in 64k pages, dependent", walk_dependent, NULL, SMALL, 1, 1, 0);
}

static void tables_prepare(void)
{
	struct pt_memory memory = {.alloc = table_alloc, .free = table_put};
	u32 *cycle = shuffled(SMALL, true);

	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		die("no memory");
	memory.base = arena;
	if (pt_init(&pt, &memory) || pt_init(&walked, &memory))
		die("no memory");
	for (u64 at = BASE; at < BASE + (8ull << 30); at += 2ull << 20) {
		map_call(IOVA(at), 0);
		unmap_call(IOVA(at));
	}
	for (u32 i = 0; i < SMALL; i++)
		if (pt_map(&walked, IOVA(BASE + i * PAGE_BYTES), PHYS(cycle[i] * PAGE_BYTES),
			   PAGE_BYTES, FLAGS, 0))
			die("map");
	free(cycle);
}

int main(int argc, char **argv)
{
	int reps = 11;

	if (argc > 1 && !strcmp(argv[1], "--quick")) {
		reps = 5;
		budget = 5 * NS_PER_MS;
	}
	tables_prepare();
	rows_add();
	for (int rep = 0; rep <= reps; rep++)
		for (int i = 0; i < n_rows; i++)
			row_run(&rows[i], rep);
	for (int i = 0; i < n_rows; i++)
		row_print(&rows[i], reps);
	return 0;
}
