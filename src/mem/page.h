/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct page inside the library: address arithmetic, and blocks with an owner.
 *
 * The struct page of a RAM page is mem.map[pfn]. For other memory a struct page pointer is only a
 * number, computed from the page's address so that `page + 1` is the next page. It is outside of
 * valid pointers and never dereferenced.
 */
#ifndef MEM_PAGE_H
#define MEM_PAGE_H

#include "mem/mem.h"

#include <linux/mm.h>

#define PAGE_STRUCT_BITS 5
#define PAGE_ORDERS	 (MAX_PAGE_ORDER + 1)
#define PAGE_ORDER_ANY	 (~0u)
#define PAGE_FOREIGN	 (1ull << 63)

_Static_assert(sizeof(struct page) == 1u << PAGE_STRUCT_BITS, "struct page has a size to shift by");

/* The owner of a block, in the state of its first page. The other pages of a block have state 0. */
enum page_kind {
	PAGE_INSIDE = 0, /* not the first page of a block, or not managed by the allocator */
	PAGE_FREE,
	PAGE_USER,     /* alloc_pages */
	PAGE_INTERNAL, /* __GFP_INTERNAL */
	/* kmalloc's small objects: `owner` is the slab, the tag is the set's number */
	PAGE_SLAB,
	PAGE_BUSY,  /* a slab that is being created or destroyed */
	PAGE_LARGE, /* one kmalloc object */
	PAGE_VMALLOC,
	PAGE_GUARD, /* a poisoned page behind a block; freed with the block */
};

hot_inline enum page_kind page_state_kind(u32 state)
{
	return (enum page_kind)(state & 0xff);
}

hot_inline unsigned int page_state_order(u32 state)
{
	return state >> 8 & 0xff;
}

hot_inline unsigned int page_state_tag(u32 state)
{
	return state >> 16;
}

hot_inline u32 page_state(enum page_kind kind, unsigned int order)
{
	return (u32)kind | order << 8;
}

hot_inline struct page *page_of_phys(phys_t pa)
{
	if (likely(phys_is_ram(pa)))
		return read_once(&mem.map) + (pa.v >> PAGE_BITS);
	return (struct page *)(uintptr_t)(PAGE_FOREIGN |
					  (pa.v & ~PHYS_FOREIGN) >> PAGE_BITS << PAGE_STRUCT_BITS);
}

hot_inline phys_t phys_of_page(const struct page *page)
{
	u64 off = (u64)((uintptr_t)page - (uintptr_t)read_once(&mem.map));

	if (likely(off < read_once(&mem.span) >> (PAGE_BITS - PAGE_STRUCT_BITS)))
		return PHYS(off << (PAGE_BITS - PAGE_STRUCT_BITS));
	off = (u64)(uintptr_t)page & ~PAGE_FOREIGN;
	return PHYS((off << (PAGE_BITS - PAGE_STRUCT_BITS)) | PHYS_FOREIGN);
}

/* Whether `page` is a valid entry of mem.map. */
hot_inline bool page_is_ram(const struct page *page)
{
	u64 off = (u64)((uintptr_t)page - (uintptr_t)read_once(&mem.map));

	return off < read_once(&mem.span) >> (PAGE_BITS - PAGE_STRUCT_BITS) &&
	       !(off & (sizeof(struct page) - 1));
}

hot_inline void *page_ptr(const struct page *page)
{
	return phys_ptr(phys_of_page(page));
}

/*
 * page_alloc() for an owner, without its fault injection. A block of any kind except PAGE_INTERNAL
 * counts as a user of RAM.
 */
struct page *block_alloc(gfp_t gfp, unsigned int order, u64 last, enum page_kind kind);

/*
 * Frees a block, or releases one of its references. Returns 0; -EINVAL with an error message,
 * without a change, if it is not a live block of that kind and order (which may be PAGE_ORDER_ANY).
 */
int block_free(struct page *page, unsigned int order, enum page_kind kind);

/* Changes the kind of a live block that the caller owns, and 16 bits for the owner's use. */
void block_set_kind(struct page *page, enum page_kind kind, unsigned int tag);

/* Splits a live block that the caller owns into one-page blocks. */
void block_split(struct page *page, unsigned int order);

/*
 * Returns the first page of the live block that contains a RAM page, or NULL. Unless the caller
 * owns the block, the result may be outdated.
 */
struct page *block_head(struct page *page);

/* Adds a reference. Returns false if it is not the first page of a live, non-internal block. */
bool block_ref(struct page *head);

/*
 * Adds `nr` references to a PAGE_USER block, or releases -nr; nr is not 0 or INT_MIN. At least one
 * must remain. Returns 0, or -EINVAL with an error message, without a change.
 */
int block_ref_many(struct page *head, int nr);

/*
 * Releases a reference to a block of any kind; the last one only of a PAGE_USER block. Returns 0 or
 * -EINVAL, as block_free() does.
 */
int block_unref(struct page *head);

/*
 * Whether the struct pages of a live PAGE_USER block are as its owner, the caller, left them.
 * `noted` is the expected `owner` of the first one.
 */
bool block_is_intact(const struct page *page, unsigned int order, const void *noted);

/* Restores them, with one reference, after they were overwritten. */
void block_repair(struct page *page, unsigned int order, void *noted);

/* Fills the free lists from `mem`; no other call may run at the same time. */
void zones_init(void);

/* Number of free blocks of every order, for tests and reports. */
void zones_count(u64 free[PAGE_ORDERS]);

/* Returns "kmalloc", "vmalloc" …, for error messages. */
const char *page_kind_name(enum page_kind kind);

#endif
