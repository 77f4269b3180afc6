/* SPDX-License-Identifier: BSD-2-Clause */
/* Splitting a mapped list, compared with its bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/fail.h"

#include <stdlib.h>
#include <string.h>

#define ARENA (64 * 1024)
#define PARTS 8

static u8 *arena;
static u64 seed = 99;

static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % below);
}

static int setup(void **state)
{
	arena = aligned_alloc(PAGE_SIZE, ARENA);
	memset(arena, 0, ARENA);
	return 0;
}

static int teardown(void **state)
{
	free(arena);
	fail_set(FAIL_MEMORY, NULL);
	fail_set(FAIL_PAGE, NULL);
	return 0;
}

/* Entries of up to 6000 bytes; as segments, each run of one to three entries. Returns their number.
 */
static int mapped_list(struct sg_table *t, unsigned int n)
{
	struct scatterlist *sg, *seg;
	unsigned int i, left = 0;
	int mapped = 0;

	assert_int_equal(sg_alloc_table(t, n, GFP_KERNEL), 0);
	seg = t->sgl;
	for_each_sgtable_sg (t, sg, i) {
		sg_set_buf(sg, arena + rnd(ARENA - 6000), 1 + rnd(6000));
		if (!left) {
			left = 1 + rnd(3);
			if (mapped)
				seg = sg_next(seg);
			sg_dma_address(seg) = ((u64)rnd(1 << 20) << 24) + rnd(4096);
			sg_dma_mark_swiotlb(seg);
			mapped++;
		}
		sg_dma_len(seg) += sg->length;
		left--;
	}
	return mapped;
}

static size_t list_bytes(struct scatterlist *sg, u64 *out)
{
	size_t n = 0;

	for (; sg; sg = sg_next(sg))
		for (unsigned int i = 0; i < sg->length; i++)
			out[n++] = (u64)(uintptr_t)sg_virt(sg) + i;
	return n;
}

static size_t dma_bytes(struct scatterlist *sg, int nents, u64 *out)
{
	size_t n = 0;
	int k;

	for_each_sg (sg, sg, nents, k) {
		assert_true(sg_dma_is_swiotlb(sg));
		for (unsigned int i = 0; i < sg_dma_len(sg); i++)
			out[n++] = sg_dma_address(sg) + i;
	}
	return n;
}

/* The bytes of each part are those of the input at its offset, in memory and for the device. */
static void check_parts(struct scatterlist **out, int *mapped, const size_t *sizes, int nb,
			const u64 *mem, const u64 *dma)
{
	u64 *bytes = malloc(40 * 6000 * sizeof(*bytes));

	for (int i = 0; i < nb; i++) {
		assert_int_equal(list_bytes(out[i], bytes), sizes[i]);
		assert_memory_equal(bytes, mem, sizes[i] * sizeof(*bytes));
		assert_int_equal(dma_bytes(out[i], mapped[i], bytes), sizes[i]);
		assert_memory_equal(bytes, dma, sizes[i] * sizeof(*bytes));
		mem += sizes[i];
		dma += sizes[i];
		kfree(out[i]);
	}
	free(bytes);
}

/* The first entry of each part records whether a segment of that part bounces. */
static void test_bounced_parts(void **state)
{
	const size_t sizes[] = {100, 200, 100};
	struct scatterlist in[4], *out[3];

	sg_init_table(in, 4);
	for (int i = 0; i < 4; i++) {
		sg_set_buf(&in[i], arena + 4096 * i, 100);
		sg_dma_address(&in[i]) = 0x10000u * (u64)i;
		sg_dma_len(&in[i]) = 100;
	}
	sg_dma_mark_swiotlb(&in[2]);
	assert_int_equal(sg_split(in, 4, 0, 3, sizes, out, NULL, GFP_KERNEL), 0);
	assert_false(sg_dma_is_swiotlb(out[0]));
	assert_true(sg_dma_is_swiotlb(out[1]));
	assert_true(sg_dma_is_swiotlb(&out[1][1]));
	assert_false(sg_dma_is_swiotlb(out[2]));
	for (int i = 0; i < 3; i++)
		kfree(out[i]);
}

static void test_random(void **state)
{
	u64 *mem = malloc(40 * 6000 * sizeof(*mem)), *dma = malloc(40 * 6000 * sizeof(*dma));

	for (int round = 0; round < 40; round++) {
		struct scatterlist *out[PARTS];
		int nents, nb = 1 + (int)rnd(PARTS), mapped[PARTS];
		size_t sizes[PARTS], total, skip, left;
		struct sg_table t;

		nents = mapped_list(&t, 5 + rnd(35));
		total = list_bytes(t.sgl, mem);
		assert_int_equal(dma_bytes(t.sgl, nents, dma), total);
		skip = rnd((u32)(total - PARTS));
		left = total - skip;
		for (int i = 0; i < nb; i++) {
			/* the last part often ends where the list ends */
			sizes[i] = i == nb - 1 && rnd(2)
					   ? left
					   : 1 + rnd((u32)(left - (size_t)(nb - 1 - i)));
			left -= sizes[i];
		}
		assert_int_equal(
			sg_split(t.sgl, nents, (off_t)skip, nb, sizes, out, mapped, GFP_KERNEL), 0);
		check_parts(out, mapped, sizes, nb, mem + skip, dma + skip);
		sg_free_table(&t);
	}
	free(mem);
	free(dma);
}

static void test_not_mapped(void **state)
{
	size_t sizes[] = {10, 90};
	struct scatterlist sg, *out[2];
	int mapped[2] = {7, 7};

	sg_init_one(&sg, arena, 100);
	assert_int_equal(sg_split(&sg, 0, 0, 2, sizes, out, mapped, GFP_KERNEL), 0);
	assert_int_equal(mapped[0] | mapped[1], 0);
	assert_ptr_equal(sg_virt(out[1]), arena + 10);
	assert_int_equal(sg_nents(out[1]), 1);
	kfree(out[0]);
	kfree(out[1]);
	assert_int_equal(sg_split(&sg, 0, 0, 2, sizes, out, NULL, GFP_KERNEL), 0);
	kfree(out[0]);
	kfree(out[1]);
}

static void test_bad(void **state)
{
	size_t sizes[] = {50, 50}, none[] = {50, 0};
	struct scatterlist sg, *out[2] = {NULL, NULL};

	sg_init_one(&sg, arena, 100);
	assert_int_equal(sg_split(&sg, 0, 1, 2, sizes, out, NULL, GFP_KERNEL), -EINVAL);
	assert_int_equal(sg_split(&sg, 0, 101, 2, sizes, out, NULL, GFP_KERNEL), -EINVAL);
	assert_int_equal(sg_split(&sg, 0, 0, 2, none, out, NULL, GFP_KERNEL), -EINVAL);
	assert_int_equal(sg_split(&sg, 0, -1, 2, sizes, out, NULL, GFP_KERNEL), -EINVAL);
	assert_int_equal(sg_split(&sg, 0, 0, 0, sizes, out, NULL, GFP_KERNEL), -EINVAL);
	assert_int_equal(sg_split(&sg, -1, 0, 2, sizes, out, NULL, GFP_KERNEL), -EINVAL);
	assert_int_equal(sg_split(NULL, 0, 0, 2, sizes, out, NULL, GFP_KERNEL), -EINVAL);
	/* mapped, but for fewer bytes than it has */
	sg_dma_len(&sg) = 99;
	assert_int_equal(sg_split(&sg, 1, 0, 2, sizes, out, NULL, GFP_KERNEL), -EINVAL);
	assert_null(out[0]);
	assert_null(out[1]);
}

static void test_no_memory(void **state)
{
	static const enum fail_site sites[] = {FAIL_MEMORY, FAIL_PAGE};
	size_t sizes[] = {30, 30, 40};
	struct scatterlist sg, *out[3] = {NULL};
	int err, failed = 0;

	kfree(kmalloc(64, GFP_KERNEL));
	sg_init_one(&sg, arena, 100);
	for (size_t i = 0; i < ARRAY_SIZE(sites); i++) {
		struct fail_rule rule = {.nth = 0};

		do {
			rule.nth++;
			fail_set(sites[i], &rule);
			err = sg_split(&sg, 0, 0, 3, sizes, out, NULL, GFP_KERNEL);
			fail_set(sites[i], NULL);
			if (err) {
				assert_int_equal(err, -ENOMEM);
				assert_null(out[0]);
				failed++;
			}
		} while (err);
		for (int k = 0; k < 3; k++) {
			kfree(out[k]);
			out[k] = NULL;
		}
	}
	assert_true(failed >= 5); /* two of the library's own, three lists */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounced_parts), cmocka_unit_test(test_random),
		cmocka_unit_test(test_not_mapped),    cmocka_unit_test(test_bad),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("sg_split", tests, setup, teardown);
}
