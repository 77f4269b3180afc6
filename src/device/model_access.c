/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Register accesses of a simulated device. Most are passed to the model directly; `route` contains
 * the reasons why the accesses of a region are not.
 */
#include "base/error.h"
#include "base/math.h"
#include "device/config.h"
#include "device/model.h"

static bool model_access_ok(const struct device *dev, int bar, u64 offset, unsigned int size)
{
	const struct dmamap_model_region *r = &dev->model->region[bar];

	if (likely(range_within(offset, size, r->size) &&
		   (r->access & size || r->flags & DMAMAP_BAR_MAPPABLE)))
		return true;
	error_set(EINVAL, "%s: no register of %u bytes at BAR %d offset %#llx", dev->name, size,
		  bar, (unsigned long long)offset);
	return false;
}

static u64 memory_read(const void *at, unsigned int size)
{
	switch (size) {
	case 1:
		return read_acquire((const u8 *)at);
	case 2:
		return read_acquire((const u16 *)at);
	case 4:
		return read_acquire((const u32 *)at);
	default:
		return read_acquire((const u64 *)at);
	}
}

static void memory_write(void *at, unsigned int size, u64 value)
{
	switch (size) {
	case 1:
		write_release((u8 *)at, (u8)value);
		break;
	case 2:
		write_release((u16 *)at, (u16)value);
		break;
	case 4:
		write_release((u32 *)at, (u32)value);
		break;
	default:
		write_release((u64 *)at, value);
	}
}

static void *model_memory_at(const struct device *dev, int bar, u64 offset)
{
	return (u8 *)dev->model_state->memory[bar] + offset;
}

static slow_path u64 model_read_routed(struct device *dev, unsigned int route, int bar, u64 offset,
				       unsigned int size)
{
	struct model_state *s = dev->model_state;
	u64 value = ~0ull;

	if (route & ROUTE_RESET)
		return value;
	if (route & ROUTE_MEMORY)
		return memory_read(model_memory_at(dev, bar, offset), size);
	if (route & ROUTE_MSIX && msix_read(dev, bar, offset, size, &value))
		return value;
	if (!(route & ROUTE_SERIAL))
		return dev->model->read(dev->ops_priv, bar, offset, size);
	pthread_mutex_lock(&s->turn);
	value = dev->model->read(dev->ops_priv, bar, offset, size);
	pthread_mutex_unlock(&s->turn);
	return value;
}

u64 model_access_read(void *priv, int bar, u64 offset, unsigned int size)
{
	struct device *dev = priv;
	unsigned int route;

	if (bar == DMAMAP_CONFIG)
		return sim_config_read(dev, offset, size);
	if (!model_access_ok(dev, bar, offset, size))
		return ~0ull;
	route = read_acquire(&dev->model_state->route[bar]);
	if (unlikely(route))
		return model_read_routed(dev, route, bar, offset, size);
	return dev->model->read(dev->ops_priv, bar, offset, size);
}

static slow_path void model_write_routed(struct device *dev, unsigned int route, int bar,
					 u64 offset, unsigned int size, u64 value)
{
	struct model_state *s = dev->model_state;

	if (route & ROUTE_RESET)
		return;
	if (route & ROUTE_MEMORY) {
		memory_write(model_memory_at(dev, bar, offset), size, value);
		return;
	}
	if (route & ROUTE_MSIX && msix_write(dev, bar, offset, size, value))
		return;
	if (!(route & ROUTE_SERIAL)) {
		dev->model->write(dev->ops_priv, bar, offset, size, value);
		return;
	}
	pthread_mutex_lock(&s->turn);
	dev->model->write(dev->ops_priv, bar, offset, size, value);
	pthread_mutex_unlock(&s->turn);
}

void model_access_write(void *priv, int bar, u64 offset, unsigned int size, u64 value)
{
	struct device *dev = priv;
	unsigned int route;

	if (bar == DMAMAP_CONFIG) {
		sim_config_write(dev, offset, size, value);
		return;
	}
	if (!model_access_ok(dev, bar, offset, size))
		return;
	route = read_acquire(&dev->model_state->route[bar]);
	if (unlikely(route))
		model_write_routed(dev, route, bar, offset, size, value);
	else
		dev->model->write(dev->ops_priv, bar, offset, size, value);
}
