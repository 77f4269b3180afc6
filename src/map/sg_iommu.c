/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scatterlists with an IOMMU. If possible, the whole list is one range of the address space.
 * Entries are mapped page after page, so that entries that fill their pages merge into one segment.
 * If the limits require a hole between two segments, every segment has a range of its own.
 *
 * A run is a sequence of entries that are adjacent in memory (an entry begins where the previous
 * one ends). It is mapped as one if the device's limits allow one segment of that length.
 *
 * The device address of every range is aligned to its size rounded up to a power of two. A range
 * that is not longer than the boundary therefore never crosses it, and in a longer range the
 * boundaries are at multiples relative to the start of the range.
 */
#include "map/sg_list.h"

/* One run of the list. */
struct sg_run {
	struct scatterlist *end; /* the first entry after it */
	phys_t pa;
	u64 size;
	u64 where; /* offset of its first page in the range */
	int entries;
	bool joins; /* it extends the previous segment */
};

/*
 * The state of a walk over the runs, which assigns every run its offset in the range. `at` is the
 * offset of the next page; `seg` and `seg_size` describe the segment that is being built.
 */
struct sg_layout {
	const struct map_limits *l;
	u64 at; /* bytes of address space used, whole pages */
	u64 seg, seg_size;
	int segments;
	bool padded; /* there is a hole, so the range cannot be one mapping */
};

/* Whether `size` more bytes after the `have` bytes at `start` still fit in one segment. */
hot_inline bool sg_fits(const struct map_limits *l, u64 start, u64 have, u64 size)
{
	return size <= l->max_seg - min_u64(have, l->max_seg) &&
	       map_within_boundary(start, have + size, l->boundary);
}

/* Whether the entry begins where the run ends, in the same part of memory. */
hot_inline bool sg_follows(const struct sg_run *r, u64 start)
{
	return start == r->pa.v + r->size && phys_limit(PHYS(start)) == phys_limit(r->pa);
}

/*
 * Begins a segment with a run. Its entries are limited to the greatest segment length and to the
 * boundary, for any position of the first page. A run that would cross a boundary begins at the
 * next one.
 */
hot_inline void sg_begin_segment(struct sg_layout *p, struct sg_run *r)
{
	u64 offset = r->pa.v & (PAGE_BYTES - 1), boundary = p->l->boundary;

	if (boundary >= PAGE_BYTES - 1 && offset + r->size - 1 <= boundary &&
	    !map_within_boundary(p->at + offset, r->size, boundary)) {
		p->at = align_up(p->at, boundary + 1);
		p->padded = true;
	}
	p->seg = p->at + offset;
	p->seg_size = r->size;
	p->segments++;
}

/* Finds the next run of at most `left` entries from `sg` on, and its offset in the range. */
hot_inline void sg_next_run(struct sg_layout *p, struct sg_run *r, struct scatterlist *sg, int left)
{
	u64 start = sg_known_start(sg), base, have;

	*r = (struct sg_run){.pa = PHYS(start), .size = sg->length, .entries = 1};
	r->joins = p->segments && !(start & (PAGE_BYTES - 1)) && p->seg + p->seg_size == p->at &&
		   sg_fits(p->l, p->seg, p->seg_size, r->size);
	/* A new segment is within the boundary, unless its offset in the page prevents that. */
	base = r->joins ? p->seg : start & (PAGE_BYTES - 1);
	have = r->joins ? p->seg_size : 0;
	for (sg = sg_next(sg); sg && r->entries < left; sg = sg_next(sg)) {
		if (!sg_follows(r, sg_known_start(sg)) ||
		    !sg_fits(p->l, base, have + r->size, sg->length))
			break;
		r->size += sg->length;
		r->entries++;
	}
	r->end = sg;
	if (r->joins)
		p->seg_size += r->size;
	else
		sg_begin_segment(p, r);
	r->where = p->at;
	p->at += pages_spanned(r->pa.v, r->size) << PAGE_BITS;
}

/*
 * Counts the pages of the runs. False: one range, aligned to its size, cannot contain them without
 * a hole.
 */
static bool sg_measure(struct scatterlist *sg, int nents, const struct map_limits *l, u64 *pages)
{
	struct sg_layout p = {.l = l};
	struct sg_run r;

	for (int left = nents; left > 0; left -= r.entries, sg = r.end)
		sg_next_run(&p, &r, sg, left);
	*pages = p.at >> PAGE_BITS;
	return !p.padded && !(*pages >> (PT_IOVA_BITS - PAGE_BITS));
}

/* Maps the runs at `base`. Returns the number of segments, or -errno with nothing mapped. */
static int sg_map_runs(struct device *dev, struct scatterlist *sg, int nents, u64 base, u64 prot,
		       u64 first, const struct map_limits *l, struct scatterlist **out)
{
	struct sg_layout p = {.l = l};
	struct scatterlist *seg = NULL;
	struct pt_cursor cursor = {0};
	u64 flags = prot | first;
	struct sg_run r;

	for (int left = nents; left > 0; sg = r.end) {
		int err;

		sg_next_run(&p, &r, sg, left);
		left -= r.entries;
		if (!left)
			flags |= PT_LAST;
		err = pt_cursor_map(&dev->domain->pt, &cursor, IOVA(base + r.where),
				    PHYS(align_down(r.pa.v, PAGE_BYTES)),
				    pages_spanned(r.pa.v, r.size) << PAGE_BITS, flags);
		if (unlikely(err)) {
			pt_unmap(&dev->domain->pt, IOVA(base), r.where);
			return err;
		}
		flags = prot;
		if (r.joins) {
			sg_dma_len(seg) = (unsigned int)p.seg_size;
		} else {
			seg = *out;
			sg_put_segment(out, base + p.seg + dev->bus_offset, p.seg_size);
		}
	}
	return p.segments;
}

/* sg_map_runs() for the most common list, in which every entry is one page. */
static int sg_map_pages(struct device *dev, struct scatterlist *sg, int nents, u64 base, u64 prot,
			u64 first, const struct map_limits *l, struct scatterlist **next)
{
	u64 max = max_u64(l->max_seg, PAGE_BYTES), boundary = max_u64(l->boundary, PAGE_BYTES - 1);
	u64 flags = prot | first, seg_size = max, at = 0;
	struct scatterlist *out = *next, *last = out;
	struct pt_cursor cursor = {0};
	int segments = 0;

	for (int i = 0; i < nents; i++, sg = sg_next(sg), at += PAGE_BYTES) {
		u64 pa = sg_known_start(sg);

		if (unlikely(i == nents - 1))
			flags |= PT_LAST;
		if (unlikely(pt_cursor_map(&dev->domain->pt, &cursor, IOVA(base + at), PHYS(pa),
					   PAGE_BYTES, flags))) {
			pt_unmap(&dev->domain->pt, IOVA(base), at);
			return -ENOMEM;
		}
		flags = prot;
		if (seg_size <= max - PAGE_BYTES && (at & boundary)) {
			seg_size += PAGE_BYTES;
			sg_dma_len(last) = (unsigned int)seg_size;
			continue;
		}
		seg_size = PAGE_BYTES;
		last = out;
		sg_put_segment(&out, base + at + dev->bus_offset, seg_size);
		segments++;
	}
	*next = out;
	return segments;
}

/*
 * Maps entries that need `pages` pages as one range and one mapping. Their segments are stored from
 * `out` on. Returns the number of segments, or -ENOMEM with an error message and nothing mapped.
 */
static int sg_map_range(struct device *dev, struct scatterlist *sgl, int nents, u64 pages,
			const struct sg_survey *s, enum dma_data_direction dir,
			const struct map_limits *l, struct scatterlist **out)
{
	u64 page, first = PT_FIRST | (s->foreign ? PT_STRICT : 0);
	struct domain *dom = dev->domain;
	int n;

	if (unlikely(pages >= PT_ENTRIES) && domain_check_tables(PAGE_BYTES, pages << PAGE_BITS)) {
		error_prefix("%s: cannot map a list", dev->name);
		return -ENOMEM;
	}
	page = domain_iova_alloc(dom, pages, l->last >> PAGE_BITS);
	if (!page)
		return -ENOMEM;
	if (likely(!s->odd))
		n = sg_map_pages(dev, sgl, nents, page << PAGE_BITS, prot_of(dir), first, l, out);
	else
		n = sg_map_runs(dev, sgl, nents, page << PAGE_BITS, prot_of(dir), first, l, out);
	if (unlikely(n < 0)) {
		domain_undo_map(dom, pages);
		domain_iova_free(dom, page, pages);
		return error_set(ENOMEM, "%s: no memory for page tables", dev->name);
	}
	if (unlikely(!dom->space.direct) &&
	    dom->space.ops->publish(&dom->space, IOVA(page << PAGE_BITS), pages << PAGE_BITS)) {
		pt_unmap(&dom->pt, IOVA(page << PAGE_BITS), pages << PAGE_BITS);
		domain_undo_map(dom, pages);
		domain_iova_free(dom, page, pages);
		error_prefix("%s: cannot map a list of %llu pages", dev->name,
			     (unsigned long long)pages);
		return -ENOMEM;
	}
	return n;
}

/* Counts the entries of the next segment and their pages; moves *sg to the entry after them. */
static int sg_segment_entries(struct scatterlist **sg, int left, const struct map_limits *l,
			      u64 *pages)
{
	struct sg_layout p = {.l = l};
	struct sg_run r;
	int entries = 0;

	while (entries < left) {
		sg_next_run(&p, &r, *sg, left - entries);
		if (p.segments > 1)
			break;
		*pages = p.at >> PAGE_BITS;
		entries += r.entries;
		*sg = r.end;
	}
	return entries;
}

/* Maps every segment as a mapping of its own. */
static slow_path int sg_map_segments(struct device *dev, struct scatterlist *sgl, int nents,
				     const struct sg_survey *s, enum dma_data_direction dir,
				     const struct map_limits *l)
{
	const struct sg_survey part = {.odd = 1, .foreign = s->foreign};
	struct scatterlist *sg = sgl, *out = sgl;
	int made = 0;

	for (int left = nents, n; left > 0; left -= n, made++) {
		struct scatterlist *first = sg;
		u64 pages = 0;

		n = sg_segment_entries(&sg, left, l, &pages);
		if (sg_map_range(dev, first, n, pages, &part, dir, l, &out) < 0) {
			sg_unmap_each(dev, sgl, sg_dma_len(sgl), made, dir, DMA_ATTR_SKIP_CPU_SYNC);
			return -ENOMEM;
		}
	}
	sgl->dma_flags |= SG_DMA_EACH;
	return made;
}

int sg_map_iommu(struct device *dev, struct scatterlist *sgl, int nents, const struct sg_survey *s,
		 enum dma_data_direction dir, const struct map_limits *l)
{
	struct scatterlist *out = sgl;
	u64 pages = (u64)nents;

	if (s->odd && unlikely(!sg_measure(sgl, nents, l, &pages)))
		return dev->coherent ? sg_map_segments(dev, sgl, nents, s, dir, l) : -ERANGE;
	return sg_map_range(dev, sgl, nents, pages, s, dir, l, &out);
}
