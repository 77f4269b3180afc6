/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The application's side of an XSK ring in shared memory. The application is the producer of the TX
 * and the fill ring, and the consumer of the RX and the completion ring. `head` is the
 * application's index, which may not be published yet.
 */
#ifndef CLI_NET_RING_H
#define CLI_NET_RING_H

#include <dmamap/types.h>
#include <linux/if_xdp.h>

struct net_ring {
	u32 *producer, *consumer, *flags;
	void *desc;
	u32 mask, size;
	u32 head;  /* own index: of the next entry */
	u32 other; /* last value that was read of the other side's index */
};

/* Number of entries that may be filled, at most `want`. */
static inline u32 net_ring_room(struct net_ring *r, u32 want)
{
	u32 room = r->size - (r->head - r->other);

	if (room < want) {
		r->other = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
		room = r->size - (r->head - r->other);
	}
	return room < want ? room : want;
}

/* Number of entries that may be read, at most `want`. */
static inline u32 net_ring_ready(struct net_ring *r, u32 want)
{
	u32 n = r->other - r->head;

	if (n < want) {
		r->other = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
		n = r->other - r->head;
	}
	return n < want ? n : want;
}

static inline struct xdp_desc *net_ring_desc(struct net_ring *r, u32 i)
{
	return (struct xdp_desc *)r->desc + ((r->head + i) & r->mask);
}

static inline u64 *net_ring_addr(struct net_ring *r, u32 i)
{
	return (u64 *)r->desc + ((r->head + i) & r->mask);
}

static inline void net_ring_produce(struct net_ring *r, u32 n)
{
	r->head += n;
	__atomic_store_n(r->producer, r->head, __ATOMIC_RELEASE);
}

static inline void net_ring_consume(struct net_ring *r, u32 n)
{
	r->head += n;
	__atomic_store_n(r->consumer, r->head, __ATOMIC_RELEASE);
}

#endif
