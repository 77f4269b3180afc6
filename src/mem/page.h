/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct page inside the library: address arithmetic, and blocks with an owner.
 *
 * A RAM page's struct page is mem.map[pfn]. Other memory's is only a number, computed from its
 * address so that `page + 1` is the next page's; it lies where no pointer can, and is never read.
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

/* Whose a block is. In its first page's state; each other page of it has state 0. */
enum page_kind {
	PAGE_INSIDE = 0, /* not the first of a block, or no memory of the allocator */
	PAGE_FREE,
	PAGE_USER,     /* alloc_pages */
	PAGE_INTERNAL, /* __GFP_INTERNAL */
	PAGE_SLAB,     /* kmalloc's small objects: owner is the slab, the tag says which set */
	PAGE_BUSY,     /* not yet a slab, or no longer */
	PAGE_LARGE,    /* one kmalloc object */
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

/* It has an entry in mem.map that may be read, and is on one. */
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
 * page_alloc() for an owner, without its fault injection. A block of any kind but PAGE_INTERNAL
 * keeps RAM there.
 */
struct page *block_alloc(gfp_t gfp, unsigned int order, u64 last, enum page_kind kind);

/*
 * Gives a block back, or one of its references. 0; -EINVAL and a sentence, nothing changed: it is
 * not a live block of that kind and order (which may be PAGE_ORDER_ANY).
 */
int block_free(struct page *page, unsigned int order, enum page_kind kind);

/* Another owner for a live block, which the caller owns, and 16 bits of its own. */
void block_set_kind(struct page *page, enum page_kind kind, unsigned int tag);

/* Makes one-page blocks of a live one, which the caller owns. */
void block_split(struct page *page, unsigned int order);

/*
 * The first page of the live block that a RAM page is in; NULL: it is in none. What it says may be
 * old news unless the caller owns the block.
 */
struct page *block_head(struct page *page);

/* One more reference; false: not the first page of a live block that is not internal. */
bool block_ref(struct page *head);

/*
 * `nr` more references, or less where it is negative, of a PAGE_USER block; nr is not 0 or INT_MIN.
 * One is left. 0; -EINVAL and an error message, nothing changed.
 */
int block_ref_many(struct page *head, int nr);

/* One less, whoever's block it is; the last only of a PAGE_USER block. 0, -EINVAL: block_free() */
int block_unref(struct page *head);

/*
 * The struct pages of a live PAGE_USER block are as its owner, who calls, left them: `noted` is
 * what the first one's `owner` holds.
 */
bool block_is_intact(const struct page *page, unsigned int order, const void *noted);

/* Makes them so, with one reference, after something else was written over them. */
void block_repair(struct page *page, unsigned int order, void *noted);

/* Fills the free lists with what `mem` says; no other call may run. */
void zones_init(void);

/* Free blocks of each order, for tests and reports. */
void zones_count(u64 free[PAGE_ORDERS]);

/* Reads "kmalloc", "vmalloc" …, for sentences. */
const char *page_kind_name(enum page_kind kind);

#endif
