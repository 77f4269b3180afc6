/* SPDX-License-Identifier: BSD-2-Clause */
/* The device addresses of devices without an IOMMU. */
#include "core_rig.h"

#include "map/map.h"

static void maps_to(struct device *dev, void *p, size_t n, bool itself)
{
	dma_addr_t addr = dma_map_single(dev, p, n, DMA_TO_DEVICE);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	assert_int_equal(phys_is_bounce(PHYS(addr - dev->bus_offset)), !itself);
	if (itself)
		assert_int_equal(addr, virt_to_phys(p) + dev->bus_offset);
	assert_int_equal(dma_need_sync(dev, addr), !itself || !dev->coherent);
	dma_unmap_single(dev, addr, n, DMA_TO_DEVICE);
}

static void test_ram_is_its_own_address(void **state)
{
	struct device *dev = rig_open("sim,iommu=0", ~0ull);
	u8 *high = (u8 *)__get_free_pages(GFP_KERNEL, 1), *low = (u8 *)__get_free_pages(GFP_DMA, 1);
	u8 local[64];

	assert_true(virt_to_phys(high) >= MEM_DMA32_END);
	maps_to(dev, high, 8192, true);
	maps_to(dev, high + 4095, 1, true);
	maps_to(dev, low, 8192, true);
	memset(local, 0, sizeof(local));
	maps_to(dev, local, 64, false);
	/* up to the last byte of the mask, and no further */
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	maps_to(dev, high, 8192, false);
	maps_to(dev, low, 8192, true);
	free_pages((unsigned long)high, 1);
	free_pages((unsigned long)low, 1);
	rig_close(dev);
}

static void test_the_edge_of_the_mask(void **state)
{
	struct device *dev = rig_open("sim,iommu=0", DMA_BIT_MASK(30));
	/* the page at physical address 1 GiB - 4096 is below the mask; the next one is above it */
	u8 *edge = phys_ptr(PHYS(GIB - 4096));

	maps_to(dev, edge, 4096, true);
	maps_to(dev, edge, 4097, false);
	maps_to(dev, edge + 4096, 1, false);
	maps_to(dev, edge + 4095, 1, true);
	rig_close(dev);
}

static void test_an_offset_of_the_bus(void **state)
{
	struct device *dev = rig_open("sim,iommu=0,bus-offset=0x100000000", DMA_BIT_MASK(33));
	u8 *high = (u8 *)__get_free_pages(GFP_KERNEL, 0),
	   *low = (u8 *)__get_free_pages(GFP_DMA32, 0);

	/* 33 bits minus the offset: 4 GiB of bus addresses */
	maps_to(dev, low, 4096, true);
	maps_to(dev, high, 4096, false);
	free_page((unsigned long)high);
	free_page((unsigned long)low);
	rig_close(dev);
}

static void test_require_coherent(void **state)
{
	struct device *dev = rig_open("sim,iommu=0", DMA_BIT_MASK(32));
	u8 *high = (u8 *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr =
		dma_map_single_attrs(dev, high, 64, DMA_TO_DEVICE, DMA_ATTR_REQUIRE_COHERENT);

	assert_int_not_equal(dma_mapping_error(dev, addr), 0);
	assert_int_equal(errno, EIO);
	assert_non_null(strstr(dmamap_strerror(), "bounce"));
	free_page((unsigned long)high);
	rig_close(dev);
}

/* Registers are mapped at their own address, or not at all: they cannot bounce. */
static void test_registers(void **state)
{
	struct device *dev = rig_open("sim,iommu=0", DMA_BIT_MASK(31));
	dma_addr_t addr = dma_map_resource(dev, 0xd0000000, 4096, DMA_TO_DEVICE, 0);

	assert_int_not_equal(dma_mapping_error(dev, addr), 0);
	assert_int_equal(errno, EIO);
	assert_int_equal(dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	addr = dma_map_resource(dev, 0xd0000000, 4096, DMA_TO_DEVICE, 0);
	assert_int_equal(addr, 0xd0000000);
	dma_unmap_resource(dev, addr, 4096, DMA_TO_DEVICE, 0);
	rig_close(dev);
}

/* A call of the other direction does not unmap a bounced mapping, because it concerns another. */
static void bounced_the_other_way(const char *spec, bool foreign)
{
	struct device *dev = rig_open(spec, DMA_BIT_MASK(32));
	void *p = foreign ? calloc(1, 4096) : (void *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr = dma_map_single(dev, p, 2000, DMA_TO_DEVICE);
	u8 byte;

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_unmap_single(dev, addr, 2000, DMA_FROM_DEVICE);
	assert_non_null(strstr(dmamap_strerror(), "unmap"));
	assert_int_equal(rig_stats(dev).maps - rig_stats(dev).unmaps, 1);
	assert_int_equal(dmamap_bus_read(dev, addr, &byte, 1), 0);
	dma_unmap_single(dev, addr, 2000, DMA_BIDIRECTIONAL);
	assert_int_equal(rig_stats(dev).maps - rig_stats(dev).unmaps, 0);
	dma_unmap_single(dev, addr, 2000, DMA_TO_DEVICE); /* there are none any more */
	assert_int_equal(rig_stats(dev).maps - rig_stats(dev).unmaps, 0);
	if (foreign)
		free(p);
	else
		free_page((unsigned long)p);
	rig_close(dev);
}

static void test_bounced_the_other_way(void **state)
{
	bounced_the_other_way("sim,iommu=0", true);
	bounced_the_other_way("sim,iommu=0,coherent=0", true);
	bounced_the_other_way("sim,policy=identity", false); /* above the mask: mapped by pages */
	bounced_the_other_way("sim,policy=identity,coherent=0", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ram_is_its_own_address),
		cmocka_unit_test(test_the_edge_of_the_mask),
		cmocka_unit_test(test_an_offset_of_the_bus),
		cmocka_unit_test(test_require_coherent),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_bounced_the_other_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
