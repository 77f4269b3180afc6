/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On-demand paging for a device of QEMU. It accesses RAM only, so pages of other memory have
 * copies. Its accesses cannot wait, so the program maps pages before the device uses them.
 */
#include "rig.h"

#include <errno.h>
#include <rdma/ib_umem_odp.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096ul

static struct device *dev;
static struct edu *edu;
static struct ib_ucontext *ctx;
static u8 *p;

static void open_all(const char *spec)
{
	dev = rig_open(spec);
	edu = edu_probe(dev);
	if (!edu)
		fail_msg("%s", driver_strerror());
	ctx = ib_alloc_ucontext(dev, NULL);
	assert_false(IS_ERR_OR_NULL(ctx));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
}

static void close_all(void)
{
	ib_dealloc_ucontext(ctx);
	assert_int_equal(rig_stats(dev).iova_ranges, 0);
	edu_remove(edu);
	dmamap_close(dev);
	munmap(p, 4 * PAGE);
}

static u64 faults(void)
{
	struct dmamap_fault f;
	u64 n = 0;

	while (dmamap_bus_fault_next(dev, &f) == 1)
		n++;
	return n;
}

static int fault_in(struct ib_umem *umem, u64 page, u64 n, u64 mask)
{
	return ib_umem_odp_map_dma_pages(umem, (u64)p + page * PAGE, n * PAGE, mask,
					 ib_umem_notifiers_seq(umem));
}

static void test_regions(void **state)
{
	struct ib_umem *umem;
	dma_addr_t base;

	open_all(*state);
	umem = ib_umem_get(ctx, (u64)p, 4 * PAGE, IB_ACCESS_ON_DEMAND | IB_ACCESS_LOCAL_WRITE);
	assert_false(IS_ERR_OR_NULL(umem));
	base = ib_umem_start_dma_addr(umem);
	memset(p, 0x5a, 4 * PAGE);
	/* the device's accesses do not wait for a page */
	assert_int_equal(edu_dma_to_device(edu, base, 0, 256), 0);
	assert_int_equal(faults(), 1);
	assert_int_equal(fault_in(umem, 0, 3, 3), 3);
	assert_int_equal(edu_dma_to_device(edu, base, 0, 256), 0);
	assert_int_equal(edu_dma_from_device(edu, base + PAGE + 8, 0, 256), 0);
	assert_int_equal(edu_dma_from_device(edu, base + 2 * PAGE + 8, 0, 256), 0);
	assert_int_equal(faults(), 0);
	p[2 * PAGE] = 1;
	ib_umem_odp_unmap_dma_pages(umem, (u64)p + PAGE, (u64)p + 3 * PAGE);
	assert_int_equal(p[PAGE + 8] | p[2 * PAGE + 263], 0x5a);
	assert_int_equal(p[2 * PAGE], 1);
	/*
	 * the device has no access, also where the memory was unmapped: nothing is written back to
	 * it
	 */
	assert_int_equal(edu_dma_from_device(edu, base + PAGE, 0, 256), 0);
	assert_int_equal(faults(), 1);
	assert_int_equal(edu_dma_from_device(edu, base, 0, 256), 0);
	munmap(p, PAGE);
	if (ib_umem_events_enabled(ctx))
		while (ib_umem_dma_address(umem, (u64)p) != DMA_MAPPING_ERROR)
			usleep(200);
	else
		ib_umem_invalidate_range(ctx, (u64)p, (u64)p + PAGE);
	assert_int_equal(edu_dma_to_device(edu, base, 0, 256), 0);
	assert_int_equal(faults(), 1);
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, 0, SIZE_MAX, IB_ACCESS_ON_DEMAND)), -EOPNOTSUPP);
	/* release also copies back what the device wrote */
	p[3 * PAGE + 16] = 1;
	assert_int_equal(fault_in(umem, 3, 1, 3), 1);
	assert_int_equal(edu_dma_to_device(edu, base + 3 * PAGE + 512, 0, 256), 0);
	assert_int_equal(edu_dma_from_device(edu, base + 3 * PAGE + 16, 0, 1), 0);
	assert_int_equal(p[3 * PAGE + 16], 1);
	ib_umem_release(umem);
	assert_int_equal(p[3 * PAGE + 16], 0x5a);
	close_all();
}

/* Memory other than RAM bounces under every policy, so no mapping of it is cached. */
static void test_nothing_is_kept(void **state)
{
	u8 back[64];
	dma_addr_t at;

	open_all("qemu:edu,policy=persistent");
	memset(p, 0x77, PAGE);
	memset(back, 0, sizeof(back));
	assert_int_equal(edu_write(edu, p, 0, 64), 0);
	assert_int_equal(edu_read(edu, back, 0, 64), 0);
	assert_memory_equal(p, back, 64);
	at = dma_map_single(dev, p, 64, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, at), 0);
	munmap(p, PAGE);
	dma_unmap_single(dev, at, 64, DMA_TO_DEVICE);
	assert_int_equal(faults(), 0);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"regions", test_regions, NULL, rig_teardown, (void *)"qemu:edu"},
		{"regions, lazy", test_regions, NULL, rig_teardown, (void *)"qemu:edu,policy=lazy"},
		rig_test(test_nothing_is_kept),
	};

	rig_need_qemu();
	return cmocka_run_group_tests(tests, NULL, rig_cleanup);
}
