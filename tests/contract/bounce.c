/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounce memory: which bytes of the original its slots preserve, and what happens when the slots
 * are used up.
 */
#include "contract.h"

/* Memory that this configuration must bounce; false: it bounces none. */
static bool bouncing_kind(enum kind *kind)
{
	if (!has_iommu() || !is_coherent())
		*kind = HEAP;
	else if (is_untrusted())
		*kind = PAGES;
	else
		return false;
	return true;
}

static void test_address_bits_that_the_device_needs_are_kept(void **state)
{
	static const unsigned int masks[] = {0xfff, 0x1ff, 0x7ff, 0x3f, 0};

	for (size_t m = 0; m < COUNT(masks); m++) {
		assert_int_equal(dma_set_min_align_mask(dev, masks[m]), 0);
		for (enum kind kind = 0; kind < KINDS; kind++)
			for (size_t offset = 0; offset < 4096; offset += 7 * 13) {
				size_t n = 1 + rnd(9000);
				struct buffer b = buffer_get(kind, offset + n);
				u64 phys = virt_to_phys(b.cpu + offset);
				dma_addr_t addr =
					dma_map_single(dev, b.cpu + offset, n, DMA_FROM_DEVICE);

				assert_int_equal(dma_mapping_error(dev, addr), 0);
				assert_int_equal((addr ^ phys) & masks[m], 0);
				dma_unmap_single(dev, addr, n, DMA_FROM_DEVICE);
				assert_true(all_are(b.cpu, b.size, 0xee));
				buffer_put(&b);
			}
	}
}

static void test_the_longest_one_at_every_alignment(void **state)
{
	static const unsigned int masks[] = {0xfff, 0x7ff, 0};
	enum kind kind;

	if (!bouncing_kind(&kind))
		return;
	for (size_t m = 0; m < COUNT(masks); m++) {
		size_t n;

		assert_int_equal(dma_set_min_align_mask(dev, masks[m]), 0);
		n = dma_max_mapping_size(dev);
		for (size_t offset = 0; offset <= masks[m]; offset += 1009) {
			struct buffer b = buffer_get(kind, offset + n);
			dma_addr_t addr = dma_map_single(dev, b.cpu + offset, n, DMA_BIDIRECTIONAL);

			if (dma_mapping_error(dev, addr))
				fail_msg("%zu bytes, mask %#x: %s", n, masks[m], dmamap_strerror());
			device_writes(addr + n - 1, "\x77", 1);
			dma_unmap_single(dev, addr, n, DMA_BIDIRECTIONAL);
			assert_int_equal(b.cpu[offset + n - 1], 0x77);
			buffer_put(&b);
		}
	}
}

/*
 * Longer than the advertised limit: it succeeds while enough slots are free, and fails where it
 * never can succeed.
 */
static void test_longer_than_is_promised(void **state)
{
	struct buffer b;
	enum kind kind;
	dma_addr_t addr;

	if (!bouncing_kind(&kind))
		return;
	b = buffer_get(kind, 3 * MB);
	fill(b.cpu, b.size, 1);
	addr = dma_map_single(dev, b.cpu + 64, 1 * MB, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, addr))
		fail_msg("%s", dmamap_strerror());
	device_writes(addr + 1 * MB - 1, "\x77", 1);
	dma_unmap_single(dev, addr, 1 * MB, DMA_BIDIRECTIONAL);
	assert_int_equal(b.cpu[64 + 1 * MB - 1], 0x77);
	addr = dma_map_single(dev, b.cpu + 64, 2 * MB + 1, DMA_TO_DEVICE);
	assert_int_equal(errno, EIO);
	map_failed(addr, "2048 KiB");
	buffer_put(&b);
}

static void test_full(void **state)
{
	enum { N = 600 };
	struct buffer b[N], low = buffer_get(LOW_PAGES, 4096);
	dma_addr_t addr[N], other;
	enum kind kind;
	int n = 0;
	u64 full;

	if (!bouncing_kind(&kind)) {
		buffer_put(&low);
		return;
	}
	full = stats().bounce_full;
	for (; n < N; n++) {
		b[n] = buffer_get(kind, 16000);
		fill(b[n].cpu, 16000, (u32)n);
		addr[n] = dma_map_single(dev, b[n].cpu + 64, 15000, DMA_BIDIRECTIONAL);
		if (dma_mapping_error(dev, addr[n]))
			break;
	}
	assert_true(n >= 64 && n < N);
	error_contains("swiotlb is full");
	assert_int_equal(stats().bounce_full, full + 1);
	assert_int_equal(live(), n);
	/* nothing else fails: neither existing mappings nor mappings that need no slots */
	for (int i = 0; i < n; i++) {
		u8 seen[100];

		device_reads(addr[i] + 14900, seen, 100);
		assert_true(holds_part(seen, 100, (u32)i, 64 + 14900));
	}
	other = dma_map_single(dev, low.cpu, 4096, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, other), 0);
	dma_unmap_single(dev, other, 4096, DMA_TO_DEVICE);
	/* one mapping less, and there is space again */
	dma_unmap_single(dev, addr[n / 2], 15000, DMA_BIDIRECTIONAL);
	assert_true(holds(b[n / 2].cpu, 16000, (u32)n / 2));
	addr[n / 2] = dma_map_single(dev, b[n / 2].cpu + 64, 15000, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, addr[n / 2]), 0);
	buffer_put(&b[n]);
	while (n--) {
		dma_unmap_single(dev, addr[n], 15000, DMA_BIDIRECTIONAL);
		assert_true(holds(b[n].cpu, 16000, (u32)n));
		buffer_put(&b[n]);
	}
	buffer_put(&low);
}

/* Sizes and orders at random, compared with the expected contents of each buffer. */
static void test_random_maps_and_unmaps(void **state)
{
	enum { N = 40 };
	struct {
		struct buffer b;
		dma_addr_t addr;
		size_t from, n;
		u32 seed;
	} m[N] = {0};

	for (u32 step = 0; step < 800; step++) {
		u32 i = rnd(N);

		if (!m[i].n) {
			m[i].from = 64 * rnd(80);
			m[i].n = 1 + rnd(rnd(4) ? 5000 : 40000);
			m[i].b = buffer_get((enum kind)rnd(KINDS), m[i].from + m[i].n + 64);
			m[i].seed = step;
			fill(m[i].b.cpu, m[i].b.size, step);
			m[i].addr = dma_map_single(dev, m[i].b.cpu + m[i].from, m[i].n,
						   DMA_BIDIRECTIONAL);
			if (dma_mapping_error(dev, m[i].addr)) {
				error_contains("swiotlb is full");
				m[i].n = 0;
				buffer_put(&m[i].b);
			}
			continue;
		}
		device_writes(m[i].addr + m[i].n / 2, "\xcc", 1);
		dma_unmap_single(dev, m[i].addr, m[i].n, DMA_BIDIRECTIONAL);
		assert_int_equal(m[i].b.cpu[m[i].from + m[i].n / 2], 0xcc);
		assert_true(holds(m[i].b.cpu, m[i].from + m[i].n / 2, m[i].seed));
		buffer_put(&m[i].b);
		m[i].n = 0;
	}
	for (int i = 0; i < N; i++)
		if (m[i].n) {
			dma_unmap_single(dev, m[i].addr, m[i].n, DMA_BIDIRECTIONAL);
			buffer_put(&m[i].b);
		}
}

const struct CMUnitTest bounce_tests[] = {
	contract_test(test_address_bits_that_the_device_needs_are_kept),
	contract_test(test_the_longest_one_at_every_alignment),
	contract_test(test_longer_than_is_promised),
	contract_test(test_full),
	contract_test(test_random_maps_and_unmaps),
};
const size_t n_bounce_tests = COUNT(bounce_tests);
