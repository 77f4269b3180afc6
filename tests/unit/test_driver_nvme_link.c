/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/nvme_link.c: which requests are linked, which ranges are cached, and the behaviour after
 * failures.
 */
#include "driver_rig.h"

#include "drivers/nvme.h"

#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#define DISK_BYTES (2ull << 20)

/* Links that fail have no effect if the other path is available, too. */
static void test_link_fails(void **state)
{
	struct fail_rule always = {.every = 1};
	struct nvme_request req = {.op = NVME_READ, .blocks = 8};
	struct nvme *nvme;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	nvme = nvme_probe(r.dev, NULL);
	assert_non_null(nvme);
	req.buf = (void *)__get_free_page(GFP_KERNEL);
	assert_non_null(req.buf);
	fail_set(FAIL_LINK, &always);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	assert_true(fail_fired(FAIL_LINK) > 0);
	fail_set(FAIL_LINK, NULL);
	assert_int_equal(nvme_linked(nvme), 0);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	assert_int_equal(nvme_linked(nvme), 1);
	assert_int_equal(nvme_map_retries(nvme), 0);
	free_page((unsigned long)req.buf);
	nvme_remove(nvme);
	rig_close(&r);
}

static u64 linked_by_default(const char *keys)
{
	struct nvme_request req = {.op = NVME_READ, .blocks = 8};
	struct nvme *nvme;
	struct rig r;
	u64 linked;

	rig_open(&r, DISK_BYTES, keys);
	nvme = nvme_probe(r.dev, NULL);
	assert_non_null(nvme);
	req.buf = (void *)__get_free_page(GFP_KERNEL);
	assert_non_null(req.buf);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	linked = nvme_linked(nvme);
	free_page((unsigned long)req.buf);
	nvme_remove(nvme);
	rig_close(&r);
	return linked;
}

/* Where a mapping is an addition, a link would cost more. */
static void test_what_is_mapped_is_not_linked(void **state)
{
	assert_int_equal(linked_by_default(""), 1);
	assert_int_equal(linked_by_default(",policy=lazy"), 1);
	assert_int_equal(linked_by_default(",untrusted=1"), 1);
	assert_int_equal(linked_by_default(",policy=identity"), 0);
	assert_int_equal(linked_by_default(",policy=persistent"), 0);
}

/* Entries that are adjacent in memory are one link; the list may continue after the request. */
static void test_neighbours_are_one_link(void **state)
{
	struct fail_rule third = {.nth = 3}, fourth = {.nth = 4};
	struct page *pages;
	struct nvme_request req = {.op = NVME_READ, .blocks = 7 * 8, .nents = 7};
	struct scatterlist sg[8];
	struct nvme *nvme;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	nvme = nvme_probe(r.dev, NULL);
	assert_non_null(nvme);
	pages = alloc_pages(GFP_KERNEL, 4);
	assert_non_null(pages);
	sg_init_table(sg, 8);
	/* 0 1 2 | 4 5 | 8 9 (10) */
	for (unsigned int i = 0; i < 8; i++)
		sg_set_page(&sg[i], pages + i + (i > 2) + (i > 4) * 2, PAGE_SIZE, 0);
	req.sg = sg;
	fail_set(FAIL_LINK, &fourth);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	assert_int_equal(nvme_linked(nvme), 1);
	assert_int_equal(fail_fired(FAIL_LINK), 0);
	fail_set(FAIL_LINK, &third);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	assert_int_equal(fail_fired(FAIL_LINK), 1);
	fail_set(FAIL_LINK, NULL);
	__free_pages(pages, 4);
	nvme_remove(nvme);
	rig_close(&r);
}

static void test_two_step_needs_an_iommu(void **state)
{
	struct nvme_options opt = {.data = NVME_DATA_TWOSTEP};
	struct rig r;

	rig_open(&r, DISK_BYTES, ",iommu=0");
	assert_null(nvme_probe(r.dev, &opt));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_non_null(strstr(driver_strerror(), "IOMMU"));
	rig_close(&r);
}

/* After the first round no request allocates address space, whatever its size and memory. */
static void test_ranges_are_kept(void **state)
{
	struct fail_rule never = {.nth = 1u << 30};
	struct nvme_request req = {0};
	struct nvme *nvme;
	struct rig r;
	u64 ranges;

	rig_open(&r, DISK_BYTES, "");
	nvme = nvme_probe(r.dev, &(struct nvme_options){.depth = 2});
	assert_non_null(nvme);
	ranges = assert_all_unmapped(r.dev).iova_ranges;
	assert_int_equal(ranges, 0);
	for (int round = 0; round < 2; round++) {
		if (round)
			fail_set(FAIL_IOVA, &never);
		for (u32 blocks = 1; blocks <= 512; blocks *= 2) {
			unsigned long buf = __get_free_pages(GFP_KERNEL, 6);

			assert_true(buf);
			req = (struct nvme_request){
				.op = NVME_READ, .blocks = blocks, .buf = (void *)buf};
			assert_int_equal(nvme_run(nvme, 1, &req), 0);
			free_pages(buf, 6);
		}
		assert_int_equal(assert_all_unmapped(r.dev).iova_ranges, 1);
	}
	assert_int_equal(nvme_linked(nvme), 20);
	assert_int_equal(fail_fired(FAIL_IOVA), 0);
	fail_set(FAIL_IOVA, NULL);
	nvme_remove(nvme);
	assert_int_equal(assert_all_unmapped(r.dev).iova_ranges, 0);
	rig_close(&r);
}

/* Memory that only has pages is refused, as by dma_map_single(). */
static void test_vmalloc_is_refused(void **state)
{
	struct nvme_options opt = {.retry_ms = 5};
	struct nvme_request req = {.op = NVME_READ, .blocks = 8};
	struct nvme *nvme;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	nvme = nvme_probe(r.dev, &opt);
	assert_non_null(nvme);
	req.buf = vmalloc(4096);
	assert_non_null(req.buf);
	assert_true(nvme_run(nvme, 1, &req) < 0);
	vfree(req.buf);
	nvme_remove(nvme);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_fails),
		cmocka_unit_test(test_what_is_mapped_is_not_linked),
		cmocka_unit_test(test_neighbours_are_one_link),
		cmocka_unit_test(test_two_step_needs_an_iommu),
		cmocka_unit_test(test_ranges_are_kept),
		cmocka_unit_test(test_vmalloc_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
