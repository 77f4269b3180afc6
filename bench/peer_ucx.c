/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The alternative to policy=persistent: the registration cache of UCX, from Debian's libucx-dev.
 * Measures get and put of a region that is already registered, among as many regions and in the
 * same order as `dmamap bench odp`, to whose rows its own are added:
 *
 *    DMAMAP_PEERS=build/bench/peer-ucx build/cli/dmamap bench odp
 *
 * It is a separate program, since UCX patches the C library's memory functions in its process. Its
 * arguments are the names that DMAMAP_PEERS passes; if none is ucx, nothing is measured.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucm/api/ucm.h>
#include <ucs/memory/rcache.h>

#define LENGTH	  4096ul
#define STRIDE	  8192ul
#define BATCH	  1024
#define REPEATS	  9
#define REPEAT_NS 25000000ull

static ucs_status_t reg(void *context, ucs_rcache_t *cache, void *arg, ucs_rcache_region_t *region,
			uint16_t flags)
{
	return UCS_OK;
}

static void dereg(void *context, ucs_rcache_t *cache, ucs_rcache_region_t *region)
{
}

static void dump(void *context, ucs_rcache_t *cache, ucs_rcache_region_t *region, char *text,
		 size_t size)
{
}

static uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void get_put(ucs_rcache_t *cache, char *p)
{
	ucs_rcache_region_t *region;

	if (ucs_rcache_get(cache, p, LENGTH, PROT_READ | PROT_WRITE, NULL, &region) != UCS_OK) {
		fprintf(stderr, "peer-ucx: ucs_rcache_get failed\n");
		exit(1);
	}
	ucs_rcache_region_put(cache, region);
}

static double repeat(ucs_rcache_t *cache, char *p, uint64_t regions, uint64_t *ops)
{
	uint64_t start = clock_now(), now = start, next = 0, n = 0;

	for (; now - start < REPEAT_NS; now = clock_now(), n += BATCH)
		for (int i = 0; i < BATCH; i++) {
			next = (next + 7919) % regions;
			get_put(cache, p + next * STRIDE);
		}
	*ops += n;
	return (double)(now - start) / (double)n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void row(ucs_rcache_t *cache, uint64_t regions)
{
	double ns[REPEATS], sum = 0;
	uint64_t ops = 0;
	char *p = mmap(NULL, regions * STRIDE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("peer-ucx: mmap");
		exit(1);
	}
	for (uint64_t i = 0; i < regions; i++)
		get_put(cache, p + i * STRIDE);
	for (int i = 0; i < REPEATS; i++)
		sum += ns[i] = repeat(cache, p, regions, &ops);
	qsort(ns, REPEATS, sizeof(ns[0]), compare);
	printf("{\"name\":\"peer:ucx-" UCX_VERSION
	       " cache, get and put, %llu region%s\",\"threads\":1,"
	       "\"ops\":%llu,\"mean_ns\":%.2f,\"min_ns\":%.2f,\"median_ns\":%.2f,\"max_ns\":%.2f}"
	       "\n",
	       (unsigned long long)regions, regions == 1 ? "" : "s", (unsigned long long)ops,
	       sum / REPEATS, ns[0], ns[REPEATS / 2], ns[REPEATS - 1]);
	fflush(stdout);
	munmap(p, regions * STRIDE);
}

static int asked_for(int argc, char **argv)
{
	int names = 0;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "ucx"))
			return 1;
		names += argv[i][0] != '-';
	}
	return !names;
}

int main(int argc, char **argv)
{
	static ucs_rcache_ops_t ops = {.mem_reg = reg, .mem_dereg = dereg, .dump_region = dump};
	static ucs_rcache_params_t params = {
		.region_struct_size = sizeof(ucs_rcache_region_t),
		.alignment = 64,
		.max_alignment = 4096,
		.ops = &ops,
		.ucm_events = UCM_EVENT_VM_UNMAPPED,
		.ucm_event_priority = 1000,
		.flags = UCS_RCACHE_FLAG_NO_PFN_CHECK,
		.max_regions = 1ul << 20,
		.max_size = SIZE_MAX,
		.max_unreleased = SIZE_MAX,
	};
	static const uint64_t regions[] = {1, 1024, 16384};

	for (int i = 0; asked_for(argc, argv) && i < 3; i++) {
		ucs_rcache_t *cache;

		if (ucs_rcache_create(&params, "peer", NULL, &cache) != UCS_OK) {
			fprintf(stderr, "peer-ucx: ucs_rcache_create failed\n");
			return 1;
		}
		row(cache, regions[i]);
		ucs_rcache_destroy(cache);
	}
	return 0;
}
