/* SPDX-License-Identifier: BSD-2-Clause */
/* src/map/twostep_open.c: a state belongs to one device, and to one allocation of its range. */
#include "map/twostep.h"

#include "twostep_rig.h"

#include <pthread.h>
#include <sched.h>

#define MARKS 65535

/* Every mark is assigned once; then there is none, until one is freed. */
static void every_mark_once(void **state)
{
	static struct device d = {.name = (char *)"d"};
	static const struct __dma_link_limits *limits[MARKS];
	static u64 mark[MARKS];
	static bool seen[MARKS + 1];

	for (u32 i = 0; i < MARKS; i++) {
		assert_int_equal(twostep_open(&d), 0);
		mark[i] = d.link_mark;
		limits[i] = d.link_limits;
		assert_in_range(mark[i], 1, MARKS);
		assert_false(seen[mark[i]]);
		seen[mark[i]] = true;
	}
	assert_int_equal(twostep_open(&d), -ENOSPC);
	assert_non_null(strstr(dmamap_strerror(), "open"));
	for (u32 i = 0; i < MARKS; i++) {
		d.link_mark = mark[i];
		d.link_limits = limits[i];
		twostep_close(&d);
		assert_null(d.link_limits);
		if (i)
			continue;
		assert_int_equal(twostep_open(&d), 0);
		assert_int_equal(d.link_mark, mark[0]);
		limits[0] = d.link_limits;
		twostep_close(&d);
	}
	fail_set(FAIL_MEMORY, &(struct fail_rule){.nth = 1});
	assert_int_equal(twostep_open(&d), -ENOMEM);
	fail_set(FAIL_MEMORY, NULL);
}

/* None of the calls has an effect on the state through this device. */
static void refused_by_all(struct device *other, struct dma_iova_state *st, u8 *p)
{
	const struct dma_iova_state before = *st;

	assert_int_equal(dma_iova_link(other, st, virt_to_phys(p), 0, K4, DMA_TO_DEVICE, 0),
			 -EINVAL);
	assert_int_equal(dma_iova_link(other, st, virt_to_phys(p), 0, 2 * K4, DMA_TO_DEVICE, 0),
			 -EINVAL);
	assert_int_equal(dma_iova_sync(other, st, 0, K4), -EINVAL);
	dma_iova_sync_for_cpu(other, st, 0, K4, DMA_TO_DEVICE);
	dma_iova_sync_for_device(other, st, 0, K4, DMA_TO_DEVICE);
	dma_iova_unlink(other, st, 0, K4, DMA_TO_DEVICE, 0);
	dma_iova_free(other, st);
	dma_iova_destroy(other, st, K4, DMA_TO_DEVICE, 0);
	assert_memory_equal(&before, st, sizeof(before));
}

static void another_devices_state(void **state)
{
	static const char *const specs[] = {"sim,name=o", "sim,iommu=0,name=o",
					    "sim,name=o,untrusted=1", "sim,name=o,policy=identity"};
	struct dma_iova_state st, theirs;
	u8 *p;

	open_device("sim");
	p = pages_get(1);
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct device *other = dmamap_open(specs[i]);

		assert_non_null(other);
		assert_true(dma_iova_try_alloc(dev, &st, 0, 4 * K4));
		assert_int_equal(dma_iova_link(dev, &st, virt_to_phys(p), K4, K4, DMA_TO_DEVICE, 0),
				 0);
		refused_by_all(other, &st, p); /* a device that never had a range */
		if (dma_iova_try_alloc(other, &theirs, 0, 4 * K4)) {
			refused_by_all(other, &st, p);
			refused_by_all(dev, &theirs, p);
			dma_iova_free(other, &theirs);
		}
		assert_true(refused(st.addr, 1, false));
		assert_true(device_sees(st.addr + K4, p, K4));
		dma_iova_destroy(dev, &st, 4 * K4, DMA_TO_DEVICE, 0);
		dmamap_close(other);
	}
	pages_put(p, 1);
	close_device();
}

/* In a group the page table is shared, but the state belongs to one device. */
static void a_group_shares_no_states(void **state)
{
	struct dma_iova_state st;
	struct device *other;
	u8 *p;

	open_device("sim,group=g");
	p = pages_get(0);
	other = dmamap_open("sim,group=g,name=o");
	assert_non_null(other);
	assert_true(dma_iova_try_alloc(dev, &st, 0, 4 * K4));
	refused_by_all(other, &st, p);
	dma_iova_free(dev, &st);
	dmamap_close(other);
	pages_put(p, 0);
	close_device();
}

/* A state that outlives its device is not valid for the next device. */
static void a_closed_devices_state(void **state)
{
	struct dma_iova_state st, copy;
	u8 *p;

	open_device("sim");
	assert_true(dma_iova_try_alloc(dev, &st, 0, 4 * K4));
	copy = st;
	dma_iova_free(dev, &st);
	close_device();
	open_device("sim");
	p = pages_get(0);
	refused_by_all(dev, &copy, p);
	refused_by_all(dev, &st, p);
	pages_put(p, 0);
	close_device();
}

#define ROUNDS 5000u

static struct dma_iova_state shared;
static u32 begun, ended; /* rounds; atomic */

/* Spins first, so that both threads continue at the same moment. */
static void wait_for_round(const u32 *round, u32 n)
{
	for (u32 spins = 0; read_acquire(round) < n; spins++) {
		if (spins > 10000)
			sched_yield();
	}
}

static void free_shared(u32 n)
{
	if (n & 1)
		dma_iova_destroy(dev, &shared, 2 * K4, DMA_TO_DEVICE, 0);
	else
		dma_iova_free(dev, &shared);
}

static void *free_each_round(void *arg)
{
	for (u32 n = 1; n <= ROUNDS; n++) {
		wait_for_round(&begun, n);
		free_shared(n);
		write_release(&ended, n);
	}
	return NULL;
}

/* Two threads free one range at the same time: its addresses are freed once. */
static void frees_at_once(void **state)
{
	pthread_t t;

	open_device("sim");
	begun = ended = 0;
	assert_int_equal(pthread_create(&t, NULL, free_each_round, NULL), 0);
	for (u32 n = 1; n <= ROUNDS; n++) {
		assert_true(dma_iova_try_alloc(dev, &shared, 0, 2 * K4));
		write_release(&begun, n);
		for (u32 k = 0; k < n % 128; k++)
			cpu_relax();
		free_shared(n);
		wait_for_round(&ended, n);
		assert_int_equal(stats_now().iova_ranges, 0);
	}
	pthread_join(t, NULL);
	close_device();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_mark_once),
	cmocka_unit_test(another_devices_state),
	cmocka_unit_test(a_group_shares_no_states),
	cmocka_unit_test(a_closed_devices_state),
	cmocka_unit_test(frees_at_once),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
