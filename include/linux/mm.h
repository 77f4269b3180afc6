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

/*
 * The conversions do not fail, whatever the argument is. The result for an invalid pointer is
 * invalid.
 */
DMAMAP_API phys_addr_t virt_to_phys(const volatile void *addr);
DMAMAP_API void *phys_to_virt(phys_addr_t addr);
DMAMAP_API struct page *virt_to_page(const void *addr);
DMAMAP_API void *page_address(const struct page *page);
DMAMAP_API phys_addr_t page_to_phys(const struct page *page);
DMAMAP_API struct page *phys_to_page(phys_addr_t addr);

static inline void *page_to_virt(const struct page *page)
{
	return page_address(page);
}

static inline unsigned long page_to_pfn(const struct page *page)
{
	return (unsigned long)(page_to_phys(page) >> PAGE_SHIFT);
}

static inline struct page *pfn_to_page(unsigned long pfn)
{
	return phys_to_page((phys_addr_t)pfn << PAGE_SHIFT);
}

static inline unsigned long virt_to_pfn(const void *addr)
{
	return (unsigned long)(virt_to_phys(addr) >> PAGE_SHIFT);
}

/**
 * get_order() - Return the least order of pages that holds @size bytes.
 * Return: the order; 52 for @size 0, which no allocation accepts.
 */
static inline int get_order(unsigned long size)
{
	if (!size)
		return 64 - PAGE_SHIFT;
	size = (size - 1) >> PAGE_SHIFT;
	return size ? 64 - __builtin_clzl(size) : 0;
}

/* The page i pages behind another, which need not be of the same block. */
#define nth_page(page, n) ((page) + (n))

/* All memory is mapped always. */
static inline void *kmap_local_page(struct page *page)
{
	return page_address(page);
}

static inline void kunmap_local(const void *addr)
{
	(void)addr;
}

static inline void *kmap(struct page *page)
{
	return page_address(page);
}

static inline void kunmap(struct page *page)
{
	(void)page;
}

static inline void *kmap_atomic(struct page *page)
{
	return page_address(page);
}

static inline void kunmap_atomic(const void *addr)
{
	(void)addr;
}

/* Whole pages, by CPU address. */
static inline void clear_page(void *page)
{
	memset(page, 0, PAGE_SIZE);
}

static inline void copy_page(void *to, const void *from)
{
	memcpy(to, from, PAGE_SIZE);
}

static inline void clear_highpage(struct page *page)
{
	clear_page(page_address(page));
}

static inline void copy_highpage(struct page *to, struct page *from)
{
	copy_page(page_address(to), page_address(from));
}

/* Parts of one page: [offset, offset + len) must lie in it. */
static inline void memcpy_from_page(char *to, struct page *page, size_t offset, size_t len)
{
	memcpy(to, (char *)page_address(page) + offset, len);
}

static inline void memcpy_to_page(struct page *page, size_t offset, const char *from, size_t len)
{
	memcpy((char *)page_address(page) + offset, from, len);
}

static inline void memzero_page(struct page *page, size_t offset, size_t len)
{
	memset((char *)page_address(page) + offset, 0, len);
}

/* There is one memory node. */
#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE (-1)
#endif

static inline int page_to_nid(const struct page *page)
{
	(void)page;
	return 0;
}

/* No page comes of a reserve. */
static inline bool page_is_pfmemalloc(const struct page *page)
{
	(void)page;
	return false;
}

/* The first page of the live block that `page` is in; `page` itself when it is in none. */
DMAMAP_API struct page *compound_head(struct page *page);

/**
 * compound_order() - Return the order of the live block that contains @page; 0 if there is none.
 */
DMAMAP_API unsigned int compound_order(struct page *page);

static inline unsigned long compound_nr(struct page *page)
{
	return 1ul << compound_order(page);
}

/* Bytes of the live block that `page` is in; a page's when it is in none. */
static inline unsigned long page_size(struct page *page)
{
	return PAGE_SIZE << compound_order(page);
}

/* The first page of the live block that an address lies in. */
static inline struct page *virt_to_head_page(const void *addr)
{
	return compound_head(virt_to_page(addr));
}

/* One more reference to the block that a page is in; nothing for memory that is not RAM's. */
DMAMAP_API void get_page(struct page *page);

/**
 * put_page() - Drop a reference. The last one frees the whole block. Refused as __free_pages().
 */
DMAMAP_API void put_page(struct page *page);

/**
 * page_count() - Return the number of references to the block of a page; 0: it is in no block.
 */
DMAMAP_API int page_count(struct page *page);

static inline int page_ref_count(struct page *page)
{
	return page_count(page);
}

/**
 * page_ref_add() - take several references to the block that a page is in
 * @page: a page of a live block of alloc_pages()
 * @nr: how many
 *
 * A page of no such block, a number that is not positive, or more references than can be counted
 * are refused: nothing changes, and dmamap_strerror() says what was wrong (errno EINVAL).
 *
 * Context: any thread.
 */
DMAMAP_API void page_ref_add(struct page *page, int nr);

/**
 * page_ref_sub() - give several references back, but not the last
 * @page: a page of a live block of alloc_pages()
 * @nr: how many
 *
 * Refused as page_ref_add(), and when no reference would be left: the last is given back by
 * put_page() or __free_pages(), which free the block.
 *
 * Context: any thread.
 */
DMAMAP_API void page_ref_sub(struct page *page, int nr);

static inline void page_ref_inc(struct page *page)
{
	page_ref_add(page, 1);
}

static inline void page_ref_dec(struct page *page)
{
	page_ref_sub(page, 1);
}

DMAMAP_END

#endif
