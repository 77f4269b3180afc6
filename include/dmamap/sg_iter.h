/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Iteration over scatterlists, by pages and by pieces. This is a part of <linux/scatterlist.h>,
 * which includes it and describes the context of the functions.
 */
#ifndef DMAMAP_SG_ITER_H
#define DMAMAP_SG_ITER_H

#include <linux/scatterlist.h>

DMAMAP_BEGIN

/*
 * Iteration by pages. The first page is that of sg_page(), independent of the entry's offset. A
 * DMA address is the first address of the segment plus a multiple of the page size.
 */
struct sg_page_iter {
	struct scatterlist *sg;	  /* the entry that contains the page */
	unsigned int sg_pgoffset; /* the page's number in it */
	unsigned int __nents;	  /* entries left, this one included */
	int __pg_advance;	  /* pages to advance at the next step */
};

struct sg_dma_page_iter {
	struct sg_page_iter base;
};

/**
 * __sg_page_iter_start() - Begin an iteration by pages; used by for_each_sg_page().
 * @piter: the iterator.
 * @sglist: the list.
 * @nents: the number of its entries, or of its DMA segments.
 * @pgoffset: the number of pages to skip.
 */
DMAMAP_API void __sg_page_iter_start(struct sg_page_iter *piter, struct scatterlist *sglist,
				     unsigned int nents, unsigned long pgoffset);

/**
 * __sg_page_iter_next() - Advance to the next page of memory; used by for_each_sg_page().
 * @piter: the iterator.
 * Return: true; false after the last page.
 */
DMAMAP_API bool __sg_page_iter_next(struct sg_page_iter *piter);

/**
 * __sg_page_iter_dma_next() - Advance to the next page of a DMA segment; used by
 * for_each_sg_dma_page().
 * @dma_iter: the iterator.
 * Return: true; false after the last page.
 */
DMAMAP_API bool __sg_page_iter_dma_next(struct sg_dma_page_iter *dma_iter);

/**
 * sg_page_iter_page() - Return the current page of an iteration.
 * @piter: the iterator.
 * Return: the page.
 */
static inline struct page *sg_page_iter_page(struct sg_page_iter *piter)
{
	return sg_page(piter->sg) + piter->sg_pgoffset;
}

/**
 * sg_page_iter_dma_address() - Return the device address of the current page of an iteration.
 * @dma_iter: the iterator.
 * Return: the device address.
 */
static inline dma_addr_t sg_page_iter_dma_address(struct sg_dma_page_iter *dma_iter)
{
	return sg_dma_address(dma_iter->base.sg) +
	       (dma_addr_t)dma_iter->base.sg_pgoffset * PAGE_SIZE;
}

#define for_each_sg_page(sglist, piter, nents, pgoffset)                                           \
	for (__sg_page_iter_start((piter), (sglist), (nents), (pgoffset));                         \
	     __sg_page_iter_next(piter);)

#define for_each_sg_dma_page(sglist, dma_iter, dma_nents, pgoffset)                                \
	for (__sg_page_iter_start(&(dma_iter)->base, (sglist), (dma_nents), (pgoffset));           \
	     __sg_page_iter_dma_next(dma_iter);)

#define for_each_sgtable_page(sgt, piter, pgoffset)                                                \
	for_each_sg_page((sgt)->sgl, piter, (sgt)->orig_nents, pgoffset)

#define for_each_sgtable_dma_page(sgt, dma_iter, pgoffset)                                         \
	for_each_sg_dma_page((sgt)->sgl, dma_iter, (sgt)->nents, pgoffset)

/*
 * Iteration over the memory of a list in pieces of at most a page: call sg_miter_start(); then,
 * while sg_miter_next() returns true, use addr and length (and set `consumed` to less than length
 * to get the rest again); then call sg_miter_stop().
 */
#define SG_MITER_ATOMIC	 (1u << 0) /* no effect here */
#define SG_MITER_TO_SG	 (1u << 1) /* the caller writes the memory */
#define SG_MITER_FROM_SG (1u << 2) /* the caller only reads it */
#define SG_MITER_LOCAL	 (1u << 3) /* no effect here */

struct sg_mapping_iter {
	struct page *page; /* of the piece; NULL between stop and next */
	void *addr;	   /* the piece */
	size_t length;
	size_t consumed; /* sg_miter_next() sets it to length */
	struct sg_page_iter piter;
	unsigned int __offset;	  /* offset in the page */
	unsigned int __remaining; /* bytes left in it */
	unsigned int __flags;
};

/**
 * sg_miter_start() - Begin an iteration.
 * @miter: the iterator.
 * @sgl: the list.
 * @nents: the number of its entries.
 * @flags: SG_MITER_* flags.
 */
DMAMAP_API void sg_miter_start(struct sg_mapping_iter *miter, struct scatterlist *sgl,
			       unsigned int nents, unsigned int flags);

/**
 * sg_miter_next() - Advance to the next piece.
 * @miter: the iterator.
 * Return: true; false after the last piece.
 */
DMAMAP_API bool sg_miter_next(struct sg_mapping_iter *miter);

/**
 * sg_miter_skip() - Advance from the current position.
 * @miter: the iterator.
 * @offset: the number of bytes.
 * Return: true; false if fewer bytes are left.
 */
DMAMAP_API bool sg_miter_skip(struct sg_mapping_iter *miter, off_t offset);

/**
 * sg_miter_stop() - End an iteration.
 * @miter: the iterator.
 */
DMAMAP_API void sg_miter_stop(struct sg_mapping_iter *miter);

DMAMAP_END

#endif
