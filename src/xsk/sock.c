/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets are created, given rings, bound once, and destroyed in any state. A bound socket is in
 * the lists of its queue (to receive) and of its pool (to transmit). Before any part of it is
 * freed, it is removed from both lists, and the data path is waited for.
 */
#include "base/alloc.h"
#include "xsk/xsk.h"

#include <poll.h>

#define BIND_FLAGS (XDP_SHARED_UMEM | XDP_COPY | XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP | XDP_USE_SG)

struct xdp_sock *xdp_sock_create(void)
{
	struct xdp_sock *xs = alloc_zeroed(sizeof(*xs));

	if (xs)
		xs->fork_depth = fork_depth;
	return xs;
}

/*
 * Returns where the socket has a ring; fill and completion ring belong to the pool after it is
 * bound.
 */
static struct xsk_ring **sock_ring_at(struct xdp_sock *xs, int optname)
{
	switch (optname) {
	case XDP_RX_RING:
		return &xs->rx;
	case XDP_TX_RING:
		return &xs->tx;
	case XDP_UMEM_FILL_RING:
		return xs->pool ? &xs->pool->fq : &xs->fq_tmp;
	case XDP_UMEM_COMPLETION_RING:
		return xs->pool ? &xs->pool->cq : &xs->cq_tmp;
	default:
		return NULL;
	}
}

int xdp_sock_set_ring(struct xdp_sock *xs, int optname, u32 entries)
{
	bool descs = optname == XDP_RX_RING || optname == XDP_TX_RING;
	struct xsk_ring **at;
	int err;

	if (!xs)
		return error_set(EINVAL, "no socket (NULL)");
	pthread_mutex_lock(&xsk_lock);
	at = sock_ring_at(xs, optname);
	if (!at)
		err = error_set(ENOPROTOOPT, "socket option %d does not create a ring", optname);
	else if (xs->state != SOCK_READY)
		err = error_set(EBUSY, "rings must be created before the socket is bound");
	else if (*at)
		err = error_set(EINVAL, "the socket has that ring already");
	else
		err = ring_create(at, entries, descs ? sizeof(struct xdp_desc) : sizeof(u64),
				  "xsk");
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

int xdp_sock_drop_ring(struct xdp_sock *xs, int optname)
{
	struct xsk_ring **at;
	int err = 0;

	if (!xs)
		return error_set(EINVAL, "no socket (NULL)");
	pthread_mutex_lock(&xsk_lock);
	at = sock_ring_at(xs, optname);
	if (!at)
		err = error_set(ENOPROTOOPT, "socket option %d is not a ring", optname);
	else if (xs->state != SOCK_READY)
		err = error_set(EBUSY, "rings must be dropped before the socket is bound");
	else if (!*at)
		err = error_set(EINVAL, "the socket has no such ring");
	if (!err) {
		ring_destroy(*at);
		*at = NULL;
	}
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

void *xdp_sock_map_ring(struct xdp_sock *xs, int optname, struct xdp_ring_offset *off, size_t *len)
{
	struct xsk_ring **at;
	void *base = NULL;

	if (!xs)
		return error_null(EINVAL, "no socket (NULL)");
	pthread_mutex_lock(&xsk_lock);
	at = sock_ring_at(xs, optname);
	if (at && *at) {
		base = ring_base(*at);
		if (off)
			*off = (struct xdp_ring_offset){RING_PRODUCER, RING_CONSUMER, RING_ENTRIES,
							RING_FLAGS};
		if (len)
			*len = (*at)->length;
	}
	pthread_mutex_unlock(&xsk_lock);
	return base ? base : error_null(EINVAL, "the socket has no such ring");
}

static int sock_check_flags(const struct xdp_sock *xs, u16 flags, const struct xdp_umem *umem,
			    struct device *dev)
{
	if (flags & ~BIND_FLAGS)
		return error_set(EINVAL, "cannot bind: unknown flags %#x", flags);
	/* the rings are shared with the parent: two processes would write into them */
	if (xs->fork_depth != fork_depth ||
	    (!IS_ERR_OR_NULL(umem) && umem->fork_depth != fork_depth))
		return error_set(EBADF,
				 "cannot bind: the socket or the UMEM belongs to the process that "
				 "created it, and this is a child: create both here");
	if (xs->state != SOCK_READY)
		return error_set(EBUSY, "cannot bind: the socket is bound, or was");
	if (!dev)
		return error_set(ENODEV, "cannot bind: no device (NULL)");
	if (!xs->rx && !xs->tx)
		return error_set(EINVAL, "cannot bind: the socket has neither RX nor TX ring");
	if ((flags & XDP_SHARED_UMEM) &&
	    ((flags & (XDP_COPY | XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP | XDP_USE_SG)) || umem))
		return error_set(EINVAL,
				 "cannot bind: a shared UMEM has its own mode, and the socket "
				 "must have no UMEM of its own");
	return 0;
}

/* Creates the socket's own pool. On 0, *pool is attached. */
static int sock_new_pool(struct xdp_sock *xs, struct xdp_umem *umem, struct device *dev,
			 u32 queue_id, u32 flags, struct xsk_pool **pool)
{
	struct xsk_ring *fq = xs->fq_tmp, *cq = xs->cq_tmp;
	struct xsk_pool *p;
	int err;

	if (!fq || !cq)
		return error_set(EINVAL, "cannot bind: fill or completion ring is missing");
	p = pool_create(xs, umem);
	if (!p)
		return -ENOMEM;
	err = pool_attach(p, dev, queue_id, flags);
	if (err) {
		/* the socket keeps the rings: it may try another queue */
		p->fq = p->cq = NULL;
		pool_put(p);
		xs->fq_tmp = fq;
		xs->cq_tmp = cq;
		return err;
	}
	*pool = p;
	return 0;
}

static int sock_share_pool(struct xdp_sock *xs, struct xdp_sock *shared, struct device *dev,
			   u32 queue_id, struct xsk_pool **pool)
{
	struct xsk_pool *p;

	if (!shared || shared->state != SOCK_BOUND)
		return error_set(EBADF,
				 "cannot bind: the socket whose UMEM is to be shared is not bound");
	p = shared->pool;
	if (shared->dev != dev || shared->queue_id != queue_id)
		return sock_new_pool(xs, p->pub.umem, dev, queue_id, pool_mode(p), pool);
	if (xs->fq_tmp || xs->cq_tmp)
		return error_set(
			EINVAL, "cannot bind: sockets of one queue share fill and completion ring");
	p->users++;
	*pool = p;
	return 0;
}

/* From here on the socket receives and sends packets. */
static void sock_activate(struct xdp_sock *xs, struct xsk_pool *p, struct device *dev, u32 queue_id)
{
	struct xsk_queue *q = &p->xd->queue[queue_id];
	struct xdp_sock **at;

	xs->pool = p;
	xs->dev = dev;
	xs->queue_id = queue_id;
	xs->zc = p->zc;
	xs->sg = p->sg;
	write_release(&xs->state, SOCK_BOUND);
	for (at = &q->socks; *at; at = &(*at)->rx_next)
		;
	write_release(at, xs);
	pool_add_sock(p, xs);
}

int xdp_sock_bind(struct xdp_sock *xs, struct xdp_umem *umem, struct device *dev, u32 queue_id,
		  u16 flags, struct xdp_sock *shared)
{
	struct xsk_pool *p = NULL;
	int err;

	if (!xs)
		return error_set(EINVAL, "no socket (NULL)");
	pthread_mutex_lock(&xsk_lock);
	err = sock_check_flags(xs, flags, umem, dev);
	if (err)
		goto unlock;
	if (flags & XDP_SHARED_UMEM)
		err = sock_share_pool(xs, shared, dev, queue_id, &p);
	else if (IS_ERR_OR_NULL(umem))
		err = error_set(EINVAL, "cannot bind: no UMEM");
	else
		err = sock_new_pool(xs, umem, dev, queue_id, flags, &p);
	if (!err)
		sock_activate(xs, p, dev, queue_id);
unlock:
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

/*
 * Removes the socket from both lists. When it returns, no section of the data path uses the socket.
 */
static void sock_leave(struct xdp_sock *xs)
{
	struct xsk_queue *q = &xs->pool->xd->queue[xs->queue_id];
	struct xdp_sock **at;

	for (at = &q->socks; *at && *at != xs; at = &(*at)->rx_next)
		;
	if (*at)
		write_release(at, xs->rx_next);
	queue_wait(q);
	pool_del_sock(xs->pool, xs);
}

void sock_down(struct xdp_sock *xs)
{
	write_release(&xs->state, SOCK_DOWN);
	lock_acquire(&xs->wake_lock); /* wait for wake-ups that found the socket bound */
	lock_release(&xs->wake_lock);
	sock_leave(xs);
	xs->dev = NULL;
	if (xs->ready)
		xs->ready(xs, XDP_WAKEUP_RX | XDP_WAKEUP_TX, xs->ready_arg);
}

int xdp_sock_unbind(struct xdp_sock *xs)
{
	struct xsk_pool *p;
	int err = 0;

	if (!xs)
		return error_set(EINVAL, "no socket (NULL)");
	pthread_mutex_lock(&xsk_lock);
	p = xs->pool;
	if (xs->state == SOCK_READY || xs->fork_depth != fork_depth) {
		err = error_set(ENXIO, "cannot unbind: the socket is not bound");
	} else {
		if (xs->state == SOCK_BOUND)
			sock_leave(xs);
		write_release(&xs->state, SOCK_READY);
		if (p->users == 1) {
			/* the application has mapped the rings, so they stay */
			pool_detach(p);
			xs->fq_tmp = p->fq;
			xs->cq_tmp = p->cq;
			p->fq = p->cq = NULL;
		}
		xs->pool = NULL;
		xs->dev = NULL;
		xs->zc = xs->sg = false;
		pool_put(p);
	}
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

void xdp_sock_destroy(struct xdp_sock *xs)
{
	/* in a child of fork: it belongs to the parent */
	if (!xs || xs->fork_depth != fork_depth)
		return;
	pthread_mutex_lock(&xsk_lock);
	if (xs->state == SOCK_BOUND)
		sock_leave(xs);
	if (xs->pool)
		pool_put(xs->pool);
	pthread_mutex_unlock(&xsk_lock);
	ring_destroy(xs->rx);
	ring_destroy(xs->tx);
	ring_destroy(xs->fq_tmp);
	ring_destroy(xs->cq_tmp);
	alloc_free(xs);
}

int xdp_sock_stats(struct xdp_sock *xs, struct xdp_statistics *stats)
{
	struct xdp_statistics s = {0};

	if (!xs || !stats)
		return error_set(EINVAL, "no socket, or `stats` is NULL");
	pthread_mutex_lock(&xsk_lock);
	s.rx_dropped = read_once(&xs->rx_dropped);
	s.rx_ring_full = read_once(&xs->rx_full);
	if (xs->tx) {
		s.tx_invalid_descs = read_once(&xs->tx->invalid);
		s.tx_ring_empty_descs = read_once(&xs->tx->empty);
	}
	if (xs->pool) {
		s.rx_invalid_descs = read_once(&xs->pool->fq->invalid);
		s.rx_fill_ring_empty_descs = read_once(&xs->pool->fq->empty);
	}
	pthread_mutex_unlock(&xsk_lock);
	*stats = s;
	return 0;
}

int xdp_sock_options(struct xdp_sock *xs, struct xdp_options *options)
{
	if (!xs || !options)
		return error_set(EINVAL, "no socket, or `options` is NULL");
	options->flags = xs->zc ? XDP_OPTIONS_ZEROCOPY : 0;
	return 0;
}

short xdp_sock_poll(struct xdp_sock *xs)
{
	u32 state = read_acquire(&xs->state);
	short events = state == SOCK_DOWN ? POLLERR : 0;

	if (state == SOCK_READY)
		return 0;
	if (xs->rx && ring_unread(xs->rx))
		events |= POLLIN;
	if (xs->tx && ring_unread(xs->tx) <= (xs->tx->mask + 1) / 2)
		events |= POLLOUT;
	return events;
}

void xdp_sock_on_ready(struct xdp_sock *xs, void (*ready)(struct xdp_sock *xs, u32 what, void *arg),
		       void *arg)
{
	pthread_mutex_lock(&xsk_lock);
	write_release(&xs->ready, NULL);
	if (xs->state == SOCK_BOUND) {
		queue_wait(&xs->pool->xd->queue[xs->queue_id]);
		pool_wait_tx(xs->pool);
	}
	xs->ready_arg = arg;
	write_release(&xs->ready, ready);
	pthread_mutex_unlock(&xsk_lock);
}
