/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pair of queues, for submission and completion.
 *
 * Invariants, under queue.lock:
 *
 * - in_flight slots have a request, the others are on the stack `free`; together they are depth -
 *   1. A ring of `depth` entries is full with depth - 1, so neither ring can overflow.
 * - A request is in a slot, in the waiting list, or finished; it is never lost.
 * - `seen` is the position of the next completion.
 *
 * A completion names its request by an identifier from the device. An identifier that is not in
 * flight is counted and skipped. One call processes at most `depth` completions, so a device that
 * completes continuously cannot occupy a thread forever.
 *
 * Callbacks and wake-ups run after the lock is released. One thread at a time waits for the
 * interrupt (`polling`); other threads that wait for the same queue sleep on `finished`.
 */
#include "drivers/nvme_private.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

#define SPIN	 2000 /* checks before a thread sleeps, about 10 µs */
#define RETRY_MS 1    /* interval of retries while nothing is in flight */
#define CHECK_MS 100  /* interval of checks of deadlines and of the controller's state */

/* Finished requests whose callbacks are still to be called. */
struct done_list {
	struct nvme_request *first, **end;
	int count;
};

static void nvme_done_add(struct done_list *d, struct nvme_request *req, int result)
{
	req->result = result;
	req->taken = true;
	req->next = NULL;
	*d->end = req;
	d->end = &req->next;
	d->count++;
}

/* The owner may free a request as soon as it is finished, so nothing of it is read after that. */
static int nvme_done_run(struct nvme_queue *q, struct done_list *d)
{
	struct nvme_request *req = d->first, *next;

	for (; req; req = next) {
		void (*done)(struct nvme_request *) = req->done;

		next = req->next;
		__atomic_store_n(&req->finished, true, __ATOMIC_RELEASE);
		if (done)
			done(req);
	}
	if (d->count) {
		pthread_mutex_lock(&q->lock);
		pthread_cond_broadcast(&q->finished);
		pthread_mutex_unlock(&q->lock);
	}
	return d->count;
}

bool nvme_finished(const struct nvme_request *req)
{
	return __atomic_load_n(&req->finished, __ATOMIC_ACQUIRE);
}

static void nvme_queue_seen_update(struct nvme_queue *q)
{
	__atomic_store_n(&q->seen, (u32)q->cq_head << 1 | q->phase, __ATOMIC_RELEASE);
}

/*
 * Whether the device has written the completion at `head`. Pairs with the device's store of that
 * word.
 */
static bool nvme_queue_is_new(const struct nvme_queue *q, u32 head, u32 phase, u32 *cid_status)
{
	*cid_status =
		(u32)(le64toh(__atomic_load_n(&q->cq[head].cid_status, __ATOMIC_ACQUIRE)) >> 32);
	return (*cid_status >> 16 & 1) == phase;
}

static void nvme_queue_doorbell(struct nvme_queue *q, bool completion, u32 value)
{
	struct nvme *nvme = q->nvme;
	u64 index = 2u * q->id + completion;

	dmamap_writel(nvme->dev, 0, REG_DOORBELLS + index * nvme->doorbell_stride, value);
}

static void nvme_queue_command_fill(struct nvme_command *c, const struct nvme_slot *slot,
				    const struct nvme_request *req)
{
	static const u8 opcode[] = {[NVME_READ] = IO_READ,
				    [NVME_WRITE] = IO_WRITE,
				    [NVME_FLUSH] = IO_FLUSH,
				    [NVME_WRITE_ZEROES] = IO_WRITE_ZEROES,
				    [NVME_DISCARD] = IO_DATASET};

	c->prp1 = htole64(slot->prp1);
	c->prp2 = htole64(slot->prp2);
	if (req->op == NVME_ADMIN) {
		c->opcode = (u8)req->admin[0];
		c->nsid = htole32(req->admin[1]);
		c->cdw10 = htole32(req->admin[2]);
		c->cdw11 = htole32(req->admin[3]);
		c->cdw12 = htole32(req->admin[4]);
		c->cdw13 = htole32(req->admin[5]);
		return;
	}
	c->opcode = opcode[req->op];
	c->nsid = htole32(1);
	if (req->op == NVME_DISCARD) {
		c->cdw10 = htole32(0); /* one range */
		c->cdw11 = htole32(4); /* deallocate */
	} else if (req->op != NVME_FLUSH) {
		c->cdw10 = htole32((u32)req->lba);
		c->cdw11 = htole32((u32)(req->lba >> 32));
		c->cdw12 = htole32(req->blocks - 1);
	}
}

/*
 * Maps a request and submits it to the device. Returns 0; -EAGAIN: not possible now; another error:
 * mapping can never succeed.
 */
static int nvme_queue_start(struct nvme_queue *q, struct nvme_request *req)
{
	struct nvme *nvme = q->nvme;
	struct nvme_command c = {0};
	struct nvme_slot *slot;
	u64 now;
	int err;
	u16 cid;

	if (!q->n_free)
		return -EAGAIN;
	cid = q->free[q->n_free - 1];
	slot = &q->slots[cid];
	err = nvme_map(nvme, slot, req);
	if (err == -ENOMEM) {
		now = nvme_now_ms();
		if (!req->since_ms)
			req->since_ms = now;
		if (now - req->since_ms >= nvme->options.retry_ms)
			return driver_fail_why(ENOMEM,
					       "%s: a request could not be mapped for %u ms",
					       dev_name(nvme->dev), nvme->options.retry_ms);
		__atomic_add_fetch(&nvme->retries, 1, __ATOMIC_RELAXED);
		q->retry_ms = now + RETRY_MS;
		return -EAGAIN;
	}
	if (err)
		return err;
	q->n_free--;
	slot->req = req;
	slot->deadline_ms = nvme_now_ms() + nvme->options.timeout_ms;
	nvme_queue_command_fill(&c, slot, req);
	c.cid = htole16(cid);
	q->sq[q->sq_tail] = c;
	q->sq_tail = (u16)(q->sq_tail + 1 == q->depth ? 0 : q->sq_tail + 1);
	q->in_flight++;
	nvme_queue_doorbell(q, false, q->sq_tail);
	return 0;
}

/* Starts waiting requests, oldest first, until one cannot be started. */
static void nvme_queue_start_waiting(struct nvme_queue *q, struct done_list *d)
{
	struct nvme_request *req;
	int err;

	while ((req = q->waiting)) {
		struct nvme_request *next = req->next;

		err = nvme_is_stopped(q->nvme) ? -ECANCELED : nvme_queue_start(q, req);
		if (err == -EAGAIN)
			return;
		q->waiting = next;
		if (!next)
			q->waiting_end = &q->waiting;
		if (err)
			nvme_done_add(d, req, err);
	}
}

/* Finishes all waiting requests; nothing is mapped for them. */
static void nvme_queue_waiting_fail(struct nvme_queue *q, struct done_list *d, int err)
{
	while (q->waiting) {
		struct nvme_request *req = q->waiting;

		q->waiting = req->next;
		nvme_done_add(d, req, err);
	}
	q->waiting_end = &q->waiting;
}

/* Finishes the request of a slot. */
static void nvme_queue_finish(struct nvme_queue *q, u16 cid, struct done_list *d, int result)
{
	struct nvme_slot *slot = &q->slots[cid];
	struct nvme_request *req = slot->req;

	nvme_unmap(q->nvme, slot, req);
	slot->req = NULL;
	q->free[q->n_free++] = cid;
	q->in_flight--;
	nvme_done_add(d, req, result);
}

static void nvme_queue_complete_one(struct nvme_queue *q, u32 cid_status, struct done_list *d)
{
	struct nvme_completion *c = &q->cq[q->cq_head];
	struct nvme_request *req;
	u16 cid = (u16)cid_status;

	if (cid >= q->depth - 1 || !q->slots[cid].req) {
		__atomic_add_fetch(&q->nvme->strays, 1, __ATOMIC_RELAXED);
		return;
	}
	req = q->slots[cid].req;
	req->status = (u16)(cid_status >> 17);
	req->value = (u32)le64toh(__atomic_load_n(&c->value, __ATOMIC_RELAXED));
	nvme_queue_finish(q, cid, d, nvme_status_errno(req->status));
}

/* Processes new completions. The caller holds the lock. */
static void nvme_queue_take_completions(struct nvme_queue *q, struct done_list *d)
{
	u32 cid_status, n;

	for (n = 0; n < q->depth && nvme_queue_is_new(q, q->cq_head, q->phase, &cid_status); n++) {
		nvme_queue_complete_one(q, cid_status, d);
		q->cq_head++;
		if (q->cq_head == q->depth) {
			q->cq_head = 0;
			q->phase ^= 1;
		}
	}
	if (n) {
		nvme_queue_seen_update(q);
		nvme_queue_doorbell(q, true, q->cq_head);
	}
}

/* Returns whether a command is overdue. The caller holds the lock. */
static bool nvme_queue_is_overdue(struct nvme_queue *q, u64 now)
{
	for (u32 i = 0; i < q->depth - 1u; i++) {
		if (q->slots[i].req && now >= q->slots[i].deadline_ms)
			return true;
	}
	return false;
}

/* Checks that the controller still works. The caller holds no lock. */
static void nvme_queue_check_controller(struct nvme *nvme, bool overdue)
{
	u32 csts = dmamap_readl(nvme->dev, 0, REG_CSTS);

	if (csts == ~0u)
		nvme_kill(nvme, EIO, "its registers read all ones");
	else if (csts & CSTS_FATAL)
		nvme_kill(nvme, EIO, "it reports a fatal error");
	/* A thread that stops the controller sets `stopped` first. */
	else if (!(csts & CSTS_READY) && !nvme_is_stopped(nvme))
		nvme_kill(nvme, EIO, "it was reset without the driver");
	else if (overdue)
		nvme_kill(nvme, ETIMEDOUT, "a command did not complete in time");
}

/* Finishes completed requests, starts waiting ones, and checks the controller at intervals. */
static int nvme_queue_process(struct nvme_queue *q)
{
	struct done_list d = {.end = &d.first};
	bool check, overdue;
	u64 now = nvme_now_ms();
	int n;

	pthread_mutex_lock(&q->lock);
	nvme_queue_take_completions(q, &d);
	if (q->waiting && nvme_is_interrupted(q->nvme))
		nvme_queue_waiting_fail(q, &d, -EINTR);
	if (q->waiting && (d.count || now >= q->retry_ms))
		nvme_queue_start_waiting(q, &d);
	check = now >= q->check_ms && (q->in_flight || q->waiting);
	overdue = check && nvme_queue_is_overdue(q, now);
	if (check)
		q->check_ms = now + CHECK_MS;
	pthread_mutex_unlock(&q->lock);
	n = nvme_done_run(q, &d);
	if (check)
		nvme_queue_check_controller(q->nvme, overdue);
	return n;
}

int nvme_queue_submit(struct nvme_queue *q, struct nvme_request *req)
{
	int err;

	req->next = NULL;
	req->finished = false;
	req->taken = false;
	req->result = 0;
	req->status = 0;
	req->value = 0;
	req->since_ms = 0;
	pthread_mutex_lock(&q->lock);
	if (nvme_is_stopped(q->nvme)) {
		pthread_mutex_unlock(&q->lock);
		return driver_fail(EIO, "%s: the controller is stopped", dev_name(q->nvme->dev));
	}
	err = q->waiting ? -EAGAIN : nvme_queue_start(q, req);
	if (err == -EAGAIN) {
		*q->waiting_end = req;
		q->waiting_end = &req->next;
		err = 0;
	}
	pthread_mutex_unlock(&q->lock);
	return err;
}

int nvme_poll(struct nvme *nvme, unsigned int queue)
{
	int n;

	if (!queue || queue >= nvme->n_queues)
		return driver_fail(EINVAL, "%s: no queue %u", dev_name(nvme->dev), queue);
	n = nvme_queue_process(&nvme->queue[queue]);
	return n || !nvme_is_dead(nvme) ? n : -EIO;
}

/* Returns whether a completion can be processed; checked without the lock. */
static bool nvme_queue_is_ready(struct nvme_queue *q)
{
	u32 seen = __atomic_load_n(&q->seen, __ATOMIC_ACQUIRE), cid_status;

	return nvme_queue_is_new(q, seen >> 1, seen & 1, &cid_status);
}

/*
 * Spins briefly, then sleeps until the interrupt or for `ms`. Returns false if a signal was
 * received.
 */
static bool nvme_queue_wait_interrupt(struct nvme_queue *q, int ms)
{
	struct pollfd p = {.fd = q->irq_fd, .events = POLLIN};
	u64 count;
	int n;

	for (int i = 0; i < SPIN; i++) {
		if (nvme_queue_is_ready(q))
			return true;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
	if (q->irq_fd < 0) {
		sched_yield();
		return true;
	}
	n = poll(&p, 1, ms);
	/* Only the thread that set `polling` reads the counter. */
	if (n > 0 && read(q->irq_fd, &count, sizeof(count)) < 0)
		return errno != EINTR;
	return n >= 0 || errno != EINTR;
}

/*
 * Time for which the polling thread may sleep. The caller holds the lock. -1: there is nothing to
 * wait for.
 */
static int nvme_queue_nap_ms(struct nvme_queue *q, u64 now, u64 end)
{
	u64 ms = CHECK_MS;

	if (!q->in_flight && !q->waiting)
		return -1;
	if (q->waiting && !q->in_flight)
		ms = RETRY_MS;
	return (int)(end - now < ms ? end - now : ms);
}

static void nvme_queue_sleep_until_finished(struct nvme_queue *q, int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long)ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&q->finished, &q->lock, &t);
}

/*
 * Waits once, for `req` or for any request. Returns 1: check again; 0: a signal was received; -1:
 * nothing is in flight or waiting, so nothing will complete.
 */
static int nvme_queue_wait_turn(struct nvme_queue *q, const struct nvme_request *req, u64 now,
				u64 end)
{
	bool poller, quiet;
	int ms;

	pthread_mutex_lock(&q->lock);
	ms = nvme_queue_nap_ms(q, now, end);
	if (ms < 0 || (req && req->taken)) {
		pthread_mutex_unlock(&q->lock);
		return ms < 0 ? -1 : 1;
	}
	poller = !q->polling;
	q->polling = true;
	if (!poller)
		nvme_queue_sleep_until_finished(q, ms);
	pthread_mutex_unlock(&q->lock);
	if (!poller)
		return 1;
	quiet = nvme_queue_wait_interrupt(q, ms);
	pthread_mutex_lock(&q->lock);
	q->polling = false;
	pthread_cond_broadcast(&q->finished);
	pthread_mutex_unlock(&q->lock);
	return quiet;
}

int nvme_wait(struct nvme *nvme, unsigned int queue, int timeout_ms)
{
	u64 now = nvme_now_ms(), end = timeout_ms < 0 ? UINT64_MAX : now + (u64)timeout_ms;
	struct nvme_queue *q;
	int n;

	if (!queue || queue >= nvme->n_queues)
		return driver_fail(EINVAL, "%s: no queue %u", dev_name(nvme->dev), queue);
	q = &nvme->queue[queue];
	for (;;) {
		n = nvme_queue_process(q);
		if (n)
			return n;
		if (nvme_is_dead(nvme))
			return -EIO;
		if (now >= end || nvme_queue_wait_turn(q, NULL, now, end) <= 0)
			return 0;
		now = nvme_now_ms();
	}
}

int nvme_queue_wait_request(struct nvme_queue *q, struct nvme_request *req)
{
	/*
	 * If the controller failed, the request is finished as well. The caller handles signals
	 * afterwards.
	 */
	while (!nvme_finished(req)) {
		if (!nvme_queue_process(q) &&
		    nvme_queue_wait_turn(q, req, nvme_now_ms(), UINT64_MAX) < 0)
			sched_yield(); /* another thread is about to mark it as finished */
	}
	return req->result;
}

void nvme_queue_fail_all(struct nvme_queue *q, int err)
{
	struct done_list d = {.end = &d.first};

	pthread_mutex_lock(&q->lock);
	for (u32 i = 0; q->in_flight && i < q->depth - 1u; i++) {
		if (q->slots[i].req)
			nvme_queue_finish(q, (u16)i, &d, err);
	}
	nvme_queue_waiting_fail(q, &d, err);
	pthread_mutex_unlock(&q->lock);
	nvme_done_run(q, &d);
}

static void nvme_queue_free(struct nvme_queue *q)
{
	struct device *dev = q->nvme->dev;

	for (u32 i = 0; q->slots && i < q->depth - 1u; i++)
		nvme_link_release(q->nvme, &q->slots[i]);
	kfree(q->free);
	kfree(q->slots);
	if (q->cq)
		dma_free_coherent(dev, q->depth * sizeof(*q->cq), q->cq, q->cq_addr);
	if (q->sq)
		dma_free_coherent(dev, q->depth * sizeof(*q->sq), q->sq, q->sq_addr);
	memset(q, 0, sizeof(*q));
}

int nvme_queue_init(struct nvme *nvme, struct nvme_queue *q, u16 id, u32 depth)
{
	pthread_condattr_t attr;

	*q = (struct nvme_queue){.nvme = nvme, .id = id, .depth = (u16)depth, .phase = 1};
	q->waiting_end = &q->waiting;
	q->irq_fd = dmamap_irq_fd(nvme->dev, id);
	if (q->irq_fd < 0)
		q->irq_fd = -1;
	q->sq = dma_alloc_coherent(nvme->dev, depth * sizeof(*q->sq), &q->sq_addr, GFP_KERNEL);
	q->cq = dma_alloc_coherent(nvme->dev, depth * sizeof(*q->cq), &q->cq_addr, GFP_KERNEL);
	q->slots = kcalloc(depth, sizeof(*q->slots), GFP_KERNEL);
	q->free = kcalloc(depth, sizeof(*q->free), GFP_KERNEL);
	if (!q->sq || !q->cq || !q->slots || !q->free) {
		driver_fail_why(ENOMEM, "%s: no memory for queue %u of %u entries",
				dev_name(nvme->dev), id, depth);
		nvme_queue_free(q);
		return -ENOMEM;
	}
	while (q->n_free < depth - 1) {
		q->free[q->n_free] = (u16)(depth - 2 - q->n_free);
		q->n_free++;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->finished, &attr);
	pthread_condattr_destroy(&attr);
	nvme_queue_seen_update(q);
	return 0;
}

void nvme_queue_fini(struct nvme_queue *q)
{
	pthread_cond_destroy(&q->finished);
	pthread_mutex_destroy(&q->lock);
	nvme_queue_free(q);
}
