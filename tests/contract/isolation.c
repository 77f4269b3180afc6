/* SPDX-License-Identifier: BSD-2-Clause */
/* untrusted=1: a device cannot read or change a byte that is not mapped for it. */
#include "contract.h"

/* An access may take long, and so does a report with stacks where the checker is on. */
static u64 step(u64 otherwise)
{
	return accesses_take_long() ? 61 : is_checked() ? 17 : otherwise;
}

/*
 * Reads single bytes around a mapping, and `more` bytes beyond its pages. Every byte that can be
 * read is 0 or part of the mapping.
 */
static void look_around(dma_addr_t addr, size_t n, u32 seed, size_t from, size_t more)
{
	dma_addr_t first = (addr & PAGE_MASK) - more, end = ((addr + n + 4095) & PAGE_MASK) + more;
	struct dmamap_fault f;

	for (dma_addr_t at = first; at < end; at += step(1)) {
		u8 seen;
		int err = dmamap_bus_read(dev, at, &seen, 1);

		if (err) {
			assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
			/* the mapping itself is complete */
			assert_true(at < addr || at >= addr + n);
		} else if (at >= addr && at < addr + n) {
			assert_true(holds_part(&seen, 1, seed, from + (at - addr)));
		} else {
			assert_int_equal(seen, 0);
		}
		reports_forget(); /* these bytes must be refused */
	}
}

static void map_and_look(enum kind kind, size_t from, size_t n, unsigned long attrs)
{
	struct buffer b = buffer_get(kind, from + n + 8192);
	dma_addr_t addr;
	u8 byte = 0x99;

	fill(b.cpu, b.size, 1);
	addr = dma_map_single_attrs(dev, b.cpu + from, n, DMA_BIDIRECTIONAL, attrs);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	if (attrs & DMA_ATTR_SKIP_CPU_SYNC)
		dma_sync_single_for_device(dev, addr, n, DMA_BIDIRECTIONAL);
	look_around(addr, n, 1, from, 4096);
	/* stores around the mapping reach no memory */
	for (dma_addr_t at = addr & PAGE_MASK; at < addr; at += step(5))
		dmamap_bus_write(dev, at, &byte, 1);
	for (dma_addr_t at = addr + n; at & 4095 && at < addr + n + 64; at++)
		dmamap_bus_write(dev, at, &byte, 1);
	for (dma_addr_t at = addr + n; !on_qemu() && at < ((addr + n + 4095) & PAGE_MASK);
	     at += step(1))
		dmamap_bus_write(dev, at, &byte, 1);
	reports_forget();
	dma_unmap_single(dev, addr, n, DMA_BIDIRECTIONAL);
	assert_true(holds(b.cpu, b.size, 1));
	device_is_refused(addr, 1, false, DMAMAP_FAULT_NOT_MAPPED);
	buffer_put(&b);
}

static void test_neighbours_are_never_shown(void **state)
{
	static const struct {
		size_t from, n;
	} c[] = {{0, 1},      {64, 100},    {100, 4096}, {0, 4096},
		 {4000, 200}, {2048, 2048}, {0, 5000},	 {4095, 8193}};

	if (!is_untrusted())
		return;
	for (enum kind kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < COUNT(c); i++)
			map_and_look(kind, c[i].from, c[i].n, 0);
}

/* Bounce memory that other mappings used contains no data of theirs. */
static void test_nothing_of_an_earlier_mapping_is_shown(void **state)
{
	struct buffer secret;

	if (!is_untrusted())
		return;
	secret = buffer_get(PAGES, 256 * KB);
	memset(secret.cpu, 0x53, secret.size);
	for (int i = 0; i < 20; i++) {
		dma_addr_t addr = dma_map_single(dev, secret.cpu + 100, 200 * KB, DMA_TO_DEVICE);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		dma_unmap_single(dev, addr, 200 * KB, DMA_TO_DEVICE);
		map_and_look(KMALLOC, 64 * (size_t)i, 64, i & 1 ? DMA_ATTR_SKIP_CPU_SYNC : 0);
	}
	buffer_put(&secret);
}

static void test_lists_show_nothing_either(void **state)
{
	struct buffer b;
	struct scatterlist sg[3];
	unsigned int n;

	if (!is_untrusted())
		return;
	b = buffer_get(PAGES, 5 * 4096);
	fill(b.cpu, b.size, 1);
	sg_init_table(sg, 3);
	sg_set_buf(&sg[0], b.cpu + 64, 1024);
	sg_set_buf(&sg[1], b.cpu + 4096, 4096);
	sg_set_buf(&sg[2], b.cpu + 3 * 4096 + 512, 128);
	n = dma_map_sg(dev, sg, 3, DMA_BIDIRECTIONAL);
	assert_int_equal(n, 3);
	look_around(sg_dma_address(&sg[0]), 1024, 1, 64, 0);
	look_around(sg_dma_address(&sg[2]), 128, 1, 3 * 4096 + 512, 0);
	dma_unmap_sg(dev, sg, 3, DMA_BIDIRECTIONAL);
	assert_true(holds(b.cpu, b.size, 1));
	buffer_put(&b);
}

const struct CMUnitTest isolation_tests[] = {
	contract_test(test_neighbours_are_never_shown),
	contract_test(test_nothing_of_an_earlier_mapping_is_shown),
	contract_test(test_lists_show_nothing_either),
};
const size_t n_isolation_tests = COUNT(isolation_tests);
