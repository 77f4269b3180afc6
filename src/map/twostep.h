/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings, what their three files share. A state stores where its range is; the page
 * table stores everything about the links, leaf by leaf: direction (the permission bits),
 * DMA_ATTR_SKIP_CPU_SYNC (PT_NO_SYNC) and whether it bounces (PT_BOUNCED). So a state has one size
 * whatever is linked, and each part goes back under its own terms.
 *
 * Only the granules at the ends of a link can be partial, and only at the ends of the range: the
 * head at offset 0, the tail where a link closes the range (__end). For an untrusted device those
 * are bounced. Memory outside RAM on a machine that is not coherent has no second view: there each
 * granule bounces.
 *
 * __slots: a range that is shorter than a leaf table's 2 MiB lies, aligned to its size, in one
 * table, which stays while the range is taken (a table goes only with its whole span). Where the
 * range begins at a granule and nothing needs syncs, linking a page is then one store. While the
 * range is closed its tail may bounce, so that __slots then serves nobody.
 *
 * Who may link: of two threads that link the same granule one must lose, but a locked instruction
 * for each page would double what linking costs. So __live names one thread, the one that took the
 * range, which links pages without the lock and says in __busy that it is about to (the inline part
 * of <linux/dma-mapping.h>). Another thread takes that right away under the lock, the first one for
 * itself (MOVED: ranges are often taken by one thread and used by another), the next for nobody, by
 *
 *   the thread that is named                the one that takes it away, holding the lock
 *   __busy = 1                              __live = itself, or SHARED
 *   (program order)                   (A)   fence in every thread (base/fence.h)   (B)
 *   __live still names me?                  wait until __busy is 0                 (D)
 *   store the granule
 *   __busy = 0 (release)              (C)
 *
 * Either the first sees that its name is gone and goes by the lock, or the second sees it busy and
 * waits; C pairs with D. Once SHARED, all link under the lock until the range is freed. A thread's
 * name is its thread pointer; one that inherits the name of a thread that ended inherits the right.
 * Beside the name __live has the device's mark, by which a state of another device, a stray one and
 * one that was freed are refused.
 * Unlinking needs neither: who unlinks owns the links, as who unmaps does.
 *
 * __open says how many granules a store can link. __end and __open change under the lock.
 *
 * __stale has STALE after an unlink that a lazy policy let be remembered by the device. It is set
 * when the granules are gone already, so that who finds it set and invalidates covers them.
 */
#ifndef MAP_TWOSTEP_H
#define MAP_TWOSTEP_H

#include "map/bounce.h"

#ifdef dma_iova_link
#define THREAD_NAME __dma_self()
#else /* there is no inline part on this machine, nor a right to it */
#define THREAD_NAME SHARED
#endif

/* __live is the device's mark in the upper 16 bits and the thread's name below. */
#define LIVE_MARK_SHIFT 48

enum { SHARED = 1 /* no thread pointer is this */ };
enum { STALE = 1, FLUSHING = 2, MOVED = 4 }; /* bits of __stale */

hot_inline u64 twostep_bus(const struct device *dev, const struct dma_iova_state *state)
{
	return state->addr - dev->bus_offset;
}

/* The granule that the range begins in, and the end of its last one. */
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

/* A state of this device: another device's has another mark. */
hot_inline bool state_ok(const struct device *dev, const struct dma_iova_state *state)
{
	return dev && state && read_once(&state->__live) >> LIVE_MARK_SHIFT == dev->link_mark &&
	       read_once(&state->__size) && dev->iommu;
}

int bad_state(const struct device *dev, const char *what) __attribute__((cold));

/* What was found while granules were taken away. */
struct taken {
	u64 granules;
	u64 entries; /* their entries, or-ed: is any outside of RAM? */
	bool other_dir;
};

/*
 * Takes away what is linked in [bus, end), granule by granule; the device is cut off when it
 * returns. `give_back`: the CPU gets the device's bytes, as the links say; else they are dropped.
 */
void take_with_care(struct device *dev, struct dma_iova_state *state, u64 bus, u64 end,
		    enum dma_data_direction dir, bool give_back, struct taken *t);

enum dma_data_direction entry_dir(u64 entry);

/* Remembers the table's words, if this is a range for which that is enough. New, or under the lock.
 */
void note_slots(struct device *dev, struct dma_iova_state *state);

/* Says what is wrong with a part of a range: nothing, or not all of it, is linked. */
void report_part(struct device *dev, const struct dma_iova_state *state, u64 offset, u64 size,
		 enum dma_data_direction dir, const char *what) __attribute__((cold));

#endif
