/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page allocator, compared with an oracle that is an array of page states and has no buddies: a
 * block may be allocated if its pages were free, and must be if the oracle finds an aligned run of
 * free pages below the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"
#include "mem/page.h"

#include <linux/slab.h>

#define TEST_RAM (96 * MIB)

static u64 random_state = 0x123456789abcdefull;

static u64 next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void get_ram(u64 ram, u64 low_max)
{
	struct mem_config want = {.ram = ram, .low_max = low_max, .swiotlb = MIB};

	assert_int_equal(mem_get(&want), 0);
}

static u64 pfn_of(const struct page *page)
{
	return phys_of_page(page).v >> PAGE_BITS;
}

static void zones(void **state)
{
	struct page *page;

	get_ram(0, 0);
	page = page_alloc(GFP_KERNEL, 0, ~0ull);
	assert_true(phys_of_page(page).v >= 4 * GIB);
	page_free(page, 0);
	page = page_alloc(GFP_DMA32, 3, ~0ull);
	assert_in_range(phys_of_page(page).v, 16 * MIB, 4 * GIB - 1);
	page_free(page, 3);
	page = page_alloc(GFP_KERNEL | GFP_DMA, 0, ~0ull);
	assert_in_range(phys_of_page(page).v, 4096, 16 * MIB - 1);
	page_free(page, 0);
	page = page_alloc(GFP_KERNEL, 0, (1ull << 28) - 1);
	assert_in_range(phys_of_page(page).v, 1ull << 27, (1ull << 28) - 1);
	page_free(page, 0);
	/* a limit that is no power of two, and the least one */
	page = page_alloc(GFP_KERNEL, 1, 0x12345fff);
	assert_true(phys_of_page(page).v + 0x1fff <= 0x12345fff);
	page_free(page, 1);
	page = page_alloc(GFP_KERNEL, 0, 0x1fff);
	assert_int_equal(phys_of_page(page).v, 0x1000);
	assert_null(page_alloc(GFP_KERNEL, 0, 0x1fff));
	assert_null(page_alloc(GFP_KERNEL, 0, 0x1ffe));
	assert_null(page_alloc(GFP_KERNEL, 0, 0xfff));
	assert_null(page_alloc(GFP_KERNEL, 0, 0));
	assert_int_equal(errno, ENOMEM);
	page_free(page, 0);
	mem_put();
}

/*
 * Each zone is used for a higher one that is full; a request for a lower zone never uses a higher
 * one.
 */
static void falls_back(void **state)
{
	struct page *list = NULL, *page;
	u64 n = 0;

	get_ram(20 * MIB, 0);
	while ((page = page_alloc(GFP_KERNEL, 0, ~0ull))) {
		*(struct page **)page_ptr(page) = list;
		list = page;
		n++;
	}
	assert_int_equal(n, (20 - 1) * MIB / 4096 - 1);
	assert_int_equal(mem_pages_used(), n);
	assert_true(phys_of_page(list).v < 16 * MIB);
	assert_null(page_alloc(GFP_DMA, 0, ~0ull));
	while ((page = list)) {
		list = *(struct page **)page_ptr(page);
		page_free(page, 0);
	}
	mem_put();
}

static void large_orders(void **state)
{
	struct page *page;

	get_ram(0, 0);
	for (unsigned int order = 0; order <= MAX_PAGE_ORDER; order++) {
		page = page_alloc(GFP_KERNEL, order, ~0ull);
		assert_non_null(page);
		assert_int_equal(phys_of_page(page).v % (PAGE_BYTES << order), 0);
		assert_int_equal((uintptr_t)page_ptr(page) % (PAGE_BYTES << order), 0);
		page_free(page, order);
	}
	assert_null(page_alloc(GFP_KERNEL, MAX_PAGE_ORDER + 1, ~0ull));
	assert_null(page_alloc(GFP_KERNEL, 64, ~0ull));
	assert_null(page_alloc(GFP_KERNEL, ~0u, ~0ull));
	assert_int_equal(errno, ENOMEM);
	mem_put();
}

static void zeroes(void **state)
{
	get_ram(0, 0);
	for (unsigned int order = 0; order < 11; order++) {
		struct page *page = page_alloc(GFP_KERNEL, order, ~0ull);
		u8 *p = page_ptr(page);

		memset(p, 0xaa, PAGE_BYTES << order);
		page_free(page, order);
		page = page_alloc(GFP_KERNEL | __GFP_ZERO, order, ~0ull);
		p = page_ptr(page);
		for (u64 i = 0; i < PAGE_BYTES << order; i += 511)
			assert_int_equal(p[i], 0);
		page_free(page, order);
	}
	mem_put();
}

static void refused(struct page *page, unsigned int order, const char *word)
{
	u64 used = mem_pages_used();

	errno = 0;
	page_free(page, order);
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(error_text(), word));
	assert_int_equal(mem_pages_used(), used);
}

static void bad_frees(void **state)
{
	u64 before[PAGE_ORDERS], after[PAGE_ORDERS];
	struct page *page, *other;
	void *object;

	get_ram(0, 0);
	zones_count(before);
	page = page_alloc(GFP_KERNEL, 2, ~0ull);
	other = page_alloc(GFP_KERNEL, 0, ~0ull);
	refused(page, 1, "order 2");
	refused(page, 3, "order 2");
	refused(page, ~0u - 1, "order 2");
	refused(page + 1, 0, "inside");
	refused((struct page *)((char *)page + 4), 2, "not a page");
	refused(NULL, 0, "not a page");
	refused(virt_to_page(&page), 0, "not a page");
	refused(mem.map, 0, "no block");
	refused(mem.map + (mem.bounce_start >> PAGE_BITS), 0, "no block");
	refused(mem.map + (mem.low >> PAGE_BITS), 0, "no block");
	refused(mem.map + (mem.span >> PAGE_BITS), 0, "not a page");
	refused(mem.map + 5 * GIB / 4096, MAX_PAGE_ORDER, "twice");
	page_free(other, 0);
	refused(other, 0, "twice");
	page_free(page, 2);
	refused(other, 0, "no block"); /* it was merged */
	page = page_alloc(GFP_KERNEL, 0, ~0ull);
	other = page_alloc(GFP_KERNEL, 0, ~0ull);
	page_free(page, 0);
	refused(page, 0, "twice"); /* it was not merged, because its buddy is live */
	page_free(other, 0);
	object = kmalloc(64, GFP_KERNEL);
	refused(virt_to_page(object), 0, "kmalloc");
	kfree(object);
	object = kmalloc(65536, GFP_KERNEL);
	refused(virt_to_page(object), 4, "kmalloc");
	kfree(object);
	zones_count(after);
	assert_memory_equal(before, after, sizeof(before));
	mem_put();
}

static void injected(void **state)
{
	struct fail_rule rule = {.every = 1};

	get_ram(0, 0);
	fail_set(FAIL_PAGE, &rule);
	assert_null(page_alloc(GFP_KERNEL, 0, ~0ull));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(mem_pages_used(), 0);
	page_free(page_alloc(__GFP_INTERNAL, 0, ~0ull), 0);
	fail_set(FAIL_PAGE, NULL);
	fail_set(FAIL_MEMORY, &rule);
	assert_null(page_alloc(__GFP_INTERNAL, 0, ~0ull));
	page_free(page_alloc(GFP_KERNEL, 0, ~0ull), 0);
	fail_set(FAIL_MEMORY, NULL);
	mem_put();
}

/* The oracle: one byte for each page frame of the machine, 0 free, 1 live, 2 never allocated. */
#define ORACLE_FRAMES (TEST_RAM / 4096)
#define LIVE_MAX      4096

struct live {
	struct page *page;
	unsigned int order;
};

static u8 frames[ORACLE_FRAMES];
static struct live live[LIVE_MAX];
static int n_live;

static void oracle_init(void)
{
	memset(frames, 0, sizeof(frames));
	frames[0] = 2;
	memset(frames + (mem.bounce_start >> PAGE_BITS), 2, mem.bounce_size >> PAGE_BITS);
	n_live = 0;
}

static bool all_are(u64 pfn, u64 n, u8 what)
{
	while (n--)
		if (frames[pfn + n] != what)
			return false;
	return true;
}

/* Whether a block would fit anywhere. */
static bool oracle_has(unsigned int order, u64 last)
{
	u64 n = 1ull << order, end = last == ~0ull ? ORACLE_FRAMES : (last + 1) >> PAGE_BITS;

	for (u64 pfn = 0; n <= end && pfn <= end - n; pfn += n)
		if (all_are(pfn, n, 0))
			return true;
	return false;
}

static u64 random_limit(void)
{
	switch (next_random() % 8) {
	case 0:
		return (1ull << (16 + next_random() % 12)) - 1;
	case 1:
		return next_random() % TEST_RAM;
	default:
		return ~0ull;
	}
}

static void try_alloc(void)
{
	unsigned int order = (unsigned int)(next_random() % 64);
	u64 limit = random_limit(), least, pfn;
	gfp_t gfp = next_random() % 16 ? GFP_KERNEL : GFP_DMA;
	struct page *page;

	order = order < 40 ? order % 3 : order < 60 ? order % 8 : order % 16;
	page = page_alloc(gfp, order, limit);
	least = gfp & __GFP_DMA ? min_u64(limit, 16 * MIB - 1) : limit;
	least = min_u64(least, TEST_RAM - 1);
	if (!page) {
		assert_false(oracle_has(order, least));
		return;
	}
	pfn = pfn_of(page);
	assert_int_equal(pfn & ((1ull << order) - 1), 0);
	assert_true(((pfn + (1ull << order)) << PAGE_BITS) - 1 <= least);
	assert_true(all_are(pfn, 1ull << order, 0));
	memset(frames + pfn, 1, 1ull << order);
	assert_ptr_equal(block_head(page + next_random() % (1ull << order)), page);
	live[n_live++] = (struct live){page, order};
}

static void try_free(int i)
{
	u64 n = 1ull << live[i].order, pfn = pfn_of(live[i].page);

	assert_true(all_are(pfn, n, 1));
	memset(frames + pfn, 0, n);
	page_free(live[i].page, live[i].order);
	live[i] = live[--n_live];
}

static void against_oracle(void **state)
{
	u64 before[PAGE_ORDERS], after[PAGE_ORDERS], used = 0;

	get_ram(TEST_RAM, 0);
	oracle_init();
	zones_count(before);
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 3000; i++) {
			/* fills up, then empties, then again */
			bool grow = next_random() % 10 < (round % 2 ? 3 : 8);

			if (grow && n_live < LIVE_MAX)
				try_alloc();
			else if (n_live)
				try_free((int)(next_random() % (u64)n_live));
		}
	}
	for (int i = 0; i < n_live; i++)
		used += 1ull << live[i].order;
	assert_int_equal(mem_pages_used(), used);
	while (n_live)
		try_free((int)(next_random() % (u64)n_live));
	zones_count(after);
	assert_memory_equal(before, after, sizeof(before));
	mem_put();
}

static void split(void **state)
{
	u64 before[PAGE_ORDERS], after[PAGE_ORDERS];
	struct page *page;

	get_ram(TEST_RAM, 0);
	zones_count(before);
	page = page_alloc(GFP_KERNEL, 4, ~0ull);
	block_split(page, 4);
	refused(page, 4, "order 0");
	for (int i = 0; i < 16; i++)
		page_free(page + (i * 7 & 15), 0);
	zones_count(after);
	assert_memory_equal(before, after, sizeof(before));
	mem_put();
}

/*
 * Threads share little RAM: each page has one owner at a time, and at the end all blocks are merged
 * again.
 */
static void *churn(void *arg)
{
	u64 id = (u64)(uintptr_t)arg, x = id * 77 + 1;
	struct live mine[16] = {0};

	for (int i = 0; i < 4000; i++) {
		struct live *l;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		l = &mine[x % 16];
		if (!l->page) {
			l->order = (unsigned int)(x >> 8) % 6;
			l->page = page_alloc(GFP_KERNEL, l->order, ~0ull);
			for (u64 n = 0; l->page && n < 1ull << l->order; n++)
				*(u64 *)page_ptr(l->page + n) = id;
			continue;
		}
		for (u64 n = 0; n < 1ull << l->order; n++)
			if (*(u64 *)page_ptr(l->page + n) != id)
				return l->page;
		page_free(l->page, l->order);
		l->page = NULL;
	}
	for (int i = 0; i < 16; i++)
		if (mine[i].page)
			page_free(mine[i].page, mine[i].order);
	return NULL;
}

static void threads(void **state)
{
	u64 before[PAGE_ORDERS], after[PAGE_ORDERS];
	pthread_t t[4];
	void *broken;

	get_ram(2 * MIB, 0);
	zones_count(before);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, churn, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &broken);
		assert_null(broken);
	}
	zones_count(after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(mem_pages_used(), 0);
	mem_put();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zones),	  cmocka_unit_test(falls_back),
		cmocka_unit_test(large_orders),	  cmocka_unit_test(zeroes),
		cmocka_unit_test(bad_frees),	  cmocka_unit_test(injected),
		cmocka_unit_test(against_oracle), cmocka_unit_test(split),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
