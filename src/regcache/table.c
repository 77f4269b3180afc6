/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registration cache of policy=persistent. A cached mapping stays after dma_unmap until its
 * memory is unmapped, or until a limit is reached and it is the least recently used. It serves
 * requests for the page at which it begins, with exactly its permissions, so the device has neither
 * more nor less access than requested. A request that is longer than the cached mapping replaces it
 * by a longer one. Mappings that overlap are independent; each has its own range of device
 * addresses.
 *
 * A slot is an entry of a hash table. A key has two buckets of four entries, and a mapping stays in
 * its entry. A hit reads only struct regcache_hot, which is in one cache line. It acquires no lock
 * and makes no atomic write. It counts itself in an array of its thread, so that the mapping is not
 * dropped while it is used:
 *
 *   hit                                 dropping a mapping (under lock)
 *   uses[slot]++                        key = 0
 *   (compiler fence)       (A)          fence in every thread (base/fence.h)   (B)
 *   if the key is unchanged: use it     if the sum of all uses[slot] is 0, it is not in use
 *
 * A pairs with B. If membarrier is not available, A is a full fence.
 *
 * A mapping may stop serving while it is in use. If a longer one replaced it, it stays linked until
 * its last unmap. If a part of its memory was unmapped, those pages are unlinked, and its device
 * addresses stay allocated until its last unmap.
 *
 * While events wait to be processed (monitor_caught_up()), the cache serves nothing and makes no
 * mapping; the mapping code then works as without the cache. A mapping records the number of the
 * last event and ignores events up to that number, since they concern older memory at its address.
 *
 * Leaf entries carry PT_ON_DEMAND, so an access to memory that was unmapped is refused and raises
 * no signal.
 *
 * lock guards everything except hot, uses and epoch; it may be held across system calls. fold_lock
 * guards `folded`, the counts of threads that ended and of threads without a record. Order: lock,
 * fold_lock.
 */
#include "regcache/table.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fence.h"
#include "odp/monitor.h"

void regcache_thread_attach(struct tslot_key *key, struct tslot *s)
{
	struct regcache_thread *t = (struct regcache_thread *)s;

	write_once(&t->uses, alloc_sparse(SLOTS * sizeof(*t->uses)));
}

void regcache_thread_retire(struct tslot_key *key, struct tslot *s)
{
	struct regcache_table *c = container_of(key, struct regcache_table, threads);
	struct regcache_thread *t = (struct regcache_thread *)s;
	s32 *uses = t->uses;

	lock_acquire(&c->fold_lock);
	for (u32 i = 0; uses && i < SLOTS; i++)
		if (read_once(&uses[i]))
			c->folded[i] += read_once(&uses[i]);
	write_once(&t->uses, NULL);
	lock_release(&c->fold_lock);
	alloc_sparse_free(uses, SLOTS * sizeof(*uses));
}

/*
 * Returns the number of uses of the mapping. The key is 0 and every thread has executed a fence
 * since.
 */
static s64 regcache_users(struct regcache_table *c, u32 i)
{
	s64 sum;

	tslot_lock(); /* so that every thread is counted once */
	lock_acquire(&c->fold_lock);
	sum = c->folded[i];
	for (struct tslot *s = tslot_first(&c->threads); s; s = tslot_next(s)) {
		s32 *uses = read_once(&((struct regcache_thread *)s)->uses);

		if (uses)
			sum += read_once(&uses[i]);
	}
	lock_release(&c->fold_lock);
	tslot_unlock();
	return sum;
}

/* Counts a use; a thread without an array adds it to `folded`. */
hot_inline void regcache_use(struct regcache_table *c, u32 i, s32 n)
{
	struct regcache_thread *t = (struct regcache_thread *)tslot_get(&c->threads);

	if (likely(t && t->uses)) {
		count_add(&t->uses[i], n);
		return;
	}
	lock_acquire(&c->fold_lock);
	c->folded[i] += n;
	lock_release(&c->fold_lock);
}

static void regcache_fence(const struct regcache_table *c)
{
	if (c->fences)
		full_fence();
	else
		fence_everywhere();
}

static void regcache_list_remove(struct regcache_table *c, u32 i)
{
	struct regcache_cold *e = &c->cold[i];

	*(e->before == SLOTS ? &c->newest : &c->cold[e->before].after) = e->after;
	*(e->after == SLOTS ? &c->oldest : &c->cold[e->after].before) = e->before;
}

static void regcache_list_add(struct regcache_table *c, u32 i)
{
	struct regcache_cold *e = &c->cold[i];

	e->before = SLOTS;
	e->after = c->newest;
	e->stamp = read_once(&c->hot[i].stamp);
	*(c->newest == SLOTS ? &c->oldest : &c->cold[c->newest].before) = i;
	c->newest = i;
}

void regcache_stop_serving(struct regcache_table *c, u32 i)
{
	if (!c->cold[i].serves)
		return;
	write_release(&c->hot[i].key, 0);
	c->cold[i].serves = false;
	regcache_list_remove(c, i);
	c->count--;
	c->bytes -= (u64)c->hot[i].pages << PAGE_BITS;
}

static void regcache_unmap_range(struct domain *dom, iova_t iova, u64 size)
{
	if (dom->space.by_range) { /* hardware back ends have no holds */
		dom->space.ops->unmap_partial(&dom->space, iova, size);
		return;
	}
	pt_unmap(&dom->pt, iova, size);
	domain_cut_off(dom, iova.v >> PAGE_BITS, size >> PAGE_BITS);
}

static void regcache_invalidate(struct regcache_table *c, u32 i)
{
	struct domain *dom = c->dev->domain;
	iova_t iova = IOVA(c->hot[i].page << PAGE_BITS);
	u64 size = (u64)c->hot[i].pages << PAGE_BITS;

	if (!c->cold[i].linked)
		return;
	regcache_unmap_range(dom, iova, size);
	itree_remove(&c->by_va, &c->cold[i].va);
	c->cold[i].linked = false;
}

/* Frees the device addresses and the slot. */
void regcache_release_slot(struct regcache_table *c, u32 i)
{
	regcache_invalidate(c, i);
	itree_remove(&c->by_bus, &c->cold[i].bus);
	domain_iova_free(c->dev->domain, c->hot[i].page, c->hot[i].pages);
	c->cold[i].taken = false;
}

/* The mapping serves no more requests; it exists until its last user unmaps it. Under lock. */
void regcache_retire(struct regcache_table *c, u32 i)
{
	regcache_stop_serving(c, i);
	regcache_fence(c);
	if (regcache_users(c, i) <= 0)
		regcache_release_slot(c, i);
}

/*
 * The memory of [first, last] was unmapped. The mapping may cover several requests, whose users
 * keep the remaining pages. Under lock.
 */
void regcache_lose_pages(struct regcache_table *c, u32 i, u64 first, u64 last)
{
	const struct regcache_cold *e = &c->cold[i];
	struct domain *dom = c->dev->domain;
	u64 from = max_u64(first, e->va.first) - e->va.first;
	u64 size = min_u64(last, e->va.last) - e->va.first + 1 - from;
	iova_t iova = IOVA((c->hot[i].page << PAGE_BITS) + from);

	regcache_stop_serving(c, i);
	regcache_unmap_range(dom, iova, size);
	regcache_retire(c, i);
}

/* Drops it if it is not in use. Under lock. */
static bool regcache_drop_if_idle(struct regcache_table *c, u32 i)
{
	u64 key = read_once(&c->hot[i].key);

	write_release(&c->hot[i].key, 0);
	regcache_fence(c);
	if (regcache_users(c, i) > 0) {
		write_release(&c->hot[i].key, key);
		return false;
	}
	regcache_retire(c, i);
	return true;
}

/* Drops the least recently used mapping that is not in use. Under lock. */
bool regcache_drop_oldest(struct regcache_table *c)
{
	for (u32 tries = 2 * c->count; tries; tries--) {
		u32 i = c->oldest;

		if (read_once(&c->hot[i].stamp) == c->cold[i].stamp && regcache_drop_if_idle(c, i))
			return true;
		/* it was used after it was put at this position, or is in use now */
		regcache_list_remove(c, i);
		regcache_list_add(c, i);
	}
	return false;
}

/* Returns a free entry for the key, after dropping an idle mapping if needed, or SLOTS. */
static u32 regcache_free_slot(struct regcache_table *c, u64 key)
{
	for (unsigned int pass = 0; pass < 2; pass++)
		for (unsigned int which = 0; which < 2; which++)
			for (u32 i = regcache_bucket(key, which), n = 0; n < WAYS; i++, n++)
				if (!c->cold[i].taken ||
				    (pass && c->cold[i].serves && regcache_drop_if_idle(c, i)))
					return i;
	return SLOTS;
}

/* Allocates device addresses and links them. Returns 0 if there are no addresses or no memory. */
static u64 regcache_translate(struct regcache_table *c, u64 va, u64 pages, u64 prot)
{
	struct domain *dom = c->dev->domain;
	u64 page;

	if (fail_here(FAIL_IOVA, c->dev->name) ||
	    domain_check_tables(PAGE_BYTES, pages << PAGE_BITS))
		return 0;
	page = domain_iova_try(dom, pages, read_once(&c->dev->dma_last) >> PAGE_BITS);
	if (!page)
		return 0;
	if (!pt_map(&dom->pt, IOVA(page << PAGE_BITS), PHYS(va | PHYS_FOREIGN), pages << PAGE_BITS,
		    prot | PT_FIRST | PT_LAST | PT_ON_DEMAND | PT_KEPT, PT_MAP_SPLIT)) {
		if (likely(dom->space.direct) ||
		    !dom->space.ops->publish(&dom->space, IOVA(page << PAGE_BITS),
					     pages << PAGE_BITS))
			return page;
		pt_unmap(&dom->pt, IOVA(page << PAGE_BITS), pages << PAGE_BITS);
	}
	domain_undo_map(dom, pages);
	domain_iova_free(dom, page, pages);
	return 0;
}

static bool regcache_insert(struct regcache_table *c, struct regcache_cold *e)
{
	if (itree_insert(&c->by_va, &e->va))
		return false;
	if (!itree_insert(&c->by_bus, &e->bus))
		return true;
	itree_remove(&c->by_va, &e->va);
	return false;
}

static void regcache_start_serving(struct regcache_table *c, u32 i, u64 page, u32 pages)
{
	write_once(&c->epoch, c->epoch + 1);
	write_once(&c->hot[i].page, page);
	write_once(&c->hot[i].pages, pages);
	write_once(&c->hot[i].stamp, c->epoch);
	regcache_list_add(c, i);
	c->count++;
	c->bytes += (u64)pages << PAGE_BITS;
}

/* Creates a mapping. Returns SLOTS if it cannot be cached. Under lock. */
static u32 regcache_make(struct regcache_table *c, u64 va, u64 pages, u64 prot)
{
	u64 size = pages << PAGE_BITS, key = regcache_key(va, prot), page, made;
	struct regcache_cold *e;
	u32 i;

	if (size > c->bytes_limit || pages > UINT32_MAX || event_lost() ||
	    !monitor_watch(va, va + size) || !monitor_settle(SETTLE_SOON))
		return SLOTS;
	made = event_number();
	while (c->count && (c->count >= c->count_limit || c->bytes > c->bytes_limit - size))
		if (!regcache_drop_oldest(c))
			return SLOTS;
	i = regcache_free_slot(c, key);
	page = i == SLOTS ? 0 : regcache_translate(c, va, pages, prot);
	if (!page)
		return SLOTS;
	e = &c->cold[i];
	e->va.first = va;
	e->va.last = va + size - 1;
	e->made = made;
	e->bus.first = page << PAGE_BITS;
	e->bus.last = e->bus.first + size - 1;
	if (!regcache_insert(c, e)) {
		regcache_unmap_range(c->dev->domain, IOVA(e->bus.first), size);
		domain_iova_free(c->dev->domain, page, pages);
		return SLOTS;
	}
	e->taken = e->serves = e->linked = true;
	regcache_start_serving(c, i, page, (u32)pages);
	return i;
}

static slow_path u64 regcache_map_slow(struct regcache_table *c, u64 va, u64 offset, u64 pages,
				       u64 prot)
{
	u64 key = regcache_key(va, prot), bus = 0;
	u32 i;

	pthread_mutex_lock(&c->lock);
	i = regcache_find(c, key);
	/* a mapping that is too short, or beyond the current mask, is replaced */
	if (i != SLOTS && !regcache_slot_matches(c, &c->hot[i], key, pages)) {
		regcache_retire(c, i);
		i = SLOTS;
	}
	if (i == SLOTS)
		i = regcache_make(c, va, pages, prot);
	if (i != SLOTS) {
		regcache_use(c, i, 1);
		bus = c->hot[i].page << PAGE_BITS | offset;
		write_release(&c->hot[i].key, key);
	}
	pthread_mutex_unlock(&c->lock);
	return bus;
}

u64 regcache_map(struct regcache *k, phys_t pa, u64 size, u64 prot)
{
	struct regcache_table *c = container_of(k, struct regcache_table, regcache);
	u64 at = pa.v & ~PHYS_FOREIGN, offset = at & (PAGE_BYTES - 1),
	    pages = pages_spanned(at, size);
	u64 key = regcache_key(at, prot);
	struct regcache_hot *h;
	u32 i, epoch;

	/*
	 * until all events are processed, a cached mapping may be of memory that was unmapped, and
	 * an event could be applied to a new mapping at the same address
	 */
	if (unlikely(!monitor_caught_up()))
		return 0;
	i = regcache_find(c, key);
	if (unlikely(i == SLOTS))
		return regcache_map_slow(c, at - offset, offset, pages, prot);
	h = &c->hot[i];
	regcache_use(c, i, 1);
	if (unlikely(c->fences))
		full_fence();
	else
		compiler_fence();
	if (unlikely(!regcache_slot_matches(c, h, key, pages))) {
		regcache_use(c, i, -1);
		return regcache_map_slow(c, at - offset, offset, pages, prot);
	}
	epoch = read_once(&c->epoch);
	if (unlikely(read_once(&h->stamp) != epoch))
		write_once(&h->stamp, epoch);
	return read_once(&h->page) << PAGE_BITS | offset;
}

/* For mappings that serve no more requests, and for all mappings if the checker is on. */
static slow_path int regcache_unmap_slow(struct regcache_table *c, u64 bus)
{
	struct itree_node *n;
	int done = 0;
	u32 i;

	tslot_get(&c->threads);
	pthread_mutex_lock(&c->lock);
	n = itree_find(&c->by_bus, bus, bus);
	if (n) {
		i = (u32)(container_of(n, struct regcache_cold, bus) - c->cold);
		regcache_fence(c);
		done = regcache_users(c, i) > 0 && n->first == align_down(bus, PAGE_BYTES) ? 1 : -1;
		if (done > 0)
			regcache_use(c, i, -1);
		if (!c->cold[i].serves && regcache_users(c, i) <= 0)
			regcache_release_slot(c, i);
	}
	pthread_mutex_unlock(&c->lock);
	return done;
}

int regcache_unmap(struct regcache *k, u64 bus, u64 size)
{
	struct regcache_table *c = container_of(k, struct regcache_table, regcache);
	u64 entry = pt_walk(&c->dev->domain->pt, IOVA(align_down(bus, PAGE_BYTES)));
	u32 i;

	if (unlikely(entry && !(entry & PT_KEPT)))
		return 0;
	if (unlikely(!entry || c->dev->check))
		return regcache_unmap_slow(c, bus);
	i = regcache_find(c, regcache_key(entry & PT_ADDR & ~PHYS_FOREIGN, entry & PT_PRESENT));
	if (unlikely(i == SLOTS || read_once(&c->hot[i].page) != bus >> PAGE_BITS))
		return regcache_unmap_slow(c, bus);
	regcache_use(c, i, -1);
	return 1;
}
