/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page allocator: free blocks of 2^order pages, aligned to their size, which are merged with a
 * free buddy.
 *
 * Free memory is in bands: one below 16 MiB (zone DMA), then one from every power of two to the
 * next. The limit of a zone or of an address mask is therefore usually also the limit of a band,
 * and no search is needed to find a block below it. Only a limit that is not a power of two
 * requires a search of the lists of one band. The allocator tries the highest permitted band first
 * and then the lower ones, to save low memory. A block never crosses a band.
 *
 * Invariants, under the band's lock:
 *
 * - Every page of RAM that the allocator manages is in exactly one block, free or live. The state
 *   of the block's first page has its kind and order; the state of every other page is 0.
 * - A free block is on the list of its order. Bit o of `orders` is set if list o is not empty.
 * - Below the band's largest order, the buddy of a free block is not a free block of the same
 *   order.
 *
 * The owner of a live block changes its kind without the lock, but never to FREE. Only the page map
 * entries of first pages are accessed, so at the start the map uses only a few dozen pages of
 * memory, whatever the size of the RAM. Page 0, the bounce memory and the gap below 4 GiB have
 * state 0, so no block merges with them. Page frame numbers are below 2^34; nothing can overflow.
 */
#include "mem/page.h"
#include "mem/ram.h"
#include "mem/watch.h"

#include "base/error.h"
#include "base/fail.h"
#include "base/lock.h"

#define BANDS	      23 /* [0, 2^24), [2^24, 2^25) … [2^45, 2^46) bytes */
#define BAND_PFN_BITS (24 - PAGE_BITS)

struct page_band {
	struct lock lock;
	u32 orders;			/* written under lock, also read without it */
	unsigned int max_order;		/* a block of this order cannot merge further */
	struct page *free[PAGE_ORDERS]; /* under lock */
	struct page *guards;		/* under lock */
} cacheline;

static struct page_band bands[BANDS];

static unsigned int page_band_index(u64 pfn)
{
	pfn >>= BAND_PFN_BITS;
	return pfn ? log2_floor(pfn) + 1 : 0;
}

static u64 page_pfn(const struct page *page)
{
	return (u64)(page - mem.map);
}

static void page_set_state(struct page *page, u32 state)
{
	write_release(&page->state, state);
}

static void page_list_add(struct page_band *b, struct page *page, unsigned int order)
{
	page->prev = NULL;
	page->next = b->free[order];
	if (page->next)
		page->next->prev = page;
	b->free[order] = page;
	write_once(&b->orders, b->orders | 1u << order);
	page_set_state(page, page_state(PAGE_FREE, order));
}

static void page_list_remove(struct page_band *b, struct page *page, unsigned int order)
{
	if (page->prev)
		page->prev->next = page->next;
	else
		b->free[order] = page->next;
	if (page->next)
		page->next->prev = page->prev;
	if (!b->free[order])
		write_once(&b->orders, b->orders & ~(1u << order));
	page_set_state(page, 0);
}

/* Adds an unowned block to its list, after merging it as far as possible. Under the lock. */
static void page_band_add(struct page_band *b, struct page *page, unsigned int order)
{
	for (; order < b->max_order; order++) {
		struct page *buddy = mem.map + (page_pfn(page) ^ 1ull << order);

		if (read_once(&buddy->state) != page_state(PAGE_FREE, order))
			break;
		page_list_remove(b, buddy, order);
		page_set_state(page, 0);
		if (buddy < page)
			page = buddy;
	}
	page_list_add(b, page, order);
}

/* Returns a block of list o that has 2^order pages below page frame `end`, or NULL. */
static struct page *page_list_find(const struct page_band *b, unsigned int o, unsigned int order,
				   u64 end)
{
	struct page *page;

	for (page = b->free[o]; page; page = page->next)
		if (range_within(page_pfn(page), 1ull << order, end))
			return page;
	return NULL;
}

/* Makes the first page of a block's second half the guard of the first half. Under the lock. */
static void page_band_guard(struct page_band *b, struct page *guard, unsigned int order)
{
	for (unsigned int o = 0; o < order; o++)
		page_list_add(b, guard + (1ull << o), o);
	guard->prev = NULL;
	guard->next = b->guards;
	if (guard->next)
		guard->next->prev = guard;
	b->guards = guard;
	page_set_state(guard, page_state(PAGE_GUARD, 0));
	poison_set(page_ptr(guard), PAGE_BYTES);
}

/* Frees the page if it is a guard. Under the lock. */
static void page_band_unguard(struct page_band *b, struct page *guard)
{
	if (!page_is_ram(guard) || read_acquire(&guard->state) != page_state(PAGE_GUARD, 0))
		return;
	if (guard->prev)
		guard->prev->next = guard->next;
	else
		b->guards = guard->next;
	if (guard->next)
		guard->next->prev = guard->prev;
	page_set_state(guard, 0);
	page_band_add(b, guard, 0);
}

/* Under the lock. */
static struct page *page_band_take(struct page_band *b, unsigned int order, u64 end,
				   enum page_kind kind, bool guard)
{
	unsigned int whole = order + guard;
	struct page *page;

	for (unsigned int o = whole; o < PAGE_ORDERS && b->orders >> o; o++) {
		page = page_list_find(b, o, whole, end);
		if (!page)
			continue;
		page_list_remove(b, page, o);
		while (o > whole) {
			o--;
			page_list_add(b, page + (1ull << o), o);
		}
		if (guard)
			page_band_guard(b, page + (1ull << order), order);
		write_once(&page->refs, 1);
		page_set_state(page, page_state(kind, order));
		return page;
	}
	return NULL;
}

/*
 * Searches the bands from the one that contains page `end - 1` downward. Unless `careful`, skips a
 * band whose `orders` shows no large enough block; this may be wrong while another thread merges a
 * block there.
 */
static struct page *page_bands_take(unsigned int order, u64 end, enum page_kind kind, bool careful,
				    bool guard)
{
	struct page *page = NULL;

	for (unsigned int i = page_band_index(end - 1) + 1; i-- && !page;) {
		struct page_band *b = &bands[i];

		if (!careful && !(read_once(&b->orders) >> (order + guard)))
			continue;
		lock_acquire(&b->lock);
		page = page_band_take(b, order, end, kind, guard);
		lock_release(&b->lock);
	}
	return page;
}

/* Frees all guards; called if no other memory is free. False: there are no guards. */
static bool page_bands_unguard(void)
{
	bool any = false;

	for (struct page_band *b = bands; b < bands + BANDS; b++) {
		lock_acquire(&b->lock);
		for (; b->guards; any = true)
			page_band_unguard(b, b->guards);
		lock_release(&b->lock);
	}
	return any;
}

/* The last byte that both the zone and the caller allow. */
static u64 page_limit(gfp_t gfp, u64 last)
{
	if (gfp & __GFP_DMA)
		return min_u64(last, MEM_DMA_END - 1);
	if (gfp & __GFP_DMA32)
		return min_u64(last, MEM_DMA32_END - 1);
	return last;
}

static struct page *page_none_free(unsigned int order, u64 last)
{
	return error_null(ENOMEM,
			  "no free block of %llu KiB of RAM with its last byte at or below 0x%llx: "
			  "free some, request less, or open the device with a larger ram=",
			  (unsigned long long)(PAGE_BYTES << order) / KIB,
			  (unsigned long long)last);
}

static struct page *page_take(gfp_t gfp, unsigned int order, u64 last, enum page_kind kind)
{
	struct page *page = NULL;
	u64 end;

	last = min_u64(page_limit(gfp, last), mem.span - 1);
	end = (last + 1) >> PAGE_BITS;
	if (!end)
		return page_none_free(order, last);
	if (asan_is_on() && (kind == PAGE_USER || kind == PAGE_LARGE))
		page = page_bands_take(order, end, kind, false, true);
	if (!page)
		page = page_bands_take(order, end, kind, false, false);
	if (!page)
		page = page_bands_take(order, end, kind, true, false);
	if (!page && asan_is_on() && page_bands_unguard())
		page = page_bands_take(order, end, kind, true, false);
	if (!page)
		return page_none_free(order, last);
	poison_clear(page_ptr(page), PAGE_BYTES << order);
	if (gfp & __GFP_ZERO)
		mem_zero(phys_of_page(page), PAGE_BYTES << order);
	return page;
}

struct page *block_alloc(gfp_t gfp, unsigned int order, u64 last, enum page_kind kind)
{
	struct page *page;

	if (order > MAX_PAGE_ORDER)
		return error_null(
			ENOMEM, "a block of 2^%u pages was requested: the largest has 2^%d (1 GiB)",
			order, MAX_PAGE_ORDER);
	if (kind == PAGE_INTERNAL) {
		if (!read_once(&mem.span))
			return error_null(ENOMEM, "there is no RAM: no device is open");
		return page_take(gfp, order, last, kind);
	}
	if (mem_use_pages(1ull << order))
		return NULL;
	page = page_take(gfp, order, last, kind);
	if (!page)
		mem_unuse_pages(1ull << order);
	return page;
}

const char *page_kind_name(enum page_kind kind)
{
	static const char *const names[] = {
		[PAGE_INSIDE] = "the inside of a block, or no block",
		[PAGE_FREE] = "free memory",
		[PAGE_USER] = "a block of alloc_pages",
		[PAGE_INTERNAL] = "the library's own memory",
		[PAGE_SLAB] = "kmalloc objects",
		[PAGE_BUSY] = "kmalloc objects",
		[PAGE_LARGE] = "a kmalloc object",
		[PAGE_VMALLOC] = "vmalloc memory",
		[PAGE_GUARD] = "the guard page behind a block",
	};

	return (unsigned int)kind < ARRAY_SIZE(names) ? names[kind] : "unknown memory";
}

static int page_refuse(const struct page *page, u32 state, unsigned int order)
{
	unsigned long long pa = phys_of_page(page).v;

	if (page_state_kind(state) == PAGE_FREE)
		return error_set(EINVAL, "the page at physical address 0x%llx was freed twice", pa);
	if (page_state_kind(state) == PAGE_USER && order != PAGE_ORDER_ANY)
		return error_set(EINVAL,
				 "the block at physical address 0x%llx has order %u and was freed "
				 "with order %u: free what was allocated",
				 pa, page_state_order(state), order);
	return error_set(EINVAL,
			 "the page at physical address 0x%llx cannot be freed this way: it is %s",
			 pa, page_kind_name(page_state_kind(state)));
}

/*
 * Releases a reference under the lock. Returns the order of the block if it is free now, else -1.
 */
static int band_release(struct page_band *b, struct page *page, u32 state, enum page_kind kind)
{
	unsigned int order = page_state_order(state);

	write_once(&page->refs, page->refs - 1);
	if (page->refs) {
		page_set_state(page,
			       /* the holder of the remaining reference treats it as a page */
			       page_state(PAGE_USER, order));
		return -1;
	}
	/*
	 * the library's own memory is never mapped for a device; slab objects are watched one by
	 * one
	 */
	if (kind != PAGE_INTERNAL && kind != PAGE_BUSY)
		mem_watch_freeing(phys_of_page(page).v, PAGE_BYTES << order);
	poison_set(page_ptr(page), PAGE_BYTES << order);
	page_set_state(page, 0);
	page_band_add(b, page, order);
	if (asan_is_on())
		page_band_unguard(b, page + (1ull << order));
	return (int)order;
}

int block_free(struct page *page, unsigned int order, enum page_kind kind)
{
	struct page_band *b;
	u32 state;
	int freed;

	if (!page_is_ram(page))
		return error_set(EINVAL, "cannot free %p: it is not a page of RAM", (void *)page);
	b = &bands[page_band_index(page_pfn(page))];
	lock_acquire(&b->lock);
	state = read_once(&page->state);
	if (page_state_kind(state) != kind ||
	    (order != PAGE_ORDER_ANY && page_state_order(state) != order)) {
		lock_release(&b->lock);
		return page_refuse(page, state, order);
	}
	freed = band_release(b, page, state, kind);
	lock_release(&b->lock);
	if (freed >= 0 && kind != PAGE_INTERNAL)
		mem_unuse_pages(1ull << freed);
	return 0;
}

void block_set_kind(struct page *page, enum page_kind kind, unsigned int tag)
{
	page_set_state(page, page_state(kind, page_state_order(page->state)) | tag << 16);
}

void block_split(struct page *page, unsigned int order)
{
	u32 state = page_state(page_state_kind(page->state), 0);

	/* the first page last: until then the other pages are inside its block */
	for (u64 i = 1ull << order; i--;) {
		write_once(&page[i].refs, 1);
		page_set_state(&page[i], state);
	}
}

bool block_is_intact(const struct page *page, unsigned int order, const void *noted)
{
	bool intact = read_acquire(&page->state) == page_state(PAGE_USER, order) &&
		      read_once(&page->owner) == noted;

	for (u64 i = 1; i < 1ull << order && intact; i++)
		intact = !read_acquire(&page[i].state);
	return intact;
}

void block_repair(struct page *page, unsigned int order, void *noted)
{
	struct page_band *b = &bands[page_band_index(page_pfn(page))];

	lock_acquire(&b->lock);
	for (u64 i = 1; i < 1ull << order; i++)
		page_set_state(page + i, 0);
	write_once(&page->refs, 1);
	write_once(&page->owner, noted);
	page_set_state(page, page_state(PAGE_USER, order));
	lock_release(&b->lock);
}

/*
 * A block of order o begins at a multiple of 2^o pages. The loop tries `page` rounded down to each
 * of these alignments. The first of these pages that begins a block is the nearest, so either its
 * block contains `page` or no block does. Returns NULL also if that block is free.
 */
struct page *block_head(struct page *page)
{
	u64 pfn = page_pfn(page);

	for (unsigned int o = 0; o < PAGE_ORDERS; o++) {
		struct page *head = mem.map + align_down(pfn, 1ull << o);
		u32 state = read_acquire(&head->state);

		if (state)
			return page_state_order(state) >= o && page_state_kind(state) != PAGE_FREE
				       ? head
				       : NULL;
	}
	return NULL;
}

bool block_ref(struct page *head)
{
	struct page_band *b = &bands[page_band_index(page_pfn(head))];
	bool live;

	lock_acquire(&b->lock);
	live = page_state_kind(read_once(&head->state)) > PAGE_FREE &&
	       page_state_kind(read_once(&head->state)) != PAGE_INTERNAL &&
	       page_state_kind(read_once(&head->state)) != PAGE_GUARD;
	if (live)
		write_once(&head->refs, head->refs + 1);
	lock_release(&b->lock);
	return live;
}

int block_unref(struct page *head)
{
	struct page_band *b = &bands[page_band_index(page_pfn(head))];
	bool shared;

	lock_acquire(&b->lock);
	shared = page_state_kind(read_once(&head->state)) > PAGE_FREE && head->refs > 1;
	if (shared)
		write_once(&head->refs, head->refs - 1);
	lock_release(&b->lock);
	return shared ? 0 : block_free(head, PAGE_ORDER_ANY, PAGE_USER);
}

int block_ref_many(struct page *head, int nr)
{
	struct page_band *b = &bands[page_band_index(page_pfn(head))];
	bool live, fits;
	u32 refs;

	lock_acquire(&b->lock);
	live = page_state_kind(read_once(&head->state)) == PAGE_USER;
	refs = head->refs;
	fits = nr > 0 ? refs <= INT32_MAX - (u32)nr : refs > (u32)-nr;
	if (live && fits)
		write_once(&head->refs, refs + (u32)nr);
	lock_release(&b->lock);
	if (!live)
		return error_set(EINVAL, "a page's references: it is in no live block of "
					 "alloc_pages()");
	return fits ? 0
		    : error_set(EINVAL,
				"a page's references: %u and %d more cannot be: the last one is "
				"given "
				"back by put_page()",
				refs, nr);
}

/* Adds the free page frames [pfn, end) in the largest blocks that fit. */
static void page_range_add(u64 pfn, u64 end)
{
	while (pfn < end) {
		struct page_band *b = &bands[page_band_index(pfn)];
		unsigned int order = b->max_order;

		while ((pfn & ((1ull << order) - 1)) || !range_within(pfn, 1ull << order, end))
			order--;
		page_band_add(b, mem.map + pfn, order);
		pfn += 1ull << order;
	}
}

void zones_init(void)
{
	u64 bounce_end = mem.bounce_start + mem.bounce_size;

	for (unsigned int i = 0; i < BANDS; i++) {
		unsigned int order = i ? BAND_PFN_BITS + i - 1 : BAND_PFN_BITS;

		bands[i] = (struct page_band){.max_order = order < MAX_PAGE_ORDER ? order
										  : MAX_PAGE_ORDER};
	}
	page_range_add(1, mem.bounce_start >> PAGE_BITS);
	page_range_add(bounce_end >> PAGE_BITS, mem.low >> PAGE_BITS);
	if (mem.span > mem.low)
		page_range_add(MEM_DMA32_END >> PAGE_BITS, mem.span >> PAGE_BITS);
}

void zones_count(u64 free[PAGE_ORDERS])
{
	for (unsigned int o = 0; o < PAGE_ORDERS; o++)
		free[o] = 0;
	for (struct page_band *b = bands; b < bands + BANDS; b++) {
		lock_acquire(&b->lock);
		for (unsigned int o = 0; o < PAGE_ORDERS; o++)
			for (struct page *page = b->free[o]; page; page = page->next)
				free[o]++;
		lock_release(&b->lock);
	}
}

struct page *page_alloc(gfp_t gfp, unsigned int order, u64 last)
{
	bool internal = gfp & __GFP_INTERNAL;

	if (fail_here(internal ? FAIL_MEMORY : FAIL_PAGE, NULL))
		return error_null(ENOMEM, "no page of RAM: failed by fault injection");
	return block_alloc(gfp, order, last, internal ? PAGE_INTERNAL : PAGE_USER);
}

void page_free(struct page *page, unsigned int order)
{
	bool internal =
		page_is_ram(page) && page_state_kind(read_acquire(&page->state)) == PAGE_INTERNAL;

	mem_watch_done(page, block_free(page, order, internal ? PAGE_INTERNAL : PAGE_USER), NULL);
}
