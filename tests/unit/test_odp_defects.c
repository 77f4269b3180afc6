/* SPDX-License-Identifier: BSD-2-Clause */
/* The defects of the first version of this interface in a kernel, each by name. */
#include "base/fail.h"
#include "odp/odp.h"

#include "odp_rig.h"

static int setup(void **state)
{
	open_rig("sim");
	return 0;
}

static int teardown(void **state)
{
	close_rig();
	return 0;
}

static void defect_owner_compared_after_release(void **state)
{
	/* regions outlive their context: release must not look at it */
	struct ib_ucontext *c = ib_alloc_ucontext(dev, NULL);
	u8 *q = memory(1), b;
	struct ib_umem *s = ib_umem_get(c, (u64)q, PAGE, ALL_ACCESS);
	dma_addr_t at = ib_umem_start_dma_addr(s);

	assert_int_equal(dmamap_bus_read(dev, at, &b, 1), 0);
	ib_dealloc_ucontext(c);
	assert_int_equal(dmamap_bus_read(dev, at, &b, 1), -EFAULT);
	assert_int_equal(ib_umem_odp_map_dma_pages(s, (u64)q, PAGE, 1, 0), -EFAULT);
	assert_int_equal(ib_umem_advise(s, 0, (u64)q, PAGE), -EFAULT);
	assert_int_equal(ib_umem_start_dma_addr(s), DMA_MAPPING_ERROR);
	assert_int_equal(ib_umem_dma_address(s, (u64)q), DMA_MAPPING_ERROR);
	ib_umem_odp_unmap_dma_pages(s, 0, ~0ull);
	ib_umem_release(s);
	munmap(q, PAGE);
}

static void defect_mismatch_invalidates_the_wrong_address(void **state)
{
	u8 *q = memory(4), b = 2;
	struct ib_umem *s = region(q + PAGE, 3 * PAGE, ALL_ACCESS);
	dma_addr_t at = ib_umem_start_dma_addr(s);

	/* a page that is linked already, to be linked for more: that one changes, at its address */
	assert_int_equal(fault_in(s, q + PAGE, 3, 1), 3);
	forget();
	assert_int_equal(fault_in(s, q + 2 * PAGE, 1, 3), 1);
	assert_int_equal(recorded_count(), 0);
	assert_int_equal(ib_umem_dma_address(s, (u64)q + 2 * PAGE), at + PAGE);
	assert_true(is_mapped(s, q + PAGE) && is_mapped(s, q + 3 * PAGE));
	assert_int_equal(dmamap_bus_write(dev, at + PAGE, &b, 1), 0);
	assert_int_equal(q[2 * PAGE], 2);
	assert_int_equal(q[PAGE] | q[3 * PAGE], 0);
	ib_umem_release(s);
	munmap(q, 4 * PAGE);
}

static int no_region(struct ib_umem *s, u64 start, u64 end, void *arg)
{
	return 1;
}

static void defect_failed_start_stays_in_the_tree(void **state)
{
	u8 *q = memory(600);
	struct dmamap_stats s = {.size = sizeof(s)};
	u64 ranges;

	dmamap_stats(dev, &s);
	ranges = s.iova_ranges;
	for (u64 nth = 1;; nth++) {
		const struct fail_rule rule = {.nth = nth};
		struct ib_umem *got;

		fail_set(FAIL_MEMORY, &rule);
		fail_set(FAIL_IOVA, &rule);
		got = ib_umem_get(ctx, (u64)q, 600 * PAGE, ALL_ACCESS);
		fail_set(FAIL_MEMORY, NULL);
		fail_set(FAIL_IOVA, NULL);
		if (!IS_ERR(got)) {
			ib_umem_release(got);
			assert_true(nth > 2);
			break;
		}
		assert_int_equal(PTR_ERR(got), -ENOMEM);
		assert_int_equal(rbt_ib_umem_for_each_in_range(ctx, (u64)q, (u64)q + 600 * PAGE,
							       no_region, NULL),
				 0);
		dmamap_stats(dev, &s);
		assert_int_equal(s.iova_ranges, ranges);
	}
	munmap(q, 600 * PAGE);
}

static void defect_error_hides_mapped_pages(void **state)
{
	u64 n = 3 * 512;
	u8 *q = memory(n);
	struct ib_umem *s = region(q, n * PAGE, ALL_ACCESS);
	const struct fail_rule third = {.nth = 3};
	int got;

	fail_set(FAIL_LINK, &third);
	got = fault_in(s, q, n, 3);
	fail_set(FAIL_LINK, NULL);
	/* two batches are there, and said so */
	assert_true(got > 0 && (u64)got < n);
	for (u64 i = 0; i < n; i++)
		assert_int_equal(is_mapped(s, q + i * PAGE), i < (u64)got);
	ib_umem_release(s);
	munmap(q, n * PAGE);
}

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool in, go;
} slow = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};

static void slow_callback(struct ib_umem *s, unsigned long start, unsigned long end)
{
	pthread_mutex_lock(&slow.lock);
	slow.in = true;
	pthread_cond_broadcast(&slow.change);
	while (!slow.go)
		pthread_cond_wait(&slow.change, &slow.lock);
	pthread_mutex_unlock(&slow.lock);
}

static void *invalidate(void *arg)
{
	struct ib_umem *s = arg;

	ib_umem_invalidate_range(s->context, s->address, s->address + s->length);
	return NULL;
}

static void defect_new_region_starves_while_an_invalidation_runs(void **state)
{
	struct ib_ucontext *c = ib_alloc_ucontext(dev, slow_callback);
	u8 *q = memory(8), b;
	struct ib_umem *s = ib_umem_get(c, (u64)q, 8 * PAGE, ALL_ACCESS), *new;
	unsigned long seq;
	pthread_t t;

	slow.in = slow.go = false;
	pthread_create(&t, NULL, invalidate, s);
	pthread_mutex_lock(&slow.lock);
	while (!slow.in)
		pthread_cond_wait(&slow.change, &slow.lock);
	pthread_mutex_unlock(&slow.lock);
	/*
	 * While the invalidation runs, a fault of its region must wait, and one of a new region
	 * over the same memory must not.
	 */
	seq = ib_umem_notifiers_seq(s);
	assert_int_equal(ib_umem_mmu_notifier_retry(s, seq), 1);
	assert_int_equal(ib_umem_odp_map_dma_pages(s, (u64)q, PAGE, 1, seq), -EAGAIN);
	new = ib_umem_get(c, (u64)q, 8 * PAGE, ALL_ACCESS);
	assert_int_equal(
		ib_umem_odp_map_dma_pages(new, (u64)q, PAGE, 1, ib_umem_notifiers_seq(new)), 1);
	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(new) + 3 * PAGE, &b, 1), 0);
	pthread_mutex_lock(&slow.lock);
	slow.go = true;
	pthread_cond_broadcast(&slow.change);
	pthread_mutex_unlock(&slow.lock);
	pthread_join(t, NULL);
	assert_int_equal(ib_umem_mmu_notifier_retry(s, ib_umem_notifiers_seq(s)), 0);
	/* the end applies to the regions that received the start */
	assert_int_equal(ib_umem_mmu_notifier_retry(new, ib_umem_notifiers_seq(new)), 0);
	ib_umem_release(new);
	ib_umem_release(s);
	ib_dealloc_ucontext(c);
	munmap(q, 8 * PAGE);
}

static void defect_page_count_in_another_size(void **state)
{
	/* 2 MiB pages: counts and indices are of 4 KiB all the same */
	u64 n = 1024;
	u8 *raw = memory(2 * n), *q = (u8 *)(((u64)raw + (2 << 20) - 1) & ~((2ull << 20) - 1));
	struct ib_umem *s;

	madvise(q, n * PAGE, MADV_HUGEPAGE);
	memset(q, 1, n * PAGE);
	s = region(q, n * PAGE, ALL_ACCESS);
	assert_int_equal(ib_umem_num_pages(s), n);
	assert_int_equal(fault_in(s, q + 512 * PAGE, 512, 1), 512);
	assert_false(is_mapped(s, q + 511 * PAGE));
	assert_true(is_mapped(s, q + 512 * PAGE));
	assert_int_equal(ib_umem_dma_address(s, (u64)q + 700 * PAGE),
			 ib_umem_start_dma_addr(s) + 700 * PAGE);
	assert_int_equal(ib_umem_invalidate_range(ctx, (u64)q + 600 * PAGE, (u64)q + 601 * PAGE),
			 0);
	for (u64 i = 512; i < n; i++)
		assert_int_equal(is_mapped(s, q + i * PAGE), i != 600);
	ib_umem_release(s);
	munmap(raw, 2 * n * PAGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(defect_owner_compared_after_release),
		T(defect_mismatch_invalidates_the_wrong_address),
		T(defect_failed_start_stays_in_the_tree),
		T(defect_error_hides_mapped_pages),
		T(defect_new_region_starves_while_an_invalidation_runs),
		T(defect_page_count_in_another_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
