/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault injection. Every operation that can fail calls fail_here() first, so that tests can run
 * every error path. When it is off, this costs one predicted branch on a word that is not written.
 * dmamap_fail() (src/report) is the public interface; include/dmamap/check.h describes its plan
 * language.
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
	FAIL_BACKEND,  /* an operation of the back end */
	FAIL_MEMORY,   /* the library's own allocations and system calls */
	FAIL_KMALLOC,  /* objects of kmalloc and of caches, and sites that the program names */
	FAIL_SKB,      /* from here on only for the program, through dmamap_should_fail() */
	FAIL_IRQ,
	FAIL_IOREMAP,
	FAIL_REGISTER,
	FAIL_SITES,
};

extern const char *const fail_names[FAIL_SITES];

struct fail_rule {
	u64 nth, every, times, seed;
	double prob;
	char dev[32]; /* only for this device; "": for every device */
};

extern u32 fail_armed __attribute__((visibility("hidden"))); /* not 0 while a site has a rule */

bool fail_decide(enum fail_site site, const char *dev) __attribute__((cold));
/* NULL: off; resets the counters */
void fail_set(enum fail_site site, const struct fail_rule *rule);
u64 fail_fired(enum fail_site site);

/*
 * Returns true if the caller must behave as if the operation had failed. `dev` is the device's
 * name, or NULL.
 */
hot_inline bool fail_here(enum fail_site site, const char *dev)
{
	return unlikely(read_once(&fail_armed)) && fail_decide(site, dev);
}

#endif
