/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owners of the parts of a live mapping, and the parts that the device has written since they
 * were last synced.
 *
 * The device owns a plain mapping from its map call on. The CPU initially owns memory that is
 * mapped with DMA_ATTR_SKIP_CPU_SYNC, and memory of dma_alloc_pages() and
 * dma_alloc_noncontiguous(); sync calls hand it over range by range, as a page_pool hands over its
 * buffers. Every such range is recorded as a sub-buffer.
 *
 * The record may be incomplete: for lack of memory, or beyond SUBBUF_MOST. subbuf_cpu_has() then
 * returns false and subbuf_cpu_may_use() returns true, so that a misuse may be missed, but a
 * correct program is never reported.
 */
#ifndef SHADOW_SUBBUF_H
#define SHADOW_SUBBUF_H

#include "shadow/shadow.h"

#define SUBBUF_MOST 64 /* maximum number recorded for one mapping */

/* Addresses are DMA addresses, `end` is exclusive. */
struct subbuf {
	struct subbuf *next;	   /* sorted by `from`; sub-buffers do not overlap */
	u64 from, end;		   /* inside the mapping */
	u64 cpu_from, cpu_end;	   /* the part that the CPU owns after a sync, if not empty */
	const struct stack *given; /* the sync that handed it over; NULL: not known */
	bool handed;		   /* a sub-buffer; if false, only a part that the CPU owns */
	bool forgot;		   /* the CPU may own further parts that are not recorded */
};

/* A sync for the CPU that begins in one sub-buffer of the device and ends inside another. */
struct subbuf_overrun {
	bool any;
	u64 end;		   /* the end of the sub-buffer in which the sync begins */
	const struct stack *given; /* the sync that handed over the following sub-buffer */
};

/* Whether the CPU owns the memory until a sync hands it over. */
bool subbuf_begins_as_cpu(unsigned int call, unsigned long attrs);

/* Whether a check needs the owners of parts of this mapping, so that its syncs must be recorded. */
bool subbuf_is_watched(const struct shadow *s);

/*
 * Record that a sync passed [from, end) to the CPU, or to the device. A sync for the device ends
 * the sub-buffers that it overlaps, because the memory is divided anew. The CPU owns the rest of
 * them, and [*from, *end) is widened to them.
 *
 * Callers of the functions of this file hold the lock of a shard of the store that has one of the
 * shadow's ranges.
 */
void subbuf_to_cpu(struct shadow *s, u64 from, u64 end, struct subbuf_overrun *overrun);
void subbuf_to_device(struct shadow *s, u64 *from, u64 *end, const struct stack *given);

/* Widens [*from, *end) to the sub-buffers that it overlaps. Returns false if there are none. */
bool subbuf_widen(const struct shadow *s, u64 *from, u64 *end);

/* Whether the CPU owns a byte of [from, end) after a sync. */
bool subbuf_cpu_has(const struct shadow *s, u64 from, u64 end);

/* Whether the CPU may use [from, end), or map it again, as far as is known. */
bool subbuf_cpu_may_use(const struct shadow *s, u64 from, u64 end);

/* Record a write of the device; return whether it has written a byte since the last sync. */
void subbuf_wrote(struct shadow *s, u64 from, u64 end);
bool subbuf_was_written(const struct shadow *s, u64 from, u64 end);

/* Frees all sub-buffers of a shadow that is not in the store. */
void subbuf_free_all(struct shadow *s);

#endif
