/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coherent memory: pages of RAM, mapped for the device both ways. Every block has a record in one
 * tree by CPU address (glibc's tsearch), under `lock`, so that a wrong or second free is refused
 * and dmamap_close() finds what is left.
 */
#include "base/alloc.h"
#include "base/fork.h"
#include "map/device.h"
#include "map/map.h"

#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <pthread.h>
#include <search.h>
#include <sys/mman.h>

struct coherent {
	const void *cpu;
	struct device *dev;
	struct coherent *next, **link; /* of the device's blocks */
	dma_addr_t dma;
	u64 size, pages_size;
	unsigned int order;
	bool mapped; /* has address space of its own */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *tree; /* of struct coherent by cpu; under lock */

static int by_cpu(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct coherent *)a)->cpu;
	uintptr_t y = (uintptr_t)((const struct coherent *)b)->cpu;

	return (x > y) - (x < y);
}

static int coherent_record(struct coherent *c)
{
	void *node;

	if (fail_here(FAIL_MEMORY, NULL))
		return error_set(ENOMEM, "out of memory for the record of coherent memory");
	pthread_mutex_lock(&lock);
	node = tsearch(c, &tree, by_cpu);
	if (node) {
		c->next = c->dev->coherent_blocks;
		c->link = &c->dev->coherent_blocks;
		if (c->next)
			c->next->link = &c->next;
		c->dev->coherent_blocks = c;
		count_add(&c->dev->coherent_bytes,
			  c->pages_size); /* dmamap_stats() reads it unlocked */
	}
	pthread_mutex_unlock(&lock);
	return node ? 0 : error_set(ENOMEM, "out of memory for the record of coherent memory");
}

/* Under lock. */
static void coherent_unrecord(struct coherent *c)
{
	tdelete(c, &tree, by_cpu);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	count_add(&c->dev->coherent_bytes, 0 - c->pages_size);
}

/* Under lock. */
static struct coherent *coherent_find(const void *cpu)
{
	const struct coherent key = {.cpu = cpu};
	struct coherent *const *node = tfind(&key, &tree, by_cpu);

	return node ? *node : NULL;
}

static u64 coherent_last(const struct device *dev)
{
	u64 mask = read_once(&dev->coherent_mask);

	return mask < dev->bus_offset ? 0 : mask - dev->bus_offset;
}

/* Gives the pages a device address; 0, -ENOMEM. */
static int give_address(struct device *dev, struct coherent *c, phys_t pa)
{
	struct domain *dom = dev->domain;
	u64 page;
	int err;

	if (!dev->iommu ||
	    (dev->identity_mapped && pa.v + c->pages_size - 1 <= coherent_last(dev))) {
		c->dma = pa.v + dev->bus_offset;
		return 0;
	}
	page = domain_iova_alloc(dom, c->pages_size >> PAGE_BITS, coherent_last(dev) >> PAGE_BITS);
	if (!page)
		return -ENOMEM;
	err = dom->space.ops->map(&dom->space, IOVA(page << PAGE_BITS), pa, c->pages_size,
				  PT_READ | PT_WRITE | PT_UNCACHED);
	if (err) {
		domain_undo_map(dom, c->pages_size >> PAGE_BITS);
		iova_free(dom->iova, page, c->pages_size >> PAGE_BITS);
		error_prefix("%s: cannot map %llu bytes", dev->name,
			     (unsigned long long)c->pages_size);
		return err;
	}
	c->mapped = true;
	c->dma = (page << PAGE_BITS) + dev->bus_offset;
	return 0;
}

static void take_address(struct coherent *c)
{
	struct domain *dom = c->dev->domain;
	u64 bus = c->dma - c->dev->bus_offset;

	if (!c->mapped)
		return;
	dom->space.ops->unmap(&dom->space, IOVA(bus), c->pages_size);
	domain_release(dom, bus >> PAGE_BITS, c->pages_size >> PAGE_BITS, true);
}

/* Everything but the record. */
static void free_block(struct coherent *c)
{
	phys_t pa = phys_of(c->cpu);

	take_address(c);
	if (!c->dev->coherent)
		cpu_cache_unshare(pa, c->pages_size);
	page_free(virt_to_page((void *)(uintptr_t)c->cpu), c->order);
	alloc_free(c);
}

static struct page *alloc_block_pages(struct device *dev, unsigned int order, gfp_t gfp)
{
	u64 last = ~0ull;

	if (!dev->iommu || (dev->identity_mapped && coherent_last(dev) >= MEM_DMA_END - 1))
		last = coherent_last(dev);
	/* an IOMMU reaches every zone, a direct device what its mask says: not the caller's to
	 * choose */
	gfp &= ~(gfp_t)(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP);
	return page_alloc(gfp | __GFP_ZERO, order, last);
}

static unsigned int order_of(u64 size)
{
	return log2_ceil((size + PAGE_BYTES - 1) >> PAGE_BITS);
}

static struct coherent *make_block(struct device *dev, size_t size, gfp_t gfp)
{
	struct coherent *c = alloc_zeroed(sizeof(*c));
	struct page *page;

	if (!c)
		return NULL;
	c->dev = dev;
	c->size = size;
	c->order = order_of(size);
	c->pages_size = PAGE_BYTES << c->order;
	page = alloc_block_pages(dev, c->order, gfp);
	if (!page)
		goto free_record;
	c->cpu = page_address(page);
	if (!dev->coherent && cpu_cache_share(phys_of(c->cpu), c->pages_size))
		goto free_pages;
	if (give_address(dev, c, phys_of(c->cpu)))
		goto part;
	if (coherent_record(c))
		goto take;
	return c;
take:
	take_address(c);
part:
	if (!dev->coherent)
		cpu_cache_unshare(phys_of(c->cpu), c->pages_size);
free_pages:
	page_free(page, c->order);
free_record:
	alloc_free(c);
	return NULL;
}

void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		      unsigned long attrs)
{
	struct coherent *c;

	if (!dev || !dma_handle || !size || size > PTRDIFF_MAX)
		return error_null(EINVAL,
				  "%s: coherent memory of %zu bytes, or no device or handle",
				  dev ? dev->name : "no device", size);
	if (fail_here(FAIL_COHERENT, dev->name))
		return error_null(ENOMEM, "%s: coherent allocation failed by fault injection",
				  dev->name);
	c = make_block(dev, size, gfp);
	if (!c) {
		error_prefix("%s: no coherent memory of %zu bytes", dev->name, size);
		return NULL;
	}
	*dma_handle = c->dma;
	if (unlikely(dev->check))
		tell_mapped(dev, CALL_COHERENT, c->dma, phys_of(c->cpu), size, DMA_BIDIRECTIONAL,
			    attrs, CALLER);
	return (void *)(uintptr_t)c->cpu;
}

static void report_not_owned(struct device *dev, size_t size, const void *cpu, dma_addr_t dma,
			     const char *why)
{
	struct check_history history = {0};

	if (dev->check)
		check_provenance(&dev->shadow, dma, "allocated", "freed", &history);
	check_report_history(dev, dev->check, DMAMAP_CHECK_COHERENT_NOT_OWNED, dma, size, DMA_NONE,
			     &history, "free of %p, which is %s", cpu, why);
}

/* Takes the block out of the tree if the caller named it rightly, else reports. */
static struct coherent *take_block(struct device *dev, size_t size, const void *cpu, dma_addr_t dma)
{
	struct coherent *c;
	bool right = false;

	pthread_mutex_lock(&lock);
	c = coherent_find(cpu);
	if (c && c->dev == dev) {
		right = c->dma == dma && order_of(size ? size : 1) == c->order && size;
		if (right)
			coherent_unrecord(c);
	} else {
		c = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (right)
		return c;
	if (!c && dev->check)
		check_free_unknown(&dev->shadow, cpu, dma, size);
	if (c)
		check_report(
			dev, dev->check, DMAMAP_CHECK_COHERENT_MISMATCH, dma, size, DMA_NONE,
			"coherent memory freed with size %zu and DMA address %#llx, which are not "
			"those that it was allocated with: nothing is freed",
			size, (unsigned long long)dma);
	else
		report_not_owned(dev, size, cpu, dma,
				 "no coherent memory of this device (any more): freed twice?");
	return NULL;
}

void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
		    unsigned long attrs)
{
	struct coherent *c;

	if (!cpu_addr)
		return;
	if (!dev) {
		error_set(EINVAL, "free of coherent memory with no device (NULL)");
		return;
	}
	if (unlikely(dev->check))
		check_enter(CALLER);
	c = take_block(dev, size, cpu_addr, dma_handle);
	if (!c)
		return;
	if (unlikely(dev->check))
		tell_unmap(dev, CALL_COHERENT, c->dma, size, DMA_BIDIRECTIONAL, attrs, CALLER);
	free_block(c);
}

u64 coherent_release(struct device *dev, u64 *bytes)
{
	struct coherent *c;
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
		free_block(c);
	}
}

/* By CPU address: close finds size and address in the record. */
static void release_managed(void *cpu)
{
	struct coherent *c;

	pthread_mutex_lock(&lock);
	c = coherent_find(cpu);
	if (c)
		coherent_unrecord(c);
	pthread_mutex_unlock(&lock);
	if (c && c->dev->check)
		check_forget(&c->dev->shadow, c->dma, CALL_COHERENT);
	if (c)
		free_block(c);
}

void *dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		       unsigned long attrs)
{
	dma_addr_t dma;
	/* a handle of NULL is refused there */
	void *cpu = dma_alloc_attrs(dev, size, dma_handle ? &dma : NULL, gfp, attrs);

	if (!cpu)
		return NULL;
	if (device_add_managed(dev, release_managed, cpu)) {
		dma_free_attrs(dev, size, cpu, dma, attrs);
		return NULL;
	}
	*dma_handle = dma;
	return cpu;
}

void dmam_free_coherent(struct device *dev, size_t size, void *vaddr, dma_addr_t dma_handle)
{
	if (dev && dev->check)
		check_enter(CALLER);
	if (dev && vaddr && device_drop_managed(dev, vaddr))
		dma_free_attrs(dev, size, vaddr, dma_handle, 0);
	else if (dev && vaddr)
		report_not_owned(dev, size, vaddr, dma_handle,
				 "not managed: dma_free_coherent() what dma_alloc_coherent() gave");
}

/* The block holds [cpu, cpu + size); its physical address. */
static int coherent_locate(struct device *dev, const void *cpu, size_t size, phys_t *pa)
{
	struct coherent *c;
	bool ok;

	if (!dev || !cpu || !size)
		return error_set(EINVAL, "no device, no memory or size 0");
	pthread_mutex_lock(&lock);
	c = coherent_find(cpu);
	ok = c && c->dev == dev && size <= c->pages_size;
	pthread_mutex_unlock(&lock);
	if (!ok)
		return error_set(ENXIO, "%s: %p is no coherent memory of %zu bytes", dev->name, cpu,
				 size);
	*pa = phys_of(cpu);
	return 0;
}

bool dma_can_mmap(struct device *dev)
{
	return dev != NULL;
}

int dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
		   dma_addr_t dma_addr, size_t size, unsigned long attrs)
{
	u64 pages = (size + PAGE_BYTES - 1) >> PAGE_BITS, length;
	phys_t pa;
	int err = coherent_locate(dev, cpu_addr, size, &pa);

	if (err)
		return err;
	if (!vma || vma->vm_end <= vma->vm_start ||
	    ((vma->vm_start | vma->vm_end) & (PAGE_BYTES - 1)))
		return error_set(EINVAL, "%s: no range of whole pages to map into", dev->name);
	length = vma->vm_end - vma->vm_start;
	if (vma->vm_pgoff >= pages || length >> PAGE_BITS > pages - vma->vm_pgoff)
		return error_set(ENXIO, "%s: the range asks for more than the %zu bytes there are",
				 dev->name, size);
	return mem_map_at((void *)vma->vm_start, PHYS(pa.v + (vma->vm_pgoff << PAGE_BITS)), length,
			  PROT_READ | PROT_WRITE);
}

int dma_get_sgtable_attrs(struct device *dev, struct sg_table *sgt, void *cpu_addr,
			  dma_addr_t dma_addr, size_t size, unsigned long attrs)
{
	phys_t pa;
	int err = coherent_locate(dev, cpu_addr, size, &pa);

	if (err)
		return err;
	if (!sgt || size > UINT32_MAX - PAGE_BYTES)
		return error_set(EINVAL, "%s: no table, or more than one entry can hold",
				 dev->name);
	err = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (err)
		return err;
	sg_set_page(sgt->sgl, virt_to_page(cpu_addr), (unsigned int)align_up(size, PAGE_BYTES), 0);
	return 0;
}

static void coherent_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	fork_forget(&tree, sizeof(tree));
}

FORK_HOOK(coherent_hook, NULL, NULL, coherent_fork_child);
