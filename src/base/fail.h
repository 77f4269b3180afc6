/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault injection: each place that can fail asks here first, so that tests run every error path.
 * Off, it costs one predicted branch on a word that nobody writes. dmamap_fail() (src/check) is
 * the public face; its plan language is in include/dmamap/check.h.
 */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include "base/compiler.h"

enum fail_site {
	FAIL_MAP,      /* a streaming mapping */
	FAIL_COHERENT, /* coherent memory */
	FAIL_POOL,     /* dma_pool_alloc() */
	FAIL_PAGE,     /* the page allocator and kmalloc */
	FAIL_IOVA,     /* address space for the device */
	FAIL_BOUNCE,   /* bounce slots */
	FAIL_LINK,     /* dma_iova_link() */
	FAIL_BACKEND,  /* a call of the back end */
	FAIL_MEMORY,   /* the library's own allocations and system calls */
	FAIL_KMALLOC,  /* objects of kmalloc and of caches, and what the program asks for by name */
	FAIL_SKB,      /* these are the program's alone: dmamap_should_fail() */
	FAIL_IRQ,
	FAIL_IOREMAP,
	FAIL_REGISTER,
	FAIL_SITES,
};

extern const char *const fail_names[FAIL_SITES];

struct fail_rule {
	u64 nth, every, times, seed;
	double prob;
	char dev[32]; /* only this device; "": any */
};

extern u32 fail_armed __attribute__((visibility("hidden"))); /* not 0 while any site has a rule */

bool fail_decide(enum fail_site site, const char *dev) __attribute__((cold));
void fail_set(enum fail_site site, const struct fail_rule *rule); /* NULL: off, count back to 0 */
u64 fail_fired(enum fail_site site);

/* True: behave as if it had failed. `dev` is the device's name, or NULL. */
hot_inline bool fail_here(enum fail_site site, const char *dev)
{
	return unlikely(read_once(&fail_armed)) && fail_decide(site, dev);
}

#endif
