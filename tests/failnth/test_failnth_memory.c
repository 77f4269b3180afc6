/* SPDX-License-Identifier: BSD-2-Clause */
/* Coherent memory, pools and lists, with a failure at every place. */
#include "failnth.h"

#include <linux/dmapool.h>
#include <linux/scatterlist.h>
#include <sys/mman.h>

static const struct {
	const char *spec;
	u64 mask;
} devices[] = {
	{"sim,swiotlb=1M", ~0ull},
	{"sim,policy=lazy", DMA_BIT_MASK(32)},
	{"sim,policy=identity", ~0ull},
	{"sim,policy=identity", DMA_BIT_MASK(32)},
	{"sim,untrusted=1", ~0ull},
	{"sim,iommu=0", DMA_BIT_MASK(30)},
	{"sim,coherent=0", ~0ull},
	{"sim,coherent=0,iommu=0", DMA_BIT_MASK(32)},
	{"sim,iommu=0,bus-offset=64K", ~0ull},
	{"sim,policy=identity,coherent=0,bus-offset=64K", DMA_BIT_MASK(31)},
};

static void each_device(const char *name, int (*op)(struct device *, void *), void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		failnth_device(name, devices[i].spec, devices[i].mask, op, arg);
}

static int coherent(struct device *dev, void *arg)
{
	static const size_t sizes[] = {1, 20000, 3 << 20};
	void *cpu[ARRAY_SIZE(sizes)];
	dma_addr_t dma[ARRAY_SIZE(sizes)], before = 4711;
	int err = 0;
	size_t n;

	for (n = 0; n < ARRAY_SIZE(sizes); n++) {
		dma[n] = before;
		cpu[n] = dma_alloc_coherent(dev, sizes[n], &dma[n], GFP_KERNEL);
		if (!cpu[n]) {
			err = -errno;
			assert_int_equal(dma[n], before);
			break;
		}
	}
	while (n--)
		dma_free_coherent(dev, sizes[n], cpu[n], dma[n]);
	return err;
}

static int managed(struct device *dev, void *arg)
{
	dma_addr_t dma;
	void *cpu = dmam_alloc_coherent(dev, 5000, &dma, GFP_KERNEL);

	if (!cpu)
		return -errno;
	dmam_free_coherent(dev, 5000, cpu, dma);
	return 0;
}

static int seen_again(struct device *dev, void *arg)
{
	struct vm_area_struct vma;
	struct sg_table sgt;
	dma_addr_t dma;
	void *cpu = dma_alloc_coherent(dev, 8192, &dma, GFP_KERNEL), *at;
	int err;

	if (!cpu)
		return -errno;
	at = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(at != MAP_FAILED);
	vma = (struct vm_area_struct){(unsigned long)at, (unsigned long)at + 8192, 0};
	err = dma_mmap_coherent(dev, &vma, cpu, dma, 8192);
	munmap(at, 8192);
	if (!err) {
		err = dma_get_sgtable(dev, &sgt, cpu, dma, 8192);
		if (!err)
			sg_free_table(&sgt);
	}
	dma_free_coherent(dev, 8192, cpu, dma);
	return err;
}

static int pool(struct device *dev, void *arg)
{
	struct dma_pool *pool = dma_pool_create("p", dev, 700, 64, 4096);
	dma_addr_t dma[20];
	void *cpu[20];
	int err = 0, n;

	if (!pool)
		return -errno;
	for (n = 0; n < 20; n++) {
		cpu[n] = dma_pool_zalloc(pool, GFP_KERNEL, &dma[n]);
		if (!cpu[n]) {
			err = -errno;
			break;
		}
	}
	while (n--)
		dma_pool_free(pool, cpu[n], dma[n]);
	dma_pool_destroy(pool);
	return err;
}

static int managed_pool(struct device *dev, void *arg)
{
	struct dma_pool *pool = dmam_pool_create("p", dev, 64, 0, 0);

	if (!pool)
		return -errno;
	dmam_pool_destroy(pool);
	return 0;
}

static void test_coherent(void **state)
{
	each_device("coherent", coherent, NULL);
}

static void test_managed(void **state)
{
	each_device("managed", managed, NULL);
	each_device("managed pool", managed_pool, NULL);
}

static void test_seen_again(void **state)
{
	each_device("mmap and sgtable", seen_again, NULL);
}

static void test_pool(void **state)
{
	each_device("pool", pool, NULL);
}

static int list(void *arg)
{
	struct sg_table sgt = {0};
	int err = sg_alloc_table(&sgt, 700, GFP_KERNEL);

	/* freeing what was not allocated has no effect */
	sg_free_table(&sgt);
	assert_null(sgt.sgl);
	return err;
}

static int list_of_pages(void *arg)
{
	struct page *pages[300];
	struct sg_table sgt = {0};
	int err;

	for (int i = 0; i < 300; i++)
		pages[i] = failnth_anchor;
	err = sg_alloc_table_from_pages(&sgt, pages, 300, 64, 299 * 4096, GFP_KERNEL);
	sg_free_table(&sgt);
	return err;
}

static void test_lists(void **state)
{
	failnth_alone("list", list, NULL);
	failnth_alone("list of pages", list_of_pages, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coherent),   cmocka_unit_test(test_managed),
		cmocka_unit_test(test_seen_again), cmocka_unit_test(test_pool),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, failnth_setup, failnth_teardown);
}
