/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings: unlinking and freeing ranges. These cannot fail. The page table, not the
 * caller's parameters, determines the memory that is unlinked and how.
 *
 * Loops skip parts that are not linked, so a huge range with few links costs little.
 */
#include "map/twostep.h"

#define CHUNK 64

enum dma_data_direction entry_dir(u64 entry)
{
	u64 prot = entry & (PT_READ | PT_WRITE);

	return prot == PT_READ	  ? DMA_TO_DEVICE
	       : prot == PT_WRITE ? DMA_FROM_DEVICE
				  : DMA_BIDIRECTIONAL;
}

/* Computes the linked bytes of a granule: from the head's offset to the end of a closed range. */
static void twostep_linked_part(const struct device *dev, const struct dma_iova_state *state,
				u64 granule, u64 *from, u64 *to)
{
	u64 bus = twostep_bus(dev, state), closed = read_once(&state->__end);

	*from = granule < bus ? bus - granule : 0;
	*to = closed && bus + closed - granule < PAGE_BYTES ? bus + closed - granule : PAGE_BYTES;
}

/* Copies back or syncs a granule for the CPU after its translation was invalidated. */
static void twostep_settle(struct device *dev, const struct dma_iova_state *state, u64 granule,
			   u64 entry)
{
	unsigned long attrs = entry & PT_NO_SYNC ? DMA_ATTR_SKIP_CPU_SYNC : 0;
	phys_t pa = PHYS(entry & PT_ADDR);
	u64 from, to;

	if (entry & PT_BOUNCED) {
		bounce_unmap_page(dev, pa, entry_dir(entry), attrs);
	} else if (!dev->coherent && !attrs && entry_dir(entry) != DMA_TO_DEVICE &&
		   phys_range_is_ram(pa, PAGE_BYTES)) {
		twostep_linked_part(dev, state, granule, &from, &to);
		cpu_cache_invalidate(PHYS(pa.v + from), to - from);
	}
}

/* Called after [bus, bus + size) was cleared in the page table: invalidates it, or defers that. */
static void twostep_invalidate(struct device *dev, struct dma_iova_state *state, u64 bus, u64 size,
			       bool strict)
{
	struct domain *dom = dev->domain;

	if (!strict) {
		__atomic_fetch_or(&state->__stale, STALE, __ATOMIC_SEQ_CST);
		fence_after_atomic();
		domain_flush_later(dom);
		return;
	}
	if (likely(dom->space.ports && size < PT_ENTRIES * PAGE_BYTES))
		ports_invalidate(&dom->ports, bus >> PAGE_BITS, size >> PAGE_BITS);
	else
		domain_drain(dom);
	if (unlikely(read_acquire(&dom->n_holds)))
		domain_wait_holds(dom, IOVA(bus), size);
}

/*
 * Unlinks in a short range by clearing the words of the table directly. Usually all granules are
 * linked with one direction, which the OR and the AND of the words show. Apart from the
 * invalidation, these loops are the whole cost of a long unlink; unrolled, they take half the time.
 */
static void twostep_clear_slots(u64 *slot, u64 n, enum dma_data_direction dir,
				struct twostep_taken *t)
{
	u64 prot = (unsigned int)dir <= DMA_FROM_DEVICE ? prot_of(dir) : 0, some = 0, all = ~0ull;

#pragma GCC unroll 8
	for (u64 i = 0; i < n; i++) {
		u64 entry = read_once(&slot[i]);

		some |= entry;
		all &= entry;
	}
	t->entries = some;
	t->granules = n;
	if (unlikely((some & PT_PRESENT) != prot || (all & PT_PRESENT) != prot)) {
		t->granules = 0;
		for (u64 i = 0; i < n; i++) {
			u64 entry = read_once(&slot[i]) & PT_PRESENT;

			t->granules += entry != 0;
			t->other_dir |= entry && entry != prot;
		}
	}
#pragma GCC unroll 8
	for (u64 i = 0; i < n; i++)
		write_release(&slot[i], 0);
}

void twostep_unlink_by_granule(struct device *dev, struct dma_iova_state *state, u64 bus, u64 end,
			       enum dma_data_direction dir, bool give_back, struct twostep_taken *t)
{
	struct domain *dom = dev->domain;
	struct pt *pt = &dom->pt;
	u64 entry[CHUNK], k;

	while ((bus = pt_find(pt, IOVA(bus), end)) < end) {
		k = min_u64((end - bus) >> PAGE_BITS, CHUNK);
		for (u64 i = 0; i < k; i++) {
			entry[i] = pt_walk(pt, IOVA(bus + (i << PAGE_BITS)));
			t->granules += entry[i] != 0;
			t->other_dir |= entry[i] && entry_dir(entry[i]) != dir;
		}
		if (dom->space.by_range && give_back) {
			dom->space.ops->unmap_partial(&dom->space, IOVA(bus), k << PAGE_BITS);
		} else {
			pt_unmap(pt, IOVA(bus), k << PAGE_BITS);
			if (!dom->space.by_range)
				twostep_invalidate(dev, state, bus, k << PAGE_BITS, true);
		}
		for (u64 i = 0; i < k; i++) {
			if (entry[i] && give_back)
				twostep_settle(dev, state, bus + (i << PAGE_BITS), entry[i]);
			else if (entry[i] & PT_BOUNCED)
				bounce_unmap_page(dev, PHYS(entry[i] & PT_ADDR), DMA_TO_DEVICE, 0);
		}
		bus += k << PAGE_BITS;
	}
}

/* For the checker: whether a leaf of [bus, end) was linked with another direction. */
static slow_path bool twostep_any_other_dir(const struct pt *pt, u64 bus, u64 end,
					    enum dma_data_direction dir)
{
	struct pt_leaf leaf;

	while ((bus = pt_find(pt, IOVA(bus), end)) < end && pt_walk_slow(pt, IOVA(bus), &leaf)) {
		if (entry_dir(leaf.entry) != dir)
			return true;
		bus = align_down(bus, leaf.size) + leaf.size;
	}
	return false;
}

/* Unlinks in a range of any length that needs no copies and no cache maintenance. */
static void twostep_clear_leaves(struct device *dev, u64 bus, u64 end, enum dma_data_direction dir,
				 struct twostep_taken *t)
{
	struct domain *dom = dev->domain;
	struct pt *pt = &dom->pt;

	t->other_dir = dev->check && twostep_any_other_dir(pt, bus, end, dir);
	if (dom->space.by_range) { /* unmap_partial() does all of the work */
		t->granules = dom->space.ops->unmap_partial(&dom->space, IOVA(bus), end - bus) >>
			      PAGE_BITS;
		return;
	}
	/* The leaves were not read, so assume memory outside RAM, which is invalidated at once. */
	t->entries = PHYS_FOREIGN;
	t->granules = pt_unmap(pt, IOVA(bus), end - bus) >> PAGE_BITS;
}

/* Unlinks all links in [bus, end). */
static struct twostep_taken twostep_take_links(struct device *dev, struct dma_iova_state *state,
					       u64 bus, u64 end, enum dma_data_direction dir)
{
	u64 *slots = read_once(&state->__slots);
	struct twostep_taken t = {0};

	if (likely(slots && !read_once(&state->__end)))
		twostep_clear_slots(slots + ((bus - twostep_bus(dev, state)) >> PAGE_BITS),
				    (end - bus) >> PAGE_BITS, dir, &t);
	else if (!dev->sync_looks)
		twostep_clear_leaves(dev, bus, end, dir, &t);
	else
		twostep_unlink_by_granule(dev, state, bus, end, dir, true, &t);
	/* twostep_unlink_by_granule() has invalidated already, and leaves `entries` at 0. */
	if (likely(t.entries))
		twostep_invalidate(dev, state, bus, end - bus,
				   dev->strict || t.entries & (PHYS_FOREIGN | PT_ON_DEMAND));
	return t;
}

/*
 * Computes the granules of [offset, offset + size): whole granules, the head at offset 0, and the
 * tail where the range ends or was closed. False: there is none.
 */
static bool twostep_named_granules(const struct device *dev, const struct dma_iova_state *state,
				   u64 offset, u64 size, u64 *bus, u64 *end)
{
	u64 base = twostep_bus(dev, state), closed = read_once(&state->__end), to;

	if (!size || !range_within(offset, size, state->__size))
		return false;
	*bus = offset ? align_up(base + offset, PAGE_BYTES) : align_down(base, PAGE_BYTES);
	to = base + offset + size;
	if (offset + size == state->__size || (closed && offset + size >= closed))
		*end = align_up(to, PAGE_BYTES);
	else
		*end = align_down(to, PAGE_BYTES);
	return *bus < *end;
}

void twostep_report_part(struct device *dev, const struct dma_iova_state *state, u64 offset,
			 u64 size, enum dma_data_direction dir, const char *what)
{
	struct check_history history = {0};

	if (dev->check)
		check_links_history(&dev->shadow, state->addr + offset, size, &history);
	check_report_history(
		dev, dev->check, DMAMAP_CHECK_IOVA_NOT_LINKED, state->addr + offset, size, dir,
		&history,
		"%s of %llu bytes at offset %llu of a two-step range, of which not all "
		"is linked",
		what, (unsigned long long)size, (unsigned long long)offset);
}

/* Called after the link that closed the range was removed. */
static void twostep_reopen(struct device *dev, struct dma_iova_state *state)
{
	struct lock *lock = (struct lock *)&state->__lock;

	lock_acquire(lock);
	write_once(&state->__end, 0);
	twostep_set_slots(dev, state);
	lock_release(lock);
}

static void unlink_part(struct device *dev, struct dma_iova_state *state, u64 offset, u64 size,
			enum dma_data_direction dir)
{
	u64 bus, end, closed = read_once(&state->__end), closes = twostep_bus(dev, state) + closed;
	struct twostep_taken t;

	if (!twostep_named_granules(dev, state, offset, size, &bus, &end)) {
		twostep_report_part(dev, state, offset, size, dir, "unlink");
		return;
	}
	t = twostep_take_links(dev, state, bus, end, dir);
	if (closed && bus < closes && end >= closes)
		twostep_reopen(dev, state);
	if (unlikely(read_once(&dev->bounced)))
		bounce_report_lost(dev, state->addr + offset, size, dir);
	if (unlikely(t.granules < (end - bus) >> PAGE_BITS))
		twostep_report_part(dev, state, offset, size, dir, "unlink");
	if (unlikely(t.other_dir) && dev->check)
		check_report(
			dev, true, DMAMAP_CHECK_IOVA_DIRECTION, state->addr + offset, size, dir,
			"unlinked with another direction than it was linked with; the direction "
			"of the link was used");
}

static slow_path void twostep_check_unlink(struct device *dev, const struct dma_iova_state *state,
					   u64 offset, u64 size, enum dma_data_direction dir,
					   unsigned long attrs, const void *caller)
{
	check_enter(caller);
	if (size && range_within(offset, size, state->__size))
		check_unlink(&dev->shadow, state->addr + offset, size, dir, attrs, caller);
}

void dma_iova_unlink(struct device *dev, struct dma_iova_state *state, size_t offset, size_t size,
		     enum dma_data_direction dir, unsigned long attrs)
{
	if (unlikely(!state_ok(dev, state))) {
		twostep_bad_state(dev, "dma_iova_unlink");
		return;
	}
	if (unlikely(dev->check))
		twostep_check_unlink(dev, state, offset, size, dir, attrs, CALLER);
	unlink_part(dev, state, offset, size, dir);
}

/*
 * Claims the state in order to free it. Of two concurrent frees one finds that the mark was
 * cleared, so the address space is freed once.
 */
static bool twostep_state_claim(const struct device *dev, struct dma_iova_state *state)
{
	return state_ok(dev, state) &&
	       __atomic_exchange_n(&state->__live, 0, __ATOMIC_ACQ_REL) >> LIVE_MARK_SHIFT ==
		       dev->link_mark;
}

/* Clears the state word by word, because another thread may be reading it by mistake. */
static void twostep_state_clear(struct dma_iova_state *state)
{
	write_once(&state->__size, 0);
	write_once(&state->__slots, NULL);
	write_once(&state->__end, 0);
	write_once(&state->__stale, 0);
	write_once(&state->__open, 0);
	write_once(&state->addr, 0);
}

/* Frees the range. Links that remain from offset `from` on are unlinked and reported. */
static void twostep_free_range(struct device *dev, struct dma_iova_state *state, u64 from)
{
	struct domain *dom = dev->domain;
	u64 first = range_first(dev, state), end = range_end(dev, state), bus = end;
	struct check_history history = {0};
	struct twostep_taken t = {0};

	if (unlikely(dev->check)) {
		check_links_history(&dev->shadow, state->addr, state->__size, &history);
		check_range_freed(&dev->shadow, state->addr, state->__size);
	}
	if (unlikely(from < state->__size))
		bus = pt_find(&dom->pt,
			      IOVA(align_down(twostep_bus(dev, state) + from, PAGE_BYTES)), end);
	if (unlikely(bus < end)) {
		t = twostep_take_links(dev, state, bus, end, DMA_BIDIRECTIONAL);
		bounce_report_lost(dev, state->addr, state->__size, DMA_NONE);
		check_report_history(dev, dev->check, DMAMAP_CHECK_IOVA_LINKED, state->addr,
				     state->__size, DMA_NONE, &history,
				     "a two-step range was freed with %llu granules linked: unlink "
				     "them first",
				     (unsigned long long)t.granules);
	}
	if (read_once(&state->__stale) & (STALE | FLUSHING))
		domain_defer_free(dom, first >> PAGE_BITS, (end - first) >> PAGE_BITS);
	else
		domain_iova_free(dom, first >> PAGE_BITS, (end - first) >> PAGE_BITS);
	twostep_state_clear(state);
	count_add(&device_thread(dev)->ranges_given, 1);
}

void dma_iova_free(struct device *dev, struct dma_iova_state *state)
{
	if (unlikely(!twostep_state_claim(dev, state)))
		twostep_bad_state(dev, "dma_iova_free");
	else
		twostep_free_range(dev, state, 0);
}

void dma_iova_destroy(struct device *dev, struct dma_iova_state *state, size_t mapped_len,
		      enum dma_data_direction dir, unsigned long attrs)
{
	if (unlikely(!twostep_state_claim(dev, state))) {
		twostep_bad_state(dev, "dma_iova_destroy");
		return;
	}
	if (mapped_len > state->__size)
		mapped_len = state->__size;
	if (unlikely(dev->check) && mapped_len)
		twostep_check_unlink(dev, state, 0, mapped_len, dir, attrs, CALLER);
	if (mapped_len)
		unlink_part(dev, state, 0, mapped_len, dir);
	twostep_free_range(dev, state, mapped_len);
}
