/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A translation cache: direct-mapped, indexed by the number of the 4 KiB page. Only the thread that
 * owns it looks up and fills; any thread may invalidate. A line consists of a tag (page number and
 * the cache's generation) and a value, so a whole-cache flush is one increment of the generation.
 * An invalidation only stores tag 0. Because only the owner writes the value, a tag that matches
 * always belongs to the value in the same line.
 *
 * An invalidation may run concurrently with a fill whose thread read the page table before the
 * entry was cleared. iotlb/port.h describes how this race is prevented.
 *
 * A page number has 36 bits (48-bit addresses). The caller rejects larger ones before a lookup.
 *
 * May overflow: the generation has 24 bits and wraps. A line that still has an old generation's
 * number would then match again. The flush that wraps therefore clears every line. It clears them
 * again after all accesses that began before the wrap have ended, because such an access may fill
 * lines with the old generation after the first clearing (iotlb/port.c).
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

/* Returns the value for a page, or 0. `gen` is the generation read when the access began. */
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

/*
 * May be called by any thread. The tag is read with acquire semantics. When the function returns,
 * no thread reads the old tag any more.
 */
hot_inline void iotlb_invalidate_page(struct iotlb *t, u64 page)
{
	struct iotlb_line *l = &t->line[page % IOTLB_LINES];

	if (unlikely(read_acquire(&l->tag) >> 24 == page))
		__atomic_exchange_n(&l->tag, 0, __ATOMIC_SEQ_CST);
}

/* The same for at most IOTLB_LINES pages. Consecutive pages have consecutive lines. */
void iotlb_invalidate_range(struct iotlb *t, u64 page, u64 pages);

/* Begins a new generation. True: the generation wrapped, see above. */
bool iotlb_flush(struct iotlb *t);

/* Clears every line of any generation. May be called by any thread. */
void iotlb_clear_lines(struct iotlb *t);

#endif
