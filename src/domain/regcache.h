/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy=persistent: the interface of the registration cache for memory outside RAM. src/odp
 * implements it. A device without a registration cache maps as under policy=identity.
 */
#ifndef DOMAIN_REGCACHE_H
#define DOMAIN_REGCACHE_H

#include "base/compiler.h"

struct regcache {
	/* Returns the bus address for `pa`, or 0 if the memory cannot be cached; the caller then
	 * maps it as without a cache. `prot` is PT_READ, PT_WRITE or both. */
	u64 (*map)(struct regcache *k, phys_t pa, u64 size, u64 prot);
	/* 1: released; 0: no cached registration; -1: a cached registration that is not mapped. */
	int (*unmap)(struct regcache *k, u64 bus, u64 size);
};

#endif
