/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of the machine's RAM: physically contiguous memory that a device may access directly.
 * Linux: Documentation/core-api/memory-allocation.rst, Documentation/core-api/mm-api.rst.
 *
 * The first allocation, or the first device opened, sets the size of RAM (8 GiB unless a spec has
 * another size). RAM is sparse: only pages that are used occupy memory.
 *
 * Context of every function: any thread, several threads at once. No allocation waits for memory
 * to be freed, whatever its flags are: if there is none, it returns NULL with errno ENOMEM, and
 * dmamap_strerror() says what was missing. The caller must check the pointer even with
 * __GFP_NOFAIL.
 */
#ifndef DMAMAP_LINUX_GFP_H
#define DMAMAP_LINUX_GFP_H

#include <dmamap/types.h>

DMAMAP_BEGIN

/* The highest zone that is permitted. Lower zones are used when it is full. */
#define __GFP_DMA     0x00000001u /* below 16 MiB */
#define __GFP_DMA32   0x00000002u /* below 4 GiB */
#define __GFP_HIGHMEM 0x00000004u /* any RAM, as without the flag: all RAM is mapped */
#define __GFP_MOVABLE 0x00000008u /* accepted, no effect: memory is never moved */

/* Zeroed memory. Without the flag a page contains the data of its previous user. */
#define __GFP_ZERO 0x00000010u

/*
 * Linux's flags for waiting and reclaim. They are accepted and have no effect, because no
 * allocation waits.
 */
#define __GFP_HIGH	     0x00000020u
#define __GFP_IO	     0x00000040u
#define __GFP_FS	     0x00000080u
#define __GFP_DIRECT_RECLAIM 0x00000100u
#define __GFP_KSWAPD_RECLAIM 0x00000200u
#define __GFP_NOWARN	     0x00000400u
#define __GFP_RETRY_MAYFAIL  0x00000800u
#define __GFP_NOFAIL	     0x00001000u
#define __GFP_NORETRY	     0x00002000u
#define __GFP_MEMALLOC	     0x00004000u
#define __GFP_COMP	     0x00008000u /* every block is compound: see compound_order() */
#define __GFP_NOMEMALLOC     0x00010000u
#define __GFP_HARDWALL	     0x00020000u
#define __GFP_THISNODE	     0x00040000u
#define __GFP_ACCOUNT	     0x00080000u
#define __GFP_RECLAIMABLE    0x00100000u
#define __GFP_WRITE	     0x00200000u
#define __GFP_RECLAIM	     (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)

#define GFP_ATOMIC	     (__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL	     (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT   (GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_NOWAIT	     (__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_NOIO	     (__GFP_RECLAIM)
#define GFP_NOFS	     (__GFP_RECLAIM | __GFP_IO)
#define GFP_USER	     (GFP_KERNEL | __GFP_HARDWALL)
#define GFP_DMA		     __GFP_DMA
#define GFP_DMA32	     __GFP_DMA32
#define GFP_HIGHUSER	     (GFP_USER | __GFP_HIGHMEM)
#define GFP_HIGHUSER_MOVABLE (GFP_HIGHUSER | __GFP_MOVABLE)

/* The largest block has 2^MAX_PAGE_ORDER pages, which is 1 GiB. Linux's has at most 4 MiB. */
#define MAX_PAGE_ORDER 18

/**
 * gfpflags_allow_blocking() - Test whether Linux would allow an allocation with these flags to
 * sleep.
 * @gfp: allocation flags (GFP_*).
 *
 * Allocations here never sleep, whatever the result is.
 * Return: true if @gfp contains __GFP_DIRECT_RECLAIM.
 */
static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	return (gfp & __GFP_DIRECT_RECLAIM) != 0;
}

/**
 * alloc_pages() - Allocate 2^order physically contiguous pages.
 * @gfp: allocation flags.
 * @order: the order, at most MAX_PAGE_ORDER.
 *
 * The block is aligned to its size in physical and in CPU address. It is freed by __free_pages()
 * or free_pages() with the same order.
 * Return: the first page; `page + i` is the i-th. NULL with errno ENOMEM: no block of that size is
 *   free in the permitted zones, or the order is too large. A retry helps only after memory was
 *   freed; a lower order may succeed.
 */
DMAMAP_API struct page *alloc_pages(gfp_t gfp, unsigned int order);

/**
 * alloc_pages_node() - As alloc_pages().
 * @nid: the memory node; it has no effect, because there is only one node.
 * @gfp: allocation flags (GFP_*).
 * @order: the block has 2^order pages.
 * Return: as alloc_pages().
 */
static inline struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order)
{
	(void)nid;
	return alloc_pages(gfp, order);
}

/**
 * alloc_page() - Allocate one page; free it by __free_page().
 * @gfp: allocation flags (GFP_*).
 * Return: as alloc_pages().
 */
static inline struct page *alloc_page(gfp_t gfp)
{
	return alloc_pages(gfp, 0);
}

/**
 * __get_free_pages() - As alloc_pages(), with the CPU address as the result.
 * @gfp: allocation flags (GFP_*).
 * @order: the block has 2^order pages.
 *
 * free_pages() with the same order frees the block.
 * Return: the CPU address of the first page. 0 with errno ENOMEM: as alloc_pages().
 */
DMAMAP_API unsigned long __get_free_pages(gfp_t gfp, unsigned int order);

/**
 * __get_free_page() - Allocate one page; free it by free_page().
 * @gfp: allocation flags (GFP_*).
 * Return: as __get_free_pages().
 */
static inline unsigned long __get_free_page(gfp_t gfp)
{
	return __get_free_pages(gfp, 0);
}

/**
 * get_zeroed_page() - Allocate one zeroed page; free it by free_page().
 * @gfp: allocation flags (GFP_*).
 * Return: as __get_free_pages().
 */
static inline unsigned long get_zeroed_page(gfp_t gfp)
{
	return __get_free_pages(gfp | __GFP_ZERO, 0);
}

/**
 * __get_dma_pages() - As __get_free_pages(), below 16 MiB.
 * @gfp: allocation flags (GFP_*).
 * @order: the block has 2^order pages.
 * Return: as __get_free_pages().
 */
static inline unsigned long __get_dma_pages(gfp_t gfp, unsigned int order)
{
	return __get_free_pages(gfp | GFP_DMA, order);
}

/**
 * __dev_alloc_pages() - Allocate pages into which a network device receives.
 * @gfp: allocation flags (GFP_*).
 * @order: the block has 2^order pages.
 *
 * The flags __GFP_COMP, __GFP_MEMALLOC and __GFP_NOWARN are added, as in Linux. They have no
 * effect here.
 * Return: as alloc_pages().
 */
static inline struct page *__dev_alloc_pages(gfp_t gfp, unsigned int order)
{
	return alloc_pages(gfp | __GFP_COMP | __GFP_MEMALLOC | __GFP_NOWARN, order);
}

/**
 * dev_alloc_pages() - As __dev_alloc_pages(), with GFP_ATOMIC.
 * @order: the block has 2^order pages.
 * Return: as alloc_pages().
 */
static inline struct page *dev_alloc_pages(unsigned int order)
{
	return __dev_alloc_pages(GFP_ATOMIC, order);
}

/**
 * dev_alloc_page() - As dev_alloc_pages(), for one page.
 * Return: as alloc_pages().
 */
static inline struct page *dev_alloc_page(void)
{
	return dev_alloc_pages(0);
}

/**
 * split_page() - Split a block of alloc_pages() into single pages.
 * @page: the first page of the block, which must have exactly one reference.
 * @order: the order of the block.
 *
 * Every page then has a reference of its own and is freed separately, with order 0. If @page or
 * @order is wrong, or the block has more references, the call has no effect: errno is EINVAL, and
 * dmamap_strerror() returns the reason.
 * Context: any thread. No other thread may use the block during the call.
 */
DMAMAP_API void split_page(struct page *page, unsigned int order);

/**
 * __free_pages() - Free a block, or drop one reference if get_page() added more.
 * @page: the first page of the block.
 * @order: the order with which the block was allocated.
 *
 * The call is refused, with errno EINVAL and no other effect, if @page is not the first page of a
 * live block, @order is another one, or the memory is that of kmalloc or vmalloc.
 * dmamap_strerror() returns the reason.
 */
DMAMAP_API void __free_pages(struct page *page, unsigned int order);

/**
 * free_pages() - As __free_pages(), by CPU address.
 * @addr: the CPU address of the first page; 0 has no effect.
 * @order: the block has 2^order pages.
 */
DMAMAP_API void free_pages(unsigned long addr, unsigned int order);

/**
 * __free_page() - Free one page; see __free_pages().
 * @page: the page.
 */
static inline void __free_page(struct page *page)
{
	__free_pages(page, 0);
}

/**
 * free_page() - Free one page by CPU address; see free_pages().
 * @addr: the CPU address of the page; 0 has no effect.
 */
static inline void free_page(unsigned long addr)
{
	free_pages(addr, 0);
}

/**
 * alloc_pages_exact() - Allocate contiguous pages for a number of bytes.
 * @size: the number of bytes.
 * @gfp: allocation flags (GFP_*).
 *
 * The number of pages is not rounded up to a power of two. free_pages_exact() with the same size
 * frees all of them.
 * Return: the CPU address. NULL with errno ENOMEM: as alloc_pages().
 */
DMAMAP_API void *alloc_pages_exact(size_t size, gfp_t gfp);

/**
 * free_pages_exact() - Free memory of alloc_pages_exact().
 * @virt: the CPU address.
 * @size: the size that was passed to alloc_pages_exact().
 */
DMAMAP_API void free_pages_exact(void *virt, size_t size);

DMAMAP_END

#endif
