/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Delivers received packets to the sockets of a queue. In zero-copy mode ownership of a pool's
 * buffer moves: its address is written to the RX ring and its head is free again. Every other
 * packet is copied into buffers of the fill ring. A packet is delivered completely or not at all.
 */
#include "xsk/xsk.h"

#include <string.h>

/* Writes the next RX entry; the ring has space. */
hot_inline void rcv_put_desc(struct xsk_ring *rx, u64 addr, u32 len, u32 options)
{
	struct xdp_desc *d = &rx->desc[rx->index++ & rx->mask];

	write_once(&d->addr, addr);
	write_once(&d->len, len);
	write_once(&d->options, options);
}

static slow_path int rcv_rx_full(struct xdp_sock *xs)
{
	count_add(&xs->rx_full, 1);
	return -ENOBUFS;
}

hot_inline u32 rcv_length(const struct xdp_buff *xdp)
{
	return (u32)((char *)xdp->data_end - (char *)xdp->data);
}

/* Delivers one buffer; its head may be reused immediately. */
hot_inline void rcv_deliver_buffer(struct xdp_sock *xs, struct xdp_buff_xsk *x, u32 options)
{
	rcv_put_desc(xs->rx, xp_get_handle(x, &xs->pool->pub), rcv_length(&x->xdp), options);
	xp_release(x);
}

static slow_path int rcv_deliver_frags(struct xdp_sock *xs, struct xdp_buff_xsk *x)
{
	struct xdp_buff_xsk *f = x->next, *next;
	u32 left =
		/* the length of the list, because a freed buffer is unlinked first */
		x->nr_frags;

	if (!xs->sg) {
		count_add(&xs->rx_dropped, 1);
		return -ENOSPC;
	}
	if (ring_space(xs->rx, left + 1) <= left)
		return rcv_rx_full(xs);
	/* the buffers are released one by one, so they are no longer a packet */
	x->xdp.flags &= ~XDP_FLAGS_HAS_FRAGS;
	rcv_deliver_buffer(xs, x, XDP_PKT_CONTD);
	for (; f && left; f = next, left--) {
		next = f->next;
		f->xdp.flags &= ~XDP_FLAGS_IS_FRAG;
		rcv_deliver_buffer(xs, f, left > 1 ? XDP_PKT_CONTD : 0);
	}
	return 0;
}

/* Reports why the driver must not deliver this buffer. */
static slow_path int rcv_refuse(struct xdp_buff_xsk *x)
{
	if (x->xdp.flags & XDP_FLAGS_GONE) {
		xp_track_release(x);
		return error_set(EINVAL, "xsk_rcv of a buffer that was passed on or freed before");
	}
	if (x->xdp.flags & XDP_FLAGS_IS_FRAG)
		return error_set(EINVAL,
				 "xsk_rcv of a fragment: pass the first buffer of its packet, or "
				 "remove it from the packet by xsk_buff_del_frag() before");
	provenance_cut(x);
	return error_set(EINVAL, "xsk_rcv of a packet of which a fragment was freed before: remove "
				 "fragments by xsk_buff_del_frag(), or free the whole packet");
}

hot_inline int rcv_zc(struct xdp_sock *xs, struct xdp_buff *xdp)
{
	struct xdp_buff_xsk *x = xsk_buff_of(xdp);

	if (unlikely(xdp->flags & (XDP_FLAGS_GONE | XDP_FLAGS_IS_FRAG | XDP_FLAGS_CUT)))
		return rcv_refuse(x);
	if (unlikely(xdp_buff_has_frags(xdp)))
		return rcv_deliver_frags(xs, x);
	if (unlikely(!ring_space(xs->rx, 1)))
		return rcv_rx_full(xs);
	rcv_deliver_buffer(xs, x, 0);
	return 0;
}

/* Copies a part of the packet into one buffer; metadata is copied with the first part. */
static void rcv_copy_part(struct xdp_buff *to, const struct xdp_buff *from, u32 at, u32 len)
{
	u64 meta = 0;

	if (!at && (char *)from->data_meta <= (char *)from->data)
		meta = min_u64((u64)((char *)from->data - (char *)from->data_meta),
			       XDP_PACKET_HEADROOM);
	memcpy((char *)to->data - meta, (char *)from->data + at - meta, len + meta);
	to->data_end = (char *)to->data + len;
}

static __attribute__((noinline)) int rcv_copy(struct xdp_sock *xs, const struct xdp_buff *xdp)
{
	struct xdp_buff *to[COPY_MAX_SEGS];
	struct xsk_pool *p = xs->pool;
	u32 len = rcv_length(xdp), part = p->pub.frame_len, at = 0;
	u32 n = len ? (len - 1) / part + 1 : 1, got;

	if (n > (xs->sg ? COPY_MAX_SEGS : 1) || xdp_buff_has_frags(xdp)) {
		count_add(&xs->rx_dropped, 1);
		return -ENOSPC;
	}
	if (ring_space(xs->rx, n) < n)
		return rcv_rx_full(xs);
	got = pool_alloc(p, to, n);
	if (got < n) {
		while (got)
			xp_free(xsk_buff_of(to[--got]));
		count_add(&xs->rx_dropped, 1);
		return -ENOMEM;
	}
	for (u32 i = 0; i < n; i++, at += part) {
		rcv_copy_part(to[i], xdp, at, (u32)min_u64(part, len - at));
		rcv_deliver_buffer(xs, xsk_buff_of(to[i]), i + 1 < n ? XDP_PKT_CONTD : 0);
	}
	return 0;
}

static slow_path struct xdp_sock *rcv_steer(struct xsk_device *xd, struct xsk_queue *q,
					    u16 queue_id, struct xdp_buff *xdp)
{
	const struct xsk_steering *s = read_acquire(&xd->steering);
	struct xdp_sock *want, *xs = read_acquire(&q->socks);

	if (!s)
		return xs;
	want = s->fn(xd->dev, queue_id, xdp, s->arg);
	while (xs && xs != want)
		xs = read_acquire(&xs->rx_next);
	return xs; /* NULL if the socket is not bound to this queue: the packet is dropped */
}

static slow_path int rcv_no_socket(struct device *dev, u16 queue_id)
{
	return error_set(EINVAL, "%s: no socket accepts the packet on queue %u", dev_name(dev),
			 queue_id);
}

/* Called in the queue's section, or under its lock. */
hot_inline int rcv_deliver(struct xsk_device *xd, struct xsk_queue *q, u16 queue_id,
			   struct xdp_buff *xdp)
{
	struct xdp_sock *xs = likely(!read_once(&xd->steering)) ? read_acquire(&q->socks)
								: rcv_steer(xd, q, queue_id, xdp);

	if (unlikely(!xs || !xs->rx))
		return rcv_no_socket(xd->dev, queue_id);
	if (likely((u64)((char *)xdp - (char *)xs->pool->pub.heads) < xs->pool->heads_bytes))
		return rcv_zc(xs, xdp);
	return rcv_copy(xs, xdp);
}

static __attribute__((noinline)) int rcv_locked(struct xsk_device *xd, struct xsk_queue *q,
						u16 queue_id, struct xdp_buff *xdp)
{
	int err;

	lock_acquire(&q->rx_lock);
	err = rcv_deliver(xd, q, queue_id, xdp);
	lock_release(&q->rx_lock);
	return err;
}

static __attribute__((noinline)) int rcv_any(struct device *dev, u16 queue_id, struct xdp_buff *xdp)
{
	struct xsk_device *xd = xsk_device(dev);
	struct xsk_queue *q;
	int err;

	if (unlikely(!xd || queue_id >= XDP_QUEUES || !xdp))
		return rcv_no_socket(dev, queue_id);
	q = &xd->queue[queue_id];
	if (unlikely(!read_acquire(&q->zc)))
		return rcv_locked(xd, q, queue_id, xdp);
	grace_enter(&q->rx);
	err = rcv_deliver(xd, q, queue_id, xdp);
	grace_exit(&q->rx);
	return err;
}

/* The common case: a buffer of the pool, a packet of one buffer, and known space in the RX ring. */
hot_inline bool rcv_is_common(struct xdp_sock *xs, const struct xdp_buff *xdp)
{
	struct xsk_ring *rx = xs->rx;

	return rx && (u64)((char *)xdp - (char *)xs->pool->pub.heads) < xs->pool->heads_bytes &&
	       !(xdp->flags & XDP_FLAGS_LIBRARY) && rx->index - rx->seen <= rx->mask;
}

/*
 * Handles the common case without a call, and leaves every other case to rcv_any(), which starts
 * over.
 */
int xsk_rcv(struct device *dev, u16 queue_id, struct xdp_buff *xdp)
{
	struct xsk_device *xd = xsk_device(dev);
	struct xsk_queue *q;
	struct xdp_sock *xs;

	if (unlikely(!xd || queue_id >= XDP_QUEUES || !xdp || !grace_is_free()))
		return rcv_any(dev, queue_id, xdp);
	q = &xd->queue[queue_id];
	if (unlikely(!read_acquire(&q->zc)))
		return rcv_any(dev, queue_id, xdp);
	write_once(&q->rx.active, 1); /* grace_enter() */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	xs = read_acquire(&q->socks);
	if (unlikely(!xs || read_once(&xd->steering) || !rcv_is_common(xs, xdp))) {
		grace_exit(&q->rx);
		return rcv_any(dev, queue_id, xdp);
	}
	rcv_deliver_buffer(xs, xsk_buff_of(xdp), 0);
	grace_exit(&q->rx);
	return 0;
}

static void rcv_flush_all(struct xsk_queue *q)
{
	struct xdp_sock *xs;

	for (xs = read_acquire(&q->socks); xs; xs = read_acquire(&xs->rx_next)) {
		void (*ready)(struct xdp_sock *, u32, void *);

		if (!xs->rx || xs->rx->shown == xs->rx->index)
			continue;
		ring_publish_producer(xs->rx);
		ready = read_acquire(&xs->ready);
		if (ready)
			ready(xs, XDP_WAKEUP_RX, xs->ready_arg);
	}
}

void xsk_flush(struct device *dev, u16 queue_id)
{
	struct xsk_device *xd = xsk_device(dev);
	struct xsk_queue *q;

	if (unlikely(!xd || queue_id >= XDP_QUEUES))
		return;
	q = &xd->queue[queue_id];
	if (read_acquire(&q->zc)) {
		grace_enter(&q->rx);
		rcv_flush_all(q);
		grace_exit(&q->rx);
	} else {
		lock_acquire(&q->rx_lock);
		rcv_flush_all(q);
		lock_release(&q->rx_lock);
	}
}

/* Packets for which a socket has space in its RX ring, at most `max`. */
static u32 rcv_sock_space(struct xdp_sock *xs, u32 max)
{
	u32 each = xs->sg ? (u32)min_u64(COPY_MAX_SEGS, xs->rx->mask + 1) : 1;
	u64 want = (u64)max * each;

	return ring_space(xs->rx, (u32)min_u64(want, xs->rx->mask + 1)) / each;
}

/*
 * In the queue's section, or under its lock. The socket with the least space counts, because the
 * steering may choose it for every packet.
 */
static u32 rcv_queue_space(struct xsk_queue *q, u32 max)
{
	struct xdp_sock *xs;

	for (xs = read_acquire(&q->socks); xs && max; xs = read_acquire(&xs->rx_next))
		if (xs->rx)
			max = rcv_sock_space(xs, max);
	return max;
}

u32 xsk_rcv_space(struct device *dev, u16 queue_id, u32 max)
{
	struct xsk_device *xd = xsk_device(dev);
	struct xsk_queue *q;
	struct xsk_pool *p;
	u32 n;

	if (unlikely(!xd || queue_id >= XDP_QUEUES))
		return max;
	q = &xd->queue[queue_id];
	if (read_acquire(&q->zc)) {
		grace_enter(&q->rx);
		n = rcv_queue_space(q, max);
		grace_exit(&q->rx);
		return n;
	}
	lock_acquire(&q->rx_lock);
	n = rcv_queue_space(q, max);
	p = read_acquire(&q->pool);
	/* copies need buffers of the fill ring, too */
	if (n && p && read_acquire(&q->socks) && !xp_can_alloc(&p->pub, n))
		n = xp_can_alloc(&p->pub, 1);
	lock_release(&q->rx_lock);
	return n;
}
