/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is freed while a device may use it. RAM's allocators call the two steps of struct
 * mem_watch. freed_search_live() runs under the allocator's lock, searches for live mappings of the
 * memory and copies one of them for the thread; freed_report_found() reports it. For malloc's
 * memory a hook of AddressSanitizer does both, if the program was built with it. Other memory of
 * the process may be unmapped by munmap(); it is examined when the mapping is synced or unmapped.
 *
 * A thread that frees memory need not use any device, so another thread may close the last one
 * meanwhile. It therefore counts itself in `searching`, and the last check_close() waits for it.
 * Lock order: a lock of RAM's allocators, then a ring of history.c, then a shard of the store.
 */
#include "check/freed.h"
#include "base/alloc.h"
#include "base/error.h"
#include "mem/page.h"
#include "mem/watch.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

/* From <sanitizer/allocator_interface.h>. */
extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *,
								       size_t),
						     void (*on_free)(const volatile void *))
	__attribute__((weak));
extern size_t __sanitizer_get_allocated_size(const volatile void *p) __attribute__((weak));
extern int __asan_address_is_poisoned(const volatile void *p) __attribute__((weak));

static bool watching; /* atomic */
static u32 searching; /* atomic */

/* State of the thread's current call that frees. */
static _Thread_local struct {
	struct shadow_found f; /* f.any: memory of this mapping is being freed */
	u64 pa, size;
} freed_now;

static bool freed_match(struct store_range *r, void *arg)
{
	struct shadow *s = r->of;

	if (s->paged || read_once(&s->gone)) /* each mapping's memory is reported once */
		return true;
	shadow_copy(arg, s);
	return false;
}

static bool freed_mark(struct store_range *r, void *arg)
{
	write_once(&r->of->gone, true);
	return true;
}

static bool freed_search(u64 pa, u64 size, struct shadow_found *f)
{
	struct shadow *over;

	f->any = false;
	store_search(SPACE_PHYS, pa, size, freed_match, f);
	if (likely(!f->any))
		return false;
	/*
	 * the mapping may have ended, with only its memory still in the store; usually it is the
	 * last one that this thread has unmapped
	 */
	over = history_take();
	if (over) {
		shadow_free(over);
		f->any = false;
		store_search(SPACE_PHYS, pa, size, freed_match, f);
	}
	if (f->any) {
		history_settle();
		f->any = false;
		store_search(SPACE_PHYS, pa, size, freed_match, f);
	}
	return f->any;
}

static void freed_search_live(u64 pa, u64 size)
{
	struct shadow_found f;

	__atomic_fetch_add(&searching, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&watching, __ATOMIC_SEQ_CST) && freed_search(pa, size, &f)) {
		store_search(SPACE_PHYS, pa, size, freed_mark, NULL);
		if (!freed_now.f.any) { /* of several pages only the first is reported */
			freed_now.f = f;
			freed_now.pa = pa;
			freed_now.size = size;
		}
	}
	__atomic_fetch_sub(&searching, 1, __ATOMIC_RELEASE);
}

static void freed_report(const void *caller, bool by_hook)
{
	const struct shadow_found f = freed_now.f;
	struct report_about a;

	if (likely(!f.any))
		return;
	freed_now.f.any = false;
	a = about_of(f.c, DMAMAP_CHECK_FREE_MAPPED, f.start, f.size, (enum dma_data_direction)f.dir,
		     caller);
	a.by_hook = by_hook;
	a.what[0] = "mapped";
	a.at[0] = f.mapped;
	report_misuse(&a,
		      "%llu bytes at %p were freed while a mapping of them at %#llx (%llu bytes by "
		      "%s) is "
		      "live: the device reaches whatever is put there next; unmap first",
		      (unsigned long long)freed_now.size, phys_ptr(PHYS(freed_now.pa)),
		      (unsigned long long)f.start, (unsigned long long)f.size,
		      check_call_names[f.call]);
}

static void freed_report_found(const void *caller)
{
	freed_report(caller, false);
}

void dmamap_check_freeing(const void *p, size_t size)
{
	if (!size)
		return;
	mem_watch_freeing(phys_of(p).v, size);
	mem_watch_done(p, 0, __builtin_return_address(0));
}

static void freed_refused(const void *p, const void *caller)
{
	struct report_about a = {
		.kind = DMAMAP_CHECK_FREE_WRONG, .dir = DMA_NONE, .caller = caller};
	struct shadow_found f = {0};
	char why[256];

	if (!read_once(&watching))
		return;
	/* a mapping of the same buffer; usually it has ended */
	freed_search(phys_of(page_is_ram(p) ? page_ptr(p) : p).v, 1, &f);
	if (f.any) {
		a.dev = f.c->dev;
		a.what[0] = "mapped";
		a.at[0] = f.mapped;
	}
	snprintf(why, sizeof(why), "%s", error_text());
	report_misuse(&a, "%s", why);
	/* a callback may have set another error message */
	error_set(EINVAL, "%s", why);
}

static const struct mem_watch freed_mem_watch = {
	.freeing = freed_search_live,
	.freed = freed_report_found,
	.refused = freed_refused,
};

/* ---- malloc's memory, under AddressSanitizer ---- */

/* The library's own memory is never mapped, and is freed under locks that a search needs. */
static void freed_on_free(const volatile void *p)
{
	size_t size;

	if (!p || !read_once(&watching) || alloc_is_freeing())
		return;
	size = __sanitizer_get_allocated_size(p);
	if (!size)
		return;
	freed_search_live((u64)(uintptr_t)p | PHYS_FOREIGN, size);
	check_enter(NULL);
	freed_report(NULL, true);
}

static void freed_on_malloc(const volatile void *p, size_t size)
{
}

/* A child has no checked device, and none of the parent's threads. */
static void freed_after_fork(void)
{
	write_once(&mem_watch, NULL);
	write_once(&watching, false);
	write_once(&searching, 0);
}

/* The hooks cannot be removed again. */
static void freed_install_hooks(void)
{
	pthread_atfork(NULL, NULL, freed_after_fork);
	if (__sanitizer_install_malloc_and_free_hooks && __sanitizer_get_allocated_size &&
	    __asan_address_is_poisoned)
		__sanitizer_install_malloc_and_free_hooks(freed_on_malloc, freed_on_free);
}

void freed_watch(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, freed_install_hooks);
	__atomic_store_n(&watching, true, __ATOMIC_SEQ_CST);
	write_release(&mem_watch, &freed_mem_watch);
}

void freed_unwatch(void)
{
	write_release(&mem_watch, NULL);
	__atomic_store_n(&watching, false, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&searching, __ATOMIC_SEQ_CST))
		cpu_relax();
}

/* ---- memory that munmap() took ---- */

static bool freed_is_gone(u64 pa, u64 size)
{
	u64 at = pa & ~PHYS_FOREIGN, first = align_down(at, PAGE_BYTES);
	int saved = errno;
	bool gone;

	/* has no effect; fails if a part of the range is not mapped */
	gone = msync((void *)(uintptr_t)first, align_up(at + size, PAGE_BYTES) - first, MS_ASYNC) &&
	       errno == ENOMEM;
	errno = saved;
	return gone;
}

/* Returns true if the memory is gone, which it reports. */
static bool freed_report_gone(const struct shadow_found *f, u64 pa, u64 size, const void *caller)
{
	struct report_about a;

	if (likely(pa < PHYS_FOREIGN) || !size || f->paged || !freed_is_gone(pa, size) ||
	    __atomic_exchange_n(&f->s->gone, true, __ATOMIC_RELAXED))
		return false;
	a = about_of(f->c, DMAMAP_CHECK_MEMORY_GONE, f->start, f->size,
		     (enum dma_data_direction)f->dir, caller);
	a.what[0] = "mapped";
	a.at[0] = f->mapped;
	report_misuse(
		&a,
		"memory at %p, mapped at %#llx (%llu bytes by %s), was returned to the system by "
		"munmap() or free() while the mapping is live: unmap it for the device first",
		phys_ptr(PHYS(pa)), (unsigned long long)f->start, (unsigned long long)f->size,
		check_call_names[f->call]);
	return true;
}

void freed_check_synced(const struct shadow_found *f, const void *caller)
{
	freed_report_gone(f, f->pa, f->pa_size, caller);
	if (unlikely(f->call == CALL_PAGES))
		freed_check_page_struct(f, caller);
}

void freed_check_claimed(struct shadow *s, const void *caller)
{
	struct shadow_found f;

	shadow_copy(&f, s);
	if (freed_report_gone(&f, f.pa, f.pa_size, caller))
		return;
	for (struct store_range *r = s->dma.more; r; r = r->more)
		if (r->space == SPACE_PHYS && freed_report_gone(&f, r->start, r->size, caller))
			return;
}

/* ---- struct pages ---- */

void freed_check_page_struct(const struct shadow_found *f, const void *caller)
{
	struct page *page = page_of_phys(PHYS(f->pa));
	unsigned int order = log2_ceil(f->size >> PAGE_BITS);
	void *noted = (void *)(uintptr_t)f->size; /* as stored by dma_alloc_pages() */
	struct report_about a;

	/*
	 * if the pages were freed by another call, which was reported, they may have another owner
	 */
	if (f->gone || block_is_intact(page, order, noted))
		return;
	block_repair(page, order, noted);
	a = about_of(f->c, DMAMAP_CHECK_PAGE_STRUCT, f->start, f->size,
		     (enum dma_data_direction)f->dir, caller);
	a.what[0] = "allocated";
	a.at[0] = f->mapped;
	report_misuse(&a,
		      "the struct page at %p was overwritten: dma_alloc_pages() returns it in "
		      "place of an "
		      "address; the memory is at page_address(), %p",
		      (void *)page, page_ptr(page));
}

void check_pages(struct check_device *c, dma_addr_t addr, const void *caller)
{
	struct shadow_found f;

	shadow_find(c, c->space, addr, 1, &f);
	if (f.any && f.c == c && f.call == CALL_PAGES && f.start == addr)
		freed_check_page_struct(&f, caller);
}
