/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Returns the ranges in caches to the tree of gaps, before an allocation fails and by iova_drain().
 * This includes the bins of other threads, because such a thread may be idle for hours.
 *
 * A thread pushes to and pops from the top of its loaded magazine without a lock, so another thread
 * takes from the bottom. `taken` is the border. Both threads access only `n` and `taken` at the
 * same time. A pairs with B:
 *
 *   the owner, for each pop               another thread, holding the cache's lock
 *   n = n - 1                             taken = n
 *   (compiler barrier)        (A)         membarrier()                          (B)
 *   taken < former n?                     claimed = min(taken, n)
 *   else n = n + 1, slow path             taken = claimed
 *                                         page[0] to page[claimed - 1] are drained
 *
 * membarrier() makes every running thread of the process execute a full barrier. A pop that read
 * the old `taken` stored its n before the barrier, so the second read of n returns that store or a
 * later one. A pop that reads the new `taken` fails when its range is below it. The owner therefore
 * does not pop the ranges below `claimed`, and they do not move. If a pop fails while n is read for
 * the second time, the other thread drains at most one range less. Pushes store above n and do not
 * interfere.
 *
 * On its slow path, with the cache's lock held, the owner moves the remaining ranges down to the
 * bottom (cache.c:iova_bin_settle). Spare magazines are accessed only with the lock held.
 *
 * Without membarrier() the loaded magazines of other threads are not drained.
 */
#include "iova/space.h"

struct drain_want { /* the allocation that a drain must make possible; pages 0: drain all */
	u64 pages, last;
	bool aligned;
};

static u64 iova_drain_retry(struct iova_full_space *s, const struct drain_want *w)
{
	return w->pages ? space_take(s, w->pages, w->last, w->aligned, 1) : 0;
}

/* Drains a bin of the calling thread. */
static u64 bin_drain(struct iova_full_space *s, struct iova_full_cache *cache, unsigned int class,
		     const struct drain_want *w)
{
	struct iova_bin *bin = &cache->hot.bin[class];
	struct iova_magazine *m[2];

	if (!bin->n && !read_once(&bin->spare_n))
		return 0;
	lock_acquire(&cache->lock);
	bin_unload(bin, m);
	lock_release(&cache->lock);
	for (int i = 0; i < 2; i++)
		if (m[i])
			magazine_end(s, class, m[i]);
	return iova_drain_retry(s, w);
}

/*
 * Drains one magazine at a time. The loop is bounded by the capacity of a depot, because other
 * threads may add magazines meanwhile.
 */
static u64 depot_drain(struct iova_full_space *s, struct iova_depot *d, unsigned int class,
		       const struct drain_want *w)
{
	struct iova_magazine *m;
	u64 page = 0;

	for (u32 i = 0; i <= s->depot_max && !page; i++) {
		m = depot_exchange(d, class, NULL);
		if (!m)
			break;
		magazine_end(s, class, m);
		page = iova_drain_retry(s, w);
	}
	return page;
}

static u64 class_drain(struct iova_full_space *s, struct iova_full_cache *own, unsigned int class,
		       const struct drain_want *w)
{
	u64 page = own ? bin_drain(s, own, class, w) : 0;

	if (!page)
		page = depot_drain(s, &s->depot[class], class, w);
	for (struct tslot *t = tslot_first(&s->hot.key); t && !page; t = tslot_next(t))
		page = depot_drain(s, &full_cache(t)->depot[class], class, w);
	return page;
}

/*
 * Returns the number of ranges in the loaded magazine that are not drained. Without the lock the
 * number may change at once.
 */
static u32 iova_bin_count(const struct iova_bin *bin)
{
	u32 n = read_acquire(&bin->n), taken = read_once(&bin->taken);

	return n > taken ? n - taken : 0;
}

/* Called with the cache's lock held, which guards the spare magazines. */
static void iova_spares_drain(struct iova_full_space *s, struct iova_full_cache *cache)
{
	for (unsigned int class = 0; class < IOVA_CLASSES; class ++) {
		struct iova_bin *bin = &cache->hot.bin[class];

		if (!bin->spare_n)
			continue;
		iova_pages_flush(s, class, bin->spare->page, bin->spare->n);
		bin->spare->n = 0;
		bin_set_spare(bin, bin->spare);
	}
}

/* Called with the cache's lock held. The header of this file explains the steps. */
static void iova_loaded_drain(struct iova_full_space *s, struct iova_full_cache *cache)
{
	u32 before[IOVA_CLASSES], n, claimed;

	for (unsigned int class = 0; class < IOVA_CLASSES; class ++) {
		struct iova_bin *bin = &cache->hot.bin[class];

		before[class] = bin->taken;
		if (iova_bin_count(bin))
			write_once(&bin->taken, read_acquire(&bin->n));
	}
	fence_everywhere();
	for (unsigned int class = 0; class < IOVA_CLASSES; class ++) {
		struct iova_bin *bin = &cache->hot.bin[class];

		n = read_acquire(&bin->n);
		claimed = bin->taken < n ? bin->taken : n;
		if (claimed < before[class])
			claimed = before[class];
		write_once(&bin->taken, claimed);
		if (claimed > before[class])
			iova_pages_flush(s, class, bin->page + before[class],
					 claimed - before[class]);
	}
}

/* Drains the cache of another thread. True: it may have had ranges. */
static bool iova_other_drain(struct iova_full_space *s, struct iova_full_cache *cache)
{
	u64 spares = 0, loaded = 0;

	for (unsigned int class = 0; class < IOVA_CLASSES; class ++) {
		spares += read_once(&cache->hot.bin[class].spare_n);
		loaded += iova_bin_count(&cache->hot.bin[class]);
	}
	if (!spares && !(loaded && fence_everywhere_works()))
		return false;
	lock_acquire(&cache->lock);
	iova_spares_drain(s, cache);
	if (loaded && fence_everywhere_works())
		iova_loaded_drain(s, cache);
	lock_release(&cache->lock);
	return true;
}

u64 cache_drain(struct iova_full_space *s, u64 pages, u64 last, bool aligned)
{
	struct tslot *own = tslot_get(&s->hot.key);
	struct drain_want want = {pages, last, aligned};
	u64 page = 0;

	for (unsigned int class = IOVA_CLASSES; !page && class --;)
		page = class_drain(s, own ? full_cache(own) : NULL, class, &want);
	for (struct tslot *t = tslot_first(&s->hot.key); t && !page; t = tslot_next(t))
		if (t != own && iova_other_drain(s, full_cache(t)))
			page = iova_drain_retry(s, &want);
	return page;
}
