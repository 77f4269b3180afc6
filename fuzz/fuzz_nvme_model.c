/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random registers, doorbells, ring entries, PRP lists and page permissions for the NVMe model on
 * the unit tests' fake bus. The input is a list of steps. After any steps the model must become
 * idle, hold no memory, and end when it is closed. Sanitizers check the rest.
 */
#include "fake_bus.h"
#include "nvme.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define IMAGE_BYTES (1u << 20)
#define STEPS_MAX   200
#define ADMIN_SQ    FAKE_BASE
#define ADMIN_CQ    (FAKE_BASE + 0x10000)
#define IO_SQ	    (FAKE_BASE + 0x20000)
#define IO_CQ	    (FAKE_BASE + 0x30000)
#define ENTRIES	    16u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct input {
	const u8 *p;
	size_t left;
};

static void take(struct input *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(to, 0, n);
	memcpy(to, in->p, have);
	in->p += have;
	in->left -= have;
}

static u32 take32(struct input *in)
{
	u32 v;

	take(in, &v, sizeof(v));
	return v;
}

/* Returns an address that is mostly in memory, on a page or near one; otherwise any address. */
static u64 some_address(u64 v)
{
	u64 page = (v >> 8) % (FAKE_BYTES / PAGE_BYTES) * PAGE_BYTES;

	switch (v & 7) {
	case 0:
		return v;
	case 1:
		return FAKE_BASE + page + (v >> 40) % PAGE_BYTES;
	case 2:
		return FAKE_BASE + page + PAGE_BYTES - 8;
	default:
		return FAKE_BASE + page;
	}
}

static void rest(struct nvmesim *n)
{
	while (!doorbell_idle(&n->bell.work))
		sched_yield();
}

static void reg(struct nvmesim *n, u64 offset, unsigned int bytes, u64 value)
{
	model_nvme.write(n, 0, offset, bytes, value);
}

static void enable(struct nvmesim *n)
{
	reg(n, NVME_REG_AQA, 4, (ENTRIES - 1) * 0x10001u);
	reg(n, NVME_REG_ASQ, 8, ADMIN_SQ);
	reg(n, NVME_REG_ACQ, 8, ADMIN_CQ);
	reg(n, NVME_REG_CC, 4, NVME_CC_EN | 6 << 16 | 4 << 20);
	rest(n);
}

struct queue {
	u64 sq;
	u32 id, tail;
};

static void submit(struct nvmesim *n, struct queue *q, const struct nvme_sqe *c)
{
	memcpy(fake_at(q->sq + q->tail * sizeof(*c)), c, sizeof(*c));
	q->tail = (q->tail + 1) % ENTRIES;
	reg(n, NVME_REG_DOORBELLS + q->id * 8, 4, q->tail);
	rest(n);
	/* what a driver would write after it has consumed all completions */
	reg(n, NVME_REG_DOORBELLS + q->id * 8 + 4, 4, n->cq[q->id].tail);
}

static void make_queue(struct nvmesim *n, struct queue *admin)
{
	struct nvme_sqe c = {.cdw0 = NVME_ADMIN_CREATE_CQ,
			     .prp1 = IO_CQ,
			     .cdw11 = 1 << 16 | 3,
			     .cdw10 = (ENTRIES - 1) << 16 | 1};

	submit(n, admin, &c);
	c.cdw0 = NVME_ADMIN_CREATE_SQ;
	c.prp1 = IO_SQ;
	c.cdw11 = 1 << 16 | 1;
	submit(n, admin, &c);
}

static void random_command(struct nvmesim *n, struct queue *q, struct input *in)
{
	struct nvme_sqe c;

	take(in, &c, sizeof(c));
	c.prp1 = some_address(c.prp1);
	c.prp2 = some_address(c.prp2);
	if (c.cdw2 & 1)
		c.cdw0 &= 0xffff000f;
	if (c.cdw2 & 2)
		c.nsid = 1;
	if (c.cdw2 & 4)
		c.cdw11 = 0;
	if (c.cdw2 & 8)
		c.cdw12 &= 0xff;
	submit(n, q, &c);
}

static void random_memory(struct input *in)
{
	u32 v = take32(in), count = v % 64, i;
	u64 at = FAKE_BASE + (v >> 6) % (FAKE_BYTES / 8 - 64) * 8;

	for (i = 0; i < count; i++)
		nvmesim_put_le64(fake_at(at + i * 8ull), 0,
				 some_address((u64)take32(in) << 8 | v % 8));
}

static void step(struct nvmesim *n, struct queue *admin, struct queue *io, struct input *in)
{
	u8 op;

	take(in, &op, 1);
	switch (op % 8) {
	case 0:
		reg(n, take32(in) % 0x2000 & ~3u, 4, take32(in));
		break;
	case 1:
		reg(n, take32(in) % 0x40 & ~7u, 8, (u64)take32(in) << 32 | take32(in));
		break;
	case 2:
		model_nvme.read(n, 0, take32(in) & ~7u, op & 8 ? 8 : 4);
		break;
	case 3:
		fake_allow(FAKE_BASE + (u64)(take32(in) % (FAKE_BYTES / PAGE_BYTES)) * PAGE_BYTES,
			   1, op >> 6);
		break;
	case 4:
		random_memory(in);
		break;
	case 5:
		random_command(n, admin, in);
		break;
	default:
		random_command(n, io, in);
		break;
	}
}

static const char *image_path(void)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("nvme-image", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, IMAGE_BYTES))
			abort();
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	return path;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fake_arg arg = {"image", image_path()};
	struct queue admin = {.sq = ADMIN_SQ}, io = {.sq = IO_SQ, .id = 1};
	struct input in = {data, size};
	void *model;
	int i;

	fake_reset();
	if (fake_create(&model_nvme, &arg, 1, &model))
		abort();
	enable(model);
	make_queue(model, &admin);
	for (i = 0; i < STEPS_MAX && in.left; i++)
		step(model, &admin, &io, &in);
	rest(model);
	fake_destroy(&model_nvme, model);
	if (fake_held())
		abort();
	return 0;
}
