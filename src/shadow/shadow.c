/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shadows, and the memory of shadows, ranges and sub-buffers: slabs with free lists in arenas,
 * which threads share so that they seldom contend for one. The slabs are freed when the last
 * checked device is closed. The first slabs of an arena are small; the others are huge pages,
 * because a program with many mappings accesses them at random.
 */
#include "shadow/subbuf.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"

#include <linux/dma-mapping.h>
#include <stdio.h>
#include <string.h>

#define ARENAS	    16
#define SLAB_BYTES  65536
#define SLABS_SMALL 8

const char *const check_call_names[CALL_KINDS] = {
	[CALL_SINGLE] = "dma_map_single", [CALL_PAGE] = "dma_map_page",
	[CALL_PHYS] = "dma_map_phys",	  [CALL_RESOURCE] = "dma_map_resource",
	[CALL_SG] = "dma_map_sg",	  [CALL_COHERENT] = "dma_alloc_coherent",
	[CALL_PAGES] = "dma_alloc_pages", [CALL_NONCONTIGUOUS] = "dma_alloc_noncontiguous",
	[CALL_LINK] = "dma_iova_link",	  [CALL_RANGE] = "dma_iova_try_alloc",
};

struct shadow_slab {
	struct shadow_slab *next;
	u64 pad[7];
};

struct shadow_item {
	struct shadow_item *next;
};

enum item_kind { SHADOWS, RANGES, SUBBUFS, ITEM_KINDS };

static const size_t item_size[ITEM_KINDS] = {
	[SHADOWS] = (sizeof(struct shadow) + 63) & ~(size_t)63,
	[RANGES] = (sizeof(struct store_range) + 63) & ~(size_t)63,
	[SUBBUFS] = (sizeof(struct subbuf) + 63) & ~(size_t)63,
};

static struct shadow_arena {
	struct lock lock cacheline;
	struct shadow_slab *slabs;
	u32 n_slabs;
	struct shadow_item *free[ITEM_KINDS];
} arenas[ARENAS]; /* under their locks */

static _Thread_local bool paging, sharing;

static u64 lost;      /* atomic */
static u32 lost_said; /* atomic */

static struct shadow_arena *shadow_arena_mine(void)
{
	static _Thread_local u32 mine; /* index + 1 */
	static u32 next;	       /* atomic */

	if (unlikely(!mine))
		mine = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % ARENAS + 1;
	return &arenas[mine - 1];
}

/* Under the arena's lock. */
static struct shadow_item *shadow_arena_refill(struct shadow_arena *a, enum item_kind kind)
{
	bool small = a->n_slabs < SLABS_SMALL;
	size_t bytes = small ? SLAB_BYTES : ALLOC_HUGE;
	struct shadow_slab *slab = small ? alloc_aligned(64, bytes) : alloc_huge(bytes);
	u8 *at, *end;

	if (!slab)
		return NULL;
	slab->next = a->slabs;
	a->slabs = slab;
	a->n_slabs++;
	end = (u8 *)slab + bytes;
	for (at = (u8 *)(slab + 1); (size_t)(end - at) >= item_size[kind]; at += item_size[kind]) {
		struct shadow_item *it = (struct shadow_item *)at;

		it->next = a->free[kind];
		a->free[kind] = it;
	}
	return a->free[kind];
}

static void *shadow_arena_alloc(enum item_kind kind)
{
	struct shadow_arena *a = shadow_arena_mine();
	struct shadow_item *it;

	lock_acquire(&a->lock);
	it = a->free[kind];
	if (unlikely(!it))
		it = shadow_arena_refill(a, kind);
	if (likely(it))
		a->free[kind] = it->next;
	lock_release(&a->lock);
	return it;
}

static void shadow_arena_free(enum item_kind kind, void *p)
{
	struct shadow_arena *a = shadow_arena_mine();
	struct shadow_item *it = p;

	lock_acquire(&a->lock);
	it->next = a->free[kind];
	a->free[kind] = it;
	lock_release(&a->lock);
}

struct subbuf *shadow_subbuf_take(void)
{
	int saved = errno;
	struct subbuf *b = shadow_arena_alloc(SUBBUFS);

	errno = saved;
	return b;
}

void shadow_subbuf_give(struct subbuf *b)
{
	shadow_arena_free(SUBBUFS, b);
}

void check_paging(bool on)
{
	paging = on;
}

void check_sharing(bool on)
{
	sharing = on;
}

static void shadow_count_lost(void)
{
	__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
	if (!__atomic_exchange_n(&lost_said, 1, __ATOMIC_RELAXED))
		fprintf(stderr, "dmamap: check: no memory to record all mappings: some misuse will "
				"not be detected\n");
}

u64 shadow_lost(void)
{
	return read_once(&lost);
}

void shadow_found_lost(void)
{
	u64 n = read_once(&lost);

	while (n && !__atomic_compare_exchange_n(&lost, &n, n - 1, false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
		;
}

struct shadow *shadow_new(struct check_device *c, const struct check_mapping *m, const void *caller)
{
	int saved = errno;
	struct shadow *s = history_take();

	if (!s)
		s = shadow_arena_alloc(SHADOWS);
	if (unlikely(!s)) {
		shadow_count_lost();
		errno = saved;
		return NULL;
	}
	memset(&s->c, 0, sizeof(*s) - offsetof(struct shadow, c));
	s->c = c;
	s->attrs = m->attrs;
	s->call = (u8)m->call;
	s->dir = (u8)m->dir;
	s->asked = s->paged = paging;
	s->shared = sharing;
	s->dma =
		(struct store_range){.space = c->space, .start = m->addr, .size = m->size, .of = s};
	s->phys = (struct store_range){.space = SPACE_PHYS, .start = m->pa, .of = s};
	if (m->call != CALL_RESOURCE && m->call != CALL_RANGE && !(m->attrs & DMA_ATTR_MMIO))
		s->phys.size = m->size;
	if (m->call == CALL_RANGE)
		s->dma.space += SPACE_RANGES;
	s->mapped = stack_take(caller);
	return s;
}

void shadow_free(struct shadow *s)
{
	struct store_range *r, *next;

	for (r = s->dma.more; r; r = next) {
		next = r->more;
		shadow_arena_free(RANGES, r);
	}
	subbuf_free_all(s);
	shadow_arena_free(SHADOWS, s);
}

struct store_range *shadow_range(struct shadow *s, u64 space, u64 start, u64 size)
{
	struct store_range *r = shadow_arena_alloc(RANGES);

	if (!r)
		return NULL;
	*r = (struct store_range){
		.space = space, .start = start, .size = size, .of = s, .more = s->dma.more};
	s->dma.more = r;
	return r;
}

static void shadow_remove_ranges(struct shadow *s)
{
	store_remove(&s->dma);
	store_remove(&s->phys);
	for (struct store_range *r = s->dma.more; r; r = r->more)
		store_remove(r);
}

void shadow_drop_lost(struct shadow *s)
{
	shadow_free(s);
	shadow_count_lost();
}

int shadow_add(struct shadow *s)
{
	int saved = errno;
	/* add the device's range last, because a thread that finds it may claim the shadow */
	int err = s->phys.size ? store_add(&s->phys) : 0;

	for (struct store_range *r = s->dma.more; r && !err; r = r->more)
		err = store_add(r);
	if (!err)
		err = store_add(&s->dma);
	if (likely(!err))
		return 0;
	shadow_remove_ranges(s);
	errno = saved;
	return -1;
}

void shadow_drop(struct shadow *s)
{
	shadow_remove_ranges(s);
	shadow_free(s);
}

/* ---- finding ---- */

void shadow_copy(struct shadow_found *f, struct shadow *s)
{
	*f = (struct shadow_found){.any = true,
				   .s = s,
				   .c = s->c,
				   .mapped = s->mapped,
				   .start = s->dma.start,
				   .size = s->dma.size,
				   .pa = s->phys.start,
				   .pa_size = s->phys.size,
				   .attrs = s->attrs,
				   .nents = s->nents,
				   .call = s->call,
				   .dir = s->dir,
				   .asked = read_once(&s->asked),
				   .unsynced = read_once(&s->unsynced),
				   .paged = s->paged,
				   .shared = s->shared,
				   .gone = read_once(&s->gone)};
}

struct shadow_claim {
	struct check_device *c;
	const struct check_mapping *want;
	struct shadow_found *other;
	struct shadow *best;
	int score;
};

/*
 * Equal mappings of one address (policy=persistent) may differ only in whether dma_mapping_error()
 * was called. An unmap ends one for which it was called, because another thread may have just made
 * the other one.
 */
static int shadow_likeness(const struct shadow *s, const struct check_mapping *want)
{
	return 16 * (s->call == want->call) + 8 * (s->dma.size == want->size) +
	       4 * (s->dir == want->dir) + 2 * (s->attrs == want->attrs) + read_once(&s->asked);
}

/*
 * Every thread that claims a shadow holds the lock of the shard in which the mapping begins, except
 * for links: link.c claims them by any address in them.
 */
static bool shadow_try_claim(struct shadow *s)
{
	if (unlikely(s->call == CALL_LINK))
		return !__atomic_exchange_n(&s->claimed, true, __ATOMIC_ACQUIRE);
	if (read_once(&s->claimed))
		return false;
	write_once(&s->claimed, true);
	return true;
}

static bool shadow_claim_better(struct store_range *r, void *arg)
{
	struct shadow_claim *q = arg;
	struct shadow *s = r->of;
	int score;

	if (r != &s->dma || r->start != q->want->addr || s == q->best)
		return true;
	if (s->c != q->c) {
		shadow_copy(q->other, s);
		return true;
	}
	score = shadow_likeness(s, q->want);
	if ((q->best && score <= q->score) || !shadow_try_claim(s))
		return true;
	if (q->best)
		write_release(&q->best->claimed, false);
	q->best = s;
	q->score = score;
	return true;
}

struct shadow *shadow_claim(struct check_device *c, const struct check_mapping *want,
			    struct shadow_found *other)
{
	struct shadow_claim q = {.c = c, .want = want, .other = other};
	u64 space = c->space + (want->call == CALL_RANGE ? SPACE_RANGES : 0);

	store_search_start(space, want->addr, shadow_claim_better, &q);
	if (likely(q.best))
		store_expect(SPACE_PHYS, q.best->phys.start, q.best->dma.size);
	return q.best;
}

struct shadow_look {
	struct check_device *c;
	struct shadow_found *f;
	u64 addr, size;
	int score;
};

/* Prefers mappings of this device, then one that holds the whole range. */
static bool shadow_look_better(struct store_range *r, void *arg)
{
	struct shadow_look *q = arg;
	u64 left = r->start + r->size - q->addr;
	int score = 1 + 4 * (r->of->c == q->c) + 2 * (left >= q->size);

	if (r->start > q->addr || score <= q->score)
		return true;
	q->score = score;
	shadow_copy(q->f, r->of);
	q->f->start = r->start;
	q->f->size = r->size;
	return true;
}

void shadow_find(struct check_device *c, u64 space, u64 addr, u64 size, struct shadow_found *f)
{
	struct shadow_look q = {.c = c, .f = f, .addr = addr, .size = size};

	f->any = false;
	store_search(space, addr, 1, shadow_look_better, &q);
}

/* ---- reset ---- */

void shadow_reset(void)
{
	for (int i = 0; i < ARENAS; i++) {
		struct shadow_arena *a = &arenas[i];

		while (a->slabs) {
			struct shadow_slab *slab = a->slabs;

			a->slabs = slab->next;
			alloc_free(slab);
		}
		*a = (struct shadow_arena){0};
	}
	write_once(&lost, 0);
}

void shadow_forget_all(void)
{
	fork_forget(arenas, sizeof(arenas));
	write_once(&lost, 0);
}
