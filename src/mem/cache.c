/* SPDX-License-Identifier: BSD-2-Clause */
/* kmem_cache_*: a slab set that belongs to the driver. */
#include "mem/page.h"
#include "mem/slab.h"
#include "mem/watch.h"

#include "base/alloc.h"
#include "base/asan.h"
#include "base/error.h"
#include "base/fail.h"

#include <linux/slab.h>

struct kmem_cache {
	struct slab_set *set;
	unsigned int size; /* of an object, as requested */
	char *name;
};

/*
 * Returns the object size that keeps every object aligned, given that slabs begin on a page; 0 with
 * an error message.
 */
static u32 cache_stride(const char *name, unsigned int size, unsigned int align)
{
	if (align < SLAB_ALIGN)
		align = SLAB_ALIGN;
	if (size && size <= SLAB_SIZE_MAX && is_pow2(align) && align <= PAGE_BYTES)
		return (u32)align_up(size + (asan_is_on() && size < SLAB_SIZE_MAX ? 1 : 0), align);
	error_set(EINVAL,
		  "cache %s: objects of %u bytes aligned to %u are not possible: give a size of at "
		  "most "
		  "256 KiB and an alignment that is a power of two up to 4 KiB",
		  name, size, align);
	return 0;
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *))
{
	gfp_t zone = flags & SLAB_CACHE_DMA ? GFP_DMA : flags & SLAB_CACHE_DMA32 ? GFP_DMA32 : 0;
	struct kmem_cache *cache;
	u32 stride;

	if (!name)
		name = "without a name";
	stride = cache_stride(name, size, align);
	if (!stride)
		return NULL;
	cache = alloc_zeroed(sizeof(*cache));
	if (!cache)
		return NULL;
	cache->name = alloc_string(name);
	if (!cache->name)
		goto no_name;
	cache->size = size;
	cache->set = slab_set_claim(stride, zone, ctor);
	if (!cache->set)
		goto no_set;
	return cache;

no_set:
	alloc_free(cache->name);
no_name:
	alloc_free(cache);
	return NULL;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	if (!cache)
		return error_null(EINVAL, "kmem_cache_alloc: no cache was given");
	if (gfp & __GFP_ZERO && cache->set->ctor)
		return error_null(EINVAL,
				  "cache %s has a constructor: its objects cannot be zeroed",
				  cache->name);
	if (slab_must_fail())
		return error_null(ENOMEM, "cache %s: failed by fault injection", cache->name);
	return slab_take(cache->set, cache->size, gfp);
}

void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kmem_cache_alloc(cache, gfp | __GFP_ZERO);
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	phys_t pa = phys_of(object);
	struct page *head;
	int err;

	if (!object)
		return;
	head = cache && phys_is_ram(pa) ? block_head(page_of_phys(pa)) : NULL;
	if (head)
		err = slab_give(head, object, cache->set);
	else
		err = error_set(EINVAL, "kmem_cache_free: %p is not a live object of %s", object,
				cache ? cache->name : "no cache");
	mem_watch_done(object, err, __builtin_return_address(0));
}

unsigned int kmem_cache_size(const struct kmem_cache *cache)
{
	return cache ? cache->size : 0;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (!cache)
		return;
	if (slab_set_release(cache->set)) {
		error_set(EBUSY, "cache %s still has live objects: free them before destroying it",
			  cache->name);
		return;
	}
	alloc_free(cache->name);
	alloc_free(cache);
}
