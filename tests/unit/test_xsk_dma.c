/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device addresses of a UMEM: contiguous or in runs, shared and counted, and unmapped with the
 * last user.
 */
#include "xsk_rig.h"

#include "xsk/xsk.h"

#include <linux/vmalloc.h>

enum { CHUNKS = 64, RING = 64 };

static u64 live(struct device *dev)
{
	struct dmamap_stats st = {.size = sizeof(st)};

	assert_int_equal(dmamap_stats(dev, &st), 0);
	return st.maps - st.unmaps;
}

static struct xsk_buff_pool *pool_for(struct app *a, struct xdp_umem *umem)
{
	struct xsk_buff_pool *pool;

	app_open(a, RING, RING, RING);
	pool = xp_create_and_assign_umem(a->xs, umem, 1);
	assert_non_null(pool);
	return pool;
}

static void test_one_range(void **state)
{
	struct area area;
	struct app a;
	struct xsk_buff_pool *pool;

	card_open("sim", NULL);
	area_open(&area, CHUNKS, 0, 0);
	pool = pool_for(&a, area.umem);
	assert_int_equal(xp_raw_get_dma(pool, 0), DMA_MAPPING_ERROR);
	assert_int_equal(xp_dma_map(pool, card.dev, 0, NULL, 0), 0);
	assert_int_equal(live(card.dev), 1);
	assert_null(pool->dma_pages);
	for (u64 addr = 0; addr < area.size; addr += 777)
		assert_int_equal(xp_raw_get_dma(pool, addr), xp_raw_get_dma(pool, 0) + addr);
	assert_int_equal(xp_dma_map(pool, card.dev, 0, NULL, 0), -EINVAL); /* mapped already */
	xp_dma_unmap(pool, 0);
	xp_dma_unmap(pool, 0);
	assert_int_equal(live(card.dev), 0);
	assert_int_equal(xp_raw_get_dma(pool, 0), DMA_MAPPING_ERROR);
	xp_destroy(pool);
	xdp_sock_destroy(a.xs);
	area_close(&area);
	card_close();
}

/*
 * 2 MiB cannot bounce as one mapping, nor can halves and quarters: bounce memory is in small
 * pieces.
 */
static void no_long_bounces(void)
{
	assert_int_equal(dmamap_fail("bounce:every=1,times=3"), 0);
}

/*
 * Later pools have the same addresses as the first, and the mapping is removed with the last of
 * them.
 */
static void test_defect_only_first_sharer_initialised(void **state)
{
	static const char *const specs[] = {"sim", "sim,iommu=0,swiotlb=16M"};

	for (u32 s = 0; s < 2; s++) {
		struct area area;
		struct app a[3];
		struct xsk_buff_pool *pool[3];

		card_open(specs[s], NULL);
		area_open(&area, 1024, 0, 0); /* 2 MiB */
		for (u32 i = 0; i < 3; i++) {
			pool[i] = pool_for(&a[i], area.umem);
			if (!i)
				no_long_bounces();
			assert_int_equal(xp_dma_map(pool[i], card.dev, 0, NULL, 0), 0);
			assert_int_equal(dmamap_fail(NULL), 0);
		}
		for (u32 i = 1; i < 3; i++) {
			struct xdp_buff *b;

			for (u64 addr = 0; addr < area.size; addr += 1000)
				assert_int_equal(xp_raw_get_dma(pool[i], addr),
						 xp_raw_get_dma(pool[0], addr));
			app_put_addr(&a[i].fill, 9 * CHUNK);
			b = xp_alloc(pool[i]);
			assert_int_equal(xsk_buff_xdp_get_frame_dma(b),
					 xp_raw_get_dma(pool[0], 9 * CHUNK));
		}
		assert_int_equal(pool[2]->dma_pages != NULL, s);
		for (u32 i = 0; i < 3; i++) {
			assert_true(live(card.dev) > 0);
			xp_dma_unmap(pool[i], 0);
		}
		assert_int_equal(live(card.dev), 0);
		for (u32 i = 0; i < 3; i++) {
			xp_destroy(pool[i]);
			xdp_sock_destroy(a[i].xs);
		}
		area_close(&area);
		card_close();
	}
}

/*
 * Scattered RAM, reached directly: chunks that are adjacent in the UMEM but not for the device are
 * detected.
 */
static void scatter(const char *spec, u32 expect_runs)
{
	enum { PAGES = 16 };
	struct page *pages[PAGES], *block = alloc_pages(GFP_KERNEL, 6);
	char *memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	struct xdp_umem_reg reg = {.addr = (uintptr_t)memory,
				   .len = PAGES * 4096,
				   .chunk_size = CHUNK,
				   .flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG};
	/* runs: 0-3, 4-4, 5-9, 10-15; where each begins in the block */
	static const u32 first[] = {0, 4, 5, 10, PAGES}, at[] = {8, 30, 20, 40};
	struct xsk_buff_pool *pool;
	struct xdp_umem *umem;
	struct app a;

	assert_non_null(block);
	for (u32 r = 0; r < 4; r++)
		for (u32 i = first[r]; i < first[r + 1]; i++)
			pages[i] = block + at[r] + i - first[r];
	card_open(spec, NULL);
	umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(umem));
	pool = pool_for(&a, umem);
	assert_int_equal(xp_dma_map(pool, card.dev, 0, pages, PAGES - 1), -EINVAL);
	assert_int_equal(xp_dma_map(pool, card.dev, 0, pages, PAGES), 0);
	assert_int_equal(live(card.dev), expect_runs);
	assert_non_null(pool->dma_pages);
	for (u32 r = 0; r < 4; r++)
		for (u32 i = first[r]; i < first[r + 1]; i++) {
			u64 addr =
				i * 4096ull + 3000; /* a chunk there crosses into the next page */
			bool contiguous = i + 1 < first[r + 1];
			struct xdp_buff *b;

			/* the contiguity bit is in no address */
			assert_int_equal(xp_raw_get_dma(pool, i * 4096) & 4095, 0);
			app_put_addr(&a.fill, addr);
			b = xp_alloc(pool);
			assert_int_equal(b != NULL, contiguous);
			if (!b)
				continue;
			assert_int_equal(xsk_buff_xdp_get_frame_dma(b),
					 xp_raw_get_dma(pool, i * 4096) + 3000);
			assert_int_equal(xp_raw_get_dma(pool, i * 4096) + 4096,
					 xp_raw_get_dma(pool, i * 4096 + 4096));
			xp_release(xsk_buff_of(b));
		}
	assert_int_equal(app_stats(&a).rx_invalid_descs, 0); /* the socket is not bound */
	assert_int_equal(pool_of(pool)->fq->invalid, 4);
	xp_dma_unmap(pool, 0); /* the checker would report a wrong address */
	assert_int_equal(live(card.dev), 0);
	xp_destroy(pool);
	xdp_sock_destroy(a.xs);
	xdp_umem_put(umem);
	munmap(memory, PAGES * 4096);
	__free_pages(block, 6);
	card_close();
}

static int reports;

static void on_report(const struct dmamap_report *r, void *arg)
{
	reports++;
}

static void test_defect_contiguity_bit_at_unmap(void **state)
{
	reports = 0;
	dmamap_check_on_report(on_report, NULL);
	scatter("sim,iommu=0,check=1", 4);
	scatter("sim,check=1", 4);
	assert_int_equal(reports, 0);
	dmamap_check_on_report(NULL, NULL);
}

/* vmalloc memory is scattered RAM: its own pages are mapped, none bounces. */
static void test_vmalloc(void **state)
{
	char *memory = vmalloc(CHUNKS * CHUNK);
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)memory, .len = CHUNKS * CHUNK, .chunk_size = CHUNK};
	struct xsk_buff_pool *pool;
	struct xdp_umem *umem;
	struct app a;
	char seen[8];

	assert_non_null(memory);
	card_open("sim,iommu=0", NULL);
	umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(umem));
	pool = pool_for(&a, umem);
	assert_int_equal(xp_dma_map(pool, card.dev, 0, NULL, 0), 0);
	assert_int_equal(pool->dma_need_sync,
			 card.dev->check != 0); /* a sync is needed only for the checker */
	for (u64 addr = 0; addr < CHUNKS * CHUNK; addr += CHUNK) {
		memcpy(memory + addr, &addr, 8);
		assert_int_equal(dmamap_bus_read(card.dev, xp_raw_get_dma(pool, addr), seen, 8), 0);
		assert_memory_equal(seen, &addr, 8);
	}
	xp_destroy(pool);
	assert_int_equal(live(card.dev), 0);
	xdp_sock_destroy(a.xs);
	xdp_umem_put(umem);
	vfree(memory);
	card_close();
}

/*
 * Two devices: two mappings, which the checker accepts. Either may close first; the other's pool
 * still works.
 */
static void test_two_devices(void **state)
{
	struct device *other = dmamap_open("sim,name=other,check=1");
	struct xsk_buff_pool *pool[2];
	struct area area;
	struct app a[2];
	char c = 0;

	reports = 0;
	assert_non_null(other);
	assert_int_equal(dma_set_mask_and_coherent(other, DMA_BIT_MASK(64)), 0);
	card_open("sim,check=1", NULL);
	dmamap_check_on_report(on_report, NULL);
	area_open(&area, CHUNKS, 0, 0);
	for (u32 i = 0; i < 2; i++) {
		pool[i] = pool_for(&a[i], area.umem);
		assert_int_equal(xp_dma_map(pool[i], i ? other : card.dev, 0, NULL, 0), 0);
	}
	assert_int_equal(live(other), 1);
	dmamap_close(other); /* takes its map with it */
	area.memory[100] = 'y';
	assert_int_equal(dmamap_bus_read(card.dev, xp_raw_get_dma(pool[0], 100), &c, 1), 0);
	assert_int_equal(c, 'y');
	xp_dma_unmap(pool[1], 0);
	for (u32 i = 0; i < 2; i++) {
		xp_destroy(pool[i]);
		xdp_sock_destroy(a[i].xs);
	}
	area_close(&area);
	card_close();
	assert_int_equal(reports, 0);
	dmamap_check_on_report(NULL, NULL);
}

/* Bounced: the driver's syncs copy the bytes, in one run and in many. */
static void test_bounced(void **state)
{
	struct xsk_buff_pool *pool;
	struct area area;
	struct app a;

	card_open("sim,iommu=0,swiotlb=16M,check=1", NULL);
	area_open(&area, 1024, 0, XDP_UMEM_UNALIGNED_CHUNK_FLAG);
	pool = pool_for(&a, area.umem);
	no_long_bounces();
	assert_int_equal(xp_dma_map(pool, card.dev, 0, NULL, 0), 0);
	assert_int_equal(dmamap_fail(NULL), 0);
	assert_true(pool->dma_need_sync);
	assert_non_null(pool->dma_pages);
	for (u64 addr = 0; addr + CHUNK <= area.size; addr += 1999) {
		struct xdp_buff *b;
		char c = 0;

		app_put_addr(&a.fill, addr);
		b = xp_alloc(pool);
		if (!b)
			continue; /* it crosses from run to run */
		assert_int_equal(dmamap_bus_write(card.dev, xsk_buff_xdp_get_dma(b), "packet", 6),
				 0);
		xsk_buff_set_size(b, 6);
		xsk_buff_dma_sync_for_cpu(b);
		assert_memory_equal(b->data, "packet", 6);
		memcpy(b->data, "answer", 6);
		xsk_buff_raw_dma_sync_for_device(pool, xsk_buff_xdp_get_dma(b), 6);
		assert_int_equal(dmamap_bus_read(card.dev, xsk_buff_xdp_get_dma(b), &c, 1), 0);
		assert_int_equal(c, 'a');
		xp_release(xsk_buff_of(b));
	}
	assert_in_range(pool_of(pool)->fq->invalid, 1, 64);
	xp_destroy(pool);
	xdp_sock_destroy(a.xs);
	area_close(&area);
	card_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_range),
		cmocka_unit_test(test_defect_only_first_sharer_initialised),
		cmocka_unit_test(test_defect_contiguity_bit_at_unmap),
		cmocka_unit_test(test_vmalloc),
		cmocka_unit_test(test_two_devices),
		cmocka_unit_test(test_bounced),
	};

	return cmocka_run_group_tests_name("xsk_dma", tests, NULL, NULL);
}
