/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "nvme_rig.h"
#include "nvme.h"
#include "base/error.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ADMIN_SQ (FAKE_BASE + 0x0000)
#define ADMIN_CQ (FAKE_BASE + 0x10000)
#define QUEUES	 (FAKE_BASE + 0x20000) /* twice 64 KiB for each up to number 7 */

int rig_image(char *path, size_t size, u64 bytes)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	snprintf(path, size, "%.32s/dmamap-nvme-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

void rig_open(struct rig *r, const char *key, const char *value)
{
	struct fake_arg args[] = {{"image", r->path}, {key, value}};

	memset(r, 0, sizeof(*r));
	fake_reset();
	r->fd = rig_image(r->path, sizeof(r->path), RIG_BLOCKS * 512ull);
	if (fake_create(&model_nvme, args, key ? 2 : 1, &r->model))
		fail_msg("%s", error_text());
}

void rig_close(struct rig *r)
{
	fake_destroy(&model_nvme, r->model);
	assert_int_equal(fake_held(), 0);
	close(r->fd);
	unlink(r->path);
}

u32 rig_read(struct rig *r, u64 offset)
{
	return (u32)model_nvme.read(r->model, 0, offset, 4);
}

void rig_write(struct rig *r, u64 offset, u32 value)
{
	model_nvme.write(r->model, 0, offset, 4, value);
}

static void wait_status(struct rig *r, u32 want)
{
	while (rig_read(r, NVME_REG_CSTS) != want)
		sched_yield();
}

void rig_enable(struct rig *r, u32 cc_extra)
{
	memset(fake_at(ADMIN_CQ), 0, 0x1000);
	r->admin = (struct rig_ring){
		.size = RIG_ADMIN_SIZE, .phase = 1, .sq = ADMIN_SQ, .cq = ADMIN_CQ};
	rig_write(r, NVME_REG_AQA, (RIG_ADMIN_SIZE - 1) * 0x10001u);
	model_nvme.write(r->model, 0, NVME_REG_ASQ, 8, ADMIN_SQ);
	model_nvme.write(r->model, 0, NVME_REG_ACQ, 8, ADMIN_CQ);
	rig_write(r, NVME_REG_CC, NVME_CC_EN | 6 << 16 | 4 << 20 | cc_extra);
	wait_status(r, NVME_CSTS_RDY);
}

void rig_disable(struct rig *r)
{
	rig_write(r, NVME_REG_CC, 0);
	wait_status(r, 0);
}

void rig_rest(struct rig *r)
{
	const struct nvmesim *n = r->model;

	while (!doorbell_idle(&n->bell.work))
		sched_yield();
}

void rig_start(struct rig *r)
{
	rig_open(r, NULL, NULL);
	rig_enable(r, 0);
}

void rig_ring_tail(struct rig *r, struct rig_ring *q)
{
	rig_write(r, 0x1000 + q->id * 8, q->tail);
}

void rig_put(struct rig *r, struct rig_ring *q, struct nvme_sqe *c)
{
	c->cdw0 = (c->cdw0 & 0xffff) | (u32)++r->cid << 16;
	memcpy(fake_at(q->sq + q->tail * 64ull), c, sizeof(*c));
	q->tail = (q->tail + 1) % q->size;
}

/* Reads the completion's last eight bytes at once, as a driver does. */
static u64 look(struct rig_ring *q)
{
	return read_acquire((u64 *)fake_at(q->cq + q->head * 16ull + 8));
}

bool rig_poll(struct rig_ring *q)
{
	return (look(q) >> 48 & 1) == q->phase;
}

u16 rig_take(struct rig *r, struct rig_ring *q, struct nvme_cqe *e)
{
	u64 word;

	while (!rig_poll(q))
		sched_yield();
	word = look(q);
	memcpy(&e->sq_head, &word, 8);
	word = read_acquire((u64 *)fake_at(q->cq + q->head * 16ull));
	memcpy(&e->result, &word, 8);
	r->result = e->result;
	if (++q->head == q->size) {
		q->head = 0;
		q->phase ^= 1;
	}
	rig_write(r, 0x1000 + q->id * 8 + 4, q->head);
	return e->status >> 1;
}

u16 rig_do(struct rig *r, struct rig_ring *q, struct nvme_sqe c)
{
	struct nvme_cqe e;
	u16 status;

	rig_put(r, q, &c);
	rig_ring_tail(r, q);
	status = rig_take(r, q, &e);
	assert_int_equal(e.cid, r->cid);
	assert_int_equal(e.sq_id, q->id);
	assert_int_equal(e.sq_head, q->tail);
	return status;
}

static u16 create(struct rig *r, u32 opcode, u32 id, u32 size, u64 at, u32 cdw11)
{
	return rig_do(r, &r->admin,
		      (struct nvme_sqe){.cdw0 = opcode,
					.prp1 = at,
					.cdw11 = cdw11,
					.cdw10 = (size - 1) << 16 | id});
}

u16 rig_create_cq(struct rig *r, u32 id, u32 size, u64 at, u32 cdw11)
{
	return create(r, NVME_ADMIN_CREATE_CQ, id, size, at, cdw11);
}

u16 rig_create_sq(struct rig *r, u32 id, u32 size, u64 at, u32 cdw11)
{
	return create(r, NVME_ADMIN_CREATE_SQ, id, size, at, cdw11);
}

struct rig_ring rig_queue(struct rig *r, u32 id, u32 size)
{
	struct rig_ring q = {.id = id, .size = size, .phase = 1};

	q.sq = QUEUES + (id - 1) * 0x20000ull;
	q.cq = q.sq + 0x10000;
	memset(fake_at(q.cq), 0, 0x4000);
	assert_int_equal(rig_create_cq(r, id, size, q.cq, id << 16 | 3), 0);
	assert_int_equal(rig_create_sq(r, id, size, q.sq, id << 16 | 1), 0);
	return q;
}

int rig_setup(void **state)
{
	static struct rig r;

	rig_start(&r);
	*state = &r;
	return 0;
}

int rig_teardown(void **state)
{
	rig_close(*state);
	return 0;
}
