/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench-xsk [MS_PER_REPETITION]: nanoseconds per XSK buffer, one line of JSON per row. xsk_round.h
 * describes a round. "alone" is timed with the processor's time stamps around the call.
 */
#include "ticks.h"
#include "xsk_round.h"

#include <stdio.h>

#define REPETITIONS 15

enum kind { ALONE, ROUND, ROUND_RX, REUSE, KINDS };

static const char *const names[KINDS] = {"xp_alloc_batch alone", "round", "round with RX ring",
					 "xp_free + xp_alloc_batch"};
static struct ticks_rate rate;

static bool alone(struct xsk_area *a, double *ns)
{
	u64 at;
	bool ok;

	if (!xsk_app_fill(a))
		return false;
	at = ticks();
	ok = xsk_driver_alloc(a);
	*ns += ticks_ns(&rate, ticks() - at);
	if (!ok)
		return false;
	xsk_driver_write(a);
	xsk_driver_give(a);
	a->at = (a->at + XSK_BATCH) % a->chunks;
	return true;
}

/* Returns the nanoseconds per buffer of one repetition; negative: it failed. */
static double repeat(struct xsk_area *a, enum kind kind, u64 budget, u64 *ops)
{
	u64 begin = ticks_clock_ns(), took, n = 0;
	double ns = 0;
	bool ok = true;

	if (kind == REUSE)
		ok = xsk_app_fill(a) && xsk_driver_alloc(a);
	do {
		for (int i = 0; i < 16 && ok; i++)
			ok = kind == ALONE   ? alone(a, &ns)
			     : kind == REUSE ? xsk_reuse(a)
					     : xsk_round(a, kind == ROUND_RX);
		n += 16 * XSK_BATCH;
		took = ticks_clock_ns() - begin;
	} while (ok && took < budget);
	if (kind == REUSE)
		xsk_driver_give(a);
	*ops += n;
	return ok ? (kind == ALONE ? ns : (double)took) / (double)n : -1;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool row(struct xsk_area *a, enum kind kind, bool random, u64 ns)
{
	double t[REPETITIONS], mean = 0;
	u64 ops = 0;

	for (int i = 0; i < REPETITIONS; i++) {
		t[i] = repeat(a, kind, ns, &ops);
		if (t[i] < 0)
			return false;
		mean += t[i] / REPETITIONS;
	}
	qsort(t, REPETITIONS, sizeof(t[0]), compare);
	printf("{\"name\":\"xsk %s %u chunks %s: %s, batch 64\",\"threads\":1,\"ops\":%llu,"
	       "\"mean_ns\":%.2f,\"min_ns\":%.2f,\"median_ns\":%.2f,\"max_ns\":%.2f}\n",
	       a->unaligned ? "unaligned" : "aligned", a->chunks, random ? "random" : "sequential",
	       names[kind], (unsigned long long)ops, mean, t[0], t[REPETITIONS / 2],
	       t[REPETITIONS - 1]);
	fflush(stdout);
	return true;
}

static bool area(const char *spec, u32 chunks, bool unaligned, bool random, u64 ns)
{
	static struct xsk_area a;
	bool ok;

	memset(&a, 0, sizeof(a));
	a.dev = dmamap_open(spec);
	ok = a.dev && xsk_area_open(&a, chunks, unaligned, random);
	for (int kind = 0; ok && kind < KINDS; kind++)
		ok = row(&a, kind, random, ns);
	xsk_area_close(&a);
	dmamap_close(a.dev);
	return ok;
}

/* Registers 16 GiB that are never touched. */
static bool huge(void)
{
	struct xdp_umem_reg reg = {.len = 16ull << 30, .chunk_size = 4096};
	void *memory = mmap(NULL, reg.len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	double t[REPETITIONS], mean = 0;

	if (memory == MAP_FAILED)
		return false;
	reg.addr = (uintptr_t)memory;
	for (int i = 0; i < REPETITIONS; i++) {
		u64 begin = ticks_clock_ns();
		struct xdp_umem *umem = xdp_umem_create(&reg);

		t[i] = (double)(ticks_clock_ns() - begin);
		mean += t[i] / REPETITIONS;
		if (IS_ERR(umem))
			return false;
		xdp_umem_put(umem);
	}
	munmap(memory, reg.len);
	qsort(t, REPETITIONS, sizeof(t[0]), compare);
	printf("{\"name\":\"xsk register 16 "
	       "GiB\",\"threads\":1,\"ops\":%d,\"mean_ns\":%.0f,\"min_ns\":%.0f,"
	       "\"median_ns\":%.0f,\"max_ns\":%.0f}\n",
	       REPETITIONS, mean, t[0], t[REPETITIONS / 2], t[REPETITIONS - 1]);
	return true;
}

int main(int argc, char **argv)
{
	u64 ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 20) * 1000000u;
	const char *spec = argc > 2 ? argv[2] : "sim";
	bool ok = true;

	rate = ticks_calibrate();
	for (int unaligned = 0; unaligned < 2; unaligned++)
		for (u32 chunks = 4096; chunks <= 65536; chunks *= 16)
			for (int random = 0; random < 2 && ok; random++)
				ok = area(spec, chunks, unaligned, random, ns);
	ok = ok && huge();
	if (!ok)
		fprintf(stderr, "bench-xsk: %s\n", dmamap_strerror());
	return !ok;
}
