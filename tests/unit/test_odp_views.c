/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices with their own view of memory: without an IOMMU, or not coherent. Pages outside RAM have
 * copies. What the device wrote is copied back, and what the program wrote meanwhile is preserved.
 * Every failure on these paths is tested as well.
 */
#include "base/fail.h"

#include "odp_rig.h"

#include <linux/gfp.h>
#include <linux/mm.h>

static u8 read_at(dma_addr_t at)
{
	u8 b = 0xee;

	assert_int_equal(dmamap_bus_read(dev, at, &b, 1), 0);
	return b;
}

static void write_at(dma_addr_t at, u8 b)
{
	assert_int_equal(dmamap_bus_write(dev, at, &b, 1), 0);
}

static void copies(const char *spec)
{
	u8 *p = memory(8);
	struct ib_umem *umem;

	open_rig(spec);
	umem = region(p, 8 * PAGE, ALL_ACCESS);
	memset(p, 1, 8 * PAGE);
	assert_int_equal(fault_in(umem, p, 8, 3), 8);
	assert_int_equal(read_at(ib_umem_dma_address(umem, (u64)p + 5)), 1);
	write_at(ib_umem_dma_address(umem, (u64)p + 5), 2);
	write_at(ib_umem_dma_address(umem, (u64)p + 3 * PAGE + 7), 3);
	p[6] = 9;
	ib_umem_odp_unmap_dma_pages(umem, (u64)p, (u64)p + PAGE);
	assert_int_equal(p[5], 2);
	assert_int_equal(p[6], 9);
	assert_int_equal(p[3 * PAGE + 7], 1);
	assert_false(is_mapped(umem, p));
	assert_int_equal(ib_umem_invalidate_range(ctx, (u64)p + 3 * PAGE, (u64)p + 4 * PAGE), 0);
	assert_int_equal(p[3 * PAGE + 7], 3);
	/* a page that was unmapped receives nothing back, and a read-only page is not changed */
	write_at(ib_umem_dma_address(umem, (u64)p + 4 * PAGE), 4);
	write_at(ib_umem_dma_address(umem, (u64)p + 5 * PAGE), 4);
	write_at(ib_umem_dma_address(umem, (u64)p + 6 * PAGE), 4);
	mprotect(p + 5 * PAGE, PAGE, PROT_READ);
	munmap(p + 4 * PAGE, PAGE);
	if (ib_umem_events_enabled(ctx))
		assert_true(loses(umem, p + 4 * PAGE));
	/* read first, then written: the copy is made again */
	ib_umem_odp_unmap_dma_pages(umem, (u64)p + 7 * PAGE, (u64)p + 8 * PAGE);
	assert_int_equal(fault_in(umem, p + 7 * PAGE, 1, 1), 1);
	p[7 * PAGE] = 8;
	assert_int_equal(fault_in(umem, p + 7 * PAGE, 1, 3), 1);
	assert_int_equal(read_at(ib_umem_dma_address(umem, (u64)p + 7 * PAGE)), 8);
	ib_umem_release(umem);
	assert_int_equal(p[5 * PAGE], 1);
	assert_int_equal(p[6 * PAGE], 4);
	munmap(p, 8 * PAGE);
	close_rig();
}

static void direct(void **state)
{
	copies("sim,iommu=0");
}

static void noncoherent(void **state)
{
	copies("sim,coherent=0");
}

static void direct_noncoherent(void **state)
{
	copies("sim,iommu=0,coherent=0");
}

static void offset_bus(void **state)
{
	copies("sim,iommu=0,bus-offset=1M");
	copies("sim,coherent=0,bus-offset=1M");
}

/* RAM is the same as for any device; a coherent device sees each store at once. */
static void ram_has_no_copy(const char *spec, bool coherent)
{
	struct page *pages;
	struct ib_umem *umem;
	u8 *p;

	open_rig(spec);
	pages = alloc_pages(GFP_KERNEL, 2);
	p = page_address(pages);
	memset(p, 1, 4 * PAGE);
	umem = region(p, 4 * PAGE, ALL_ACCESS);
	assert_int_equal(fault_in(umem, p, 4, 3), 4);
	p[PAGE] = 2;
	assert_int_equal(read_at(ib_umem_dma_address(umem, (u64)p + PAGE)), coherent ? 2 : 1);
	write_at(ib_umem_dma_address(umem, (u64)p + 3 * PAGE), 5);
	ib_umem_odp_unmap_dma_pages(umem, 0, ~0ull);
	assert_int_equal(p[3 * PAGE], 5);
	ib_umem_release(umem);
	__free_pages(pages, 2);
	close_rig();
}

static void regions_of_ram(void **state)
{
	ram_has_no_copy("sim", true);
	ram_has_no_copy("sim,policy=lazy", true);
	ram_has_no_copy("sim,policy=identity", true);
	ram_has_no_copy("sim,iommu=0", true);
	ram_has_no_copy("sim,untrusted=1", true);
	ram_has_no_copy("sim,coherent=0", false);
	ram_has_no_copy("sim,iommu=0,coherent=0", false);
}

/* Under every policy unmapped memory is unreachable. */
static void policies(void **state)
{
	static const char *const specs[] = {"sim,policy=lazy",	     "sim,policy=identity",
					    "sim,policy=persistent", "sim,untrusted=1",
					    "sim,bus-offset=1M",     "sim,group=g"};

	for (int i = 0; i < 6; i++) {
		u8 *p = memory(2), b = 3;
		struct ib_umem *umem;
		dma_addr_t at;

		open_rig(specs[i]);
		umem = region(p, 2 * PAGE, ALL_ACCESS);
		at = ib_umem_start_dma_addr(umem);
		write_at(at + PAGE, 3);
		assert_int_equal(p[PAGE], 3);
		dmamap_bus_on_fault(dev, NULL, NULL);
		ib_umem_release(umem);
		assert_int_equal(dmamap_bus_write(dev, at + PAGE, &b, 1), -EFAULT);
		munmap(p, 2 * PAGE);
		close_rig();
	}
}

/*
 * An implicit region of a device that needs copies is refused; a narrow mask leaves no addresses.
 */
static void what_is_refused(void **state)
{
	static const char *const specs[] = {"sim,iommu=0", "sim,coherent=0"};

	for (int i = 0; i < 2; i++) {
		open_rig(specs[i]);
		assert_int_equal(PTR_ERR(ib_umem_get(ctx, 0, SIZE_MAX, ALL_ACCESS)), -EOPNOTSUPP);
		close_rig();
	}
	open_rig("sim");
	dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, 1ul << 40, 64ul << 30, ALL_ACCESS)), -ENOMEM);
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, 0, SIZE_MAX, ALL_ACCESS)), -ENOMEM);
	assert_non_null(strstr(dmamap_strerror(), "mask"));
	close_rig();
}

/* Open, get, fault, unmap, release: each step fails once, and nothing leaks. */
static int one_life(const char *spec)
{
	struct device *d = dmamap_open(spec);
	struct ib_ucontext *c;
	struct ib_umem *umem;
	u8 *p = memory(40), byte;
	int err = d ? 0 : -1;

	if (d) {
		dma_set_mask_and_coherent(d, DMA_BIT_MASK(64));
		c = ib_alloc_ucontext(d, NULL);
		umem = IS_ERR(c) ? ERR_CAST(c) : ib_umem_get(c, (u64)p, 40 * PAGE, ALL_ACCESS);
		err |= IS_ERR(umem);
		if (!IS_ERR(umem)) {
			int n = ib_umem_odp_map_dma_pages(umem, (u64)p, 30 * PAGE, 3,
							  ib_umem_notifiers_seq(umem));

			err |= n != 30;
			for (u64 i = 0; i < 40; i++)
				if (n >= 0 && i < (u64)n)
					assert_true(is_mapped(umem, p + i * PAGE));
			if (ib_umem_start_dma_addr(umem) != DMA_MAPPING_ERROR)
				err |= dmamap_bus_read(d, ib_umem_start_dma_addr(umem) + 9 * PAGE,
						       &byte, 1) != 0;
			err |= ib_umem_advise(umem, 0, (u64)p + 30 * PAGE, 10 * PAGE) != 0;
			ib_umem_odp_unmap_dma_pages(umem, (u64)p, (u64)p + 20 * PAGE);
			ib_umem_release(umem);
		}
		if (!IS_ERR(c))
			ib_dealloc_ucontext(c);
		dmamap_close(d);
	}
	munmap(p, 40 * PAGE);
	return err;
}

static void every_step_fails_once(void **state)
{
	static const enum fail_site sites[] = {FAIL_MEMORY, FAIL_IOVA,	  FAIL_LINK,  FAIL_PAGE,
					       FAIL_MAP,    FAIL_BACKEND, FAIL_BOUNCE};
	static const char *const specs[] = {"sim", "sim,iommu=0", "sim,coherent=0"};

	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 7; i++)
			for (u64 nth = 1;; nth++) {
				struct fail_rule rule = {.nth = nth};
				bool fired;

				fail_set(sites[i], &rule);
				one_life(specs[k]);
				fired = fail_fired(sites[i]);
				fail_set(sites[i], NULL);
				assert_int_equal(one_life(specs[k]), 0);
				if (!fired)
					break;
				assert_true(nth < 1000);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(direct),
		cmocka_unit_test(noncoherent),
		cmocka_unit_test(direct_noncoherent),
		cmocka_unit_test(offset_bus),
		cmocka_unit_test(regions_of_ram),
		cmocka_unit_test(policies),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(every_step_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
