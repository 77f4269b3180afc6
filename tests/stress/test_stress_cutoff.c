/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After a strict unmap the device cannot access the memory. Each driver thread owns memory whose
 * words contain their generation. They are public while the memory is mapped and secret after the
 * unmap has returned. Device threads read and write at addresses that drivers published some time
 * ago, so most accesses are late. No access may read a secret, and no secret may change.
 *
 * An address may meanwhile belong to another driver's mapping, whose contents are public.
 */
#include "stress.h"

#include <sched.h>
#include <sys/mman.h>

enum { DRIVERS = 2, DEVICES = 2, SHOWN = 4 };

#define SECRET	 (1ull << 63)
#define SCRIBBLE (1ull << 62) /* the value that devices write */

struct driver {
	struct device *dev;
	pthread_t thread;
	u64 random;
	unsigned int number, rounds;
};

static u64 shown[DRIVERS * SHOWN]; /* device addresses; atomic */
static bool stop;		   /* atomic */
static u64 late, seen;		   /* an access was refused; an access succeeded; atomic */

static void store(u64 *p, u64 v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static u64 load(u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* The first and last words of each page are enough. */
static void mark(u8 *p, size_t size, u64 value)
{
	for (size_t at = 0; at < size; at += 4096) {
		store((u64 *)(p + at), value);
		store((u64 *)(p + at + 4088), value);
	}
}

static void check_secret(const char *what, u8 *p, size_t size, u64 value)
{
	for (size_t at = 0; at < size; at += 4096)
		if (load((u64 *)(p + at)) != value || load((u64 *)(p + at + 4088)) != value)
			went_wrong("%s: the device wrote into memory that was unmapped", what);
}

/* The offset in the page of the mapping that devices access. */
static void show(struct driver *d, unsigned int slot, u64 addr)
{
	__atomic_store_n(&shown[d->number * SHOWN + slot], addr, __ATOMIC_RELEASE);
}

static void one_mapping(struct driver *d, const char *what, u8 *p, size_t size, unsigned int slot)
{
	u64 generation = next_random(&d->random);
	dma_addr_t addr;

	mark(p, size, generation);
	addr = dma_map_single(d->dev, p, size, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(d->dev, addr)) {
		went_wrong("%s: %s", what, dmamap_strerror());
		return;
	}
	show(d, slot, addr + (next_random(&d->random) % (size / 4096)) * 4096);
	for (u32 i = next_random(&d->random) % 64; i; i--)
		cpu_relax();
	dma_unmap_single(d->dev, addr, size, DMA_BIDIRECTIONAL);
	/* from here on no other thread may access it */
	mark(p, size, SECRET | generation);
	for (u32 i = next_random(&d->random) % 256; i; i--)
		cpu_relax();
	check_secret(what, p, size, SECRET | generation);
}

static void one_list(struct driver *d, u8 *p, size_t pages, unsigned int slot)
{
	struct scatterlist sg[8];
	u64 generation = next_random(&d->random);
	int n = 0;

	mark(p, pages * 4096, generation);
	sg_init_table(sg, 8);
	for (int i = 0; i < 8; i++)
		sg_set_buf(&sg[i], p + (pages - 1 - (size_t)i) * 4096, 4096);
	n = (int)dma_map_sg(d->dev, sg, 8, DMA_BIDIRECTIONAL);
	if (!n) {
		went_wrong("list: %s", dmamap_strerror());
		return;
	}
	show(d, slot, sg_dma_address(&sg[next_random(&d->random) % (u32)n]));
	dma_unmap_sg(d->dev, sg, 8, DMA_BIDIRECTIONAL);
	mark(p, pages * 4096, SECRET | generation);
	check_secret("list", p, pages * 4096, SECRET | generation);
}

/* Memory that leaves the process after the unmap: a late access would crash. */
static void one_that_goes(struct driver *d, unsigned int slot)
{
	size_t size = 4096 * (1 + next_random(&d->random) % 3);
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		went_wrong("mmap: %s", strerror(errno));
		return;
	}
	one_mapping(d, "memory that goes", p, size, slot);
	munmap(p, size);
}

static void one_coherent(struct driver *d, unsigned int slot)
{
	size_t size = 4096ul << next_random(&d->random) % 3;
	u64 generation = next_random(&d->random);
	dma_addr_t dma;
	u8 *p = dma_alloc_coherent(d->dev, size, &dma, GFP_KERNEL);

	if (!p) {
		went_wrong("coherent: %s", dmamap_strerror());
		return;
	}
	mark(p, size, generation);
	show(d, slot, dma);
	dma_free_coherent(d->dev, size, p, dma);
}

static void *drive(void *arg)
{
	struct driver *d = arg;
	/* large leaves among them: 2 MiB and a page */
	unsigned int order[SHOWN] = {0, 3, 9, 10};
	u8 *p[SHOWN];

	for (int i = 0; i < SHOWN; i++) {
		p[i] = (u8 *)__get_free_pages(GFP_KERNEL, order[i]);
		if (!p[i]) {
			went_wrong("pages: %s", dmamap_strerror());
			return NULL;
		}
	}
	for (unsigned int round = 0; round < d->rounds; round++) {
		u32 r = next_random(&d->random);

		switch (r % 8) {
		case 0:
			one_list(d, p[1], 8, 1);
			break;
		case 1:
			one_that_goes(d, 2);
			break;
		case 2:
			one_coherent(d, 3);
			break;
		case 3:
			if (!(r % 4096 / 8 % 16))
				one_mapping(d, "2 MiB and more", p[3], (2 << 20) + 4096, 3);
			break;
		case 4:
			one_mapping(d, "8 pages", p[1], 8 * 4096, 1);
			break;
		default:
			one_mapping(d, "a page", p[0], 4096, 0);
			break;
		}
	}
	for (int i = 0; i < SHOWN; i++)
		free_pages((unsigned long)p[i], order[i]);
	return NULL;
}

static void *device_main(void *arg)
{
	struct driver *d = arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		u32 r = next_random(&d->random);
		u64 addr = __atomic_load_n(&shown[r % ARRAY_SIZE(shown)], __ATOMIC_ACQUIRE);
		u64 word = SCRIBBLE | r;
		int err;

		if (!addr)
			continue;
		addr += r & 256 ? 4088 : 0;
		err = r & 512 ? dmamap_bus_write(d->dev, addr, &word, 8)
			      : dmamap_bus_read(d->dev, addr, &word, 8);
		if (!err && (word & SECRET))
			went_wrong("the device read what was secret");
		/* one of each is enough: main waits for both */
		if (!read_once(err ? &late : &seen))
			write_once(err ? &late : &seen, 1);
		if (!(r & 0xff0000))
			drop_faults(d->dev);
	}
	return NULL;
}

static void wait_for(const u64 *word)
{
	while (!read_once(word))
		sched_yield();
}

static void cut_off(const char *spec, unsigned int rounds)
{
	struct driver driver[DRIVERS], device[DEVICES];
	struct device *dev = dmamap_open(spec);
	u8 *first = (u8 *)get_zeroed_page(GFP_KERNEL);

	assert_non_null(dev);
	assert_non_null(first);
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	stop = false;
	seen = late = 0;
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		shown[i] = dma_map_single(dev, first, 4096, DMA_BIDIRECTIONAL);
	for (unsigned int i = 0; i < DEVICES; i++) {
		device[i] = (struct driver){.dev = dev, .number = i, .random = 77 + i};
		start_thread(&device[i].thread, device_main, &device[i]);
	}
	wait_for(&seen);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		dma_unmap_single(dev, read_once(&shown[i]), 4096, DMA_BIDIRECTIONAL);
	for (unsigned int i = 0; i < DRIVERS; i++) {
		driver[i] =
			(struct driver){.dev = dev, .number = i, .random = 1 + i, .rounds = rounds};
		start_thread(&driver[i].thread, drive, &driver[i]);
	}
	for (int i = 0; i < DRIVERS; i++)
		pthread_join(driver[i].thread, NULL);
	wait_for(&late); /* every published mapping is unmapped by now */
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < DEVICES; i++)
		pthread_join(device[i].thread, NULL);
	no_trouble(spec);
	assert_int_equal(stats_of(dev).maps, stats_of(dev).unmaps);
	drop_faults(dev);
	free_page((unsigned long)first);
	dmamap_close(dev);
}

static void test_strict(void **state)
{
	cut_off("sim", ROUNDS(20000));
}

static void test_high_addresses(void **state)
{
	cut_off("sim,forcedac=1,group=g", ROUNDS(10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_high_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
