/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of small coherent blocks of one size, for descriptors and the like.
 *
 * Every call but create and destroy may be made from any thread at once on one pool; create from
 * any thread. A block may be freed by another thread than allocated it.
 */
#ifndef DMAMAP_LINUX_DMAPOOL_H
#define DMAMAP_LINUX_DMAPOOL_H

#include <dmamap/types.h>
#include <errno.h>
#include <linux/gfp.h>

DMAMAP_BEGIN

struct dma_pool;

#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE (-1)
#endif

/*
 * A pool of blocks of `size` bytes (1 to 2^31 - 1) whose addresses, the CPU's and the device's, are
 * multiples of `align` (0 or a power of two; at least 8 is given) and none of which crosses a
 * multiple of `boundary` (0: none; else a power of two not below size). NULL and errno: EINVAL as
 * above, ENOMEM. The node is taken and means nothing.
 */
DMAMAP_API struct dma_pool *dma_pool_create(const char *name, struct device *dev, size_t size,
					    size_t align, size_t boundary);
DMAMAP_API struct dma_pool *dma_pool_create_node(const char *name, struct device *dev, size_t size,
						 size_t align, size_t boundary, int node);

/*
 * No thread may be in a call on the pool. Blocks still allocated are reported to the checker and
 * their pages kept until dmamap_close(), since the device may be using them. NULL is fine.
 */
DMAMAP_API void dma_pool_destroy(struct dma_pool *pool);

/*
 * A block, and its DMA address in *handle. Its contents are undefined unless mem_flags has
 * __GFP_ZERO. NULL: no coherent memory (errno ENOMEM; another try may do), or no pool or handle
 * (EINVAL); *handle is untouched.
 */
DMAMAP_API void *dma_pool_alloc(struct dma_pool *pool, gfp_t mem_flags, dma_addr_t *handle);

static inline void *dma_pool_zalloc(struct dma_pool *pool, gfp_t mem_flags, dma_addr_t *handle)
{
	return dma_pool_alloc(pool, mem_flags | __GFP_ZERO, handle);
}

/*
 * Gives a block back. What is not an allocated block of this pool, or not with this DMA address,
 * is refused and reported (errno EINVAL). Only two threads that free one block at the same instant
 * may go unnoticed; the pool survives that too.
 */
DMAMAP_API void dma_pool_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr);

/* The same, destroyed by dmamap_close() if not before. */
DMAMAP_API struct dma_pool *dmam_pool_create(const char *name, struct device *dev, size_t size,
					     size_t align, size_t boundary);
DMAMAP_API void dmam_pool_destroy(struct dma_pool *pool);

DMAMAP_END

#endif
