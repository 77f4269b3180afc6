/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings in the kernel's address space: the system calls that both back ends make. */
#include "vfio_rig.h"

#include "base/clock.h"
#include "domain/flusher.h"

#include <linux/dmapool.h>
#include <linux/scatterlist.h>

#define PAGES 64

static struct device *dev;
static const char *backend; /* "vfio" or "iommufd" */

static void open_with(const char *keys)
{
	char spec[128];

	snprintf(spec, sizeof(spec), "%s:0000:00:03.0,ram=64M%s", backend, keys);
	dev = rig_open(spec, DMA_BIT_MASK(64));
	write_once(&rig.map_calls, 0);
	write_once(&rig.unmap_calls, 0);
}

static void close_it(void)
{
	assert_int_equal(rig_stats(dev).kernel_unmap_errors, 0);
	rig_close(dev);
	dev = NULL;
}

static int start(void **state)
{
	backend = *state;
	rig_start();
	return 0;
}

static int end(void **state)
{
	rig_end();
	return 0;
}

static void calls(u64 maps, u64 unmaps)
{
	assert_int_equal(read_once(&rig.map_calls), maps);
	assert_int_equal(read_once(&rig.unmap_calls), unmaps);
}

static dma_addr_t map(void *p, size_t size, enum dma_data_direction dir)
{
	dma_addr_t a = dma_map_single(dev, p, size, dir);

	if (dma_mapping_error(dev, a))
		fail_msg("%s", dmamap_strerror());
	return a;
}

static void test_strict(void **state)
{
	u8 *p, *own = malloc(10000);
	dma_addr_t a;

	open_with("");
	p = kmalloc(4096, GFP_KERNEL);
	a = map(p, 4096, DMA_TO_DEVICE);
	calls(1, 0);
	assert_ptr_equal(rig_device_reach(a, false), p);
	assert_null(rig_device_reach(a, true));
	dma_unmap_single(dev, a, 4096, DMA_TO_DEVICE);
	calls(1, 1);
	assert_null(rig_device_reach(a, false));
	a = map(own, 10000, DMA_FROM_DEVICE);
	calls(2, 1);
	assert_ptr_equal(rig_device_reach(a, true), own);
	assert_ptr_equal(rig_device_reach(a + 9999, true), own + 9999);
	assert_null(rig_device_reach(a, false));
	dma_unmap_single(dev, a, 10000, DMA_FROM_DEVICE);
	calls(2, 2);
	assert_int_equal(rig.n_maps, 0);
	assert_int_equal(rig_stats(dev).kernel_maps, 2);
	assert_int_equal(rig_stats(dev).kernel_unmaps, 2);
	close_it();
	free(own);
	kfree(p);
}

/* Groups of four contiguous pages: a call for each group, none for each page. */
static void make_list(struct scatterlist *sgl, struct page *block)
{
	sg_init_table(sgl, PAGES / 2);
	for (unsigned int i = 0; i < PAGES / 2; i++)
		sg_set_page(&sgl[i], block + i / 4 * 8 + i % 4, PAGE_SIZE, 0);
}

static void test_scatterlist(void **state)
{
	struct page *block;
	struct scatterlist sgl[PAGES / 2];

	open_with("");
	block = alloc_pages(GFP_KERNEL, 6);
	make_list(sgl, block);
	assert_int_equal(dma_map_sg(dev, sgl, PAGES / 2, DMA_BIDIRECTIONAL),
			 2); /* of 64 KiB each */
	calls(8, 0);
	for (unsigned int i = 0; i < PAGES / 2; i++)
		assert_ptr_equal(rig_device_reach(sg_dma_address(sgl) + i * PAGE_SIZE, true),
				 page_address(block + i / 4 * 8 + i % 4));
	dma_unmap_sg(dev, sgl, PAGES / 2, DMA_BIDIRECTIONAL);
	calls(8, 1);
	assert_int_equal(rig.n_maps, 0);
	close_it();
	__free_pages(block, 6);
}

/* In order, and as a ring of requests: few unmaps, and never of a live mapping. */
/* Timed flushes may have run since: on a slow machine they make batches smaller. */
static u64 timed(u64 since_ns)
{
	return (clock_ns() - since_ns) / (FLUSH_AFTER_MS * 1000000ull) + 1;
}

static void test_lazy(void **state)
{
	struct {
		dma_addr_t addr;
		size_t size;
	} live[32] = {0};
	u8 *p;
	u64 unmaps = 0, seed = 1, begin = clock_ns();
	dma_addr_t a;

	open_with(",policy=lazy");
	p = kmalloc(32768, GFP_KERNEL);
	for (int i = 0; i < 5000; i++) {
		a = map(p, 4096, DMA_TO_DEVICE);
		dma_unmap_single(dev, a, 4096, DMA_TO_DEVICE);
	}
	assert_int_equal(read_once(&rig.map_calls), 5000);
	assert_in_range(read_once(&rig.unmap_calls), 1, 250 + 2 * timed(begin));
	write_once(&rig.unmap_calls, 0);
	begin = clock_ns();
	for (int i = 0; i < 20000; i++) {
		unsigned int k;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		k = (unsigned int)(seed >> 33) % 32;
		if (live[k].size) {
			assert_ptr_equal(rig_device_reach(live[k].addr, false), p);
			assert_ptr_equal(rig_device_reach(live[k].addr + live[k].size - 1, false),
					 p + live[k].size - 1);
			dma_unmap_single(dev, live[k].addr, live[k].size, DMA_TO_DEVICE);
			unmaps++;
		}
		live[k].size = 4096 + (i < 10000 ? 0 : (seed >> 40) % 5 * 4096);
		live[k].addr = map(p, live[k].size, DMA_TO_DEVICE);
	}
	print_message("# lazy: %llu calls for %llu unmaps\n",
		      (unsigned long long)read_once(&rig.unmap_calls), (unsigned long long)unmaps);
	assert_true(read_once(&rig.unmap_calls) < unmaps / 10 + 64 * timed(begin));
	for (int k = 0; k < 32; k++)
		if (live[k].size)
			dma_unmap_single(dev, live[k].addr, live[k].size, DMA_TO_DEVICE);
	close_it();
	kfree(p);
}

/* Memory of the program may be freed right after the unmap: never lazy. */
static void test_lazy_is_strict_outside_ram(void **state)
{
	u8 *own = malloc(4096);
	dma_addr_t a;

	open_with(",policy=lazy");
	a = map(own, 4096, DMA_TO_DEVICE);
	dma_unmap_single(dev, a, 4096, DMA_TO_DEVICE);
	calls(1, 1);
	assert_int_equal(rig.n_maps, 0);
	close_it();
	free(own);
}

static void test_pool(void **state)
{
	u8 *p, *own = malloc(4096), *coherent;
	dma_addr_t a, b;

	open_with(",policy=identity");
	p = kmalloc(4096, GFP_KERNEL);
	assert_int_equal(rig.n_maps, 1);
	for (int i = 0; i < 100000; i++) {
		a = map(p, 4096, DMA_BIDIRECTIONAL);
		assert_ptr_equal(rig_device_reach(a, true), p);
	}
	for (int i = 0; i < 100000; i++)
		dma_unmap_single(dev, a, 4096, DMA_BIDIRECTIONAL);
	coherent = dma_alloc_coherent(dev, 8192, &b, GFP_KERNEL);
	assert_ptr_equal(rig_device_reach(b, true), coherent);
	dma_free_coherent(dev, 8192, coherent, b);
	calls(0, 0);
	a = map(own, 4096, DMA_FROM_DEVICE);
	assert_ptr_equal(rig_device_reach(a, true), own);
	dma_unmap_single(dev, a, 4096, DMA_FROM_DEVICE);
	calls(1, 1);
	close_it();
	free(own);
	kfree(p);
}

static void test_coherent(void **state)
{
	struct dma_pool *pool;
	dma_addr_t a;
	u8 *p, *q;

	open_with("");
	p = dma_alloc_coherent(dev, 100, &a, GFP_KERNEL);
	assert_ptr_equal(rig_device_reach(a, true), p);
	pool = dma_pool_create("p", dev, 64, 64, 0);
	calls(1, 0);
	q = dma_pool_alloc(pool, GFP_KERNEL, &a);
	assert_ptr_equal(rig_device_reach(a, true), q);
	dma_pool_free(pool, q, a);
	dma_pool_destroy(pool);
	assert_int_equal(rig.n_maps, 1);
	dma_free_coherent(dev, 100, p, phys_of(p).v); /* not its address: refused */
	assert_int_equal(rig.n_maps, 1);
	dmamap_close(dev); /* which frees it */
}

static void test_untrusted(void **state)
{
	u8 *own = malloc(8192), *at;
	dma_addr_t a;

	open_with(",untrusted=1");
	memset(own, 7, 8192);
	a = map(own + 100, 50, DMA_TO_DEVICE);
	at = rig_device_reach(a, false);
	assert_ptr_not_equal(at, own + 100);
	assert_true(rig_all(at, 50, 7));
	assert_int_not_equal(at[-1], 7);
	assert_int_not_equal(at[50], 7);
	dma_unmap_single(dev, a, 50, DMA_TO_DEVICE);
	calls(1, 1);
	close_it();
	free(own);
}

static void test_entries_run_out(void **state)
{
	struct page *block;
	struct scatterlist sgl[PAGES / 2];
	u8 *p;
	dma_addr_t a[20];

	rig.limit = 20;
	open_with("");
	block = alloc_pages(GFP_KERNEL, 6);
	p = page_address(block);
	make_list(sgl, block);
	/* many runs are mapped and unmapped, though not each is counted back */
	for (int i = 0; i < 50; i++) {
		assert_int_not_equal(dma_map_sg(dev, sgl, PAGES / 2, DMA_TO_DEVICE), 0);
		dma_unmap_sg(dev, sgl, PAGES / 2, DMA_TO_DEVICE);
	}
	for (int i = 0; i < 15; i++)
		a[i] = map(p, 4096, DMA_TO_DEVICE);
	write_once(&rig.map_calls, 0);
	assert_int_equal(dma_map_sg(dev, sgl, PAGES / 2, DMA_TO_DEVICE), 0);
	/* refused before, not detected in the middle */
	assert_int_equal(read_once(&rig.map_calls), 0);
	assert_non_null(strstr(dmamap_strerror(), "8 more mappings"));
	assert_non_null(strstr(dmamap_strerror(), "accepts only 5 more"));
	assert_non_null(strstr(dmamap_strerror(), "policy=identity"));
	for (int i = 15; i < 20; i++)
		a[i] = map(p, 4096, DMA_TO_DEVICE);
	assert_true(dma_mapping_error(dev, dma_map_single(dev, p, 4096, DMA_TO_DEVICE)));
	assert_non_null(strstr(dmamap_strerror(), "only 0 more"));
	assert_int_equal(rig.n_maps, 20);
	for (int i = 0; i < 20; i++)
		dma_unmap_single(dev, a[i], 4096, DMA_TO_DEVICE);
	assert_int_equal(rig.n_maps, 0);
	close_it();
	__free_pages(block, 6);
}

static void test_kernel_refuses(void **state)
{
	static const struct {
		int err;
		const char *word;
	} refusals[] = {{ENOMEM, "cannot pin"}, {EFAULT, "cannot pin"}, {EPERM, "cannot map"}};
	struct page *block;
	struct scatterlist sgl[PAGES / 2];
	struct dma_iova_state range;
	dma_addr_t a;
	void *p;

	open_with("");
	block = alloc_pages(GFP_KERNEL, 6);
	make_list(sgl, block);
	p = page_address(block);
	rig.fail_only =
		*backend == 'v' ? (unsigned long)VFIO_IOMMU_MAP_DMA : (unsigned long)UAPI_IOAS_MAP;
	for (unsigned int i = 0; i < ARRAY_SIZE(refusals); i++) {
		rig.fail_err = refusals[i].err;
		rig.fail_at = 1;
		assert_true(dma_mapping_error(dev, dma_map_single(dev, p, 4096, DMA_TO_DEVICE)));
		assert_non_null(strstr(dmamap_strerror(), refusals[i].word));
		rig.fail_at = 3;
		assert_int_equal(dma_map_sg(dev, sgl, PAGES / 2, DMA_TO_DEVICE), 0);
		assert_non_null(strstr(dmamap_strerror(), refusals[i].word));
		rig.fail_at = 1;
		assert_null(dma_alloc_coherent(dev, 4096, &a, GFP_KERNEL));
		assert_non_null(strstr(dmamap_strerror(), refusals[i].word));
		assert_true(dma_iova_try_alloc(dev, &range, 0, 16384));
		rig.fail_at = 1;
		assert_int_equal(
			dma_iova_link(dev, &range, virt_to_phys(p), 0, 16384, DMA_TO_DEVICE, 0),
			-ENOMEM);
		assert_non_null(strstr(dmamap_strerror(), refusals[i].word));
		assert_int_equal(
			dma_iova_link(dev, &range, virt_to_phys(p), 0, 16384, DMA_TO_DEVICE, 0), 0);
		dma_iova_destroy(dev, &range, 16384, DMA_TO_DEVICE, 0);
		assert_int_equal(rig.n_maps, 0);
	}
	close_it();
	__free_pages(block, 6);
}

/* The kernel unmaps less than was requested: this is always reported. */
static void test_short_unmap(void **state)
{
	u8 *p;
	dma_addr_t a;

	open_with("");
	p = kmalloc(8192, GFP_KERNEL);
	a = map(p, 8192, DMA_TO_DEVICE);
	rig.short_unmap = true;
	dma_unmap_single(dev, a, 8192, DMA_TO_DEVICE);
	rig.short_unmap = false;
	assert_non_null(strstr(dmamap_strerror(), "unmapped 4096 bytes of 8192"));
	assert_int_equal(rig_stats(dev).kernel_unmap_errors, 1);
	rig_close(dev);
	kfree(p);
}

static void test_not_mapped(void **state)
{
	open_with("");
	dma_unmap_single(dev, 0x12345000, 4096, DMA_TO_DEVICE);
	assert_non_null(strstr(dmamap_strerror(), "no mapping begins"));
	calls(0, 0);
	dmamap_close(dev);
}

static void test_parts_of_links(void **state)
{
	struct page *block;
	u64 pa;
	u8 *p;
	struct dma_iova_state range;
	u64 seed = 3;
	bool linked[32] = {0};

	open_with("");
	block = alloc_pages(GFP_KERNEL, 5);
	pa = page_to_phys(block);
	p = page_address(block);
	assert_true(dma_iova_try_alloc(dev, &range, 0, 32 * 4096));
	assert_int_equal(dma_iova_link(dev, &range, pa, 0, 32 * 4096, DMA_BIDIRECTIONAL, 0), 0);
	calls(1, 0);
	dma_iova_unlink(dev, &range, 8 * 4096, 4 * 4096, DMA_BIDIRECTIONAL, 0);
	calls(3, 1);
	for (int i = 0; i < 32; i++)
		assert_ptr_equal(rig_device_reach(range.addr + (u64)i * 4096, true),
				 i / 4 == 2 ? NULL : p + i * 4096);
	write_once(&rig.unmap_calls, 0);
	dma_iova_unlink(dev, &range, 0, 32 * 4096, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(read_once(&rig.unmap_calls), 1);
	/* at random, compared with the expected state */
	for (int round = 0; round < 3000; round++) {
		unsigned int first, n;
		bool any = false;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		first = (unsigned int)(seed >> 33) % 32;
		n = 1 + (unsigned int)(seed >> 48) % (32 - first);
		for (unsigned int i = first; i < first + n; i++)
			any |= linked[i];
		if (any)
			dma_iova_unlink(dev, &range, first * 4096, n * 4096, DMA_BIDIRECTIONAL, 0);
		else
			assert_int_equal(dma_iova_link(dev, &range, pa + first * 4096, first * 4096,
						       n * 4096, DMA_BIDIRECTIONAL, 0),
					 0);
		for (unsigned int i = first; i < first + n; i++)
			linked[i] = !any;
		for (unsigned int i = 0; i < 32; i++)
			assert_ptr_equal(rig_device_reach(range.addr + i * 4096, true),
					 linked[i] ? p + i * 4096 : NULL);
	}
	dma_iova_destroy(dev, &range, 32 * 4096, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(rig.n_maps, 0);
	close_it();
	__free_pages(block, 5);
}

static void test_noncontiguous(void **state)
{
	struct sg_table *t;

	open_with("");
	t = dma_alloc_noncontiguous(dev, 65536, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	assert_non_null(t);
	assert_ptr_equal(rig_device_reach(sg_dma_address(t->sgl), true),
			 page_address(sg_page(t->sgl)));
	write_once(&rig.unmap_calls, 0);
	dma_free_noncontiguous(dev, 65536, t, DMA_BIDIRECTIONAL);
	assert_int_equal(read_once(&rig.unmap_calls), 1);
	assert_int_equal(rig.n_maps, 0);
	close_it();
}

static void test_persistent(void **state)
{
	u8 *own = aligned_alloc(4096, 16384);
	dma_addr_t a;

	open_with(",policy=persistent");
	a = map(own, 16384, DMA_BIDIRECTIONAL);
	assert_ptr_equal(rig_device_reach(a, true), own);
	dma_unmap_single(dev, a, 16384, DMA_BIDIRECTIONAL);
	write_once(&rig.map_calls, 0);
	a = map(own, 16384, DMA_BIDIRECTIONAL);
	assert_ptr_equal(rig_device_reach(a, true), own);
	/* 0 where there are invalidation events */
	assert_in_range(read_once(&rig.map_calls), 0, 1);
	dma_unmap_single(dev, a, 16384, DMA_BIDIRECTIONAL);
	close_it();
	free(own);
}

/* A reserved window in RAM's own addresses (as for interrupts on ARM): RAM is moved, or refused. */
static void test_windows(void **state)
{
	u8 *p;
	dma_addr_t a;
	char spec[80];

	rig.window[0].last = 0x1ffffff;
	rig.window[1].first = 0x2100000;
	rig.window[1].last = 0xffffffff;
	open_with(",policy=identity");
	assert_int_equal(rig.n_maps, 1);
	assert_int_equal(rig.map[0].iova, 0x2200000);
	p = kmalloc(100, GFP_KERNEL);
	a = map(p, 100, DMA_BIDIRECTIONAL);
	assert_ptr_equal(rig_device_reach(a, true), p);
	dma_unmap_single(dev, a, 100, DMA_BIDIRECTIONAL);
	kfree(p);
	close_it();
	rig.window[1].last = 0x21fffff;
	snprintf(spec, sizeof(spec), "%s:00:03.0,ram=64M,policy=identity", backend);
	assert_null(dmamap_open(spec));
	assert_non_null(strstr(dmamap_strerror(), "smaller ram"));
	/* each mapping by itself fits; none is ever placed where the kernel would not accept it */
	rig.window[0].first = 0x100000;
	rig.window[0].last = 0x13ffff;
	rig.windows = 1;
	open_with("");
	p = kmalloc(4096, GFP_KERNEL);
	for (int i = 0; i < 64; i++)
		assert_in_range(map(p, 4096, DMA_TO_DEVICE), 0x100000, 0x13f000);
	assert_true(dma_mapping_error(dev, dma_map_single(dev, p, 4096, DMA_TO_DEVICE)));
	assert_non_null(strstr(dmamap_strerror(), "address space"));
	kfree(p);
	dmamap_close(dev);
}

static void test_39_bits(void **state)
{
	u8 *p;
	dma_addr_t a;

	open_with(",forcedac=1");
	p = kmalloc(4096, GFP_KERNEL);
	a = map(p, 4096, DMA_TO_DEVICE);
	assert_in_range(a, 1ull << 38, (1ull << 39) - 4096);
	dma_unmap_single(dev, a, 4096, DMA_TO_DEVICE);
	close_it();
	kfree(p);
}

/* A kernel that reports no capabilities: still correct. */
static void test_old_kernel(void **state)
{
	u8 *p;
	dma_addr_t a;

	rig.no_caps = true;
	open_with("");
	p = kmalloc(4096, GFP_KERNEL);
	assert_int_equal(rig_stats(dev).kernel_maps_left, ~0ull);
	a = map(p, 4096, DMA_TO_DEVICE);
	assert_ptr_equal(rig_device_reach(a, false), p);
	dma_unmap_single(dev, a, 4096, DMA_TO_DEVICE);
	close_it();
	kfree(p);
}

#define BOTH(f)                                                                                    \
	{#f " vfio", f, start, end, vfio},                                                         \
	{                                                                                          \
#f " iommufd", f, start, end, iommufd                                              \
	}
#define TYPE1(f)                                                                                   \
	{                                                                                          \
#f " vfio", f, start, end, vfio                                                    \
	}

static char vfio[] = "vfio", iommufd[] = "iommufd";

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_strict),	   BOTH(test_scatterlist),
		BOTH(test_lazy),	   BOTH(test_lazy_is_strict_outside_ram),
		BOTH(test_pool),	   BOTH(test_coherent),
		BOTH(test_untrusted),	   TYPE1(test_entries_run_out),
		BOTH(test_kernel_refuses), BOTH(test_short_unmap),
		BOTH(test_not_mapped),	   BOTH(test_parts_of_links),
		BOTH(test_noncontiguous),  BOTH(test_persistent),
		BOTH(test_windows),	   BOTH(test_39_bits),
		TYPE1(test_old_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
