/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Syncs: a copy for a bounced mapping, cache maintenance on a machine that is not coherent, and no
 * work otherwise. The memory to which the address translates determines the case.
 */
#include "map/bounce.h"

#include <linux/scatterlist.h>

static slow_path void sync_report_misuse(struct device *dev, enum dmamap_check_kind kind,
					 dma_addr_t addr, u64 size, enum dma_data_direction dir)
{
	check_report(dev, dev->check, kind, addr, size, dir,
		     "sync of %llu bytes at %#llx, which %s", (unsigned long long)size,
		     (unsigned long long)addr,
		     kind == DMAMAP_CHECK_SYNC_RANGE ? "extends beyond the end of the mapping"
						     : "is not mapped");
}

/* Cache maintenance for a mapped range of RAM. */
static void sync_lines(phys_t pa, u64 size, enum dma_data_direction dir, bool to_cpu)
{
	if (!to_cpu)
		cpu_cache_clean(pa, size);
	else if (dir != DMA_TO_DEVICE)
		cpu_cache_invalidate(pa, size);
}

static void sync_direct(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir,
			bool to_cpu)
{
	phys_t pa = PHYS(addr - dev->bus_offset);

	if (phys_is_bounce(pa)) {
		if (!bounce_sync(dev, pa, size, dir, to_cpu))
			sync_report_misuse(dev, DMAMAP_CHECK_SYNC_RANGE, addr, size, dir);
	} else if (dev->coherent) {
		return;
	} else if (phys_range_is_ram(pa, size) && cpu_cache_held(pa, size)) {
		sync_lines(pa, size, dir, to_cpu);
	} else {
		/* The range is coherent memory, or the checker has reported the misuse. */
		check_report(dev, false, DMAMAP_CHECK_SYNC_NOT_MAPPED, addr, size, dir,
			     "sync of %llu bytes at %#llx, where no streaming mapping contains all "
			     "of them",
			     (unsigned long long)size, (unsigned long long)addr);
	}
}

/* Syncs page by page, because the pages of a list's mapping need not be adjacent in memory. */
static void sync_iommu(struct device *dev, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		       bool to_cpu)
{
	u64 bus = addr - dev->bus_offset, end;
	u64 entry = pt_walk(&dev->domain->pt, IOVA(bus));

	if (dev->identity_mapped && phys_range_is_ram(PHYS(bus), 1)) {
		sync_direct(dev, addr, size, dir, to_cpu);
		return;
	}
	if (!entry || __builtin_add_overflow(bus, size, &end)) {
		sync_report_misuse(dev, DMAMAP_CHECK_SYNC_NOT_MAPPED, addr, size, dir);
		return;
	}
	if ((entry & PT_BOUNCED) ||
	    phys_is_bounce(PHYS((entry & PT_ADDR) | (bus & (PAGE_BYTES - 1))))) {
		if (!bounce_sync(dev, PHYS((entry & PT_ADDR) | (bus & (PAGE_BYTES - 1))), size, dir,
				 to_cpu))
			sync_report_misuse(dev, DMAMAP_CHECK_SYNC_RANGE, addr, size, dir);
		return;
	}
	while (bus < end) {
		u64 n = min_u64(end - bus, PAGE_BYTES - (bus & (PAGE_BYTES - 1)));
		phys_t pa;

		entry = pt_walk(&dev->domain->pt, IOVA(bus));
		if (!entry) {
			sync_report_misuse(dev, DMAMAP_CHECK_SYNC_RANGE, addr, size, dir);
			return;
		}
		pa = PHYS((entry & PT_ADDR) | (bus & (PAGE_BYTES - 1)));
		if (!dev->coherent && phys_range_is_ram(pa, n))
			sync_lines(pa, n, dir, to_cpu);
		bus += n;
	}
}

static slow_path void sync_slow(struct device *dev, dma_addr_t addr, u64 size,
				enum dma_data_direction dir, bool to_cpu)
{
	if (!dev || (unsigned int)dir > DMA_FROM_DEVICE || !size) {
		if (size)
			error_set(EINVAL, "DMA sync with no device or no direction");
		return;
	}
	if (dev->iommu)
		sync_iommu(dev, addr, size, dir, to_cpu);
	else
		sync_direct(dev, addr, size, dir, to_cpu);
	bounce_report_lost(dev, addr, size, dir);
}

/* Whether a sync needs no copy and no check. */
hot_inline bool sync_nothing_to_do(const struct device *dev, dma_addr_t addr)
{
	return dev && !dev->sync_looks && !dev->check &&
	       !(dev->identity && phys_is_bounce(PHYS(addr - dev->bus_offset)));
}

static slow_path void sync_one(struct device *dev, dma_addr_t addr, u64 size,
			       enum dma_data_direction dir, bool to_cpu, const void *caller)
{
	bool check = dev && dev->check && (unsigned int)dir <= DMA_FROM_DEVICE && size &&
		     size - 1 <= ~addr;

	if (dev && dev->check)
		check_enter(caller);
	if (check)
		check_sync(&dev->shadow, addr, size, dir, to_cpu, caller);
	sync_slow(dev, addr, size, dir, to_cpu);
	if (check && !to_cpu)
		check_synced(&dev->shadow, addr, size);
}

void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir)
{
	if (unlikely(!sync_nothing_to_do(dev, addr)))
		sync_one(dev, addr, size, dir, true, CALLER);
}

void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir)
{
	if (unlikely(!sync_nothing_to_do(dev, addr)))
		sync_one(dev, addr, size, dir, false, CALLER);
}

/* Syncs by DMA segments, which consist of whole entries in order. */
static void sync_list(struct device *dev, struct scatterlist *sg, int nents,
		      enum dma_data_direction dir, bool to_cpu, const void *caller)
{
	struct scatterlist *sgl = sg;

	if (!dev || !sg) {
		error_set(EINVAL, "DMA sync of a list with no device or no list");
		return;
	}
	if (unlikely(dev->check))
		check_sync_sg(&dev->shadow, sg, nents, dir, to_cpu, caller);
	if (!sg_dma_len(sg))
		sync_report_misuse(dev, DMAMAP_CHECK_SYNC_NOT_MAPPED, sg_dma_address(sg),
				   sg->length, dir);
	for (int i = 0; i < nents && sg && sg_dma_len(sg); i++, sg = sg_next(sg))
		if (!sync_nothing_to_do(dev, sg_dma_address(sg)))
			sync_slow(dev, sg_dma_address(sg), sg_dma_len(sg), dir, to_cpu);
	if (unlikely(dev->check) && !to_cpu && sg_dma_len(sgl))
		check_synced_sg(&dev->shadow, sg_dma_address(sgl));
}

void dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sg, int nelems,
			 enum dma_data_direction dir)
{
	sync_list(dev, sg, nelems, dir, true, CALLER);
}

void dma_sync_sg_for_device(struct device *dev, struct scatterlist *sg, int nelems,
			    enum dma_data_direction dir)
{
	sync_list(dev, sg, nelems, dir, false, CALLER);
}

bool dma_need_sync(struct device *dev, dma_addr_t dma_addr)
{
	u64 bus, entry;

	if (!dev)
		return false;
	bus = dma_addr - dev->bus_offset;
	if (!dev->coherent)
		return true;
	if (!dev->iommu || (dev->identity_mapped && phys_range_is_ram(PHYS(bus), 1)))
		return phys_is_bounce(PHYS(bus));
	entry = pt_walk(&dev->domain->pt, IOVA(bus));
	return (entry & PT_BOUNCED) != 0;
}

bool dma_dev_need_sync(const struct device *dev)
{
	if (!dev)
		return false;
	return !dev->coherent || read_once(&dev->bounced);
}

bool dma_need_unmap(struct device *dev)
{
	return dev != NULL;
}
