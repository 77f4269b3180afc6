/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules are compiled into a table per device whenever a socket or a map entry changes. The
 * receiving thread reads the table only. A queue that has one receiver needs none, so the usual
 * program has no table and takes the library's shortest path.
 */
#include "steer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#define RECEIVERS 64 /* of one queue */

/* A socket that is bound, or that is in a map. `lock` guards the list and all fields. */
struct xsk_steer_sock {
	struct xsk_steer_sock *next;
	struct xdp_sock *xs;
	struct device *dev;
	u32 queue_id;
	bool receives;
	bool mapped;
	u64 map;
	u32 key;
};

struct xsk_steer_queue {
	u32 n, turn; /* `turn` is used by the receiving thread only */
	struct xdp_sock *xs[RECEIVERS];
};

/* The table of a device. */
struct xsk_steer_table {
	struct xsk_steer_table *next; /* under lock */
	struct device *dev;
	bool map_used; /* a map had a socket of this device; under lock */
	struct xsk_steer_queue *queues;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_steer_sock *socks; /* in the order of their binding */
static struct xsk_steer_table *tables;

static struct xdp_sock *xsk_steer_choose(struct device *dev, u16 queue_id, struct xdp_buff *xdp,
					 void *arg)
{
	struct xsk_steer_queue *q = (struct xsk_steer_queue *)arg + queue_id;

	if (queue_id >= XDP_QUEUES || !q->n)
		return NULL;
	q->turn = q->turn + 1 < q->n ? q->turn + 1 : 0;
	return q->xs[q->turn];
}

/* Whether the device of a socket is open; if not, it must not be accessed. */
static bool xsk_steer_is_open(struct xdp_sock *xs)
{
	return !(xdp_sock_poll(xs) & POLLERR);
}

static struct xsk_steer_table *xsk_steer_find_table(const struct device *dev)
{
	struct xsk_steer_table *t;

	for (t = tables; t && t->dev != dev; t = t->next)
		;
	return t;
}

/* Returns the next receiver of the queue after `last` in the order of the keys, or NULL. */
static struct xsk_steer_sock *xsk_steer_next_key(const struct device *dev, u32 queue_id,
						 const struct xsk_steer_sock *last)
{
	struct xsk_steer_sock *best = NULL;

	for (struct xsk_steer_sock *s = socks; s; s = s->next) {
		if (s->dev != dev || s->queue_id != queue_id || !s->receives || !s->mapped ||
		    (last && s->key <= last->key))
			continue;
		if (!best || s->key < best->key)
			best = s;
	}
	return best;
}

static void xsk_steer_fill_queue(struct xsk_steer_queue *q, const struct device *dev, u32 queue_id,
				 bool by_map)
{
	struct xsk_steer_sock *s = by_map ? xsk_steer_next_key(dev, queue_id, NULL) : socks;

	while (s && q->n < RECEIVERS) {
		if (by_map || (s->dev == dev && s->queue_id == queue_id && s->receives))
			q->xs[q->n++] = s->xs;
		s = by_map ? xsk_steer_next_key(dev, queue_id, s) : s->next;
	}
}

/* Whether the device needs a table: a queue has several receivers, or a socket must not receive. */
static bool xsk_steer_needed(const struct xsk_steer_queue *queues, const struct device *dev)
{
	u32 bound[XDP_QUEUES] = {0};

	for (struct xsk_steer_sock *s = socks; s; s = s->next)
		bound[s->queue_id] += s->dev == dev;
	for (u32 i = 0; i < XDP_QUEUES; i++)
		if (bound[i] && (bound[i] > 1 || queues[i].n != 1))
			return true;
	return false;
}

/* Frees the table of a device without sockets, so that the next program on it begins anew. */
static void xsk_steer_free_table(struct xsk_steer_table *t, bool open)
{
	struct xsk_steer_table **at;

	for (at = &tables; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	if (t->queues && open)
		xdp_set_steering(t->dev, NULL, NULL);
	free(t->queues);
	free(t);
}

/* Called with the lock held. Returns NULL if there is no memory. */
static struct xsk_steer_table *xsk_steer_make_table(struct device *dev)
{
	struct xsk_steer_table *t = calloc(1, sizeof(*t));

	if (t) {
		t->dev = dev;
		t->next = tables;
		tables = t;
	}
	return t;
}

/* The caller holds `lock`. `open`: the device was not closed. */
static int xsk_steer_rebuild(struct device *dev, bool open)
{
	struct xsk_steer_table *t = xsk_steer_find_table(dev);
	struct xsk_steer_queue *queues, *old;
	struct xsk_steer_sock *s;

	for (s = socks; s && s->dev != dev; s = s->next)
		;
	if (!s) {
		if (t)
			xsk_steer_free_table(t, open);
		return 0;
	}
	queues = calloc(XDP_QUEUES, sizeof(*queues));
	if (!t)
		t = xsk_steer_make_table(dev);
	if (!queues || !t) {
		free(queues);
		return -ENOMEM;
	}
	for (; s; s = s->next)
		t->map_used |= s->dev == dev && s->mapped;
	for (u32 i = 0; i < XDP_QUEUES; i++)
		xsk_steer_fill_queue(&queues[i], dev, i, t->map_used);
	if (!xsk_steer_needed(queues, dev)) {
		free(queues);
		queues = NULL;
	}
	old = t->queues;
	if (open && (queues || old))
		xdp_set_steering(dev, queues ? xsk_steer_choose : NULL, queues);
	t->queues = queues;
	free(old);
	return 0;
}

void xsk_steer_add(struct xdp_sock *xs, struct device *dev, u32 queue_id, bool receives)
{
	struct xsk_steer_sock *s, **at;

	if (queue_id >= XDP_QUEUES)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return; /* the first socket of the queue receives */
	s->xs = xs;
	s->dev = dev;
	s->queue_id = queue_id;
	s->receives = receives;
	pthread_mutex_lock(&lock);
	for (at = &socks; *at; at = &(*at)->next)
		;
	*at = s;
	xsk_steer_rebuild(dev, xsk_steer_is_open(xs));
	pthread_mutex_unlock(&lock);
}

void xsk_steer_remove(struct xdp_sock *xs)
{
	struct xsk_steer_sock **at, *s;

	pthread_mutex_lock(&lock);
	for (at = &socks; *at && (*at)->xs != xs; at = &(*at)->next)
		;
	s = *at;
	if (s) {
		*at = s->next;
		xsk_steer_rebuild(s->dev, xsk_steer_is_open(xs));
		free(s);
	}
	pthread_mutex_unlock(&lock);
}

int xsk_steer_set(u64 map, u32 key, struct xdp_sock *xs)
{
	struct xsk_steer_sock *s, *found = NULL;
	int err;

	pthread_mutex_lock(&lock);
	for (s = socks; s; s = s->next) {
		if (s->xs == xs)
			found = s;
	}
	/* the socket of this device that the map had there; stand-ins of several devices are one */
	for (s = socks; found && s; s = s->next)
		if (s != found && s->mapped && s->map == map && s->key == key &&
		    s->dev == found->dev)
			s->mapped = false;
	if (found) {
		found->mapped = true;
		found->map = map;
		found->key = key;
	}
	err = found ? xsk_steer_rebuild(found->dev, xsk_steer_is_open(xs)) : -ENOENT;
	pthread_mutex_unlock(&lock);
	return err;
}

int xsk_steer_clear(u64 map, u32 key)
{
	struct xsk_steer_sock *s;
	int err = -ENOENT;

	pthread_mutex_lock(&lock);
	for (s = socks; s && !(s->mapped && s->map == map && s->key == key); s = s->next)
		;
	if (s) {
		s->mapped = false;
		err = xsk_steer_rebuild(s->dev, xsk_steer_is_open(s->xs));
	}
	pthread_mutex_unlock(&lock);
	return err;
}

/* A child of fork() has no sockets. */
static void steer_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	socks = NULL;
	tables = NULL;
}

__attribute__((constructor)) static void steer_fork_register(void)
{
	pthread_atfork(NULL, NULL, steer_fork_child);
}
