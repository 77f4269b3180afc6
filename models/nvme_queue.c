/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queues. A queue's own fields belong to the worker. Values that the driver writes (doorbells,
 * entries) are read once into a local variable and checked before use. A command is fetched only if
 * its completion queue has space, so a driver that never moves its head blocks its own queues and
 * nothing else.
 *
 * If the bus refuses an access to a queue, no status can report it. The controller sets CSTS.CFS
 * and waits for a reset.
 */
#include "nvme.h"

/* After this many bytes, interrupts are raised even if more commands wait. */
#define SIGNAL_BYTES (64u << 10)

void nvmesim_fatal(struct nvmesim *n)
{
	n->running = false;
	n->ready = 0;
	nvmesim_csts(n, 0, NVME_CSTS_CFS);
}

static u32 nvmesim_queue_distance(u32 from, u32 to, u32 size)
{
	return to >= from ? to - from : to + (size - from);
}

/* Reads the head doorbell and accepts a valid value: it may not pass the tail. */
static void nvmesim_cq_look(struct nvmesim *n, u32 qid)
{
	struct nvme_cq *cq = &n->cq[qid];
	u32 head = __atomic_load_n(&n->bell.cq_head[qid], __ATOMIC_SEQ_CST);

	if (head == cq->head)
		return;
	if (head < cq->size && nvmesim_queue_distance(cq->head, head, cq->size) <=
				       nvmesim_queue_distance(cq->head, cq->tail, cq->size)) {
		cq->head = head;
		return;
	}
	/*
	 * reset the word, so that an invalid value is reported once; a later valid value differs
	 * from head
	 */
	__atomic_compare_exchange_n(&n->bell.cq_head[qid], &head, cq->head, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_RELAXED);
	dmamap_model_misuse(n->dev,
			    "the doorbell of completion queue %u was set to %u: the queue has %u "
			    "entries, and its head may not pass its tail",
			    qid, head, cq->size);
	nvmesim_event_raise(n, NVME_EVENT_BELL_VALUE);
}

static u32 nvmesim_cq_free(const struct nvme_cq *cq)
{
	return cq->size - 1 - nvmesim_queue_distance(cq->head, cq->tail, cq->size);
}

/* Returns how many completions fit. After 0, a move of the head wakes the worker. */
u32 nvmesim_cq_room(struct nvmesim *n, u32 qid)
{
	nvmesim_cq_look(n, qid);
	if (nvmesim_cq_free(&n->cq[qid]))
		return nvmesim_cq_free(&n->cq[qid]);
	__atomic_store_n(&n->bell.cq_waiting, 1, __ATOMIC_SEQ_CST);
	nvmesim_cq_look(n, qid);
	return nvmesim_cq_free(&n->cq[qid]);
}

void nvmesim_cq_post(struct nvmesim *n, u32 sq, u16 cid, u16 status, u32 result)
{
	u32 qid = n->sq[sq].cq;
	struct nvme_cq *cq = &n->cq[qid];
	struct nvme_cqe e = {
		.result = htole32(result),
		.sq_head = htole16((u16)n->sq[sq].head),
		.sq_id = htole16((u16)sq),
		.cid = htole16(cid),
		.status = htole16((u16)(status << 1 | cq->phase)),
	};

	if (dmamap_bus_write(n->dev, cq->base + ((u64)cq->tail << NVME_CQE_SHIFT), &e, sizeof(e))) {
		nvmesim_fatal(n);
		return;
	}
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase ^= 1;
	}
	n->unsignalled |= 1u << qid;
}

static void nvmesim_queue_interrupt(struct nvmesim *n, u32 vector)
{
	struct nvme_regs *r = &n->regs;
	bool masked;

	dmamap_model_lock(&r->lock);
	masked = r->int_mask & (1u << vector);
	if (masked)
		r->int_held |= 1u << vector;
	dmamap_model_unlock(&r->lock);
	if (!masked)
		dmamap_model_interrupt(n->dev, vector);
}

/* Raises interrupts for completions, except where the driver has already consumed all of them. */
void nvmesim_cq_signal(struct nvmesim *n)
{
	u32 qid, vectors = 0;

	for (; n->unsignalled; n->unsignalled &= n->unsignalled - 1) {
		qid = (u32)__builtin_ctz(n->unsignalled);
		if (n->cq[qid].interrupts && read_once(&n->bell.cq_head[qid]) != n->cq[qid].tail)
			vectors |= 1u << n->cq[qid].vector;
	}
	for (; vectors; vectors &= vectors - 1)
		nvmesim_queue_interrupt(n, (u32)__builtin_ctz(vectors));
	n->moved = 0;
}

static bool nvmesim_queue_retry_may_help(u16 status)
{
	return status == NVME_DATA_TRANSFER || status == NVME_ABORT_REQUESTED ||
	       status == NVME_INTERNAL || status == NVME_WRITE_FAULT || status == NVME_READ_ERROR ||
	       status == NVME_CAPACITY;
}

static void nvmesim_queue_execute(struct nvmesim *n, u32 qid, const struct nvme_sqe *raw)
{
	u32 cdw0 = le32toh(raw->cdw0);
	struct nvme_cmd c = {
		.raw = raw,
		.sq = (u16)qid,
		.opcode = (u8)cdw0,
		.cid = (u16)(cdw0 >> 16),
		.nsid = le32toh(raw->nsid),
		.cdw10 = le32toh(raw->cdw10),
		.cdw11 = le32toh(raw->cdw11),
		.cdw12 = le32toh(raw->cdw12),
		.cdw13 = le32toh(raw->cdw13),
	};
	u16 status;

	/* fused commands and scatter-gather lists are not supported */
	if (cdw0 & 0xc300)
		status = NVME_INVALID_FIELD;
	else
		status = qid ? nvmesim_io(n, &c) : nvmesim_admin(n, &c);
	if (status == NVME_HELD)
		return;
	if (status) {
		if (!nvmesim_queue_retry_may_help(status))
			status |= NVME_DNR;
		nvmesim_log_error(n, &c, status);
		status |= NVME_MORE;
		c.result = 0;
	}
	nvmesim_cq_post(n, qid, c.cid, status, c.result);
}

/* Returns how many commands to fetch in this turn: contiguous ones whose completions fit. */
static u32 nvmesim_sq_batch(struct nvmesim *n, u32 qid, u32 waiting)
{
	struct nvme_sq *sq = &n->sq[qid];
	u32 room, batch = waiting < NVME_BURST ? waiting : NVME_BURST;

	if (batch > sq->size - sq->head)
		batch = sq->size - sq->head;
	room = nvmesim_cq_room(n, sq->cq);
	if (!room)
		n->stalled |= 1ull << qid;
	return batch < room ? batch : room;
}

/*
 * Returns how many commands the doorbell announces. An invalid value counts as none and is reported
 * as an event.
 */
static u32 nvmesim_sq_waiting(struct nvmesim *n, u32 qid)
{
	struct nvme_sq *sq = &n->sq[qid];
	u32 tail;

	if (!sq->live) {
		dmamap_model_misuse(n->dev,
				    "the doorbell of submission queue %u was written: there is no "
				    "such queue",
				    qid);
		nvmesim_event_raise(n, NVME_EVENT_BELL_REGISTER);
		return 0;
	}
	tail = read_acquire(&n->bell.sq_tail[qid]);
	if (tail < sq->size)
		return nvmesim_queue_distance(sq->head, tail, sq->size);
	dmamap_model_misuse(n->dev,
			    "the doorbell of submission queue %u was set to %u: the queue has %u "
			    "entries",
			    qid, tail, sq->size);
	nvmesim_event_raise(n, NVME_EVENT_BELL_VALUE);
	return 0;
}

bool nvmesim_sq_run(struct nvmesim *n, u32 qid)
{
	struct nvme_sq *sq = &n->sq[qid];
	struct nvme_cq *cq = &n->cq[sq->cq];
	u32 i, waiting = nvmesim_sq_waiting(n, qid),
	       batch = waiting ? nvmesim_sq_batch(n, qid, waiting) : 0;

	if (!batch)
		return false;
	if (dmamap_bus_read(n->dev, sq->base + ((u64)sq->head << NVME_SQE_SHIFT), n->batch,
			    (size_t)batch << NVME_SQE_SHIFT)) {
		nvmesim_fatal(n);
		return false;
	}
	/* an abort writes a second completion, so check the free space before every command */
	for (i = 0; i < batch && nvmesim_cq_free(cq) && n->running && !nvmesim_called(n); i++) {
		sq->head = sq->head + 1 == sq->size ? 0 : sq->head + 1;
		nvmesim_queue_execute(n, qid, &n->batch[i]);
		if (n->moved >= SIGNAL_BYTES)
			nvmesim_cq_signal(n);
	}
	return n->running && i < waiting;
}
