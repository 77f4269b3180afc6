/* SPDX-License-Identifier: BSD-2-Clause */
/* Masks and limits of a device. */
#include "map/bounce.h"

#define DIRECT_MASK_MIN (MEM_DMA_END - 1)    /* a device must at least reach zone DMA */
#define IOMMU_MASK_MIN	(2 * PAGE_BYTES - 1) /* page 0, which is not used, and one more */
#define IOVA_CACHED	(256 * PAGE_BYTES)

/* Checks that mappings with such a mask can succeed. Returns 0, or -EIO with an error message. */
static int mask_check(const struct device *dev, u64 mask)
{
	/* With all RAM mapped at its own address, no low addresses remain for other mappings. */
	u64 least = device_translates_ram(dev) ? IOMMU_MASK_MIN : DIRECT_MASK_MIN;

	if (!mask || (mask & (mask + 1)))
		return error_set(
			EIO,
			"%s: %#llx is not a DMA mask: all bits from 0 up must be ones, see "
			"DMA_BIT_MASK()",
			dev->name, (unsigned long long)mask);
	if (mask < dev->bus_offset || mask - dev->bus_offset < least)
		return error_set(EIO,
				 "%s: mask %#llx is too small: the device must reach at least "
				 "%#llx",
				 dev->name, (unsigned long long)mask,
				 (unsigned long long)(least + dev->bus_offset));
	return 0;
}

int dma_set_mask(struct device *dev, u64 mask)
{
	int err;

	if (!dev)
		return error_set(EINVAL, "dma_set_mask: no device (NULL)");
	err = mask_check(dev, mask);
	if (!err) {
		write_once(&dev->shadow.mask_set, true);
		device_set_mask(dev, mask);
	}
	return err;
}

int dma_set_coherent_mask(struct device *dev, u64 mask)
{
	int err;

	if (!dev)
		return error_set(EINVAL, "dma_set_coherent_mask: no device (NULL)");
	err = mask_check(dev, mask);
	if (!err) {
		write_once(&dev->shadow.mask_set, true);
		write_once(&dev->coherent_mask, mask);
	}
	return err;
}

int dma_set_mask_and_coherent(struct device *dev, u64 mask)
{
	int err = dma_set_mask(dev, mask);

	return err ? err : dma_set_coherent_mask(dev, mask);
}

int dma_coerce_mask_and_coherent(struct device *dev, u64 mask)
{
	return dma_set_mask_and_coherent(dev, mask);
}

u64 dma_get_mask(struct device *dev)
{
	return dev ? read_once(&dev->dma_mask) : 0;
}

u64 dma_get_required_mask(struct device *dev)
{
	u64 top;

	if (!dev)
		return 0;
	/* An IOMMU can map RAM below any mask, unless RAM is mapped at its own address. */
	top = (device_translates_ram(dev) ? DMA_BIT_MASK(32) : mem.span - 1) + dev->bus_offset;
	return (2ull << log2_floor(top)) - 1;
}

bool dma_addressing_limited(struct device *dev)
{
	return dev && !device_translates_ram(dev) && device_last(dev) < mem.span - 1;
}

/* With an IOMMU. An unaligned buffer needs one page more than its size. */
static size_t mask_max_mapping_by_pages(const struct device *dev)
{
	u64 bounced = bounce_max_size(dev) - PAGE_BYTES, pages;

	/* Memory outside RAM, or partial pages, must bounce. */
	if (dev->untrusted || device_bounces_foreign(dev))
		return bounced;
	pages = domain_iova_longest(dev->domain, device_last(dev) >> PAGE_BITS);
	pages = min_u64(min_u64(pages, PHYS_LENGTH_MAX >> PAGE_BITS), domain_table_pages());
	return max_u64(pages > 1 ? (pages - 1) << PAGE_BITS : pages,
		       dev->identity_mapped ? bounced : 0);
}

size_t dma_max_mapping_size(struct device *dev)
{
	if (!dev)
		return 0;
	/* Without an IOMMU, memory of the process outside RAM bounces with any mask. */
	return dev->iommu ? mask_max_mapping_by_pages(dev) : bounce_max_size(dev);
}

size_t dma_opt_mapping_size(struct device *dev)
{
	size_t max = dma_max_mapping_size(dev);

	return dev && dev->iommu && max > IOVA_CACHED ? IOVA_CACHED : max;
}

unsigned long dma_get_merge_boundary(struct device *dev)
{
	/* For careful devices the entries of some lists are mapped one by one. */
	return dev && dev->iommu && !dev->careful ? PAGE_BYTES - 1 : 0;
}

int dma_get_cache_alignment(void)
{
	return MEM_CACHE_LINE;
}

unsigned int dma_get_max_seg_size(struct device *dev)
{
	return dev ? read_once(&dev->max_seg_size) : 0;
}

int dma_set_max_seg_size(struct device *dev, unsigned int size)
{
	if (!dev || !size)
		return error_set(EINVAL, "dma_set_max_seg_size: no device or size 0");
	write_once(&dev->max_seg_size, size);
	return 0;
}

unsigned long dma_get_seg_boundary(struct device *dev)
{
	return dev ? read_once(&dev->seg_boundary) : 0;
}

unsigned long dma_get_seg_boundary_nr_pages(struct device *dev, unsigned int page_shift)
{
	return page_shift < 64 ? (dma_get_seg_boundary(dev) >> page_shift) + 1 : 1;
}

int dma_set_seg_boundary(struct device *dev, unsigned long mask)
{
	if (!dev || (mask & (mask + 1)))
		return error_set(EINVAL,
				 "dma_set_seg_boundary: no device, or %#lx is not a power of two "
				 "minus one",
				 mask);
	write_once(&dev->seg_boundary, mask);
	return 0;
}

unsigned int dma_get_min_align_mask(struct device *dev)
{
	return dev ? read_once(&dev->min_align_mask) : 0;
}

int dma_set_min_align_mask(struct device *dev, unsigned int mask)
{
	if (!dev || (mask & (mask + 1)) || mask >= PAGE_BYTES)
		return error_set(EINVAL,
				 "dma_set_min_align_mask: no device, or %#x is not a power of two "
				 "minus one of at most a page",
				 mask);
	write_once(&dev->min_align_mask, mask);
	return 0;
}
