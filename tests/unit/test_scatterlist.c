/* SPDX-License-Identifier: BSD-2-Clause */
/* Scatterlists: tables, chains, copies and iterators. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/scatterlist.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/fail.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PAGES	 64
#define MAX_ENTS 400

static u8 *arena; /* PAGES pages of the process, aligned */
static u64 seed = 20240607;

static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % below);
}

static int setup(void **state)
{
	arena = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
	for (size_t i = 0; i < PAGES * PAGE_SIZE; i++)
		arena[i] = (u8)rnd(256);
	return 0;
}

static int teardown(void **state)
{
	free(arena);
	fail_set(FAIL_MEMORY, NULL);
	return 0;
}

/* A table of random pieces of the arena, which may overlap; each below two pages. */
static void random_table(struct sg_table *t, unsigned int n)
{
	struct scatterlist *sg;
	unsigned int i;

	assert_int_equal(sg_alloc_table(t, n, GFP_KERNEL), 0);
	for_each_sgtable_sg (t, sg, i) {
		u32 len = rnd(8) ? rnd(2 * PAGE_SIZE) : 0;

		sg_set_buf(sg, arena + rnd(PAGES * PAGE_SIZE - 2 * PAGE_SIZE), len);
	}
}

/* The oracle: the address of each byte of a list, in order. */
static size_t list_bytes(struct scatterlist *sg, u8 **out)
{
	size_t n = 0;

	for (; sg; sg = sg_next(sg))
		for (unsigned int i = 0; i < sg->length; i++)
			out[n++] = (u8 *)sg_virt(sg) + i;
	return n;
}

static void test_init(void **state)
{
	struct scatterlist sg[5];

	memset(sg, 0xff, sizeof(sg));
	sg_init_table(sg, 4);
	assert_int_equal(sg_nents(sg), 4);
	assert_true(sg_is_last(&sg[3]));
	for (int i = 0; i < 4; i++) {
		assert_null(sg_page(&sg[i]));
		assert_int_equal(sg[i].length | sg[i].offset | sg_dma_len(&sg[i]), 0);
		assert_false(sg_is_chain(&sg[i]));
		assert_int_equal(sg_is_last(&sg[i]), i == 3);
	}
	assert_int_equal(sg[4].length, UINT32_MAX); /* memory that the test must not write */
	sg_init_table(NULL, 3);
	sg_init_table(&sg[4], 0);
	assert_int_equal(sg[4].length, UINT32_MAX);
}

static void test_one(void **state)
{
	struct scatterlist sg;
	int on_stack = 7;

	sg_init_one(&sg, arena + 5000, 77);
	assert_ptr_equal(sg_virt(&sg), arena + 5000);
	assert_int_equal(sg.offset, 5000 - PAGE_SIZE);
	assert_int_equal(sg.length, 77);
	assert_true(sg_phys(&sg) == virt_to_phys(arena + 5000));
	assert_true(sg_is_last(&sg));
	assert_null(sg_next(&sg));
	sg_init_one(&sg, &on_stack, sizeof(on_stack));
	assert_ptr_equal(sg_virt(&sg), &on_stack);
	sg_init_one(NULL, arena, 1);
}

static void test_marks(void **state)
{
	struct page *page = virt_to_page(arena);
	struct scatterlist sg[3];

	sg_init_table(sg, 3);
	sg_set_page(&sg[2], page, 10, 20);
	assert_true(sg_is_last(&sg[2])); /* survives a new page */
	assert_ptr_equal(sg_page(&sg[2]), page);
	sg_unmark_end(&sg[2]);
	assert_false(sg_is_last(&sg[2]));
	assert_ptr_equal(sg_page(&sg[2]), page);
	sg_mark_end(&sg[1]);
	assert_int_equal(sg_nents(sg), 2);
	sg_assign_page(&sg[1], page);
	assert_true(sg_is_last(&sg[1]));
	sg_dma_address(&sg[0]) = 0x1234;
	sg_dma_len(&sg[0]) = 99;
	assert_int_equal(sg[0].dma_length, 99);
	assert_false(sg_dma_is_bus_address(&sg[0]) || sg_dma_is_swiotlb(&sg[0]));
	sg_dma_mark_bus_address(&sg[0]);
	sg_dma_mark_swiotlb(&sg[0]);
	assert_true(sg_dma_is_bus_address(&sg[0]) && sg_dma_is_swiotlb(&sg[0]));
	sg_dma_unmark_bus_address(&sg[0]);
	assert_true(!sg_dma_is_bus_address(&sg[0]) && sg_dma_is_swiotlb(&sg[0]));
}

static void test_chain(void **state)
{
	struct scatterlist a[3], b[2], *sg;
	unsigned int i, seen = 0;

	sg_init_table(a, 3);
	sg_init_table(b, 2);
	sg_chain(a, 3, b);
	assert_true(sg_is_chain(&a[2]));
	assert_false(sg_is_last(&a[2]));
	assert_ptr_equal(sg_chain_ptr(&a[2]), b);
	assert_ptr_equal(sg_next(&a[0]), &a[1]);
	assert_ptr_equal(sg_next(&a[1]), &b[0]);
	assert_ptr_equal(sg_next(&b[0]), &b[1]);
	assert_null(sg_next(&b[1]));
	assert_int_equal(sg_nents(a), 4);
	assert_ptr_equal(sg_last(a, 4), &b[1]);
	assert_ptr_equal(sg_last(a, 2), &a[1]);
	assert_ptr_equal(sg_last(a, 99), &b[1]);
	assert_null(sg_last(a, 0));
	assert_null(sg_last(NULL, 1));
	for_each_sg (a, sg, 4, i)
		seen += sg == &a[0] || sg == &a[1] || sg == &b[0] || sg == &b[1];
	assert_int_equal(seen, 4);
}

static void test_nents_for_len(void **state)
{
	struct scatterlist sg[3];

	sg_init_table(sg, 3);
	for (int i = 0; i < 3; i++)
		sg_set_buf(&sg[i], arena, 100);
	assert_int_equal(sg_nents_for_len(sg, 0), 0);
	assert_int_equal(sg_nents_for_len(sg, 1), 1);
	assert_int_equal(sg_nents_for_len(sg, 100), 1);
	assert_int_equal(sg_nents_for_len(sg, 101), 2);
	assert_int_equal(sg_nents_for_len(sg, 300), 3);
	assert_int_equal(sg_nents_for_len(sg, 301), -EINVAL);
	assert_int_equal(sg_nents_for_len(sg, UINT64_MAX), -EINVAL);
	assert_int_equal(sg_nents_for_len(NULL, 1), -EINVAL);
	for (int i = 0; i < 3; i++)
		sg[i].length = UINT32_MAX;
	assert_int_equal(sg_nents_for_len(sg, 3ull * UINT32_MAX), 3);
}

static void test_alloc_table(void **state)
{
	static const unsigned int sizes[] = {1, 2, 127, 128, 129, 254, 255, 256, 257, 10000};
	struct scatterlist *sg;
	struct sg_table t;
	unsigned int i;

	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		assert_int_equal(sg_alloc_table(&t, sizes[k], GFP_KERNEL), 0);
		assert_int_equal(t.nents, sizes[k]);
		assert_int_equal(t.orig_nents, sizes[k]);
		assert_int_equal(sg_nents(t.sgl), sizes[k]);
		for_each_sgtable_sg (&t, sg, i)
			sg_set_buf(sg, arena + i, 1);
		for_each_sgtable_dma_sg (&t, sg, i)
			assert_ptr_equal(sg_virt(sg), arena + i);
		assert_null(sg);
		sg_free_table(&t);
		assert_null(t.sgl);
		assert_int_equal(t.nents | t.orig_nents, 0);
		sg_free_table(&t);
	}
	sg_free_table(NULL);
}

static void test_alloc_table_bad(void **state)
{
	struct sg_table t = {.sgl = (void *)arena, .nents = 5, .orig_nents = 5};

	assert_int_equal(sg_alloc_table(&t, 0, GFP_KERNEL), -EINVAL);
	assert_null(t.sgl);
	assert_int_equal(sg_alloc_table(NULL, 1, GFP_KERNEL), -EINVAL);
	assert_int_equal(sg_alloc_table(&t, UINT32_MAX, GFP_KERNEL), -ENOMEM);
	assert_non_null(strstr(error_text(), "4294967295 entries"));
	sg_free_table(&t);
}

/* Each allocation of a long table fails in turn; the sanitizers detect leaks. */
static void test_alloc_table_fails(void **state)
{
	struct fail_rule rule = {.nth = 0};
	struct sg_table t;
	int err, runs = 0;

	do {
		rule.nth++;
		fail_set(FAIL_MEMORY, NULL);
		fail_set(FAIL_MEMORY, &rule);
		err = sg_alloc_table(&t, 1000, GFP_KERNEL);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_null(t.sgl);
			assert_int_equal(t.orig_nents, 0);
		}
		sg_free_table(&t);
		runs++;
	} while (err);
	assert_int_equal(runs, 9); /* eight arrays */
	fail_set(FAIL_MEMORY, NULL);
}

/* Random pages, some of them adjacent: the list must be their bytes, and no two entries merge. */
static void test_from_pages(void **state)
{
	struct page *pages[PAGES];
	u8 *byte[PAGES];
	struct scatterlist *sg;
	struct sg_table t;
	unsigned int i;

	for (int round = 0; round < 500; round++) {
		unsigned int n = 1 + rnd(PAGES), offset = rnd(2) ? rnd(PAGE_SIZE) : 0;
		unsigned int max = rnd(2) ? UINT32_MAX : PAGE_SIZE + rnd(4 * PAGE_SIZE);
		unsigned long size = 1 + rnd((u32)(n * PAGE_SIZE - offset)), pos = offset;
		u8 *end = NULL;

		for (i = 0; i < n; i++) {
			byte[i] = i && rnd(4) ? byte[i - 1] + PAGE_SIZE
					      : arena + rnd(PAGES) * PAGE_SIZE;
			if (byte[i] == arena + PAGES * PAGE_SIZE)
				byte[i] = arena;
			pages[i] = virt_to_page(byte[i]);
		}
		assert_int_equal(sg_alloc_table_from_pages_segment(&t, pages, n, offset, size, max,
								   GFP_KERNEL),
				 0);
		for_each_sgtable_sg (&t, sg, i) {
			unsigned long whole = max / PAGE_SIZE * PAGE_SIZE;

			assert_true(sg->length > 0 && sg->length <= whole);
			assert_ptr_equal(sg_virt(sg), byte[pos / PAGE_SIZE] + pos % PAGE_SIZE);
			/* adjacent entries are separate, or the first has the greatest length */
			if (end == sg_virt(sg))
				assert_true((uintptr_t)end % PAGE_SIZE == 0 &&
					    sg[-1].offset + sg[-1].length == whole);
			end = (u8 *)sg_virt(sg) + sg->length;
			for (unsigned long k = 0; k < sg->length; k += PAGE_SIZE)
				assert_ptr_equal((u8 *)sg_virt(sg) + k,
						 byte[(pos + k) / PAGE_SIZE] +
							 (pos + k) % PAGE_SIZE);
			pos += sg->length;
		}
		assert_int_equal(pos, offset + size);
		assert_int_equal(sg_nents(t.sgl), t.orig_nents);
		sg_free_table(&t);
	}
}

static void test_from_pages_bad(void **state)
{
	struct page *pages[2] = {virt_to_page(arena), virt_to_page(arena + PAGE_SIZE)};
	struct page *hole[2] = {pages[0], NULL};
	struct sg_table t;

#define FROM(p, n, off, size, max)                                                                 \
	sg_alloc_table_from_pages_segment(&t, p, n, off, size, max, GFP_KERNEL)
	assert_int_equal(FROM(pages, 0, 0, 1, ~0u), -EINVAL);
	assert_null(t.sgl);
	assert_int_equal(FROM(NULL, 1, 0, 1, ~0u), -EINVAL);
	assert_int_equal(FROM(hole, 2, 0, 1, ~0u), -EINVAL);
	assert_int_equal(FROM(pages, 2, 0, 0, ~0u), -EINVAL);
	assert_int_equal(FROM(pages, 2, PAGE_SIZE, 1, ~0u), -EINVAL);
	assert_int_equal(FROM(pages, 2, 1, 2 * PAGE_SIZE, ~0u), -EINVAL);
	assert_int_equal(FROM(pages, 2, 1, ULONG_MAX, ~0u), -EINVAL);
	assert_int_equal(FROM(pages, 2, 0, 2 * PAGE_SIZE, PAGE_SIZE - 1), -EINVAL);
	assert_int_equal(sg_alloc_table_from_pages_segment(NULL, pages, 2, 0, 1, ~0u, 0), -EINVAL);
	assert_int_equal(sg_alloc_table_from_pages(&t, pages, 2, 0, 2 * PAGE_SIZE, GFP_KERNEL), 0);
	assert_int_equal(t.orig_nents, 1);
	assert_int_equal(t.sgl->length, 2 * PAGE_SIZE);
	sg_free_table(&t);
	fail_set(FAIL_MEMORY, &(struct fail_rule){.nth = 1});
	assert_int_equal(FROM(pages, 2, 0, 5, ~0u), -ENOMEM);
	assert_null(t.sgl);
	fail_set(FAIL_MEMORY, NULL);
}

static void test_copy(void **state)
{
	static u8 *byte[MAX_ENTS * 2 * 4096];
	u8 *buf = malloc(MAX_ENTS * 2 * PAGE_SIZE), *before = malloc(PAGES * PAGE_SIZE);
	struct sg_table t;

	for (int round = 0; round < 60; round++) {
		unsigned int nents = 1 + rnd(round % 10 ? 12 : MAX_ENTS - 1);
		size_t total, len, want, i;
		off_t skip;

		random_table(&t, nents);
		total = list_bytes(t.sgl, byte);
		skip = rnd(3) ? rnd((u32)total + 1) : 0;
		len = rnd((u32)total + 500);
		want = len < total - (size_t)skip ? len : total - (size_t)skip;

		memset(buf, 0xa5, len);
		assert_int_equal(sg_pcopy_to_buffer(t.sgl, nents, buf, len, skip), want);
		for (i = 0; i < want; i++)
			if (buf[i] != *byte[(size_t)skip + i])
				fail_msg("byte %zu of %zu is wrong", i, want);
		for (; i < len; i++)
			assert_int_equal(buf[i], 0xa5);

		/* into the list: the arena must be equal to the result of byte-wise stores */
		memcpy(before, arena, PAGES * PAGE_SIZE);
		for (i = 0; i < len; i++)
			buf[i] = (u8)rnd(256);
		for (i = 0; i < want; i++)
			before[byte[(size_t)skip + i] - arena] = round & 1 ? 0 : buf[i];
		if (round & 1)
			assert_int_equal(sg_zero_buffer(t.sgl, nents, len, skip), want);
		else
			assert_int_equal(sg_pcopy_from_buffer(t.sgl, nents, buf, len, skip), want);
		assert_memory_equal(before, arena, PAGES * PAGE_SIZE);
		sg_free_table(&t);
	}
	free(buf);
	free(before);
}

static void test_copy_limits(void **state)
{
	struct scatterlist sg[2];
	u8 buf[64] = {0};

	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], arena, 16);
	sg_set_buf(&sg[1], arena + 100, 16);
	assert_int_equal(sg_copy_to_buffer(sg, 2, buf, sizeof(buf)), 32);
	assert_memory_equal(buf + 16, arena + 100, 16);
	assert_int_equal(sg_copy_to_buffer(sg, 1, buf, sizeof(buf)), 16); /* nents limits it */
	buf[0] ^= 1;
	assert_int_equal(sg_copy_from_buffer(sg, 2, buf, 1), 1);
	assert_int_equal(arena[0], buf[0]);
	assert_int_equal(sg_copy_buffer(sg, 2, buf, 8, 30, true), 2);
	assert_int_equal(sg_pcopy_to_buffer(sg, 2, buf, 8, 32), 0);
	assert_int_equal(sg_pcopy_to_buffer(sg, 2, buf, 8, -1), 0);
	assert_int_equal(sg_copy_to_buffer(NULL, 2, buf, 8), 0);
	assert_int_equal(sg_copy_to_buffer(sg, 2, NULL, 8), 0);
}

static void test_page_iter(void **state)
{
	for (int round = 0; round < 200; round++) {
		unsigned int nents = 1 + rnd(200), n = 0, skip = rnd(20), i;
		struct page *want[MAX_ENTS * 3];
		struct sg_page_iter iter;
		struct scatterlist *sg;
		struct sg_table t;

		random_table(&t, nents);
		for_each_sgtable_sg (&t, sg, i)
			for (unsigned int k = 0; k < PFN_UP(sg->offset + sg->length); k++)
				want[n++] = sg_page(sg) + k;
		i = skip;
		for_each_sgtable_page(&t, &iter, skip)
		{
			assert_true(i < n);
			assert_ptr_equal(sg_page_iter_page(&iter), want[i++]);
		}
		assert_true(i == n || (skip >= n && i == skip));
		sg_free_table(&t);
	}
}

static void test_dma_page_iter(void **state)
{
	struct scatterlist sg[3];
	struct sg_dma_page_iter iter;
	dma_addr_t want[] = {0x10000, 0x11000, 0x12000, 0x50800, 0x51800};
	struct sg_table t = {.sgl = sg, .nents = 2, .orig_nents = 3};
	unsigned int n = 0;

	sg_init_table(sg, 3);
	sg_dma_address(&sg[0]) = 0x10000;
	sg_dma_len(&sg[0]) = 3 * PAGE_SIZE;
	sg_dma_address(&sg[1]) = 0x50800; /* the bytes of a page, on two pages */
	sg_dma_len(&sg[1]) = PAGE_SIZE;
	sg_dma_len(&sg[2]) = PAGE_SIZE; /* beyond the mapped segments */
	for_each_sgtable_dma_page(&t, &iter, 0)
		assert_true(n < 5 && sg_page_iter_dma_address(&iter) == want[n++]);
	assert_int_equal(n, 5);
	for_each_sg_dma_page(sg, &iter, 2, 4)
		assert_true(sg_page_iter_dma_address(&iter) == want[4] && ++n);
	assert_int_equal(n, 6);
	for_each_sg_dma_page(sg, &iter, 2, ULONG_MAX) fail();
}

/* Random steps through random lists, with partial consumption and skips, against the oracle. */
static void test_miter(void **state)
{
	static u8 *byte[40 * 2 * 4096];

	for (int round = 0; round < 300; round++) {
		unsigned int nents = 1 + rnd(39);
		struct sg_mapping_iter m;
		struct sg_table t;
		size_t total, pos = 0;

		random_table(&t, nents);
		total = list_bytes(t.sgl, byte);
		sg_miter_start(&m, t.sgl, nents, SG_MITER_FROM_SG);
		for (;;) {
			if (!rnd(4)) {
				u32 skip = rnd(9000);

				assert_int_equal(sg_miter_skip(&m, skip), skip <= total - pos);
				pos += skip <= total - pos ? skip : total - pos;
			}
			if (!sg_miter_next(&m))
				break;
			assert_true(m.length > 0 && m.length <= total - pos);
			assert_ptr_equal(m.addr, byte[pos]);
			assert_ptr_equal((u8 *)m.addr + m.length - 1, byte[pos + m.length - 1]);
			assert_true((uintptr_t)m.addr % PAGE_SIZE + m.length <= PAGE_SIZE);
			assert_ptr_equal(page_address(m.page),
					 (void *)((uintptr_t)m.addr & PAGE_MASK));
			if (!rnd(3))
				m.consumed = rnd((u32)m.length);
			pos += m.consumed;
		}
		assert_int_equal(pos, total);
		sg_miter_stop(&m);
		assert_null(m.addr);
		sg_free_table(&t);
	}
}

/*
 * An offset beyond the entry's first page is permitted; if more is consumed than was returned, the
 * caller is wrong.
 */
static void test_miter_odd(void **state)
{
	struct sg_mapping_iter m;
	struct scatterlist sg;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, virt_to_page(arena), 100, 2 * PAGE_SIZE + 4090);
	assert_ptr_equal(sg_virt(&sg), arena + 2 * PAGE_SIZE + 4090);
	sg_miter_start(&m, &sg, 1, SG_MITER_TO_SG | SG_MITER_ATOMIC);
	assert_true(sg_miter_next(&m));
	assert_ptr_equal(m.addr, arena + 2 * PAGE_SIZE + 4090);
	assert_int_equal(m.length, 6);
	m.consumed = 1000;
	assert_true(sg_miter_next(&m));
	assert_ptr_equal(m.addr, arena + 3 * PAGE_SIZE);
	assert_int_equal(m.length, 94);
	assert_false(sg_miter_next(&m));
	assert_false(sg_miter_skip(&m, -1));
	sg_miter_start(&m, NULL, 0, 0);
	assert_false(sg_miter_next(&m));
	assert_true(sg_miter_skip(&m, 0));
	assert_false(sg_miter_skip(&m, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_nents_for_len),
		cmocka_unit_test(test_alloc_table),
		cmocka_unit_test(test_alloc_table_bad),
		cmocka_unit_test(test_alloc_table_fails),
		cmocka_unit_test(test_from_pages),
		cmocka_unit_test(test_from_pages_bad),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_copy_limits),
		cmocka_unit_test(test_page_iter),
		cmocka_unit_test(test_dma_page_iter),
		cmocka_unit_test(test_miter),
		cmocka_unit_test(test_miter_odd),
	};

	return cmocka_run_group_tests_name("scatterlist", tests, setup, teardown);
}
