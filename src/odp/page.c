/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations of a region's pages. Three kinds of device:
 *
 *   behind an IOMMU, coherent   the page table holds everything; leaves carry PT_ON_DEMAND
 *   behind an IOMMU, not; or    linked in the table, too; memory outside RAM by a copy in RAM,
 *   QEMU's, which sees RAM only which a slot holds
 *   no IOMMU                    each page is mapped alone; a slot holds its address, and the copy
 *                               of memory outside RAM
 *
 * A copy is made and given back by process_vm_readv and _writev on ourselves, since the memory may
 * go at any moment; only what the device changed goes back.
 */
#include "odp/odp.h"

#include <linux/gfp.h>
#include <linux/mm.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static u64 va_of(const struct ib_umem_odp *r, u64 page)
{
	return r->start + (page << PAGE_BITS);
}

static u64 page_bus(const struct ib_umem_odp *r, u64 page)
{
	return r->base + (page << PAGE_BITS);
}

static u64 offset_of(const struct ib_umem_odp *r, u64 page)
{
	return page_bus(r, page) + r->dev->bus_offset - r->state.addr;
}

/* The permission bits of the page table are those of the mask. */
_Static_assert(PT_READ == ODP_READ_ALLOWED_BIT && PT_WRITE == ODP_WRITE_ALLOWED_BIT, "one meaning");

static enum dma_data_direction dir_of(u64 mask)
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
	if (!page_linked(r, page))
		return DMA_MAPPING_ERROR;
	return r->dev->iommu ? page_bus(r, page) + r->dev->bus_offset
			     : read_once(&r->slot[page].dma) & ~ODP_MASK;
}

static bool copy_memory(u64 va, void *buf, u64 len, bool write)
{
	struct iovec local = {buf, len}, hw = {(void *)(uintptr_t)va, len};

	return syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, (long)getpid(), &local,
		       1l, &hw, 1l, 0l) == (long)len;
}

static void copy_free(struct slot *s)
{
	if (s->was)
		__free_pages(s->was, 0);
	if (s->copy)
		__free_pages(s->copy, 0);
	s->copy = s->was = NULL;
}

/* -EFAULT: the memory has gone. */
static int copy_make(struct slot *s, u64 va)
{
	s->copy = alloc_pages(GFP_KERNEL, 0);
	s->was = s->copy ? alloc_pages(GFP_KERNEL, 0) : NULL;
	if (!s->was || !copy_memory(va, page_address(s->was), PAGE_BYTES, false)) {
		int err = s->was ? -EFAULT : -ENOMEM;

		copy_free(s);
		return err;
	}
	memcpy(page_address(s->copy), page_address(s->was), PAGE_BYTES);
	return 0;
}

/* Writes back what the device wrote, byte run by byte run. */
static void copy_return(const struct slot *s, u64 va)
{
	u8 *is = page_address(s->copy), *was = page_address(s->was);
	u64 from, to = 0;

	while (to < PAGE_BYTES) {
		for (from = to; from < PAGE_BYTES && is[from] == was[from]; from++)
			;
		for (to = from; to < PAGE_BYTES && is[to] != was[to]; to++)
			;
		if (from < to)
			copy_memory(va + from, is + from, to - from, true);
	}
}

/* One page of a device that has slots. */
static int slot_link(struct ib_umem_odp *r, u64 page, u64 mask)
{
	struct slot *s = &r->slot[page];
	phys_t pa = phys_of((void *)(uintptr_t)va_of(r, page));
	dma_addr_t dma;
	int err;

	if (!phys_is_ram(pa)) {
		err = copy_make(s, va_of(r, page));
		if (err)
			return err;
		pa = PHYS(page_to_phys(s->copy));
	}
	if (r->dev->iommu) {
		dma = page_bus(r, page) + r->dev->bus_offset;
		err = dma_iova_link(r->dev, &r->state, pa.v, offset_of(r, page), PAGE_BYTES,
				    dir_of(mask), 0);
	} else {
		dma = dma_map_phys(r->dev, pa.v, PAGE_BYTES, dir_of(mask), 0);
		err = dma == DMA_MAPPING_ERROR ? -ENOMEM : 0;
	}
	if (err)
		copy_free(s);
	else
		write_once(&s->dma, dma | mask);
	return err;
}

static void slot_unlink(struct ib_umem_odp *r, u64 page, bool gone)
{
	struct slot *s = &r->slot[page];
	u64 mask = s->dma & ODP_MASK, dma = s->dma & ~ODP_MASK;

	if (!mask)
		return;
	write_once(&s->dma, 0);
	if (r->dev->iommu)
		dma_iova_unlink(r->dev, &r->state, offset_of(r, page), PAGE_BYTES, dir_of(mask), 0);
	else
		dma_unmap_phys(r->dev, dma, PAGE_BYTES, dir_of(mask), 0);
	if (s->copy && !gone && mask & ODP_WRITE_ALLOWED_BIT)
		copy_return(s, va_of(r, page));
	copy_free(s);
}

static void run_unlink(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, bool gone)
{
	check_paging(true);
	if (r->slot)
		for (u64 i = 0; i < n; i++)
			slot_unlink(r, page + i, gone);
	else
		dma_iova_unlink(r->dev, &r->state, offset_of(r, page), n << PAGE_BITS, dir_of(mask),
				0);
	check_paging(false);
}

static u64 run_link_pages(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, int *err)
{
	phys_t pa = phys_of((void *)(uintptr_t)va_of(r, page));
	u64 bytes = n << PAGE_BITS, i;

	if (!r->slot &&
	    phys_of((void *)(uintptr_t)(va_of(r, page) + bytes - 1)).v == pa.v + bytes - 1) {
		*err = dma_iova_link(r->dev, &r->state, pa.v, offset_of(r, page), bytes,
				     dir_of(mask), ATTR_ON_DEMAND);
		return *err ? 0 : n;
	}
	for (i = 0, *err = 0; i < n && !*err; i++)
		*err = r->slot ? slot_link(r, page + i, mask)
			       : dma_iova_link(r->dev, &r->state,
					       phys_of((void *)(uintptr_t)va_of(r, page + i)).v,
					       offset_of(r, page + i), PAGE_BYTES, dir_of(mask),
					       ATTR_ON_DEMAND);
	return *err ? i - 1 : i;
}

/* Pages that are not linked. How many are now. */
static u64 run_link(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, int *err)
{
	u64 done;

	check_paging(true);
	done = run_link_pages(r, page, n, mask, err);
	check_paging(false);
	return done;
}

/* How many pages from `page` on, at most n, are linked alike. */
static u64 pages_linked_alike(const struct ib_umem_odp *r, u64 page, u64 n, u64 mask)
{
	u64 i;

	for (i = 1; i < n && page_linked(r, page + i) == mask; i++)
		;
	return i;
}

u64 pages_link(struct ib_umem_odp *r, struct child *c, u64 page, u64 n, u64 mask, int *err)
{
	u64 done = 0, run, linked, ok;

	*err = 0;
	if (c->low == c->high) {
		c->low = page;
		c->high = page + n;
	}
	c->low = min_u64(c->low, page);
	c->high = max_u64(c->high, page + n);
	for (; done < n && !*err; done += ok) {
		linked = page_linked(r, page + done);
		run = ok = pages_linked_alike(r, page + done, n - done, linked);
		if ((linked & mask) == mask)
			continue;
		/* weaker than asked: goes and comes back for both */
		if (linked)
			run_unlink(r, page + done, run, linked, false);
		ok = run_link(r, page + done, run, linked | mask, err);
	}
	if (done && r->dev->iommu)
		dma_iova_sync(r->dev, &r->state, offset_of(r, page), done << PAGE_BITS);
	return done;
}

static void slots_unlink(struct ib_umem_odp *r, u64 page, u64 end, bool gone)
{
	for (; page < end; page++)
		slot_unlink(r, page, gone);
}

/* Whole runs, each with one invalidation. What is not linked is passed over table by table. */
static void table_unlink(struct ib_umem_odp *r, u64 page, u64 end)
{
	const struct pt *pt = &r->dev->domain->pt;
	u64 bus_end = page_bus(r, end), bus, mask, first, last;
	struct pt_leaf leaf;

	while ((bus = pt_find(pt, IOVA(page_bus(r, page)), bus_end)) < bus_end &&
	       pt_walk_slow(pt, IOVA(bus), &leaf)) {
		first = (bus - r->base) >> PAGE_BITS;
		mask = leaf.entry & PT_PRESENT;
		/* to the end of the run: leaves that follow and allow the same */
		last = first;
		do
			last = min_u64(end, ((align_down(page_bus(r, last), leaf.size) + leaf.size -
					      r->base) >>
					     PAGE_BITS));
		while (last < end && pt_walk_slow(pt, IOVA(page_bus(r, last)), &leaf) &&
		       (leaf.entry & PT_PRESENT) == mask);
		run_unlink(r, first, last - first, mask, true);
		page = last;
		if (page >= end)
			break;
	}
}

void pages_unlink(struct ib_umem_odp *r, struct child *c, u64 page, u64 n, bool gone)
{
	u64 end = min_u64(page + n, c->high);

	page = max_u64(page, c->low);
	if (page >= end)
		return;
	if (r->slot)
		slots_unlink(r, page, end, gone);
	else
		table_unlink(r, page, end);
	if (page == c->low && end == c->high)
		c->low = c->high = 0;
}
