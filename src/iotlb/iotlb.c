/* SPDX-License-Identifier: BSD-2-Clause */
#include "iotlb/iotlb.h"

void iotlb_flush(struct iotlb *t)
{
	u32 gen = read_once(&t->gen) + 1;

	if (gen > IOTLB_GEN_MAX) {
		/* a line of 2^24 flushes ago would match again */
		for (u32 i = 0; i < IOTLB_LINES; i++)
			write_once(&t->line[i].tag, 0);
		gen = 1;
	}
	write_once(&t->gen, gen);
}
