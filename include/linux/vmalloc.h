/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtually contiguous memory of scattered RAM pages. Linux: Documentation/core-api/mm-api.rst.
 *
 * Its addresses are not those of its pages: dma_map_single() refuses them. A driver maps the pages
 * that vmalloc_to_page() tells, as in Linux. After each area lies a page that nothing backs. Any
 * call may be made from any thread at once.
 */
#ifndef DMAMAP_LINUX_VMALLOC_H
#define DMAMAP_LINUX_VMALLOC_H

#include <dmamap/types.h>
#include <linux/gfp.h>
#include <linux/mm.h>

DMAMAP_BEGIN

/* How the CPU may use a mapping. */
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

/* `size` bytes, page-aligned. NULL: size 0 (EINVAL), not enough RAM or address space (ENOMEM). */
DMAMAP_API void *vmalloc(unsigned long size);
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

/*
 * Maps `count` pages of RAM one after another. `flags` chooses nothing. NULL: no page, or one that
 * is not RAM's (EINVAL); ENOMEM. The pages stay their owner's, and must stay until vunmap().
 */
DMAMAP_API void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot);

/* Takes it away again; as vfree(). */
DMAMAP_API void vunmap(const void *addr);

/* Whether an address lies where vmalloc() and vmap() put their areas. */
DMAMAP_API bool is_vmalloc_addr(const void *addr);

/* The page behind an address of such an area; NULL: there is none (errno EINVAL). */
DMAMAP_API struct page *vmalloc_to_page(const void *addr);

/* Its page frame number; 0, which is never given out: there is none. */
DMAMAP_API unsigned long vmalloc_to_pfn(const void *addr);

DMAMAP_END

#endif
