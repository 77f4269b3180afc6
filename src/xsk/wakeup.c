/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wake-ups in both directions: the flags by which a driver requests a wake-up, and the
 * application's sendto() and recvfrom(). In copy mode these calls transmit the packets themselves.
 *
 * The flag of every TX ring equals the pool's need_wakeup, also while sockets join: both change
 * under flags_lock. Otherwise a socket that joins while the driver goes to sleep could keep a
 * cleared flag, and its application would never wake the driver.
 */
#include "base/alloc.h"
#include "xsk/xsk.h"

#include <string.h>

/*
 * The thread is in a wake-up. A signal handler that interrupts it there must not wait for a lock
 * that the interrupted code holds.
 */
static __thread bool waking;

#define SEND_AT_ONCE 32 /* packets of one call in copy mode */
#define SCRATCH	     (TX_PACKET_MAX * PAGE_BYTES)

static void wakeup_set_tx_flags(struct xsk_pool *p, bool need)
{
	for (struct xdp_sock *xs = read_acquire(&p->tx_socks); xs; xs = read_acquire(&xs->tx_next))
		ring_set_need_wakeup(xs->tx, need);
}

static void wakeup_set_need(struct xsk_buff_pool *pool, u32 what, bool need)
{
	struct xsk_pool *p = pool_of(pool);
	u32 had = read_once(&p->need_wakeup);

	if (!(had & what) == !need)
		return;
	lock_acquire(&p->flags_lock);
	had = read_once(&p->need_wakeup);
	write_release(&p->need_wakeup, need ? had | what : had & ~what);
	if (pool->uses_need_wakeup && what == XDP_WAKEUP_RX)
		ring_set_need_wakeup(p->fq, need);
	else if (pool->uses_need_wakeup)
		wakeup_set_tx_flags(p, need);
	lock_release(&p->flags_lock);
}

void wakeup_reset(struct xsk_pool *p)
{
	lock_acquire(&p->flags_lock);
	write_release(&p->need_wakeup, XDP_WAKEUP_TX);
	if (p->fq)
		ring_set_need_wakeup(p->fq, false);
	wakeup_set_tx_flags(p, p->pub.uses_need_wakeup);
	lock_release(&p->flags_lock);
}

void xsk_set_rx_need_wakeup(struct xsk_buff_pool *pool)
{
	wakeup_set_need(pool, XDP_WAKEUP_RX, true);
}

void xsk_clear_rx_need_wakeup(struct xsk_buff_pool *pool)
{
	wakeup_set_need(pool, XDP_WAKEUP_RX, false);
}

void xsk_set_tx_need_wakeup(struct xsk_buff_pool *pool)
{
	wakeup_set_need(pool, XDP_WAKEUP_TX, true);
}

void xsk_clear_tx_need_wakeup(struct xsk_buff_pool *pool)
{
	wakeup_set_need(pool, XDP_WAKEUP_TX, false);
}

/*
 * Computes the Internet checksum that the metadata requests, and stores it in the copy of the
 * packet. A sum of 0 is stored as 0xffff: the two are equal in one's complement, and in UDP a field
 * of 0 means that there is no checksum (RFC 768).
 */
static void wakeup_fill_checksum(char *packet, u32 len, u32 start, u32 offset)
{
	u32 sum = 0;

	if (start >= len || offset + 2u > len - start)
		return;
	for (u32 i = start; i < len; i++)
		sum += (u32)(u8)packet[i] << ((i - start) & 1 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = sum == 0xffff ? sum : ~sum;
	packet[start + offset] = (char)(sum >> 8);
	packet[start + offset + 1] = (char)sum;
}

/* Gathers a packet's descriptors in contiguous memory and adds its checksum if requested. */
static u32 wakeup_gather_packet(struct xsk_pool *p, const struct xdp_desc *d, u32 n)
{
	struct xsk_tx_metadata meta = {0};
	u32 len = 0;

	if (d[0].options & XDP_TX_METADATA)
		memcpy(&meta, (char *)xp_raw_get_data(&p->pub, d[0].addr) - p->pub.tx_metadata_len,
		       min_u64(sizeof(meta), p->pub.tx_metadata_len));
	for (u32 i = 0; i < n; len += d[i++].len)
		memcpy(p->scratch + len, xp_raw_get_data(&p->pub, d[i].addr), d[i].len);
	if (meta.flags & XDP_TXMD_FLAGS_CHECKSUM)
		wakeup_fill_checksum(p->scratch, len, meta.request.csum_start,
				     meta.request.csum_offset);
	return len;
}

/* Returns 0, or -EBUSY to retry later; after any other error the packet is dropped. */
static int wakeup_xmit(struct xsk_pool *p, const struct xdp_driver_ops *ops,
		       const struct xdp_desc *d, u32 n)
{
	struct device *dev = p->xd->dev;
	const void *packet = xp_raw_get_data(&p->pub, d[0].addr);
	u32 len = d[0].len;

	if (n > 1 || (d[0].options & XDP_TX_METADATA)) {
		if (!p->scratch)
			p->scratch = alloc_zeroed(SCRATCH);
		if (!p->scratch)
			return -EBUSY;
		len = wakeup_gather_packet(p, d, n);
		packet = p->scratch;
	}
	return ops->xmit(dev, p->pub.queue_id, packet, len);
}

/* Undoes tx_packet(): the packet stays the first one in its ring. */
static void wakeup_untake(struct xsk_pool *p, struct xdp_sock *xs, u32 n)
{
	xs->tx->index -= n;
	p->cq->index -= n;
}

/* Under tx_lock. */
static int wakeup_send_some(struct xsk_pool *p, struct xdp_sock *xs,
			    const struct xdp_driver_ops *ops)
{
	struct xdp_desc packet[TX_PACKET_MAX];

	for (u32 i = 0; i < SEND_AT_ONCE; i++) {
		u32 n = tx_packet(p, xs, packet, TX_PACKET_MAX);

		if (!n) {
			count_add(&xs->tx->empty, 1);
			return 0;
		}
		if (wakeup_xmit(p, ops, packet, n) == -EBUSY) {
			wakeup_untake(p, xs, n);
			return -EAGAIN;
		}
		xsk_tx_completed(&p->pub, n);
	}
	return ring_entries(xs->tx, 1) ? -EAGAIN : 0;
}

static int wakeup_send_copying(struct xdp_sock *xs)
{
	struct xsk_pool *p = xs->pool;
	const struct xdp_driver_ops *ops = read_acquire(&p->xd->ops);
	int err;

	if (!ops || !ops->xmit)
		/* without a driver, the program that acts as one reads the descriptors itself */
		return 0;
	lock_acquire(&p->tx_lock);
	err = wakeup_send_some(p, xs, ops);
	xsk_tx_release(&p->pub);
	lock_release(&p->tx_lock);
	return err;
}

static int wakeup_wake(struct xdp_sock *xs, u32 flags)
{
	struct xsk_pool *p = xs->pool;
	const struct xdp_driver_ops *ops = read_acquire(&p->xd->ops);

	flags &= read_once(&p->need_wakeup);
	if (!flags)
		return 0;
	if (!p->zc && (flags & XDP_WAKEUP_TX)) {
		int err = wakeup_send_copying(xs);

		if (err)
			return err;
	}
	return ops && ops->wakeup ? ops->wakeup(p->xd->dev, p->pub.queue_id, flags) : 0;
}

int xdp_sock_wakeup(struct xdp_sock *xs, u32 flags)
{
	u32 state;
	int err;

	if (!xs)
		return error_set(EINVAL, "no socket (NULL)");
	if (waking)
		return -EAGAIN;
	waking = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lock_acquire(&xs->wake_lock);
	state = read_acquire(&xs->state);
	if (state == SOCK_READY)
		err = error_set(ENXIO, "the socket is not bound");
	else if (state == SOCK_DOWN)
		err = error_set(ENETDOWN, "the socket's device was closed");
	else if (((flags & XDP_WAKEUP_TX) && !xs->tx) || ((flags & XDP_WAKEUP_RX) && !xs->rx))
		err = error_set(ENOBUFS, "the socket has no ring of that direction");
	else
		err = wakeup_wake(xs, flags);
	lock_release(&xs->wake_lock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	waking = false;
	return err;
}
