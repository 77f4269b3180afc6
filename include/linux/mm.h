/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct page, and the conversions between a page, its physical address and its CPU address.
 * Linux: Documentation/core-api/mm-api.rst, Documentation/mm/memory-model.rst.
 *
 * All memory of the process has physical addresses here. RAM (pages, kmalloc) begins at 0. Other
 * memory (malloc, mmap, stack) is above bit 50, where no device reaches it directly. So each
 * conversion accepts any pointer, is a calculation, and inverts its counterpart. The struct page
 * of other memory may be used in calculations (`page + i`, page_to_phys, page_address,
 * sg_set_page), but it must not be read, because no memory backs it. Addresses of vmalloc count as
 * other memory; vmalloc_to_page() returns their RAM pages.
 *
 * Context of every function: any thread.
 */
#ifndef DMAMAP_LINUX_MM_H
#define DMAMAP_LINUX_MM_H

#include <dmamap/types.h>
#include <linux/gfp.h>

#include <string.h>

DMAMAP_BEGIN

/* The same tokens as the C library's <sys/user.h>, so that both may be included. */
/* clang-format off */
#ifndef PAGE_SHIFT
#define PAGE_SHIFT 12
#endif
#ifndef PAGE_SIZE
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#endif
#ifndef PAGE_MASK
#define PAGE_MASK (~(PAGE_SIZE-1))
#endif
/* clang-format on */
#ifndef PAGE_ALIGN
#define PAGE_ALIGN(addr)      (((addr) + PAGE_SIZE - 1) & PAGE_MASK)
#define PAGE_ALIGN_DOWN(addr) ((addr)&PAGE_MASK)
#define PAGE_ALIGNED(addr)    (((unsigned long)(addr) & (PAGE_SIZE - 1)) == 0)
#endif

#define PFN_PHYS(x) ((phys_addr_t)(x) << PAGE_SHIFT)
#define PHYS_PFN(x) ((unsigned long)((x) >> PAGE_SHIFT))
#define PFN_UP(x)   (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)

#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

/* One page of RAM. Its fields are the allocator's own. */
struct page {
	u32 state; /* what the page is part of, and the order of the block that begins with it */
	u32 refs;  /* of a block, in its first page */
	struct page *next, *prev;
	void *owner;
};

/* An address range of this process, as the dma_mmap_* calls take it. */
struct vm_area_struct {
	unsigned long vm_start; /* page-aligned, first byte */
	unsigned long vm_end;	/* page-aligned, the byte after the last */
	unsigned long vm_pgoff; /* the first page of the memory that is mapped */
};

/**
 * virt_to_phys() - Return the physical address of a CPU address.
 * @addr: the CPU address.
 *
 * This and the next five conversions do not fail, whatever the argument is. The result for an
 * invalid argument is invalid.
 * Return: the physical address.
 */
DMAMAP_API phys_addr_t virt_to_phys(const volatile void *addr);

/**
 * phys_to_virt() - Return the CPU address of a physical address.
 * @addr: the physical address.
 * Return: the CPU address.
 */
DMAMAP_API void *phys_to_virt(phys_addr_t addr);

/**
 * virt_to_page() - Return the page that contains a CPU address.
 * @addr: the CPU address.
 * Return: the page.
 */
DMAMAP_API struct page *virt_to_page(const void *addr);

/**
 * page_address() - Return the CPU address of a page.
 * @page: the page.
 * Return: the CPU address of its first byte.
 */
DMAMAP_API void *page_address(const struct page *page);

/**
 * page_to_phys() - Return the physical address of a page.
 * @page: the page.
 * Return: the physical address of its first byte.
 */
DMAMAP_API phys_addr_t page_to_phys(const struct page *page);

/**
 * phys_to_page() - Return the page that contains a physical address.
 * @addr: the physical address.
 * Return: the page.
 */
DMAMAP_API struct page *phys_to_page(phys_addr_t addr);

/**
 * page_to_virt() - Return the CPU address of a page, as page_address().
 * @page: the page.
 * Return: the CPU address of its first byte.
 */
static inline void *page_to_virt(const struct page *page)
{
	return page_address(page);
}

/**
 * page_to_pfn() - Return the page frame number of a page.
 * @page: the page.
 * Return: its physical address divided by the page size.
 */
static inline unsigned long page_to_pfn(const struct page *page)
{
	return (unsigned long)(page_to_phys(page) >> PAGE_SHIFT);
}

/**
 * pfn_to_page() - Return the page of a page frame number.
 * @pfn: the page frame number.
 * Return: the page.
 */
static inline struct page *pfn_to_page(unsigned long pfn)
{
	return phys_to_page((phys_addr_t)pfn << PAGE_SHIFT);
}

/**
 * virt_to_pfn() - Return the page frame number of a CPU address.
 * @addr: the CPU address.
 * Return: the number.
 */
static inline unsigned long virt_to_pfn(const void *addr)
{
	return (unsigned long)(virt_to_phys(addr) >> PAGE_SHIFT);
}

/**
 * get_order() - Return the least order of a block that has a number of bytes.
 * @size: the number of bytes.
 * Return: the order; 52 for @size 0, which no allocation accepts.
 */
static inline int get_order(unsigned long size)
{
	if (!size)
		return 64 - PAGE_SHIFT;
	size = (size - 1) >> PAGE_SHIFT;
	return size ? 64 - __builtin_clzl(size) : 0;
}

/* The n-th page after another one; the two need not be in one block. */
#define nth_page(page, n) ((page) + (n))

/**
 * kmap_local_page() - Return the CPU address of a page.
 * @page: the page.
 *
 * All pages are always mapped, so this function does not fail and kunmap_local() has no effect.
 * The same holds for kmap() and kmap_atomic().
 * Return: the CPU address.
 */
static inline void *kmap_local_page(struct page *page)
{
	return page_address(page);
}

/**
 * kunmap_local() - Undo kmap_local_page(); no effect.
 * @addr: the CPU address.
 */
static inline void kunmap_local(const void *addr)
{
	(void)addr;
}

/**
 * kmap() - Return the CPU address of a page; see kmap_local_page().
 * @page: the page.
 * Return: the CPU address.
 */
static inline void *kmap(struct page *page)
{
	return page_address(page);
}

/**
 * kunmap() - Undo kmap(); no effect.
 * @page: the page.
 */
static inline void kunmap(struct page *page)
{
	(void)page;
}

/**
 * kmap_atomic() - Return the CPU address of a page; see kmap_local_page().
 * @page: the page.
 * Return: the CPU address.
 */
static inline void *kmap_atomic(struct page *page)
{
	return page_address(page);
}

/**
 * kunmap_atomic() - Undo kmap_atomic(); no effect.
 * @addr: the CPU address.
 */
static inline void kunmap_atomic(const void *addr)
{
	(void)addr;
}

/**
 * clear_page() - Zero a page.
 * @page: the CPU address of the page.
 */
static inline void clear_page(void *page)
{
	memset(page, 0, PAGE_SIZE);
}

/**
 * copy_page() - Copy a page.
 * @to: the CPU address of the destination.
 * @from: the CPU address of the source.
 */
static inline void copy_page(void *to, const void *from)
{
	memcpy(to, from, PAGE_SIZE);
}

/**
 * clear_highpage() - Zero a page.
 * @page: the page.
 */
static inline void clear_highpage(struct page *page)
{
	clear_page(page_address(page));
}

/**
 * copy_highpage() - Copy a page.
 * @to: the destination.
 * @from: the source.
 */
static inline void copy_highpage(struct page *to, struct page *from)
{
	copy_page(page_address(to), page_address(from));
}

/**
 * memcpy_from_page() - Copy a part of a page to a buffer.
 * @to: the buffer.
 * @page: the page.
 * @offset: the offset of the first byte in the page.
 * @len: the number of bytes; @offset + @len must not exceed the page size.
 */
static inline void memcpy_from_page(char *to, struct page *page, size_t offset, size_t len)
{
	memcpy(to, (char *)page_address(page) + offset, len);
}

/**
 * memcpy_to_page() - Copy a buffer to a part of a page.
 * @page: the page.
 * @offset: the offset of the first byte in the page.
 * @from: the buffer.
 * @len: the number of bytes; @offset + @len must not exceed the page size.
 */
static inline void memcpy_to_page(struct page *page, size_t offset, const char *from, size_t len)
{
	memcpy((char *)page_address(page) + offset, from, len);
}

/**
 * memzero_page() - Zero a part of a page.
 * @page: the page.
 * @offset: the offset of the first byte in the page.
 * @len: the number of bytes; @offset + @len must not exceed the page size.
 */
static inline void memzero_page(struct page *page, size_t offset, size_t len)
{
	memset((char *)page_address(page) + offset, 0, len);
}

/* There is one memory node. */
#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE (-1)
#endif

/**
 * page_to_nid() - Return the memory node of a page.
 * @page: the page.
 * Return: 0, because there is only one node.
 */
static inline int page_to_nid(const struct page *page)
{
	(void)page;
	return 0;
}

/**
 * page_is_pfmemalloc() - Test whether a page was allocated from an emergency reserve.
 * @page: the page.
 * Return: false, because there is no reserve.
 */
static inline bool page_is_pfmemalloc(const struct page *page)
{
	(void)page;
	return false;
}

/**
 * compound_head() - Return the first page of the live block that contains a page.
 * @page: the page.
 * Return: the first page; @page itself if it is in no live block.
 */
DMAMAP_API struct page *compound_head(struct page *page);

/**
 * compound_order() - Return the order of the live block that contains a page.
 * @page: the page.
 * Return: the order; 0 if @page is in no live block.
 */
DMAMAP_API unsigned int compound_order(struct page *page);

/**
 * compound_nr() - Return the number of pages of the live block that contains a page.
 * @page: the page.
 * Return: the number; 1 if @page is in no live block.
 */
static inline unsigned long compound_nr(struct page *page)
{
	return 1ul << compound_order(page);
}

/**
 * page_size() - Return the number of bytes of the live block that contains a page.
 * @page: the page.
 * Return: the number; that of one page if @page is in no live block.
 */
static inline unsigned long page_size(struct page *page)
{
	return PAGE_SIZE << compound_order(page);
}

/**
 * virt_to_head_page() - Return the first page of the live block that contains a CPU address.
 * @addr: the CPU address.
 * Return: as compound_head().
 */
static inline struct page *virt_to_head_page(const void *addr)
{
	return compound_head(virt_to_page(addr));
}

/**
 * get_page() - Add a reference to the block that contains a page.
 * @page: the page.
 *
 * The call has no effect if @page is in no live block of RAM.
 */
DMAMAP_API void get_page(struct page *page);

/**
 * put_page() - Drop a reference to the block that contains a page.
 * @page: the page.
 *
 * The last reference frees the block. A page of RAM that is in no live block is refused as by
 * __free_pages(). Memory outside RAM has no references, and the call has no effect on it.
 */
DMAMAP_API void put_page(struct page *page);

/**
 * page_count() - Return the number of references to the block that contains a page.
 * @page: the page.
 * Return: the number; 0 if @page is in no live block.
 */
DMAMAP_API int page_count(struct page *page);

/**
 * page_ref_count() - As page_count().
 * @page: the page.
 * Return: as page_count().
 */
static inline int page_ref_count(struct page *page)
{
	return page_count(page);
}

/**
 * page_ref_add() - Add several references to the block that contains a page.
 * @page: a page of a live block of alloc_pages().
 * @nr: the number of references, at least 1.
 *
 * The call is refused if @page is in no such block, @nr is not positive, or the counter would
 * overflow: nothing changes, errno is EINVAL, and dmamap_strerror() returns the reason.
 * Context: any thread.
 */
DMAMAP_API void page_ref_add(struct page *page, int nr);

/**
 * page_ref_sub() - Drop several references to the block that contains a page, except the last
 * one.
 * @page: a page of a live block of alloc_pages().
 * @nr: the number of references, at least 1.
 *
 * The call is refused as page_ref_add(), and if no reference would be left. put_page() or
 * __free_pages() drops the last reference, which frees the block.
 * Context: any thread.
 */
DMAMAP_API void page_ref_sub(struct page *page, int nr);

/**
 * page_ref_inc() - As page_ref_add(), for one reference.
 * @page: the page.
 */
static inline void page_ref_inc(struct page *page)
{
	page_ref_add(page, 1);
}

/**
 * page_ref_dec() - As page_ref_sub(), for one reference.
 * @page: the page.
 */
static inline void page_ref_dec(struct page *page)
{
	page_ref_sub(page, 1);
}

DMAMAP_END

#endif
