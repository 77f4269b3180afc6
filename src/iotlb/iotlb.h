/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A translation cache: direct-mapped, by 4 KiB page. Only the thread that owns it looks up and
 * fills; any thread may invalidate. A line is a tag (page number and the cache's generation) and
 * the value, so a whole-cache flush is one increment. Invalidation stores tag 0 only: since nobody
 * else writes the value, a tag that matches always stands for the value beside it.
 *
 * An invalidation and a fill may cross: the filler read the page table before the entry was
 * cleared. iotlb/port.h says how that is closed.
 *
 * A page number has 36 bits (48-bit addresses): the caller refuses others before it looks here.
 *
 * May overflow: the generation, 24 bits. A line that keeps a generation's number until that number
 * comes again would match again. So the flush that wraps clears every line, and clears them once
 * more when no access is under way that began before the wrap: such an access may fill lines with
 * the old generation after the first clearing (iotlb/port.c).
 */
#ifndef IOTLB_IOTLB_H
#define IOTLB_IOTLB_H

#include "base/compiler.h"

#define IOTLB_LINES   2048u
#define IOTLB_GEN_MAX ((1u << 24) - 1)

struct iotlb {
	u32 gen; /* 1 … IOTLB_GEN_MAX */
	struct iotlb_line {
		u64 tag;   /* page << 24 | gen; 0: empty */
		u64 value; /* host address of the page | PT_READ | PT_WRITE */
	} line[IOTLB_LINES];
};

hot_inline u64 iotlb_tag(u64 page, u32 gen)
{
	return page << 24 | gen;
}

/* The value for a page, or 0. `gen` is the generation read when the access began. */
hot_inline u64 iotlb_lookup(const struct iotlb *t, u64 page, u32 gen)
{
	const struct iotlb_line *l = &t->line[page % IOTLB_LINES];

	return likely(read_once(&l->tag) == iotlb_tag(page, gen)) ? l->value : 0;
}

hot_inline void iotlb_fill(struct iotlb *t, u64 page, u32 gen, u64 value)
{
	struct iotlb_line *l = &t->line[page % IOTLB_LINES];

	write_once(&l->tag, 0);
	l->value = value;
	write_once(&l->tag, iotlb_tag(page, gen));
}

/* By any thread. The tag is read by acquire, and gone for everybody when this returns. */
hot_inline void iotlb_invalidate_page(struct iotlb *t, u64 page)
{
	struct iotlb_line *l = &t->line[page % IOTLB_LINES];

	if (unlikely(read_acquire(&l->tag) >> 24 == page))
		__atomic_exchange_n(&l->tag, 0, __ATOMIC_SEQ_CST);
}

/* The same; at most IOTLB_LINES pages: neighbours in memory are neighbours in the cache. */
void iotlb_invalidate_range(struct iotlb *t, u64 page, u64 pages);

/* Begins a new generation. True: the numbers wrapped, see above. */
bool iotlb_flush(struct iotlb *t);

/* Empties every line, of whatever generation. By any thread. */
void iotlb_clear_lines(struct iotlb *t);

#endif
