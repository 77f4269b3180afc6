/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: physically contiguous memory from RAM for a driver's own structures and buffers. Linux:
 * Documentation/core-api/memory-allocation.rst.
 *
 * No two objects share a cache line of 64 bytes, so any object can be a DMA buffer. An object
 * whose size is a power of two is aligned to it.
 *
 * Context of every function: any thread, several threads at once. No function waits. On failure
 * the result is NULL, errno is ENOMEM unless a comment says otherwise, a retry helps after memory
 * was freed, and dmamap_strerror() says what was missing.
 */
#ifndef DMAMAP_LINUX_SLAB_H
#define DMAMAP_LINUX_SLAB_H

#include <dmamap/types.h>
#include <linux/gfp.h>

DMAMAP_BEGIN

#define ARCH_KMALLOC_MINALIGN 64
#define ARCH_DMA_MINALIGN     64

/* The result of kmalloc(0). It may be freed but not read. */
#define ZERO_SIZE_PTR	    ((void *)16)
#define ZERO_OR_NULL_PTR(x) ((unsigned long)(x) <= (unsigned long)ZERO_SIZE_PTR)

/**
 * kmalloc() - Allocate an object.
 * @size: the number of bytes, at most 1 GiB. An object of more than 4 KiB consists of whole pages,
 *   rounded up to a power of two.
 * @gfp: GFP_DMA and GFP_DMA32 select the zone, __GFP_ZERO zeroes.
 * Return: the object. NULL with errno ENOMEM: no memory is left, or @size is too large (then a
 *   retry does not help).
 */
DMAMAP_API void *kmalloc(size_t size, gfp_t gfp);
/** kzalloc() - As kmalloc(), with zeroed memory. */
DMAMAP_API void *kzalloc(size_t size, gfp_t gfp);

/** kmalloc_array() - As kmalloc(), for @n objects; NULL also if @n * @size overflows a size_t. */
DMAMAP_API void *kmalloc_array(size_t n, size_t size, gfp_t gfp);
/** kcalloc() - As kmalloc_array(), with zeroed memory. */
DMAMAP_API void *kcalloc(size_t n, size_t size, gfp_t gfp);

/**
 * krealloc() - Change the size of an object, in place where possible.
 * @p: the object; NULL: the call is kmalloc().
 * @size: the new size; 0: the object is freed and the result is ZERO_SIZE_PTR.
 * @gfp: allocation flags.
 * Return: the object. NULL: failure, and the old object is unchanged.
 */
DMAMAP_API void *krealloc(const void *p, size_t size, gfp_t gfp);

/** kmalloc_node() - As kmalloc(). There is one memory node, so @node has no effect. */
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

/** kmemdup() - Return a copy of @len bytes, which kfree() frees; NULL as kmalloc(). */
DMAMAP_API void *kmemdup(const void *src, size_t len, gfp_t gfp);

/**
 * kstrdup() - Return a copy of a string, which kfree() frees; NULL as kmalloc(), and for NULL.
 */
DMAMAP_API char *kstrdup(const char *s, gfp_t gfp);

/**
 * kfree() - Free an object of kmalloc() or of a cache.
 * @p: the object; NULL and ZERO_SIZE_PTR have no effect.
 *
 * A pointer that is not that of a live object (it was freed before, points inside an object, or to
 * other memory) is refused: nothing changes, errno is EINVAL and there is an error message. A
 * build with AddressSanitizer detects use after free.
 */
DMAMAP_API void kfree(const void *p);

/** kfree_sensitive() - As kfree(); the contents are erased first. */
DMAMAP_API void kfree_sensitive(const void *p);

/** ksize() - Return the usable bytes of an object; 0 for NULL, ZERO_SIZE_PTR and other memory. */
DMAMAP_API size_t ksize(const void *p);

/* Caches of objects of one size. */
struct kmem_cache;

#define SLAB_HWCACHE_ALIGN 0x1u /* always in effect */
#define SLAB_CACHE_DMA	   0x2u /* from below 16 MiB */
#define SLAB_CACHE_DMA32   0x4u /* from below 4 GiB */
#define SLAB_PANIC	   0x8u /* accepted; the library never panics: check for NULL */
#define SLAB_ACCOUNT	   0x10u

/**
 * kmem_cache_create() - Create a cache of objects of one size.
 * @name: the name, which is copied.
 * @size: the bytes of an object, at most 256 KiB.
 * @align: the alignment, a power of two of at most 4 KiB; at least 64 bytes are used.
 * @flags: SLAB_* flags.
 * @ctor: runs once for each object when its memory is allocated from RAM, not at each allocation,
 *   so objects must be freed in the constructed state; may be NULL.
 * Return: the cache. NULL with errno EINVAL: a bad size or alignment. ENOMEM: a retry helps.
 */
DMAMAP_API struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
						unsigned int align, unsigned int flags,
						void (*ctor)(void *object));

/**
 * kmem_cache_alloc() - Allocate an object of a cache.
 * @cache: the cache.
 * @gfp: allocation flags.
 * Return: the object. NULL with errno ENOMEM: a retry helps. EINVAL: zeroed memory of a cache with
 *   a constructor.
 */
DMAMAP_API void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
/** kmem_cache_zalloc() - As kmem_cache_alloc(), with zeroed memory. */
DMAMAP_API void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp);

/**
 * kmem_cache_free() - Free an object of @cache; NULL has no effect.
 * It is refused as kfree() says, also if the object is of another cache.
 */
DMAMAP_API void kmem_cache_free(struct kmem_cache *cache, void *object);
/** kmem_cache_size() - Return the bytes of an object. */
DMAMAP_API unsigned int kmem_cache_size(const struct kmem_cache *cache);

/**
 * kmem_cache_destroy() - Destroy a cache; NULL has no effect.
 * A cache with live objects is refused (errno EBUSY) and unchanged; free the objects and retry.
 */
DMAMAP_API void kmem_cache_destroy(struct kmem_cache *cache);

DMAMAP_END

#endif
