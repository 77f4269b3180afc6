/* SPDX-License-Identifier: BSD-2-Clause */
/* Syncs: which bytes they copy and which they leave unchanged. */
#include "contract.h"

/*
 * The kinds of memory whose mappings transfer stores only by syncs differ; each test queries the
 * library.
 */
static struct buffer b;
static dma_addr_t addr;

static void map(enum kind kind, size_t offset, size_t size, enum dma_data_direction dir)
{
	b = buffer_get(kind, offset + size + 64);
	fill(b.cpu, b.size, 1);
	addr = dma_map_single(dev, b.cpu + offset, size, dir);
	if (dma_mapping_error(dev, addr))
		fail_msg("%s", dmamap_strerror());
}

static void unmap(size_t size, enum dma_data_direction dir)
{
	dma_unmap_single(dev, addr, size, dir);
	buffer_put(&b);
}

static void device_fills(dma_addr_t at, size_t n, u32 seed)
{
	u8 *bytes = malloc(n);

	assert_non_null(bytes);
	fill(bytes, n, seed);
	device_writes(at, bytes, n);
	free(bytes);
}

static bool device_sees_part(dma_addr_t at, size_t n, u32 seed, size_t from)
{
	u8 *seen = malloc(n);
	bool same;

	assert_non_null(seen);
	device_reads(at, seen, n);
	same = holds_part(seen, n, seed, from);
	free(seen);
	return same;
}

/* If the library reports that no sync is needed, none is. */
static void test_need_sync_is_exact(void **state)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		map(kind, 0, 5000, DMA_BIDIRECTIONAL);
		if (!dma_need_sync(dev, addr)) {
			fill(b.cpu, 5000, 2);
			assert_true(device_sees(addr, 5000, 2));
			device_fills(addr, 5000, 3);
			assert_true(holds(b.cpu, 5000, 3));
		} else {
			assert_true(dma_dev_need_sync(dev));
		}
		if (!is_coherent())
			assert_true(dma_need_sync(dev, addr));
		unmap(5000, DMA_BIDIRECTIONAL);
	}
}

static void test_hand_over_and_back(void **state)
{
	static const size_t sizes[] = {64, 200, 4096, 9000, 70000};

	for (enum kind kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < COUNT(sizes); i++) {
			size_t n = sizes[i];

			map(kind, 64, n, DMA_BIDIRECTIONAL);
			for (u32 round = 10; round < 14; round++) {
				device_fills(addr, n, round);
				dma_sync_single_for_cpu(dev, addr, n, DMA_BIDIRECTIONAL);
				assert_true(holds(b.cpu + 64, n, round));
				fill(b.cpu + 64, n, round + 100);
				dma_sync_single_for_device(dev, addr, n, DMA_BIDIRECTIONAL);
				assert_true(device_sees(addr, n, round + 100));
			}
			assert_true(holds(b.cpu, 64, 1));
			unmap(n, DMA_BIDIRECTIONAL);
		}
}

/*
 * Lines of 64 bytes: the range consists of whole lines, so that every machine copies the same
 * bytes.
 */
static void partial_to_cpu(enum kind kind, size_t n, size_t from, size_t part)
{
	bool apart;

	map(kind, 0, n, DMA_FROM_DEVICE);
	apart = dma_need_sync(dev, addr);
	device_fills(addr, n, 2);
	dma_sync_single_range_for_cpu(dev, addr, from, part, DMA_FROM_DEVICE);
	assert_true(holds_part(b.cpu + from, part, 2, from));
	if (apart) {
		assert_true(holds(b.cpu, from, 1));
		assert_true(holds_part(b.cpu + from + part, n - from - part, 1, from + part));
	}
	dma_unmap_single(dev, addr, n, DMA_FROM_DEVICE);
	assert_true(holds(b.cpu, n, 2));
	buffer_put(&b);
}

static void partial_to_device(enum kind kind, size_t n, size_t from, size_t part)
{
	bool apart;

	map(kind, 0, n, DMA_TO_DEVICE);
	apart = dma_need_sync(dev, addr);
	fill(b.cpu, n, 2);
	dma_sync_single_range_for_device(dev, addr, from, part, DMA_TO_DEVICE);
	assert_true(device_sees_part(addr + from, part, 2, from));
	if (apart && from)
		assert_true(device_sees_part(addr, from, 1, 0));
	if (apart && n > from + part)
		assert_true(device_sees_part(addr + from + part, n - from - part, 1, from + part));
	dma_unmap_single(dev, addr, n, DMA_TO_DEVICE);
	assert_true(holds(b.cpu, n, 2));
	buffer_put(&b);
}

static void test_a_part_carries_only_its_range(void **state)
{
	static const struct {
		size_t n, from, part;
	} c[] = {{4096, 64, 128},     {4096, 0, 64},	     {4096, 4032, 64},	{10000, 4032, 128},
		 {10048, 8192, 1856}, {60032, 20032, 30016}, {3072, 2048, 1024}};

	for (enum kind kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < COUNT(c); i++) {
			partial_to_cpu(kind, c[i].n, c[i].from, c[i].part);
			partial_to_device(kind, c[i].n, c[i].from, c[i].part);
		}
}

/* Where bytes are copied and the machine is coherent, a range is exact to the byte. */
static void test_a_bounced_part_is_exact(void **state)
{
	for (enum kind kind = 0; kind < KINDS && is_coherent(); kind++) {
		map(kind, 0, 3000, DMA_BIDIRECTIONAL);
		if (dma_need_sync(dev, addr)) {
			device_fills(addr, 3000, 2);
			dma_sync_single_for_cpu(dev, addr + 1001, 7, DMA_BIDIRECTIONAL);
			assert_true(holds(b.cpu, 1001, 1));
			assert_true(holds_part(b.cpu + 1001, 7, 2, 1001));
			assert_true(holds_part(b.cpu + 1008, 3000 - 1008, 1, 1008));
			fill(b.cpu, 3000, 3);
			dma_sync_single_for_device(dev, addr + 5, 1, DMA_BIDIRECTIONAL);
			assert_true(device_sees_part(addr, 5, 2, 0));
			assert_true(device_sees_part(addr + 5, 1, 3, 5));
			assert_true(device_sees_part(addr + 6, 2994, 2, 6));
		}
		unmap(3000, DMA_BIDIRECTIONAL);
	}
}

/*
 * TO_DEVICE: nothing is copied back. The CPU's later stores stay, whatever the device's view
 * contains.
 */
static void test_nothing_comes_back_to_device(void **state)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		map(kind, 0, 5000, DMA_TO_DEVICE);
		fill(b.cpu, 5000, 2);
		dma_sync_single_for_cpu(dev, addr, 5000, DMA_TO_DEVICE);
		assert_true(holds(b.cpu, 5000, 2));
		dma_unmap_single(dev, addr, 5000, DMA_TO_DEVICE);
		assert_true(holds(b.cpu, 5000, 2));
		buffer_put(&b);
	}
}

/* FROM_DEVICE on a coherent machine: for_device copies nothing. */
static void test_for_device_of_from_device(void **state)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		map(kind, 0, 4096, DMA_FROM_DEVICE);
		device_fills(addr, 4096, 2);
		dma_sync_single_for_cpu(dev, addr, 4096, DMA_FROM_DEVICE);
		assert_true(holds(b.cpu, 4096, 2));
		/*
		 * the CPU's stores in between are a mistake of the driver: they may or may not stay
		 */
		dma_sync_single_for_device(dev, addr, 4096, DMA_FROM_DEVICE);
		device_fills(addr, 64, 3);
		dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
		assert_true(holds(b.cpu, 64, 3));
		assert_true(holds_part(b.cpu + 64, 4096 - 64, 2, 64));
		buffer_put(&b);
	}
}

/* coherent=0: neither side sees the other's stores until a sync copies them. */
static void test_views_are_apart(void **state)
{
	for (enum kind kind = 0; kind < KINDS && !is_coherent(); kind++) {
		map(kind, 0, 8192, DMA_BIDIRECTIONAL);
		fill(b.cpu, 8192, 2);
		assert_true(device_sees(addr, 8192, 1));
		device_fills(addr, 4096, 3);
		assert_true(holds(b.cpu, 8192, 2));
		dma_sync_single_for_cpu(dev, addr, 8192, DMA_BIDIRECTIONAL);
		assert_true(holds(b.cpu, 4096, 3));
		assert_true(holds_part(b.cpu + 4096, 4096, 1, 4096));
		unmap(8192, DMA_BIDIRECTIONAL);
	}
}

/* coherent=0: for_device copies in every direction, so that a short write leaves the rest. */
static void test_for_device_carries_in_every_direction(void **state)
{
	for (enum kind kind = 0; kind < KINDS && !is_coherent(); kind++) {
		map(kind, 0, 4096, DMA_FROM_DEVICE);
		fill(b.cpu, 4096, 2);
		dma_sync_single_for_device(dev, addr, 4096, DMA_FROM_DEVICE);
		device_fills(addr, 100, 3);
		dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
		assert_true(holds(b.cpu, 100, 3));
		assert_true(holds_part(b.cpu + 100, 3996, 2, 100));
		buffer_put(&b);
	}
}

/*
 * coherent=0: data that shares a cache line with a mapped buffer is damaged. The CPU stores beside
 * the buffer while it is mapped; unmap copies the line back, with the old neighbour.
 */
static void test_a_shared_line_is_damaged(void **state)
{
	for (enum kind kind = 0; kind < KINDS && !is_coherent() && !is_untrusted(); kind++) {
		map(kind, 96, 32, DMA_FROM_DEVICE);
		b.cpu[64] = 0xaa;
		b.cpu[63] = 0xbb;
		device_fills(addr, 32, 2);
		dma_unmap_single(dev, addr, 32, DMA_FROM_DEVICE);
		assert_true(holds(b.cpu + 96, 32, 2));
		assert_true(holds_part(b.cpu + 64, 32, 1, 64)); /* 0xaa is lost */
		assert_int_equal(b.cpu[63], 0xbb); /* another line's data is not lost */
		assert_true(holds_part(b.cpu + 128, 64, 1, 128));
		buffer_put(&b);
	}
}

static void test_misuse(void **state)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		map(kind, 0, 4096, DMA_BIDIRECTIONAL);
		device_fills(addr, 4096, 2);
		dma_sync_single_for_cpu(dev, addr, 4096, DMA_BIDIRECTIONAL);
		fill(b.cpu, 4096, 3);
		/* beyond the end: bytes of the mapping may be copied, but no others */
		dma_sync_single_for_cpu(dev, addr + 8192, 64, DMA_BIDIRECTIONAL);
		if (protects_ram() && protects_other_memory() && !is_lazy())
			reported(DMAMAP_CHECK_SYNC_NOT_MAPPED);
		reports_forget();
		dma_sync_single_for_cpu(dev, addr, 64, DMA_NONE);
		dma_sync_single_for_cpu(dev, addr, 0, DMA_BIDIRECTIONAL);
		dma_sync_single_for_device(dev, NOWHERE, 64, DMA_BIDIRECTIONAL);
		reports_forget();
		assert_true(holds(b.cpu, 4096, 3));
		dma_sync_single_for_device(dev, addr, 4096, DMA_BIDIRECTIONAL);
		assert_true(device_sees(addr, 4096, 3));
		unmap(4096, DMA_BIDIRECTIONAL);
	}
}

const struct CMUnitTest sync_tests[] = {
	contract_test(test_need_sync_is_exact),
	contract_test(test_hand_over_and_back),
	contract_test(test_a_part_carries_only_its_range),
	contract_test(test_a_bounced_part_is_exact),
	contract_test(test_nothing_comes_back_to_device),
	contract_test(test_for_device_of_from_device),
	contract_test(test_views_are_apart),
	contract_test(test_for_device_carries_in_every_direction),
	contract_test(test_a_shared_line_is_damaged),
	contract_test(test_misuse),
};
const size_t n_sync_tests = COUNT(sync_tests);
