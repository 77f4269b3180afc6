/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges that devices hold by dmamap_bus_map(), and unmaps that wait for them. `n_holds` counts the
 * holds that are not expired, so that an unmap without holds reads one word.
 */
#include "domain/hold.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

#define STUCK_AFTER_NS NS_PER_S

static u64 hold_fingerprint(const struct iovec *iov, int n)
{
	u64 sum = (u64)n;

	for (int i = 0; i < n; i++) {
		sum = (sum ^ (uintptr_t)iov[i].iov_base) * 0x9e3779b97f4a7c15ull;
		sum = ((sum ^ sum >> 29) + iov[i].iov_len) * 0xbf58476d1ce4e5b9ull;
		sum ^= sum >> 32;
	}
	return sum;
}

int hold_add(struct device *dev, iova_t iova, u64 size, const struct iovec *iov, int n)
{
	struct domain *dom = dev->domain;
	struct hold *h = alloc_zeroed(sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct hold){.dev = dev,
			   .array = iov,
			   .base = iov[0].iov_base,
			   .fingerprint = hold_fingerprint(iov, n),
			   .iova = iova,
			   .size = size};
	lock_acquire(&dom->hold_lock);
	h->next = dom->holds;
	dom->holds = h;
	__atomic_fetch_add(&dom->n_holds, 1, __ATOMIC_SEQ_CST);
	lock_release(&dom->hold_lock);
	return 0;
}

/* Marks a hold so that no unmap waits for it. Called with hold_lock held. */
static void hold_expire(struct domain *dom, struct hold *h)
{
	if (!h->expired)
		__atomic_fetch_sub(&dom->n_holds, 1, __ATOMIC_SEQ_CST);
	h->expired = true;
}

/* Removes one hold from the list. Called with hold_lock held. */
static struct hold *hold_unlink(struct domain *dom, struct hold **p)
{
	struct hold *h = *p;

	*p = h->next;
	hold_expire(dom, h);
	return h;
}

/*
 * Finds the hold that the segments belong to; the result points to NULL if there is none. Called
 * with hold_lock held. Holds of the same memory are distinguished by the array that received the
 * segments, then by all segments. If several holds still match, they reach the same memory; a hold
 * for which an unmap waits is preferred, then the oldest.
 */
static struct hold **hold_find(struct domain *dom, const struct device *dev,
			       const struct iovec *iov, int n)
{
	u64 fingerprint = hold_fingerprint(iov, n);
	struct hold **p, **found = NULL;
	int best = 0;

	for (p = &dom->holds; *p; p = &(*p)->next) {
		const struct hold *h = *p;
		int rank = 1 + 4 * (h->array == iov) + 2 * (h->fingerprint == fingerprint) +
			   h->awaited;

		if (h->dev != dev || h->base != iov[0].iov_base || rank < best)
			continue;
		best = rank;
		found = p;
	}
	return found ? found : p;
}

bool hold_drop(struct device *dev, const struct iovec *iov, int n)
{
	struct domain *dom = dev->domain;
	struct hold **p, *h = NULL;

	lock_acquire(&dom->hold_lock);
	p = hold_find(dom, dev, iov, n);
	if (*p)
		h = hold_unlink(dom, p);
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

/*
 * Returns the device of a hold that overlaps the range, or NULL. With `expired`, unmaps no longer
 * wait for that hold. It stays in the list until the device drops it, so that the drop does not
 * remove another hold.
 */
static struct device *hold_find_device(struct domain *dom, iova_t iova, u64 size, bool expired)
{
	struct device *dev = NULL;
	struct hold *h;

	lock_acquire(&dom->hold_lock);
	for (h = dom->holds; h && (h->expired || !hold_overlaps(h, iova, size)); h = h->next)
		;
	if (h) {
		dev = h->dev;
		h->awaited = true;
		if (expired)
			hold_expire(dom, h);
	}
	lock_release(&dom->hold_lock);
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
