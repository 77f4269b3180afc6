/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measuring: a case is one operation; its function repeats it in batches until its time is over.
 * The time of a batch divided by its operations is one sample; percentiles are of samples, the mean
 * is of all operations, and of several threads it is what each thread saw.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli.h"

#include "base/clock.h"

/* A histogram of samples: 64 steps in each power of two, of 1/16 ns; so 1.6 % fine, and of any
 * length. */
#define HIST_STEPS  64
#define HIST_POWERS 42

struct histogram {
	u64 count[HIST_POWERS * HIST_STEPS];
	u64 samples;
	double max_ns;
};

void histogram_add(struct histogram *h, double ns);
void histogram_merge(struct histogram *h, const struct histogram *other);
double histogram_at(const struct histogram *h,
		    double share); /* share 0.5: the median; 0 when empty */

struct bench_case;

struct bench_thread {
	struct bench_case *c;
	unsigned int index; /* of the threads of this run */
	u64 row_ns, end_ns, last_ns;
	u64 ops, ns, seed;
	struct histogram *hist;
	bool failed; /* it left a sentence in `error` */
	char error[256];
};

struct bench_case {
	char name[96]; /* set-up may change it */
	void (*run)(struct bench_thread *t);
	bool (*setup)(struct bench_case *c);	/* false: a sentence in dmamap_strerror() */
	void (*teardown)(struct bench_case *c); /* also after a failed set-up; NULL: none */
	bool alone;				/* not worth measuring in several threads */
	const char *spec;			/* of the device it needs; --device replaces it */
	u64 a, b;				/* its own parameters */
	struct device *dev;
	unsigned int threads; /* of this run */
	void *state;
	char skip[160]; /* set-up says why the row cannot be had on this device; "": it can */
};

struct bench_row {
	char *name;
	unsigned int threads;
	u64 ops;
	double mean_ns, p50_ns, p99_ns, p999_ns, max_ns;
};

struct bench {
	struct common common;
	const char *what;
	unsigned int threads;
	double seconds;
	double row_seconds;
	struct bench_row *rows;
	unsigned int n_rows;
	struct json_object *memory; /* bytes that the ways need, for the document; NULL: not told */
};

/* bench.c: measures each case alone, and those that may in b->threads. False: one failed, said why.
 */
bool bench_cases(struct bench *b, struct bench_case *cases, unsigned int n);
bool bench_row_add(struct bench *b,
		   const struct bench_row *row); /* copies; prints it in text mode */

/* One file each. */
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

/*
 * while (bench_more(t, N)) { N operations }. The time between two calls is one sample.
 */
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
	return !interrupted() && (now < t->end_ns || (!t->ops && !t->failed));
}

/* For operations timed one by one: another? At least one is. */
static inline bool bench_again(const struct bench_thread *t)
{
	return !interrupted() && (clock_ns() < t->end_ns || (!t->ops && !t->failed));
}

/* The time starts now: what the thread did before was preparation. */
static inline void bench_begin(struct bench_thread *t)
{
	t->last_ns = 0;
	t->end_ns = clock_ns() + t->row_ns;
}

/* For operations timed one by one: the sample that has just been taken. */
static inline void bench_sample(struct bench_thread *t, u64 ns, u64 n)
{
	histogram_add(t->hist, (double)ns / (double)n);
	t->ops += n;
	t->ns += ns;
}

/* The same numbers in every run. */
static inline u64 bench_random(struct bench_thread *t)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 7;
	return t->seed ^= t->seed << 17;
}

/* Ends the thread's run with a sentence. */
void bench_fail(struct bench_thread *t, const char *what);

/* The compiler must compute x, and may not keep memory in registers. */
#define bench_keep(x) __asm__ volatile("" : : "r"(x) : "memory")

#endif
