/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap bench`: options, table and document. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct benchmark {
	const char *name;
	bool (*run)(struct bench *b);
} benchmarks[] = {
	{"map", bench_map},	    {"iova", bench_iova},
	{"dmapool", bench_dmapool}, {"translate", bench_translate},
	{"swiotlb", bench_swiotlb}, {"xsk", bench_xsk},
	{"twostep", bench_twostep}, {"odp", bench_odp},
	{"check", bench_check},
};

#define N_BENCHMARKS (sizeof(benchmarks) / sizeof(benchmarks[0]))

static const struct argp_option options[] = {
	{"threads", 't', "N", 0, "Also measure in N threads at once (default 2)", 0},
	{"seconds", 's', "S", 0, "Time for all rows together, without set-up (default 2)", 0},
	{0},
};

static const char doc[] =
	"Measures speeds, in nanoseconds for each operation.\vmap        dma_map_single and unmap "
	"of 4 KiB, dma_map_sg of 64 pages, the page table alone\niova       the allocator of "
	"device address space, also if it is nearly full\ndmapool    dma_pool_alloc and "
	"dma_pool_free\ntranslate  the device's side: translation, a bus read of 8 bytes\nswiotlb  "
	"  a bounced mapping, and a plain copy of its size\nxsk        packet buffers: allocation "
	"from the fill ring, the whole round, free and reuse\ntwostep    transfers of 4 KiB to 1 "
	"MiB of scattered pages: map_page, map_sg, two-step mappings\nodp        on-demand paging: "
	"faults, invalidations, cached registrations, the interval tree\ncheck      the cost of "
	"the checker: a mapping and its unmap with it off, on, and on with stacks\n\nA sample is "
	"the time of a batch divided by its 64 to 4096 operations, so that reading the clock does "
	"not count. In a crowded address space a sample is one allocation. The mean is computed "
	"from all operations; p50, p99, p99.9 and max are computed from samples. With several "
	"threads they are what each thread measured.\n\nDMAMAP_PEERS in the environment names a "
	"program that measures other implementations. It is called with --quick and names, and "
	"prints one JSON object with name, threads, ops, mean_ns, median_ns and max_ns in each "
	"line. Its rows are printed last, with names that begin with \"peer:\". --device replaces "
	"the devices that rows are measured on; iova needs none. A row that is not possible on the "
	"device is omitted, and standard error says why.";

static error_t cmd_bench_parse(int key, char *arg, struct argp_state *state)
{
	struct bench *b = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &b->common;
		return 0;
	case 't':
		b->threads = number_option(state, "--threads", arg, 1, 64);
		return 0;
	case 's':
		b->seconds = seconds_option(state, "--seconds", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (b->what)
			argp_error(state, "one benchmark at a time: '%s' is one too many", arg);
		b->what = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give a benchmark: map, iova, dmapool, translate, swiotlb, xsk, "
				  "twostep, odp or check");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	options, cmd_bench_parse, "map|iova|dmapool|translate|swiotlb|xsk|twostep|odp|check",
	doc,	 children,	  NULL,
	NULL};

static int cmd_bench_finish_json(const struct bench *b)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array(), *r;

	for (unsigned int i = 0; i < b->n_rows; i++) {
		const struct bench_row *row = &b->rows[i];

		r = json_object_new_object();
		json_put_text(r, "name", row->name);
		json_put_u64(r, "threads", row->threads);
		json_put_u64(r, "ops", row->ops);
		json_put_number(r, "mean_ns", row->mean_ns, 2);
		json_put_number(r, "p50_ns", row->p50_ns, 2);
		json_put_number(r, "p99_ns", row->p99_ns, 2);
		json_put_number(r, "p999_ns", row->p999_ns, 2);
		json_put_number(r, "max_ns", row->max_ns, 2);
		json_object_array_add(list, r);
	}
	json_object_object_add(o, "results", list);
	if (b->memory)
		json_object_object_add(o, "memory", b->memory);
	return json_finish(o);
}

int cmd_bench(int argc, char **argv)
{
	struct bench b = {.threads = 2, .seconds = 2};
	int status = CLI_FAILED;
	size_t i;

	argp_parse(&argp, argc, argv, 0, NULL, &b);
	for (i = 0; i < N_BENCHMARKS && strcmp(benchmarks[i].name, b.what); i++)
		;
	if (i == N_BENCHMARKS) {
		fprintf(stderr,
			"dmamap bench: there is no benchmark '%s': use map, iova, dmapool, "
			"translate, swiotlb, xsk, twostep, odp or check\n",
			b.what);
		return CLI_USAGE;
	}
	signals_init();
	signals_unblock();
	if (!b.common.json)
		printf("%-54s %3s %12s %10s %10s %10s %10s %11s %10s\n", "ns for each operation",
		       "thr", "ops", "mean", "p50", "p99", "p99.9", "max", "M ops/s");
	if (benchmarks[i].run(&b)) {
		bench_peers(&b);
		status = b.common.json ? cmd_bench_finish_json(&b) : CLI_DONE;
	}
	for (unsigned int k = 0; k < b.n_rows; k++)
		free(b.rows[k].name);
	free(b.rows);
	return status;
}
