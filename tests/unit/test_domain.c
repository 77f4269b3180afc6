/* SPDX-License-Identifier: BSD-2-Clause */
/* Address spaces: groups, gaps, flush policies, and the state after failures. */
#include "core_rig.h"

#include "domain/flusher.h"

static struct device *keeper; /* keeps RAM allocated */

static int setup(void **state)
{
	keeper = dmamap_open("sim,ram=8G,swiotlb=1M,iommu=0");
	return keeper ? 0 : -1;
}

static int teardown(void **state)
{
	rig_fail_none();
	dmamap_close(keeper);
	return 0;
}

static struct domain *get(enum domain_policy policy, const char *group)
{
	const struct domain_config want = {
		.iommu = true, .policy = policy, .group = group, .any_32bit = true};
	struct domain *dom = domain_get(&want);

	assert_non_null(dom);
	return dom;
}

static u64 pages_out(struct domain *dom)
{
	struct iova_stats s;

	iova_drain(dom->iova);
	iova_stats(dom->iova, &s);
	return s.pages;
}

static void test_no_iommu(void **state)
{
	const struct domain_config want = {.iommu = false, .policy = POLICY_LAZY};
	struct domain *dom = domain_get(&want);

	assert_non_null(dom);
	assert_null(dom->iova);
	assert_int_equal(dom->policy, POLICY_STRICT);
	domain_put(dom);
	domain_put(NULL);
}

static void test_alone_each_is_its_own(void **state)
{
	struct domain *a = get(POLICY_STRICT, NULL), *b = get(POLICY_STRICT, NULL);

	assert_ptr_not_equal(a, b);
	domain_put(a);
	domain_put(b);
}

static void test_a_group_is_one(void **state)
{
	const struct domain_config other = {.iommu = true, .policy = POLICY_LAZY, .group = "g"};
	const struct domain_config none = {.iommu = false, .policy = POLICY_STRICT, .group = "g"};
	struct domain *a = get(POLICY_STRICT, "g"), *b = get(POLICY_STRICT, "g"),
		      *c = get(POLICY_STRICT, "h");

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_null(domain_get(&other));
	assert_int_equal(errno, EINVAL);
	assert_null(domain_get(&none));
	assert_int_equal(errno, EINVAL);
	domain_put(a);
	assert_null(domain_get(&other)); /* b has it */
	domain_put(b);
	a = domain_get(&other); /* the name is free again */
	assert_non_null(a);
	domain_put(a);
	domain_put(c);
}

static void test_addresses_of_interrupts_are_left_out(void **state)
{
	struct domain *dom = get(POLICY_STRICT, NULL);
	u64 page[64];

	/* 16 MiB each: all below 4 GiB except the part that contains 0xfee00000 */
	for (size_t i = 0; i < ARRAY_SIZE(page); i++) {
		page[i] = domain_iova_alloc(dom, 4096, 0xfffff);
		assert_true(page[i] > 0xfeeff || page[i] + 4096 <= 0xfee00);
	}
	for (size_t i = 0; i < ARRAY_SIZE(page); i++)
		iova_free(dom->iova, page[i], 4096);
	assert_int_equal(iova_reserve(dom->iova, 0xfee00, 1), 0); /* permitted twice */
	domain_put(dom);
}

static void test_pool_maps_all_ram_and_keeps_its_addresses(void **state)
{
	struct domain *dom = get(POLICY_IDENTITY, NULL);
	u64 page;

	for (u64 pa = 0; pa < mem.span; pa += 99 * MIB) {
		u64 entry = pt_walk(&dom->pt, IOVA(align_down(pa, PAGE_BYTES)));

		if (pa >= mem.low && pa < MEM_DMA32_END)
			assert_int_equal(entry, 0);
		else
			assert_int_equal(entry & PT_ADDR, align_down(pa, PAGE_BYTES));
	}
	for (int i = 0; i < 100; i++) {
		page = domain_iova_alloc(dom, 16, 0xfffff);
		assert_true(page >= mem.low >> PAGE_BITS);
	}
	/* a few tables, whatever the size of RAM */
	assert_true(dom->pt.tables < 20);
	domain_put(dom);
}

/* Aligned in device addresses, which are the domain's addresses plus the bus offset. */
static void test_a_bus_offset_is_no_alignment(void **state)
{
	static const u64 offsets[] = {0x10000, 0x130000, 0xfffffff0000, 1ull << 62 | 0x30000};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		const struct domain_config want = {
			.iommu = true, .any_32bit = true, .bus_offset = offsets[i]};
		struct domain *dom = domain_get(&want);

		assert_non_null(dom);
		for (u64 pages = 1; pages <= 5000; pages += 1 + pages / 3) {
			u64 page = domain_iova_alloc(dom, pages, ~0ull >> PAGE_BITS);
			u64 align = 1ull << log2_ceil(pages);

			assert_true(page > 0 && page + pages <= 1ull << 36);
			assert_int_equal((page + (offsets[i] >> PAGE_BITS)) & (align - 1), 0);
			/* the addresses of interrupts are bus addresses */
			assert_true(page + pages <= 0xfee00 || page >= 0xfef00);
			assert_true(domain_iova_free(dom, page, pages));
		}
		/* the limit of the last page is an address of the domain */
		assert_true(domain_iova_alloc(dom, 1, 0x4000) <= 0x4000);
		assert_int_equal(domain_iova_alloc(dom, 4, 2), 0);
		domain_put(dom);
	}
}

static void test_a_group_has_one_bus_offset(void **state)
{
	struct device *a = dmamap_open("sim,ram=8G,group=x,bus-offset=64K"), *b;

	assert_non_null(a);
	assert_null(dmamap_open("sim,group=x"));
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(dmamap_strerror(), "bus-offset"));
	assert_null(dmamap_open("sim,group=x,bus-offset=128K"));
	b = dmamap_open("sim,group=x,bus-offset=64K");
	assert_non_null(b);
	dmamap_close(b);
	dmamap_close(a);
}

static void test_release_gives_back_and_cuts_off(void **state)
{
	struct domain *dom = get(POLICY_STRICT, NULL);
	u64 before = pages_out(dom), page = domain_iova_alloc(dom, 4, 0xfffff), entry;
	struct port *p = port_get(&dom->ports);

	assert_int_equal(dom->space.ops->map(&dom->space, IOVA(page << 12), PHYS(0), 4 * 4096,
					     PT_READ | PT_FIRST | PT_LAST),
			 0);
	iotlb_fill(&p->tlb, page + 2, p->tlb.gen, 1);
	assert_int_equal(pt_unmap_mapping(&dom->pt, IOVA(page << 12), &entry), 4 * 4096);
	domain_release(dom, page, 4, true);
	assert_false(iotlb_lookup(&p->tlb, page + 2, p->tlb.gen));
	assert_int_equal(pages_out(dom), before);
	domain_put(dom);
}

/* Tables that a large mapping replaced are freed when it is unmapped. */
static void test_a_large_release_frees_tables(void **state)
{
	struct domain *dom = get(POLICY_STRICT, NULL);
	u64 page = domain_iova_alloc(dom, 1024, 0xfffff), tables, entry;

	/* small leaves first, then a large one in their place, eight times */
	assert_int_equal(pt_map(&dom->pt, IOVA(page << 12), PHYS(4096), 4096,
				PT_READ | PT_FIRST | PT_LAST, 0),
			 0);
	pt_unmap_mapping(&dom->pt, IOVA(page << 12), &entry);
	tables = read_once(&dom->pt.tables);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(dom->space.ops->map(&dom->space, IOVA(page << 12), PHYS(0),
						     1024 * 4096ull, PT_READ | PT_FIRST | PT_LAST),
				 0);
		pt_unmap_mapping(&dom->pt, IOVA(page << 12), &entry);
		domain_release(dom, page, 1024, true);
		assert_true(read_once(&dom->pt.tables) <= tables);
		page = domain_iova_alloc(dom, 1024, 0xfffff);
	}
	domain_put(dom);
}

static int by_range, of_all;

static void count_range(struct backend_space *s, iova_t iova, u64 size)
{
	by_range++;
}

static void count_all(struct backend_space *s)
{
	of_all++;
}

/*
 * Hardware that walks the tables may have cached the path to any of them: the whole address space
 * is invalidated before they are freed.
 */
static void test_hardware_forgets_all_before_tables_go(void **state)
{
	static const struct iommu_ops ops = {.invalidate = count_range,
					     .invalidate_all = count_all};
	const struct domain_config want = {.iommu = true, .policy = POLICY_STRICT, .ops = &ops};
	struct domain *dom = domain_get(&want);
	u64 page, entry;

	assert_non_null(dom);
	page = domain_iova_alloc(dom, 1024, 0xfffff);
	for (int large = 0; large < 2; large++) {
		by_range = of_all = 0;
		assert_int_equal(pt_map(&dom->pt, IOVA(page << 12), PHYS(large ? 0 : 4096),
					1024 * 4096ull, PT_READ | PT_FIRST | PT_LAST, 0),
				 0);
		pt_unmap_mapping(&dom->pt, IOVA(page << 12), &entry);
		domain_cut_off(dom, page, 1024);
		assert_int_equal(of_all, !large);
		assert_int_equal(by_range, large);
		assert_null(dom->pt.limbo);
	}
	iova_free(dom->iova, page, 1024);
	domain_put(dom);
}

static void test_no_address_space(void **state)
{
	struct domain *dom = get(POLICY_STRICT, NULL);

	assert_int_equal(domain_iova_alloc(dom, 1ull << 40, ~0ull >> 12), 0);
	assert_int_equal(errno, ENOMEM);
	assert_non_null(strstr(error_text(), "mask"));
	assert_int_equal(domain_iova_alloc(dom, 2, 1), 0);
	domain_put(dom);
}

/* Lazy: pending ranges are flushed before an allocation fails. */
static void test_a_full_space_flushes_what_waits(void **state)
{
	struct domain *dom = get(POLICY_LAZY, NULL);
	u64 page[16];
	int n;

	for (n = 0; n < 16; n++)
		page[n] = domain_iova_alloc(dom, 1, 15);
	assert_int_equal(page[15], 0); /* page 0 is never allocated */
	for (n = 0; n < 15; n++) {
		assert_true(page[n] >= 1 && page[n] <= 15);
		domain_release(dom, page[n], 1, false);
	}
	for (n = 0; n < 15; n++)
		assert_true(domain_iova_alloc(dom, 1, 15) != 0);
	domain_put(dom);
}

#define with_ram(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_ram(test_no_iommu),
		with_ram(test_alone_each_is_its_own),
		with_ram(test_a_group_is_one),
		with_ram(test_addresses_of_interrupts_are_left_out),
		with_ram(test_pool_maps_all_ram_and_keeps_its_addresses),
		with_ram(test_a_bus_offset_is_no_alignment),
		with_ram(test_a_group_has_one_bus_offset),
		with_ram(test_release_gives_back_and_cuts_off),
		with_ram(test_a_large_release_frees_tables),
		with_ram(test_hardware_forgets_all_before_tables_go),
		with_ram(test_no_address_space),
		with_ram(test_a_full_space_flushes_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
