/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy=persistent: which mappings are cached, for how long, and that a hit never covers less than
 * was requested.
 */
#include "base/fail.h"
#include "regcache/regcache.h"
#include "odp_stall.h"

static bool keeps; /* invalidation events arrive here */

static int setup(void **state)
{
	dev = dmamap_open("sim,policy=persistent");
	assert_non_null(dev);
	dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	keeps = dev->regcache;
	return 0;
}

static int teardown(void **state)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	dmamap_stats(dev, &s);
	assert_int_equal(s.maps, s.unmaps);
	dmamap_close(dev);
	return 0;
}

#define NEEDS_MONITOR()                                                                            \
	do {                                                                                       \
		if (!keeps) {                                                                      \
			print_message("# skipped: no invalidation events on this system\n");       \
			return;                                                                    \
		}                                                                                  \
	} while (0)

static dma_addr_t map_now(const void *p, u64 size, enum dma_data_direction dir)
{
	dma_addr_t at = dma_map_single(dev, (void *)(uintptr_t)p, size, dir);

	assert_int_equal(dma_mapping_error(dev, at), 0);
	return at;
}

/* Waits until no event is pending, so that registrations may be cached. */
static dma_addr_t map(const void *p, u64 size, enum dma_data_direction dir)
{
	while (!monitor_caught_up())
		usleep(100);
	return map_now(p, size, dir);
}

static void unmap(dma_addr_t at, u64 size, enum dma_data_direction dir)
{
	dma_unmap_single(dev, at, size, dir);
}

static u32 kept(void)
{
	u64 bytes;

	return regcache_count(dev, &bytes);
}

static bool reads(dma_addr_t at)
{
	u8 b;

	return !dmamap_bus_read(dev, at, &b, 1);
}

static bool writes(dma_addr_t at, u8 b)
{
	return !dmamap_bus_write(dev, at, &b, 1);
}

/* Finds the registration of this byte: its address may be another's by now. */
static bool shows(dma_addr_t at, u8 value)
{
	u8 b = 0;

	return !dmamap_bus_read(dev, at, &b, 1) && b == value;
}

static bool becomes(u32 count)
{
	u64 until = now_ns() + 20 * SECOND;

	while (kept() != count) {
		if (now_ns() > until)
			return false;
		usleep(200);
	}
	return true;
}

static void is_reused(void **state)
{
	u8 *p = memory(4);
	dma_addr_t a, b;

	NEEDS_MONITOR();
	a = map(p + 10, 100, DMA_TO_DEVICE);
	unmap(a, 100, DMA_TO_DEVICE);
	assert_int_equal(kept(), 1);
	assert_true(reads(a));
	/* another address in the page, still inside it */
	b = map(p + 50, 4000, DMA_TO_DEVICE);
	assert_int_equal(b, a + 40);
	unmap(b, 4000, DMA_TO_DEVICE);
	assert_int_equal(kept(), 1);
	munmap(p, 4 * PAGE);
	assert_true(becomes(0));
	assert_false(reads(a));
}

static void never_shorter_nor_weaker(void **state)
{
	u8 *p = memory(8);
	dma_addr_t a, b, c, d;

	NEEDS_MONITOR();
	a = map(p, PAGE, DMA_TO_DEVICE);
	assert_false(writes(a, 1));
	b = map(p, PAGE, DMA_FROM_DEVICE);
	assert_true(b != a);
	assert_true(writes(b, 1));
	assert_false(reads(b));
	/* longer: the short one stays for its user, and has no further hits */
	c = map(p, 4 * PAGE, DMA_TO_DEVICE);
	assert_true(c != a);
	assert_true(reads(c + 3 * PAGE));
	assert_true(reads(a));
	d = map(p, PAGE, DMA_TO_DEVICE);
	assert_int_equal(d, c);
	unmap(a, PAGE, DMA_TO_DEVICE);
	assert_false(reads(a));
	assert_true(reads(c));
	unmap(d, PAGE, DMA_TO_DEVICE);
	unmap(c, 4 * PAGE, DMA_TO_DEVICE);
	unmap(b, PAGE, DMA_FROM_DEVICE);
	/* one that overlaps is separate */
	a = map(p + 2 * PAGE, 4 * PAGE, DMA_TO_DEVICE);
	assert_int_equal(kept(), 3);
	p[5 * PAGE] = 7;
	assert_true(reads(a + 3 * PAGE));
	unmap(a, 4 * PAGE, DMA_TO_DEVICE);
	assert_true(reads(c + 3 * PAGE) && reads(a));
	/* a part is unmapped: every registration of it is removed, the others stay */
	munmap(p + 3 * PAGE, PAGE);
	assert_true(becomes(1));
	assert_true(writes(b, 1));
	munmap(p, 8 * PAGE);
}

/* The page tables of a long mapping are freed with it. */
static void tables_go_with_the_mapping(void **state)
{
	const u64 size = 16 << 20;
	u64 tables = 0;

	NEEDS_MONITOR();
	for (int round = 0; round < 3; round++) {
		u8 *p = memory(size / PAGE + 2);
		/* not where large leaves would do */
		u8 *q = p + (((uintptr_t)p + PAGE) & ((2 << 20) - 1) ? PAGE : 2 * PAGE);
		dma_addr_t at = map(q, size, DMA_BIDIRECTIONAL);

		assert_true(writes(at, 1) && writes(at + size - 1, 1));
		assert_int_equal(kept(), 1);
		unmap(at, size, DMA_BIDIRECTIONAL);
		munmap(p, size + 2 * PAGE);
		assert_true(becomes(0));
		assert_false(reads(at));
		assert_null(dev->domain->pt.limbo);
		if (!round)
			tables = dev->domain->pt.tables;
	}
	assert_true(dev->domain->pt.tables <= tables);
}

static void memory_goes_while_it_is_mapped(void **state)
{
	u8 *p = memory(2);
	dma_addr_t a, b;

	NEEDS_MONITOR();
	a = map(p, 2 * PAGE, DMA_BIDIRECTIONAL);
	assert_true(writes(a, 3));
	munmap(p, 2 * PAGE);
	assert_false(reads(a));
	assert_true(becomes(0));
	/*
	 * the same address, other memory: another registration, and the old addresses are not
	 * allocated yet
	 */
	assert_ptr_equal(mmap(p, 2 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 p);
	p[0] = 9;
	b = map(p, 2 * PAGE, DMA_BIDIRECTIONAL);
	assert_true(b != a);
	assert_true(reads(b));
	assert_false(reads(a));
	unmap(a, 2 * PAGE, DMA_BIDIRECTIONAL);
	assert_true(writes(b, 4));
	assert_int_equal(p[0], 4);
	unmap(b, 2 * PAGE, DMA_BIDIRECTIONAL);
	munmap(p, 2 * PAGE);
	assert_true(becomes(0));
}

static void invalidate_slowly(struct ib_umem *umem, unsigned long start, unsigned long end)
{
	usleep(100);
}

/*
 * A mapping of memory that replaced other memory is never removed by the event of the old memory.
 */
static void other_memory_at_once(void **state)
{
	u8 *p = memory(2), *before = memory(1), b;
	struct ib_umem *umem;

	NEEDS_MONITOR();
	/* there is always an event before that one, which takes time */
	ctx = ib_alloc_ucontext(dev, invalidate_slowly);
	umem = region(before, PAGE, ALL_ACCESS);
	for (u64 i = 0; i < 2000; i++) {
		u64 until = now_ns() + (i % 4) * 10000;
		dma_addr_t at;

		if (i % 2)
			madvise(before, PAGE, MADV_DONTNEED);
		if (i % 3)
			assert_int_equal(munmap(p, 2 * PAGE), 0);
		assert_ptr_equal(mmap(p, 2 * PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
				 p);
		p[PAGE] = (u8)i;
		at = map_now(p, 2 * PAGE, DMA_TO_DEVICE);
		do {
			b = (u8)~i;
			assert_int_equal(dmamap_bus_read(dev, at + PAGE, &b, 1), 0);
			assert_int_equal(b, (u8)i);
		} while (now_ns() < until);
		unmap(at, 2 * PAGE, DMA_TO_DEVICE);
	}
	ib_umem_release(umem);
	ib_dealloc_ucontext(ctx);
	munmap(before, PAGE);
	munmap(p, 2 * PAGE);
	assert_true(becomes(0));
}

/* The event of the earlier memory is read only after the mapping was made. */
static void an_event_in_flight_spares_newer_mappings(void **state)
{
	pthread_t t;

	NEEDS_MONITOR();
	swap_start(&t);
	for (int i = 0; i < SWAPS; i++) {
		dma_addr_t at;

		/* of the page only the record by which the monitor tracks it is kept */
		regcache_drop_idle(dev);
		unmap(map(swap.page, PAGE, DMA_TO_DEVICE), PAGE, DMA_TO_DEVICE);
		swap_memory();
		at = map_now(swap.page, PAGE, DMA_FROM_DEVICE);
		swap_ends();
		assert_true(writes(at, 5));
		assert_int_equal(swap.page[0], 5);
		unmap(at, PAGE, DMA_FROM_DEVICE);
	}
	swap_stop(t);
}

/* A mapping that is longer than its user requested loses only the unmapped part. */
static void a_neighbour_goes(void **state)
{
	u8 *p = memory(4), b = 0;
	dma_addr_t a;
	pid_t pid;

	NEEDS_MONITOR();
	p[0] = 1;
	unmap(map(p, 4 * PAGE, DMA_TO_DEVICE), 4 * PAGE, DMA_TO_DEVICE);
	a = map(p, PAGE, DMA_TO_DEVICE);
	assert_true(reads(a + 3 * PAGE));
	munmap(p + 2 * PAGE, PAGE);
	assert_true(becomes(0));
	assert_false(reads(a + 2 * PAGE));
	assert_int_equal(dmamap_bus_read(dev, a, &b, 1), 0);
	assert_int_equal(b, 1);
	pid = fork();
	if (!pid)
		child_done();
	assert_true(child_was_done(pid));
	usleep(20000);
	assert_int_equal(dmamap_bus_read(dev, a, &b, 1), 0);
	unmap(a, PAGE, DMA_TO_DEVICE);
	assert_false(reads(a));
	munmap(p, 4 * PAGE);
}

static void least_recently_used_goes(void **state)
{
	u8 *p = memory(8);
	dma_addr_t at[8];
	u64 bytes;

	NEEDS_MONITOR();
	regcache_limit(dev, 4, 1 << 30);
	for (int i = 0; i < 8; i++)
		p[i * PAGE] = (u8)(i + 1);
	for (int i = 0; i < 4; i++) {
		at[i] = map(p + i * PAGE, PAGE, DMA_TO_DEVICE);
		unmap(at[i], PAGE, DMA_TO_DEVICE);
	}
	/* page 0 is used again: page 1 is the oldest now */
	assert_int_equal(map(p, PAGE, DMA_TO_DEVICE), at[0]);
	unmap(at[0], PAGE, DMA_TO_DEVICE);
	at[4] = map(p + 4 * PAGE, PAGE, DMA_TO_DEVICE);
	assert_int_equal(kept(), 4);
	assert_false(shows(at[1], 2));
	assert_true(shows(at[0], 1) && shows(at[2], 3) && shows(at[3], 4) && shows(at[4], 5));
	/* page 4 is in use: it is never removed, whatever the limit */
	regcache_limit(dev, 2, 1 << 30);
	for (int i = 5; i < 8; i++)
		unmap(map(p + i * PAGE, PAGE, DMA_TO_DEVICE), PAGE, DMA_TO_DEVICE);
	assert_int_equal(kept(), 2);
	assert_true(shows(at[4], 5));
	unmap(at[4], PAGE, DMA_TO_DEVICE);
	/* bytes */
	regcache_limit(dev, 100, 3 * PAGE);
	unmap(map(p, 3 * PAGE, DMA_TO_DEVICE), 3 * PAGE, DMA_TO_DEVICE);
	assert_int_equal(regcache_count(dev, &bytes), 1);
	assert_int_equal(bytes, 3 * PAGE);
	/* a mapping larger than the limit is made and not cached */
	at[0] = map(p, 4 * PAGE, DMA_TO_DEVICE);
	assert_true(reads(at[0] + 3 * PAGE));
	unmap(at[0], 4 * PAGE, DMA_TO_DEVICE);
	assert_false(reads(at[0]));
	munmap(p, 8 * PAGE);
	assert_true(becomes(0));
}

/* Compared with a table of mappings: addresses of live mappings always reach their own bytes. */
static void many_at_random(void **state)
{
	enum { LIVE = 64, PAGES_ALL = 96 };
	struct {
		dma_addr_t at;
		u8 *cpu;
		u64 size;
		int dir;
	} live[LIVE] = {0};
	u64 seed = 12345;
	u8 *p = memory(PAGES_ALL), byte;

	NEEDS_MONITOR();
	regcache_limit(dev, 40, 200 * PAGE);
	for (int i = 0; i < 20000; i++) {
		int k;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		k = (int)(seed >> 33) % LIVE;
		if (live[k].cpu) {
			u64 off = (seed >> 20) % live[k].size;

			if (live[k].dir != DMA_FROM_DEVICE) {
				assert_int_equal(dmamap_bus_read(dev, live[k].at + off, &byte, 1),
						 0);
				assert_int_equal(byte, live[k].cpu[off]);
			}
			assert_int_equal(writes(live[k].at + off, (u8)i),
					 live[k].dir != DMA_TO_DEVICE);
			if (live[k].dir != DMA_TO_DEVICE)
				assert_int_equal(live[k].cpu[off], (u8)i);
			unmap(live[k].at, live[k].size, live[k].dir);
			live[k].cpu = NULL;
			continue;
		}
		live[k].cpu = p + (seed >> 13) % (PAGES_ALL / 2 * PAGE);
		live[k].size = 1 + (seed >> 40) % (PAGES_ALL / 2 * PAGE);
		live[k].dir = (int)((seed >> 9) % 3);
		live[k].at = map(live[k].cpu, live[k].size, live[k].dir);
	}
	for (int k = 0; k < LIVE; k++)
		if (live[k].cpu)
			unmap(live[k].at, live[k].size, live[k].dir);
	munmap(p, PAGES_ALL * PAGE);
	assert_true(becomes(0));
}

static u8 *shared;
static bool stop;

static void *map_and_look(void *arg)
{
	u64 seed = 7 + (u64)(uintptr_t)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		u64 page, n;
		dma_addr_t at;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		page = (seed >> 33) % 12;
		n = 1 + (seed >> 50) % 4;
		at = map_now(shared + page * PAGE, n * PAGE, DMA_TO_DEVICE);
		/* pages 0 to 7 are never removed */
		if (page + n <= 8)
			for (u64 i = 0; i < n; i++) {
				u8 b = 0;

				if (dmamap_bus_read(dev, at + i * PAGE, &b, 1) || b != page + i + 1)
					abort();
			}
		unmap(at, n * PAGE, DMA_TO_DEVICE);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[3];

	NEEDS_MONITOR();
	shared = memory(16);
	for (int i = 0; i < 16; i++)
		shared[i * PAGE] = (u8)(i + 1);
	regcache_limit(dev, 6, 1 << 30);
	stop = false;
	for (u64 i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, map_and_look, (void *)i);
	for (int i = 0; i < 300; i++) {
		madvise(shared + (8 + i % 8) * PAGE, PAGE, MADV_DONTNEED);
		usleep(1000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	munmap(shared, 16 * PAGE);
	assert_true(becomes(0));
}

static void misuse_is_named(void **state)
{
	u8 *p = memory(1);
	struct device *old = dev;
	dma_addr_t a;
	u64 before;

	NEEDS_MONITOR();
	dev = dmamap_open("sim,policy=persistent,check=1,name=checked");
	dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	dmamap_check_on_report((void (*)(const struct dmamap_report *, void *))forget, NULL);
	a = map(p, 64, DMA_TO_DEVICE);
	unmap(a, 64, DMA_TO_DEVICE);
	before = dmamap_check_count(DMAMAP_CHECK_UNMAP_TWICE);
	unmap(a, 64, DMA_TO_DEVICE);
	assert_int_equal(dmamap_check_count(DMAMAP_CHECK_UNMAP_TWICE), before + 1);
	/* an idle registration is no leak, one in use is a leak */
	before = dmamap_check_count(DMAMAP_CHECK_LEAK);
	dmamap_close(dev);
	assert_int_equal(dmamap_check_count(DMAMAP_CHECK_LEAK), before);
	dev = dmamap_open("sim,policy=persistent,check=1,name=checked");
	map(p, 64, DMA_TO_DEVICE);
	dmamap_close(dev);
	assert_true(dmamap_check_count(DMAMAP_CHECK_LEAK) > before);
	dmamap_check_on_report(NULL, NULL);
	dev = old;
	munmap(p, PAGE);
}

static void failures(void **state)
{
	static const enum fail_site sites[] = {FAIL_MEMORY, FAIL_IOVA, FAIL_PAGE, FAIL_BACKEND};
	u8 *p = memory(2), b;

	for (int i = 0; i < 4; i++)
		for (u64 nth = 1, fired = 1; fired; nth++) {
			const struct fail_rule rule = {.nth = nth};
			struct device *d;

			fail_set(sites[i], &rule);
			d = dmamap_open("sim,policy=persistent,name=failing");
			if (d) {
				dma_addr_t at;

				dma_set_mask_and_coherent(d, DMA_BIT_MASK(64));
				at = dma_map_single(d, p, 2 * PAGE, DMA_TO_DEVICE);
				if (at != DMA_MAPPING_ERROR) {
					p[PAGE] = 5;
					if (!dmamap_bus_read(d, at + PAGE, &b, 1))
						assert_int_equal(b, 5);
					dma_unmap_single(d, at, 2 * PAGE, DMA_TO_DEVICE);
				}
				dmamap_close(d);
			}
			fired = fail_fired(sites[i]);
			fail_set(sites[i], NULL);
			assert_true(nth < 300);
		}
	munmap(p, 2 * PAGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(is_reused),
		T(never_shorter_nor_weaker),
		T(tables_go_with_the_mapping),
		T(memory_goes_while_it_is_mapped),
		T(other_memory_at_once),
		T(an_event_in_flight_spares_newer_mappings),
		T(a_neighbour_goes),
		T(least_recently_used_goes),
		T(many_at_random),
		T(threads),
		T(misuse_is_named),
		T(failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
