/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was unmapped lately: rings that are overwritten, one for several threads each, so that a
 * later use can be told from one of what never was. Nobody relies on it being there.
 *
 * Where a mapping's memory stands in the store is far from the processor. So that nobody waits for
 * it, the shadow of the last one stays there, marked as over, until the thread's next call.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "check/shadow.h"

#define RINGS	   16
#define RING_LEN   512
#define LIST_MOST  16 /* segments of one scatterlist that are remembered */

static struct ring {
	struct lock lock cacheline;
	u64 next;
	struct past *past; /* NULL: none yet */
	struct shadow *leaving; /* NULL: none */
} rings[RINGS]; /* under their locks */

static struct ring *my_ring(void)
{
	static _Thread_local u32 mine; /* place + 1 */
	static u32 next; /* atomic */

	if (unlikely(!mine))
		mine = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % RINGS + 1;
	return &rings[mine - 1];
}

static void keep(struct ring *r, const struct past *p)
{
	r->past[r->next++ % RING_LEN] = *p;
}

/* Under the ring's lock. */
static void keep_all(struct ring *ring, const struct shadow *s, const struct stack *unmapped)
{
	struct past p = {.space = s->dma.space, .start = s->dma.start, .size = s->dma.size,
			 .dev = s->c->dev, .mapped = s->mapped, .unmapped = unmapped, .call = s->call,
			 .dir = s->dir};
	int saved, n = 0;

	if (unlikely(!ring->past)) {
		saved = errno;
		ring->past = alloc_array(RING_LEN, sizeof(*ring->past));
		errno = saved;
		if (!ring->past)
			return;
	}
	keep(ring, &p);
	for (struct range *r = s->dma.more; r && n < LIST_MOST; r = r->more)
		if (r->space != SPACE_PHYS) {
			p.start = r->start;
			p.size = r->size;
			keep(ring, &p);
			n++;
		}
}

void shadow_forget(struct shadow *s, const void *caller)
{
	const struct stack *unmapped = stack_take(caller);
	struct ring *ring = my_ring();
	struct shadow *drop = s;

	lock_take(&ring->lock);
	keep_all(ring, s, unmapped);
	/* a device that still uses it finds it in the store or here */
	store_remove(&s->dma);
	if (likely(s->phys.added && !s->dma.more)) {
		write_once(&s->over, true);
		drop = ring->leaving;
		ring->leaving = s;
	}
	lock_give(&ring->lock);
	if (unlikely(drop))
		shadow_drop(drop);
}

struct shadow *past_take(void)
{
	struct ring *ring = my_ring();
	struct shadow *s;

	lock_take(&ring->lock);
	s = ring->leaving;
	ring->leaving = NULL;
	lock_give(&ring->lock);
	if (s)
		store_remove(&s->phys);
	return s;
}

bool past_find(const struct check_device *c, u64 addr, struct past *out)
{
	bool found = false;

	for (int i = 0; i < RINGS && !found; i++) {
		struct ring *r = &rings[i];

		lock_take(&r->lock);
		/* the latest first */
		for (u64 k = 0; r->past && k < RING_LEN && k < r->next && !found; k++) {
			struct past *p = &r->past[(r->next - 1 - k) % RING_LEN];

			found = p->dev == c->dev && p->space == c->space && addr >= p->start &&
				addr - p->start < p->size;
			if (found)
				*out = *p;
		}
		lock_give(&r->lock);
	}
	return found;
}

void past_forget(const struct device *dev)
{
	for (int i = 0; i < RINGS; i++) {
		struct ring *r = &rings[i];

		lock_take(&r->lock);
		for (u64 k = 0; r->past && k < RING_LEN; k++)
			if (r->past[k].dev == dev)
				r->past[k] = (struct past){0};
		lock_give(&r->lock);
	}
}

void past_reset(void)
{
	for (int i = 0; i < RINGS; i++) {
		alloc_free(rings[i].past);
		rings[i] = (struct ring){0};
	}
}
