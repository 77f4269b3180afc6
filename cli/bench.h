/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measurement. A case is one operation; its function repeats the operation in batches until its
 * time is over. The time of a batch divided by its operations is one sample. Percentiles are
 * computed from samples, the mean from all operations; with several threads it is the mean of what
 * each thread measured.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli.h"

#include "base/clock.h"

/*
 * A histogram of samples with 64 steps in each power of two, in units of 1/16 ns. Its resolution is
 * 1.6 %, its size does not depend on the number of samples.
 */
#define HIST_STEPS  64
#define HIST_POWERS 42

struct bench_histogram {
	u64 count[HIST_POWERS * HIST_STEPS];
	u64 samples;
	double max_ns;
};

void histogram_add(struct bench_histogram *h, double ns);
void histogram_merge(struct bench_histogram *h, const struct bench_histogram *other);
double histogram_at(const struct bench_histogram *h,
		    double share); /* share 0.5: the median; 0 if it is empty */

struct bench_case;

struct bench_thread {
	struct bench_case *c;
	unsigned int index; /* index among the threads of this run */
	u64 row_ns, end_ns, last_ns;
	u64 ops, ns, seed;
	struct bench_histogram *hist;
	bool failed; /* an error message is in `error` */
	char error[256];
};

struct bench_case {
	char name[96]; /* setup may change it */
	void (*run)(struct bench_thread *t);
	bool (*setup)(struct bench_case *c);	/* false: dmamap_strerror() has the error message */
	void (*teardown)(struct bench_case *c); /* also called after a failed setup; NULL: none */
	bool alone;				/* not measured with several threads */
	/* spec of the device that it needs; --device replaces it */
	const char *spec;
	u64 a, b; /* parameters of the case */
	struct device *dev;
	unsigned int threads; /* number of threads of this run */
	void *state;
	/* setup stores here why the case is not possible on this device; "": it is */
	char skip[160];
};

struct bench_row {
	char *name;
	unsigned int threads;
	u64 ops;
	double mean_ns, p50_ns, p99_ns, p999_ns, max_ns;
};

struct bench {
	struct cli_common common;
	const char *what;
	unsigned int threads;
	double seconds;
	double row_seconds;
	struct bench_row *rows;
	unsigned int n_rows;
	/* bytes that each mode needs, for the document; NULL: not measured */
	struct json_object *memory;
};

/*
 * bench.c: measures each case with one thread, and cases that allow it with b->threads. False: a
 * case failed and its error message was printed.
 */
bool bench_cases(struct bench *b, struct bench_case *cases, unsigned int n);
bool bench_row_add(struct bench *b,
		   const struct bench_row *row); /* copies the row, and prints it in text mode */

/* Each benchmark is in a file of its own. */
bool bench_map(struct bench *b);
bool bench_iova(struct bench *b);
bool bench_dmapool(struct bench *b);
bool bench_translate(struct bench *b);
bool bench_swiotlb(struct bench *b);
bool bench_xsk(struct bench *b);
bool bench_twostep(struct bench *b);
bool bench_odp(struct bench *b);
bool bench_check(struct bench *b);
void bench_peers(struct bench *b);

/* while (bench_more(t, N)) { N operations }. The time between two calls is one sample. */
static inline bool bench_more(struct bench_thread *t, u64 n)
{
	u64 now = clock_ns();

	if (t->last_ns) {
		histogram_add(t->hist, (double)(now - t->last_ns) / (double)n);
		t->ops += n;
		t->ns += now - t->last_ns;
	}
	t->last_ns = clock_ns();
	/* on a busy machine the time may be over before the first sample */
	return !cli_interrupted() && (now < t->end_ns || (!t->ops && !t->failed));
}

/* For operations that are timed one by one. True: measure another one; there is at least one. */
static inline bool bench_again(const struct bench_thread *t)
{
	return !cli_interrupted() && (clock_ns() < t->end_ns || (!t->ops && !t->failed));
}

/* Starts the time of the row: what the thread did before was preparation. */
static inline void bench_begin(struct bench_thread *t)
{
	t->last_ns = 0;
	t->end_ns = clock_ns() + t->row_ns;
}

/* For operations that are timed one by one: adds a sample. */
static inline void bench_sample(struct bench_thread *t, u64 ns, u64 n)
{
	histogram_add(t->hist, (double)ns / (double)n);
	t->ops += n;
	t->ns += ns;
}

/* A random number; the sequence is the same in every run. */
static inline u64 bench_random(struct bench_thread *t)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 7;
	return t->seed ^= t->seed << 17;
}

/* Ends the thread's run with an error message. */
void bench_fail(struct bench_thread *t, const char *what);

/* Forces the compiler to compute x, and to assume that memory was read and written. */
#define bench_keep(x) __asm__ volatile("" : : "r"(x) : "memory")

#endif
