/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices without an IOMMU: the device address is the physical address plus bus_offset. Memory that
 * the device cannot reach bounces: RAM above its mask, and memory of the process that is not RAM.
 * The common case is map_one() in map.h.
 */
#include "map/bounce.h"

static bool direct_reaches(phys_t pa, u64 size, u64 last)
{
	return pa.v < mem.span && size - 1 <= last && pa.v <= last - (size - 1);
}

static slow_path bool direct_not_mapped(struct device *dev, phys_t pa, u64 size,
					enum dma_data_direction dir)
{
	check_report(dev, dev->check, DMAMAP_CHECK_UNMAP_NOT_MAPPED, pa.v + dev->bus_offset, size,
		     dir,
		     "unmap of %#llx, where no mapping begins: pass the address that the map call "
		     "returned, once",
		     (unsigned long long)(pa.v + dev->bus_offset));
	return false;
}

dma_addr_t direct_map_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			   unsigned long attrs, const struct map_limits *l)
{
	struct map_limits own;
	bool ok;

	if (!l) {
		own = map_limits_of(dev);
		l = &own;
	}
	ok = direct_reaches(pa, size, l->last);
	if (unlikely(attrs & DMA_ATTR_REQUIRE_COHERENT) && (!ok || !dev->coherent)) {
		error_set(EIO, "%s: DMA_ATTR_REQUIRE_COHERENT, but the mapping would have to %s",
			  dev->name, ok ? "be synced" : "bounce");
		return DMA_MAPPING_ERROR;
	}
	if (!ok) {
		pa = bounce_map(dev, pa, size, l, false, attrs);
		if (pa.v == NO_PHYS.v)
			return DMA_MAPPING_ERROR;
		bounce_set_place(pa, 0, prot_of(dir));
	} else if (!dev->coherent) {
		cpu_cache_hold(pa, size);
		if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
			cpu_cache_clean(pa, size);
	}
	return pa.v + dev->bus_offset;
}

bool direct_unmap_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		       unsigned long attrs)
{
	if (phys_is_bounce(pa)) {
		if (!bounce_allows(dev, pa, prot_to_unmap(dir)) ||
		    !bounce_unmap(dev, pa, size, dir, attrs))
			return direct_not_mapped(dev, pa, size, dir);
		bounce_report_lost(dev, pa.v + dev->bus_offset, size, dir);
		return true;
	}
	if (!phys_range_is_ram(pa, size))
		return direct_not_mapped(dev, pa, size, dir);
	/* RAM was mapped at its own address and needs no work, even if the mask changed since. */
	if (dev->coherent)
		return true;
	if (!cpu_cache_drop(pa, size))
		return direct_not_mapped(dev, pa, size, dir);
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		cpu_cache_invalidate(pa, size);
	return true;
}
