/* SPDX-License-Identifier: BSD-2-Clause */
/* Streaming mappings of contiguous memory. */
#include "contract.h"

#include <stdio.h>
#include <time.h>

/* Three calls with the same result. */
enum door { SINGLE, PAGE, PHYSICAL, DOORS };

static dma_addr_t map_by(enum door door, u8 *p, size_t n, enum dma_data_direction dir)
{
	switch (door) {
	case SINGLE:
		return dma_map_single(dev, p, n, dir);
	case PAGE:
		return dma_map_page(dev, virt_to_page(p), offset_in_page(p), n, dir);
	default:
		return dma_map_phys(dev, virt_to_phys(p), n, dir, 0);
	}
}

static void unmap_by(enum door door, dma_addr_t addr, size_t n, enum dma_data_direction dir)
{
	switch (door) {
	case SINGLE:
		dma_unmap_single(dev, addr, n, dir);
		break;
	case PAGE:
		dma_unmap_page(dev, addr, n, dir);
		break;
	default:
		dma_unmap_phys(dev, addr, n, dir, 0);
		break;
	}
}

static dma_addr_t must_map(enum door door, u8 *p, size_t n, enum dma_data_direction dir)
{
	dma_addr_t addr = map_by(door, p, n, dir);

	if (dma_mapping_error(dev, addr))
		fail_msg("%zu bytes: %s", n, dmamap_strerror());
	assert_int_equal(live(), 1);
	return addr;
}

static void to_device(enum door door, struct buffer *b, size_t from, size_t n)
{
	dma_addr_t addr;

	fill(b->cpu, b->size, 1);
	addr = must_map(door, b->cpu + from, n, DMA_TO_DEVICE);
	{
		u8 *seen = malloc(n);

		assert_non_null(seen);
		device_reads(addr, seen, n);
		assert_true(holds_part(seen, n, 1, from));
		free(seen);
	}
	unmap_by(door, addr, n, DMA_TO_DEVICE);
	assert_true(holds(b->cpu, b->size, 1));
}

/* The device writes only a part: the rest is unchanged. */
static void from_device(enum door door, struct buffer *b, size_t from, size_t n)
{
	size_t skip = n / 3, short_n = n - n / 3 - n / 4;
	dma_addr_t addr;
	u8 *data = malloc(n);

	assert_non_null(data);
	fill(b->cpu, b->size, 2);
	fill(data, n, 3);
	addr = must_map(door, b->cpu + from, n, DMA_FROM_DEVICE);
	device_writes(addr + skip, data, short_n);
	unmap_by(door, addr, n, DMA_FROM_DEVICE);
	assert_true(holds(b->cpu, from + skip, 2));
	assert_true(holds(b->cpu + from + skip, short_n, 3));
	assert_true(holds_part(b->cpu + from + skip + short_n, b->size - from - skip - short_n, 2,
			       from + skip + short_n));
	free(data);
}

static void both_ways(enum door door, struct buffer *b, size_t from, size_t n)
{
	dma_addr_t addr;
	u8 *seen = malloc(n);

	assert_non_null(seen);
	fill(b->cpu, b->size, 4);
	addr = must_map(door, b->cpu + from, n, DMA_BIDIRECTIONAL);
	device_reads(addr, seen, n);
	assert_true(holds_part(seen, n, 4, from));
	device_writes(addr + n - 1, "\xee", 1);
	unmap_by(door, addr, n, DMA_BIDIRECTIONAL);
	assert_true(holds(b->cpu, from + n - 1, 4));
	assert_int_equal(b->cpu[from + n - 1], 0xee);
	assert_true(holds_part(b->cpu + from + n, b->size - from - n, 4, from + n));
	free(seen);
}

static void test_bytes_arrive(void **state)
{
	static const size_t sizes[] = {1, 63, 64, 2048, 4096, 4097, 10000, 100000};
	static const size_t offsets[] = {0, 1, 64, 2000, 4095};

	for (enum kind kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < COUNT(sizes); i++)
			for (size_t k = 0; k < COUNT(offsets); k++) {
				enum door door = (enum door)((i + k) % DOORS);
				struct buffer b = buffer_get(kind, sizes[i] + offsets[k] + 64);

				to_device(door, &b, offsets[k], sizes[i]);
				from_device(door, &b, offsets[k], sizes[i]);
				both_ways(door, &b, offsets[k], sizes[i]);
				buffer_put(&b);
			}
	assert_int_equal(stats().maps, stats().unmaps);
}

static void test_many_at_once_do_not_meet(void **state)
{
	enum { N = 60 };
	struct buffer b[N];
	dma_addr_t addr[N];

	for (int i = 0; i < N; i++) {
		b[i] = buffer_get((enum kind)(i % KINDS), 1 + rnd(9000));
		fill(b[i].cpu, b[i].size, (u32)i);
		addr[i] = dma_map_single(dev, b[i].cpu, b[i].size, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, addr[i]), 0);
	}
	assert_int_equal(live(), N);
	for (int i = 0; i < N; i++) {
		assert_true(device_sees(addr[i], b[i].size, (u32)i));
		fill(b[i].cpu, b[i].size, 0);
		dma_sync_single_for_device(dev, addr[i], b[i].size, DMA_BIDIRECTIONAL);
		assert_true(device_sees(addr[i], b[i].size, 0));
	}
	for (int i = N - 1; i >= 0; i--) {
		dma_unmap_single(dev, addr[i], b[i].size, DMA_BIDIRECTIONAL);
		buffer_put(&b[i]);
	}
}

static void refuses_by_direction(enum kind kind)
{
	struct buffer b = buffer_get(kind, 8192);
	dma_addr_t addr;

	fill(b.cpu, b.size, 5);
	addr = dma_map_single(dev, b.cpu, b.size, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	device_is_refused(addr, 64, true, DMAMAP_FAULT_NO_WRITE);
	device_is_refused(addr + 4000, 200, true, DMAMAP_FAULT_NO_WRITE);
	assert_true(device_sees(addr, b.size, 5));
	device_is_refused(addr + 8191, 1, true, DMAMAP_FAULT_NO_WRITE);
	dma_unmap_single(dev, addr, b.size, DMA_TO_DEVICE);
	assert_true(holds(b.cpu, b.size, 5));
	addr = dma_map_single(dev, b.cpu, b.size, DMA_FROM_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	if (refuses_reads())
		device_is_refused(addr, 64, false, DMAMAP_FAULT_NO_READ);
	device_writes(addr, "x", 1);
	if (refuses_reads())
		device_is_refused(addr + 4000, 200, false, DMAMAP_FAULT_NO_READ);
	dma_unmap_single(dev, addr, b.size, DMA_FROM_DEVICE);
	assert_int_equal(b.cpu[0], 'x');
	buffer_put(&b);
}

static void test_direction_is_honoured(void **state)
{
	if (protects_ram()) {
		refuses_by_direction(KMALLOC);
		refuses_by_direction(PAGES);
	}
	if (protects_other_memory())
		refuses_by_direction(HEAP);
}

static void dead_after_unmap(enum kind kind, size_t size)
{
	struct buffer b = buffer_get(kind, size);
	dma_addr_t addr = dma_map_single(dev, b.cpu, size, DMA_BIDIRECTIONAL);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	/* so that the translation is cached */
	device_writes(addr, "x", 1);
	device_writes(addr + size - 1, "y", 1);
	dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
	fill(b.cpu, size, 6);
	device_is_refused(addr, 1, true, DMAMAP_FAULT_NOT_MAPPED);
	device_is_refused(addr + size - 1, 1, false, DMAMAP_FAULT_NOT_MAPPED);
	if (size > 1)
		device_is_refused(addr, size, true, DMAMAP_FAULT_NOT_MAPPED);
	assert_true(holds(b.cpu, size, 6));
	buffer_put(&b);
}

static void test_strict_unmap_cuts_off(void **state)
{
	static const size_t sizes[] = {1, 4096, 8192, 64 * KB, 3 * MB};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		if (sizes[i] > dma_max_mapping_size(dev))
			continue;
		if (protects_ram() && !is_lazy())
			dead_after_unmap(PAGES, sizes[i]);
		/*
		 * it may leave the process, so its translation is removed at once, unless mappings
		 * are cached
		 */
		if (protects_other_memory() && !is_untrusted() && !keeps_other_memory())
			dead_after_unmap(HEAP, sizes[i]);
	}
}

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/*
 * Lazy: an address is allocated to no other mapping before its flush; a flush, which needs no call,
 * removes the translation.
 */
static void test_lazy_unmap_ends_by_a_flush(void **state)
{
	struct buffer b = buffer_get(PAGES, 4096), c = buffer_get(PAGES, 4096);
	u64 flushes;
	u8 byte;

	for (int i = 0; is_lazy() && i < 50; i++) {
		dma_addr_t x, y;

		flushes = stats().iotlb_flushes;
		x = dma_map_single(dev, b.cpu, b.size, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, x), 0);
		device_reads(x, &byte, 1);
		dma_unmap_single(dev, x, b.size, DMA_BIDIRECTIONAL);
		y = dma_map_single(dev, c.cpu, c.size, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, y), 0);
		if (stats().iotlb_flushes == flushes)
			assert_true(x != y);
		dma_unmap_single(dev, y, c.size, DMA_BIDIRECTIONAL);
	}
	if (is_lazy()) {
		dma_addr_t x = dma_map_single(dev, b.cpu, b.size, DMA_BIDIRECTIONAL);

		assert_int_equal(dma_mapping_error(dev, x), 0);
		device_reads(x, &byte, 1);
		flushes = stats().iotlb_flushes;
		dma_unmap_single(dev, x, b.size, DMA_BIDIRECTIONAL);
		for (int i = 0; i < 5000 && stats().iotlb_flushes == flushes; i++)
			sleep_ms(1);
		device_is_refused(x, 1, true, DMAMAP_FAULT_NOT_MAPPED);
	}
	buffer_put(&b);
	buffer_put(&c);
}

/* More lazy unmaps than any batch holds, of every size. */
static void test_many_unmaps_without_a_pause(void **state)
{
	struct buffer b = buffer_get(PAGES, 64 * KB);

	for (u32 i = 0; i < 3000; i++) {
		size_t n = 1 + rnd(64 * KB - 1);
		dma_addr_t addr = dma_map_single(dev, b.cpu, n, DMA_TO_DEVICE);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr, n, DMA_TO_DEVICE);
	}
	buffer_put(&b);
}

static void test_registers_of_another_device(void **state)
{
	const phys_addr_t window = 0xd0000000; /* no RAM is there: below 4 GiB, above 3 */
	dma_addr_t addr;

	addr = dma_map_resource(dev, window + 16, 8192, DMA_BIDIRECTIONAL, 0);
	if (!maps_registers()) {
		map_failed(addr, "registers");
		return;
	}
	if (dma_mapping_error(dev, addr))
		fail_msg("%s", dmamap_strerror());
	assert_true(addr + 8191 <= mask_of(config->mask_bits));
	/* this machine has nothing there; the access does not crash */
	if (!on_qemu())
		device_is_refused(addr, 4, true, DMAMAP_FAULT_NOT_MAPPED);
	dma_sync_single_for_cpu(dev, addr, 64, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(dev, addr, 64, DMA_BIDIRECTIONAL);
	dma_unmap_resource(dev, addr, 8192, DMA_BIDIRECTIONAL, 0);
	addr = dma_map_phys(dev, window, 4096, DMA_TO_DEVICE, DMA_ATTR_MMIO);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_unmap_phys(dev, addr, 4096, DMA_TO_DEVICE, DMA_ATTR_MMIO);
}

static void test_skip_cpu_sync(void **state)
{
	struct buffer b = buffer_get(PAGES, 8192);
	dma_addr_t addr;
	u8 seen[64];

	/* not copied by map, but by the sync that the caller makes */
	fill(b.cpu, b.size, 7);
	addr = dma_map_single_attrs(dev, b.cpu + 64, 200, DMA_BIDIRECTIONAL,
				    DMA_ATTR_SKIP_CPU_SYNC);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_sync_single_for_device(dev, addr, 200, DMA_BIDIRECTIONAL);
	device_reads(addr, seen, 64);
	assert_true(holds_part(seen, 64, 7, 64));
	fill(seen, 64, 8);
	device_writes(addr + 64, seen, 64);
	dma_sync_single_for_cpu(dev, addr, 200, DMA_BIDIRECTIONAL);
	assert_true(holds(b.cpu + 128, 64, 8));
	/* the CPU's stores since then stay: unmap copies nothing */
	memset(b.cpu + 64, 0x11, 200);
	dma_unmap_single_attrs(dev, addr, 200, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	assert_true(all_are(b.cpu + 64, 200, 0x11));
	buffer_put(&b);
}

static void test_require_coherent(void **state)
{
	struct buffer b = buffer_get(LOW_PAGES, 4096);
	dma_addr_t addr = dma_map_single_attrs(dev, b.cpu, 4096, DMA_BIDIRECTIONAL,
					       DMA_ATTR_REQUIRE_COHERENT);

	if (!is_coherent()) {
		map_failed(addr, dev_name(dev));
	} else {
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		assert_false(dma_need_sync(dev, addr));
		dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	}
	buffer_put(&b);
}

static void test_counters(void **state)
{
	struct buffer b = buffer_get(KMALLOC, 4096);
	struct dmamap_stats before = stats(), after;
	dma_addr_t addr = dma_map_single(dev, b.cpu, 3000, DMA_TO_DEVICE);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	after = stats();
	assert_int_equal(after.maps, before.maps + 1);
	assert_int_equal(after.segments, before.segments + 1);
	assert_int_equal(after.map_sizes[11], before.map_sizes[11] + 1);
	dma_unmap_single(dev, addr, 3000, DMA_TO_DEVICE);
	assert_int_equal(stats().unmaps, before.unmaps + 1);
	buffer_put(&b);
}

static void test_unmap_state(void **state)
{
	struct {
		DEFINE_DMA_UNMAP_ADDR(addr);
		DEFINE_DMA_UNMAP_LEN(len);
	} s;
	struct buffer b = buffer_get(KMALLOC, 512);
	dma_addr_t addr = dma_map_single(dev, b.cpu, 512, DMA_TO_DEVICE);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_unmap_addr_set(&s, addr, addr);
	dma_unmap_len_set(&s, len, 512);
	assert_int_equal(dma_unmap_addr(&s, addr), addr);
	dma_unmap_single(dev, dma_unmap_addr(&s, addr), dma_unmap_len(&s, len), DMA_TO_DEVICE);
	buffer_put(&b);
}

const struct CMUnitTest streaming_tests[] = {
	contract_test(test_bytes_arrive),
	contract_test(test_many_at_once_do_not_meet),
	contract_test(test_direction_is_honoured),
	contract_test(test_strict_unmap_cuts_off),
	contract_test(test_lazy_unmap_ends_by_a_flush),
	contract_test(test_many_unmaps_without_a_pause),
	contract_test(test_registers_of_another_device),
	contract_test(test_skip_cpu_sync),
	contract_test(test_require_coherent),
	contract_test(test_counters),
	contract_test(test_unmap_state),
};
const size_t n_streaming_tests = COUNT(streaming_tests);
