/* SPDX-License-Identifier: BSD-2-Clause */
/* Admin commands of the NVMe model, valid and invalid, on a fake bus. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "nvme_rig.h"

#include <sched.h>

static u16 admin(struct rig *r, struct nvme_sqe c)
{
	return rig_do(r, &r->admin, c);
}

static u16 identify(struct rig *r, u32 cns, u32 nsid, u64 prp1, u64 prp2)
{
	return admin(r, (struct nvme_sqe){.cdw0 = NVME_ADMIN_IDENTIFY,
					  .nsid = nsid,
					  .cdw10 = cns,
					  .prp1 = prp1,
					  .prp2 = prp2});
}

static void test_identify_controller(void **state)
{
	struct rig *r = *state;
	u8 *p = fake_at(RIG_DATA);

	memset(p, 0xee, 4096);
	assert_int_equal(identify(r, 1, 0, RIG_DATA, 0), 0);
	assert_int_equal(nvmesim_get_le32(p, 0), 0x1af41b36);
	assert_memory_equal(p + 4, "dmamap-1            ", 20);
	assert_int_equal(p[77], 8);
	assert_int_equal(nvmesim_get_le32(p, 80), 0x10400);
	assert_int_equal(p[512], 0x66);
	assert_int_equal(p[513], 0x44);
	assert_int_equal(nvmesim_get_le32(p, 516), 1);
	assert_int_equal(nvmesim_get_le32(p, 536), 0); /* no scatter-gather lists */
	assert_memory_equal(p + 768, "nqn.2014-08.org.nvmexpress:uuid:", 32);
	assert_int_equal(p[4095], 0);
}

static void test_identify_namespace(void **state)
{
	struct rig *r = *state;
	u8 *p = fake_at(RIG_DATA);

	assert_int_equal(identify(r, 0, 1, RIG_DATA, 0), 0);
	assert_int_equal(nvmesim_get_le64(p, 0), RIG_BLOCKS);
	assert_int_equal(nvmesim_get_le64(p, 16), RIG_BLOCKS);
	assert_int_equal(p[130], 9);
	assert_int_equal(identify(r, 2, 0, RIG_DATA, 0), 0);
	assert_int_equal(nvmesim_get_le64(p, 0), 1);
	assert_int_equal(identify(r, 2, 1, RIG_DATA, 0), 0);
	assert_int_equal(nvmesim_get_le64(p, 0), 0);
	assert_int_equal(identify(r, 3, 1, RIG_DATA, 0), 0);
	assert_int_equal(nvmesim_get_le32(p, 0), 0x1003);
	assert_int_equal(identify(r, 0, 0, RIG_DATA, 0), BAD(NVME_INVALID_NAMESPACE));
	assert_int_equal(identify(r, 0, 2, RIG_DATA, 0), BAD(NVME_INVALID_NAMESPACE));
	assert_int_equal(identify(r, 0, NVME_NSID_ALL, RIG_DATA, 0), BAD(NVME_INVALID_NAMESPACE));
	assert_int_equal(identify(r, 2, NVME_NSID_ALL, RIG_DATA, 0), BAD(NVME_INVALID_NAMESPACE));
	assert_int_equal(identify(r, 3, 0, RIG_DATA, 0), BAD(NVME_INVALID_NAMESPACE));
	assert_int_equal(identify(r, 4, 1, RIG_DATA, 0), BAD(NVME_INVALID_FIELD));
	assert_int_equal(identify(r, 0xff, 1, RIG_DATA, 0), BAD(NVME_INVALID_FIELD));
}

static void test_identify_prps(void **state)
{
	struct rig *r = *state;
	u8 *p = fake_at(RIG_DATA);

	/* from the inside of a page into another one */
	assert_int_equal(identify(r, 1, 0, RIG_DATA, 0), 0);
	assert_int_equal(identify(r, 1, 0, RIG_DATA + 0x10f00, RIG_DATA + 0x20000), 0);
	assert_memory_equal(p, p + 0x10f00, 0x100);
	assert_memory_equal(p + 0x100, p + 0x20000, 0xf00);
	assert_int_equal(p[0x20f00], 0);
	assert_int_equal(identify(r, 1, 0, RIG_DATA + 1, 0), BAD(NVME_PRP_OFFSET));
	assert_int_equal(identify(r, 1, 0, RIG_DATA + 4, RIG_DATA + 4), BAD(NVME_PRP_OFFSET));
	assert_int_equal(identify(r, 1, 0, 0, 0), SOFT(NVME_DATA_TRANSFER));
	assert_int_equal(identify(r, 1, 0, ~0xfffull, 0), SOFT(NVME_DATA_TRANSFER));
	fake_allow(RIG_DATA, 4096, FAKE_READ);
	assert_int_equal(identify(r, 1, 0, RIG_DATA, 0), SOFT(NVME_DATA_TRANSFER));
}

static void test_bad_opcodes(void **state)
{
	struct rig *r = *state;
	u32 op;

	for (op = 0x10; op < 0x100; op++)
		assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = op}), BAD(NVME_INVALID_OPCODE));
	assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = 0x03}), BAD(NVME_INVALID_OPCODE));
	/* fused, and scatter-gather lists */
	assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = 0x10a}), BAD(NVME_INVALID_FIELD));
	assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = 0x400a}), BAD(NVME_INVALID_FIELD));
	assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = 0x800a}), BAD(NVME_INVALID_FIELD));
}

static void test_create_queues(void **state)
{
	struct rig *r = *state;
	u64 at = RIG_DATA;

	assert_int_equal(rig_create_cq(r, 0, 4, at, 3), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_cq(r, 17, 4, at, 3), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_cq(r, 0xffff, 4, at, 3), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_cq(r, 1, 1, at, 3), BAD(NVME_QUEUE_SIZE));
	assert_int_equal(rig_create_cq(r, 1, 1025, at, 3), BAD(NVME_QUEUE_SIZE));
	assert_int_equal(rig_create_cq(r, 1, 65536, at, 3), BAD(NVME_QUEUE_SIZE));
	assert_int_equal(rig_create_cq(r, 1, 4, at, 2), BAD(NVME_INVALID_FIELD));
	assert_int_equal(rig_create_cq(r, 1, 4, at + 64, 3), BAD(NVME_PRP_OFFSET));
	assert_int_equal(rig_create_cq(r, 1, 4, at, 17 << 16 | 3), BAD(NVME_VECTOR));
	assert_int_equal(rig_create_cq(r, 1, 4, at, 16 << 16 | 3), 0);
	assert_int_equal(rig_create_cq(r, 1, 4, at, 3), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_cq(r, 16, 1024, at, 3), 0);

	assert_int_equal(rig_create_sq(r, 0, 4, at, 1 << 16 | 1), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_sq(r, 17, 4, at, 1 << 16 | 1), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_sq(r, 1, 4, at, 0 << 16 | 1), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_sq(r, 1, 4, at, 99 << 16 | 1), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_sq(r, 1, 4, at, 2 << 16 | 1), BAD(NVME_CQ_INVALID));
	assert_int_equal(rig_create_sq(r, 1, 1, at, 1 << 16 | 1), BAD(NVME_QUEUE_SIZE));
	assert_int_equal(rig_create_sq(r, 1, 2000, at, 1 << 16 | 1), BAD(NVME_QUEUE_SIZE));
	assert_int_equal(rig_create_sq(r, 1, 4, at, 1 << 16), BAD(NVME_INVALID_FIELD));
	assert_int_equal(rig_create_sq(r, 1, 4, at + 8, 1 << 16 | 1), BAD(NVME_PRP_OFFSET));
	assert_int_equal(rig_create_sq(r, 1, 4, at, 1 << 16 | 1), 0);
	assert_int_equal(rig_create_sq(r, 1, 4, at, 1 << 16 | 1), BAD(NVME_QUEUE_ID));
}

static u16 delete (struct rig *r, u32 opcode, u32 id)
{
	return admin(r, (struct nvme_sqe){.cdw0 = opcode, .cdw10 = id});
}

static void test_delete_queues(void **state)
{
	struct rig *r = *state;

	rig_queue(r, 1, 4);
	assert_int_equal(rig_create_sq(r, 2, 4, RIG_DATA, 1 << 16 | 1), 0);
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_CQ, 1), BAD(NVME_QUEUE_DELETION));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_SQ, 0), BAD(NVME_QUEUE_ID));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_SQ, 3), BAD(NVME_QUEUE_ID));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_SQ, 0xffff), BAD(NVME_QUEUE_ID));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_SQ, 1), 0);
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_SQ, 1), BAD(NVME_QUEUE_ID));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_CQ, 1), BAD(NVME_QUEUE_DELETION));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_SQ, 2), 0);
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_CQ, 0), BAD(NVME_QUEUE_ID));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_CQ, 2), BAD(NVME_QUEUE_ID));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_CQ, 99), BAD(NVME_QUEUE_ID));
	assert_int_equal(delete (r, NVME_ADMIN_DELETE_CQ, 1), 0);
	rig_queue(r, 1, 8);
}

/* The entry sizes may be set after enabling, but before the first queue. */
static void test_entry_sizes(void **state)
{
	struct rig *r = *state;

	rig_write(r, NVME_REG_CC, NVME_CC_EN);
	assert_int_equal(rig_create_cq(r, 1, 4, RIG_DATA, 3), BAD(NVME_QUEUE_SIZE));
	rig_write(r, NVME_REG_CC, NVME_CC_EN | 4 << 20);
	assert_int_equal(rig_create_cq(r, 1, 4, RIG_DATA, 3), 0);
	assert_int_equal(rig_create_sq(r, 1, 4, RIG_DATA, 1 << 16 | 1), BAD(NVME_QUEUE_SIZE));
}

static u16 set(struct rig *r, u32 id, u32 nsid, u32 value)
{
	return admin(r, (struct nvme_sqe){.cdw0 = NVME_ADMIN_SET_FEATURES,
					  .nsid = nsid,
					  .cdw10 = id,
					  .cdw11 = value});
}

static u16 get(struct rig *r, u32 id, u32 nsid, u32 value)
{
	return admin(r, (struct nvme_sqe){.cdw0 = NVME_ADMIN_GET_FEATURES,
					  .nsid = nsid,
					  .cdw10 = id,
					  .cdw11 = value});
}

static void test_features(void **state)
{
	/* id, namespace, value to set, value returned, value before */
	static const u32 known[][5] = {
		{0x01, 0, 0x010203f9, 0x01020301, 7},
		{0x02, 0, 0x20, 0x20, 0},
		{0x04, 0, 0x150, 0x150, 343},
		{0x05, 1, 0x77, 0x77, 0},
		{0x06, 0, 0xfffffffe, 0, 1},
		{0x08, 0, 0x55aa, 0x55aa, 0},
		{0x0a, 0, 1, 1, 0},
		{0x0b, 0, 0x1f, 0x1f, 0},
	};
	struct rig *r = *state;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const u32 *k = known[i];

		assert_int_equal(get(r, k[0], k[1], 0), 0);
		assert_int_equal(r->result, k[4]);
		assert_int_equal(set(r, k[0], k[1], k[2]), 0);
		assert_int_equal(get(r, k[0], k[1], 0), 0);
		assert_int_equal(r->result, k[3]);
		assert_int_equal(get(r, 0x100 | k[0], k[1], 0), 0); /* default */
		assert_int_equal(r->result, k[4]);
		assert_int_equal(get(r, 0x200 | k[0], k[1], 0), 0); /* saved: none, the default */
		assert_int_equal(r->result, k[4]);
		assert_int_equal(get(r, 0x300 | k[0], k[1], 0), 0);
		assert_int_equal(r->result, k[0] == 0x05 ? 6 : 4);
	}
	rig_disable(r);
	rig_enable(r, 0);
	assert_int_equal(get(r, 0x0b, 0, 0), 0);
	assert_int_equal(r->result, 0);
}

static void test_features_bad(void **state)
{
	struct rig *r = *state;

	assert_int_equal(set(r, 0x00, 0, 0), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x03, 1, 0), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x0c, 0, 0), BAD(NVME_INVALID_FIELD));
	assert_int_equal(get(r, 0x80, 0, 0), BAD(NVME_INVALID_FIELD));
	assert_int_equal(get(r, 0x401, 0, 0), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x80000006, 0, 0), BAD(NVME_NOT_SAVEABLE));
	assert_int_equal(set(r, 0x06, 1, 0), BAD(NVME_NOT_NAMESPACE));
	assert_int_equal(set(r, 0x06, NVME_NSID_ALL, 0), 0);
	assert_int_equal(set(r, 0x05, 2, 0), BAD(NVME_INVALID_NAMESPACE));
	assert_int_equal(get(r, 0x05, 0, 0), BAD(NVME_INVALID_NAMESPACE));
	assert_int_equal(set(r, 0x02, 0, 1), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x04, 0, 1 << 16), BAD(NVME_INVALID_FIELD));
	assert_int_equal(get(r, 0x04, 0, 2 << 20), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x09, 0, 17), BAD(NVME_INVALID_FIELD));
	assert_int_equal(get(r, 0x09, 0, 17), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x09, 0, 1 << 16 | 16), 0);
	assert_int_equal(get(r, 0x09, 0, 16), 0);
	assert_int_equal(r->result, 1 << 16 | 16);
	assert_int_equal(get(r, 0x09, 0, 15), 0);
	assert_int_equal(r->result, 15);
}

static void test_number_of_queues(void **state)
{
	struct rig *r = *state;

	assert_int_equal(get(r, 0x07, 0, 0), 0);
	assert_int_equal(r->result, 15 << 16 | 15);
	assert_int_equal(set(r, 0x07, 0, 0xffff), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x07, 0, 0xffff0000), BAD(NVME_INVALID_FIELD));
	assert_int_equal(set(r, 0x07, 0, 99 << 16 | 99), 0);
	assert_int_equal(r->result, 15 << 16 | 15);
	assert_int_equal(set(r, 0x07, 0, 1 << 16 | 1), 0);
	assert_int_equal(r->result, 1 << 16 | 1);
	assert_int_equal(rig_create_cq(r, 3, 4, RIG_DATA, 3), BAD(NVME_QUEUE_ID));
	assert_int_equal(rig_create_cq(r, 2, 4, RIG_DATA, 3), 0);
	assert_int_equal(set(r, 0x07, 0, 1 << 16 | 1), BAD(NVME_COMMAND_SEQUENCE));
}

static u16 get_log(struct rig *r, u32 id, u32 dwords, u64 at)
{
	return admin(r, (struct nvme_sqe){.cdw0 = NVME_ADMIN_GET_LOG,
					  .prp1 = RIG_DATA,
					  .prp2 = RIG_DATA + 0x10000,
					  .cdw10 = id | (dwords - 1) << 16,
					  .cdw11 = (dwords - 1) >> 16,
					  .cdw12 = (u32)at,
					  .cdw13 = (u32)(at >> 32)});
}

static void test_logs(void **state)
{
	struct rig *r = *state;
	u8 *p = fake_at(RIG_DATA);
	u16 cid;

	assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = 0x7f}), BAD(NVME_INVALID_OPCODE));
	cid = r->cid;
	memset(p, 0xee, 8192);
	assert_int_equal(get_log(r, 1, 256, 0), 0);
	assert_int_equal(nvmesim_get_le64(p, 0), 1);
	assert_int_equal(nvmesim_get_le32(p, 8), (u32)cid << 16);
	assert_int_equal(nvmesim_get_le32(p, 12) & 0xffff, (NVME_INVALID_OPCODE | NVME_DNR) << 1);
	assert_int_equal(nvmesim_get_le64(p, 64), 0);
	assert_int_equal(p[1024], 0xee);
	assert_int_equal(get_log(r, 2, 128, 0), 0);
	assert_int_equal(p[0], 0);
	assert_int_equal(p[1] | p[2] << 8, 323);
	assert_int_equal(nvmesim_get_le64(p, 176), 1);
	/* a part */
	assert_int_equal(get_log(r, 2, 1, 176), 0);
	assert_int_equal(nvmesim_get_le32(p, 0), 1);
	assert_int_equal(get_log(r, 3, 128, 0), 0);
	assert_memory_equal(p + 8, "1.0     ", 8);
	assert_int_equal(get_log(r, 5, 1024, 0), 0);
	assert_int_equal(nvmesim_get_le32(p, 6 * 4), 1);
	assert_int_equal(nvmesim_get_le32(p, 1024 + 1 * 4), 3);
	assert_int_equal(nvmesim_get_le32(p, 1024 + 3 * 4), 0);
	/* beyond the end of the data there are zeroes */
	memset(p, 0xee, 4096);
	assert_int_equal(get_log(r, 2, 1024, 508), 0);
	assert_int_equal(p[4], 0);
	assert_int_equal(p[4095], 0);
}

static void test_logs_bad(void **state)
{
	struct rig *r = *state;

	assert_int_equal(get_log(r, 0, 1, 0), BAD(NVME_LOG_PAGE));
	assert_int_equal(get_log(r, 4, 1, 0), BAD(NVME_LOG_PAGE));
	assert_int_equal(get_log(r, 6, 1, 0), BAD(NVME_LOG_PAGE));
	assert_int_equal(get_log(r, 0xff, 1, 0), BAD(NVME_LOG_PAGE));
	assert_int_equal(get_log(r, 2, 1, 512), BAD(NVME_INVALID_FIELD));
	assert_int_equal(get_log(r, 2, 1, 2), BAD(NVME_INVALID_FIELD));
	assert_int_equal(get_log(r, 2, 1, ~3ull), BAD(NVME_INVALID_FIELD));
	assert_int_equal(get_log(r, 2, 0, 0), BAD(NVME_INVALID_FIELD)); /* 16 GiB */
	fake_allow(RIG_DATA, 4096, 0);
	assert_int_equal(get_log(r, 2, 1, 0), SOFT(NVME_DATA_TRANSFER));
}

static u16 request_event(struct rig *r)
{
	struct nvme_sqe c = {.cdw0 = NVME_ADMIN_ASYNC_EVENT};

	rig_put(r, &r->admin, &c);
	rig_ring_tail(r, &r->admin);
	return r->cid;
}

static void test_event_limit_and_abort(void **state)
{
	struct rig *r = *state;
	struct nvme_cqe e;
	u16 cid[5];
	int i;

	for (i = 0; i < 5; i++)
		cid[i] = request_event(r);
	assert_int_equal(rig_take(r, &r->admin, &e), BAD(NVME_EVENT_LIMIT));
	assert_int_equal(e.cid, cid[4]);
	assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = NVME_ADMIN_ABORT, .cdw10 = 77u << 16}),
			 0);
	assert_int_equal(r->result, 1);
	assert_int_equal(admin(r, (struct nvme_sqe){.cdw0 = NVME_ADMIN_ABORT,
						    .cdw10 = (u32)cid[1] << 16 | 1}),
			 0);
	assert_int_equal(r->result, 1);
	rig_put(r, &r->admin,
		&(struct nvme_sqe){.cdw0 = NVME_ADMIN_ABORT, .cdw10 = (u32)cid[1] << 16});
	rig_ring_tail(r, &r->admin);
	assert_int_equal(rig_take(r, &r->admin, &e), NVME_ABORT_REQUESTED);
	assert_int_equal(e.cid, cid[1]);
	assert_int_equal(rig_take(r, &r->admin, &e), 0);
	assert_int_equal(e.cid, r->cid);
	assert_int_equal(r->result, 0);
	request_event(r);
}

static void test_bell_events(void **state)
{
	struct rig *r = *state;
	struct nvme_cqe e;
	int i;

	request_event(r);
	request_event(r);
	rig_write(r, 0x1000 + 16 * 8 + 8, 1);
	assert_int_equal(rig_take(r, &r->admin, &e), 0);
	assert_int_equal(r->result, 0x010000);
	/* reported once until the log is read */
	for (i = 0; i < 10; i++) {
		rig_write(r, 0x1008, 9);
		rig_write(r, 0x1000, RIG_ADMIN_SIZE + 5);
		rig_write(r, 0x1000, r->admin.tail);
		assert_int_equal(get(r, 1, 0, 0), 0);
	}
	assert_int_equal(get_log(r, 1 | 0x8000, 16, 0), 0); /* retained */
	assert_false(rig_poll(&r->admin));
	assert_int_equal(get_log(r, 1, 16, 0), 0);
	assert_int_equal(rig_take(r, &r->admin, &e), 0);
	assert_int_equal(r->result & 0xff00ff, 0x010000);
}

static void test_temperature_event(void **state)
{
	struct rig *r = *state;
	struct nvme_cqe e;

	request_event(r);
	assert_int_equal(set(r, 0x04, 0, 300), 0); /* not requested yet */
	assert_int_equal(set(r, 0x04, 0, 400), 0);
	assert_int_equal(set(r, 0x0b, 0, 2), 0);
	assert_int_equal(set(r, 0x04, 0, 1 << 20 | 323), 0);
	assert_int_equal(rig_take(r, &r->admin, &e), 0);
	assert_int_equal(r->result, 0x020101);
	assert_int_equal(get_log(r, 2, 1, 0), 0);
	assert_int_equal(*(u8 *)fake_at(RIG_DATA), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_RIG(test_identify_controller),
		TEST_RIG(test_identify_namespace),
		TEST_RIG(test_identify_prps),
		TEST_RIG(test_bad_opcodes),
		TEST_RIG(test_create_queues),
		TEST_RIG(test_delete_queues),
		TEST_RIG(test_entry_sizes),
		TEST_RIG(test_features),
		TEST_RIG(test_features_bad),
		TEST_RIG(test_number_of_queues),
		TEST_RIG(test_logs),
		TEST_RIG(test_logs_bad),
		TEST_RIG(test_event_limit_and_abort),
		TEST_RIG(test_bell_events),
		TEST_RIG(test_temperature_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
