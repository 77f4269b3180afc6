/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmalloc's address range. It is reserved, twice as large as RAM, with a slot for every page in a
 * sparse array, so the page behind an address is found by one load.
 *
 * Free address space is in runs, merged as far as possible. The first and the last slot of a run
 * have its length. The first slot is on the list of runs of 2^k to 2^(k+1) - 1 pages. An allocation
 * examines a few runs of its own size class and then uses any longer run. A free merges with the
 * runs on both sides, whose end slots are adjacent.
 *
 * A slot's word is a value and a tag. Tags of slots inside a free run have no meaning but are never
 * AREA or PAGE, so an address in a free run is not mistaken for an area. Slot 0 and the last slot
 * are never used: index 0 means "none", and every run has a neighbour on both sides. Everything is
 * under vm_lock except vm_pfn(), which the owner of the area calls. Indices would overflow at 2^32
 * pages; the range is limited to less.
 */
#include "mem/vmrange.h"
#include "mem/ram.h"

#include "base/error.h"
#include "base/fork.h"
#include "base/lock.h"

#include <pthread.h>
#include <string.h>

#define RANGE_MIN (64 * MIB)
#define RANGE_MAX (8ull << 40)
#define BINS	  32
#define TRIES	  8
#define TAG_BITS  3

enum slot_tag { SLOT_NONE, SLOT_FREE, SLOT_PAGE, SLOT_AREA };

struct vm_slot {
	u64 word; /* FREE: pages of the run; PAGE, AREA: page frame number; << TAG_BITS | tag */
	union {
		struct {
			u32 next, prev; /* in the first slot of a free run */
		};
		struct {
			u32 pages, kind; /* in the first slot of an open area */
		};
	};
};

static pthread_mutex_t make_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lock vm_lock = LOCK_INIT;
static struct vm_slot *slots;
static u32 bins[BINS]; /* index of the first run of every size class, 0: none */
static u64 range_pages;

static enum slot_tag vmrange_slot_tag(const struct vm_slot *s)
{
	return (enum slot_tag)(read_once(&s->word) & ((1u << TAG_BITS) - 1));
}

static u64 vm_value_of(const struct vm_slot *s)
{
	return read_once(&s->word) >> TAG_BITS;
}

static void vm_slot_set(struct vm_slot *s, u64 value, enum slot_tag tag)
{
	write_once(&s->word, value << TAG_BITS | tag);
}

static void vm_run_add(u32 index, u32 pages)
{
	unsigned int bin = log2_floor(pages);
	struct vm_slot *s = &slots[index];

	vm_slot_set(&slots[index + pages - 1], pages, SLOT_FREE);
	vm_slot_set(s, pages, SLOT_FREE);
	s->prev = 0;
	s->next = bins[bin];
	if (s->next)
		slots[s->next].prev = index;
	bins[bin] = index;
}

static void vm_run_remove(u32 index)
{
	struct vm_slot *s = &slots[index];

	if (s->prev)
		slots[s->prev].next = s->next;
	else
		bins[log2_floor(vm_value_of(s))] = s->next;
	if (s->next)
		slots[s->next].prev = s->prev;
}

/* Returns a run of a size class with at least `pages` pages, among the first `tries`, or 0. */
static u32 vm_bin_find(unsigned int bin, u32 pages, u64 tries)
{
	u32 i;

	for (i = bins[bin]; i && tries; i = slots[i].next, tries--)
		if (vm_value_of(&slots[i]) >= pages)
			return i;
	return 0;
}

static u32 vmrange_find_run(u32 pages)
{
	unsigned int bin = log2_floor(pages);
	u32 i = vm_bin_find(bin, pages, TRIES);

	for (unsigned int b = bin + 1; !i && b < BINS; b++)
		i = bins[b];
	return i ? i : vm_bin_find(bin, pages, UINT64_MAX);
}

u32 vm_take(u32 pages)
{
	u32 index, length = 0, need = pages + 1;

	lock_acquire(&vm_lock);
	index = vmrange_find_run(need);
	if (index) {
		length = (u32)vm_value_of(&slots[index]);
		vm_run_remove(index);
		vm_slot_set(&slots[index], 0, SLOT_NONE);
		vm_slot_set(&slots[index + need - 1], 0, SLOT_NONE);
		if (length > need)
			vm_run_add(index + need, length - need);
	}
	lock_release(&vm_lock);
	if (!index)
		error_set(ENOMEM,
			  "vmalloc: no contiguous address space for %u pages: free some areas",
			  pages);
	return index;
}

void vm_give(u32 index, u32 pages)
{
	u32 length = pages + 1;

	lock_acquire(&vm_lock);
	for (u32 i = 0; i < length; i++)
		vm_slot_set(&slots[index + i], 0, SLOT_NONE);
	if (vmrange_slot_tag(&slots[index + length]) == SLOT_FREE) {
		u32 after = index + length;

		length += (u32)vm_value_of(&slots[after]);
		vm_run_remove(after);
	}
	if (vmrange_slot_tag(&slots[index - 1]) == SLOT_FREE) {
		u32 before = (u32)vm_value_of(&slots[index - 1]);

		index -= before;
		length += before;
		vm_run_remove(index);
	}
	vm_run_add(index, length);
	lock_release(&vm_lock);
}

/* Allocates twice the size and frees what is before and behind the aligned part. */
u32 vm_take_aligned(u32 pages)
{
	u32 index = vm_take(2 * pages), at, before;
	u64 size = (u64)pages << PAGE_BITS;

	if (!index)
		return 0;
	at = vm_index((void *)align_up((uintptr_t)vm_address(index), size));
	before = at - index;
	/*
	 * mark the neighbours of the freed parts as used: their tags are those of the allocated run
	 */
	vm_slot_set(&slots[at], 0, SLOT_NONE);
	vm_slot_set(&slots[at + pages], 0, SLOT_NONE);
	/* vm_give() also frees the guard page behind an area */
	if (before)
		vm_give(index, before - 1);
	vm_give(at + pages + 1, pages - before - 1);
	return at;
}

void vm_set_pfn(u32 index, u64 pfn)
{
	vm_slot_set(&slots[index], pfn, SLOT_PAGE);
}

u64 vm_pfn(u32 index)
{
	enum slot_tag tag = vmrange_slot_tag(&slots[index]);

	return tag == SLOT_PAGE || tag == SLOT_AREA ? vm_value_of(&slots[index]) : 0;
}

void vm_open(u32 index, u32 pages, enum vm_kind kind)
{
	struct vm_slot *s = &slots[index];

	lock_acquire(&vm_lock);
	s->pages = pages;
	s->kind = kind;
	vm_slot_set(s, vm_value_of(s), SLOT_AREA);
	lock_release(&vm_lock);
}

u32 vm_index(const void *addr)
{
	return (u32)((u64)((const u8 *)addr - mem.vm_base) >> PAGE_BITS);
}

u32 vm_area_pages(const void *addr, enum vm_kind kind)
{
	struct vm_slot *s;
	u32 pages;

	if (!vmalloc_range_contains(addr) || (uintptr_t)addr & (PAGE_BYTES - 1))
		return 0;
	s = &slots[vm_index(addr)];
	lock_acquire(&vm_lock);
	pages = vmrange_slot_tag(s) == SLOT_AREA && s->kind == kind ? s->pages : 0;
	lock_release(&vm_lock);
	return pages;
}

u32 vm_close(const void *addr, enum vm_kind kind, u32 *index)
{
	struct vm_slot *s;
	u32 pages = 0;

	if (!vmalloc_range_contains(addr) || (uintptr_t)addr & (PAGE_BYTES - 1))
		return 0;
	s = &slots[vm_index(addr)];
	lock_acquire(&vm_lock);
	if (vmrange_slot_tag(s) == SLOT_AREA && s->kind == kind) {
		pages = s->pages;
		vm_slot_set(s, vm_value_of(s), SLOT_PAGE);
		*index = vm_index(addr);
	}
	lock_release(&vm_lock);
	return pages;
}

static int vm_range_make(void)
{
	u64 ram = mem.low + (mem.span > mem.low ? mem.span - MEM_DMA32_END : 0);
	u64 size = min_u64(max_u64(2 * ram, RANGE_MIN), RANGE_MAX);
	u8 *base;

	base = mem_reserve(size, PROT_NONE, "vmalloc");
	if (!base)
		return -ENOMEM;
	slots = mem_reserve((size >> PAGE_BITS) * sizeof(*slots), PROT_READ | PROT_WRITE,
			    "vmalloc's page table");
	if (!slots) {
		mem_unreserve(base, size);
		return -ENOMEM;
	}
	range_pages = size >> PAGE_BITS;
	vm_run_add(1, (u32)(range_pages - 2));
	write_once(&mem.vm_base, base);
	write_release(&mem.vm_size, size);
	return 0;
}

int vm_need(void)
{
	int err = 0;

	if (read_acquire(&mem.vm_size))
		return 0;
	pthread_mutex_lock(&make_lock);
	if (!mem.vm_size)
		err = vm_range_make();
	pthread_mutex_unlock(&make_lock);
	return err;
}

void vm_forget(void)
{
	u8 *base = mem.vm_base;
	u64 size = mem.vm_size;

	if (!size)
		return;
	write_once(&mem.vm_size, 0);
	write_once(&mem.vm_base, MEM_NOWHERE);
	mem_unreserve(base, size);
	mem_unreserve(slots, range_pages * sizeof(*slots));
	slots = NULL;
	for (unsigned int i = 0; i < BINS; i++)
		bins[i] = 0;
}

static void vm_fork_child(void)
{
	pthread_mutex_init(&make_lock, NULL);
	vm_lock = (struct lock)LOCK_INIT;
	write_once(&mem.vm_size, 0);
	write_once(&mem.vm_base, MEM_NOWHERE);
	slots = NULL;
	memset(bins, 0, sizeof(bins));
}

FORK_HOOK(vm_hook, NULL, NULL, vm_fork_child);
