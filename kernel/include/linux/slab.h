/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kmalloc family and pages, based on dmamap's. The stacks of allocation and free are recorded,
 * so that reports of leaks, double frees and uses after free name the driver's lines.
 */
#ifndef KMOD_LINUX_SLAB_H
#define KMOD_LINUX_SLAB_H

#include <kmod/dmamap.h>
#include <linux/kernel.h>
#include <linux/string.h>

void *kmod_kmalloc(size_t n, size_t size, gfp_t gfp);
void *kmod_krealloc(const void *p, size_t size, gfp_t gfp);
void *kmod_kmemdup(const void *src, size_t len, gfp_t gfp);
char *kmod_kstrdup(const char *s, gfp_t gfp);
char *kmod_kstrndup(const char *s, size_t max, bool all, gfp_t gfp);
void kmod_kfree(const void *p);
const void *kmod_object_of(const void *p);
void *kmod_vmalloc(size_t size, gfp_t gfp);
void kmod_vfree(const void *p);
struct page *kmod_alloc_pages(gfp_t gfp, unsigned int order);
unsigned long kmod_get_free_pages(gfp_t gfp, unsigned int order);
void kmod_free_pages(struct page *page, unsigned int order);
void kmod_free_pages_at(unsigned long addr, unsigned int order);
void kmod_put_page(struct page *page);
struct kmem_cache *kmod_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *object));
void *kmod_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
void kmod_cache_free(struct kmem_cache *cache, void *object);
void kmod_cache_destroy(struct kmem_cache *cache);

#ifndef KMOD_RUNTIME_RAW
/*
 * The names that drivers use. kfree and similar names are functions as well, because drivers take
 * their addresses.
 */
#define kmalloc(s, g)			kmod_kmalloc(1, s, g)
#define kzalloc(s, g)			kmod_kmalloc(1, s, (g) | __GFP_ZERO)
#define kmalloc_size_roundup(n)		(n) /* objects have no more bytes than were requested */
#define kmalloc_array(n, s, g)		kmod_kmalloc(n, s, g)
#define kcalloc(n, s, g)		kmod_kmalloc(n, s, (g) | __GFP_ZERO)
#define kmalloc_node(s, g, n)		kmod_kmalloc(1, s, g)
#define kzalloc_node(s, g, n)		kmod_kmalloc(1, s, (g) | __GFP_ZERO)
#define kcalloc_node(n, s, g, nd)	kmod_kmalloc(n, s, (g) | __GFP_ZERO)
#define kvmalloc(s, g)			kmod_kmalloc(1, s, g)
#define kvzalloc(s, g)			kmod_kmalloc(1, s, (g) | __GFP_ZERO)
#define kvmalloc_array(n, s, g)		kmod_kmalloc(n, s, g)
#define kvcalloc(n, s, g)		kmod_kmalloc(n, s, (g) | __GFP_ZERO)
#define kmalloc_array_node(n, s, g, nd) kmod_kmalloc(n, s, g)
#define kvmalloc_node(s, g, n)		kmod_kmalloc(1, s, g)
#define kvzalloc_node(s, g, n)		kmod_kmalloc(1, s, (g) | __GFP_ZERO)
#define krealloc(p, s, g)		kmod_krealloc(p, s, g)
#define krealloc_array(p, n, s, g)	kmod_krealloc(p, array_size(n, s), g)
#define kvrealloc(p, s, g)		kmod_krealloc(p, s, g)
#define kmemdup_array(p, n, s, g)	kmod_kmemdup(p, array_size(n, s), g)
#define kvmemdup(p, n, g)		kmod_kmemdup(p, n, g)
#define kstrndup(p, n, g)		kmod_kstrndup(p, n, false, g)
#define kmemdup_nul(p, n, g)		kmod_kstrndup(p, n, true, g)
#define kstrdup_const(p, g)		((const char *)kmod_kstrdup(p, g))
#define kmemdup(p, n, g)		kmod_kmemdup(p, n, g)
#define kstrdup(p, g)			kmod_kstrdup(p, g)
#define kfree				kmod_kfree
#define kvfree				kmod_kfree
#define kfree_sensitive			kmod_kfree
#define kfree_const			kmod_kfree
#undef vmalloc
#undef vzalloc
#define vmalloc(s)	   kmod_vmalloc(s, GFP_KERNEL)
#define vzalloc(s)	   kmod_vmalloc(s, GFP_KERNEL | __GFP_ZERO)
#define vmalloc_node(s, n) vmalloc(s)
#define vzalloc_node(s, n) vzalloc(s)
#define vfree		   kmod_vfree
#undef alloc_pages
#undef __get_free_pages
#define alloc_pages(g, o)		 kmod_alloc_pages(g, o)
#define alloc_page(g)			 kmod_alloc_pages(g, 0)
#define alloc_pages_node(n, g, o)	 kmod_alloc_pages(g, o)
#define __dev_alloc_pages(g, o)		 kmod_alloc_pages((g) | __GFP_NOWARN, o)
#define __get_dma_pages(g, o)		 kmod_get_free_pages((g) | GFP_DMA, o)
#define dev_alloc_pages(o)		 kmod_alloc_pages(GFP_ATOMIC | __GFP_NOWARN, o)
#define dev_alloc_page()		 dev_alloc_pages(0)
#define __get_free_pages(g, o)		 kmod_get_free_pages(g, o)
#define __get_free_page(g)		 kmod_get_free_pages(g, 0)
#define get_zeroed_page(g)		 kmod_get_free_pages((g) | __GFP_ZERO, 0)
#define __free_pages(p, o)		 kmod_free_pages(p, o)
#define __free_page(p)			 kmod_free_pages(p, 0)
#define free_pages(a, o)		 kmod_free_pages_at(a, o)
#define free_page(a)			 free_pages(a, 0)
#define put_page(p)			 kmod_put_page(p)
#define kmem_cache_create(n, s, a, f, c) kmod_cache_create(n, s, a, f, c)
#undef kmem_cache_alloc
#undef kmem_cache_zalloc
#define kmem_cache_alloc(c, g)	       kmod_cache_alloc(c, g)
#define kmem_cache_zalloc(c, g)	       kmod_cache_alloc(c, (g) | __GFP_ZERO)
#define kmem_cache_alloc_node(c, g, n) kmod_cache_alloc(c, g)
#define kmem_cache_free(c, o)	       kmod_cache_free(c, o)
#define kmem_cache_destroy(c)	       kmod_cache_destroy(c)
#define kmap_local_page(p)	       page_address(p)
#define kunmap_local(p)		       ((void)(p))
#define kmap(p)			       page_address(p)
#define kunmap(p)		       ((void)(p))
#define kmap_atomic(p)		       page_address(p)
#define kunmap_atomic(p)	       ((void)(p))
#define is_vmalloc_addr(p)	       kmod_is_vmalloc(p)
#define page_is_pfmemalloc(p)	       ((void)(p), false)
#define page_to_nid(p)		       ((void)(p), 0)
#define numa_mem_id()		       0
#define NUMA_NO_NODE		       (-1)
#endif
bool kmod_is_vmalloc(const void *p);

#endif
