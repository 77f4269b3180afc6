/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts. A context is in one of two lists, both under odp_lock:
 *
 *   odp_contexts   its device is open and faults of its regions are served
 *   orphans        its device was closed before it, or it was inherited over fork(); it has no
 *                  regions and its pub.device is NULL
 *
 * ib_dealloc_ucontext() frees it from either, so a program may close the device first. A context is
 * looked up by its address before it is read, so one that was freed already is refused.
 */
#include "base/alloc.h"
#include "map/managed.h"
#include "odp/monitor.h"
#include "odp/odp.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct odp_context *odp_contexts;
static struct odp_context *orphans; /* under odp_lock */
static struct monitor_listener listener = {.process = odp_event_process};

/* Under odp_lock: removes the context from a list. False: it is not in the list. */
static bool context_unlist(struct odp_context **list, const struct odp_context *c)
{
	struct odp_context **p;

	for (p = list; *p && *p != c; p = &(*p)->next)
		;
	if (!*p)
		return false;
	*p = c->next;
	return true;
}

static bool context_is_open(const struct odp_context *c)
{
	const struct odp_context *p;

	pthread_mutex_lock(&odp_lock);
	for (p = odp_contexts; p && p != c; p = p->next)
		;
	pthread_mutex_unlock(&odp_lock);
	return p != NULL;
}

/*
 * A child of fork has none of its parent's devices. The contexts that it inherits become orphans,
 * and their regions are treated as if the context were freed. The child may open its own devices.
 */
static void context_fork_prepare(void)
{
	pthread_mutex_lock(&odp_lock);
}

static void context_fork_parent(void)
{
	pthread_mutex_unlock(&odp_lock);
}

static void context_fork_child(void)
{
	struct odp_context *c;

	pthread_mutex_init(&odp_lock, NULL);
	regions_fork_child();
	while ((c = odp_contexts)) {
		odp_contexts = c->next;
		itree_clear(&c->by_bus);
		c->pub.device = NULL;
		c->next = orphans;
		orphans = c;
	}
}

static void context_handle_forks(void)
{
	pthread_atfork(context_fork_prepare, context_fork_parent, context_fork_child);
}

static void context_report_leak(const struct odp_context *c, const struct ib_umem_odp *r)
{
	const struct check_history history = {.what = {"made"}, .at = {r->made}};

	check_report_history(c->pub.device, c->pub.device->check, DMAMAP_CHECK_LEAK, 0,
			     r->umem->length, DMA_NONE, &history,
			     "a region at %#lx was never released before its context",
			     r->umem->address);
}

/*
 * Removes the regions that the program has not freed from the device; the program still frees them.
 * The owner of a region is read while the reference is held, because a region of another context
 * may be freed by another thread as soon as the reference is dropped.
 */
static void context_stop_regions(struct odp_context *c)
{
	struct itree_place place = {0};
	struct ib_umem_odp *r;

	while ((r = region_next(&place, 0, ODP_TOP))) {
		bool mine = r->context == c;

		region_unref(r);
		if (!mine)
			continue;
		context_report_leak(c, r);
		region_stop(r);
	}
}

/* When it returns, the device and the monitor no longer use the context. */
static void context_stop(struct odp_context *c)
{
	context_stop_regions(c);
	pthread_mutex_lock(&odp_lock);
	context_unlist(&odp_contexts, c);
	pthread_mutex_unlock(&odp_lock);
	fault_demand_put(&c->pub.device->fault_table);
	monitor_put(&listener);
}

/*
 * Called when the device is closed before the context is freed. In a child of fork the context may
 * already be freed.
 */
static void context_lose_device(void *data)
{
	struct odp_context *c = data;

	if (!context_is_open(c))
		return;
	context_stop(c);
	c->pub.device = NULL;
	pthread_mutex_lock(&odp_lock);
	c->next = orphans;
	orphans = c;
	pthread_mutex_unlock(&odp_lock);
}

void ib_dealloc_ucontext(struct ib_ucontext *pub)
{
	struct odp_context *c;
	bool orphan;

	if (!pub || IS_ERR(pub))
		return;
	c = container_of(pub, struct odp_context, pub);
	pthread_mutex_lock(&odp_lock);
	orphan = context_unlist(&orphans, c);
	pthread_mutex_unlock(&odp_lock);
	if (orphan) {
		alloc_free(c);
		return;
	}
	if (!context_is_open(c)) {
		error_set(EINVAL,
			  "ib_dealloc_ucontext: %p is not a context: it was freed before, or "
			  "ib_alloc_ucontext() did not return it",
			  (void *)pub);
		return;
	}
	if (device_drop_managed(pub->device, c)) {
		context_stop(c);
		alloc_free(c);
	}
}

/*
 * Accesses of a simulated device and copies of pages use process_vm_readv() on this process.
 * Returns 0, or -EOPNOTSUPP if the system refuses that.
 */
static int context_check_copy(const struct device *dev)
{
	u64 from = 1, to = 0;
	struct iovec local = {&to, sizeof(to)}, hw = {&from, sizeof(from)};

	if (dev->hw && !odp_needs_slots(dev))
		return 0;
	if (syscall(SYS_process_vm_readv, (long)getpid(), &local, 1l, &hw, 1l, 0l) == sizeof(to))
		return 0;
	return error_set(EOPNOTSUPP,
			 "%s: on-demand paging copies by process_vm_readv, which is refused "
			 "here (a seccomp profile, or a kernel without CONFIG_CROSS_MEMORY_ATTACH)",
			 dev->name);
}

struct ib_ucontext *ib_alloc_ucontext(struct device *dev,
				      void (*invalidate_range)(struct ib_umem *umem,
							       unsigned long start,
							       unsigned long end))
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct odp_context *c;
	int err;

	if (!dev)
		return ERR_PTR(error_set(EINVAL, "ib_alloc_ucontext: no device"));
	err = context_check_copy(dev);
	if (err)
		return ERR_PTR(err);
	c = alloc_zeroed(sizeof(*c));
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->pub.device = dev;
	c->pub.invalidate_range = invalidate_range;
	pthread_once(&once, context_handle_forks);
	err = monitor_get(&listener);
	if (err)
		goto free_context;
	err = device_add_managed(dev, context_lose_device, c);
	if (err)
		goto put_monitor;
	pthread_mutex_lock(&odp_lock);
	c->next = odp_contexts;
	odp_contexts = c;
	pthread_mutex_unlock(&odp_lock);
	fault_demand_get(&dev->fault_table, odp_demand, odp_settle);
	return &c->pub;
put_monitor:
	monitor_put(&listener);
free_context:
	alloc_free(c);
	return ERR_PTR(err);
}

bool ib_umem_events_enabled(const struct ib_ucontext *context)
{
	return context && !IS_ERR(context) && monitor_on();
}
