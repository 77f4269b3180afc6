/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registration caches of all devices: opening, closing, limits, and the invalidation events
 * that they receive. table.c has the mappings of one cache.
 *
 * regcaches_lock guards the list of caches. Order: regcaches_lock, a cache's lock.
 */
#include "regcache/regcache.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fence.h"
#include "odp/monitor.h"
#include "regcache/table.h"

static pthread_mutex_t regcaches_lock = PTHREAD_MUTEX_INITIALIZER;
static struct regcache_table *regcaches; /* under regcaches_lock */

/*
 * Processes an event. After a fork, and when ranges were lost, mappings in use are retired but stay
 * linked.
 */
static void regcache_process_event(struct regcache_table *c, const struct odp_event *event)
{
	bool all = event_is_all(event);
	u64 first = all ? 0 : event->start, last = all ? ~0ull : event->end - 1;
	struct itree_place place = {0};
	struct itree_node *node;

	pthread_mutex_lock(&c->lock);
	while ((node = itree_next(&c->by_va, place, first, last))) {
		u32 i = (u32)(container_of(node, struct regcache_cold, va) - c->cold);

		place = (struct itree_place){node->first, (uintptr_t)node};
		if (all)
			regcache_retire(c, i);
		else if (event->number > c->cold[i].made)
			regcache_lose_pages(c, i, first, last);
	}
	pthread_mutex_unlock(&c->lock);
}

static void regcache_on_event(const struct odp_event *event)
{
	pthread_mutex_lock(&regcaches_lock);
	for (struct regcache_table *c = regcaches; c; c = c->next)
		regcache_process_event(c, event);
	pthread_mutex_unlock(&regcaches_lock);
}

static struct monitor_listener listener = {.process = regcache_on_event};

/* A child of fork has none of its parent's devices. */
static void regcache_fork_child(void)
{
	pthread_mutex_init(&regcaches_lock, NULL);
	regcaches = NULL;
}

static void regcache_handle_forks(void)
{
	pthread_atfork(NULL, NULL, regcache_fork_child);
}

static void regcache_free(struct regcache_table *c)
{
	alloc_sparse_free(c->hot, SLOTS * sizeof(*c->hot));
	alloc_sparse_free(c->cold, SLOTS * sizeof(*c->cold));
	alloc_sparse_free(c->folded, SLOTS * sizeof(*c->folded));
	alloc_free(c);
}

static struct regcache_table *regcache_new(struct device *dev)
{
	struct regcache_table *c = alloc_zeroed(sizeof(*c));

	if (!c)
		return NULL;
	c->hot = alloc_sparse(SLOTS * sizeof(*c->hot));
	c->cold = alloc_sparse(SLOTS * sizeof(*c->cold));
	c->folded = alloc_sparse(SLOTS * sizeof(*c->folded));
	if (!c->hot || !c->cold || !c->folded) {
		regcache_free(c);
		return error_null(ENOMEM, "no memory for the cache of policy=persistent");
	}
	c->regcache = (struct regcache){.map = regcache_map, .unmap = regcache_unmap};
	c->dev = dev;
	c->newest = c->oldest = SLOTS;
	c->count_limit = COUNT_LIMIT;
	c->bytes_limit = BYTES_LIMIT;
	pthread_mutex_init(&c->lock, NULL);
	c->fences = !fence_everywhere_works();
#ifdef BUILT_WITH_TSAN
	c->fences = true;
#endif
	return c;
}

int regcache_open(struct device *dev)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct regcache_table *c;
	int err;

	if (dev->domain->policy != POLICY_PERSISTENT || !dev->iommu || !dev->coherent ||
	    dev->ram_only)
		return 0;
	pthread_once(&once, regcache_handle_forks);
	err = monitor_get(&listener);
	if (err)
		return err;
	if (!monitor_on()) {
		/* without events the cache would serve mappings of memory that was unmapped */
		monitor_put(&listener);
		return 0;
	}
	c = regcache_new(dev);
	err = c ? tslot_key_init(&c->threads, sizeof(struct regcache_thread),
				 regcache_thread_attach, regcache_thread_retire)
		: -ENOMEM;
	if (err) {
		if (c)
			regcache_free(c);
		monitor_put(&listener);
		return err;
	}
	pthread_mutex_lock(&regcaches_lock);
	c->next = regcaches;
	regcaches = c;
	pthread_mutex_unlock(&regcaches_lock);
	dev->regcache = &c->regcache;
	return 0;
}

void regcache_drop_idle(struct device *dev)
{
	struct regcache_table *c =
		dev->regcache ? container_of(dev->regcache, struct regcache_table, regcache) : NULL;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	while (c->count && regcache_drop_oldest(c))
		;
	pthread_mutex_unlock(&c->lock);
}

void regcache_close(struct device *dev)
{
	struct regcache_table **p,
		*c = dev->regcache ? container_of(dev->regcache, struct regcache_table, regcache)
				   : NULL;

	if (!c)
		return;
	dev->regcache = NULL;
	pthread_mutex_lock(&regcaches_lock);
	for (p = &regcaches; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	pthread_mutex_unlock(&regcaches_lock);
	monitor_put(&listener);
	/* leaked mappings were already reported; a group may share the address space */
	while (c->count)
		regcache_stop_serving(c, c->oldest);
	for (struct itree_node *n; (n = itree_find(&c->by_bus, 0, ~0ull));)
		regcache_release_slot(c,
				      (u32)(container_of(n, struct regcache_cold, bus) - c->cold));
	tslot_key_destroy(&c->threads);
	regcache_free(c);
}

void regcache_limit(struct device *dev, u32 count, u64 bytes)
{
	struct regcache_table *c = container_of(dev->regcache, struct regcache_table, regcache);

	pthread_mutex_lock(&c->lock);
	c->count_limit = count;
	c->bytes_limit = bytes;
	pthread_mutex_unlock(&c->lock);
}

u32 regcache_count(struct device *dev, u64 *bytes)
{
	struct regcache_table *c =
		dev->regcache ? container_of(dev->regcache, struct regcache_table, regcache) : NULL;
	u32 n = 0;

	*bytes = 0;
	if (!c)
		return 0;
	pthread_mutex_lock(&c->lock);
	n = c->count;
	*bytes = c->bytes;
	pthread_mutex_unlock(&c->lock);
	return n;
}
