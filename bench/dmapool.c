/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench-dmapool [MS_PER_REPETITION]: nanoseconds per pair of dma_pool_alloc() and dma_pool_free()
 * and thread, one line of JSON per row. A round allocates `batch` blocks and frees them in the
 * order of their allocation.
 */
#include <dmamap/device.h>
#include <linux/dmapool.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_MAX   4096
#define REPETITIONS 15
#define THREADS_MAX 8

struct row {
	const char *name;
	size_t size;
	unsigned int batch, threads;
};

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	struct dma_pool *pool;
	unsigned int batch;
	u64 ns, done, took; /* the time to run; the pairs done, and the time they took */
	bool failed;
	void *block[BATCH_MAX];
	dma_addr_t dma[BATCH_MAX];
};

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static bool round_trip(struct worker *w)
{
	unsigned int n = 0;

	while (n < w->batch) {
		w->block[n] = dma_pool_alloc(w->pool, GFP_KERNEL, &w->dma[n]);
		if (!w->block[n])
			break;
		n++;
	}
	for (unsigned int i = 0; i < n; i++)
		dma_pool_free(w->pool, w->block[i], w->dma[i]);
	return n == w->batch;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	u64 rounds = 1 + 4096 / w->batch, begin, now;

	w->failed = !round_trip(w);
	pthread_barrier_wait(w->start);
	begin = now_ns();
	do {
		for (u64 i = 0; i < rounds && !w->failed; i++)
			w->failed = !round_trip(w);
		w->done += rounds * w->batch;
		now = now_ns();
	} while (now - begin < w->ns && !w->failed);
	w->took = now - begin;
	return NULL;
}

/* Returns the mean nanoseconds per pair and thread of one repetition; negative: it failed. */
static double repeat(const struct row *r, struct dma_pool *pool, u64 ns, u64 *ops)
{
	static struct worker workers[THREADS_MAX];
	pthread_barrier_t start;
	double sum = 0;

	pthread_barrier_init(&start, NULL, r->threads);
	for (unsigned int i = 0; i < r->threads; i++) {
		struct worker *w = &workers[i];

		w->start = &start;
		w->pool = pool;
		w->batch = r->batch;
		w->ns = ns;
		w->done = 0;
		if (pthread_create(&w->thread, NULL, work, w))
			abort();
	}
	for (unsigned int i = 0; i < r->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		sum += workers[i].failed ? -1e18
					 : (double)workers[i].took / (double)workers[i].done;
		*ops += workers[i].done;
	}
	pthread_barrier_destroy(&start);
	return sum / r->threads;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(struct device *dev, const struct row *r, u64 ns)
{
	struct dma_pool *pool = dma_pool_create(r->name, dev, r->size, 0, 0);
	double t[REPETITIONS], mean = 0;
	u64 ops = 0;

	if (!pool)
		return -1;
	for (int i = 0; i < REPETITIONS; i++) {
		t[i] = repeat(r, pool, ns, &ops);
		mean += t[i] / REPETITIONS;
	}
	dma_pool_destroy(pool);
	if (mean < 0)
		return -1;
	qsort(t, REPETITIONS, sizeof(t[0]), compare);
	printf("{\"name\":\"%s\",\"threads\":%u,\"ops\":%llu,\"mean_ns\":%.2f,\"min_ns\":%.2f,"
	       "\"median_ns\":%.2f,\"max_ns\":%.2f}\n",
	       r->name, r->threads, (unsigned long long)ops, mean, t[0], t[REPETITIONS / 2],
	       t[REPETITIONS - 1]);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct row rows[] = {
		{"dmapool 16 B, batch 1", 16, 1, 1},
		{"dmapool 16 B, batch 64", 16, 64, 1},
		{"dmapool 16 B, batch 1024", 16, 1024, 1},
		{"dmapool 4 KiB, batch 64", 4096, 64, 1},
		{"dmapool 16 B, batch 64", 16, 64, 2},
		{"dmapool 16 B, batch 1024", 16, 1024, 2},
	};
	u64 ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 60) * 1000000u;
	struct device *dev = dmamap_open("sim");
	int failed = 0;

	for (size_t i = 0; dev && i < sizeof(rows) / sizeof(rows[0]) && !failed; i++)
		failed = measure(dev, &rows[i], ns);
	if (!dev || failed)
		fprintf(stderr, "bench-dmapool: %s\n", dmamap_strerror());
	dmamap_close(dev);
	return !dev || failed;
}
