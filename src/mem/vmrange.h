/* SPDX-License-Identifier: BSD-2-Clause */
/* The address range of vmalloc: allocation, and the RAM page at every address. */
#ifndef MEM_VMRANGE_H
#define MEM_VMRANGE_H

#include "mem/mem.h"

#define VM_PAGES_MAX 0x7fffffffu /* largest area */

enum vm_kind {
	VM_KIND_VMALLOC = 1, /* the area owns its pages */
	VM_KIND_VMAP,	     /* the caller owns them */
	VM_KIND_VIEW,	     /* vm_view_make() */
};

/* Creates the range, if it does not exist; the caller is a user of RAM. Returns 0 or -ENOMEM. */
int vm_need(void);

/*
 * Allocates address space of `pages` pages and a guard page. Returns the index of the first, or 0
 * with an error message.
 */
u32 vm_take(u32 pages);

/*
 * vm_take() at an address that is a multiple of the area's size; `pages` is a power of two, at most
 * a quarter of VM_PAGES_MAX.
 */
u32 vm_take_aligned(u32 pages);

/* Frees an area that is unmapped and closed. */
void vm_give(u32 index, u32 pages);

/*
 * Records that page `index` of the range is RAM page frame `pfn`. The caller has allocated the
 * index.
 */
void vm_set_pfn(u32 index, u64 pfn);

/* Page frame number of a page of the range; 0: none. */
u64 vm_pfn(u32 index);

/* Makes the area findable by its address. */
void vm_open(u32 index, u32 pages, enum vm_kind kind);

/* Returns the number of pages of the open area that begins at an address, or 0. */
u32 vm_area_pages(const void *addr, enum vm_kind kind);

/*
 * Closes the area that begins at an address: it can no longer be found. Returns its number of
 * pages, or 0.
 */
u32 vm_close(const void *addr, enum vm_kind kind, u32 *index);

/* Index of the page at an address of the range. */
u32 vm_index(const void *addr);

/*
 * vmalloc.c: creates a second mapping of RAM [pa, pa + size), which the caller owns, at an address
 * that is a multiple of `size`, a power of two of at least a page. Returns NULL with an error
 * message.
 */
void *vm_view_make(phys_t pa, u64 size);

/*
 * Removes a view. Returns false if the system refused to unmap it; the RAM is then still accessible
 * through it.
 */
bool vm_view_end(const void *view);

static inline void *vm_address(u32 index)
{
	return mem.vm_base + ((u64)index << PAGE_BITS);
}

#endif
