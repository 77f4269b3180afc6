/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvmalloc: physically contiguous memory if available, otherwise single pages that are contiguous
 * in virtual addresses only.
 */
#include "mem/mem.h"
#include "mem/vmrange.h"
#include "mem/watch.h"

#include "base/error.h"

#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <string.h>

void *kvmalloc(size_t size, gfp_t gfp)
{
	void *p = kmalloc(size, gfp);

	if (p || size <= PAGE_BYTES)
		return p;
	return gfp & __GFP_ZERO ? vzalloc(size) : vmalloc(size);
}

void *kvzalloc(size_t size, gfp_t gfp)
{
	return kvmalloc(size, gfp | __GFP_ZERO);
}

void *kvmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return error_null(ENOMEM,
				  "kvmalloc of %zu objects of %zu bytes: the size overflows", n,
				  size);
	return kvmalloc(bytes, gfp);
}

void *kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kvmalloc_array(n, size, gfp | __GFP_ZERO);
}

void *kvmemdup(const void *src, size_t len, gfp_t gfp)
{
	void *p = kvmalloc(len, gfp);

	return p && len ? memcpy(p, src, len) : p;
}

void kvfree(const void *p)
{
	if (is_vmalloc_addr(p))
		vfree(p);
	else
		kfree(p);
}

void kvfree_sensitive(const void *p, size_t len)
{
	if (ZERO_OR_NULL_PTR(p))
		return;
	explicit_bzero((void *)(uintptr_t)p, len);
	kvfree(p);
}

void *kvrealloc(const void *p, size_t size, gfp_t gfp)
{
	size_t had;
	void *fresh;

	if (!is_vmalloc_addr(p) && size <= PAGE_BYTES)
		return krealloc(p, size, gfp);
	if (!size) {
		kvfree(p);
		return ZERO_SIZE_PTR;
	}
	if (ZERO_OR_NULL_PTR(p))
		return kvmalloc(size, gfp);
	had = is_vmalloc_addr(p) ? vm_area_pages(p, VM_KIND_VMALLOC) * PAGE_BYTES : ksize(p);
	if (!had) {
		error_set(EINVAL, "kvrealloc(%p): no live memory of kvmalloc begins there", p);
		mem_watch_done(p, -EINVAL, __builtin_return_address(0));
		return NULL;
	}
	if (size <= had)
		return (void *)(uintptr_t)p;
	fresh = kvmalloc(size, gfp);
	if (!fresh)
		return NULL;
	memcpy(fresh, p, had);
	kvfree(p);
	return fresh;
}
