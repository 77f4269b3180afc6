/* SPDX-License-Identifier: BSD-2-Clause */
/* Page pools, and the parts of XDP that work without a program. */
#include "net.h"

#define POOL_PAGES 4096

static struct host_mutex addrs_lock;
static struct {
	const struct page *page;
	dma_addr_t addr;
} addrs[POOL_PAGES]; /* DMA addresses of the pools' pages; under addrs_lock */

static dma_addr_t *pool_addr(const struct page *page, bool add)
{
	unsigned int i, free = POOL_PAGES;

	for (i = 0; i < POOL_PAGES && addrs[i].page != page; i++) {
		if (!addrs[i].page && free == POOL_PAGES)
			free = i;
	}
	if (i < POOL_PAGES)
		return &addrs[i].addr;
	if (!add || free == POOL_PAGES)
		return NULL;
	addrs[free].page = page;
	return &addrs[free].addr;
}

struct page_pool *page_pool_create(const struct page_pool_params *params)
{
	struct page_pool *pool = kmod_calloc("register", 1, sizeof(*pool));

	kmod_might_sleep("page_pool_create");
	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->p = *params;
	pool->size = params->pool_size ? params->pool_size : 256;
	pool->pages = kmod_calloc(NULL, pool->size, sizeof(*pool->pages));
	if (!pool->pages) {
		host_free(pool);
		return ERR_PTR(-ENOMEM);
	}
	spin_lock_init(&pool->lock);
	kmod_ledger_add(KMOD_POOL, pool, sizeof(*pool));
	return pool;
}

static void pool_page_free(struct page_pool *pool, struct page *page)
{
	dma_addr_t *at, addr = 0;

	host_lock(&addrs_lock);
	at = pool_addr(page, false);
	if (at) {
		addr = *at;
		addrs[(at - &addrs[0].addr) * sizeof(*at) / sizeof(addrs[0])].page = NULL;
	}
	host_unlock(&addrs_lock);
	if (at)
		dma_unmap_page_attrs(pool->p.dev, addr, PAGE_SIZE << pool->p.order, pool->p.dma_dir,
				     DMA_ATTR_SKIP_CPU_SYNC);
	put_page(page);
}

struct page *kmod_page_pool_alloc(struct page_pool *pool, gfp_t gfp)
{
	struct page *page = NULL;
	unsigned long flags;
	dma_addr_t addr, *at;

	spin_lock_irqsave(&pool->lock, flags);
	if (pool->n)
		page = pool->pages[--pool->n];
	spin_unlock_irqrestore(&pool->lock, flags);
	if (!page) {
		page = alloc_pages(gfp, pool->p.order);
		if (!page)
			return NULL;
		if (pool->p.flags & PP_FLAG_DMA_MAP) {
			addr = dma_map_page_attrs(pool->p.dev, page, 0, PAGE_SIZE << pool->p.order,
						  pool->p.dma_dir, DMA_ATTR_SKIP_CPU_SYNC);
			if (dma_mapping_error(pool->p.dev, addr)) {
				put_page(page);
				return NULL;
			}
			host_lock(&addrs_lock);
			at = pool_addr(page, true);
			if (at)
				*at = addr;
			host_unlock(&addrs_lock);
		}
	}
	if (pool->p.flags & PP_FLAG_DMA_SYNC_DEV)
		dma_sync_single_range_for_device(pool->p.dev, page_pool_get_dma_addr(page),
						 pool->p.offset, pool->p.max_len, pool->p.dma_dir);
	__atomic_add_fetch(&pool->outstanding, 1, __ATOMIC_SEQ_CST);
	return page;
}

void page_pool_put_full_page(struct page_pool *pool, struct page *page, bool direct)
{
	unsigned long flags;
	bool kept = false;

	__atomic_sub_fetch(&pool->outstanding, 1, __ATOMIC_SEQ_CST);
	spin_lock_irqsave(&pool->lock, flags);
	if (pool->n < pool->size && !pool->destroyed) {
		pool->pages[pool->n++] = page;
		kept = true;
	}
	spin_unlock_irqrestore(&pool->lock, flags);
	if (!kept)
		pool_page_free(pool, page);
}

void page_pool_destroy(struct page_pool *pool)
{
	if (!pool)
		return;
	kmod_might_sleep("page_pool_destroy");
	pool->destroyed = 1;
	while (pool->n)
		pool_page_free(pool, pool->pages[--pool->n]);
	kmod_ledger_del(KMOD_POOL, pool);
	host_free(pool->pages);
	host_free(pool);
}

dma_addr_t page_pool_get_dma_addr(struct page *page)
{
	dma_addr_t *at, addr;

	host_lock(&addrs_lock);
	at = pool_addr(page, false);
	addr = at ? *at : 0;
	host_unlock(&addrs_lock);
	return addr;
}

enum dma_data_direction page_pool_get_dma_dir(struct page_pool *pool)
{
	return pool->p.dma_dir;
}

int kmod_xdp_rxq_reg(struct xdp_rxq_info *q, struct net_device *dev, u32 index)
{
	if (kmod_fail("register"))
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	q->dev = dev;
	q->queue_index = index;
	q->reg_state = 1;
	return 0;
}

void xdp_rxq_info_unreg(struct xdp_rxq_info *q)
{
	q->reg_state = 2;
}

int xdp_rxq_info_reg_mem_model(struct xdp_rxq_info *q, enum xdp_mem_type type, void *allocator)
{
	q->mem.type = type;
	return 0;
}
