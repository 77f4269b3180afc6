/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker's own memory, with a failure at every place. The driver observes the same as without
 * the checker: the same number of its calls fail. A mapping that could not be recorded is no
 * misuse; the loss of records is reported once. This device is the only checked one, so the
 * checker's data is created again each time, and LeakSanitizer detects leaks of it.
 */
#include "failnth.h"

#include <linux/dmapool.h>
#include <linux/scatterlist.h>
#include <unistd.h>

#define LIST 24

static u8 *ram; /* 256 KiB */
static unsigned int reports;
static char first_report[4096];

static void on_report(const struct dmamap_report *r, void *arg)
{
	if (!reports++)
		snprintf(first_report, sizeof(first_report), "%s: %s", r->name, r->text);
}

static int singles(struct device *dev)
{
	dma_addr_t addr[20];
	int n, err = 0;

	for (n = 0; n < 20; n++) {
		addr[n] = dma_map_single(dev, ram + n * 8192, 100u << n % 6, DMA_BIDIRECTIONAL);
		if (dma_mapping_error(dev, addr[n])) {
			err = -ENOMEM;
			break;
		}
		dma_sync_single_for_cpu(dev, addr[n], 100, DMA_BIDIRECTIONAL);
	}
	while (n--)
		dma_unmap_single(dev, addr[n], 100u << n % 6, DMA_BIDIRECTIONAL);
	return err;
}

static int list(struct device *dev)
{
	struct scatterlist sg[LIST];

	sg_init_table(sg, LIST);
	for (u32 i = 0; i < LIST; i++)
		sg_set_buf(&sg[i], ram + i * 8192, 4096);
	if (!dma_map_sg(dev, sg, LIST, DMA_TO_DEVICE))
		return -ENOMEM;
	dma_unmap_sg(dev, sg, LIST, DMA_TO_DEVICE);
	return 0;
}

static int memory(struct device *dev)
{
	dma_addr_t dma, block;
	void *cpu = dma_alloc_coherent(dev, 10000, &dma, GFP_KERNEL), *p;
	struct dma_pool *pool = cpu ? dma_pool_create("failnth", dev, 64, 64, 0) : NULL;
	int err = pool ? 0 : -ENOMEM;

	if (pool) {
		p = dma_pool_alloc(pool, GFP_KERNEL, &block);
		if (p)
			dma_pool_free(pool, p, block);
		else
			err = -ENOMEM;
		dma_pool_destroy(pool);
	}
	if (cpu)
		dma_free_coherent(dev, 10000, cpu, dma);
	return err;
}

static int range(struct device *dev)
{
	struct dma_iova_state state = {0};
	int err = 0;

	if (!dev->iommu || !dma_iova_try_alloc(dev, &state, virt_to_phys(ram), 65536))
		return 0;
	for (size_t at = 0; at < 65536 && !err; at += 16384) {
		err = dma_iova_link(dev, &state, virt_to_phys(ram) + at, at, 16384, DMA_TO_DEVICE,
				    0);
		if (err && at)
			dma_iova_unlink(dev, &state, 0, at, DMA_TO_DEVICE, 0);
	}
	if (!err)
		err = dma_iova_sync(dev, &state, 0, 65536);
	if (!err)
		dma_iova_unlink(dev, &state, 0, 65536, DMA_TO_DEVICE, 0);
	dma_iova_free(dev, &state);
	return err;
}

/*
 * The number of operations that fail, over all failures of the library's memory; *fired: the number
 * of failures.
 */
static u32 failures(const char *spec, bool check, u32 *fired)
{
	static int (*const ops[])(struct device *) = {singles, list, memory, range};
	u32 failed = 0;
	char text[64];

	snprintf(text, sizeof(text), "%s,check=%d", spec, check);
	*fired = 0;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		for (unsigned int n = 1;; n++) {
			struct device *dev = dmamap_open(text);
			char plan[32];

			assert_non_null(dev);
			assert_int_equal(dma_set_mask_and_coherent(dev, ~0ull), 0);
			snprintf(plan, sizeof(plan), "memory:nth=%u", n);
			assert_int_equal(dmamap_fail(plan), 0);
			failed += ops[i](dev) != 0;
			*fired += dmamap_fail_count("memory") != 0;
			if (!dmamap_fail_count("memory"))
				n = FAILNTH_MAX;
			assert_int_equal(dmamap_fail(NULL), 0);
			failnth_check_device(dev);
			assert_int_equal(ops[i](dev), 0);
			dmamap_close(dev);
			if (n >= FAILNTH_MAX)
				break;
		}
	return failed;
}

static void test_the_driver_sees_no_difference(void **state)
{
	static const char *const specs[] = {"sim", "sim,iommu=0", "sim,coherent=0",
					    "sim,policy=lazy"};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		u32 fired, fired_checked, failed;

		failures(specs[i], false, &fired); /* creates what exists once in a process */
		failed = failures(specs[i], false, &fired);
		reports = 0;
		assert_int_equal(failures(specs[i], true, &fired_checked), failed);
		assert_true(fired_checked > fired + 10);
		if (reports)
			fail_msg("%s: %u reports, the first: %s", specs[i], reports, first_report);
	}
}

/* Many are lost in sequence. */
static void test_said_once(void **state)
{
	FILE *said = tmpfile();
	int regcache = dup(2);
	u32 lines = 0;
	char line[256];
	struct device *dev = dmamap_open("sim,iommu=0,check=1");

	assert_non_null(dev);
	assert_int_equal(dma_set_mask_and_coherent(dev, ~0ull), 0);
	fflush(stderr);
	dup2(fileno(said), 2);
	assert_int_equal(dmamap_fail("memory:every=1"), 0);
	for (int i = 0; i < 10; i++)
		singles(dev);
	assert_int_equal(dmamap_fail(NULL), 0);
	fflush(stderr);
	dup2(regcache, 2);
	close(regcache);
	rewind(said);
	while (fgets(line, sizeof(line), said))
		lines += strstr(line, "dmamap: check: no memory to record") != NULL;
	fclose(said);
	assert_int_equal(lines, 1);
	dmamap_close(dev);
}

static int setup(void **state)
{
	unsetenv("DMAMAP_CHECK"); /* the specs select the devices that are checked */
	failnth_bystander = dmamap_open("sim,swiotlb=1M,coherent=0");
	failnth_anchor = alloc_page(GFP_KERNEL);
	ram = page_address(alloc_pages(GFP_KERNEL, get_order(0x40000)));
	dmamap_check_on_report(on_report, NULL);
	return failnth_anchor && failnth_bystander && ram ? 0 : -1;
}

static int teardown(void **state)
{
	__free_pages(virt_to_page(ram), get_order(0x40000));
	return failnth_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_said_once), /* first: it is reported once in a process */
		cmocka_unit_test(test_the_driver_sees_no_difference),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
