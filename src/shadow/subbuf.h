/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which parts of a live mapping the CPU owns, and which the device has written since they were last
 * synced.
 *
 * A plain mapping belongs to the device from its map call on. A mapping that begins as the CPU's
 * (made with DMA_ATTR_SKIP_CPU_SYNC, or memory of dma_alloc_pages() and dma_alloc_noncontiguous())
 * is handed over by sync calls, range by range, as a page_pool hands over its buffers. Each such
 * range is recorded as a sub-buffer.
 *
 * The record may be incomplete: for lack of memory, or beyond SUBBUF_MOST. subbuf_cpu_has() is then
 * false, and subbuf_cpu_may_use() is true, so that a misuse may be missed and a correct program is
 * never reported.
 */
#ifndef SHADOW_SUBBUF_H
#define SHADOW_SUBBUF_H

#include "shadow/shadow.h"

#define SUBBUF_MOST 64 /* recorded at most for one mapping */

/* Addresses are DMA addresses, `end` is exclusive. */
struct subbuf {
	struct subbuf *next;	   /* sorted by `from`; sub-buffers do not overlap */
	u64 from, end;		   /* inside the mapping */
	u64 cpu_from, cpu_end;	   /* the part that a sync gave to the CPU, if not empty */
	const struct stack *given; /* the sync that handed it over; NULL: not known */
	bool handed;		   /* a sub-buffer; if false, only a part that the CPU took */
	bool forgot;		   /* the CPU may own another part, too */
};

/* A sync for the CPU that begins in one sub-buffer of the device and ends inside another. */
struct subbuf_overrun {
	bool any;
	u64 end;		   /* the end of the sub-buffer in which the sync begins */
	const struct stack *given; /* the sync that handed over the sub-buffer behind it */
};

/* The memory belongs to the CPU until a sync hands it over. */
bool subbuf_begins_as_cpu(unsigned int call, unsigned long attrs);

/* The owner of parts of this mapping matters to a check, so its syncs are recorded. */
bool subbuf_is_watched(const struct shadow *s);

/*
 * A sync gave [from, end) to the CPU, or to the device. A sync for the device ends the sub-buffers
 * that it overlaps, because the memory is divided anew. The CPU owns what is left of them, and
 * [*from, *end) is widened to them.
 *
 * Callers of the functions of this file hold the lock of a shard of the store that has one of the
 * shadow's ranges.
 */
void subbuf_to_cpu(struct shadow *s, u64 from, u64 end, struct subbuf_overrun *overrun);
void subbuf_to_device(struct shadow *s, u64 *from, u64 *end, const struct stack *given);

/* Widens [*from, *end) to the sub-buffers that it overlaps. False: there are none. */
bool subbuf_widen(const struct shadow *s, u64 *from, u64 *end);

/* The CPU owns a byte of [from, end), which a sync gave to it. */
bool subbuf_cpu_has(const struct shadow *s, u64 from, u64 end);

/* As far as is known, the CPU may use [from, end), or map it again. */
bool subbuf_cpu_may_use(const struct shadow *s, u64 from, u64 end);

/* Records a write of the device; tests whether it wrote a byte since the last sync. */
void subbuf_wrote(struct shadow *s, u64 from, u64 end);
bool subbuf_was_written(const struct shadow *s, u64 from, u64 end);

/* Frees all sub-buffers of a shadow that is not in the store. */
void subbuf_free_all(struct shadow *s);

#endif
