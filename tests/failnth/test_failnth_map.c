/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping on each path and the device's accesses, with a failure at every place. */
#include "failnth.h"

#include <sys/uio.h>

static const struct {
	const char *spec;
	u64 mask;
} devices[] = {
	{"sim,swiotlb=1M", ~0ull},
	{"sim,policy=lazy", ~0ull},
	{"sim,policy=identity", ~0ull},
	{"sim,policy=identity", DMA_BIT_MASK(32)},
	{"sim,untrusted=1", ~0ull},
	{"sim,iommu=0", ~0ull},
	{"sim,iommu=0", DMA_BIT_MASK(32)},
	{"sim,coherent=0", ~0ull},
	{"sim,coherent=0,iommu=0", DMA_BIT_MASK(32)},
	{"sim,coherent=0,untrusted=1", ~0ull},
	{"sim,group=g", DMA_BIT_MASK(40)},
	{"sim,bus-offset=64K", ~0ull},
	{"sim,coherent=0,policy=identity", ~0ull},
};

static u8 *ram, *heap; /* 256 KiB each, 0x11 and 0x22 */

#define MEMORY 0x40000ul

static int fail_code(struct device *dev, dma_addr_t addr)
{
	int err = dma_mapping_error(dev, addr);

	/* a failed mapping sets errno as well as the error message */
	assert_int_not_equal(errno, 0);
	return err;
}

static int map_singles(struct device *dev, void *arg)
{
	static const size_t sizes[] = {1, 4096, 9000, 70000};
	u8 *memory = arg;
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes) && !err; i++) {
		dma_addr_t addr = dma_map_single(dev, memory + 64, sizes[i], DMA_BIDIRECTIONAL);

		if (dma_mapping_error(dev, addr))
			err = fail_code(dev, addr);
		else
			dma_unmap_single(dev, addr, sizes[i], DMA_BIDIRECTIONAL);
	}
	return err;
}

static int map_many(struct device *dev, void *arg)
{
	enum { N = 12 };
	dma_addr_t addr[N];
	u8 *memory = arg;
	int err = 0, n;

	for (n = 0; n < N && !err; n++) {
		addr[n] = n % 3 == 0   ? dma_map_single(dev, memory + 4096 * n, 2000, DMA_TO_DEVICE)
			  : n % 3 == 1 ? dma_map_page(dev, virt_to_page(memory + 4096 * n), 64,
						      3000, DMA_TO_DEVICE)
				       : dma_map_phys(dev, virt_to_phys(memory + 4096 * n), 4096,
						      DMA_TO_DEVICE, 0);
		if (dma_mapping_error(dev, addr[n])) {
			err = fail_code(dev, addr[n]);
			break;
		}
	}
	while (n--)
		if (n % 3 == 0)
			dma_unmap_single(dev, addr[n], 2000, DMA_TO_DEVICE);
		else if (n % 3 == 1)
			dma_unmap_page(dev, addr[n], 3000, DMA_TO_DEVICE);
		else
			dma_unmap_phys(dev, addr[n], 4096, DMA_TO_DEVICE, 0);
	return err;
}

static int map_registers(struct device *dev, void *arg)
{
	dma_addr_t addr = dma_map_resource(dev, 0xd0000000, 8192, DMA_BIDIRECTIONAL, 0);

	if (dma_mapping_error(dev, addr))
		return fail_code(dev, addr);
	dma_unmap_resource(dev, addr, 8192, DMA_BIDIRECTIONAL, 0);
	return 0;
}

static int map_list(struct device *dev, void *arg)
{
	struct scatterlist sg[16];
	unsigned int n;

	sg_init_table(sg, 16);
	for (int i = 0; i < 16; i++)
		sg_set_buf(&sg[i], (i % 4 == 3 ? heap : ram) + (15 - i) * 12288,
			   i % 3 ? 4096 : 5000);
	n = dma_map_sg(dev, sg, 16, DMA_BIDIRECTIONAL);
	if (!n) {
		assert_int_not_equal(errno, 0);
		return -errno;
	}
	dma_unmap_sg(dev, sg, 16, DMA_BIDIRECTIONAL);
	return 0;
}

/* Entries that cannot be one range for the device: 3 MiB, with one or two page tables. */
static int map_long_table(struct device *dev, void *arg)
{
	struct sg_table sgt;
	struct scatterlist *sg;
	unsigned int i;
	int err = sg_alloc_table(&sgt, 200, GFP_KERNEL);

	if (err)
		return err;
	for_each_sgtable_sg (&sgt, sg, i)
		sg_set_buf(sg, ram + (i * 37 % 64) * 4096ul, 4096);
	err = dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, 0);
	if (!err)
		dma_unmap_sgtable(dev, &sgt, DMA_TO_DEVICE, 0);
	sg_free_table(&sgt);
	return err;
}

/* A boundary between two segments: each has a range of addresses of its own. */
static int map_with_holes(struct device *dev, void *arg)
{
	int err;

	dma_set_seg_boundary(dev, 0x3fff);
	dma_set_max_seg_size(dev, 0x3000);
	err = map_list(dev, arg);
	dma_set_max_seg_size(dev, 65536);
	dma_set_seg_boundary(dev, 0xffffffff);
	return err;
}

static void each_device(const char *name, int (*op)(struct device *, void *), void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		failnth_device(name, devices[i].spec, devices[i].mask, op, arg);
	for (size_t i = 0; i < MEMORY; i++)
		assert_true(ram[i] == 0x11 && heap[i] == 0x22);
}

static void test_single(void **state)
{
	each_device("single of RAM", map_singles, ram);
	each_device("single of other memory", map_singles, heap);
}

static void test_many(void **state)
{
	each_device("many of RAM", map_many, ram);
	each_device("many of other memory", map_many, heap);
}

static void test_registers(void **state)
{
	each_device("registers", map_registers, NULL);
}

static void test_list(void **state)
{
	each_device("list", map_list, NULL);
	each_device("list with holes", map_with_holes, NULL);
}

static void test_long_table(void **state)
{
	each_device("long table", map_long_table, NULL);
}

/* Four times as many pieces as an access can record without allocating memory. */
static int access_pieces(struct device *dev, void *arg)
{
	enum { N = 150 };
	static struct scatterlist sg[N];
	static u8 data[N * 4096];
	static struct iovec iov[N];
	unsigned int n;
	int err, held;

	sg_init_table(sg, N);
	for (unsigned int i = 0; i < N; i++)
		sg_set_buf(&sg[i], ram + (i * 37 % 64) * 4096ul, 4096);
	n = dma_map_sg(dev, sg, N, DMA_BIDIRECTIONAL);
	if (!n)
		return -errno;
	err = dmamap_bus_read(dev, sg_dma_address(sg), data, n == 1 ? sizeof(data) : 4096);
	if (!err)
		err = dmamap_bus_write(dev, sg_dma_address(sg), data, n == 1 ? sizeof(data) : 4096);
	if (!err) {
		held = dmamap_bus_map(dev, sg_dma_address(sg), n == 1 ? sizeof(data) : 4096, true,
				      iov, N);
		if (held < 0)
			err = held;
		else
			dmamap_bus_unmap(dev, iov, held, true);
	}
	dma_unmap_sg(dev, sg, N, DMA_BIDIRECTIONAL);
	return err;
}

static void test_accesses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		if (strstr(devices[i].spec, "untrusted"))
			continue;
		failnth_device("access", devices[i].spec, devices[i].mask, access_pieces, NULL);
	}
}

static int memory_get(void **state)
{
	if (failnth_setup(state))
		return -1;
	ram = (u8 *)__get_free_pages(GFP_KERNEL, 6);
	heap = aligned_alloc(4096, MEMORY);
	if (!ram || !heap)
		return -1;
	memset(ram, 0x11, MEMORY);
	memset(heap, 0x22, MEMORY);
	return 0;
}

static int memory_put(void **state)
{
	free_pages((unsigned long)ram, 6);
	free(heap);
	return failnth_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single),	   cmocka_unit_test(test_many),
		cmocka_unit_test(test_registers),  cmocka_unit_test(test_list),
		cmocka_unit_test(test_long_table), cmocka_unit_test(test_accesses),
	};

	return cmocka_run_group_tests(tests, memory_get, memory_put);
}
