/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_DMA_MAPPING_H
#define KMOD_LINUX_DMA_MAPPING_H

#include <linux/device.h>
#include <linux/slab.h>

/* Scatterlist tables are in the ledger, like objects of kmalloc(). */
int kmod_sg_alloc_table(struct sg_table *t, unsigned int n, gfp_t gfp);
int kmod_sg_alloc_pages(struct sg_table *t, struct page **pages, unsigned int n,
			unsigned int offset, unsigned long size, unsigned int segment, gfp_t gfp);
void kmod_sg_free_table(struct sg_table *t);
#ifndef KMOD_RUNTIME_RAW
#define sg_alloc_table(t, n, g)			    kmod_sg_alloc_table(t, n, g)
#define sg_alloc_table_from_pages(t, p, n, o, s, g) kmod_sg_alloc_pages(t, p, n, o, s, ~0u, g)
#define sg_alloc_table_from_pages_segment(t, p, n, o, s, m, g)                                     \
	kmod_sg_alloc_pages(t, p, n, o, s, m, g)
#define sg_free_table(t) kmod_sg_free_table(t)
#endif

#endif
