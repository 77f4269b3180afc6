/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the cases of a benchmark and collects their rows, in the order of the table of cases. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int bench_histogram_index(double ns)
{
	u64 v = ns <= 0 ? 0 : ns > 1e11 ? (u64)1e11 * 16 : (u64)(ns * 16);
	unsigned int power, i;

	if (v < HIST_STEPS)
		return (unsigned int)v;
	power = 63 - (unsigned int)__builtin_clzll(v) - 6; /* v >> power is in 64 to 127 */
	i = (power + 1) * HIST_STEPS + (unsigned int)((v >> power) - HIST_STEPS);
	return i < HIST_POWERS * HIST_STEPS ? i : HIST_POWERS * HIST_STEPS - 1;
}

/* The middle of a step of the histogram. */
static double bench_histogram_value(unsigned int i)
{
	unsigned int power = i / HIST_STEPS;

	if (!power)
		return (i + 0.5) / 16;
	return ((double)(HIST_STEPS + i % HIST_STEPS) + 0.5) * (double)(1ull << (power - 1)) / 16;
}

void histogram_add(struct bench_histogram *h, double ns)
{
	h->count[bench_histogram_index(ns)]++;
	h->samples++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

void histogram_merge(struct bench_histogram *h, const struct bench_histogram *other)
{
	for (unsigned int i = 0; i < HIST_POWERS * HIST_STEPS; i++)
		h->count[i] += other->count[i];
	h->samples += other->samples;
	if (other->max_ns > h->max_ns)
		h->max_ns = other->max_ns;
}

double histogram_at(const struct bench_histogram *h, double share)
{
	double value, want = share * (double)h->samples;
	u64 seen = 0;

	for (unsigned int i = 0; i < HIST_POWERS * HIST_STEPS; i++) {
		seen += h->count[i];
		if (!h->count[i] || (double)seen < want)
			continue;
		value = bench_histogram_value(i);
		return value < h->max_ns ? value : h->max_ns;
	}
	return h->max_ns;
}

void bench_fail(struct bench_thread *t, const char *what)
{
	snprintf(t->error, sizeof(t->error), "%s: %s: %s", t->c->name, what, dmamap_strerror());
	t->failed = true;
	t->end_ns = 0;
}

struct bench_crew { /* the threads of one run */
	pthread_barrier_t ready;
	struct bench *b;
	struct bench_thread *thread;
	unsigned int n;
};

struct crew_member {
	struct bench_crew *crew;
	unsigned int index;
};

static void *bench_crew_run(void *arg)
{
	struct crew_member *m = arg;
	struct bench_thread *t = &m->crew->thread[m->index];

	pthread_barrier_wait(&m->crew->ready);
	t->row_ns = (u64)(m->crew->b->row_seconds * 1e9);
	bench_begin(t);
	t->c->run(t);
	return NULL;
}

static bool bench_row_make(struct bench *b, const struct bench_case *c,
			   const struct bench_thread *t)
{
	struct bench_histogram *h = calloc(1, sizeof(*h));
	struct bench_row row = {.name = (char *)c->name, .threads = c->threads};
	double sum = 0;

	if (!h) {
		cli_fail("bench: no memory");
		return false;
	}
	for (unsigned int i = 0; i < c->threads; i++) {
		histogram_merge(h, t[i].hist);
		row.ops += t[i].ops;
		sum += t[i].ops ? (double)t[i].ns / (double)t[i].ops : 0;
	}
	row.mean_ns = sum / c->threads;
	row.p50_ns = histogram_at(h, 0.5);
	row.p99_ns = histogram_at(h, 0.99);
	row.p999_ns = histogram_at(h, 0.999);
	row.max_ns = h->max_ns;
	free(h);
	return bench_row_add(b, &row);
}

static bool bench_threads_run(struct bench *b, struct bench_case *c, struct bench_thread *t)
{
	struct bench_crew crew = {.b = b, .thread = t, .n = c->threads};
	struct crew_member member[64];
	pthread_t id[64];

	/* The first thread is the calling one, so a run with one thread creates none. */
	pthread_barrier_init(&crew.ready, NULL, c->threads);
	for (unsigned int i = 1; i < c->threads; i++) {
		member[i] = (struct crew_member){&crew, i};
		if (pthread_create(&id[i], NULL, bench_crew_run, &member[i])) {
			/* Threads that wait at the barrier cannot be cancelled. */
			cli_fail("bench: cannot start %u threads", c->threads);
			exit(CLI_FAILED);
		}
	}
	member[0] = (struct crew_member){&crew, 0};
	bench_crew_run(&member[0]);
	for (unsigned int i = 1; i < c->threads; i++)
		pthread_join(id[i], NULL);
	pthread_barrier_destroy(&crew.ready);
	for (unsigned int i = 0; i < c->threads; i++) {
		if (t[i].failed) {
			cli_fail("%s", t[i].error);
			return false;
		}
	}
	return true;
}

static bool bench_case_measure(struct bench *b, struct bench_case *c)
{
	struct bench_thread *t = calloc(c->threads, sizeof(*t));
	bool done = t != NULL;

	for (unsigned int i = 0; t && i < c->threads; i++) {
		t[i].c = c;
		t[i].index = i;
		t[i].seed = 88172645463325252ull + i;
		t[i].hist = calloc(1, sizeof(*t[i].hist));
		done = done && t[i].hist;
	}
	if (!done)
		cli_fail("bench: no memory");
	done = done && bench_threads_run(b, c, t) && !cli_interrupted() && bench_row_make(b, c, t);
	for (unsigned int i = 0; t && i < c->threads; i++)
		free(t[i].hist);
	free(t);
	return done;
}

static bool bench_case_skip(const struct bench_case *c)
{
	fprintf(stderr, "dmamap: bench: no row \"%s\": %s\n", c->name, c->skip);
	return true;
}

static bool bench_case_run(struct bench *b, struct bench_case *c, unsigned int threads)
{
	bool done = false;

	c->threads = threads;
	c->state = NULL;
	c->dev = NULL;
	if (c->spec) {
		c->dev = device_open(b->common.device ? b->common.device : c->spec);
		if (!c->dev)
			return false;
	}
	if (c->setup && !c->setup(c))
		cli_fail("bench %s: %s", c->name, dmamap_strerror());
	else if (c->skip[0])
		done = bench_case_skip(c);
	else
		done = bench_case_measure(b, c);
	if (c->teardown)
		c->teardown(c);
	dmamap_close(c->dev);
	return done;
}

bool bench_cases(struct bench *b, struct bench_case *cases, unsigned int n)
{
	unsigned int runs = 0;
	bool done = true;

	for (unsigned int i = 0; i < n; i++)
		runs += b->threads > 1 && !cases[i].alone ? 2 : 1;
	b->row_seconds = b->seconds / runs;
	for (unsigned int i = 0; i < n && done; i++) {
		done = bench_case_run(b, &cases[i], 1);
		if (done && b->threads > 1 && !cases[i].alone)
			done = bench_case_run(b, &cases[i], b->threads);
	}
	if (cli_interrupted()) {
		cli_fail("bench %s: interrupted after %u rows", b->what, b->n_rows);
		return false;
	}
	return done;
}

bool bench_row_add(struct bench *b, const struct bench_row *row)
{
	struct bench_row *rows = realloc(b->rows, (b->n_rows + 1) * sizeof(*rows));
	char *name = strdup(row->name);

	if (rows)
		b->rows = rows;
	if (!rows || !name) {
		free(name);
		cli_fail("bench: no memory");
		return false;
	}
	rows[b->n_rows] = *row;
	rows[b->n_rows++].name = name;
	if (!b->common.json) {
		printf("%-54s %3u %12llu %10.1f %10.1f %10.1f %10.1f %11.1f %10.2f\n", row->name,
		       row->threads, (unsigned long long)row->ops, row->mean_ns, row->p50_ns,
		       row->p99_ns, row->p999_ns, row->max_ns,
		       row->mean_ns > 0 ? row->threads * 1e3 / row->mean_ns : 0);
		fflush(stdout);
	}
	return !output_lost();
}
