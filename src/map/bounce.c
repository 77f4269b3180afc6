/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores: one bit per slot (1: free) and one record per slot, outside of the memory that devices
 * see. A mapping's slots lie in one segment. Each of its slots' records leads to the first one's.
 *
 * Who guards what: an area's lock guards the bits of its segments. The records of taken slots
 * belong to the thread that maps, then to the one that unmaps: it takes `dev` of the first record
 * away by compare-exchange, so that of two unmaps of one mapping one finds nothing. `first` and
 * `offset` are read before that, so they are atomic words.
 *
 * May overflow: nothing; sizes are at most 256 KiB and slot numbers 32 bits (mem.c bounds the
 * pool to half of the RAM below 4 GiB).
 */
#include "map/bounce.h"
#include "base/alloc.h"
#include "base/fork.h"
#include "base/trap.h"

#include <pthread.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

typedef unsigned __int128 segment_bits;

struct slot {
	u64 orig;	    /* physical address of the mapped range */
	u64 bus;	    /* where an IOMMU translates to it, before bus_offset; 0: nowhere */
	struct device *dev; /* NULL: free. Atomic: closing devices look for theirs among all */
	u32 size;	    /* bytes mapped */
	u32 first;	    /* slot number where the mapping begins */
	u16 slots;	    /* in the first: how many; 0 else */
	u16 offset;	    /* of the range in the first slot; up to a page */
	u8 prot;	    /* of its direction, as in a page table; atomic */
};

struct area {
	struct lock lock cacheline;
	u32 first, segments; /* segments [first, first + segments) */
	u32 hint;	     /* where the last search ended; under lock */
	u32 used;	     /* slots in use; under lock */
};

static struct {
	struct slot *slot;
	segment_bits *free;
	struct area *area;
	u32 n_areas, n_segments;
	u32 refs; /* under lock */
	pthread_mutex_t lock;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void pool_release(void)
{
	alloc_free(pool.slot);
	alloc_free(pool.free);
	alloc_free(pool.area);
	pool.slot = NULL;
	pool.free = NULL;
	pool.area = NULL;
}

static void split_areas(void)
{
	u32 first = 0;

	for (u32 i = 0; i < pool.n_areas; i++) {
		u32 n = (pool.n_segments - first) / (pool.n_areas - i);

		pool.area[i].first = pool.area[i].hint = first;
		pool.area[i].segments = n;
		first += n;
	}
}

static int pool_make(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	pool.n_segments = (u32)(mem.bounce_size / BOUNCE_SEGMENT);
	pool.n_areas = (u32)min_u64(cpus > 0 ? (u64)cpus : 1, max_u64(pool.n_segments, 1));
	pool.slot = alloc_array(pool.n_segments ? pool.n_segments : 1,
				sizeof(*pool.slot) * BOUNCE_SEGMENT_SLOTS);
	pool.free = alloc_array(pool.n_segments ? pool.n_segments : 1, sizeof(*pool.free));
	pool.area = alloc_aligned(64, pool.n_areas * sizeof(*pool.area));
	if (!pool.slot || !pool.free || !pool.area) {
		pool_release();
		return -ENOMEM;
	}
	memset(pool.free, 0xff, pool.n_segments * sizeof(*pool.free));
	split_areas();
	return 0;
}

int bounce_get(void)
{
	int err = 0;

	pthread_mutex_lock(&pool.lock);
	if (!pool.refs)
		err = pool_make();
	if (!err)
		pool.refs++;
	pthread_mutex_unlock(&pool.lock);
	return err;
}

void bounce_put(void)
{
	pthread_mutex_lock(&pool.lock);
	if (!--pool.refs)
		pool_release();
	pthread_mutex_unlock(&pool.lock);
}

/* The bits where a run of n free slots begins. */
static segment_bits run_starts(segment_bits bits, u32 n)
{
	for (u32 len = 1; len < n;) {
		u32 step = len < n - len ? len : n - len;

		bits &= bits >> step;
		len += step;
	}
	return bits;
}

static int lowest_bit(segment_bits bits)
{
	if ((u64)bits)
		return __builtin_ctzll((u64)bits);
	return 64 + __builtin_ctzll((u64)(bits >> 64));
}

/* What one mapping asks of its slots. */
struct want {
	u32 slots, stride, phase; /* begins at a slot number = phase modulo stride (1 or 2) */
	u32 offset;		  /* of the range in the first slot */
	u64 last;		  /* address of the last byte at most */
};

static int take_in_segment(u32 seg, const struct want *w)
{
	segment_bits starts = run_starts(pool.free[seg], w->slots);
	segment_bits run;
	int bit;

	if (w->stride == 2)
		starts &= ~(segment_bits)0 / 3 << w->phase;
	if (!starts)
		return -1;
	bit = lowest_bit(starts);
	run = w->slots == BOUNCE_SEGMENT_SLOTS ? ~(segment_bits)0
					       : ((segment_bits)1 << w->slots) - 1;
	pool.free[seg] &= ~(run << bit);
	return bit;
}

/* Slot number, or -1. */
static s64 take_in_area(struct area *a, const struct want *w)
{
	s64 found = -1;

	lock_acquire(&a->lock);
	for (u32 i = 0; i < a->segments && found < 0; i++) {
		u32 seg = a->hint + i < a->first + a->segments ? a->hint + i
							       : a->hint + i - a->segments;
		int bit;

		if (mem.bounce_start + (seg + 1ull) * BOUNCE_SEGMENT - 1 > w->last)
			continue;
		bit = take_in_segment(seg, w);
		if (bit >= 0) {
			found = (s64)seg * BOUNCE_SEGMENT_SLOTS + bit;
			a->hint = seg;
			a->used += w->slots;
		}
	}
	lock_release(&a->lock);
	return found;
}

/* Threads begin at different areas, so that they rarely meet at a lock. */
static u32 home_area(void)
{
	static u32 next;
	static _Thread_local u32 mine;

	if (!mine)
		mine = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED);
	return mine % pool.n_areas;
}

static struct area *area_of(u32 slot)
{
	u32 seg = slot / BOUNCE_SEGMENT_SLOTS, i = seg * pool.n_areas / pool.n_segments;

	while (seg < pool.area[i].first)
		i--;
	while (seg >= pool.area[i].first + pool.area[i].segments)
		i++;
	return &pool.area[i];
}

static void give_slots(u32 slot, u32 n)
{
	segment_bits run =
		n == BOUNCE_SEGMENT_SLOTS ? ~(segment_bits)0 : ((segment_bits)1 << n) - 1;
	struct area *a = area_of(slot);

	lock_acquire(&a->lock);
	pool.free[slot / BOUNCE_SEGMENT_SLOTS] |= run << slot % BOUNCE_SEGMENT_SLOTS;
	a->used -= n;
	lock_release(&a->lock);
}

/* Address bits of the original that the slot must keep. */
static u32 regcache_mask(const struct device *dev)
{
	return read_once(&dev->min_align_mask) | (dev->coherent ? 0 : MEM_CACHE_LINE - 1);
}

u64 bounce_max_size(const struct device *dev)
{
	return BOUNCE_SEGMENT - align_up(regcache_mask(dev), BOUNCE_SLOT);
}

static void bounce_describe_want(const struct device *dev, phys_t pa, u64 size, u64 last,
				 bool pages, struct want *w)
{
	u32 kept = (u32)pa.v & regcache_mask(dev);
	u64 unit = pages ? PAGE_BYTES : BOUNCE_SLOT;

	if (pages)
		kept = (u32)pa.v & (PAGE_BYTES - 1); /* as if the page itself were mapped */
	*w = (struct want){.stride = 1, .offset = kept, .last = last};
	if (pages || size >= PAGE_BYTES || regcache_mask(dev) >= BOUNCE_SLOT)
		w->stride = 2;
	if (!pages && kept >= BOUNCE_SLOT) {
		w->phase = 1;
		w->offset -= (u32)BOUNCE_SLOT;
	}
	w->slots = (u32)(align_up(w->offset + size, unit) / BOUNCE_SLOT);
}

static u64 slots_used(void)
{
	u64 n = 0;

	for (u32 i = 0; i < pool.n_areas; i++)
		n += read_once(&pool.area[i].used);
	return n;
}

static slow_path phys_t no_room(struct device *dev, u64 size)
{
	struct device_thread *t = device_thread(dev);

	count_add(&t->bounce_full, 1);
	if (size > bounce_max_size(dev))
		error_set(EIO,
			  "%s: %llu bytes do not fit one bounced mapping (at most %llu): map "
			  "them in parts, see dma_max_mapping_size()",
			  dev->name, (unsigned long long)size,
			  (unsigned long long)bounce_max_size(dev));
	else
		error_set(ENOMEM,
			  "%s: swiotlb is full: %llu bytes wanted, %llu of %llu slots of 2 KiB in "
			  "use; unmap sooner, map less at once, or open with a greater swiotlb=",
			  dev->name, (unsigned long long)size, (unsigned long long)slots_used(),
			  (unsigned long long)pool.n_segments * BOUNCE_SEGMENT_SLOTS);
	return NO_PHYS;
}

/* What this thread's copies could not move since the last report: see bounce_report_lost(). */
static _Thread_local struct {
	const u8 *at; /* the first byte, of the process */
	u64 size;
} lost;

/* Lines reach past what the caller allocated; else a sanitizer may look. */
static bool bounce_copy_bytes(const struct device *dev, u8 *to, const u8 *from, u64 size)
{
	return dev->coherent ? trap_copy_seen(to, from, size) : !trap_copy(to, from, size);
}

/* A part of the original is gone. Page by page, so that the rest of it is copied. */
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
 * Copies [start, start + size) of the mapping one way. On a machine that is not coherent the unit
 * is the cache line, as there; slots keep the line's offset, so the lines lie in them. Not so for
 * an untrusted device, which must not see what shares the first and the last line.
 */
static void bounce_copy(struct device *dev, const struct slot *s, u64 at, u64 start, u64 size,
			bool to_cpu)
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

/* Nothing of an earlier mapping is shown. */
static void zero_pads(struct device *dev, u64 start, u64 at, u64 size, u64 end, bool all)
{
	if (all) {
		memset(dev->view + start, 0, end - start);
		return;
	}
	memset(dev->view + start, 0, at - start);
	memset(dev->view + at + size, 0, end - (at + size));
}

static void write_records(struct device *dev, u32 slot, phys_t pa, u64 size, const struct want *w)
{
	struct slot *s = &pool.slot[slot];

	s->orig = pa.v;
	s->bus = 0;
	write_once(&s->prot, PT_READ | PT_WRITE);
	s->size = (u32)size;
	write_once(&s->offset, (u16)w->offset);
	for (u32 i = 0; i < w->slots; i++) {
		write_once(&s[i].first, slot);
		write_once(&s[i].slots, (u16)(i ? 0 : w->slots));
		write_release(&s[i].dev, dev);
	}
}

/* The mapping's record is the caller's, to be released. False: another thread has taken it. */
static bool bounce_claim(struct device *dev, struct slot *s)
{
	return __atomic_compare_exchange_n(&s->dev, &dev, NULL, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Frees the slots of a claimed mapping. */
static void bounce_release_slots(struct slot *s)
{
	u32 first = s->first, n = s->slots;

	for (u32 i = 0; i < n; i++)
		write_once(&s[i].dev, NULL);
	give_slots(first, n);
}

phys_t bounce_map(struct device *dev, phys_t pa, u64 size, u64 last, bool pages,
		  unsigned long attrs)
{
	u32 area, slot;
	struct want w;
	s64 found = -1;
	u64 start, at;

	if (fail_here(FAIL_BOUNCE, dev->name) || size > bounce_max_size(dev))
		return no_room(dev, size);
	bounce_describe_want(dev, pa, size, last, pages, &w);
	if (unlikely(w.slots > BOUNCE_SEGMENT_SLOTS || !pool.n_segments))
		return no_room(dev, size);
	area = home_area();
	for (u32 i = 0; i < pool.n_areas && found < 0; i++)
		found = take_in_area(&pool.area[(area + i) % pool.n_areas], &w);
	if (unlikely(found < 0))
		return no_room(dev, size);
	slot = (u32)found;
	if (unlikely(!read_once(&dev->bounced))) {
		trap_begin_use();
		write_once(&dev->bounced, true);
	}
	start = mem.bounce_start + (u64)slot * BOUNCE_SLOT;
	at = start + w.offset;
	write_records(dev, slot, pa, size, &w);
	if (pages)
		zero_pads(dev, start, at, size, start + w.slots * BOUNCE_SLOT,
			  attrs & DMA_ATTR_SKIP_CPU_SYNC);
	lost.size = 0;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		bounce_copy(dev, &pool.slot[slot], at, 0, size, false);
	if (likely(!lost.size))
		return PHYS(at);
	lost.size = 0;
	if (bounce_claim(dev, &pool.slot[slot]))
		bounce_release_slots(&pool.slot[slot]);
	error_set(EIO,
		  "%s: cannot bounce %llu bytes at %p: the process does not have all of that "
		  "memory, or may not read it",
		  dev->name, (unsigned long long)size, phys_ptr(pa));
	return NO_PHYS;
}

void bounce_set_place(phys_t at, u64 bus, u64 prot)
{
	u64 n = (at.v - mem.bounce_start) >> BOUNCE_SLOT_BITS;
	struct slot *s = &pool.slot[pool.slot[n].first];

	s->bus = bus;
	write_once(&s->prot, (u8)prot);
}

/* The record of the mapping that `at` lies in; NULL: none of this device. */
static struct slot *bounce_find_slot(const struct device *dev, phys_t at)
{
	u64 n = (at.v - mem.bounce_start) >> BOUNCE_SLOT_BITS;
	struct slot *s;

	if (!phys_is_bounce(at) || n >= (u64)pool.n_segments * BOUNCE_SEGMENT_SLOTS)
		return NULL;
	s = &pool.slot[n];
	return read_acquire(&s->dev) == dev ? &pool.slot[read_once(&s->first)] : NULL;
}

static u64 slot_start(const struct slot *s)
{
	return mem.bounce_start + (u64)read_once(&s->first) * BOUNCE_SLOT;
}

bool bounce_allows(struct device *dev, phys_t at, u64 prot)
{
	struct slot *s = bounce_find_slot(dev, at);

	return !s || read_once(&s->prot) & prot;
}

bool bounce_unmap(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir,
		  unsigned long attrs)
{
	struct slot *s = bounce_find_slot(dev, at);

	if (!s || at.v != slot_start(s) + read_once(&s->offset) || !bounce_claim(dev, s))
		return false;
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		bounce_copy(dev, s, at.v, 0, min_u64(size, s->size), true);
	bounce_release_slots(s);
	return true;
}

bool bounce_unmap_page(struct device *dev, phys_t page, enum dma_data_direction dir,
		       unsigned long attrs)
{
	struct slot *s = bounce_find_slot(dev, page);

	return s &&
	       bounce_unmap(dev, PHYS(slot_start(s) + read_once(&s->offset)), ~0ull, dir, attrs);
}

bool bounce_sync(struct device *dev, phys_t at, u64 size, enum dma_data_direction dir, bool to_cpu)
{
	struct slot *s = bounce_find_slot(dev, at);
	u64 begin, start;

	if (!s)
		return false;
	begin = slot_start(s) + s->offset;
	if (at.v < begin || !range_within(at.v - begin, size, s->size))
		return false;
	start = at.v - begin;
	if (to_cpu ? dir == DMA_TO_DEVICE : dir == DMA_FROM_DEVICE && dev->coherent)
		return true;
	bounce_copy(dev, s, begin, start, size, to_cpu);
	return true;
}

static segment_bits free_bits(u32 seg)
{
	struct area *a = area_of(seg * BOUNCE_SEGMENT_SLOTS);
	segment_bits bits;

	lock_acquire(&a->lock);
	bits = pool.free[seg];
	lock_release(&a->lock);
	return bits;
}

u64 bounce_release(struct device *dev)
{
	u64 n = 0;

	for (u32 seg = 0; seg < pool.n_segments; seg++) {
		if (free_bits(seg) == ~(segment_bits)0)
			continue;
		for (u32 i = 0; i < BOUNCE_SEGMENT_SLOTS; i++) {
			struct slot *s = &pool.slot[seg * BOUNCE_SEGMENT_SLOTS + i];

			if (!read_once(&s->slots) || !bounce_claim(dev, s))
				continue;
			/* others of its group share the translations and must not reach the
			 * slots' next user */
			if (s->bus && dev->domain->group)
				iommu_cut_leaked(dev, s->bus, PHYS(slot_start(s)),
						 s->slots * BOUNCE_SLOT);
			bounce_release_slots(s);
			n++;
		}
	}
	return n;
}

static void bounce_fork_child(void)
{
	fork_forget(&pool, sizeof(pool));
	pthread_mutex_init(&pool.lock, NULL);
}

FORK_HOOK(bounce_hook, NULL, NULL, bounce_fork_child);
