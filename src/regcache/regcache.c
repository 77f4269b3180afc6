/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registration cache of policy=persistent. A cached mapping stays after dma_unmap until its
 * memory goes, or until a limit is reached and it is the least recently used. It serves requests
 * for the page that it begins at with exactly its permissions, so the device gets neither more nor
 * less than was asked for. A request that is longer than the cached mapping replaces it by a longer
 * one. Mappings that overlap are independent; each has its own range of device addresses.
 *
 * A slot is an entry of a hash table: a key has two buckets of four entries, and a mapping stays in
 * its entry. What a hit reads is in struct regcache_hot, in one cache line. A hit takes no lock and
 * makes no atomic write. It counts itself in an array of its thread, so that the mapping is not
 * dropped while it is used:
 *
 *   hit                                 dropping a mapping (under lock)
 *   uses[slot]++                        key = 0
 *   (compiler fence)            (A)     fence in every thread (base/fence.h)   (B)
 *   is the key still mine? use it       if the sum of all uses[slot] is 0, it is not in use
 *
 * A pairs with B. Where membarrier is not available, A is a full fence.
 *
 * A mapping may stop serving while it is in use. Either a longer one replaced it; then it stays
 * linked until the last unmap. Or memory of it went; then those pages are unlinked, and its device
 * addresses stay allocated until the last unmap.
 *
 * While an event waits to be served (monitor_caught_up()), the cache serves nothing and makes no
 * mapping: the device layer maps as it does without this cache. A mapping notes the number of the
 * last event, and ignores events up to that number: they are about older memory at its address.
 *
 * Leaves carry PT_ON_DEMAND, so an access to memory that has gone is refused, and raises no signal.
 *
 * lock guards everything but hot, uses and epoch; it may be held across system calls. fold_lock
 * guards `folded`: the counts of threads that ended and of threads without a record. Order: lock,
 * fold_lock.
 */
#include "regcache/table.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fence.h"
#include "odp/monitor.h"

#include <sys/mman.h>

static pthread_mutex_t caches_lock = PTHREAD_MUTEX_INITIALIZER;
static struct regcache_table *caches; /* under caches_lock */

static void *regcache_sparse_alloc(u64 bytes)
{
	void *p = fail_here(FAIL_MEMORY, NULL)
			  ? MAP_FAILED
			  : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void sparse_free(void *p, u64 bytes)
{
	if (p)
		munmap(p, bytes);
}

static void thread_attach(struct tslot_key *key, struct tslot *s)
{
	struct regcache_thread *t = (struct regcache_thread *)s;

	write_once(&t->uses, regcache_sparse_alloc(SLOTS * sizeof(*t->uses)));
}

static void regcache_thread_retire(struct tslot_key *key, struct tslot *s)
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
	sparse_free(uses, SLOTS * sizeof(*uses));
}

/* How many uses of the mapping there are. The key is 0 and every thread has passed a fence. */
static s64 regcache_users(struct regcache_table *c, u32 i)
{
	s64 sum;

	tslot_lock(); /* each thread is counted once */
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

/* Counts a use; a thread without an array counts with the threads that ended. */
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

static void everyone_fences(const struct regcache_table *c)
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

static void stop_answering(struct regcache_table *c, u32 i)
{
	if (!c->cold[i].answers)
		return;
	write_release(&c->hot[i].key, 0);
	c->cold[i].answers = false;
	regcache_list_remove(c, i);
	c->count--;
	c->bytes -= (u64)c->hot[i].pages << PAGE_BITS;
}

static void regcache_unmap_range(struct domain *dom, iova_t iova, u64 size)
{
	if (dom->space.by_range) { /* no device that is simulated, so nothing is held */
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
static void regcache_release_slot(struct regcache_table *c, u32 i)
{
	regcache_invalidate(c, i);
	itree_remove(&c->by_bus, &c->cold[i].bus);
	domain_iova_free(c->dev->domain, c->hot[i].page, c->hot[i].pages);
	c->cold[i].taken = false;
}

/* It serves no more requests; its users keep it. Under lock. */
static void regcache_retire(struct regcache_table *c, u32 i)
{
	stop_answering(c, i);
	everyone_fences(c);
	if (regcache_users(c, i) <= 0)
		regcache_release_slot(c, i);
}

/*
 * The memory of [first, last] has gone. The mapping may be longer than its users asked for, so they
 * keep the other pages. Under lock.
 */
static void lose_pages(struct regcache_table *c, u32 i, u64 first, u64 last)
{
	const struct regcache_cold *e = &c->cold[i];
	struct domain *dom = c->dev->domain;
	u64 from = max_u64(first, e->va.first) - e->va.first;
	u64 size = min_u64(last, e->va.last) - e->va.first + 1 - from;
	iova_t iova = IOVA((c->hot[i].page << PAGE_BITS) + from);

	stop_answering(c, i);
	regcache_unmap_range(dom, iova, size);
	regcache_retire(c, i);
}

/* Drops it if it is not in use. Under lock. */
static bool end_if_idle(struct regcache_table *c, u32 i)
{
	u64 key = read_once(&c->hot[i].key);

	write_release(&c->hot[i].key, 0);
	everyone_fences(c);
	if (regcache_users(c, i) > 0) {
		write_release(&c->hot[i].key, key);
		return false;
	}
	regcache_retire(c, i);
	return true;
}

/* Drops the least recently used mapping that is not in use. Under lock. */
static bool end_oldest(struct regcache_table *c)
{
	for (u32 tries = 2 * c->count; tries; tries--) {
		u32 i = c->oldest;

		if (read_once(&c->hot[i].stamp) == c->cold[i].stamp && end_if_idle(c, i))
			return true;
		/* it was used since it was put there, or is in use */
		regcache_list_remove(c, i);
		regcache_list_add(c, i);
	}
	return false;
}

/* A free entry for the key, if need be by dropping an idle mapping; SLOTS: there is none. */
static u32 free_slot(struct regcache_table *c, u64 key)
{
	for (unsigned int pass = 0; pass < 2; pass++)
		for (unsigned int which = 0; which < 2; which++)
			for (u32 i = regcache_bucket(key, which), n = 0; n < WAYS; i++, n++)
				if (!c->cold[i].taken ||
				    (pass && c->cold[i].answers && end_if_idle(c, i)))
					return i;
	return SLOTS;
}

/* Allocates device addresses and links them. 0: no addresses, or no memory. */
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

static bool into_trees(struct regcache_table *c, struct regcache_cold *e)
{
	if (itree_insert(&c->by_va, &e->va))
		return false;
	if (!itree_insert(&c->by_bus, &e->bus))
		return true;
	itree_remove(&c->by_va, &e->va);
	return false;
}

/* Makes a mapping. SLOTS: it cannot be cached. Under lock. */
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
		if (!end_oldest(c))
			return SLOTS;
	i = free_slot(c, key);
	page = i == SLOTS ? 0 : regcache_translate(c, va, pages, prot);
	if (!page)
		return SLOTS;
	e = &c->cold[i];
	e->va.first = va;
	e->va.last = va + size - 1;
	e->made = made;
	e->bus.first = page << PAGE_BITS;
	e->bus.last = e->bus.first + size - 1;
	if (!into_trees(c, e)) {
		regcache_unmap_range(c->dev->domain, IOVA(e->bus.first), size);
		domain_iova_free(c->dev->domain, page, pages);
		return SLOTS;
	}
	e->taken = e->answers = e->linked = true;
	write_once(&c->epoch, c->epoch + 1);
	write_once(&c->hot[i].page, page);
	write_once(&c->hot[i].pages, (u32)pages);
	write_once(&c->hot[i].stamp, c->epoch);
	regcache_list_add(c, i);
	c->count++;
	c->bytes += size;
	return i;
}

static slow_path u64 map_slow(struct regcache_table *c, u64 va, u64 offset, u64 pages, u64 prot)
{
	u64 key = regcache_key(va, prot), bus = 0;
	u32 i;

	pthread_mutex_lock(&c->lock);
	i = regcache_find(c, key);
	/* one that is too short, or beyond the mask that is set now, is replaced */
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

static u64 cache_map(struct regcache *k, phys_t pa, u64 size, u64 prot)
{
	struct regcache_table *c = container_of(k, struct regcache_table, regcache);
	u64 at = pa.v & ~PHYS_FOREIGN, offset = at & (PAGE_BYTES - 1),
	    pages = pages_spanned(at, size);
	u64 key = regcache_key(at, prot);
	struct regcache_hot *h;
	u32 i, epoch;

	/* a cached mapping may be of memory that went; a new one would be taken for one of it */
	if (unlikely(!monitor_caught_up()))
		return 0;
	i = regcache_find(c, key);
	if (unlikely(i == SLOTS))
		return map_slow(c, at - offset, offset, pages, prot);
	h = &c->hot[i];
	regcache_use(c, i, 1);
	if (unlikely(c->fences))
		full_fence();
	else
		compiler_fence();
	if (unlikely(!regcache_slot_matches(c, h, key, pages))) {
		regcache_use(c, i, -1);
		return map_slow(c, at - offset, offset, pages, prot);
	}
	epoch = read_once(&c->epoch);
	if (unlikely(read_once(&h->stamp) != epoch))
		write_once(&h->stamp, epoch);
	return read_once(&h->page) << PAGE_BITS | offset;
}

/* For mappings that serve no more, and for all of them when the checker is on. */
static slow_path int unmap_slow(struct regcache_table *c, u64 bus)
{
	struct itree_node *n;
	int done = 0;
	u32 i;

	tslot_get(&c->threads);
	pthread_mutex_lock(&c->lock);
	n = itree_find(&c->by_bus, bus, bus);
	if (n) {
		i = (u32)(container_of(n, struct regcache_cold, bus) - c->cold);
		everyone_fences(c);
		done = regcache_users(c, i) > 0 && n->first == align_down(bus, PAGE_BYTES) ? 1 : -1;
		if (done > 0)
			regcache_use(c, i, -1);
		if (!c->cold[i].answers && regcache_users(c, i) <= 0)
			regcache_release_slot(c, i);
	}
	pthread_mutex_unlock(&c->lock);
	return done;
}

static int cache_unmap(struct regcache *k, u64 bus, u64 size)
{
	struct regcache_table *c = container_of(k, struct regcache_table, regcache);
	u64 entry = pt_walk(&c->dev->domain->pt, IOVA(align_down(bus, PAGE_BYTES)));
	u32 i;

	if (unlikely(entry && !(entry & PT_KEPT)))
		return 0;
	if (unlikely(!entry || c->dev->check))
		return unmap_slow(c, bus);
	i = regcache_find(c, regcache_key(entry & PT_ADDR & ~PHYS_FOREIGN, entry & PT_PRESENT));
	if (unlikely(i == SLOTS || read_once(&c->hot[i].page) != bus >> PAGE_BITS))
		return unmap_slow(c, bus);
	regcache_use(c, i, -1);
	return 1;
}

/* After a fork, and when ranges were lost, mappings in use are kept. */
static void cache_hear(struct regcache_table *c, const struct odp_event *n)
{
	bool all = notice_is_all(n);
	u64 first = all ? 0 : n->start, last = all ? ~0ull : n->end - 1;
	struct itree_place place = {0};
	struct itree_node *node;

	pthread_mutex_lock(&c->lock);
	while ((node = itree_next(&c->by_va, place, first, last))) {
		u32 i = (u32)(container_of(node, struct regcache_cold, va) - c->cold);

		place = (struct itree_place){node->first, (uintptr_t)node};
		if (all)
			regcache_retire(c, i);
		else if (n->number > c->cold[i].made)
			lose_pages(c, i, first, last);
	}
	pthread_mutex_unlock(&c->lock);
}

static void regcache_on_event(const struct odp_event *n)
{
	pthread_mutex_lock(&caches_lock);
	for (struct regcache_table *c = caches; c; c = c->next)
		cache_hear(c, n);
	pthread_mutex_unlock(&caches_lock);
}

static struct monitor_listener listener = {.hear = regcache_on_event};

/* A child of fork has no device of its parent's. */
static void regcache_fork_child(void)
{
	pthread_mutex_init(&caches_lock, NULL);
	caches = NULL;
}

static void regcache_handle_forks(void)
{
	pthread_atfork(NULL, NULL, regcache_fork_child);
}

static void cache_free(struct regcache_table *c)
{
	sparse_free(c->hot, SLOTS * sizeof(*c->hot));
	sparse_free(c->cold, SLOTS * sizeof(*c->cold));
	sparse_free(c->folded, SLOTS * sizeof(*c->folded));
	alloc_free(c);
}

static struct regcache_table *cache_make(struct device *dev)
{
	struct regcache_table *c = alloc_zeroed(sizeof(*c));

	if (!c)
		return NULL;
	c->hot = regcache_sparse_alloc(SLOTS * sizeof(*c->hot));
	c->cold = regcache_sparse_alloc(SLOTS * sizeof(*c->cold));
	c->folded = regcache_sparse_alloc(SLOTS * sizeof(*c->folded));
	if (!c->hot || !c->cold || !c->folded) {
		cache_free(c);
		return error_null(ENOMEM, "no memory for the cache of policy=persistent");
	}
	c->regcache = (struct regcache){.map = cache_map, .unmap = cache_unmap};
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
		/* without events the cache would serve mappings of memory that went */
		monitor_put(&listener);
		return 0;
	}
	c = cache_make(dev);
	err = c ? tslot_key_init(&c->threads, sizeof(struct regcache_thread), thread_attach,
				 regcache_thread_retire)
		: -ENOMEM;
	if (err) {
		if (c)
			cache_free(c);
		monitor_put(&listener);
		return err;
	}
	pthread_mutex_lock(&caches_lock);
	c->next = caches;
	caches = c;
	pthread_mutex_unlock(&caches_lock);
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
	while (c->count && end_oldest(c))
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
	pthread_mutex_lock(&caches_lock);
	for (p = &caches; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	pthread_mutex_unlock(&caches_lock);
	monitor_put(&listener);
	/* mappings that were never unmapped were reported; a group may share the address space */
	while (c->count)
		stop_answering(c, c->oldest);
	for (struct itree_node *n; (n = itree_find(&c->by_bus, 0, ~0ull));)
		regcache_release_slot(c,
				      (u32)(container_of(n, struct regcache_cold, bus) - c->cold));
	tslot_key_destroy(&c->threads);
	cache_free(c);
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
