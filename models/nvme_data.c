/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of a command. PRP entries become ranges of device addresses (n->data), and bytes are
 * moved between these ranges and a buffer or the image.
 *
 * Adjacent entries are merged into one range, so that memory that an IOMMU made contiguous needs
 * one bus access. Every PRP list is read once into n->page. A command has at most NVME_DATA_MAX
 * bytes and hence at most NVME_PRPS_MAX entries, and every list contributes at least one, so even a
 * circular chain of lists terminates.
 */
#include "nvme.h"

#include <errno.h>

static u16 nvmesim_data_range_add(struct nvme_data *d, u64 addr, u64 len)
{
	struct nvme_range *last = d->n ? &d->range[d->n - 1] : NULL;

	if (len - 1 > UINT64_MAX - addr)
		return NVME_DATA_TRANSFER;
	/* the end of a range that reaches 2^64 is 0, so an address of 0 is never merged */
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
 * Reads one PRP list. `*left` bytes need `need` entries, of which `fit` fit in the list's page. If
 * not all fit, the last entry of the page points to the next list. At most NVME_PRPS_MAX entries
 * are needed, so the list fits in n->page.
 */
static u16 nvmesim_data_list_take(struct nvmesim *n, u64 list, u64 need, u64 fit, u64 *left,
				  u64 *next)
{
	u64 page = 1ull << n->page_bits, used = need <= fit ? need : fit, entry, len, i;
	u16 status;

	if (dmamap_bus_read(n->dev, list, n->page, used * 8))
		return NVME_DATA_TRANSFER;
	for (i = 0; i < used; i++) {
		entry = nvmesim_get_le64(n->page, i * 8);
		if (entry & (page - 1))
			return NVME_PRP_OFFSET;
		if (need > fit && i == fit - 1) {
			*next = entry;
			break;
		}
		len = util_min(*left, page);
		status = nvmesim_data_range_add(&n->data, entry, len);
		if (status)
			return status;
		*left -= len;
	}
	return NVME_OK;
}

/*
 * Processes the chain of lists from `list` on, which covers `left` bytes. Only the first list may
 * begin inside a page.
 */
static u16 nvmesim_data_follow_lists(struct nvmesim *n, u64 list, u64 left)
{
	u64 page = 1ull << n->page_bits, need, fit;
	u16 status = list & 7 ? NVME_PRP_OFFSET : NVME_OK;

	while (!status && left) {
		need = (left + page - 1) >> n->page_bits;
		fit = (page - (list & (page - 1))) / 8;
		status = nvmesim_data_list_take(n, list, need, fit, &left, &list);
	}
	return status;
}

/* Finds the location of the command's `len` bytes; 0 < len <= NVME_DATA_MAX. */
u16 nvmesim_data_parse(struct nvmesim *n, const struct nvme_cmd *c, u64 len)
{
	u64 prp1 = le64toh(c->raw->prp1), prp2 = le64toh(c->raw->prp2);
	u64 page = 1ull << n->page_bits, first = util_min(len, page - (prp1 & (page - 1)));
	u16 status;

	n->data.n = 0;
	n->data.len = 0;
	if (prp1 & 3)
		return NVME_PRP_OFFSET;
	status = nvmesim_data_range_add(&n->data, prp1, first);
	if (status || first == len)
		return status;
	if (len - first > page)
		return nvmesim_data_follow_lists(n, prp2, len - first);
	if (prp2 & (page - 1))
		return NVME_PRP_OFFSET;
	return nvmesim_data_range_add(&n->data, prp2, len - first);
}

/* Writes one range: `have` bytes of the buffer, then zeroes. */
static int nvmesim_data_range_put(struct nvmesim *n, const struct nvme_range *r, const u8 *buf,
				  u64 have)
{
	static const u8 zeroes[PAGE_BYTES];
	u64 done = 0, len;

	if (have) {
		done = util_min(have, r->len);
		if (dmamap_bus_write(n->dev, r->addr, buf, done))
			return -EFAULT;
	}
	for (; done < r->len; done += len) {
		len = util_min(r->len - done, sizeof(zeroes));
		if (dmamap_bus_write(n->dev, r->addr + done, zeroes, len))
			return -EFAULT;
	}
	return 0;
}

/*
 * Returns `len` bytes of `buf` to the driver and fills the rest of the command's data with zeroes.
 */
u16 nvmesim_data_put(struct nvmesim *n, const void *buf, u64 len)
{
	const u8 *from = buf;
	u64 used;
	u32 i;

	for (i = 0; i < n->data.n; i++) {
		if (nvmesim_data_range_put(n, &n->data.range[i], from, len))
			return NVME_DATA_TRANSFER;
		used = util_min(len, n->data.range[i].len);
		from += used;
		len -= used;
	}
	return NVME_OK;
}

/* Reads `len` bytes at offset `at` of the command's data, which must contain them. */
u16 nvmesim_data_get(struct nvmesim *n, u64 at, void *buf, u64 len)
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
		part = util_min(len, r->len - at);
		if (dmamap_bus_read(n->dev, r->addr + at, to, part))
			return NVME_DATA_TRANSFER;
		to += part;
		len -= part;
		at = 0;
	}
	return len ? NVME_INTERNAL : NVME_OK;
}

/* A part of the data, mapped for one system call. */
struct nvme_window {
	u32 range; /* first range that is not completely mapped */
	u64 at;	   /* bytes of that range that are mapped */
	u64 len;
	u32 held; /* entries used in n->held */
	int iovs; /* entries used in n->iov */
};

static void nvmesim_data_window_close(struct nvmesim *n, struct nvme_window *w, bool written)
{
	u32 i;

	for (i = 0; i < w->held; i++)
		dmamap_bus_unmap(n->dev, n->iov + n->held[i].first, n->held[i].n, written);
	w->held = 0;
	w->iovs = 0;
	w->len = 0;
}

/* Maps as much of a range as the free segments allow. Returns 0, -EFAULT or -ENOSPC. */
static int nvmesim_data_window_add(struct nvmesim *n, struct nvme_window *w,
				   const struct nvme_range *r, bool to_image)
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

/*
 * Maps what follows the last window, at most all of it. If the bus refuses a range, nothing is
 * mapped.
 */
static u16 nvmesim_data_window_open(struct nvmesim *n, struct nvme_window *w, bool to_image)
{
	int err = 0;

	while (!err && w->range < n->data.n && w->iovs < NVME_IOVS)
		err = nvmesim_data_window_add(n, w, &n->data.range[w->range], to_image);
	if (err == -EFAULT || !w->held) {
		nvmesim_data_window_close(n, w, false);
		return NVME_DATA_TRANSFER;
	}
	return NVME_OK;
}

/* Moves the command's data between memory and the image without an intermediate copy. */
u16 nvmesim_data_image(struct nvmesim *n, u64 offset, bool to_image)
{
	struct nvme_window w = {0};
	u64 left = n->data.len;
	u16 status;

	for (; left; left -= w.len, offset += w.len, nvmesim_data_window_close(n, &w, !to_image)) {
		status = nvmesim_data_window_open(n, &w, to_image);
		if (status)
			return status;
		status = nvmesim_image_move(&n->image, n->iov, w.iovs, w.len, offset, to_image);
		if (status) {
			nvmesim_data_window_close(n, &w, !to_image);
			return status;
		}
	}
	return NVME_OK;
}
