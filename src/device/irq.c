/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupts that a device has, and those of a simulated device. */
#include "base/error.h"
#include "base/math.h"
#include "device/irq.h"
#include "device/model.h"

static const char *const irq_names[] = {[DMAMAP_IRQ_INTX] = "interrupt line",
					[DMAMAP_IRQ_MSI] = "MSI",
					[DMAMAP_IRQ_MSIX] = "MSI-X"};

static unsigned int sim_irq_count(const struct model_ops *model, enum dmamap_irq_kind kind)
{
	const struct model_pci *pci = model ? model->pci : NULL;

	if (!pci)
		return 0;
	return kind == DMAMAP_IRQ_MSIX ? pci->msix : kind == DMAMAP_IRQ_MSI ? pci->msi : pci->line;
}

static bool sim_line(void *priv)
{
	struct device *dev = priv;

	return dev->model && dev->model->pci && dev->model->pci->line &&
	       dev->model->line(dev->ops_priv);
}

static int sim_irq_setup(void *priv, enum dmamap_irq_kind kind, unsigned int vectors)
{
	struct device *dev = priv;
	unsigned int n = (unsigned int)min_u64(vectors, sim_irq_count(dev->model, kind));

	if (!n)
		return error_set(EOPNOTSUPP, "%s: it has no %s", dev->name, irq_names[kind]);
	device_irq_begin(dev, kind, n);
	if (kind == DMAMAP_IRQ_INTX && sim_line(dev))
		device_line_raised(dev);
	return (int)n;
}

void sim_irq_start(struct device *dev)
{
	const struct model_pci *pci = dev->model ? dev->model->pci : NULL;

	dev->ops.irq_setup = sim_irq_setup;
	dev->ops.irq_rearm = sim_line;
	if (dev->n_irq_fd)
		device_irq_begin(dev,
				 !pci || pci->msix ? DMAMAP_IRQ_MSIX
				 : pci->msi	   ? DMAMAP_IRQ_MSI
						   : DMAMAP_IRQ_INTX,
				 dev->n_irq_fd);
}

void model_interrupt(struct device *dev, unsigned int vector)
{
	if (read_acquire(&dev->irq_kind) == DMAMAP_IRQ_INTX)
		device_line_raised(dev);
	else if (!(read_once(&dev->stuck) &
		   DEVICE_NO_MASTER)) /* a message is a memory write of the device */
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
