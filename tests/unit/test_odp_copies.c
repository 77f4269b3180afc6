/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices with their own view of memory, whose pages are copies: which memory receives what the
 * device wrote. In most tests every event is late by design (odp_stall.h).
 */
#include "odp/event_queue.h"

#include "odp_stall.h"

#include <sys/uio.h>

static dma_addr_t bus_of_byte(struct ib_umem *umem, const u8 *p)
{
	return ib_umem_start_dma_addr(umem) + ((u64)p - umem->address);
}

static void device_writes(struct ib_umem *umem, const u8 *p, const char *text)
{
	assert_int_equal(dmamap_bus_write(dev, bus_of_byte(umem, p), text, strlen(text)), 0);
}

static bool device_reads(struct ib_umem *umem, const u8 *p, const char *text)
{
	char got[32] = "";

	assert_int_equal(dmamap_bus_read(dev, bus_of_byte(umem, p), got, strlen(text)), 0);
	return !strcmp(got, text);
}

static bool holds(const u8 *p, const char *text)
{
	return !memcmp(p, text, strlen(text));
}

/* As the callback of the rig, but leaves the pages linked. */
static void record(struct ib_umem *umem, unsigned long start, unsigned long end)
{
	pthread_mutex_lock(&events_lock);
	if (n_recorded < 256)
		recorded[n_recorded++] = (struct recorded){umem, start, end};
	pthread_mutex_unlock(&events_lock);
}

static int setup(void **state)
{
	open_rig("sim,coherent=0");
	ctx->invalidate_range = record;
	return 0;
}

static int teardown(void **state)
{
	stall_end();
	close_rig();
	return 0;
}

static void fork_now(void)
{
	pid_t pid = fork();

	if (!pid)
		child_done();
	assert_true(pid > 0 && child_was_done(pid));
}

static void a_fork_loses_nothing(void **state)
{
	u8 *p = memory(2);
	struct ib_umem *umem = region(p, 2 * PAGE, ALL_ACCESS);

	NEEDS_EVENTS();
	device_writes(umem, p, "before");
	fork_now();
	assert_true(was_recorded(umem, p, 2 * PAGE));
	wait_until_served();
	assert_true(holds(p, "before"));
	/* and while the event is pending */
	device_writes(umem, p, "second");
	hold_events();
	fork_now();
	assert_true(device_reads(umem, p, "second"));
	device_writes(umem, p + PAGE, "third");
	ib_umem_release(umem);
	assert_true(holds(p, "second") && holds(p + PAGE, "third"));
	serve_events();
	munmap(p, 2 * PAGE);
}

static void a_release_does_not_write_to_newer_memory(void **state)
{
	u8 *p = memory(3);
	struct ib_umem *umem = region(p, 3 * PAGE, ALL_ACCESS);

	NEEDS_EVENTS();
	for (u64 i = 0; i < 3; i++)
		device_writes(umem, p + i * PAGE, "old");
	hold_events();
	munmap(p, PAGE);
	map_at(p, 1);
	madvise(p + PAGE, PAGE, MADV_DONTNEED);
	ib_umem_release(umem);
	assert_int_equal(p[0], 0);
	assert_int_equal(p[PAGE], 0);
	assert_true(holds(p + 2 * PAGE, "old"));
	serve_events();
	munmap(p, 3 * PAGE);
}

/* Each call by which the program removes pages from the device. */
static void no_unlink_writes_to_newer_memory(void **state)
{
	u8 *p = memory(2);
	struct ib_umem *umem = region(p, 2 * PAGE, ALL_ACCESS);

	NEEDS_EVENTS();
	device_writes(umem, p, "old");
	device_writes(umem, p + PAGE, "old");
	hold_events();
	munmap(p, 2 * PAGE);
	map_at(p, 2);
	ib_umem_odp_unmap_dma_pages(umem, (u64)p, (u64)p + PAGE);
	ib_umem_invalidate_range(ctx, (u64)p + PAGE, (u64)p + 2 * PAGE);
	assert_int_equal(p[0] | p[PAGE], 0);
	serve_events();
	ib_umem_release(umem);
	munmap(p, 2 * PAGE);
}

static void a_late_event_spares_newer_links(void **state)
{
	u8 *p = memory(1);
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS);

	NEEDS_EVENTS();
	device_writes(umem, p, "old");
	hold_events();
	munmap(p, PAGE);
	map_at(p, 1);
	memcpy(p, "new", 3);
	/* the device sees the new memory at once, and what it writes stays */
	assert_true(device_reads(umem, p, "new"));
	device_writes(umem, p + 8, "written");
	assert_int_equal(ib_umem_mmu_notifier_retry(umem, ib_umem_notifiers_seq(umem)), 1);
	serve_events();
	assert_true(was_recorded(umem, p, PAGE));
	assert_true(is_mapped(umem, p));
	ib_umem_release(umem);
	assert_true(holds(p, "new") && holds(p + 8, "written"));
	munmap(p, PAGE);
}

static void discarded_memory_is_seen_as_zero(void **state)
{
	u8 *p = memory(1), b = 1;
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS);

	NEEDS_EVENTS();
	p[0] = 5;
	device_writes(umem, p + 8, "old");
	hold_events();
	madvise(p, PAGE, MADV_DONTNEED);
	assert_int_equal(dmamap_bus_read(dev, bus_of_byte(umem, p), &b, 1), 0);
	assert_int_equal(b, 0);
	device_writes(umem, p, "x");
	serve_events();
	ib_umem_release(umem);
	assert_true(holds(p, "x") && !p[8]);
	munmap(p, PAGE);
}

static void segments_are_of_newer_memory(void **state)
{
	u8 *p = memory(1);
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS);
	struct iovec iov[2];

	NEEDS_EVENTS();
	device_writes(umem, p, "old");
	hold_events();
	munmap(p, PAGE);
	map_at(p, 1);
	assert_int_equal(dmamap_bus_map(dev, bus_of_byte(umem, p), 16, true, iov, 2), 1);
	memcpy(iov[0].iov_base, "new", 3);
	dmamap_bus_unmap(dev, iov, 1, true);
	serve_events();
	ib_umem_release(umem);
	assert_true(holds(p, "new"));
	munmap(p, PAGE);
}

static void a_late_event_spares_newer_regions(void **state)
{
	u8 *p = memory(1);
	struct ib_umem *old = region(p, PAGE, ALL_ACCESS), *new;

	NEEDS_EVENTS();
	device_writes(old, p, "old");
	hold_events();
	munmap(p, PAGE);
	map_at(p, 1);
	new = region(p, PAGE, ALL_ACCESS);
	device_writes(new, p, "new");
	assert_int_equal(ib_umem_mmu_notifier_retry(new, ib_umem_notifiers_seq(new)), 0);
	serve_events();
	assert_true(was_recorded(old, p, PAGE));
	assert_int_equal(recorded_count(), 1);
	assert_true(is_mapped(new, p));
	ib_umem_release(old);
	ib_umem_release(new);
	assert_true(holds(p, "new"));
	munmap(p, PAGE);
}

/* What the device wrote follows memory that is moved, however often, until it is unmapped. */
static void moved_memory_keeps_what_the_device_wrote(void **state)
{
	u8 *p = memory(2), *q = memory(4);
	struct ib_umem *umem = region(p, 2 * PAGE, ALL_ACCESS);
	const int how = MREMAP_MAYMOVE | MREMAP_FIXED;

	NEEDS_EVENTS();
	device_writes(umem, p, "one");
	assert_ptr_equal(mremap(p, PAGE, PAGE, how, q), q);
	assert_true(loses(umem, p));
	wait_until_served();
	assert_true(holds(q, "one"));
	device_writes(umem, p + PAGE, "two");
	hold_events();
	assert_ptr_equal(mremap(p + PAGE, PAGE, PAGE, how, q + PAGE), q + PAGE);
	assert_ptr_equal(mremap(q + PAGE, PAGE, PAGE, how, q + 2 * PAGE), q + 2 * PAGE);
	map_at(p + PAGE, 1);
	device_writes(umem, p + PAGE, "new");
	assert_true(holds(q + 2 * PAGE, "two"));
	munmap(p + PAGE, PAGE);
	ib_umem_release(umem);
	assert_true(holds(q + 2 * PAGE, "two"));
	serve_events();
	munmap(q, 4 * PAGE);
}

static void a_page_that_moved_and_went_is_dropped(void **state)
{
	u8 *p = memory(1), *q = memory(1);
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS);

	NEEDS_EVENTS();
	device_writes(umem, p, "old");
	hold_events();
	assert_ptr_equal(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q), q);
	munmap(q, PAGE);
	map_at(q, 1);
	map_at(p, 1);
	ib_umem_release(umem);
	assert_int_equal(p[0] | q[0], 0);
	serve_events();
	munmap(p, PAGE);
	munmap(q, PAGE);
}

static void *read_one(void *arg)
{
	u8 b = 0xee;

	return (void *)(uintptr_t)(dmamap_bus_read(dev, *(dma_addr_t *)arg, &b, 1) ? 0xff : b);
}

/* More events than the queue has space for: the kernel must be queried for what was unmapped. */
static void a_full_queue_loses_nothing(void **state)
{
	u8 *p = memory(3), *other = memory(8);
	struct ib_umem *umem = region(p, 3 * PAGE, ALL_ACCESS),
		       *twin = region(p, 3 * PAGE, ALL_ACCESS),
		       *noise = region(other, 8 * PAGE, READ_ONLY);
	dma_addr_t at = bus_of_byte(umem, p + 2 * PAGE);
	pthread_t t;
	void *got;

	NEEDS_EVENTS();
	for (u64 i = 0; i < 3; i++)
		device_writes(umem, p + i * PAGE, "old");
	device_writes(twin, p + 2 * PAGE, "old");
	event_queue_limit(2);
	hold_events();
	for (u64 i = 0; i < 8; i++)
		madvise(other + i * PAGE, PAGE, MADV_DONTNEED);
	assert_true(event_lost());
	munmap(p + PAGE, 2 * PAGE);
	map_at(p + PAGE, 2);
	p[2 * PAGE] = 7;
	/* an access of the device waits until the unmapped memory is known */
	pthread_create(&t, NULL, read_one, &at);
	ib_umem_odp_unmap_dma_pages(umem, (u64)p, (u64)p + 2 * PAGE);
	assert_true(holds(p, "old"));
	assert_int_equal(p[PAGE], 0);
	usleep(20000); /* so that it would have linked the new page if it did not wait */
	serve_events();
	pthread_join(t, &got);
	assert_int_equal((uintptr_t)got, 7);
	event_queue_limit(EVENT_QUEUE_LEN);
	assert_true(was_recorded(umem, p, 3 * PAGE));
	ib_umem_release(umem);
	ib_umem_release(twin);
	ib_umem_release(noise);
	assert_int_equal(p[2 * PAGE], 7);
	assert_int_equal(p[2 * PAGE + 1], 0);
	munmap(p, 3 * PAGE);
	munmap(other, 8 * PAGE);
}

/* An event that arrives when the queue has space again is processed after those that were lost. */
static void lost_events_keep_their_place(void **state)
{
	u8 *p = memory(2);
	struct ib_umem *umem = region(p, 2 * PAGE, ALL_ACCESS);

	NEEDS_EVENTS();
	device_writes(umem, p, "old");
	device_writes(umem, p + PAGE, "old");
	event_queue_limit(2);
	hold_events();
	stall_event();
	stall_event();
	munmap(p, PAGE); /* lost */
	assert_true(event_lost());
	stall_pass(1);
	stall_wait(2);
	madvise(p + PAGE, PAGE, MADV_DONTNEED);
	serve_events();
	event_queue_limit(EVENT_QUEUE_LEN);
	map_at(p, 1);
	assert_false(is_mapped(umem, p));
	ib_umem_release(umem);
	assert_int_equal(p[0], 0);
	munmap(p, 2 * PAGE);
}

/*
 * Without an IOMMU nothing faults: the program maps pages, and must obtain those of the new memory.
 */
static void mapping_anew_sees_newer_memory(void **state)
{
	struct device *rig_dev = dev;
	struct ib_ucontext *rig_ctx = ctx;
	struct ib_umem *umem;
	dma_addr_t at;
	u8 *p, b = 0;

	NEEDS_EVENTS();
	open_rig("sim,iommu=0");
	ctx->invalidate_range = record;
	p = memory(1);
	umem = region(p, PAGE, ALL_ACCESS);
	assert_int_equal(fault_in(umem, p, 1, 3), 1);
	b = 3;
	assert_int_equal(dmamap_bus_write(dev, ib_umem_dma_address(umem, (u64)p), &b, 1), 0);
	hold_events();
	munmap(p, PAGE);
	map_at(p, 1);
	p[1] = 8;
	assert_false(is_mapped(umem, p));
	assert_int_equal(fault_in(umem, p, 1, 3), 1);
	at = ib_umem_dma_address(umem, (u64)p);
	assert_int_equal(dmamap_bus_read(dev, at + 1, &b, 1), 0);
	assert_int_equal(b, 8);
	b = 9;
	assert_int_equal(dmamap_bus_write(dev, at + 2, &b, 1), 0);
	serve_events();
	assert_true(is_mapped(umem, p));
	ib_umem_release(umem);
	assert_int_equal(p[0], 0);
	assert_int_equal(p[2], 9);
	munmap(p, PAGE);
	close_rig();
	dev = rig_dev;
	ctx = rig_ctx;
}

static void an_event_in_flight_is_not_about_newer_memory(void **state)
{
	struct ib_umem *old, *new;
	pthread_t t;

	NEEDS_EVENTS();
	swap_start(&t);
	for (int i = 0; i < SWAPS; i++) {
		old = region(swap.page, PAGE, ALL_ACCESS);
		device_writes(old, swap.page, "old");
		swap_memory();
		new = region(swap.page, PAGE, ALL_ACCESS);
		device_writes(new, swap.page, "new");
		swap_ends();
		ib_umem_release(new);
		assert_true(holds(swap.page, "new"));
		ib_umem_release(old);
		assert_true(holds(swap.page, "new"));
	}
	swap_stop(t);
}

/* The same where the program maps the page: no access corrects what was linked too early. */
static void a_mapping_while_an_event_is_in_flight(void **state)
{
	struct device *rig_dev = dev;
	struct ib_ucontext *rig_ctx = ctx;
	struct ib_umem *umem;
	pthread_t t;
	u8 b = 9;

	NEEDS_EVENTS();
	open_rig("sim,iommu=0");
	ctx->invalidate_range = record;
	swap_start(&t);
	umem = region(swap.page, PAGE, ALL_ACCESS);
	for (int i = 0; i < SWAPS; i++) {
		dma_addr_t at;

		if (i % 2)
			assert_int_equal(fault_in(umem, swap.page, 1, 3), 1);
		swap_memory();
		assert_int_equal(fault_in(umem, swap.page, 1, 3), 1);
		at = ib_umem_dma_address(umem, (u64)swap.page);
		assert_int_equal(dmamap_bus_write(dev, at, &b, 1), 0);
		swap_ends();
		assert_int_equal(ib_umem_dma_address(umem, (u64)swap.page), at);
		ib_umem_odp_unmap_dma_pages(umem, 0, ~0ull);
		assert_int_equal(swap.page[0], 9);
	}
	ib_umem_release(umem);
	swap_stop(t);
	close_rig();
	dev = rig_dev;
	ctx = rig_ctx;
}

/* And where the event is read while the page is mapped, and processed late. */
static void a_mapping_while_an_event_is_read(void **state)
{
	struct device *rig_dev = dev;
	struct ib_ucontext *rig_ctx = ctx;

	NEEDS_EVENTS();
	open_rig("sim,iommu=0");
	ctx->invalidate_range = record;
	for (int i = 0; i < 20; i++) {
		struct ib_umem *umem;
		dma_addr_t at;
		pthread_t t;
		u8 b = 9;

		swap_start(&t);
		umem = region(swap.page, PAGE, ALL_ACCESS);
		hold_events();
		swap_memory();
		assert_int_equal(fault_in(umem, swap.page, 1, 3), 1);
		at = ib_umem_dma_address(umem, (u64)swap.page);
		assert_int_equal(dmamap_bus_write(dev, at, &b, 1), 0);
		while (__atomic_load_n(&swap.turn, __ATOMIC_ACQUIRE) & 1)
			sched_yield();
		serve_events();
		assert_int_equal(ib_umem_dma_address(umem, (u64)swap.page), at);
		ib_umem_release(umem);
		assert_int_equal(swap.page[0], 9);
		swap_stop(t);
	}
	close_rig();
	dev = rig_dev;
	ctx = rig_ctx;
}

static void an_event_in_flight_keeps_bytes_from_going_back(void **state)
{
	struct ib_umem *old;
	pthread_t t;

	NEEDS_EVENTS();
	swap_start(&t);
	for (int i = 0; i < SWAPS; i++) {
		old = region(swap.page, PAGE, ALL_ACCESS);
		device_writes(old, swap.page, "old");
		swap_memory();
		ib_umem_release(old);
		assert_int_equal(swap.page[0], 0);
		swap_ends();
	}
	swap_stop(t);
}

static void an_event_in_flight_does_not_invalidate_newer_regions(void **state)
{
	struct ib_umem *old, *new;
	pthread_t t;

	NEEDS_EVENTS();
	swap_start(&t);
	for (int i = 0; i < SWAPS; i++) {
		old = region(swap.page, PAGE, READ_ONLY);
		swap_memory();
		new = region(swap.page, PAGE, READ_ONLY);
		swap_ends();
		forget();
		assert_int_equal(ib_umem_mmu_notifier_retry(new, 0), 0);
		ib_umem_release(new);
		ib_umem_release(old);
	}
	swap_stop(t);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_fork_loses_nothing),
		T(a_release_does_not_write_to_newer_memory),
		T(no_unlink_writes_to_newer_memory),
		T(a_late_event_spares_newer_links),
		T(discarded_memory_is_seen_as_zero),
		T(segments_are_of_newer_memory),
		T(a_late_event_spares_newer_regions),
		T(moved_memory_keeps_what_the_device_wrote),
		T(a_page_that_moved_and_went_is_dropped),
		T(a_full_queue_loses_nothing),
		T(lost_events_keep_their_place),
		T(mapping_anew_sees_newer_memory),
		T(an_event_in_flight_is_not_about_newer_memory),
		T(a_mapping_while_an_event_is_in_flight),
		T(a_mapping_while_an_event_is_read),
		T(an_event_in_flight_keeps_bytes_from_going_back),
		T(an_event_in_flight_does_not_invalidate_newer_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
