/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What caches hold goes back to the tree of gaps: before an allocation fails, and when all of it is
 * asked for. Also what the bins of other threads hold, which may do nothing for hours.
 *
 * A thread pushes to and pops from the top of its loaded magazine without a lock, so another takes
 * from the bottom. `taken` is the border. Both are under way at once only on the two words; where A
 * pairs with B:
 *
 *   the thread, for each pop              the other, under the cache's lock
 *   n = n - 1                             taken = n
 *   (compiler barrier)        (A)         membarrier()                          (B)
 *   taken < former n?                     claimed = min(taken, n)
 *   else n = n + 1, slow path             taken = claimed
 *                                         page[0] to page[claimed - 1] are the other's
 *
 * membarrier() makes each running thread of the process execute a full barrier. A pop that read the
 * old `taken` stored its n before it, so the second read of n sees that store. A pop that reads the
 * new one fails when it reaches below it. So the ranges below `claimed` stay where they are, and
 * their owner does not pop them. A pop that fails while n is read for the second time costs the
 * other one range, no more. Pushes go above n and concern nobody.
 *
 * On its slow path, under the cache's lock, the thread moves what is left down to the bottom
 * (cache.c:iova_bin_settle). Spare magazines are touched under the lock only.
 *
 * Without membarrier() loaded magazines of other threads are left alone.
 */
#include "iova/space.h"

struct want { /* what a drain is for; pages 0: for its own sake */
	u64 pages, last;
	bool aligned;
};

static u64 iova_drain_retry(struct iova_full_space *s, const struct want *w)
{
	return w->pages ? space_take(s, w->pages, w->last, w->aligned, 1) : 0;
}

/* This thread's own bin. */
static u64 bin_drain(struct iova_full_space *s, struct iova_full_cache *cache, unsigned int class,
		     const struct want *w)
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

/* A magazine at a time; at most as many as a full depot has, since others may add meanwhile. */
static u64 depot_drain(struct iova_full_space *s, struct iova_depot *d, unsigned int class,
		       const struct want *w)
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
		       const struct want *w)
{
	u64 page = own ? bin_drain(s, own, class, w) : 0;

	if (!page)
		page = depot_drain(s, &s->depot[class], class, w);
	for (struct tslot *t = tslot_first(&s->hot.key); t && !page; t = tslot_next(t))
		page = depot_drain(s, &full_cache(t)->depot[class], class, w);
	return page;
}

/* How many ranges of the loaded magazine are the thread's; without the lock a moment's view. */
static u32 iova_bin_count(const struct iova_bin *bin)
{
	u32 n = read_acquire(&bin->n), taken = read_once(&bin->taken);

	return n > taken ? n - taken : 0;
}

/* Under the lock. Spares are nobody else's there. */
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

/* Under the lock: the head of this file says how. */
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

/* True: the cache held something. */
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
	struct want want = {pages, last, aligned};
	u64 page = 0;

	for (unsigned int class = IOVA_CLASSES; !page && class --;)
		page = class_drain(s, own ? full_cache(own) : NULL, class, &want);
	for (struct tslot *t = tslot_first(&s->hot.key); t && !page; t = tslot_next(t))
		if (t != own && iova_other_drain(s, full_cache(t)))
			page = iova_drain_retry(s, &want);
	return page;
}
