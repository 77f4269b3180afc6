/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: memory for a driver's own structures and buffers, physically contiguous, from RAM.
 * Linux: Documentation/core-api/memory-allocation.rst.
 *
 * No two objects share a cache line of 64 bytes, so that any of them can be a DMA buffer. An object
 * whose size is a power of two is aligned to it. Any call may be made from any thread at once. No
 * call waits; NULL comes with errno ENOMEM, and dmamap_strerror() says what was missing.
 */
#ifndef DMAMAP_LINUX_SLAB_H
#define DMAMAP_LINUX_SLAB_H

#include <dmamap/types.h>
#include <linux/gfp.h>

DMAMAP_BEGIN

#define ARCH_KMALLOC_MINALIGN 64
#define ARCH_DMA_MINALIGN     64

/* What kmalloc(0) returns: it may be freed, never read. */
#define ZERO_SIZE_PTR	    ((void *)16)
#define ZERO_OR_NULL_PTR(x) ((unsigned long)(x) <= (unsigned long)ZERO_SIZE_PTR)

/*
 * `size` bytes (up to 1 GiB); above 4 KiB whole pages, rounded up to a power of two. GFP_DMA and
 * GFP_DMA32 choose the zone, __GFP_ZERO zeroes. NULL: no memory, or too much asked (ENOMEM).
 */
DMAMAP_API void *kmalloc(size_t size, gfp_t gfp);
DMAMAP_API void *kzalloc(size_t size, gfp_t gfp);

/* For n objects; NULL also when n * size is more than a size_t holds. */
DMAMAP_API void *kmalloc_array(size_t n, size_t size, gfp_t gfp);
DMAMAP_API void *kcalloc(size_t n, size_t size, gfp_t gfp);

/*
 * Makes an object larger or smaller, in place where that is possible. NULL: the old one stays as it
 * was. A p of NULL is kmalloc(); a size of 0 frees and returns ZERO_SIZE_PTR.
 */
DMAMAP_API void *krealloc(const void *p, size_t size, gfp_t gfp);

/* For n objects; NULL also when n * size is more than a size_t holds. */
DMAMAP_API void *krealloc_array(const void *p, size_t n, size_t size, gfp_t gfp);

/* There is one memory node, so `node` chooses nothing. */
static inline void *kmalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kmalloc(size, gfp);
}

static inline void *kzalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kzalloc(size, gfp);
}

static inline void *kmalloc_array_node(size_t n, size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kmalloc_array(n, size, gfp);
}

static inline void *kcalloc_node(size_t n, size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kcalloc(n, size, gfp);
}

/* Copies to be kfree()d; NULL as kmalloc(). kstrdup(NULL) is NULL. */
DMAMAP_API void *kmemdup(const void *src, size_t len, gfp_t gfp);
DMAMAP_API char *kstrdup(const char *s, gfp_t gfp);

/* The same of n elements; NULL also when n * size is more than a size_t holds. */
DMAMAP_API void *kmemdup_array(const void *src, size_t n, size_t size, gfp_t gfp);

/* At most `max` characters of a string, terminated. kstrndup(NULL) is NULL. */
DMAMAP_API char *kstrndup(const char *s, size_t max, gfp_t gfp);

/* `len` bytes that need not be terminated, as a string. NULL for NULL. */
DMAMAP_API char *kmemdup_nul(const char *s, size_t len, gfp_t gfp);

/* A string that is constant may be shared in Linux; here it is always a copy. */
static inline const char *kstrdup_const(const char *s, gfp_t gfp)
{
	return kstrdup(s, gfp);
}

/*
 * Gives an object back, of kmalloc or of a cache. NULL and ZERO_SIZE_PTR are fine. A pointer that
 * is no live object's (freed already, inside of one, memory of something else) is refused: nothing
 * changes and dmamap_strerror() says so (errno EINVAL). Built with AddressSanitizer, use after free
 * is found.
 */
DMAMAP_API void kfree(const void *p);

/* The same, and what it held cannot be read by the next user. */
DMAMAP_API void kfree_sensitive(const void *p);

static inline void kfree_const(const void *p)
{
	kfree(p);
}

/**
 * kvmalloc() - memory of kmalloc(), or of vmalloc() where that has none
 * @size: bytes
 * @gfp: as for kmalloc(); memory of vmalloc() is anywhere in RAM
 *
 * More than a page is taken from vmalloc() when kmalloc() fails, so it may not be physically
 * contiguous, and may not be mapped by dma_map_single().
 *
 * Context: any thread.
 * Return: the memory, for kvfree(); ZERO_SIZE_PTR for 0 bytes; NULL, errno ENOMEM.
 */
DMAMAP_API void *kvmalloc(size_t size, gfp_t gfp);
DMAMAP_API void *kvzalloc(size_t size, gfp_t gfp);

/* For n objects; NULL also when n * size is more than a size_t holds. */
DMAMAP_API void *kvmalloc_array(size_t n, size_t size, gfp_t gfp);
DMAMAP_API void *kvcalloc(size_t n, size_t size, gfp_t gfp);

/* As krealloc(), of memory of either kind. */
DMAMAP_API void *kvrealloc(const void *p, size_t size, gfp_t gfp);

/* A copy for kvfree(). */
DMAMAP_API void *kvmemdup(const void *src, size_t len, gfp_t gfp);

static inline void *kvmalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kvmalloc(size, gfp);
}

static inline void *kvzalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kvzalloc(size, gfp);
}

/* Gives back memory of kvmalloc(), kmalloc() or vmalloc(); NULL and ZERO_SIZE_PTR are fine. */
DMAMAP_API void kvfree(const void *p);

/* The same, and the `len` bytes that it held cannot be read by the next user. */
DMAMAP_API void kvfree_sensitive(const void *p, size_t len);

/* Bytes that an object really has; 0 for NULL, ZERO_SIZE_PTR and what is no object. */
DMAMAP_API size_t ksize(const void *p);

/* Caches of objects of one size. */
struct kmem_cache;

#define SLAB_HWCACHE_ALIGN 0x1u /* always so here */
#define SLAB_CACHE_DMA	   0x2u /* from below 16 MiB */
#define SLAB_CACHE_DMA32   0x4u /* from below 4 GiB */
#define SLAB_PANIC	   0x8u /* accepted; the library never panics: check for NULL */
#define SLAB_ACCOUNT	   0x10u

/*
 * A cache of objects of `size` bytes (up to 256 KiB), aligned to 64 bytes, or to `align` when that
 * power of two is larger (up to 4 KiB). `ctor`, when not NULL, runs once for each object when its
 * memory is taken from RAM, not at each allocation: objects are to be freed in that state. The name
 * is copied. NULL: a bad size or alignment (EINVAL), no memory (ENOMEM).
 */
DMAMAP_API struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
						unsigned int align, unsigned int flags,
						void (*ctor)(void *object));

/* An object; NULL: ENOMEM; EINVAL: zeroed memory was asked of a cache with a ctor. */
DMAMAP_API void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
DMAMAP_API void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp);

/* There is one memory node, so `node` chooses nothing. */
static inline void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t gfp, int node)
{
	(void)node;
	return kmem_cache_alloc(cache, gfp);
}

/* A cache for objects of a struct, with its name and alignment. */
#define KMEM_CACHE(type, flags)                                                                    \
	kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), (flags), NULL)

/* Refused as kfree(), also for an object of another cache. NULL is fine. */
DMAMAP_API void kmem_cache_free(struct kmem_cache *cache, void *object);
DMAMAP_API unsigned int kmem_cache_size(const struct kmem_cache *cache);

/* NULL is fine. With live objects: refused (errno EBUSY), and the cache stays as it was. */
DMAMAP_API void kmem_cache_destroy(struct kmem_cache *cache);

DMAMAP_END

#endif
