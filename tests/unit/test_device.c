/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields of a device that all layers use (src/domain/device.c): faults, counters, threads'
 * records.
 */
#include "core_rig.h"

#include <pthread.h>

static struct device *dev;

static int setup(void **state)
{
	dev = rig_open("sim,ram=64M", ~0ull);
	return 0;
}

static int teardown(void **state)
{
	rig_fail_none();
	rig_close(dev);
	return 0;
}

static void test_faults_are_a_ring(void **state)
{
	struct dmamap_fault f;

	for (u64 round = 0; round < 5; round++) {
		/* not a divisor of the ring's size, so that it wraps everywhere */
		for (u64 i = 0; i < 100; i++)
			assert_int_equal(device_fault(dev, round * 1000 + i, i + 1, i & 1,
						      DMAMAP_FAULT_NO_READ),
					 -EFAULT);
		for (u64 i = 0; i < 100; i++) {
			assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
			assert_int_equal(f.addr, round * 1000 + i);
			assert_int_equal(f.len, i + 1);
			assert_int_equal(f.write, i & 1);
		}
		assert_int_equal(dmamap_bus_fault_next(dev, &f), 0);
	}
	assert_int_equal(rig_stats(dev).faults_lost, 0);
	for (u64 i = 0; i < FAULTS_KEPT + 10; i++)
		device_fault(dev, i, 1, false, DMAMAP_FAULT_NOT_MAPPED);
	assert_int_equal(rig_stats(dev).faults_lost, 10);
	for (u64 i = 0; i < FAULTS_KEPT; i++) {
		assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
		assert_int_equal(f.addr, i);
	}
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 0);
	assert_int_equal(rig_stats(dev).faults, 500 + FAULTS_KEPT + 10);
}

static void test_every_reason_has_words(void **state)
{
	char last[512] = "";

	for (int reason = DMAMAP_FAULT_NOT_MAPPED; reason <= DMAMAP_FAULT_GONE; reason++) {
		device_fault(dev, 0x1000, 8, true, (enum dmamap_fault_reason)reason);
		assert_string_not_equal(dmamap_strerror(), last);
		assert_non_null(strstr(dmamap_strerror(), "0x1000"));
		snprintf(last, sizeof(last), "%s", dmamap_strerror());
	}
}

static void test_stuck(void **state)
{
	u8 byte;

	assert_int_equal(dmamap_bus_read(dev, 0x1000, &byte, 1), -EFAULT);
	device_declare_stuck(dev, IOVA(0x1000), 4096);
	assert_true(read_once(&dev->stuck));
	assert_int_equal(dmamap_bus_read(dev, 0x1000, &byte, 1), -EFAULT);
	assert_non_null(strstr(dmamap_strerror(), "stuck"));
}

static void *map_some(void *arg)
{
	void *p = kmalloc(100, GFP_KERNEL);

	for (int i = 0; i < 10; i++) {
		dma_addr_t addr = dma_map_single(dev, p, 100, DMA_TO_DEVICE);

		if (!dma_mapping_error(dev, addr))
			dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
	}
	kfree(p);
	return NULL;
}

static void *map_some_without_memory(void *arg)
{
	fail_set(FAIL_MEMORY, &(const struct fail_rule){.every = 1});
	map_some(arg);
	fail_set(FAIL_MEMORY, NULL);
	return NULL;
}

static void run(void *(*fn)(void *))
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fn, NULL), 0);
	pthread_join(t, NULL);
}

static void test_counters_outlive_their_threads(void **state)
{
	run(map_some);
	run(map_some);
	map_some(NULL);
	assert_int_equal(rig_stats(dev).maps, 30);
	assert_int_equal(rig_stats(dev).unmaps, 30);
	assert_int_equal(rig_stats(dev).map_sizes[6], 30);
}

/* Without memory for a record of its own, a thread uses the device's counters. */
static void test_counting_without_a_record(void **state)
{
	run(map_some);
	run(map_some_without_memory);
	assert_int_equal(rig_stats(dev).maps, rig_stats(dev).unmaps);
	assert_true(rig_stats(dev).maps >= 10);
}

static void test_stats_of_an_older_program(void **state)
{
	struct dmamap_stats s;

	memset(&s, 0x77, sizeof(s));
	s.size = offsetof(struct dmamap_stats, segments);
	map_some(NULL);
	assert_int_equal(dmamap_stats(dev, &s), 0);
	assert_int_equal(s.size, offsetof(struct dmamap_stats, segments));
	assert_int_equal(s.maps, 10);
	assert_true(rig_all(&s.segments, sizeof(s) - s.size, 0x77));
	s.size = sizeof(s) + 1000; /* a newer one */
	assert_int_equal(dmamap_stats(dev, &s), 0);
	assert_int_equal(s.size, sizeof(s));
	s.size = 0;
	assert_int_equal(dmamap_stats(dev, &s), -EINVAL);
	assert_int_equal(dmamap_stats(dev, NULL), -EINVAL);
	assert_int_equal(dmamap_stats(NULL, &s), -EINVAL);
}

static pthread_barrier_t all_played;
static dma_addr_t played;

static void *play_and_end(void *arg)
{
	char byte;

	dmamap_bus_read(dev, played, &byte, 1);
	map_some(NULL);
	pthread_barrier_wait(&all_played);
	return NULL;
}

static unsigned int walked_slots(struct tslot_key *key)
{
	unsigned int n = 0;

	for (struct tslot *s = tslot_first(key); s; s = tslot_next(s))
		n++;
	return n;
}

/* An unmap, a flush and the statistics visit the live threads, not those that ended. */
static void test_threads_of_the_past_are_not_walked(void **state)
{
	enum { N = 60 };
	void *p = kmalloc(100, GFP_KERNEL);
	unsigned int ports = 0;
	pthread_t t[N];

	played = dma_map_single(dev, p, 100, DMA_TO_DEVICE);
	pthread_barrier_init(&all_played, NULL, N);
	for (int i = 0; i < N; i++)
		assert_int_equal(pthread_create(&t[i], NULL, play_and_end, NULL), 0);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	for (struct port *port = dev->domain->ports.all; port; port = port->next)
		ports++;
	assert_int_equal(ports, 0);
	assert_int_equal(walked_slots(&dev->ports), 0);
	assert_int_equal(walked_slots(&dev->threads), 1);
	assert_int_equal(walked_slots(&dev->domain->iova->key), 1);
	assert_int_equal(rig_stats(dev).maps, 10 * N + 1);
	dma_unmap_single(dev, played, 100, DMA_TO_DEVICE);
	assert_int_equal(dmamap_bus_read(dev, played, p, 1), -EFAULT);
	pthread_barrier_destroy(&all_played);
	kfree(p);
}

#define with_device(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(test_faults_are_a_ring),
		with_device(test_every_reason_has_words),
		with_device(test_stuck),
		with_device(test_counters_outlive_their_threads),
		with_device(test_counting_without_a_record),
		with_device(test_threads_of_the_past_are_not_walked),
		with_device(test_stats_of_an_older_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
