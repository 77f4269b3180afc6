/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of small coherent blocks of one size, for example for descriptors. Linux:
 * Documentation/core-api/dma-api.rst, part Ib.
 *
 * Context: any thread may call every function except destroy, several threads at once on one pool.
 *   A block may be freed by another thread than the one that allocated it.
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

/**
 * dma_pool_create() - Create a pool.
 * @name: the pool's name, for messages.
 * @dev: the device that will access the blocks.
 * @size: the bytes of a block, 1 to 2^31 - 1.
 * @align: the alignment of the CPU address and of the device address: 0 or a power of two. The
 *   alignment is at least 8.
 * @boundary: no block crosses a multiple of it. 0: none; otherwise a power of two that is not
 *   below @size.
 * Return: the pool. NULL with errno EINVAL: an argument is not as above. ENOMEM: a retry helps.
 */
DMAMAP_API struct dma_pool *dma_pool_create(const char *name, struct device *dev, size_t size,
					    size_t align, size_t boundary);

/**
 * dma_pool_create_node() - As dma_pool_create().
 * @name: the pool's name, for messages.
 * @dev: the device that will access the blocks.
 * @size: the bytes of a block, 1 to 2^31 - 1.
 * @align: as for dma_pool_create().
 * @boundary: as for dma_pool_create().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as dma_pool_create().
 */
DMAMAP_API struct dma_pool *dma_pool_create_node(const char *name, struct device *dev, size_t size,
						 size_t align, size_t boundary, int node);

/**
 * dma_pool_destroy() - Destroy a pool.
 * @pool: the pool, or NULL. Blocks that are still allocated are reported by the checker. Their
 *   pages are not freed before dmamap_close(), because the device may be using them.
 * Context: no thread may be in a call on the pool.
 */
DMAMAP_API void dma_pool_destroy(struct dma_pool *pool);

/**
 * dma_pool_alloc() - Allocate a block.
 * @pool: the pool.
 * @mem_flags: allocation flags. The contents are undefined unless they have __GFP_ZERO.
 * @handle: receives the device address; it is unchanged on failure.
 * Return: the CPU address. NULL with errno ENOMEM: no coherent memory is left; a retry helps.
 *   EINVAL: no pool or no @handle; a retry does not help.
 */
DMAMAP_API void *dma_pool_alloc(struct dma_pool *pool, gfp_t mem_flags, dma_addr_t *handle);

/**
 * dma_pool_zalloc() - As dma_pool_alloc(), with zeroed contents.
 * @pool: the pool.
 * @mem_flags: allocation flags.
 * @handle: receives the device address; it is unchanged on failure.
 * Return: as dma_pool_alloc().
 */
static inline void *dma_pool_zalloc(struct dma_pool *pool, gfp_t mem_flags, dma_addr_t *handle)
{
	return dma_pool_alloc(pool, mem_flags | __GFP_ZERO, handle);
}

/**
 * dma_pool_free() - Free a block.
 * @pool: the pool.
 * @vaddr: the CPU address of the block.
 * @addr: its device address.
 *
 * An argument that is not an allocated block of this pool, or not one with this device address, is
 * refused and reported (errno EINVAL). Only two threads that free one block at the same instant
 * may escape detection; the pool stays valid in that case.
 */
DMAMAP_API void dma_pool_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr);

/**
 * dmam_pool_create() - As dma_pool_create(); dmamap_close() destroys the pool if it still exists.
 * @name: the pool's name, for messages.
 * @dev: the device that will access the blocks.
 * @size: the bytes of a block, 1 to 2^31 - 1.
 * @align: as for dma_pool_create().
 * @boundary: as for dma_pool_create().
 * Return: as dma_pool_create().
 */
DMAMAP_API struct dma_pool *dmam_pool_create(const char *name, struct device *dev, size_t size,
					     size_t align, size_t boundary);

/**
 * dmam_pool_destroy() - Destroy a pool of dmam_pool_create() before dmamap_close() does.
 * @pool: the pool.
 */
DMAMAP_API void dmam_pool_destroy(struct dma_pool *pool);

DMAMAP_END

#endif
