/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scatterlists: memory in pieces, and how a device sees it. An entry is a run of bytes that is
 * contiguous in memory (page, offset, length); mapping gives the list dma_address and dma_length,
 * which may describe fewer, longer segments than the list has entries.
 *
 * A list is an array of entries, the last one marked, or several arrays: an entry may be a link to
 * the next array instead. Both marks are in the low bits of page_link, so walk a list with
 * sg_next() or for_each_sg() only. A struct page is aligned to 4 bytes or more.
 *
 * Nothing here locks: a list belongs to one thread at a time; any number may read it together.
 */
#ifndef DMAMAP_LINUX_SCATTERLIST_H
#define DMAMAP_LINUX_SCATTERLIST_H

#include <dmamap/types.h>
#include <errno.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <sys/types.h>

DMAMAP_BEGIN

struct scatterlist {
	unsigned long page_link; /* a page or the next array, with SG_CHAIN and SG_END */
	unsigned int offset;	 /* of the first byte, from the page's start; may exceed a page */
	unsigned int length;
	dma_addr_t dma_address;
	unsigned int dma_length;
	unsigned int dma_flags;
};

struct sg_table {
	struct scatterlist *sgl;
	unsigned int nents;	 /* DMA segments, set by dma_map_sgtable() */
	unsigned int orig_nents; /* entries in the list */
};

#define SG_CHAIN	  0x01UL
#define SG_END		  0x02UL
#define SG_PAGE_LINK_MASK (SG_CHAIN | SG_END)

/* Entries in one array of sg_alloc_table(); longer lists are chained. */
#define SG_MAX_SINGLE_ALLOC (PAGE_SIZE / sizeof(struct scatterlist))

/* Both can be assigned to. */
#define sg_dma_address(sg) ((sg)->dma_address)
#define sg_dma_len(sg)	   ((sg)->dma_length)

#define SG_DMA_BUS_ADDRESS (1u << 0) /* a peer's registers by bus address: nothing to unmap */
/* The segment is bounced; in the list's first entry: some segment of the list is. */
#define SG_DMA_SWIOTLB (1u << 1)

static inline bool sg_dma_is_bus_address(const struct scatterlist *sg)
{
	return sg->dma_flags & SG_DMA_BUS_ADDRESS;
}

static inline void sg_dma_mark_bus_address(struct scatterlist *sg)
{
	sg->dma_flags |= SG_DMA_BUS_ADDRESS;
}

static inline void sg_dma_unmark_bus_address(struct scatterlist *sg)
{
	sg->dma_flags &= ~SG_DMA_BUS_ADDRESS;
}

static inline bool sg_dma_is_swiotlb(const struct scatterlist *sg)
{
	return sg->dma_flags & SG_DMA_SWIOTLB;
}

static inline void sg_dma_mark_swiotlb(struct scatterlist *sg)
{
	sg->dma_flags |= SG_DMA_SWIOTLB;
}

static inline bool sg_is_chain(const struct scatterlist *sg)
{
	return sg->page_link & SG_CHAIN;
}

static inline bool sg_is_last(const struct scatterlist *sg)
{
	return sg->page_link & SG_END;
}

/* The array that a link leads to. */
static inline struct scatterlist *sg_chain_ptr(const struct scatterlist *sg)
{
	return (struct scatterlist *)(sg->page_link & ~SG_PAGE_LINK_MASK);
}

static inline struct page *sg_page(const struct scatterlist *sg)
{
	return (struct page *)(sg->page_link & ~SG_PAGE_LINK_MASK);
}

/* Puts a page in an entry; the end mark stays as it is. */
static inline void sg_assign_page(struct scatterlist *sg, struct page *page)
{
	sg->page_link = (sg->page_link & SG_END) | (unsigned long)page;
}

static inline void sg_set_page(struct scatterlist *sg, struct page *page, unsigned int len,
			       unsigned int offset)
{
	sg_assign_page(sg, page);
	sg->offset = offset;
	sg->length = len;
}

/* `buf` is any memory of the process that is contiguous as the CPU sees it, except vmalloc's. */
static inline void sg_set_buf(struct scatterlist *sg, const void *buf, unsigned int buflen)
{
	sg_set_page(sg, virt_to_page(buf), buflen, (unsigned int)offset_in_page(buf));
}

/* The entry after this one, across links; NULL after the last. */
static inline struct scatterlist *sg_next(struct scatterlist *sg)
{
	if (sg_is_last(sg))
		return NULL;
	sg++;
	/* the compiler cannot know that the marks keep us inside an array, and would warn */
	__asm__("" : "+r"(sg));
	return __builtin_expect(sg_is_chain(sg), 0) ? sg_chain_ptr(sg) : sg;
}

/* The physical address, and the CPU's, of the entry's first byte. */
static inline phys_addr_t sg_phys(const struct scatterlist *sg)
{
	return page_to_phys(sg_page(sg)) + sg->offset;
}

static inline void *sg_virt(const struct scatterlist *sg)
{
	return (char *)page_address(sg_page(sg)) + sg->offset;
}

static inline void sg_mark_end(struct scatterlist *sg)
{
	sg->page_link = (sg->page_link | SG_END) & ~SG_CHAIN;
}

static inline void sg_unmark_end(struct scatterlist *sg)
{
	sg->page_link &= ~SG_END;
}

/* Makes the last of prv's prv_nents entries a link to `sgl`; it holds no memory from then on. */
static inline void sg_chain(struct scatterlist *prv, unsigned int prv_nents,
			    struct scatterlist *sgl)
{
	struct scatterlist *link = prv + prv_nents - 1;

	link->offset = 0;
	link->length = 0;
	link->page_link = (unsigned long)sgl | SG_CHAIN;
}

/*
 * Making lists. sg_init_table() zeroes an array of the caller's and marks its end (NULL or 0
 * entries: nothing happens); sg_init_one() makes a list of one buffer. sg_last() gives the nents-th
 * entry, or the one before the list's end if that comes first; NULL for none.
 */
DMAMAP_API void sg_init_table(struct scatterlist *sgl, unsigned int nents);
DMAMAP_API void sg_init_one(struct scatterlist *sg, const void *buf, unsigned int buflen);
DMAMAP_API struct scatterlist *sg_last(struct scatterlist *sgl, unsigned int nents);

/* Entries up to the end mark. */
DMAMAP_API int sg_nents(struct scatterlist *sg);
/* Entries that hold the first `len` bytes; -EINVAL: the list is shorter. */
DMAMAP_API int sg_nents_for_len(struct scatterlist *sg, u64 len);

/*
 * A table of nents empty entries, in page-sized arrays. 0; -EINVAL: no table or no entries;
 * -ENOMEM: no memory, or more than 2^26 entries. After a failure the table is empty, so that
 * sg_free_table() of it does nothing.
 */
DMAMAP_API int sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp_mask);
DMAMAP_API void sg_free_table(struct sg_table *table);

/*
 * A table of the `size` bytes that begin `offset` bytes into the first of n_pages pages. Pages
 * that follow each other in memory share an entry of at most max_segment bytes (rounded down to
 * whole pages). -EINVAL also for an offset beyond the first page, a size of 0 or beyond the pages,
 * and max_segment below a page.
 */
DMAMAP_API int sg_alloc_table_from_pages_segment(struct sg_table *sgt, struct page **pages,
						 unsigned int n_pages, unsigned int offset,
						 unsigned long size, unsigned int max_segment,
						 gfp_t gfp_mask);

static inline int sg_alloc_table_from_pages(struct sg_table *sgt, struct page **pages,
					    unsigned int n_pages, unsigned int offset,
					    unsigned long size, gfp_t gfp_mask)
{
	return sg_alloc_table_from_pages_segment(sgt, pages, n_pages, offset, size, ~0u, gfp_mask);
}

/*
 * Cuts a list, from byte `skip` on, into nb_splits new lists of split_sizes[] bytes, stored in
 * out[] and freed by kfree(). If in_mapped_nents is not 0 the DMA segments are cut too and, where
 * out_mapped_nents is not NULL, their numbers stored there. 0; -EINVAL: a size of 0 or a list too
 * short; -ENOMEM. out[] is untouched on failure.
 */
DMAMAP_API int sg_split(struct scatterlist *in, const int in_mapped_nents, const off_t skip,
			const int nb_splits, const size_t *split_sizes, struct scatterlist **out,
			int *out_mapped_nents, gfp_t gfp_mask);

/*
 * Copying between a list's memory and a buffer, from byte `skip` of the list on; zeroing. Return
 * the bytes done: fewer than asked where the list ends first.
 */
DMAMAP_API size_t sg_copy_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
				 size_t buflen, off_t skip, bool to_buffer);
DMAMAP_API size_t sg_copy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
				      size_t buflen);
DMAMAP_API size_t sg_copy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
				    size_t buflen);
DMAMAP_API size_t sg_pcopy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
				       size_t buflen, off_t skip);
DMAMAP_API size_t sg_pcopy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
				     size_t buflen, off_t skip);
DMAMAP_API size_t sg_zero_buffer(struct scatterlist *sgl, unsigned int nents, size_t buflen,
				 off_t skip);

#define for_each_sg(sglist, sg, nr, __i)                                                           \
	for (__i = 0, sg = (sglist); __i < (nr); __i++, sg = sg_next(sg))

/* Of a table: the memory's entries, and the DMA segments of a mapped one. */
#define for_each_sgtable_sg(sgt, sg, i)	    for_each_sg ((sgt)->sgl, sg, (sgt)->orig_nents, i)
#define for_each_sgtable_dma_sg(sgt, sg, i) for_each_sg ((sgt)->sgl, sg, (sgt)->nents, i)

/*
 * Page by page. The first page is the one of sg_page(), whatever the entry's offset. A DMA address
 * is the segment's first plus a multiple of the page size.
 */
struct sg_page_iter {
	struct scatterlist *sg;	  /* the entry that the page is of */
	unsigned int sg_pgoffset; /* the page's number in it */
	unsigned int __nents;	  /* entries left, this one included */
	int __pg_advance;	  /* pages to go forward at the next step */
};

struct sg_dma_page_iter {
	struct sg_page_iter base;
};

DMAMAP_API void __sg_page_iter_start(struct sg_page_iter *piter, struct scatterlist *sglist,
				     unsigned int nents, unsigned long pgoffset);
DMAMAP_API bool __sg_page_iter_next(struct sg_page_iter *piter);
DMAMAP_API bool __sg_page_iter_dma_next(struct sg_dma_page_iter *dma_iter);

static inline struct page *sg_page_iter_page(struct sg_page_iter *piter)
{
	return sg_page(piter->sg) + piter->sg_pgoffset;
}

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
 * Memory of a list in pieces of at most a page: sg_miter_start(), then while sg_miter_next() use
 * addr and length (and set `consumed` to less than length to get the rest again), sg_miter_stop().
 */
#define SG_MITER_ATOMIC	 (1u << 0) /* means nothing here */
#define SG_MITER_TO_SG	 (1u << 1) /* the caller writes the memory */
#define SG_MITER_FROM_SG (1u << 2) /* the caller only reads it */
#define SG_MITER_LOCAL	 (1u << 3) /* means nothing here */

struct sg_mapping_iter {
	struct page *page; /* of the piece; NULL between stop and next */
	void *addr;	   /* the piece */
	size_t length;
	size_t consumed; /* set to length by next */
	struct sg_page_iter piter;
	unsigned int __offset;	  /* into the page */
	unsigned int __remaining; /* bytes left in it */
	unsigned int __flags;
};

DMAMAP_API void sg_miter_start(struct sg_mapping_iter *miter, struct scatterlist *sgl,
			       unsigned int nents, unsigned int flags);
DMAMAP_API bool sg_miter_next(struct sg_mapping_iter *miter);
/* Goes `offset` bytes forward from the position so far; false: the list ends first. */
DMAMAP_API bool sg_miter_skip(struct sg_mapping_iter *miter, off_t offset);
DMAMAP_API void sg_miter_stop(struct sg_mapping_iter *miter);

DMAMAP_END

#endif
