/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sub-buffers of mappings; subbuf.h defines them.
 *
 * Two threads may sync two parts of one mapping at once, each under the lock of another shard of
 * the store. The list of a shadow is therefore also guarded by one of subbuf_locks, chosen by the
 * shadow's address. Lock order: a shard of the store, then a lock of this file, then an arena.
 */
#include "shadow/subbuf.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/math.h"

#include <linux/dma-mapping.h>
#include <string.h>

#define SUBBUF_LOCKS 64

static struct lock subbuf_locks[SUBBUF_LOCKS];

static struct lock *subbuf_lock_of(const struct shadow *s)
{
	return &subbuf_locks[(uintptr_t)s / sizeof(*s) % SUBBUF_LOCKS];
}

bool subbuf_begins_as_cpu(unsigned int call, unsigned long attrs)
{
	return (attrs & DMA_ATTR_SKIP_CPU_SYNC) || call == CALL_PAGES || call == CALL_NONCONTIGUOUS;
}

bool subbuf_is_watched(const struct shadow *s)
{
	return !s->shared || !s->c->coherent || read_once(&s->c->own);
}

static bool subbuf_overlaps(const struct subbuf *b, u64 from, u64 end)
{
	return b->from < end && from < b->end;
}

/* Whether the device owns all of it, as far as is known. */
static bool subbuf_is_device_owned(const struct subbuf *b)
{
	return b->cpu_from >= b->cpu_end && !b->forgot;
}

/* Removes [from, end) from an interval. Returns false, without a change, if it is in the middle. */
static bool subbuf_cut(u64 *start, u64 *stop, u64 from, u64 end)
{
	if (from <= *start)
		*start = min_u64(max_u64(end, *start), *stop);
	else if (end >= *stop)
		*stop = min_u64(from, *stop);
	else
		return false;
	return true;
}

/* ---- the list of a shadow, under its lock ---- */

static void subbuf_unlink(struct shadow *s, struct subbuf **link)
{
	struct subbuf *b = *link;

	*link = b->next;
	s->n_subbufs--;
	shadow_subbuf_give(b);
}

/*
 * Adds [from, end), which overlaps no other sub-buffer. Returns NULL if there are too many, or no
 * memory.
 */
static struct subbuf *subbuf_insert(struct shadow *s, u64 from, u64 end)
{
	struct subbuf *b = s->n_subbufs < SUBBUF_MOST ? shadow_subbuf_take() : NULL, **link;

	if (!b) {
		s->subbufs_lost = true;
		return NULL;
	}
	for (link = &s->subbufs; *link && (*link)->from < from; link = &(*link)->next)
		;
	*b = (struct subbuf){.next = *link, .from = from, .end = end};
	*link = b;
	s->n_subbufs++;
	return b;
}

/* The CPU becomes the owner of [from, end), which overlaps no sub-buffer. */
static void subbuf_take_gap(struct shadow *s, u64 from, u64 end)
{
	struct subbuf *b;

	for (b = s->subbufs; b && b->end != from; b = b->next)
		;
	if (!b || b->handed || b->cpu_end != from) {
		b = subbuf_insert(s, from, end);
		if (!b)
			return;
		b->cpu_from = from;
	}
	b->end = b->cpu_end = end;
}

static void subbuf_take_part(struct subbuf *b, u64 from, u64 end)
{
	from = max_u64(from, b->from);
	end = min_u64(end, b->end);
	if (b->cpu_from < b->cpu_end && from <= b->cpu_end && b->cpu_from <= end) {
		from = min_u64(from, b->cpu_from);
		end = max_u64(end, b->cpu_end);
	} else if (b->cpu_from < b->cpu_end) {
		b->forgot = true;
	}
	b->cpu_from = from;
	b->cpu_end = end;
}

/*
 * Detects a sync that begins in one sub-buffer and ends inside another one, which was handed over
 * by a sync of its own. A sync that ends where a sub-buffer ends is a correct sync of several.
 */
static void subbuf_find_overrun(const struct shadow *s, u64 from, u64 end,
				struct subbuf_overrun *overrun)
{
	const struct subbuf *first, *last;

	if (!subbuf_begins_as_cpu(s->call, s->attrs))
		return;
	for (first = s->subbufs; first && first->end <= from; first = first->next)
		;
	if (!first || !first->handed || first->from > from || first->end >= end)
		return;
	for (last = first->next; last && last->end <= end; last = last->next)
		;
	if (!last || !last->handed || last->from >= end || !subbuf_is_device_owned(last))
		return;
	*overrun = (struct subbuf_overrun){.any = true, .end = first->end, .given = last->given};
}

void subbuf_to_cpu(struct shadow *s, u64 from, u64 end, struct subbuf_overrun *overrun)
{
	struct lock *lock = subbuf_lock_of(s);
	u64 at = from;

	lock_acquire(lock);
	subbuf_find_overrun(s, from, end, overrun);
	if (overrun->any)
		end = overrun->end;
	for (struct subbuf *b = s->subbufs, *next; b && b->from < end; b = next) {
		next = b->next;
		if (!subbuf_overlaps(b, from, end))
			continue;
		subbuf_take_part(b, from, end);
		if (at < b->from)
			subbuf_take_gap(s, at, b->from);
		at = b->end;
	}
	if (at < end)
		subbuf_take_gap(s, at, end);
	subbuf_cut(&s->wrote_from, &s->wrote_end, from, end);
	lock_release(lock);
}

/*
 * Removes [from, end) from a part that the CPU owns and that is not a sub-buffer. Returns true if
 * nothing is left.
 */
static bool subbuf_trim(struct shadow *s, struct subbuf *b, u64 from, u64 end)
{
	struct subbuf *rest;

	if (!subbuf_cut(&b->from, &b->end, from, end)) {
		rest = subbuf_insert(s, end, b->end);
		if (rest) {
			rest->cpu_from = rest->from;
			rest->cpu_end = rest->end;
		}
		b->end = from;
	}
	b->cpu_from = b->from;
	b->cpu_end = b->end;
	return b->from >= b->end;
}

/*
 * The CPU returns a part of what it owns of a sub-buffer, which stays. Returns false if it is not
 * such a part.
 */
static bool subbuf_return_part(struct shadow *s, struct subbuf **link, u64 from, u64 end,
			       const struct stack *given)
{
	struct subbuf *b = *link;

	if (from < b->cpu_from || end > b->cpu_end ||
	    (!b->handed && subbuf_begins_as_cpu(s->call, s->attrs)))
		return false;
	b->given = given;
	if (!b->handed) {
		if (subbuf_trim(s, b, from, end))
			subbuf_unlink(s, link);
	} else if (!subbuf_cut(&b->cpu_from, &b->cpu_end, from, end)) {
		b->forgot = true;
		b->cpu_from = end;
	}
	return true;
}

/* Removes the sub-buffers that overlap [from, end), and widens [*first, *last) to them. */
static void subbuf_end_all(struct shadow *s, u64 from, u64 end, u64 *first, u64 *last)
{
	struct subbuf **link = &s->subbufs;

	while (*link && (*link)->from < end) {
		struct subbuf *b = *link;

		if (!subbuf_overlaps(b, from, end) ||
		    (!b->handed && !subbuf_trim(s, b, from, end))) {
			link = &b->next;
			continue;
		}
		if (b->handed) {
			*first = min_u64(*first, b->from);
			*last = max_u64(*last, b->end);
		}
		subbuf_unlink(s, link);
	}
}

/*
 * Whether the CPU returns what it owns of a sub-buffer, or a part of that. Returns false if it
 * hands over another range.
 */
static bool subbuf_is_return(struct shadow *s, u64 from, u64 end, const struct stack *given)
{
	struct subbuf **link = &s->subbufs;

	while (*link && (*link)->end <= from)
		link = &(*link)->next;
	return *link && subbuf_return_part(s, link, from, end, given);
}

void subbuf_to_device(struct shadow *s, u64 *from, u64 *end, const struct stack *given)
{
	struct lock *lock = subbuf_lock_of(s);
	u64 first = *from, last = *end;
	struct subbuf *b = NULL;

	lock_acquire(lock);
	subbuf_cut(&s->wrote_from, &s->wrote_end, first, last);
	if (!subbuf_is_return(s, first, last, given)) {
		subbuf_end_all(s, first, last, from, end);
		/* in a plain mapping the device owns everything that the CPU does not */
		if (subbuf_begins_as_cpu(s->call, s->attrs) && !s->shared)
			b = subbuf_insert(s, first, last);
		if (b) {
			b->given = given;
			b->handed = true;
		}
	}
	lock_release(lock);
}

/* ---- queries ---- */

bool subbuf_widen(const struct shadow *s, u64 *from, u64 *end)
{
	struct lock *lock = subbuf_lock_of(s);
	u64 first = *from, last = *end;
	bool any = false;

	lock_acquire(lock);
	for (const struct subbuf *b = s->subbufs; b; b = b->next)
		if (b->handed && subbuf_overlaps(b, first, last)) {
			*from = min_u64(*from, b->from);
			*end = max_u64(*end, b->end);
			any = true;
		}
	lock_release(lock);
	return any;
}

bool subbuf_cpu_has(const struct shadow *s, u64 from, u64 end)
{
	struct lock *lock = subbuf_lock_of(s);
	bool has = false;

	lock_acquire(lock);
	for (const struct subbuf *b = s->subbufs; b && !has; b = b->next)
		has = !subbuf_is_device_owned(b) && b->cpu_from < end && from < b->cpu_end;
	lock_release(lock);
	return has;
}

bool subbuf_cpu_may_use(const struct shadow *s, u64 from, u64 end)
{
	struct lock *lock = subbuf_lock_of(s);
	bool taken = false, device = false, any = false;

	lock_acquire(lock);
	for (const struct subbuf *b = s->subbufs; b; b = b->next)
		if (subbuf_overlaps(b, from, end)) {
			any = true;
			device |= subbuf_is_device_owned(b);
			taken |= !subbuf_is_device_owned(b);
		}
	lock_release(lock);
	if (device)
		return false;
	/* bytes around those of a sync belong to the same packet: its headroom and its padding */
	return taken || s->subbufs_lost || (subbuf_begins_as_cpu(s->call, s->attrs) && !any);
}

void subbuf_wrote(struct shadow *s, u64 from, u64 end)
{
	struct lock *lock = subbuf_lock_of(s);

	lock_acquire(lock);
	if (s->wrote_from < s->wrote_end) {
		from = min_u64(from, s->wrote_from);
		end = max_u64(end, s->wrote_end);
	}
	s->wrote_from = from;
	s->wrote_end = end;
	lock_release(lock);
}

bool subbuf_was_written(const struct shadow *s, u64 from, u64 end)
{
	struct lock *lock = subbuf_lock_of(s);
	bool written;

	lock_acquire(lock);
	written = s->wrote_from < s->wrote_end && from < s->wrote_end && s->wrote_from < end;
	lock_release(lock);
	return written;
}

void subbuf_free_all(struct shadow *s)
{
	while (s->subbufs)
		subbuf_unlink(s, &s->subbufs);
}

static void subbuf_fork_child(void)
{
	memset(subbuf_locks, 0, sizeof(subbuf_locks));
}

FORK_HOOK(subbuf_hook, NULL, NULL, subbuf_fork_child);
