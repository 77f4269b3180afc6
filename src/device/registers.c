/* SPDX-License-Identifier: BSD-2-Clause */
/* Register access, counters, and the driver's pointer. */
#include "base/error.h"
#include "base/math.h"
#include "device/config.h"
#include "device/model.h"

#include <string.h>

static bool register_ok(const struct device *dev, int bar, u64 offset, unsigned int size)
{
	if (dev && !(offset & (size - 1)) &&
	    ((bar >= 0 && bar < DEVICE_BARS && (size >= 4 || dev->hw || dev->model)) ||
	     (bar == DMAMAP_CONFIG && (dev->hw || dev->sim_config))))
		return true;
	error_set(EINVAL, "%s: no register of %u bytes at BAR %d offset %#llx", dev_name(dev), size,
		  bar, (unsigned long long)offset);
	return false;
}

/*
 * Whether an access may be one of the line's interrupt handler: the program has never called
 * dmamap_irq_eoi(), so any access that begins after the line was signalled may be the handler's.
 */
static bool registers_may_handle_line(const struct device *dev)
{
	return unlikely(read_once(&dev->line_fired)) && !read_once(&dev->line_eoi);
}

/* The registers of a simulated device without a model read as all ones. */
static u64 register_read(struct device *dev, int bar, u64 offset, unsigned int size)
{
	bool handled;
	u64 value;

	if (!register_ok(dev, bar, offset, size))
		return ~0ull;
	handled = registers_may_handle_line(dev);
	value = dev->ops.reg_read(dev, bar, offset, size);
	if (handled)
		device_line_rearm(dev);
	return value;
}

static void register_write(struct device *dev, int bar, u64 offset, unsigned int size, u64 value)
{
	bool handled;

	if (!register_ok(dev, bar, offset, size))
		return;
	if (bar == DMAMAP_CONFIG) {
		config_write(dev, offset, size, value);
		return;
	}
	handled = registers_may_handle_line(dev);
	dev->ops.reg_write(dev, bar, offset, size, value);
	if (dev->sync_writes)
		dev->ops.reg_flush(dev);
	if (handled)
		device_line_rearm(dev);
}

int dmamap_bar(struct device *dev, int bar, struct dmamap_bar_info *info)
{
	if (!dev || !info || bar < 0 || bar >= DEVICE_BARS)
		return error_set(EINVAL,
				 "%s: there is no BAR %d (0 to %d), or `info` is "
				 "NULL",
				 dev_name(dev), bar, DEVICE_BARS - 1);
	if (!dev->bar[bar].size)
		return error_set(ENOENT, "%s: it has no BAR %d", dev->name, bar);
	*info = dev->bar[bar];
	return 0;
}

u8 dmamap_readb(struct device *dev, int bar, u64 offset)
{
	return (u8)register_read(dev, bar, offset, 1);
}

u16 dmamap_readw(struct device *dev, int bar, u64 offset)
{
	return (u16)register_read(dev, bar, offset, 2);
}

u32 dmamap_readl(struct device *dev, int bar, u64 offset)
{
	return (u32)register_read(dev, bar, offset, 4);
}

u64 dmamap_readq(struct device *dev, int bar, u64 offset)
{
	return register_read(dev, bar, offset, 8);
}

void dmamap_writeb(struct device *dev, int bar, u64 offset, u8 value)
{
	register_write(dev, bar, offset, 1, value);
}

void dmamap_writew(struct device *dev, int bar, u64 offset, u16 value)
{
	register_write(dev, bar, offset, 2, value);
}

void dmamap_writel(struct device *dev, int bar, u64 offset, u32 value)
{
	register_write(dev, bar, offset, 4, value);
}

void dmamap_writeq(struct device *dev, int bar, u64 offset, u64 value)
{
	register_write(dev, bar, offset, 8, value);
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
