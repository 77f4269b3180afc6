/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors to transmit, from the TX rings of a pool's sockets. A descriptor is read once into
 * the library's memory and checked there. A packet of several descriptors is taken as a whole, when
 * its last descriptor has arrived and the completion ring has space for all of them. An invalid
 * packet is skipped to its end, counted once, and not completed.
 *
 * An entry of the completion ring is written when a descriptor is taken, and published when the
 * driver completes it: `index` counts the former, `shown` the latter. The driver completes by
 * number, oldest first, so it must receive every descriptor that has an entry: a packet that is
 * passed to the driver one descriptor at a time (pool.packet) outlives its socket.
 *
 * Everything here belongs to the one thread of the transmitting side. In copy mode it may be any
 * thread, under pool.tx_lock.
 */
#include "xsk/xsk.h"

#define TURN 32 /* packets of one socket before the next socket is served */

static bool tx_desc_fits(const struct xsk_buff_pool *pool, u64 addr, u64 len)
{
	u64 meta = pool->tx_metadata_len;

	if (addr < meta)
		return false;
	addr -= meta;
	len += meta;
	if (pool->unaligned)
		return len <= pool->chunk_size && range_within(addr, len, pool->addrs_cnt) &&
		       !xp_desc_crosses_non_contig_pg((struct xsk_buff_pool *)(uintptr_t)pool, addr,
						      (u32)len);
	return addr < pool->addrs_cnt &&
	       range_within(addr & ~pool->chunk_mask, len, pool->chunk_size);
}

hot_inline bool tx_desc_valid(const struct xsk_buff_pool *pool, const struct xdp_desc *d)
{
	u64 addr = pool->unaligned ? xp_unaligned_add_offset_to_addr(d->addr) : d->addr;
	u32 known = XDP_PKT_CONTD | XDP_TX_METADATA;

	return d->len && !(d->options & ~known) && tx_desc_fits(pool, addr, d->len) &&
	       (!(d->options & XDP_TX_METADATA) || pool->tx_metadata_len);
}

hot_inline void tx_read_desc(const struct xsk_ring *tx, u32 index, struct xdp_desc *d)
{
	const struct xdp_desc *from = &tx->desc[index & tx->mask];

	d->addr = read_once(&from->addr);
	d->len = read_once(&from->len);
	d->options = read_once(&from->options);
}

/* Skips the rest of a refused packet. Returns false if its end has not arrived yet. */
static slow_path bool tx_skip_packet(struct xdp_sock *xs, u32 entries)
{
	struct xdp_desc d;

	while (xs->skipping && entries--) {
		tx_read_desc(xs->tx, xs->tx->index++, &d);
		xs->skipping = d.options & XDP_PKT_CONTD;
	}
	return !xs->skipping;
}

/* Refuses a packet whose n-th descriptor, the last one read, is invalid or exceeds the maximum. */
static slow_path void tx_refuse_packet(struct xdp_sock *xs, u32 n, const struct xdp_desc *last)
{
	xs->tx->index += n;
	xs->skipping = last->options & XDP_PKT_CONTD;
	count_add(&xs->tx->invalid, 1);
}

/*
 * Reads one packet into out, which has space for `limit` descriptors. Returns its length; 0: there
 * is no complete packet, or no space for it; -1: a packet was refused, there may be more behind it.
 */
hot_inline int tx_read_packet(struct xsk_pool *p, struct xdp_sock *xs, struct xdp_desc *out,
			      u32 limit)
{
	u32 max = p->pub.xdp_zc_max_segs, entries;

	if (unlikely(xs->skipping) && !tx_skip_packet(xs, ring_entries(xs->tx, xs->tx->mask + 1)))
		return 0;
	entries = ring_entries(xs->tx, max);
	for (u32 n = 0; n < entries && n < limit; n++) {
		tx_read_desc(xs->tx, xs->tx->index + n, &out[n]);
		if (unlikely(!tx_desc_valid(&p->pub, &out[n]) ||
			     ((out[n].options & XDP_PKT_CONTD) && n + 1 == max))) {
			tx_refuse_packet(xs, n + 1, &out[n]);
			return -1;
		}
		if (likely(!(out[n].options & XDP_PKT_CONTD)))
			return (int)n + 1;
	}
	return 0;
}

/*
 * Takes the packet that was read: removes it from the TX ring and reserves its entries in the
 * completion ring.
 */
hot_inline void tx_take_packet(struct xsk_pool *p, struct xdp_sock *xs, const struct xdp_desc *d,
			       u32 n)
{
	for (u32 i = 0; i < n; i++)
		write_once(&p->cq->addr[p->cq->index++ & p->cq->mask], d[i].addr);
	xs->tx->index += n;
}

u32 tx_packet(struct xsk_pool *p, struct xdp_sock *xs, struct xdp_desc *out, u32 limit)
{
	/* every refused packet is at least one entry, so bound the loop by the ring's length */
	for (u32 tries = 0; tries <= xs->tx->mask; tries++) {
		int n = tx_read_packet(p, xs, out, limit);

		if (n < 0)
			continue;
		if (!n || ring_space(p->cq, (u32)n) < (u32)n)
			return 0;
		tx_take_packet(p, xs, out, (u32)n);
		return (u32)n;
	}
	return 0;
}

/* Returns the socket to serve, or NULL. */
static struct xdp_sock *tx_next_socket(struct xsk_pool *p)
{
	struct xdp_sock *xs = read_acquire(&p->tx_socks);

	while (xs && xs != p->tx_turn)
		xs = read_acquire(&xs->tx_next);
	if (xs && p->tx_budget)
		return xs;
	/* the socket is gone or its budget is used: continue with the next one, or the first */
	xs = xs ? read_acquire(&xs->tx_next) : NULL;
	xs = xs ? xs : read_acquire(&p->tx_socks);
	p->tx_turn = xs;
	p->tx_budget = TURN;
	return xs;
}

/*
 * Copies the rest of a packet of which the driver has taken a part. Returns the number of
 * descriptors.
 */
static u32 tx_give_rest(struct xsk_pool *p, struct xdp_desc *out, u32 limit)
{
	u32 n = 0;

	while (p->packet_at < p->packet_n && n < limit)
		out[n++] = p->packet[p->packet_at++];
	return n;
}

bool tx_next(struct xsk_pool *p, struct xdp_desc *desc)
{
	struct xdp_sock *xs;

	if (tx_give_rest(p, desc, 1))
		return true;
	xs = tx_next_socket(p);
	for (u32 i = read_acquire(&p->tx_n); xs && i; i--) {
		p->packet_at = 0;
		p->packet_n = tx_packet(p, xs, p->packet, TX_PACKET_MAX);
		if (p->packet_n) {
			p->tx_budget--;
			return tx_give_rest(p, desc, 1) == 1;
		}
		count_add(&xs->tx->empty, 1);
		p->tx_budget = 0;
		xs = tx_next_socket(p);
	}
	return false;
}

bool xsk_tx_peek_desc(struct xsk_buff_pool *pool, struct xdp_desc *desc)
{
	struct xsk_pool *p = pool_of(pool);
	bool found;

	grace_enter(&p->tx);
	found = tx_next(p, desc);
	grace_exit(&p->tx);
	return found;
}

static void tx_release_one(struct xdp_sock *xs)
{
	void (*ready)(struct xdp_sock *, u32, void *);

	if (xs->tx->shown == xs->tx->index)
		return;
	ring_publish_consumer(xs->tx);
	ready = read_acquire(&xs->ready);
	if (ready)
		ready(xs, XDP_WAKEUP_TX, xs->ready_arg);
}

void xsk_tx_release(struct xsk_buff_pool *pool)
{
	struct xsk_pool *p = pool_of(pool);

	grace_enter(&p->tx);
	for (struct xdp_sock *xs = read_acquire(&p->tx_socks); xs; xs = read_acquire(&xs->tx_next))
		tx_release_one(xs);
	grace_exit(&p->tx);
}

/* One socket: adds its packets directly to the list, after the n descriptors in it. */
static u32 tx_batch_one(struct xsk_pool *p, struct xdp_sock *xs, u32 n, u32 max)
{
	struct xdp_desc *out = p->pub.tx_descs;
	u32 got;

	while (n < max && (got = tx_packet(p, xs, out + n, max - n)))
		n += got;
	if (!n)
		count_add(&xs->tx->empty, 1);
	tx_release_one(xs);
	return n;
}

static u32 tx_batch_many(struct xsk_pool *p, u32 n, u32 max)
{
	for (u32 left = read_acquire(&p->tx_n), got; left && n < max; left--) {
		struct xdp_sock *xs = tx_next_socket(p);

		if (!xs)
			break;
		for (u32 i = 0; i < TURN && n < max; i++, n += got) {
			got = tx_packet(p, xs, p->pub.tx_descs + n, max - n);
			if (!got)
				break;
		}
		p->tx_budget = 0;
		tx_release_one(xs);
	}
	return n;
}

u32 xsk_tx_peek_release_desc_batch(struct xsk_buff_pool *pool, u32 max)
{
	struct xsk_pool *p = pool_of(pool);
	struct xdp_sock *xs;
	u32 n;

	max = (u32)min_u64(max, pool->tx_descs_cnt);
	grace_enter(&p->tx);
	n = tx_give_rest(p, pool->tx_descs, max);
	xs = read_acquire(&p->tx_socks);
	if (likely(xs && !read_acquire(&xs->tx_next)))
		n = tx_batch_one(p, xs, n, max);
	else if (xs)
		n = tx_batch_many(p, n, max);
	grace_exit(&p->tx);
	return n;
}

void xsk_tx_completed(struct xsk_buff_pool *pool, u32 nb_entries)
{
	struct xsk_ring *cq = pool_of(pool)->cq;

	/* never more than were taken, whatever number the driver passes */
	cq->shown += (u32)min_u64(nb_entries, cq->index - cq->shown);
	write_release(cq->producer, cq->shown);
}
