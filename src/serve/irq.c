/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: the model's thread writes to the client's eventfds. Only eventfds are accepted, and
 * they are made non-blocking, so that a client cannot block the model.
 *
 * The interrupt line is a level. A signal masks it; after the client has unmasked it, it is
 * signalled again if it is still asserted (device_line_rearm()).
 */
#include "base/alloc.h"
#include "base/error.h"
#include "serve/served.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CAP_MSI	 0x05
#define CAP_MSIX 0x11

void irq_init(struct served *s)
{
	pthread_mutex_init(&s->irqs.lock, NULL);
	s->irqs.kind = s->irqs.unmask = -1;
}

int irq_count_kinds(struct served *s)
{
	struct serve_irqs *q = &s->irqs;
	u32 msi = config_space_find(&s->space, CAP_MSI);
	u32 msix = config_space_find(&s->space, CAP_MSIX);

	q->count[VFUSER_IRQ_INTX] = s->space.bytes[0x3d] ? 1 : 0;
	if (msi)
		q->count[VFUSER_IRQ_MSI] =
			1u << min_u64(config_space_get(&s->space, msi + 2, 2) >> 1 & 7, 5);
	if (msix)
		q->count[VFUSER_IRQ_MSIX] = (config_space_get(&s->space, msix + 2, 2) & 0x7ff) + 1;
	for (u32 i = 0; i < SERVE_IRQS; i++)
		q->room = (u32)max_u64(q->room, q->count[i]);
	q->fd = alloc_array(q->room ? q->room : 1, sizeof(*q->fd));
	if (!q->fd)
		return -ENOMEM;
	for (u32 i = 0; i < q->room; i++)
		q->fd[i] = -1;
	return 0;
}

static void irq_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void irq_drop_all(struct served *s)
{
	struct serve_irqs *q = &s->irqs;

	pthread_mutex_lock(&q->lock);
	for (u32 i = 0; i < q->room; i++)
		irq_close(&q->fd[i]);
	irq_close(&q->unmask);
	q->kind = -1;
	q->masked = false;
	pthread_mutex_unlock(&q->lock);
}

void irq_fini(struct served *s)
{
	if (s->irqs.fd)
		irq_drop_all(s);
	alloc_free(s->irqs.fd);
	pthread_mutex_destroy(&s->irqs.lock);
}

/* Called with the lock held. */
static void irq_signal(const struct serve_irqs *q, u32 vector)
{
	const u64 one = 1;

	if (vector < q->room && q->fd[vector] >= 0 && write(q->fd[vector], &one, sizeof(one)) < 0)
		return; /* the counter is full, so it is readable */
}

void irq_raise(struct device *dev, unsigned int vector)
{
	struct served *s = dmamap_get_drvdata(dev);
	struct serve_irqs *q = &s->irqs;

	pthread_mutex_lock(&q->lock);
	if (q->kind != VFUSER_IRQ_INTX) {
		irq_signal(q, vector);
	} else if (!q->masked && !q->disabled) {
		q->masked = true;
		irq_signal(q, 0);
	}
	pthread_mutex_unlock(&q->lock);
}

static enum dmamap_irq_kind irq_device_kind(int kind)
{
	return kind == VFUSER_IRQ_MSIX	? DMAMAP_IRQ_MSIX
	       : kind == VFUSER_IRQ_MSI ? DMAMAP_IRQ_MSI
					: DMAMAP_IRQ_INTX;
}

/* Makes the device raise interrupts of this kind. 0, or a positive errno. */
static int irq_select(struct served *s, int kind)
{
	struct serve_irqs *q = &s->irqs;
	int n;

	if (!s->dev)
		return EIO;
	n = dmamap_irq_setup(s->dev, irq_device_kind(kind), q->count[kind]);
	return n < 0 ? -n : 0;
}

void irq_restore(struct served *s)
{
	if (s->irqs.kind >= 0)
		irq_select(s, s->irqs.kind);
}

/* Signals the line if it may be signalled and is asserted. */
static void irq_check_line(struct served *s)
{
	if (s->dev && s->irqs.kind == VFUSER_IRQ_INTX)
		dmamap_irq_eoi(s->dev, 0);
}

static void irq_set_masked(struct served *s, bool on)
{
	struct serve_irqs *q = &s->irqs;

	pthread_mutex_lock(&q->lock);
	q->masked = on;
	pthread_mutex_unlock(&q->lock);
	if (!on)
		irq_check_line(s);
}

void irq_disable_line(struct served *s, bool off)
{
	struct serve_irqs *q = &s->irqs;
	bool was;

	pthread_mutex_lock(&q->lock);
	was = q->disabled;
	q->disabled = off;
	pthread_mutex_unlock(&q->lock);
	if (was && !off)
		irq_check_line(s);
}

void irq_unmasked(struct served *s)
{
	u64 count;

	if (s->irqs.unmask >= 0 && read(s->irqs.unmask, &count, sizeof(count)) > 0)
		irq_set_masked(s, false);
}

static bool irq_is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[40], target[sizeof(name) + 1];
	ssize_t n;
	int flags;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target));
	if (n != (ssize_t)sizeof(name) - 1 || memcmp(target, name, (size_t)n) != 0)
		return false;
	flags = fcntl(fd, F_GETFL);
	return flags >= 0 && !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static bool irq_are_eventfds(const struct vfuser_message *m)
{
	for (u32 i = 0; i < m->n_fds; i++)
		if (!irq_is_eventfd(m->fds[i]))
			return false;
	return true;
}

static int irq_take(struct vfuser_message *m, u32 i)
{
	int fd = m->n_fds ? m->fds[i] : -1;

	if (m->n_fds)
		m->fds[i] = -1;
	return fd;
}

/* Sets or removes the eventfds of a range of vectors. 0, or a positive errno. */
static int irq_assign(struct served *s, const struct vfuser_set_irqs *set, struct vfuser_message *m)
{
	struct serve_irqs *q = &s->irqs;
	bool first = q->kind < 0;
	int err;

	if (!first && q->kind != (int)set->index)
		return EINVAL; /* the client must disable the other kind first */
	if (first && !m->n_fds)
		return 0;
	pthread_mutex_lock(&q->lock);
	for (u32 i = 0; i < set->count; i++) {
		irq_close(&q->fd[set->start + i]);
		q->fd[set->start + i] = irq_take(m, i);
	}
	q->kind = (int)set->index;
	if (first)
		q->masked = false;
	pthread_mutex_unlock(&q->lock);
	err = first ? irq_select(s, q->kind) : 0;
	if (err)
		irq_drop_all(s);
	return err;
}

/* Calls the action for the vectors that the message selects. */
static void irq_trigger(struct served *s, const struct vfuser_set_irqs *set, const u8 *bools)
{
	struct serve_irqs *q = &s->irqs;

	pthread_mutex_lock(&q->lock);
	for (u32 i = 0; i < set->count && q->kind == (int)set->index; i++)
		if (!bools || bools[i])
			irq_signal(q, set->start + i);
	pthread_mutex_unlock(&q->lock);
}

static int irq_set_unmask_fd(struct served *s, struct vfuser_message *m)
{
	struct serve_irqs *q = &s->irqs;

	pthread_mutex_lock(&q->lock);
	irq_close(&q->unmask);
	q->unmask = irq_take(m, 0);
	pthread_mutex_unlock(&q->lock);
	return 0;
}

static int irq_set_mask(struct served *s, const struct vfuser_set_irqs *set, const u8 *bools,
			struct vfuser_message *m)
{
	bool on = set->flags & VFUSER_SET_MASK;

	if (set->index != VFUSER_IRQ_INTX)
		return EOPNOTSUPP;
	if (set->flags & VFUSER_SET_EVENTFD)
		return on ? EOPNOTSUPP : irq_set_unmask_fd(s, m);
	if (!bools || bools[0])
		irq_set_masked(s, on);
	return 0;
}

static bool one_bit(u32 flags)
{
	return flags && !(flags & (flags - 1));
}

/* 0, or a positive errno: the message is wrong for this device. */
static int irq_check(const struct served *s, const struct vfuser_set_irqs *set, u32 n_bools,
		     const struct vfuser_message *m)
{
	bool eventfds = set->flags & VFUSER_SET_EVENTFD;

	if (set->argsz < sizeof(*set) || set->index >= SERVE_IRQS ||
	    set->flags & ~(VFUSER_SET_DATA | VFUSER_SET_ACTION) ||
	    !one_bit(set->flags & VFUSER_SET_DATA) || !one_bit(set->flags & VFUSER_SET_ACTION) ||
	    !range_within(set->start, set->count, s->irqs.count[set->index]))
		return EINVAL;
	if (n_bools != (set->flags & VFUSER_SET_BOOL ? set->count : 0))
		return EINVAL;
	if (m->n_fds && (!eventfds || m->n_fds != set->count || !irq_are_eventfds(m)))
		return EINVAL;
	return !set->count && set->flags != (VFUSER_SET_NONE | VFUSER_SET_TRIGGER) ? EINVAL : 0;
}

int irq_set(struct served *s, const struct vfuser_set_irqs *set, const u8 *bools, u32 n_bools,
	    struct vfuser_message *m)
{
	int err = irq_check(s, set, n_bools, m);

	if (err)
		return err;
	if (!(set->flags & VFUSER_SET_BOOL))
		bools = NULL;
	if (set->flags & (VFUSER_SET_MASK | VFUSER_SET_UNMASK))
		return irq_set_mask(s, set, bools, m);
	if (set->flags & VFUSER_SET_EVENTFD)
		return irq_assign(s, set, m);
	if (set->count)
		irq_trigger(s, set, bools);
	else if (s->irqs.kind == (int)set->index)
		irq_drop_all(s);
	return 0;
}
