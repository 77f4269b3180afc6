/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scatterlists: memory in pieces, and the segments in which a device accesses it. An entry is a
 * run of bytes that is contiguous in memory (page, offset, length). Mapping sets dma_address and
 * dma_length, which may describe fewer, longer segments than the list has entries.
 *
 * A list is an array of entries, of which the last one is marked, or several arrays: an entry may
 * be a link to the next array instead. Both marks are in the low bits of page_link, so walk a list
 * only with sg_next() or for_each_sg(). A struct page is aligned to at least 4 bytes.
 *
 * Context of every function: there is no locking. One thread at a time may change a list; several
 * threads may read it at once.
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

/* Both macros are lvalues. */
#define sg_dma_address(sg) ((sg)->dma_address)
#define sg_dma_len(sg)	   ((sg)->dma_length)

#define SG_DMA_BUS_ADDRESS (1u << 0) /* a peer's registers, by bus address: no unmap */
/* The segment is bounced. In the first entry of a list: at least one segment is bounced. */
#define SG_DMA_SWIOTLB (1u << 1)

/**
 * sg_dma_is_bus_address() - Test whether a DMA segment is a peer's registers, by bus address.
 * @sg: the entry.
 * Return: true if dma_flags has SG_DMA_BUS_ADDRESS.
 */
static inline bool sg_dma_is_bus_address(const struct scatterlist *sg)
{
	return sg->dma_flags & SG_DMA_BUS_ADDRESS;
}

/**
 * sg_dma_mark_bus_address() - Set SG_DMA_BUS_ADDRESS of an entry.
 * @sg: the entry.
 */
static inline void sg_dma_mark_bus_address(struct scatterlist *sg)
{
	sg->dma_flags |= SG_DMA_BUS_ADDRESS;
}

/**
 * sg_dma_unmark_bus_address() - Clear SG_DMA_BUS_ADDRESS of an entry.
 * @sg: the entry.
 */
static inline void sg_dma_unmark_bus_address(struct scatterlist *sg)
{
	sg->dma_flags &= ~SG_DMA_BUS_ADDRESS;
}

/**
 * sg_dma_is_swiotlb() - Test whether a DMA segment is bounced.
 * @sg: the entry.
 * Return: true if dma_flags has SG_DMA_SWIOTLB.
 */
static inline bool sg_dma_is_swiotlb(const struct scatterlist *sg)
{
	return sg->dma_flags & SG_DMA_SWIOTLB;
}

/**
 * sg_dma_mark_swiotlb() - Set SG_DMA_SWIOTLB of an entry.
 * @sg: the entry.
 */
static inline void sg_dma_mark_swiotlb(struct scatterlist *sg)
{
	sg->dma_flags |= SG_DMA_SWIOTLB;
}

/**
 * sg_is_chain() - Test whether an entry is a link to the next array.
 * @sg: the entry.
 * Return: true if it is.
 */
static inline bool sg_is_chain(const struct scatterlist *sg)
{
	return sg->page_link & SG_CHAIN;
}

/**
 * sg_is_last() - Test whether an entry is the last one of its list.
 * @sg: the entry.
 * Return: true if it is.
 */
static inline bool sg_is_last(const struct scatterlist *sg)
{
	return sg->page_link & SG_END;
}

/**
 * sg_chain_ptr() - Return the array that a link points to.
 * @sg: an entry for which sg_is_chain() is true.
 * Return: the first entry of the array.
 */
static inline struct scatterlist *sg_chain_ptr(const struct scatterlist *sg)
{
	return (struct scatterlist *)(sg->page_link & ~SG_PAGE_LINK_MASK);
}

/**
 * sg_page() - Return the page of an entry.
 * @sg: the entry.
 * Return: the page; NULL for an empty entry.
 */
static inline struct page *sg_page(const struct scatterlist *sg)
{
	return (struct page *)(sg->page_link & ~SG_PAGE_LINK_MASK);
}

/**
 * sg_assign_page() - Set the page of an entry; the end mark is unchanged.
 * @sg: the entry.
 * @page: the page.
 */
static inline void sg_assign_page(struct scatterlist *sg, struct page *page)
{
	sg->page_link = (sg->page_link & SG_END) | (unsigned long)page;
}

/**
 * sg_set_page() - Set an entry to a part of a page or of several pages that follow it.
 * @sg: the entry.
 * @page: the page.
 * @len: the number of bytes.
 * @offset: the offset of the first byte in the page.
 */
static inline void sg_set_page(struct scatterlist *sg, struct page *page, unsigned int len,
			       unsigned int offset)
{
	sg_assign_page(sg, page);
	sg->offset = offset;
	sg->length = len;
}

/**
 * sg_set_buf() - Set an entry to a buffer.
 * @sg: the entry.
 * @buf: any memory of the process that is contiguous for the CPU, except vmalloc memory.
 * @buflen: the number of bytes.
 */
static inline void sg_set_buf(struct scatterlist *sg, const void *buf, unsigned int buflen)
{
	sg_set_page(sg, virt_to_page(buf), buflen, (unsigned int)offset_in_page(buf));
}

/**
 * sg_next() - Return the entry after this one, across links.
 * @sg: the entry.
 * Return: the entry; NULL after the last one.
 */
static inline struct scatterlist *sg_next(struct scatterlist *sg)
{
	if (sg_is_last(sg))
		return NULL;
	sg++;
	/* the marks bound the walk to an array, which the compiler cannot infer: avoid its warning
	 */
	__asm__("" : "+r"(sg));
	return __builtin_expect(sg_is_chain(sg), 0) ? sg_chain_ptr(sg) : sg;
}

/**
 * sg_phys() - Return the physical address of the first byte of an entry.
 * @sg: the entry.
 * Return: the physical address.
 */
static inline phys_addr_t sg_phys(const struct scatterlist *sg)
{
	return page_to_phys(sg_page(sg)) + sg->offset;
}

/**
 * sg_virt() - Return the CPU address of the first byte of an entry.
 * @sg: the entry.
 * Return: the CPU address.
 */
static inline void *sg_virt(const struct scatterlist *sg)
{
	return (char *)page_address(sg_page(sg)) + sg->offset;
}

/**
 * sg_mark_end() - Mark an entry as the last one of its list.
 * @sg: the entry.
 */
static inline void sg_mark_end(struct scatterlist *sg)
{
	sg->page_link = (sg->page_link | SG_END) & ~SG_CHAIN;
}

/**
 * sg_unmark_end() - Remove the end mark of an entry.
 * @sg: the entry.
 */
static inline void sg_unmark_end(struct scatterlist *sg)
{
	sg->page_link &= ~SG_END;
}

/**
 * sg_chain() - Make the last entry of an array a link to another array.
 * @prv: the array.
 * @prv_nents: the number of its entries.
 * @sgl: the other array.
 *
 * The entry contains no memory after that.
 */
static inline void sg_chain(struct scatterlist *prv, unsigned int prv_nents,
			    struct scatterlist *sgl)
{
	struct scatterlist *link = prv + prv_nents - 1;

	link->offset = 0;
	link->length = 0;
	link->page_link = (unsigned long)sgl | SG_CHAIN;
}

/**
 * sg_init_table() - Zero an array of the caller's and mark its end.
 * @sgl: the array. With NULL nothing happens.
 * @nents: the number of its entries. With 0 nothing happens.
 */
DMAMAP_API void sg_init_table(struct scatterlist *sgl, unsigned int nents);

/**
 * sg_init_one() - Make a list of one buffer.
 * @sg: the entry.
 * @buf: the buffer, as for sg_set_buf().
 * @buflen: its bytes.
 */
DMAMAP_API void sg_init_one(struct scatterlist *sg, const void *buf, unsigned int buflen);

/**
 * sg_last() - Return the last entry of a list.
 * @sgl: the list.
 * @nents: the greatest number of entries that are examined.
 * Return: the last of @nents entries, or of the list if it is shorter. NULL: there is none.
 */
DMAMAP_API struct scatterlist *sg_last(struct scatterlist *sgl, unsigned int nents);

/**
 * sg_nents() - Return the number of entries up to the end mark.
 * @sg: the list.
 * Return: the number.
 */
DMAMAP_API int sg_nents(struct scatterlist *sg);

/**
 * sg_nents_for_len() - Return the number of entries that contain the first bytes of a list.
 * @sg: the list.
 * @len: the number of bytes.
 * Return: the number. -EINVAL: the list is shorter than @len.
 */
DMAMAP_API int sg_nents_for_len(struct scatterlist *sg, u64 len);

/**
 * sg_alloc_table() - Allocate a table of empty entries, in page-sized arrays.
 * @table: receives the arrays. After a failure it is empty, so that sg_free_table() has no effect.
 * @nents: the number of entries, at most 2^26.
 * @gfp_mask: allocation flags.
 * Return: 0. -EINVAL: no table or no entries. -ENOMEM: too many entries, or no memory is left
 *   (then a retry helps).
 */
DMAMAP_API int sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp_mask);

/**
 * sg_free_table() - Free the entries of a table, but not the memory that they describe.
 * @table: the table.
 */
DMAMAP_API void sg_free_table(struct sg_table *table);

/**
 * sg_alloc_table_from_pages_segment() - Make a table of pages.
 * @sgt: receives the list, as for sg_alloc_table().
 * @pages: the pages. Those that follow each other in memory share an entry.
 * @n_pages: their number.
 * @offset: where the memory begins, in bytes from the beginning of the first page.
 * @size: the number of bytes.
 * @max_segment: the longest entry in bytes; it is rounded down to whole pages.
 * @gfp_mask: allocation flags.
 * Return: as sg_alloc_table(). -EINVAL also: @offset is beyond the first page, @size is 0 or
 *   exceeds the pages, or @max_segment is less than a page.
 */
DMAMAP_API int sg_alloc_table_from_pages_segment(struct sg_table *sgt, struct page **pages,
						 unsigned int n_pages, unsigned int offset,
						 unsigned long size, unsigned int max_segment,
						 gfp_t gfp_mask);

/**
 * sg_alloc_table_from_pages() - As sg_alloc_table_from_pages_segment(), without a limit on
 * entries.
 * @sgt: receives the list.
 * @pages: the pages.
 * @n_pages: their number.
 * @offset: where the memory begins, in bytes from the beginning of the first page.
 * @size: the number of bytes.
 * @gfp_mask: allocation flags.
 * Return: as sg_alloc_table_from_pages_segment().
 */
static inline int sg_alloc_table_from_pages(struct sg_table *sgt, struct page **pages,
					    unsigned int n_pages, unsigned int offset,
					    unsigned long size, gfp_t gfp_mask)
{
	return sg_alloc_table_from_pages_segment(sgt, pages, n_pages, offset, size, ~0u, gfp_mask);
}

/**
 * sg_split() - Split a list into several new lists.
 * @in: the list.
 * @in_mapped_nents: the number of its DMA segments. If it is not 0, they are split too.
 * @skip: the byte of @in at which the first new list begins.
 * @nb_splits: the number of new lists.
 * @split_sizes: the bytes of each.
 * @out: receives the lists, which kfree() frees. It is unchanged on failure.
 * @out_mapped_nents: receives the number of DMA segments of each; may be NULL.
 * @gfp_mask: allocation flags.
 * Return: 0. -EINVAL: a size is 0 or the list is too short. -ENOMEM: a retry helps.
 */
DMAMAP_API int sg_split(struct scatterlist *in, const int in_mapped_nents, const off_t skip,
			const int nb_splits, const size_t *split_sizes, struct scatterlist **out,
			int *out_mapped_nents, gfp_t gfp_mask);

/**
 * sg_copy_buffer() - Copy between the memory of a list and a buffer.
 * @sgl: the list.
 * @nents: the number of its entries.
 * @buf: the buffer.
 * @buflen: the number of bytes.
 * @skip: the byte of the list at which the copy begins.
 * @to_buffer: true: from the list to @buf; false: from @buf to the list.
 * Return: the number of bytes copied, which is less than @buflen if the list is shorter.
 */
DMAMAP_API size_t sg_copy_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
				 size_t buflen, off_t skip, bool to_buffer);

/**
 * sg_copy_from_buffer() - Copy a buffer to the memory of a list.
 * @sgl: the list.
 * @nents: the number of its entries.
 * @buf: the buffer.
 * @buflen: the number of bytes.
 * Return: the number of bytes copied, as sg_copy_buffer().
 */
DMAMAP_API size_t sg_copy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
				      size_t buflen);

/**
 * sg_copy_to_buffer() - Copy the memory of a list to a buffer.
 * @sgl: the list.
 * @nents: the number of its entries.
 * @buf: the buffer.
 * @buflen: the number of bytes.
 * Return: the number of bytes copied, as sg_copy_buffer().
 */
DMAMAP_API size_t sg_copy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
				    size_t buflen);

/**
 * sg_pcopy_from_buffer() - Copy a buffer to the memory of a list, from a byte of the list on.
 * @sgl: the list.
 * @nents: the number of its entries.
 * @buf: the buffer.
 * @buflen: the number of bytes.
 * @skip: the byte of the list at which the copy begins.
 * Return: the number of bytes copied, as sg_copy_buffer().
 */
DMAMAP_API size_t sg_pcopy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
				       size_t buflen, off_t skip);

/**
 * sg_pcopy_to_buffer() - Copy the memory of a list, from a byte of the list on, to a buffer.
 * @sgl: the list.
 * @nents: the number of its entries.
 * @buf: the buffer.
 * @buflen: the number of bytes.
 * @skip: the byte of the list at which the copy begins.
 * Return: the number of bytes copied, as sg_copy_buffer().
 */
DMAMAP_API size_t sg_pcopy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
				     size_t buflen, off_t skip);

/**
 * sg_zero_buffer() - Zero the memory of a list.
 * @sgl: the list.
 * @nents: the number of its entries.
 * @buflen: the number of bytes.
 * @skip: the byte of the list at which the zeros begin.
 * Return: the number of bytes zeroed, as sg_copy_buffer().
 */
DMAMAP_API size_t sg_zero_buffer(struct scatterlist *sgl, unsigned int nents, size_t buflen,
				 off_t skip);

#define for_each_sg(sglist, sg, nr, __i)                                                           \
	for (__i = 0, sg = (sglist); __i < (nr); __i++, sg = sg_next(sg))

/*
 * Loops over a table: over the entries of the memory, and over the DMA segments of a mapped table.
 */
#define for_each_sgtable_sg(sgt, sg, i)	    for_each_sg ((sgt)->sgl, sg, (sgt)->orig_nents, i)
#define for_each_sgtable_dma_sg(sgt, sg, i) for_each_sg ((sgt)->sgl, sg, (sgt)->nents, i)

DMAMAP_END

/* Iteration by pages and by pieces. */
#include <dmamap/sg_iter.h>

#endif
