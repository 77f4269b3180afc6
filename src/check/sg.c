/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scatterlists. A list has one shadow, which begins at its first segment, a range for each further
 * segment, and a range for each run of memory.
 */
#include "base/error.h"
#include "check/find.h"
#include "mem/page.h"

#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

static u64 check_sg_entry_start(struct scatterlist *sg)
{
	return phys_of_page(sg_page(sg)).v + sg->offset;
}

static void check_sg_segment(struct check_device *c, struct scatterlist *sg, u64 max, u64 boundary,
			     enum dma_data_direction dir, const void *caller)
{
	u64 addr = sg_dma_address(sg), size = sg_dma_len(sg);
	struct report_about a = about_of(c, DMAMAP_CHECK_SEGMENT_SIZE, addr, size, dir, caller);

	if (unlikely(size > max))
		report_misuse(&a,
			      "a segment of %llu bytes, but the device accepts at most %llu: make "
			      "the entries "
			      "shorter, or dma_set_max_seg_size()",
			      (unsigned long long)size, (unsigned long long)max);
	if (unlikely((addr & boundary) + size - 1 > boundary)) {
		a.kind = DMAMAP_CHECK_SEGMENT_BOUNDARY;
		report_misuse(
			&a,
			"a segment of %llu bytes at %#llx crosses the boundary %#llx that the "
			"device "
			"declared: make the entries shorter",
			(unsigned long long)size, (unsigned long long)addr,
			(unsigned long long)boundary);
	}
}

/* Adds the segments after the first. Adjacent segments become one range. */
static int check_sg_add_segments(struct shadow *s, struct scatterlist *sg, int segments)
{
	struct store_range *r = &s->dma;

	for (int i = 1; i < segments; i++) {
		sg = sg_next(sg);
		if (r->start + r->size == sg_dma_address(sg)) {
			r->size += sg_dma_len(sg);
			continue;
		}
		r = shadow_range(s, s->dma.space, sg_dma_address(sg), sg_dma_len(sg));
		if (!r)
			return -ENOMEM;
	}
	return 0;
}

static int check_sg_add_memory(struct shadow *s, struct scatterlist *sg, int nents)
{
	struct store_range *r = &s->phys;

	r->size = sg->length;
	for (int i = 1; i < nents; i++) {
		sg = sg_next(sg);
		if (r->start + r->size == check_sg_entry_start(sg)) {
			r->size += sg->length;
			continue;
		}
		r = shadow_range(s, SPACE_PHYS, check_sg_entry_start(sg), sg->length);
		if (!r)
			return -ENOMEM;
	}
	return 0;
}

/* Reports at most once per list, however much of it is already mapped. */
static void check_sg_memory(struct shadow *s, const void *caller)
{
	if (check_overlap(s, s->phys.start, s->phys.size, caller))
		return;
	for (struct store_range *r = s->dma.more; r; r = r->more)
		if (r->space == SPACE_PHYS && check_overlap(s, r->start, r->size, caller))
			return;
}

static void check_sg_places(struct check_device *c, struct scatterlist *sg, int nents,
			    enum dma_data_direction dir, const void *caller)
{
	struct check_mapping m = {.addr = sg_dma_address(sg), .dir = dir, .call = CALL_SG};

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		m.pa = check_sg_entry_start(sg);
		m.size = sg->length;
		check_place(c, &m, caller);
	}
}

void check_map_sg(struct check_device *c, struct scatterlist *sgl, int nents, int segments, u64 max,
		  u64 boundary, enum dma_data_direction dir, unsigned long attrs,
		  const void *caller)
{
	const struct check_mapping m = {.addr = sg_dma_address(sgl),
					.pa = check_sg_entry_start(sgl),
					.size = sg_dma_len(sgl),
					.attrs = attrs,
					.dir = dir,
					.call = CALL_SG};
	struct scatterlist *sg = sgl;
	struct shadow *s;

	check_enter(caller);
	check_mask(c, m.addr, m.size, dir, caller);
	for (int i = 0; i < segments; i++, sg = sg_next(sg))
		check_sg_segment(c, sg, max, boundary, dir, caller);
	if (!(attrs & DMA_ATTR_MMIO))
		check_sg_places(c, sgl, nents, dir, caller);
	s = shadow_new(c, &m, caller);
	if (!s)
		return;
	s->nents = (u32)nents;
	if (check_sg_add_segments(s, sgl, segments) ||
	    ((attrs & DMA_ATTR_MMIO) ? 0 : check_sg_add_memory(s, sgl, nents))) {
		shadow_drop_lost(s);
		return;
	}
	check_sg_memory(s, caller);
	own_add(s);
}

void check_map_pages(struct check_device *c, struct sg_table *sgt, enum dma_data_direction dir,
		     const void *caller)
{
	const struct check_mapping m = {.addr = sg_dma_address(sgt->sgl),
					.pa = check_sg_entry_start(sgt->sgl),
					.size = sg_dma_len(sgt->sgl),
					.dir = dir,
					.call = CALL_NONCONTIGUOUS};
	struct shadow *s;

	check_enter(caller);
	check_mask(c, m.addr, m.size, dir, caller);
	s = shadow_new(c, &m, caller);
	if (s && check_sg_add_memory(s, sgt->sgl, (int)sgt->orig_nents))
		shadow_drop_lost(s);
	else if (s) {
		own_add(s);
	}
}

void check_unmap_sg(struct check_device *c, struct scatterlist *sgl, int nents,
		    enum dma_data_direction dir, unsigned long attrs, const void *caller)
{
	const struct check_mapping m = {.addr = sg_dma_address(sgl),
					.size = sg_dma_len(sgl),
					.attrs = attrs,
					.dir = dir,
					.call = CALL_SG};
	struct shadow_found other = {0};
	struct shadow *s;

	check_enter(caller);
	if (!m.size)
		return; /* the list itself records that it is not mapped */
	s = shadow_claim(c, &m, &other);
	if (likely(s))
		check_end(s, &m, (u32)nents, caller);
	else if (m.addr != DMA_MAPPING_ERROR)
		check_not_mapped(c, &m, &other, caller);
}
