/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A single-producer, single-consumer ring in memory that the application maps, and the library's
 * private side of it. The application may write anything there at any time, so:
 *
 * - the library's own index is stored in struct xsk_ring; it is published in the shared memory and
 *   never read back from there;
 * - the other side's index is read once per use, and is valid only if it is within one ring's
 *   length of the library's index; otherwise the ring counts as empty (consuming) or full
 *   (producing);
 * - an entry is read once, at its index masked, into a local variable, and checked there.
 *
 * Indices wrap at 2^32; differences are computed modulo 2^32.
 */
#ifndef XSK_RING_H
#define XSK_RING_H

#include "base/compiler.h"
#include <net/xdp_sock.h>

#define RING_PRODUCER 0 /* offsets in the shared memory, in separate cache lines */
#define RING_CONSUMER 128
#define RING_FLAGS    196
#define RING_ENTRIES  320

struct xsk_ring {
	u32 index; /* the library's index: the next entry to consume or produce */
	u32 seen;  /* last valid index of the other side */
	u32 mask;  /* entries - 1 */
	/* the published index; in a completion ring, entries in [shown, index) are not complete */
	u32 shown;
	u64 *addr;	       /* entries of fill and completion ring */
	struct xdp_desc *desc; /* entries of RX and TX ring; the same address as `addr` */
	u32 *producer, *consumer, *flags;
	u64 invalid; /* refused entries; one writer, read by any thread */
	u64 empty;   /* number of times that no entry was available */
	size_t length;
};

/* Returns 0; -EINVAL: not a power of two; -ENOMEM. */
int ring_create(struct xsk_ring **ring, u32 entries, size_t entry_size, const char *name);
void ring_destroy(struct xsk_ring *ring); /* `ring` may be NULL */

hot_inline void *ring_base(const struct xsk_ring *r)
{
	return (char *)r->producer - RING_PRODUCER;
}

/*
 * Returns the number of entries to consume, at most `want`. Reads the producer index only if the
 * index that was read last leaves fewer.
 */
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

/* Returns the space to produce into, at most `want`. */
hot_inline u32 ring_space(struct xsk_ring *r, u32 want)
{
	u32 size = r->mask + 1, space = size - (r->index - r->seen);

	if (space < want) {
		u32 consumer = read_acquire(r->consumer), used = r->index - consumer;

		if (unlikely(used > size))
			return space < want ? space : want; /* an invalid index adds no space */
		r->seen = consumer;
		space = size - used;
	}
	return space < want ? space : want;
}

/* Publishes that entries were consumed. */
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

/* Entries that the application has not consumed, according to its index; for poll. */
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
