/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges that devices hold by dmamap_bus_map(), and unmaps that wait for them. */
#include "domain/hold.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

#define STUCK_AFTER_NS NS_PER_S

int hold_add(struct device *dev, iova_t iova, u64 size, const void *base)
{
	struct domain *dom = dev->domain;
	struct hold *h = alloc_zeroed(sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct hold){.dev = dev, .base = base, .iova = iova, .size = size};
	lock_acquire(&dom->hold_lock);
	h->next = dom->holds;
	dom->holds = h;
	__atomic_fetch_add(&dom->n_holds, 1, __ATOMIC_SEQ_CST);
	lock_release(&dom->hold_lock);
	return 0;
}

/* Takes one hold off the list; under hold_lock. */
static struct hold *hold_unlink(struct domain *dom, struct hold **p)
{
	struct hold *h = *p;

	*p = h->next;
	__atomic_fetch_sub(&dom->n_holds, 1, __ATOMIC_SEQ_CST);
	return h;
}

bool hold_drop(struct device *dev, const void *base)
{
	struct domain *dom = dev->domain;
	struct hold **p, *h = NULL;

	lock_acquire(&dom->hold_lock);
	for (p = &dom->holds; *p; p = &(*p)->next)
		if ((*p)->dev == dev && (*p)->base == base) {
			h = hold_unlink(dom, p);
			break;
		}
	lock_release(&dom->hold_lock);
	alloc_free(h);
	return h != NULL;
}

void hold_drop_all(struct device *dev)
{
	struct domain *dom = dev->domain;
	struct hold **p;

	lock_acquire(&dom->hold_lock);
	for (p = &dom->holds; *p;)
		if ((*p)->dev == dev)
			alloc_free(hold_unlink(dom, p));
		else
			p = &(*p)->next;
	lock_release(&dom->hold_lock);
}

static bool hold_overlaps(const struct hold *h, iova_t iova, u64 size)
{
	return h->iova.v < iova.v ? iova.v - h->iova.v < h->size : h->iova.v - iova.v < size;
}

/* The device of a hold in the way, or NULL. With `expired` the hold is dropped. */
static struct device *hold_find_device(struct domain *dom, iova_t iova, u64 size, bool expired)
{
	struct device *dev = NULL;
	struct hold **p, *dropped = NULL;

	lock_acquire(&dom->hold_lock);
	for (p = &dom->holds; *p && !hold_overlaps(*p, iova, size); p = &(*p)->next)
		;
	if (*p) {
		dev = (*p)->dev;
		if (expired)
			dropped = hold_unlink(dom, p);
	}
	lock_release(&dom->hold_lock);
	alloc_free(dropped);
	return dev;
}

void domain_wait_holds(struct domain *dom, iova_t iova, u64 size)
{
	const struct timespec pause = {.tv_nsec = 20000};
	u64 began = clock_ns();
	struct device *dev;

	for (;;) {
		bool expired = clock_ns() - began > STUCK_AFTER_NS;

		dev = hold_find_device(dom, iova, size, expired);
		if (!dev)
			return;
		if (expired)
			device_declare_stuck(dev, iova, size);
		else
			nanosleep(&pause, NULL);
	}
}
