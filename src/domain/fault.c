/* SPDX-License-Identifier: BSD-2-Clause */
#include "domain/fault.h"
#include "base/clock.h"
#include "base/error.h"
#include "domain/device.h"

/* On the stack of the thread that faults; in the table's list while the function runs. */
struct fault_ask {
	struct fault_ask *next;
	u64 first_page, last_page;
	bool write;
	pthread_t thread;
	fault_fn fn;
};

static _Thread_local unsigned int nested;

void fault_table_init(struct fault_table *t)
{
	pthread_condattr_t attr;

	*t = (struct fault_table){0};
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->change, &attr);
	pthread_condattr_destroy(&attr);
}

void fault_table_fini(struct fault_table *t)
{
	pthread_cond_destroy(&t->change);
	pthread_mutex_destroy(&t->lock);
}

/* Under lock: whether another thread is running `fn`. */
static bool fault_resolver_runs(const struct fault_table *t, fault_fn fn)
{
	const struct fault_ask *a;

	for (a = t->asks; a; a = a->next)
		if (a->fn == fn && !pthread_equal(a->thread, pthread_self()))
			return true;
	return false;
}

/* Under lock. */
static void fault_arm(struct fault_table *t)
{
	write_once(&t->armed, t->resolve || t->demand);
}

void fault_set(struct fault_table *t, fault_fn resolve, void *arg)
{
	fault_fn old;

	pthread_mutex_lock(&t->lock);
	old = t->resolve;
	t->resolve = resolve;
	t->arg = arg;
	fault_arm(t);
	while (old && fault_resolver_runs(t, old))
		pthread_cond_wait(&t->change, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

void fault_demand_get(struct fault_table *t, fault_fn demand, fault_settle_fn settle)
{
	pthread_mutex_lock(&t->lock);
	t->demand_users++;
	t->demand = demand;
	write_release(&t->settle, settle);
	fault_arm(t);
	pthread_mutex_unlock(&t->lock);
}

void fault_demand_put(struct fault_table *t)
{
	fault_fn old;

	pthread_mutex_lock(&t->lock);
	old = t->demand;
	if (!--t->demand_users) {
		t->demand = NULL;
		fault_arm(t);
		while (!t->demand_users && fault_resolver_runs(t, old))
			pthread_cond_wait(&t->change, &t->lock);
	}
	pthread_mutex_unlock(&t->lock);
}

void fault_settle(struct device *dev, dma_addr_t addr, size_t len)
{
	fault_settle_fn settle = read_acquire(&dev->fault_table.settle);

	if (settle)
		settle(dev, addr, len);
}

/* Under lock: whether a call of another thread covers this one. */
static bool fault_is_covered(const struct fault_table *t, const struct fault_ask *mine)
{
	const struct fault_ask *a;

	for (a = t->asks; a; a = a->next)
		if (a->first_page <= mine->first_page && a->last_page >= mine->last_page &&
		    a->write >= mine->write && !pthread_equal(a->thread, mine->thread))
			return true;
	return false;
}

/* Under lock: waits until no call of another thread covers this one. */
static void fault_wait_for_other(struct fault_table *t, const struct fault_ask *mine, u64 until_ns)
{
	const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
				       .tv_nsec = (long)(until_ns % NS_PER_S)};

	while (fault_is_covered(t, mine))
		if (pthread_cond_timedwait(&t->change, &t->lock, &until))
			return;
}

/* Under lock, which is released while the function runs. */
static int fault_call_resolvers(struct fault_table *t, struct device *dev, dma_addr_t addr,
				size_t len, struct fault_ask *mine)
{
	void *arg = t->resolve ? t->arg : NULL;
	struct fault_ask **p;
	int err;

	mine->fn = t->resolve ? t->resolve : t->demand;
	if (!mine->fn)
		return -EFAULT;
	mine->next = t->asks;
	t->asks = mine;
	pthread_mutex_unlock(&t->lock);
	nested++;
	err = mine->fn(dev, addr, len, mine->write, arg);
	nested--;
	pthread_mutex_lock(&t->lock);
	for (p = &t->asks; *p != mine; p = &(*p)->next)
		;
	*p = mine->next;
	pthread_cond_broadcast(&t->change);
	return err;
}

bool fault_ask(struct device *dev, dma_addr_t addr, size_t len, bool write, struct fault_try *try)
{
	struct fault_table *t = &dev->fault_table;
	struct fault_ask mine = {.first_page = addr >> PAGE_BITS,
				 .last_page = (addr + len - 1) >> PAGE_BITS,
				 .write = write,
				 .thread = pthread_self()};
	u64 now, pages = mine.last_page - mine.first_page + 1;
	int err = 0;

	if (!read_once(&t->armed) || nested >= FAULT_NESTED)
		return false;
	now = clock_ns();
	if (!try->tries)
		try->until_ns = now + FAULT_SECONDS * NS_PER_S;
	if (now >= try->until_ns || try->tries >= FAULT_TRIES + 4 * min_u64(pages, 1u << 20)) {
		error_set(ETIMEDOUT,
			  "%s: an access of %zu bytes at %#llx was faulted in %u times and is "
			  "still not mapped; map it in the fault handler or return an error there",
			  dev->name, len, (unsigned long long)addr, try->tries);
		return false;
	}
	try->tries++;
	pthread_mutex_lock(&t->lock);
	if (fault_is_covered(t, &mine))
		fault_wait_for_other(t, &mine, try->until_ns);
	else
		err = fault_call_resolvers(t, dev, addr, len, &mine);
	pthread_mutex_unlock(&t->lock);
	return !err || err == -EAGAIN;
}
