/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for devices that is not coherent: whole pages, which are mapped for the device from
 * allocation to free and synced by the sync calls. The memory is a contiguous block
 * (dma_alloc_pages) or, with an IOMMU, scattered pages at one range of device addresses
 * (dma_alloc_noncontiguous), so that fragmented RAM can be used. All of it is within both masks of
 * the device.
 */
#include "base/alloc.h"
#include "base/fork.h"
#include "map/map.h"

#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/vmalloc.h>
#include <sys/mman.h>

#define CHUNK_ORDER_MAX 9 /* scattered memory is allocated in pieces of up to 2 MiB */

#define BUCKETS 64 /* a power of two */

/* dma_alloc_noncontiguous() returns the first member of this struct. */
struct pages_scattered {
	struct sg_table sgt;
	struct device *dev;
	struct page **pages; /* every page; NULL: a contiguous block */
	u64 n;
	enum dma_data_direction dir;
	struct pages_scattered *next; /* in its bucket */
};

/*
 * All allocated tables, by address, so that a wrong pointer from the caller is not dereferenced.
 * Guarded by `lock`.
 */
static struct pages_scattered *buckets[BUCKETS];
static struct lock lock;

static int pages_check_request(const struct device *dev, size_t size, int dir, gfp_t gfp)
{
	if (!dev || !size || size > PTRDIFF_MAX || (unsigned int)dir > DMA_FROM_DEVICE)
		return error_set(EINVAL,
				 "%s: pages for a device: no device, size 0, or no direction",
				 dev_name(dev));
	if (gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP))
		return error_set(EINVAL,
				 "%s: pages for a device: the zone follows from the device's mask, "
				 "and blocks are not compound: leave __GFP_DMA, __GFP_DMA32, "
				 "__GFP_HIGHMEM and __GFP_COMP out",
				 dev->name);
	return 0;
}

/*
 * Stores the size of a block of dma_alloc_pages() in the owner field of its first page. 0: not such
 * a block.
 */
static void pages_note_bytes(struct page *page, u64 bytes)
{
	write_once(&page->owner, (void *)(uintptr_t)bytes);
}

static u64 pages_noted_bytes(const struct page *page)
{
	return (u64)(uintptr_t)read_once(&page->owner);
}

struct page *dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
			     enum dma_data_direction dir, gfp_t gfp)
{
	struct map_limits l;
	unsigned int order;
	struct page *page;
	dma_addr_t addr;

	if (!dma_handle || pages_check_request(dev, size, (int)dir, gfp))
		return NULL;
	if (fail_here(FAIL_COHERENT, dev->name))
		return error_null(ENOMEM, "%s: allocation failed by fault injection", dev->name);
	order = (unsigned int)get_order(size);
	l = map_limits_of_both_masks(dev);
	/* An IOMMU reaches all RAM. */
	page = page_alloc(gfp | __GFP_ZERO, order, device_translates_ram(dev) ? ~0ull : l.last);
	if (!page)
		return NULL;
	addr = map_within(dev, phys_of_page(page), PAGE_ALIGN(size), dir, 0, &l);
	if (addr == DMA_MAPPING_ERROR) {
		page_free(page, order);
		return NULL;
	}
	pages_note_bytes(page, PAGE_ALIGN(size));
	count_map(dev, PAGE_ALIGN(size), 1);
	*dma_handle = addr;
	if (unlikely(dev->check))
		map_check_mapped(dev, CALL_PAGES, addr, phys_of_page(page), PAGE_ALIGN(size), dir,
				 0, CALLER);
	return page;
}

/* Whether the pages are an allocated block of that size, and the address is that of its mapping. */
static bool pages_is_allocated(const struct device *dev, u64 size, const struct page *page,
			       dma_addr_t addr)
{
	u64 bus = addr - dev->bus_offset, pa = phys_of_page(page).v;
	u32 state;

	if (!page_is_ram(page))
		return false;
	state = read_acquire(&page->state);
	if (page_state_kind(state) != PAGE_USER ||
	    page_state_order(state) != (unsigned int)get_order(size) ||
	    pages_noted_bytes(page) != PAGE_ALIGN(size))
		return false;
	if (!dev->iommu || (dev->identity_mapped && bus == pa))
		return bus == pa;
	return (pt_walk(&dev->domain->pt, IOVA(bus)) & PT_ADDR) == pa &&
	       !(bus & (PAGE_BYTES - 1)) &&
	       pt_mapping_size(&dev->domain->pt, IOVA(bus)) == PAGE_ALIGN(size);
}

void dma_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t dma_handle,
		    enum dma_data_direction dir)
{
	if (!page)
		return;
	if (pages_check_request(dev, size, (int)dir, 0))
		return;
	if (unlikely(dev->check)) {
		check_enter(CALLER);
		check_pages(&dev->shadow, dma_handle, CALLER);
	}
	if (!pages_is_allocated(dev, size, page, dma_handle)) {
		struct check_history history = {0};

		if (dev->check)
			check_provenance(&dev->shadow, dma_handle, "allocated", "freed", &history);
		check_report_history(
			dev, dev->check, DMAMAP_CHECK_COHERENT_MISMATCH, dma_handle, size, dir,
			&history,
			"free of %zu bytes of pages at %#llx, which dma_alloc_pages() did not "
			"return with that size, or which were freed already: nothing was freed",
			size, (unsigned long long)dma_handle);
		return;
	}
	if (unlikely(dev->check))
		map_check_unmap(dev, CALL_PAGES, dma_handle, PAGE_ALIGN(size), dir, 0, CALLER);
	/* The contents are discarded, so the direction does not matter. */
	if (!unmap_one(dev, dma_handle, PAGE_ALIGN(size), DMA_BIDIRECTIONAL,
		       DMA_ATTR_SKIP_CPU_SYNC))
		return;
	count_unmap(dev);
	pages_note_bytes(page, 0);
	page_free(page, (unsigned int)get_order(size));
}

/* Maps `pages` pages in place of the range: contiguous from `first`, or else those in `each`. */
static int map_range(struct device *dev, struct vm_area_struct *vma, u64 pages, struct page *first,
		     struct page **each)
{
	u64 n, start;

	if (!vma || vma->vm_end <= vma->vm_start ||
	    ((vma->vm_start | vma->vm_end) & (PAGE_BYTES - 1)))
		return error_set(EINVAL, "%s: no range of whole pages to map into", dev_name(dev));
	n = (vma->vm_end - vma->vm_start) >> PAGE_BITS;
	start = vma->vm_pgoff;
	if (start >= pages || n > pages - start)
		return error_set(ENXIO, "%s: the range is longer than the memory", dev_name(dev));
	if (!each)
		return mem_map_at((void *)vma->vm_start,
				  PHYS(phys_of_page(first).v + (start << PAGE_BITS)),
				  n << PAGE_BITS, PROT_READ | PROT_WRITE);
	for (u64 i = 0; i < n; i++) {
		int err = mem_map_at((void *)(vma->vm_start + (i << PAGE_BITS)),
				     phys_of_page(each[start + i]), PAGE_BYTES,
				     PROT_READ | PROT_WRITE);

		if (err)
			return err;
	}
	return 0;
}

int dma_mmap_pages(struct device *dev, struct vm_area_struct *vma, size_t size, struct page *page)
{
	if (!dev || !page || !size || !page_is_ram(page))
		return error_set(EINVAL, "dma_mmap_pages: no device, no pages or size 0");
	return map_range(dev, vma, PAGE_ALIGN(size) >> PAGE_BITS, page, NULL);
}

static void pages_list_free(struct page **pages, u64 n)
{
	while (n)
		page_free(pages[--n], 0);
}

/* Allocates pages[0 … n) in the largest pieces that are available, down to single pages. */
static int pages_list_alloc(struct page **pages, u64 n, gfp_t gfp, unsigned int order, u64 last)
{
	u64 have = 0;

	while (have < n) {
		struct page *page;

		order = (unsigned int)min_u64(order, log2_floor(n - have));
		page = page_alloc(gfp | __GFP_ZERO, order, last);
		if (!page) {
			if (!order) {
				pages_list_free(pages, have);
				return -ENOMEM;
			}
			order--;
			continue;
		}
		block_split(page, order);
		for (u64 i = 0; i < 1ull << order; i++)
			pages[have++] = page + i;
	}
	return 0;
}

/* Maps the pages at [page, page + s->n). Returns 0, or -ENOMEM or -EEXIST with nothing mapped. */
static int map_at(struct device *dev, struct pages_scattered *s, u64 page,
		  enum dma_data_direction dir)
{
	struct domain *dom = dev->domain;
	struct pt_cursor cursor = {0};

	for (u64 i = 0; i < s->n; i++) {
		u64 flags = prot_of(dir) | (i ? 0 : PT_FIRST) | (i + 1 == s->n ? PT_LAST : 0);
		int err = pt_cursor_map(&dom->pt, &cursor, IOVA((page + i) << PAGE_BITS),
					phys_of_page(s->pages[i]), PAGE_BYTES, flags);

		if (err) {
			pt_unmap(&dom->pt, IOVA(page << PAGE_BITS), i << PAGE_BITS);
			domain_undo_map(dom, s->n);
			return err;
		}
	}
	return 0;
}

/*
 * Maps all pages at one range of device addresses. If a part of the range is still mapped, because
 * the owner of an earlier mapping did not unmap all of it, the range stays allocated and unused,
 * and another one is tried.
 */
static int map_scattered(struct device *dev, struct pages_scattered *s, enum dma_data_direction dir,
			 dma_addr_t *addr)
{
	u64 last = map_limits_of_both_masks(dev).last >> PAGE_BITS;
	struct domain *dom = dev->domain;
	int err = -EEXIST;
	u64 page = 0;

	for (int tries = 0; tries < 4 && err == -EEXIST; tries++) {
		page = domain_iova_alloc(dom, s->n, last);
		if (!page)
			return -ENOMEM;
		err = map_at(dev, s, page, dir);
	}
	if (err == -ENOMEM)
		domain_iova_free(dom, page, s->n);
	if (err)
		return error_set(ENOMEM,
				 "%s: no memory for page tables, or the free address space has "
				 "mappings that were unmapped only in part",
				 dev->name);
	if (unlikely(!dom->space.direct) &&
	    dom->space.ops->publish(&dom->space, IOVA(page << PAGE_BITS), s->n << PAGE_BITS)) {
		pt_unmap(&dom->pt, IOVA(page << PAGE_BITS), s->n << PAGE_BITS);
		domain_undo_map(dom, s->n);
		domain_iova_free(dom, page, s->n);
		error_prefix("%s: cannot map %llu pages", dev->name, (unsigned long long)s->n);
		return -ENOMEM;
	}
	for (u64 i = 0; !dev->coherent && i < s->n; i++)
		cpu_cache_clean(phys_of_page(s->pages[i]), PAGE_BYTES);
	*addr = (page << PAGE_BITS) + dev->bus_offset;
	return 0;
}

static int pages_fill_scattered(struct pages_scattered *s, enum dma_data_direction dir, gfp_t gfp,
				unsigned long attrs, dma_addr_t *addr)
{
	unsigned int order = attrs & DMA_ATTR_ALLOC_SINGLE_PAGES ? 0 : CHUNK_ORDER_MAX;
	int err;

	s->pages = alloc_array(s->n, sizeof(*s->pages));
	if (!s->pages)
		return -ENOMEM;
	err = pages_list_alloc(s->pages, s->n, gfp, order, ~0ull);
	if (err)
		goto free_array;
	err = sg_alloc_table_from_pages(&s->sgt, s->pages, (unsigned int)s->n, 0, s->n << PAGE_BITS,
					GFP_KERNEL);
	if (err)
		goto free_pages;
	err = map_scattered(s->dev, s, dir, addr);
	if (!err)
		return 0;
	sg_free_table(&s->sgt);
free_pages:
	pages_list_free(s->pages, s->n);
free_array:
	alloc_free(s->pages);
	s->pages = NULL;
	return err;
}

static int pages_fill_contiguous(struct pages_scattered *s, size_t size,
				 enum dma_data_direction dir, gfp_t gfp, dma_addr_t *addr)
{
	struct page *page = dma_alloc_pages(s->dev, size, addr, dir, gfp);
	int err;

	if (!page)
		return -ENOMEM;
	err = sg_alloc_table(&s->sgt, 1, GFP_KERNEL);
	if (err) {
		dma_free_pages(s->dev, size, page, *addr, dir);
		return err;
	}
	sg_set_page(s->sgt.sgl, page, (unsigned int)PAGE_ALIGN(size), 0);
	return 0;
}

static int pages_scattered_fill(struct pages_scattered *s, size_t size, enum dma_data_direction dir,
				gfp_t gfp, unsigned long attrs, dma_addr_t *addr)
{
	int err;

	if (!s->dev->iommu)
		return pages_fill_contiguous(s, size, dir, gfp, addr);
	if (fail_here(FAIL_COHERENT, s->dev->name))
		return error_set(ENOMEM, "fault injection made the mapping fail");
	err = pages_fill_scattered(s, dir, gfp, attrs, addr);
	/* If RAM is mapped at its own address, the masks may leave no other addresses. */
	if (err && s->dev->identity_mapped)
		err = pages_fill_contiguous(s, size, dir, gfp, addr);
	return err;
}

static struct pages_scattered **pages_bucket_of(const struct sg_table *sgt)
{
	/* Addresses from malloc() are multiples of 16. */
	return &buckets[((uintptr_t)sgt >> 4 ^ (uintptr_t)sgt >> 12) & (BUCKETS - 1)];
}

static void pages_remember(struct pages_scattered *s)
{
	struct pages_scattered **bucket = pages_bucket_of(&s->sgt);

	lock_acquire(&lock);
	s->next = *bucket;
	*bucket = s;
	lock_release(&lock);
}

struct sg_table *dma_alloc_noncontiguous(struct device *dev, size_t size,
					 enum dma_data_direction dir, gfp_t gfp,
					 unsigned long attrs)
{
	struct pages_scattered *s;
	dma_addr_t addr;
	int err;

	if (pages_check_request(dev, size, (int)dir, gfp))
		return NULL;
	if ((attrs & ~DMA_ATTR_ALLOC_SINGLE_PAGES) || size > UINT32_MAX - PAGE_BYTES)
		return error_null(EINVAL,
				  "%s: dma_alloc_noncontiguous accepts no attribute except "
				  "DMA_ATTR_ALLOC_SINGLE_PAGES, and less than 4 GiB",
				  dev->name);
	s = alloc_zeroed(sizeof(*s));
	if (!s)
		return NULL;
	s->dev = dev;
	s->dir = dir;
	s->n = PAGE_ALIGN(size) >> PAGE_BITS;
	err = pages_scattered_fill(s, size, dir, gfp, attrs, &addr);
	if (err) {
		alloc_free(s);
		error_prefix("%s: no %zu bytes for dma_alloc_noncontiguous", dev->name, size);
		return NULL;
	}
	if (s->pages) /* otherwise dma_alloc_pages() has counted it */
		count_map(dev, PAGE_ALIGN(size), 1);
	s->sgt.nents = 1;
	sg_dma_address(s->sgt.sgl) = addr;
	sg_dma_len(s->sgt.sgl) = (unsigned int)PAGE_ALIGN(size);
	pages_remember(s);
	if (unlikely(dev->check) && s->pages)
		check_map_pages(&dev->shadow, &s->sgt, dir, CALLER);
	return &s->sgt;
}

/*
 * Returns the table if it is allocated and has this size; otherwise reports misuse. `forget`
 * removes it from its bucket, because the caller frees it.
 */
static struct pages_scattered *pages_scattered_of(struct device *dev, size_t size,
						  const struct sg_table *sgt, bool forget,
						  const void *caller)
{
	struct pages_scattered **at = pages_bucket_of(sgt), *s;

	lock_acquire(&lock);
	while ((s = *at) && &s->sgt != sgt)
		at = &s->next;
	if (s && (s->dev != dev || PAGE_ALIGN(size) >> PAGE_BITS != s->n))
		s = NULL;
	if (s && forget)
		*at = s->next;
	lock_release(&lock);
	check_enter(caller);
	if (!s)
		check_report(
			dev, dev && dev->check, DMAMAP_CHECK_COHERENT_NOT_OWNED, 0, size, DMA_NONE,
			"%p is not a table of %zu bytes that dma_alloc_noncontiguous() returned "
			"for this device, or it was freed already",
			(const void *)sgt, size);
	return s;
}

void dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt,
			    enum dma_data_direction dir)
{
	struct pages_scattered *s;
	dma_addr_t addr;

	if (!sgt)
		return;
	s = pages_scattered_of(dev, size, sgt, true, CALLER);
	if (!s)
		return;
	addr = sg_dma_address(sgt->sgl);
	if (!s->pages) {
		dma_free_pages(dev, s->n << PAGE_BITS, sg_page(sgt->sgl), addr, s->dir);
	} else {
		if (unlikely(dev->check))
			map_check_unmap(dev, CALL_NONCONTIGUOUS, addr, s->n << PAGE_BITS, dir, 0,
					CALLER);
		if (iommu_unmap_list(dev, addr, s->dir))
			count_unmap(dev);
		pages_list_free(s->pages, s->n);
		alloc_free(s->pages);
	}
	sg_free_table(&s->sgt);
	alloc_free(s);
}

void *dma_vmap_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt)
{
	struct pages_scattered *s = pages_scattered_of(dev, size, sgt, false, CALLER);

	if (!s)
		return NULL;
	if (!s->pages)
		return page_address(sg_page(sgt->sgl));
	return vmap(s->pages, (unsigned int)s->n, 0, PAGE_KERNEL);
}

void dma_vunmap_noncontiguous(struct device *dev, void *vaddr)
{
	/* A contiguous block has no second CPU mapping. */
	if (vaddr && is_vmalloc_addr(vaddr))
		vunmap(vaddr);
}

int dma_mmap_noncontiguous(struct device *dev, struct vm_area_struct *vma, size_t size,
			   struct sg_table *sgt)
{
	struct pages_scattered *s = pages_scattered_of(dev, size, sgt, false, CALLER);

	return s ? map_range(dev, vma, s->n, sg_page(sgt->sgl), s->pages) : -EINVAL;
}

static void pages_fork_child(void)
{
	lock = (struct lock)LOCK_INIT;
	fork_forget(buckets, sizeof(buckets));
}

FORK_HOOK(pages_hook, NULL, NULL, pages_fork_child);
