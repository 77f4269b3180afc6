/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: size classes of 2^k and 1.5 * 2^k bytes from 64 to 4 KiB, in three zones. Larger objects
 * are whole pages. The block that a pointer is in records the kind of memory (mem/page.h), so kfree
 * needs only the pointer.
 */
#include "mem/page.h"
#include "mem/ram.h"
#include "mem/slab.h"
#include "mem/watch.h"

#include "base/error.h"

#include <linux/slab.h>
#include <pthread.h>
#include <string.h>

#define CLASS_MAX 4096

enum { ZONE_ANY, ZONE_DMA32, ZONE_DMA, ZONES };

static const u32 class_sizes[] = {64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096};
static u8
	/* index: size in units of SLAB_ALIGN, rounded up */
	class_of_size[CLASS_MAX / SLAB_ALIGN + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

_Static_assert(ZONES *ARRAY_SIZE(class_sizes) <= SLAB_SETS_KMALLOC, "a set for each class");

static void kmalloc_init_classes(void)
{
	static const gfp_t zones[ZONES] = {[ZONE_DMA32] = GFP_DMA32, [ZONE_DMA] = GFP_DMA};
	unsigned int class = 0;

	for (unsigned int z = 0; z < ZONES; z++)
		for (unsigned int c = 0; c < ARRAY_SIZE(class_sizes); c++)
			slab_set_init(&slab_sets[z * ARRAY_SIZE(class_sizes) + c], class_sizes[c],
				      zones[z], NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(class_of_size); i++) {
		if (i * SLAB_ALIGN > class_sizes[class])
			class ++;
		class_of_size[i] = (u8) class;
	}
}

/* Adds the red zone, if there is one. A power of two stays one, for the object's alignment. */
static size_t kmalloc_size_gross(size_t size)
{
	if (!asan_is_on())
		return size;
	return size >= SLAB_ALIGN && is_pow2(size) ? 2 * size : size + SLAB_RED_ZONE;
}

static struct slab_set *kmalloc_set(size_t size, gfp_t gfp)
{
	unsigned int zone = gfp & __GFP_DMA ? ZONE_DMA : gfp & __GFP_DMA32 ? ZONE_DMA32 : ZONE_ANY;

	pthread_once(&once, kmalloc_init_classes);
	return &slab_sets[zone * ARRAY_SIZE(class_sizes) +
			  class_of_size[(size + SLAB_ALIGN - 1) / SLAB_ALIGN]];
}

/* Marks the first `size` of the `bytes` of a live object as used. */
static void kmalloc_object_fit(const void *p, size_t size, size_t bytes)
{
	poison_clear(p, size);
	poison_set((const u8 *)p + size, bytes - size);
}

static void *kmalloc_large_alloc(size_t size, gfp_t gfp)
{
	struct page *page;
	unsigned int order;

	if (size > PAGE_BYTES << MAX_PAGE_ORDER)
		return error_null(ENOMEM,
				  "kmalloc of %zu bytes: an object has at most 1 GiB; use vmalloc",
				  size);
	order = (unsigned int)get_order(size);
	page = block_alloc(gfp, order, UINT64_MAX, PAGE_LARGE);
	if (page)
		kmalloc_object_fit(page_ptr(page), size, PAGE_BYTES << order);
	return page ? page_ptr(page) : NULL;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	size_t gross = kmalloc_size_gross(size);

	if (!size)
		return ZERO_SIZE_PTR;
	if (slab_must_fail())
		return error_null(ENOMEM, "kmalloc of %zu bytes: failed by fault injection", size);
	if (size > CLASS_MAX || gross > CLASS_MAX)
		return kmalloc_large_alloc(size, gfp);
	return slab_take(kmalloc_set(gross, gfp), size, gfp);
}

void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}

void *kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return error_null(ENOMEM, "kmalloc of %zu objects of %zu bytes: the size overflows",
				  n, size);
	return kmalloc(bytes, gfp);
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kmalloc_array(n, size, gfp | __GFP_ZERO);
}

/* Returns the first page of the block that contains the pointer, or NULL if it is not in RAM. */
static struct page *kmalloc_head(const void *p)
{
	phys_t pa = phys_of(p);

	return phys_is_ram(pa) ? block_head(page_of_phys(pa)) : NULL;
}

/* Returns the size in bytes of the live object that begins at the pointer; 0: there is none. */
static size_t kmalloc_object_bytes(const void *p)
{
	struct page *head = ZERO_OR_NULL_PTR(p) ? NULL : kmalloc_head(p);
	u32 state = head ? read_acquire(&head->state) : 0;

	if (page_state_kind(state) == PAGE_SLAB)
		return slab_object_size(head, p);
	if (page_state_kind(state) == PAGE_LARGE && p == page_ptr(head))
		return PAGE_BYTES << page_state_order(state);
	return 0;
}

/* Returns the size of the object, all of which the caller may use from then on. */
size_t ksize(const void *p)
{
	size_t bytes = kmalloc_object_bytes(p);

	if (bytes)
		poison_clear(p, bytes);
	return bytes;
}

static int kfree_refuse(const void *p, const struct page *large)
{
	if (large)
		return error_set(EINVAL,
				 "kfree(%p): it points %zu bytes into the object that begins at "
				 "%p: free the address that kmalloc() returned",
				 p, (size_t)((const u8 *)p - (const u8 *)page_ptr(large)),
				 page_ptr(large));
	return error_set(EINVAL,
			 "kfree(%p): no live object of kmalloc begins there; it was freed "
			 "already, or is other memory",
			 p);
}

static void kfree_from(const void *p, const void *caller)
{
	struct page *head;
	enum page_kind kind;
	int err;

	if (ZERO_OR_NULL_PTR(p))
		return;
	head = kmalloc_head(p);
	kind = head ? page_state_kind(read_acquire(&head->state)) : PAGE_INSIDE;
	if (kind == PAGE_SLAB)
		err = slab_give(head, (void *)(uintptr_t)p, NULL);
	else if (kind == PAGE_LARGE && p == page_ptr(head))
		err = block_free(head, PAGE_ORDER_ANY, PAGE_LARGE);
	else
		err = kfree_refuse(p, kind == PAGE_LARGE ? head : NULL);
	mem_watch_done(p, err, caller);
}

void kfree(const void *p)
{
	kfree_from(p, __builtin_return_address(0));
}

void kfree_sensitive(const void *p)
{
	size_t size = kmalloc_object_bytes(p);

	if (p && size)
		explicit_bzero((void *)(uintptr_t)p, size);
	kfree_from(p, __builtin_return_address(0));
}

void *krealloc(const void *p, size_t size, gfp_t gfp)
{
	size_t had = kmalloc_object_bytes(p);
	void *fresh;

	if (!size) {
		kfree_from(p, __builtin_return_address(0));
		return ZERO_SIZE_PTR;
	}
	if (ZERO_OR_NULL_PTR(p))
		return kmalloc(size, gfp);
	if (!had) {
		error_set(EINVAL, "krealloc(%p): no live object of kmalloc begins there", p);
		mem_watch_done(p, -EINVAL, __builtin_return_address(0));
		return NULL;
	}
	if (size <= had) {
		kmalloc_object_fit(p, size, had);
		return (void *)(uintptr_t)p;
	}
	fresh = kmalloc(size, gfp);
	if (!fresh)
		return NULL;
	poison_clear(p, had);
	memcpy(fresh, p, had);
	kfree_from(p, __builtin_return_address(0));
	return fresh;
}

void *kmemdup(const void *src, size_t len, gfp_t gfp)
{
	void *p = kmalloc(len, gfp);

	return p && len ? memcpy(p, src, len) : p;
}

char *kstrdup(const char *s, gfp_t gfp)
{
	return s ? kmemdup(s, strlen(s) + 1, gfp) : NULL;
}

char *kstrndup(const char *s, size_t max, gfp_t gfp)
{
	return s ? kmemdup_nul(s, strnlen(s, max), gfp) : NULL;
}

char *kmemdup_nul(const char *s, size_t len, gfp_t gfp)
{
	char *p = s && len < SIZE_MAX ? kmalloc(len + 1, gfp) : NULL;

	if (!p)
		return s && len == SIZE_MAX ? error_null(ENOMEM, "kmemdup_nul of %zu bytes", len)
					    : NULL;
	memcpy(p, s, len);
	p[len] = 0;
	return p;
}

void *kmemdup_array(const void *src, size_t n, size_t size, gfp_t gfp)
{
	void *p = kmalloc_array(n, size, gfp);

	return p && n && size ? memcpy(p, src, n * size) : p;
}

void *krealloc_array(const void *p, size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return error_null(ENOMEM,
				  "krealloc of %zu objects of %zu bytes: the size overflows", n,
				  size);
	return krealloc(p, bytes, gfp);
}
