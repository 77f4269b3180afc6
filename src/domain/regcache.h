/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy=persistent: who keeps mappings of memory outside RAM. Declared here, filled in by src/odp;
 * a device without one maps as under policy=identity.
 */
#ifndef DOMAIN_REGCACHE_H
#define DOMAIN_REGCACHE_H

#include "base/compiler.h"

struct regcache {
	/* The bus address for `pa`, 0: it cannot be kept, map it as usual. `prot`: PT_READ,
	 * PT_WRITE. */
	u64 (*map)(struct regcache *k, phys_t pa, u64 size, u64 prot);
	/* 1: given back; 0: not one of these; -1: is one, but nobody has it mapped. */
	int (*unmap)(struct regcache *k, u64 bus, u64 size);
};

#endif
