/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command's data. PRP entries are converted to ranges of device addresses (n->data), and bytes
 * are moved between these and a buffer or the image.
 *
 * Contiguous entries are merged into one range, so that pages that an IOMMU made contiguous need
 * one bus access. Each PRP list is read once into n->page. A command has at most NVME_DATA_MAX
 * bytes, so at most NVME_PRPS_MAX entries, and each further list has at least one entry. So
 * following a chain of lists ends even if the driver made it a cycle.
 */
#include "base/math.h"
#include "nvme.h"

#include <errno.h>

static u16 data_add_range(struct nvme_data *d, u64 addr, u64 len)
{
	struct nvme_range *last = d->n ? &d->range[d->n - 1] : NULL;

	if (len - 1 > UINT64_MAX - addr)
		return NVME_DATA_TRANSFER;
	/* a range that ends at 2^64 would have the end 0 */
	if (last && last->addr + last->len == addr && addr) {
		last->len += len;
	} else {
		if (d->n == NVME_PRPS_MAX)
			return NVME_INTERNAL;
		d->range[d->n++] = (struct nvme_range){addr, len};
	}
	d->len += len;
	return NVME_OK;
}

/*
 * Reads one list. It covers `*left` bytes with `need` entries, of which `fit` have space in its
 * page. If not all fit, the last entry in the page refers to the next list. At most NVME_PRPS_MAX
 * entries are needed, so n->page holds what is read.
 */
static u16 data_read_list(struct nvme *n, u64 list, u64 need, u64 fit, u64 *left, u64 *next)
{
	u64 page = 1ull << n->page_bits, used = need <= fit ? need : fit, entry, len, i;
	u16 status;

	if (dmamap_bus_read(n->dev, list, n->page, used * 8))
		return NVME_DATA_TRANSFER;
	for (i = 0; i < used; i++) {
		entry = get_le64(n->page, i * 8);
		if (entry & (page - 1))
			return NVME_PRP_OFFSET;
		if (need > fit && i == fit - 1) {
			*next = entry;
			break;
		}
		len = min_u64(*left, page);
		status = data_add_range(&n->data, entry, len);
		if (status)
			return status;
		*left -= len;
	}
	return NVME_OK;
}

/*
 * Reads the lists from `list` on, which cover `left` bytes. Only the first may begin inside a page.
 */
static u16 data_follow_lists(struct nvme *n, u64 list, u64 left)
{
	u64 page = 1ull << n->page_bits, need, fit;
	u16 status = list & 7 ? NVME_PRP_OFFSET : NVME_OK;

	while (!status && left) {
		need = (left + page - 1) >> n->page_bits;
		fit = (page - (list & (page - 1))) / 8;
		status = data_read_list(n, list, need, fit, &left, &list);
	}
	return status;
}

/* Finds the ranges of the command's `len` bytes; `len` is not 0 and at most NVME_DATA_MAX. */
u16 nvmesim_data_parse(struct nvme *n, const struct nvme_cmd *c, u64 len)
{
	u64 prp1 = le64toh(c->raw->prp1), prp2 = le64toh(c->raw->prp2);
	u64 page = 1ull << n->page_bits, first = min_u64(len, page - (prp1 & (page - 1)));
	u16 status;

	n->data.n = 0;
	n->data.len = 0;
	if (prp1 & 3)
		return NVME_PRP_OFFSET;
	status = data_add_range(&n->data, prp1, first);
	if (status || first == len)
		return status;
	if (len - first > page)
		return data_follow_lists(n, prp2, len - first);
	if (prp2 & (page - 1))
		return NVME_PRP_OFFSET;
	return data_add_range(&n->data, prp2, len - first);
}

/* Writes one range from the buffer, and zeroes after the buffer's end. */
static int data_put_range(struct nvme *n, const struct nvme_range *r, const u8 *buf, u64 have)
{
	static const u8 zeroes[PAGE_BYTES];
	u64 done = 0, len;

	if (have) {
		done = min_u64(have, r->len);
		if (dmamap_bus_write(n->dev, r->addr, buf, done))
			return -EFAULT;
	}
	for (; done < r->len; done += len) {
		len = min_u64(r->len - done, sizeof(zeroes));
		if (dmamap_bus_write(n->dev, r->addr + done, zeroes, len))
			return -EFAULT;
	}
	return 0;
}

/* Writes `len` bytes of `buf` to the command's data, and zeroes up to its end. */
u16 nvmesim_data_put(struct nvme *n, const void *buf, u64 len)
{
	const u8 *from = buf;
	u64 used;
	u32 i;

	for (i = 0; i < n->data.n; i++) {
		if (data_put_range(n, &n->data.range[i], from, len))
			return NVME_DATA_TRANSFER;
		used = min_u64(len, n->data.range[i].len);
		from += used;
		len -= used;
	}
	return NVME_OK;
}

/* Reads `len` bytes of the data from byte `at` on. The data must have that many. */
u16 nvmesim_data_get(struct nvme *n, u64 at, void *buf, u64 len)
{
	u8 *to = buf;
	u64 part;
	u32 i;

	for (i = 0; i < n->data.n && len; i++) {
		const struct nvme_range *r = &n->data.range[i];

		if (at >= r->len) {
			at -= r->len;
			continue;
		}
		part = min_u64(len, r->len - at);
		if (dmamap_bus_read(n->dev, r->addr + at, to, part))
			return NVME_DATA_TRANSFER;
		to += part;
		len -= part;
		at = 0;
	}
	return len ? NVME_INTERNAL : NVME_OK;
}

/* A part of the data that is mapped for one call of the kernel. */
struct data_window {
	u32 range; /* the first range that is not wholly in the window */
	u64 at;	   /* the bytes of that range that are in the window */
	u64 len;
	u32 held; /* entries of n->held in use */
	int iovs; /* entries of n->iov in use */
};

static void data_window_close(struct nvme *n, struct data_window *w, bool written)
{
	u32 i;

	for (i = 0; i < w->held; i++)
		dmamap_bus_unmap(n->dev, n->iov + n->held[i].first, n->held[i].n, written);
	w->held = 0;
	w->iovs = 0;
	w->len = 0;
}

/* Maps as much of a range as fits into the free segments. 0, -EFAULT, -ENOSPC. */
static int data_window_add(struct nvme *n, struct data_window *w, const struct nvme_range *r,
			   bool to_image)
{
	u64 len = r->len - w->at;
	int got;

	while ((got = dmamap_bus_map(n->dev, r->addr + w->at, len, !to_image, n->iov + w->iovs,
				     NVME_IOVS - w->iovs)) == -ENOSPC) {
		if (w->held || len == 1)
			return -ENOSPC;
		len /= 2;
	}
	if (got < 0)
		return -EFAULT;
	n->held[w->held++] = (struct nvme_held){(u16)w->iovs, (u16)got};
	w->iovs += got;
	w->len += len;
	w->at += len;
	if (w->at == r->len) {
		w->range++;
		w->at = 0;
	}
	return 0;
}

/* Maps the data after the last window, as much of it as possible. A refused range maps nothing. */
static u16 data_window_open(struct nvme *n, struct data_window *w, bool to_image)
{
	int err = 0;

	while (!err && w->range < n->data.n && w->iovs < NVME_IOVS)
		err = data_window_add(n, w, &n->data.range[w->range], to_image);
	if (err == -EFAULT || !w->held) {
		data_window_close(n, w, false);
		return NVME_DATA_TRANSFER;
	}
	return NVME_OK;
}

/* Moves all of the command's data between memory and the image, without an intermediate copy. */
u16 nvmesim_data_image(struct nvme *n, u64 offset, bool to_image)
{
	struct data_window w = {0};
	u64 left = n->data.len;
	u16 status;

	for (; left; left -= w.len, offset += w.len, data_window_close(n, &w, !to_image)) {
		status = data_window_open(n, &w, to_image);
		if (status)
			return status;
		status = nvmesim_image_move(&n->image, n->iov, w.iovs, w.len, offset, to_image);
		if (status) {
			data_window_close(n, &w, !to_image);
			return status;
		}
	}
	return NVME_OK;
}
