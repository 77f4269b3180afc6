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
 * vmalloc() - Allocate @size bytes, page-aligned.
 * Return: the address. NULL with errno EINVAL: @size is 0. ENOMEM: not enough RAM or address space
 *   is left; a retry helps.
 */
DMAMAP_API void *vmalloc(unsigned long size);
/** vzalloc() - As vmalloc(), with zeroed memory. */
DMAMAP_API void *vzalloc(unsigned long size); /* zeroed */

/* There is one memory node, so `node` chooses nothing. */
static inline void *vmalloc_node(unsigned long size, int node)
{
	(void)node;
	return vmalloc(size);
}

static inline void *vzalloc_node(unsigned long size, int node)
{
	(void)node;
	return vzalloc(size);
}

/* For n objects; NULL also when n * size is more than a size_t holds. */
static inline void *vmalloc_array(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : vmalloc(bytes);
}

static inline void *vcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : vzalloc(bytes);
}

/*
 * Gives back what vmalloc() gave. NULL is fine. Another pointer is refused, nothing changes, and
 * dmamap_strerror() says so (errno EINVAL).
 */
DMAMAP_API void vfree(const void *addr);

/**
 * vmap() - Map pages of RAM one after another.
 * @pages: the pages. Their owner frees them, not before vunmap().
 * @count: their number.
 * @flags: no effect.
 * @prot: PAGE_KERNEL or PAGE_KERNEL_RO.
 * Return: the address. NULL with errno EINVAL: @count is 0 or a page is not in RAM. ENOMEM: a
 *   retry helps.
 */
DMAMAP_API void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot);

/** vunmap() - Undo vmap(); wrong pointers are refused as by vfree(). */
DMAMAP_API void vunmap(const void *addr);

/** is_vmalloc_addr() - Return true if an address is in the range of vmalloc() and vmap(). */
DMAMAP_API bool is_vmalloc_addr(const void *addr);

/** vmalloc_to_page() - Return the page behind such an address; NULL with errno EINVAL: none. */
DMAMAP_API struct page *vmalloc_to_page(const void *addr);

/** vmalloc_to_pfn() - Return its page frame number; 0, which is never allocated: none. */
DMAMAP_API unsigned long vmalloc_to_pfn(const void *addr);

DMAMAP_END

#endif
