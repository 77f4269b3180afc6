/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measures the allocator of device address space alone. One JSON line per row: nanoseconds per
 * operation, over several repetitions (with two threads: the average of both). The churn rows time
 * single allocations, which includes a clock_gettime() each: a random range is freed and one of
 * another size allocated. `--quick` repeats less.
 */
#include "base/clock.h"
#include "iova/iova.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPS = 15, MAX_THREADS = 2 };

struct row {
	int threads, batch, pages; /* pages 0: a random size of 1, 2, 4 … 32 */
	bool shared;		   /* iova_free_shared() */
};

struct run {
	const struct row *row;
	u64 budget, ops, ns;
};

static struct iova_space *space;
static pthread_barrier_t barrier;
static int reps = MAX_REPS;
static u64 budget = 60 * NS_PER_MS;

static u64 next_random(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static void die_if(bool bad, const char *what)
{
	if (!bad)
		return;
	fprintf(stderr, "bench iova: %s\n", what);
	exit(1);
}

static void one_batch(const struct row *row, u64 *page, const u8 *pages)
{
	for (int i = 0; i < row->batch; i++) {
		page[i] = iova_alloc(space, pages[i], (1ull << 36) - 1, true);
		die_if(!page[i], "no space");
	}
	for (int i = 0; i < row->batch; i++) {
		if (row->shared)
			iova_free_shared(space, page[i], pages[i]);
		else
			iova_free(space, page[i], pages[i]);
	}
}

static void *work(void *arg)
{
	struct run *r = arg;
	const struct row *row = r->row;
	u64 *page = calloc(row->batch, sizeof(*page)), seed = 1, start;
	u8 *pages = malloc(row->batch);
	int rounds = 1023 / row->batch + 1;

	die_if(!page || !pages, "no memory");
	for (int i = 0; i < row->batch; i++)
		pages[i] = row->pages ? row->pages : 1 << next_random(&seed) % 6;
	if (row->threads > 1)
		pthread_barrier_wait(&barrier);
	start = clock_ns();
	do {
		for (int i = 0; i < rounds; i++)
			one_batch(row, page, pages);
		r->ops += (u64)rounds * row->batch;
		r->ns = clock_ns() - start;
	} while (r->ns < r->budget);
	free(page);
	free(pages);
	return NULL;
}

static double repetition(const struct row *row, u64 *ops)
{
	struct run r[MAX_THREADS] = {{0}};
	pthread_t thread[MAX_THREADS];
	double ns = 0;

	for (int i = 0; i < row->threads; i++)
		r[i] = (struct run){.row = row, .budget = budget};
	if (row->threads == 1) {
		work(r);
	} else {
		pthread_barrier_init(&barrier, NULL, row->threads);
		for (int i = 0; i < row->threads; i++)
			die_if(pthread_create(&thread[i], NULL, work, &r[i]), "no thread");
		for (int i = 0; i < row->threads; i++)
			pthread_join(thread[i], NULL);
		pthread_barrier_destroy(&barrier);
	}
	for (int i = 0; i < row->threads; i++) {
		ns += (double)r[i].ns / r[i].ops / row->threads;
		*ops += r[i].ops;
	}
	return ns;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *name, int threads, u64 ops, double *ns, int n)
{
	double sum = 0;

	qsort(ns, n, sizeof(*ns), by_value);
	for (int i = 0; i < n; i++)
		sum += ns[i];
	printf("{\"name\":\"%s\",\"threads\":%d,\"ops\":%llu,\"mean_ns\":%.2f,\"min_ns\":%.2f,"
	       "\"median_ns\":%.2f,\"max_ns\":%.2f}\n",
	       name, threads, (unsigned long long)ops, sum / n, ns[0],
	       (ns[(n - 1) / 2] + ns[n / 2]) / 2, ns[n - 1]);
	fflush(stdout);
}

static void alloc_free(const struct row *row)
{
	double ns[MAX_REPS];
	char name[80], size[16] = "1-32";
	u64 ops = 0;

	space = iova_create(1, 1ull << 36, IOVA_32BIT_FIRST);
	die_if(!space, "no space made");
	for (int i = -1; i < reps; i++) { /* the first repetition warms up */
		double t = repetition(row, &ops);

		if (i < 0)
			ops = 0;
		else
			ns[i] = t;
	}
	iova_destroy(space);
	if (row->pages)
		snprintf(size, sizeof(size), "%d", row->pages);
	snprintf(name, sizeof(name), "iova alloc+free%s %s page%s batch %d",
		 row->shared ? "_shared" : "", size, row->pages == 1 ? "" : "s", row->batch);
	print(name, row->threads, ops, ns, reps);
}

/* Sizes are low to low + range - 1; the space has `block` * 12 / 10 pages for each live range. */
static void churn(long live, int n, unsigned int low, unsigned int range, unsigned int block)
{
	u64 last = live * block * 12 / 10, seed = 1;
	struct iova_space *s = iova_create(1, last + 1, 0);
	u64 *page = calloc(live, sizeof(*page)), *pages = calloc(live, sizeof(*pages));
	double *ns = calloc(n, sizeof(*ns));
	char name[80];

	die_if(!s || !page || !pages || !ns, "no memory");
	for (long i = 0; i < live; i++) {
		pages[i] = low + next_random(&seed) % range;
		page[i] = iova_alloc(s, pages[i], last, true);
		die_if(!page[i], "no space for the churn");
	}
	for (int i = 0; i < n; i++) {
		long at = (long)(next_random(&seed) % live);
		u64 start;

		iova_free(s, page[at], pages[at]);
		pages[at] = low + next_random(&seed) % range;
		start = clock_ns();
		page[at] = iova_alloc(s, pages[at], last, true);
		ns[i] = (double)(clock_ns() - start);
		die_if(!page[at], "no space in the churn");
	}
	snprintf(name, sizeof(name), "iova churn alloc %u-%u pages, %ld live", low, low + range - 1,
		 live);
	print(name, 1, n, ns, n);
	iova_destroy(s);
	free(ns);
	free(pages);
	free(page);
}

int main(int argc, char **argv)
{
	static const int batches[] = {1, 64, 256, 4096, 65536};
	static const long live[] = {1000, 10000, 100000};
	int n = 200000;

	if (argc > 1 && !strcmp(argv[1], "--quick")) {
		reps = 3;
		budget = 20 * NS_PER_MS;
		n = 50000;
	}
	for (int threads = 1; threads <= MAX_THREADS; threads++)
		for (int i = 0; i < (int)ARRAY_SIZE(batches); i++) {
			struct row row = {.threads = threads, .batch = batches[i], .pages = 1};

			alloc_free(&row);
			row.pages = 0;
			if (i % 2)
				alloc_free(&row);
		}
	alloc_free(&(struct row){.threads = 1, .batch = 64, .pages = 128});
	alloc_free(&(struct row){.threads = 1, .batch = 256, .pages = 1, .shared = true});
	for (int i = 0; i < (int)ARRAY_SIZE(live); i++)
		churn(live[i], n, 33, 64, 128);
	for (int i = 0; i < (int)ARRAY_SIZE(live); i++)
		churn(live[i], n, 257, 512,
		      1024); /* sizes too large for the caches, so only the tree is used */
	return 0;
}
