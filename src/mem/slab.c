/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slab is a block of pages divided into at most 64 objects. One word of bits marks the free ones.
 * It is in the slab's record, outside of RAM, so that neither a driver nor a device can damage it.
 *
 * The slab of an object is found by the block's first page, which records that the block is a slab,
 * and its set, and points to the record. The pointer that is freed may be wrong or outdated, and
 * the call may race with the valid free of the same object. The record is therefore accessed and
 * destroyed only under the set's lock. Sets are numbered and never freed, so an outdated set number
 * still leads to a valid lock.
 *
 * Invariants, under the set's lock: a slab is on the partial list if and only if some but not all
 * of its objects are free, or it is new and about to be used. A slab whose objects are all free
 * returns its pages. Lock order: set, then band of the page allocator.
 */
#include "mem/slab.h"
#include "mem/page.h"
#include "mem/ram.h"
#include "mem/watch.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"

#include <string.h>

#define SLAB_OBJECTS_MIN 8 /* unless the block would be larger than SLAB_ORDER_MAX */
#define SLAB_ORDER_MAX	 6

struct slab_set slab_sets[SLAB_SETS];

static struct lock claim_lock = LOCK_INIT; /* guards which sets are in use */

struct slab {
	struct slab *next, *prev; /* in the partial list */
	struct slab_set *set;
	struct page *page;
	u64 free; /* bit i: object i is free */
};

void slab_set_init(struct slab_set *set, u32 size, gfp_t zone, void (*ctor)(void *))
{
	unsigned int order = 0;
	u64 n;

	size = (u32)align_up(size, SLAB_ALIGN);
	while (order < SLAB_ORDER_MAX && (PAGE_BYTES << order) / size < SLAB_OBJECTS_MIN)
		order++;
	n = min_u64((PAGE_BYTES << order) / size, SLAB_OBJECTS_MAX);
	set->order = (u16)order;
	set->objects = (u16)n;
	set->zone = zone;
	set->ctor = ctor;
	write_once(&set->size, size);
}

struct slab_set *slab_set_claim(u32 size, gfp_t zone, void (*ctor)(void *))
{
	struct slab_set *set;

	lock_acquire(&claim_lock);
	for (set = slab_sets + SLAB_SETS_KMALLOC; set < slab_sets + SLAB_SETS && set->size; set++)
		;
	if (set < slab_sets + SLAB_SETS)
		slab_set_init(set, size, zone, ctor);
	else
		set = NULL;
	lock_release(&claim_lock);
	return set ? set
		   : error_null(ENOMEM, "cannot make another object cache: there are %d now",
				SLAB_SETS - SLAB_SETS_KMALLOC);
}

int slab_set_release(struct slab_set *set)
{
	bool idle;

	lock_acquire(&claim_lock);
	lock_acquire(&set->lock);
	idle = !set->live;
	if (idle)
		set->size = 0;
	lock_release(&set->lock);
	lock_release(&claim_lock);
	return idle ? 0 : -EBUSY;
}

static u64 slab_all_free(const struct slab_set *set)
{
	return ~0ull >> (64 - set->objects);
}

static u8 *slab_object_at(const struct slab *s, unsigned int i)
{
	return (u8 *)page_ptr(s->page) + (u64)i * s->set->size;
}

static void slab_link(struct slab_set *set, struct slab *s)
{
	s->prev = NULL;
	s->next = set->partial;
	if (s->next)
		s->next->prev = s;
	set->partial = s;
}

static void slab_unlink(struct slab_set *set, struct slab *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		set->partial = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

static struct slab *slab_make(struct slab_set *set)
{
	struct slab *s = alloc_zeroed(sizeof(*s));

	if (!s)
		return NULL;
	s->page = block_alloc(set->zone, set->order, UINT64_MAX, PAGE_BUSY);
	if (!s->page) {
		alloc_free(s);
		return NULL;
	}
	s->set = set;
	s->free = slab_all_free(set);
	for (unsigned int i = 0; set->ctor && i < set->objects; i++)
		set->ctor(slab_object_at(s, i));
	poison_set(page_ptr(s->page), PAGE_BYTES << set->order);
	s->page->owner = s;
	block_set_kind(s->page, PAGE_SLAB, (unsigned int)(set - slab_sets));
	return s;
}

/* Called when the slab can no longer be found. */
static void slab_unmake(struct slab *s, struct page *page)
{
	block_free(page, PAGE_ORDER_ANY, PAGE_BUSY);
	alloc_free(s);
}

void *slab_take(struct slab_set *set, size_t size, gfp_t gfp)
{
	struct slab *s;
	unsigned int i;
	u8 *object;

	lock_acquire(&set->lock);
	s = set->partial;
	if (!s) {
		lock_release(&set->lock);
		s = slab_make(set);
		if (!s)
			return NULL;
		lock_acquire(&set->lock);
		slab_link(set, s);
	}
	i = (unsigned int)__builtin_ctzll(s->free);
	s->free &= s->free - 1;
	if (!s->free)
		slab_unlink(set, s);
	set->live++;
	object = slab_object_at(s, i);
	lock_release(&set->lock);
	poison_clear(object, size);
	return gfp & __GFP_ZERO ? memset(object, 0, asan_is_on() ? size : set->size) : object;
}

/* Returns the set of a slab's block, locked, or NULL if the block is not a slab any more. */
static struct slab_set *slab_set_of(struct page *head)
{
	u32 state = read_acquire(&head->state);
	struct slab_set *set;

	if (page_state_kind(state) != PAGE_SLAB)
		return NULL;
	set = &slab_sets[page_state_tag(state) % SLAB_SETS];
	lock_acquire(&set->lock);
	if (read_acquire(&head->state) == state)
		return set;
	lock_release(&set->lock);
	return NULL;
}

/* Returns the index of the live object at a pointer, or -1. Under the set's lock. */
static int slab_object_index(const struct slab *s, const void *object)
{
	u64 off = (u64)((const u8 *)object - (const u8 *)page_ptr(s->page));
	u64 i = off / s->set->size;

	if (i >= s->set->objects || off % s->set->size || s->free >> i & 1)
		return -1;
	return (int)i;
}

/* Returns the live object that contains the pointer, or NULL. Under the set's lock. */
static const void *slab_object_around(const struct slab *s, const void *p)
{
	u64 i = (u64)((const u8 *)p - (const u8 *)page_ptr(s->page)) / s->set->size;

	return i < s->set->objects && !(s->free >> i & 1) ? slab_object_at(s, (unsigned int)i)
							  : NULL;
}

u32 slab_object_size(struct page *head, const void *object)
{
	struct slab_set *set = slab_set_of(head);
	u32 size = 0;

	if (!set)
		return 0;
	if (slab_object_index(head->owner, object) >= 0)
		size = set->size;
	lock_release(&set->lock);
	return size;
}

/*
 * Marks object i as free. Returns true if the slab has no live object and can no longer be found.
 */
static bool slab_object_free(struct slab_set *set, struct slab *s, unsigned int i)
{
	bool was_full = !s->free;

	mem_watch_freeing(phys_of(slab_object_at(s, i)).v, set->size);
	poison_set(slab_object_at(s, i), set->size);
	s->free |= 1ull << i;
	set->live--;
	if (s->free != slab_all_free(set)) {
		if (was_full)
			slab_link(set, s);
		return false;
	}
	if (!was_full)
		slab_unlink(set, s);
	return true;
}

static int slab_refuse(const void *object, const char *why)
{
	return error_set(EINVAL, "cannot free %p: %s", object, why);
}

static int slab_refuse_inside(const void *p, const void *object)
{
	return error_set(EINVAL,
			 "cannot free %p: it points %zu bytes into the object that begins at %p: "
			 "free the address that the allocation returned",
			 p, (size_t)((const u8 *)p - (const u8 *)object), object);
}

int slab_give(struct page *head, void *object, const struct slab_set *only)
{
	struct slab_set *set = slab_set_of(head);
	const void *around = NULL;
	bool last = false;
	struct slab *s;
	int i;

	if (!set)
		return slab_refuse(object, "no live object is there; it was freed already");
	if (only && set != only) {
		lock_release(&set->lock);
		return slab_refuse(object, "it is an object of another cache");
	}
	s = head->owner;
	i = slab_object_index(s, object);
	if (i >= 0)
		last = slab_object_free(set, s, (unsigned int)i);
	else
		around = slab_object_around(s, object);
	if (last)
		block_set_kind(head, PAGE_BUSY, 0);
	lock_release(&set->lock);
	if (i < 0)
		return around ? slab_refuse_inside(object, around)
			      : slab_refuse(object,
					    "no live object is there; it was freed already");
	if (last)
		slab_unmake(s, head);
	return 0;
}

/*
 * The sets stay: kmalloc's, and those of caches that a child may continue to use. Their objects are
 * discarded.
 */
static void slab_fork_child(void)
{
	claim_lock = (struct lock)LOCK_INIT;
	for (struct slab_set *set = slab_sets; set < slab_sets + SLAB_SETS; set++) {
		if (!set->size)
			continue;
		set->lock = (struct lock)LOCK_INIT;
		fork_forget(&set->partial, sizeof(set->partial));
		set->live = 0;
	}
}

FORK_HOOK(slab_hook, NULL, NULL, slab_fork_child);
