/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmalloc and vmap: RAM pages that are mapped contiguously in an address range of their own
 * (mem/vmrange.h). RAM is not destroyed while an area exists. Adjacent RAM pages are mapped by one
 * system call.
 *
 * A view is a second mapping, in this range, of RAM that its caller owns, at an address aligned to
 * its size (coherent memory with a bus offset).
 *
 * If the system refuses to unmap an area, the area stays allocated: memory that is still accessible
 * is never reused.
 */
#include "mem/page.h"
#include "mem/ram.h"
#include "mem/vmrange.h"
#include "mem/watch.h"

#include "base/error.h"
#include "base/fail.h"

#include <linux/vmalloc.h>
#include <sys/mman.h>

/* Maps the pages that the slots name, adjacent ones together. */
static int vm_area_map(u32 index, u32 pages, int prot)
{
	int err = 0;

	for (u32 i = 0, run; i < pages && !err; i += run) {
		u64 pfn = vm_pfn(index + i);

		for (run = 1; i + run < pages && vm_pfn(index + i + run) == pfn + run; run++)
			;
		err = mem_map_at(vm_address(index + i), PHYS(pfn << PAGE_BITS),
				 (u64)run << PAGE_BITS, prot);
	}
	return err;
}

static int vm_area_unmap(u32 index, u32 pages)
{
	if (!mem_map_zero(vm_address(index), (u64)pages << PAGE_BITS, PROT_NONE))
		return error_set(ENOMEM,
				 "cannot unmap %u pages of vmalloc memory: they stay in use; "
				 "try again",
				 pages);
	return 0;
}

/* Frees the first `pages` pages of an area that is not mapped. */
static void vm_area_free_pages(u32 index, u32 pages)
{
	for (u32 i = 0; i < pages; i++)
		block_free(mem.map + vm_pfn(index + i), 0, PAGE_VMALLOC);
}

static int vm_area_alloc_pages(u32 index, u32 pages, gfp_t gfp)
{
	for (u32 i = 0; i < pages; i++) {
		struct page *page = NULL;

		if (fail_here(FAIL_PAGE, NULL))
			error_set(ENOMEM, "vmalloc: failed by fault injection");
		else
			page = block_alloc(gfp, 0, UINT64_MAX, PAGE_VMALLOC);
		if (!page) {
			vm_area_free_pages(index, i);
			return -ENOMEM;
		}
		vm_set_pfn(index + i, (u64)(page - mem.map));
	}
	return 0;
}

/*
 * Allocates address space for `pages` pages and counts it as a user of RAM. Returns its index, or 0
 * with an error message.
 */
static u32 vm_area_begin(u64 pages)
{
	u32 index = 0;

	if (mem_use_area())
		return 0;
	if (pages > mem.span >> PAGE_BITS || pages > VM_PAGES_MAX)
		error_set(ENOMEM,
			  "vmalloc of %llu KiB: more than RAM has; open the device with a "
			  "larger ram=",
			  (unsigned long long)pages << (PAGE_BITS - 10));
	else if (!vm_need())
		index = vm_take((u32)pages);
	if (!index)
		mem_unuse_area();
	return index;
}

static void vm_area_end(u32 index, u32 pages)
{
	vm_give(index, pages);
	mem_unuse_area();
}

static void *vmalloc_gfp(unsigned long size, gfp_t gfp)
{
	u64 pages = pages_spanned(0, size);
	u32 index, n;

	if (!size)
		return error_null(EINVAL, "vmalloc: 0 bytes were requested");
	index = vm_area_begin(pages);
	if (!index)
		return NULL;
	n = (u32)pages;
	if (vm_area_alloc_pages(index, n, gfp))
		goto no_pages;
	if (vm_area_map(index, n, PROT_READ | PROT_WRITE))
		goto no_map;
	vm_open(index, n, VM_KIND_VMALLOC);
	return vm_address(index);

no_map:
	if (vm_area_unmap(index, n))
		return NULL; /* parts of it are still accessible */
	vm_area_free_pages(index, n);
no_pages:
	vm_area_end(index, n);
	return NULL;
}

void *vmalloc(unsigned long size)
{
	return vmalloc_gfp(size, GFP_KERNEL | __GFP_HIGHMEM);
}

void *vzalloc(unsigned long size)
{
	return vmalloc_gfp(size, GFP_KERNEL | __GFP_HIGHMEM | __GFP_ZERO);
}

static int vm_area_close(const void *addr, enum vm_kind kind, const char *who)
{
	u32 index, pages;

	if (!addr)
		return 0;
	pages = vm_close(addr, kind, &index);
	if (!pages)
		return error_set(
			EINVAL,
			"%s(%p): no area of its kind begins there; it was freed already, or is "
			"other memory",
			who, addr);
	if (vm_area_unmap(index, pages)) {
		vm_open(index, pages, kind);
		return 0;
	}
	if (kind == VM_KIND_VMALLOC)
		vm_area_free_pages(index, pages);
	vm_area_end(index, pages);
	return 0;
}

void vfree(const void *addr)
{
	mem_watch_done(addr, vm_area_close(addr, VM_KIND_VMALLOC, "vfree"),
		       __builtin_return_address(0));
}

void vunmap(const void *addr)
{
	mem_watch_done(addr, vm_area_close(addr, VM_KIND_VMAP, "vunmap"),
		       __builtin_return_address(0));
}

static int vmap_check(struct page **pages, unsigned int count)
{
	if (!pages || !count || count == UINT32_MAX)
		return error_set(EINVAL, "vmap: no pages were given, or too many");
	for (unsigned int i = 0; i < count; i++)
		if (!page_is_ram(pages[i]))
			return error_set(EINVAL, "vmap: page %u of %u is not a page of RAM", i,
					 count);
	return 0;
}

void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot)
{
	u32 index;

	if (vmap_check(pages, count))
		return NULL;
	index = vm_area_begin(count);
	if (!index)
		return NULL;
	for (unsigned int i = 0; i < count; i++)
		vm_set_pfn(index + i, (u64)(pages[i] - mem.map));
	if (!vm_area_map(index, count, (int)prot.pgprot & (PROT_READ | PROT_WRITE))) {
		vm_open(index, count, VM_KIND_VMAP);
		return vm_address(index);
	}
	if (!vm_area_unmap(index, count))
		vm_area_end(index, count);
	return NULL;
}

bool is_vmalloc_addr(const void *addr)
{
	return vmalloc_range_contains(addr);
}

unsigned long vmalloc_to_pfn(const void *addr)
{
	u64 pfn = vmalloc_range_contains(addr) ? vm_pfn(vm_index(addr)) : 0;

	if (!pfn)
		error_set(EINVAL, "%p is not an address of a vmalloc or vmap area", addr);
	return pfn;
}

struct page *vmalloc_to_page(const void *addr)
{
	u64 pfn = vmalloc_to_pfn(addr);

	return pfn ? mem.map + pfn : NULL;
}

void *vm_view_make(phys_t pa, u64 size)
{
	u32 pages = (u32)(size >> PAGE_BITS), index = 0;

	if (mem_use_area())
		return NULL;
	if (!vm_need())
		index = vm_take_aligned(pages);
	if (!index) {
		mem_unuse_area();
		return NULL;
	}
	for (u32 i = 0; i < pages; i++)
		vm_set_pfn(index + i, (pa.v >> PAGE_BITS) + i);
	if (!vm_area_map(index, pages, PROT_READ | PROT_WRITE)) {
		vm_open(index, pages, VM_KIND_VIEW);
		return vm_address(index);
	}
	if (!vm_area_unmap(index, pages))
		vm_area_end(index, pages);
	return NULL;
}

bool vm_view_end(const void *view)
{
	u32 index, pages = vm_close(view, VM_KIND_VIEW, &index);

	if (!pages)
		return false;
	if (vm_area_unmap(index, pages)) {
		vm_open(index, pages, VM_KIND_VIEW);
		return false;
	}
	vm_area_end(index, pages);
	return true;
}
