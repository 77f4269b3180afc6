/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated IOMMU. Simulated accesses walk the library's page table. */
#include "backend/backend.h"
#include "base/error.h"
#include "iotlb/port.h"
#include "pt/pt.h"

static int sim_map(struct backend_space *s, iova_t iova, phys_t pa, u64 size, u64 flags)
{
	return pt_map(s->pt, iova, pa, size, flags, 0);
}

static u64 sim_unmap(struct backend_space *s, iova_t iova, u64 size)
{
	return pt_unmap(s->pt, iova, size);
}

static void sim_invalidate(struct backend_space *s, iova_t iova, u64 size)
{
	ports_invalidate(s->ports, iova.v >> PAGE_BITS, size >> PAGE_BITS);
}

static void sim_invalidate_all(struct backend_space *s)
{
	ports_flush(s->ports);
}

const struct iommu_ops iommu_ops_sim = {
	.name = "sim",
	.map = sim_map,
	.unmap = sim_unmap,
	.invalidate = sim_invalidate,
	.invalidate_all = sim_invalidate_all,
};
