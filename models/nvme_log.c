/* SPDX-License-Identifier: BSD-2-Clause */
/* Get Log Page, and the error log that one of the pages reports. */
#include "nvme.h"

enum nvme_log_id {
	LOG_ERRORS = 0x01,
	LOG_SMART = 0x02,
	LOG_FIRMWARE = 0x03,
	LOG_EFFECTS = 0x05,
};

#define LOG_RETAIN	 (1u << 15) /* in cdw10: the event stays masked */
#define ERROR_ENTRY	 64u
#define EFFECT_SUPPORTED 0x1u
#define EFFECT_CONTENT	 0x2u /* changes the content of logical blocks */

/* Records a failure; the log keeps the latest NVME_ERRORS. */
void nvmesim_log_error(struct nvmesim *n, const struct nvme_cmd *c, u16 status)
{
	struct nvme_error *e = &n->error[n->totals.errors % NVME_ERRORS];

	*e = (struct nvme_error){
		.count = ++n->totals.errors,
		.sq = c ? c->sq : 0xffff,
		.cid = c ? c->cid : 0xffff,
		.status = (u16)(status << 1),
		.nsid = c ? c->nsid : 0,
		.lba = c ? c->lba : 0,
	};
}

/* The newest entry is first. */
static u32 nvmesim_log_fill_errors(struct nvmesim *n, u8 *p)
{
	u64 i, have = util_min(n->totals.errors, NVME_ERRORS);

	for (i = 0; i < have; i++, p += ERROR_ENTRY) {
		const struct nvme_error *e = &n->error[(n->totals.errors - 1 - i) % NVME_ERRORS];

		nvmesim_put_le64(p, 0, e->count);
		nvmesim_put_le16(p, 8, e->sq);
		nvmesim_put_le16(p, 10, e->cid);
		nvmesim_put_le16(p, 12, e->status);
		nvmesim_put_le16(p, 14, 0xffff); /* the erroneous field is not reported */
		nvmesim_put_le64(p, 16, e->lba);
		nvmesim_put_le32(p, 24, e->nsid);
	}
	return NVME_ERRORS * ERROR_ENTRY;
}

/* In units of a thousand blocks, rounded up. */
static u64 nvmesim_log_data_units(u64 blocks)
{
	return (blocks + 999) / 1000;
}

static u32 nvmesim_log_fill_smart(struct nvmesim *n, u8 *p)
{
	const struct nvme_totals *t = &n->totals;

	p[0] = (u8)((nvmesim_too_warm(n) ? 0x02 : 0) | (n->image.readonly ? 0x08 : 0));
	nvmesim_put_le16(p, 1, NVME_TEMPERATURE);
	p[3] = 100; /* available spare, and its threshold */
	p[4] = 10;
	nvmesim_put_le64(p, 32, nvmesim_log_data_units(t->blocks_read));
	nvmesim_put_le64(p, 48, nvmesim_log_data_units(t->blocks_written));
	nvmesim_put_le64(p, 64, t->reads);
	nvmesim_put_le64(p, 80, t->writes);
	nvmesim_put_le64(p, 112, 1); /* power cycles */
	nvmesim_put_le64(p, 160, t->media_errors);
	nvmesim_put_le64(p, 176, t->errors);
	return 512;
}

static u32 nvmesim_log_fill_firmware(struct nvmesim *n, u8 *p)
{
	p[0] = 1; /* slot 1 is active */
	memcpy(p + 8, "1.0     ", 8);
	return 512;
}

static u32 nvmesim_log_fill_effects(struct nvmesim *n, u8 *p)
{
	static const u8 admin[] = {
		NVME_ADMIN_DELETE_SQ,	NVME_ADMIN_CREATE_SQ,	 NVME_ADMIN_GET_LOG,
		NVME_ADMIN_DELETE_CQ,	NVME_ADMIN_CREATE_CQ,	 NVME_ADMIN_IDENTIFY,
		NVME_ADMIN_ABORT,	NVME_ADMIN_SET_FEATURES, NVME_ADMIN_GET_FEATURES,
		NVME_ADMIN_ASYNC_EVENT,
	};
	static const u8 looks[] = {NVME_IO_FLUSH, NVME_IO_READ, NVME_IO_COMPARE};
	static const u8 changes[] = {NVME_IO_WRITE, NVME_IO_WRITE_ZEROES, NVME_IO_DATASET};
	size_t i;

	for (i = 0; i < sizeof(admin); i++)
		nvmesim_put_le32(p, admin[i] * 4u, EFFECT_SUPPORTED);
	for (i = 0; i < sizeof(looks); i++)
		nvmesim_put_le32(p, 1024 + looks[i] * 4u, EFFECT_SUPPORTED);
	for (i = 0; i < sizeof(changes); i++)
		nvmesim_put_le32(p, 1024 + changes[i] * 4u, EFFECT_SUPPORTED | EFFECT_CONTENT);
	return PAGE_BYTES;
}

static u32 nvmesim_log_fill(struct nvmesim *n, u32 id, u8 *p)
{
	switch (id) {
	case LOG_ERRORS:
		return nvmesim_log_fill_errors(n, p);
	case LOG_SMART:
		return nvmesim_log_fill_smart(n, p);
	case LOG_FIRMWARE:
		return nvmesim_log_fill_firmware(n, p);
	default:
		return nvmesim_log_fill_effects(n, p);
	}
}

u16 nvmesim_log(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 id = c->cdw10 & 0xff, size;
	u64 len = ((c->cdw10 >> 16 | (u64)(c->cdw11 & 0xffff) << 16) + 1) * 4;
	u64 at = c->cdw12 | (u64)c->cdw13 << 32;
	u16 status;

	if (id < LOG_ERRORS || id > LOG_EFFECTS || id == 0x04)
		return NVME_LOG_PAGE;
	if (len > NVME_DATA_MAX || at % 4)
		return NVME_INVALID_FIELD;
	if (id == LOG_SMART && c->nsid && c->nsid != NVME_NSID_ALL)
		return NVME_INVALID_NAMESPACE;
	status = nvmesim_data_parse(n, c, len);
	if (status)
		return status;
	/* the PRP list was in n->page until now */
	memset(n->page, 0, sizeof(n->page));
	size = nvmesim_log_fill(n, id, n->page);
	if (at >= size)
		return NVME_INVALID_FIELD;
	status = nvmesim_data_put(n, n->page + at, util_min(len, size - at));
	if (!status && !(c->cdw10 & LOG_RETAIN))
		nvmesim_event_clear(n, id);
	return status;
}
