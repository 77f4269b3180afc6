/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PRPs of random scatterlists, evaluated as by a controller: each page is fetched from the bus
 * by its PRP and compared with the data. The device is a plain one, so that requests may be longer
 * than the simulated controller's, and lists are chained.
 */
#include "driver_rig.h"

#include "drivers/nvme_private.h"

#include <dmamap/bus.h>
#include <linux/mm.h>

#define PAGES_MAX (MAX_BYTES / NVME_PAGE + 1)

static u64 seed = 88172645463325252ull;

static u64 random_below(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static struct nvme *fake_controller(const char *spec)
{
	struct nvme *nvme = calloc(1, sizeof(*nvme));

	assert_non_null(nvme);
	nvme->dev = dmamap_open(spec);
	assert_non_null(nvme->dev);
	assert_int_equal(dma_set_mask_and_coherent(nvme->dev, DMA_BIT_MASK(64)), 0);
	dma_set_max_seg_size(nvme->dev, UINT32_MAX);
	dma_set_seg_boundary(nvme->dev, ~0ul);
	dma_set_min_align_mask(nvme->dev, NVME_PAGE - 1);
	nvme->info =
		(struct nvme_info){.block_size = 512, .blocks = 1u << 20, .max_bytes = MAX_BYTES};
	nvme->small_lists = dma_pool_create("small", nvme->dev, SMALL_LIST, SMALL_LIST, 0);
	nvme->page_lists = dma_pool_create("page", nvme->dev, NVME_PAGE, NVME_PAGE, 0);
	assert_non_null(nvme->small_lists);
	assert_non_null(nvme->page_lists);
	return nvme;
}

static void fake_close(struct nvme *nvme)
{
	dma_pool_destroy(nvme->small_lists);
	dma_pool_destroy(nvme->page_lists);
	assert_all_released(nvme->dev);
	dmamap_close(nvme->dev);
	free(nvme);
}

/* Fetches `bytes` as a controller does: PRP1, then PRP2 as a page or as a list with links. */
static void fetch(struct device *dev, u64 prp1, u64 prp2, u8 *out, u64 bytes)
{
	u64 n = NVME_PAGE - prp1 % NVME_PAGE, at = prp2, entry;

	n = n < bytes ? n : bytes;
	assert_int_equal(dmamap_bus_read(dev, prp1, out, n), 0);
	out += n;
	bytes -= n;
	if (bytes && bytes <= NVME_PAGE) {
		assert_int_equal(prp2 % NVME_PAGE, 0);
		assert_int_equal(dmamap_bus_read(dev, prp2, out, bytes), 0);
		return;
	}
	while (bytes) {
		assert_int_equal(dmamap_bus_read(dev, at, &entry, 8), 0);
		if (at % NVME_PAGE == NVME_PAGE - 8 && bytes > NVME_PAGE) {
			assert_int_equal(entry % 8, 0);
			at = entry;
			continue;
		}
		assert_int_equal(entry % NVME_PAGE, 0);
		n = bytes < NVME_PAGE ? bytes : NVME_PAGE;
		assert_int_equal(dmamap_bus_read(dev, entry, out, n), 0);
		out += n;
		bytes -= n;
		at += 8;
	}
}

struct shape {
	struct page *page[PAGES_MAX];
	struct scatterlist sg[PAGES_MAX];
	unsigned int pages, nents;
};

/*
 * A list of `bytes` that begins at `offset` in its first page; adjacent pages may share an entry.
 */
static void shape_make(struct shape *s, u32 offset, u64 bytes)
{
	u64 left = bytes, at = offset;

	s->pages = s->nents = 0;
	memset(s->sg, 0, sizeof(s->sg));
	while (left) {
		u64 n = NVME_PAGE - at < left ? NVME_PAGE - at : left;

		s->page[s->pages] = alloc_pages(GFP_KERNEL, 0);
		assert_non_null(s->page[s->pages]);
		s->sg[s->nents].length = 0;
		sg_set_page(&s->sg[s->nents++], s->page[s->pages++], (unsigned int)n,
			    (unsigned int)at);
		left -= n;
		at = 0;
	}
	sg_mark_end(&s->sg[s->nents - 1]);
}

static void shape_fill(struct shape *s, u8 *copy)
{
	for (unsigned int i = 0; i < s->nents; i++) {
		u8 *p = sg_virt(&s->sg[i]);

		for (u32 k = 0; k < s->sg[i].length; k++)
			*copy++ = p[k] = (u8)random_below(256);
	}
}

static void shape_free(struct shape *s)
{
	while (s->pages)
		__free_pages(s->page[--s->pages], 0);
}

static void try_one(struct nvme *nvme, struct shape *s, u32 offset, u32 blocks)
{
	struct nvme_request req = {.op = NVME_WRITE, .blocks = blocks};
	u8 *want = malloc(blocks * 512ul), *got = malloc(blocks * 512ul);
	struct nvme_slot slot = {0};

	assert_non_null(want);
	assert_non_null(got);
	shape_make(s, offset, blocks * 512ull);
	shape_fill(s, want);
	req.sg = s->sg;
	req.nents = s->nents;
	assert_int_equal(nvme_check_data(nvme, &req), 0);
	assert_int_equal(nvme_map(nvme, &slot, &req), 0);
	fetch(nvme->dev, slot.prp1, slot.prp2, got, blocks * 512ull);
	assert_memory_equal(got, want, blocks * 512ul);
	nvme_unmap(nvme, &slot, &req);
	shape_free(s);
	free(want);
	free(got);
}

static void run_shapes(const char *spec, u32 max_blocks)
{
	struct nvme *nvme = fake_controller(spec);
	struct shape *s = malloc(sizeof(*s));

	assert_non_null(s);
	for (int i = 0; i < 60; i++)
		try_one(nvme, s, (u32)random_below(1024) * 4, 1 + (u32)random_below(max_blocks));
	/* Borders: one page, two, the last of a small list, of a page, of a chain. */
	for (u32 pages = 1; pages <= max_blocks / 8; pages = pages < 40 ? pages + 1 : pages + 245) {
		try_one(nvme, s, 0, pages * 8);
		try_one(nvme, s, 2048, pages * 8);
	}
	free(s);
	fake_close(nvme);
}

static void test_iommu(void **state)
{
	run_shapes("sim", 2048);
	run_shapes("sim,untrusted=1", 512);
}

static void test_direct(void **state)
{
	run_shapes("sim,iommu=0", 2048);
}

static void test_chains(void **state)
{
	static const char *const specs[] = {"sim", "sim,iommu=0"};
	struct shape *s = malloc(sizeof(*s));
	struct nvme *nvme;

	assert_non_null(s);
	for (int i = 0; i < 2; i++) {
		nvme = fake_controller(specs[i]);
		try_one(nvme, s, 0, 512 * 8); /* 511 entries in one list */
		try_one(nvme, s, 0, 513 * 8); /* 512, full without a link */
		try_one(nvme, s, 0, 514 * 8); /* one more: a link and two */
		try_one(nvme, s, 512, 1023 * 8);
		try_one(nvme, s, 0, 1024 * 8);	  /* 1023 entries: 511, 511, 1 */
		try_one(nvme, s, 4092, 1024 * 8); /* the most there can be */
		fake_close(nvme);
	}
	free(s);
}

static void test_plain(void **state)
{
	struct nvme *nvme = fake_controller("sim");
	struct nvme_request req = {.op = NVME_WRITE, .blocks = 200};
	struct nvme_slot slot = {0};
	u8 *p = malloc(200 * 512 + 16), *got = malloc(200 * 512);

	assert_non_null(p);
	assert_non_null(got);
	for (u32 i = 0; i < 200 * 512; i++)
		p[12 + i] = (u8)random_below(256);
	req.buf = p + 12;
	assert_int_equal(nvme_check_data(nvme, &req), 0);
	assert_int_equal(nvme_map(nvme, &slot, &req), 0);
	fetch(nvme->dev, slot.prp1, slot.prp2, got, 200 * 512);
	assert_memory_equal(got, p + 12, 200 * 512);
	nvme_unmap(nvme, &slot, &req);
	free(p);
	free(got);
	fake_close(nvme);
}

/* Lists that PRPs cannot describe are refused before anything is mapped. */
static void test_refused(void **state)
{
	struct nvme *nvme = fake_controller("sim");
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	struct nvme_request req = {.op = NVME_READ, .blocks = 8};
	struct scatterlist sg[2];

	assert_non_null(page);
	req.sg = sg;
	req.nents = 2;
	sg_init_table(sg, 2);
	sg_set_page(&sg[0], page, 2048, 0); /* ends inside a page */
	sg_set_page(&sg[1], page + 1, 2048, 0);
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	sg_set_page(&sg[0], page, 2048, 2048);
	assert_int_equal(nvme_check_data(nvme, &req), 0);
	sg_set_page(&sg[1], page + 1, 2048, 512); /* begins inside one */
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	sg_set_page(&sg[1], page + 1, 1024, 0); /* too short */
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	sg_set_page(&sg[1], page + 1, 4096, 0); /* too long */
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	sg_set_page(&sg[0], page, 2046, 2050); /* not 4-byte aligned */
	sg_set_page(&sg[1], page + 1, 2050, 0);
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	req.nents = 3; /* more than the list has */
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	req.sg = NULL;
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	req.buf = (char *)page_address(page) + 2;
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	req.blocks = MAX_BYTES / 512 + 1;
	assert_int_equal(nvme_check_data(nvme, &req), -EINVAL);
	__free_pages(page, 2);
	fake_close(nvme);
}

/* No list is available: nothing stays mapped, and the next attempt succeeds. */
static void test_no_list(void **state)
{
	struct nvme *nvme = fake_controller("sim");
	struct nvme_request req = {.op = NVME_READ, .blocks = 5120}; /* needs two lists */
	struct fail_rule rule = {0};
	struct dmamap_stats st = {.size = sizeof(st)};
	struct nvme_slot slot = {0};

	req.buf = malloc(5120 * 512);
	assert_non_null(req.buf);
	for (rule.nth = 1; rule.nth <= 2; rule.nth++) {
		fail_set(FAIL_POOL, &rule);
		assert_int_equal(nvme_map(nvme, &slot, &req), -ENOMEM);
		fail_set(FAIL_POOL, NULL);
		dmamap_stats(nvme->dev, &st);
		assert_int_equal(st.maps, st.unmaps);
		assert_int_equal(slot.n_lists, 0);
	}
	assert_int_equal(nvme_map(nvme, &slot, &req), 0);
	assert_int_equal(slot.n_lists, 2);
	nvme_unmap(nvme, &slot, &req);
	free(req.buf);
	fake_close(nvme);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iommu),	cmocka_unit_test(test_direct),
		cmocka_unit_test(test_chains),	cmocka_unit_test(test_plain),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_no_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
