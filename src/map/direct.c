/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices without IOMMU: the device address is the physical address (plus bus_offset). What the
 * device cannot reach bounces: RAM above its mask, and memory of the process that is not RAM. The
 * common case is map_one() in map.h.
 */
#include "map/bounce.h"

static bool direct_reaches(const struct device *dev, phys_t pa, u64 size)
{
	return pa.v < mem.span && size - 1 <= device_last(dev) &&
	       pa.v <= device_last(dev) - (size - 1);
}

dma_addr_t direct_map_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
			   unsigned long attrs)
{
	bool ok = direct_reaches(dev, pa, size);

	if (unlikely(attrs & DMA_ATTR_REQUIRE_COHERENT) && (!ok || !dev->coherent)) {
		error_set(EIO, "%s: DMA_ATTR_REQUIRE_COHERENT, but the mapping would have to %s",
			  dev->name, ok ? "be synced" : "bounce");
		return DMA_MAPPING_ERROR;
	}
	if (!ok) {
		pa = bounce_map(dev, pa, size, device_last(dev), false, attrs);
		if (pa.v == NO_PHYS.v)
			return DMA_MAPPING_ERROR;
		bounce_set_place(pa, 0, prot_of(dir));
	} else if (!dev->coherent && !(attrs & DMA_ATTR_SKIP_CPU_SYNC)) {
		cpu_cache_clean(pa, size);
	}
	return pa.v + dev->bus_offset;
}

bool direct_unmap_slow(struct device *dev, phys_t pa, u64 size, enum dma_data_direction dir,
		       unsigned long attrs)
{
	if (phys_is_bounce(pa)) {
		if (bounce_allows(dev, pa, prot_to_unmap(dir)) &&
		    bounce_unmap(dev, pa, size, dir, attrs)) {
			bounce_report_lost(dev, pa.v + dev->bus_offset, size, dir);
			return true;
		}
		check_report(
			dev, dev->check, DMAMAP_CHECK_UNMAP_NOT_MAPPED, pa.v + dev->bus_offset,
			size, dir,
			"unmap of %#llx, where no mapping begins, or one of the other direction, "
			"which stays: pass the address that the map call returned, once",
			(unsigned long long)(pa.v + dev->bus_offset));
		return false;
	}
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC) &&
	    phys_range_is_ram(pa, size))
		cpu_cache_invalidate(pa, size);
	return true;
}
