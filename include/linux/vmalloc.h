/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtually contiguous memory of scattered RAM pages. Linux: Documentation/core-api/mm-api.rst.
 *
 * Its addresses are not those of its pages: dma_map_single() refuses them. A driver maps the pages
 * that vmalloc_to_page() returns, as in Linux. A page without memory follows each area.
 *
 * Context of every function: any thread, several threads at once.
 */
#ifndef DMAMAP_LINUX_VMALLOC_H
#define DMAMAP_LINUX_VMALLOC_H

#include <dmamap/types.h>
#include <linux/gfp.h>
#include <linux/mm.h>

DMAMAP_BEGIN

/* The accesses that the CPU may make through a mapping. */
typedef struct {
	unsigned long pgprot;
} pgprot_t;

#ifdef __cplusplus
#define PAGE_KERNEL    (pgprot_t{3})
#define PAGE_KERNEL_RO (pgprot_t{1})
#else
#define PAGE_KERNEL    ((pgprot_t){3}) /* read and write */
#define PAGE_KERNEL_RO ((pgprot_t){1}) /* read */
#endif

#define VM_MAP 0x4UL

/**
 * vmalloc() - Allocate memory that is contiguous for the CPU and page-aligned.
 * @size: the number of bytes.
 * Return: the address. NULL with errno EINVAL: @size is 0. ENOMEM: not enough RAM or address
 *   space is left; a retry helps after memory was freed.
 */
DMAMAP_API void *vmalloc(unsigned long size);

/**
 * vzalloc() - As vmalloc(), with zeroed memory.
 * @size: the number of bytes.
 * Return: as vmalloc().
 */
DMAMAP_API void *vzalloc(unsigned long size);

/**
 * vmalloc_node() - As vmalloc().
 * @size: the number of bytes.
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as vmalloc().
 */
static inline void *vmalloc_node(unsigned long size, int node)
{
	(void)node;
	return vmalloc(size);
}

/**
 * vzalloc_node() - As vzalloc().
 * @size: the number of bytes.
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as vmalloc().
 */
static inline void *vzalloc_node(unsigned long size, int node)
{
	(void)node;
	return vzalloc(size);
}

/**
 * vmalloc_array() - Allocate an array as vmalloc() does.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * Return: as vmalloc(). NULL also if @n * @size overflows a size_t.
 */
static inline void *vmalloc_array(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : vmalloc(bytes);
}

/**
 * vcalloc() - Allocate a zeroed array as vzalloc() does.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * Return: as vmalloc(). NULL also if @n * @size overflows a size_t.
 */
static inline void *vcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : vzalloc(bytes);
}

/**
 * vfree() - Free memory of vmalloc().
 * @addr: the address that vmalloc() returned; NULL has no effect.
 *
 * Any other pointer is refused: nothing changes, errno is EINVAL, and dmamap_strerror() returns
 * the reason.
 */
DMAMAP_API void vfree(const void *addr);

/**
 * vmap() - Map pages of RAM at consecutive addresses.
 * @pages: the pages. Their owner frees them, not before vunmap().
 * @count: their number.
 * @flags: no effect.
 * @prot: PAGE_KERNEL or PAGE_KERNEL_RO.
 * Return: the address. NULL with errno EINVAL: @count is 0 or a page is not in RAM. ENOMEM: a
 *   retry helps.
 */
DMAMAP_API void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot);

/**
 * vunmap() - Undo vmap().
 * @addr: the address that vmap() returned; NULL has no effect. Any other pointer is refused as by
 *   vfree().
 */
DMAMAP_API void vunmap(const void *addr);

/**
 * is_vmalloc_addr() - Test whether an address is in the range of vmalloc() and vmap().
 * @addr: an address.
 * Return: true if it is.
 */
DMAMAP_API bool is_vmalloc_addr(const void *addr);

/**
 * vmalloc_to_page() - Return the page of RAM behind an address of vmalloc() or vmap().
 * @addr: an address.
 * Return: the page. NULL with errno EINVAL: no page is mapped at @addr.
 */
DMAMAP_API struct page *vmalloc_to_page(const void *addr);

/**
 * vmalloc_to_pfn() - Return the page frame number behind an address of vmalloc() or vmap().
 * @addr: an address.
 * Return: the number. 0, which no allocation has, with errno EINVAL: no page is mapped at @addr.
 */
DMAMAP_API unsigned long vmalloc_to_pfn(const void *addr);

DMAMAP_END

#endif
