/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings. A state stores where its range is; the page table stores everything about the
 * links, leaf by leaf: direction (the permission bits), DMA_ATTR_SKIP_CPU_SYNC (PT_NO_SYNC) and whether
 * it bounces (PT_BOUNCED). So a state has one size whatever is linked, threads may link disjoint
 * parts at once, and each part goes back under its own terms.
 *
 * Only the granules at the ends of a link can be partial, and only at the ends of the range: the head
 * at offset 0, the tail where a link closes the range (__end). For an untrusted device those are
 * bounced. Memory outside RAM on a machine that is not coherent has no second view: there each
 * granule bounces.
 *
 * __slots: a range that is shorter than a leaf table's 2 MiB lies, aligned to its size, in one
 * table, which stays while the range is taken (a table goes only with its whole span). Where the
 * range begins at a granule and nothing needs copies, linking a page is then one store. A range that
 * was closed, whose tail may bounce, has no __slots until it is open again.
 */
#include "map/bounce.h"

#define LIVE_MARK 0x6c696e6b65645f31ull

static u64 bus_of(const struct device *dev, const struct dma_iova_state *state)
{
	return state->addr - dev->bus_offset;
}

static u64 granules(const struct device *dev, const struct dma_iova_state *state)
{
	return pages_spanned(bus_of(dev, state), state->__size);
}

static slow_path int bad_state(const struct device *dev, const char *what)
{
	return error_set(EINVAL, "%s: no device, or no range that dma_iova_try_alloc() gave", what);
}

static bool state_ok(const struct device *dev, const struct dma_iova_state *state)
{
	return dev && state && state->__size && state->__live == LIVE_MARK && dev->iommu;
}

/* Remembers the table's words, if this is a range for which that is enough. */
static void note_slots(struct device *dev, struct dma_iova_state *state)
{
	u64 bus = bus_of(dev, state);

	if (dev->coherent && !(bus & (PAGE_BYTES - 1)) &&
	    granules(dev, state) < PT_ENTRIES && state->__size >= PAGE_BYTES)
		write_once(&state->__slots, pt_slot(&dev->domain->pt, IOVA(bus)));
}

bool dma_iova_try_alloc(struct device *dev, struct dma_iova_state *state, phys_addr_t phys, size_t size)
{
	u64 pages, page, offset = phys & (PAGE_BYTES - 1);

	if (!state)
		return false;
	*state = (struct dma_iova_state){0};
	if (!dev || !dev->iommu || !size || size >= 1ull << PT_IOVA_BITS)
		return false;
	pages = pages_spanned(offset, size);
	if (fail_here(FAIL_IOVA, dev->name))
		return false;
	page = domain_iova_alloc(dev->domain, pages, device_last(dev) >> PAGE_BITS);
	if (!page)
		return false;
	state->addr = (page << PAGE_BITS | offset) + dev->bus_offset;
	state->__size = size;
	state->__live = LIVE_MARK;
	note_slots(dev, state);
	count_add(&device_thread(dev)->ranges_taken, 1);
	return true;
}

/* The link is one that dma_iova_link() documents as possible. */
static int check_link(const struct device *dev, const struct dma_iova_state *state, u64 phys,
		      u64 offset, u64 size, int dir, unsigned long attrs)
{
	u64 at = bus_of(dev, state) + offset, end = read_once(&state->__end);
	const char *why = NULL;

	if (!size || !range_within(offset, size, state->__size))
		why = "it is empty or not inside the range";
	else if ((unsigned int)dir > DMA_FROM_DEVICE)
		why = "it has no direction";
	else if ((at ^ phys) & (PAGE_BYTES - 1))
		why = "the memory's place in its granule is not the offset's";
	else if (offset && at & (PAGE_BYTES - 1))
		why = "only a link at offset 0 may begin inside a granule";
	else if (end && offset >= end)
		why = "the range was closed by a link that ends inside a granule";
	else if (!(attrs & DMA_ATTR_MMIO) &&
		 (phys >= phys_limit(PHYS(phys)) || size > phys_limit(PHYS(phys)) - phys))
		why = "the memory runs over the end of RAM or of the address space";
	else if ((attrs & DMA_ATTR_MMIO) && !phys_is_registers(phys, size))
		why = "DMA_ATTR_MMIO is for registers, not memory";
	if (!why)
		return 0;
	return error_set(EINVAL, "%s: cannot link %llu bytes at offset %llu: %s", dev->name,
			 (unsigned long long)size, (unsigned long long)offset, why);
}

static bool anything_linked(const struct device *dev, u64 bus, u64 end)
{
	for (; bus < end; bus += PAGE_BYTES)
		if (pt_walk(&dev->domain->pt, IOVA(bus)))
			return true;
	return false;
}

static u64 link_flags(enum dma_data_direction dir, unsigned long attrs)
{
	return prot_of(dir) | (attrs & DMA_ATTR_SKIP_CPU_SYNC ? PT_NO_SYNC : 0);
}

/* One piece of at most a granule, by way of bounce memory. */
static int link_bounced(struct device *dev, u64 bus, phys_t pa, u64 size, u64 flags,
			unsigned long attrs)
{
	phys_t at = bounce_map(dev, pa, size, ~0ull, true, attrs);
	int err;

	if (at.v == NO_PHYS.v)
		return -ENOMEM;
	err = pt_map(&dev->domain->pt, IOVA(align_down(bus, PAGE_BYTES)),
		     PHYS(align_down(at.v, PAGE_BYTES)), PAGE_BYTES, flags | PT_BOUNCED,
		     PT_MAP_SPLIT);
	if (err)
		bounce_unmap(dev, at, size, DMA_TO_DEVICE, 0);
	return err;
}

/* Takes back [bus, end), granule-aligned, that this call linked; nothing is copied. */
static void undo(struct device *dev, u64 bus, u64 end)
{
	struct domain *dom = dev->domain;

	for (; bus < end; bus += PAGE_BYTES) {
		u64 entry = pt_walk(&dom->pt, IOVA(bus));

		if (!entry)
			continue;
		pt_unmap(&dom->pt, IOVA(bus), PAGE_BYTES);
		ports_invalidate(&dom->ports, bus >> PAGE_BITS, 1);
		if (entry & PT_BOUNCED)
			bounce_unmap_page(dev, PHYS(entry & PT_ADDR), DMA_TO_DEVICE, 0);
	}
}

/* Links [bus, bus + size): a bounced head, a run of whole granules, a bounced tail. */
static int link_pieces(struct device *dev, u64 bus, phys_t pa, u64 size, u64 flags,
		       unsigned long attrs)
{
	u64 begin = align_down(bus, PAGE_BYTES), pos = bus, left = size;
	bool mmio = attrs & DMA_ATTR_MMIO;
	int err = 0;

	while (left && !err) {
		u64 in = pos & (PAGE_BYTES - 1), n = min_u64(left, PAGE_BYTES - in);

		if (!mmio && iommu_must_bounce(dev, PHYS(pa.v + (pos - bus)), n)) {
			err = link_bounced(dev, pos, PHYS(pa.v + (pos - bus)), n, flags, attrs);
		} else {
			/* all whole granules from here, or to the end where partial ones may show */
			n = dev->untrusted && !mmio ? align_down(left, PAGE_BYTES) : left;
			err = pt_map(&dev->domain->pt, IOVA(pos - in), PHYS(pa.v + (pos - bus) - in),
				     align_up(in + n, PAGE_BYTES), flags, PT_MAP_SPLIT);
		}
		if (err)
			break;
		pos += n;
		left -= n;
	}
	if (err)
		undo(dev, begin, pos == bus ? begin : align_up(pos, PAGE_BYTES));
	return err;
}

/* Apart from the store above, so that it needs no registers saved. */
static __attribute__((noinline)) int link_slow(struct device *dev, struct dma_iova_state *state,
					       u64 phys, u64 offset, u64 size,
					       enum dma_data_direction dir, unsigned long attrs)
{
	u64 bus, end;
	bool closes;
	int err;

	if (!state_ok(dev, state))
		return bad_state(dev, "dma_iova_link");
	bus = bus_of(dev, state) + offset;
	end = bus + size;
	closes = end & (PAGE_BYTES - 1);
	err = check_link(dev, state, phys, offset, size, (int)dir, attrs);
	if (err)
		return err;
	if (closes && anything_linked(dev, align_up(end, PAGE_BYTES),
				      align_up(bus_of(dev, state) + state->__size, PAGE_BYTES)))
		return error_set(EINVAL, "%s: a link that ends inside a granule must be the last, and "
				 "there is one behind offset %llu", dev->name,
				 (unsigned long long)(offset + size));
	if ((attrs & DMA_ATTR_REQUIRE_COHERENT) &&
	    (!dev->coherent || (dev->untrusted && ((bus | size) & (PAGE_BYTES - 1)))))
		return error_set(EIO, "%s: DMA_ATTR_REQUIRE_COHERENT, but the link would have to bounce "
				 "or be synced", dev->name);
	if (fail_here(FAIL_LINK, dev->name))
		return error_set(ENOMEM, "%s: link failed by fault injection", dev->name);
	err = link_pieces(dev, bus, PHYS(phys), size, link_flags(dir, attrs), attrs);
	if (err == -EEXIST)
		return error_set(EEXIST, "%s: something is linked at offset %llu already", dev->name,
				 (unsigned long long)offset);
	if (err)
		return error_set(-err, "%s: no memory to link %llu bytes", dev->name,
				 (unsigned long long)size);
	if (closes) {
		write_once(&state->__slots, NULL);
		write_once(&state->__end, offset + size);
	} else if (!state->__slots && !read_once(&state->__end)) {
		note_slots(dev, state);
	}
	if (!dev->coherent && phys < mem.span && !(attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO)))
		plane_to_device(PHYS(phys), size);
	return 0;
}

int dma_iova_link(struct device *dev, struct dma_iova_state *state, phys_addr_t phys, size_t offset,
		  size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	u64 *slots, *slot;

	/* one whole granule of plain memory: a store */
	if (likely(dev && state && (slots = read_once(&state->__slots)) && size == PAGE_BYTES &&
		   !(attrs | ((phys | offset) & (PAGE_BYTES - 1))) &&
		   offset <= state->__size - PAGE_BYTES && (unsigned int)dir <= DMA_FROM_DEVICE &&
		   phys < phys_limit(PHYS(phys)) && !read_once(&fail_armed))) {
		slot = &slots[offset >> PAGE_BITS];
		if (likely(!(read_once(slot) & PT_PRESENT))) {
			write_release(slot, phys | prot_of(dir));
			return 0;
		}
	}
	return link_slow(dev, state, phys, offset, size, dir, attrs);
}

int dma_iova_sync(struct device *dev, struct dma_iova_state *state, size_t offset, size_t size)
{
	u64 bus;

	if (unlikely(!state_ok(dev, state)))
		return bad_state(dev, "dma_iova_sync");
	if (unlikely(!range_within(offset, size, state->__size)))
		return error_set(EINVAL, "%s: dma_iova_sync outside of the range", dev->name);
	if (likely(!read_once(&state->__stale)))
		return 0;
	/* a lazy policy may still remember what was linked here before */
	write_once(&state->__stale, 0);
	bus = bus_of(dev, state);
	dev->domain->space.ops->invalidate(&dev->domain->space, IOVA(align_down(bus, PAGE_BYTES)),
					   granules(dev, state) << PAGE_BITS);
	return 0;
}

static enum dma_data_direction entry_dir(u64 entry)
{
	u64 prot = entry & (PT_READ | PT_WRITE);

	return prot == PT_READ ? DMA_TO_DEVICE : prot == PT_WRITE ? DMA_FROM_DEVICE
								  : DMA_BIDIRECTIONAL;
}

/* The bytes of a granule that are linked: from the head's offset, to where the range was closed. */
static void linked_part(const struct device *dev, const struct dma_iova_state *state, u64 granule,
			u64 *from, u64 *to)
{
	u64 bus = bus_of(dev, state), end = read_once(&state->__end);

	*from = granule < bus ? bus - granule : 0;
	*to = end && bus + end - granule < PAGE_BYTES ? bus + end - granule : PAGE_BYTES;
}

/* The device is cut off: hands a granule back to the CPU. */
static void settle(struct device *dev, const struct dma_iova_state *state, u64 granule, u64 entry)
{
	unsigned long attrs = entry & PT_NO_SYNC ? DMA_ATTR_SKIP_CPU_SYNC : 0;
	phys_t pa = PHYS(entry & PT_ADDR);
	u64 from, to;

	if (entry & PT_BOUNCED) {
		bounce_unmap_page(dev, pa, entry_dir(entry), attrs);
	} else if (!dev->coherent && pa.v < mem.span && !attrs && entry_dir(entry) != DMA_TO_DEVICE) {
		linked_part(dev, state, granule, &from, &to);
		plane_to_cpu(PHYS(pa.v + from), to - from);
	}
}

static void cut_off(struct device *dev, struct dma_iova_state *state, u64 bus, u64 size, bool strict)
{
	struct domain *dom = dev->domain;

	if (!strict) {
		write_once(&state->__stale, 1);
		domain_flush_later(dom);
		return;
	}
	if (likely(dom->space.pt && size < PT_ENTRIES * PAGE_BYTES))
		ports_invalidate(&dom->ports, bus >> PAGE_BITS, size >> PAGE_BITS);
	else
		domain_drain(dom);
	if (unlikely(read_acquire(&dom->n_holds)))
		domain_wait_holds(dom, IOVA(bus), size);
}

/* What was found while granules were taken away. */
struct taken {
	u64 granules;
	u64 entries; /* all their entries, or-ed: is any outside of RAM, bounced? */
	bool other_dir;
};

/*
 * A short range of plain memory: its words are cleared where they stand. Mostly all of them are
 * there, linked one way, which two sums tell.
 */
static void take_slots(u64 *slot, u64 n, enum dma_data_direction dir, struct taken *t)
{
	u64 prot = prot_of(dir), some = 0, all = ~0ull;

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
	for (u64 i = 0; i < n; i++)
		write_release(&slot[i], 0);
}

#define CHUNK 64

/* Granules that must be handed back one by one, CHUNK at a time. */
static void take_with_care(struct device *dev, struct dma_iova_state *state, u64 bus, u64 n,
			   enum dma_data_direction dir, struct taken *t)
{
	u64 entry[CHUNK];

	for (u64 done = 0; done < n;) {
		u64 start = bus + (done << PAGE_BITS), k = min_u64(n - done, CHUNK);

		for (u64 i = 0; i < k; i++) {
			entry[i] = pt_walk(&dev->domain->pt, IOVA(start + (i << PAGE_BITS)));
			if (!entry[i])
				continue;
			t->granules++;
			t->other_dir |= entry_dir(entry[i]) != dir;
		}
		pt_unmap(&dev->domain->pt, IOVA(start), k << PAGE_BITS);
		cut_off(dev, state, start, k << PAGE_BITS, true);
		for (u64 i = 0; i < k; i++)
			if (entry[i])
				settle(dev, state, start + (i << PAGE_BITS), entry[i]);
		done += k;
	}
}

/* Takes away n granules from `bus` on, whatever is linked in them. */
static struct taken take(struct device *dev, struct dma_iova_state *state, u64 bus, u64 n,
			 enum dma_data_direction dir)
{
	u64 first = align_down(bus_of(dev, state), PAGE_BYTES);
	u64 *slots = read_once(&state->__slots);
	struct taken t = {0};

	if (unlikely(!slots && (dev->untrusted || !dev->coherent))) {
		take_with_care(dev, state, bus, n, dir, &t);
		return t;
	}
	if (likely(slots)) {
		take_slots(slots + ((bus - first) >> PAGE_BITS), n, dir, &t);
	} else {
		struct pt_leaf leaf;

		/* memory outside RAM is not told apart here: be strict when in doubt */
		t.entries = PHYS_FOREIGN;
		t.other_dir = dev->check && pt_walk_slow(&dev->domain->pt, IOVA(bus), &leaf) &&
			      entry_dir(leaf.entry) != dir;
		t.granules = pt_unmap(&dev->domain->pt, IOVA(bus), n << PAGE_BITS) >> PAGE_BITS;
	}
	if (t.granules)
		cut_off(dev, state, bus, n << PAGE_BITS,
			dev->strict || t.entries & (PHYS_FOREIGN | PT_BOUNCED));
	return t;
}

/*
 * The granules that [offset, offset + size) names: whole ones, a head at offset 0, a tail where the links or
 * the range end. False: none.
 */
static bool named_granules(const struct device *dev, const struct dma_iova_state *state, u64 offset,
			   u64 size, u64 *bus, u64 *n)
{
	u64 base = bus_of(dev, state), start, end, closed = read_once(&state->__end);

	if (!size || !range_within(offset, size, state->__size))
		return false;
	start = offset ? align_up(base + offset, PAGE_BYTES) : align_down(base, PAGE_BYTES);
	end = base + offset + size;
	if (offset + size == state->__size || (closed && offset + size >= closed))
		end = align_up(end, PAGE_BYTES);
	else
		end = align_down(end, PAGE_BYTES);
	if (start >= end)
		return false;
	*bus = start;
	*n = (end - start) >> PAGE_BITS;
	return true;
}

static slow_path void report_part(struct device *dev, const struct dma_iova_state *state, u64 offset,
				  u64 size, enum dma_data_direction dir, const char *what)
{
	check_report(dev, dev->check, DMAMAP_CHECK_IOVA_NOT_LINKED, state->addr + offset, size, dir,
		     "%s of %llu bytes at offset %llu of a two-step range, where not all of it is linked",
		     what, (unsigned long long)size, (unsigned long long)offset);
}

static void unlink_part(struct device *dev, struct dma_iova_state *state, u64 offset, u64 size,
			enum dma_data_direction dir)
{
	u64 bus, n, closed = read_once(&state->__end);
	struct taken t;

	if (!named_granules(dev, state, offset, size, &bus, &n)) {
		report_part(dev, state, offset, size, dir, "unlink");
		return;
	}
	t = take(dev, state, bus, n, dir);
	if (closed && bus + (n << PAGE_BITS) >= bus_of(dev, state) + closed)
		write_once(&state->__end, 0);
	if (unlikely(t.granules < n))
		report_part(dev, state, offset, size, dir, "unlink");
	if (unlikely(t.other_dir) && dev->check)
		check_report(dev, true, DMAMAP_CHECK_IOVA_DIRECTION, state->addr + offset, size, dir,
			     "unlinked with another direction than it was linked with");
}

void dma_iova_unlink(struct device *dev, struct dma_iova_state *state, size_t offset, size_t size,
		     enum dma_data_direction dir, unsigned long attrs)
{
	if (unlikely(!state_ok(dev, state)))
		bad_state(dev, "dma_iova_unlink");
	else
		unlink_part(dev, state, offset, size, dir);
}

/* The range goes back; what lies linked from offset `from` on is unlinked and reported. */
static void free_range(struct device *dev, struct dma_iova_state *state, u64 from)
{
	struct domain *dom = dev->domain;
	u64 first = align_down(bus_of(dev, state), PAGE_BYTES), n = granules(dev, state);
	u64 bus = from ? align_up(bus_of(dev, state) + from, PAGE_BYTES) : first;
	u64 end = first + (n << PAGE_BITS);
	struct taken t = {0};

	if (bus < end && anything_linked(dev, bus, end))
		t = take(dev, state, bus, (end - bus) >> PAGE_BITS, DMA_BIDIRECTIONAL);
	if (unlikely(t.granules))
		check_report(dev, dev->check, DMAMAP_CHECK_IOVA_LINKED, state->addr, state->__size,
			     DMA_NONE, "a two-step range was freed with %llu granules linked: unlink "
			     "them first", (unsigned long long)t.granules);
	if (read_once(&state->__stale))
		domain_defer_free(dom, first >> PAGE_BITS, n);
	else
		iova_free(dom->iova, first >> PAGE_BITS, n);
	*state = (struct dma_iova_state){0};
	count_add(&device_thread(dev)->ranges_given, 1);
}

void dma_iova_free(struct device *dev, struct dma_iova_state *state)
{
	if (unlikely(!state_ok(dev, state)))
		bad_state(dev, "dma_iova_free");
	else
		free_range(dev, state, 0);
}

void dma_iova_destroy(struct device *dev, struct dma_iova_state *state, size_t mapped_len,
		      enum dma_data_direction dir, unsigned long attrs)
{
	if (unlikely(!state_ok(dev, state))) {
		bad_state(dev, "dma_iova_destroy");
		return;
	}
	if (mapped_len > state->__size)
		mapped_len = state->__size;
	if (mapped_len)
		unlink_part(dev, state, 0, mapped_len, dir);
	free_range(dev, state, mapped_len);
}

/* All of [bus, end) is linked. */
static bool all_linked(const struct device *dev, u64 bus, u64 end)
{
	for (bus = align_down(bus, PAGE_BYTES); bus < end; bus += PAGE_BYTES)
		if (!pt_walk(&dev->domain->pt, IOVA(bus)))
			return false;
	return true;
}

static void sync_granule(struct device *dev, u64 bus, u64 n, bool to_cpu)
{
	u64 entry = pt_walk(&dev->domain->pt, IOVA(bus));
	phys_t pa = PHYS((entry & PT_ADDR) | (bus & (PAGE_BYTES - 1)));

	if (entry & PT_BOUNCED)
		bounce_sync(dev, pa, n, entry_dir(entry), to_cpu);
	else if (!dev->coherent && pa.v < mem.span && !to_cpu)
		plane_to_device(pa, n);
	else if (!dev->coherent && pa.v < mem.span && entry_dir(entry) != DMA_TO_DEVICE)
		plane_to_cpu(pa, n);
}

static void sync_part(struct device *dev, struct dma_iova_state *state, u64 offset, u64 size,
		      enum dma_data_direction dir, bool to_cpu)
{
	u64 bus, end, closed;

	if (!state_ok(dev, state)) {
		bad_state(dev, "dma_iova_sync_for_*");
		return;
	}
	if (dev->coherent && !dev->untrusted && !dev->check)
		return;
	closed = read_once(&state->__end);
	bus = bus_of(dev, state) + offset;
	end = bus + size;
	if (!size || !range_within(offset, size, closed ? closed : state->__size) ||
	    !all_linked(dev, bus, end)) {
		report_part(dev, state, offset, size, dir, "sync");
		return;
	}
	while (bus < end) {
		u64 n = min_u64(end - bus, PAGE_BYTES - (bus & (PAGE_BYTES - 1)));

		sync_granule(dev, bus, n, to_cpu);
		bus += n;
	}
}

void dma_iova_sync_for_cpu(struct device *dev, struct dma_iova_state *state, size_t offset,
			   size_t size, enum dma_data_direction dir)
{
	sync_part(dev, state, offset, size, dir, true);
}

void dma_iova_sync_for_device(struct device *dev, struct dma_iova_state *state, size_t offset,
			      size_t size, enum dma_data_direction dir)
{
	sync_part(dev, state, offset, size, dir, false);
}
