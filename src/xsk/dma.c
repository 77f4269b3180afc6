/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device addresses of a UMEM. They are created once and shared by all pools of the UMEM on that
 * device.
 *
 * If possible, the UMEM is mapped as one range; a device address is then a base plus an offset,
 * without a lookup. That is the case behind an IOMMU, and without one if its memory is contiguous
 * RAM. Otherwise (memory that must bounce, scattered pages) it is mapped in runs that are as long
 * as possible, and a table has the address of every page and whether the next page is in the same
 * run. A chunk never crosses from one run to the next, even if they happen to be adjacent, because
 * a sync cannot cross mappings.
 *
 * Bit 0 of a table entry is XSK_NEXT_PG_CONTIG_MASK; every reader masks it off.
 */
#include "base/alloc.h"
#include "xsk/xsk.h"

#include <linux/vmalloc.h>

#define NOT_MAPPED (1ull << 63) /* address of a pool that is not mapped: no device can reach it */

/* Returns the i-th page of the UMEM: from the caller's list, or from its address. */
static phys_addr_t xsk_umem_page(const struct xdp_umem *umem, struct page **pages, u64 i)
{
	if (pages)
		return page_to_phys(pages[i]);
	if (is_vmalloc_addr(umem->addrs))
		return page_to_phys(vmalloc_to_page(umem->addrs + (i << PAGE_BITS)));
	return virt_to_phys(umem->addrs) + (i << PAGE_BITS);
}

/* Returns how many pages from the i-th on are contiguous in memory. */
static u64 xsk_dma_run_length(const struct xdp_umem *umem, struct page **pages, u64 i)
{
	phys_addr_t first = xsk_umem_page(umem, pages, i);
	u64 n = 1;

	if (!pages && !is_vmalloc_addr(umem->addrs))
		return umem->npgs - i;
	while (i + n < umem->npgs && xsk_umem_page(umem, pages, i + n) == first + (n << PAGE_BITS))
		n++;
	return n;
}

/* Number of pages of the mapping that begins at page i of the table. */
static u64 xsk_mapping_length(const struct xsk_dma_map *m, u64 i)
{
	u64 n = 1;

	while (m->page[i + n - 1] & XSK_NEXT_PG_CONTIG_MASK)
		n++;
	return n;
}

static void xsk_runs_unmap(struct xsk_dma_map *m, u64 end, unsigned long attrs)
{
	for (u64 i = 0, n; i < end; i += n) {
		n = xsk_mapping_length(m, i);
		dma_unmap_phys(m->dev, m->page[i] & ~XSK_NEXT_PG_CONTIG_MASK, n << PAGE_BITS,
			       DMA_BIDIRECTIONAL, attrs);
	}
}

/*
 * Maps up to *most pages from the i-th on as one mapping. Returns their number; 0: not even one. If
 * a run cannot be mapped (bounce buffers have a maximum length), it is halved, as are later runs.
 */
static u64 xsk_run_map(struct xsk_dma_map *m, struct page **pages, u64 i, u64 *most,
		       unsigned long attrs, dma_addr_t *addr)
{
	u64 n = min_u64(xsk_dma_run_length(m->umem, pages, i), *most);

	for (; n; n /= 2, *most = n) {
		check_sharing(true); /* the application accesses the memory while it is mapped */
		*addr = dma_map_phys(m->dev, xsk_umem_page(m->umem, pages, i), n << PAGE_BITS,
				     DMA_BIDIRECTIONAL, attrs);
		check_sharing(false);
		if (!dma_mapping_error(m->dev, *addr))
			break;
	}
	if (n)
		m->need_sync |= dma_need_sync(m->dev, *addr);
	return n;
}

static int xsk_dma_map_runs(struct xsk_dma_map *m, struct page **pages, unsigned long attrs)
{
	u64 most = m->pages, n, i;
	dma_addr_t addr;

	n = xsk_run_map(m, pages, 0, &most, attrs, &m->base);
	if (n == m->pages || !n) {
		m->whole = n;
		return n ? 0 : -ENOMEM;
	}
	m->page = alloc_array(m->pages, sizeof(*m->page));
	if (!m->page) {
		dma_unmap_phys(m->dev, m->base, n << PAGE_BITS, DMA_BIDIRECTIONAL, attrs);
		return -ENOMEM;
	}
	for (i = 0, addr = m->base; n; n = xsk_run_map(m, pages, i, &most, attrs, &addr)) {
		for (u64 k = 0; k < n; k++)
			m->page[i + k] = (addr + (k << PAGE_BITS)) |
					 (k + 1 < n ? XSK_NEXT_PG_CONTIG_MASK : 0);
		i += n;
		if (i == m->pages)
			return 0;
	}
	xsk_runs_unmap(m, i, attrs);
	alloc_free(m->page);
	m->page = NULL;
	return -ENOMEM;
}

static void xsk_dma_unmap(struct xsk_dma_map *m, unsigned long attrs)
{
	if (m->whole)
		dma_unmap_phys(m->dev, m->base, m->pages << PAGE_BITS, DMA_BIDIRECTIONAL, attrs);
	else
		xsk_runs_unmap(m, m->pages, attrs);
}

static void xsk_dma_map_list(struct xsk_device *xd, struct xsk_dma_map *m)
{
	lock_acquire(&xd->maps_lock);
	m->next_dev = xd->maps;
	xd->maps = m;
	lock_release(&xd->maps_lock);
}

static void xsk_dma_map_unlist(struct xsk_dma_map *m)
{
	struct xsk_device *xd = xsk_device(m->dev);
	struct xsk_dma_map **p;

	lock_acquire(&xd->maps_lock);
	for (p = &xd->maps; *p && *p != m; p = &(*p)->next_dev)
		;
	if (*p)
		*p = m->next_dev;
	lock_release(&xd->maps_lock);
}

/* Under umem->dma_lock. */
static struct xsk_dma_map *xsk_dma_map_make(struct xdp_umem *umem, struct device *dev,
					    unsigned long attrs, struct page **pages)
{
	struct xsk_device *xd = xsk_device_get(dev);
	struct xsk_dma_map *m = xd ? alloc_zeroed(sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	m->umem = umem;
	m->dev = dev;
	m->pages = umem->npgs;
	if (umem->maps)
		/* shared intentionally with another device */
		attrs |= DMA_ATTR_DEBUGGING_IGNORE_CACHELINES;
	if (xsk_dma_map_runs(m, pages, attrs)) {
		alloc_free(m);
		return NULL;
	}
	m->need_sync |= dev->check; /* the checker must observe every sync */
	m->need_sync &= dma_dev_need_sync(dev) || dev->check;
	m->next = umem->maps;
	umem->maps = m;
	xsk_dma_map_list(xd, m);
	return m;
}

static void xsk_dma_map_use(struct xsk_pool *p, struct xsk_dma_map *m)
{
	p->map = m;
	p->map_next = m->pools;
	m->pools = p;
	p->pub.dev = m->dev;
	p->pub.dma_base = m->base;
	p->pub.dma_pages = m->page;
	p->pub.dma_need_sync = m->need_sync;
}

static void xsk_addresses_forget(struct xsk_pool *p)
{
	p->pub.dev = NULL;
	p->pub.dma_base = NOT_MAPPED;
	p->pub.dma_pages = NULL;
	p->pub.dma_need_sync = false;
}

static void xsk_dma_map_forget(struct xsk_pool *p)
{
	struct xsk_pool **at;

	for (at = &p->map->pools; *at != p; at = &(*at)->map_next)
		;
	*at = p->map_next;
	p->map = NULL;
	xsk_addresses_forget(p);
}

int xp_dma_map(struct xsk_buff_pool *pool, struct device *dev, unsigned long attrs,
	       struct page **pages, u32 nr_pages)
{
	struct xsk_pool *p = pool_of(pool);
	struct xsk_dma_map *m;
	int err = 0;

	if (!pool || !dev || (pages && nr_pages < pool->umem->npgs))
		return error_set(EINVAL,
				 "cannot map a UMEM: no pool, no device, or fewer pages than it "
				 "has");
	lock_acquire(&pool->umem->dma_lock);
	for (m = pool->umem->maps; m && m->dev != dev; m = m->next)
		;
	if (p->map)
		err = error_set(EINVAL, "%s: the pool is mapped already", dev_name(dev));
	else if (!m)
		m = xsk_dma_map_make(pool->umem, dev, attrs, pages);
	if (!err && !m)
		err = -ENOMEM;
	if (!err)
		xsk_dma_map_use(p, m);
	lock_release(&pool->umem->dma_lock);
	return err;
}

void dma_unmap_pool(struct xsk_pool *p, unsigned long attrs)
{
	struct xsk_buff_pool *pool = &p->pub;
	struct xsk_dma_map **at, *m;

	lock_acquire(&pool->umem->dma_lock);
	m = p->map;
	if (m)
		xsk_dma_map_forget(p);
	if (m && !m->pools) {
		for (at = &pool->umem->maps; *at != m; at = &(*at)->next)
			;
		*at = m->next;
		if (m->dev) {
			xsk_dma_map_unlist(m);
			xsk_dma_unmap(m, attrs);
		}
		alloc_free(m->page);
		alloc_free(m);
	}
	lock_release(&pool->umem->dma_lock);
}

void xp_dma_unmap(struct xsk_buff_pool *pool, unsigned long attrs)
{
	if (!pool)
		return;
	provenance_report_busy(pool_of(pool), __builtin_return_address(0));
	dma_unmap_pool(pool_of(pool), attrs);
}

void dma_drop_device(struct xsk_device *xd)
{
	struct xsk_dma_map *m;

	while ((m = xd->maps)) {
		lock_acquire(&m->umem->dma_lock);
		xsk_dma_map_unlist(m);
		xsk_dma_unmap(m, 0);
		m->dev = NULL;
		for (struct xsk_pool *p = m->pools; p; p = p->map_next)
			xsk_addresses_forget(p);
		lock_release(&m->umem->dma_lock);
	}
}
