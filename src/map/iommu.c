/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices with an IOMMU: the page table maps pages of the address space to memory. It also
 * records every mapping: the leaves have flags for its first and last page (PT_FIRST, PT_LAST) and
 * for bouncing. An unmap therefore needs no other record and cannot fail, and a wrong size or a
 * second unmap is detected.
 */
#include "map/bounce.h"

bool iommu_must_bounce(const struct device *dev, phys_t pa, u64 size)
{
	/*
	 * A mapped page also exposes the data next to the range. Memory outside RAM has no device
	 * view, or the device cannot reach it.
	 */
	return (dev->untrusted && ((pa.v | size) & (PAGE_BYTES - 1))) ||
	       (device_bounces_foreign(dev) && pa.v >= mem.span);
}

/* Returns the size of the largest leaf for memory at `pa` whose IOVA is aligned to its size. */
static u64 iommu_largest_leaf(const struct domain *dom, phys_t pa)
{
	u64 leaf = 1ull << dom->pt.leaf_shift;

	while (pa.v & (leaf - 1))
		leaf >>= 9;
	return leaf;
}

/*
 * Maps pages by the back end. Returns 0 with an error message on failure. `page` is address space
 * that the caller has allocated, or 0. If a page of it is still mapped, because the owner of an
 * earlier mapping did not unmap all of it, the address space stays allocated and unused, and
 * another range is tried.
 */
static __attribute__((noinline)) u64 map_by_ops(struct device *dev, phys_t pa, u64 pages, u64 flags,
						u64 last, u64 page)
{
	struct domain *dom = dev->domain;
	int err;

	if (unlikely(pages >= PT_ENTRIES) &&
	    domain_check_tables(iommu_largest_leaf(dom, pa), pages << PAGE_BITS)) {
		error_prefix("%s: cannot map %llu pages", dev->name, (unsigned long long)pages);
		return 0;
	}
	for (int tries = 0; tries < 4; tries++, page = 0) {
		if (likely(!page))
			page = domain_iova_alloc(dom, pages, last >> PAGE_BITS);
		if (unlikely(!page))
			return 0;
		if (fail_here(FAIL_BACKEND, dev->name)) {
			domain_iova_free(dom, page, pages);
			error_set(ENOMEM, "%s: the back end failed by fault injection", dev->name);
			return 0;
		}
		err = dom->space.ops->map(&dom->space, IOVA(page << PAGE_BITS), pa,
					  pages << PAGE_BITS, flags);
		if (likely(!err))
			return page;
		domain_undo_map(dom, pages);
		if (err != -EEXIST) {
			domain_iova_free(dom, page, pages);
			error_prefix("%s: cannot map %llu pages", dev->name,
				     (unsigned long long)pages);
			return 0;
		}
	}
	error_set(ENOMEM,
		  "%s: the free address space has mappings that were unmapped only in part; unmap "
		  "with the size that was mapped",
		  dev->name);
	return 0;
}

/* Maps pages. Returns 0 with an error message on failure. */
static u64 map_pages(struct device *dev, phys_t pa, u64 pages, u64 flags, u64 last)
{
	struct domain *dom = dev->domain;
	u64 page = 0;

	if (likely(pages == 1 && dom->space.direct && !read_once(&fail_armed))) {
		page = domain_iova_alloc(dom, 1, last >> PAGE_BITS);
		if (unlikely(!page))
			return 0;
		if (likely(pt_map_4k(&dom->pt, IOVA(page << PAGE_BITS), pa, flags)))
			return page;
	}
	return map_by_ops(dev, pa, pages, flags, last, page);
}

static slow_path dma_addr_t map_bounced(struct device *dev, phys_t pa, u64 size,
					enum dma_data_direction dir, unsigned long attrs,
					const struct map_limits *l)
{
	bool identity_mapped = dev->identity_mapped;
	phys_t at;
	u64 page;

	if (attrs & DMA_ATTR_REQUIRE_COHERENT) {
		error_set(EIO,
			  "%s: DMA_ATTR_REQUIRE_COHERENT, but the mapping would have to bounce",
			  dev->name);
		return DMA_MAPPING_ERROR;
	}
	at = bounce_map(dev, pa, size, identity_mapped ? l : BOUNCE_ANYWHERE, true, attrs);
	if (at.v == NO_PHYS.v)
		return DMA_MAPPING_ERROR;
	if (identity_mapped) {
		bounce_set_place(at, 0, prot_of(dir));
		return at.v + dev->bus_offset;
	}
	page = map_pages(dev, PHYS(align_down(at.v, PAGE_BYTES)), pages_spanned(at.v, size),
			 prot_of(dir) | PT_FIRST | PT_LAST | PT_BOUNCED, l->last);
	if (!page) {
		bounce_unmap(dev, at, size, DMA_TO_DEVICE, 0);
		return DMA_MAPPING_ERROR;
	}
	bounce_set_place(at, page << PAGE_BITS, prot_of(dir));
	return (page << PAGE_BITS | (at.v & (PAGE_BYTES - 1))) + dev->bus_offset;
}

static slow_path dma_addr_t map_uncommon(struct device *dev, phys_t pa, u64 size,
					 enum dma_data_direction dir, unsigned long attrs, u64 last,
					 const struct map_limits *l)
{
	struct map_limits own;
	u64 page;

	if (!l) {
		own = map_limits_of(dev);
		own.last = last;
		l = &own;
	}
	if ((attrs & DMA_ATTR_REQUIRE_COHERENT) && !dev->coherent) {
		error_set(EIO, "%s: DMA_ATTR_REQUIRE_COHERENT, but the mapping would need syncs",
			  dev->name);
		return DMA_MAPPING_ERROR;
	}
	if (!(attrs & DMA_ATTR_MMIO) && iommu_must_bounce(dev, pa, size))
		return map_bounced(dev, pa, size, dir, attrs, l);
	page = map_pages(dev, PHYS(align_down(pa.v, PAGE_BYTES)), pages_spanned(pa.v, size),
			 prot_of(dir) | PT_FIRST | PT_LAST, l->last);
	if (!page)
		return dev->identity_mapped && !(attrs & DMA_ATTR_MMIO) && size <= mem.bounce_size
			       ? map_bounced(dev, pa, size, dir, attrs, l)
			       : DMA_MAPPING_ERROR;
	if (!dev->coherent && pa.v < mem.span &&
	    !(attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO)))
		cpu_cache_clean(pa, size);
	return (page << PAGE_BITS | (pa.v & (PAGE_BYTES - 1))) + dev->bus_offset;
}

/* Whether the range is RAM that policy=identity has mapped permanently within the mask. */
static bool map_is_identity(const struct device *dev, phys_t pa, u64 size, u64 last)
{
	return dev->identity_mapped && pa.v < mem.span && pa.v + size - 1 <= last;
}

static dma_addr_t iommu_map_identity(struct device *dev, phys_t pa, u64 size, unsigned long attrs)
{
	if (unlikely(!dev->coherent)) {
		cpu_cache_hold(pa, size);
		if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
			cpu_cache_clean(pa, size);
	}
	return pa.v + dev->bus_offset;
}

/* Maps for devices that are untrusted, not coherent, identity-mapped or ram_only. */
static __attribute__((noinline)) dma_addr_t iommu_map_careful(struct device *dev, phys_t pa,
							      u64 size, enum dma_data_direction dir,
							      unsigned long attrs,
							      const struct map_limits *l)
{
	u64 kept = 0, last = l ? l->last : device_last(dev);

	if (map_is_identity(dev, pa, size, last) && !(attrs & DMA_ATTR_MMIO) &&
	    (dev->coherent || !(attrs & DMA_ATTR_REQUIRE_COHERENT)))
		return iommu_map_identity(dev, pa, size, attrs);
	if (dev->regcache && pa.v & PHYS_FOREIGN && !(attrs & DMA_ATTR_MMIO))
		kept = dev->regcache->map(dev->regcache, pa, size, prot_of(dir));
	return kept ? kept + dev->bus_offset : map_uncommon(dev, pa, size, dir, attrs, last, l);
}

hot_inline dma_addr_t iommu_map_plain(struct device *dev, phys_t pa, u64 size,
				      enum dma_data_direction dir, u64 last)
{
	u64 page = map_pages(dev, PHYS(align_down(pa.v, PAGE_BYTES)), pages_spanned(pa.v, size),
			     prot_of(dir) | PT_FIRST | PT_LAST, last);

	if (unlikely(!page))
		return DMA_MAPPING_ERROR;
	return (page << PAGE_BITS | (pa.v & (PAGE_BYTES - 1))) + dev->bus_offset;
}

dma_addr_t iommu_map(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		     unsigned long attrs)
{
	if (unlikely(dev->careful))
		return iommu_map_careful(dev, pa, size, dir, attrs, NULL);
	return iommu_map_plain(dev, pa, size, dir, device_last(dev));
}

dma_addr_t iommu_map_within(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			    unsigned long attrs, const struct map_limits *l)
{
	if (dev->careful)
		return iommu_map_careful(dev, pa, size, dir, attrs, l);
	return iommu_map_plain(dev, pa, size, dir, l->last);
}

static slow_path bool iommu_report_not_mapped(struct device *dev, dma_addr_t addr, u64 size,
					      enum dma_data_direction dir)
{
	struct pt *pt = &dev->domain->pt;
	unsigned int side = pt_walk_enter(pt); /* the caller may not own the address */
	u64 entry = pt_walk(pt, IOVA(addr - dev->bus_offset));

	pt_walk_exit(pt, side);
	if (entry & PT_FIRST && !(entry & prot_to_unmap(dir)))
		check_report(dev, false, DMAMAP_CHECK_UNMAP_DIRECTION, addr, size, dir,
			     "unmap of %#llx %s the device, but the mapping there has the opposite "
			     "direction and was not unmapped: unmap every mapping once, with "
			     "the direction that it was mapped with",
			     (unsigned long long)addr, dir == DMA_TO_DEVICE ? "to" : "from");
	else
		check_report(dev, dev->check, DMAMAP_CHECK_UNMAP_NOT_MAPPED, addr, size, dir,
			     "unmap of %#llx, where no mapping begins: pass the address that the "
			     "map call "
			     "returned, once",
			     (unsigned long long)addr);
	return false;
}

/* Completes an unmap after the translation was removed: copies back and frees slots. */
static slow_path void iommu_settle(struct device *dev, dma_addr_t addr, phys_t pa, u64 size,
				   bool bounced, enum dma_data_direction dir, unsigned long attrs)
{
	if (bounced) {
		if (!bounce_unmap(dev, pa, size, dir, attrs)) {
			/* The page is right but the offset in it is wrong. The translation was
			 * removed, so the slots are freed as well. */
			bounce_unmap_page(dev, PHYS(align_down(pa.v, PAGE_BYTES)), dir, attrs);
			iommu_report_not_mapped(dev, addr, size, dir);
		}
		bounce_report_lost(dev, addr, size, dir);
	} else if (!dev->coherent && dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC) &&
		   phys_range_is_ram(pa, size)) {
		cpu_cache_invalidate(pa, size);
	}
}

static bool iommu_unmap_identity(struct device *dev, phys_t pa, u64 size,
				 enum dma_data_direction dir, unsigned long attrs)
{
	if (unlikely(phys_is_bounce(pa))) {
		if (!bounce_allows(dev, pa, prot_to_unmap(dir)) ||
		    !bounce_unmap(dev, pa, size, dir, attrs))
			return iommu_report_not_mapped(dev, pa.v + dev->bus_offset, size, dir);
		bounce_report_lost(dev, pa.v + dev->bus_offset, size, dir);
		return true;
	}
	if (likely(dev->coherent))
		return true;
	if (!phys_range_is_ram(pa, size) || !cpu_cache_drop(pa, size))
		return iommu_report_not_mapped(dev, pa.v + dev->bus_offset, size, dir);
	iommu_settle(dev, pa.v + dev->bus_offset, pa, size, false, dir, attrs);
	return true;
}

/*
 * An unmap of a mapping this long may free tables. If the program unmaps it twice by mistake,
 * another thread may free them, so the walk is protected.
 */
static slow_path u64 iommu_unmap_large(struct domain *dom, iova_t iova, u64 prot, u64 *entry)
{
	unsigned int side = pt_walk_enter(&dom->pt);
	u64 mapped = pt_unmap_mapping_with(&dom->pt, iova, prot, entry);

	pt_walk_exit(&dom->pt, side);
	return mapped;
}

hot_inline bool iommu_unmap_pages(struct device *dev, dma_addr_t addr, u64 size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	struct domain *dom = dev->domain;
	u64 bus = addr - dev->bus_offset, page = bus >> PAGE_BITS;
	u64 pages, mapped, entry, prot = prot_to_unmap(dir);
	phys_t pa;

	if (unlikely(size > (PT_ENTRIES - 2) * PAGE_BYTES)) /* it may span a table */
		mapped = iommu_unmap_large(dom, IOVA(page << PAGE_BITS), prot, &entry);
	else
		mapped = pt_unmap_mapping_with(&dom->pt, IOVA(page << PAGE_BITS), prot, &entry);
	if (unlikely(!mapped))
		return iommu_report_not_mapped(dev, addr, size, dir);
	pages = mapped >> PAGE_BITS;
	domain_release_mapping(dom, page, pages,
			       dev->strict || (entry & (PHYS_FOREIGN | PT_STRICT)));
	pa = PHYS((entry & PT_ADDR) | (bus & (PAGE_BYTES - 1)));
	if (unlikely(pages != pages_spanned(bus, size)))
		check_report(
			dev, dev->check, DMAMAP_CHECK_UNMAP_SIZE, addr, size, dir,
			"unmap of %#llx with %llu bytes, but %llu pages were mapped: pass the size "
			"that was mapped",
			(unsigned long long)addr, (unsigned long long)size,
			(unsigned long long)pages);
	if (unlikely((entry & PT_BOUNCED) || !dev->coherent))
		iommu_settle(dev, addr, pa, min_u64(size, mapped - (bus & (PAGE_BYTES - 1))),
			     entry & PT_BOUNCED, dir, attrs);
	return true;
}

/* policy=identity and persistent: the address determines the kind of the mapping. */
static __attribute__((noinline)) bool unmap_by_place(struct device *dev, dma_addr_t addr, u64 size,
						     enum dma_data_direction dir,
						     unsigned long attrs)
{
	u64 bus = addr - dev->bus_offset;
	int kept;

	if (phys_range_is_ram(PHYS(bus), 1))
		return iommu_unmap_identity(dev, PHYS(bus), size, dir, attrs);
	kept = dev->regcache ? dev->regcache->unmap(dev->regcache, bus, size) : 0;
	if (likely(kept))
		return kept > 0 || iommu_report_not_mapped(dev, addr, size, dir);
	return iommu_unmap_pages(dev, addr, size, dir, attrs);
}

bool iommu_unmap(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		 unsigned long attrs)
{
	if (unlikely(dev->identity_mapped))
		return unmap_by_place(dev, addr, size, dir, attrs);
	return iommu_unmap_pages(dev, addr, size, dir, attrs);
}

bool iommu_unmap_list(struct device *dev, dma_addr_t addr, enum dma_data_direction dir)
{
	struct domain *dom = dev->domain;
	u64 page = (addr - dev->bus_offset) >> PAGE_BITS, mapped, entry;

	mapped = pt_unmap_mapping_with(&dom->pt, IOVA(page << PAGE_BITS), prot_to_unmap(dir),
				       &entry);
	if (unlikely(!mapped))
		return iommu_report_not_mapped(dev, addr, 0, dir);
	domain_release_mapping(dom, page, mapped >> PAGE_BITS, dev->strict || (entry & PT_STRICT));
	return true;
}

void iommu_cut_leaked(struct device *dev, u64 bus, phys_t pa, u64 size)
{
	struct domain *dom = dev->domain;
	u64 entry = pt_walk(&dom->pt, IOVA(bus)), mapped;

	if (!(entry & PT_BOUNCED) || (entry & PT_ADDR) != pa.v)
		return;
	if (entry & PT_FIRST) {
		mapped = pt_unmap_mapping(&dom->pt, IOVA(bus), &entry);
		if (mapped)
			domain_release_mapping(dom, bus >> PAGE_BITS, mapped >> PAGE_BITS, true);
		return;
	}
	/* A link of a two-step range: the address space stays allocated. */
	if (dom->space.by_range) {
		dom->space.ops->unmap_partial(&dom->space, IOVA(bus), size);
	} else {
		pt_unmap(&dom->pt, IOVA(bus), size);
		dom->space.ops->invalidate(&dom->space, IOVA(bus), size);
	}
	if (read_acquire(&dom->n_holds))
		domain_wait_holds(dom, IOVA(bus), size);
}
