/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A single-producer, single-consumer ring in memory that the application maps, and our private
 * side of it. The application may write anything there at any time, so:
 *
 *  - our own index is kept here; in shared memory it is only published, never read back;
 *  - the other side's index is read once per use, and counts only if it lies within one ring's
 *    length of ours: else the ring is taken as empty (consuming) or full (producing);
 *  - an entry is read once, through the mask, into a variable of ours, and checked there.
 *
 * Indices run through 2^32; differences are taken modulo that.
 */
#ifndef XSK_RING_H
#define XSK_RING_H

#include "base/compiler.h"
#include <net/xdp_sock.h>

/*
 * Offsets in the shared memory: those that Linux reports by XDP_MMAP_OFFSETS on machines with cache
 * lines of 64 bytes, so that a program may map either kind of ring in the same place.
 */
#define RING_PRODUCER 0
#define RING_CONSUMER 128
#define RING_FLAGS    196
#define RING_ENTRIES  320

struct xsk_ring {
	u32 index; /* ours: the next entry to consume, or to produce */
	u32 seen;  /* consuming: the producer index last believed; producing: the consumer's */
	u32 mask;  /* entries - 1 */
	u32 shown; /* of our index, what was published; in a completion ring the rest is under way
		    */
	u64 *addr; /* entries of fill and completion ring */
	struct xdp_desc *desc; /* entries of RX and TX ring: the same pointer */
	u32 *producer, *consumer, *flags;
	u64 invalid; /* entries refused; one writer each, read by anybody */
	u64 empty;   /* asked for an entry in vain */
	size_t length;
};

/* 0; -EINVAL: 0 entries or no power of two; -ENOMEM. */
int ring_create(struct xsk_ring **ring, u32 entries, size_t entry_size, const char *name);
void ring_destroy(struct xsk_ring *ring); /* NULL is fine */

hot_inline void *ring_base(const struct xsk_ring *r)
{
	return (char *)r->producer - RING_PRODUCER;
}

/* Entries to consume, at most `want`; looks at the producer only when it knows of fewer. */
hot_inline u32 ring_entries(struct xsk_ring *r, u32 want)
{
	u32 n = r->seen - r->index;

	if (n < want) {
		u32 producer = read_acquire(r->producer);

		n = producer - r->index;
		if (unlikely(n > r->mask + 1))
			n = 0, producer = r->index;
		r->seen = producer;
	}
	return n < want ? n : want;
}

/* Room to produce into, at most `want`. */
hot_inline u32 ring_room(struct xsk_ring *r, u32 want)
{
	u32 size = r->mask + 1, room = size - (r->index - r->seen);

	if (room < want) {
		u32 consumer = read_acquire(r->consumer), used = r->index - consumer;

		if (unlikely(used > size))
			return room < want ? room : want; /* not to be believed: nothing new */
		r->seen = consumer;
		room = size - used;
	}
	return room < want ? room : want;
}

/* Gives consumed entries back. */
hot_inline void ring_publish_consumer(struct xsk_ring *r)
{
	r->shown = r->index;
	write_release(r->consumer, r->index);
}

hot_inline void ring_publish_producer(struct xsk_ring *r)
{
	r->shown = r->index;
	write_release(r->producer, r->index);
}

/* Entries that the application has not taken yet, as it says itself; for poll. */
hot_inline u32 ring_unread(const struct xsk_ring *r)
{
	u32 n = read_once(r->producer) - read_once(r->consumer);

	return n > r->mask + 1 ? r->mask + 1 : n;
}

hot_inline void ring_set_need_wakeup(struct xsk_ring *r, bool need)
{
	write_release(r->flags, need ? XDP_RING_NEED_WAKEUP : 0);
}

#endif
