/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Data of a request as a two-step mapping: each slot keeps a range of device addresses, and links
 * the memory of its request into the range piece by piece. Any scatterlist is one contiguous range
 * for the device, PRPs follow from one address, and address space is allocated only when the
 * requests of a slot grow.
 *
 * A cached range begins at a page boundary, so it fits only data that begins at one. Other data is
 * mapped by dma_map_sg() or dma_map_single(). If two-step mappings are required, the range is
 * allocated again with the data's offset in its page.
 *
 * If RAM is identity-mapped (policy=identity), a mapping is an addition, while each link changes
 * the page table, which takes a system call behind a kernel's IOMMU. In that case nothing is linked
 * unless it is required.
 */
#include "drivers/nvme_private.h"

#include <linux/vmalloc.h>

#define RANGE_MIN (128u << 10) /* least length of a range, so that it seldom has to grow */

static phys_addr_t nvme_link_entry_phys(const struct nvme_request *req, struct scatterlist *sg)
{
	return req->sg ? sg_phys(sg) : virt_to_phys(req->buf);
}

/*
 * Ensures that the slot's range can hold `bytes` at that offset in a page. False: no range is
 * available.
 */
static bool nvme_link_range_ready(struct nvme *nvme, struct nvme_slot *slot, u64 place, u64 bytes)
{
	u64 size = bytes > RANGE_MIN ? bytes : RANGE_MIN;

	if (dma_use_iova(&slot->range)) {
		if (slot->range.addr % NVME_PAGE == place && dma_iova_size(&slot->range) >= bytes)
			return true;
		dma_iova_free(nvme->dev, &slot->range);
	}
	return dma_iova_try_alloc(nvme->dev, &slot->range, place, size);
}

/* Length of the contiguous memory from `*sg` on, up to `most` bytes; advances `*sg` past it. */
static u64 nvme_link_piece_take(struct scatterlist **sg, u64 most)
{
	phys_addr_t start = sg_phys(*sg);
	u64 n = 0;

	do {
		n += (*sg)->length;
		*sg = sg_next(*sg);
	} while (n < most && sg_phys(*sg) == start + n);
	return n;
}

/* Links the request's pieces one after the other. On failure nothing stays linked. */
static int nvme_link_pieces(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req,
			    u64 bytes)
{
	struct scatterlist *sg = req->sg;
	u64 done = 0, n;
	int err = 0;

	while (done < bytes && !err) {
		phys_addr_t phys = nvme_link_entry_phys(req, sg);

		n = req->sg ? nvme_link_piece_take(&sg, bytes - done) : bytes;
		err = dma_iova_link(nvme->dev, &slot->range, phys, done, n, slot->dir, 0);
		if (!err)
			done += n;
	}
	if (!err)
		err = dma_iova_sync(nvme->dev, &slot->range, 0, bytes);
	if (err && done)
		dma_iova_unlink(nvme->dev, &slot->range, 0, done, slot->dir,
				DMA_ATTR_SKIP_CPU_SYNC);
	return err;
}

int nvme_link(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req)
{
	bool must = nvme->options.data == NVME_DATA_TWOSTEP;
	u64 bytes = nvme_request_bytes(nvme, req), place;
	int err;

	if (!nvme->two_step || req->op == NVME_ADMIN || (!req->sg && is_vmalloc_addr(req->buf)))
		return -EOPNOTSUPP;
	place = nvme_link_entry_phys(req, req->sg) % NVME_PAGE;
	if (place && !must)
		return -EOPNOTSUPP;
	if (!nvme_link_range_ready(nvme, slot, place, bytes))
		return must ? -ENOMEM : -EOPNOTSUPP;
	err = nvme_link_pieces(nvme, slot, req, bytes);
	if (err)
		return must && err == -ENOMEM ? err : -EOPNOTSUPP;
	slot->addr = slot->range.addr;
	slot->linked = true;
	__atomic_add_fetch(&nvme->links, 1, __ATOMIC_RELAXED);
	return 0;
}

void nvme_unlink(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req)
{
	dma_iova_unlink(nvme->dev, &slot->range, 0, nvme_request_bytes(nvme, req), slot->dir, 0);
	slot->linked = false;
}

void nvme_link_release(struct nvme *nvme, struct nvme_slot *slot)
{
	if (dma_use_iova(&slot->range))
		dma_iova_free(nvme->dev, &slot->range);
}

/* In an identity mapping of RAM, two mappings of the same memory have the same address. */
static bool nvme_link_ram_is_mapped(struct nvme *nvme)
{
	void *buf = kmalloc(NVME_PAGE, GFP_KERNEL);
	dma_addr_t addr[2];
	bool same;
	int n;

	if (!buf)
		return false;
	for (n = 0; n < 2; n++) {
		addr[n] = dma_map_single(nvme->dev, buf, NVME_PAGE, DMA_TO_DEVICE);
		if (dma_mapping_error(nvme->dev, addr[n]))
			break;
	}
	same = n == 2 && addr[0] == addr[1];
	while (n--)
		dma_unmap_single(nvme->dev, addr[n], NVME_PAGE, DMA_TO_DEVICE);
	kfree(buf);
	return same;
}

int nvme_link_check(struct nvme *nvme)
{
	struct dma_iova_state trial;

	if (nvme->options.data == NVME_DATA_SG)
		return 0;
	if (nvme->options.data == NVME_DATA_AUTO && nvme_link_ram_is_mapped(nvme))
		return 0;
	nvme->two_step = dma_iova_try_alloc(nvme->dev, &trial, 0, NVME_PAGE);
	if (nvme->two_step)
		dma_iova_free(nvme->dev, &trial);
	else if (nvme->options.data == NVME_DATA_TWOSTEP)
		return driver_fail_why(EOPNOTSUPP, "%s: two-step mappings of data were required",
				       dev_name(nvme->dev));
	return 0;
}
