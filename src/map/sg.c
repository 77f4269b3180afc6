/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scatterlists. The result is stored in the list itself: dma_address and dma_length of the segments
 * in the first entries, and a dma_length of 0 after the last segment. There are three paths:
 *
 *  - if RAM is mapped at its own address (no IOMMU, or policy=identity), every entry is a mapping,
 *    and adjacent entries are merged;
 *  - with an IOMMU the whole list is one range of the address space (sg_iommu.c);
 *  - if entries must bounce or be synced one by one, each is mapped as by dma_map_page().
 *
 * The device's limits are read once per list. If another thread sets them, they apply to the next
 * list.
 */
#include "map/bounce.h"
#include "map/sg_list.h"

static u64 sg_start(struct scatterlist *sg)
{
	return phys_of_page(sg_page(sg)).v + sg->offset;
}

/*
 * Checks that the list has all entries and that they are not empty and are in memory; -EINVAL
 * otherwise. Clears dma_length and stores what sg_known_start() returns.
 */
static int sg_survey_list(struct scatterlist *sgl, int nents, struct sg_survey *out)
{
	const u64 map = (uintptr_t)mem.map, ram_pages = mem.span >> PAGE_BITS;
	struct sg_survey s = {0};
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		u64 start, limit, page;

		if (unlikely(!sg))
			return error_set(EINVAL, "the scatterlist has %d entries, not %d", i,
					 nents);
		/* This is sg_start() with the position of RAM read once for the list. */
		page = ((uintptr_t)sg_page(sg) - map) / sizeof(struct page);
		start = likely(page < ram_pages) ? (page << PAGE_BITS) + sg->offset : sg_start(sg);
		limit = phys_limit(PHYS(start));
		if (unlikely(!sg->length || start >= limit || sg->length > limit - start))
			return error_set(
				EINVAL,
				"scatterlist entry %d is empty or not in memory: set its page "
				"and length",
				i);
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

bool sg_unmap_each(struct device *dev, struct scatterlist *sg, unsigned int len, int n,
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
		sg->dma_flags = 0;
	}
}

/* Marks the entry of a bounced segment, and the first entry of the list. */
static void sg_mark_bounced(struct scatterlist *sgl, struct scatterlist *sg)
{
	sg_dma_mark_swiotlb(sg);
	sg_dma_mark_swiotlb(sgl);
}

/* Whether the mapping of an entry, whose device address is `addr`, bounces. */
static bool sg_is_bounced(const struct device *dev, phys_t pa, u64 size, dma_addr_t addr)
{
	if (!device_translates_ram(dev))
		return phys_is_bounce(PHYS(addr - dev->bus_offset));
	return iommu_must_bounce(dev, pa, size);
}

/* Maps entries one by one, with one segment for each, so that syncs find them by their address. */
static int map_each(struct device *dev, struct scatterlist *sgl, int nents,
		    enum dma_data_direction dir, unsigned long attrs, const struct map_limits *l)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		phys_t pa = PHYS(sg_known_start(sg));
		dma_addr_t addr = map_within(dev, pa, sg->length, dir, attrs, l);

		if (addr == DMA_MAPPING_ERROR) {
			int err = errno == EIO ? -EIO : -ENOMEM;

			sg_unmap_each(dev, sgl, sg_dma_len(sgl), i, dir,
				      attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return err;
		}
		sg_dma_address(sg) = addr;
		sg_dma_len(sg) = sg->length;
		if (sg_is_bounced(dev, pa, sg->length, addr))
			sg_mark_bounced(sgl, sg);
	}
	return nents;
}

/*
 * Maps a list when RAM is mapped at its own address (no IOMMU, or policy=identity). Adjacent
 * entries that the device reaches are merged; other entries are mapped as by dma_map_page().
 */
static int map_identity(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs,
			const struct map_limits *l)
{
	u64 max = l->max_seg, boundary = l->boundary, last = l->last, end = 0, size = 0;
	struct scatterlist *sg = sgl, *out = sgl, *seg = NULL;
	int made = 0;

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		u64 pa = sg_known_start(sg), len = sg->length;
		bool reached = pa < mem.span && pa + len - 1 <= last;
		dma_addr_t addr = pa + dev->bus_offset;

		if (reached && pa == end && seg && len <= max - min_u64(size, max) &&
		    map_within_boundary(sg_dma_address(seg), size + len, boundary)) {
			end += len;
			size += len;
			sg_dma_len(seg) = (unsigned int)size;
			continue;
		}
		seg = out;
		end = pa + len;
		size = len;
		if (unlikely(!reached)) {
			addr = map_within(dev, PHYS(pa), len, dir, attrs, l);
			if (addr == DMA_MAPPING_ERROR) {
				int err = errno == EIO ? -EIO : -ENOMEM;

				sg_unmap_each(dev, sgl, sg_dma_len(sgl), made, dir,
					      attrs | DMA_ATTR_SKIP_CPU_SYNC);
				return err;
			}
			if (sg_is_bounced(dev, PHYS(pa), len, addr))
				sg_mark_bounced(sgl, out);
			seg = NULL;
		}
		sg_put_segment(&out, addr, len);
		made++;
	}
	return made;
}

static bool sg_any_needs_care(const struct device *dev, struct scatterlist *sgl, int nents)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents; i++, sg = sg_next(sg))
		if (iommu_must_bounce(dev, PHYS(sg_known_start(sg)), sg->length))
			return true;
	return false;
}

/* With an IOMMU the list is one mapping, or one per segment, which SG_DMA_EACH in the list records.
 */
static int map_list(struct device *dev, struct scatterlist *sgl, int nents,
		    const struct sg_survey *s, enum dma_data_direction dir, unsigned long attrs,
		    const struct map_limits *l)
{
	bool each = !dev->coherent &&
		    (!device_translates_ram(dev) || attrs & DMA_ATTR_REQUIRE_COHERENT);
	struct scatterlist *sg = sgl;
	int n = -ERANGE;

	if (!each && dev->iommu && dev->careful)
		each = sg_any_needs_care(dev, sgl, nents);
	if (!each && !dev->identity)
		n = sg_map_iommu(dev, sgl, nents, s, dir, l);
	if (n == -ERANGE) {
		n = each || !dev->identity ? map_each(dev, sgl, nents, dir, attrs, l)
					   : map_identity(dev, sgl, nents, dir, attrs, l);
		if (n > 0)
			sgl->dma_flags |= SG_DMA_EACH;
		return n;
	}
	if (n > 0 && !dev->coherent && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		for (int i = 0; i < nents; i++, sg = sg_next(sg))
			cpu_cache_clean(PHYS(sg_start(sg)), sg->length);
	return n;
}

static int sg_refuse(struct device *dev, int nents, enum dma_data_direction dir,
		     unsigned long attrs, const void *caller)
{
	if (!dev)
		return error_set(EINVAL, "DMA mapping for no device (NULL)");
	check_enter(caller);
	if (attrs & DMA_ATTR_MMIO)
		return check_report(dev, dev->check, DMAMAP_CHECK_BAD_ARGUMENT, 0, 0, dir,
				    "cannot map a scatterlist with DMA_ATTR_MMIO: its entries are "
				    "memory; map registers with dma_map_phys()");
	return check_report(dev, dev->check, DMAMAP_CHECK_BAD_ARGUMENT, 0, 0, dir,
			    "cannot map a scatterlist: no list, %d entries, or no direction",
			    nents);
}

static int sg_map(struct device *dev, struct scatterlist *sgl, int nents,
		  enum dma_data_direction dir, unsigned long attrs, const void *caller)
{
	struct sg_survey s = {0};
	struct map_limits l;
	int n, err;

	if (!dev || !sgl || nents <= 0 || (unsigned int)dir > DMA_FROM_DEVICE ||
	    attrs & DMA_ATTR_MMIO)
		return sg_refuse(dev, nents, dir, attrs, caller);
	err = sg_survey_list(sgl, nents, &s);
	if (err) {
		error_prefix("%s", dev->name);
		return err;
	}
	if (fail_here(FAIL_MAP, dev->name))
		return error_set(ENOMEM, "%s: mapping failed by fault injection", dev->name);
	l = map_limits_of(dev);
	n = map_list(dev, sgl, nents, &s, dir, attrs, &l);
	if (n <= 0) {
		sg_clear_dma(sgl, nents);
		return n;
	}
	/* A list may contain the same memory many times, so the size is limited to the last class.
	 */
	count_map(dev, min_u64(s.bytes, 1ull << (DMAMAP_SIZE_CLASSES - 1)), (u64)n);
	if (unlikely(dev->check))
		check_map_sg(&dev->shadow, sgl, nents, n, l.max_seg, l.boundary, dir, attrs,
			     caller);
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

/* Invalidates the cache lines of every entry. The caller may have changed the list since the map.
 */
static void sg_lines_to_cpu(struct scatterlist *sg, int nents)
{
	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		if (phys_range_is_ram(PHYS(sg_start(sg)), sg->length))
			cpu_cache_invalidate(PHYS(sg_start(sg)), sg->length);
}

static bool sg_unmap_list(struct device *dev, struct scatterlist *sgl, int nents,
			  enum dma_data_direction dir, unsigned long attrs)
{
	/* Not 0 while the list is mapped; the second of two unmaps reads 0. */
	unsigned int len = __atomic_exchange_n(&sg_dma_len(sgl), 0, __ATOMIC_ACQ_REL);
	bool found;

	if (!len) {
		check_report(dev, dev->check, DMAMAP_CHECK_UNMAP_NOT_MAPPED, 0, 0, dir,
			     "unmap of a scatterlist that is not mapped: unmap each list once");
		return false;
	}
	if (!dev->iommu || (sgl->dma_flags & SG_DMA_EACH)) {
		found = sg_unmap_each(dev, sgl, len, nents, dir, attrs);
	} else {
		found = iommu_unmap_list(dev, sg_dma_address(sgl), dir);
		if (found && !dev->coherent && dir != DMA_TO_DEVICE &&
		    !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
			sg_lines_to_cpu(sgl, nents);
	}
	if (found) {
		sg_dma_address(sgl) = DMA_MAPPING_ERROR;
		sgl->dma_flags = 0;
	} else { /* it is mapped for another device or with another direction */
		__atomic_store_n(&sg_dma_len(sgl), len, __ATOMIC_RELEASE);
	}
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
	if (sg_unmap_list(dev, sg, nents, dir, attrs))
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
