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

/**
 * kzalloc() - As kmalloc(), with zeroed memory.
 * @size: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as kmalloc().
 */
DMAMAP_API void *kzalloc(size_t size, gfp_t gfp);

/**
 * kmalloc_array() - Allocate an array of objects as kmalloc() does.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as kmalloc(). NULL also if @n * @size overflows a size_t.
 */
DMAMAP_API void *kmalloc_array(size_t n, size_t size, gfp_t gfp);

/**
 * kcalloc() - As kmalloc_array(), with zeroed memory.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as kmalloc_array().
 */
DMAMAP_API void *kcalloc(size_t n, size_t size, gfp_t gfp);

/**
 * krealloc() - Change the size of an object, in place where possible.
 * @p: the object; NULL: the call is kmalloc().
 * @size: the new size; 0: the object is freed and the result is ZERO_SIZE_PTR.
 * @gfp: allocation flags, as for kmalloc().
 * Return: the object. NULL with errno ENOMEM: as kmalloc(). EINVAL: @p is no live object. The old
 *   object is unchanged on failure.
 */
DMAMAP_API void *krealloc(const void *p, size_t size, gfp_t gfp);

/**
 * krealloc_array() - As krealloc(), for an array of objects.
 * @p: the array, or NULL.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as krealloc(). NULL also if @n * @size overflows a size_t.
 */
DMAMAP_API void *krealloc_array(const void *p, size_t n, size_t size, gfp_t gfp);

/**
 * kmalloc_node() - As kmalloc().
 * @size: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as kmalloc().
 */
static inline void *kmalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kmalloc(size, gfp);
}

/**
 * kzalloc_node() - As kzalloc().
 * @size: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as kmalloc().
 */
static inline void *kzalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kzalloc(size, gfp);
}

/**
 * kmalloc_array_node() - As kmalloc_array().
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as kmalloc_array().
 */
static inline void *kmalloc_array_node(size_t n, size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kmalloc_array(n, size, gfp);
}

/**
 * kcalloc_node() - As kcalloc().
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as kmalloc_array().
 */
static inline void *kcalloc_node(size_t n, size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kcalloc(n, size, gfp);
}

/**
 * kmemdup() - Allocate a copy of memory, which kfree() frees.
 * @src: the memory to copy.
 * @len: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * Return: the copy. NULL: as kmalloc().
 */
DMAMAP_API void *kmemdup(const void *src, size_t len, gfp_t gfp);

/**
 * kstrdup() - Allocate a copy of a string, which kfree() frees.
 * @s: the string; NULL: the result is NULL.
 * @gfp: allocation flags, as for kmalloc().
 * Return: the copy. NULL: as kmalloc(), or @s is NULL.
 */
DMAMAP_API char *kstrdup(const char *s, gfp_t gfp);

/**
 * kmemdup_array() - Allocate a copy of an array, which kfree() frees.
 * @src: the memory to copy.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * Return: the copy. NULL: as kmalloc_array().
 */
DMAMAP_API void *kmemdup_array(const void *src, size_t n, size_t size, gfp_t gfp);

/**
 * kstrndup() - Allocate a copy of the beginning of a string, which kfree() frees.
 * @s: the string; NULL: the result is NULL.
 * @max: the greatest number of characters that are copied. The copy is terminated.
 * @gfp: allocation flags, as for kmalloc().
 * Return: the copy. NULL: as kmalloc(), or @s is NULL.
 */
DMAMAP_API char *kstrndup(const char *s, size_t max, gfp_t gfp);

/**
 * kmemdup_nul() - Allocate a terminated copy of bytes that need not be terminated.
 * @s: the bytes; NULL: the result is NULL.
 * @len: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * Return: the copy, which kfree() frees. NULL: as kmalloc(), or @s is NULL.
 */
DMAMAP_API char *kmemdup_nul(const char *s, size_t len, gfp_t gfp);

/**
 * kstrdup_const() - As kstrdup().
 * @s: the string; NULL: the result is NULL.
 * @gfp: allocation flags, as for kmalloc().
 *
 * Linux may return a constant string itself. Here the result is always a copy. kfree_const()
 * frees it.
 * Return: as kstrdup().
 */
static inline const char *kstrdup_const(const char *s, gfp_t gfp)
{
	return kstrdup(s, gfp);
}

/**
 * kfree() - Free an object of kmalloc() or of a cache.
 * @p: the object. NULL and ZERO_SIZE_PTR have no effect.
 *
 * A pointer that is not the beginning of a live object is refused: nothing changes, errno is
 * EINVAL, and dmamap_strerror() returns the reason. In a program built with AddressSanitizer, an
 * access after kfree() is reported.
 */
DMAMAP_API void kfree(const void *p);

/**
 * kfree_sensitive() - As kfree(), after the contents were erased.
 * @p: the object. NULL and ZERO_SIZE_PTR have no effect.
 */
DMAMAP_API void kfree_sensitive(const void *p);

/**
 * kfree_const() - Free a string of kstrdup_const(); as kfree().
 * @p: the string, or NULL.
 */
static inline void kfree_const(const void *p)
{
	kfree(p);
}

/**
 * kvmalloc() - Allocate memory by kmalloc(), or by vmalloc() if that fails.
 * @size: bytes.
 * @gfp: as for kmalloc(). Memory of vmalloc() may be anywhere in RAM.
 *
 * Only more than a page is allocated by vmalloc(). The memory may then be physically
 * discontiguous, and dma_map_single() refuses it.
 * Context: any thread.
 * Return: the memory, which kvfree() frees; ZERO_SIZE_PTR for 0 bytes. NULL with errno ENOMEM: a
 *   retry helps after memory was freed.
 */
DMAMAP_API void *kvmalloc(size_t size, gfp_t gfp);

/**
 * kvzalloc() - As kvmalloc(), with zeroed memory.
 * @size: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as kvmalloc().
 */
DMAMAP_API void *kvzalloc(size_t size, gfp_t gfp);

/**
 * kvmalloc_array() - As kvmalloc(), for an array of objects.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as kvmalloc(). NULL also if @n * @size overflows a size_t.
 */
DMAMAP_API void *kvmalloc_array(size_t n, size_t size, gfp_t gfp);

/**
 * kvcalloc() - As kvmalloc_array(), with zeroed memory.
 * @n: the number of objects.
 * @size: the bytes of an object.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as kvmalloc_array().
 */
DMAMAP_API void *kvcalloc(size_t n, size_t size, gfp_t gfp);

/**
 * kvrealloc() - As krealloc(), for memory of kmalloc(), kvmalloc() or vmalloc().
 * @p: the memory; NULL: the call is kvmalloc().
 * @size: the new size.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as krealloc().
 */
DMAMAP_API void *kvrealloc(const void *p, size_t size, gfp_t gfp);

/**
 * kvmemdup() - Allocate a copy of memory, which kvfree() frees.
 * @src: the memory to copy.
 * @len: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * Return: the copy. NULL: as kvmalloc().
 */
DMAMAP_API void *kvmemdup(const void *src, size_t len, gfp_t gfp);

/**
 * kvmalloc_node() - As kvmalloc().
 * @size: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as kvmalloc().
 */
static inline void *kvmalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kvmalloc(size, gfp);
}

/**
 * kvzalloc_node() - As kvzalloc().
 * @size: the number of bytes.
 * @gfp: allocation flags, as for kmalloc().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as kvmalloc().
 */
static inline void *kvzalloc_node(size_t size, gfp_t gfp, int node)
{
	(void)node;
	return kvzalloc(size, gfp);
}

/**
 * kvfree() - Free memory of kvmalloc(), kmalloc() or vmalloc().
 * @p: the memory. NULL and ZERO_SIZE_PTR have no effect. Other pointers are refused as by
 *   kfree().
 */
DMAMAP_API void kvfree(const void *p);

/**
 * kvfree_sensitive() - As kvfree(), after the contents were erased.
 * @p: the memory.
 * @len: the number of bytes to erase.
 */
DMAMAP_API void kvfree_sensitive(const void *p, size_t len);

/**
 * ksize() - Return the number of usable bytes of an object.
 * @p: the object.
 * Return: the number, which may exceed the size that was requested. 0: NULL, ZERO_SIZE_PTR, or no
 *   live object.
 */
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
 * @gfp: allocation flags, as for kmalloc().
 * Return: the object. NULL with errno ENOMEM: a retry helps. EINVAL: zeroed memory of a cache with
 *   a constructor.
 */
DMAMAP_API void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);

/**
 * kmem_cache_zalloc() - As kmem_cache_alloc(), with zeroed memory.
 * @cache: the cache.
 * @gfp: allocation flags, as for kmalloc().
 * Return: as kmem_cache_alloc().
 */
DMAMAP_API void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp);

/**
 * kmem_cache_alloc_node() - As kmem_cache_alloc().
 * @cache: the cache.
 * @gfp: allocation flags, as for kmalloc().
 * @node: the memory node; it has no effect, because there is only one node.
 * Return: as kmem_cache_alloc().
 */
static inline void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t gfp, int node)
{
	(void)node;
	return kmem_cache_alloc(cache, gfp);
}

/* A cache for objects of a struct, with its name and alignment. */
#define KMEM_CACHE(type, flags)                                                                    \
	kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), (flags), NULL)

/**
 * kmem_cache_free() - Free an object of a cache.
 * @cache: the cache.
 * @object: the object; NULL has no effect. A pointer that is no live object of @cache is refused
 *   as by kfree().
 */
DMAMAP_API void kmem_cache_free(struct kmem_cache *cache, void *object);

/**
 * kmem_cache_size() - Return the number of bytes of an object of a cache.
 * @cache: the cache.
 * Return: the number.
 */
DMAMAP_API unsigned int kmem_cache_size(const struct kmem_cache *cache);

/**
 * kmem_cache_destroy() - Destroy a cache.
 * @cache: the cache; NULL has no effect.
 *
 * A cache with live objects is refused (errno EBUSY) and unchanged. A retry helps after the
 * objects were freed.
 */
DMAMAP_API void kmem_cache_destroy(struct kmem_cache *cache);

DMAMAP_END

#endif
