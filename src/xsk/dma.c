/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A UMEM's addresses for a device, made once and shared by all pools of the UMEM on that device.
 *
 * Where it can be, the UMEM is mapped as one range: then an address is a base and an offset, and
 * nothing needs looking up. That is so through an IOMMU, and without one where its memory is one
 * run of RAM. Else (memory that must bounce, scattered pages) each page is mapped by itself, and
 * the table says with each page whether the next one follows it for the device.
 *
 * The bit that says so stands in bit 0 of a table entry only: every reader masks it off.
 */
#include "base/alloc.h"
#include "xsk/xsk.h"

#include <linux/vmalloc.h>

#define NOT_MAPPED (1ull << 63) /* the addresses of a pool that is not mapped: no device reaches them */

/* The i-th page of the UMEM: of the caller's list, or where its memory is. */
static phys_addr_t umem_page(const struct xdp_umem *umem, struct page **pages, u64 i)
{
	if (pages)
		return page_to_phys(pages[i]);
	if (is_vmalloc_addr(umem->addrs))
		return page_to_phys(vmalloc_to_page(umem->addrs + (i << PAGE_BITS)));
	return virt_to_phys(umem->addrs) + (i << PAGE_BITS);
}

static bool is_one_run(const struct xdp_umem *umem, struct page **pages)
{
	phys_addr_t first = umem_page(umem, pages, 0);

	if (!pages && !is_vmalloc_addr(umem->addrs))
		return true;
	for (u64 i = 1; i < umem->npgs; i++)
		if (umem_page(umem, pages, i) != first + (i << PAGE_BITS))
			return false;
	return true;
}

static void unmap_pages(struct dma_map *m, u64 n, unsigned long attrs)
{
	for (u64 i = 0; i < n; i++)
		dma_unmap_page_attrs(m->dev, m->page[i] & ~XSK_NEXT_PG_CONTIG_MASK, PAGE_BYTES,
				     DMA_BIDIRECTIONAL, attrs);
}

static void mark_contiguous(struct dma_map *m)
{
	for (u64 i = 0; i + 1 < m->pages; i++)
		if ((m->page[i] & ~XSK_NEXT_PG_CONTIG_MASK) + PAGE_BYTES == m->page[i + 1])
			m->page[i] |= XSK_NEXT_PG_CONTIG_MASK;
}

static int map_pages(struct dma_map *m, struct page **pages, unsigned long attrs)
{
	m->page = alloc_array(m->pages, sizeof(*m->page));
	if (!m->page)
		return -ENOMEM;
	for (u64 i = 0; i < m->pages; i++) {
		m->page[i] = dma_map_phys(m->dev, umem_page(m->umem, pages, i), PAGE_BYTES,
					  DMA_BIDIRECTIONAL, attrs);
		if (dma_mapping_error(m->dev, m->page[i])) {
			unmap_pages(m, i, attrs);
			alloc_free(m->page);
			return -ENOMEM;
		}
		m->need_sync |= dma_need_sync(m->dev, m->page[i]);
	}
	mark_contiguous(m);
	return 0;
}

/* The whole UMEM as one range; false: by pages then. */
static bool map_whole(struct dma_map *m, struct page **pages, unsigned long attrs)
{
	phys_addr_t first = umem_page(m->umem, pages, 0);

	if (!is_one_run(m->umem, pages))
		return false;
	if (m->pages > 1 && !m->dev->iommu && first >= PHYS_FOREIGN)
		return false; /* it bounces: by pages, so that no large run of slots is needed */
	m->base = dma_map_phys(m->dev, first, m->pages << PAGE_BITS, DMA_BIDIRECTIONAL, attrs);
	if (dma_mapping_error(m->dev, m->base))
		return false;
	m->whole = true;
	m->need_sync = dma_need_sync(m->dev, m->base);
	return true;
}

static void unmap(struct dma_map *m, unsigned long attrs)
{
	if (m->whole)
		dma_unmap_page_attrs(m->dev, m->base, m->pages << PAGE_BITS, DMA_BIDIRECTIONAL, attrs);
	else
		unmap_pages(m, m->pages, attrs);
}

static void list_by_device(struct xsk_device *xd, struct dma_map *m)
{
	lock_take(&xd->maps_lock);
	m->next_dev = xd->maps;
	xd->maps = m;
	lock_give(&xd->maps_lock);
}

static void unlist_by_device(struct dma_map *m)
{
	struct xsk_device *xd = xsk_device(m->dev);
	struct dma_map **p;

	lock_take(&xd->maps_lock);
	for (p = &xd->maps; *p && *p != m; p = &(*p)->next_dev)
		;
	if (*p)
		*p = m->next_dev;
	lock_give(&xd->maps_lock);
}

/* Under umem->dma_lock. */
static struct dma_map *make_map(struct xdp_umem *umem, struct device *dev, unsigned long attrs,
				struct page **pages)
{
	struct xsk_device *xd = xsk_device_get(dev);
	struct dma_map *m = xd ? alloc_zeroed(sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	m->umem = umem;
	m->dev = dev;
	m->pages = umem->npgs;
	if (!map_whole(m, pages, attrs) && map_pages(m, pages, attrs)) {
		alloc_free(m);
		return NULL;
	}
	m->need_sync |= dev->check; /* it wants to see who syncs what */
	m->need_sync &= dma_dev_need_sync(dev) || dev->check;
	m->next = umem->maps;
	umem->maps = m;
	list_by_device(xd, m);
	return m;
}

static void use_map(struct pool *p, struct dma_map *m)
{
	p->map = m;
	p->pub.dev = m->dev;
	p->pub.dma_base = m->base;
	p->pub.dma_pages = m->page;
	p->pub.dma_need_sync = m->need_sync;
}

static void forget_map(struct pool *p)
{
	p->map = NULL;
	p->pub.dev = NULL;
	p->pub.dma_base = NOT_MAPPED;
	p->pub.dma_pages = NULL;
	p->pub.dma_need_sync = false;
}

int xp_dma_map(struct xsk_buff_pool *pool, struct device *dev, unsigned long attrs,
	       struct page **pages, u32 nr_pages)
{
	struct pool *p = pool_of(pool);
	struct dma_map *m;
	int err = 0;

	if (!pool || !dev || (pages && nr_pages < pool->umem->npgs))
		return error_set(EINVAL, "cannot map a UMEM: no pool, no device, or fewer pages than it "
				 "has");
	lock_take(&pool->umem->dma_lock);
	for (m = pool->umem->maps; m && m->dev != dev; m = m->next)
		;
	if (p->map)
		err = error_set(EINVAL, "%s: the pool is mapped already", dev_name(dev));
	else if (!m)
		m = make_map(pool->umem, dev, attrs, pages);
	if (!err && !m)
		err = -ENOMEM;
	if (!err) {
		m->users++;
		use_map(p, m);
	}
	lock_give(&pool->umem->dma_lock);
	return err;
}

void xp_dma_unmap(struct xsk_buff_pool *pool, unsigned long attrs)
{
	struct pool *p = pool_of(pool);
	struct dma_map **at, *m;

	if (!pool)
		return;
	lock_take(&pool->umem->dma_lock);
	m = p->map;
	if (m && !--m->users) {
		for (at = &pool->umem->maps; *at != m; at = &(*at)->next)
			;
		*at = m->next;
		if (m->dev) {
			unlist_by_device(m);
			unmap(m, attrs);
		}
		alloc_free(m->page);
		alloc_free(m);
	}
	if (m)
		forget_map(p);
	lock_give(&pool->umem->dma_lock);
}

void dma_drop_device(struct xsk_device *xd)
{
	struct dma_map *m;

	while ((m = xd->maps)) {
		lock_take(&m->umem->dma_lock);
		unlist_by_device(m);
		unmap(m, 0);
		m->dev = NULL;
		lock_give(&m->umem->dma_lock);
	}
}
