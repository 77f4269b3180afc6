/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices behind an IOMMU: pages of address space, linked to the memory by the page table. The
 * table itself remembers each mapping: its leaves say where it begins and ends (PT_FIRST, PT_LAST)
 * and whether it bounces, so unmap needs nothing else and cannot fail, and a wrong size or a second
 * unmap is seen.
 */
#include "map/bounce.h"

bool iommu_must_bounce(const struct device *dev, phys_t pa, u64 size)
{
	/* a page shows its neighbours, too; memory outside RAM has no second view, or is not seen
	 * at all */
	return (dev->untrusted && ((pa.v | size) & (PAGE_BYTES - 1))) ||
	       ((!dev->coherent || dev->ram_only) && pa.v >= mem.span);
}

/* Maps pages; 0: failed, with a sentence. A page of address space that is still occupied (by a
 * mapping whose owner never unmapped it all) is left out of use, and another is tried. */
static u64 map_pages(struct device *dev, phys_t pa, u64 pages, u64 flags)
{
	struct domain *dom = dev->domain;
	u64 last = device_last(dev) >> PAGE_BITS;
	int err;

	for (int tries = 0; tries < 4; tries++) {
		u64 page = domain_iova_alloc(dom, pages, last);

		if (unlikely(!page))
			return 0;
		if (fail_here(FAIL_BACKEND, dev->name)) {
			iova_free(dom->iova, page, pages);
			error_set(ENOMEM, "%s: the back end failed by fault injection", dev->name);
			return 0;
		}
		if (likely(pages == 1 && dom->space.direct) &&
		    likely(pt_map_4k(&dom->pt, IOVA(page << PAGE_BITS), pa, flags)))
			return page;
		err = dom->space.ops->map(&dom->space, IOVA(page << PAGE_BITS), pa,
					  pages << PAGE_BITS, flags);
		if (likely(!err))
			return page;
		if (err != -EEXIST) {
			iova_free(dom->iova, page, pages);
			error_prefix("%s: cannot map %llu pages", dev->name,
				     (unsigned long long)pages);
			return 0;
		}
	}
	error_set(ENOMEM, "%s: address space is occupied by mappings never unmapped whole",
		  dev->name);
	return 0;
}

static slow_path dma_addr_t map_bounced(struct device *dev, phys_t pa, u64 size,
					enum dma_data_direction dir, unsigned long attrs)
{
	bool arithmetic = dev->arithmetic;
	phys_t at;
	u64 page;

	if (attrs & DMA_ATTR_REQUIRE_COHERENT) {
		error_set(EIO,
			  "%s: DMA_ATTR_REQUIRE_COHERENT, but the mapping would have to bounce",
			  dev->name);
		return DMA_MAPPING_ERROR;
	}
	at = bounce_map(dev, pa, size, arithmetic ? device_last(dev) : ~0ull, true, attrs);
	if (at.v == NO_PHYS.v)
		return DMA_MAPPING_ERROR;
	if (arithmetic)
		return at.v + dev->bus_offset;
	page = map_pages(dev, PHYS(align_down(at.v, PAGE_BYTES)), pages_spanned(at.v, size),
			 prot_of(dir) | PT_FIRST | PT_LAST | PT_BOUNCED);
	if (!page) {
		bounce_unmap(dev, at, size, DMA_TO_DEVICE, 0);
		return DMA_MAPPING_ERROR;
	}
	return (page << PAGE_BITS | (at.v & (PAGE_BYTES - 1))) + dev->bus_offset;
}

static slow_path dma_addr_t map_uncommon(struct device *dev, phys_t pa, u64 size,
					 enum dma_data_direction dir, unsigned long attrs)
{
	u64 page;

	if ((attrs & DMA_ATTR_REQUIRE_COHERENT) && !dev->coherent) {
		error_set(EIO, "%s: DMA_ATTR_REQUIRE_COHERENT, but the mapping would need syncs",
			  dev->name);
		return DMA_MAPPING_ERROR;
	}
	if (!(attrs & DMA_ATTR_MMIO) && iommu_must_bounce(dev, pa, size))
		return map_bounced(dev, pa, size, dir, attrs);
	page = map_pages(dev, PHYS(align_down(pa.v, PAGE_BYTES)), pages_spanned(pa.v, size),
			 prot_of(dir) | PT_FIRST | PT_LAST);
	if (!page)
		return dev->arithmetic && !(attrs & DMA_ATTR_MMIO) && size <= bounce_max_size(dev)
			       ? map_bounced(dev, pa, size, dir, attrs)
			       : DMA_MAPPING_ERROR;
	if (!dev->coherent && pa.v < mem.span &&
	    !(attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO)))
		plane_to_device(pa, size);
	return (page << PAGE_BITS | (pa.v & (PAGE_BYTES - 1))) + dev->bus_offset;
}

/* RAM that policy=pool keeps mapped where the device reaches it. */
static bool by_arithmetic(const struct device *dev, phys_t pa, u64 size)
{
	return dev->arithmetic && pa.v < mem.span && pa.v + size - 1 <= device_last(dev);
}

dma_addr_t iommu_map(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		     unsigned long attrs)
{
	u64 page;

	if (by_arithmetic(dev, pa, size) &&
	    !(attrs & (DMA_ATTR_MMIO | DMA_ATTR_REQUIRE_COHERENT))) {
		if (unlikely(!dev->coherent) && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
			plane_to_device(pa, size);
		return pa.v + dev->bus_offset;
	}
	if (unlikely(dev->careful)) {
		u64 kept = dev->keep && pa.v & PHYS_FOREIGN && !(attrs & DMA_ATTR_MMIO)
				   ? dev->keep->map(dev->keep, pa, size, prot_of(dir))
				   : 0;

		return kept ? kept + dev->bus_offset : map_uncommon(dev, pa, size, dir, attrs);
	}
	page = map_pages(dev, PHYS(align_down(pa.v, PAGE_BYTES)), pages_spanned(pa.v, size),
			 prot_of(dir) | PT_FIRST | PT_LAST);
	if (unlikely(!page))
		return DMA_MAPPING_ERROR;
	return (page << PAGE_BITS | (pa.v & (PAGE_BYTES - 1))) + dev->bus_offset;
}

static slow_path bool not_mapped(struct device *dev, dma_addr_t addr, u64 size,
				 enum dma_data_direction dir)
{
	check_report(dev, dev->check, DMAMAP_CHECK_UNMAP_NOT_MAPPED, addr, size, dir,
		     "unmap of %#llx, where no mapping begins: pass the address that the map call "
		     "returned, once",
		     (unsigned long long)addr);
	return false;
}

/* What unmap does beside cutting the device off: copies back, frees slots. */
static slow_path void settle(struct device *dev, dma_addr_t addr, phys_t pa, u64 size, bool bounced,
			     enum dma_data_direction dir, unsigned long attrs)
{
	if (bounced) {
		if (!bounce_unmap(dev, pa, size, dir, attrs)) {
			/* the right page, another byte of it: the translation is gone, so the slots
			 * go, too */
			bounce_unmap_page(dev, PHYS(align_down(pa.v, PAGE_BYTES)), dir, attrs);
			not_mapped(dev, addr, size, dir);
		}
		bounce_report_lost(dev, addr, size, dir);
	} else if (!dev->coherent && dir != DMA_TO_DEVICE &&
		   !(attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO)) &&
		   phys_range_is_ram(pa, size)) {
		plane_to_cpu(pa, size);
	}
}

/* The rest of the space below mem.span (between 3 and 4 GiB) has mappings of its own. */
static bool is_arithmetic(u64 bus)
{
	return bus < mem.low || (bus >= MEM_DMA32_END && bus < mem.span);
}

static bool unmap_arithmetic(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			     unsigned long attrs)
{
	if (unlikely(phys_is_bounce(pa))) {
		if (!bounce_unmap(dev, pa, size, dir, attrs))
			return not_mapped(dev, pa.v + dev->bus_offset, size, dir);
		bounce_report_lost(dev, pa.v + dev->bus_offset, size, dir);
		return true;
	}
	if (unlikely(!dev->coherent))
		settle(dev, pa.v + dev->bus_offset, pa, size, false, dir, attrs);
	return true;
}

hot_inline bool unmap_pages(struct device *dev, dma_addr_t addr, u64 size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	struct domain *dom = dev->domain;
	u64 bus = addr - dev->bus_offset, page = bus >> PAGE_BITS;
	u64 pages, mapped, entry;
	phys_t pa;

	mapped = pt_unmap_mapping(&dom->pt, IOVA(page << PAGE_BITS), &entry);
	if (unlikely(!mapped))
		return not_mapped(dev, addr, size, dir);
	pages = mapped >> PAGE_BITS;
	domain_release(dom, page, pages, dev->strict || (entry & (PHYS_FOREIGN | PT_STRICT)));
	pa = PHYS((entry & PT_ADDR) | (bus & (PAGE_BYTES - 1)));
	if (unlikely(pages != pages_spanned(bus, size)))
		check_report(
			dev, dev->check, DMAMAP_CHECK_UNMAP_SIZE, addr, size, dir,
			"unmap of %#llx with %llu bytes, but %llu pages were mapped: pass the size "
			"that was mapped",
			(unsigned long long)addr, (unsigned long long)size,
			(unsigned long long)pages);
	if (unlikely((entry & PT_BOUNCED) || !dev->coherent))
		settle(dev, addr, pa, min_u64(size, mapped - (bus & (PAGE_BYTES - 1))),
		       entry & PT_BOUNCED, dir, attrs);
	return true;
}

/* policy=pool and persistent: where the address lies says which it is. */
static __attribute__((noinline)) bool unmap_by_place(struct device *dev, dma_addr_t addr, u64 size,
						     enum dma_data_direction dir,
						     unsigned long attrs)
{
	u64 bus = addr - dev->bus_offset;
	int kept;

	if (is_arithmetic(bus))
		return unmap_arithmetic(dev, PHYS(bus), size, dir, attrs);
	kept = dev->keep ? dev->keep->unmap(dev->keep, bus, size) : 0;
	if (likely(kept))
		return kept > 0 || not_mapped(dev, addr, size, dir);
	return unmap_pages(dev, addr, size, dir, attrs);
}

bool iommu_unmap(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		 unsigned long attrs)
{
	if (unlikely(dev->arithmetic))
		return unmap_by_place(dev, addr, size, dir, attrs);
	return unmap_pages(dev, addr, size, dir, attrs);
}

bool iommu_unmap_list(struct device *dev, dma_addr_t addr, enum dma_data_direction dir)
{
	struct domain *dom = dev->domain;
	u64 page = (addr - dev->bus_offset) >> PAGE_BITS, mapped, entry;

	mapped = pt_unmap_mapping(&dom->pt, IOVA(page << PAGE_BITS), &entry);
	if (unlikely(!mapped))
		return not_mapped(dev, addr, 0, dir);
	domain_release(dom, page, mapped >> PAGE_BITS, dev->strict || (entry & PT_STRICT));
	return true;
}
