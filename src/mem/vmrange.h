/* SPDX-License-Identifier: BSD-2-Clause */
/* The address range of vmalloc: which pages of it are whose, and which RAM page lies there. */
#ifndef MEM_VMRANGE_H
#define MEM_VMRANGE_H

#include "mem/mem.h"

#define VM_PAGES_MAX 0x7fffffffu /* of an area */

enum vm_kind {
	VM_KIND_VMALLOC = 1, /* the pages are the area's */
	VM_KIND_VMAP,	     /* they are the caller's */
	VM_KIND_VIEW,	     /* vm_view_make() */
};

/* Makes the range, once while RAM is there (the caller keeps it there). 0, -ENOMEM. */
int vm_need(void);

/* `pages` pages of address space with one more behind; the index of the first; 0 and a sentence. */
u32 vm_take(u32 pages);

/* The same at an address that is a multiple of the area's size; `pages` is a power of two, at
 * most a quarter of VM_PAGES_MAX. */
u32 vm_take_aligned(u32 pages);

/* Gives an area back that is unmapped and nobody finds any more. */
void vm_give(u32 index, u32 pages);

/* Says that page `index` of the range is RAM page frame `pfn`. The caller has taken it. */
void vm_set_pfn(u32 index, u64 pfn);

/* Page frame of a page of the range; 0: none. */
u64 vm_pfn(u32 index);

/* From here on the area is found by its address. */
void vm_open(u32 index, u32 pages, enum vm_kind kind);

/* Pages of the area that begins at an address; 0: there is none. */
u32 vm_area_pages(const void *addr, enum vm_kind kind);

/* Pages of the area that begins at an address; nobody finds it from here on. 0: there is none. */
u32 vm_close(const void *addr, enum vm_kind kind, u32 *index);

/* The page of the range at an address of it. */
u32 vm_index(const void *addr);

/*
 * vmalloc.c: a second view of RAM [pa, pa + size), at an address that is a multiple of `size`,
 * which is a power of two of at least a page. The caller owns the RAM. NULL and an error message.
 */
void *vm_view_make(phys_t pa, u64 size);

/* Ends a view. False: the system refused to unmap it, so that the RAM can still be reached. */
bool vm_view_end(const void *view);

static inline void *vm_address(u32 index)
{
	return mem.vm_base + ((u64)index << PAGE_BITS);
}

#endif
