/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Splits a scatterlist into several. A list is split twice: by its entries of memory and, if it is
 * mapped, by its DMA segments, which divide the same bytes differently. As in the input list, the
 * entries of a new list hold both side by side, so a new list has as many entries as the longer of
 * the two needs. The pieces are first counted, which also checks the arguments, then allocated,
 * then filled.
 */
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/math.h"

struct sg_split_cursor { /* position of one of the two walks in the input */
	struct scatterlist *sg;
	unsigned int nents; /* remaining, from sg on */
	u64 off;	    /* offset in sg */
	bool dma;	    /* walks DMA segments instead of memory */
};

static u64 sg_split_length(const struct sg_split_cursor *cut)
{
	return cut->dma ? sg_dma_len(cut->sg) : cut->sg->length;
}

static void sg_split_store(const struct sg_split_cursor *cut, struct scatterlist *out, u64 len)
{
	u64 pos = cut->sg->offset + cut->off;

	if (cut->dma) {
		sg_dma_address(out) = sg_dma_address(cut->sg) + cut->off;
		sg_dma_len(out) = (unsigned int)len;
		out->dma_flags = cut->sg->dma_flags;
	} else {
		sg_set_page(out, sg_page(cut->sg) + pos / PAGE_SIZE, (unsigned int)len,
			    (unsigned int)(pos % PAGE_SIZE));
	}
}

/*
 * Advances by `len` bytes and stores the pieces in `out`, unless that is NULL. Returns the number
 * of pieces, or -EINVAL if the list is too short.
 */
static int sg_split_forward(struct sg_split_cursor *cut, u64 len, struct scatterlist *out)
{
	int n = 0;

	while (len) {
		u64 piece;

		if (!cut->sg || !cut->nents)
			return -EINVAL;
		piece = min_u64(len, sg_split_length(cut) - cut->off);
		if (piece) {
			if (out)
				sg_split_store(cut, &out[n], piece);
			/* the mark on the first entry is valid for the whole list */
			if (out && cut->dma && sg_dma_is_swiotlb(&out[n]))
				sg_dma_mark_swiotlb(out);
			n++;
		}
		cut->off += piece;
		len -= piece;
		if (cut->off == sg_split_length(cut)) {
			cut->sg = sg_next(cut->sg);
			cut->nents--;
			cut->off = 0;
		}
	}
	return n;
}

/* Counts the pieces of every new list and, with `out`, stores them. Returns 0 or -EINVAL. */
static int sg_split_all(struct sg_split_cursor cut, u64 skip, int nb, const size_t *sizes,
			int *pieces, struct scatterlist **out)
{
	if (sg_split_forward(&cut, skip, NULL) < 0)
		return -EINVAL;
	for (int i = 0; i < nb; i++) {
		pieces[i] =
			sizes[i] ? sg_split_forward(&cut, sizes[i], out ? out[i] : NULL) : -EINVAL;
		if (pieces[i] < 0)
			return -EINVAL;
	}
	return 0;
}

/* Allocates the new, empty lists. On -ENOMEM none is allocated. */
static int sg_split_make_lists(struct scatterlist **lists, const int *pieces, const int *mapped,
			       int nb, gfp_t gfp)
{
	for (int i = 0; i < nb; i++) {
		size_t n = max_u64((u64)pieces[i], (u64)mapped[i]);

		lists[i] = kcalloc(n, sizeof(*lists[i]), gfp);
		if (!lists[i]) {
			while (i--)
				kfree(lists[i]);
			return -ENOMEM;
		}
		sg_init_table(lists[i], (unsigned int)n);
	}
	return 0;
}

int sg_split(struct scatterlist *in, const int in_mapped_nents, const off_t skip,
	     const int nb_splits, const size_t *split_sizes, struct scatterlist **out,
	     int *out_mapped_nents, gfp_t gfp_mask)
{
	struct sg_split_cursor memory = {.sg = in, .nents = ~0u};
	struct sg_split_cursor segments = {
		.sg = in, .nents = (unsigned int)in_mapped_nents, .dma = true};
	struct scatterlist **lists = NULL;
	int *pieces, *mapped, err;

	if (!in || !split_sizes || !out || nb_splits <= 0 || skip < 0 || in_mapped_nents < 0)
		return error_set(EINVAL,
				 "sg_split: no list, no sizes, or a negative number was given");
	pieces = alloc_array((size_t)nb_splits * 2, sizeof(*pieces));
	if (!pieces)
		return -ENOMEM;
	mapped = pieces + nb_splits;
	err = sg_split_all(memory, (u64)skip, nb_splits, split_sizes, pieces, NULL);
	if (!err && in_mapped_nents)
		err = sg_split_all(segments, (u64)skip, nb_splits, split_sizes, mapped, NULL);
	if (err) {
		error_set(EINVAL,
			  "sg_split: the list is shorter than %lld bytes and %d parts, or a "
			  "part has no bytes",
			  (long long)skip, nb_splits);
		goto free;
	}
	err = -ENOMEM;
	lists = alloc_array((size_t)nb_splits, sizeof(*lists));
	if (!lists)
		goto free;
	err = sg_split_make_lists(lists, pieces, mapped, nb_splits, gfp_mask);
	if (err)
		goto free;
	sg_split_all(memory, (u64)skip, nb_splits, split_sizes, pieces, lists);
	if (in_mapped_nents)
		sg_split_all(segments, (u64)skip, nb_splits, split_sizes, mapped, lists);
	for (int i = 0; i < nb_splits; i++) {
		out[i] = lists[i];
		if (out_mapped_nents)
			out_mapped_nents[i] = mapped[i];
	}
free:
	alloc_free(lists);
	alloc_free(pieces);
	return err;
}
