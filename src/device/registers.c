/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers, interrupts, counters, and the driver's pointer. */
#include "base/error.h"
#include "device/model.h"
#include "domain/device.h"

#include <string.h>
#include <unistd.h>

static bool register_ok(const struct device *dev, int bar, u64 offset, unsigned int size)
{
	if (dev && !(offset & (size - 1)) &&
	    ((bar >= 0 && bar < 6 && (size >= 4 || dev->hw)) || (bar == DMAMAP_CONFIG && dev->hw)))
		return true;
	error_set(EINVAL, "%s: no register of %u bytes at BAR %d offset %#llx", dev_name(dev), size,
		  bar, (unsigned long long)offset);
	return false;
}

/* A device's registers begin at the model's, or are all ones. */
static u64 reg_read(struct device *dev, int bar, u64 offset, unsigned int size)
{
	if (!register_ok(dev, bar, offset, size))
		return ~0ull;
	return dev->ops.reg_read(dev, bar, offset, size);
}

static void reg_write(struct device *dev, int bar, u64 offset, unsigned int size, u64 value)
{
	if (register_ok(dev, bar, offset, size))
		dev->ops.reg_write(dev, bar, offset, size, value);
}

u8 dmamap_readb(struct device *dev, int bar, u64 offset)
{
	return (u8)reg_read(dev, bar, offset, 1);
}

u16 dmamap_readw(struct device *dev, int bar, u64 offset)
{
	return (u16)reg_read(dev, bar, offset, 2);
}

u32 dmamap_readl(struct device *dev, int bar, u64 offset)
{
	return (u32)reg_read(dev, bar, offset, 4);
}

u64 dmamap_readq(struct device *dev, int bar, u64 offset)
{
	return reg_read(dev, bar, offset, 8);
}

void dmamap_writeb(struct device *dev, int bar, u64 offset, u8 value)
{
	reg_write(dev, bar, offset, 1, value);
}

void dmamap_writew(struct device *dev, int bar, u64 offset, u16 value)
{
	reg_write(dev, bar, offset, 2, value);
}

void dmamap_writel(struct device *dev, int bar, u64 offset, u32 value)
{
	reg_write(dev, bar, offset, 4, value);
}

void dmamap_writeq(struct device *dev, int bar, u64 offset, u64 value)
{
	reg_write(dev, bar, offset, 8, value);
}

int dmamap_irq_fd(struct device *dev, unsigned int vector)
{
	if (!dev || vector >= dev->n_irq)
		return error_set(EINVAL, "%s: no interrupt vector %u: it has %u", dev_name(dev),
				 vector, dev ? dev->n_irq : 0);
	return dev->irq_fd[vector];
}

void model_interrupt(struct device *dev, unsigned int vector)
{
	const u64 one = 1;

	if (vector < dev->n_irq && write(dev->irq_fd[vector], &one, sizeof(one)) < 0)
		return; /* the counter is full: the driver has interrupts enough to see */
}

void dmamap_set_drvdata(struct device *dev, void *data)
{
	if (dev)
		dev->drvdata = data;
}

void *dmamap_get_drvdata(const struct device *dev)
{
	return dev ? dev->drvdata : NULL;
}

int dmamap_stats(struct device *dev, struct dmamap_stats *out)
{
	struct dmamap_stats s = {0};
	size_t size;

	if (!dev || !out || out->size < sizeof(out->size))
		return error_set(EINVAL, "dmamap_stats: no device, or out->size is not set");
	size = out->size < sizeof(s) ? out->size : sizeof(s);
	device_stats(dev, &s);
	s.size = size;
	memcpy(out, &s, size);
	return 0;
}

const char *dmamap_strerror(void)
{
	return error_text();
}
