/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scatterlists: allocation, iteration, copying. A table of more than SG_MAX_SINGLE_ALLOC entries is
 * a chain of page-sized arrays. In every array except the last the final entry is the link, so it
 * holds one list entry less. The arrangement of the arrays follows from orig_nents alone; freeing
 * also stops where an expected link is missing.
 *
 * offset + length of an entry may exceed 32 bits, so sums are 64-bit. Counts are bounded by
 * SG_TABLE_MAX, so that an excessive count fails immediately and not after using all memory.
 *
 * Memory is accessed through its page's CPU address: an entry is contiguous there as well as in
 * physical memory, for RAM and for other memory of the process.
 */
#include <linux/scatterlist.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/math.h"

#include <limits.h>
#include <string.h>

#define SG_TABLE_MAX (1u << 26)
#define SG_ALIGN     64

static void sg_terminate(struct scatterlist *sgl, unsigned int nents)
{
	sg_mark_end(&sgl[nents - 1]);
}

void sg_init_table(struct scatterlist *sgl, unsigned int nents)
{
	if (!sgl || !nents)
		return;
	memset(sgl, 0, sizeof(*sgl) * (size_t)nents);
	sg_terminate(sgl, nents);
}

void sg_init_one(struct scatterlist *sg, const void *buf, unsigned int buflen)
{
	if (!sg)
		return;
	sg_init_table(sg, 1);
	sg_set_buf(sg, buf, buflen);
}

struct scatterlist *sg_last(struct scatterlist *sgl, unsigned int nents)
{
	struct scatterlist *last = NULL;

	for (; sgl && nents; nents--) {
		last = sgl;
		sgl = sg_next(sgl);
	}
	return last;
}

int sg_nents(struct scatterlist *sg)
{
	int n = 0;

	for (; sg && n < INT_MAX; sg = sg_next(sg))
		n++;
	return n;
}

int sg_nents_for_len(struct scatterlist *sg, u64 len)
{
	u64 seen = 0;
	int n = 0;

	if (!len)
		return 0;
	for (; sg && n < INT_MAX; sg = sg_next(sg)) {
		n++;
		seen += sg->length;
		if (seen >= len)
			return n;
	}
	return error_set(EINVAL,
			 "a scatterlist of %llu bytes is too short for %llu: "
			 "pass a length that it contains",
			 (unsigned long long)seen, (unsigned long long)len);
}

/* Number of list entries in the next array, if `left` entries remain. */
static unsigned int sg_array_entries(unsigned int left)
{
	return left > SG_MAX_SINGLE_ALLOC ? SG_MAX_SINGLE_ALLOC - 1 : left;
}

void sg_free_table(struct sg_table *table)
{
	struct scatterlist *sgl, *next;
	unsigned int left, n;

	if (!table)
		return;
	sgl = table->sgl;
	for (left = table->orig_nents; sgl && left; left -= n, sgl = next) {
		n = sg_array_entries(left);
		next = n < left && sg_is_chain(&sgl[n]) ? sg_chain_ptr(&sgl[n]) : NULL;
		alloc_free(sgl);
	}
	*table = (struct sg_table){0};
}

static int sg_check_table(const struct sg_table *table, unsigned int nents)
{
	if (!table)
		return error_set(EINVAL, "sg_alloc_table: no table (NULL)");
	if (!nents)
		return error_set(EINVAL,
				 "sg_alloc_table: a table of 0 entries: request one or more");
	if (nents > SG_TABLE_MAX)
		return error_set(ENOMEM,
				 "sg_alloc_table: %u entries are more than the %u possible: "
				 "use several tables",
				 nents, SG_TABLE_MAX);
	return 0;
}

int sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp_mask)
{
	struct scatterlist *prev = NULL, *sgl;
	unsigned int left, n;
	int err = sg_check_table(table, nents);

	if (table)
		*table = (struct sg_table){0};
	if (err)
		return err;
	for (left = nents; left; left -= n) {
		n = sg_array_entries(left);
		/* together with the link, an array that has a successor is exactly one page */
		sgl = alloc_aligned(SG_ALIGN, (n + (n < left)) * sizeof(*sgl));
		if (!sgl)
			goto undo;
		if (prev)
			sg_chain(prev, SG_MAX_SINGLE_ALLOC, sgl);
		else
			table->sgl = sgl;
		table->orig_nents += n;
		prev = sgl;
		if (n == left)
			sg_terminate(sgl, n);
	}
	table->nents = nents;
	return 0;
undo:
	/* the last array's link is still empty, so sg_free_table() stops there */
	sg_free_table(table);
	return -ENOMEM;
}

/* Returns how many pages from `from` on, below `end`, fit in one entry of at most `max` pages. */
static unsigned int sg_run_length(struct page **pages, unsigned int from, unsigned int end,
				  unsigned int max)
{
	unsigned int i = from + 1;

	while (i < end && i - from < max &&
	       page_to_phys(pages[i]) == page_to_phys(pages[i - 1]) + PAGE_SIZE)
		i++;
	return i - from;
}

/*
 * Checks the arguments of sg_alloc_table_from_pages_segment(). Returns 0, or -EINVAL with an error
 * message.
 */
static int sg_check_from_pages(const struct sg_table *sgt, struct page **pages,
			       unsigned int n_pages, unsigned int offset, unsigned long size,
			       unsigned int max_segment)
{
	if (!sgt || !pages || !n_pages)
		return error_set(EINVAL, "a scatterlist of pages: no table or no pages were given");
	if (!size || offset >= PAGE_SIZE || size > (u64)n_pages * PAGE_SIZE - offset)
		return error_set(EINVAL,
				 "a scatterlist of %u pages: %lu bytes at offset %u are not "
				 "inside them",
				 n_pages, size, offset);
	if (max_segment < PAGE_SIZE)
		return error_set(EINVAL,
				 "a scatterlist of pages: a longest segment of %u bytes is "
				 "less than a page",
				 max_segment);
	for (unsigned int i = 0; i < n_pages; i++)
		if (!pages[i])
			return error_set(EINVAL, "a scatterlist of pages: page %u is NULL", i);
	return 0;
}

int sg_alloc_table_from_pages_segment(struct sg_table *sgt, struct page **pages,
				      unsigned int n_pages, unsigned int offset, unsigned long size,
				      unsigned int max_segment, gfp_t gfp_mask)
{
	unsigned int max = max_segment / PAGE_SIZE, used, run, i, n = 0;
	struct scatterlist *sg;
	int err;

	if (sgt)
		*sgt = (struct sg_table){0};
	err = sg_check_from_pages(sgt, pages, n_pages, offset, size, max_segment);
	if (err)
		return err;
	used = (unsigned int)pages_spanned(offset, size);
	for (i = 0; i < used; i += sg_run_length(pages, i, used, max))
		n++;
	err = sg_alloc_table(sgt, n, gfp_mask);
	if (err)
		return err;
	for (i = 0, sg = sgt->sgl; i < used; i += run, sg = sg_next(sg)) {
		u64 bytes;

		run = sg_run_length(pages, i, used, max);
		bytes = min_u64((u64)run * PAGE_SIZE - offset, size);
		sg_set_page(sg, pages[i], (unsigned int)bytes, offset);
		size -= bytes;
		offset = 0;
	}
	return 0;
}

enum sg_move { TO_BUFFER, FROM_BUFFER, ZERO };

/*
 * Moves len bytes between the list, from byte `skip` on, and buf. Returns the number of bytes
 * moved.
 */
static size_t sg_move(struct scatterlist *sg, unsigned int nents, u8 *buf, size_t len, off_t skip,
		      enum sg_move how)
{
	size_t done = 0, n;
	u64 left;

	if (skip < 0)
		return 0;
	for (left = (u64)skip; sg && nents && done < len; nents--, sg = sg_next(sg)) {
		u8 *p;

		if (left >= sg->length) {
			left -= sg->length;
			continue;
		}
		n = min_u64(sg->length - left, len - done);
		p = (u8 *)sg_virt(sg) + left;
		if (how == TO_BUFFER)
			memcpy(buf + done, p, n);
		else if (how == FROM_BUFFER)
			memcpy(p, buf + done, n);
		else
			memset(p, 0, n);
		done += n;
		left = 0;
	}
	return done;
}

size_t sg_copy_buffer(struct scatterlist *sgl, unsigned int nents, void *buf, size_t buflen,
		      off_t skip, bool to_buffer)
{
	return buf ? sg_move(sgl, nents, buf, buflen, skip, to_buffer ? TO_BUFFER : FROM_BUFFER)
		   : 0;
}

size_t sg_copy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
			   size_t buflen)
{
	return sg_copy_buffer(sgl, nents, (void *)buf, buflen, 0, false);
}

size_t sg_copy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf, size_t buflen)
{
	return sg_copy_buffer(sgl, nents, buf, buflen, 0, true);
}

size_t sg_pcopy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
			    size_t buflen, off_t skip)
{
	return sg_copy_buffer(sgl, nents, (void *)buf, buflen, skip, false);
}

size_t sg_pcopy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf, size_t buflen,
			  off_t skip)
{
	return sg_copy_buffer(sgl, nents, buf, buflen, skip, true);
}

size_t sg_zero_buffer(struct scatterlist *sgl, unsigned int nents, size_t buflen, off_t skip)
{
	return sg_move(sgl, nents, NULL, buflen, skip, ZERO);
}

static u64 sg_memory_pages(const struct scatterlist *sg)
{
	return ((u64)sg->offset + sg->length + PAGE_SIZE - 1) / PAGE_SIZE;
}

static u64 sg_dma_pages(const struct scatterlist *sg)
{
	return pages_spanned(sg_dma_address(sg), sg_dma_len(sg));
}

void __sg_page_iter_start(struct sg_page_iter *piter, struct scatterlist *sglist,
			  unsigned int nents, unsigned long pgoffset)
{
	*piter = (struct sg_page_iter){.sg = sglist, .__nents = nents};
	/* beyond the end of any list: the first step then ends the iteration */
	if (pgoffset > INT_MAX)
		piter->__nents = 0;
	else
		piter->sg_pgoffset = (unsigned int)pgoffset;
}

static bool sg_iter_next(struct sg_page_iter *p, u64 (*pages)(const struct scatterlist *))
{
	u64 n;

	if (!p->sg || !p->__nents)
		return false;
	p->sg_pgoffset += (unsigned int)p->__pg_advance;
	p->__pg_advance = 1;
	while (p->sg_pgoffset >= (n = pages(p->sg))) {
		p->sg_pgoffset -= (unsigned int)n;
		p->sg = sg_next(p->sg);
		p->__nents--;
		if (!p->sg || !p->__nents)
			return false;
	}
	return true;
}

bool __sg_page_iter_next(struct sg_page_iter *piter)
{
	return sg_iter_next(piter, sg_memory_pages);
}

bool __sg_page_iter_dma_next(struct sg_dma_page_iter *dma_iter)
{
	return sg_iter_next(&dma_iter->base, sg_dma_pages);
}

void sg_miter_start(struct sg_mapping_iter *miter, struct scatterlist *sgl, unsigned int nents,
		    unsigned int flags)
{
	*miter = (struct sg_mapping_iter){.__flags = flags};
	__sg_page_iter_start(&miter->piter, sgl, nents, 0);
}

/* Sets __offset and __remaining to the next byte that is not consumed. Returns false at the end. */
static bool sg_miter_settle(struct sg_mapping_iter *miter)
{
	struct sg_page_iter *p = &miter->piter;

	while (!miter->__remaining) {
		u64 pos, start, end;

		if (!__sg_page_iter_next(p))
			return false;
		start = p->sg->offset;
		end = start + p->sg->length;
		/* if the offset is beyond the first page, begin at the page that contains it */
		pos = max_u64((u64)p->sg_pgoffset * PAGE_SIZE, start);
		p->sg_pgoffset = (unsigned int)(pos / PAGE_SIZE);
		miter->__offset = (unsigned int)(pos % PAGE_SIZE);
		miter->__remaining = (unsigned int)min_u64(end - pos, PAGE_SIZE - miter->__offset);
	}
	return true;
}

void sg_miter_stop(struct sg_mapping_iter *miter)
{
	unsigned int used;

	if (!miter->addr)
		return;
	used = (unsigned int)min_u64(miter->consumed, miter->__remaining);
	miter->__offset += used;
	miter->__remaining -= used;
	miter->page = NULL;
	miter->addr = NULL;
	miter->length = 0;
	miter->consumed = 0;
}

bool sg_miter_skip(struct sg_mapping_iter *miter, off_t offset)
{
	unsigned int n;

	sg_miter_stop(miter);
	if (offset < 0)
		return false;
	for (; offset; offset -= n) {
		if (!sg_miter_settle(miter))
			return false;
		n = (unsigned int)min_u64((u64)offset, miter->__remaining);
		miter->__offset += n;
		miter->__remaining -= n;
	}
	return true;
}

bool sg_miter_next(struct sg_mapping_iter *miter)
{
	sg_miter_stop(miter);
	if (!sg_miter_settle(miter))
		return false;
	miter->page = sg_page_iter_page(&miter->piter);
	miter->addr = (char *)page_address(miter->page) + miter->__offset;
	miter->length = miter->consumed = miter->__remaining;
	return true;
}
