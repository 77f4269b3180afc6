/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Data of a request as the device's list of pages (Base Specification, "Physical Region Page Entry
 * and List"). PRP1 may have any offset in its page; all other entries begin a page. PRP2 is the
 * second page, or points to a list of the other pages. If more entries follow, the last entry of a
 * list points to the next list.
 *
 * A DMA segment may have any length: an IOMMU can merge the whole scatterlist into one. Mapping
 * keeps offsets in pages, since the driver sets min_align_mask and no segment boundary. This is
 * checked nevertheless, because a wrong PRP would direct data to the wrong memory.
 *
 * Overflow: none is possible. nvme_check_data() limits a request to MAX_BYTES, which limits the
 * lists.
 */
#include "drivers/nvme_private.h"

/* State while the PRP entries of a request are written. */
struct prp_writer {
	struct nvme_slot *slot;
	u32 total, done; /* entries */
	u32 list, place; /* position of the next entry after PRP1 */
};

static void nvme_prp_put(struct prp_writer *w, dma_addr_t addr)
{
	struct nvme_slot *slot = w->slot;
	u32 n = w->done++;
	u64 *prps;

	if (n == 0) {
		slot->prp1 = addr;
		return;
	}
	if (w->total == 2) {
		slot->prp2 = addr;
		return;
	}
	if (w->place == PRPS_PER_PAGE - 1 && n + 1 < w->total) {
		prps = slot->list[w->list].prps;
		prps[w->place] = htole64(slot->list[w->list + 1].addr);
		w->list++;
		w->place = 0;
	}
	prps = slot->list[w->list].prps;
	prps[w->place++] = htole64(addr);
}

/* Writes the entries of one segment. -EIO: the segment is not aligned to pages as required. */
static int nvme_prp_segment(struct prp_writer *w, dma_addr_t addr, u64 len, bool last)
{
	u64 step;

	if (w->done && addr % NVME_PAGE)
		return -EIO;
	if (!last && (addr + len) % NVME_PAGE)
		return -EIO;
	while (len) {
		if (w->done == w->total)
			return -EIO;
		nvme_prp_put(w, addr);
		step = NVME_PAGE - addr % NVME_PAGE;
		if (step > len)
			step = len;
		addr += step;
		len -= step;
	}
	return 0;
}

static void nvme_prp_lists_free(struct nvme *nvme, struct nvme_slot *slot)
{
	struct dma_pool *pool = slot->small ? nvme->small_lists : nvme->page_lists;

	while (slot->n_lists) {
		slot->n_lists--;
		dma_pool_free(pool, slot->list[slot->n_lists].prps, slot->list[slot->n_lists].addr);
	}
}

/* Allocates the lists for `entries` entries after PRP1. 0, -ENOMEM. */
static int nvme_prp_lists_alloc(struct nvme *nvme, struct nvme_slot *slot, u32 entries)
{
	struct dma_pool *pool;
	u32 need = 1;

	slot->small = entries <= SMALL_LIST / 8;
	pool = slot->small ? nvme->small_lists : nvme->page_lists;
	for (u32 rest = entries; rest > PRPS_PER_PAGE; rest -= PRPS_PER_PAGE - 1)
		need++;
	while (slot->n_lists < need) {
		void *p = dma_pool_alloc(pool, GFP_ATOMIC, &slot->list[slot->n_lists].addr);

		if (!p) {
			nvme_prp_lists_free(nvme, slot);
			return -ENOMEM;
		}
		slot->list[slot->n_lists++].prps = p;
	}
	return 0;
}

/* Writes the PRPs of mapped data: `count` segments, 0: one segment at slot->addr. */
static int nvme_prp_make(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req,
			 int count)
{
	u64 bytes = nvme_request_bytes(nvme, req);
	dma_addr_t first = count ? sg_dma_address(req->sg) : slot->addr;
	struct prp_writer w = {.slot = slot};
	struct scatterlist *sg;
	int i, err = 0;

	w.total = (u32)((first % NVME_PAGE + bytes + NVME_PAGE - 1) / NVME_PAGE);
	if (w.total > 2) {
		err = nvme_prp_lists_alloc(nvme, slot, w.total - 1);
		if (err)
			return err;
		slot->prp2 = slot->list[0].addr;
	}
	if (!count)
		err = nvme_prp_segment(&w, first, bytes, true);
	for_each_sg (req->sg, sg, count, i) {
		err = nvme_prp_segment(&w, sg_dma_address(sg), sg_dma_len(sg), i == count - 1);
		if (err)
			break;
	}
	if (!err && w.done != w.total)
		err = -EIO;
	if (err) {
		nvme_prp_lists_free(nvme, slot);
		return driver_fail(-err,
				   "%s: the mapping of %llu bytes does not keep their offsets in a "
				   "page, as NVMe requires",
				   dev_name(nvme->dev), (unsigned long long)bytes);
	}
	return 0;
}

static int nvme_prp_map_data(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req)
{
	u64 bytes = nvme_request_bytes(nvme, req);
	int count = 0, err;

	slot->dir = req->op == NVME_WRITE ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	err = nvme_link(nvme, slot, req);
	if (err == -ENOMEM)
		return err;
	if (!err) {
		count = 0;
	} else if (req->sg) {
		count = dma_map_sg(nvme->dev, req->sg, (int)req->nents, slot->dir);
		if (count <= 0)
			return -ENOMEM;
	} else {
		slot->addr = dma_map_single(nvme->dev, req->buf, bytes, slot->dir);
		if (dma_mapping_error(nvme->dev, slot->addr))
			return -ENOMEM;
	}
	slot->mapped = !slot->linked;
	err = nvme_prp_make(nvme, slot, req, count);
	if (err)
		nvme_unmap(nvme, slot, req);
	return err;
}

/* Passes the range of a discard to the device in a block of the small pool. */
static int nvme_prp_map_range(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req)
{
	struct nvme_range *range;
	int err;

	err = nvme_prp_lists_alloc(nvme, slot, 1);
	if (err)
		return err;
	range = slot->list[0].prps;
	*range = (struct nvme_range){.blocks = htole32(req->blocks), .lba = htole64(req->lba)};
	slot->prp1 = slot->list[0].addr;
	return 0;
}

int nvme_map(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req)
{
	slot->prp1 = slot->prp2 = 0;
	slot->n_lists = 0;
	slot->mapped = slot->linked = false;
	if (req->op == NVME_DISCARD)
		return nvme_prp_map_range(nvme, slot, req);
	if (req->op == NVME_ADMIN && !req->buf)
		slot->prp1 = req->lba;
	return nvme_request_bytes(nvme, req) ? nvme_prp_map_data(nvme, slot, req) : 0;
}

void nvme_unmap(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req)
{
	if (slot->linked)
		nvme_unlink(nvme, slot, req);
	else if (slot->mapped && req->sg)
		dma_unmap_sg(nvme->dev, req->sg, (int)req->nents, slot->dir);
	else if (slot->mapped)
		dma_unmap_single(nvme->dev, slot->addr, nvme_request_bytes(nvme, req), slot->dir);
	slot->mapped = false;
	nvme_prp_lists_free(nvme, slot);
}

static int nvme_prp_check_list(const struct nvme *nvme, const struct nvme_request *req)
{
	u64 rest = nvme_request_bytes(nvme, req);
	struct scatterlist *sg = req->sg;
	unsigned int i;

	for (i = 0; i < req->nents && sg; i++, sg = sg_next(sg)) {
		bool first = i == 0, last = i + 1 == req->nents;

		if (!sg->length || sg->length > rest ||
		    (first ? sg->offset % 4 : sg->offset % NVME_PAGE))
			break;
		if (!last && (sg->offset + (u64)sg->length) % NVME_PAGE)
			break;
		rest -= sg->length;
	}
	if (i == req->nents && i && !rest)
		return 0;
	return driver_fail(EINVAL,
			   "%s: entry %u of %u of the scatterlist is not valid: all entries but "
			   "the first must begin at a page boundary, all but the last must end at "
			   "one, and together they must have %llu bytes",
			   dev_name(nvme->dev), i, req->nents,
			   (unsigned long long)nvme_request_bytes(nvme, req));
}

int nvme_check_data(const struct nvme *nvme, const struct nvme_request *req)
{
	u64 bytes = nvme_request_bytes(nvme, req);

	if (!bytes)
		return 0;
	if (bytes > nvme->info.max_bytes)
		return driver_fail(EINVAL,
				   "%s: a request of %llu bytes is too large: split it into "
				   "requests of at most %u",
				   dev_name(nvme->dev), (unsigned long long)bytes,
				   nvme->info.max_bytes);
	if (req->sg)
		return nvme_prp_check_list(nvme, req);
	if (!req->buf || (uintptr_t)req->buf % 4)
		return driver_fail(EINVAL,
				   "%s: a data buffer at %p is not valid: it must be 4-byte "
				   "aligned and not NULL",
				   dev_name(nvme->dev), req->buf);
	return 0;
}
