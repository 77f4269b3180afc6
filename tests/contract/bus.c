/* SPDX-License-Identifier: BSD-2-Clause */
/* The device's accesses. */
#include "contract.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/uio.h>

static void test_whole_or_nothing(void **state)
{
	struct buffer b = buffer_get(PAGES, 3 * 4096);
	dma_addr_t addr;

	if (protects_ram()) {
		/* two pages of three: the access exceeds the mapping */
		fill(b.cpu, b.size, 1);
		addr = dma_map_single(dev, b.cpu, 2 * 4096, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		device_is_refused(addr, 3 * 4096, true, DMAMAP_FAULT_NOT_MAPPED);
		device_is_refused(addr + 4096, 4097, true, DMAMAP_FAULT_NOT_MAPPED);
		device_is_refused(addr + 8191, 2, false, DMAMAP_FAULT_NOT_MAPPED);
		assert_true(device_sees(addr, 2 * 4096, 1));
		dma_unmap_single(dev, addr, 2 * 4096, DMA_BIDIRECTIONAL);
		assert_true(holds(b.cpu, b.size, 1));
	}
	buffer_put(&b);
}

static void test_where_nothing_is(void **state)
{
	device_is_refused(NOWHERE, 1, false, DMAMAP_FAULT_NOT_MAPPED);
	device_is_refused(NOWHERE + 4000, 5000, true, DMAMAP_FAULT_NOT_MAPPED);
	device_is_refused(bus_offset() + (1ull << 39), 8, true, DMAMAP_FAULT_NOT_MAPPED);
	device_is_refused(~0ull, 2, true, DMAMAP_FAULT_ADDRESS);
	device_is_refused(~0ull - 4096, 65536, false, DMAMAP_FAULT_ADDRESS);
	if (config->mask_bits == 40) {
		device_is_refused(1ull << 40, 1, false, DMAMAP_FAULT_ADDRESS);
		device_is_refused((1ull << 40) - 8, 9, true, DMAMAP_FAULT_ADDRESS);
		device_is_refused((1ull << 40) - 8, 8, true, DMAMAP_FAULT_NOT_MAPPED);
	} else {
		device_is_refused(1ull << 60, 1, false, DMAMAP_FAULT_NOT_MAPPED);
		device_is_refused(~0ull - 15, 16, true, DMAMAP_FAULT_NOT_MAPPED);
	}
	if (bus_offset())
		device_is_refused(0x1000, 8, true, DMAMAP_FAULT_ADDRESS);
}

static void test_no_argument(void **state)
{
	struct dmamap_fault f;
	struct iovec iov;
	u8 byte = 0;

	assert_true(dmamap_bus_read(NULL, 4096, &byte, 1) < 0);
	assert_true(dmamap_bus_write(NULL, 4096, &byte, 1) < 0);
	assert_true(dmamap_bus_read(dev, 4096, NULL, 1) < 0);
	assert_true(dmamap_bus_write(dev, 4096, NULL, 1) < 0);
	assert_int_equal(dmamap_bus_read(dev, NOWHERE, &byte, 0), 0);
	assert_int_equal(dmamap_bus_write(dev, ~0ull, &byte, 0), 0);
	assert_true(dmamap_bus_map(NULL, 4096, 1, false, &iov, 1) < 0);
	assert_true(dmamap_bus_map(dev, 4096, 1, false, NULL, 1) < 0);
	assert_true(dmamap_bus_map(dev, 4096, 1, false, &iov, 0) < 0);
	assert_true(dmamap_bus_map(dev, 4096, 0, false, &iov, 1) < 0);
	assert_true(dmamap_bus_map(dev, 4096, 1, false, &iov, -1) < 0);
	dmamap_bus_unmap(NULL, &iov, 1, true);
	dmamap_bus_unmap(dev, NULL, 1, true);
	dmamap_bus_unmap(dev, &iov, 0, true);
	assert_true(dmamap_bus_fault_next(NULL, &f) < 0);
	assert_true(dmamap_bus_fault_next(dev, NULL) < 0);
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 0);
}

/* The oldest faults are kept, in order; faults that are lost are counted. */
static void test_faults_overflow(void **state)
{
	enum { N = 1000 };
	struct dmamap_fault f;
	u64 last = 0, kept = 0;
	u8 byte;

	for (u64 i = 0; i < N; i++) {
		assert_int_equal(dmamap_bus_read(dev, NOWHERE + i, &byte, 1), -EFAULT);
		reported(DMAMAP_CHECK_DEVICE_FAULT);
	}
	assert_int_equal(stats().faults, N);
	while (dmamap_bus_fault_next(dev, &f)) {
		assert_int_equal(f.addr, NOWHERE + kept);
		assert_int_equal(f.reason, DMAMAP_FAULT_NOT_MAPPED);
		assert_true(f.when_ns >= last);
		last = f.when_ns;
		kept++;
	}
	assert_true(kept >= 16);
	assert_int_equal(stats().faults_lost, N - kept);
	/* there is space again */
	device_is_refused(NOWHERE, 8, true, DMAMAP_FAULT_NOT_MAPPED);
}

/* Accesses of every size and alignment arrive as they were made. */
static void test_sizes_and_alignments(void **state)
{
	struct buffer b = buffer_get(PAGES, 4 * 4096);
	dma_addr_t addr = dma_map_single(dev, b.cpu, b.size, DMA_BIDIRECTIONAL);
	u8 data[9000], seen[9000];

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	for (u32 i = 0; i < 400; i++) {
		size_t n = 1 + rnd(i % 4 ? 40 : 9000), at = rnd((u32)(b.size - n));

		fill(data, n, i);
		device_writes(addr + at, data, n);
		device_reads(addr + at, seen, n);
		assert_memory_equal(seen, data, n);
	}
	for (size_t n = 1; n <= 300; n++) {
		fill(data, n, (u32)n);
		device_writes(addr + 4096 - n / 2, data, n);
		device_reads(addr + 4096 - n / 2, seen, n);
		assert_memory_equal(seen, data, n);
	}
	dma_unmap_single(dev, addr, b.size, DMA_BIDIRECTIONAL);
	buffer_put(&b);
}

static void test_segments(void **state)
{
	struct buffer b = buffer_get(PAGES, 64 * KB);
	dma_addr_t addr;
	struct iovec iov[20];
	size_t sum = 0;
	int n;

	fill(b.cpu, b.size, 1);
	addr = dma_map_single(dev, b.cpu, b.size, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	n = dmamap_bus_map(dev, addr + 100, 50000, true, iov, 20);
	assert_true(n >= 1 && n <= 20);
	for (int i = 0; i < n; i++) {
		assert_true(holds_part(iov[i].iov_base, iov[i].iov_len, 1, 100 + sum));
		memset(iov[i].iov_base, 0x21, iov[i].iov_len);
		sum += iov[i].iov_len;
	}
	assert_int_equal(sum, 50000);
	dmamap_bus_unmap(dev, iov, n, true);
	dma_unmap_single(dev, addr, b.size, DMA_BIDIRECTIONAL);
	assert_true(holds(b.cpu, 100, 1));
	assert_true(all_are(b.cpu + 100, 50000, 0x21));
	assert_true(holds_part(b.cpu + 50100, b.size - 50100, 1, 50100));
	buffer_put(&b);
}

static void test_refused_segments(void **state)
{
	struct buffer b = buffer_get(PAGES, 8192);
	struct iovec iov[4], untouched = {.iov_base = &b, .iov_len = 17};
	struct dmamap_fault f;
	dma_addr_t addr;

	iov[0] = untouched;
	assert_int_equal(dmamap_bus_map(dev, NOWHERE, 64, false, iov, 4), -EFAULT);
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	assert_int_equal(f.reason, DMAMAP_FAULT_NOT_MAPPED);
	reported(DMAMAP_CHECK_DEVICE_FAULT);
	assert_int_equal(dmamap_bus_map(dev, ~0ull, 64, false, iov, 4), -EFAULT);
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	reported(DMAMAP_CHECK_DEVICE_FAULT);
	if (protects_ram()) {
		addr = dma_map_single(dev, b.cpu, 8192, DMA_TO_DEVICE);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		assert_int_equal(dmamap_bus_map(dev, addr, 8192, true, iov, 4), -EFAULT);
		assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
		assert_int_equal(f.reason, DMAMAP_FAULT_NO_WRITE);
		reported(DMAMAP_CHECK_DEVICE_DIRECTION);
		assert_int_equal(dmamap_bus_map(dev, addr, 8193, false, iov, 4), -EFAULT);
		assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
		reported(DMAMAP_CHECK_DEVICE_PAST_END);
		/* a refused call holds nothing: this returns at once */
		dma_unmap_single(dev, addr, 8192, DMA_TO_DEVICE);
	}
	buffer_put(&b);
}

/* Pages that are not adjacent: more segments than the array has entries. */
static void test_no_room_for_the_segments(void **state)
{
	struct buffer b = buffer_get(PAGES, 8 * 4096);
	struct scatterlist sg[4];
	struct iovec iov[4];
	int n;

	if (protects_ram()) {
		sg_init_table(sg, 4);
		for (int i = 0; i < 4; i++)
			sg_set_buf(&sg[i], b.cpu + (size_t)(6 - 2 * i) * 4096, 4096);
		assert_int_equal(dma_map_sg(dev, sg, 4, DMA_FROM_DEVICE), 1);
		assert_int_equal(dmamap_bus_map(dev, sg_dma_address(sg), 4 * 4096, true, iov, 3),
				 -ENOSPC);
		assert_int_equal(dmamap_bus_map(dev, sg_dma_address(sg), 2 * 4096, true, iov, 1),
				 -ENOSPC);
		n = dmamap_bus_map(dev, sg_dma_address(sg), 4 * 4096, true, iov, 4);
		assert_int_equal(n, 4);
		for (int i = 0; i < 4; i++)
			memset(iov[i].iov_base, i + 1, iov[i].iov_len);
		dmamap_bus_unmap(dev, iov, n, true);
		dma_unmap_sg(dev, sg, 4, DMA_FROM_DEVICE);
		for (int i = 0; i < 4; i++)
			assert_true(all_are(b.cpu + (size_t)(6 - 2 * i) * 4096, 4096, (u8)(i + 1)));
	}
	buffer_put(&b);
}

struct holder {
	dma_addr_t addr;
	struct iovec iov[4];
	int n;
	bool let_go; /* atomic */
};

static void *hold_for_a_while(void *arg)
{
	struct holder *h = arg;
	const struct timespec t = {.tv_nsec = 30000000};

	nanosleep(&t, NULL);
	memset(h->iov[0].iov_base, 0x44, 64);
	__atomic_store_n(&h->let_go, true, __ATOMIC_SEQ_CST);
	dmamap_bus_unmap(dev, h->iov, h->n, true);
	return NULL;
}

/*
 * A strict unmap waits for segments that are held: the device's stores are there when it returns.
 */
static void test_a_strict_unmap_waits_for_segments(void **state)
{
	struct buffer b = buffer_get(PAGES, 8192);
	struct holder h = {0};
	pthread_t thread;

	if (protects_ram() && !is_lazy()) {
		h.addr = dma_map_single(dev, b.cpu, 8192, DMA_FROM_DEVICE);
		assert_int_equal(dma_mapping_error(dev, h.addr), 0);
		h.n = dmamap_bus_map(dev, h.addr, 8192, true, h.iov, 4);
		assert_true(h.n > 0);
		assert_int_equal(pthread_create(&thread, NULL, hold_for_a_while, &h), 0);
		dma_unmap_single(dev, h.addr, 8192, DMA_FROM_DEVICE);
		assert_true(__atomic_load_n(&h.let_go, __ATOMIC_SEQ_CST));
		assert_true(all_are(b.cpu, 64, 0x44));
		pthread_join(thread, NULL);
	}
	buffer_put(&b);
}

static void *let_go_later(void *arg)
{
	struct holder *h = arg;
	const struct timespec t = {.tv_nsec = 30000000};

	nanosleep(&t, NULL);
	__atomic_store_n(&h->let_go, true, __ATOMIC_SEQ_CST);
	dmamap_bus_unmap(dev, h->iov, h->n, false);
	return NULL;
}

/* A buffer that is mapped twice: an unmap waits only for the hold of its own mapping. */
static void test_holds_of_one_buffer_are_two(void **state)
{
	struct buffer b = buffer_get(PAGES, 8192);
	struct holder h[2] = {0};
	pthread_t thread;

	if (protects_ram() && !is_lazy()) {
		for (int i = 0; i < 2; i++) {
			h[i].addr = dma_map_single(dev, b.cpu, 8192, DMA_TO_DEVICE);
			assert_int_equal(dma_mapping_error(dev, h[i].addr), 0);
			h[i].n = dmamap_bus_map(dev, h[i].addr, 8192, false, h[i].iov, 4);
			assert_true(h[i].n > 0);
		}
		dmamap_bus_unmap(dev, h[0].iov, h[0].n, false);
		dma_unmap_single(dev, h[0].addr, 8192, DMA_TO_DEVICE);
		assert_int_equal(pthread_create(&thread, NULL, let_go_later, &h[1]), 0);
		dma_unmap_single(dev, h[1].addr, 8192, DMA_TO_DEVICE);
		assert_true(__atomic_load_n(&h[1].let_go, __ATOMIC_SEQ_CST));
		pthread_join(thread, NULL);
		h[0].addr = dma_map_single(dev, b.cpu, 64, DMA_TO_DEVICE);
		assert_int_equal(dma_mapping_error(dev, h[0].addr), 0);
		device_reads(h[0].addr, b.cpu + 4096, 64); /* it was not declared stuck */
		dma_unmap_single(dev, h[0].addr, 64, DMA_TO_DEVICE);
	}
	buffer_put(&b);
}

/* After more than a second the unmap returns anyway, and the device's accesses are refused. */
static void test_a_stuck_device(void **state)
{
	struct buffer b = buffer_get(PAGES, 8192), c = buffer_get(PAGES, 4096);
	struct iovec iov[4];
	dma_addr_t addr, other;
	int n;

	if (!strcmp(config->name, "strict") && is_checked()) {
		addr = dma_map_single(dev, b.cpu, 8192, DMA_FROM_DEVICE);
		other = dma_map_single(dev, c.cpu, 4096, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, addr) | dma_mapping_error(dev, other), 0);
		n = dmamap_bus_map(dev, addr + 4096, 4096, true, iov, 4);
		assert_int_equal(n, 1);
		dma_unmap_single(dev, addr, 8192, DMA_FROM_DEVICE);
		reported(DMAMAP_CHECK_DEVICE_STUCK);
		device_is_refused(other, 64, true, DMAMAP_FAULT_STUCK);
		device_is_refused(addr, 64, false, DMAMAP_FAULT_STUCK);
		/* too late, and without effect */
		dmamap_bus_unmap(dev, iov, n, true);
		dma_unmap_single(dev, other, 4096, DMA_BIDIRECTIONAL);
	}
	buffer_put(&b);
	buffer_put(&c);
}

static void test_translations_are_cached(void **state)
{
	struct buffer b = buffer_get(PAGES, 4096);
	dma_addr_t addr = dma_map_single(dev, b.cpu, 4096, DMA_BIDIRECTIONAL);
	struct dmamap_stats before = stats(), after;
	u8 byte;

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	for (int i = 0; i < 100; i++)
		device_reads(addr + (u64)i, &byte, 1);
	after = stats();
	if (has_iommu()) {
		assert_int_equal(after.iotlb_hits + after.iotlb_misses,
				 before.iotlb_hits + before.iotlb_misses + 100);
		assert_true(after.iotlb_hits >= before.iotlb_hits + 99);
	}
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	buffer_put(&b);
}

const struct CMUnitTest bus_tests[] = {
	contract_test(test_whole_or_nothing),
	contract_test(test_where_nothing_is),
	contract_test(test_no_argument),
	contract_test(test_faults_overflow),
	contract_test(test_sizes_and_alignments),
	contract_test(test_segments),
	contract_test(test_refused_segments),
	contract_test(test_no_room_for_the_segments),
	contract_test(test_a_strict_unmap_waits_for_segments),
	contract_test(test_holds_of_one_buffer_are_two),
	contract_test(test_a_stuck_device),
	contract_test(test_translations_are_cached),
};
const size_t n_bus_tests = COUNT(bus_tests);
