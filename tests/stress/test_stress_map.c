/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Concurrent calls on one device, in each configuration: threads map, sync, unmap, allocate and
 * free memory of their own and check each byte. Other threads make accesses of a device that reads
 * every address that was published, late or not. More threads start, do some calls and end.
 */
#include "stress.h"

enum { DRIVERS = 3, PAGE_BUFFERS = 8, KINDS = 7 };

struct shared {
	struct device *dev;
	struct dma_pool *pool;
	u64 shown[64]; /* device addresses; atomic */
	bool stop;     /* atomic */
};

struct driver {
	struct shared *s;
	pthread_t thread;
	u64 random;
	unsigned int rounds;
	u8 *buffer, *heap; /* of 64 KiB */
	u8 scratch[65536];
};

static void fill(u8 *p, size_t n, u32 seed)
{
	/* word by word, because a device may be reading them */
	for (size_t i = 0; i < n; i++)
		__atomic_store_n(&p[i], (u8)(seed + i * 7), __ATOMIC_RELAXED);
}

static bool holds(const u8 *p, size_t n, u32 seed)
{
	for (size_t i = 0; i < n; i++)
		if (__atomic_load_n(&p[i], __ATOMIC_RELAXED) != (u8)(seed + i * 7))
			return false;
	return true;
}

static void show(struct driver *d, u64 addr)
{
	__atomic_store_n(&d->s->shown[next_random(&d->random) % 64], addr, __ATOMIC_RELAXED);
}

static bool device_has(struct driver *d, dma_addr_t addr, size_t n, u32 seed)
{
	return !dmamap_bus_read(d->s->dev, addr, d->scratch, n) && holds(d->scratch, n, seed);
}

/* In both directions: the device reads what the CPU stored, and the CPU what the device wrote. */
static void one_single(struct driver *d, u8 *memory)
{
	u32 r = next_random(&d->random), seed = r >> 3;
	size_t from = 64 * (r % 64), n = 64 + 64 * (next_random(&d->random) % (r & 1 ? 8 : 400));
	dma_addr_t addr;

	fill(memory + from, n, seed);
	addr = dma_map_single(d->s->dev, memory + from, n, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(d->s->dev, addr)) {
		if (!strstr(dmamap_strerror(), "swiotlb is full"))
			went_wrong("map: %s", dmamap_strerror());
		return;
	}
	show(d, addr);
	if (!device_has(d, addr, n, seed))
		went_wrong("single: the device does not see what the CPU stored");
	fill(d->scratch, n, seed + 1);
	if (dmamap_bus_write(d->s->dev, addr, d->scratch, n))
		went_wrong("single: %s", dmamap_strerror());
	if (r & 2) {
		dma_sync_single_for_cpu(d->s->dev, addr, n, DMA_BIDIRECTIONAL);
		if (!holds(memory + from, n, seed + 1))
			went_wrong("single: a sync did not carry what the device wrote");
		fill(memory + from, n, seed + 2);
		dma_sync_single_for_device(d->s->dev, addr, n, DMA_BIDIRECTIONAL);
		if (!device_has(d, addr, n, seed + 2))
			went_wrong("single: a sync did not carry what the CPU stored");
		seed++;
	}
	dma_unmap_single(d->s->dev, addr, n, DMA_BIDIRECTIONAL);
	if (!holds(memory + from, n, seed + 1))
		went_wrong("single: unmap did not leave what the device wrote");
}

static void one_list(struct driver *d)
{
	struct scatterlist sg[10], *at;
	u32 r = next_random(&d->random);
	int n = 0, i;

	sg_init_table(sg, 10);
	for (i = 0; i < 10; i++) {
		u8 *p = (r >> i & 1 ? d->heap : d->buffer) + (9 - i) * 6144;

		fill(p, 4096, r + (u32)i);
		sg_set_buf(&sg[i], p, 4096);
	}
	n = (int)dma_map_sg(d->s->dev, sg, 10, DMA_TO_DEVICE);
	if (!n) {
		if (!strstr(dmamap_strerror(), "swiotlb is full"))
			went_wrong("list: %s", dmamap_strerror());
		return;
	}
	show(d, sg_dma_address(sg));
	i = 0;
	for_each_sg (sg, at, n, i)
		if (dmamap_bus_read(d->s->dev, sg_dma_address(at), d->scratch, sg_dma_len(at)))
			went_wrong("list: %s", dmamap_strerror());
	if (sg_dma_len(sg) == 4096 && !device_has(d, sg_dma_address(sg), 4096, r))
		went_wrong("list: the device does not see what the CPU stored");
	dma_unmap_sg(d->s->dev, sg, 10, DMA_TO_DEVICE);
}

static void one_coherent(struct driver *d)
{
	size_t size = 1 + next_random(&d->random) % 20000;
	u32 seed = next_random(&d->random);
	dma_addr_t dma;
	u8 *p = dma_alloc_coherent(d->s->dev, size, &dma, GFP_KERNEL);

	if (!p) {
		went_wrong("coherent: %s", dmamap_strerror());
		return;
	}
	show(d, dma);
	for (size_t i = 0; i < size; i += 97)
		if (p[i])
			went_wrong("coherent memory is not zero");
	fill(p, size, seed);
	if (!device_has(d, dma, size, seed))
		went_wrong("coherent: the device does not see what the CPU stored");
	dma_free_coherent(d->s->dev, size, p, dma);
}

static void some_blocks(struct driver *d)
{
	dma_addr_t dma[8];
	u8 *p[8];
	int n;

	for (n = 0; n < 8; n++) {
		p[n] = dma_pool_alloc(d->s->pool, GFP_KERNEL, &dma[n]);
		if (!p[n]) {
			went_wrong("pool: %s", dmamap_strerror());
			break;
		}
		fill(p[n], 96, (u32)dma[n] >> 4);
	}
	while (n--) {
		if (!device_has(d, dma[n], 96, (u32)dma[n] >> 4))
			went_wrong("pool: the device does not see what the CPU stored");
		dma_pool_free(d->s->pool, p[n], dma[n]);
	}
}

static void some_pages(struct driver *d)
{
	u8 *p = kmalloc(1 + next_random(&d->random) % 9000, GFP_KERNEL);
	dma_addr_t addr;

	if (!p) {
		went_wrong("kmalloc: %s", dmamap_strerror());
		return;
	}
	addr = dma_map_single(d->s->dev, p, 1, DMA_FROM_DEVICE);
	if (!dma_mapping_error(d->s->dev, addr)) {
		dmamap_bus_write(d->s->dev, addr, "\x5a", 1);
		dma_unmap_single(d->s->dev, addr, 1, DMA_FROM_DEVICE);
		if (*p != 0x5a)
			went_wrong("kmalloc: unmap did not leave what the device wrote");
	}
	kfree(p);
}

static void *drive(void *arg)
{
	struct driver *d = arg;

	for (unsigned int round = 0; round < d->rounds; round++)
		switch (next_random(&d->random) % KINDS) {
		case 0:
			one_list(d);
			break;
		case 1:
			one_coherent(d);
			break;
		case 2:
			some_blocks(d);
			break;
		case 3:
			some_pages(d);
			break;
		case 4:
			one_single(d, d->heap);
			break;
		default:
			one_single(d, d->buffer);
			break;
		}
	return NULL;
}

/* Reads odd sizes at published addresses; obtains segments and releases them. */
static void *device_main(void *arg)
{
	struct driver *d = arg;
	struct iovec iov[4];

	while (!__atomic_load_n(&d->s->stop, __ATOMIC_RELAXED)) {
		u32 r = next_random(&d->random);
		u64 addr = __atomic_load_n(&d->s->shown[r % 64], __ATOMIC_RELAXED);

		size_t n = 1 + 2 * (r >> 8 & 511);

		/* at the end of a page it would be divided into sizes that are not odd */
		addr += r % 3;
		dmamap_bus_read(d->s->dev, addr, d->scratch, (addr & 4095) + n > 4096 ? 1 : n);
		if (!(r >> 20 & 15)) {
			int held = dmamap_bus_map(d->s->dev, addr, 4096, false, iov, 4);

			if (held > 0)
				dmamap_bus_unmap(d->s->dev, iov, held, false);
			drop_faults(d->s->dev);
		}
	}
	return NULL;
}

static void driver_start(struct driver *d, struct shared *s, u32 number, unsigned int rounds)
{
	*d = (struct driver){.s = s, .random = number, .rounds = rounds};
	d->buffer = (u8 *)__get_free_pages(GFP_KERNEL, 4);
	d->heap = aligned_alloc(64, 65536);
	assert_non_null(d->buffer);
	assert_non_null(d->heap);
	start_thread(&d->thread, drive, d);
}

static void driver_end(struct driver *d)
{
	pthread_join(d->thread, NULL);
	free_pages((unsigned long)d->buffer, 4);
	free(d->heap);
}

static void everything(const char *spec, unsigned int mask_bits, unsigned int rounds)
{
	static struct driver driver[DRIVERS], device, passing;
	struct shared s = {.dev = dmamap_open(spec)};

	assert_non_null(s.dev);
	assert_int_equal(dma_set_mask_and_coherent(s.dev, DMA_BIT_MASK(mask_bits)), 0);
	s.pool = dma_pool_create("stress", s.dev, 96, 32, 4096);
	assert_non_null(s.pool);
	device = (struct driver){.s = &s, .random = 99};
	start_thread(&device.thread, device_main, &device);
	for (u32 i = 0; i < DRIVERS; i++)
		driver_start(&driver[i], &s, i, rounds);
	/* meanwhile threads start and end */
	for (u32 i = 0; i < 20; i++) {
		driver_start(&passing, &s, 1000 + i, 10);
		driver_end(&passing);
	}
	for (int i = 0; i < DRIVERS; i++)
		driver_end(&driver[i]);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	pthread_join(device.thread, NULL);
	no_trouble(spec);
	dma_pool_destroy(s.pool);
	assert_int_equal(stats_of(s.dev).maps, stats_of(s.dev).unmaps);
	assert_int_equal(stats_of(s.dev).coherent_bytes, 0);
	dmamap_close(s.dev);
}

#define stress(name, spec, mask_bits)                                                              \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		everything(spec, mask_bits, ROUNDS(1500));                                         \
	}

stress(strict, "sim,swiotlb=4M", 64) stress(narrow, "sim,swiotlb=4M",
					    26) stress(lazy, "sim,policy=lazy,swiotlb=4M", 64)
	stress(pool, "sim,policy=identity,swiotlb=4M",
	       64) stress(persistent, "sim,policy=persistent,swiotlb=4M",
			  64) stress(untrusted, "sim,untrusted=1,swiotlb=4M",
				     64) stress(direct, "sim,iommu=0,swiotlb=4M",
						64) stress(bouncing, "sim,iommu=0,swiotlb=4M", 32)
		stress(noncoherent, "sim,coherent=0,swiotlb=4M", 64)
			stress(noncoherent_lazy, "sim,coherent=0,policy=lazy,swiotlb=4M", 64)
				stress(noncoherent_direct, "sim,coherent=0,iommu=0,swiotlb=4M", 32)
					stress(checked, "sim,check=1,policy=lazy,swiotlb=4M", 64)

	/*
	 * By design the device reads late, beyond ends and against directions; nothing else is
	 * misuse.
	 */
	static void quiet(const struct dmamap_report *r, void *arg)
{
	if (r->kind < DMAMAP_CHECK_DEVICE_FAULT || r->kind > DMAMAP_CHECK_DEVICE_STALE)
		went_wrong("report: %s", r->text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_persistent),
		cmocka_unit_test(test_untrusted),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_bouncing),
		cmocka_unit_test(test_noncoherent),
		cmocka_unit_test(test_noncoherent_lazy),
		cmocka_unit_test(test_noncoherent_direct),
		cmocka_unit_test(test_checked),
	};

	dmamap_check_on_report(quiet, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
