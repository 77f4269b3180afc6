/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The streaming calls of the DMA API for single mappings: they check the parameters, choose the
 * path and update the counters. Scatterlists are in sg.c.
 */
#include "map/map.h"

#include <linux/mm.h>
#include <linux/vmalloc.h>

static slow_path dma_addr_t mapping_refuse(struct device *dev, phys_t pa, u64 size, int dir,
					   unsigned long attrs, const void *caller)
{
	const char *why = "the range extends beyond the end of RAM or of the address space";

	if (!dev) {
		error_set(EINVAL, "DMA mapping for no device (NULL)");
		return DMA_MAPPING_ERROR;
	}
	if ((unsigned int)dir > DMA_FROM_DEVICE)
		why = "the direction is not TO_DEVICE, FROM_DEVICE or BIDIRECTIONAL";
	else if (!size)
		why = "the size is 0";
	else if (attrs & DMA_ATTR_MMIO)
		why = "DMA_ATTR_MMIO is for registers, which dma_map_phys() maps, not for memory";
	check_enter(caller);
	check_report(dev, dev->check, DMAMAP_CHECK_BAD_ARGUMENT, 0, size,
		     (enum dma_data_direction)dir, "cannot map %llu bytes at physical %#llx: %s",
		     (unsigned long long)size, (unsigned long long)pa.v, why);
	return DMA_MAPPING_ERROR;
}

hot_inline dma_addr_t mapping_map(struct device *dev, enum check_call call, phys_t pa, u64 size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr;

	if (likely(dev && ((unsigned int)dir | (attrs & DMA_ATTR_MMIO)) <= DMA_FROM_DEVICE &&
		   map_by_identity(dev, pa, size) && !read_once(&fail_armed))) {
		count_map(dev, size, 1);
		addr = pa.v + dev->bus_offset;
		if (unlikely(dev->check))
			return map_check_mapped(dev, call, addr, pa, size, dir, attrs, CALLER);
		return addr;
	}
	if (unlikely(!dev || ((unsigned int)dir | (attrs & DMA_ATTR_MMIO)) > DMA_FROM_DEVICE ||
		     !size || pa.v >= phys_limit(pa) || size > phys_limit(pa) - pa.v))
		return mapping_refuse(dev, pa, size, (int)dir, attrs, CALLER);
	if (fail_here(FAIL_MAP, dev->name)) {
		error_set(ENOMEM, "%s: mapping failed by fault injection", dev->name);
		return DMA_MAPPING_ERROR;
	}
	addr = map_one(dev, pa, size, dir, attrs);
	if (likely(addr != DMA_MAPPING_ERROR)) {
		count_map(dev, size, 1);
		if (unlikely(dev->check))
			return map_check_mapped(dev, call, addr, pa, size, dir, attrs, CALLER);
	}
	return addr;
}

hot_inline void mapping_unmap_after_check(struct device *dev, dma_addr_t addr, u64 size,
					  enum dma_data_direction dir, unsigned long attrs)
{
	if (likely(dev && unmap_by_identity(dev, PHYS(addr - dev->bus_offset)))) {
		count_unmap(dev);
		return;
	}
	if (unlikely(!dev || addr == DMA_MAPPING_ERROR)) {
		if (dev)
			check_report(dev, dev->check, DMAMAP_CHECK_UNMAP_NOT_MAPPED, addr, size,
				     dir,
				     "unmap of DMA_MAPPING_ERROR: check dma_mapping_error() first");
		else
			error_set(EINVAL, "DMA unmap for no device (NULL)");
		return;
	}
	if (likely(unmap_one(dev, addr, size, dir, attrs)))
		count_unmap(dev);
}

hot_inline void mapping_unmap_checked(struct device *dev, enum check_call call, dma_addr_t addr,
				      u64 size, enum dma_data_direction dir, unsigned long attrs)
{
	if (likely(dev) && unlikely(dev->check))
		map_check_unmap(dev, call, addr, size, dir, attrs, CALLER);
	mapping_unmap_after_check(dev, addr, size, dir, attrs);
}

dma_addr_t dma_map_single_attrs(struct device *dev, void *ptr, size_t size,
				enum dma_data_direction dir, unsigned long attrs)
{
	phys_t pa = phys_of(ptr);

	if (unlikely(pa.v >= mem.span) && dev && is_vmalloc_addr(ptr)) {
		check_enter(CALLER);
		check_report(dev, dev->check, DMAMAP_CHECK_BAD_ARGUMENT, 0, size, dir,
			     "dma_map_single of vmalloc memory, which is scattered: map its pages "
			     "(vmalloc_to_page) or use kmalloc");
		return DMA_MAPPING_ERROR;
	}
	return mapping_map(dev, CALL_SINGLE, pa, size, dir, attrs);
}

void dma_unmap_single_attrs(struct device *dev, dma_addr_t addr, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	mapping_unmap_checked(dev, CALL_SINGLE, addr, size, dir, attrs);
}

dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	u64 start = phys_of_page(page).v, pa;

	if (unlikely(!page || __builtin_add_overflow(start, offset, &pa)))
		return mapping_refuse(dev, PHYS(start), size, (int)dir, attrs, CALLER);
	return mapping_map(dev, CALL_PAGE, PHYS(pa), size, dir, attrs);
}

void dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	mapping_unmap_checked(dev, CALL_PAGE, addr, size, dir, attrs);
}

bool phys_is_registers(u64 phys, u64 size)
{
	if (!range_ok(phys, size) || phys + size - 1 >= PHYS_FOREIGN)
		return false;
	if (phys >= mem.low && phys + size - 1 < MEM_DMA32_END)
		return true;
	return phys >= max_u64(mem.span, MEM_DMA32_END);
}

dma_addr_t dma_map_resource(struct device *dev, phys_addr_t phys, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr;

	if (!dev || (unsigned int)dir > DMA_FROM_DEVICE || !size)
		return mapping_refuse(dev, PHYS(phys), size, (int)dir, 0, CALLER);
	if (!phys_is_registers(phys, size)) {
		check_enter(CALLER);
		check_report(dev, dev->check, DMAMAP_CHECK_MAP_RESOURCE, 0, size, dir,
			     "dma_map_resource of %#llx, which is memory or wraps: map memory with "
			     "dma_map_page",
			     (unsigned long long)phys);
		return DMA_MAPPING_ERROR;
	}
	if (fail_here(FAIL_MAP, dev->name)) {
		error_set(ENOMEM, "%s: mapping failed by fault injection", dev->name);
		return DMA_MAPPING_ERROR;
	}
	if (dev->iommu) {
		addr = iommu_map(dev, PHYS(phys), size, dir, attrs | DMA_ATTR_MMIO);
	} else if (phys + size - 1 > device_last(dev)) {
		error_set(EIO, "%s: registers at %#llx are beyond the device's mask", dev->name,
			  (unsigned long long)phys);
		return DMA_MAPPING_ERROR;
	} else {
		addr = phys + dev->bus_offset;
	}
	if (addr != DMA_MAPPING_ERROR)
		count_map(dev, size, 1);
	if (unlikely(dev->check) && addr != DMA_MAPPING_ERROR)
		map_check_mapped(dev, CALL_RESOURCE, addr, PHYS(phys), size, dir,
				 attrs & ~DMA_ATTR_MMIO, CALLER);
	return addr;
}

void dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir, unsigned long attrs)
{
	if (dev && addr != DMA_MAPPING_ERROR && unlikely(dev->check))
		map_check_unmap(dev, CALL_RESOURCE, addr, size, dir, attrs & ~DMA_ATTR_MMIO,
				CALLER);
	if (dev && !dev->iommu && addr != DMA_MAPPING_ERROR)
		count_unmap(dev); /* the unmap needs no other work */
	else
		mapping_unmap_after_check(dev, addr, size, dir, attrs | DMA_ATTR_MMIO);
}

dma_addr_t dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			enum dma_data_direction dir, unsigned long attrs)
{
	if (attrs & DMA_ATTR_MMIO)
		return dma_map_resource(dev, phys, size, dir, attrs);
	return mapping_map(dev, CALL_PHYS, PHYS(phys), size, dir, attrs);
}

void dma_unmap_phys(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
		    unsigned long attrs)
{
	if (attrs & DMA_ATTR_MMIO)
		dma_unmap_resource(dev, addr, size, dir, attrs);
	else
		mapping_unmap_checked(dev, CALL_PHYS, addr, size, dir, attrs);
}

int dma_mapping_error(struct device *dev, dma_addr_t dma_addr)
{
	if (dev && unlikely(dev->check))
		check_asked(&dev->shadow, dma_addr);
	return unlikely(dma_addr == DMA_MAPPING_ERROR) ? -ENOMEM : 0;
}
