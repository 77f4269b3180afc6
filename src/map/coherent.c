/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coherent memory: pages of RAM, mapped for the device in both directions. Every block has a record
 * in one tree by CPU address (glibc's tsearch), guarded by `lock`, so that a wrong or second free
 * is rejected and dmamap_close() finds blocks that were not freed.
 *
 * Both addresses are aligned to the block's size. If the device's address is the physical address
 * plus a bus offset that is not a multiple of that size, memory that is aligned for the device is
 * not aligned in RAM. The block is then inside a block of twice its size, and the CPU uses a view
 * of it at an aligned address (mem/vmrange.h).
 */
#include "base/alloc.h"
#include "base/fork.h"
#include "map/coherent.h"
#include "map/managed.h"
#include "map/map.h"
#include "mem/vmrange.h"

#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <pthread.h>
#include <search.h>
#include <sys/mman.h>

struct coherent_block {
	const void *cpu;
	struct page *page; /* of the block of `order` that contains the memory */
	phys_t pa;	   /* of the memory */
	struct device *dev;
	struct coherent_block *next, **link; /* of the device's blocks */
	dma_addr_t dma;
	u64 size, pages_size;
	unsigned int order;
	bool mapped; /* it has an IOVA range of its own */
	bool view;   /* `cpu` is a view */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *tree; /* of struct coherent_block by cpu; guarded by `lock` */

/* Blocks do not overlap, so 0 means the same block, or a search for a part of it. */
static int coherent_compare_cpu(const void *a, const void *b)
{
	const struct coherent_block *x = a, *y = b;
	uintptr_t from = (uintptr_t)x->cpu, other = (uintptr_t)y->cpu;

	if (from < other)
		return other - from < x->pages_size ? 0 : -1;
	return from - other < y->pages_size ? 0 : 1;
}

static int coherent_record(struct coherent_block *c)
{
	void *node;

	if (fail_here(FAIL_MEMORY, NULL))
		return error_set(ENOMEM, "out of memory for the record of coherent memory");
	pthread_mutex_lock(&lock);
	node = tsearch(c, &tree, coherent_compare_cpu);
	if (node) {
		c->next = c->dev->coherent_blocks;
		c->link = &c->dev->coherent_blocks;
		if (c->next)
			c->next->link = &c->next;
		c->dev->coherent_blocks = c;
		count_add(&c->dev->coherent_bytes,
			  c->pages_size); /* dmamap_stats() reads it without the lock */
	}
	pthread_mutex_unlock(&lock);
	return node ? 0 : error_set(ENOMEM, "out of memory for the record of coherent memory");
}

/* Called with `lock` held. */
static void coherent_unrecord(struct coherent_block *c)
{
	tdelete(c, &tree, coherent_compare_cpu);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	count_add(&c->dev->coherent_bytes, 0 - c->pages_size);
}

/* Returns the block that contains the byte, or NULL. Called with `lock` held. */
static struct coherent_block *coherent_find(const void *cpu)
{
	const struct coherent_block key = {.cpu = cpu, .pages_size = 1};
	struct coherent_block *const *node = tfind(&key, &tree, coherent_compare_cpu);

	return node ? *node : NULL;
}

/* Returns the block that begins there, or NULL. Called with `lock` held. */
static struct coherent_block *coherent_at(const void *cpu)
{
	struct coherent_block *c = coherent_find(cpu);

	return c && c->cpu == cpu ? c : NULL;
}

/* Whether the device, whose mask ends at `last`, can use the memory at its own address. */
static bool coherent_by_identity(const struct device *dev, u64 last)
{
	return !dev->iommu || (dev->identity_mapped && last >= MEM_DMA_END - 1);
}

/* Maps the pages at a device address of at most `last`; 0, -ENOMEM. */
static int coherent_map(struct device *dev, struct coherent_block *c, u64 last)
{
	struct domain *dom = dev->domain;
	u64 page;
	int err;

	if (coherent_by_identity(dev, last)) {
		c->dma = c->pa.v + dev->bus_offset;
		return 0;
	}
	page = domain_iova_alloc(dom, c->pages_size >> PAGE_BITS, last >> PAGE_BITS);
	if (!page)
		return -ENOMEM;
	err = dom->space.ops->map(&dom->space, IOVA(page << PAGE_BITS), c->pa, c->pages_size,
				  PT_READ | PT_WRITE | PT_UNCACHED);
	if (err) {
		domain_undo_map(dom, c->pages_size >> PAGE_BITS);
		domain_iova_free(dom, page, c->pages_size >> PAGE_BITS);
		error_prefix("%s: cannot map %llu bytes", dev->name,
			     (unsigned long long)c->pages_size);
		return err;
	}
	c->mapped = true;
	c->dma = (page << PAGE_BITS) + dev->bus_offset;
	return 0;
}

static void coherent_unmap(struct coherent_block *c)
{
	struct domain *dom = c->dev->domain;
	u64 bus = c->dma - c->dev->bus_offset;

	if (!c->mapped)
		return;
	dom->space.ops->unmap(&dom->space, IOVA(bus), c->pages_size);
	domain_release(dom, bus >> PAGE_BITS, c->pages_size >> PAGE_BITS, true);
}

/* Frees everything except the record. */
static void coherent_block_free(struct coherent_block *c)
{
	coherent_unmap(c);
	if (!c->dev->coherent)
		cpu_cache_unshare(c->pa, c->pages_size);
	/* Memory that the device can still reach must not be allocated again. */
	if (!c->view || vm_view_end(c->cpu))
		page_free(c->page, c->order);
	alloc_free(c);
}

static struct page *coherent_pages_alloc(struct device *dev, unsigned int order, gfp_t gfp,
					 u64 last)
{
	if (!coherent_by_identity(dev, last))
		last = ~0ull;
	/* The zone follows from the device, not from the caller: an IOMMU reaches every zone,
	 * other devices those within their mask. */
	gfp &= ~(gfp_t)(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP);
	return page_alloc(gfp | __GFP_ZERO, order, last);
}

static unsigned int coherent_order(u64 size)
{
	return log2_ceil((size + PAGE_BYTES - 1) >> PAGE_BITS);
}

/* Allocates memory that is aligned for the CPU and the device. 0, -ENOMEM. */
static int coherent_take_memory(struct device *dev, struct coherent_block *c, gfp_t gfp, u64 last)
{
	u64 before =
		coherent_by_identity(dev, last) ? (0 - dev->bus_offset) & (c->pages_size - 1) : 0;

	c->order += before != 0;
	c->page = coherent_pages_alloc(dev, c->order, gfp, last);
	if (!c->page)
		return -ENOMEM;
	c->pa = PHYS(phys_of_page(c->page).v + before);
	c->view = before != 0;
	c->cpu = before ? vm_view_make(c->pa, c->pages_size) : page_address(c->page);
	if (c->cpu)
		return 0;
	page_free(c->page, c->order);
	return -ENOMEM;
}

static struct coherent_block *coherent_block_make(struct device *dev, size_t size, gfp_t gfp)
{
	u64 last = map_mask_last(dev, read_once(&dev->coherent_mask));
	struct coherent_block *c = alloc_zeroed(sizeof(*c));

	if (!c)
		return NULL;
	c->dev = dev;
	c->size = size;
	c->order = coherent_order(size);
	c->pages_size = PAGE_BYTES << c->order;
	if (coherent_take_memory(dev, c, gfp, last))
		goto free_record;
	if (!dev->coherent && cpu_cache_share(c->pa, c->pages_size))
		goto free_memory;
	if (coherent_map(dev, c, last))
		goto part;
	if (coherent_record(c))
		goto take;
	return c;
take:
	coherent_unmap(c);
part:
	if (!dev->coherent)
		cpu_cache_unshare(c->pa, c->pages_size);
free_memory:
	if (!c->view || vm_view_end(c->cpu))
		page_free(c->page, c->order);
free_record:
	alloc_free(c);
	return NULL;
}

void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		      unsigned long attrs)
{
	struct coherent_block *c;

	if (!dev || !dma_handle || !size || size > PTRDIFF_MAX)
		return error_null(EINVAL,
				  "%s: coherent memory of %zu bytes, or no device or handle",
				  dev ? dev->name : "no device", size);
	if (fail_here(FAIL_COHERENT, dev->name))
		return error_null(ENOMEM, "%s: coherent allocation failed by fault injection",
				  dev->name);
	c = coherent_block_make(dev, size, gfp);
	if (!c) {
		error_prefix("%s: no coherent memory of %zu bytes", dev->name, size);
		return NULL;
	}
	*dma_handle = c->dma;
	if (unlikely(dev->check))
		map_check_mapped(dev, CALL_COHERENT, c->dma, c->pa, size, DMA_BIDIRECTIONAL, attrs,
				 CALLER);
	return (void *)(uintptr_t)c->cpu;
}

static void coherent_report_not_owned(struct device *dev, size_t size, const void *cpu,
				      dma_addr_t dma, const char *why)
{
	struct check_history history = {0};

	if (dev->check)
		check_provenance(&dev->shadow, dma, "allocated", "freed", &history);
	check_report_history(dev, dev->check, DMAMAP_CHECK_COHERENT_NOT_OWNED, dma, size, DMA_NONE,
			     &history, "free of %p, which is %s", cpu, why);
}

static void coherent_report_mismatch(struct device *dev, size_t size, dma_addr_t dma,
				     const struct coherent_block *was)
{
	struct check_history history = {0};

	if (dev->check)
		check_provenance(&dev->shadow, was->dma, "allocated", "freed", &history);
	check_report_history(
		dev, dev->check, DMAMAP_CHECK_COHERENT_MISMATCH, dma, size, DMA_NONE, &history,
		"coherent memory of %llu bytes at DMA address %#llx was freed with size "
		"%zu and DMA address %#llx: nothing was freed, pass the size and the DMA "
		"address of the allocation",
		(unsigned long long)was->size, (unsigned long long)was->dma, size,
		(unsigned long long)dma);
}

/* Removes the block from the tree if the caller's parameters match it; otherwise reports misuse. */
static struct coherent_block *coherent_block_claim(struct device *dev, size_t size, const void *cpu,
						   dma_addr_t dma)
{
	struct coherent_block *c, was = {0};
	bool right = false;

	pthread_mutex_lock(&lock);
	c = coherent_at(cpu);
	if (c && c->dev != dev)
		c = NULL;
	if (c) {
		was = *c; /* another thread may free it after the lock is released */
		right = c->dma == dma && c->size == size;
	}
	if (right)
		coherent_unrecord(c);
	pthread_mutex_unlock(&lock);
	if (right)
		return c;
	if (was.dev) {
		coherent_report_mismatch(dev, size, dma, &was);
		return NULL;
	}
	if (dev->check)
		check_free_unknown(&dev->shadow, cpu, dma, size);
	coherent_report_not_owned(
		dev, size, cpu, dma,
		"not coherent memory of this device; it may have been freed before");
	return NULL;
}

/* Called after the block was removed from the tree; `size` is the size of the allocation. */
static void coherent_end_block(struct coherent_block *c, unsigned long attrs, const void *caller)
{
	if (unlikely(c->dev->check))
		map_check_unmap(c->dev, CALL_COHERENT, c->dma, c->size, DMA_BIDIRECTIONAL, attrs,
				caller);
	coherent_block_free(c);
}

void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
		    unsigned long attrs)
{
	struct coherent_block *c;

	if (!cpu_addr)
		return;
	if (!dev) {
		error_set(EINVAL, "free of coherent memory with no device (NULL)");
		return;
	}
	if (unlikely(dev->check))
		check_enter(CALLER);
	c = coherent_block_claim(dev, size, cpu_addr, dma_handle);
	if (c)
		coherent_end_block(c, attrs, CALLER);
}

u64 coherent_release(struct device *dev, u64 *bytes)
{
	struct coherent_block *c;
	u64 n = 0;

	*bytes = 0;
	for (;;) {
		pthread_mutex_lock(&lock);
		c = dev->coherent_blocks;
		if (c)
			coherent_unrecord(c);
		pthread_mutex_unlock(&lock);
		if (!c)
			return n;
		*bytes += c->size;
		n++;
		coherent_block_free(c);
	}
}

/* Frees by CPU address, for close; the record has the size and the device address. */
static void coherent_release_managed(void *cpu)
{
	struct coherent_block *c;

	pthread_mutex_lock(&lock);
	c = coherent_at(cpu);
	if (c)
		coherent_unrecord(c);
	pthread_mutex_unlock(&lock);
	if (c && c->dev->check)
		check_forget(&c->dev->shadow, c->dma, CALL_COHERENT);
	if (c)
		coherent_block_free(c);
}

void *dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		       unsigned long attrs)
{
	dma_addr_t dma;
	/* That function rejects a NULL handle. */
	void *cpu = dma_alloc_attrs(dev, size, dma_handle ? &dma : NULL, gfp, attrs);

	if (!cpu)
		return NULL;
	if (device_add_managed(dev, coherent_release_managed, cpu)) {
		dma_free_attrs(dev, size, cpu, dma, attrs);
		return NULL;
	}
	*dma_handle = dma;
	return cpu;
}

void dmam_free_coherent(struct device *dev, size_t size, void *vaddr, dma_addr_t dma_handle)
{
	struct coherent_block *c;

	if (!dev || !vaddr)
		return;
	if (dev->check)
		check_enter(CALLER);
	if (!device_has_managed(dev, vaddr)) {
		coherent_report_not_owned(dev, size, vaddr, dma_handle,
					  "not managed: free memory of dma_alloc_coherent() with "
					  "dma_free_coherent()");
		return;
	}
	/* A rejected block stays managed. The address cannot be reused before the block is freed.
	 */
	c = coherent_block_claim(dev, size, vaddr, dma_handle);
	if (!c)
		return;
	device_drop_managed(dev, vaddr);
	coherent_end_block(c, 0, CALLER);
}

/* Finds the physical address of a block, or of a part of one, by both addresses. 0, -EINVAL. */
static int coherent_locate(struct device *dev, const void *cpu, dma_addr_t dma, size_t size,
			   phys_t *pa)
{
	const struct coherent_block *c;
	u64 offset;
	bool ok;

	if (!dev || !cpu || !size)
		return error_set(EINVAL, "no device, no memory or size 0");
	pthread_mutex_lock(&lock);
	c = coherent_find(cpu);
	offset = c ? (uintptr_t)cpu - (uintptr_t)c->cpu : 0;
	ok = c && c->dev == dev && range_within(offset, size, c->pages_size) &&
	     dma == c->dma + offset;
	if (ok)
		*pa = PHYS(c->pa.v + offset);
	pthread_mutex_unlock(&lock);
	return ok ? 0
		  : error_set(EINVAL,
			      "%s: %p with the DMA address %#llx is not coherent memory of %zu "
			      "bytes: pass what dma_alloc_coherent() returned, or a part of it",
			      dev->name, cpu, (unsigned long long)dma, size);
}

bool dma_can_mmap(struct device *dev)
{
	return dev != NULL;
}

int dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
		   dma_addr_t dma_addr, size_t size, unsigned long attrs)
{
	u64 pages = (size + PAGE_BYTES - 1) >> PAGE_BITS, length;
	phys_t pa = {0};
	int err = coherent_locate(dev, cpu_addr, dma_addr, size, &pa);

	if (err)
		return err;
	if (!vma || vma->vm_end <= vma->vm_start ||
	    ((vma->vm_start | vma->vm_end) & (PAGE_BYTES - 1)))
		return error_set(EINVAL, "%s: no range of whole pages to map into", dev->name);
	length = vma->vm_end - vma->vm_start;
	if (vma->vm_pgoff >= pages || length >> PAGE_BITS > pages - vma->vm_pgoff)
		return error_set(ENXIO, "%s: the range is longer than the %zu bytes of the block",
				 dev->name, size);
	return mem_map_at((void *)vma->vm_start, PHYS(pa.v + (vma->vm_pgoff << PAGE_BITS)), length,
			  PROT_READ | PROT_WRITE);
}

int dma_get_sgtable_attrs(struct device *dev, struct sg_table *sgt, void *cpu_addr,
			  dma_addr_t dma_addr, size_t size, unsigned long attrs)
{
	phys_t pa = {0};
	int err = coherent_locate(dev, cpu_addr, dma_addr, size, &pa);
	u64 offset;

	if (err)
		return err;
	if (!sgt)
		return error_set(EINVAL, "%s: dma_get_sgtable: no table (NULL)", dev->name);
	err = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (err)
		return err;
	/* The size extends to the end of the last page; the largest block is far below 4 GiB. */
	offset = pa.v & (PAGE_BYTES - 1);
	sg_set_page(sgt->sgl, phys_to_page(pa.v),
		    (unsigned int)(align_up(offset + size, PAGE_BYTES) - offset),
		    (unsigned int)offset);
	return 0;
}

static void coherent_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	fork_forget(&tree, sizeof(tree));
}

FORK_HOOK(coherent_hook, NULL, NULL, coherent_fork_child);
