/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of XSK sockets: zero-copy on and off, wake-ups, and transmission for sockets in
 * copy mode. The card is stopped while a pool is attached or detached, so no descriptor outlives
 * the memory that it refers to.
 */
#include "drivers/e1000e_private.h"

#include <unistd.h>

static int e1000e_xsk_pool_on(struct e1000e *e, struct xsk_buff_pool *pool)
{
	int err = e1000e_rx_choose(e, xsk_pool_get_rx_frame_size(pool), xsk_pool_uses_sg(pool));

	if (!err)
		err = xsk_pool_dma_map(pool, e->dev, 0);
	if (err)
		return err;
	xsk_pool_set_rxq_info(pool, &e->rx.rxq);
	e->pool = pool;
	__atomic_store_n(&e->eager, !xsk_uses_need_wakeup(pool), __ATOMIC_RELAXED);
	return 0;
}

static void e1000e_xsk_pool_off(struct e1000e *e)
{
	if (e->pool)
		xsk_pool_dma_unmap(e->pool, 0);
	e->pool = NULL;
	__atomic_store_n(&e->eager, false, __ATOMIC_RELAXED);
	e1000e_rx_choose(e, COPY_BUFFER, true);
}

static int e1000e_xsk_setup_pool(struct device *dev, struct xsk_buff_pool *pool, u16 queue)
{
	struct e1000e *e = dmamap_get_drvdata(dev);
	bool was_up;
	int err = 0;

	if (!e || queue)
		return -EOPNOTSUPP;
	e1000e_lock(e);
	was_up = e->started;
	e1000e_down(e);
	e1000e_xsk_pool_off(e);
	if (pool)
		err = e1000e_xsk_pool_on(e, pool);
	/* If the card does not start again, the thread that polls it receives the error. */
	if (was_up && e1000e_up(e) && pool && !err) {
		e1000e_xsk_pool_off(e);
		err = -EIO;
	}
	e1000e_unlock(e);
	return err;
}

static int e1000e_xsk_wakeup(struct device *dev, u32 queue, u32 flags)
{
	struct e1000e *e = dmamap_get_drvdata(dev);
	const u64 one = 1;

	if (!e || e1000e_is_gone(e))
		return -ENETDOWN;
	/* A counter at its maximum has woken the thread already. */
	if (write(e->kick_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

/* -EBUSY: the packet stays in its ring until there is space, a link and a started card. */
static int e1000e_xsk_xmit(struct device *dev, u32 queue, const void *packet, u32 len)
{
	struct e1000e *e = dmamap_get_drvdata(dev);
	int err = -EBUSY;

	if (!e || e1000e_is_gone(e))
		return -ENETDOWN;
	pthread_mutex_lock(&e->tx.lock);
	if (e->tx.on && !e->pool)
		err = e1000e_tx_copy(e, packet, len);
	pthread_mutex_unlock(&e->tx.lock);
	return err == -EAGAIN ? -EBUSY : err;
}

const struct xdp_driver_ops e1000e_xdp_ops = {
	.setup_pool = e1000e_xsk_setup_pool,
	.wakeup = e1000e_xsk_wakeup,
	.xmit = e1000e_xsk_xmit,
	.xdp_zc_max_segs = XSK_MAX_FRAGS + 1,
	.queues = 1,
};
