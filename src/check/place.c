/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that no driver may map: its stack, whose frame ends before the transfer may; the program's
 * text and read-only data; memory that was freed, which only AddressSanitizer knows: the library
 * asks it if the program has it, also when the library itself was built without.
 */
#include "check/shadow.h"

#include <link.h>
#include <pthread.h>

extern void *__asan_region_is_poisoned(void *begin, size_t size) __attribute__((weak));

/* Past this thread's stack; 0: not known. */
static uintptr_t stack_end(void)
{
	static _Thread_local uintptr_t end;
	pthread_attr_t attr;
	void *start;
	size_t size;

	if (likely(end))
		return end;
	if (pthread_getattr_np(pthread_self(), &attr))
		return 0;
	if (!pthread_attr_getstack(&attr, &start, &size))
		end = (uintptr_t)start + size;
	pthread_attr_destroy(&attr);
	return end;
}

struct object {
	uintptr_t at;
	bool read_only;
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object *q = arg;
	bool inside = false;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (q->at - (info->dlpi_addr + p->p_vaddr) >= p->p_memsz)
			continue;
		if (p->p_type == PT_LOAD) {
			inside = true;
			q->read_only |= !(p->p_flags & PF_W);
		} else if (p->p_type == PT_GNU_RELRO) {
			q->read_only = true;
		}
	}
	return inside;
}

static bool is_read_only(const void *p)
{
	struct object q = {.at = (uintptr_t)p};

	dl_iterate_phdr(look_at_object, &q);
	return q.read_only;
}

void place_check(struct check_device *c, const struct check_mapping *m, const void *caller)
{
	struct about a = about_of(c, DMAMAP_CHECK_MAP_FREED, m->addr, m->size, m->dir, caller);
	uintptr_t at = (uintptr_t)(m->cpu ? m->cpu : phys_ptr(PHYS(m->pa)));

	if (__asan_region_is_poisoned && __asan_region_is_poisoned((void *)at, m->size)) {
		report_misuse(&a, "%p, %llu bytes, is freed memory, or reaches out of its block",
			      (void *)at, (unsigned long long)m->size);
		return;
	}
	if (likely(m->pa < PHYS_FOREIGN))
		return;
	if (at >= (uintptr_t)__builtin_frame_address(0) && at < stack_end()) {
		a.kind = DMAMAP_CHECK_MAP_STACK;
		report_misuse(
			&a,
			"%p is on the stack, and gone before the device may be done: use kmalloc",
			(void *)at);
	} else if (is_read_only((void *)at)) {
		a.kind = DMAMAP_CHECK_MAP_TEXT;
		report_misuse(
			&a, "%p is program text or read-only data: copy it to memory from kmalloc",
			(void *)at);
	}
}
