/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Magazines. Every thread has two for each class, a loaded one and a spare, and exchanges them when
 * the loaded one becomes empty or full. A thread that alternates between an allocation and a free
 * at that point therefore reaches the depot at most once.
 *
 * The next level is a depot per thread and class, which stores magazines with ranges up to a limit
 * and empty magazines; ranges beyond the limit are returned to the tree. A thread whose own depot
 * is empty takes a magazine from the space's depot, to which iova_free_shared() adds, and then from
 * the depots of other threads. A thread therefore reuses the ranges that it freed, whose
 * bookkeeping is still in its processor's cache, and the ranges in a depot stay available to all
 * threads. When a thread ends, its magazines are moved to the space's depot.
 *
 * A magazine has a capacity of 2^run_order pages, and a refill takes that many pages in one aligned
 * run, so that two threads use different page tables. A thread's bin holds at most 4 MiB.
 *
 * Invariants: a magazine belongs to one bin or to one depot; `n` of a bin's loaded magazine is
 * bin->n, that of its spare is bin->spare_n. A range that cannot be cached for lack of memory is
 * returned to the tree.
 */
#include "iova/space.h"
#include "base/alloc.h"

#include <string.h>

#define SCAN_DEPTH 16 /* entries from the top that are searched for a range below the limit */
#define RUN_SHARE  6  /* a refill takes at most 1/2^6 of the pages below the limit */

static u32 magazine_capacity(const struct iova_full_space *s, unsigned int class)
{
	return class > s->run_order ? 0 : 1u << (s->run_order - class);
}

static struct iova_magazine *magazine_new(struct iova_full_space *s, unsigned int class)
{
	u32 capacity = magazine_capacity(s, class);
	struct iova_magazine *m;

	if (!capacity)
		return NULL;
	m = alloc_zeroed(sizeof(*m) + capacity * sizeof(m->page[0]));
	if (m)
		m->capacity = capacity;
	return m;
}

static struct iova_magazine *bin_loaded(const struct iova_bin *bin)
{
	return container_of(bin->page, struct iova_magazine, page);
}

/* Makes m the loaded magazine. The caller has stored or freed the previous one. */
static void bin_load(struct iova_bin *bin, struct iova_magazine *m)
{
	bin->page = m->page;
	bin->capacity = m->capacity;
	write_release(&bin->n, m->n);
}

/*
 * Closes the gap that a drain left at the bottom of the loaded magazine. Called for a bin of the
 * calling thread with the cache's lock held, as the first step of every slow path on the bin.
 */
static void iova_bin_settle(struct iova_bin *bin)
{
	u32 taken = bin->taken, left;

	if (likely(!taken))
		return;
	left = bin->n > taken ? bin->n - taken : 0;
	memmove(bin->page, bin->page + taken, left * sizeof(*bin->page));
	write_release(&bin->n, left);
	write_once(&bin->taken, 0);
}

void bin_set_spare(struct iova_bin *bin, struct iova_magazine *m)
{
	bin->spare = m;
	write_once(&bin->spare_n, m ? m->n : 0);
}

static void bin_swap(struct iova_bin *bin)
{
	struct iova_magazine *m = bin_loaded(bin), *spare = bin->spare;

	m->n = bin->n;
	bin_load(bin, spare);
	bin_set_spare(bin, m);
}

/* Large ranges are rarer, so the largest classes may have a quarter of the magazines. */
static bool depot_has_space(const struct iova_full_space *s, const struct iova_depot *d,
			    unsigned int class)
{
	return !d->closed && d->n_stocked <= (s->depot_max - 1) >> class / 3;
}

/* This and the next two functions are called with the depot's lock held. */
static void depot_put_empty(struct iova_depot *d, struct iova_magazine *m)
{
	m->n = 0;
	m->next = d->empty;
	d->empty = m;
}

static struct iova_magazine *depot_get_empty(struct iova_depot *d)
{
	struct iova_magazine *m = d->empty;

	if (m)
		d->empty = m->next;
	return m;
}

static void depot_stock(struct iova_depot *d, unsigned int class, struct iova_magazine *m)
{
	m->next = d->stocked;
	d->stocked = m;
	write_once(&d->n_stocked, d->n_stocked + 1);
	d->pages += (u64)m->n << class;
}

struct iova_magazine *depot_exchange(struct iova_depot *d, unsigned int class,
				     struct iova_magazine *used)
{
	struct iova_magazine *m;

	lock_acquire(&d->lock);
	m = d->stocked;
	if (m) {
		d->stocked = m->next;
		write_once(&d->n_stocked, d->n_stocked - 1);
	} else if (d->collector && d->collector->n) {
		m = d->collector;
		d->collector = NULL;
	}
	if (m) {
		d->pages -= (u64)m->n << class;
		if (used)
			depot_put_empty(d, used);
	}
	lock_release(&d->lock);
	return m;
}

/* Takes a magazine from the thread's own depot, else from the space's, else from another thread's.
 */
static struct iova_magazine *any_exchange(struct iova_full_space *s, struct iova_cache *cache,
					  unsigned int class, struct iova_magazine *used)
{
	struct iova_magazine *m;

	m = depot_exchange(&full_cache(&cache->slot)->depot[class], class, used);
	if (!m)
		m = depot_exchange(&s->depot[class], class, used);
	for (struct tslot *t = tslot_first(&s->hot.key); t && !m; t = tslot_next(t)) {
		struct iova_depot *d = &full_cache(t)->depot[class];

		if (read_once(&d->n_stocked))
			m = depot_exchange(d, class, used);
	}
	return m;
}

void iova_pages_flush(struct iova_full_space *s, unsigned int class, const u64 *page, u32 n)
{
	u64 size = 1ull << class;
	u32 i = 0, run;

	for (; i < n; i += run) {
		for (run = 1; i + run < n && page[i + run] == page[i] + run * size; run++)
			;
		if (space_give(s, page[i], run * size, run))
			continue;
		/* One range of the run was freed twice; the others are freed one by one. */
		for (u32 j = 0; run > 1 && j < run; j++)
			space_give(s, page[i + j], size, 1);
	}
}

static void magazine_flush(struct iova_full_space *s, unsigned int class, struct iova_magazine *m)
{
	iova_pages_flush(s, class, m->page, m->n);
	m->n = 0;
}

void magazine_end(struct iova_full_space *s, unsigned int class, struct iova_magazine *m)
{
	magazine_flush(s, class, m);
	alloc_free(m);
}

/* Puts a magazine into the depot or, when the depot is full, returns its ranges to the tree. */
static void depot_return(struct iova_full_space *s, struct iova_depot *d, unsigned int class,
			 struct iova_magazine *m)
{
	lock_acquire(&d->lock);
	if (m->n && depot_has_space(s, d, class)) {
		depot_stock(d, class, m);
		m = NULL;
	}
	lock_release(&d->lock);
	if (m)
		magazine_end(s, class, m);
}

/*
 * Exchanges the full magazine m for an empty one. The result may be m itself after its ranges were
 * returned to the tree.
 */
static struct iova_magazine *depot_exchange_full(struct iova_full_space *s, struct iova_depot *d,
						 unsigned int class, struct iova_magazine *m)
{
	struct iova_magazine *empty = NULL;
	bool has_space;

	lock_acquire(&d->lock);
	has_space = depot_has_space(s, d, class);
	if (has_space)
		empty = depot_get_empty(d);
	if (empty)
		depot_stock(d, class, m);
	lock_release(&d->lock);
	if (empty)
		return empty;
	if (has_space)
		empty = magazine_new(s, class);
	if (empty) {
		depot_return(s, d, class, m);
		return empty;
	}
	magazine_flush(s, class, m);
	return m;
}

/* Fills the empty loaded magazine with one run from the tree, none of it above `last`. */
static bool iova_cache_refill(struct iova_full_space *s, struct iova_bin *bin, unsigned int class,
			      u64 last)
{
	unsigned int order, span_order = log2_floor(last - s->first + 1);
	u64 page, size = 1ull << class;
	u32 n;

	order = span_order < RUN_SHARE + class ? class : span_order - RUN_SHARE;
	if (order > s->run_order)
		order = s->run_order;
	page = space_take(s, 1ull << order, last, true, 1ull << (order - class));
	if (!page && order > class + 3) { /* the space is nearly full or fragmented */
		order -= 3;
		page = space_take(s, 1ull << order, last, true, 1ull << (order - class));
	}
	if (!page)
		return false;
	n = 1u << (order - class);
	for (u32 i = 0; i < n; i++)
		bin->page[i] = page + i * size;
	write_release(&bin->n, n);
	return true;
}

/* Makes sure that the bin has a range. False: there is none, or no memory. */
static bool bin_fill(struct iova_full_space *s, struct iova_cache *cache, unsigned int class,
		     u64 last)
{
	struct iova_bin *bin = &cache->bin[class];
	struct iova_magazine *m;

	if (!bin->page) {
		m = magazine_new(s, class);
		if (!m)
			return false;
		bin_load(bin, m);
	}
	if (bin->n)
		return true;
	if (bin->spare_n) {
		bin_swap(bin);
		return true;
	}
	m = any_exchange(s, cache, class, bin->spare);
	if (!m)
		return iova_cache_refill(s, bin, class, last);
	bin_loaded(bin)->n = 0;
	bin_set_spare(bin, bin_loaded(bin));
	bin_load(bin, m);
	return true;
}

/* Removes and returns the topmost range that ends at or below `last`, of SCAN_DEPTH; 0: none. */
static u64 bin_pop(struct iova_bin *bin, u64 pages, u64 last)
{
	u32 n = bin->n, stop = n > SCAN_DEPTH ? n - SCAN_DEPTH : 0;

	for (u32 i = n; i > stop; i--) {
		u64 page = bin->page[i - 1];

		if (page > last || pages - 1 > last - page)
			continue;
		bin->page[i - 1] = bin->page[n - 1];
		write_release(&bin->n, n - 1);
		return page;
	}
	return 0;
}

/*
 * Allocates from this thread's cache, which is refilled from a depot or the tree if it is empty.
 * Returns 0 if the caller has to search the tree.
 */
u64 cache_take(struct iova_full_space *s, unsigned int class, u64 pages, u64 last)
{
	struct iova_cache *cache;
	struct iova_bin *bin;
	u64 page = 0;

	if (class > s->run_order)
		return 0;
	cache = (struct iova_cache *)tslot_get(&s->hot.key);
	if (!cache)
		return 0;
	bin = &cache->bin[class];
	lock_acquire(&full_cache(&cache->slot)->lock);
	iova_bin_settle(bin);
	if (bin_fill(s, cache, class, last))
		page = bin_pop(bin, pages, last);
	lock_release(&full_cache(&cache->slot)->lock);
	return page;
}

/* Makes sure that the bin has space for one range. False: no memory. */
static bool bin_make_space(struct iova_full_space *s, struct iova_cache *cache, unsigned int class)
{
	struct iova_depot *d = &full_cache(&cache->slot)->depot[class];
	struct iova_bin *bin = &cache->bin[class];
	struct iova_magazine *m;

	if (bin->n < bin->capacity)
		return true;
	if (!bin->page) {
		m = magazine_new(s, class);
		if (m)
			bin_load(bin, m);
		return m;
	}
	if (!bin->spare)
		bin_set_spare(bin, magazine_new(s, class));
	if (!bin->spare)
		return false;
	if (bin->spare_n == bin->capacity)
		bin_set_spare(bin, depot_exchange_full(s, d, class, bin->spare));
	bin_swap(bin);
	return true;
}

/* Called with the cache's lock held. Returns as cache_give(). */
static int iova_bin_give(struct iova_full_space *s, struct iova_cache *cache, unsigned int class,
			 u64 page)
{
	struct iova_bin *bin = &cache->bin[class];

	iova_bin_settle(bin);
	if (bin->n && bin->page[bin->n - 1] == page)
		return -1;
	if (!bin_make_space(s, cache, class))
		return 0;
	bin->page[bin->n] = page;
	write_release(&bin->n, bin->n + 1);
	return 1;
}

/* Frees a range to this thread's cache. A range that is freed twice in a row is detected. */
int cache_give(struct iova_full_space *s, unsigned int class, u64 page)
{
	struct iova_cache *cache = (struct iova_cache *)tslot_get(&s->hot.key);
	int given;

	if (!cache)
		return 0;
	lock_acquire(&full_cache(&cache->slot)->lock);
	given = iova_bin_give(s, cache, class, page);
	lock_release(&full_cache(&cache->slot)->lock);
	return given;
}

/* Frees a range to the space's depot, from which any thread allocates. */
int iova_depot_put(struct iova_full_space *s, unsigned int class, u64 page)
{
	struct iova_depot *d = &s->depot[class];
	struct iova_magazine *m, *full = NULL;
	int given = 0;

	lock_acquire(&d->lock);
	m = d->collector;
	if (m && m->n == m->capacity) {
		d->pages -= (u64)m->n << class;
		full = m;
		m = NULL;
	}
	if (!m)
		m = depot_get_empty(d);
	if (!m)
		m = magazine_new(s, class);
	d->collector = m;
	if (m && m->n && m->page[m->n - 1] == page) {
		given = -1;
	} else if (m) {
		m->page[m->n++] = page;
		d->pages += 1ull << class;
		given = 1;
	}
	lock_release(&d->lock);
	if (full)
		depot_return(s, d, class, full);
	return given;
}

void bin_unload(struct iova_bin *bin, struct iova_magazine *out[2])
{
	iova_bin_settle(bin);
	out[0] = bin->page ? bin_loaded(bin) : NULL;
	out[1] = bin->spare;
	if (out[0])
		out[0]->n = bin->n;
	bin->page = NULL;
	bin->capacity = 0;
	write_release(&bin->n, 0);
	bin_set_spare(bin, NULL);
}

static void iova_magazines_free(struct iova_magazine *m)
{
	struct iova_magazine *next;

	for (; m; m = next) {
		next = m->next;
		alloc_free(m);
	}
}

/* Moves a thread's depot of one class to the space's depot and frees its empty magazines. */
static void iova_depot_retire(struct iova_full_space *s, struct iova_depot *d, unsigned int class)
{
	struct iova_magazine *m, *empty;

	while ((m = depot_exchange(d, class, NULL)))
		depot_return(s, &s->depot[class], class, m);
	lock_acquire(&d->lock);
	empty = d->empty;
	d->empty = NULL;
	lock_release(&d->lock);
	iova_magazines_free(empty);
}

/* Called when the thread ends: moves all its ranges to the space's depots. */
void iova_cache_retire(struct tslot_key *key, struct tslot *slot)
{
	struct iova_full_space *s = full_space(container_of(key, struct iova_space, key));
	struct iova_cache *cache = (struct iova_cache *)slot;

	lock_acquire(&full_cache(slot)->lock);
	for (unsigned int class = 0; class < IOVA_CLASSES; class ++) {
		struct iova_magazine *m[2];

		bin_unload(&cache->bin[class], m);
		for (int i = 0; i < 2; i++)
			if (m[i])
				depot_return(s, &s->depot[class], class, m[i]);
		iova_depot_retire(s, &full_cache(slot)->depot[class], class);
	}
	lock_release(&full_cache(slot)->lock);
}

static u64 depot_pages(struct iova_depot *d)
{
	u64 pages;

	lock_acquire(&d->lock);
	pages = d->pages;
	lock_release(&d->lock);
	return pages;
}

/* Returns the pages in all caches. The counts of other threads may change while they are read. */
u64 cache_pages(struct iova_full_space *s)
{
	u64 pages = 0;

	tslot_lock();
	for (struct tslot *t = tslot_first(&s->hot.key); t; t = tslot_next(t))
		for (unsigned int class = 0; class < IOVA_CLASSES; class ++) {
			struct iova_bin *bin = &((struct iova_cache *)t)->bin[class];

			u32 n = read_once(&bin->n), taken = read_once(&bin->taken);

			pages += ((n > taken ? n - taken : 0) + (u64)read_once(&bin->spare_n))
				 << class;
			pages += depot_pages(&full_cache(t)->depot[class]);
		}
	tslot_unlock();
	for (unsigned int class = 0; class < IOVA_CLASSES; class ++)
		pages += depot_pages(&s->depot[class]);
	return pages;
}

static void depot_fini(struct iova_depot *d)
{
	struct iova_magazine *stocked, *empty, *collector;

	lock_acquire(&d->lock);
	stocked = d->stocked;
	empty = d->empty;
	collector = d->collector;
	d->stocked = d->empty = d->collector = NULL;
	d->pages = 0;
	d->closed = true;
	lock_release(&d->lock);
	iova_magazines_free(stocked);
	iova_magazines_free(empty);
	alloc_free(collector);
}

/* Frees the magazines. Their ranges need no free, because the tree is destroyed as well. */
void depots_fini(struct iova_full_space *s)
{
	for (unsigned int class = 0; class < IOVA_CLASSES; class ++) {
		depot_fini(&s->depot[class]);
		for (struct tslot *t = tslot_first(&s->hot.key); t; t = tslot_next(t))
			depot_fini(&full_cache(t)->depot[class]);
	}
}
