/* SPDX-License-Identifier: BSD-2-Clause */
/* Two devices of one group share an address space; two devices without a group do not. */
#include "contract.h"

static bool reads(struct device *d, dma_addr_t addr, u32 seed)
{
	u8 seen[512];

	return !dmamap_bus_read(d, addr, seen, sizeof(seen)) && holds(seen, sizeof(seen), seed);
}

static void forget_faults(struct device *d)
{
	struct dmamap_fault f;

	while (dmamap_bus_fault_next(d, &f))
		;
	reports_forget();
}

static void test_a_group_shares(void **state)
{
	struct device *one, *two;
	struct buffer b = buffer_get(PAGES, 8192);
	dma_addr_t addr;

	if (strstr(config->spec, "group=")) {
		one = open_another(",name=one");
		two = open_another(",name=two");
	} else {
		one = open_another(",group=pair,name=one");
		two = open_another(",group=pair,name=two");
	}
	fill(b.cpu, b.size, 1);
	addr = dma_map_single(one, b.cpu, b.size, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(one, addr), 0);
	assert_true(reads(one, addr, 1));
	assert_true(reads(two, addr, 1));
	dma_unmap_single(one, addr, b.size, DMA_TO_DEVICE);
	if (protects_ram() && !is_lazy()) {
		assert_false(reads(one, addr, 1));
		assert_false(reads(two, addr, 1));
		forget_faults(one);
		forget_faults(two);
	}
	/* one device is closed, the other still works */
	dmamap_close(one);
	addr = dma_map_single(two, b.cpu, b.size, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(two, addr), 0);
	assert_true(reads(two, addr, 1));
	dma_unmap_single(two, addr, b.size, DMA_TO_DEVICE);
	dmamap_close(two);
	buffer_put(&b);
}

static void test_a_group_has_one_policy(void **state)
{
	struct device *one = dmamap_open("sim,group=mixed");

	assert_non_null(one);
	assert_null(dmamap_open("sim,group=mixed,policy=lazy"));
	assert_int_equal(errno, EINVAL);
	error_contains("mixed");
	assert_null(dmamap_open("sim,group=mixed,iommu=0"));
	assert_int_equal(errno, EINVAL);
	dmamap_close(one);
	one = dmamap_open("sim,group=mixed,policy=lazy");
	assert_non_null(one);
	dmamap_close(one);
}

static void test_others_share_nothing(void **state)
{
	struct device *other;
	struct buffer b = buffer_get(PAGES, 8192);
	dma_addr_t addr;

	if (protects_ram() && !strstr(config->spec, "group=")) {
		other = open_another(",name=other");
		fill(b.cpu, b.size, 1);
		addr = dma_map_single(dev, b.cpu, b.size, DMA_TO_DEVICE);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		assert_false(reads(other, addr, 1));
		forget_faults(other);
		dma_unmap_single(dev, addr, b.size, DMA_TO_DEVICE);
		dmamap_close(other);
	}
	buffer_put(&b);
}

const struct CMUnitTest group_tests[] = {
	contract_test(test_a_group_shares),
	contract_test(test_a_group_has_one_policy),
	contract_test(test_others_share_nothing),
};
const size_t n_group_tests = COUNT(group_tests);
