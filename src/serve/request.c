/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The requests of a client. A handler returns 0 or a positive errno for the reply. The payload of
 * the reply is in s->out, and its size in r->out.
 */
#include "base/error.h"
#include "serve/served.h"

#include <string.h>

struct request {
	struct vfuser_message *m;
	const u8 *in; /* the payload: at least what the table below states */
	u32 size;
	u32 out;
	int fd; /* sent with the reply, and remains open; -1: none */
};

static int request_dma_map(struct served *s, struct request *r)
{
	struct vfuser_dma_map map;

	memcpy(&map, r->in, sizeof(map));
	if (r->m->n_fds > 1)
		return EINVAL;
	return window_map(s, &map, r->m->n_fds ? r->m->fds[0] : -1);
}

/* A bitmap of dirty pages exists only for migration. */
static int request_dma_unmap(struct served *s, struct request *r)
{
	struct vfuser_dma_unmap unmap;
	int err = 0;

	memcpy(&unmap, r->in, sizeof(unmap));
	if (unmap.argsz < sizeof(unmap) || unmap.flags & ~VFUSER_UNMAP_ALL)
		return unmap.flags & VFUSER_UNMAP_BITMAP ? EOPNOTSUPP : EINVAL;
	if (!(unmap.flags & VFUSER_UNMAP_ALL))
		err = window_unmap(s, unmap.address, unmap.size);
	else if (unmap.address || unmap.size)
		err = EINVAL;
	else
		window_unmap_all(s);
	memcpy(s->out, r->in, sizeof(unmap));
	r->out = sizeof(unmap);
	return err;
}

static int request_device_info(struct served *s, struct request *r)
{
	struct vfuser_device_info info;

	memcpy(&info, r->in, sizeof(info));
	if (info.argsz < sizeof(info))
		return EINVAL;
	info = (struct vfuser_device_info){.argsz = sizeof(info),
					   .flags = VFUSER_DEVICE_PCI | VFUSER_DEVICE_RESET,
					   .regions = VFUSER_REGIONS,
					   .irqs = SERVE_IRQS};
	memcpy(s->out, &info, sizeof(info));
	r->out = sizeof(info);
	return 0;
}

static int request_region_info(struct served *s, struct request *r)
{
	struct vfuser_region_info info;
	u64 size;

	memcpy(&info, r->in, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFUSER_REGIONS)
		return EINVAL;
	size = region_size(s, info.index);
	info = (struct vfuser_region_info){
		.argsz = sizeof(info),
		.flags = size ? VFUSER_REGION_READABLE | VFUSER_REGION_WRITABLE : 0,
		.index = info.index,
		.size = size};
	/* a device that is opened again has other memory */
	if (size >= PAGE_BYTES && info.index < DEVICE_BARS && served_device_can_reset(s) &&
	    dmamap_bar_map(s->dev, (int)info.index, &r->fd))
		info.flags |= VFUSER_REGION_MMAP;
	memcpy(s->out, &info, sizeof(info));
	r->out = sizeof(info);
	return 0;
}

/* No region has a part that the kernel could signal. */
static int request_region_io_fds(struct served *s, struct request *r)
{
	struct vfuser_region_io_fds info;

	memcpy(&info, r->in, sizeof(info));
	if (info.argsz < sizeof(info) || info.flags || info.index >= VFUSER_REGIONS)
		return EINVAL;
	info.argsz = sizeof(info);
	info.count = 0;
	memcpy(s->out, &info, sizeof(info));
	r->out = sizeof(info);
	return 0;
}

static int request_irq_info(struct served *s, struct request *r)
{
	struct vfuser_irq_info info;

	memcpy(&info, r->in, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= SERVE_IRQS)
		return EINVAL;
	info.argsz = sizeof(info);
	info.count = s->irqs.count[info.index];
	info.flags = info.count ? VFUSER_IRQ_EVENTFD : 0;
	if (info.index == VFUSER_IRQ_INTX && info.count)
		info.flags |= VFUSER_IRQ_MASKABLE | VFUSER_IRQ_AUTOMASK;
	memcpy(s->out, &info, sizeof(info));
	r->out = sizeof(info);
	return 0;
}

static int request_set_irqs(struct served *s, struct request *r)
{
	struct vfuser_set_irqs set;

	memcpy(&set, r->in, sizeof(set));
	return irq_set(s, &set, r->in + sizeof(set), r->size - (u32)sizeof(set), r->m);
}

static int request_region_read(struct served *s, struct request *r)
{
	struct vfuser_region_access a;
	int err;

	memcpy(&a, r->in, sizeof(a));
	if (a.count > s->peer.max_data_xfer_size)
		return EINVAL;
	err = region_read(s, &a, s->out + sizeof(a));
	if (err)
		return err;
	memcpy(s->out, &a, sizeof(a));
	r->out = (u32)sizeof(a) + a.count;
	return 0;
}

static int request_region_write(struct served *s, struct request *r)
{
	struct vfuser_region_access a;
	int err;

	memcpy(&a, r->in, sizeof(a));
	if (r->size - sizeof(a) != a.count)
		return EINVAL;
	err = region_write(s, &a, r->in + sizeof(a));
	memcpy(s->out, &a, sizeof(a));
	r->out = sizeof(a);
	return err;
}

static int request_write_multi(struct served *s, struct request *r)
{
	struct vfuser_write_one one;
	u64 n, i;
	int err = 0;

	memcpy(&n, r->in, sizeof(n));
	if ((r->size - sizeof(n)) % sizeof(one) || (r->size - sizeof(n)) / sizeof(one) != n)
		return EINVAL;
	for (i = 0; i < n && !err; i++) {
		struct vfuser_region_access a;

		memcpy(&one, r->in + sizeof(n) + i * sizeof(one), sizeof(one));
		a = (struct vfuser_region_access){one.offset, one.region, one.count};
		err = one.count > sizeof(one.data) ? EINVAL : region_write(s, &a, one.data);
	}
	memcpy(s->out, &i, sizeof(i));
	r->out = sizeof(i);
	return err;
}

static int request_reset(struct served *s, struct request *r)
{
	return -served_device_reset(s);
}

static const struct {
	int (*run)(struct served *s, struct request *r);
	u32 size; /* of the payload, at least */
} requests[VFUSER_COMMANDS] = {
	[VFUSER_DMA_MAP] = {request_dma_map, sizeof(struct vfuser_dma_map)},
	[VFUSER_DMA_UNMAP] = {request_dma_unmap, sizeof(struct vfuser_dma_unmap)},
	[VFUSER_DEVICE_INFO] = {request_device_info, sizeof(struct vfuser_device_info)},
	[VFUSER_REGION_INFO] = {request_region_info, sizeof(struct vfuser_region_info)},
	[VFUSER_REGION_IO_FDS] = {request_region_io_fds, sizeof(struct vfuser_region_io_fds)},
	[VFUSER_IRQ_INFO] = {request_irq_info, sizeof(struct vfuser_irq_info)},
	[VFUSER_SET_IRQS] = {request_set_irqs, sizeof(struct vfuser_set_irqs)},
	[VFUSER_REGION_READ] = {request_region_read, sizeof(struct vfuser_region_access)},
	[VFUSER_REGION_WRITE] = {request_region_write, sizeof(struct vfuser_region_access)},
	[VFUSER_RESET] = {request_reset, 0},
	[VFUSER_WRITE_MULTI] = {request_write_multi, sizeof(u64)},
};

/* 0, or a positive errno. */
static int request_run(struct served *s, struct request *r)
{
	u16 command = r->m->head.command;

	if (command == VFUSER_VERSION)
		return EINVAL; /* only the first message */
	if (command >= VFUSER_COMMANDS || !requests[command].run)
		return EOPNOTSUPP;
	if (r->size < requests[command].size)
		return EINVAL;
	if (r->m->n_fds && command != VFUSER_DMA_MAP && command != VFUSER_SET_IRQS)
		return EINVAL;
	return requests[command].run(s, r);
}

void request_execute(struct served *s, struct vfuser_message *m)
{
	struct request r = {.m = m, .in = m->data, .size = m->size, .fd = -1};
	struct vfuser_header head = {
		.id = m->head.id, .command = m->head.command, .flags = VFUSER_REPLY};
	int err = request_run(s, &r);

	serve_count(s, requests);
	vfuser_message_close(m);
	if (err) {
		serve_count(s, failed);
		head.flags |= VFUSER_ERROR;
		head.error = (u32)err;
		r.out = 0;
	}
	if (!(m->head.flags & VFUSER_NO_REPLY))
		serve_link_send(&s->link, head, s->out, r.out, &r.fd, !err && r.fd >= 0);
}
