/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <linux/gfp.h> and <linux/mm.h>: the public functions of the page allocator, and address
 * conversions.
 */
#include "mem/page.h"
#include "mem/ram.h"
#include "mem/watch.h"

#include "base/error.h"

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	return page_alloc(gfp & ~__GFP_INTERNAL, order, UINT64_MAX);
}

unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp, order);

	return page ? (unsigned long)(uintptr_t)page_ptr(page) : 0;
}

void __free_pages(struct page *page, unsigned int order)
{
	mem_watch_done(page, block_free(page, order, PAGE_USER), __builtin_return_address(0));
}

void free_pages(unsigned long addr, unsigned int order)
{
	int err;

	if (!addr)
		return;
	if (addr & (PAGE_BYTES - 1))
		err = error_set(EINVAL,
				"cannot free the pages at 0x%lx: not the beginning of a page",
				addr);
	else
		err = block_free(virt_to_page((void *)(uintptr_t)addr), order, PAGE_USER);
	mem_watch_done((void *)(uintptr_t)addr, err, __builtin_return_address(0));
}

void *alloc_pages_exact(size_t size, gfp_t gfp)
{
	u64 need = (size >> PAGE_BITS) + !!(size & (PAGE_BYTES - 1));
	unsigned int order = need ? log2_ceil(need) : 0;
	struct page *page;

	if (!need)
		return error_null(EINVAL, "alloc_pages_exact: 0 bytes were requested");
	page = alloc_pages(gfp, order);
	if (!page)
		return NULL;
	block_split(page, order);
	for (u64 i = need; i < 1ull << order; i++)
		__free_page(page + i);
	return page_ptr(page);
}

void free_pages_exact(void *virt, size_t size)
{
	u64 pages = (size >> PAGE_BITS) + !!(size & (PAGE_BYTES - 1));
	unsigned long addr = (unsigned long)(uintptr_t)virt;
	u64 most = read_once(&mem.span) >> PAGE_BITS;
	int err = 0;

	if (!virt)
		return;
	/*
	 * stop at the first page that is refused: the pages after it do not belong to the caller
	 * either
	 */
	if (addr & (PAGE_BYTES - 1))
		err = error_set(EINVAL,
				"cannot free the pages at 0x%lx: not the beginning of a page",
				addr);
	for (u64 i = 0; i < pages && i < most && !err; i++)
		err = block_free(virt_to_page((void *)(uintptr_t)(addr + (i << PAGE_BITS))), 0,
				 PAGE_USER);
	mem_watch_done(virt, err, __builtin_return_address(0));
}

phys_addr_t virt_to_phys(const volatile void *addr)
{
	return phys_of((const void *)addr).v;
}

void *phys_to_virt(phys_addr_t addr)
{
	return phys_ptr(PHYS(addr));
}

struct page *virt_to_page(const void *addr)
{
	return page_of_phys(phys_of(addr));
}

void *page_address(const struct page *page)
{
	return page_ptr(page);
}

phys_addr_t page_to_phys(const struct page *page)
{
	return phys_of_page(page).v;
}

struct page *phys_to_page(phys_addr_t addr)
{
	return page_of_phys(PHYS(addr));
}

/* Returns the first page of a live block, or NULL. */
static struct page *page_live_head(struct page *page)
{
	return page_is_ram(page) ? block_head(page) : NULL;
}

struct page *compound_head(struct page *page)
{
	struct page *head = page_live_head(page);

	return head ? head : page;
}

unsigned int compound_order(struct page *page)
{
	struct page *head = page_live_head(page);

	return head ? page_state_order(read_acquire(&head->state)) : 0;
}

int page_count(struct page *page)
{
	struct page *head = page_live_head(page);

	return head ? (int)read_once(&head->refs) : 0;
}

void get_page(struct page *page)
{
	struct page *head = page_live_head(page);

	if (head)
		block_ref(head);
}

void put_page(struct page *page)
{
	struct page *head = page_live_head(page);
	int err = 0;

	if (head)
		err = block_unref(head);
	else if (page_is_ram(page))
		err = error_set(EINVAL,
				"put_page: the page at physical address 0x%llx is in no live block",
				(unsigned long long)phys_of_page(page).v);
	mem_watch_done(page, err, __builtin_return_address(0));
}

static void page_ref_read(struct page *page, int nr, bool add)
{
	struct page *head = page_live_head(page);

	if (nr <= 0 || !head)
		error_set(EINVAL,
			  "page_ref_%s(%p, %d): the page is in no live block, or this is no number "
			  "of "
			  "references",
			  add ? "add" : "sub", (void *)page, nr);
	else
		block_ref_many(head, add ? nr : -nr);
}

void page_ref_add(struct page *page, int nr)
{
	page_ref_read(page, nr, true);
}

void page_ref_sub(struct page *page, int nr)
{
	page_ref_read(page, nr, false);
}

void split_page(struct page *page, unsigned int order)
{
	u32 state = page_is_ram(page) ? read_acquire(&page->state) : 0;

	if (page_state_kind(state) != PAGE_USER || page_state_order(state) != order ||
	    read_once(&page->refs) != 1)
		error_set(EINVAL,
			  "split_page(%p, %u): no live block of alloc_pages() of this order, to "
			  "which "
			  "there is one reference, begins there",
			  (void *)page, order);
	else
		block_split(page, order);
}
