/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings: declarations shared by their files. A state stores the position of its range.
 * The page table stores the properties of the links, leaf by leaf: the direction (permission bits),
 * DMA_ATTR_SKIP_CPU_SYNC (PT_NO_SYNC) and whether the link bounces (PT_BOUNCED). The size of a
 * state is therefore constant, and every part is unlinked according to its own properties.
 *
 * Only the granules at the ends of a link can be partial, and only at the ends of the range: the
 * head at offset 0, and the tail where a link closes the range (__end). For an untrusted device
 * partial granules bounce. Memory outside RAM has no device view on a machine that is not coherent,
 * so all its granules bounce there.
 *
 * __slots: a range shorter than the 2 MiB of a leaf table is aligned to its size, so it is in one
 * table. That table stays while the range is allocated, because a table is freed only when its
 * whole span is unmapped. If the range begins at a granule and needs no syncs, linking a page is
 * one store to the table. While the range is closed, its tail may bounce, so __slots is not used.
 *
 * Locking: if two threads link the same granule, one call must fail, but a locked instruction for
 * every page would double the cost of linking. __live therefore contains the ID of an owner, at
 * first the thread that allocated the range. The owner links pages without the lock and sets __busy
 * while it does so (the inline part of <dmamap/iova.h>). Another thread revokes that right
 * with the lock held. The first such thread becomes the owner (MOVED), because a range is often
 * allocated by one thread and used by another; the next one leaves the range without an owner.
 *
 *   owner                                   thread that revokes, holding the lock
 *   __busy = 1                              __live = own ID, or SHARED
 *   (program order)                   (A)   fence in every thread (base/fence.h)   (B)
 *   if __live has changed: use the lock     wait until __busy is 0                 (D)
 *   store the granule
 *   __busy = 0 (release)              (C)
 *
 * A pairs with B: either the owner reads the new __live and uses the lock, or the other thread
 * reads __busy = 1 and waits. C pairs with D. After SHARED is stored, all threads link with the
 * lock held until the range is freed. The ID of a thread is its thread pointer; a new thread with
 * the same thread pointer as one that ended inherits its right. __live also contains the device's
 * mark, by which a state of another device, an invalid state and a freed state are rejected.
 * Unlinking needs no lock: the thread that unlinks owns the links, as with unmap.
 *
 * __open is the number of granules that one store can link. __end and __open are written with the
 * lock held.
 *
 * __stale contains STALE after an unlink under policy=lazy, while the device may still cache the
 * translations. The bit is set after the granules were cleared, so that an invalidation by a thread
 * that reads the bit covers them.
 */
#ifndef MAP_TWOSTEP_H
#define MAP_TWOSTEP_H

#include "map/bounce.h"

#ifdef dma_iova_link
#define THREAD_ID __dma_self()
#else /* without the inline part on this machine, all threads use the lock */
#define THREAD_ID SHARED
#endif

/* __live contains the device's mark in the upper 16 bits and the thread's ID below. */
#define LIVE_MARK_SHIFT 48

enum { SHARED = 1 /* not a valid thread pointer */ };
enum { STALE = 1, FLUSHING = 2, MOVED = 4 }; /* bits of __stale */

hot_inline u64 twostep_bus(const struct device *dev, const struct dma_iova_state *state)
{
	return state->addr - dev->bus_offset;
}

/* The start of the range's first granule, and the end of its last one. */
hot_inline u64 range_first(const struct device *dev, const struct dma_iova_state *state)
{
	return align_down(twostep_bus(dev, state), PAGE_BYTES);
}

hot_inline u64 range_end(const struct device *dev, const struct dma_iova_state *state)
{
	return align_up(twostep_bus(dev, state) + state->__size, PAGE_BYTES);
}

hot_inline u64 live_of(const struct device *dev, u64 thread)
{
	return dev->link_mark << LIVE_MARK_SHIFT | thread;
}

/* Whether the state is a range of this device; states of other devices have other marks. */
hot_inline bool state_ok(const struct device *dev, const struct dma_iova_state *state)
{
	return dev && state && read_once(&state->__live) >> LIVE_MARK_SHIFT == dev->link_mark &&
	       read_once(&state->__size) && dev->iommu;
}

/*
 * Prepares the device for two-step ranges. Called after RAM exists. Returns 0, or -ENOMEM or
 * -ENOSPC with an error message.
 */
int twostep_open(struct device *dev);
void twostep_close(struct device *dev);

int twostep_bad_state(const struct device *dev, const char *what) __attribute__((cold));

/* What an unlink found in the granules. */
struct twostep_taken {
	u64 granules;
	u64 entries; /* the OR of their entries; shows whether any is outside RAM */
	bool other_dir;
};

/*
 * Unlinks [bus, end) granule by granule. When it returns, no access of the device reaches the
 * memory. With `give_back`, data is copied back or synced for the CPU as the links require;
 * otherwise the data is discarded.
 */
void twostep_unlink_by_granule(struct device *dev, struct dma_iova_state *state, u64 bus, u64 end,
			       enum dma_data_direction dir, bool give_back,
			       struct twostep_taken *t);

enum dma_data_direction entry_dir(u64 entry);

/*
 * Sets __slots and __open if pages of this range can be linked by one store. Called for a new
 * range, or with the lock held.
 */
void twostep_set_slots(struct device *dev, struct dma_iova_state *state);

/* Reports that a part of a range is not linked, or not all of it. */
void twostep_report_part(struct device *dev, const struct dma_iova_state *state, u64 offset,
			 u64 size, enum dma_data_direction dir, const char *what)
	__attribute__((cold));

#endif
