/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap bench`: options, the table, the document. */
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
	{"seconds", 's', "S", 0, "For all rows together, without setting up (default 2)", 0},
	{0},
};

static const char doc[] =
	"Speeds, in nanoseconds for each operation.\v"
	"map        dma_map_single and unmap of 4 KiB, dma_map_sg of 64 pages, the page table "
	"alone\n"
	"iova       the allocator of device address space; a crowded one\n"
	"dmapool    dma_pool_alloc and dma_pool_free\n"
	"translate  the device's side: translation, a bus read of 8 bytes\n"
	"swiotlb    a bounced mapping beside a plain copy of its size\n"
	"xsk        packet buffers: off the fill ring, the whole round, freed and taken again\n"
	"twostep    transfers of 4 KiB to 1 MiB of scattered pages: map_page, map_sg, two-step "
	"mappings\n"
	"odp        on-demand paging: faults, invalidations, kept mappings, the interval tree\n"
	"check      what the checker costs: a mapping and its unmap with it off, on, and on with "
	"stacks\n"
	"\n"
	"A sample is the time of a batch divided by its operations: 64 to 4096 of them, so that "
	"reading the "
	"clock does not count; in a crowded address space it is one allocation. mean is of all "
	"operations, p50, "
	"p99, p99.9 and max are of samples; of several threads they are what each thread saw.\n"
	"\n"
	"DMAMAP_PEERS in the environment names a program that measures other implementations: it "
	"is called "
	"with --quick and names, and prints one JSON object with name, threads, ops, mean_ns, "
	"median_ns and "
	"max_ns in each line. Its rows follow, their names beginning with \"peer:\". --device "
	"replaces the "
	"devices that rows are measured on; iova needs none. Rows that a device cannot have are "
	"left "
	"out, and standard error says why.";

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
		argp_error(state, "say what: map, iova, dmapool, translate, swiotlb, xsk, twostep, "
				  "odp or check");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	options, cmd_bench_parse, "map|iova|dmapool|translate|swiotlb|xsk|twostep|odp",
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
			"dmamap bench: no benchmark '%s': map, iova, dmapool, translate, swiotlb, "
			"xsk, twostep, odp, check\n",
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
