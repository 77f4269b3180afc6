/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program unmaps each mapping twice, by two threads at the same time. One of the two calls has no
 * effect: counters stay right, and no address or slot is allocated to two mappings afterwards.
 */
#include "stress.h"

#include <sched.h>
#include <sys/mman.h>

enum { ENTRIES = 16, LATER = 512 };

struct play {
	const char *name, *spec;
	size_t size;	    /* size of the mapping, or of each entry of a list */
	bool list, foreign; /* foreign: memory outside RAM */
};

static const struct play plays[] = {
	{"a page", "sim", 4096, false, false},
	{"a lazy page", "sim,policy=lazy", 4096, false, false},
	{"many pages", "sim", 65536, false, false},
	{"whole tables", "sim", 4 << 20, false, false},
	{"whole tables, lazily", "sim,policy=lazy", 4 << 20, false, false},
	{"memory outside RAM", "sim", 8192, false, true},
	{"a list", "sim", 4096, true, false},
	{"a list of odd entries", "sim,policy=lazy", 1000, true, false},
	{"a bounced part of a page", "sim,untrusted=1", 100, false, false},
	{"a bounced list", "sim,untrusted=1", 300, true, false},
	{"a bounced mapping without an IOMMU", "sim,iommu=0", 5000, false, true},
	{"a list without an IOMMU", "sim,iommu=0", 2048, true, false},
	{"a bounced list without an IOMMU", "sim,iommu=0", 2048, true, true},
};

static const struct play *play;
static struct device *dev;
static u8 *memory;
static u64 begun, ended; /* rounds; atomic */
static struct scatterlist sgl[ENTRIES];
static dma_addr_t addr;

static void wait_for_round(const u64 *round, u64 n)
{
	for (u32 spins = 0; read_acquire(round) < n; spins++) {
		if (spins > 10000)
			sched_yield();
	}
}

static bool map_it(void)
{
	if (play->list) {
		/* every other piece of memory, so that nothing merges */
		sg_init_table(sgl, ENTRIES);
		for (size_t i = 0; i < ENTRIES; i++)
			sg_set_buf(&sgl[i], memory + i * 2 * play->size, (unsigned int)play->size);
		return dma_map_sg(dev, sgl, ENTRIES, DMA_BIDIRECTIONAL) != 0;
	}
	addr = dma_map_single(dev, memory, play->size, DMA_BIDIRECTIONAL);
	return !dma_mapping_error(dev, addr);
}

static void unmap_it(void)
{
	if (play->list)
		dma_unmap_sg(dev, sgl, ENTRIES, DMA_BIDIRECTIONAL);
	else
		dma_unmap_single(dev, addr, play->size, DMA_BIDIRECTIONAL);
}

static void *unmap_each_round(void *arg)
{
	u64 rounds = *(u64 *)arg;

	for (u64 n = 1; n <= rounds; n++) {
		wait_for_round(&begun, n);
		unmap_it();
		write_release(&ended, n);
	}
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	dma_addr_t x = *(const dma_addr_t *)a, y = *(const dma_addr_t *)b;

	return x < y ? -1 : x > y;
}

/* The number of mappings that fit, at most LATER; each has an address of its own. */
static int map_many(void)
{
	static dma_addr_t at[LATER];
	size_t size = play->size < 65536 ? play->size : 65536;
	int n;

	for (n = 0; n < LATER; n++) {
		at[n] = dma_map_single(dev, memory, size, DMA_TO_DEVICE);
		if (dma_mapping_error(dev, at[n]))
			break;
	}
	qsort(at, (size_t)n, sizeof(at[0]), by_value);
	/* without an IOMMU RAM has its own address */
	for (int i = 1; i < n && (strstr(play->spec, "iommu=0") == NULL || play->foreign); i++)
		if (at[i] - at[i - 1] < size)
			went_wrong("%s: two mappings overlap at %#llx", play->name,
				   (unsigned long long)at[i]);
	for (int i = 0; i < n; i++)
		dma_unmap_single(dev, at[i], size, DMA_TO_DEVICE);
	return n;
}

static void get_memory(size_t size)
{
	struct page *page;

	if (play->foreign) {
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);
		assert_ptr_not_equal(memory, MAP_FAILED);
		return;
	}
	page = alloc_pages(GFP_KERNEL, (unsigned int)get_order(size));
	assert_non_null(page);
	memory = page_address(page);
}

static void put_memory(size_t size)
{
	if (play->foreign)
		munmap(memory, size);
	else
		__free_pages(virt_to_page(memory), (unsigned int)get_order(size));
}

static void play_rounds(u64 rounds)
{
	size_t size = play->list ? ENTRIES * 2 * play->size : play->size;
	struct dmamap_stats s;
	pthread_t t;
	int fit;

	if (size < 65536)
		size = 65536;
	begun = ended = 0;
	dev = dmamap_open(play->spec);
	assert_non_null(dev);
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	get_memory(size);
	fit = map_many();
	start_thread(&t, unmap_each_round, &rounds);
	for (u64 n = 1; n <= rounds; n++) {
		if (!map_it())
			went_wrong("%s: cannot map any more: %s", play->name, dmamap_strerror());
		write_release(&begun, n);
		for (u64 k = 0; k < n % 64; k++)
			cpu_relax();
		unmap_it();
		wait_for_round(&ended, n);
		s = stats_of(dev);
		if (s.maps != s.unmaps)
			went_wrong("%s: %llu unmaps of %llu mappings", play->name,
				   (unsigned long long)s.unmaps, (unsigned long long)s.maps);
	}
	pthread_join(t, NULL);
	if (map_many() != fit)
		went_wrong("%s: %d mappings fitted before", play->name, fit);
	put_memory(size);
	dmamap_close(dev);
	no_trouble(play->name);
}

static void test_unmaps_at_once(void **state)
{
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		play = &plays[i];
		play_rounds(ROUNDS(play->size > 1 << 20 ? 1000 : 8000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_unmaps_at_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
