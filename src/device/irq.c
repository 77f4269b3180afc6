/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupts that a device has, and those of a simulated device. */
#include "base/error.h"
#include "base/log.h"
#include "base/math.h"
#include "device/irq.h"
#include "device/model.h"

static const char *const irq_names[] = {[DMAMAP_IRQ_INTX] = "interrupt line",
					[DMAMAP_IRQ_MSI] = "MSI",
					[DMAMAP_IRQ_MSIX] = "MSI-X"};

static unsigned int sim_irq_count(const struct dmamap_model_ops *model, enum dmamap_irq_kind kind)
{
	if (!model)
		return 0;
	return kind == DMAMAP_IRQ_MSIX	? model->pci.msix
	       : kind == DMAMAP_IRQ_MSI ? model->pci.msi
					: model->pci.intx;
}

static bool sim_line(void *priv)
{
	struct device *dev = priv;

	return dev->model && dev->model->pci.intx && model_line(dev);
}

static int sim_irq_setup(void *priv, enum dmamap_irq_kind kind, unsigned int vectors)
{
	struct device *dev = priv;
	unsigned int n = (unsigned int)min_u64(vectors, sim_irq_count(dev->model, kind));

	if (!n)
		return error_set(EOPNOTSUPP, "%s: it has no %s", dev->name, irq_names[kind]);
	msix_begin(dev, kind == DMAMAP_IRQ_MSIX ? n : 0);
	device_irq_begin(dev, kind, n);
	if (kind == DMAMAP_IRQ_INTX && sim_line(dev))
		device_line_raised(dev);
	return (int)n;
}

void sim_irq_start(struct device *dev)
{
	enum dmamap_irq_kind kind = DMAMAP_IRQ_MSIX;

	dev->ops.irq_setup = sim_irq_setup;
	dev->ops.irq_rearm = sim_line;
	if (!dev->n_irq_fd)
		return;
	if (!dev->model->pci.msix)
		kind = dev->model->pci.msi ? DMAMAP_IRQ_MSI : DMAMAP_IRQ_INTX;
	msix_begin(dev, dev->model->pci.msix);
	device_irq_begin(dev, kind, sim_irq_count(dev->model, kind));
}

void dmamap_model_interrupt(struct device *dev, unsigned int vector)
{
	const u32 kind = read_acquire(&dev->irq_kind);

	if (kind == DMAMAP_IRQ_INTX)
		device_line_raised(dev);
	else if (unlikely(vector >= dev->n_irq_fd))
		log_line(LOG_WARN, "%s: its model raised interrupt %u, and it has %u", dev->name,
			 vector, dev->n_irq_fd);
	else if (read_once(&dev->stuck) & DEVICE_NO_MASTER)
		return; /* a message is a memory write of the device */
	else if (kind != DMAMAP_IRQ_MSIX || !msix_hold(dev, vector))
		device_interrupt(dev, vector);
}

int dmamap_irq_fd(struct device *dev, unsigned int vector)
{
	unsigned int n = dev ? read_acquire(&dev->n_irq) : 0;

	if (vector >= n)
		return error_set(EINVAL, "%s: no interrupt vector %u: it has %u", dev_name(dev),
				 vector, n);
	return dev->irq_fd[vector];
}

int dmamap_irq_setup(struct device *dev, enum dmamap_irq_kind kind, unsigned int vectors)
{
	int n;

	if (!dev || !vectors || (unsigned int)kind >= ARRAY_SIZE(irq_names) || !irq_names[kind])
		return error_set(
			EINVAL,
			"%s: interrupts of kind %d, %u of them: there are the kinds "
			"DMAMAP_IRQ_INTX, DMAMAP_IRQ_MSI and DMAMAP_IRQ_MSIX, from 1 vector on",
			dev_name(dev), (int)kind, vectors);
	pthread_mutex_lock(&dev->setup_lock);
	n = dev->ops.irq_setup(dev, kind, (unsigned int)min_u64(vectors, dev->n_irq_fd));
	pthread_mutex_unlock(&dev->setup_lock);
	return n;
}

int dmamap_irq_eoi(struct device *dev, unsigned int vector)
{
	if (!dev || vector >= read_acquire(&dev->n_irq))
		return error_set(EINVAL, "%s: no interrupt vector %u: it has %u", dev_name(dev),
				 vector, dev ? dev->n_irq : 0);
	if (read_acquire(&dev->irq_kind) != DMAMAP_IRQ_INTX)
		return 0;
	write_once(&dev->line_eoi, true);
	device_line_rearm(dev);
	return 0;
}
