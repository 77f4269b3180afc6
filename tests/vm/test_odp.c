/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_odp SPEC…: on-demand paging for an edu behind the kernel's IOMMU. Its accesses do not wait:
 * one that is refused reads zeros or writes nothing, so the program maps pages before the device
 * uses them. A mapped page is pinned, so an invalidation event must unmap it from the IOMMU.
 * Otherwise the device would continue to use memory that the process no longer has.
 */
#include "rig.h"

#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_umem_odp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096ul
#define PAGES 16
#define SIZE  256u
#define MANY  1000

static const char *spec;
static struct device *dev;
static struct edu *edu;
static struct ib_ucontext *ctx;
static struct ib_umem *umem;
static dma_addr_t base;
static u8 *p;
static struct dmamap_stats before;
static int held;			       /* the value that fills edu's buffer */
static u64 invalidated_start, invalidated_end; /* atomic: the last invalidate_range */

static struct dmamap_stats stats(void)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	dmamap_stats(dev, &s);
	return s;
}

static void on_invalidation(struct ib_umem *region, unsigned long start, unsigned long end)
{
	__atomic_store_n(&invalidated_start, start, __ATOMIC_RELAXED);
	__atomic_store_n(&invalidated_end, end, __ATOMIC_RELEASE);
}

static u8 *memory(u64 pages)
{
	u8 *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);

	assert_true(at != MAP_FAILED);
	return at;
}

static int setup(void **state)
{
	int failed = edu_open(spec, &dev, &edu);

	if (failed)
		return failed;
	ctx = ib_alloc_ucontext(dev, on_invalidation);
	if (IS_ERR(ctx) || !ib_umem_events_enabled(ctx))
		return printf("# %s\n", dmamap_strerror());
	before = stats();
	invalidated_start = invalidated_end = 0;
	held = 0;
	p = memory(PAGES);
	umem = ib_umem_get(ctx, (u64)p, PAGES * PAGE, IB_ACCESS_ON_DEMAND | IB_ACCESS_LOCAL_WRITE);
	if (IS_ERR(umem))
		return printf("# %s\n", dmamap_strerror());
	base = ib_umem_start_dma_addr(umem);
	return 0;
}

/* Releases the region and checks that all its mappings are removed. */
static int teardown(void **state)
{
	struct dmamap_stats now;

	if (umem)
		ib_umem_release(umem);
	umem = NULL;
	now = stats();
	if (now.kernel_unmap_errors || now.iova_ranges != before.iova_ranges)
		return printf("# errors: %llu, ranges: %llu\n",
			      (unsigned long long)now.kernel_unmap_errors,
			      (unsigned long long)now.iova_ranges);
	ib_dealloc_ucontext(ctx);
	edu_remove(edu);
	dmamap_close(dev);
	munmap(p, PAGES * PAGE);
	return 0;
}

static int map_pages(u64 page, u64 n, u64 mask)
{
	int got;

	/* the invalidation event of the previous change may still be in progress */
	do
		got = ib_umem_odp_map_dma_pages(umem, (u64)p + page * PAGE, n * PAGE, mask,
						ib_umem_notifiers_seq(umem));
	while (got == -EAGAIN);
	return got;
}

/*
 * Checks that the device reads `value` at a page, or 0 where it is refused. A transfer of edu takes
 * a tenth of a second, so its buffer is overwritten before only if it already has that value.
 */
static void device_reads(u64 page, u8 value)
{
	u8 back[SIZE];

	if (held == value) {
		memset(back, ~value, SIZE);
		assert_int_equal(edu_write(edu, back, 0, SIZE), 0);
	}
	held = value;
	assert_int_equal(edu_dma_to_device(edu, base + page * PAGE, 0, SIZE), 0);
	assert_int_equal(edu_read(edu, back, 0, SIZE), 0);
	if (!all_are(back, SIZE, value))
		fail_msg("page %llu: the device read %#x, not %#x", (unsigned long long)page,
			 back[0], value);
}

static void device_writes(u64 page, u8 value)
{
	u8 from[SIZE];

	memset(from, value, SIZE);
	held = value;
	assert_int_equal(edu_write(edu, from, 0, SIZE), 0);
	assert_int_equal(edu_dma_from_device(edu, base + page * PAGE, 0, SIZE), 0);
}

static bool is_mapped(u64 page)
{
	return ib_umem_dma_address(umem, (u64)p + page * PAGE) != DMA_MAPPING_ERROR;
}

static void becomes_unmapped(u64 page)
{
	for (int tries = 0; is_mapped(page); tries++) {
		if (tries == 2000)
			fail_msg("no invalidation event within two seconds");
		usleep(1000);
	}
}

static void test_pages_are_mapped_by_the_program(void **state)
{
	memset(p, 0x5a, PAGES * PAGE);
	device_reads(0, 0);
	device_writes(0, 0x77);
	assert_true(all_are(p, SIZE, 0x5a));
	assert_int_equal(map_pages(0, 3, 3), 3);
	device_reads(0, 0x5a);
	device_reads(2, 0x5a);
	device_reads(3, 0);
	/* there is no copy: both access the same memory */
	device_writes(1, 0x31);
	assert_true(all_are(p + PAGE, SIZE, 0x31));
	memset(p + PAGE, 0x32, SIZE);
	device_reads(1, 0x32);
	/* one page is removed from the middle of a run and mapped again */
	ib_umem_odp_unmap_dma_pages(umem, (u64)p + PAGE, (u64)p + 2 * PAGE);
	device_writes(1, 0x33);
	assert_true(all_are(p + PAGE, SIZE, 0x32));
	device_reads(0, 0x5a);
	device_reads(2, 0x5a);
	assert_int_equal(map_pages(1, 1, 3), 1);
	device_reads(1, 0x32);
}

static void test_permissions(void **state)
{
	memset(p, 0x11, PAGES * PAGE);
	assert_int_equal(map_pages(0, 2, 1), 2);
	device_reads(0, 0x11);
	device_writes(0, 0x12);
	assert_true(all_are(p, SIZE, 0x11));
	assert_int_equal(map_pages(0, 1, 2), 1);
	device_writes(0, 0x13);
	assert_true(all_are(p, SIZE, 0x13));
	device_writes(1, 0x14);
	assert_true(all_are(p + PAGE, SIZE, 0x11));
	assert_int_equal(ib_umem_advise(umem, IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE, (u64)p,
					PAGES * PAGE),
			 0);
	device_writes(PAGES - 1, 0x15);
	assert_true(all_are(p + (PAGES - 1) * PAGE, SIZE, 0x15));
}

/* The process then has a new page, and the device must not continue to use the old one. */
static void test_discarded_memory_leaves_the_device(void **state)
{
	memset(p, 0x21, PAGES * PAGE);
	assert_int_equal(map_pages(0, 4, 3), 4);
	device_reads(1, 0x21);
	assert_int_equal(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED), 0);
	becomes_unmapped(1);
	becomes_unmapped(2);
	assert_true(is_mapped(0) && is_mapped(3));
	device_reads(1, 0);
	device_writes(1, 0x22);
	assert_true(all_are(p + PAGE, SIZE, 0));
	device_reads(0, 0x21);
	device_reads(3, 0x21);
	assert_int_equal(__atomic_load_n(&invalidated_end, __ATOMIC_ACQUIRE), (u64)p + 3 * PAGE);
	assert_int_equal(invalidated_start, (u64)p + PAGE);
	/* the device has access to the new page as soon as it is mapped */
	memset(p + PAGE, 0x23, PAGE);
	assert_int_equal(map_pages(1, 1, 3), 1);
	device_reads(1, 0x23);
	device_writes(1, 0x24);
	assert_true(all_are(p + PAGE, SIZE, 0x24));
}

static void test_unmapped_memory_leaves_the_device(void **state)
{
	u8 *other;

	memset(p, 0x41, PAGES * PAGE);
	assert_int_equal(map_pages(0, PAGES, 3), PAGES);
	munmap(p, PAGE);
	becomes_unmapped(0);
	device_reads(0, 0);
	assert_int_equal(map_pages(0, 1, 3), -EFAULT);
	device_reads(1, 0x41);
	/* other memory is mapped in its place */
	other = mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_equal(other, p + PAGE);
	memset(other, 0x42, PAGE);
	becomes_unmapped(1);
	device_reads(1, 0);
	assert_int_equal(map_pages(1, 1, 3), 1);
	device_reads(1, 0x42);
	/* the program invalidates before it unmaps; no access comes between */
	assert_int_equal(ib_umem_invalidate_range(ctx, (u64)p + 2 * PAGE, (u64)p + 3 * PAGE), 0);
	assert_false(is_mapped(2));
	device_reads(2, 0);
	munmap(p + 2 * PAGE, PAGE);
}

/*
 * The device keeps access to the parent's memory, or gets it again, whichever process writes first
 * after a fork.
 */
static void test_fork(void **state)
{
	int status, ends[2];
	pid_t child;
	char byte;

	memset(p, 0x61, PAGES * PAGE);
	assert_int_equal(map_pages(0, 2, 3), 2);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 && p[0] == 0x61 ? 0 : 1);
	}
	/* a fork causes an invalidation event for every region */
	becomes_unmapped(0);
	memset(p, 0x62, PAGE);
	assert_int_equal(map_pages(0, 1, 3), 1);
	device_reads(0, 0x62);
	device_writes(0, 0x63);
	assert_true(all_are(p, SIZE, 0x63));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Each page is a separate mapping in the kernel, and all are removed with the region. */
static void test_many_pages(void **state)
{
	u8 *at = memory(MANY);
	struct ib_umem *many =
		ib_umem_get(ctx, (u64)at, MANY * PAGE, IB_ACCESS_ON_DEMAND | IB_ACCESS_LOCAL_WRITE);
	struct dmamap_stats was = stats(), now;

	assert_false(IS_ERR(many));
	memset(at, 0x71, MANY * PAGE);
	assert_int_equal(
		ib_umem_advise(many, IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH, (u64)at, MANY * PAGE), 0);
	now = stats();
	assert_int_equal(now.kernel_maps - was.kernel_maps, MANY);
	munmap(at + 8 * PAGE, (MANY - 16) * PAGE);
	for (int tries = 0; ib_umem_dma_address(many, (u64)at + 8 * PAGE) != DMA_MAPPING_ERROR;
	     tries++) {
		assert_true(tries < 2000);
		usleep(1000);
	}
	ib_umem_release(many);
	now = stats();
	assert_int_equal(now.kernel_unmap_errors, 0);
	assert_int_equal(now.kernel_maps_left, before.kernel_maps_left);
	munmap(at, MANY * PAGE);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pages_are_mapped_by_the_program, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_permissions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discarded_memory_leaves_the_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_unmapped_memory_leaves_the_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_fork, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_pages, setup, teardown),
	};
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		spec = argv[i];
		printf("# %s\n", spec);
		failed += cmocka_run_group_tests_name("odp", tests, NULL, NULL);
	}
	return argc < 2 ? 2 : failed;
}
