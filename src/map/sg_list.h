/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the two files of scatterlists: sg.c has the API, sg_iommu.c maps with an IOMMU. */
#ifndef MAP_SG_LIST_H
#define MAP_SG_LIST_H

#include "map/map.h"

#include <linux/scatterlist.h>

/*
 * A bit in dma_flags of the first entry that Linux does not use: every segment is a mapping of its
 * own.
 */
#define SG_DMA_EACH (1u << 8)

/* The result of the first pass over a list. */
struct sg_survey {
	u64 bytes;
	u64 odd;      /* 0: every entry is exactly one page */
	bool foreign; /* an entry is not in RAM */
};

/*
 * Returns the physical address of an entry. sg_survey_list() stores it in dma_address, because
 * computing it from the page costs more than the rest of the work. It is valid until the entry's
 * result is stored; results are stored only in entries that were already processed.
 */
hot_inline u64 sg_known_start(const struct scatterlist *sg)
{
	return sg_dma_address(sg);
}

/* Stores the next segment. The segments are stored in the first entries of the list. */
hot_inline void sg_put_segment(struct scatterlist **out, dma_addr_t addr, u64 size)
{
	sg_dma_address(*out) = addr;
	sg_dma_len(*out) = (unsigned int)size;
	*out = sg_next(*out);
}

/* Unmaps `n` segments that were mapped one by one; `len` is the length of the first. False: none
 * was mapped. */
bool sg_unmap_each(struct device *dev, struct scatterlist *sg, unsigned int len, int n,
		   enum dma_data_direction dir, unsigned long attrs);

/*
 * Maps a list with an IOMMU after sg_survey_list(): as one range of addresses or, if the limits do
 * not allow one range, with a range for every segment (SG_DMA_EACH is then set). Returns the number
 * of segments, or -ENOMEM with an error message and nothing mapped.
 */
int sg_map_iommu(struct device *dev, struct scatterlist *sgl, int nents, const struct sg_survey *s,
		 enum dma_data_direction dir, const struct map_limits *l);

#endif
