/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVM Express 1.4 controller (PCI 1b36:0010) whose namespace 1 is a file. This file creates and
 * destroys the controller and implements the register accesses of the driver's threads; nvme.h
 * states which thread may access which field.
 */
#include "nvme.h"

#include <sched.h>

static u64 nvmesim_capabilities(void)
{
	return (NVME_ENTRIES_MAX - 1) | NVME_CAP_CQR | (40ull << NVME_CAP_TO_SHIFT) |
	       NVME_CAP_CSS_NVM | NVME_CAP_MPSMAX(NVME_MPS_MAX);
}

static u32 nvmesim_read_locked(struct nvmesim *n, u64 offset)
{
	switch (offset) {
	case NVME_REG_CAP:
		return (u32)nvmesim_capabilities();
	case NVME_REG_CAP + 4:
		return (u32)(nvmesim_capabilities() >> 32);
	case NVME_REG_VS:
		return NVME_VERSION_1_4;
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return n->regs.int_mask;
	case NVME_REG_CC:
		return n->regs.cc;
	case NVME_REG_AQA:
		return n->regs.aqa;
	case NVME_REG_ASQ:
		return (u32)n->regs.asq;
	case NVME_REG_ASQ + 4:
		return (u32)(n->regs.asq >> 32);
	case NVME_REG_ACQ:
		return (u32)n->regs.acq;
	case NVME_REG_ACQ + 4:
		return (u32)(n->regs.acq >> 32);
	case NVME_REG_NSSR:
	case NVME_REG_CMBLOC:
	case NVME_REG_CMBSZ:
		return 0;
	default:
		return UINT32_MAX;
	}
}

static u32 nvmesim_read_reg(struct nvmesim *n, u64 offset)
{
	u32 value;

	/* the specification defines a read of a doorbell as 0 */
	if (offset >= NVME_REG_DOORBELLS)
		return offset - NVME_REG_DOORBELLS < NVME_QUEUES * 8 ? 0 : UINT32_MAX;
	/* without the lock: a driver that polls CSTS must not delay the worker */
	if (offset == NVME_REG_CSTS)
		return read_acquire(&n->regs.csts);
	dmamap_model_lock(&n->regs.lock);
	value = nvmesim_read_locked(n, offset);
	dmamap_model_unlock(&n->regs.lock);
	return value;
}

static u64 nvmesim_read(void *model, int bar, u64 offset, unsigned int size)
{
	u64 low;

	if (bar != 0)
		return size == 4 ? UINT32_MAX : UINT64_MAX;
	low = nvmesim_read_reg(model, offset);
	return size == 4 ? low : low | ((u64)nvmesim_read_reg(model, offset + 4) << 32);
}

static void nvmesim_doorbell(struct nvmesim *n, u64 index, u32 value)
{
	u64 qid = index / 2;

	if (qid >= NVME_QUEUES) {
		nvmesim_ring(n, NVME_PEND_BAD_BELL);
	} else if (index % 2) {
		/* pairs with the store of cq_waiting in nvmesim_cq_room() */
		__atomic_store_n(&n->bell.cq_head[qid], value, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&n->bell.cq_waiting, __ATOMIC_SEQ_CST))
			nvmesim_ring(n, NVME_PEND_CQ_HEADS);
	} else {
		write_release(&n->bell.sq_tail[qid], value);
		nvmesim_ring(n, 1ull << qid);
	}
}

/* Unmasks vectors. Returns those with a pending interrupt, which the caller raises. */
static u32 nvmesim_unmask(struct nvme_regs *r, u32 bits)
{
	u32 due = r->int_held & bits;

	r->int_mask &= ~bits;
	r->int_held &= ~bits;
	return due;
}

static void nvmesim_half_write(u64 *reg, bool high, u32 value)
{
	if (high)
		*reg = (*reg & UINT32_MAX) | ((u64)value << 32);
	else
		*reg = (*reg & ~(u64)UINT32_MAX) | (value & ~0xfffu);
}

/* Returns the NVME_PEND_* bits to set for the worker. */
static u64 nvmesim_write_locked(struct nvme_regs *r, u64 offset, u32 value, u32 *due)
{
	switch (offset) {
	case NVME_REG_INTMS:
		r->int_mask |= value;
		return 0;
	case NVME_REG_INTMC:
		*due = nvmesim_unmask(r, value);
		return 0;
	case NVME_REG_CC:
		value &= NVME_CC_WRITABLE;
		if ((r->cc & ~value) & NVME_CC_EN)
			r->was_disabled = true;
		write_once(&r->cc, value);
		return NVME_PEND_CONTROL;
	case NVME_REG_AQA:
		r->aqa = value & 0x0fff0fffu;
		return 0;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		nvmesim_half_write(&r->asq, offset != NVME_REG_ASQ, value);
		return 0;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		nvmesim_half_write(&r->acq, offset != NVME_REG_ACQ, value);
		return 0;
	default:
		return 0;
	}
}

static void nvmesim_write_reg(struct nvmesim *n, u64 offset, u32 value)
{
	u32 due = 0;
	u64 wake;

	if (offset >= NVME_REG_DOORBELLS) {
		nvmesim_doorbell(n, (offset - NVME_REG_DOORBELLS) / 4, value);
		return;
	}
	dmamap_model_lock(&n->regs.lock);
	wake = nvmesim_write_locked(&n->regs, offset, value, &due);
	dmamap_model_unlock(&n->regs.lock);
	if (wake)
		nvmesim_ring(n, wake);
	for (; due; due &= due - 1)
		dmamap_model_interrupt(n->dev, (unsigned int)__builtin_ctz(due));
}

static void nvmesim_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	if (bar != 0)
		return;
	nvmesim_write_reg(model, offset, (u32)value);
	if (size == 8)
		nvmesim_write_reg(model, offset + 4, (u32)(value >> 32));
}

/*
 * Disables the controller and sets its registers to their initial values. The worker makes no
 * access after it has processed this.
 */
static void nvmesim_reset(void *model, enum dmamap_reset_kind kind)
{
	struct nvmesim *n = model;
	struct nvme_regs *r = &n->regs;
	u32 resets;

	dmamap_model_lock(&r->lock);
	write_once(&r->cc, 0);
	r->aqa = 0;
	r->asq = r->acq = 0;
	r->was_disabled = true;
	resets = ++r->resets;
	dmamap_model_unlock(&r->lock);
	nvmesim_ring(n, NVME_PEND_CONTROL);
	if (n->stepped)
		nvmesim_step(n);
	while (read_acquire(&n->bell.resets_done) != resets)
		sched_yield(); /* the worker never waits for a driver */
}

/* The order of nvme_keys. */
enum { KEY_IMAGE, KEY_QUEUES, KEY_READONLY, KEY_SERIAL };

static int nvmesim_parse_serial(struct nvmesim *n, const char *text)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len && text[i] >= 0x20 && text[i] < 0x7f; i++)
		;
	if (i < len)
		return dmamap_model_error(EINVAL,
					  "sim:nvme cannot have serial=%s: a serial number has 1 "
					  "to %d printable ASCII characters",
					  text, NVME_SERIAL_MAX);
	memcpy(n->serial, text, len + 1);
	return 0;
}

static int nvmesim_take_values(struct nvmesim *n, const struct dmamap_model_value *v)
{
	int err = nvmesim_parse_serial(n, v[KEY_SERIAL].text);

	if (err)
		return err;
	n->io_queues_max = (u32)v[KEY_QUEUES].number;
	if (!v[KEY_IMAGE].text)
		return dmamap_model_error(
			EINVAL, "sim:nvme has no image: name the file that is its disk, as in "
				"sim:nvme,image=disk.img");
	return nvmesim_image_open(&n->image, v[KEY_IMAGE].text, v[KEY_READONLY].number);
}

static int nvmesim_create(struct device *dev, const struct dmamap_model_value *values, void **model)
{
	struct nvmesim *n = dmamap_model_alloc(sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->dev = dev;
	n->stepped = dmamap_model_stepped(dev);
	err = nvmesim_take_values(n, values);
	if (err)
		goto free_model;
	if (!n->stepped)
		err = dmamap_model_thread_start(&n->thread, nvmesim_worker, n, "sim:nvme");
	if (err)
		goto close_image;
	*model = n;
	return 0;

close_image:
	nvmesim_image_close(&n->image);
free_model:
	dmamap_model_free(n);
	return err;
}

static void nvmesim_destroy(void *model)
{
	struct nvmesim *n = model;

	write_once(&n->bell.work.stop, 1);
	nvmesim_ring(n, NVME_PEND_CONTROL);
	if (!n->stepped)
		pthread_join(n->thread, NULL);
	nvmesim_image_close(&n->image);
	dmamap_model_free(n);
}

static const struct dmamap_model_key nvme_keys[] = {
	[KEY_IMAGE] = {.name = "image",
		       .type = DMAMAP_MODEL_FILE,
		       .help = "the file that is the disk; required"},
	[KEY_QUEUES] = {.name = "queues",
			.type = DMAMAP_MODEL_U64,
			.help = "the number of I/O queues that it has",
			.default_value = "16",
			.least = 1,
			.most = NVME_IO_QUEUES},
	[KEY_READONLY] = {.name = "readonly",
			  .type = DMAMAP_MODEL_BOOL,
			  .help = "1: the image is not written",
			  .default_value = "0"},
	[KEY_SERIAL] = {.name = "serial",
			.type = DMAMAP_MODEL_STRING,
			.help = "the serial number, in printable ASCII",
			.default_value = "dmamap-1",
			.least = 1,
			.most = NVME_SERIAL_MAX},
};

_Static_assert(NVME_IO_QUEUES == 16, "the default of queues=");

const struct dmamap_model_ops model_nvme = {
	DMAMAP_MODEL_HEAD,
	.flags = DMAMAP_MODEL_OWN_THREADS,
	.name = "nvme",
	.help = "an NVM Express controller (PCI 1b36:0010) whose disk is a file",
	.keys = nvme_keys,
	.n_keys = ARRAY_SIZE(nvme_keys),
	.pci = {.vendor = 0x1b36,
		.device = 0x0010,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0x010802,
		.revision = 2,
		.msix = NVME_VECTORS,
		.table_offset = 0x2000,
		.pba_offset = 0x3000,
		.express = true},
	.region = {{.size = 16384, .flags = DMAMAP_BAR_64BIT, .access = 4 | 8}},
	.create = nvmesim_create,
	.destroy = nvmesim_destroy,
	.read = nvmesim_read,
	.write = nvmesim_write,
	.reset = nvmesim_reset,
	.step = nvmesim_step,
};
