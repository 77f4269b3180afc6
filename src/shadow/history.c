/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The unmap history: rings whose oldest entries are overwritten. Several threads share a ring. With
 * the history a report distinguishes a use after unmap from a use of an address that was never
 * mapped. An entry may be missing, and no decision depends on it.
 *
 * A shadow and the slot of its memory in the store are usually not in the processor's cache. The
 * last shadow that a ring's threads unmapped therefore stays in the store until their next call,
 * and both are prefetched meanwhile. It is removed under the ring's lock, so history_settle()
 * cannot miss one that another thread is removing.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"
#include "shadow/shadow.h"

#define RINGS	  16
#define RING_LEN  512
#define LIST_MOST 16 /* maximum of recorded segments of one scatterlist */

static struct history_ring {
	struct lock lock cacheline;
	u64 next;
	struct shadow_history *history; /* NULL: not allocated yet */
	struct leaving {
		struct shadow *s; /* NULL: none */
		u32 place;	  /* store_place() of its memory; 0: not known */
	} leaving;
} rings[RINGS]; /* under their locks */

static struct history_ring *history_ring(void)
{
	static _Thread_local u32 mine; /* index + 1 */
	static u32 next;	       /* atomic */

	if (unlikely(!mine))
		mine = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % RINGS + 1;
	return &rings[mine - 1];
}

static struct shadow_history *history_next_entry(struct history_ring *r)
{
	return &r->history[r->next++ % RING_LEN];
}

/*
 * Makes `l` the ring's last shadow. Returns the previous one, after removing its memory from the
 * store; its device range was removed before. Under the ring's lock.
 */
static struct shadow *history_exchange_leaving(struct history_ring *ring, struct leaving l)
{
	struct leaving old = ring->leaving;

	ring->leaving = l;
	if (likely(old.s && old.place))
		store_remove_at(&old.s->phys, old.place);
	else if (old.s)
		store_remove(&old.s->phys);
	return old.s;
}

static struct shadow *history_take_leaving(struct history_ring *ring)
{
	struct shadow *s;

	lock_acquire(&ring->lock);
	s = history_exchange_leaving(ring, (struct leaving){0});
	lock_release(&ring->lock);
	return s;
}

static void history_free_shadow(struct shadow *s)
{
	if (unlikely(s))
		shadow_free(s);
}

/* Under the ring's lock. */
static void history_record(struct history_ring *ring, const struct shadow *s,
			   const struct stack *unmapped)
{
	struct shadow_history p = {.space = s->dma.space,
				   .start = s->dma.start,
				   .size = s->dma.size,
				   .dev = s->c->dev,
				   .mapped = s->mapped,
				   .unmapped = unmapped,
				   .call = s->call,
				   .dir = s->dir};
	int saved, n = 0;

	if (unlikely(!ring->history)) {
		saved = errno;
		ring->history = alloc_array(RING_LEN, sizeof(*ring->history));
		errno = saved;
		if (!ring->history)
			return;
	}
	*history_next_entry(ring) = p;
	for (struct store_range *r = s->dma.more; r && n < LIST_MOST; r = r->more)
		if (r->space != SPACE_PHYS) {
			p.start = r->start;
			p.size = r->size;
			*history_next_entry(ring) = p;
			n++;
		}
}

void shadow_forget(struct shadow *s, const void *caller)
{
	const struct stack *unmapped = stack_take(caller);
	struct history_ring *ring = history_ring();
	struct shadow *old = NULL;
	bool simple = !s->dma.more;

	lock_acquire(&ring->lock);
	history_record(ring, s, unmapped);
	/* a concurrent access of the device finds it in the store or in the history */
	store_remove(&s->dma);
	if (likely(simple))
		old = history_exchange_leaving(ring, (struct leaving){.s = s});
	lock_release(&ring->lock);
	history_free_shadow(old);
	if (unlikely(!simple))
		shadow_drop(s);
}

bool shadow_end_fingerprint(struct check_device *c, const struct check_mapping *m, u32 fingerprint,
			    const void *caller)
{
	const struct stack *unmapped = stack_take(caller);
	struct history_ring *ring = history_ring();
	struct shadow *old = NULL;
	struct store_range *r = NULL;
	struct leaving now;

	store_expect(c->space, m->addr, m->size);
	lock_acquire(&ring->lock);
	if (likely(ring->history))
		r = store_take_fingerprint(c->space, m->addr, m->size, fingerprint, &now.place);
	if (likely(r)) {
		now.s = container_of(r, struct shadow, dma);
		*history_next_entry(ring) =
			(struct shadow_history){.space = c->space,
						.start = m->addr,
						.size = m->size,
						.dev = c->dev,
						.mapped = unmapped ? now.s->mapped : NULL,
						.unmapped = unmapped,
						.call = (u8)m->call,
						.dir = (u8)m->dir};
		old = history_exchange_leaving(ring, now);
	}
	lock_release(&ring->lock);
	history_free_shadow(old);
	return r;
}

void history_settle(void)
{
	for (int i = 0; i < RINGS; i++)
		history_free_shadow(history_take_leaving(&rings[i]));
}

struct shadow *history_take(void)
{
	return history_take_leaving(history_ring());
}

bool history_find(const struct check_device *c, u64 addr, u64 size, struct shadow_history *out)
{
	bool found = false;

	for (int i = 0; i < RINGS && !found; i++) {
		struct history_ring *r = &rings[i];

		lock_acquire(&r->lock);
		/* from the latest entry on */
		for (u64 k = 0; r->history && k < RING_LEN && k < r->next && !found; k++) {
			struct shadow_history *p = &r->history[(r->next - 1 - k) % RING_LEN];

			found = p->dev == c->dev && p->space == c->space &&
				(addr >= p->start ? addr - p->start < p->size
						  : p->start - addr < size);
			if (found)
				*out = *p;
		}
		lock_release(&r->lock);
	}
	return found;
}

void check_provenance(struct check_device *c, dma_addr_t addr, const char *made, const char *ended,
		      struct check_history *history)
{
	struct shadow_history was;
	struct shadow_found f;

	*history = (struct check_history){.what = {made, ended}};
	shadow_find(c, c->space, addr, 1, &f);
	if (f.any) {
		history->at[0] = f.mapped;
	} else if (history_find(c, addr, 1, &was)) {
		history->at[0] = was.mapped;
		history->at[1] = was.unmapped;
	}
}

void history_forget(const struct device *dev)
{
	for (int i = 0; i < RINGS; i++) {
		struct history_ring *r = &rings[i];

		lock_acquire(&r->lock);
		for (u64 k = 0; r->history && k < RING_LEN; k++)
			if (r->history[k].dev == dev)
				r->history[k] = (struct shadow_history){0};
		lock_release(&r->lock);
	}
}

void history_reset(void)
{
	for (int i = 0; i < RINGS; i++) {
		alloc_free(rings[i].history);
		rings[i] = (struct history_ring){0};
	}
}

void history_forget_all(void)
{
	fork_forget(rings, sizeof(rings));
}
