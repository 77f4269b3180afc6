/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts. The server signals the device's eventfds directly; for an interrupt line it signals
 * an eventfd of the keeper. No message has more descriptors than the server has stated to accept.
 */
#include "vfuclient/private.h"
#include "base/error.h"

#include <string.h>

#define MESSAGE_FDS 32u /* descriptors of one message */

static const char *const kind_names[] = {"intx", "msi", "msix"};

static enum dmamap_irq_kind irq_public_kind(enum vfuser_irq kind)
{
	return kind == VFUSER_IRQ_MSIX	? DMAMAP_IRQ_MSIX
	       : kind == VFUSER_IRQ_MSI ? DMAMAP_IRQ_MSI
					: DMAMAP_IRQ_INTX;
}

/* Reads the number of interrupts of a kind. 0 or -errno; a kind that the server refuses has none.
 */
static int irq_read_count(struct vfuclient *c, enum vfuser_irq kind)
{
	const struct vfuser_irq_info ask = {.argsz = sizeof(ask), .index = kind};
	struct vfuser_irq_info info;
	struct vfuclient_call call = {.command = VFUSER_IRQ_INFO,
				      .request = &ask,
				      .request_size = sizeof(ask),
				      .reply = &info,
				      .reply_min = sizeof(info),
				      .reply_max = sizeof(info)};
	int err = vfuclient_call(c, &call);

	if (err)
		return err > 0 ? 0 : err;
	if (info.index != (u32)kind || (kind == VFUSER_IRQ_INTX && info.count > 1))
		return error_set(EPROTO,
				 "%s: the server describes %u interrupts of index %u "
				 "instead of index %u",
				 c->path, info.count, info.index, kind);
	if (!(info.flags & VFUSER_IRQ_EVENTFD) || !c->server.max_msg_fds)
		return 0;
	if (kind == VFUSER_IRQ_INTX)
		c->automask = info.flags & VFUSER_IRQ_AUTOMASK;
	c->vectors_of[kind] = (unsigned int)min_u64(info.count, VECTORS_MAX);
	return 0;
}

int vfuclient_irq_describe(struct vfuclient *c, const char *wanted)
{
	unsigned int limit = c->vectors_most;

	c->vectors_most = 0;
	/* read once: the eventfds are allocated by the same numbers */
	for (int kind = VFUSER_IRQ_MSIX; kind >= VFUSER_IRQ_INTX; kind--) {
		int err = irq_read_count(c, (enum vfuser_irq)kind);

		if (err)
			return err;
		c->vectors_most = (unsigned int)max_u64(c->vectors_most, c->vectors_of[kind]);
	}
	c->vectors_most = (unsigned int)min_u64(c->vectors_most, limit);
	for (int kind = VFUSER_IRQ_MSIX; kind >= VFUSER_IRQ_INTX; kind--) {
		if (wanted && strcmp(wanted, kind_names[kind]) != 0)
			continue;
		c->irq = (enum vfuser_irq)kind;
		c->vectors = (unsigned int)min_u64(c->vectors_of[kind], limit);
		if (c->vectors_of[kind])
			return 0;
	}
	return wanted ? error_set(ENOTSUP,
				  "%s: the device has no interrupts of kind irq=%s: choose another "
				  "irq=",
				  c->path, wanted)
		      : 0;
}

/* Sets or removes `count` interrupts from `start` on. 0, a positive errno of the server, or -EIO.
 */
static int vfuclient_irq_set(struct vfuclient *c, enum vfuser_irq kind, u32 flags, u32 start,
			     u32 count, const int *fds)
{
	const struct vfuser_set_irqs set = {.argsz = sizeof(set),
					    .flags = flags,
					    .index = kind,
					    .start = start,
					    .count = count};
	struct vfuclient_call call = {.command = VFUSER_SET_IRQS,
				      .request = &set,
				      .request_size = sizeof(set),
				      .fds = fds,
				      .n_fds = fds ? count : 0};

	return vfuclient_call(c, &call);
}

static int irq_set_eventfds(struct vfuclient *c, enum vfuser_irq kind, const int *fds, u32 n)
{
	u32 part = (u32)min_u64(min_u64(c->server.max_msg_fds, MESSAGE_FDS), VFUSER_FDS_MAX);
	int err = 0;

	for (u32 at = 0, now; at < n && !err; at += now) {
		now = (u32)min_u64(n - at, part);
		err = vfuclient_irq_set(c, kind, VFUSER_SET_EVENTFD | VFUSER_SET_TRIGGER, at, now,
					fds + at);
	}
	return err;
}

void vfuclient_irq_unmask(struct vfuclient *c)
{
	if (c->automask && !vfuclient_is_dead(c))
		vfuclient_irq_set(c, VFUSER_IRQ_INTX, VFUSER_SET_NONE | VFUSER_SET_UNMASK, 0, 1,
				  NULL);
}

/* 0, a positive errno of the server, or -EIO. */
static int irq_start(struct vfuclient *c, enum vfuser_irq kind, unsigned int n)
{
	/* the keeper forwards the line and records that its handler has to run */
	const int *fds = kind == VFUSER_IRQ_INTX ? &c->intx_fd : c->dev->irq_fd;
	int err;

	device_irq_begin(c->dev, irq_public_kind(kind), n);
	err = irq_set_eventfds(c, kind, fds, n);
	if (!err) {
		c->irq = kind;
		c->vectors = n;
		c->irq_on = n > 0;
	}
	return err;
}

int vfuclient_irq_connect(struct vfuclient *c)
{
	int err = irq_start(c, c->irq, c->vectors);

	return err > 0 ? error_set(err, "%s: the server cannot set up %u interrupts: %s",
				   c->dev->name, c->vectors, strerror(err))
		       : err;
}

int vfuclient_irq_setup(struct vfuclient *c, enum vfuser_irq kind, unsigned int vectors)
{
	unsigned int most = (unsigned int)min_u64(c->vectors_of[kind], c->vectors_most),
		     n = (unsigned int)min_u64(vectors, most), had = c->vectors;
	enum vfuser_irq was = c->irq;
	int err;

	if (vfuclient_is_dead(c))
		return vfuclient_error(c);
	if (!n)
		return error_set(EOPNOTSUPP, "%s: the device has no interrupts of the kind %s",
				 c->dev->name, kind_names[kind]);
	vfuclient_irq_stop(c);
	err = irq_start(c, kind, n);
	if (!err)
		return (int)n;
	if (err < 0)
		return err;
	irq_start(c, was, had);
	return error_set(err, "%s: %u interrupts of the kind %s: %s", c->dev->name, n,
			 kind_names[kind], strerror(err));
}

void vfuclient_irq_stop(struct vfuclient *c)
{
	if (c->irq_on && !vfuclient_is_dead(c))
		vfuclient_irq_set(c, c->irq, VFUSER_SET_NONE | VFUSER_SET_TRIGGER, 0, 0, NULL);
	c->irq_on = false;
}

void vfuclient_irq_all(struct vfuclient *c)
{
	for (unsigned int i = 0; i < c->dev->n_irq_fd; i++)
		device_interrupt(c->dev, i);
}
