/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scatterlists. The list's own fields carry the result: the first segments' dma_address and
 * dma_length, and a dma_length of 0 after the last. Three ways:
 *
 *  - where RAM has its own address (no IOMMU, or policy=identity) each entry is its own mapping,
 * neighbours merged;
 *  - through an IOMMU the whole list is one range of address space, entries laid page after page,
 * so that those that fill their pages merge into one segment;
 *  - where entries must bounce or be synced one by one, each is mapped like dma_map_page.
 *
 * Runs: neighbours in memory (an entry that begins where the one before ends) are mapped as one.
 */
#include "map/bounce.h"

#include <linux/scatterlist.h>

/* In the first entry's dma_flags: each segment is a mapping of its own (a bit that Linux leaves
 * free). */
#define SG_DMA_EACH (1u << 8)

static u64 sg_start(struct scatterlist *sg)
{
	return phys_of_page(sg_page(sg)).v + sg->offset;
}

/*
 * From survey_list() until an entry gets its result, its dma_address holds this: finding it from
 * the page costs more than the rest of the work. Results go to entries that were passed already.
 */
hot_inline u64 known_start(const struct scatterlist *sg)
{
	return sg_dma_address(sg);
}

/* One run of the list. */
struct run {
	struct scatterlist *sg;	 /* its first entry */
	struct scatterlist *end; /* the first after it */
	phys_t pa;
	u64 size;
	int entries;
};

/*
 * An entry joins the run before it: it begins where that ends, not in another part of memory, and
 * the run stays within the longest segment.
 */
hot_inline bool sg_run_follows(u64 run, u64 run_size, u64 start, u64 size, u64 max)
{
	return start == run + run_size && run_size && size <= max - min_u64(run_size, max) &&
	       phys_limit(PHYS(start)) == phys_limit(PHYS(run));
}

hot_inline void next_run(struct run *r, struct scatterlist *sg, int left, u64 max)
{
	*r = (struct run){.sg = sg, .pa = PHYS(known_start(sg)), .size = sg->length, .entries = 1};
	for (sg = sg_next(sg); sg && r->entries < left; sg = sg_next(sg)) {
		if (!sg_run_follows(r->pa.v, r->size, known_start(sg), sg->length, max))
			break;
		r->size += sg->length;
		r->entries++;
	}
	r->end = sg;
}

/* What the first look at a list finds. */
struct survey {
	u64 bytes;
	u64 odd;      /* 0: each entry is exactly one page */
	bool foreign; /* some of it is not RAM */
};

/*
 * The entries are there, not empty, and in memory; else -EINVAL. Clears dma_length and fills
 * known_start().
 */
static int survey_list(struct scatterlist *sgl, int nents, struct survey *out)
{
	const u64 map = (uintptr_t)mem.map, ram_pages = mem.span >> PAGE_BITS;
	struct survey s = {0};
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		u64 start, limit, page;

		if (unlikely(!sg))
			return error_set(EINVAL, "the scatterlist has %d entries, not %d", i,
					 nents);
		/* sg_start(), with RAM's place read once for the list */
		page = ((uintptr_t)sg_page(sg) - map) / sizeof(struct page);
		start = likely(page < ram_pages) ? (page << PAGE_BITS) + sg->offset : sg_start(sg);
		limit = phys_limit(PHYS(start));
		if (unlikely(!sg->length || start >= limit || sg->length > limit - start))
			return error_set(EINVAL,
					 "scatterlist entry %d is empty or outside of memory", i);
		sg_dma_address(sg) = start;
		sg_dma_len(sg) = 0;
		sg->dma_flags = 0;
		s.foreign |= start >= mem.span;
		s.bytes += sg->length;
		s.odd |= (start & (PAGE_BYTES - 1)) | (sg->length ^ PAGE_BYTES);
	}
	*out = s;
	return 0;
}

/* Where the next segment goes: results are packed to the front of the list. */
static void put_segment(struct scatterlist **out, dma_addr_t addr, u64 size)
{
	sg_dma_address(*out) = addr;
	sg_dma_len(*out) = (unsigned int)size;
	*out = sg_next(*out);
}

/* Unmaps `n` segments that were made one by one; `len`: of the first. False: none was mapped. */
static bool unmap_each(struct device *dev, struct scatterlist *sg, unsigned int len, int n,
		       enum dma_data_direction dir, unsigned long attrs)
{
	bool found = false;

	for (int i = 0; i < n && len; i++) {
		found |= unmap_one(dev, sg_dma_address(sg), len, dir, attrs);
		sg = sg_next(sg);
		len = sg ? sg_dma_len(sg) : 0;
	}
	return found;
}

static void sg_clear_dma(struct scatterlist *sg, int n)
{
	for (int i = 0; i < n && sg; i++, sg = sg_next(sg)) {
		sg_dma_address(sg) = DMA_MAPPING_ERROR;
		sg_dma_len(sg) = 0;
	}
}

/* Entries that need care of their own: one segment each, so that syncs find them again. */
static int map_each(struct device *dev, struct scatterlist *sgl, int nents,
		    enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		dma_addr_t addr = map_one(dev, PHYS(known_start(sg)), sg->length, dir, attrs);

		if (addr == DMA_MAPPING_ERROR) {
			int err = errno == EIO ? -EIO : -ENOMEM;

			unmap_each(dev, sgl, sg_dma_len(sgl), i, dir,
				   attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return err;
		}
		sg_dma_address(sg) = addr;
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

/* The segment [addr, addr + size) does not cross a multiple of the device's boundary. */
static bool within_boundary(u64 addr, u64 size, u64 boundary)
{
	return (addr & boundary) + size - 1 <= boundary;
}

/*
 * RAM has its own address (no IOMMU, or policy=identity): neighbours that the device reaches merge,
 * what it does not reach is mapped like dma_map_page.
 */
static int map_identity(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	u64 max = read_once(&dev->max_seg_size), boundary = read_once(&dev->seg_boundary);
	u64 last = device_last(dev), end = 0, size = 0;
	struct scatterlist *sg = sgl, *out = sgl, *seg = NULL;
	int made = 0;

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		u64 pa = known_start(sg), len = sg->length;
		bool reached = pa < mem.span && pa + len - 1 <= last;
		dma_addr_t addr = pa + dev->bus_offset;

		if (reached && pa == end && seg && len <= max - min_u64(size, max) &&
		    within_boundary(sg_dma_address(seg), size + len, boundary)) {
			end += len;
			size += len;
			sg_dma_len(seg) = (unsigned int)size;
			continue;
		}
		if (unlikely(!reached))
			addr = map_one(dev, PHYS(pa), len, dir, attrs);
		if (unlikely(addr == DMA_MAPPING_ERROR)) {
			int err = errno == EIO ? -EIO : -ENOMEM;

			unmap_each(dev, sgl, sg_dma_len(sgl), made, dir,
				   attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return err;
		}
		seg = reached ? out : NULL;
		end = pa + len;
		size = len;
		put_segment(&out, addr, len);
		made++;
	}
	return made;
}

/*
 * Where each run goes in the range of address space, relative to its start, which is aligned to
 * its size rounded up to a power of two. `at` is where the next page is; `seg` and `seg_size` the
 * segment that is being made.
 */
struct layout {
	u64 max, boundary;
	u64 at; /* bytes of address space used, whole pages */
	u64 seg, seg_size;
	int segments;
	bool padded; /* a hole was left: the range is no single mapping */
};

/* Places one run; true: it joins the segment before it. */
hot_inline bool sg_place_run(struct layout *l, const struct run *r, u64 *where)
{
	u64 offset = r->pa.v & (PAGE_BYTES - 1), span = pages_spanned(r->pa.v, r->size)
							<< PAGE_BITS;
	bool joins = l->segments && !offset && l->seg + l->seg_size == l->at &&
		     r->size <= l->max - min_u64(l->seg_size, l->max) &&
		     within_boundary(l->seg, l->seg_size + r->size, l->boundary);

	if (joins) {
		l->seg_size += r->size;
	} else {
		/* a run that would cross the boundary begins at the next one */
		if (r->size - 1 <= l->boundary &&
		    !within_boundary(l->at + offset, r->size, l->boundary)) {
			l->at = align_up(l->at, l->boundary + 1);
			l->padded = true;
		}
		l->seg = l->at + offset;
		l->seg_size = r->size;
		l->segments++;
	}
	*where = l->at;
	l->at += span;
	return joins;
}

static struct layout layout_start(const struct device *dev)
{
	return (struct layout){.max = read_once(&dev->max_seg_size),
			       .boundary = max_u64(read_once(&dev->seg_boundary), PAGE_BYTES - 1)};
}

/* Whether one range, aligned to its size, can hold the runs one after the other without a hole. */
static slow_path bool fits_one_range(const struct device *dev, struct scatterlist *sgl, int nents)
{
	struct layout l = layout_start(dev);
	struct scatterlist *sg = sgl;

	for (int left = nents; left > 0;) {
		struct run r;
		u64 where;

		next_run(&r, sg, left, l.max);
		sg_place_run(&l, &r, &where);
		if (l.padded)
			return false;
		left -= r.entries;
		sg = r.end;
	}
	return true;
}

/* Maps the runs at `base`; the segments made, or -errno with nothing mapped. */
static int sg_map_runs(struct device *dev, struct scatterlist *sgl, int nents, u64 base, u64 prot,
		       u64 first)
{
	struct layout l = layout_start(dev);
	struct scatterlist *sg = sgl, *out = sgl, *seg = NULL;
	struct pt_cursor cursor = {0};
	u64 flags = prot | first;

	for (int left = nents; left > 0;) {
		struct run r;
		u64 where, span;
		bool joins;
		int err;

		next_run(&r, sg, left, l.max);
		joins = sg_place_run(&l, &r, &where);
		span = pages_spanned(r.pa.v, r.size) << PAGE_BITS;
		left -= r.entries;
		if (!left)
			flags |= PT_LAST;
		err = pt_cursor_map(&dev->domain->pt, &cursor, IOVA(base + where),
				    PHYS(align_down(r.pa.v, PAGE_BYTES)), span, flags);
		if (unlikely(err)) {
			pt_unmap(&dev->domain->pt, IOVA(base), where);
			return err;
		}
		flags = prot;
		if (joins) {
			sg_dma_len(seg) = (unsigned int)l.seg_size;
		} else {
			seg = out;
			put_segment(&out, base + l.seg + dev->bus_offset, l.seg_size);
		}
		sg = r.end;
	}
	return l.segments;
}

/* The pages of all runs, one after the other. */
static u64 count_pages(const struct device *dev, struct scatterlist *sg, int nents)
{
	u64 max = read_once(&dev->max_seg_size), pages = 0;

	for (int left = nents; left > 0;) {
		struct run r;

		next_run(&r, sg, left, max);
		pages += pages_spanned(r.pa.v, r.size);
		left -= r.entries;
		sg = r.end;
	}
	return pages;
}

/* map_runs() for the list that matters most, where each entry is one page. */
static int map_single_pages(struct device *dev, struct scatterlist *sgl, int nents, u64 base,
			    u64 prot, u64 first)
{
	u64 max = max_u64(read_once(&dev->max_seg_size), PAGE_BYTES);
	u64 boundary = max_u64(read_once(&dev->seg_boundary), PAGE_BYTES - 1);
	u64 flags = prot | first, seg_size = max, at = 0;
	struct scatterlist *sg = sgl, *out = sgl, *last = sgl;
	struct pt_cursor cursor = {0};
	int segments = 0;

	for (int i = 0; i < nents; i++, sg = sg_next(sg), at += PAGE_BYTES) {
		u64 pa = known_start(sg);

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
		put_segment(&out, base + at + dev->bus_offset, seg_size);
		segments++;
	}
	return segments;
}

/* -ERANGE: not as one range. */
static int map_iommu(struct device *dev, struct scatterlist *sgl, int nents, const struct survey *s,
		     enum dma_data_direction dir)
{
	struct domain *dom = dev->domain;
	u64 pages = s->odd ? count_pages(dev, sgl, nents) : (u64)nents;
	u64 page, first = PT_FIRST | (s->foreign ? PT_STRICT : 0);
	int n;

	if (pages >> (PT_IOVA_BITS - PAGE_BITS))
		return -ERANGE;
	/* a range that is shorter than the boundary, aligned to its size, crosses none */
	if (s->odd && (pages << PAGE_BITS) - 1 > read_once(&dev->seg_boundary) &&
	    !fits_one_range(dev, sgl, nents))
		return -ERANGE;
	if (unlikely(pages >= PT_ENTRIES) && domain_check_tables(PAGE_BYTES, pages << PAGE_BITS)) {
		error_prefix("%s: cannot map a list", dev->name);
		return -ENOMEM;
	}
	page = domain_iova_alloc(dom, pages, device_last(dev) >> PAGE_BITS);
	if (!page)
		return -ENOMEM;
	if (unlikely(dev->bus_offset & read_once(&dev->seg_boundary)) &&
	    !within_boundary((page << PAGE_BITS) + dev->bus_offset, pages << PAGE_BITS,
			     max_u64(read_once(&dev->seg_boundary), PAGE_BYTES - 1))) {
		/* aligned in the range is not aligned for the device */
		iova_free(dom->iova, page, pages);
		return -ERANGE;
	}
	if (likely(!s->odd))
		n = map_single_pages(dev, sgl, nents, page << PAGE_BITS, prot_of(dir), first);
	else
		n = sg_map_runs(dev, sgl, nents, page << PAGE_BITS, prot_of(dir), first);
	if (unlikely(n < 0)) {
		domain_undo_map(dom, pages);
		iova_free(dom->iova, page, pages);
		return error_set(ENOMEM, "%s: no memory for page tables", dev->name);
	}
	if (unlikely(!dom->space.direct) &&
	    dom->space.ops->publish(&dom->space, IOVA(page << PAGE_BITS), pages << PAGE_BITS)) {
		pt_unmap(&dom->pt, IOVA(page << PAGE_BITS), pages << PAGE_BITS);
		domain_undo_map(dom, pages);
		iova_free(dom->iova, page, pages);
		error_prefix("%s: cannot map a list of %llu pages", dev->name,
			     (unsigned long long)pages);
		return -ENOMEM;
	}
	return n;
}

static bool any_needs_care(const struct device *dev, struct scatterlist *sgl, int nents)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents; i++, sg = sg_next(sg))
		if (iommu_must_bounce(dev, PHYS(known_start(sg)), sg->length))
			return true;
	return false;
}

/* With an IOMMU the list is one mapping, or (this is remembered in the list) one each. */
static int map_list(struct device *dev, struct scatterlist *sgl, int nents, const struct survey *s,
		    enum dma_data_direction dir, unsigned long attrs)
{
	bool each = (!dev->coherent && (!dev->iommu || dev->identity_mapped)) ||
		    (attrs & (DMA_ATTR_REQUIRE_COHERENT | DMA_ATTR_MMIO));
	struct scatterlist *sg = sgl;
	int n = -ERANGE;

	if (!each && dev->iommu && dev->careful)
		each = any_needs_care(dev, sgl, nents);
	if (!each && !dev->identity)
		n = map_iommu(dev, sgl, nents, s, dir);
	if (n == -ERANGE) {
		n = each || !dev->identity ? map_each(dev, sgl, nents, dir, attrs)
					   : map_identity(dev, sgl, nents, dir, attrs);
		if (n > 0)
			sgl->dma_flags |= SG_DMA_EACH;
		return n;
	}
	if (n > 0 && !dev->coherent && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		for (int i = 0; i < nents; i++, sg = sg_next(sg))
			cpu_cache_clean(PHYS(sg_start(sg)), sg->length);
	return n;
}

static int sg_map(struct device *dev, struct scatterlist *sgl, int nents,
		  enum dma_data_direction dir, unsigned long attrs, const void *caller)
{
	struct survey s = {0};
	int n, err;

	if (!dev || !sgl || nents <= 0 || (unsigned int)dir > DMA_FROM_DEVICE) {
		if (!dev)
			return error_set(EINVAL, "DMA mapping for no device (NULL)");
		return check_report(
			dev, dev->check, DMAMAP_CHECK_BAD_ARGUMENT, 0, 0, dir,
			"cannot map a scatterlist: no list, %d entries, or no direction", nents);
	}
	err = survey_list(sgl, nents, &s);
	if (err) {
		error_prefix("%s", dev->name);
		return err;
	}
	if (fail_here(FAIL_MAP, dev->name))
		return error_set(ENOMEM, "%s: mapping failed by fault injection", dev->name);
	n = map_list(dev, sgl, nents, &s, dir, attrs);
	if (n <= 0) {
		sg_clear_dma(sgl, nents);
		return n;
	}
	/* a list may name the same memory many times; its size class may not overflow */
	count_map(dev, min_u64(s.bytes, 1ull << (DMAMAP_SIZE_CLASSES - 1)), (u64)n);
	if (unlikely(dev->check))
		check_map_sg(&dev->shadow, sgl, nents, n, read_once(&dev->max_seg_size),
			     read_once(&dev->seg_boundary), dir, attrs, caller);
	return n;
}

unsigned int dma_map_sg_attrs(struct device *dev, struct scatterlist *sg, int nents,
			      enum dma_data_direction dir, unsigned long attrs)
{
	int n = sg_map(dev, sg, nents, dir, attrs, CALLER);

	return n > 0 ? (unsigned int)n : 0;
}

int dma_map_sgtable(struct device *dev, struct sg_table *sgt, enum dma_data_direction dir,
		    unsigned long attrs)
{
	int n;

	if (!sgt)
		return error_set(EINVAL, "dma_map_sgtable: no table (NULL)");
	n = sg_map(dev, sgt->sgl, (int)sgt->orig_nents, dir, attrs, CALLER);
	if (n < 0)
		return n;
	sgt->nents = (unsigned int)n;
	return 0;
}

/* Cache lines of each entry back to the CPU. */
static void lines_to_cpu(struct scatterlist *sg, int nents)
{
	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		cpu_cache_invalidate(PHYS(sg_start(sg)), sg->length);
}

static bool unmap_list(struct device *dev, struct scatterlist *sgl, int nents,
		       enum dma_data_direction dir, unsigned long attrs)
{
	/* says that the list is mapped: of two unmaps of a list the second one finds 0 */
	unsigned int len = __atomic_exchange_n(&sg_dma_len(sgl), 0, __ATOMIC_ACQ_REL);
	bool found;

	if (!len) {
		check_report(dev, dev->check, DMAMAP_CHECK_UNMAP_NOT_MAPPED, 0, 0, dir,
			     "unmap of a scatterlist that is not mapped: unmap each list once");
		return false;
	}
	if (!dev->iommu || (sgl->dma_flags & SG_DMA_EACH)) {
		found = unmap_each(dev, sgl, len, nents, dir, attrs);
	} else {
		found = iommu_unmap_list(dev, sg_dma_address(sgl), dir);
		if (found && !dev->coherent && dir != DMA_TO_DEVICE &&
		    !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
			lines_to_cpu(sgl, nents);
	}
	if (found)
		sg_dma_address(sgl) = DMA_MAPPING_ERROR;
	else /* another device has it mapped, or the other way */
		__atomic_store_n(&sg_dma_len(sgl), len, __ATOMIC_RELEASE);
	return found;
}

void dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sg, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	if (!dev || !sg || nents <= 0) {
		error_set(EINVAL, "dma_unmap_sg: no device, no list or %d entries", nents);
		return;
	}
	if (unlikely(dev->check))
		check_unmap_sg(&dev->shadow, sg, nents, dir, attrs, CALLER);
	if (unmap_list(dev, sg, nents, dir, attrs))
		count_unmap(dev);
}

void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt, enum dma_data_direction dir,
		       unsigned long attrs)
{
	if (!sgt)
		error_set(EINVAL, "dma_unmap_sgtable: no table (NULL)");
	else
		dma_unmap_sg_attrs(dev, sgt->sgl, (int)sgt->orig_nents, dir, attrs);
}
