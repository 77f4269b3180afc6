/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's own memory. It is zeroed. On failure the functions return NULL with errno ENOMEM
 * and an error message, also when fault injection fails the call (site "memory"). The memory comes
 * from malloc, so that sanitizers check it.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include "base/compiler.h"

#define ALLOC_HUGE (1ul << 21)

void *alloc_zeroed(size_t size);
void *alloc_array(size_t n, size_t size);	/* checks that n * size does not overflow */
void *alloc_aligned(size_t align, size_t size); /* align: a power of two */
void *alloc_huge(size_t size); /* size: a multiple of ALLOC_HUGE; uses huge pages if available */
void *alloc_grow(void *old, size_t old_size,
		 size_t size); /* zeroes the new part; on NULL `old` is unchanged */
char *alloc_string(const char *s);
/* Address space; only what is touched costs memory. For large tables. */
void *alloc_sparse(size_t size);
void alloc_sparse_free(void *p, size_t size); /* p may be NULL; preserves errno */
void alloc_free(void *p);    /* frees memory of any of these; p may be NULL; preserves errno */
bool alloc_is_freeing(void); /* whether this thread is in a call of free() made here */

/* Bracket calls that allocate internally, such as qsort(); see alloc.c. They do not nest. */
#ifdef BUILT_WITH_ASAN
void alloc_hold(void);
void alloc_let_go(void);
#else
static inline void alloc_hold(void)
{
}
static inline void alloc_let_go(void)
{
}
#endif

#endif
