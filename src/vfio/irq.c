/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts. The kernel signals the device's eventfds directly; an interrupt line is forwarded by
 * the thread of watch.c.
 */
#include "vfio/calls.h"
#include "vfio/private.h"
#include "vfio/uapi.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/math.h"

#include <string.h>

static const char *const kind_names[] = {"intx", "msi", "msix"};

static unsigned int irq_vector_count(struct vfio_function *f, enum irq_kind kind)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = kind};

	if (vfio_calls->ioctl(f->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ||
	    !(info.flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	return (unsigned int)min_u64(info.count, VECTORS_MAX);
}

int irq_describe(struct vfio_function *f, const char *wanted)
{
	/* read once: the eventfds are allocated by the same numbers */
	for (int kind = IRQ_MSIX; kind >= IRQ_INTX; kind--) {
		f->vectors_of[kind] = irq_vector_count(f, (enum irq_kind)kind);
		f->vectors_most = (unsigned int)max_u64(f->vectors_most, f->vectors_of[kind]);
	}
	for (int kind = IRQ_MSIX; kind >= IRQ_INTX; kind--) {
		if (wanted && strcmp(wanted, kind_names[kind]) != 0)
			continue;
		f->irq = (enum irq_kind)kind;
		f->vectors = f->vectors_of[kind];
		if (f->vectors)
			return 0;
	}
	if (wanted)
		return error_set(ENOTSUP,
				 "%s has no interrupts of kind irq=%s: choose another irq=",
				 f->pci.address.text, wanted);
	return 0;
}

static int irq_set_vectors(struct vfio_function *f, enum irq_kind kind, u32 flags, const int *fd,
			   unsigned int n)
{
	size_t size = sizeof(struct vfio_irq_set) + n * sizeof(*fd);
	struct vfio_irq_set *set = alloc_zeroed(size);
	int err;

	if (!set)
		return -ENOMEM;
	*set = (struct vfio_irq_set){.argsz = (u32)size, .flags = flags, .index = kind, .count = n};
	if (fd)
		memcpy(set->data, fd, n * sizeof(*fd));
	err = vfio_calls->ioctl(f->fd, VFIO_DEVICE_SET_IRQS, set);
	alloc_free(set);
	return err;
}

int irq_set_one(struct vfio_function *f, enum irq_kind kind, int fd)
{
	return irq_set_vectors(f, kind, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			       &fd, 1);
}

/* Unmasks the line, which the kernel masked when it rose. */
void irq_unmask_line(struct vfio_function *f)
{
	irq_set_vectors(f, IRQ_INTX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, NULL, 1);
}

static enum dmamap_irq_kind vfio_irq_public_kind(enum irq_kind kind)
{
	return kind == IRQ_MSIX	 ? DMAMAP_IRQ_MSIX
	       : kind == IRQ_MSI ? DMAMAP_IRQ_MSI
				 : DMAMAP_IRQ_INTX;
}

/*
 * Returns 0; the number of vectors that the kernel can still provide, if that is less than n; or
 * -errno.
 */
static int vfio_irq_start(struct vfio_function *f, enum irq_kind kind, unsigned int n)
{
	/* a line is signalled by the thread of watch.c, which records that it is masked */
	const int *fd = kind == IRQ_INTX ? &f->intx_fd : f->dev->irq_fd;
	int err;

	device_irq_begin(f->dev, vfio_irq_public_kind(kind), n);
	err = n ? irq_set_vectors(f, kind, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				  fd, n)
		: 0;
	if (!err) {
		f->irq = kind;
		f->vectors = n;
		f->irq_on = n > 0;
	}
	return err;
}

int vfio_irq_connect(struct vfio_function *f)
{
	unsigned int n = f->vectors;
	int err = vfio_irq_start(f, f->irq, n);

	if (err > 0)
		return error_set(ENOSPC,
				 "%s: the machine has only %d of %u interrupt vectors left for it: "
				 "set vectors=%d",
				 f->pci.address.text, err, n, err);
	return err < 0 ? error_set(-err, "%s: its interrupts cannot be set up: %s",
				   f->pci.address.text, strerror(-err))
		       : 0;
}

int vfio_irq_setup(struct vfio_function *f, enum irq_kind kind, unsigned int vectors)
{
	unsigned int most = (unsigned int)min_u64(f->vectors_of[kind], f->vectors_most),
		     n = (unsigned int)min_u64(vectors, most), had = f->vectors;
	enum irq_kind was = f->irq;
	int err;

	if (read_acquire(&f->gone))
		return error_set(ENODEV, "%s: the device was taken away", f->dev->name);
	if (!n)
		return error_set(EOPNOTSUPP, "%s: the device has no interrupts of the kind %s",
				 f->dev->name, kind_names[kind]);
	irq_stop(f);
	err = vfio_irq_start(f, kind, n);
	if (err > 0 && (unsigned int)err < n)
		err = vfio_irq_start(f, kind, (unsigned int)err);
	if (!err)
		return (int)f->vectors;
	vfio_irq_start(f, was, had);
	return error_set(err < 0 ? -err : ENOSPC, "%s: %u interrupts of the kind %s: %s",
			 f->dev->name, n, kind_names[kind],
			 err < 0 ? strerror(-err) : "the machine has none left");
}

void irq_stop(struct vfio_function *f)
{
	if (f->irq_on)
		irq_set_vectors(f, f->irq, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
				NULL, 0);
	f->irq_on = false;
}
