/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AF_XDP state of a device: its queues, its driver and its steering function. The record is
 * created at the first use and freed by dmamap_close(), which first removes sockets and pools.
 */
#include "base/alloc.h"
#include "map/managed.h"
#include "xsk/xsk.h"

pthread_mutex_t xsk_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lock make_lock = LOCK_INIT;

/*
 * Takes down all sockets of the queues, as if the device were unplugged. If there is a driver, its
 * setup_pool(NULL) is called first.
 */
static void xsk_take_down(struct xsk_device *xd, bool only_zc)
{
	for (u32 i = 0; i < XDP_QUEUES; i++) {
		struct xsk_queue *q = &xd->queue[i];

		if (!q->pool || (only_zc && !q->zc))
			continue;
		while (q->socks)
			sock_down(q->socks);
		if (q->pool)
			pool_detach(q->pool);
	}
}

/* When it returns, no thread is in the former driver's wakeup or xmit function. */
static void xsk_wait_for_wakeups(struct xsk_device *xd)
{
	for (u32 i = 0; i < XDP_QUEUES; i++)
		for (struct xdp_sock *xs = xd->queue[i].socks; xs; xs = xs->rx_next) {
			lock_acquire(&xs->wake_lock);
			lock_release(&xs->wake_lock);
		}
}

static void xsk_close_device(void *data)
{
	struct xsk_device *xd = data;

	pthread_mutex_lock(&xsk_lock);
	xsk_take_down(xd, false);
	dma_drop_device(xd);
	write_release(&xd->dev->xsk, NULL);
	pthread_mutex_unlock(&xsk_lock);
	alloc_free(xd);
}

static struct xsk_device *xsk_make_device(struct device *dev)
{
	struct xsk_device *xd = alloc_aligned(64, sizeof(*xd));

	if (!xd)
		return NULL;
	xd->dev = dev;
	xd->mtu = XSK_MTU_DEFAULT;
	if (device_add_managed(dev, xsk_close_device, xd)) {
		alloc_free(xd);
		return NULL;
	}
	write_release(&dev->xsk, xd);
	return xd;
}

struct xsk_device *xsk_device_get(struct device *dev)
{
	struct xsk_device *xd;

	if (!dev)
		return error_null(EINVAL, "no device (NULL)");
	lock_acquire(&make_lock);
	xd = dev->xsk ? dev->xsk : xsk_make_device(dev);
	lock_release(&make_lock);
	return xd;
}

void queue_wait(struct xsk_queue *q)
{
	grace_wait(&q->rx);
	lock_acquire(&q->rx_lock);
	lock_release(&q->rx_lock);
}

struct xsk_buff_pool *xsk_get_pool_from_qid(struct device *dev, u16 queue_id)
{
	struct xsk_device *xd = xsk_device(dev);
	struct xsk_pool *p;

	if (!xd || queue_id >= XDP_QUEUES)
		return NULL;
	p = read_acquire(&xd->queue[queue_id].pool);
	return p ? &p->pub : NULL;
}

int xdp_register_driver(struct device *dev, const struct xdp_driver_ops *ops)
{
	struct xsk_device *xd = xsk_device_get(dev);
	int err = 0;

	if (!xd)
		return -errno;
	pthread_mutex_lock(&xsk_lock);
	if (ops && xd->ops && ops != xd->ops) {
		err = error_set(EBUSY,
				"%s: its queues already have a driver, which must be unregistered "
				"first",
				dev_name(dev));
	} else {
		if (!ops)
			xsk_take_down(xd, true);
		write_release(&xd->ops, ops);
		if (!ops)
			xsk_wait_for_wakeups(xd);
	}
	pthread_mutex_unlock(&xsk_lock);
	return err;
}

int xdp_set_mtu(struct device *dev, u32 mtu)
{
	struct xsk_device *xd = xsk_device_get(dev);

	if (!xd)
		return -errno;
	pthread_mutex_lock(&xsk_lock);
	xd->mtu = mtu;
	pthread_mutex_unlock(&xsk_lock);
	return 0;
}

int xdp_set_steering(struct device *dev,
		     struct xdp_sock *(*fn)(struct device *dev, u16 queue_id, struct xdp_buff *xdp,
					    void *arg),
		     void *arg)
{
	struct xsk_device *xd = xsk_device_get(dev);
	struct xsk_steering *s;

	if (!xd)
		return -errno;
	pthread_mutex_lock(&xsk_lock);
	s = &xd->steering_at[xd->steering == &xd->steering_at[0]];
	s->fn = fn;
	s->arg = arg;
	write_release(&xd->steering, fn ? s : NULL);
	for (u32 i = 0; i < XDP_QUEUES; i++)
		queue_wait(&xd->queue[i]); /* no thread is in the former function any more */
	pthread_mutex_unlock(&xsk_lock);
	return 0;
}

static void xsk_fork_child(void)
{
	pthread_mutex_init(&xsk_lock, NULL);
	make_lock = (struct lock)LOCK_INIT;
}

FORK_HOOK(xsk_hook, NULL, NULL, xsk_fork_child);
