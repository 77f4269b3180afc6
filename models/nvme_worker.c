/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller's thread: enable, reset and shutdown, and turns for the queues. It polls for a
 * short time before it sleeps, since a wake-up costs the driver a system call and both threads some
 * microseconds.
 */
#include "nvme.h"

#define LOOK_MAX_NS    20000 /* longest time to poll for more work before sleeping */
#define LOOK_MIN_NS    500
#define LOOK_TRY_AGAIN 16 /* number of sleeps after which the longest time is tried again */
#define RELAX_PER_LOOK 8

void nvmesim_ring(struct nvmesim *n, u64 pending)
{
	if (doorbell_post(&n->bell.work, pending))
		doorbell_wake(&n->bell.work);
}

/* Changes bits of the status register, which is written by this thread only. */
void nvmesim_csts(struct nvmesim *n, u32 clear, u32 set)
{
	write_release(&n->regs.csts, (n->regs.csts & ~clear) | set);
}

static bool nvmesim_worker_look(struct nvmesim *n, u64 until)
{
	int i;

	do {
		for (i = 0; i < RELAX_PER_LOOK; i++) {
			if (doorbell_pending(&n->bell.work))
				return true;
			util_relax();
		}
	} while (dmamap_model_clock() < until);
	return false;
}

/*
 * Polling helps if the driver runs on another processor, and delays the driver if it waits for this
 * one. The time adapts: it doubles after polling found work and halves after it did not.
 */
static bool nvmesim_worker_look_for_work(struct nvmesim *n)
{
	if (nvmesim_worker_look(n, dmamap_model_clock() + n->look_ns)) {
		n->look_ns = util_min(n->look_ns * 2, LOOK_MAX_NS);
		return true;
	}
	n->look_ns = util_max(n->look_ns / 2, LOOK_MIN_NS);
	if (++n->sleeps % LOOK_TRY_AGAIN == 0)
		n->look_ns = LOOK_MAX_NS;
	return false;
}

static void nvmesim_worker_wait_for_work(struct nvmesim *n)
{
	if (n->running && nvmesim_worker_look_for_work(n))
		return;
	doorbell_wait(&n->bell.work, NULL);
}

/* Resets everything except the admin queue's registers to the state at power-on. */
static void nvmesim_worker_controller_reset(struct nvmesim *n)
{
	n->started = false;
	n->running = false;
	n->ready = 0;
	n->stalled = 0;
	n->unsignalled = 0;
	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	memset(&n->events, 0, sizeof(n->events));
	dmamap_model_lock(&n->regs.lock);
	n->regs.int_mask = 0;
	n->regs.int_held = 0;
	dmamap_model_unlock(&n->regs.lock);
	nvmesim_csts(n, ~0u, 0);
}

static bool nvmesim_worker_start_ok(u32 cc, u32 aqa, u64 asq, u64 acq)
{
	u32 mps = NVME_CC_MPS(cc), sqes = NVME_CC_IOSQES(cc), cqes = NVME_CC_IOCQES(cc);

	if (NVME_CC_CSS(cc) || NVME_CC_AMS(cc) || mps > NVME_MPS_MAX)
		return false;
	/* 0 is allowed until the first I/O queue is created */
	if ((sqes && sqes != NVME_SQE_SHIFT) || (cqes && cqes != NVME_CQE_SHIFT))
		return false;
	if (!(aqa & 0xfff) || !(aqa >> 16) || !asq || !acq)
		return false;
	return !((asq | acq) & ((PAGE_BYTES << mps) - 1));
}

static void nvmesim_worker_controller_start(struct nvmesim *n, u32 cc, u32 aqa, u64 asq, u64 acq)
{
	u32 i;

	n->started = true;
	if (!nvmesim_worker_start_ok(cc, aqa, asq, acq)) {
		nvmesim_csts(n, 0, NVME_CSTS_CFS);
		return;
	}
	for (i = 0; i < NVME_QUEUES; i++) {
		write_once(&n->bell.sq_tail[i], 0);
		write_once(&n->bell.cq_head[i], 0);
	}
	n->page_bits = PAGE_BITS + NVME_CC_MPS(cc);
	n->sq[0] = (struct nvme_sq){.live = true, .size = (aqa & 0xfff) + 1, .base = asq};
	n->cq[0] = (struct nvme_cq){.live = true,
				    .interrupts = true,
				    .phase = 1,
				    .users = 1,
				    .size = (aqa >> 16) + 1,
				    .base = acq};
	nvmesim_features_reset(n);
	n->look_ns = LOOK_MAX_NS;
	n->running = true;
	nvmesim_csts(n, 0, NVME_CSTS_RDY);
}

static void nvmesim_worker_shutdown_step(struct nvmesim *n, u32 cc)
{
	u32 shst = n->regs.csts & NVME_CSTS_SHST_MASK;

	if (!NVME_CC_SHN(cc)) {
		nvmesim_csts(n, NVME_CSTS_SHST_MASK, 0);
	} else if (!shst) {
		nvmesim_csts(n, 0, NVME_CSTS_SHST_BUSY);
		nvmesim_image_flush(&n->image);
		nvmesim_csts(n, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	}
}

static void nvmesim_worker_control_step(struct nvmesim *n)
{
	struct nvme_regs *r = &n->regs;
	u32 cc, aqa, resets;
	u64 asq, acq;
	bool was_disabled;

	dmamap_model_lock(&r->lock);
	cc = r->cc;
	aqa = r->aqa;
	asq = r->asq;
	acq = r->acq;
	resets = r->resets;
	was_disabled = r->was_disabled;
	r->was_disabled = false;
	dmamap_model_unlock(&r->lock);

	if (was_disabled)
		nvmesim_worker_controller_reset(n);
	if ((cc & NVME_CC_EN) && !n->started)
		nvmesim_worker_controller_start(n, cc, aqa, asq, acq);
	nvmesim_worker_shutdown_step(n, cc);
	write_release(&n->bell.resets_done, resets);
}

static void nvmesim_worker_take_pending(struct nvmesim *n)
{
	u64 pending = doorbell_take(&n->bell.work);

	if (pending & NVME_PEND_CONTROL)
		nvmesim_worker_control_step(n);
	if (!n->running) {
		n->ready = 0;
		return;
	}
	n->ready |= pending & NVME_PEND_QUEUES;
	if (pending & NVME_PEND_BAD_BELL) {
		dmamap_model_misuse(n->dev,
				    "a doorbell beyond the last one was written: the device has %u "
				    "queues",
				    NVME_QUEUES);
		nvmesim_event_raise(n, NVME_EVENT_BELL_REGISTER);
	}
	if (pending & NVME_PEND_CQ_HEADS) {
		__atomic_store_n(&n->bell.cq_waiting, 0, __ATOMIC_SEQ_CST);
		n->ready |= n->stalled;
		n->stalled = 0;
	}
}

/* One turn for every queue that may have commands. */
static void nvmesim_worker_run_queues(struct nvmesim *n)
{
	u64 turn = n->ready;

	for (; turn && n->running && !nvmesim_called(n); turn &= turn - 1) {
		u32 qid = (u32)__builtin_ctzll(turn);

		if (!nvmesim_sq_run(n, qid))
			n->ready &= ~(1ull << qid);
	}
	nvmesim_event_deliver(n);
	nvmesim_cq_signal(n);
}

/* With threads=0. */
bool nvmesim_step(void *model)
{
	struct nvmesim *n = model;

	nvmesim_worker_take_pending(n);
	nvmesim_worker_run_queues(n);
	return n->ready || doorbell_pending(&n->bell.work);
}

void *nvmesim_worker(void *arg)
{
	struct nvmesim *n = arg;

	while (!read_once(&n->bell.work.stop)) {
		if (!n->ready && !doorbell_pending(&n->bell.work))
			nvmesim_worker_wait_for_work(n);
		nvmesim_worker_take_pending(n);
		nvmesim_worker_run_queues(n);
	}
	return NULL;
}
