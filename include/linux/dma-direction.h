/* SPDX-License-Identifier: BSD-2-Clause */
/* The direction of a mapping's transfers. Linux: Documentation/core-api/dma-api.rst. */
#ifndef DMAMAP_LINUX_DMA_DIRECTION_H
#define DMAMAP_LINUX_DMA_DIRECTION_H

enum dma_data_direction {
	DMA_BIDIRECTIONAL = 0, /* the device reads and writes */
	DMA_TO_DEVICE = 1,     /* the device only reads */
	DMA_FROM_DEVICE = 2,   /* the device only writes */
	DMA_NONE = 3,	       /* for debugging; no call accepts it */
};

/**
 * valid_dma_direction() - Check the direction of a mapping.
 * @dir: the direction.
 * Context: any thread.
 * Return: 1 if a map call accepts @dir, otherwise 0.
 */
static inline int valid_dma_direction(enum dma_data_direction dir)
{
	return dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE || dir == DMA_FROM_DEVICE;
}

#endif
