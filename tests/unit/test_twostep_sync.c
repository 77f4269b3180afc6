/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * src/map/twostep_sync.c and dma_iova_sync(): which stores of one side are visible to the other,
 * and when.
 */
#include "twostep_links.h"

#include <time.h>

/* dma_iova_sync() makes new links visible to the device. */
static void sync_makes_new_links_seen(void **state)
{
	u8 *a, *b;

	open_device("sim,policy=lazy");
	a = pages_get(0);
	b = pages_get(0);
	memset(a, 1, K4);
	memset(b, 2, K4);
	range_take(0, 4 * K4);
	must_link(a, K4, K4, DMA_TO_DEVICE);
	assert_true(device_sees(st.addr + K4, a, K4)); /* now its caches contain it */
	dma_iova_unlink(dev, &st, K4, K4, DMA_TO_DEVICE, 0);
	assert_int_equal(link_at(b, K4, K4, DMA_TO_DEVICE), 0);
	assert_int_equal(dma_iova_sync(dev, &st, K4, K4), 0);
	assert_true(device_sees(st.addr + K4, b, K4));
	assert_int_equal(dma_iova_sync(dev, &st, 0, 0), 0);
	assert_int_equal(dma_iova_sync(dev, &st, 4 * K4, 1), -EINVAL);
	assert_int_equal(dma_iova_sync(dev, &st, SIZE_MAX, 2), -EINVAL);
	assert_int_equal(dma_iova_sync(dev, &st, 1, SIZE_MAX), -EINVAL);
	said_why();
	dma_iova_destroy(dev, &st, 2 * K4, DMA_TO_DEVICE, 0);
	pages_put(a, 0);
	pages_put(b, 0);
	close_device();
}

/*
 * policy=lazy, and a range that is neither linked again nor freed: the flush runs without a call.
 */
static void a_lazy_unlink_is_flushed(u64 size)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	u8 *p;

	open_device("sim,policy=lazy");
	p = pages_get(10);
	range_take(0, size);
	for (int round = 0; round < 2; round++) {
		bool gone = false;

		must_link(p + K4, 0, size - K4, DMA_BIDIRECTIONAL);
		assert_true(device_sees(st.addr, p + K4, K4));
		dma_iova_unlink(dev, &st, 0, size - K4, DMA_BIDIRECTIONAL, 0);
		for (int i = 0; i < 5000 && !gone; i++) {
			gone = refused(st.addr, 1, true);
			nanosleep(&pause, NULL);
		}
		assert_true(gone);
	}
	dma_iova_free(dev, &st);
	pages_put(p, 10);
	close_device();
}

static void lazy_unlinks_are_flushed(void **state)
{
	a_lazy_unlink_is_flushed(4 * K4);
	a_lazy_unlink_is_flushed(2 * M2); /* tables are removed, too */
}

/* Syncs copy exactly the requested bytes of bounced ends. */
static void bounced_ends_are_synced(void **state)
{
	u8 *p;

	open_device("sim,untrusted=1");
	p = pages_get(2);
	range_take(1000, 2 * K4 + 500); /* 3096 bounced, one granule, 1500 - 96 bounced … */
	must_link(p + 1000, 0, 2 * K4 + 500, DMA_BIDIRECTIONAL);
	memset(p + 1000, 0x41, 2 * K4 + 500);
	assert_int_equal(p[1000], 0x41);
	assert_false(device_sees(st.addr, p + 1000, 1));
	dma_iova_sync_for_device(dev, &st, 100, 50, DMA_BIDIRECTIONAL);
	assert_false(device_sees(st.addr + 99, p + 1000, 1));
	assert_true(device_sees(st.addr + 100, p + 1000, 50));
	assert_false(device_sees(st.addr + 150, p + 1000, 1));
	/* over a border: the bounced end and the start of the middle */
	dma_iova_sync_for_device(dev, &st, 3000, 200, DMA_BIDIRECTIONAL);
	assert_true(device_sees(st.addr + 3000, p + 1000, 200));
	device_writes(st.addr + 2 * K4 + 400, 0x42, 100);
	assert_int_equal(p[1000 + 2 * K4 + 400], 0x41);
	dma_iova_sync_for_cpu(dev, &st, 2 * K4 + 450, 50, DMA_BIDIRECTIONAL);
	assert_int_equal(p[1000 + 2 * K4 + 449], 0x41);
	assert_true(all_are(p + 1000 + 2 * K4 + 450, 50, 0x42));
	/* beyond the links: no effect */
	dma_iova_sync_for_cpu(dev, &st, 2 * K4 + 400, 101, DMA_BIDIRECTIONAL);
	dma_iova_sync_for_cpu(dev, &st, 2 * K4 + 400, SIZE_MAX, DMA_BIDIRECTIONAL);
	assert_int_equal(p[1000 + 2 * K4 + 400], 0x41);
	dma_iova_destroy(dev, &st, 2 * K4 + 500, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(p[1000 + 2 * K4 + 400], 0x42);
	pages_put(p, 2);
	close_device();
}

static void without_coherence_syncs_carry(void **state)
{
	u8 *p;

	open_device("sim,coherent=0");
	p = pages_get(2);
	range_take(0, 4 * K4);
	must_link(p, 0, 2 * K4, DMA_BIDIRECTIONAL);
	assert_true(device_sees(st.addr, p, 2 * K4));
	memset(p, 0x51, 2 * K4);
	assert_false(device_sees(st.addr + K4, p, 64));
	dma_iova_sync_for_device(dev, &st, K4, 64, DMA_BIDIRECTIONAL);
	assert_true(device_sees(st.addr + K4, p, 64));
	assert_false(device_sees(st.addr + K4 + 64, p, 64));
	device_writes(st.addr + 128, 0x52, 128);
	dma_iova_sync_for_cpu(dev, &st, 128, 64, DMA_BIDIRECTIONAL);
	assert_true(all_are(p + 128, 64, 0x52) && all_are(p + 192, 64, 0x51));
	dma_iova_sync_for_cpu(dev, &st, K4, 2 * K4, DMA_BIDIRECTIONAL); /* beyond the links */
	assert_int_equal(p[K4 + 64], 0x51);
	dma_iova_unlink(dev, &st, 0, K4, DMA_BIDIRECTIONAL, 0);
	assert_true(all_are(p + 192, 64, 0x52));
	dma_iova_destroy(dev, &st, 2 * K4, DMA_BIDIRECTIONAL, 0);
	pages_put(p, 2);
	close_device();
}

/* Memory outside RAM has no second view there: all of it bounces. */
static void other_memory_bounces_without_coherence(void **state)
{
	u8 *p;

	open_device("sim,coherent=0");
	p = aligned_alloc(K4, 4 * K4);
	assert_non_null(p);
	memset(p, 0x61, 4 * K4);
	range_take(192, 3 * K4);
	must_link(p + 192, 0, 3 * K4, DMA_BIDIRECTIONAL);
	assert_true(device_sees(st.addr, p + 192, 3 * K4));
	device_writes(st.addr + 2 * K4, 0x62, 64);
	assert_int_equal(p[192 + 2 * K4], 0x61);
	dma_iova_sync_for_cpu(dev, &st, 2 * K4, 64, DMA_BIDIRECTIONAL);
	assert_true(all_are(p + 192 + 2 * K4, 64, 0x62) && p[192 + 2 * K4 + 64] == 0x61);
	/* overlap with the middle of the bounced part: everything is unchanged */
	dma_iova_unlink(dev, &st, 0, K4 - 192, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(link_at(p + 192, 0, 2 * K4 - 192, DMA_BIDIRECTIONAL), -EEXIST);
	assert_true(refused(st.addr, 1, false) && device_sees(st.addr + K4, p + 192 + K4, 64));
	dma_iova_destroy(dev, &st, 3 * K4, DMA_BIDIRECTIONAL, 0);
	free(p);
	close_device();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(sync_makes_new_links_seen),
	cmocka_unit_test(lazy_unlinks_are_flushed),
	cmocka_unit_test(bounced_ends_are_synced),
	cmocka_unit_test(without_coherence_syncs_carry),
	cmocka_unit_test(other_memory_bounces_without_coherence),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
