/* SPDX-License-Identifier: BSD-2-Clause */
/* Scatterlists, what their two files share: sg.c is the front door, sg_iommu.c makes ranges. */
#ifndef MAP_SG_LIST_H
#define MAP_SG_LIST_H

#include "map/map.h"

#include <linux/scatterlist.h>

/*
 * In the first entry's dma_flags: each segment is a mapping of its own (a bit that Linux leaves
 * free).
 */
#define SG_DMA_EACH (1u << 8)

/* What the first look at a list finds. */
struct sg_survey {
	u64 bytes;
	u64 odd;      /* 0: each entry is exactly one page */
	bool foreign; /* some of it is not RAM */
};

/*
 * From sg_survey_list() until an entry gets its result, its dma_address holds this: finding it from
 * the page costs more than the rest of the work. Results go to entries that were passed already.
 */
hot_inline u64 sg_known_start(const struct scatterlist *sg)
{
	return sg_dma_address(sg);
}

/* Where the next segment goes: results are packed to the front of the list. */
hot_inline void sg_put_segment(struct scatterlist **out, dma_addr_t addr, u64 size)
{
	sg_dma_address(*out) = addr;
	sg_dma_len(*out) = (unsigned int)size;
	*out = sg_next(*out);
}

/* Unmaps `n` segments that were made one by one; `len`: of the first. False: none was mapped. */
bool sg_unmap_each(struct device *dev, struct scatterlist *sg, unsigned int len, int n,
		   enum dma_data_direction dir, unsigned long attrs);

/*
 * Maps a surveyed list through the IOMMU: as one range of addresses, or, where one range cannot
 * hold it within the limits, with a range for each segment (SG_DMA_EACH is then set). Segments; or
 * -ENOMEM with an error message and nothing mapped.
 */
int sg_map_iommu(struct device *dev, struct scatterlist *sgl, int nents, const struct sg_survey *s,
		 enum dma_data_direction dir, const struct map_limits *l);

#endif
