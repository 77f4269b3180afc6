/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVM command set: the commands of I/O queues. */
#include "nvme.h"

#define DATASET_DEALLOCATE 0x4u
#define DATASET_ENTRY	   16u

static bool nvmesim_io_blocks_ok(const struct nvmesim *n, u64 lba, u64 count)
{
	return util_within(lba, count, n->image.blocks);
}

/* Returns the byte range of the blocks in cdw10 to cdw12, after a check. */
static u16 nvmesim_io_blocks_of(struct nvmesim *n, struct nvme_cmd *c, u64 *offset, u64 *len)
{
	u64 count = (c->cdw12 & 0xffff) + 1;

	c->lba = c->cdw10 | (u64)c->cdw11 << 32;
	if (!nvmesim_io_blocks_ok(n, c->lba, count))
		return NVME_LBA_RANGE;
	*offset = c->lba << NVME_BLOCK_SHIFT;
	*len = count << NVME_BLOCK_SHIFT;
	return NVME_OK;
}

static u16 nvmesim_io_may_write(struct nvmesim *n)
{
	return n->image.readonly ? NVME_WRITE_PROTECTED : nvmesim_image_intact(&n->image);
}

/* After a change of the medium: flushes if the data must be stable before the command completes. */
static u16 nvmesim_io_settle(struct nvmesim *n, const struct nvme_cmd *c)
{
	if ((c->cdw12 & NVME_IO_FUA) || !n->features.write_cache)
		return nvmesim_image_flush(&n->image);
	return NVME_OK;
}

static u16 nvmesim_io_read_write(struct nvmesim *n, struct nvme_cmd *c, bool write)
{
	u64 offset, len;
	u16 status = nvmesim_io_blocks_of(n, c, &offset, &len);

	if (!status && len > NVME_DATA_MAX)
		status = NVME_INVALID_FIELD;
	if (!status && write)
		status = nvmesim_io_may_write(n);
	if (!status)
		status = nvmesim_data_parse(n, c, len);
	if (!status)
		status = nvmesim_data_image(n, offset, write);
	if (!status && write)
		status = nvmesim_io_settle(n, c);
	if (status)
		return status;
	n->moved += len;
	*(write ? &n->totals.blocks_written : &n->totals.blocks_read) += len >> NVME_BLOCK_SHIFT;
	*(write ? &n->totals.writes : &n->totals.reads) += 1;
	return NVME_OK;
}

/* Compares at most one page of the image with the same part of the command's data. */
static u16 nvmesim_io_compare_part(struct nvmesim *n, u64 offset, u64 at, u64 len)
{
	struct iovec iov = {n->page, len};
	u16 status = nvmesim_image_move(&n->image, &iov, 1, len, offset, false);

	if (!status)
		status = nvmesim_data_get(n, at, n->other, len);
	if (!status && memcmp(n->page, n->other, len))
		status = NVME_COMPARE_FAILED;
	return status;
}

static u16 nvmesim_io_compare(struct nvmesim *n, struct nvme_cmd *c)
{
	u64 offset, len, at, part;
	u16 status = nvmesim_io_blocks_of(n, c, &offset, &len);

	if (!status && len > NVME_DATA_MAX)
		status = NVME_INVALID_FIELD;
	if (!status)
		status = nvmesim_data_parse(n, c, len);
	for (at = 0; !status && at < len; at += part) {
		part = util_min(len - at, sizeof(n->page));
		status = nvmesim_io_compare_part(n, offset + at, at, part);
	}
	return status;
}

static u16 nvmesim_io_write_zeroes(struct nvmesim *n, struct nvme_cmd *c)
{
	u64 offset, len;
	u16 status = nvmesim_io_blocks_of(n, c, &offset, &len);

	if (!status)
		status = nvmesim_io_may_write(n);
	if (!status)
		status = nvmesim_image_zero(&n->image, offset, len);
	if (!status)
		status = nvmesim_io_settle(n, c);
	return status;
}

/* All ranges, which are in n->page, are checked before any is deallocated. */
static u16 nvmesim_io_dataset_ranges(struct nvmesim *n, struct nvme_cmd *c, u32 count)
{
	u64 lba, blocks;
	u32 i;

	for (i = 0; i < count; i++) {
		blocks = nvmesim_get_le32(n->page, i * DATASET_ENTRY + 4);
		lba = nvmesim_get_le64(n->page, i * DATASET_ENTRY + 8);
		if (!nvmesim_io_blocks_ok(n, lba, blocks)) {
			c->lba = lba;
			return NVME_LBA_RANGE;
		}
	}
	if (!(c->cdw11 & DATASET_DEALLOCATE))
		return NVME_OK;
	for (i = 0; i < count; i++) {
		blocks = nvmesim_get_le32(n->page, i * DATASET_ENTRY + 4);
		lba = nvmesim_get_le64(n->page, i * DATASET_ENTRY + 8);
		if (blocks)
			nvmesim_image_discard(&n->image, lba << NVME_BLOCK_SHIFT,
					      blocks << NVME_BLOCK_SHIFT);
	}
	return NVME_OK;
}

static u16 nvmesim_io_dataset(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 count = (c->cdw10 & 0xff) + 1;
	u16 status = nvmesim_data_parse(n, c, count * DATASET_ENTRY);

	if (!status && (c->cdw11 & DATASET_DEALLOCATE))
		status = nvmesim_io_may_write(n);
	if (!status)
		status = nvmesim_data_get(n, 0, n->page, count * DATASET_ENTRY);
	return status ? status : nvmesim_io_dataset_ranges(n, c, count);
}

static u16 nvmesim_io_dispatch(struct nvmesim *n, struct nvme_cmd *c)
{
	switch (c->opcode) {
	case NVME_IO_FLUSH:
		return nvmesim_image_flush(&n->image);
	case NVME_IO_WRITE:
		return nvmesim_io_read_write(n, c, true);
	case NVME_IO_READ:
		return nvmesim_io_read_write(n, c, false);
	case NVME_IO_COMPARE:
		return nvmesim_io_compare(n, c);
	case NVME_IO_WRITE_ZEROES:
		return nvmesim_io_write_zeroes(n, c);
	case NVME_IO_DATASET:
		return nvmesim_io_dataset(n, c);
	default:
		return NVME_INVALID_OPCODE;
	}
}

static bool nvmesim_io_known_opcode(u8 opcode)
{
	return opcode <= NVME_IO_READ || opcode == NVME_IO_COMPARE ||
	       opcode == NVME_IO_WRITE_ZEROES || opcode == NVME_IO_DATASET;
}

u16 nvmesim_io(struct nvmesim *n, struct nvme_cmd *c)
{
	u16 status;

	if (!nvmesim_io_known_opcode(c->opcode))
		return NVME_INVALID_OPCODE;
	if (c->nsid != 1 && !(c->nsid == NVME_NSID_ALL && c->opcode == NVME_IO_FLUSH))
		return NVME_INVALID_NAMESPACE;
	status = nvmesim_io_dispatch(n, c);
	if (status == NVME_READ_ERROR || status == NVME_WRITE_FAULT)
		n->totals.media_errors++;
	return status;
}
