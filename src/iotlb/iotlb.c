/* SPDX-License-Identifier: BSD-2-Clause */
#include "iotlb/iotlb.h"

void iotlb_invalidate_range(struct iotlb *t, u64 page, u64 pages)
{
	struct iotlb_line *l = &t->line[page % IOTLB_LINES];
	struct iotlb_line *end = &t->line[IOTLB_LINES];
	bool any = false;

	for (u64 i = 0; i < pages; i++, l++) {
		if (unlikely(l == end))
			l = t->line;
		if (unlikely(read_acquire(&l->tag) >> 24 == page + i)) {
			write_once(&l->tag, 0);
			any = true;
		}
	}
	if (any)
		full_fence();
}

void iotlb_clear_lines(struct iotlb *t)
{
	for (u32 i = 0; i < IOTLB_LINES; i++)
		write_once(&t->line[i].tag, 0);
}

bool iotlb_flush(struct iotlb *t)
{
	u32 gen = read_once(&t->gen) + 1;
	bool wraps = gen > IOTLB_GEN_MAX;

	if (unlikely(wraps)) {
		iotlb_clear_lines(t);
		gen = 1;
	}
	write_once(&t->gen, gen);
	return wraps;
}
