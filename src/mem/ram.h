/* SPDX-License-Identifier: BSD-2-Clause */
/* Lifetime of RAM, for this folder: user counts, system calls, and AddressSanitizer's view. */
#ifndef MEM_RAM_H
#define MEM_RAM_H

#include "base/asan.h"
#include "mem/mem.h"

#include <sys/mman.h>

/* The distance from this to any pointer exceeds every span. */
#define MEM_NOWHERE ((u8 *)(uintptr_t)(1ull << 62))

/* The layout that a struct mem_config results in. */
struct mem_layout {
	u64 ram, low, span, bounce_start, bounce_size;
};

/* Returns 0, or -EINVAL with an error message. */
int mem_layout_make(const struct mem_config *want, struct mem_layout *out);

/*
 * RAM exists while the count of users is not 0: devices, vmalloc areas and allocated pages. The
 * first user creates it with the default sizes. Returns 0 or -ENOMEM.
 */
int mem_use_pages(u64 n);
void mem_unuse_pages(u64 n);
int mem_use_area(void);
void mem_unuse_area(void);

/*
 * Maps anonymous memory that uses memory only where it is touched and that is absent in a child of
 * fork. Returns NULL with an error message.
 */
void *mem_reserve(u64 size, int prot, const char *what);
void mem_unreserve(void *p, u64 size);

/*
 * Replaces a part of such a range by fresh anonymous memory. On false, with errno, it is unchanged.
 */
bool mem_map_zero(void *at, u64 size, int prot);

/* Zeroes RAM. Large parts are released to the system instead, so they stay sparse. */
void mem_zero(phys_t pa, u64 size);

/* Resets the vmalloc layer's range, before RAM is destroyed. */
void vm_forget(void);

/* Marks of AddressSanitizer (poison.c); no effect if the program was built without it. */
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
