/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc and pages with a ledger, a red zone behind every object, and a quarantine for freed
 * objects.
 *
 * An object of n bytes is allocated from dmamap with a larger size, a power of two. The rest is
 * poisoned if the program is built with AddressSanitizer. A freed object is poisoned completely and
 * returned to dmamap after QUARANTINE other objects were freed.
 */
#define KMOD_RUNTIME_RAW
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <kmod/control.h>
#include "core.h"

extern void __asan_poison_memory_region(const volatile void *p, size_t n) __attribute__((weak));

#define QUARANTINE   512
#define OBJECT_ALIGN 64
#define OBJECT_MAX   (1ul << 20) /* searched by kmod_object_of() */

static struct host_mutex lock;
static const void *quarantine[QUARANTINE]; /* under lock, like the next index in it */
static unsigned int quarantine_next;

/* Returns the object that contains `p`, or NULL. */
const void *kmod_object_of(const void *p)
{
	unsigned long at = (unsigned long)p / OBJECT_ALIGN * OBJECT_ALIGN;
	size_t size;

	for (; (unsigned long)p - at < OBJECT_MAX; at -= OBJECT_ALIGN) {
		if (kmod_ledger_find(KMOD_MEMORY, (void *)at, &size, NULL))
			return (unsigned long)p - at < size ? (void *)at : NULL;
	}
	return NULL;
}

void *kmod_kmalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;
	void *p;

	kmod_gfp(gfp);
	if (check_mul_overflow(n, size, &bytes))
		return NULL;
	if (!bytes)
		return ZERO_SIZE_PTR;
	if (kmod_fail("kmalloc"))
		return NULL;
	p = kmalloc(bytes, gfp & ~__GFP_ZERO);
	if (!p)
		return NULL;
	memset(p, gfp & __GFP_ZERO ? 0 : 0xcd, bytes);
	kmod_ledger_add(KMOD_MEMORY, p, bytes);
	return p;
}

void kmod_kfree(const void *p)
{
	struct kmod_stack allocated, freed;
	char text[128];
	const void *old;
	size_t size;

	if (ZERO_OR_NULL_PTR(p))
		return;
	if (kmod_is_vmalloc(p)) {
		kmod_vfree(p);
		return;
	}
	if (!kmod_ledger_find(KMOD_MEMORY, p, &size, NULL)) {
		if (!kmod_ledger_describe(p, text, sizeof(text), &allocated, &freed))
			snprintf(text, sizeof(text), "%p, which no allocation returned", p);
		kmod_finding_with(
			freed.n ? "double-free" : "bad-free", freed.n ? &freed : &allocated,
			freed.n ? "freed here before" : "allocated here", "kfree() of %s", text);
		return;
	}
	kmod_ledger_freeing(p, size);
	dmamap_check_freeing(p, size);
	kmod_ledger_del(KMOD_MEMORY, p);
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(p, size);
	host_lock(&lock);
	old = quarantine[quarantine_next % QUARANTINE];
	quarantine[quarantine_next++ % QUARANTINE] = p;
	host_unlock(&lock);
	kfree(old);
}

void *kmod_krealloc(const void *p, size_t size, gfp_t gfp)
{
	size_t old = 0;
	void *new;

	if (!size) {
		kmod_kfree(p);
		return ZERO_SIZE_PTR;
	}
	if (!ZERO_OR_NULL_PTR(p) && !kmod_ledger_find(KMOD_MEMORY, p, &old, NULL)) {
		kmod_finding("bad-free", "krealloc() of %p, which no allocation returned", p);
		return NULL;
	}
	new = kmod_kmalloc(1, size, gfp);
	if (new &&old)
		memcpy(new, p, min(old, size));
	if (new)
		kmod_kfree(p);
	return new;
}

void *kmod_kmemdup(const void *src, size_t len, gfp_t gfp)
{
	void *p = kmod_kmalloc(1, len, gfp);

	return p && len ? memcpy(p, src, len) : p;
}

char *kmod_kstrdup(const char *s, gfp_t gfp)
{
	return s ? kmod_kmemdup(s, strlen(s) + 1, gfp) : NULL;
}

/* `all`: also copies the bytes after a null byte. */
char *kmod_kstrndup(const char *s, size_t max, bool all, gfp_t gfp)
{
	size_t len = !s ? 0 : all ? max : strnlen(s, max);
	char *p = s && len + 1 ? kmod_kmalloc(1, len + 1, gfp) : NULL;

	if (p) {
		memcpy(p, s, len);
		p[len] = 0;
	}
	return p;
}

void *kmod_vmalloc(size_t size, gfp_t gfp)
{
	void *p;

	kmod_might_sleep("vmalloc");
	if (kmod_fail("kmalloc"))
		return NULL;
	p = vzalloc(size);
	if (p && !(gfp & __GFP_ZERO))
		memset(p, 0xcd, size);
	if (p)
		kmod_ledger_add(KMOD_MEMORY, p, size);
	return p;
}

void kmod_vfree(const void *p)
{
	if (!p)
		return;
	if (kmod_context()->hardirq)
		kmod_finding("sleep-in-atomic", "vfree() was called in a hard interrupt handler");
	if (!kmod_ledger_del(KMOD_MEMORY, p)) {
		kmod_finding("bad-free", "vfree() of %p, which no allocation returned", p);
		return;
	}
	vfree(p);
}

bool kmod_is_vmalloc(const void *p)
{
	return is_vmalloc_addr(p);
}

/*
 * The RAM is never freed after this, so that a use after the last free is an access to poisoned
 * memory.
 */
void kmod_memory_start(void)
{
	alloc_pages(GFP_KERNEL, 0);
}

const void *kmod_page_at(const void *page)
{
	return page_address((struct page *)page);
}

int kmod_page_refs(const void *page)
{
	return page_count((struct page *)page);
}

struct page *kmod_alloc_pages(gfp_t gfp, unsigned int order)
{
	struct page *page;

	kmod_gfp(gfp);
	page = alloc_pages(gfp, order);
	if (page)
		kmod_ledger_add(KMOD_PAGES, page, PAGE_SIZE << order);
	return page;
}

unsigned long kmod_get_free_pages(gfp_t gfp, unsigned int order)
{
	struct page *page = kmod_alloc_pages(gfp, order);

	return page ? (unsigned long)page_address(page) : 0;
}

static bool memory_page_free(struct page *page, const char *what)
{
	size_t size;

	if (page_count(page) <= 0) {
		kmod_finding("double-free", "%s of a page that is free", what);
		return false;
	}
	page = compound_head(page);
	if (page_count(page) == 1 && kmod_ledger_find(KMOD_PAGES, page, &size, NULL))
		kmod_ledger_del(KMOD_PAGES, page);
	return true;
}

void kmod_free_pages(struct page *page, unsigned int order)
{
	if (page && memory_page_free(page, "__free_pages()"))
		__free_pages(page, order);
}

void kmod_free_pages_at(unsigned long addr, unsigned int order)
{
	if (addr)
		kmod_free_pages(virt_to_page((void *)addr), order);
}

void kmod_put_page(struct page *page)
{
	if (memory_page_free(page, "put_page()"))
		put_page(page);
}

struct kmem_cache *kmod_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *object))
{
	struct kmem_cache *c;

	kmod_might_sleep("kmem_cache_create");
	c = kmod_fail("register") ? NULL : kmem_cache_create(name, size, align, flags, ctor);
	if (c)
		kmod_ledger_add(KMOD_CACHE, c, size);
	return c;
}

void *kmod_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *p;

	kmod_gfp(gfp);
	p = kmod_fail("kmalloc") ? NULL : kmem_cache_alloc(cache, gfp);
	if (p)
		kmod_ledger_add(KMOD_MEMORY, p, kmem_cache_size(cache));
	return p;
}

void kmod_cache_free(struct kmem_cache *cache, void *object)
{
	if (object && !kmod_ledger_del(KMOD_MEMORY, object))
		kmod_finding("double-free", "kmem_cache_free() of %p, which is not allocated",
			     object);
	else
		kmem_cache_free(cache, object);
}

void kmod_cache_destroy(struct kmem_cache *cache)
{
	if (cache)
		kmod_ledger_del(KMOD_CACHE, cache);
	kmem_cache_destroy(cache);
}

static int memory_table_made(struct sg_table *t, int err)
{
	if (!err)
		kmod_ledger_add(KMOD_MEMORY, t->sgl, t->orig_nents * sizeof(*t->sgl));
	return err;
}

int kmod_sg_alloc_table(struct sg_table *t, unsigned int n, gfp_t gfp)
{
	kmod_gfp(gfp);
	if (!kmod_fail("kmalloc"))
		return memory_table_made(t, sg_alloc_table(t, n, gfp));
	memset(t, 0, sizeof(*t));
	return -ENOMEM;
}

int kmod_sg_alloc_pages(struct sg_table *t, struct page **pages, unsigned int n,
			unsigned int offset, unsigned long size, unsigned int segment, gfp_t gfp)
{
	kmod_gfp(gfp);
	if (!kmod_fail("kmalloc"))
		return memory_table_made(t, sg_alloc_table_from_pages_segment(t, pages, n, offset,
									      size, segment, gfp));
	memset(t, 0, sizeof(*t));
	return -ENOMEM;
}

/* An empty table may be freed: it was never allocated, or is already freed. */
void kmod_sg_free_table(struct sg_table *t)
{
	if (t->sgl && !kmod_ledger_del(KMOD_MEMORY, t->sgl)) {
		kmod_finding("bad-free", "sg_free_table() of a table that no call allocated");
		return;
	}
	sg_free_table(t);
}
