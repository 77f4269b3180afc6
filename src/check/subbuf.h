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
 * The record serves two kinds of question. "Did a sync give exactly these bytes to the CPU?" has an
 * exact answer or "no". "May the CPU use this memory?" is answered with yes where the record is
 * incomplete. So what is forgotten, for want of memory or beyond SUBBUF_MOST, hides a fault and
 * never invents one.
 */
#ifndef CHECK_SUBBUF_H
#define CHECK_SUBBUF_H

#include "check/shadow.h"

#define SUBBUF_MOST 64 /* recorded sub-buffers of one mapping */

/* Addresses are DMA addresses, `end` is exclusive. */
struct subbuf {
	struct subbuf *next;	   /* sorted by `from`; sub-buffers do not overlap */
	u64 from, end;		   /* inside the mapping */
	u64 cpu_from, cpu_end;	   /* the part that a sync gave to the CPU; empty: none */
	const struct stack *given; /* where it was handed over; NULL: not known */
	bool handed; /* by a sync for the device; else only a part that the CPU took */
	bool forgot; /* the CPU took another part as well */
};

/* A sync for the CPU that begins in one sub-buffer of the device and ends inside another. */
struct subbuf_overrun {
	bool any;
	u64 end;		   /* of the sub-buffer in which the sync begins */
	const struct stack *given; /* where the sub-buffer behind it was handed over */
};

/* The memory belongs to the CPU until a sync hands it over. */
bool subbuf_begins_as_cpu(unsigned int call, unsigned long attrs);

/* A question may be asked of the mapping, so its syncs are to be recorded. */
bool subbuf_is_watched(const struct shadow *s);

/*
 * A sync gave [from, end) to the CPU, or to the device. The caller of any function of this file
 * holds the lock of a shard of the store that has one of the shadow's ranges. A sync for the device
 * ends the sub-buffers that it meets, since the memory is divided anew: what is left of them is the
 * CPU's, and [*from, *end) is widened to include it.
 */
void subbuf_to_cpu(struct shadow *s, u64 from, u64 end, struct subbuf_overrun *overrun);
void subbuf_to_device(struct shadow *s, u64 *from, u64 *end, const struct stack *given);

/* Widens [*from, *end) to the sub-buffers that it touches. False: there are none. */
bool subbuf_widen(const struct shadow *s, u64 *from, u64 *end);

/* A sync gave a byte of [from, end) to the CPU, and none returned it. */
bool subbuf_cpu_has(const struct shadow *s, u64 from, u64 end);

/* As far as is known, the CPU may use [from, end), or hand it to another mapping. */
bool subbuf_cpu_may_use(const struct shadow *s, u64 from, u64 end);

/* The device wrote [from, end); did it write a byte of it since the last sync? */
void subbuf_wrote(struct shadow *s, u64 from, u64 end);
bool subbuf_was_written(const struct shadow *s, u64 from, u64 end);

/* The shadow is in the store no more. */
void subbuf_free_all(struct shadow *s);

#endif
