/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools. A pool is created for a socket that binds, is attached to a queue, is shared by the
 * sockets there, and is destroyed with the last of them: first the driver releases it (setup_pool
 * with NULL), then no section of the data path uses it, then its DMA map and memory are freed.
 *
 * There are as many heads as the UMEM has chunks. A head is on one of the two stacks or owned by
 * the driver, so neither stack can overflow, whatever the application does. Heads and stacks are
 * sparse memory: what was never in use costs no memory.
 */
#include "base/alloc.h"
#include "xsk/xsk.h"

#include <string.h>

#define NOT_MAPPED (1ull << 63)

/* minimum capacity of a batch, so that a socket with a longer TX ring can join */
#define TX_DESCS_LEAST 4096

/* One mapping contains the heads and both stacks. */
static int pool_make_heads(struct xsk_pool *p)
{
	u64 n = p->pub.umem->chunks;
	char *base;

	p->heads_bytes = n * sizeof(struct xdp_buff_xsk);
	p->heads_map = p->heads_bytes + 2 * n * sizeof(struct xdp_buff_xsk *);
	base = alloc_sparse(p->heads_map);
	if (!base)
		return -ENOMEM;
	p->pub.heads = (struct xdp_buff_xsk *)base;
	p->pub.empty.bottom = p->pub.empty.top = (struct xdp_buff_xsk **)(base + p->heads_bytes);
	p->pub.freed.bottom = p->pub.freed.top = p->pub.empty.bottom + n;
	p->pub.heads_cnt = (u32)n;
	return 0;
}

static void pool_set_shape(struct xsk_pool *p, struct xdp_umem *umem)
{
	struct xsk_buff_pool *pub = &p->pub;

	pub->umem = umem;
	pub->addrs = umem->addrs;
	pub->addrs_cnt = umem->size;
	pub->headroom = umem->headroom;
	pub->chunk_size = umem->chunk_size;
	pub->chunk_mask = ~(u64)(umem->chunk_size - 1);
	pub->chunk_shift = log2_floor(umem->chunk_size);
	pub->frame_len = umem->chunk_size - umem->headroom - XDP_PACKET_HEADROOM;
	pub->unaligned = umem->flags & XDP_UMEM_UNALIGNED_CHUNK_FLAG;
	pub->tx_metadata_len = umem->tx_metadata_len;
	pub->dma_base = NOT_MAPPED;
	pub->xdp_zc_max_segs = 1;
	p->sw_csum = umem->flags & XDP_UMEM_TX_SW_CSUM;
}

static void pool_free_tx_descs(struct xsk_pool *p)
{
	if (p->pub.tx_descs)
		alloc_sparse_free(p->pub.tx_descs, p->pub.tx_descs_cnt * sizeof(struct xdp_desc));
}

/*
 * Allocates the array for batches. Every pool has it from its creation, also if its first socket
 * only receives, and it does not move while the pool is on a queue: the driver reads the pointer
 * without a lock, and a socket that transmits may join at any time.
 */
static int pool_make_tx_descs(struct xsk_pool *p, const struct xdp_sock *xs, u32 max_segs)
{
	u64 entries = xs->tx ? (u64)xs->tx->mask + 1 : 0;
	u64 n = max_u64(entries, TX_DESCS_LEAST) + max_segs;
	void *descs;

	if (n <= p->pub.tx_descs_cnt)
		return 0;
	if (n > UINT32_MAX)
		return error_set(ENOMEM, "no memory for a batch of %llu descriptors",
				 (unsigned long long)n);
	descs = alloc_sparse(n * sizeof(struct xdp_desc));
	if (!descs)
		return -ENOMEM;
	pool_free_tx_descs(p);
	p->pub.tx_descs = descs;
	p->pub.tx_descs_cnt = (u32)n;
	return 0;
}

static void pool_free(struct xsk_pool *p)
{
	struct xdp_umem *umem = p->pub.umem;

	if (p->map)
		dma_unmap_pool(p, 0);
	ring_destroy(p->fq);
	ring_destroy(p->cq);
	pool_free_tx_descs(p);
	alloc_free(p->scratch);
	provenance_end(p);
	alloc_sparse_free(p->pub.heads, p->heads_map);
	alloc_free(p);
	xdp_umem_put(umem);
}

struct xsk_pool *pool_create(struct xdp_sock *xs, struct xdp_umem *umem)
{
	struct xsk_pool *p = alloc_aligned(64, (sizeof(*p) + 63) & ~63ull);

	if (!p)
		return NULL;
	pool_set_shape(p, umem);
	if (pool_make_heads(p))
		goto free;
	if (pool_make_tx_descs(p, xs, TX_PACKET_MAX))
		goto unmap;
	p->fq = xs->fq_tmp;
	p->cq = xs->cq_tmp;
	xs->fq_tmp = xs->cq_tmp = NULL;
	p->users = 1;
	umem_get(umem);
	return p;
unmap:
	alloc_sparse_free(p->pub.heads, p->heads_map);
free:
	alloc_free(p);
	return NULL;
}

int xp_alloc_tx_descs(struct xsk_buff_pool *pool, struct xdp_sock *xs, u32 max_segs)
{
	struct xsk_pool *p = pool_of(pool);
	int err;

	pthread_mutex_lock(&xsk_lock);
	err = p->xd ? 0 : pool_make_tx_descs(p, xs, max_segs);
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

/* A frame of the device's MTU must fit into the buffers that a packet may have. */
static int pool_check_mtu(struct xsk_pool *p)
{
	const u64 frame = (u64)p->xd->mtu + XSK_FRAME_EXTRA;
	const u64 room = (u64)xsk_pool_get_rx_frame_size(&p->pub) * p->pub.xdp_zc_max_segs;

	if (!p->xd->mtu || frame <= room)
		return 0;
	return error_set(EINVAL,
			 "%s: a frame has up to %llu bytes (MTU %u), and the UMEM has space for "
			 "%llu: use larger chunks, less headroom or a smaller MTU",
			 dev_name(p->xd->dev), (unsigned long long)frame, p->xd->mtu,
			 (unsigned long long)room);
}

/* Passes the queue to the driver. Returns 0, or the reason why zero-copy is not possible. */
static int pool_start_zc(struct xsk_pool *p, u32 flags)
{
	const struct xdp_driver_ops *ops = p->xd->ops;
	struct device *dev = p->xd->dev;
	int err;

	if (!ops || !ops->setup_pool)
		return error_set(EOPNOTSUPP, "%s: no driver with zero-copy", dev_name(dev));
	if ((flags & XDP_USE_SG) && ops->xdp_zc_max_segs <= 1)
		return error_set(EOPNOTSUPP,
				 "%s: its driver cannot send or receive packets of several "
				 "buffers",
				 dev_name(dev));
	if (p->sw_csum)
		return error_set(EOPNOTSUPP, "%s: XDP_UMEM_TX_SW_CSUM is for copy mode",
				 dev_name(dev));
	if (flags & XDP_USE_SG) {
		p->pub.xdp_zc_max_segs = (u32)min_u64(ops->xdp_zc_max_segs, TX_PACKET_MAX);
		p->pub.tailroom = XSK_TAILROOM;
	}
	err = pool_check_mtu(p);
	if (err)
		return err;
	p->zc = true;
	provenance_begin(p);
	write_release(&p->xd->queue[p->pub.queue_id].zc, true);
	err = ops->setup_pool(dev, &p->pub, p->pub.queue_id);
	if (!err && !p->map) {
		ops->setup_pool(dev, NULL, p->pub.queue_id);
		err = error_set(EINVAL, "%s: its driver did not map the UMEM", dev_name(dev));
	}
	return err > 0 ? -err : err;
}

static void pool_stop_zc(struct xsk_pool *p)
{
	struct xsk_queue *q = &p->xd->queue[p->pub.queue_id];

	write_release(&q->zc, false);
	p->zc = false;
	p->pub.xdp_zc_max_segs = 1;
	p->pub.tailroom = 0;
	queue_wait(q);
	if (p->map)
		dma_unmap_pool(p, 0);
}

static void pool_leave_queue(struct xsk_pool *p)
{
	struct xsk_queue *q = &p->xd->queue[p->pub.queue_id];

	write_release(&q->pool, NULL);
	queue_wait(q);
	pool_wait_tx(p);
	/* a later driver must not complete descriptors that this one has taken */
	p->packet_n = p->packet_at = 0;
	if (p->cq)
		p->cq->index = p->cq->shown;
	p->xd = NULL;
}

static int pool_take_queue(struct xsk_pool *p, struct device *dev, u32 queue_id)
{
	struct xsk_device *xd = xsk_device_get(dev);
	u32 queues = XDP_QUEUES;

	if (!xd)
		return -errno;
	if (xd->ops && xd->ops->queues)
		queues = (u32)min_u64(xd->ops->queues, XDP_QUEUES);
	if (queue_id >= queues)
		return error_set(EINVAL,
				 "%s: there is no queue %u: use a number below %u, which is how "
				 "many the device has",
				 dev_name(dev), queue_id, queues);
	if (xd->queue[queue_id].pool)
		return error_set(EBUSY,
				 "%s: queue %u is in use: share its UMEM, or take another queue",
				 dev_name(dev), queue_id);
	p->xd = xd;
	p->pub.queue_id = (u16)queue_id;
	return 0;
}

int pool_attach(struct xsk_pool *p, struct device *dev, u32 queue_id, u32 flags)
{
	struct xsk_queue *q;
	int err;

	if ((flags & XDP_ZEROCOPY) && (flags & XDP_COPY))
		return error_set(EINVAL, "XDP_ZEROCOPY and XDP_COPY contradict each other");
	err = pool_take_queue(p, dev, queue_id);
	if (err)
		return err;
	q = &p->xd->queue[queue_id];
	p->sg = flags & XDP_USE_SG;
	p->pub.uses_need_wakeup = flags & XDP_USE_NEED_WAKEUP;
	wakeup_reset(p);
	write_release(&q->pool, p);
	if (!(flags & XDP_COPY))
		err = pool_start_zc(p, flags);
	if (err) {
		pool_stop_zc(p);
		/* discards the wake-up state that the driver set before it refused */
		wakeup_reset(p);
		if (!(flags & XDP_ZEROCOPY))
			err = 0;
		else
			pool_leave_queue(p);
	}
	if (!err && !p->zc && p->sg)
		p->pub.xdp_zc_max_segs = COPY_MAX_SEGS;
	return err;
}

u32 pool_mode(const struct xsk_pool *p)
{
	return (p->zc ? XDP_ZEROCOPY : XDP_COPY) | (p->sg ? XDP_USE_SG : 0) |
	       (p->pub.uses_need_wakeup ? XDP_USE_NEED_WAKEUP : 0);
}

void pool_detach(struct xsk_pool *p)
{
	if (!p->xd)
		return;
	if (p->zc) {
		p->xd->ops->setup_pool(p->xd->dev, NULL, p->pub.queue_id);
		provenance_report_kept(p);
		pool_stop_zc(p);
	}
	pool_leave_queue(p);
}

void pool_put(struct xsk_pool *p)
{
	if (--p->users)
		return;
	pool_detach(p);
	pool_free(p);
}

void pool_wait_tx(struct xsk_pool *p)
{
	grace_wait(&p->tx);
	lock_acquire(&p->tx_lock);
	lock_release(&p->tx_lock);
	lock_acquire(&p->flags_lock);
	lock_release(&p->flags_lock);
}

void pool_add_sock(struct xsk_pool *p, struct xdp_sock *xs)
{
	struct xdp_sock **at;

	for (at = &p->tx_socks; *at && *at != xs; at = &(*at)->tx_next)
		;
	if (!xs->tx || *at)
		return;
	xs->tx_next = NULL;
	lock_acquire(&p->flags_lock); /* the driver may set its wake-up state concurrently */
	ring_set_need_wakeup(xs->tx, p->pub.uses_need_wakeup &&
					     (read_once(&p->need_wakeup) & XDP_WAKEUP_TX));
	write_release(at, xs);
	lock_release(&p->flags_lock);
	write_release(&p->tx_n, p->tx_n + 1);
}

void pool_del_sock(struct xsk_pool *p, struct xdp_sock *xs)
{
	struct xdp_sock **at;

	for (at = &p->tx_socks; *at && *at != xs; at = &(*at)->tx_next)
		;
	if (!*at)
		return;
	write_release(at, xs->tx_next);
	write_release(&p->tx_n, p->tx_n - 1);
	/* a sender may still be using the socket, or have it as `tx_turn` */
	pool_wait_tx(p);
}

struct xsk_buff_pool *xp_create_and_assign_umem(struct xdp_sock *xs, struct xdp_umem *umem,
						u32 max_segs)
{
	struct xsk_pool *p = NULL;

	if (!xs || IS_ERR_OR_NULL(umem))
		return error_null(EINVAL, "a pool needs a socket and a UMEM");
	pthread_mutex_lock(&xsk_lock);
	p = pool_create(xs, umem);
	pthread_mutex_unlock(&xsk_lock);
	return p ? &p->pub : NULL;
}

int xp_assign_dev(struct xsk_buff_pool *pool, struct device *dev, u16 queue_id, u16 flags)
{
	int err;

	pthread_mutex_lock(&xsk_lock);
	err = pool_of(pool)->xd ? error_set(EBUSY, "the pool is on a queue already")
				: pool_attach(pool_of(pool), dev, queue_id, flags);
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

int xp_assign_dev_shared(struct xsk_buff_pool *pool, struct xdp_sock *umem_xs, struct device *dev,
			 u16 queue_id)
{
	int err;

	pthread_mutex_lock(&xsk_lock);
	if (!pool_of(pool)->fq || !pool_of(pool)->cq)
		err = error_set(EINVAL, "each queue needs a fill and a completion ring of its own");
	else if (!umem_xs || !umem_xs->pool || pool_of(pool)->xd)
		err = error_set(EINVAL, "the socket to share with is not bound, or the pool is");
	else
		err = pool_attach(pool_of(pool), dev, queue_id, pool_mode(umem_xs->pool));
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

void xp_clear_dev(struct xsk_buff_pool *pool)
{
	struct xsk_pool *p = pool_of(pool);

	pthread_mutex_lock(&xsk_lock);
	while (p->xd && p->xd->queue[pool->queue_id].socks)
		sock_down(p->xd->queue[pool->queue_id].socks);
	pool_detach(p);
	pthread_mutex_unlock(&xsk_lock);
}

void xp_get_pool(struct xsk_buff_pool *pool)
{
	pthread_mutex_lock(&xsk_lock);
	pool_of(pool)->users++;
	pthread_mutex_unlock(&xsk_lock);
}

bool xp_put_pool(struct xsk_buff_pool *pool)
{
	bool last;

	if (!pool)
		return false;
	pthread_mutex_lock(&xsk_lock);
	last = pool_of(pool)->users == 1;
	pool_put(pool_of(pool));
	pthread_mutex_unlock(&xsk_lock);
	return last;
}

void xp_destroy(struct xsk_buff_pool *pool)
{
	xp_put_pool(pool);
}

void xp_add_xsk(struct xsk_buff_pool *pool, struct xdp_sock *xs)
{
	pthread_mutex_lock(&xsk_lock);
	pool_add_sock(pool_of(pool), xs);
	pthread_mutex_unlock(&xsk_lock);
}

void xp_del_xsk(struct xsk_buff_pool *pool, struct xdp_sock *xs)
{
	pthread_mutex_lock(&xsk_lock);
	pool_del_sock(pool_of(pool), xs);
	pthread_mutex_unlock(&xsk_lock);
}

void xp_set_rxq_info(struct xsk_buff_pool *pool, struct xdp_rxq_info *rxq)
{
	pool->rxq = rxq;
	for (u32 i = 0; i < pool->heads_used; i++)
		pool->heads[i].xdp.rxq = rxq;
}

void xp_fill_cb(struct xsk_buff_pool *pool, struct xsk_cb_desc *desc)
{
	if (!desc->src || desc->off > XSK_PRIV_MAX || desc->bytes > XSK_PRIV_MAX - desc->off)
		return;
	memcpy(pool->cb + desc->off, desc->src, desc->bytes);
	for (u32 i = 0; i < pool->heads_used; i++)
		memcpy(pool->heads[i].cb + desc->off, desc->src, desc->bytes);
}
