/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations of a region's pages. There are three kinds of device:
 *
 *   coherent, behind an IOMMU   the page table has everything; its leaf entries carry PT_ON_DEMAND
 *   not coherent, or QEMU's,    the page table has the links; memory outside RAM has a copy in RAM,
 *   behind an IOMMU             recorded in its slot, and the link is to the copy
 *   without an IOMMU            every page is a mapping of its own; its slot has the device address
 *                               and the copy of memory outside RAM
 *
 * The functions for slots are in copy.c.
 */
#include "odp/monitor.h"
#include "odp/odp.h"

u64 page_va(const struct ib_umem_odp *r, u64 page)
{
	return r->start + (page << PAGE_BITS);
}

u64 page_bus(const struct ib_umem_odp *r, u64 page)
{
	return r->base + (page << PAGE_BITS);
}

u64 page_offset(const struct ib_umem_odp *r, u64 page)
{
	return page_bus(r, page) + r->dev->bus_offset - r->state.addr;
}

/* The mask uses the permission bits of the page table. */
_Static_assert(PT_READ == ODP_READ_ALLOWED_BIT && PT_WRITE == ODP_WRITE_ALLOWED_BIT, "one meaning");

enum dma_data_direction page_dir(u64 mask)
{
	return mask == ODP_MASK		       ? DMA_BIDIRECTIONAL
	       : mask == ODP_WRITE_ALLOWED_BIT ? DMA_FROM_DEVICE
					       : DMA_TO_DEVICE;
}

u64 page_linked(const struct ib_umem_odp *r, u64 page)
{
	if (r->dev->iommu)
		return pt_walk(&r->dev->domain->pt, IOVA(page_bus(r, page))) & PT_PRESENT;
	return read_once(&r->slot[page].dma) & ODP_MASK;
}

u64 page_dma(const struct ib_umem_odp *r, u64 page)
{
	if (!page_linked(r, page) || (r->slot && slot_is_stale(r, page)))
		return DMA_MAPPING_ERROR;
	return r->dev->iommu ? page_bus(r, page) + r->dev->bus_offset
			     : read_once(&r->slot[page].dma) & ~ODP_MASK;
}

static void odp_run_unlink(struct ib_umem_odp *r, u64 page, u64 n, u64 mask)
{
	check_paging(true);
	dma_iova_unlink(r->dev, &r->state, page_offset(r, page), n << PAGE_BITS, page_dir(mask), 0);
	check_paging(false);
}

static u64 odp_run_link_pages(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, int *err)
{
	phys_t pa = phys_of((void *)(uintptr_t)page_va(r, page));
	u64 bytes = n << PAGE_BITS, i;

	if (phys_of((void *)(uintptr_t)(page_va(r, page) + bytes - 1)).v == pa.v + bytes - 1) {
		*err = dma_iova_link(r->dev, &r->state, pa.v, page_offset(r, page), bytes,
				     page_dir(mask), ATTR_ON_DEMAND);
		return *err ? 0 : n;
	}
	for (i = 0, *err = 0; i < n && !*err; i++)
		*err = dma_iova_link(
			r->dev, &r->state, phys_of((void *)(uintptr_t)page_va(r, page + i)).v,
			page_offset(r, page + i), PAGE_BYTES, page_dir(mask), ATTR_ON_DEMAND);
	return *err ? i - 1 : i;
}

/* Links pages that are not linked. Returns how many are linked then. */
static u64 odp_run_link(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, int *err)
{
	u64 done;

	check_paging(true);
	done = odp_run_link_pages(r, page, n, mask, err);
	check_paging(false);
	return done;
}

/* Returns how many pages from `page` on, at most n, are linked with the same permissions. */
static u64 odp_pages_linked_alike(const struct ib_umem_odp *r, u64 page, u64 n, u64 mask)
{
	u64 i;

	for (i = 1; i < n && page_linked(r, page + i) == mask; i++)
		;
	return i;
}

/*
 * Links pages of the process's own memory. A simulated device accesses them through the process's
 * page tables, so a late event costs it only one more fault. Hardware does not fault: a late event
 * would remove the new page permanently. In that case *err is -EAGAIN, and the caller retries after
 * the event has been processed.
 */
static u64 odp_table_link(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, int *err)
{
	u64 va = page_va(r, page), done = 0, run, linked, ok;

	if (r->dev->hw && monitor_on() &&
	    (!monitor_settle(SETTLE_TRIES) ||
	     event_pending(va, va + (n << PAGE_BITS), read_acquire(&r->number))))
		*err = -EAGAIN;
	for (; done < n && !*err; done += ok) {
		linked = page_linked(r, page + done);
		run = ok = odp_pages_linked_alike(r, page + done, n - done, linked);
		if ((linked & mask) == mask)
			continue;
		/* linked with fewer permissions: unlink it and link it with both */
		if (linked)
			odp_run_unlink(r, page + done, run, linked);
		ok = odp_run_link(r, page + done, run, linked | mask, err);
	}
	return done;
}

u64 pages_link(struct ib_umem_odp *r, struct odp_child *c, u64 page, u64 n, u64 mask,
	       const struct fault_start *f, int *err)
{
	u64 done;

	*err = !read_once(&r->listed)			 ? -EFAULT
	       : inval_seq_changed(f->inval_seq, f->seq) ? -EAGAIN
							 : 0;
	if (*err)
		return 0;
	if (c->low == c->high) {
		c->low = page;
		c->high = page + n;
	}
	c->low = min_u64(c->low, page);
	c->high = max_u64(c->high, page + n);
	done = r->slot ? slots_link(r, page, n, mask, f, err)
		       : odp_table_link(r, page, n, mask, err);
	if (done && r->dev->iommu)
		dma_iova_sync(r->dev, &r->state, page_offset(r, page), done << PAGE_BITS);
	return done;
}

/* Unlinks runs of pages with one invalidation each. Skips absent entries table by table. */
static void odp_table_unlink(struct ib_umem_odp *r, u64 page, u64 end)
{
	const struct pt *pt = &r->dev->domain->pt;
	u64 bus_end = page_bus(r, end), bus, mask, first, last;
	struct pt_leaf leaf;

	while ((bus = pt_find(pt, IOVA(page_bus(r, page)), bus_end)) < bus_end &&
	       pt_walk_slow(pt, IOVA(bus), &leaf)) {
		first = (bus - r->base) >> PAGE_BITS;
		mask = leaf.entry & PT_PRESENT;
		/* the run ends before a leaf entry that is absent or has other permissions */
		last = first;
		do
			last = min_u64(end, ((align_down(page_bus(r, last), leaf.size) + leaf.size -
					      r->base) >>
					     PAGE_BITS));
		while (last < end && pt_walk_slow(pt, IOVA(page_bus(r, last)), &leaf) &&
		       (leaf.entry & PT_PRESENT) == mask);
		odp_run_unlink(r, first, last - first, mask);
		page = last;
		if (page >= end)
			break;
	}
}

void pages_unlink(struct ib_umem_odp *r, struct odp_child *c, u64 page, u64 n, u64 number)
{
	u64 end = min_u64(page + n, c->high), left = 0;

	page = max_u64(page, c->low);
	if (page >= end)
		return;
	if (r->slot)
		left = slots_unlink(r, page, end, number);
	else
		odp_table_unlink(r, page, end);
	if (page == c->low && end == c->high && !left)
		c->low = c->high = 0;
}
