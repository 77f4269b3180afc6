/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator of bounce slots. It stores one bit per slot (1: free), in one word per segment.
 * Segments are divided among areas, each with a lock of its own. A thread begins its search at an
 * area of its own, so that threads rarely contend for a lock. The slots of a mapping are in one
 * segment if they fit; a longer mapping uses a run of segments from the start of its first, and is
 * allocated with the locks of all areas held.
 *
 * Nothing can overflow: addresses, sizes and slot numbers are within the pool, which has at most
 * half of the RAM below 4 GiB (mem/layout.c).
 */
#include "map/bounce_slots.h"
#include "base/alloc.h"
#include "base/fork.h"

#include <pthread.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

typedef unsigned __int128 segment_bits;

struct bounce_area {
	struct lock lock cacheline;
	u32 first, segments; /* segments [first, first + segments) */
	u32 hint;	     /* segment where the last search ended; guarded by `lock` */
};

struct bounce_pool bounce_pool;

static struct {
	segment_bits *free; /* free slots of every segment; guarded by its area's lock */
	struct bounce_area *area;
	u32 n;
	u32 refs; /* guarded by `lock` */
	pthread_mutex_t lock;
} areas = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void slots_drop(void)
{
	alloc_free(bounce_pool.slot);
	alloc_free(areas.free);
	alloc_free(areas.area);
	bounce_pool.slot = NULL;
	areas.free = NULL;
	areas.area = NULL;
}

static void slots_split(void)
{
	u32 first = 0;

	for (u32 i = 0; i < areas.n; i++) {
		u32 n = (bounce_pool.n_segments - first) / (areas.n - i);

		areas.area[i].first = areas.area[i].hint = first;
		areas.area[i].segments = n;
		first += n;
	}
}

static int slots_make(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	bounce_pool.n_segments = (u32)(mem.bounce_size / BOUNCE_SEGMENT);
	areas.n = (u32)min_u64(cpus > 0 ? (u64)cpus : 1, max_u64(bounce_pool.n_segments, 1));
	bounce_pool.slot = alloc_array(bounce_pool.n_segments ? bounce_pool.n_segments : 1,
				       sizeof(*bounce_pool.slot) * BOUNCE_SEGMENT_SLOTS);
	areas.free = alloc_array(bounce_pool.n_segments ? bounce_pool.n_segments : 1,
				 sizeof(*areas.free));
	areas.area = alloc_aligned(64, areas.n * sizeof(*areas.area));
	if (!bounce_pool.slot || !areas.free || !areas.area) {
		slots_drop();
		return -ENOMEM;
	}
	memset(areas.free, 0xff, bounce_pool.n_segments * sizeof(*areas.free));
	slots_split();
	return 0;
}

int bounce_get(void)
{
	int err = 0;

	pthread_mutex_lock(&areas.lock);
	if (!areas.refs)
		err = slots_make();
	if (!err)
		areas.refs++;
	pthread_mutex_unlock(&areas.lock);
	return err;
}

void bounce_put(void)
{
	pthread_mutex_lock(&areas.lock);
	if (!--areas.refs)
		slots_drop();
	pthread_mutex_unlock(&areas.lock);
}

/* Returns the bits at which a run of n free slots begins. */
static segment_bits slots_run_starts(segment_bits bits, u32 n)
{
	for (u32 len = 1; len < n;) {
		u32 step = len < n - len ? len : n - len;

		bits &= bits >> step;
		len += step;
	}
	return bits;
}

static int slots_lowest_bit(segment_bits bits)
{
	if ((u64)bits)
		return __builtin_ctzll((u64)bits);
	return 64 + __builtin_ctzll((u64)(bits >> 64));
}

static segment_bits slots_run_bits(u32 from, u32 n)
{
	segment_bits run =
		n == BOUNCE_SEGMENT_SLOTS ? ~(segment_bits)0 : ((segment_bits)1 << n) - 1;

	return run << from;
}

/* Whether the mapping may begin at this slot. Addresses are below 2^33, so no sum overflows. */
static bool slots_serve(const struct bounce_want *w, u64 slot)
{
	u64 at = bounce_slot_address(slot) + w->offset;

	return bounce_slot_address(slot) >= w->first && at + w->size - 1 <= w->last &&
	       map_within_boundary(at + w->bus_offset, w->size, w->boundary);
}

static int slots_take_in_segment(u32 seg, const struct bounce_want *w)
{
	segment_bits starts = slots_run_starts(areas.free[seg], w->slots);

	if (w->stride == 2)
		starts &= ~(segment_bits)0 / 3 << w->phase;
	for (; starts; starts &= starts - 1) {
		int bit = slots_lowest_bit(starts);

		if (!slots_serve(w, (u64)seg * BOUNCE_SEGMENT_SLOTS + (u32)bit))
			continue;
		areas.free[seg] &= ~slots_run_bits((u32)bit, w->slots);
		return bit;
	}
	return -1;
}

/* Whether one of the segments [first, first + n) overlaps the requested addresses. */
static bool slots_reach(const struct bounce_want *w, u32 first, u32 n)
{
	return bounce_slot_address((u64)first * BOUNCE_SEGMENT_SLOTS) <= w->last &&
	       bounce_slot_address(((u64)first + n) * BOUNCE_SEGMENT_SLOTS) > w->first;
}

/* Returns the number of the first slot, or -1. */
static s64 slots_take_in_area(struct bounce_area *a, const struct bounce_want *w)
{
	s64 found = -1;

	if (!slots_reach(w, a->first, a->segments))
		return -1;
	lock_acquire(&a->lock);
	for (u32 i = 0; i < a->segments && found < 0; i++) {
		u32 seg = a->hint + i < a->first + a->segments ? a->hint + i
							       : a->hint + i - a->segments;
		int bit;

		if (!slots_reach(w, seg, 1))
			continue;
		bit = slots_take_in_segment(seg, w);
		if (bit >= 0) {
			found = (s64)seg * BOUNCE_SEGMENT_SLOTS + bit;
			a->hint = seg;
		}
	}
	lock_release(&a->lock);
	return found;
}

/* Returns the bits of segment `seg` for the slots [slot, slot + n). */
static segment_bits slots_bits(u32 seg, u64 slot, u64 n)
{
	u64 start = (u64)seg * BOUNCE_SEGMENT_SLOTS, end = start + BOUNCE_SEGMENT_SLOTS;
	u64 from = max_u64(slot, start), to = min_u64(slot + n, end);

	return from < to ? slots_run_bits((u32)(from - start), (u32)(to - from)) : 0;
}

/*
 * Allocates a mapping that is longer than a segment, from the start of a run of segments. Called
 * with the locks of all areas held.
 */
static s64 slots_find_long(const struct bounce_want *w)
{
	u32 count = (w->phase + w->slots + BOUNCE_SEGMENT_SLOTS - 1) / BOUNCE_SEGMENT_SLOTS;

	for (u32 first = 0, seg; first + count <= bounce_pool.n_segments; first = seg + 1) {
		u64 slot = (u64)first * BOUNCE_SEGMENT_SLOTS + w->phase;
		segment_bits bits;

		seg = first;
		if (!slots_serve(w, slot))
			continue;
		for (; seg < first + count; seg++) {
			bits = slots_bits(seg, slot, w->slots);
			if ((areas.free[seg] & bits) != bits)
				break;
		}
		if (seg < first + count)
			continue;
		for (seg = first; seg < first + count; seg++)
			areas.free[seg] &= ~slots_bits(seg, slot, w->slots);
		return (s64)slot;
	}
	return -1;
}

/* Acquires the locks in the order of the areas; no other function holds two of them. */
static s64 slots_take_long(const struct bounce_want *w)
{
	s64 found;

	for (u32 i = 0; i < areas.n; i++)
		lock_acquire(&areas.area[i].lock);
	found = slots_find_long(w);
	for (u32 i = areas.n; i--;)
		lock_release(&areas.area[i].lock);
	return found;
}

/* Threads begin at different areas, so that they rarely contend for a lock. */
static u32 slots_home_area(void)
{
	static u32 next;
	static _Thread_local u32 mine;

	if (!mine)
		mine = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED);
	return mine % areas.n;
}

static struct bounce_area *slots_area(u32 seg)
{
	u32 i = (u32)((u64)seg * areas.n / bounce_pool.n_segments);

	while (seg < areas.area[i].first)
		i--;
	while (seg >= areas.area[i].first + areas.area[i].segments)
		i++;
	return &areas.area[i];
}

void bounce_slots_give(u64 slot, u64 n)
{
	u32 seg = (u32)(slot / BOUNCE_SEGMENT_SLOTS);

	for (; (u64)seg * BOUNCE_SEGMENT_SLOTS < slot + n; seg++) {
		struct bounce_area *a = slots_area(seg);

		lock_acquire(&a->lock);
		areas.free[seg] |= slots_bits(seg, slot, n);
		lock_release(&a->lock);
	}
}

/* Slots in zone DMA are used last for devices that also reach other slots. */
s64 bounce_slots_take(struct bounce_want *w)
{
	u32 home = slots_home_area();
	s64 found = -1;

	if (unlikely(!bounce_pool.n_segments))
		return -1;
	for (unsigned int pass = w->last < MEM_DMA_END; pass < 2 && found < 0; pass++) {
		w->first = pass ? 0 : MEM_DMA_END;
		if (unlikely(w->phase + w->slots > BOUNCE_SEGMENT_SLOTS)) {
			found = slots_take_long(w);
			continue;
		}
		for (u32 i = 0; i < areas.n && found < 0; i++)
			found = slots_take_in_area(&areas.area[(home + i) % areas.n], w);
	}
	return found;
}

static segment_bits slots_free_bits(u32 seg)
{
	struct bounce_area *a = slots_area(seg);
	segment_bits bits;

	lock_acquire(&a->lock);
	bits = areas.free[seg];
	lock_release(&a->lock);
	return bits;
}

u64 bounce_slots_count(const struct bounce_want *w, u64 *free)
{
	u64 n = 0;

	*free = 0;
	for (u32 seg = 0; seg < bounce_pool.n_segments; seg++) {
		segment_bits bits;

		if (!slots_reach(w, seg, 1))
			continue;
		bits = slots_free_bits(seg);
		n += BOUNCE_SEGMENT_SLOTS;
		*free += (u64)__builtin_popcountll((u64)bits) +
			 (u64)__builtin_popcountll((u64)(bits >> 64));
	}
	return n;
}

bool bounce_segment_is_free(u32 seg)
{
	return slots_free_bits(seg) == ~(segment_bits)0;
}

static void bounce_fork_child(void)
{
	fork_forget(&bounce_pool, sizeof(bounce_pool));
	fork_forget(&areas, sizeof(areas));
	pthread_mutex_init(&areas.lock, NULL);
}

FORK_HOOK(bounce_hook, NULL, NULL, bounce_fork_child);
