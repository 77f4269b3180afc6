/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings that use bounce memory. There is one record per slot (bounce_slots.h), outside of the
 * memory that devices reach. The record of every slot of a mapping stores the number of the
 * mapping's first slot.
 *
 * An area's lock guards the bits of its segments. The records of allocated slots belong to the
 * thread that maps, later to the thread that unmaps. The latter clears `dev` of the first record by
 * compare-exchange, so that the second of two unmaps of one mapping fails. `first` and `offset` are
 * read before that, so they are atomic words.
 */
#include "map/bounce_slots.h"
#include "base/copy.h"
#include "base/trap.h"

#include <string.h>

/* Returns the low address bits that must be equal in the original and in the slot. */
static u32 bounce_regcache_mask(const struct device *dev, u32 align_mask)
{
	return align_mask | (dev->coherent ? 0 : MEM_CACHE_LINE - 1);
}

u64 bounce_max_size(const struct device *dev)
{
	return BOUNCE_SEGMENT -
	       align_up(bounce_regcache_mask(dev, read_once(&dev->min_align_mask)), BOUNCE_SLOT);
}

static void bounce_describe_want(const struct device *dev, phys_t pa, u64 size,
				 const struct map_limits *l, bool pages, struct bounce_want *w)
{
	/* `pages`: the offset within the page stays the same */
	u32 regcache = pages ? (u32)PAGE_BYTES - 1 : bounce_regcache_mask(dev, l->align_mask);
	u32 kept = (u32)pa.v & regcache;
	u64 unit = pages ? PAGE_BYTES : BOUNCE_SLOT;

	*w = (struct bounce_want){.stride = 1,
				  .offset = kept,
				  .size = size,
				  .last = l->last,
				  .boundary = l->boundary,
				  .bus_offset = dev->bus_offset};
	if (size >= PAGE_BYTES || regcache >= BOUNCE_SLOT)
		w->stride = 2;
	if (!pages && kept >= BOUNCE_SLOT) {
		w->phase = 1;
		w->offset -= (u32)BOUNCE_SLOT;
	}
	w->slots = (u32)(align_up(w->offset + size, unit) / BOUNCE_SLOT);
	/* No position satisfies the boundary: the range is longer, or crosses it due to the fixed
	 * bits. */
	if (!map_within_boundary(kept, size, l->boundary))
		w->boundary = ~0ull;
}

/*
 * Sets the error message for an allocation that failed. A request that exceeds all memory that the
 * mask reaches fails with EIO, because a later attempt cannot succeed.
 */
static slow_path phys_t bounce_no_space(struct device *dev, u64 size, const struct bounce_want *w)
{
	u64 free, slots;

	count_add(&device_thread(dev)->bounce_full, 1);
	slots = bounce_slots_count(w, &free);
	if (!slots)
		error_set(EIO,
			  "%s: the memory must bounce, but the device's mask ends at %#llx and "
			  "bounce memory begins at %#llx: set a wider mask",
			  dev->name, (unsigned long long)(w->last + dev->bus_offset),
			  (unsigned long long)(mem.bounce_start + dev->bus_offset));
	else if (w->phase + w->slots > slots)
		error_set(EIO,
			  "%s: %llu bytes do not fit the bounce memory that the device reaches, "
			  "%llu KiB: map them in parts, see dma_max_mapping_size()",
			  dev->name, (unsigned long long)size,
			  (unsigned long long)(slots * BOUNCE_SLOT / KIB));
	else
		error_set(ENOMEM,
			  "%s: swiotlb is full for %llu bytes: %u contiguous free slots of 2 KiB "
			  "are needed, %llu of the %llu that the device reaches are in use; unmap "
			  "sooner, map less at once%s, or open with a larger swiotlb=",
			  dev->name, (unsigned long long)size, w->slots,
			  (unsigned long long)(slots - free), (unsigned long long)slots,
			  slots < (u64)bounce_pool.n_segments * BOUNCE_SEGMENT_SLOTS
				  ? ", set a wider mask"
				  : "");
	return NO_PHYS;
}

/* The bytes that this thread could not copy since the last bounce_report_lost(). */
static _Thread_local struct {
	const u8 *at; /* address of the first such byte in the process */
	u64 size;
} lost;

/*
 * Copies of whole cache lines extend beyond the caller's buffer, so sanitizers must not check them.
 * They check the copies for a coherent device.
 */
static bool bounce_copy_bytes(const struct device *dev, u8 *to, const u8 *from, u64 size)
{
	return dev->coherent ? trap_copy_seen(to, from, size) : !trap_copy(to, from, size);
}

/* Called when a part of the original is unmapped: copies page by page, so that the rest is copied.
 */
static slow_path void bounce_copy_rest(const struct device *dev, u8 *orig, u8 *slot, u64 size,
				       bool to_cpu)
{
	for (u64 n; size; size -= n, orig += n, slot += n) {
		n = min_u64(size, PAGE_BYTES - ((uintptr_t)orig & (PAGE_BYTES - 1)));
		if (bounce_copy_bytes(dev, to_cpu ? orig : slot, to_cpu ? slot : orig, n))
			continue;
		if (!lost.size)
			lost.at = orig;
		lost.size += n;
	}
}

/*
 * Copies [start, start + size) of the mapping in one direction. On a machine that is not coherent
 * whole cache lines are copied, as its caches do; the offset in a line is the same in the slot, so
 * the lines are inside the slots. For an untrusted device only the bytes are copied, because it
 * must not read other data in the first and the last line.
 */
static void bounce_copy(struct device *dev, const struct bounce_slot *s, u64 at, u64 start,
			u64 size, bool to_cpu)
{
	struct device_thread *t = device_thread(dev);
	u64 from = s->orig + start, skew = 0;
	u8 *orig, *slot;

	if (!dev->coherent && !dev->untrusted) {
		skew = from % MEM_CACHE_LINE;
		size = align_up(from + size, MEM_CACHE_LINE) - (from - skew);
	}
	orig = (u8 *)phys_ptr(PHYS(s->orig)) + start - skew;
	slot = dev->view + at + start - skew;
	if (s->orig & PHYS_FOREIGN)
		trap_thread();
	if (unlikely(!bounce_copy_bytes(dev, to_cpu ? orig : slot, to_cpu ? slot : orig, size)))
		bounce_copy_rest(dev, orig, slot, size, to_cpu);
	count_add(&t->bounced_bytes, size);
}

void bounce_report_lost(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir)
{
	struct check_history history = {0};
	unsigned long long n = lost.size;

	if (likely(!n))
		return;
	lost.size = 0;
	if (dev->check)
		check_provenance(&dev->shadow, addr, "mapped", "unmapped", &history);
	check_report_history(
		dev, dev->check, DMAMAP_CHECK_MEMORY_GONE, addr, size, dir, &history,
		"%llu bytes at %p could not be copied between the buffer and its bounce "
		"memory: the process has unmapped or protected them while they are mapped "
		"at %#llx; unmap them for the device first",
		n, (const void *)lost.at, (unsigned long long)addr);
}

/* Clears the parts of the slots outside the mapping, which may contain data of earlier mappings. */
static void bounce_zero_pads(struct device *dev, u64 start, u64 at, u64 size, u64 end, bool all)
{
	if (all) {
		memset(dev->view + start, 0, end - start);
		return;
	}
	memset(dev->view + start, 0, at - start);
	memset(dev->view + at + size, 0, end - (at + size));
}

static void bounce_write_records(struct device *dev, u32 slot, phys_t pa, u64 size,
				 const struct bounce_want *w)
{
	struct bounce_slot *s = &bounce_pool.slot[slot];

	s->orig = pa.v;
	s->bus = 0;
	write_once(&s->prot, PT_READ | PT_WRITE);
	s->size = (u32)size;
	write_once(&s->offset, (u16)w->offset);
	for (u32 i = 0; i < w->slots; i++) {
		write_once(&s[i].first, slot);
		write_once(&s[i].slots, i ? 0 : w->slots);
		write_release(&s[i].dev, dev);
	}
}

/* Claims the mapping's record in order to release it. False: another thread has claimed it. */
static bool bounce_claim(struct device *dev, struct bounce_slot *s)
{
	return __atomic_compare_exchange_n(&s->dev, &dev, NULL, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Frees the slots of a claimed mapping. */
static void bounce_release_slots(struct bounce_slot *s)
{
	u32 first = s->first, n = s->slots;

	for (u32 i = 0; i < n; i++)
		write_once(&s[i].dev, NULL);
	bounce_slots_give(first, n);
}

phys_t bounce_map(struct device *dev, phys_t pa, u64 size, const struct map_limits *l, bool pages,
		  unsigned long attrs)
{
	struct bounce_want w;
	u64 start, at;
	s64 found;

	if (fail_here(FAIL_BOUNCE, dev->name)) {
		count_add(&device_thread(dev)->bounce_full, 1);
		error_set(ENOMEM, "%s: bouncing %llu bytes failed by fault injection", dev->name,
			  (unsigned long long)size);
		return NO_PHYS;
	}
	if (unlikely(size > mem.bounce_size)) {
		w = (struct bounce_want){.last = l->last, .slots = UINT32_MAX};
		return bounce_no_space(dev, size, &w);
	}
	bounce_describe_want(dev, pa, size, l, pages, &w);
	found = bounce_slots_take(&w);
	if (unlikely(found < 0))
		return bounce_no_space(dev, size, &w);
	if (unlikely(!read_once(&dev->bounced))) {
		trap_begin_use();
		write_once(&dev->bounced, true);
	}
	start = bounce_slot_address((u64)found);
	at = start + w.offset;
	bounce_write_records(dev, (u32)found, pa, size, &w);
	if (pages)
		bounce_zero_pads(dev, start, at, size, start + w.slots * BOUNCE_SLOT,
				 attrs & DMA_ATTR_SKIP_CPU_SYNC);
	lost.size = 0;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		bounce_copy(dev, &bounce_pool.slot[found], at, 0, size, false);
	if (likely(!lost.size))
		return PHYS(at);
	lost.size = 0;
	if (bounce_claim(dev, &bounce_pool.slot[found]))
		bounce_release_slots(&bounce_pool.slot[found]);
	error_set(EIO,
		  "%s: cannot bounce %llu bytes at %p: a part of that memory is not mapped in the "
		  "process, or is not readable; map all of it before",
		  dev->name, (unsigned long long)size, phys_ptr(pa));
	return NO_PHYS;
}

void bounce_set_place(phys_t at, u64 bus, u64 prot)
{
	u64 n = (at.v - mem.bounce_start) >> BOUNCE_SLOT_BITS;
	struct bounce_slot *s = &bounce_pool.slot[bounce_pool.slot[n].first];

	s->bus = bus;
	write_once(&s->prot, (u8)prot);
}

/* Returns the first record of this device's mapping that contains `at`, or NULL. */
static struct bounce_slot *bounce_find_slot(const struct device *dev, phys_t at)
{
	u64 n = (at.v - mem.bounce_start) >> BOUNCE_SLOT_BITS;
	struct bounce_slot *s;

	if (!phys_is_bounce(at) || n >= (u64)bounce_pool.n_segments * BOUNCE_SEGMENT_SLOTS)
		return NULL;
	s = &bounce_pool.slot[n];
	return read_acquire(&s->dev) == dev ? &bounce_pool.slot[read_once(&s->first)] : NULL;
}

static u64 bounce_slot_start(const struct bounce_slot *s)
{
	return mem.bounce_start + (u64)read_once(&s->first) * BOUNCE_SLOT;
}

bool bounce_allows(struct device *dev, phys_t at, u64 prot)
{
	struct bounce_slot *s = bounce_find_slot(dev, at);

	return !s || read_once(&s->prot) & prot;
}

bool bounce_unmap(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir,
		  unsigned long attrs)
{
	struct bounce_slot *s = bounce_find_slot(dev, at);

	if (!s || at.v != bounce_slot_start(s) + read_once(&s->offset) || !bounce_claim(dev, s))
		return false;
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		bounce_copy(dev, s, at.v, 0, min_u64(size, s->size), true);
	bounce_release_slots(s);
	return true;
}

bool bounce_unmap_page(struct device *dev, phys_t page, enum dma_data_direction dir,
		       unsigned long attrs)
{
	struct bounce_slot *s = bounce_find_slot(dev, page);

	return s && bounce_unmap(dev, PHYS(bounce_slot_start(s) + read_once(&s->offset)), ~0ull,
				 dir, attrs);
}

bool bounce_sync(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir, bool to_cpu)
{
	struct bounce_slot *s = bounce_find_slot(dev, at);
	u64 begin, start;

	if (!s)
		return false;
	begin = bounce_slot_start(s) + s->offset;
	if (at.v < begin || !range_within(at.v - begin, size, s->size))
		return false;
	start = at.v - begin;
	if (to_cpu ? dir == DMA_TO_DEVICE : dir == DMA_FROM_DEVICE && dev->coherent)
		return true;
	bounce_copy(dev, s, begin, start, size, to_cpu);
	return true;
}

u64 bounce_release(struct device *dev)
{
	u64 n = 0;

	for (u32 seg = 0; seg < bounce_pool.n_segments; seg++) {
		if (bounce_segment_is_free(seg))
			continue;
		for (u32 i = 0; i < BOUNCE_SEGMENT_SLOTS; i++) {
			struct bounce_slot *s = &bounce_pool.slot[seg * BOUNCE_SEGMENT_SLOTS + i];

			if (!read_once(&s->slots) || !bounce_claim(dev, s))
				continue;
			/* Other devices of the group share the translations and must not reach
			 * the data of later mappings in these slots. */
			if (s->bus && dev->domain->group)
				iommu_cut_leaked(dev, s->bus, PHYS(bounce_slot_start(s)),
						 s->slots * BOUNCE_SLOT);
			bounce_release_slots(s);
			n++;
		}
	}
	return n;
}
