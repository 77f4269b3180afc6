/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVM Express 1.4 controller (PCI 1b36:0010) whose namespace 1 is a file. This file creates and
 * destroys the controller and implements the register accesses of the driver's threads; nvme.h
 * states which thread may access which field.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "nvme.h"
#include "thread.h"

#include <stdlib.h>

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
	lock_acquire(&n->regs.lock);
	value = nvmesim_read_locked(n, offset);
	lock_release(&n->regs.lock);
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
	lock_acquire(&n->regs.lock);
	wake = nvmesim_write_locked(&n->regs, offset, value, &due);
	lock_release(&n->regs.lock);
	if (wake)
		nvmesim_ring(n, wake);
	for (; due; due &= due - 1)
		model_interrupt(n->dev, (unsigned int)__builtin_ctz(due));
}

static void nvmesim_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	if (bar != 0)
		return;
	nvmesim_write_reg(model, offset, (u32)value);
	if (size == 8)
		nvmesim_write_reg(model, offset + 4, (u32)(value >> 32));
}

static int nvmesim_parse_queues(struct nvmesim *n, const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || v < 1 || v > NVME_IO_QUEUES)
		return error_set(
			EINVAL,
			"sim:nvme cannot have queues=%s: give a number of I/O queues from 1 to %d",
			text, NVME_IO_QUEUES);
	n->io_queues_max = (u32)v;
	return 0;
}

static int nvmesim_parse_readonly(const char *text, bool *readonly)
{
	if ((text[0] != '0' && text[0] != '1') || text[1])
		return error_set(EINVAL, "sim:nvme cannot have readonly=%s: it must be 0 or 1",
				 text);
	*readonly = text[0] == '1';
	return 0;
}

static int nvmesim_parse_serial(struct nvmesim *n, const char *text)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len && text[i] >= 0x20 && text[i] < 0x7f; i++)
		;
	if (!len || len > NVME_SERIAL_MAX || i < len)
		return error_set(EINVAL,
				 "sim:nvme cannot have serial=%s: a serial number has 1 to %d "
				 "printable ASCII characters",
				 text, NVME_SERIAL_MAX);
	memcpy(n->serial, text, len + 1);
	return 0;
}

static int nvmesim_parse_args(struct nvmesim *n, const struct model_arg *args, int n_args)
{
	const char *path = NULL;
	bool readonly = false;
	int i, err = 0;

	for (i = 0; i < n_args && !err; i++) {
		if (!strcmp(args[i].key, "image"))
			path = args[i].value;
		else if (!strcmp(args[i].key, "queues"))
			err = nvmesim_parse_queues(n, args[i].value);
		else if (!strcmp(args[i].key, "readonly"))
			err = nvmesim_parse_readonly(args[i].value, &readonly);
		else if (!strcmp(args[i].key, "serial"))
			err = nvmesim_parse_serial(n, args[i].value);
	}
	if (err)
		return err;
	if (!path)
		return error_set(EINVAL,
				 "sim:nvme has no image: name the file that is its disk, as in "
				 "sim:nvme,image=disk.img");
	return nvmesim_image_open(&n->image, path, readonly);
}

static int nvmesim_create(struct device *dev, const struct model_arg *args, int n_args,
			  void **model)
{
	struct nvmesim *n = alloc_aligned(64, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->dev = dev;
	n->io_queues_max = NVME_IO_QUEUES;
	memcpy(n->serial, "dmamap-1", sizeof("dmamap-1"));
	err = nvmesim_parse_args(n, args, n_args);
	if (err)
		goto free_model;
	err = model_thread_start(&n->thread, nvmesim_worker, n, "sim:nvme");
	if (err)
		goto close_image;
	*model = n;
	return 0;

close_image:
	nvmesim_image_close(&n->image);
free_model:
	alloc_free(n);
	return err;
}

static void nvmesim_destroy(void *model)
{
	struct nvmesim *n = model;

	write_once(&n->bell.work.stop, 1);
	nvmesim_ring(n, NVME_PEND_CONTROL);
	pthread_join(n->thread, NULL);
	nvmesim_image_close(&n->image);
	alloc_free(n);
}

static const char *const nvme_keys[] = {"image", "queues", "readonly", "serial", NULL};

static const struct model_pci nvme_pci = {
	.vendor = 0x1b36,
	.device = 0x0010,
	.subsystem_vendor = 0x1af4,
	.subsystem = 0x1100,
	.class_code = 0x010802,
	.revision = 2,
	.msix = NVME_VECTORS,
	.msix_table = 0x2000,
	.msix_pending = 0x3000,
	.express = true,
	.bar = {{.size = 16384, .flags = DMAMAP_BAR_64BIT}},
};

const struct model_ops model_nvme = {
	.name = "nvme",
	.keys = nvme_keys,
	.pci = &nvme_pci,
	.vectors = NVME_VECTORS,
	.create = nvmesim_create,
	.destroy = nvmesim_destroy,
	.read = nvmesim_read,
	.write = nvmesim_write,
};
