/* SPDX-License-Identifier: BSD-2-Clause */
/* The default operations of back ends. */
#include "backend/backend.h"
#include "base/error.h"

static int backend_no_map(struct backend_space *s, iova_t iova, phys_t pa, u64 size, u64 flags)
{
	return error_set(EOPNOTSUPP, "back end %s has no translation to map into", s->ops->name);
}

static u64 backend_no_unmap(struct backend_space *s, iova_t iova, u64 size)
{
	return 0;
}

static int backend_no_publish(struct backend_space *s, iova_t iova, u64 size)
{
	return 0;
}

static void backend_no_invalidate(struct backend_space *s, iova_t iova, u64 size)
{
}

static void backend_no_invalidate_all(struct backend_space *s)
{
}

static void backend_no_invalidate_some(struct backend_space *s, iova_t iova, u64 size, u64 mapped)
{
}

static u64 backend_no_unmap_partial(struct backend_space *s, iova_t iova, u64 size)
{
	return 0;
}

static void backend_no_count(struct backend_space *s, struct backend_counts *out)
{
}

static void backend_no_clear(struct backend_space *s)
{
}

static u64 backend_no_reg_read(void *dev_priv, int bar, u64 offset, unsigned int size)
{
	return ~0ull;
}

static void backend_no_reg_write(void *dev_priv, int bar, u64 offset, unsigned int size, u64 value)
{
}

static void backend_no_reg_flush(void *dev_priv)
{
}

static int backend_no_vectors(void *dev_priv)
{
	return 0;
}

static int backend_no_irq_setup(void *dev_priv, enum dmamap_irq_kind kind, unsigned int vectors)
{
	return error_set(EOPNOTSUPP, "the device has no interrupts");
}

static bool backend_no_irq_rearm(void *dev_priv)
{
	return false;
}

static void backend_no_faults(void *dev_priv)
{
}

static void backend_no_stop(void *dev_priv)
{
}

const struct iommu_ops iommu_ops_default = {
	.name = "none",
	.map = backend_no_map,
	.unmap = backend_no_unmap,
	.publish = backend_no_publish,
	.invalidate = backend_no_invalidate,
	.invalidate_all = backend_no_invalidate_all,
	.invalidate_some = backend_no_invalidate_some,
	.unmap_partial = backend_no_unmap_partial,
	.count = backend_no_count,
	.clear = backend_no_clear,
};

const struct device_ops device_ops_default = {
	.name = "none",
	.reg_read = backend_no_reg_read,
	.reg_write = backend_no_reg_write,
	.reg_flush = backend_no_reg_flush,
	.irq_vectors = backend_no_vectors,
	.irq_setup = backend_no_irq_setup,
	.irq_rearm = backend_no_irq_rearm,
	.collect_faults = backend_no_faults,
	.stop = backend_no_stop,
};

#define COMPLETE(op, from) (ops->op = ops->op ? ops->op : (from).op)

void iommu_ops_complete(struct iommu_ops *ops)
{
	COMPLETE(name, iommu_ops_default);
	COMPLETE(map, iommu_ops_default);
	COMPLETE(unmap, iommu_ops_default);
	COMPLETE(publish, iommu_ops_default);
	COMPLETE(invalidate, iommu_ops_default);
	COMPLETE(invalidate_all, iommu_ops_default);
	COMPLETE(invalidate_some, iommu_ops_default);
	COMPLETE(unmap_partial, iommu_ops_default);
	COMPLETE(count, iommu_ops_default);
	COMPLETE(clear, iommu_ops_default);
}

void device_ops_complete(struct device_ops *ops)
{
	COMPLETE(name, device_ops_default);
	COMPLETE(reg_read, device_ops_default);
	COMPLETE(reg_write, device_ops_default);
	COMPLETE(reg_flush, device_ops_default);
	COMPLETE(irq_vectors, device_ops_default);
	COMPLETE(irq_setup, device_ops_default);
	COMPLETE(irq_rearm, device_ops_default);
	COMPLETE(collect_faults, device_ops_default);
	COMPLETE(stop, device_ops_default);
}
