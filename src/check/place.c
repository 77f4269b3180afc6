/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that a driver must not map: stack frames, which may end before the transfer does; program
 * text and read-only data; a struct page instead of its memory; and freed memory. Freed memory is
 * recorded only by AddressSanitizer, which is queried if the program was built with it, even if the
 * library was not.
 */
#include "base/alloc.h"
#include "check/find.h"
#include "mem/page.h"

#include <link.h>
#include <pthread.h>
#include <unwind.h>

/*
 * Maximum distance of two frames on one stack. A greater distance means that they are on different
 * stacks.
 */
#define PLACE_FRAME_MAX MIB

extern void *__asan_region_is_poisoned(void *begin, size_t size) __attribute__((weak));
extern void *__libc_stack_end __attribute__((weak)); /* the end of the first thread's frames */

/*
 * Determines the stack [start, end) with which this thread was created. Returns false if it is not
 * known.
 */
static bool place_thread_stack(uintptr_t *start, uintptr_t *end)
{
	static _Thread_local uintptr_t first, last;
	uintptr_t frames = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
	pthread_attr_t attr;
	void *base;
	size_t size;

	if (likely(last))
		goto out;
	alloc_hold(); /* these calls allocate */
	if (!pthread_getattr_np(pthread_self(), &attr)) {
		if (!pthread_attr_getstack(&attr, &base, &size)) {
			first = (uintptr_t)base;
			last = first + size;
			/* the program's arguments and environment are above the frames */
			if (frames > first && frames < last)
				last = frames;
		}
		pthread_attr_destroy(&attr);
	}
	alloc_let_go();
out:
	*start = first;
	*end = last;
	return last;
}

struct place_frames {
	uintptr_t at, last; /* last: the stack pointer of the last frame */
	bool found;
};

static _Unwind_Reason_Code place_look_at_frame(struct _Unwind_Context *context, void *arg)
{
	struct place_frames *q = arg;
	uintptr_t sp = _Unwind_GetCFA(context);
	int interrupted = 0;

	(void)_Unwind_GetIPInfo(context, &interrupted);
	/* a signal handler may run on another stack than the code that it interrupted */
	if (!interrupted && sp - q->last < PLACE_FRAME_MAX && q->at - q->last < sp - q->last)
		q->found = true;
	q->last = sp;
	return q->found ? _URC_END_OF_STACK : _URC_NO_REASON;
}

/* Whether a frame that the unwinder finds contains the address. */
static bool place_is_in_frame(uintptr_t at)
{
	struct place_frames q = {.at = at, .last = (uintptr_t)__builtin_frame_address(0)};

	_Unwind_Backtrace(place_look_at_frame, &q);
	return q.found;
}

struct place_object {
	uintptr_t at;
	bool read_only, of_thread;
};

static int place_look_at_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place_object *q = arg;
	bool inside = false;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_TLS && info->dlpi_tls_data)
			q->of_thread |= q->at - (uintptr_t)info->dlpi_tls_data < p->p_memsz;
		if (q->at - (info->dlpi_addr + p->p_vaddr) >= p->p_memsz)
			continue;
		if (p->p_type == PT_LOAD) {
			inside = true;
			q->read_only |= !(p->p_flags & PF_W);
		} else if (p->p_type == PT_GNU_RELRO) {
			q->read_only = true;
		}
	}
	return inside || q->of_thread;
}

static struct place_object place_object_of(uintptr_t at)
{
	struct place_object q = {.at = at};

	dl_iterate_phdr(place_look_at_object, &q);
	return q;
}

/*
 * Whether a frame of the calling thread contains the address. On the thread's original stack that
 * is everything above this function's frame except thread-local variables, which are at its end. On
 * a stack that the program allocated (makecontext(), a coroutine library) only the unwinder can
 * find the frames.
 */
static bool place_is_on_stack(uintptr_t at, const struct place_object *o)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), start, end;

	if (!place_thread_stack(&start, &end) || here < start || here >= end)
		return place_is_in_frame(at);
	return at >= here && at < end && !o->of_thread;
}

/* Whether the address is in the page map of RAM, an array of struct page. */
static bool place_is_page_struct(uintptr_t at)
{
	u64 off = (u64)(at - (uintptr_t)read_once(&mem.map));

	return off < read_once(&mem.span) >> (PAGE_BITS - PAGE_STRUCT_BITS);
}

static bool place_find_guarded(struct store_range *r, void *arg)
{
	return !r->of->guarded;
}

/* Whether AddressSanitizer has poisoned the memory, and not own.c. */
static bool place_is_freed(const struct check_mapping *m, uintptr_t at)
{
	if (!__asan_region_is_poisoned || !__asan_region_is_poisoned((void *)at, m->size))
		return false;
	return m->pa >= PHYS_FOREIGN ||
	       store_search(SPACE_PHYS, m->pa, m->size, place_find_guarded, NULL);
}

static void place_check_foreign(struct report_about *a, uintptr_t at)
{
	struct place_object o = place_object_of(at);

	if (place_is_page_struct(at)) {
		a->kind = DMAMAP_CHECK_PAGE_STRUCT;
		report_misuse(a,
			      "%p is a struct page, not the memory that it describes: map that by "
			      "dma_map_page(), or page_address() has its address",
			      (void *)at);
	} else if (place_is_on_stack(at, &o)) {
		a->kind = DMAMAP_CHECK_MAP_STACK;
		report_misuse(
			a,
			"%p is on the stack, and gone before the device may be done: use kmalloc",
			(void *)at);
	} else if (o.read_only) {
		a->kind = DMAMAP_CHECK_MAP_TEXT;
		report_misuse(
			a, "%p is program text or read-only data: copy it to memory from kmalloc",
			(void *)at);
	}
}

void check_place(struct check_device *c, const struct check_mapping *m, const void *caller)
{
	struct report_about a =
		about_of(c, DMAMAP_CHECK_MAP_FREED, m->addr, m->size, m->dir, caller);
	uintptr_t at = (uintptr_t)(m->cpu ? m->cpu : phys_ptr(PHYS(m->pa)));

	if (unlikely(place_is_freed(m, at)))
		report_misuse(&a, "%p, %llu bytes, is freed memory, or reaches out of its block",
			      (void *)at, (unsigned long long)m->size);
	else if (unlikely(m->pa >= PHYS_FOREIGN))
		place_check_foreign(&a, at);
}
