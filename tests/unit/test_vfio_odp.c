/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On-demand regions of hardware, which raises no page faults: a late event does not affect a newer
 * page.
 */
#include "vfio_rig.h"

#include "odp_stall.h"

static void record(struct ib_umem *umem, unsigned long start, unsigned long end)
{
	pthread_mutex_lock(&events_lock);
	if (n_recorded < 256)
		recorded[n_recorded++] = (struct recorded){umem, start, end};
	pthread_mutex_unlock(&events_lock);
}

static int start(void **state)
{
	rig_start();
	open_rig(*state);
	ctx->invalidate_range = record;
	return 0;
}

static int end(void **state)
{
	stall_end();
	close_rig();
	rig_end();
	return 0;
}

static void the_page_is_mapped_when_the_event_is_served(void **state)
{
	u8 *p = memory(2), *seen;
	struct ib_umem *umem = region(p, 2 * PAGE, ALL_ACCESS);
	u64 bus = ib_umem_start_dma_addr(umem);
	unsigned long seq;

	NEEDS_EVENTS();
	assert_int_equal(fault_in(umem, p, 1, 3), 1);
	hold_events();
	munmap(p, PAGE);
	map_at(p, 1);
	seq = ib_umem_notifiers_seq(umem);
	assert_int_equal(ib_umem_mmu_notifier_retry(umem, seq), 1);
	assert_int_equal(ib_umem_odp_map_dma_pages(umem, (u64)p, PAGE, 3, seq), -EAGAIN);
	/* an event of another page has no effect */
	assert_int_equal(ib_umem_odp_map_dma_pages(umem, (u64)p + PAGE, PAGE, 3, seq), 1);
	serve_events();
	assert_true(was_recorded(umem, p, PAGE));
	assert_int_equal(recorded_count(), 1);
	assert_int_equal(fault_in(umem, p, 1, 3), 1);
	seen = rig_device_reach(bus, true);
	assert_ptr_equal(seen, p);
	assert_non_null(rig_device_reach(bus + PAGE, true));
	ib_umem_release(umem);
	munmap(p, 2 * PAGE);
}

/*
 * One event concerns two regions: the first is finished with it while the callback of the second
 * runs.
 */
static void a_function_that_takes_its_time_holds_up_its_own_region(void **state)
{
	u8 *p = memory(2);
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS), *slow;

	NEEDS_EVENTS();
	assert_int_equal(fault_in(umem, p, 1, 3), 1);
	hold_events();
	stall_pass(1);
	wait_until_served();
	slow = ib_umem_get(stall.ctx, (unsigned long)p + PAGE, PAGE, READ_ONLY);
	munmap(p, 2 * PAGE);
	stall_wait(2);
	map_at(p, 2);
	assert_int_equal(
		ib_umem_odp_map_dma_pages(umem, (u64)p, PAGE, 3, ib_umem_notifiers_seq(umem)), 1);
	assert_int_equal(ib_umem_odp_map_dma_pages(slow, (u64)p + PAGE, PAGE, 1,
						   ib_umem_notifiers_seq(slow)),
			 -EAGAIN);
	stall_pass(1);
	wait_until_served();
	assert_true(is_mapped(umem, p));
	ib_umem_release(slow);
	serve_events();
	ib_umem_release(umem);
	munmap(p, 2 * PAGE);
}

int main(void)
{
#define T(f, spec) cmocka_unit_test_prestate_setup_teardown(f, start, end, (void *)(spec))
	const struct CMUnitTest tests[] = {
		T(the_page_is_mapped_when_the_event_is_served, "vfio:00:03.0,ram=16M"),
		T(the_page_is_mapped_when_the_event_is_served, "iommufd:00:03.0,ram=16M"),
		T(a_function_that_takes_its_time_holds_up_its_own_region, "vfio:00:03.0,ram=16M"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
