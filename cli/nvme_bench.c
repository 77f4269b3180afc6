/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random reads: each thread has a queue of its own and keeps `qd` requests in flight, by submitting
 * a request again when it has finished. The latency of a request is the time from its submission
 * until its thread finishes it.
 */
#include "bench.h"
#include "nvme.h"

#include "base/math.h"

#include <linux/mm.h>
#include <linux/slab.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BS_DEFAULT 4096

struct nvme_bench_reader;

struct nvme_bench_read {
	struct nvme_request req;
	struct nvme_bench_reader *reader;
	u64 sent_ns;
	unsigned long buf; /* from alloc_pages */
};

struct nvme_bench_reader {
	struct nvme_session *s;
	unsigned int queue, depth, order, in_flight;
	u32 blocks;
	u64 first, places; /* reads begin at first + k * blocks, with k below places */
	u64 end_ns, seed, ops;
	struct nvme_bench_read *reads;
	struct bench_histogram hist;
	double total_ns;
	bool started, failed;
	char error[512];
};

static void nvme_bench_reader_fail(struct nvme_bench_reader *r, const char *text)
{
	if (!r->failed)
		snprintf(r->error, sizeof(r->error), "%s", text);
	r->failed = true;
}

static void nvme_bench_send(struct nvme_bench_read *x)
{
	struct nvme_bench_reader *r = x->reader;

	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	x->req.lba = r->first + r->seed % r->places * r->blocks;
	x->sent_ns = clock_ns();
	r->in_flight++;
	if (!nvme_submit(r->s->nvme, r->queue, &x->req))
		return;
	r->in_flight--;
	nvme_bench_reader_fail(r, driver_strerror());
}

/* Runs in the reader's own thread, because no other thread waits on its queue. */
static void nvme_bench_on_done(struct nvme_request *req)
{
	struct nvme_bench_read *x = req->arg;
	struct nvme_bench_reader *r = x->reader;
	u64 now = clock_ns();

	r->in_flight--;
	if (req->result == -EINTR)
		return; /* a signal ended the wait for a mapping */
	if (nvme_request_fail(r->s->nvme, req)) {
		nvme_bench_reader_fail(r, driver_strerror());
		return;
	}
	histogram_add(&r->hist, (double)(now - x->sent_ns));
	r->total_ns += (double)(now - x->sent_ns);
	r->ops++;
	if (now < r->end_ns && !r->failed && !cli_interrupted())
		nvme_bench_send(x);
}

static void *nvme_bench_reader_run(void *arg)
{
	struct nvme_bench_reader *r = arg;

	for (unsigned int i = 0; i < r->depth && !r->failed; i++) {
		struct nvme_bench_read *x = &r->reads[i];

		x->reader = r;
		x->req = (struct nvme_request){.op = NVME_READ,
					       .blocks = r->blocks,
					       .buf = (void *)x->buf,
					       .done = nvme_bench_on_done,
					       .arg = x};
		nvme_bench_send(x);
	}
	/* If the controller fails, it finishes all requests, too. */
	while (r->in_flight)
		nvme_wait(r->s->nvme, r->queue, -1);
	return NULL;
}

static bool nvme_bench_reader_init(struct nvme_bench_reader *r, struct nvme_session *s,
				   unsigned int queue, u64 bs, u64 length)
{
	r->s = s;
	r->queue = queue;
	r->depth = s->args->qd < s->info->in_flight ? s->args->qd : s->info->in_flight;
	r->blocks = (u32)(bs / s->info->block_size);
	r->first = s->args->offset / s->info->block_size;
	r->places = length / bs;
	r->seed = 88172645463325252ull + queue;
	r->order = bs > PAGE_SIZE ? log2_ceil(bs) - PAGE_SHIFT : 0;
	r->reads = calloc(r->depth, sizeof(*r->reads));
	if (!r->reads)
		return session_fail(s, "no memory for requests");
	for (unsigned int i = 0; i < r->depth; i++) {
		r->reads[i].buf = __get_free_pages(GFP_KERNEL, r->order);
		if (!r->reads[i].buf)
			return session_fail(s, "no memory for buffers: %s", dmamap_strerror());
	}
	return true;
}

static void nvme_bench_reader_fini(struct nvme_bench_reader *r)
{
	for (unsigned int i = 0; r->reads && i < r->depth; i++)
		free_pages(r->reads[i].buf, r->order);
	free(r->reads);
}

/* Combines the latencies of all threads. */
static void nvme_bench_latency_take(struct nvme_session *s, struct nvme_bench_reader *r,
				    unsigned int n)
{
	double total = 0;

	for (unsigned int i = 0; i < n; i++) {
		s->ops += r[i].ops;
		total += r[i].total_ns;
		if (i)
			histogram_merge(&r[0].hist, &r[i].hist);
		if (r[i].failed)
			session_fail(s, "%s", r[i].error);
	}
	s->latency.mean_ns = s->ops ? total / (double)s->ops : 0;
	s->latency.p50_ns = histogram_at(&r[0].hist, 0.5);
	s->latency.p99_ns = histogram_at(&r[0].hist, 0.99);
	s->latency.p999_ns = histogram_at(&r[0].hist, 0.999);
	s->latency.max_ns = r[0].hist.max_ns;
}

static void nvme_bench_readers_run(struct nvme_session *s, struct nvme_bench_reader *r,
				   unsigned int n)
{
	pthread_t id[64];
	u64 start = clock_ns();

	for (unsigned int i = 0; i < n; i++)
		r[i].end_ns = start + (u64)(s->args->seconds * 1e9);
	/* the new threads inherit the blocked signals, so this thread handles them */
	signals_init();
	for (unsigned int i = 1; i < n; i++) {
		r[i].started = !pthread_create(&id[i], NULL, nvme_bench_reader_run, &r[i]);
		if (!r[i].started)
			session_fail(s, "cannot start %u threads", n);
	}
	signals_unblock();
	nvme_bench_reader_run(&r[0]);
	for (unsigned int i = 1; i < n; i++) {
		if (r[i].started)
			pthread_join(id[i], NULL);
	}
	s->seconds = (double)(clock_ns() - start) / 1e9;
	s->stopped = cli_interrupted();
}

void nvme_bench(struct nvme_session *s)
{
	u64 size = s->info->blocks * s->info->block_size,
	    bs = s->args->bs ? s->args->bs : BS_DEFAULT;
	u64 length = s->args->has_length ? s->args->length : size - s->args->offset;
	unsigned int n = s->args->threads < s->info->queues ? s->args->threads : s->info->queues;
	struct nvme_bench_reader *r;
	bool ready = true;

	if (bs > s->info->max_bytes || bs % s->info->block_size || bs > length) {
		session_fail(
			s,
			"%s: --bs %llu is not possible: it must be a multiple of the block size, "
			"%u, and at most the limit of a request, %u, and the length, %llu",
			dev_name(s->dev), (unsigned long long)bs, s->info->block_size,
			s->info->max_bytes, (unsigned long long)length);
		return;
	}
	r = calloc(n, sizeof(*r));
	if (!r) {
		session_fail(s, "no memory");
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		ready = nvme_bench_reader_init(&r[i], s, i + 1, bs, length) && ready;
	if (ready) {
		nvme_bench_readers_run(s, r, n);
		nvme_bench_latency_take(s, r, n);
		s->bytes = s->ops * bs;
	}
	for (unsigned int i = 0; i < n; i++)
		nvme_bench_reader_fini(&r[i]);
	free(r);
}
