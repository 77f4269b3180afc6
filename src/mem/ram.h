/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM's life inside this layer: who keeps it there, system calls, AddressSanitizer's view of it. */
#ifndef MEM_RAM_H
#define MEM_RAM_H

#include "base/asan.h"
#include "mem/mem.h"

#include <sys/mman.h>

#define MEM_NOWHERE                                                                                \
	((u8 *)(uintptr_t)(1ull << 62)) /* minus this, every pointer is past any span              \
					 */

/* What a struct mem_config comes to. */
struct mem_layout {
	u64 ram, low, span, bounce_start, bounce_size;
};

/* 0; -EINVAL and a sentence. */
int mem_layout_make(const struct mem_config *want, struct mem_layout *out);

/*
 * RAM is there while the count is not 0: one for each device, vmalloc area and page given out. The
 * first user fixes it with the default sizes. 0, -ENOMEM.
 */
int mem_use_pages(u64 n);
void mem_unuse_pages(u64 n);
int mem_use_area(void);
void mem_unuse_area(void);

/*
 * mmap() of anonymous memory that costs only what is touched and that a child of fork does not
 * have; NULL and a sentence.
 */
void *mem_reserve(u64 size, int prot, const char *what);
void mem_unreserve(void *p, u64 size);

/* Puts memory of nobody's in place of what a part of such a range had. False, errno: it stays. */
bool mem_map_zero(void *at, u64 size, int prot);

/* Zeroes RAM. Large parts are given back to the system instead, so they stay sparse. */
void mem_zero(phys_t pa, u64 size);

/* The vmalloc layer forgets its range: RAM goes. */
void vm_forget(void);

/* Marks of AddressSanitizer (poison.c), where the program has it. */
int poison_init(u64 span);
void poison_fini(void); /* all of RAM may be used again */
void poison_mark(const void *p, u64 size);

hot_inline void poison_set(const void *p, u64 size)
{
	if (unlikely(asan_is_on()))
		poison_mark(p, size);
}

hot_inline void poison_clear(const void *p, u64 size)
{
	if (unlikely(asan_is_on()))
		asan_unpoison(p, size);
}

#endif
