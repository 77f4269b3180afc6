/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Admin commands. I/O queues are created and deleted here; other commands are dispatched to their
 * files.
 */
#include "nvme.h"

#define QUEUE_CONTIGUOUS 0x1u
#define QUEUE_INTERRUPTS 0x2u

static u32 nvmesim_admin_queue_id(const struct nvme_cmd *c)
{
	return c->cdw10 & 0xffff;
}

/* Checks that apply to both kinds of new queue. `entry_ok`: CC has the correct entry size. */
static u16 nvmesim_admin_queue_check(struct nvmesim *n, const struct nvme_cmd *c, bool taken,
				     bool entry_ok)
{
	u32 id = nvmesim_admin_queue_id(c), size = (c->cdw10 >> 16) + 1;

	if (!id || id > n->features.io_queues || taken)
		return NVME_QUEUE_ID;
	if (size < 2 || size > NVME_ENTRIES_MAX || !entry_ok)
		return NVME_QUEUE_SIZE;
	if (!(c->cdw11 & QUEUE_CONTIGUOUS))
		return NVME_INVALID_FIELD;
	if (le64toh(c->raw->prp1) & ((1ull << n->page_bits) - 1))
		return NVME_PRP_OFFSET;
	return NVME_OK;
}

static u16 nvmesim_admin_create_cq(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 id = nvmesim_admin_queue_id(c), vector = c->cdw11 >> 16;
	bool entry_ok = NVME_CC_IOCQES(read_once(&n->regs.cc)) == NVME_CQE_SHIFT;
	u16 status = nvmesim_admin_queue_check(n, c, id < NVME_QUEUES && n->cq[id].live, entry_ok);

	if (!status && vector >= NVME_VECTORS)
		status = NVME_VECTOR;
	if (status)
		return status;
	__atomic_store_n(&n->bell.cq_head[id], 0, __ATOMIC_SEQ_CST);
	n->cq[id] = (struct nvme_cq){
		.live = true,
		.interrupts = c->cdw11 & QUEUE_INTERRUPTS,
		.vector = (u16)vector,
		.phase = 1,
		.size = (c->cdw10 >> 16) + 1,
		.base = le64toh(c->raw->prp1),
	};
	return NVME_OK;
}

static u16 nvmesim_admin_create_sq(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 id = nvmesim_admin_queue_id(c), cq = c->cdw11 >> 16;
	bool entry_ok = NVME_CC_IOSQES(read_once(&n->regs.cc)) == NVME_SQE_SHIFT;
	u16 status;

	if (!cq || cq > n->features.io_queues)
		return NVME_QUEUE_ID;
	if (!n->cq[cq].live)
		return NVME_CQ_INVALID;
	status = nvmesim_admin_queue_check(n, c, id < NVME_QUEUES && n->sq[id].live, entry_ok);
	if (status)
		return status;
	write_once(&n->bell.sq_tail[id], 0);
	n->cq[cq].users++;
	n->sq[id] = (struct nvme_sq){
		.live = true,
		.cq = (u16)cq,
		.size = (c->cdw10 >> 16) + 1,
		.base = le64toh(c->raw->prp1),
	};
	return NVME_OK;
}

/* All fetched commands of the queue have completed; commands that remain in it are dropped. */
static u16 nvmesim_admin_delete_sq(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 id = nvmesim_admin_queue_id(c);

	if (!id || id >= NVME_QUEUES || !n->sq[id].live)
		return NVME_QUEUE_ID;
	n->cq[n->sq[id].cq].users--;
	n->sq[id] = (struct nvme_sq){0};
	n->ready &= ~(1ull << id);
	n->stalled &= ~(1ull << id);
	return NVME_OK;
}

static u16 nvmesim_admin_delete_cq(struct nvmesim *n, struct nvme_cmd *c)
{
	u32 id = nvmesim_admin_queue_id(c);

	if (!id || id >= NVME_QUEUES || !n->cq[id].live)
		return NVME_QUEUE_ID;
	if (n->cq[id].users)
		return NVME_QUEUE_DELETION;
	n->cq[id] = (struct nvme_cq){0};
	return NVME_OK;
}

/*
 * Commands complete in the order in which they are fetched, so only a pending event request can be
 * aborted.
 */
static u16 nvmesim_admin_abort_command(struct nvmesim *n, struct nvme_cmd *c)
{
	bool admin = !(c->cdw10 & 0xffff);

	c->result = !(admin && nvmesim_event_abort(n, (u16)(c->cdw10 >> 16)));
	return NVME_OK;
}

u16 nvmesim_admin(struct nvmesim *n, struct nvme_cmd *c)
{
	switch (c->opcode) {
	case NVME_ADMIN_DELETE_SQ:
		return nvmesim_admin_delete_sq(n, c);
	case NVME_ADMIN_CREATE_SQ:
		return nvmesim_admin_create_sq(n, c);
	case NVME_ADMIN_GET_LOG:
		return nvmesim_log(n, c);
	case NVME_ADMIN_DELETE_CQ:
		return nvmesim_admin_delete_cq(n, c);
	case NVME_ADMIN_CREATE_CQ:
		return nvmesim_admin_create_cq(n, c);
	case NVME_ADMIN_IDENTIFY:
		return nvmesim_identify(n, c);
	case NVME_ADMIN_ABORT:
		return nvmesim_admin_abort_command(n, c);
	case NVME_ADMIN_SET_FEATURES:
		return nvmesim_feature_set(n, c);
	case NVME_ADMIN_GET_FEATURES:
		return nvmesim_feature_get(n, c);
	case NVME_ADMIN_ASYNC_EVENT:
		return nvmesim_event_request(n, c);
	default:
		return NVME_INVALID_OPCODE;
	}
}
