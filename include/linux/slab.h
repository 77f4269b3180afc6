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

/**
 * kstrdup() - Return a copy of a string, which kfree() frees; NULL as kmalloc(), and for NULL.
 */
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

/** kfree_sensitive() - As kfree(); the contents are erased first. */
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
/** kmem_cache_size() - Return the bytes of an object, as kmem_cache_create() was asked for them. */
DMAMAP_API unsigned int kmem_cache_size(const struct kmem_cache *cache);

/**
 * kmem_cache_destroy() - Destroy a cache; NULL has no effect.
 * A cache with live objects is refused (errno EBUSY) and unchanged; free the objects and retry.
 */
DMAMAP_API void kmem_cache_destroy(struct kmem_cache *cache);

DMAMAP_END

#endif
