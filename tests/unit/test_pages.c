/* SPDX-License-Identifier: BSD-2-Clause */
/* src/map/pages.c: pages for devices, contiguous or scattered behind one range of addresses. */
#include "twostep_rig.h"

#include <linux/vmalloc.h>
#include <stdio.h>
#include <sys/mman.h>

#define MB (1ul << 20)

static const char *const specs[] = {"sim",
				    "sim,untrusted=1",
				    "sim,policy=lazy",
				    "sim,policy=identity",
				    "sim,coherent=0",
				    "sim,coherent=0,policy=identity",
				    "sim,iommu=0",
				    "sim,iommu=0,coherent=0",
				    "sim,bus-offset=0x100000000"};

#define for_each_spec(s)                                                                           \
	for (const char *const *s = specs; s < specs + sizeof(specs) / sizeof(specs[0]); s++)

/* Unmapped for the device: through an IOMMU this is immediate under strict. */
static bool protects(const char *spec)
{
	return !strstr(spec, "iommu=0") && !strstr(spec, "policy=");
}

static void contiguous_pages(const char *spec)
{
	static const size_t sizes[] = {1, K4, K4 + 1, 5 * K4, 64 * K4, MB};
	bool coherent = !strstr(spec, "coherent=0");
	dma_addr_t addr = 0;

	open_device(spec);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i], all = (size + K4 - 1) & ~(K4 - 1);
		struct page *page =
			dma_alloc_pages(dev, size, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
		u8 *p;

		assert_non_null(page);
		p = page_address(page);
		assert_int_equal(addr & (K4 - 1), 0);
		assert_ptr_equal(page_address(page + (all / K4 - 1)), p + all - K4);
		assert_true(all_are(p, all, 0) && device_sees(addr, p, all));
		memset(p, 0x31, all);
		dma_sync_single_for_device(dev, addr, all, DMA_BIDIRECTIONAL);
		assert_true(device_sees(addr, p, all));
		device_writes(addr + all - 1, 0x32, 1);
		assert_int_equal(p[all - 1], coherent ? 0x32 : 0x31);
		dma_sync_single_for_cpu(dev, addr + all - 1, 1, DMA_BIDIRECTIONAL);
		assert_int_equal(p[all - 1], 0x32);
		dma_free_pages(dev, size, page, addr, DMA_BIDIRECTIONAL);
		assert_true(!protects(spec) || refused(addr, 1, false));
	}
	close_device();
}

static void pages_under_every_machine(void **state)
{
	for_each_spec(s) contiguous_pages(*s);
}

static void noncoherent_by_pointer(void **state)
{
	dma_addr_t addr = 7;
	u8 *p;

	for_each_spec(s)
	{
		open_device(*s);
		p = dma_alloc_noncoherent(dev, 10000, &addr, DMA_FROM_DEVICE, GFP_KERNEL);
		assert_non_null(p);
		device_writes(addr + 9999, 9, 1);
		dma_sync_single_for_cpu(dev, addr, 10000, DMA_FROM_DEVICE);
		assert_int_equal(p[9999], 9);
		dma_free_noncoherent(dev, 10000, p, addr, DMA_FROM_DEVICE);
		dma_free_noncoherent(dev, 10000, NULL, addr, DMA_FROM_DEVICE);
		close_device();
	}
}

static void directions_hold(void **state)
{
	dma_addr_t in, out;
	struct page *a, *b;

	open_device("sim");
	a = dma_alloc_pages(dev, K4, &in, DMA_FROM_DEVICE, GFP_KERNEL);
	b = dma_alloc_pages(dev, K4, &out, DMA_TO_DEVICE, GFP_KERNEL);
	assert_true(a && b);
	assert_true(refused(in, 8, false) && refused(out, 8, true));
	dma_free_pages(dev, K4, a, in, DMA_FROM_DEVICE);
	dma_free_pages(dev, K4, b, out, DMA_TO_DEVICE);
	close_device();
}

/* Memory that the device cannot address is not allocated, whatever else is free. */
static void masks_choose_the_zone(void **state)
{
	dma_addr_t addr = 0;
	struct page *page;

	open_device("sim,iommu=0");
	for (unsigned int bits = 24; bits <= 34; bits += 2) {
		assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(bits)), 0);
		page = dma_alloc_pages(dev, 3 * K4, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
		assert_non_null(page);
		assert_true(addr + 4 * K4 - 1 <= DMA_BIT_MASK(bits));
		dma_free_pages(dev, 3 * K4, page, addr, DMA_BIDIRECTIONAL);
	}
	close_device();
}

static void senseless_requests(void **state)
{
	static const gfp_t bad[] = {GFP_KERNEL | __GFP_DMA, GFP_KERNEL | __GFP_DMA32,
				    GFP_KERNEL | __GFP_HIGHMEM, GFP_KERNEL | __GFP_COMP};
	static const size_t sizes[] = {0,	  SIZE_MAX,  SIZE_MAX - 4095,
				       1ul << 63, 1ul << 62, 1ul << 47};
	static const unsigned long attrs[] = {DMA_ATTR_SKIP_CPU_SYNC, DMA_ATTR_NO_KERNEL_MAPPING,
					      DMA_ATTR_MMIO, DMA_ATTR_WRITE_COMBINE, 1ul << 63};
	dma_addr_t addr = 0x1234;

	for_each_spec(s)
	{
		open_device(*s);
		for (int i = 0; i < 4; i++) {
			assert_null(dma_alloc_pages(dev, K4, &addr, DMA_BIDIRECTIONAL, bad[i]));
			said_why();
			assert_null(
				dma_alloc_noncoherent(dev, K4, &addr, DMA_BIDIRECTIONAL, bad[i]));
			assert_null(dma_alloc_noncontiguous(dev, K4, DMA_BIDIRECTIONAL, bad[i], 0));
			said_why();
		}
		for (int i = 0; i < 6; i++) {
			assert_null(dma_alloc_pages(dev, sizes[i], &addr, DMA_BIDIRECTIONAL,
						    GFP_KERNEL));
			assert_true(*dmamap_strerror());
			assert_null(dma_alloc_noncontiguous(dev, sizes[i], DMA_BIDIRECTIONAL,
							    GFP_KERNEL, 0));
			said_why();
		}
		for (int i = 0; i < 5; i++) {
			assert_null(dma_alloc_noncontiguous(dev, K4, DMA_BIDIRECTIONAL, GFP_KERNEL,
							    attrs[i]));
			said_why();
		}
		assert_null(dma_alloc_pages(dev, K4, &addr, DMA_NONE, GFP_KERNEL));
		assert_null(dma_alloc_pages(dev, K4, NULL, DMA_BIDIRECTIONAL, GFP_KERNEL));
		assert_null(dma_alloc_noncontiguous(dev, K4, (enum dma_data_direction)9, GFP_KERNEL,
						    0));
		assert_null(dma_alloc_pages(NULL, K4, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL));
		assert_null(dma_alloc_noncontiguous(NULL, K4, DMA_BIDIRECTIONAL, GFP_KERNEL, 0));
		assert_int_equal(addr, 0x1234);
		close_device();
	}
}

static void wrong_frees_free_nothing(void **state)
{
	const int mismatch = DMAMAP_CHECK_COHERENT_MISMATCH,
		  not_owned = DMAMAP_CHECK_COHERENT_NOT_OWNED;
	struct sg_table stray, *sgt;
	struct device *other;
	struct page *page;
	dma_addr_t addr;

	for_each_spec(s)
	{
		char spec[100];

		snprintf(spec, sizeof(spec), "%s,check=1", *s);
		open_device(spec);
		page = dma_alloc_pages(dev, 2 * K4, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
		assert_non_null(page);
		dma_free_pages(dev, K4, page, addr, DMA_BIDIRECTIONAL);
		dma_free_pages(dev, 2 * K4, page, addr + K4, DMA_BIDIRECTIONAL);
		dma_free_pages(dev, 2 * K4, page + 1, addr, DMA_BIDIRECTIONAL);
		dma_free_pages(dev, 2 * K4, (struct page *)spec, addr, DMA_BIDIRECTIONAL);
		dma_free_pages(dev, 2 * K4, page, 0xdead000, DMA_BIDIRECTIONAL);
		assert_int_equal(reports[mismatch], 5);
		assert_true(device_sees(addr, page_address(page), 2 * K4));
		dma_free_pages(dev, 2 * K4, page, addr, DMA_BIDIRECTIONAL);
		assert_int_equal(reports[mismatch], 5);
		dma_free_pages(dev, 2 * K4, page, addr, DMA_BIDIRECTIONAL);
		assert_int_equal(reports[mismatch], 6);

		sgt = dma_alloc_noncontiguous(dev, 3 * K4, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
		assert_non_null(sgt);
		other = dmamap_open("sim");
		assert_non_null(other);
		memset(&stray, 0, sizeof(stray));
		dma_free_noncontiguous(dev, 3 * K4, &stray, DMA_BIDIRECTIONAL);
		dma_free_noncontiguous(other, 3 * K4, sgt, DMA_BIDIRECTIONAL);
		dma_free_noncontiguous(dev, 9 * K4, sgt, DMA_BIDIRECTIONAL);
		dma_free_noncontiguous(dev, 3 * K4, NULL, DMA_BIDIRECTIONAL);
		assert_null(dma_vmap_noncontiguous(dev, 3 * K4, &stray));
		assert_null(dma_vmap_noncontiguous(NULL, 3 * K4, &stray));
		assert_int_equal(dma_mmap_noncontiguous(dev, NULL, 3 * K4, &stray), -EINVAL);
		dma_free_noncontiguous(dev, 3 * K4, sgt, DMA_TO_DEVICE);
		dma_free_noncontiguous(dev, 3 * K4, sgt, DMA_BIDIRECTIONAL);
		dmamap_close(other);
		assert_int_equal(reports[not_owned], 5);
		close_device();
	}
}

/* One DMA segment, one CPU range; scattered pages behind both where there is an IOMMU. */
static void noncontiguous_memory(const char *spec, size_t size, unsigned long attrs)
{
	struct sg_table *sgt;
	dma_addr_t addr;
	u8 *p;

	open_device(spec);
	sgt = dma_alloc_noncontiguous(dev, size, DMA_BIDIRECTIONAL, GFP_KERNEL, attrs);
	assert_non_null(sgt);
	assert_int_equal(sgt->nents, 1);
	addr = sg_dma_address(sgt->sgl);
	assert_true(sg_dma_len(sgt->sgl) >= size);
	p = dma_vmap_noncontiguous(dev, size, sgt);
	assert_non_null(p);
	assert_true(all_are(p, size, 0));
	for (size_t i = 0; i < size; i++)
		p[i] = (u8)i;
	dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL);
	assert_true(device_sees(addr, p, size));
	device_writes(addr + size - 100, 0x77, 100);
	dma_sync_sgtable_for_cpu(dev, sgt, DMA_BIDIRECTIONAL);
	assert_true(all_are(p + size - 100, 100, 0x77));
	dma_vunmap_noncontiguous(dev, p);
	dma_free_noncontiguous(dev, size, sgt, DMA_BIDIRECTIONAL);
	assert_true(!protects(spec) || refused(addr, 1, false));
	close_device();
}

static void noncontiguous_under_every_machine(void **state)
{
	for_each_spec(s)
	{
		noncontiguous_memory(*s, K4, 0);
		noncontiguous_memory(*s, 5000, 0);
		noncontiguous_memory(*s, MB / 4, DMA_ATTR_ALLOC_SINGLE_PAGES);
		noncontiguous_memory(*s, 2 * MB + 1, 0);
	}
}

/* Every second page is allocated, so that the largest free block is one page. */
static void fragmented_ram(void **state)
{
	u64 free_blocks[PAGE_ORDERS], n = 0;
	struct page **held = calloc(16384, sizeof(*held)), *page;
	struct sg_table *sgt;
	dma_addr_t addr;

	assert_non_null(held);
	open_device("sim,ram=64M,swiotlb=1M");
	while ((page = alloc_page(GFP_KERNEL)))
		held[n++] = page;
	assert_true(n > 12000 && n < 16384);
	for (u64 i = 0; i < n; i++)
		if (page_to_phys(held[i]) & K4) {
			__free_page(held[i]);
			held[i] = NULL;
		}
	zones_count(free_blocks);
	assert_true(free_blocks[0] > 6000);
	for (unsigned int o = 1; o < PAGE_ORDERS; o++)
		assert_int_equal(free_blocks[o], 0);
	assert_null(dma_alloc_pages(dev, MB, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL));
	assert_null(dma_alloc_pages(dev, 2 * K4, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL));
	sgt = dma_alloc_noncontiguous(dev, MB, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	if (!sgt)
		fail_msg("%s", dmamap_strerror());
	addr = sg_dma_address(sgt->sgl);
	assert_int_equal(sg_dma_len(sgt->sgl), MB);
	device_writes(addr, 0x12, MB);
	assert_true(all_are(sg_virt(sgt->sgl), K4, 0x12));
	dma_free_noncontiguous(dev, MB, sgt, DMA_BIDIRECTIONAL);
	/* more than there is: none of the pages that were found stays allocated */
	assert_null(dma_alloc_noncontiguous(dev, 48 * MB, DMA_BIDIRECTIONAL, GFP_KERNEL, 0));
	said_why();
	while (n)
		if (held[--n])
			__free_page(held[n]);
	free(held);
	close_device();
}

static void mapped_into_the_process(void **state)
{
	struct sg_table *sgt;
	struct page *page;
	dma_addr_t addr;
	u8 *at;

	for_each_spec(s)
	{
		struct vm_area_struct vma;

		open_device(*s);
		at = mmap(NULL, 4 * K4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(at != MAP_FAILED);
		vma = (struct vm_area_struct){(unsigned long)at, (unsigned long)at + 3 * K4, 1};
		page = dma_alloc_pages(dev, 4 * K4, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
		sgt = dma_alloc_noncontiguous(dev, 4 * K4, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
		assert_true(page && sgt);
		assert_int_equal(dma_mmap_pages(dev, &vma, 4 * K4, page), 0);
		at[2 * K4] = 0x55;
		assert_int_equal(((u8 *)page_address(page))[3 * K4], 0x55);
		assert_int_equal(dma_mmap_noncontiguous(dev, &vma, 4 * K4, sgt), 0);
		at[K4] = 0x66;
		dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL);
		assert_true(device_sees(sg_dma_address(sgt->sgl) + 2 * K4, at + K4, 1));
		vma.vm_pgoff = 2;
		assert_int_equal(dma_mmap_pages(dev, &vma, 4 * K4, page), -ENXIO);
		assert_int_equal(dma_mmap_noncontiguous(dev, &vma, 4 * K4, sgt), -ENXIO);
		vma.vm_pgoff = ~0ul;
		assert_int_equal(dma_mmap_pages(dev, &vma, 4 * K4, page), -ENXIO);
		vma = (struct vm_area_struct){(unsigned long)at + 1, (unsigned long)at + K4, 0};
		assert_int_equal(dma_mmap_pages(dev, &vma, 4 * K4, page), -EINVAL);
		assert_int_equal(dma_mmap_pages(dev, NULL, 4 * K4, page), -EINVAL);
		assert_int_equal(dma_mmap_pages(dev, &vma, 0, page), -EINVAL);
		munmap(at, 4 * K4);
		dma_free_noncontiguous(dev, 4 * K4, sgt, DMA_BIDIRECTIONAL);
		dma_free_pages(dev, 4 * K4, page, addr, DMA_BIDIRECTIONAL);
		close_device();
	}
}

/* Every call once; 0, or -errno with nothing left. */
static int life(void)
{
	struct sg_table *sgt;
	struct page *page;
	dma_addr_t addr;
	void *p;

	page = dma_alloc_pages(dev, 3 * K4, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
	if (!page)
		return -errno;
	dma_free_pages(dev, 3 * K4, page, addr, DMA_BIDIRECTIONAL);
	sgt = dma_alloc_noncontiguous(dev, 70 * K4, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	if (!sgt)
		return -errno;
	p = dma_vmap_noncontiguous(dev, 70 * K4, sgt);
	if (p)
		dma_vunmap_noncontiguous(dev, p);
	dma_free_noncontiguous(dev, 70 * K4, sgt, DMA_BIDIRECTIONAL);
	return p ? 0 : -ENOMEM;
}

static void each_step_may_fail(void **state)
{
	int n, err;

	for_each_spec(s)
	{
		open_device(*s);
		for (int site = 0; site < FAIL_SITES; site++) {
			for (n = 1; n < 300; n++) {
				fail_set(site, &(struct fail_rule){.nth = (u64)n});
				err = life();
				if (!fail_fired(site))
					break;
				assert_true(!err || *dmamap_strerror());
				assert_int_equal(mem_pages_used(), 0);
				assert_int_equal(stats_now().maps - stats_now().unmaps, 0);
				fail_set(site, NULL);
			}
			fail_set(site, NULL);
			assert_int_equal(err, 0);
			assert_true(n < 300);
		}
		close_device();
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pages_under_every_machine),
	cmocka_unit_test(noncoherent_by_pointer),
	cmocka_unit_test(directions_hold),
	cmocka_unit_test(masks_choose_the_zone),
	cmocka_unit_test(senseless_requests),
	cmocka_unit_test(wrong_frees_free_nothing),
	cmocka_unit_test(noncontiguous_under_every_machine),
	cmocka_unit_test(fragmented_ram),
	cmocka_unit_test(mapped_into_the_process),
	cmocka_unit_test(each_step_may_fail),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
