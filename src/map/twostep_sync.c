/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings: syncs of a part of the links. Every granule is synced in the direction with
 * which it was linked.
 */
#include "map/twostep.h"

/* Whether all of [bus, end) is linked. */
static bool twostep_all_linked(const struct pt *pt, u64 bus, u64 end)
{
	struct pt_leaf leaf;

	for (; bus < end; bus = align_down(bus, leaf.size) + leaf.size)
		if (!pt_walk_slow(pt, IOVA(bus), &leaf))
			return false;
	return true;
}

static void sync_granule(struct device *dev, u64 bus, u64 n, bool to_cpu)
{
	u64 entry = pt_walk(&dev->domain->pt, IOVA(bus));
	phys_t pa = PHYS((entry & PT_ADDR) | (bus & (PAGE_BYTES - 1)));

	if (entry & PT_BOUNCED)
		bounce_sync(dev, pa, n, entry_dir(entry), to_cpu);
	else if (dev->coherent || !phys_range_is_ram(pa, n))
		return;
	else if (!to_cpu)
		cpu_cache_clean(pa, n);
	else if (entry_dir(entry) != DMA_TO_DEVICE)
		cpu_cache_invalidate(pa, n);
}

static void sync_part(struct device *dev, struct dma_iova_state *state, u64 offset, u64 size,
		      enum dma_data_direction dir, bool to_cpu, const void *caller)
{
	u64 bus, end, closed;

	if (!state_ok(dev, state)) {
		twostep_bad_state(dev, "dma_iova_sync_for_*");
		return;
	}
	if (!dev->sync_looks && !dev->check)
		return;
	closed = read_once(&state->__end);
	bus = twostep_bus(dev, state) + offset;
	end = bus + size;
	if (!size || !range_within(offset, size, closed ? closed : state->__size) ||
	    !twostep_all_linked(&dev->domain->pt, bus, end)) {
		twostep_report_part(dev, state, offset, size, dir, "sync");
		return;
	}
	if (unlikely(dev->check))
		check_sync_links(&dev->shadow, state->addr + offset, size, dir, to_cpu, caller);
	while (bus < end) {
		u64 n = min_u64(end - bus, PAGE_BYTES - (bus & (PAGE_BYTES - 1)));

		sync_granule(dev, bus, n, to_cpu);
		bus += n;
	}
	bounce_report_lost(dev, state->addr + offset, size, dir);
	if (unlikely(dev->check) && !to_cpu)
		check_synced_links(&dev->shadow, state->addr + offset, size);
}

void dma_iova_sync_for_cpu(struct device *dev, struct dma_iova_state *state, size_t offset,
			   size_t size, enum dma_data_direction dir)
{
	sync_part(dev, state, offset, size, dir, true, CALLER);
}

void dma_iova_sync_for_device(struct device *dev, struct dma_iova_state *state, size_t offset,
			      size_t size, enum dma_data_direction dir)
{
	sync_part(dev, state, offset, size, dir, false, CALLER);
}
